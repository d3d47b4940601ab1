// Windows around holes: what of an image the network is given. As runtime/windows.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "area.hpp"
#include "bundle/document.hpp"
#include "views.hpp"

namespace inpaintrt::detail {

/// What the network is given at once: `area` of the image at 1/`scale` of its size, for the holes in `core` of the image
/// whose cells have its number.
struct Window {
    std::int32_t number = 0;
    Area area;
    Area core;
    std::int64_t scale = 1;
};

/// How the holes of one image are filled.
struct Plan {
    /// Windows that do not need each other; the next round takes what this one filled for known. None of them where the
    /// network is given the image as it is.
    std::vector<std::vector<Window>> rounds;
    std::vector<std::int32_t> owner;  ///< Of each cell, the number of the window that fills its holes, or -1.
    std::int64_t cell = 1;            ///< Side of a cell in pixels.
    std::int64_t columns = 1;         ///< Cells in a row.

    bool owns(const Window& window, std::int64_t y, std::int64_t x) const {
        return owner[static_cast<std::size_t>(y / cell * columns + x / cell)] == window.number;
    }

    /// Whether some of the windows are at a smaller scale.
    bool is_reduced() const;

    /// Areas of the image that together are the window's own part of its core.
    std::vector<Area> rectangles(const Window& window) const;
};

/// `hole` is [rows,columns], non-zero = hole, and has one; `choice` is that of Options. Throws Error(Image) if the whole
/// image is asked for and is too large.
Plan plan_windows(const Plane<const std::uint8_t>& hole, const DeployedInterface& interface, int choice);

}  // namespace inpaintrt::detail
