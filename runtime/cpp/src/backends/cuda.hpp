// CUDA's driver, opened when it is used: device, stream, memory and graphs as types that free what they hold.
//
// The driver's own interface and not the runtime library: every machine with an NVIDIA GPU has it, and nothing else is
// needed to build or to start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "../views.hpp"

namespace inpaintrt::detail {

class CudaDriver;

/// A GPU with its primary context, which TensorRT uses as well.
class CudaDevice {
public:
    /// Throws Error(Backend) if there is no driver or no such GPU, saying which.
    static std::shared_ptr<const CudaDevice> open(int number);

    CudaDevice(const CudaDriver& driver, int device);
    ~CudaDevice();
    CudaDevice(const CudaDevice&) = delete;
    CudaDevice& operator=(const CudaDevice&) = delete;

    /// Compute capability, such as `sm89`.
    const std::string& target() const { return target_; }
    const CudaDriver& driver() const { return driver_; }
    int number() const { return device_; }

    /// Why memory is not this GPU's, to follow its name: `is on GPU 1`; empty if it is.
    std::string missing(const void* memory) const;

    /// Makes the GPU current for this thread as long as it lives; what was current before is so again afterwards.
    class Current {
    public:
        /// Throws Error(Backend) if the GPU cannot be made current.
        explicit Current(const CudaDevice& device);

        /// For destructors: does nothing if the driver refuses, as it does while the process ends.
        Current(const CudaDevice& device, std::nothrow_t) noexcept;
        ~Current();
        Current(const Current&) = delete;
        Current& operator=(const Current&) = delete;

    private:
        const CudaDriver& driver_;
        bool pushed_;
    };

private:
    const CudaDriver& driver_;
    int device_;
    void* context_ = nullptr;
    std::string target_;
};

/// A stream of the current GPU.
class CudaStream {
public:
    explicit CudaStream(const CudaDriver& driver);
    ~CudaStream();
    CudaStream(const CudaStream&) = delete;
    CudaStream& operator=(const CudaStream&) = delete;

    void* handle() const { return handle_; }
    void wait() const;

    /// As `wait`, whatever the GPU says: what ran must not use memory that goes.
    void settle() const noexcept;

    /// Enqueue a copy between planes of one size on the GPU.
    void copy(const Plane<const std::uint8_t>& from, const Plane<std::uint8_t>& to) const;

    /// Enqueue that all bytes of a plane on the GPU become `value`.
    void set(const Plane<std::uint8_t>& plane, std::uint8_t value) const;

private:
    const CudaDriver& driver_;
    void* handle_ = nullptr;
};

/// A point in the work of a stream, which another one waits for. May go before the wait is over.
class CudaEvent {
public:
    explicit CudaEvent(const CudaDriver& driver);
    ~CudaEvent();
    CudaEvent(const CudaEvent&) = delete;
    CudaEvent& operator=(const CudaEvent&) = delete;

    /// What the second stream, a handle, is given from now on waits for what the first one was given until now.
    void order(void* first, void* second) const;

private:
    const CudaDriver& driver_;
    void* handle_ = nullptr;
};

/// Memory of the GPU.
class CudaMemory {
public:
    CudaMemory(const CudaDriver& driver, std::size_t size);
    ~CudaMemory();
    CudaMemory(const CudaMemory&) = delete;
    CudaMemory& operator=(const CudaMemory&) = delete;

    void* get() const { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address_)); }
    std::size_t size() const { return size_; }

private:
    const CudaDriver& driver_;
    std::size_t size_;
    std::uint64_t address_ = 0;
};

/// Memory of the GPU and pinned memory of the host, of one size.
class CudaBuffer {
public:
    CudaBuffer(const CudaDriver& driver, std::size_t size);
    ~CudaBuffer();
    CudaBuffer(const CudaBuffer&) = delete;
    CudaBuffer& operator=(const CudaBuffer&) = delete;

    std::uint8_t* host() const { return static_cast<std::uint8_t*>(host_); }
    void* device() const { return device_.get(); }
    std::size_t size() const { return device_.size(); }
    void to_device(const CudaStream& stream) const;
    void to_host(const CudaStream& stream) const;

private:
    const CudaDriver& driver_;
    CudaMemory device_;
    void* host_ = nullptr;
};

/// Work that was captured from a stream once, to be launched with one call.
class CudaGraph {
public:
    /// Capture what `work` puts on the stream; it does not run. Throws Error(Backend) if that cannot be captured, also
    /// because of what another thread does meanwhile; the stream can be used on.
    template <typename Work>
    static std::unique_ptr<CudaGraph> capture(const CudaDriver& driver, const CudaStream& stream, const Work& work) {
        Capture capture(driver, stream);
        work();
        return capture.finish();
    }

    CudaGraph(const CudaDriver& driver, void* executable) : driver_(driver), executable_(executable) {}
    ~CudaGraph();
    CudaGraph(const CudaGraph&) = delete;
    CudaGraph& operator=(const CudaGraph&) = delete;

    void launch(const CudaStream& stream) const;

private:
    /// Ends the capture however it is left: a stream that captures for ever is of no use.
    class Capture {
    public:
        Capture(const CudaDriver& driver, const CudaStream& stream);
        ~Capture();
        Capture(const Capture&) = delete;
        Capture& operator=(const Capture&) = delete;
        std::unique_ptr<CudaGraph> finish();

    private:
        const CudaDriver& driver_;
        const CudaStream& stream_;
        bool capturing_ = true;
    };

    const CudaDriver& driver_;
    void* executable_;
};

}  // namespace inpaintrt::detail
