#include "inpaintrt/inpainter.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <set>

#include "backends/choice.hpp"
#include "bundle/opened.hpp"
#include "files.hpp"
#include "filler.hpp"
#include "guarded.hpp"
#include "shared_library.hpp"
#include "upscale.hpp"
#include "window_sizes.hpp"

namespace inpaintrt {
namespace {

using detail::guarded;

void check(const Options& options) {
    const auto refuse = [](const std::string& what) { throw Error(ErrorCode::InvalidArgument, what); };
    const int device = static_cast<int>(options.device);
    const int backend = static_cast<int>(options.backend);
    if (device < INPAINTRT_DEVICE_AUTO || device > INPAINTRT_DEVICE_CUDA) {
        refuse("device is " + std::to_string(device) + "; expected auto, cpu or cuda");
    }
    if (backend < INPAINTRT_BACKEND_AUTO || backend > INPAINTRT_BACKEND_ONNXRUNTIME_CPU) {
        refuse("backend is " + std::to_string(backend) + "; there is none of this number");
    }
    if (options.threads < 0) refuse("threads is " + std::to_string(options.threads) + "; expected 0 or more");
    if (options.gpu < 0) refuse("gpu is " + std::to_string(options.gpu) + "; expected 0 or more");
    const bool on_cpu = options.backend == Backend::OnnxRuntimeCpu;
    if (options.backend != Backend::Auto && options.device == (on_cpu ? Device::Cuda : Device::Cpu)) {
        refuse("device and backend do not fit each other; leave one of them to auto");
    }
}

/// Refuse a bundle whose network takes or gives something else than this release fills images with.
void check_interface(const detail::Bundle& bundle) {
    const auto refuse = [&](const std::string& what) {
        throw Error(ErrorCode::Backend, detail::text(bundle.path) + ": " + what);
    };
    if (bundle.interface.io != "image") {
        refuse("was exported with --io tensor; export it with --io image to fill images");
    }
    std::set<std::string> unknown(bundle.interface.inputs.begin(), bundle.interface.inputs.end());
    unknown.erase("image");
    unknown.erase("mask");
    unknown.erase("sketch");
    std::string names;
    for (const std::string& name : unknown) names += (names.empty() ? "" : ", ") + name;
    if (!names.empty()) refuse("needs " + names + ", which this release cannot give");
}

}  // namespace

std::string BackendChoice::to_string() const {
    if (rejected.empty()) return name;
    std::string reasons;
    for (const Rejection& one : rejected) reasons += (reasons.empty() ? "no " : "; no ") + one.name + ": " + one.reason;
    return name + " (" + reasons + ")";
}

class Inpainter::Implementation {
public:
    Implementation(detail::Filler filler, BackendChoice choice) : choice_(std::move(choice)), filler_(std::move(filler)) {}

    static std::unique_ptr<Implementation> open(const std::filesystem::path& path, const Options& options) {
        check(options);
        const detail::Bundle bundle = detail::Bundle::open(path);
        check_interface(bundle);
        const std::optional<detail::Size> fixed = bundle.fixed_size();
        detail::check_choice(options.window, bundle.interface);  // before a backend is opened
        detail::Chosen chosen = detail::choose_backend(bundle, options);
        return std::make_unique<Implementation>(detail::Filler(bundle.interface, fixed, std::move(chosen.runner), options.window),
                                                std::move(chosen.choice));
    }

    std::unique_ptr<Implementation> clone() const {
        // Without the lock: a clone shares nothing that a call changes.
        return std::make_unique<Implementation>(filler_.clone(), choice_);
    }

    void fill(const std::vector<Task>& tasks, const Monitor* monitor = nullptr) {
        const std::lock_guard lock(mutex_);
        filler_.fill(tasks, monitor);
    }

    void fill_on_gpu(const std::vector<Task>& tasks, void* stream) {
        const std::lock_guard lock(mutex_);
        filler_.fill_on_gpu(tasks, stream);
    }

