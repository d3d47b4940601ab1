#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "inpaintrt/error.hpp"
#include "inpaintrt/inpaintrt.h"
#include "windows.hpp"
#include "window_sizes.hpp"

namespace {

using namespace inpaintrt::detail;
using Bytes = std::vector<std::uint8_t>;

DeployedInterface network(const Limits& height, const Limits& width) {
    return {"image", 1, {{1, 1, 4}, height, width}, {"image", "mask"}, {"composite"}};
}

struct Holes {
    std::int64_t rows;
    std::int64_t columns;
    Bytes bytes = Bytes(static_cast<std::size_t>(rows * columns));

    std::uint8_t& at(std::int64_t y, std::int64_t x) { return bytes[static_cast<std::size_t>(y * columns + x)]; }
    void square(std::int64_t top, std::int64_t left, std::int64_t side, std::uint8_t value) {
        for (std::int64_t y = top; y < std::min(top + side, rows); ++y) {
            for (std::int64_t x = left; x < std::min(left + side, columns); ++x) at(y, x) = value;
        }
    }
    Plane<const std::uint8_t> plane() const {
        return {bytes.data(), static_cast<std::size_t>(rows), static_cast<std::size_t>(columns),
                static_cast<std::size_t>(columns)};
    }
};

void check_interval(const Interval& area, const Interval& core, std::int64_t scale, std::int64_t length,
                    std::int64_t largest) {
    EXPECT_LE(0, area.start);
    EXPECT_LE(area.size(), largest);
    EXPECT_LE(area.stop, (length + scale - 1) / scale);
    EXPECT_LE(area.start * scale, core.start);
    EXPECT_GE(area.stop * scale, core.stop);
}

// As test_each_hole_pixel_is_filled_by_one_window of the Python runtime; that both have the same windows shows in bytes.
TEST(Windows, CoverEachHolePixelOnce) {
    std::mt19937 random(1);
    const auto below = [&](std::int64_t limit) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(limit)); };
    for (int round = 0; round < 200; ++round) {
        Holes hole{1 + below(250), 1 + below(250)};
        const std::int64_t height = 4 + below(56), width = 4 + below(56), share = below(3) * below(40);
        for (std::uint8_t& value : hole.bytes) value = below(100) < share;
        for (int squares = 0; squares < 4; ++squares) {
            hole.square(below(hole.rows), below(hole.columns), below(200), below(3) != 0);
        }
        hole.at(below(hole.rows), below(hole.columns)) = 1;
        const int choice = round % 2 == 0 ? INPAINTRT_WINDOW_AUTO : static_cast<int>(std::min(height, width));
        const Plan plan = plan_windows(hole.plane(), network({4, 4, height}, {4, 4, width}), choice);
        Bytes times(hole.bytes.size());
        for (const std::vector<Window>& windows : plan.rounds) {
            for (const Window& window : windows) {
                check_interval(window.area.rows, window.core.rows, window.scale, hole.rows, choice != 0 ? choice : height);
                check_interval(window.area.columns, window.core.columns, window.scale, hole.columns,
                               choice != 0 ? choice : width);
                for (std::int64_t y = window.core.rows.start; y < window.core.rows.stop; ++y) {
                    for (std::int64_t x = window.core.columns.start; x < window.core.columns.stop; ++x) {
                        if (hole.at(y, x) != 0 && plan.owns(window, y, x)) {
                            ++times[static_cast<std::size_t>(y * hole.columns + x)];
                        }
                    }
                }
            }
        }
        if (plan.rounds.empty()) continue;  // the whole image
        EXPECT_EQ(times, hole.bytes);
    }
}

TEST(Windows, WideHolesAreFilledAtASmallerScale) {
    Holes hole{2000, 2000};
    hole.square(500, 600, 800, 1);
    const Plan plan = plan_windows(hole.plane(), network({512, 512, 512}, {512, 512, 512}), INPAINTRT_WINDOW_AUTO);
    ASSERT_EQ(plan.rounds.size(), 1U);
    ASSERT_EQ(plan.rounds[0].size(), 1U);
    EXPECT_EQ(plan.rounds[0][0].scale, 3);
}

TEST(Windows, TheCheaperOfWindowsAndTheWholeImage) {
    Holes hole{1000, 1000};
    hole.square(500, 500, 4, 1);
    const DeployedInterface takes = network({64, 512, 1024}, {64, 512, 1024});
    EXPECT_EQ(plan_windows(hole.plane(), takes, INPAINTRT_WINDOW_AUTO).rounds.size(), 1U);
    EXPECT_TRUE(plan_windows(hole.plane(), takes, INPAINTRT_WINDOW_WHOLE).rounds.empty());
    hole.square(0, 0, 1000, 1);
    EXPECT_TRUE(plan_windows(hole.plane(), takes, INPAINTRT_WINDOW_AUTO).rounds.empty());
}

void expect_refusal(const std::string& words, const std::function<void()>& work) {
    try {
        work();
        ADD_FAILURE() << "expected: " << words;
    } catch (const inpaintrt::Error& error) {
        EXPECT_EQ(error.what(), words);
    }
}

TEST(Windows, RefuseWhatTheNetworkDoesNotTake) {
    const DeployedInterface takes = network({64, 64, 96}, {64, 64, 96});
    expect_refusal("window is -2; expected auto, whole or a size in pixels", [&] { check_choice(-2, takes); });
    expect_refusal("window is 100, but the network takes 64 to 96 pixels", [&] { check_choice(100, takes); });
    Holes hole{100, 90};
    hole.square(0, 0, 100, 1);
    expect_refusal("the image is 100 pixels high, but the network takes 96 as a whole; choose window auto, or a size",
                   [&] { plan_windows(hole.plane(), takes, INPAINTRT_WINDOW_WHOLE); });
}

}  // namespace
