// The driver's functions for memory: pools, pinned memory, copies.

#include <cstdint>
#include <cstring>

#include "driver.hpp"

using namespace stand_in;

namespace {

/// One side of a copy in three dimensions, as CUDA declares it.
struct Side {
    std::size_t x, y, z, level;
    int type;
    const void* host;
    Address device;
    void* array;
    void* reserved;
    std::size_t pitch, height;

    [[nodiscard]] bool holds(std::size_t width, std::size_t rows, std::size_t depth) const {
        constexpr int device_memory = 2;
        if (type != device_memory || pitch < width || height < rows || reserved != nullptr) return false;
        return inside(bytes(device), ((depth - 1) * height + rows - 1) * pitch + width);
    }
};

struct Copy3D {
    Side from, to;
    std::size_t width, height, depth;
};

}  // namespace

extern "C" {

Result cuDeviceGetMemPool(void** pool, int device) { ENTER(); *pool = context_of(device); return ok; }
Result cuMemPoolGetAttribute(void*, int, void* value) { ENTER(); std::memset(value, 0, 8); return ok; }
Result cuMemPoolSetAttribute(void*, int, void*) { ENTER(); return ok; }
Result cuMemPoolTrimTo(void* pool, std::size_t) {
    ENTER();
    ++state().trims;
    return device_of(pool) < 0 ? invalid_value : ok;
}
Result cuMemAllocFromPoolAsync(Address* address, std::size_t size, void* pool, void* handle) {
    ENTER();
    const Stream* stream = stream_of(handle);
    if (stream == nullptr || stream->device != device_of(pool)) return invalid_handle;
    *address = reinterpret_cast<std::uintptr_t>(allocate(size, stream->device, false));
    return *address == 0 ? out_of_memory : ok;
}
Result cuMemFreeAsync(Address address, void* handle) {
    const std::lock_guard lock(state().mutex);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return invalid_handle;
    stream->work.push_back([address] { release(bytes(address)); });
    return entered(__func__);
}
Result cuMemAllocHost_v2(void** address, std::size_t size) {
    ENTER();
    if (current_device() < 0) return invalid_context;
    *address = allocate(size, -1, true);
    return *address == nullptr ? out_of_memory : ok;
}
Result cuMemFreeHost(void* address) {
    const std::lock_guard lock(state().mutex);
    release(static_cast<unsigned char*>(address));
    return entered(__func__);
}
Result cuPointerGetAttribute(void* value, int attribute, Address address) {
    ENTER();
    constexpr int memory_type = 2, managed = 8, ordinal = 9;
    auto found = state().memory.upper_bound(bytes(address));
    if (!inside(bytes(address), 1)) return invalid_value;
    const Memory& memory = (--found)->second;
    if (attribute == memory_type) *static_cast<unsigned*>(value) = memory.pinned ? 1 : 2;
    if (attribute == managed) *static_cast<int*>(value) = 0;
    if (attribute == ordinal) *static_cast<int*>(value) = memory.pinned ? 0 : memory.device;
    return ok;
}
Result cuPointerGetAttributes(unsigned count, const int* attributes, void** values, Address address) {
    for (unsigned index = 0; index < count; ++index) cuPointerGetAttribute(values[index], attributes[index], address);
    return ok;  // of memory that it does not know it leaves what was there
}
Result cuMemcpyAsync(Address to, Address from, std::size_t size, void* stream) {
    ENTER();
    if (!inside(bytes(to), size) || !inside(bytes(from), size)) return invalid_value;
    return enqueue(stream, [=] { std::memmove(bytes(to), bytes(from), size); });
}
Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t size, void* stream) {
    return cuMemcpyAsync(to, from, size, stream);
}
Result cuMemcpy3DAsync_v2(const Copy3D* given, void* stream) {
    ENTER();
    const Copy3D copy = *given;
    const bool good = copy.depth > 0 && copy.from.holds(copy.width, copy.height, copy.depth) &&
                      copy.to.holds(copy.width, copy.height, copy.depth);
    if (!good) return invalid_value;
    return enqueue(stream, [copy] {
        for (std::size_t row = 0; row < copy.depth * copy.height; ++row) {
            const std::size_t z = row / copy.height, y = row % copy.height;
            std::memmove(bytes(copy.to.device) + (z * copy.to.height + y) * copy.to.pitch,
                         bytes(copy.from.device) + (z * copy.from.height + y) * copy.from.pitch, copy.width);
        }
    });
}
Result cuMemsetD2D8Async(
    Address to, std::size_t pitch, unsigned char value, std::size_t width, std::size_t height, void* stream) {
    ENTER();
    if (pitch < width || !inside(bytes(to), (height - 1) * pitch + width)) return invalid_value;
    return enqueue(stream, [=] {
        for (std::size_t row = 0; row < height; ++row) std::memset(bytes(to) + row * pitch, value, width);
    });
}
Result cuMemsetD8Async(Address to, unsigned char value, std::size_t size, void* stream) {
    ENTER();
    if (!inside(bytes(to), size)) return invalid_value;
    return enqueue(stream, [=] { std::memset(bytes(to), value, size); });
}

}  // extern "C"
