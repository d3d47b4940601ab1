// The driver's functions that cuda-core and the GPU backend call, by their names in CUDA 13.

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "driver.hpp"

using namespace stand_in;

extern "C" {

Result cuInit(unsigned) { ENTER(); return ok; }
Result cuDriverGetVersion(int* version) { ENTER(); *version = 13000; return ok; }
Result cuGetErrorName(Result result, const char** name) {
    *name = result == out_of_memory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_STAND_IN";
    return ok;
}
Result cuGetErrorString(Result, const char** words) { *words = "stand-in"; return ok; }

// Devices and contexts: a device has its primary context only.

Result cuDeviceGetCount(int* count) { ENTER(); *count = devices; return ok; }
Result cuDeviceGet(int* device, int number) {
    ENTER();
    *device = number;
    return number >= 0 && number < devices ? ok : invalid_device;
}
Result cuDeviceGetName(char* name, int length, int) { ENTER(); std::strncpy(name, "Stand-in", length); return ok; }
Result cuDeviceGetUuid_v2(char* id, int device) { ENTER(); std::memset(id, device, 16); return ok; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    ENTER();
    constexpr int major = 75, minor = 76, memory_pools = 115;
    *value = attribute == major ? 8 : attribute == minor ? 9 : attribute == memory_pools ? 1 : 0;
    return ok;
}
Result cuDevicePrimaryCtxRetain(void** context, int device) { ENTER(); *context = context_of(device); return ok; }
Result cuDevicePrimaryCtxRelease_v2(int) { return ok; }

// These two do not fail: cuda-core calls them while it frees memory, and keeps the memory if they do.
Result cuCtxGetCurrent(void** context) { *context = context_of(current_device()); return ok; }
Result cuCtxSetCurrent(void* context) {
    current_device() = device_of(context);
    return context == nullptr || current_device() >= 0 ? ok : invalid_context;
}
Result cuCtxGetDevice(int* device) { ENTER(); *device = current_device(); return *device < 0 ? invalid_context : ok; }
Result cuCtxGetStreamPriorityRange(int* low, int* high) { ENTER(); *low = *high = 0; return ok; }

// Streams.

Result cuStreamCreateWithPriority(void** stream, unsigned, int) {
    ENTER();
    if (current_device() < 0) return invalid_context;
    auto* made = new Stream;
    made->device = current_device();
    state().streams.insert(made);
    *stream = made;
    return ok;
}
Result cuStreamDestroy_v2(void* handle) {
    const std::lock_guard lock(state().mutex);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return invalid_handle;
    run(*stream, stream->work.size());
    state().streams.erase(stream);  // kept, since other streams may still name it
    return entered(__func__);
}
Result cuStreamGetCtx(void* handle, void** context) {
    ENTER();
    const Stream* stream = stream_of(handle);
    if (stream == nullptr) return invalid_handle;
    *context = context_of(stream->device);
    return ok;
}
Result cuStreamSynchronize(void* handle) {
    ENTER();
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return invalid_handle;
    if (stream->capturing) {
        stream->invalidated = true;
        return capture_unsupported;
    }
    run(*stream, stream->work.size());
    return ok;
}
Result cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
    ENTER();
    auto* event = static_cast<Event*>(event_handle);
    Stream* stream = stream_of(handle);
    if (stream == nullptr || !state().events.count(event)) return invalid_handle;
    Stream* other = event->stream;
    const std::size_t position = event->position;
    if (other != nullptr) stream->work.push_back([other, position] { run(*other, position); });
    return ok;
}

// Captures and graphs.

