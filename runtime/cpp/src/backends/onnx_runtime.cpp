#include "onnx_runtime.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <thread>

#include "../interrupt.hpp"
#include "onnx_runtime_library.hpp"

namespace inpaintrt::detail {
namespace {

constexpr const char* image_name = "image";
constexpr const char* mask_name = "mask";
constexpr const char* sketch_name = "sketch";
constexpr const char* composite_name = "composite";

std::string join(const std::vector<std::string>& names) {
    std::string joined;
    for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
    return joined.empty() ? "nothing" : joined;
}

/// A model that is loaded; safe to share by threads.
class Session {
public:
    Session(std::shared_ptr<const OnnxRuntimeLibrary> library, const std::vector<std::uint8_t>& model,
            const DeployedInterface& interface, Device device, const Options& options)
        : library_(std::move(library)), takes_mask_(interface.takes(mask_name)),
          takes_sketch_(interface.takes(sketch_name)) {
        const OrtApi& api = library_->api();
        OrtSessionOptions* made = nullptr;
        library_->check(api.CreateSessionOptions(&made), "onnxruntime cannot make options");
        const OrtPointer<OrtSessionOptions> session_options(made, {api.ReleaseSessionOptions});
        const int cpus = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
        library_->check(api.SetIntraOpNumThreads(made, std::min(options.threads, cpus)), "onnxruntime: threads");
        library_->check(api.SetSessionLogSeverityLevel(made, ORT_LOGGING_LEVEL_ERROR), "onnxruntime: log level");
        if (device == Device::Cuda) append_cuda(made, options.gpu);
        OrtSession* session = nullptr;
        library_->check(
            api.CreateSessionFromArray(&library_->environment(), model.data(), model.size(), made, &session),
            "onnxruntime cannot load the model");
        session_ = {session, {api.ReleaseSession}};
        OrtMemoryInfo* memory = nullptr;
        library_->check(api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "onnxruntime: memory");
        memory_ = {memory, {api.ReleaseMemoryInfo}};
        check_model();
    }

    bool takes_mask() const { return takes_mask_; }
    bool takes_sketch() const { return takes_sketch_; }

    /// A tensor over memory that outlives it.
    OrtPointer<OrtValue> tensor(std::vector<std::uint8_t>& memory, const std::vector<std::int64_t>& shape) const {
        const OrtApi& api = library_->api();
        OrtValue* value = nullptr;
        library_->check(api.CreateTensorWithDataAsOrtValue(memory_.get(), memory.data(), memory.size(), shape.data(),
                                                           shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &value),
                        "onnxruntime cannot make a tensor");
        return {value, {api.ReleaseValue}};
    }

    /// `mask` and `sketch` are not looked at if the model takes none.
    void run(const OrtValue* image, const OrtValue* mask, const OrtValue* sketch, OrtValue* composite,
             Interrupt* interrupt) const {
        std::array inputs = {image, mask, sketch};
        std::array input_names = {image_name, mask_name, sketch_name};
        std::size_t count = 1;
        const auto add = [&](const OrtValue* value, const char* name) {
            inputs[count] = value;
            input_names[count++] = name;
        };
        if (takes_mask_) add(mask, mask_name);
        if (takes_sketch_) add(sketch, sketch_name);
        const OrtApi& api = library_->api();
        const auto run_with = [&](const OrtRunOptions* options) {
            library_->check(api.Run(session_.get(), options, input_names.data(), inputs.data(), count, &composite_name, 1,
                                    &composite),
                            "onnxruntime failed to run the model");
        };
        if (interrupt == nullptr) {
            run_with(nullptr);
            return;
        }
        OrtRunOptions* made = nullptr;
        library_->check(api.CreateRunOptions(&made), "onnxruntime cannot make options");
        const OrtPointer<OrtRunOptions> run_options(made, {api.ReleaseRunOptions});
        const std::function<void()> stop = [&api, made] {
            if (OrtStatus* status = api.RunOptionsSetTerminate(made)) api.ReleaseStatus(status);
        };
        const Interrupt::Stoppable stoppable(*interrupt, stop);
        run_with(made);
    }

private:
    void append_cuda(OrtSessionOptions* session_options, int gpu) const {
        const OrtApi& api = library_->api();
        const std::vector<std::string> providers = library_->providers();
        if (std::find(providers.begin(), providers.end(), "CUDAExecutionProvider") == providers.end()) {
            throw Error(ErrorCode::Backend, "onnxruntime " + library_->version() +
                                                " here has no CUDAExecutionProvider; on a GPU machine install the GPU "
                                                "build of ONNX Runtime");
        }
        OrtCUDAProviderOptionsV2* made = nullptr;
        library_->check(api.CreateCUDAProviderOptions(&made), "onnxruntime cannot make options for CUDA");
        const OrtPointer<OrtCUDAProviderOptionsV2> cuda(made, {api.ReleaseCUDAProviderOptions});
        // TF32 is on by default and off here, as in Python and in engines: FP32 means FP32, and mask sums stay integers.
        const std::string number = std::to_string(gpu);
        const std::array keys = {"device_id", "use_tf32"};
        const std::array values = {number.c_str(), "0"};
        library_->check(api.UpdateCUDAProviderOptions(made, keys.data(), values.data(), keys.size()),
                        "onnxruntime cannot choose the GPU and switch TF32 off");
        library_->check(api.SessionOptionsAppendExecutionProvider_CUDA_V2(session_options, made),
                        "onnxruntime could not start CUDAExecutionProvider: is a driver for its CUDA version installed?");
    }

