// Images of any size through a network of certain sizes: padding, batches and windows. As runtime/inpainter.py.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "backends/runner.hpp"
#include "bundle/document.hpp"
#include "inpaintrt/error.hpp"
#include "inpaintrt/inpaintrt.h"
#include "report.hpp"
#include "views.hpp"
#include "windows.hpp"

namespace inpaintrt::detail {

class Filler {
public:
    /// `fixed` is the size that images have if the network's mask is fixed; `choice`, what windows there are, as in
    /// Options. Throws Error(InvalidArgument) if the network has no such windows.
    Filler(const DeployedInterface& interface, std::optional<Size> fixed, std::unique_ptr<Runner> runner,
           int choice = INPAINTRT_WINDOW_AUTO);

    /// Fill images of one size. Throws Error(Image) if they differ in size, Error(Cancelled), or what the runner throws.
    ///
    /// `monitor` may be null.
    void fill(const std::vector<Task>& tasks, const Monitor* monitor = nullptr);

    /// The same with views of memory of the GPU, in the order of a CUstream; see FrameFiller.
    void fill_on_gpu(const std::vector<Task>& tasks, void* stream);

    std::vector<std::string> warnings() const { return runner_->warnings(); }

    /// As `Runner::memory`.
    std::size_t memory() const { return runner_->memory(); }

    const std::optional<Size>& fixed() const { return fixed_; }

    /// Another filler over the same weights.
    Filler clone() const { return {interface_, fixed_, runner_->clone(), choice_}; }

private:
    /// What one image of a network's call is made of.
    struct Input {
        Plane<const std::uint8_t> image;
        Plane<const std::uint8_t> mask;
        Plane<const std::uint8_t> sketch;
    };

    /// The network's result: rows of `pitch` bytes, `size` bytes from one image to the next.
    struct Result {
        const std::uint8_t* composite = nullptr;
        std::size_t pitch = 0;
        std::size_t size = 0;
    };

    /// What the network made of the core of a window, [h,w,3].
    struct Patch {
        const Window* window = nullptr;
        std::vector<std::uint8_t> pixels;
    };

    /// An image before a round of windows.
    using Unfilled = Input;

    std::vector<CheckedTask> check(const std::vector<Task>& tasks, Memory memory = Memory::Host) const;
    std::size_t holes(const CheckedTask& task) const;
    void fill_all(const std::vector<CheckedTask>& tasks, Report report);
    void fill_together(const std::vector<const CheckedTask*>& tasks, Report& report);
    void fill_by_windows(const CheckedTask& task, const Plan& plan, Report& report);
    std::vector<Patch> fill_round(const std::vector<Window>& windows, const Unfilled& image, const Report& report);
    std::vector<Patch> fill_batch(const std::vector<const Window*>& windows, const Unfilled& image, const Report& report);
    Result run(const std::vector<Input>& inputs, const Report& report);
    Shape padded(std::size_t count, std::size_t height, std::size_t width) const;

    DeployedInterface interface_;
    std::optional<Size> fixed_;
    int choice_;
    std::unique_ptr<Runner> runner_;
};

}  // namespace inpaintrt::detail
