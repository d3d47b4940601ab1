// An engine and what must outlive it. Part of tensor_rt_runner.cpp, which is compiled once for each library.
#pragma once

#include <NvInferRuntime.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../files.hpp"
#include "inpaintrt/error.hpp"
#include "tensor_rt_runner.hpp"

// TensorRT-RTX's own headers, whose version numbers start at 1, declare a cache for what it compiles at load time, and
// that it captures CUDA graphs itself. The public headers of TensorRT 11 do not; what they do declare lies at the same
// places in TensorRT-RTX 1.7.
#if NV_TENSORRT_MAJOR < 10
#define INPAINTRT_RTX_HEADERS
#endif

namespace inpaintrt::detail::INPAINTRT_LIBRARY {

namespace trt = nvinfer1;

/// The function that is looked up by name in the library.
using CreateRuntime = void*(void* logger, std::int32_t version);

/// Keeps the library's last error, which says more than the null pointer that a function returns.
class Logger : public trt::ILogger {
public:
    void log(Severity severity, const trt::AsciiChar* message) noexcept override {
        if (severity > Severity::kERROR) return;
        try {
            const std::lock_guard lock(mutex_);
            last_ = message;
        } catch (const std::exception&) {
            // Without memory for the words there are none.
        }
    }

    /// `: <words>`, or nothing.
    std::string words() {
        const std::lock_guard lock(mutex_);
        return last_.empty() ? "" : ": " + last_;
    }

private:
    std::mutex mutex_;
    std::string last_;
};

/// A loaded engine, shared by the runners that are clones of each other.
class Engine {
public:
    /// Throws Error(Backend) if the engine does not load.
    Engine(std::shared_ptr<const CudaDevice> device, EngineFile file, CreateRuntime* create, std::int32_t version)
        : device_(std::move(device)), file_(std::move(file)) {
        const CudaDevice::Current current(*device_);
        runtime_.reset(static_cast<trt::IRuntime*>(create(&logger_, version)));
        if (runtime_ == nullptr) fail("the library does not start");
        engine_.reset(runtime_->deserializeCudaEngine(file_.content.data(), file_.content.size()));
        if (engine_ == nullptr) fail("cannot load " + file_.built + "; run build-engines again on this machine");
        std::vector<std::uint8_t>().swap(file_.content);
#ifdef INPAINTRT_RTX_HEADERS
        load_cache();
#endif
    }

    ~Engine() {
        // TensorRT frees GPU memory when it is destroyed, which needs the GPU to be current.
        const CudaDevice::Current current(*device_, std::nothrow);
#ifdef INPAINTRT_RTX_HEADERS
        store_cache();
        cache_.reset();
        config_.reset();
#endif
        engine_.reset();
        runtime_.reset();
        scratch_.clear();
    }

    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    const CudaDevice& device() const { return *device_; }
    const std::string& name() const { return file_.name; }
    bool takes_mask() const { return file_.takes_mask; }
    bool takes_sketch() const { return file_.takes_sketch; }

    /// An execution context without memory of its own; one is needed for each shape and runner. The GPU must be current.
    std::unique_ptr<trt::IExecutionContext> make_context() {
        const std::lock_guard lock(mutex_);  // clones may make theirs at the same time
#ifdef INPAINTRT_RTX_HEADERS
        std::unique_ptr<trt::IExecutionContext> made(engine_->createExecutionContext(config_.get()));
#else
        std::unique_ptr<trt::IExecutionContext> made(
            engine_->createExecutionContext(trt::ExecutionContextAllocationStrategy::kUSER_MANAGED));
#endif
        if (made == nullptr) fail("no execution context; too little GPU memory?");
        return made;
    }

    /// Memory for what a network keeps between its kernels, at least of `size` bytes: one that a runner gave back, or new.
    /// A runner has one for all its shapes, as it runs one at a time. The GPU must be current.
    std::unique_ptr<CudaMemory> take_scratch(std::size_t size) {
        const std::lock_guard lock(mutex_);
        for (auto found = scratch_.begin(); found != scratch_.end(); ++found) {
            if ((*found)->size() < size) continue;
            std::unique_ptr<CudaMemory> taken = std::move(*found);
            scratch_.erase(found);
            return taken;
        }
        auto made = std::make_unique<CudaMemory>(device_->driver(), size);
        memory_ += size;
        return made;
    }

