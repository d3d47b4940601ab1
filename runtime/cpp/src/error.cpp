#include "inpaintrt/error.hpp"

namespace inpaintrt {

Error::Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
Error::~Error() = default;

}  // namespace inpaintrt
