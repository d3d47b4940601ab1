// Super-resolution as inpainting: pixels of a small image far apart on a large grid, and holes between them.
//
// Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018), section 5. As
// runtime/upscale.py, with the same integers.
#pragma once

#include <cstdint>
#include <vector>

#include "views.hpp"

namespace inpaintrt::detail {

/// Every pixel in the middle of a square of `factor` x `factor`, all else a hole.
struct Grid {
    std::size_t width = 0;
    std::size_t height = 0;
    std::vector<std::uint8_t> image;  ///< [height,width,3], black in the holes.
    std::vector<std::uint8_t> hole;   ///< [height,width], 1 = hole.
};

Grid place_on_grid(const Plane<const std::uint8_t>& image, std::size_t factor);

/// The filled grid as an image whose pixel centres are those of the small one: itself for odd factors; for even ones, half
/// a pixel further left and up, by cubic taps.
void to_pixel_centres(const Grid& filled, std::size_t factor, const Plane<std::uint8_t>& out);

}  // namespace inpaintrt::detail
