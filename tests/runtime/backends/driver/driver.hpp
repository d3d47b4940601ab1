// What the stand-in driver is made of: devices, streams whose work waits, events, memory and graphs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace stand_in {

using Result = int;
constexpr Result ok = 0, invalid_value = 1, out_of_memory = 2, invalid_device = 101, invalid_context = 201,
                 invalid_handle = 400, capture_unsupported = 900, capture_invalidated = 901, unknown = 999;

constexpr int devices = 2;
inline void* const legacy = reinterpret_cast<void*>(1);
inline void* const per_thread = reinterpret_cast<void*>(2);

using Work = std::function<void()>;

struct Graph {
    std::vector<Work> work;
};

struct Stream {
    int device = 0;
    std::vector<Work> work;
    std::size_t ran = 0;
    bool capturing = false;
    bool invalidated = false;
    std::vector<Work> recorded;
    Graph* graph = nullptr;  ///< What the capture makes.
};

struct Event {
    int device = 0;
    Stream* stream = nullptr;
    std::size_t position = 0;
};

struct Memory {
    std::size_t size;
    int device;
    bool pinned;
};

struct State {
    std::recursive_mutex mutex;
    long calls = 0;
    long trims = 0;  ///< Times that memory was given back to the machine.
    long failing_call = -1;
    char failed_name[64] = "";
    std::size_t free_memory = std::size_t{1} << 30;
    std::map<unsigned char*, Memory> memory;
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<Graph*> graphs;
    Stream default_streams[devices] = {{0, {}, 0, false, false, {}, nullptr}, {1, {}, 0, false, false, {}, nullptr}};
    int contexts[devices] = {};
};

State& state();

/// Counts a call; what it must return at once, if it is the one that fails.
Result entered(const char* name);

[[noreturn]] void die(const char* why);

int& current_device();
Stream* stream_of(void* handle);
void run(Stream& stream, std::size_t position);
Result enqueue(void* handle, Work work);

/// Whether an address and what follows it is memory of this driver.
bool inside(const void* address, std::size_t size);
unsigned char* allocate(std::size_t size, int device, bool pinned);
void release(unsigned char* address);

using Address = unsigned long long;

inline unsigned char* bytes(Address address) {
    return reinterpret_cast<unsigned char*>(static_cast<std::uintptr_t>(address));
}

inline int device_of(const void* context) {
    for (int device = 0; device < devices; ++device) {
        if (context == &state().contexts[device]) return device;
    }
    return -1;
}

inline void* context_of(int device) { return device < 0 ? nullptr : &state().contexts[device]; }

}  // namespace stand_in

/// At the begin of every function of the driver that can fail.
#define ENTER()                                                    \
    const std::lock_guard<std::recursive_mutex> lock(state().mutex); \
    if (const Result failed = entered(__func__)) return failed
