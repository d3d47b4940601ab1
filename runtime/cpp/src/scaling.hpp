// Wide holes at a smaller scale: the image reduced around them, and what was filled there carried up again. As
// runtime/scaling.py, with the same integers.
#pragma once

#include <cstdint>
#include <vector>

#include "views.hpp"
#include "windows.hpp"

namespace inpaintrt::detail {

/// A window of the image at a smaller scale: means of the known pixels of each square, and where there are none.
struct Reduced {
    std::vector<std::uint8_t> image;   ///< [h,w,3].
    std::vector<std::uint8_t> hole;    ///< [h,w], 1 = hole.
    std::vector<std::uint8_t> sketch;  ///< [h,w], 1 where a square has a line; empty without lines.
};

/// `sketch` may have no data.
Reduced reduced(const Plane<const std::uint8_t>& image, const Plane<const std::uint8_t>& hole,
                const Plane<const std::uint8_t>& sketch, const Window& window);

/// The window's core at the image's own size, [h,w,3], bilinear between the centres of the reduced pixels.
std::vector<std::uint8_t> carried_up(const Plane<const std::uint8_t>& small, const Window& window);

}  // namespace inpaintrt::detail
