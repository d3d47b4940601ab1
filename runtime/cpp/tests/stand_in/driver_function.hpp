// A function of the stand-in driver, which this process has open.
#pragma once

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace stand_in {

inline void* driver_function(const char* name) {
#ifdef _WIN32
    return reinterpret_cast<void*>(GetProcAddress(GetModuleHandleA("nvcuda.dll"), name));
#else
    return dlsym(dlopen("libcuda.so.1", RTLD_NOW), name);
#endif
}

}  // namespace stand_in
