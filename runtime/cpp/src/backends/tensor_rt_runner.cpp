// Engines on the local GPU, as runtime/backends/tensor_rt.py.
//
// Compiled once for TensorRT and once for TensorRT-RTX, each with its own headers. Both declare `nvinfer1`, with the same
// names and different layouts; in one program the linker would keep one of the two. So the build renames that namespace,
// and puts this file into INPAINTRT_LIBRARY. Nothing is linked: of the library, a few functions are looked up by name, and
// the rest is reached through the virtual functions of what they return.
//
// Buffers and an execution context belong to each shape: a captured CUDA graph is undefined once its context is changed.
// The second run of a shape captures the network into a graph, which later runs launch; the first one is the warm-up that
// capturing needs. A shape that cannot be captured runs without. TensorRT-RTX captures its graphs itself, as only it knows
// when it is done compiling.
//
// Images of the host are copied to the buffers and from them, and a run ends when its result is there. Images on the GPU
// are copied by whoever has them, and nobody waits: all work is on one stream. So before anything that work uses is freed
// or given to another one, the stream is settled.

#include "tensor_rt_runner.hpp"

#include <iterator>
#include <list>

#include "../shared_library.hpp"
#include "tensor_rt_engine.hpp"
#include "tensor_rt_shaped.hpp"

namespace inpaintrt::detail::INPAINTRT_LIBRARY {
namespace {

constexpr bool is_rtx = INPAINTRT_IS_RTX;
static_assert(!is_rtx || NV_TENSORRT_MAJOR != 10, "TensorRT-RTX needs its own headers, or those of TensorRT 11");
static_assert(is_rtx || NV_TENSORRT_MAJOR > 10 || (NV_TENSORRT_MAJOR == 10 && NV_TENSORRT_MINOR >= 12),
              "TensorRT's headers must be of release 10.12 or later");

/// Shapes whose context, buffers and graph are kept; the least recently used one goes first.
constexpr std::size_t shapes_kept = 4;

class TensorRTRunner : public Runner, public GpuQueue {
public:
    explicit TensorRTRunner(std::shared_ptr<Engine> engine)
        : engine_(std::move(engine)), driver_(engine_->device().driver()) {
        const CudaDevice::Current current(engine_->device());
        stream_ = std::make_unique<CudaStream>(driver_);
    }

    ~TensorRTRunner() override {
        const CudaDevice::Current current(engine_->device(), std::nothrow);
        stream_->settle();
        while (!shaped_.empty()) drop(std::prev(shaped_.end()));
        stream_.reset();
        engine_->give_back_scratch(std::move(scratch_));
    }

    std::string name() const override { return engine_->name(); }

    Buffers prepare(const Shape& shape) override {
        select(shape);
        return shaped_.front().on_host();
    }

    void run(Interrupt*) override {  // a run takes milliseconds, and cannot be ended early
        const CudaDevice::Current current(engine_->device());
        const Shaped& shaped = shaped_.front();
        try {
            shaped.image.to_device(*stream_);
            if (shaped.mask) shaped.mask->to_device(*stream_);
            if (shaped.sketch) shaped.sketch->to_device(*stream_);
            enqueue();
            shaped.composite.to_host(*stream_);
            stream_->wait();
        } catch (const Error&) {
            abandon();
            throw;
        }
    }

    GpuQueue* gpu() override { return this; }
    const CudaDevice& device() const override { return engine_->device(); }
    const CudaStream& stream() const override { return *stream_; }

    Buffers prepare_on_gpu(const Shape& shape) override {
        select(shape);
        return shaped_.front().on_gpu();
    }

    void enqueue() override {
        Shaped& shaped = shaped_.front();
        if (shaped.warm && shaped.graph == nullptr && shaped.capturable && !is_rtx) capture(shaped);
        if (shaped.graph != nullptr) {
            shaped.graph->launch(*stream_);
        } else {
            execute(shaped);
        }
        shaped.warm = true;
    }

    void abandon() noexcept override {
        stream_->settle();
        if (!shaped_.empty()) drop(shaped_.begin());  // what failed half-way is not used again
    }

    std::size_t memory() const override { return engine_->memory(); }

    std::vector<std::string> warnings() const override { return engine_->warnings(); }

    std::unique_ptr<Runner> clone() const override { return std::make_unique<TensorRTRunner>(engine_); }

private:
    /// The shape to the front, made if it is new.
    void select(const Shape& shape) {
        auto found = shaped_.begin();
        while (found != shaped_.end() && !(found->shape == shape)) ++found;
        if (found != shaped_.end()) {
            shaped_.splice(shaped_.begin(), shaped_, found);
            return;
        }
        const CudaDevice::Current current(engine_->device());
        while (shaped_.size() >= shapes_kept) {
            stream_->settle();
            drop(std::prev(shaped_.end()));
        }
        make(shape);
    }

    void make(const Shape& shape) {
        auto context = engine_->make_context();
        const trt::Dims plane = dims({shape.batch, shape.height, shape.width});
        if (!context->setInputShape("image", dims({shape.batch, shape.height, shape.width, 3})) ||
            (engine_->takes_mask() && !context->setInputShape("mask", plane)) ||
            (engine_->takes_sketch() && !context->setInputShape("sketch", plane))) {
            engine_->fail("the engine does not take " + describe(shape));
        }
        const std::size_t scratch = context->updateDeviceMemorySizeForShapes();
        reserve(scratch);
        shaped_.emplace_front(driver_, shape, std::move(context), *engine_);
        Shaped& made = shaped_.front();
        made.scratch = scratch;
        engine_->memory() += made.bytes();
        lend_scratch(made);
        if (!made.context->setTensorAddress("image", made.image.device()) ||
            (made.mask && !made.context->setTensorAddress("mask", made.mask->device())) ||
            (made.sketch && !made.context->setTensorAddress("sketch", made.sketch->device())) ||
            !made.context->setTensorAddress("composite", made.composite.device())) {
            drop(shaped_.begin());
            engine_->fail("the engine lacks image, mask, sketch or composite");
        }
    }