    /// For the next runner that needs no more; null is allowed.
    void give_back_scratch(std::unique_ptr<CudaMemory> memory) noexcept {
        if (memory == nullptr) return;
        try {
            const std::lock_guard lock(mutex_);
            scratch_.push_back(std::move(memory));
        } catch (const std::exception&) {
            free_scratch(std::move(memory));  // without memory for the list, it goes
        }
    }

    void free_scratch(std::unique_ptr<CudaMemory> memory) noexcept {
        if (memory != nullptr) memory_ -= memory->size();
    }

    /// Bytes on the GPU that runners hold: scratch memory and buffers.
    std::atomic<std::size_t>& memory() { return memory_; }

    /// What the user should know, once.
    void warn(const std::string& words) {
        const std::lock_guard lock(mutex_);
        if (std::find(warnings_.begin(), warnings_.end(), words) == warnings_.end()) warnings_.push_back(words);
    }

    std::vector<std::string> warnings() {
        const std::lock_guard lock(mutex_);
        return warnings_;
    }

    /// Throw Error(Backend) with the engine's name before and the library's words after `what`.
    [[noreturn]] void fail(const std::string& what) {
        throw Error(ErrorCode::Backend, file_.name + ": " + what + logger_.words());
    }

private:
#ifdef INPAINTRT_RTX_HEADERS
    void load_cache() {
        config_.reset(engine_->createRuntimeConfig());
        if (config_ == nullptr) fail("no runtime configuration");
        config_->setExecutionContextAllocationStrategy(trt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
        // Kernels for a shape are compiled when it first comes, not in the background: what runs does not change later, and
        // the library captures its own graphs of it.
        config_->setDynamicShapesKernelSpecializationStrategy(trt::DynamicShapesKernelSpecializationStrategy::kEAGER);
        if (!config_->setCudaGraphStrategy(trt::CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE)) {
            warnings_.push_back(file_.name + ": the library refuses to capture CUDA graphs; calls take longer");
        }
        cache_.reset(config_->createRuntimeCache());
        if (cache_ == nullptr) fail("no runtime cache");
        const std::vector<std::uint8_t> content = read_cache();
        // A cache of another driver or GPU is rejected by the library, which then compiles again.
        if (!content.empty()) cache_->deserialize(content.data(), content.size());
        if (!config_->setRuntimeCache(*cache_)) fail("the runtime cache is refused");
    }

    /// Empty if there is none yet.
    std::vector<std::uint8_t> read_cache() const {
        try {
            return InputFile(file_.cache).read();
        } catch (const FileError&) {
            return {};
        }
    }

    void store_cache() noexcept {
        try {
            const std::unique_ptr<trt::IHostMemory> content(cache_ == nullptr ? nullptr : cache_->serialize());
            // A bundle on a read-only disk works without a cache: the next start compiles again.
            if (content != nullptr) replace_file(file_.cache, content->data(), content->size());
        } catch (const std::exception&) {
            // Nor does a start without it need more than time.
        }
    }
#endif

    std::vector<std::string> warnings_;
    std::vector<std::unique_ptr<CudaMemory>> scratch_;  ///< That no runner uses.
    std::atomic<std::size_t> memory_{0};
    // Freed from the last to the first, in the order the libraries want: engine, runtime, logger, GPU.
    std::shared_ptr<const CudaDevice> device_;
    EngineFile file_;
    std::mutex mutex_;
    Logger logger_;
    std::unique_ptr<trt::IRuntime> runtime_;
    std::unique_ptr<trt::ICudaEngine> engine_;
#ifdef INPAINTRT_RTX_HEADERS
    std::unique_ptr<trt::IRuntimeConfig> config_;
    std::unique_ptr<trt::IRuntimeCache> cache_;
#endif
};

}  // namespace inpaintrt::detail::INPAINTRT_LIBRARY
