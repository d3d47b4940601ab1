#include "cuda_driver.hpp"

#include "../shared_library.hpp"
#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {
namespace {

#ifdef _WIN32
constexpr const char* driver_name = "nvcuda.dll";
#else
constexpr const char* driver_name = "libcuda.so.1";
#endif

template <typename Function>
void find(const SharedLibrary& library, Function*& function, const char* name) {
    function = library.function<Function>(name);
}

}  // namespace

const CudaDriver& CudaDriver::get() {
    static const CudaDriver driver = open();
    return driver;
}

void CudaDriver::check(Result result, const std::string& what) const {
    if (result == success) return;
    const char* words = nullptr;
    get_error_string(result, &words);
    throw Error(ErrorCode::Backend, what + ": " + (words != nullptr ? words : "unknown") + " (CUDA error " +
                                        std::to_string(result) + ")");
}

CudaDriver CudaDriver::open() {
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

CudaDriver::CudaDriver(const SharedLibrary& library) {
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
    find(library, stream_wait_event, "cuStreamWaitEvent");
    find(library, stream_begin_capture, "cuStreamBeginCapture_v2");
    find(library, stream_end_capture, "cuStreamEndCapture");
    find(library, event_create, "cuEventCreate");
    find(library, event_destroy, "cuEventDestroy_v2");
    find(library, event_record, "cuEventRecord");
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
    find(library, copy_rectangle, "cuMemcpy2DAsync_v2");
    find(library, set_rectangle, "cuMemsetD2D8Async");
    find(library, pointer_get_attribute, "cuPointerGetAttribute");
    check(init(0), "no usable NVIDIA GPU");
}

}  // namespace inpaintrt::detail
