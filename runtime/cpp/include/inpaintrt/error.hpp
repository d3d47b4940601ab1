// The one exception type, and its codes. As runtime/errors.py.
#ifndef INPAINTRT_ERROR_HPP
#define INPAINTRT_ERROR_HPP

#include <stdexcept>
#include <string>

#include "inpaintrt/inpaintrt.h"

namespace inpaintrt {

/// What kind of error it is; the numbers are those of the C interface.
enum class ErrorCode : int {
    InvalidArgument = INPAINTRT_INVALID_ARGUMENT,  ///< An option or an argument that makes no sense.
    Bundle = INPAINTRT_BUNDLE_ERROR,               ///< The bundle is missing, malformed, altered or of another release.
    Backend = INPAINTRT_BACKEND_ERROR,             ///< Nothing can run the bundle here, or a run failed.
    Image = INPAINTRT_IMAGE_ERROR,                 ///< Views without data, or that do not fit each other.
    Picture = Image,                               ///< Its former name.
    OutOfMemory = INPAINTRT_OUT_OF_MEMORY,         ///< Memory ran out.
    Cancelled = INPAINTRT_CANCELLED,               ///< The caller ended the call.
    Internal = INPAINTRT_INTERNAL_ERROR,           ///< A bug in this library.
};

/// The only exception type. `what()` says what was found, what was expected, and what to do, in UTF-8.
class INPAINTRT_API Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message);
    ~Error() override;
    ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

}  // namespace inpaintrt

#endif
