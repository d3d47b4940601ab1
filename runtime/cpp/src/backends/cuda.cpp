#include "cuda.hpp"

#include "../shared_library.hpp"
#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {
namespace {

// From CUDA's driver interface, which is stable: types, constants and the versioned names of its functions.
using Result = int;
using Device = int;
using Context = void*;
using Stream = void*;
using Graph = void*;
using GraphExec = void*;
using DevicePointer = unsigned long long;
constexpr Result success = 0;
constexpr int compute_capability_major = 75;
constexpr int compute_capability_minor = 76;
constexpr unsigned int non_blocking = 1;
constexpr unsigned int portable = 1;
constexpr int capture_thread_local = 1;

#ifdef _WIN32
constexpr const char* driver_name = "nvcuda.dll";
#else
constexpr const char* driver_name = "libcuda.so.1";
#endif

}  // namespace

/// The functions of the driver that are used.
class CudaDriver {
public:
    /// Throws Error(Backend) if there is no driver, or it does not start.
    static const CudaDriver& get() {
        static const CudaDriver driver = open();
        return driver;
    }

    /// Throw Error(Backend) with the driver's words unless `result` is success.
    void check(Result result, const std::string& what) const {
        if (result == success) return;
        const char* words = nullptr;
        get_error_string(result, &words);
        throw Error(ErrorCode::Backend, what + ": " + (words != nullptr ? words : "unknown") + " (CUDA error " +
                                            std::to_string(result) + ")");
    }

    Result (*init)(unsigned int);
    Result (*get_error_string)(Result, const char**);
    Result (*device_get)(Device*, int);
    Result (*device_get_attribute)(int*, int, Device);
    Result (*primary_context_retain)(Context*, Device);
    Result (*primary_context_release)(Device);
    Result (*context_push)(Context);
    Result (*context_pop)(Context*);
    Result (*stream_create)(Stream*, unsigned int);
    Result (*stream_destroy)(Stream);
    Result (*stream_synchronize)(Stream);
    Result (*stream_begin_capture)(Stream, int);
    Result (*stream_end_capture)(Stream, Graph*);
    Result (*graph_instantiate)(GraphExec*, Graph, unsigned long long);
    Result (*graph_launch)(GraphExec, Stream);
    Result (*graph_exec_destroy)(GraphExec);
    Result (*graph_destroy)(Graph);
    Result (*memory_allocate)(DevicePointer*, std::size_t);
    Result (*memory_free)(DevicePointer);
    Result (*host_allocate)(void**, std::size_t, unsigned int);
    Result (*host_free)(void*);
    Result (*copy_to_device)(DevicePointer, const void*, std::size_t, Stream);
    Result (*copy_to_host)(void*, DevicePointer, std::size_t, Stream);

private:
    static CudaDriver open() {
        try {
            return CudaDriver(SharedLibrary::open({driver_name}));
        } catch (const Error&) {
            throw;
        } catch (const std::runtime_error& error) {
            // The words and the number that CUDA's runtime has for a missing driver.
            throw Error(ErrorCode::Backend,
                        std::string("no usable NVIDIA GPU: CUDA driver version is insufficient for CUDA runtime "
                                    "version (CUDA error 35): no driver is installed: ") +
                            error.what());
        }
    }

    template <typename Function>
    static void find(const SharedLibrary& library, Function*& function, const char* name) {
        function = library.function<Function>(name);
    }

    explicit CudaDriver(const SharedLibrary& library) {
        find(library, init, "cuInit");
        find(library, get_error_string, "cuGetErrorString");
        find(library, device_get, "cuDeviceGet");
        find(library, device_get_attribute, "cuDeviceGetAttribute");
        find(library, primary_context_retain, "cuDevicePrimaryCtxRetain");
        find(library, primary_context_release, "cuDevicePrimaryCtxRelease_v2");
        find(library, context_push, "cuCtxPushCurrent_v2");
        find(library, context_pop, "cuCtxPopCurrent_v2");
        find(library, stream_create, "cuStreamCreate");
        find(library, stream_destroy, "cuStreamDestroy_v2");
        find(library, stream_synchronize, "cuStreamSynchronize");
        find(library, stream_begin_capture, "cuStreamBeginCapture_v2");
        find(library, stream_end_capture, "cuStreamEndCapture");
        find(library, graph_instantiate, "cuGraphInstantiateWithFlags");
        find(library, graph_launch, "cuGraphLaunch");
        find(library, graph_exec_destroy, "cuGraphExecDestroy");
        find(library, graph_destroy, "cuGraphDestroy");
        find(library, memory_allocate, "cuMemAlloc_v2");
        find(library, memory_free, "cuMemFree_v2");
        find(library, host_allocate, "cuMemHostAlloc");
        find(library, host_free, "cuMemFreeHost");
        find(library, copy_to_device, "cuMemcpyHtoDAsync_v2");
        find(library, copy_to_host, "cuMemcpyDtoHAsync_v2");
        check(init(0), "no usable NVIDIA GPU");
    }
};

