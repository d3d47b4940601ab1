// The one exception type, and its codes. As runtime/errors.py.
#ifndef INPAINTRT_ERROR_HPP
#define INPAINTRT_ERROR_HPP

#include <stdexcept>
#include <string>

#include "inpaintrt/inpaintrt.h"

// Elsewhere the type must be known across libraries to be caught; to Microsoft's compiler its name is enough, and it
// warns of a whole class with a base of the standard library.
#ifdef _MSC_VER
#define INPAINTRT_EXCEPTION
#define INPAINTRT_EXCEPTION_MEMBER INPAINTRT_API
#else
#define INPAINTRT_EXCEPTION INPAINTRT_API
#define INPAINTRT_EXCEPTION_MEMBER
#endif

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
class INPAINTRT_EXCEPTION Error : public std::runtime_error {
public:
    INPAINTRT_EXCEPTION_MEMBER Error(ErrorCode code, const std::string& message);
    INPAINTRT_EXCEPTION_MEMBER ~Error() override;
    ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

}  // namespace inpaintrt

#endif
