#include "scaling.hpp"

#include <algorithm>
#include <array>

namespace inpaintrt::detail {
namespace {

std::size_t index(std::int64_t value) {
    return static_cast<std::size_t>(value);
}

/// The reduced pixels before and after a pixel, counted in `area`, and the weight of the one after it.
struct Place {
    std::size_t before = 0;
    std::size_t after = 0;
    std::int64_t weight = 0;
};

std::vector<Place> places(const Interval& pixels, const Interval& area, std::int64_t scale) {
    std::vector<Place> found;
    const std::int64_t unit = 2 * scale;
    const auto inside = [&](std::int64_t i) { return index(std::clamp<std::int64_t>(i - area.start, 0, area.size() - 1)); };
    for (std::int64_t p = pixels.start; p < pixels.stop; ++p) {
        const std::int64_t place = 2 * p + 1 - scale + unit;  // one further, so that it is not negative
        found.push_back({inside(place / unit - 1), inside(place / unit), place % unit});
    }
    return found;
}

}  // namespace

Reduced reduced(const Plane<const std::uint8_t>& image, const Plane<const std::uint8_t>& hole,
                const Plane<const std::uint8_t>& sketch, const Window& window) {
    const Area& area = window.area;
    const std::size_t height = index(area.rows.size()), width = index(area.columns.size()), scale = index(window.scale);
    Reduced found{std::vector<std::uint8_t>(3 * height * width), std::vector<std::uint8_t>(height * width), {}};
    if (sketch.data != nullptr) found.sketch.resize(height * width);
    const std::size_t left = index(area.columns.start) * scale;
    const std::size_t right = std::min(index(area.columns.stop) * scale, hole.row_bytes);
    for (std::size_t row = 0; row < height; ++row) {
        std::vector<std::array<std::int64_t, 4>> sums(width);  // of the known pixels: their number and colours
        const std::size_t top = (index(area.rows.start) + row) * scale;
        for (std::size_t y = top; y < std::min(top + scale, hole.rows); ++y) {
            for (std::size_t x = left; x < right; ++x) {
                const std::size_t column = (x - left) / scale;
                if (sketch.data != nullptr && sketch.row(y)[x] != 0) found.sketch[row * width + column] = 1;
                if (hole.row(y)[x] != 0) continue;
                ++sums[column][0];
                for (std::size_t channel = 0; channel < 3; ++channel) {
                    sums[column][channel + 1] += image.row(y)[3 * x + channel];
                }
            }
        }
        for (std::size_t column = 0; column < width; ++column) {
            const std::int64_t count = sums[column][0];
            found.hole[row * width + column] = count == 0;
            for (std::size_t channel = 0; channel < 3 && count != 0; ++channel) {
                found.image[3 * (row * width + column) + channel] =
                    static_cast<std::uint8_t>((sums[column][channel + 1] + count / 2) / count);
            }
        }
    }
    return found;
}

std::vector<std::uint8_t> carried_up(const Plane<const std::uint8_t>& small, const Window& window) {
    const std::int64_t unit = 2 * window.scale;
    const std::vector<Place> rows = places(window.core.rows, window.area.rows, window.scale);
    const std::vector<Place> columns = places(window.core.columns, window.area.columns, window.scale);
    std::vector<std::uint8_t> found;
    found.reserve(3 * rows.size() * columns.size());
    for (const Place& y : rows) {
        const std::uint8_t *above = small.row(y.before), *below = small.row(y.after);
        for (const Place& x : columns) {
            for (std::size_t channel = 0; channel < 3; ++channel) {
                const auto between = [&](std::size_t column) {
                    const std::size_t at = 3 * column + channel;
                    return above[at] * (unit - y.weight) + below[at] * y.weight;
                };
                const std::int64_t sum = between(x.before) * (unit - x.weight) + between(x.after) * x.weight;
                found.push_back(static_cast<std::uint8_t>((sum + unit * unit / 2) / (unit * unit)));
            }
        }
    }
    return found;
}

}  // namespace inpaintrt::detail
