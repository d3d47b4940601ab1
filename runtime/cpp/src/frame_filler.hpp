// Fills images that are on a GPU. Nothing goes through the host but the mask of an image that needs windows, to plan them,
// and images with holes so wide that they are filled at a smaller scale. As runtime/frame_filling.py.
#pragma once

#include <functional>
#include <vector>

#include "backends/runner.hpp"
#include "bundle/document.hpp"
#include "views.hpp"
#include "windows.hpp"

namespace inpaintrt::detail {

class FrameFiller {
public:
    /// What a network is called with for so many images of so many rows and columns.
    using Padded = std::function<Shape(std::size_t, std::size_t, std::size_t)>;

    /// Fills an image in the host's memory.
    using OnHost = std::function<void(const CheckedTask&)>;

    /// `interface` is the network's; `choice`, what windows there are, as in Options: with auto, images that the network
    /// takes as a whole are filled as a whole.
    FrameFiller(GpuQueue& queue, const DeployedInterface& interface, int choice, Padded padded, OnHost on_host)
        : queue_(queue),
          interface_(interface),
          choice_(choice),
          padded_(std::move(padded)),
          on_host_(std::move(on_host)) {}

    /// Fill images of one size, whose planes are on the GPU, in the order of the caller's stream; ends when all is enqueued,
    /// except that a mask is waited for where there are windows. Throws Error(Image) for memory elsewhere, Error(Backend).
    void fill(const std::vector<CheckedTask>& tasks, void* caller);

private:
    /// What is written of a result: from this row and column on.
    struct Copy {
        std::size_t top = 0;
        std::size_t left = 0;
        Plane<std::uint8_t> out;
    };

    /// The planes of a call of the network, and what is written of its result.
    struct Frame {
        CheckedTask task;
        std::vector<Copy> copies;
    };

    void check_memory(const std::vector<CheckedTask>& tasks) const;
    void fill_together(const std::vector<CheckedTask>& tasks);
    void fill_by_windows(const CheckedTask& task);
    void fill_planned(const CheckedTask& task, const Plan& plan, const Plane<std::uint8_t>& left);
    void fill_window(const CheckedTask& task, const Area& area, const std::vector<Area>& rectangles);
    void fill_on_host(const CheckedTask& task, const std::vector<std::uint8_t>& hole);
    void run(const std::vector<Frame>& frames);
    void copy_in(const Plane<const std::uint8_t>& from, std::uint8_t* to, const Shape& shape, std::size_t pixel) const;
    bool fits(const CheckedTask& task) const;

    GpuQueue& queue_;
    const DeployedInterface& interface_;
    int choice_;
    Padded padded_;
    OnHost on_host_;
};

}  // namespace inpaintrt::detail
