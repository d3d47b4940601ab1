// ONNX Runtime's shared library, opened when it is used.
//
// Called through its C interface, which any release since 1.16 offers unchanged: its C++ header keeps the interface in a
// variable that all code of a program shares, and an application that uses ONNX Runtime itself would find ours in it.
#pragma once

#ifdef __MINGW32__
// What the header takes from Microsoft's compiler.
#ifndef _Return_type_success_
#define _Return_type_success_(expression)
#endif
#ifndef _stdcall
#define _stdcall __stdcall
#endif
#endif
#include <onnxruntime_c_api.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "../shared_library.hpp"
#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {

static_assert(ORT_API_VERSION >= 16, "ONNX Runtime's headers must be of release 1.16 or later");

/// Frees an object of ONNX Runtime with the function that its interface has for the type.
template <typename T>
struct OrtDeleter {
    void (*release)(T*);
    void operator()(T* object) const { release(object); }
};

template <typename T>
using OrtPointer = std::unique_ptr<T, OrtDeleter<T>>;

class OnnxRuntimeLibrary {
public:
    /// The library, shared by all that use the same file. Throws Error(Backend) if there is none that fits.
    static std::shared_ptr<const OnnxRuntimeLibrary> open(const std::filesystem::path& library);

    explicit OnnxRuntimeLibrary(const SharedLibrary& library);

    const OrtApi& api() const { return *api_; }
    OrtEnv& environment() const { return *environment_; }
    const std::string& version() const { return version_; }

    /// Throw Error(Backend) with `what` and the library's words, unless `status` is null.
    void check(OrtStatus* status, const std::string& what) const;

    /// The name of an execution provider's GPU build is in this list.
    std::vector<std::string> providers() const;

private:
    const OrtApi* api_ = nullptr;
    std::string version_;
    OrtPointer<OrtEnv> environment_{nullptr, {nullptr}};
};

}  // namespace inpaintrt::detail
