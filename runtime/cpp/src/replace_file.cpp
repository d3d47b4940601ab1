#include "replace_file.hpp"

#include <fstream>
#include <random>
#include <string>
#include <system_error>

namespace inpaintrt::detail {
namespace fs = std::filesystem;

bool replace_file(const fs::path& path, const void* data, std::size_t size) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    // A name that no other process and no other instance takes.
    std::random_device random;
    fs::path temporary = path;
    temporary += "." + std::to_string(random()) + std::to_string(random());
    std::ofstream stream(temporary, std::ios::binary);
    stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    stream.close();
    const bool written = static_cast<bool>(stream);
    if (written) fs::rename(temporary, path, error);
    if (written && !error) return true;
    fs::remove(temporary, error);
    return false;
}

}  // namespace inpaintrt::detail
