#include <gtest/gtest.h>

#include "scaling.hpp"

namespace {

using namespace inpaintrt::detail;
using Bytes = std::vector<std::uint8_t>;

Plane<const std::uint8_t> plane(const Bytes& bytes, std::size_t rows) {
    return {bytes.data(), rows, bytes.size() / rows, bytes.size() / rows};
}

TEST(Scaling, ReducedPixelsAreMeansOfKnownOnes) {
    Bytes image(3 * 4 * 5), hole(4 * 5), sketch(4 * 5);
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i);
    hole[0] = hole[1] = hole[5] = 7;                 // three of the first square
    hole[2] = hole[3] = hole[7] = hole[8] = 1;       // all of the second
    sketch[8] = 1;
    const Window window{0, {{0, 2}, {0, 3}}, {{0, 4}, {0, 5}}, 2};
    const Reduced found = reduced(plane(image, 4), plane(hole, 4), plane(sketch, 4), window);
    EXPECT_EQ(found.hole, (Bytes{0, 1, 0, 0, 0, 0}));
    EXPECT_EQ(found.sketch, (Bytes{0, 1, 0, 0, 0, 0}));
    EXPECT_EQ(Bytes(found.image.begin(), found.image.begin() + 3), (Bytes{18, 19, 20}));  // its one known pixel
    EXPECT_EQ(found.image[3], 0);
    EXPECT_EQ(found.image[6], (12 + 27 + 1) / 2);  // the last column is one pixel wide
}

TEST(Scaling, CarryingUpIsBilinear) {
    const Bytes small{0, 0, 0, 40, 80, 120, 40, 80, 120, 40, 80, 120};
    const Window window{0, {{0, 2}, {0, 2}}, {{0, 1}, {0, 4}}, 2};
    const Bytes expected{0, 0, 0, 10, 20, 30, 30, 60, 90, 40, 80, 120};
    EXPECT_EQ(carried_up(plane(small, 2), window), expected);
}

}  // namespace