std::shared_ptr<const CudaDevice> CudaDevice::open(int number) {
    const CudaDriver& driver = CudaDriver::get();
    Device device = 0;
    driver.check(driver.device_get(&device, number), "no usable NVIDIA GPU " + std::to_string(number));
    return std::make_shared<const CudaDevice>(driver, device);
}

CudaDevice::CudaDevice(const CudaDriver& driver, int device) : driver_(driver), device_(device) {
    int major = 0;
    int minor = 0;
    driver.check(driver.device_get_attribute(&major, compute_capability_major, device), "compute capability");
    driver.check(driver.device_get_attribute(&minor, compute_capability_minor, device), "compute capability");
    target_ = "sm" + std::to_string(major) + std::to_string(minor);
    driver.check(driver.primary_context_retain(&context_, device), "the GPU cannot be used");
}

CudaDevice::~CudaDevice() {
    driver_.primary_context_release(device_);
}

CudaDevice::Current::Current(const CudaDevice& device) : driver_(device.driver_), pushed_(true) {
    driver_.check(driver_.context_push(device.context_), "the GPU cannot be made current");
}

CudaDevice::Current::Current(const CudaDevice& device, std::nothrow_t) noexcept
    : driver_(device.driver_), pushed_(driver_.context_push(device.context_) == success) {}

CudaDevice::Current::~Current() {
    Context popped = nullptr;
    if (pushed_) driver_.context_pop(&popped);
}

CudaStream::CudaStream(const CudaDriver& driver) : driver_(driver) {
    driver.check(driver.stream_create(&handle_, non_blocking), "no stream on the GPU");
}

CudaStream::~CudaStream() {
    driver_.stream_destroy(handle_);
}

void CudaStream::wait() const {
    driver_.check(driver_.stream_synchronize(handle_), "the GPU failed to run the engine");
}

CudaMemory::CudaMemory(const CudaDriver& driver, std::size_t size) : driver_(driver), size_(size) {
    DevicePointer allocated = 0;
    driver.check(driver.memory_allocate(&allocated, size), "no GPU memory of " + std::to_string(size) + " bytes");
    address_ = allocated;
}

CudaMemory::~CudaMemory() {
    driver_.memory_free(address_);
}

CudaBuffer::CudaBuffer(const CudaDriver& driver, std::size_t size) : driver_(driver), device_(driver, size) {
    driver.check(driver.host_allocate(&host_, size, portable), "no pinned memory of " + std::to_string(size) + " bytes");
}

CudaBuffer::~CudaBuffer() {
    driver_.host_free(host_);
}

namespace {

DevicePointer address(const CudaMemory& memory) {
    return reinterpret_cast<std::uintptr_t>(memory.get());
}

}  // namespace

void CudaBuffer::to_device(const CudaStream& stream) const {
    driver_.check(driver_.copy_to_device(address(device_), host_, size(), stream.handle()), "copy to the GPU");
}

void CudaBuffer::to_host(const CudaStream& stream) const {
    driver_.check(driver_.copy_to_host(host_, address(device_), size(), stream.handle()), "copy from the GPU");
}

CudaGraph::~CudaGraph() {
    driver_.graph_exec_destroy(executable_);
}

void CudaGraph::launch(const CudaStream& stream) const {
    driver_.check(driver_.graph_launch(executable_, stream.handle()), "the GPU failed to start the graph");
}

CudaGraph::Capture::Capture(const CudaDriver& driver, const CudaStream& stream) : driver_(driver), stream_(stream) {
    driver.check(driver.stream_begin_capture(stream.handle(), capture_thread_local), "the stream cannot be captured");
}

CudaGraph::Capture::~Capture() {
    if (!capturing_) return;
    Graph graph = nullptr;
    if (driver_.stream_end_capture(stream_.handle(), &graph) == success && graph != nullptr) {
        driver_.graph_destroy(graph);
    }
}

std::unique_ptr<CudaGraph> CudaGraph::Capture::finish() {
    capturing_ = false;
    Graph graph = nullptr;
    driver_.check(driver_.stream_end_capture(stream_.handle(), &graph), "the capture failed");
    GraphExec executable = nullptr;
    const Result result = driver_.graph_instantiate(&executable, graph, 0);
    driver_.graph_destroy(graph);
    driver_.check(result, "the graph cannot be made");
    return std::make_unique<CudaGraph>(driver_, executable);
}

}  // namespace inpaintrt::detail