    /// What runs is given raw memory: a model with other tensors than the bundle promises must not get that far.
    void check_model() const {
        const OrtApi& api = library_->api();
        std::size_t inputs = 0;
        std::size_t outputs = 0;
        library_->check(api.SessionGetInputCount(session_.get(), &inputs), "onnxruntime: inputs");
        library_->check(api.SessionGetOutputCount(session_.get(), &outputs), "onnxruntime: outputs");
        std::vector<std::string> expected = {image_name};
        if (takes_mask_) expected.emplace_back(mask_name);
        if (takes_sketch_) expected.emplace_back(sketch_name);
        check_tensors(inputs, api.SessionGetInputName, api.SessionGetInputTypeInfo, expected, "takes");
        check_tensors(outputs, api.SessionGetOutputName, api.SessionGetOutputTypeInfo, {composite_name}, "gives");
    }

    template <typename GetName, typename GetType>
    void check_tensors(std::size_t count, GetName get_name, GetType get_type, std::vector<std::string> expected,
                       const std::string& what) const {
        std::vector<std::string> names;
        for (std::size_t index = 0; index < count; ++index) {
            names.push_back(name_of(index, get_name) + (is_uint8(index, get_type) ? "" : " (not uint8)"));
        }
        std::sort(names.begin(), names.end());
        if (names != expected) {
            throw Error(ErrorCode::Backend, "the model " + what + " " + join(names) + ", expected uint8 " +
                                                join(expected) + "; export it again");
        }
    }

    template <typename GetName>
    std::string name_of(std::size_t index, GetName get_name) const {
        const OrtApi& api = library_->api();
        OrtAllocator* allocator = nullptr;
        library_->check(api.GetAllocatorWithDefaultOptions(&allocator), "onnxruntime: allocator");
        char* name = nullptr;
        library_->check(get_name(session_.get(), index, allocator, &name), "onnxruntime: name of a tensor");
        std::string copy = name;
        library_->check(api.AllocatorFree(allocator, name), "onnxruntime: memory of a name");
        return copy;
    }

    template <typename GetType>
    bool is_uint8(std::size_t index, GetType get_type) const {
        const OrtApi& api = library_->api();
        OrtTypeInfo* made = nullptr;
        library_->check(get_type(session_.get(), index, &made), "onnxruntime: type of a tensor");
        const OrtPointer<OrtTypeInfo> type(made, {api.ReleaseTypeInfo});
        const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // part of `type`
        library_->check(api.CastTypeInfoToTensorInfo(type.get(), &tensor), "onnxruntime: type of a tensor");
        ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        if (tensor != nullptr) {
            library_->check(api.GetTensorElementType(tensor, &element), "onnxruntime: type of a tensor");
        }
        return element == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
    }

    std::shared_ptr<const OnnxRuntimeLibrary> library_;
    bool takes_mask_;
    bool takes_sketch_;
    OrtPointer<OrtSession> session_{nullptr, {nullptr}};
    OrtPointer<OrtMemoryInfo> memory_{nullptr, {nullptr}};
};

class OnnxRuntimeRunner : public Runner {
public:
    OnnxRuntimeRunner(std::shared_ptr<const Session> session, std::string name)
        : session_(std::move(session)), name_(std::move(name)) {}

    std::string name() const override { return name_; }

    Buffers prepare(const Shape& shape) override {
        if (!(shape == shape_)) allocate(shape);
        return {image_.data(), session_->takes_mask() ? mask_.data() : nullptr, composite_.data(),
                session_->takes_sketch() ? sketch_.data() : nullptr};
    }

    void run(Interrupt* interrupt) override {
        session_->run(image_value_.get(), mask_value_.get(), sketch_value_.get(), composite_value_.get(), interrupt);
    }

    std::unique_ptr<Runner> clone() const override { return std::make_unique<OnnxRuntimeRunner>(session_, name_); }

private:
    void allocate(const Shape& shape) {
        shape_ = {};
        image_.resize(shape.pixels() * 3);
        mask_.resize(session_->takes_mask() ? shape.pixels() : 0);
        sketch_.resize(session_->takes_sketch() ? shape.pixels() : 0);
        composite_.resize(shape.pixels() * 3);
        const std::vector<std::int64_t> plane = {shape.batch, shape.height, shape.width};
        const std::vector<std::int64_t> colour = {shape.batch, shape.height, shape.width, 3};
        image_value_ = session_->tensor(image_, colour);
        if (session_->takes_mask()) mask_value_ = session_->tensor(mask_, plane);
        if (session_->takes_sketch()) sketch_value_ = session_->tensor(sketch_, plane);
        composite_value_ = session_->tensor(composite_, colour);
        shape_ = shape;
    }

    std::shared_ptr<const Session> session_;
    std::string name_;
    Shape shape_;
    std::vector<std::uint8_t> image_;
    std::vector<std::uint8_t> mask_;
    std::vector<std::uint8_t> sketch_;
    std::vector<std::uint8_t> composite_;
    OrtPointer<OrtValue> image_value_{nullptr, {nullptr}};
    OrtPointer<OrtValue> mask_value_{nullptr, {nullptr}};
    OrtPointer<OrtValue> sketch_value_{nullptr, {nullptr}};
    OrtPointer<OrtValue> composite_value_{nullptr, {nullptr}};
};

}  // namespace

std::unique_ptr<Runner> open_onnx_runtime(const Bundle& bundle, const Artifact& model, Device device,
                                          const Options& options) {
    auto library = OnnxRuntimeLibrary::open(options.onnxruntime_library);
    const std::vector<std::uint8_t> content = bundle.file(model);
    auto session = std::make_shared<const Session>(std::move(library), content, bundle.interface, device, options);
    const std::string name = device == Device::Cuda ? "onnxruntime-cuda " : "onnxruntime-cpu ";
    return std::make_unique<OnnxRuntimeRunner>(std::move(session), name + model.precision);
}

}  // namespace inpaintrt::detail
