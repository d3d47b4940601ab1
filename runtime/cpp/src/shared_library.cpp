#include "shared_library.hpp"

#include <cstdlib>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace inpaintrt::detail {
namespace {

#ifdef _WIN32
void* open_one(const std::string& name, std::string& reason) {
    void* handle = LoadLibraryA(name.c_str());
    if (handle == nullptr) reason = name + ": Windows error " + std::to_string(GetLastError());
    return handle;
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

}  // namespace

SharedLibrary SharedLibrary::open(const std::vector<std::string>& names) {
    std::string reasons;
    for (const std::string& name : names) {
        std::string reason;
        if (void* handle = open_one(name, reason)) return {handle, name};
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    throw std::runtime_error(reasons);
}

void* SharedLibrary::symbol(const char* name) const {
    void* found = find_symbol(handle_, name);
    if (found == nullptr) throw std::runtime_error(name_ + ": has no " + name);
    return found;
}

std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

}  // namespace inpaintrt::detail