Result cuStreamBeginCapture_v2(void* handle, int) {
    ENTER();
    Stream* stream = stream_of(handle);
    if (stream == nullptr || handle == legacy || handle == nullptr) return invalid_handle;
    if (stream->capturing) return invalid_value;
    stream->capturing = true;
    stream->graph = new Graph;
    state().graphs.insert(stream->graph);
    return ok;
}
Result cuStreamIsCapturing(void* handle, int* status) {
    ENTER();
    const Stream* stream = stream_of(handle);
    if (stream == nullptr) return invalid_handle;
    *status = stream->invalidated ? 2 : stream->capturing ? 1 : 0;
    return ok;
}
Result cuStreamGetCaptureInfo_v3(
    void* handle, int* status, std::uint64_t*, void** graph, const void**, const void**, std::size_t* count) {
    if (const Result result = cuStreamIsCapturing(handle, status)) return result;
    if (graph != nullptr) *graph = stream_of(handle)->graph;
    if (count != nullptr) *count = 0;
    return ok;
}
Result cuStreamEndCapture(void* handle, void** graph) {
    const std::lock_guard lock(state().mutex);
    Stream* stream = stream_of(handle);
    if (stream == nullptr || !stream->capturing) return invalid_value;
    Result result = entered(__func__);
    if (result == ok && stream->invalidated) result = capture_invalidated;
    if (result == ok) stream->graph->work = stream->recorded;
    else state().graphs.erase(stream->graph);  // CUDA destroys it
    if (graph != nullptr) *graph = result == ok ? stream->graph : nullptr;
    stream->capturing = stream->invalidated = false;
    stream->recorded.clear();
    stream->graph = nullptr;
    return result;
}
Result cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    ENTER();
    if (!state().graphs.count(static_cast<Graph*>(graph))) return invalid_value;
    *executable = *state().graphs.insert(new Graph(*static_cast<Graph*>(graph))).first;
    return ok;
}
Result cuGraphDestroy(void* graph) {
    const std::lock_guard lock(state().mutex);
    if (!state().graphs.erase(static_cast<Graph*>(graph))) die("a graph is destroyed that is none");
    return entered(__func__);
}
Result cuGraphExecDestroy(void* executable) { return cuGraphDestroy(executable); }
Result cuGraphLaunch(void* executable, void* stream) {
    ENTER();
    auto* graph = static_cast<Graph*>(executable);
    if (!state().graphs.count(graph)) return invalid_value;
    for (const Work& work : graph->work) {
        if (const Result result = enqueue(stream, work)) return result;
    }
    return ok;
}

// Events.

Result cuEventCreate(void** event, unsigned) {
    ENTER();
    if (current_device() < 0) return invalid_context;
    auto* made = new Event;
    made->device = current_device();
    state().events.insert(made);
    *event = made;
    return ok;
}
Result cuEventDestroy_v2(void* event) {
    const std::lock_guard lock(state().mutex);
    if (!state().events.erase(static_cast<Event*>(event))) die("an event is destroyed that is none");
    return entered(__func__);
}
Result cuEventRecord(void* event_handle, void* handle) {
    ENTER();
    auto* event = static_cast<Event*>(event_handle);
    Stream* stream = stream_of(handle);
    if (stream == nullptr || !state().events.count(event) || event->device != stream->device) return invalid_handle;
    event->stream = stream;
    event->position = stream->work.size();
    return ok;
}
Result cuEventSynchronize(void* event_handle) {
    ENTER();
    auto* event = static_cast<Event*>(event_handle);
    if (!state().events.count(event)) return invalid_handle;
    if (event->stream != nullptr) run(*event->stream, event->position);
    return ok;
}
Result cuEventElapsedTime_v2(float* milliseconds, void*, void*) { ENTER(); *milliseconds = 1; return ok; }

Result cuGetProcAddress_v2(const char* name, void** function, int, std::uint64_t, int* found) {
    *function = nullptr;
    for (const char* suffix : {"_v3", "_v2", ""}) {
        if (*function == nullptr) *function = dlsym(RTLD_DEFAULT, (std::string(name) + suffix).c_str());
    }
    if (found != nullptr) *found = *function == nullptr ? 1 : 0;
    return ok;
}

}  // extern "C"
