#include "cuda.hpp"

#include "cuda_driver.hpp"
#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {
namespace {

using Result = CudaDriver::Result;
using Device = CudaDriver::Device;
using Context = CudaDriver::Context;
using Graph = CudaDriver::Graph;
using GraphExec = CudaDriver::GraphExec;
using DevicePointer = CudaDriver::DevicePointer;
constexpr Result success = CudaDriver::success;
constexpr int compute_capability_major = 75;
constexpr int compute_capability_minor = 76;
constexpr unsigned int non_blocking = 1;
constexpr unsigned int portable = 1;
constexpr unsigned int without_timing = 2;
constexpr int capture_thread_local = 1;
constexpr int memory_type_of_pointer = 2;
constexpr int device_of_pointer = 9;

DevicePointer address(const void* memory) {
    return reinterpret_cast<std::uintptr_t>(memory);
}

}  // namespace

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

std::string CudaDevice::missing(const void* memory) const {
    unsigned int type = 0;
    int number = 0;
    // Of memory that it does not know, the driver tells nothing.
    if (driver_.pointer_get_attribute(&type, memory_type_of_pointer, address(memory)) != success ||
        type != CudaDriver::device_memory) {
        return "is not in memory of a GPU";
    }
    driver_.check(driver_.pointer_get_attribute(&number, device_of_pointer, address(memory)), "where memory lies");
    return number == device_ ? "" : "is on GPU " + std::to_string(number);
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

void CudaStream::settle() const noexcept {
    driver_.stream_synchronize(handle_);
}

void CudaStream::copy(const Plane<const std::uint8_t>& from, const Plane<std::uint8_t>& to) const {
    CudaCopy task;
    task.source_type = task.target_type = CudaDriver::device_memory;
    task.source = address(from.data);
    task.source_pitch = from.pitch;
    task.target = address(to.data);
    task.target_pitch = to.pitch;
    task.width = to.row_bytes;
    task.height = to.rows;
    driver_.check(driver_.copy_rectangle(&task, handle_), "copy on the GPU");
}

void CudaStream::set(const Plane<std::uint8_t>& plane, std::uint8_t value) const {
    driver_.check(
        driver_.set_rectangle(address(plane.data), plane.pitch, value, plane.row_bytes, plane.rows, handle_),
        "memory of the GPU cannot be set");
}

CudaEvent::CudaEvent(const CudaDriver& driver) : driver_(driver) {
    driver.check(driver.event_create(&handle_, without_timing), "no event on the GPU");
}

CudaEvent::~CudaEvent() {
    driver_.event_destroy(handle_);
}

void CudaEvent::order(void* first, void* second) const {
    driver_.check(driver_.event_record(handle_, first), "the order of streams");
    driver_.check(driver_.stream_wait_event(second, handle_, 0), "the order of streams");
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

void CudaBuffer::to_device(const CudaStream& stream) const {
    driver_.check(driver_.copy_to_device(address(device_.get()), host_, size(), stream.handle()), "copy to the GPU");
}

void CudaBuffer::to_host(const CudaStream& stream) const {
    driver_.check(driver_.copy_to_host(host_, address(device_.get()), size(), stream.handle()), "copy from the GPU");
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
