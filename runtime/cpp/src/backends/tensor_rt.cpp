#include "tensor_rt.hpp"

#include <algorithm>
#include <set>

#include "cuda.hpp"
#include "inpaintrt/error.hpp"
#include "tensor_rt_runner.hpp"

namespace inpaintrt::detail {
namespace {

[[noreturn]] void fail(const std::string& message) {
    throw Error(ErrorCode::Backend, message);
}

/// The bundle's engine for a GPU and a version of the library, fp16 before fp32.
Artifact find_engine(const std::vector<Artifact>& engines, const std::string& target, const std::string& version) {
    const Artifact* found = nullptr;
    std::set<std::string> there;
    for (const Artifact& engine : engines) {
        there.insert(engine.target + " by version " + engine.backend_version);
        const bool fits = engine.target == target && engine.backend_version == version;
        if (fits && (found == nullptr || engine.precision < found->precision)) found = &engine;
    }
    if (found != nullptr) return *found;
    std::string list;
    for (const std::string& one : there) list += (list.empty() ? "" : ", ") + one;
    fail("its engines are for " + list + "; this machine has " + target + " and version " + version +
         "; build-engines --backend " + engines.front().backend + " --target local makes one");
}

std::unique_ptr<Runner> open(const Bundle& bundle, const Options& options, const std::string& backend,
                             const std::string& cmake_option, TensorRTLibrary (*open_library)()) {
    const std::vector<Artifact> engines = bundle.engines(backend);
    if (engines.empty()) fail("the bundle holds no such engine; build-engines makes one");
    if (open_library == nullptr) fail("this inpaintrt was built without it; build it with -D" + cmake_option + "=ON");
    auto device = CudaDevice::open(options.gpu);
    const TensorRTLibrary library = open_library();
    const Artifact engine = find_engine(engines, device->target(), library.version);
    EngineFile file;
    file.name = backend + " " + engine.precision;
    file.built = engine.path + ", built by version " + engine.backend_version + " for " + engine.target;
    file.content = bundle.file(engine);
    file.takes_mask = bundle.interface.takes("mask");
    file.takes_sketch = bundle.interface.takes("sketch");
    const Profile& profile = bundle.interface.profile;
    file.first = {profile.batch.smallest, profile.height.best, profile.width.best};
    const std::filesystem::path beside = bundle.path / std::filesystem::u8path(engine.path + ".cache");
    file.cache = options.cache_directory.empty() ? beside : options.cache_directory / beside.filename();
    return library.open_runner(std::move(device), std::move(file));
}

using OpenLibrary = TensorRTLibrary (*)();
#ifdef INPAINTRT_WITH_TENSORRT
constexpr OpenLibrary open_tensorrt = &tensorrt::open_library;
#else
constexpr OpenLibrary open_tensorrt = nullptr;
#endif
#ifdef INPAINTRT_WITH_TENSORRT_RTX
constexpr OpenLibrary open_tensorrt_rtx = &tensorrt_rtx::open_library;
#else
constexpr OpenLibrary open_tensorrt_rtx = nullptr;
#endif

}  // namespace

std::unique_ptr<Runner> open_tensor_rt(const Bundle& bundle, const Options& options) {
    return open(bundle, options, "tensorrt", "INPAINTRT_TENSORRT", open_tensorrt);
}

std::unique_ptr<Runner> open_tensor_rt_rtx(const Bundle& bundle, const Options& options) {
    return open(bundle, options, "tensorrt-rtx", "INPAINTRT_TENSORRT_RTX", open_tensorrt_rtx);
}

}  // namespace inpaintrt::detail
