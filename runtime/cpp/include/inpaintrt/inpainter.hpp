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

namespace inpaintrt {

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

/// A bundle, opened on the best backend of this machine, for images of any size.
///
/// Threads may share an instance, and take turns; to run at the same time, each thread has its clone.
class INPAINTRT_API Inpainter {
public:
    /// Throws Bundle if the bundle is missing, malformed or altered, Backend if nothing can run it here.
    explicit Inpainter(const std::filesystem::path& bundle, const Options& options = {});
    ~Inpainter();
    Inpainter(Inpainter&& other) noexcept;
    Inpainter& operator=(Inpainter&& other) noexcept;

    /// Fill the holes of one image; known pixels come back bit-identical. Images larger than the network takes are
    /// filled in windows around their holes.
    ///
    /// Throws Image if the views do not fit each other, Backend if the run fails; `out` is then unspecified.
    void inpaint(const ImageView& image, const MaskView& mask, const MutableImageView& out,
                 const MaskView& sketch = {});

    /// Fill images of one size, as many at once as the network takes. The `out` of one must not overlap the inputs of
    /// another.
    void inpaint(const std::vector<Task>& tasks);

    /// The same, telling `monitor` how far it is. Throws Cancelled if the monitor ended it; after any error each `out` is
    /// as it was.
    void inpaint(const std::vector<Task>& tasks, const Monitor& monitor);

    /// Super-resolution: the pixels of `image` are kept, far apart, and what is between them is filled. `out` is `factor`
    /// times as wide and high, with the same pixel centres.
    ///
    /// For networks that were trained on such masks too (Liu et al., ECCV 2018, section 5). Throws Image if `factor` is
    /// below 2, `out` has another size, or the bundle's mask is fixed.
    void upscale(const ImageView& image, int factor, const MutableImageView& out);

    /// The size that images must have if the bundle's mask is fixed, and that go without a mask then; no value if the
    /// bundle takes a mask.
    std::optional<Size> fixed_size() const;

    /// Another instance that shares the weights, for another thread.
    Inpainter clone() const;

    /// Bytes on the GPU that this instance and its clones hold, except for the weights; 0 without a GPU.
    std::size_t memory() const;

    /// What costs speed and was not asked for, such as a CUDA graph that cannot be captured; each once.
    std::vector<std::string> warnings() const;

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
