// A TensorRT whose engines invert the holes of images of at most 80 pixels a side.

#include <NvInferRuntime.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "control.hpp"
#include "driver_function.hpp"

namespace {

using namespace nvinfer1;

template <typename Function>
Function* of_driver(const char* name) {
    return reinterpret_cast<Function*>(stand_in::driver_function(name));
}

stand_in::Control& control() {
    static stand_in::Control& found = *of_driver<decltype(stand_in_control)>("stand_in_control")();
    return found;
}

bool fails() {
    static const auto ask = of_driver<decltype(stand_in_fails)>("stand_in_fails");
    return ask();
}

/// Bytes that a network keeps between its kernels, for an image of so many pixels.
constexpr std::size_t scratch_per_pixel = 2;

/// Ends when the library is unloaded, at exit; nothing of it can be used then.
bool ended = false;
struct Lifetime {
    ~Lifetime() { ended = true; }
} lifetime;

/// Everything the library gives out is counted.
struct Counted {
    Counted() { ++control().objects; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
        if (ended) std::_Exit(9);
        --control().objects;
    }
};

struct Execution {
    std::uint8_t* image;
    std::uint8_t* mask;
    std::uint8_t* sketch;
    std::uint8_t* composite;
    std::size_t pixels;
};

void execute(void* data) {
    const auto& now = *static_cast<Execution*>(data);
    for (std::size_t i = 0; i < now.pixels * 3; ++i) {
        const bool hole = now.mask == nullptr || now.mask[i / 3] != 0;  // without a mask, everything is a hole
        now.composite[i] = hole ? static_cast<std::uint8_t>(255 - now.image[i]) : now.image[i];
        if (now.sketch != nullptr && now.sketch[i / 3] != 0) now.composite[i] = 0;
    }
}

class Context : public IExecutionContext, Counted {
public:
    ~Context() noexcept override {
        static const auto expect_idle = of_driver<decltype(stand_in_expect_idle)>("stand_in_expect_idle");
        expect_idle();
    }
    bool setInputShape(const char* name, const Dims& dims) noexcept override {
        const bool image = std::string(name) == "image";
        if (image) pixels_ = static_cast<std::size_t>(dims.d[0] * dims.d[1] * dims.d[2]);
        return !fails() && dims.nbDims == (image ? 4 : 3) && dims.d[1] <= 80 && dims.d[2] <= 80;
    }
    bool setTensorAddress(const char* name, void* data) noexcept override {
        addresses_[name] = static_cast<std::uint8_t*>(data);
        return !fails();
    }
    bool enqueueV3(cudaStream_t stream) noexcept override {
        if (control().execution_fails || fails()) return false;
        if (scratch_size_ < scratch_per_pixel * pixels_) ++control().misuses;
        if (pixels_ != 0) std::memset(scratch_, 1, scratch_per_pixel * pixels_);
        ++control().executions;
        auto* now = new Execution{addresses_["image"], addresses_["mask"], addresses_["sketch"],
                                  addresses_["composite"], pixels_};
        static const auto put = of_driver<decltype(stand_in_do)>("stand_in_do");
        put(stream, &execute, [](void* data) { delete static_cast<Execution*>(data); }, now);
        return true;
    }
    std::size_t updateDeviceMemorySizeForShapes() noexcept override { return scratch_per_pixel * pixels_; }
    void setDeviceMemoryV2(void* memory, std::int64_t size) noexcept override {
        scratch_ = memory;
        scratch_size_ = static_cast<std::size_t>(size);
    }

private:
    std::map<std::string, std::uint8_t*> addresses_;
    std::size_t pixels_ = 0;
    void* scratch_ = nullptr;
    std::size_t scratch_size_ = 0;
};

class Memory : public IHostMemory, Counted {
public:
    explicit Memory(std::string content) : content_(std::move(content)) {}
    void* data() const noexcept override { return const_cast<char*>(content_.data()); }
    std::size_t size() const noexcept override { return content_.size(); }

private:
    std::string content_;
};

/// Holds what it was given, and a mark for each time it was stored.
class Cache : public IRuntimeCache, Counted {
public:
    IHostMemory* serialize() const noexcept override { return fails() ? nullptr : new Memory(content_ + "compiled;"); }
    bool deserialize(const void* blob, std::size_t size) noexcept override {
        content_.assign(static_cast<const char*>(blob), size);
        return !fails();
    }

private:
    std::string content_;
};

class Config : public IRuntimeConfig, Counted {
public:
    IRuntimeCache* createRuntimeCache() noexcept override { return fails() ? nullptr : new Cache; }
    bool setRuntimeCache(const IRuntimeCache&) noexcept override { return !fails(); }
    void setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy strategy) noexcept override {
        if (strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED) ++control().misuses;
    }
    void setDynamicShapesKernelSpecializationStrategy(
        DynamicShapesKernelSpecializationStrategy strategy) noexcept override {
        control().graph_strategies += strategy == DynamicShapesKernelSpecializationStrategy::kEAGER;
    }
    bool setCudaGraphStrategy(CudaGraphStrategy strategy) noexcept override {
        control().graph_strategies += strategy == CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE;
        return !fails();
    }
};

class Engine : public ICudaEngine, Counted {
public:
    IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept override {
        if (strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED) ++control().misuses;
        return make();
    }
    IExecutionContext* createExecutionContext(IRuntimeConfig*) noexcept override { return make(); }
    IRuntimeConfig* createRuntimeConfig() noexcept override { return fails() ? nullptr : new Config; }

private:
    static IExecutionContext* make() {
        if (control().contexts_fail || fails()) return nullptr;
        ++control().contexts_made;
        return new Context;
    }
};

class Runtime : public IRuntime, Counted {
public:
    explicit Runtime(ILogger& logger) : logger_(logger) {}
    ICudaEngine* deserializeCudaEngine(const void*, std::size_t) noexcept override {
        if (fails()) return nullptr;
        if (control().engine_loads) return new Engine;
        logger_.log(ILogger::Severity::kERROR, "the stand-in does not want to");
        logger_.log(ILogger::Severity::kWARNING, "a warning is not an error");
        return nullptr;
    }

private:
    ILogger& logger_;
};

}  // namespace

extern "C" {

void* createInferRuntime_INTERNAL(void* logger, std::int32_t) {
    if (fails()) return nullptr;
    return new Runtime(*static_cast<ILogger*>(logger));
}
std::int32_t getInferLibMajorVersion() { return control().major; }
std::int32_t getInferLibMinorVersion() { return NV_TENSORRT_MINOR; }
std::int32_t getInferLibPatchVersion() { return 0; }
std::int32_t getInferLibBuildVersion() { return 7; }
std::int32_t getInferLibVersion() { return control().major * 10000; }

}  // extern "C"
