#include "files.hpp"

#include <random>

namespace inpaintrt::detail {

std::string text(const std::filesystem::path& path) {
    return path.u8string();
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
    std::random_device random;
    std::filesystem::path temporary = path;
    temporary += "." + std::to_string(random()) + std::to_string(random());
    return temporary;
}

}  // namespace inpaintrt::detail
