// A CUDA driver that runs on the host: memory is the host's, streams are those of streams.hpp, a capturing one records.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/cuda_driver.hpp"
#include "control.hpp"
#include "streams.hpp"

namespace {

using inpaintrt::detail::CudaCopy;
using stand_in::Control;

using stand_in::Event;
using stand_in::Stream;
using stand_in::Work;

struct Graph {
    std::vector<Work> work;
};

Control control;
stand_in::Streams streams;
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

/// Put work on a stream, with its own copy of what it needs.
template <typename Data>
void put(void* stream, void (*run)(void*), const Data& data) {
    stand_in_do(stream, run, [](void* freed) { delete static_cast<Data*>(freed); }, new Data(data));
}

int copy(void* stream, void* to, const void* from, std::size_t size) {
    const auto run = [](void* data) {
        const auto* copied = static_cast<Copy*>(data);
        std::memcpy(copied->to, copied->from, copied->size);
    };
    put(stream, run, Copy{to, from, size});
    ++control.host_copies;
    return expect(current > 0);
}

std::uint8_t* on_host(unsigned long long address) {
    return reinterpret_cast<std::uint8_t*>(static_cast<std::uintptr_t>(address));
}

/// Rows of bytes that become one value.
struct Rectangle {
    std::uint8_t* start;
    std::size_t pitch;
    unsigned char value;
    std::size_t width;
    std::size_t height;
};

/// Blocks on the GPU, and how large they are.
std::mutex blocks_mutex;
std::map<std::uintptr_t, std::size_t> blocks;

bool on_gpu(unsigned long long address) {
    const std::lock_guard lock(blocks_mutex);
    const auto after = blocks.upper_bound(static_cast<std::uintptr_t>(address));
    return after != blocks.begin() && address - std::prev(after)->first < std::prev(after)->second;
}

/// Nothing that may still run is freed.
void expect_idle() {
    if (streams.busy()) ++control.misuses;
}

int allocate(void** pointer, std::size_t size, std::atomic<int>& count) {
    if (control.memory_runs_out) return 2;  // CUDA_ERROR_OUT_OF_MEMORY
    if (const int result = expect(current > 0)) return result;
    *pointer = std::malloc(size);
    ++count;
    return 0;
}

int release(void* pointer, std::atomic<int>& count) {
    expect_idle();
    std::free(pointer);
    --count;
    return expect(current > 0);
}

}  // namespace

extern "C" {

Control* stand_in_control() {
    return &control;
}

void stand_in_expect_idle() {
    expect_idle();
}

bool stand_in_fails() {
    return control.calls++ == control.failing_call;
}

void stand_in_do(void* stream, void (*work)(void*), void (*free)(void*), void* data) {
    auto& on = *static_cast<Stream*>(stream);
    const Work made{work, std::shared_ptr<void>(data, free)};
    on.put(made, control.deferred);
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
int cuStreamCreate(void** stream, unsigned int flags) {
    if (const int result = expect(current > 0)) return result;
    *stream = streams.make(flags != 0);
    ++control.streams;
    return 0;
}
int cuStreamDestroy_v2(void* stream) {
    streams.destroy(static_cast<Stream*>(stream));
    --control.streams;
    return expect(current > 0);
}
int cuStreamSynchronize(void* stream) {
    auto& waited = *static_cast<Stream*>(stream);
    waited.run_until(waited.enqueued);
    return expect(!waited.capturing);
}
int cuEventCreate(void** event, unsigned int) {
    if (const int result = expect(current > 0)) return result;
    *event = new Event;
    ++control.events;
    return 0;
}
int cuEventDestroy_v2(void* event) {
    delete static_cast<Event*>(event);
    --control.events;
    return failed();
}
int cuEventRecord(void* event, void* stream) {
    auto& of = *static_cast<Stream*>(stream);
    *static_cast<Event*>(event) = {&of, of.enqueued};
    return failed();
}
int cuStreamWaitEvent(void* stream, void* event, unsigned int) {
    put(stream, [](void* data) { streams.run_until(*static_cast<Event*>(data)); }, *static_cast<Event*>(event));
    return failed();
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
    captured.capturing = false;
    captured.recorded.clear();
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
int cuGraphExecDestroy(void* executable) {
    expect_idle();
    return cuGraphDestroy(executable);
}
int cuGraphLaunch(void* executable, void* stream) {
    ++control.launches;
    for (const Work& work : static_cast<Graph*>(executable)->work) {
        static_cast<Stream*>(stream)->put(work, control.deferred);
    }
    return expect(current > 0);
}
int cuMemAlloc_v2(unsigned long long* pointer, std::size_t size) {
    void* made = nullptr;
    const int result = allocate(&made, size, control.device_memory);
    *pointer = reinterpret_cast<std::uintptr_t>(made);
    const std::lock_guard lock(blocks_mutex);
    if (result == 0) blocks[reinterpret_cast<std::uintptr_t>(made)] = size;
    return result;
}
int cuMemFree_v2(unsigned long long pointer) {
    {
        const std::lock_guard lock(blocks_mutex);
        blocks.erase(static_cast<std::uintptr_t>(pointer));
    }
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
int cuMemcpy2DAsync_v2(const CudaCopy* task, void* stream) {
    const auto run = [](void* data) {
        const auto& now = *static_cast<CudaCopy*>(data);
        for (std::size_t y = 0; y < now.height; ++y) {
            std::memmove(on_host(now.target) + y * now.target_pitch, on_host(now.source) + y * now.source_pitch, now.width);
        }
    };
    put(stream, run, *task);
    const bool inside = task->source_type == 2 && task->target_type == 2 && task->source_pitch >= task->width &&
                        task->target_pitch >= task->width && on_gpu(task->source) && on_gpu(task->target);
    return expect(current > 0 && inside);
}
int cuMemsetD2D8Async(unsigned long long pointer, std::size_t pitch, unsigned char value, std::size_t width,
                      std::size_t height, void* stream) {
    const auto run = [](void* data) {
        const auto& now = *static_cast<Rectangle*>(data);
        for (std::size_t y = 0; y < now.height; ++y) std::memset(now.start + y * now.pitch, now.value, now.width);
    };
    put(stream, run, Rectangle{on_host(pointer), pitch, value, width, height});
    return expect(current > 0 && on_gpu(pointer));
}
int cuPointerGetAttribute(void* value, int attribute, unsigned long long pointer) {
    if (const int result = failed()) return result;
    if (!on_gpu(pointer)) return 1;  // CUDA_ERROR_INVALID_VALUE
    *static_cast<int*>(value) = attribute == 2 ? 2 : control.memory_is_on_gpu.load();
    return 0;
}

}  // extern "C"
