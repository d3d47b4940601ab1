// Fills holes in images with a bundle made by export-onnx.
//
//     inpaintrt::Inpainter inpaint("places");
//     inpaint.inpaint({image, width, height}, {mask, width, height}, {filled, width, height});
//
// Nothing here ends the process: whatever goes wrong is thrown as an inpaintrt::Error.
#ifndef INPAINTRT_INPAINTER_HPP
#define INPAINTRT_INPAINTER_HPP

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inpaintrt/error.hpp"
#include "inpaintrt/images.hpp"
#include "inpaintrt/monitor.hpp"
#include "inpaintrt/options.hpp"

struct CUstream_st;  // of CUDA: CUstream and cudaStream_t point to it

namespace inpaintrt {

/// A backend that was passed over.
struct Rejection {
    std::string name;
    std::string reason;
};

/// The backend that runs, and why: a reason for each one that stands before it in the order.
struct BackendChoice {
    std::string name;  ///< Library, device and precision, such as `onnxruntime-cpu fp32`.
    std::vector<Rejection> rejected;

    /// In one line.
    INPAINTRT_API std::string to_string() const;
};

/// A bundle, opened on the best backend of this machine, for images of any size.
///
/// Threads may share an instance, and take turns; to run at the same time, each thread has its clone.
class Inpainter {
public:
    /// Throws Bundle if the bundle is missing, malformed or altered, Backend if nothing can run it here.
    INPAINTRT_API explicit Inpainter(const std::filesystem::path& bundle, const Options& options = {});
    INPAINTRT_API ~Inpainter();
    INPAINTRT_API Inpainter(Inpainter&& other) noexcept;
    INPAINTRT_API Inpainter& operator=(Inpainter&& other) noexcept;

    /// Fill the holes of one image; known pixels come back bit-identical. Images larger than the network takes are
    /// filled in windows around their holes.
    ///
    /// Throws Image if the views do not fit each other, Backend if the run fails; `out` is then unspecified.
    INPAINTRT_API void inpaint(const ImageView& image, const MaskView& mask, const MutableImageView& out,
                 const MaskView& sketch = {});

    /// Fill images of one size, as many at once as the network takes. The `out` of one must not overlap the inputs of
    /// another.
    INPAINTRT_API void inpaint(const std::vector<Task>& tasks);

    /// The same, telling `monitor` how far it is. Throws Cancelled if the monitor ended it; after any error each `out` is
    /// as it was.
    INPAINTRT_API void inpaint(const std::vector<Task>& tasks, const Monitor& monitor);

    /// The same with images on the GPU: the `data` of all views are addresses of its memory, pitches are as on the host.
    ///
    /// Works in the order of the caller's stream, null for the default one: the images are read after what `stream` was
    /// given before, and what it is given later finds `out` filled. Ends when all that is enqueued; only for an image larger
    /// than the network takes is its mask waited for, which the host reads to plan windows. Keep the memory until then.
    ///
    /// Throws Backend if no TensorRT engine runs here, Image if memory is not on this instance's GPU, or `out` overlaps an
    /// input and is not the image's own memory.
    INPAINTRT_API void inpaint_on_gpu(const std::vector<Task>& tasks, CUstream_st* stream);

    /// Super-resolution: the pixels of `image` are kept, far apart, and what is between them is filled. `out` is `factor`
    /// times as wide and high, with the same pixel centres.
    ///
    /// For networks that were trained on such masks too (Liu et al., ECCV 2018, section 5). Throws Image if `factor` is
    /// below 2, `out` has another size, or the bundle's mask is fixed.
    INPAINTRT_API void upscale(const ImageView& image, int factor, const MutableImageView& out);

    /// The size that images must have if the bundle's mask is fixed, and that go without a mask then; no value if the
    /// bundle takes a mask.
    INPAINTRT_API std::optional<Size> fixed_size() const;

    /// Another instance that shares the weights, for another thread.
    INPAINTRT_API Inpainter clone() const;

    /// Bytes on the GPU that this instance and its clones hold, except for the weights; 0 without a GPU.
    INPAINTRT_API std::size_t memory() const;

    /// What costs speed and was not asked for, such as a CUDA graph that cannot be captured; each once.
    INPAINTRT_API std::vector<std::string> warnings() const;

    /// What was chosen, and why.
    INPAINTRT_API const BackendChoice& backend() const;

private:
    class Implementation;
    explicit Inpainter(std::unique_ptr<Implementation> implementation);
    Implementation& opened() const;

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace inpaintrt

#endif
