#include <gtest/gtest.h>

#include <random>

#include "windows.hpp"

namespace {

using inpaintrt::detail::for_windows_around_holes;
using inpaintrt::detail::Window;
using Bytes = std::vector<std::uint8_t>;

// As test_windows_cover_each_hole_pixel_once of the Python runtime; that both have the same windows shows in the bytes.
TEST(Windows, CoverEachHolePixelOnce) {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        const std::int64_t rows = 1 + random() % 90, columns = 1 + random() % 90;
        const std::int64_t height = 1 + random() % 40, width = 1 + random() % 40;
        const unsigned long share = random() % 101;
        Bytes hole(static_cast<std::size_t>(rows * columns));
        for (std::uint8_t& value : hole) value = random() % 100 < share;
        const Bytes before = hole;
        Bytes covered(hole.size());
        for_windows_around_holes(hole, rows, columns, height, width, [&](const Window& window) {
            EXPECT_LE(window.area.rows.size(), height);
            EXPECT_LE(window.area.columns.size(), width);
            EXPECT_GE(window.area.rows.start, 0);
            EXPECT_GE(window.area.columns.start, 0);
            EXPECT_LE(window.area.rows.stop, rows);
            EXPECT_LE(window.area.columns.stop, columns);
            EXPECT_LE(window.area.rows.start, window.core.rows.start);
            EXPECT_GE(window.area.rows.stop, window.core.rows.stop);
            EXPECT_LE(window.area.columns.start, window.core.columns.start);
            EXPECT_GE(window.area.columns.stop, window.core.columns.stop);
            for (std::int64_t y = window.core.rows.start; y < window.core.rows.stop; ++y) {
                for (std::int64_t x = window.core.columns.start; x < window.core.columns.stop; ++x) {
                    const auto at = static_cast<std::size_t>(y * columns + x);
                    covered[at] = static_cast<std::uint8_t>(covered[at] + (hole[at] != 0));
                }
            }
        });
        EXPECT_EQ(covered, before);
        EXPECT_EQ(hole, Bytes(hole.size()));
    }
}

}  // namespace