    void drop(std::list<Shaped>::iterator shaped) noexcept {
        engine_->memory() -= shaped->bytes();
        shaped_.erase(shaped);
    }

    /// Scratch memory of at least `size` bytes, in place of a smaller one.
    void reserve(std::size_t size) {
        if (size == 0 || (scratch_ != nullptr && scratch_->size() >= size)) return;
        stream_->settle();
        // Graphs have the old address in them.
        for (Shaped& shaped : shaped_) shaped.graph.reset();
        engine_->free_scratch(std::move(scratch_));
        scratch_ = engine_->take_scratch(size);
        for (Shaped& shaped : shaped_) lend_scratch(shaped);
    }

    void lend_scratch(const Shaped& shaped) const {
        if (shaped.scratch != 0) {
            shaped.context->setDeviceMemoryV2(scratch_->get(), static_cast<std::int64_t>(scratch_->size()));
        }
    }

    /// A failed capture costs speed and never the call.
    void capture(Shaped& shaped) {
        try {
            shaped.graph = CudaGraph::capture(driver_, *stream_, [&] { execute(shaped); });
        } catch (const Error& error) {
            shaped.capturable = false;
            engine_->warn(engine_->name() + ": calls with " + describe(shaped.shape) +
                          " run without a CUDA graph, and take longer: " + error.what());
        }
    }

    void execute(const Shaped& shaped) {
        if (!shaped.context->enqueueV3(static_cast<cudaStream_t>(stream_->handle()))) {
            engine_->fail("the engine failed to run on " + describe(shaped.shape));
        }
    }

    std::shared_ptr<Engine> engine_;
    const CudaDriver& driver_;
    std::unique_ptr<CudaStream> stream_;
    std::unique_ptr<CudaMemory> scratch_;  ///< Of all shapes.
    std::list<Shaped> shaped_;  ///< The most recently used one first.
};

/// Where to look: what the environment says, what the loader finds, and where CMake found it.
std::vector<std::string> library_names() {
    if (const auto named = environment(is_rtx ? "INPAINTRT_TENSORRT_RTX_LIBRARY" : "INPAINTRT_TENSORRT_LIBRARY")) {
        return {*named};
    }
    std::vector<std::string> names = places_of(INPAINTRT_LIBRARY_NAME);
    if (const std::string hint = INPAINTRT_LIBRARY_HINT; !hint.empty()) names.push_back(hint);
    return names;
}

/// Refuse a library whose virtual functions may lie elsewhere than these headers say.
void check_version(const std::string& name, const std::string& version, int major, int minor) {
    const bool own_headers = is_rtx == (NV_TENSORRT_MAJOR < 10);
    // Within a major version, TensorRT only adds at the end. What lies where in TensorRT-RTX was only compared for 1.7.
    const bool fits = own_headers ? major == NV_TENSORRT_MAJOR && (!is_rtx || minor >= NV_TENSORRT_MINOR)
                                  : major == 1 && minor == 7;
    if (fits) return;
    const std::string expected = own_headers ? std::to_string(NV_TENSORRT_MAJOR) + "." + std::to_string(NV_TENSORRT_MINOR)
                                             : "1.7, with headers of TensorRT";
    throw Error(ErrorCode::Backend, name + ": is of version " + version + ", and this inpaintrt was built for " + expected +
                                        "; install that, or build inpaintrt again with the library's own headers");
}

}  // namespace

TensorRTLibrary open_library() {
    try {
        const SharedLibrary library = SharedLibrary::open(library_names());
        const auto number = [&](const char* function) { return library.function<int()>(function)(); };
        const int major = number("getInferLibMajorVersion");
        const int minor = number("getInferLibMinorVersion");
        const std::string version = std::to_string(major) + "." + std::to_string(minor) + "." +
                                    std::to_string(number("getInferLibPatchVersion")) + "." +
                                    std::to_string(number("getInferLibBuildVersion"));
        check_version(library.name(), version, major, minor);
        // What the library compares with its own version: that of the headers, unless they are another library's.
        const std::int32_t expected =
            is_rtx == (NV_TENSORRT_MAJOR < 10) ? NV_TENSORRT_VERSION : number("getInferLibVersion");
        const auto create = library.function<void*(void*, std::int32_t)>("createInferRuntime_INTERNAL");
        return {version, [create, expected](std::shared_ptr<const CudaDevice> device, EngineFile file) {
                    const Shape first = file.first;
                    auto engine = std::make_shared<Engine>(std::move(device), std::move(file), create, expected);
                    auto runner = std::make_unique<TensorRTRunner>(std::move(engine));
                    runner->prepare(first);  // too little memory shows now, when another backend can be chosen
                    return std::unique_ptr<Runner>(std::move(runner));
                }};
    } catch (const Error&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw Error(ErrorCode::Backend, std::string("the library does not load: ") + error.what() +
                                            "; install it, or name its file with " +
                                            (is_rtx ? "INPAINTRT_TENSORRT_RTX_LIBRARY" : "INPAINTRT_TENSORRT_LIBRARY"));
    }
}

}  // namespace inpaintrt::detail::INPAINTRT_LIBRARY
