// Fills images that are on a GPU: nothing goes through the host but the mask of an image that needs windows, to plan them.
// As runtime/frame_filling.py.
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

    /// `profile` is the network's.
    FrameFiller(GpuQueue& queue, const Profile& profile, Padded padded)
        : queue_(queue), profile_(profile), padded_(std::move(padded)) {}

    /// Fill images of one size, whose planes are on the GPU, in the order of the caller's stream; ends when all is enqueued,
    /// except that a mask is waited for where there are windows. Throws Error(Image) for memory elsewhere, Error(Backend).
    void fill(const std::vector<CheckedTask>& tasks, void* caller);

private:
    /// The planes of a call of the network, and what is written of its result.
    struct Frame {
        CheckedTask task;
        std::size_t top = 0;   ///< First row of the result that is written.
        std::size_t left = 0;  ///< First column.
    };

    void check_memory(const std::vector<CheckedTask>& tasks) const;
    void fill_together(const std::vector<CheckedTask>& tasks);
    void fill_by_windows(const CheckedTask& task);
    void run(const std::vector<Frame>& frames);
    void copy_in(const Plane<const std::uint8_t>& from, std::uint8_t* to, const Shape& shape, std::size_t pixel) const;
    bool fits(const CheckedTask& task) const;

    GpuQueue& queue_;
    const Profile& profile_;
    Padded padded_;
};

}  // namespace inpaintrt::detail
