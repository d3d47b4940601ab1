// Images and masks in the caller's memory.
#ifndef INPAINTRT_IMAGES_HPP
#define INPAINTRT_IMAGES_HPP

#include <cstddef>
#include <cstdint>

#include "inpaintrt/error.hpp"  // before the name Picture is taken below

namespace inpaintrt {

/// An RGB image in the caller's memory: 3 bytes a pixel, rows from top to bottom.
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

/// One image to fill. `out` may be the memory of `image`, or overlap the inputs of the same image in any other way.
struct Task {
    ImageView image;
    MaskView mask;
    MutableImageView out;
    /// Non-zero = line that the filling follows; without data, there are no lines. Only for networks that take a sketch.
    MaskView sketch;
};

using Picture = Task;  ///< Its former name.

/// In pixels.
struct Size {
    int width = 0;
    int height = 0;
};

}  // namespace inpaintrt

#endif
