#include <algorithm>

#include "files.hpp"
#include "win32.hpp"

namespace inpaintrt::detail {
namespace fs = std::filesystem;
namespace {

/// Replacing a file fails while another program, often a virus scanner, has it open.
constexpr int replace_attempts = 20;
constexpr DWORD replace_pause = 10;  // milliseconds

constexpr DWORD share_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

[[noreturn]] void fail(DWORD code = GetLastError()) {
    throw FileError(windows_error(code));
}

/// What a function of Windows writes into a buffer that is asked for its size first.
template <typename Function>
std::wstring read_text(const Function& function) {
    std::wstring text(MAX_PATH, L'\0');
    DWORD length = function(text.data(), static_cast<DWORD>(text.size()));
    if (length >= text.size()) {
        text.resize(length);
        length = function(text.data(), static_cast<DWORD>(text.size()));
    }
    if (length == 0 || length >= text.size()) fail();
    text.resize(length);
    return text;
}

/// The path in the form that has no limit of 260 characters.
std::wstring long_path(const fs::path& path) {
    const std::wstring full = read_text(
        [&](wchar_t* to, DWORD size) { return GetFullPathNameW(path.c_str(), size, to, nullptr); });
    const std::wstring start = full.substr(0, 4);
    if (start == L"\\\\?\\" || start == L"\\\\.\\") return full;
    if (full.substr(0, 2) == L"\\\\") return L"\\\\?\\UNC\\" + full.substr(2);
    return L"\\\\?\\" + full;
}

class Handle {
public:
    explicit Handle(HANDLE handle) : handle_(handle) {}
    ~Handle() {
        if (valid()) CloseHandle(handle_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    bool valid() const { return handle_ != INVALID_HANDLE_VALUE; }
    HANDLE get() const { return handle_; }

private:
    HANDLE handle_;
};

/// Of no file: INVALID_FILE_ATTRIBUTES.
DWORD attributes(const fs::path& path) {
    const DWORD found = GetFileAttributesW(long_path(path).c_str());
    if (found != INVALID_FILE_ATTRIBUTES) return found;
    const DWORD code = GetLastError();
    const bool missing = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND || code == ERROR_INVALID_NAME ||
                         code == ERROR_BAD_PATHNAME || code == ERROR_BAD_NETPATH;
    if (!missing) fail(code);
    return found;
}

/// The folder that a path in the long form lies in; of a drive's root, itself. Without its last sign, that is the device.
fs::path folder_of(const fs::path& path) {
    fs::path folder = path.parent_path();
    if (folder.native().back() == L':') folder += L"\\";
    return folder;
}

bool has_links(const fs::path& path) {
    const fs::path folder = folder_of(path);
    if (folder == path) return false;
    const DWORD found = GetFileAttributesW(path.c_str());
    return (found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_REPARSE_POINT) != 0) || has_links(folder);
}

void make_folder(const fs::path& path) {
    if (path.empty() || file_exists(path)) return;
    if (path.has_parent_path() && path.parent_path() != path) make_folder(path.parent_path());
    CreateDirectoryW(long_path(path).c_str(), nullptr);  // another process may be first
}

bool write_new(const std::wstring& path, const void* data, std::size_t size) {
    const Handle file(CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
    if (!file.valid()) return false;
    const auto* next = static_cast<const std::uint8_t*>(data);
    for (std::size_t left = size; left > 0;) {
        DWORD written = 0;
        const auto part = static_cast<DWORD>(std::min<std::size_t>(left, 1 << 30));
        if (WriteFile(file.get(), next, part, &written, nullptr) == 0 || written == 0) return false;
        next += written;
        left -= written;
    }
    return FlushFileBuffers(file.get()) != 0;
}

}  // namespace

struct InputFile::State {
    Handle file;
    std::uintmax_t size = 0;

    explicit State(HANDLE handle) : file(handle) {}
};

InputFile::InputFile(const fs::path& path)
    : state_(std::make_unique<State>(CreateFileW(long_path(path).c_str(), GENERIC_READ, share_all, nullptr, OPEN_EXISTING,
                                                 FILE_FLAG_SEQUENTIAL_SCAN, nullptr))) {
    if (!state_->file.valid()) fail();
    // Of a pipe or a device nothing can be checked before it is read.
    if (GetFileType(state_->file.get()) != FILE_TYPE_DISK) fail(ERROR_NOT_SUPPORTED);
    LARGE_INTEGER size{};
    if (GetFileSizeEx(state_->file.get(), &size) == 0) fail();
    state_->size = static_cast<std::uintmax_t>(size.QuadPart);
}

InputFile::~InputFile() = default;

std::uintmax_t InputFile::size() const {
    return state_->size;
}

std::vector<std::uint8_t> InputFile::read() {
    std::vector<std::uint8_t> content(static_cast<std::size_t>(state_->size));
    for (std::size_t done = 0; done < content.size();) {
        DWORD count = 0;
        const auto part = static_cast<DWORD>(std::min<std::size_t>(content.size() - done, 1 << 30));
        if (ReadFile(state_->file.get(), content.data() + done, part, &count, nullptr) == 0) fail();
        if (count == 0) fail(ERROR_HANDLE_EOF);  // it became shorter
        done += count;
    }
    return content;
}

bool file_exists(const fs::path& path) {
    return attributes(path) != INVALID_FILE_ATTRIBUTES;
}

bool is_folder(const fs::path& path) {
    const DWORD found = attributes(path);
    return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

fs::path real_path(const fs::path& path) {
    const std::wstring full = long_path(path);
    const Handle file(
        CreateFileW(full.c_str(), 0, share_all, nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
    const fs::path whole = full;
    if (file.valid()) {
        try {
            return read_text([&](wchar_t* to, DWORD size) {
                return GetFinalPathNameByHandleW(file.get(), to, size, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS);
            });
        } catch (const FileError&) {
            // Some network drives tell none, nor does Wine of a drive's root and of long paths.
            if (has_links(whole)) throw;
            return whole;
        }
    }
    const fs::path folder = folder_of(whole);
    if (file_exists(path) || folder == whole) return whole;
    return real_path(folder) / whole.filename();
}

bool replace_file(const fs::path& path, const void* data, std::size_t size) try {
    make_folder(path.parent_path());
    const std::wstring temporary = long_path(temporary_name(path));
    bool done = write_new(temporary, data, size);
    const std::wstring target = long_path(path);
    constexpr DWORD how = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
    for (int attempt = 1; done && MoveFileExW(temporary.c_str(), target.c_str(), how) == 0; ++attempt) {
        const DWORD code = GetLastError();
        const bool busy = code == ERROR_SHARING_VIOLATION || code == ERROR_ACCESS_DENIED || code == ERROR_LOCK_VIOLATION;
        done = busy && attempt < replace_attempts;
        if (done) Sleep(replace_pause);
    }
    if (!done) DeleteFileW(temporary.c_str());
    return done;
} catch (const FileError&) {
    return false;
}

}  // namespace inpaintrt::detail
