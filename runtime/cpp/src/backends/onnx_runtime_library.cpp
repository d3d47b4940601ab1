#include "onnx_runtime_library.hpp"

#include <map>
#include <mutex>

#include "../files.hpp"

namespace inpaintrt::detail {
namespace {

constexpr std::uint32_t api_version = 16;

#ifdef _WIN32
constexpr const char* sonames[] = {"onnxruntime.dll"};
#elif defined(__APPLE__)
constexpr const char* sonames[] = {"libonnxruntime.dylib"};
#else
// The second name is Debian's.
constexpr const char* sonames[] = {"libonnxruntime.so.1", "libonnxruntime.so"};
#endif

/// Where to look: what the caller says, what the environment says, what the loader finds, and where CMake found it.
std::vector<std::string> library_names(const std::filesystem::path& library) {
    if (!library.empty()) return {text(library)};
    if (const auto named = environment("INPAINTRT_ONNXRUNTIME_LIBRARY")) return {*named};
    std::vector<std::string> names;
    for (const char* soname : sonames) {
        for (std::string& place : places_of(soname)) names.push_back(std::move(place));
    }
    if (const std::string hint = INPAINTRT_ONNXRUNTIME_HINT; !hint.empty()) names.push_back(hint);
    return names;
}

}  // namespace

std::shared_ptr<const OnnxRuntimeLibrary> OnnxRuntimeLibrary::open(const std::filesystem::path& library) {
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<const OnnxRuntimeLibrary>> opened;
    const std::lock_guard lock(mutex);
    try {
        const SharedLibrary found = SharedLibrary::open(library_names(library));
        std::weak_ptr<const OnnxRuntimeLibrary>& entry = opened[found.name()];
        if (auto shared = entry.lock()) return shared;
        auto shared = std::make_shared<const OnnxRuntimeLibrary>(found);
        entry = shared;
        return shared;
    } catch (const std::runtime_error& error) {
        if (dynamic_cast<const Error*>(&error) != nullptr) throw;
        throw Error(ErrorCode::Backend, std::string("ONNX Runtime does not load: ") + error.what() +
                                            "; install it, or name its shared library with "
                                            "Options::onnxruntime_library or INPAINTRT_ONNXRUNTIME_LIBRARY");
    }
}

OnnxRuntimeLibrary::OnnxRuntimeLibrary(const SharedLibrary& library) {
    const OrtApiBase* base = library.function<const OrtApiBase*()>("OrtGetApiBase")();
    version_ = base->GetVersionString();
    api_ = base->GetApi(api_version);
    if (api_ == nullptr) {
        throw Error(ErrorCode::Backend, library.name() + ": is onnxruntime " + version_ + "; 1." +
                                            std::to_string(api_version) + " or later is needed");
    }
    OrtEnv* environment = nullptr;
    check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "inpaintrt", &environment), "onnxruntime does not start");
    environment_ = {environment, {api_->ReleaseEnv}};
}

void OnnxRuntimeLibrary::check(OrtStatus* status, const std::string& what) const {
    if (status == nullptr) return;
    const OrtPointer<OrtStatus> owned(status, {api_->ReleaseStatus});
    throw Error(ErrorCode::Backend, what + ": " + api_->GetErrorMessage(status));
}

std::vector<std::string> OnnxRuntimeLibrary::providers() const {
    char** names = nullptr;
    int count = 0;
    check(api_->GetAvailableProviders(&names, &count), "onnxruntime does not tell its providers");
    std::vector<std::string> found(names, names + count);
    check(api_->ReleaseAvailableProviders(names, count), "onnxruntime does not free its providers");
    return found;
}

}  // namespace inpaintrt::detail
