// Nothing but Error leaves this library.
#pragma once

#include <new>
#include <stdexcept>

#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {

/// Run `work`; what it throws that is no Error yet becomes one.
template <typename Work>
auto guarded(const Work& work) -> decltype(work()) {
    try {
        return work();
    } catch (const Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        throw Error(ErrorCode::OutOfMemory, "out of memory");
    } catch (const std::length_error&) {
        throw Error(ErrorCode::OutOfMemory, "out of memory: a size is beyond what memory can be");
    } catch (const std::exception& error) {
        throw Error(ErrorCode::Internal, std::string("a bug in inpaintrt: ") + error.what());
    }
}

}  // namespace inpaintrt::detail
