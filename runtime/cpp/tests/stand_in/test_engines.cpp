// Engines through the whole of this library: choice, buffers for each shape, CUDA graphs, clones, lifetimes.

#include <thread>

#include "engines.hpp"

namespace inpaintrt::testing {
namespace {

TEST_P(Engines, EveryCallFillsItsOwnImage) {
    control_->contexts_made = 0;
    Inpainter inpainter(bundle_, on_gpu());
    EXPECT_EQ(inpainter.backend().name, std::string(GetParam()) + " fp16");
    for (unsigned seed = 0; seed < 5; ++seed) {
        fill(inpainter, 40, 33, seed);
        fill(inpainter, 64, 64, seed);
    }
    EXPECT_EQ(control_->contexts_made, 2);  // one for each padded shape
}

TEST_P(Engines, AFixedMaskNeedsNone) {
    Inpainter inpainter(with_engine(fixed_mask()), on_gpu());
    for (unsigned seed = 0; seed < 3; ++seed) {
        Sample sample(70, 45, seed);
        inpainter.inpaint(sample.image_view(), {}, sample.out_view());
        Bytes inverted(sample.image);
        for (std::uint8_t& value : inverted) value = static_cast<std::uint8_t>(255 - value);
        EXPECT_EQ(sample.out, inverted);  // as the stand-in does without a mask
    }
    EXPECT_EQ(control_->device_memory, 3);  // image, composite, and what the network keeps
}

TEST_P(Engines, LinesReachTheEngine) {
    const fs::path path = with_engine(dynamic());
    Json values = Json::parse(read_file(path / "bundle.json"));
    values["interface"]["inputs"].push_back("sketch");
    values["network"]["sketch"] = true;
    const std::string text = values.dump();
    write_file(path / "bundle.json", Bytes(text.begin(), text.end()));
    Inpainter inpainter(path, on_gpu());
    Sample sample(64, 64, 1, 1.0), lines(64, 64, 2, 0.5);
    for (const bool drawn : {true, false}) {
        inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view(),
                          drawn ? lines.mask_view() : MaskView{});
        for (int x = 0; x < 64; ++x) {
            const int inverted = 255 - sample.pixel(sample.image, x, 9)[0];
            EXPECT_EQ(sample.pixel(sample.out, x, 9)[0], drawn && lines.is_hole(x, 9) ? 0 : inverted);
        }
    }
}

TEST_P(Engines, AGraphIsCapturedAtTheSecondCallAndLaunchedFromThenOn) {
    control_->captures = control_->launches = control_->executions = control_->graph_strategies = 0;
    Inpainter inpainter(bundle_, on_gpu());
    for (unsigned seed = 0; seed < 5; ++seed) fill(inpainter, 48, 48, seed);
    EXPECT_EQ(control_->captures, rtx() ? 0 : 1);  // TensorRT-RTX captures itself, as it was told
    EXPECT_EQ(control_->graph_strategies, rtx() ? 2 : 0);
    EXPECT_EQ(control_->launches, rtx() ? 0 : 4);
    EXPECT_EQ(control_->executions, rtx() ? 5 : 2);  // the warm-up and the capture
    EXPECT_TRUE(inpainter.warnings().empty());
}

TEST_P(Engines, WhatCannotBeCapturedRunsWithoutAGraphAndSaysSoOnce) {
    control_->captures = 0;
    control_->capturable = false;
    Inpainter inpainter(bundle_, on_gpu());
    for (unsigned seed = 0; seed < 4; ++seed) fill(inpainter, 48, 48, seed);
    Inpainter clone = inpainter.clone();
    for (unsigned seed = 0; seed < 3; ++seed) fill(clone, 48, 48, seed);
    control_->capturable = true;
    EXPECT_EQ(control_->captures, rtx() ? 0 : 2);  // once for each
    ASSERT_EQ(inpainter.warnings().size(), rtx() ? 0U : 1U);
    if (!rtx()) {
        EXPECT_EQ(inpainter.warnings()[0], "tensorrt fp16: calls with 1 images of 48x48 run without a CUDA graph, and take "
                                           "longer: the capture failed: stand-in error (CUDA error 901)");
    }
    fill(inpainter, 48, 48, 4);
}

TEST_P(Engines, ShapesShareTheMemoryBetweenKernels) {
    const auto buffers = [](std::size_t size) { return size * size * 7; };  // image, mask, composite
    const auto scratch = [](std::size_t size) { return size * size * 2; };
    Inpainter inpainter(bundle_, on_gpu());
    EXPECT_EQ(inpainter.memory(), buffers(64) + scratch(64));
    for (unsigned seed = 0; seed < 3; ++seed) {
        fill(inpainter, 64, 64, seed);
        fill(inpainter, 72, 72, seed);  // needs more, which makes the graphs of others invalid
        fill(inpainter, 40, 40, seed);
    }
    EXPECT_EQ(inpainter.memory(), buffers(64) + buffers(72) + buffers(40) + scratch(72));
    const std::size_t before = inpainter.memory();
    for (int round = 0; round < 2; ++round) {  // the second clone takes what the first one gave back
        Inpainter clone = inpainter.clone();
        fill(clone, 40, 40, 0);
        EXPECT_EQ(clone.memory(), before + buffers(40) + scratch(40));
    }
    EXPECT_EQ(inpainter.memory(), before + scratch(40));
}

TEST_P(Engines, OldShapesAreFreed) {
    Inpainter inpainter(bundle_, on_gpu());
    for (const int size : {32, 40, 48, 56, 64}) {
        fill(inpainter, size, 32, 0);
        fill(inpainter, size, 32, 1);
    }
    EXPECT_EQ(control_->device_memory, 4 * 3 + 1);
    EXPECT_EQ(control_->pinned_memory, 4 * 3);
    EXPECT_EQ(control_->graphs, rtx() ? 0 : 4);
    control_->contexts_made = 0;
    fill(inpainter, 64, 32, 2);
    EXPECT_EQ(control_->contexts_made, 0);
    fill(inpainter, 32, 32, 2);
    EXPECT_EQ(control_->contexts_made, 1);
}

TEST_P(Engines, ClonesRunAtOnce) {
    Inpainter inpainter(bundle_, on_gpu());
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 6; ++number) {
        threads.emplace_back([&, number] {
            Inpainter clone = inpainter.clone();
            for (unsigned call = 0; call < 20; ++call) fill(clone, 33 + static_cast<int>(call % 3) * 9, 40, number + call);
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(control_->streams, 1);
}

TEST_P(Engines, TheRuntimeCacheIsKept) {
    const auto text = [](const fs::path& path) {
        const Bytes content = read_file(path);
        return std::string(content.begin(), content.end());
    };
    Inpainter(bundle_, on_gpu()).clone();
    if (!rtx()) {  // has none
        EXPECT_FALSE(fs::exists(bundle_ / "engines" / "x.engine.cache"));
        return;
    }
    EXPECT_EQ(text(bundle_ / "engines" / "x.engine.cache"), "compiled;");
    Inpainter{bundle_, on_gpu()};
    EXPECT_EQ(text(bundle_ / "engines" / "x.engine.cache"), "compiled;compiled;");
    Options elsewhere = on_gpu();
    elsewhere.cache_directory = bundle_ / "a" / "cache";
    Inpainter{bundle_, elsewhere};
    EXPECT_EQ(text(elsewhere.cache_directory / "x.engine.cache"), "compiled;");
    EXPECT_EQ(std::distance(fs::directory_iterator(bundle_ / "engines"), {}), 2);  // and nothing temporary
}

INSTANTIATE_TEST_SUITE_P(Libraries, Engines, ::testing::Values("tensorrt", "tensorrt-rtx"), [](const auto& library) {
    return std::string(library.param) == "tensorrt" ? "TensorRT" : "TensorRTRTX";
});

}  // namespace
}  // namespace inpaintrt::testing
