#include "upscale.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace inpaintrt::detail {
namespace {

/// Half-way between the two middle ones, in sixteenths: the cubic of Keys with a = -1/2.
constexpr std::array<int, 4> taps = {-1, 9, 9, -1};

/// The taps' four places around `i`; the border is repeated.
std::array<std::size_t, 4> places(std::size_t i, std::size_t count) {
    return {i == 0 ? 0 : i - 1, i, std::min(i + 1, count - 1), std::min(i + 2, count - 1)};
}

}  // namespace

Grid place_on_grid(const Plane<const std::uint8_t>& image, std::size_t factor) {
    const std::size_t columns = image.row_bytes / 3;
    Grid grid;
    grid.width = factor * columns;
    grid.height = factor * image.rows;
    grid.image.resize(3 * grid.width * grid.height);
    grid.hole.assign(grid.width * grid.height, 1);
    for (std::size_t y = 0; y < image.rows; ++y) {
        const std::size_t row = (factor * y + factor / 2) * grid.width;
        for (std::size_t x = 0; x < columns; ++x) {
            const std::size_t pixel = row + factor * x + factor / 2;
            std::memcpy(&grid.image[3 * pixel], image.row(y) + 3 * x, 3);
            grid.hole[pixel] = 0;
        }
    }
    return grid;
}

void to_pixel_centres(const Grid& filled, std::size_t factor, const Plane<std::uint8_t>& out) {
    const std::size_t row_bytes = 3 * filled.width;
    if (factor % 2 == 1) {
        for (std::size_t y = 0; y < filled.height; ++y) std::memcpy(out.row(y), &filled.image[y * row_bytes], row_bytes);
        return;
    }
    std::vector<int> sums(row_bytes);  // of four rows, in sixteenths
    for (std::size_t y = 0; y < filled.height; ++y) {
        const std::array<std::size_t, 4> rows = places(y, filled.height);
        for (std::size_t i = 0; i < row_bytes; ++i) {
            int sum = 0;
            for (std::size_t tap = 0; tap < 4; ++tap) sum += taps[tap] * filled.image[rows[tap] * row_bytes + i];
            sums[i] = sum;
        }
        for (std::size_t x = 0; x < filled.width; ++x) {
            const std::array<std::size_t, 4> columns = places(x, filled.width);
            for (std::size_t channel = 0; channel < 3; ++channel) {
                int sum = 128;
                for (std::size_t tap = 0; tap < 4; ++tap) sum += taps[tap] * sums[3 * columns[tap] + channel];
                out.row(y)[3 * x + channel] = static_cast<std::uint8_t>(std::min(std::max(sum, 0) >> 8, 255));
            }
        }
    }
}

}  // namespace inpaintrt::detail
