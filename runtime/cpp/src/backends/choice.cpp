#include "choice.hpp"

#include <functional>
#include <vector>

#include "../files.hpp"
#include "inpaintrt/error.hpp"
#include "onnx_runtime.hpp"
#include "tensor_rt.hpp"

namespace inpaintrt::detail {
namespace {

struct Candidate {
    Backend backend;
    Device device;
    const char* name;
    std::function<std::unique_ptr<Runner>()> open;
};

std::vector<Candidate> candidates(const Bundle& bundle, const Options& options) {
    return {
        {Backend::TensorRT, Device::Cuda, "tensorrt", [&] { return open_tensor_rt(bundle, options); }},
        {Backend::TensorRTRTX, Device::Cuda, "tensorrt-rtx", [&] { return open_tensor_rt_rtx(bundle, options); }},
        {Backend::OnnxRuntimeCuda, Device::Cuda, "onnxruntime-cuda",
         [&] { return open_onnx_runtime(bundle, bundle.onnx("fp16"), Device::Cuda, options); }},
        {Backend::OnnxRuntimeCpu, Device::Cpu, "onnxruntime-cpu",
         [&] { return open_onnx_runtime(bundle, bundle.onnx("fp32"), Device::Cpu, options); }},
    };
}

const char* name_of(Device device) {
    return device == Device::Cpu ? "cpu" : device == Device::Cuda ? "cuda" : "auto";
}

}  // namespace

Chosen choose_backend(const Bundle& bundle, const Options& options) {
    std::vector<Rejection> rejected;
    for (const Candidate& candidate : candidates(bundle, options)) {
        if (options.device != Device::Auto && options.device != candidate.device) continue;
        if (options.backend != Backend::Auto && options.backend != candidate.backend) continue;
        try {
            auto runner = candidate.open();
            std::string name = runner->name();
            return {std::move(runner), {std::move(name), std::move(rejected)}};
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Backend) throw;
            rejected.push_back({candidate.name, error.what()});
        }
    }
    std::string reasons;
    for (const Rejection& one : rejected) reasons += (reasons.empty() ? "" : "; ") + one.name + ": " + one.reason;
    throw Error(ErrorCode::Backend, text(bundle.path) + ": no backend can run it with device " +
                                        name_of(options.device) + " (" + reasons + ")");
}

}  // namespace inpaintrt::detail
