// How far a call is, what it has filled so far, and how to end it: for long fills of large images.
#ifndef INPAINTRT_MONITOR_HPP
#define INPAINTRT_MONITOR_HPP

#include <cstddef>
#include <functional>
#include <memory>

#include "inpaintrt/images.hpp"

namespace inpaintrt {

namespace detail {
class Interrupt;
}

/// Ends calls of `Inpainter::inpaint` from any thread, at any moment. Copies are one and the same; it is used once.
class Cancellation {
public:
    INPAINTRT_API Cancellation();

    /// Calls that have this cancellation end with the error `Cancelled`, the running ones and later ones.
    INPAINTRT_API void cancel() const noexcept;
    INPAINTRT_API bool cancelled() const noexcept;

    /// For the library itself.
    detail::Interrupt& interrupt() const noexcept { return *interrupt_; }

private:
    std::shared_ptr<detail::Interrupt> interrupt_;
};

/// A part of an image that was just filled.
struct Tile {
    std::size_t task = 0;  ///< Which of the tasks it belongs to.
    int x = 0;             ///< Where it lies in the image, in pixels.
    int y = 0;
    ImageView pixels;  ///< The library's memory; valid during the call.
};

/// What to tell during a call. The functions run on the thread that called `inpaint`, must not throw, and return whether
/// to go on: false ends the call with the error `Cancelled`.
///
/// A call with a monitor writes no `out` before all of it is filled, so that a call that was cancelled or failed leaves
/// them as they were. That takes the memory of the images once more.
struct Monitor {
    std::function<bool(double)> on_progress;     ///< The share of hole pixels that are filled: from 0 to 1, never less.
    std::function<bool(const Tile&)> on_tile;    ///< In the order they are filled; for a preview.
    Cancellation cancellation;
};

}  // namespace inpaintrt

#endif
