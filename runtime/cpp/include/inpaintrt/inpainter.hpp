// Fills holes in pictures with a bundle made by export-onnx.
//
//     inpaintrt::Inpainter inpaint("places");
//     inpaint.inpaint({image, width, height}, {mask, width, height}, {filled, width, height});
//
// Nothing here ends the process: whatever goes wrong is thrown as an inpaintrt::Error.
#ifndef INPAINTRT_INPAINTER_HPP
#define INPAINTRT_INPAINTER_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "inpaintrt/inpaintrt.h"

namespace inpaintrt {

/// What kind of error it is; the numbers are those of the C interface.
enum class ErrorCode : int {
    InvalidArgument = INPAINTRT_INVALID_ARGUMENT,  ///< An option or a call that cannot be meant.
    Bundle = INPAINTRT_BUNDLE_ERROR,               ///< The bundle is missing, malformed, altered or of another release.
    Backend = INPAINTRT_BACKEND_ERROR,             ///< Nothing can run the bundle here, or a run failed.
    Picture = INPAINTRT_PICTURE_ERROR,             ///< Views that are no picture and mask, or do not fit each other.
    OutOfMemory = INPAINTRT_OUT_OF_MEMORY,         ///< Memory ran out.
    Internal = INPAINTRT_INTERNAL_ERROR,           ///< A defect of this library.
};

/// The only exception type. `what()` says what was found, what was expected, and what to do, in UTF-8.
class INPAINTRT_API Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message);
    ~Error() override;
    ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

/// An RGB picture in the caller's memory: 3 bytes a pixel, rows from top to bottom.
struct ImageView {
    const std::uint8_t* data = nullptr;
    int width = 0;          ///< In pixels.
    int height = 0;         ///< In pixels.
    std::size_t pitch = 0;  ///< Bytes from one row to the next, at least 3 * width; 0 where rows follow each other.
};

/// As ImageView, for the result.
struct MutableImageView {
    std::uint8_t* data = nullptr;
    int width = 0;
    int height = 0;
    std::size_t pitch = 0;
};

/// A mask in the caller's memory: 1 byte a pixel, non-zero = hole to fill. Without data, there is none: that is for
/// bundles that were exported with --fixed-mask.
struct MaskView {
    const std::uint8_t* data = nullptr;
    int width = 0;
    int height = 0;
    std::size_t pitch = 0;  ///< Bytes from one row to the next, at least width; 0 where rows follow each other.
};

/// One picture to fill. `out` may be the memory of `image`, or overlap the inputs of the same picture in any other way.
struct Picture {
    ImageView image;
    MaskView mask;
    MutableImageView out;
    /// Non-zero = line that the filling follows; without data, there are no lines. Only for networks that take a sketch.
    MaskView sketch;
};

/// In pixels.
struct Size {
    int width = 0;
    int height = 0;
};

/// Where to run.
enum class Device : int { Auto = INPAINTRT_DEVICE_AUTO, Cpu = INPAINTRT_DEVICE_CPU, Cuda = INPAINTRT_DEVICE_CUDA };

/// What to run on. `Auto` takes the first of the others, in this order, that can run the bundle here.
enum class Backend : int {
    Auto = INPAINTRT_BACKEND_AUTO,
    TensorRT = INPAINTRT_BACKEND_TENSORRT,
    TensorRTRTX = INPAINTRT_BACKEND_TENSORRT_RTX,
    OnnxRuntimeCuda = INPAINTRT_BACKEND_ONNXRUNTIME_CUDA,
    OnnxRuntimeCpu = INPAINTRT_BACKEND_ONNXRUNTIME_CPU,
};

struct Options {
    Device device = Device::Auto;
    Backend backend = Backend::Auto;
    int gpu = 0;      ///< Number of the GPU.
    int threads = 0;  ///< CPU threads for one picture, at most as many as there are CPUs; 0 leaves it to the backend.
    std::filesystem::path cache_directory;      ///< For what TensorRT-RTX compiles; empty = beside the engine.
    std::filesystem::path onnxruntime_library;  ///< ONNX Runtime's shared library; empty = searched, see the guide.
};

/// A backend that was passed over.
struct Rejection {
    std::string name;
    std::string reason;
};

/// The backend that runs, and why: a reason for each one that stands before it in the order.
struct INPAINTRT_API BackendChoice {
    std::string name;  ///< Library, device and precision, such as `onnxruntime-cpu fp32`.
    std::vector<Rejection> rejected;

    /// In one line.
    std::string to_string() const;
};

/// A bundle, opened on the best backend of this machine, for pictures of any size.
///
/// Threads may share an instance, and take turns; to run at the same time, each thread has its clone.
class INPAINTRT_API Inpainter {
public:
    /// Throws Bundle if the bundle is missing, malformed or altered, Backend if nothing can run it here.
    explicit Inpainter(const std::filesystem::path& bundle, const Options& options = {});
    ~Inpainter();
    Inpainter(Inpainter&& other) noexcept;
    Inpainter& operator=(Inpainter&& other) noexcept;

    /// Fill the holes of one picture; known pixels come back bit-identical. Pictures larger than the network takes are
    /// filled in windows around their holes.
    ///
    /// Throws Picture if the views do not fit each other, Backend if the run fails; `out` is then unspecified.
    void inpaint(const ImageView& image, const MaskView& mask, const MutableImageView& out,
                 const MaskView& sketch = {});

    /// Fill pictures of one size, as many at once as the network takes. The `out` of one must not overlap the inputs of
    /// another.
    void inpaint(const std::vector<Picture>& pictures);

    /// The size that pictures must have if the bundle's mask is fixed, and that go without a mask then; no value if the
    /// bundle takes a mask.
    std::optional<Size> fixed_size() const;

    /// Another instance that shares the weights, for another thread.
    Inpainter clone() const;

    /// What was chosen, and why.
    const BackendChoice& backend() const;

private:
    class Implementation;
    explicit Inpainter(std::unique_ptr<Implementation> implementation);
    Implementation& opened() const;

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace inpaintrt

#endif
