// What runs a network: ONNX Runtime, TensorRT or TensorRT-RTX, behind one small interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace inpaintrt::detail {

class Interrupt;

/// Images in one call of a network.
struct Shape {
    std::int64_t batch = 0;
    std::int64_t height = 0;
    std::int64_t width = 0;

    std::size_t pixels() const { return static_cast<std::size_t>(batch * height * width); }
    bool operator==(const Shape& other) const {
        return batch == other.batch && height == other.height && width == other.width;
    }
};

/// Memory of a runner: what to write before a run, and to read after it. All of it is contiguous.
struct Buffers {
    std::uint8_t* image = nullptr;            ///< [N,H,W,3]
    std::uint8_t* mask = nullptr;             ///< [N,H,W], 1 = hole, 0 = known; null where the network takes none
    const std::uint8_t* composite = nullptr;  ///< [N,H,W,3]
    std::uint8_t* sketch = nullptr;           ///< [N,H,W], 1 = line; null where the network takes none
};

class CudaDevice;
class CudaStream;

/// A network on a GPU, for callers whose images are there. All is enqueued on one stream; what comes later on it, also
/// runs on images of the host, waits for what came before.
class GpuQueue {
public:
    virtual ~GpuQueue() = default;

    virtual const CudaDevice& device() const = 0;
    virtual const CudaStream& stream() const = 0;

    /// As `Runner::prepare`, with addresses on the GPU, which must be current.
    virtual Buffers prepare_on_gpu(const Shape& shape) = 0;

    /// Enqueue a run on the buffers of the last `prepare_on_gpu`.
    virtual void enqueue() = 0;

    /// After a failure: wait for what was enqueued, and forget what it used.
    virtual void abandon() noexcept = 0;
};

/// Runs the network of a bundle for one thread at a time.
class Runner {
public:
    virtual ~Runner() = default;

    /// Library, device and precision, such as `onnxruntime-cpu fp32`.
    virtual std::string name() const = 0;

    /// The buffers for a shape that the bundle's profile allows; valid until the next call of `prepare`.
    virtual Buffers prepare(const Shape& shape) = 0;

    /// Run on the buffers of the last `prepare`. Where the backend can end a run early, `interrupt` does so; the run then
    /// throws. It may be null.
    virtual void run(Interrupt* interrupt) = 0;

    /// For images that are on a GPU; null where they must be copied to the host first.
    virtual GpuQueue* gpu() { return nullptr; }

    /// Bytes on the GPU that this runner and its clones hold, except for the weights; 0 without a GPU.
    virtual std::size_t memory() const { return 0; }

    /// What costs speed and was not asked for, in words; each once.
    virtual std::vector<std::string> warnings() const { return {}; }

    /// Another runner over the same weights.
    virtual std::unique_ptr<Runner> clone() const = 0;
};

}  // namespace inpaintrt::detail
