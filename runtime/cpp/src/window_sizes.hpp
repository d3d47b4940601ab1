// What sizes windows have: context around holes, sizes that the network takes, and what each costs. As
// runtime/window_sizes.py.
#pragma once

#include "area.hpp"
#include "bundle/document.hpp"

namespace inpaintrt::detail {

/// The smallest size the network takes that is not below `size`.
std::int64_t padded_size(std::int64_t size, const Limits& limits, std::int64_t multiple);

/// One axis of the image, `length` pixels, and of the network.
struct Axis {
    std::int64_t length = 0;
    Limits limits;
    std::int64_t multiple = 1;
    bool fixed = false;  ///< Whether all windows have the largest size.

    /// What a window has around holes at least.
    std::int64_t context() const;
    /// The reduced interval that holds `own` and its context, inside the image.
    Interval reach(const Interval& own, std::int64_t scale) const;
    bool fits(const Interval& own, std::int64_t scale) const { return reach(own, scale).size() <= limits.largest; }
    /// The window around the middle of what it holds, moved inside the image.
    Interval window(const Interval& own, std::int64_t scale) const;
    /// The size that the network runs at for a window.
    std::int64_t padded(const Interval& window) const { return padded_size(window.size(), limits, multiple); }
};

/// Both axes of an image and of the network that fills it.
struct Sizes {
    Axis rows;
    Axis columns;

    /// `choice` is that of Options. Throws Error(Image) if the whole image is asked for and is too large.
    static Sizes of(std::int64_t height, std::int64_t width, const DeployedInterface& interface, int choice);

    bool fit(const Area& box, std::int64_t scale = 1) const {
        return rows.fits(box.rows, scale) && columns.fits(box.columns, scale);
    }
    Area window(const Area& box, std::int64_t scale = 1) const {
        return {rows.window(box.rows, scale), columns.window(box.columns, scale)};
    }
    /// Pixels that the network works on for a window.
    std::int64_t cost(const Area& window) const { return rows.padded(window.rows) * columns.padded(window.columns); }
};

/// Throws Error(InvalidArgument) if the network has no such windows.
void check_choice(int choice, const DeployedInterface& interface);

}  // namespace inpaintrt::detail