    void upscale(const ImageView& image, int factor, const MutableImageView& out) {
        const detail::Plane<const std::uint8_t> small = detail::check_image(image, "image");
        const detail::Plane<std::uint8_t> to = detail::check_image(out, "out");
        if (factor < 2) throw Error(ErrorCode::Image, "an image is enlarged by 2 or more, not by " + std::to_string(factor));
        const auto times = static_cast<std::size_t>(factor);
        if (to.rows / times != small.rows || to.rows % times != 0 || to.row_bytes / times != small.row_bytes ||
            to.row_bytes % times != 0) {
            throw Error(ErrorCode::Image, "out is " + std::to_string(out.width) + "x" + std::to_string(out.height) +
                                              "; expected " + std::to_string(factor) + " times the image's " +
                                              std::to_string(image.width) + "x" + std::to_string(image.height));
        }
        detail::Grid grid = detail::place_on_grid(small, times);
        fill({{{grid.image.data(), out.width, out.height, 0},
               {grid.hole.data(), out.width, out.height, 0},
               {grid.image.data(), out.width, out.height, 0},
               {}}});
        detail::to_pixel_centres(grid, times, to);
    }

    std::size_t memory() const { return filler_.memory(); }
    std::vector<std::string> warnings() const { return filler_.warnings(); }

    const std::optional<detail::Size>& fixed() const { return filler_.fixed(); }
    const BackendChoice& choice() const { return choice_; }

    /// Where leak checkers find what is not freed.
    static void keep(Implementation* implementation) noexcept {
        static std::atomic<Implementation*> kept{nullptr};
        implementation->next_ = kept.exchange(implementation);
    }

private:
    Implementation* next_ = nullptr;
    BackendChoice choice_;
    std::mutex mutex_;  ///< Threads that share an instance take turns.
    detail::Filler filler_;
};

Inpainter::Inpainter(const std::filesystem::path& bundle, const Options& options)
    : implementation_(guarded([&] { return Implementation::open(bundle, options); })) {}

Inpainter::Inpainter(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Inpainter::~Inpainter() {
    // Then the libraries are gone: nothing can be given back to them, and the process gives all of it to the system.
    if (implementation_ != nullptr && detail::SharedLibrary::process_ends()) Implementation::keep(implementation_.release());
}
Inpainter::Inpainter(Inpainter&& other) noexcept = default;
Inpainter& Inpainter::operator=(Inpainter&& other) noexcept = default;

void Inpainter::inpaint(const ImageView& image, const MaskView& mask, const MutableImageView& out,
                        const MaskView& sketch) {
    inpaint(std::vector<Task>{{image, mask, out, sketch}});
}

void Inpainter::inpaint(const std::vector<Task>& tasks) {
    Implementation& implementation = opened();
    guarded([&] { implementation.fill(tasks); });
}

void Inpainter::inpaint(const std::vector<Task>& tasks, const Monitor& monitor) {
    Implementation& implementation = opened();
    guarded([&] { implementation.fill(tasks, &monitor); });
}

void Inpainter::inpaint_on_gpu(const std::vector<Task>& tasks, CUstream_st* stream) {
    Implementation& implementation = opened();
    guarded([&] { implementation.fill_on_gpu(tasks, stream); });
}

void Inpainter::upscale(const ImageView& image, int factor, const MutableImageView& out) {
    Implementation& implementation = opened();
    guarded([&] { implementation.upscale(image, factor, out); });
}

std::vector<std::string> Inpainter::warnings() const {
    const Implementation& implementation = opened();
    return guarded([&] { return implementation.warnings(); });
}

std::size_t Inpainter::memory() const {
    return opened().memory();
}

Inpainter Inpainter::clone() const {
    const Implementation& implementation = opened();
    return Inpainter(guarded([&] { return implementation.clone(); }));
}

std::optional<Size> Inpainter::fixed_size() const {
    const std::optional<detail::Size>& fixed = opened().fixed();
    if (!fixed) return std::nullopt;
    return Size{static_cast<int>(fixed->width), static_cast<int>(fixed->height)};
}

const BackendChoice& Inpainter::backend() const {
    return opened().choice();
}

Inpainter::Implementation& Inpainter::opened() const {
    if (implementation_ == nullptr) throw Error(ErrorCode::InvalidArgument, "this Inpainter was moved from");
    return *implementation_;
}

}  // namespace inpaintrt
