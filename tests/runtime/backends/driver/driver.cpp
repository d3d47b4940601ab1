// A CUDA driver without a GPU, for the real cuda-core: memory is the host's, and work waits until somebody waits for it.
//
// Nothing on a stream runs before it must, and then only what it depends on, so that an order that no event enforces shows
// as wrong bytes. Memory is poisoned when it comes and when it goes. What CUDA forbids is answered as CUDA answers it;
// what would crash a process, such as a graph that is destroyed twice, ends it here.

#include "driver.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace stand_in {

State& state() {
    static auto* made = new State;  // outlives what is destroyed at exit
    return *made;
}

Result entered(const char* name) {
    State& all = state();
    if (all.calls++ != all.failing_call) return ok;
    std::snprintf(all.failed_name, sizeof all.failed_name, "%s", name);
    return unknown;
}

void die(const char* why) {
    std::fprintf(stderr, "stand-in driver: %s\n", why);
    std::abort();
}

Stream* stream_of(void* handle) {
    if (handle == nullptr || handle == legacy || handle == per_thread) {
        const int device = current_device();
        return device < 0 ? nullptr : &state().default_streams[device];
    }
    auto* stream = static_cast<Stream*>(handle);
    return state().streams.count(stream) ? stream : nullptr;
}

int& current_device() {
    thread_local int device = -1;
    return device;
}

void run(Stream& stream, std::size_t position) {
    while (stream.ran < position) stream.work[stream.ran++]();
}

Result enqueue(void* handle, std::function<void()> work) {
    if (current_device() < 0) return invalid_context;
    Stream* stream = stream_of(handle);
    if (stream == nullptr || stream->device != current_device()) return invalid_handle;
    if (stream->invalidated) return capture_invalidated;
    (stream->capturing ? stream->recorded : stream->work).push_back(std::move(work));
    return ok;
}

bool inside(const void* address, std::size_t size) {
    const auto* first = static_cast<const unsigned char*>(address);
    auto found = state().memory.upper_bound(const_cast<unsigned char*>(first));
    if (found == state().memory.begin()) return false;
    --found;
    return first + size <= found->first + found->second.size;
}

unsigned char* allocate(std::size_t size, int device, bool pinned) {
    if (size > state().free_memory) return nullptr;
    auto* made = static_cast<unsigned char*>(std::aligned_alloc(512, (size + 511) / 512 * 512));
    std::memset(made, 0xAB, size);
    state().memory[made] = {size, device, pinned};
    return made;
}

void release(unsigned char* address) {
    const auto found = state().memory.find(address);
    if (found == state().memory.end()) die("memory is freed that was not allocated");
    std::memset(address, 0xDD, found->second.size);  // stays readable: who reads it gets these bytes
    state().memory.erase(found);
}

}  // namespace stand_in

using namespace stand_in;

extern "C" {

void stand_in_fail(long call) { state().failing_call = call < 0 ? -1 : state().calls + call; }
const char* stand_in_failed() { return state().failed_name; }
long stand_in_calls() { return state().calls; }
void stand_in_memory(long bytes) { state().free_memory = static_cast<std::size_t>(bytes); }

/// What is not freed: memory, streams, events, graphs.
void stand_in_open(long* counts) {
    const std::lock_guard lock(state().mutex);
    for (Stream& stream : state().default_streams) run(stream, stream.work.size());
    counts[0] = static_cast<long>(state().memory.size());
    counts[1] = static_cast<long>(state().streams.size());
    counts[2] = static_cast<long>(state().events.size());
    counts[3] = static_cast<long>(state().graphs.size());
}

}  // extern "C"
