#include "shared_library.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <sstream>

#ifdef _WIN32
#include "files.hpp"
#include "win32.hpp"
#else
#include <dlfcn.h>
#endif

namespace inpaintrt::detail {
namespace {

#ifdef _WIN32
void* open_one(const std::string& name, std::string& reason) {
    // A library that is named by its whole path finds its own dependencies beside itself.
    const std::filesystem::path path = wide(name);
    const bool bare = !path.has_parent_path();
    std::error_code error;
    const std::wstring file = bare ? path.wstring() : std::filesystem::absolute(path, error).make_preferred().wstring();
    void* handle = LoadLibraryExW(file.c_str(), nullptr, bare ? 0 : LOAD_WITH_ALTERED_SEARCH_PATH);
    if (handle == nullptr) reason = name + ": " + windows_error(GetLastError());
    return handle;
}

/// The folder of the program, or of the library that this code is in.
std::filesystem::path folder_of(HMODULE module) {
    std::wstring path(32768, L'\0');  // the longest that Windows has
    path.resize(GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size())));
    return std::filesystem::path(path).parent_path();
}

HMODULE this_module() {
    HMODULE module = nullptr;
    constexpr DWORD how = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    GetModuleHandleExW(how, reinterpret_cast<LPCWSTR>(&this_module), &module);
    return module;
}

void* find_symbol(void* handle, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle), name));
}
#else
void* open_one(const std::string& name, std::string& reason) {
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* words = dlerror();
        reason = words != nullptr ? words : name + ": does not open";
    }
    return handle;
}

void* find_symbol(void* handle, const char* name) {
    return dlsym(handle, name);
}
#endif

std::atomic<bool> ends{false};

/// At exit, functions run from the last to the first that was registered: after the destructors of static objects that were
/// made later than now, before those of the library that was opened just now.
void watch_exit(void* opened) {
    static std::mutex mutex;
    static auto& known = *new std::set<void*>;  // lives as long as the libraries
    const std::lock_guard lock(mutex);
    if (known.insert(opened).second) std::atexit([] { ends = true; });
}

}  // namespace

SharedLibrary SharedLibrary::open(const std::vector<std::string>& names) {
    std::string reasons;
    for (const std::string& name : names) {
        std::string reason;
        if (void* handle = open_one(name, reason)) {
            watch_exit(handle);
            return {handle, name};
        }
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    throw std::runtime_error(reasons);
}

bool SharedLibrary::process_ends() noexcept {
    return ends;
}

void* SharedLibrary::symbol(const char* name) const {
    void* found = find_symbol(handle_, name);
    if (found == nullptr) throw std::runtime_error(name_ + ": has no " + name);
    return found;
}

std::vector<std::string> places_of(const std::string& name) {
    std::vector<std::string> places;
#ifdef _WIN32
    std::vector<std::filesystem::path> folders = {folder_of(this_module()), folder_of(nullptr)};
    std::wstringstream list(wide(environment("PATH").value_or("")));
    for (std::wstring folder; std::getline(list, folder, L';');) folders.emplace_back(folder);
    for (const std::filesystem::path& folder : folders) {
        const std::string place = text(folder / wide(name));
        const bool known = std::find(places.begin(), places.end(), place) != places.end();
        if (folder.is_absolute() && !known && file_exists(folder / wide(name))) places.push_back(place);
    }
#endif
    places.push_back(name);
    return places;
}

std::optional<std::string> environment(const char* name) {
#ifdef _WIN32
    // Of the process: a program's own copies may differ where it has several C libraries.
    std::wstring value(32768, L'\0');  // the longest that Windows has
    value.resize(GetEnvironmentVariableW(wide(name).c_str(), value.data(), static_cast<DWORD>(value.size())));
    if (value.empty()) return std::nullopt;
    return narrow(value);
#else
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
#endif
}

}  // namespace inpaintrt::detail
