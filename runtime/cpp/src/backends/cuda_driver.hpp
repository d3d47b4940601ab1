// The functions of CUDA's driver that are used, from its interface, which is stable: types, constants and versioned names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace inpaintrt::detail {

class SharedLibrary;

/// CUDA_MEMCPY2D: rectangles of bytes, of which this library uses the sides on the GPU.
struct CudaCopy {
    std::size_t source_x = 0;
    std::size_t source_y = 0;
    unsigned int source_type = 0;
    const void* source_host = nullptr;
    unsigned long long source = 0;
    void* source_array = nullptr;
    std::size_t source_pitch = 0;
    std::size_t target_x = 0;
    std::size_t target_y = 0;
    unsigned int target_type = 0;
    void* target_host = nullptr;
    unsigned long long target = 0;
    void* target_array = nullptr;
    std::size_t target_pitch = 0;
    std::size_t width = 0;  ///< In bytes.
    std::size_t height = 0;
};
static_assert(sizeof(CudaCopy) == 128 && offsetof(CudaCopy, target) == 88, "as the driver's, on 64-bit systems");

class CudaDriver {
public:
    using Result = int;
    using Device = int;
    using Context = void*;
    using Stream = void*;
    using Event = void*;
    using Graph = void*;
    using GraphExec = void*;
    using DevicePointer = unsigned long long;

    static constexpr Result success = 0;
    static constexpr unsigned int device_memory = 2;

    /// Throws Error(Backend) if there is no driver, or it does not start.
    static const CudaDriver& get();

    /// Throw Error(Backend) with the driver's words unless `result` is success.
    void check(Result result, const std::string& what) const;

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
    Result (*stream_wait_event)(Stream, Event, unsigned int);
    Result (*stream_begin_capture)(Stream, int);
    Result (*stream_end_capture)(Stream, Graph*);
    Result (*event_create)(Event*, unsigned int);
    Result (*event_destroy)(Event);
    Result (*event_record)(Event, Stream);
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
    Result (*copy_rectangle)(const CudaCopy*, Stream);
    Result (*set_rectangle)(DevicePointer, std::size_t, unsigned char, std::size_t, std::size_t, Stream);
    Result (*pointer_get_attribute)(void*, int, DevicePointer);

private:
    static CudaDriver open();
    explicit CudaDriver(const SharedLibrary& library);
};

}  // namespace inpaintrt::detail
