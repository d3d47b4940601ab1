#include <fstream>
#include <system_error>

#include "files.hpp"

namespace inpaintrt::detail {
namespace fs = std::filesystem;
namespace {

void check(const std::error_code& error) {
    if (error) throw FileError(error.message());
}

[[noreturn]] void fail(std::errc reason) {
    throw FileError(std::make_error_code(reason).message());
}

}  // namespace

struct InputFile::State {
    std::ifstream stream;
    std::uintmax_t size = 0;
};

InputFile::InputFile(const fs::path& path) : state_(std::make_unique<State>()) {
    std::error_code error;
    state_->size = fs::file_size(path, error);
    check(error);
    // Of a pipe or a device nothing can be checked before it is read.
    if (!fs::is_regular_file(path, error)) fail(std::errc::io_error);
    errno = 0;
    state_->stream.open(path, std::ios::binary);
    if (!state_->stream) fail(errno != 0 ? static_cast<std::errc>(errno) : std::errc::io_error);
}

InputFile::~InputFile() = default;

std::uintmax_t InputFile::size() const {
    return state_->size;
}

std::vector<std::uint8_t> InputFile::read() {
    std::vector<std::uint8_t> content(static_cast<std::size_t>(state_->size));
    state_->stream.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (!state_->stream) fail(std::errc::io_error);
    return content;
}

bool file_exists(const fs::path& path) {
    std::error_code error;
    const bool found = fs::exists(path, error);
    check(error);
    return found;
}

bool is_folder(const fs::path& path) {
    std::error_code error;
    const bool found = fs::is_directory(path, error);
    if (error != std::errc::no_such_file_or_directory) check(error);
    return found;
}

fs::path real_path(const fs::path& path) {
    std::error_code error;
    fs::path found = fs::absolute(path, error);
    if (!error) found = fs::weakly_canonical(found, error);
    check(error);
    return found;
}

bool replace_file(const fs::path& path, const void* data, std::size_t size) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    const fs::path temporary = temporary_name(path);
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
