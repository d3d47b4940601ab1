// Padding, batches, windows, pitch and overlaps, with a network that shows what it was given.

#include "filler.hpp"

#include <cstring>

#include "support.hpp"

namespace inpaintrt::testing {
namespace {

detail::DeployedInterface takes(std::int64_t smallest, std::int64_t largest, std::int64_t multiple,
                                detail::Limits batch = {1, 1, 1}) {
    detail::DeployedInterface interface;
    interface.io = "image";
    interface.size_multiple = multiple;
    interface.profile = {batch, {smallest, smallest, largest}, {smallest, smallest, largest}};
    return interface;
}

/// Every hole inverted, every known pixel as it was, and nothing written between the rows.
void expect_inverted(const Sample& sample, const Bytes& original) {
    for (int y = 0; y < sample.height; ++y) {
        for (int x = 0; x < sample.width; ++x) {
            for (int channel = 0; channel < 3; ++channel) {
                const int before = sample.pixel(original, x, y)[channel];
                ASSERT_EQ(sample.pixel(sample.out, x, y)[channel], sample.is_hole(x, y) ? 255 - before : before)
                    << x << " " << y;
            }
        }
        for (std::size_t i = static_cast<std::size_t>(sample.width) * 3; i < sample.image_pitch; ++i) {
            ASSERT_EQ(sample.out[static_cast<std::size_t>(y) * sample.image_pitch + i], 77) << "between the rows";
        }
    }
}

TEST(Filler, AnySizeAndPitch) {
    detail::Filler filler(takes(32, 96, 8), std::nullopt, std::make_unique<InvertingRunner>());
    std::mt19937 random(2);
    for (unsigned round = 0; round < 200; ++round) {
        const int width = 1 + static_cast<int>(random() % 200), height = 1 + static_cast<int>(random() % 200);
        Sample sample(width, height, round, round % 4 / 4.0, random() % 3 * 7);
        const Bytes before = sample.image;
        filler.fill({sample.task()});
        EXPECT_EQ(sample.image, before);
        expect_inverted(sample, before);
    }
}

TEST(Filler, PaddingIsBlackAndCountsAsHole) {
    std::vector<detail::Shape> shapes;
    auto runner = std::make_unique<InvertingRunner>(&shapes);
    Sample sample(61, 50, 3, 0.3);
    runner->check = [&](const detail::Shape& shape, const Bytes& image, const Bytes& mask) {
        for (std::size_t i = 0; i < mask.size(); ++i) {
            const auto x = static_cast<int>(i % static_cast<std::size_t>(shape.width));
            const auto y = static_cast<int>(i / static_cast<std::size_t>(shape.width));
            const bool inside = x < 61 && y < 50;
            EXPECT_EQ(mask[i], inside ? sample.is_hole(x, y) : true);
            EXPECT_TRUE(inside || image[3 * i] + image[3 * i + 1] + image[3 * i + 2] == 0);
        }
    };
    detail::Filler filler(takes(32, 96, 8, {2, 2, 2}), std::nullopt, std::move(runner));
    filler.fill({sample.task()});
    ASSERT_EQ(shapes.size(), 1U);
    EXPECT_TRUE((shapes[0] == detail::Shape{2, 56, 64}));
}

TEST(Filler, BatchesAreAsLargeAsTheNetworkTakesAndImagesWithoutHolesAreLeftOut) {
    std::vector<detail::Shape> shapes;
    detail::Filler filler(takes(32, 96, 8, {1, 2, 3}), std::nullopt, std::make_unique<InvertingRunner>(&shapes));
    std::vector<Sample> samples;
    for (unsigned seed = 0; seed < 6; ++seed) samples.emplace_back(40, 48, seed, seed == 2 ? 0.0 : 0.4);
    std::vector<Task> tasks;
    for (Sample& sample : samples) tasks.push_back(sample.task());
    filler.fill(tasks);
    for (const Sample& sample : samples) expect_inverted(sample, sample.image);
    ASSERT_EQ(shapes.size(), 2U);
    EXPECT_EQ(shapes[0].batch, 3);
    EXPECT_EQ(shapes[1].batch, 2);
    filler.fill({});
    EXPECT_EQ(shapes.size(), 2U);
}

TEST(Filler, ASmallHoleInALargeImageCostsOneWindow) {
    std::vector<detail::Shape> shapes;
    detail::Filler filler(takes(32, 96, 8), std::nullopt, std::make_unique<InvertingRunner>(&shapes));
    Sample sample(700, 500, 0, 0);
    for (std::size_t y = 300; y < 310; ++y) std::memset(&sample.mask[y * 700 + 400], 9, 20);
    filler.fill({sample.task()});
    expect_inverted(sample, sample.image);
    ASSERT_EQ(shapes.size(), 1U);
    EXPECT_TRUE((shapes[0] == detail::Shape{1, 64, 96}));
}

TEST(Filler, WindowsOfOneSizeAreABatchAndWideHolesAreReduced) {
    std::vector<detail::Shape> shapes;
    detail::Filler filler(takes(32, 96, 8, {1, 2, 3}), std::nullopt, std::make_unique<InvertingRunner>(&shapes));
    Sample sample(700, 500, 0, 0);
    for (const std::size_t x : {30, 200, 400, 600}) sample.mask[100 * 700 + x] = 1;
    for (std::size_t y = 200; y < 400; ++y) std::memset(&sample.mask[y * 700 + 300], 9, 200);
    filler.fill({sample.task()});
    ASSERT_EQ(shapes.size(), 3U);
    EXPECT_TRUE((shapes[0] == detail::Shape{3, 64, 64}));
    EXPECT_TRUE((shapes[1] == detail::Shape{1, 64, 64}));
    EXPECT_TRUE((shapes[2] == detail::Shape{1, 96, 96}));  // at a fifth
    for (int y = 0; y < sample.height; ++y) {
        for (int x = 0; x < sample.width; ++x) {
            if (sample.is_hole(x, y)) continue;
            ASSERT_EQ(std::memcmp(sample.pixel(sample.out, x, y), sample.pixel(sample.image, x, y), 3), 0);
        }
    }
}

TEST(Filler, TheResultMayLieInTheInputs) {
    for (const int size : {60, 150}) {  // in one piece, and in windows
        detail::Filler filler(takes(32, 96, 8), std::nullopt, std::make_unique<InvertingRunner>());
        Sample expected(size, size, 5);
        filler.fill({expected.task()});

        Sample in_place(size, size, 5);
        filler.fill({{in_place.image_view(), in_place.mask_view(), {in_place.image.data(), size, size, 0}, {}}});
        EXPECT_EQ(in_place.image, expected.out);

        // The result begins one row into the image, or where the mask lies.
        Sample shifted(size, size, 5);
        const auto row = static_cast<std::size_t>(size) * 3;
        Bytes memory(shifted.image);
        memory.resize(memory.size() + row);
        filler.fill({{{memory.data(), size, size, 0}, shifted.mask_view(), {memory.data() + row, size, size, 0}, {}}});
        EXPECT_EQ(Bytes(memory.begin() + static_cast<std::ptrdiff_t>(row), memory.end()), expected.out);

        Bytes over_mask(shifted.image.size());
        std::copy(shifted.mask.begin(), shifted.mask.end(), over_mask.begin());
        filler.fill({{shifted.image_view(), {over_mask.data(), size, size, 0}, {over_mask.data(), size, size, 0}, {}}});
        EXPECT_EQ(over_mask, expected.out);
    }
}

TEST(Filler, LinesReachTheNetwork) {
    auto runner = std::make_unique<InvertingRunner>();
    runner->takes_sketch = true;
    detail::DeployedInterface interface = takes(32, 96, 8, {1, 2, 3});
    interface.inputs = {"image", "mask", "sketch"};
    detail::Filler filler(interface, std::nullopt, std::move(runner));
    for (const int size : {40, 61, 150}) {  // as it is, padded, in windows
        Sample sample(size, size, 7, 0.5), lines(size, size, 8, 0.2, 5), without(size, size, 9, 0.5);
        Task task = sample.task();
        task.sketch = lines.mask_view();
        filler.fill({task, without.task()});
        expect_inverted(without, without.image);
        for (int y = 0; y < size; ++y) {
            for (int x = 0; x < size; ++x) {
                const int before = sample.pixel(sample.image, x, y)[1];
                const int filled = lines.is_hole(x, y) ? 0 : 255 - before;
                ASSERT_EQ(sample.pixel(sample.out, x, y)[1], sample.is_hole(x, y) ? filled : before);
            }
        }
        Bytes over_lines(sample.image.size());  // the result begins where the lines lie
        Sample tight(size, size, 8, 0.2);
        std::copy(tight.mask.begin(), tight.mask.end(), over_lines.begin());
        task.sketch = tight.mask_view();
        filler.fill({task});
        const Bytes expected = sample.out;
        task.sketch = {over_lines.data(), size, size, 0};
        task.out = {over_lines.data(), size, size, 0};
        filler.fill({task});
        EXPECT_EQ(over_lines, expected);
        task.sketch.width = size - 1;
        expect_error(ErrorCode::Image, "sketch is " + std::to_string(size - 1), [&] { filler.fill({task}); });
    }
}

TEST(Filler, ViewsThatDoNotFitAreRefused) {
    detail::Filler filler(takes(32, 96, 8), std::nullopt, std::make_unique<InvertingRunner>());
    const auto refused = [&](const std::string& words, const std::function<void(Task&)>& change) {
        Sample sample(40, 30);
        Task task = sample.task();
        change(task);
        expect_error(ErrorCode::Image, words, [&] { filler.fill({task}); });
    };
    refused("image has no data", [](Task& p) { p.image.data = nullptr; });
    refused("mask has no data; only a bundle exported with --fixed-mask", [](Task& p) { p.mask.data = nullptr; });
    refused("out has no data", [](Task& p) { p.out.data = nullptr; });
    refused("image of 0x30 pixels is empty", [](Task& p) { p.image.width = 0; });
    refused("image of 40x-1 pixels is empty", [](Task& p) { p.image.height = -1; });
    refused("has a pitch of 119 bytes; a row takes 120", [](Task& p) { p.image.pitch = 119; });
    refused("has a pitch of 39 bytes; a row takes 40", [](Task& p) { p.mask.pitch = 39; });
    refused("is larger than memory can be", [](Task& p) { p.image.pitch = SIZE_MAX; });
    refused("mask is 39x30, but the image needs 40x30", [](Task& p) { p.mask.width = 39; });
    refused("out is 40x29, but the image needs 40x30", [](Task& p) { p.out.height = 29; });
    refused("takes no sketch", [](Task& p) { p.sketch = p.mask; });
    Sample small(40, 30), large(41, 30);
    expect_error(ErrorCode::Image, "one is 41x30 and the first is 40x30",
                 [&] { filler.fill({small.task(), large.task()}); });
}

TEST(Filler, ABundleThatAsksForTooMuchIsRefusedBeforeMemoryIsTaken) {
    detail::Filler filler(takes(100'000, 100'000, 1), std::nullopt, std::make_unique<InvertingRunner>());
    Sample sample(40, 30);
    expect_error(ErrorCode::Backend, "asks for 1 images of 100000x100000 in one call",
                 [&] { filler.fill({sample.task()}); });
}

}  // namespace
}  // namespace inpaintrt::testing
