// Super-resolution: the grid, the half pixel of even factors, and what is refused.

#include "upscale.hpp"

#include "inpaintrt/inpainter.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

detail::Plane<const std::uint8_t> plane(const Bytes& pixels, std::size_t rows, std::size_t columns) {
    return {pixels.data(), rows, 3 * columns, 3 * columns};
}

TEST(Upscale, PixelsLieInTheMiddleOfTheirSquares) {
    const Bytes pixels = {1, 2, 3, 4, 5, 6};
    const detail::Grid grid = detail::place_on_grid(plane(pixels, 1, 2), 3);
    EXPECT_EQ(grid.width, 6U);
    EXPECT_EQ(grid.height, 3U);
    EXPECT_EQ(std::count(grid.hole.begin(), grid.hole.end(), 0), 2);
    EXPECT_EQ(grid.hole[6 + 1] + grid.hole[6 + 4], 0);
    EXPECT_EQ(grid.image[3 * (6 + 4) + 2], 6);
    EXPECT_EQ(grid.image[0], 0);
}

TEST(Upscale, EvenFactorsAreReadHalfAPixelFurther) {
    std::mt19937 random(1);
    detail::Grid grid{10, 6, Bytes(180), {}};
    for (std::uint8_t& value : grid.image) value = static_cast<std::uint8_t>(random() % 2 * 255);  // overshoots
    Bytes out(grid.image.size());
    detail::to_pixel_centres(grid, 3, {out.data(), 6, 30, 30});
    EXPECT_EQ(out, grid.image);
    detail::to_pixel_centres(grid, 2, {out.data(), 6, 30, 30});
    const int taps[] = {-1, 9, 9, -1};
    const auto inside = [](int i, int count) { return std::min(std::max(i, 0), count - 1); };
    for (int y = 0; y < 6; ++y) {
        for (int x = 0; x < 10; ++x) {
            int sum = 128;
            for (int a = 0; a < 4; ++a) {
                for (int b = 0; b < 4; ++b) {
                    const int at = inside(y - 1 + a, 6) * 10 + inside(x - 1 + b, 10);
                    sum += taps[a] * taps[b] * grid.image[static_cast<std::size_t>(3 * at + 1)];
                }
            }
            const int expected = std::min(std::max(sum, 0) / 256, 255);
            ASSERT_EQ(out[static_cast<std::size_t>(3 * (y * 10 + x) + 1)], expected) << x << " " << y;
        }
    }
}

class UpscaleTest : public BundleTest {};

TEST_F(UpscaleTest, KeepsPixelsForOddFactorsAndRefusesWhatDoesNotFit) {
    Inpainter inpainter(dynamic(), on_cpu());
    Sample small(20, 30), large(60, 90);
    inpainter.upscale(small.image_view(), 3, large.out_view());
    for (int y = 0; y < 30; ++y) {
        for (int x = 0; x < 20; ++x) {
            ASSERT_EQ(large.pixel(large.out, 3 * x + 1, 3 * y + 1)[0], small.pixel(small.image, x, y)[0]);
        }
    }
    expect_error(ErrorCode::Image, "enlarged by 2 or more, not by 1",
                 [&] { inpainter.upscale(small.image_view(), 1, small.out_view()); });
    expect_error(ErrorCode::Image, "out is 60x90; expected 2 times the image's 20x30",
                 [&] { inpainter.upscale(small.image_view(), 2, large.out_view()); });
    Inpainter with_mask(fixed_mask(), on_cpu());
    expect_error(ErrorCode::Image, "a mask was given, but the mask of this bundle is fixed",
                 [&] { with_mask.upscale(small.image_view(), 3, large.out_view()); });
}

}  // namespace
}  // namespace inpaintrt::testing
