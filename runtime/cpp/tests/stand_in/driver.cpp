// A CUDA driver that runs on the host: memory is the host's, a stream runs at once, and a capturing one records.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "control.hpp"

namespace {

using stand_in::Control;

struct Work {
    void (*run)(void*);
    std::shared_ptr<void> data;
};

struct Stream {
    bool capturing = false;
    std::vector<Work> recorded;
};

struct Graph {
    std::vector<Work> work;
};

Control control;
thread_local int current = 0;
int primary_context;

/// CUDA's answer to a call that is to fail now.
int failed() {
    return stand_in_fails() ? 999 : 0;  // CUDA_ERROR_UNKNOWN
}

/// What CUDA would answer with an error is counted: a test expects none.
int expect(bool good) {
    if (good) return failed();
    ++control.misuses;
    return 201;  // CUDA_ERROR_INVALID_CONTEXT
}

struct Copy {
    void* to;
    const void* from;
    std::size_t size;
};

int copy(void* stream, void* to, const void* from, std::size_t size) {
    const auto run = [](void* data) {
        const auto* copied = static_cast<Copy*>(data);
        std::memcpy(copied->to, copied->from, copied->size);
    };
    stand_in_do(stream, run, [](void* data) { delete static_cast<Copy*>(data); }, new Copy{to, from, size});
    return expect(current > 0);
}

int allocate(void** pointer, std::size_t size, std::atomic<int>& count) {
    if (control.memory_runs_out) return 2;  // CUDA_ERROR_OUT_OF_MEMORY
    if (const int result = expect(current > 0)) return result;
    *pointer = std::malloc(size);
    ++count;
    return 0;
}

int release(void* pointer, std::atomic<int>& count) {
    std::free(pointer);
    --count;
    return expect(current > 0);
}

}  // namespace

extern "C" {

Control* stand_in_control() {
    return &control;
}

bool stand_in_fails() {
    return control.calls++ == control.failing_call;
}

void stand_in_do(void* stream, void (*work)(void*), void (*free)(void*), void* data) {
    auto& on = *static_cast<Stream*>(stream);
    const Work made{work, std::shared_ptr<void>(data, free)};
    on.capturing ? on.recorded.push_back(made) : work(data);
}

int cuInit(unsigned int) { return 0; }  // is called once in a process
int cuGetErrorString(int result, const char** words) {
    *words = result == 2 ? "out of memory" : "stand-in error";
    return 0;
}
int cuDeviceGet(int* device, int number) {
    *device = number;
    return number == 0 ? failed() : 101;  // CUDA_ERROR_INVALID_DEVICE
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? 8 : 9;
    return failed();
}
int cuDevicePrimaryCtxRetain(void** context, int) {
    if (const int result = failed()) return result;
    *context = &primary_context;
    ++control.retained;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) {
    --control.retained;
    return failed();
}
int cuCtxPushCurrent_v2(void*) {
    if (const int result = failed()) return result;
    ++current;
    return 0;
}
int cuCtxPopCurrent_v2(void**) {
    return expect(--current >= 0);
}
int cuStreamCreate(void** stream, unsigned int) {
    if (const int result = expect(current > 0)) return result;
    *stream = new Stream;
    ++control.streams;
    return 0;
}
int cuStreamDestroy_v2(void* stream) {
    delete static_cast<Stream*>(stream);
    --control.streams;
    return expect(current > 0);
}
int cuStreamSynchronize(void* stream) {
    return expect(!static_cast<Stream*>(stream)->capturing);
}
int cuStreamBeginCapture_v2(void* stream, int) {
    if (const int result = failed()) return result;
    static_cast<Stream*>(stream)->capturing = true;
    ++control.captures;
    return 0;
}
int cuStreamEndCapture(void* stream, void** graph) {
    auto& captured = *static_cast<Stream*>(stream);
    const std::vector<Work> work = captured.recorded;
    captured = {};
    *graph = nullptr;
    if (!control.capturable) return 901;  // CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
    if (const int result = failed()) return result;
    *graph = new Graph{work};
    ++control.graphs;
    return 0;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    if (const int result = failed()) return result;
    *executable = new Graph(*static_cast<Graph*>(graph));
    ++control.graphs;
    return 0;
}
int cuGraphDestroy(void* graph) {
    delete static_cast<Graph*>(graph);
    --control.graphs;
    return failed();
}
int cuGraphExecDestroy(void* executable) { return cuGraphDestroy(executable); }
int cuGraphLaunch(void* executable, void*) {
    ++control.launches;
    for (const Work& work : static_cast<Graph*>(executable)->work) work.run(work.data.get());
    return expect(current > 0);
}
int cuMemAlloc_v2(unsigned long long* pointer, std::size_t size) {
    void* made = nullptr;
    const int result = allocate(&made, size, control.device_memory);
    *pointer = reinterpret_cast<std::uintptr_t>(made);
    return result;
}
int cuMemFree_v2(unsigned long long pointer) {
    return release(reinterpret_cast<void*>(pointer), control.device_memory);
}
int cuMemHostAlloc(void** pointer, std::size_t size, unsigned int) {
    return allocate(pointer, size, control.pinned_memory);
}
int cuMemFreeHost(void* pointer) { return release(pointer, control.pinned_memory); }
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, std::size_t size, void* stream) {
    return copy(stream, reinterpret_cast<void*>(to), from, size);
}
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, std::size_t size, void* stream) {
    return copy(stream, to, reinterpret_cast<const void*>(from), size);
}

}  // extern "C"
