// Files, by paths of any length and script. Errors are in UTF-8.
//
// On Windows through its own interface (files_windows.cpp): the standard library's opens no path beyond 260 characters,
// keeps others from replacing a file while it is read, and has messages in the code page of the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace inpaintrt::detail {

/// What the system says about a file that cannot be used.
struct FileError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A regular file that is open for reading; others may replace it meanwhile.
class InputFile {
public:
    /// Throws FileError if there is no such file, it cannot be opened, or it is a folder, a pipe or a device.
    explicit InputFile(const std::filesystem::path& path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    std::uintmax_t size() const;

    /// All of it. Throws FileError.
    std::vector<std::uint8_t> read();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Throws FileError if that cannot be found out.
bool file_exists(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

/// The path with all links followed, absolute; its last parts need not exist. Throws FileError.
std::filesystem::path real_path(const std::filesystem::path& path);

/// Replace a file by a new one in one step, making its folder if there is none; false if the disk does not allow it.
/// Whoever reads it sees the old content or the new one.
bool replace_file(const std::filesystem::path& path, const void* data, std::size_t size);

/// A path in UTF-8, for messages.
std::string text(const std::filesystem::path& path);

/// A path beside another one whose name no other process and no other instance takes.
std::filesystem::path temporary_name(const std::filesystem::path& path);

}  // namespace inpaintrt::detail
