// The C interface: every code, and what a careless caller hands in.

#include <thread>

#include "inpaintrt/inpaintrt.h"
#include "support.hpp"

extern "C" std::int32_t abi_version_as_c_sees_it(void);

namespace inpaintrt::testing {
namespace {

class CInterface : public BundleTest {
protected:
    void TearDown() override { inpaintrt_close(inpainter_); }

    std::int32_t open(const std::string& path) {
        inpaintrt_options options;
        inpaintrt_default_options(&options);
        options.device = INPAINTRT_DEVICE_CPU;
        options.threads = 1;
        return inpaintrt_open(path.c_str(), &options, &inpainter_);
    }

    static inpaintrt_task task(Sample& sample) {
        return {{sample.image.data(), sample.width, sample.height, sample.image_pitch},
                {sample.mask.data(), sample.width, sample.height, sample.mask_pitch},
                {},
                {sample.out.data(), sample.width, sample.height, sample.image_pitch}};
    }

    static void expect(std::int32_t code, std::int32_t expected, const std::string& words) {
        EXPECT_EQ(code, expected) << inpaintrt_last_error();
        EXPECT_NE(std::string(inpaintrt_last_error()).find(words), std::string::npos) << inpaintrt_last_error();
    }

    inpaintrt_inpainter* inpainter_ = nullptr;
};

TEST_F(CInterface, FillsAsTheCppInterfaceDoes) {
    ASSERT_EQ(open(fixed().u8string()), INPAINTRT_OK) << inpaintrt_last_error();
    EXPECT_STREQ(inpaintrt_backend(inpainter_), "onnxruntime-cpu fp32");
    Sample sample(50, 61), expected(50, 61);
    const inpaintrt_task one = task(sample);
    ASSERT_EQ(inpaintrt_inpaint(inpainter_, &one, 1), INPAINTRT_OK) << inpaintrt_last_error();
    EXPECT_STREQ(inpaintrt_last_error(), "");
    Inpainter(fixed(), on_cpu()).inpaint(expected.image_view(), expected.mask_view(), expected.out_view());
    EXPECT_EQ(sample.out, expected.out);

    inpaintrt_inpainter* clone = nullptr;
    ASSERT_EQ(inpaintrt_clone(inpainter_, &clone), INPAINTRT_OK);
    Sample again(50, 61);
    const inpaintrt_task two = task(again);
    EXPECT_EQ(inpaintrt_inpaint(clone, &two, 1), INPAINTRT_OK);
    EXPECT_EQ(again.out, expected.out);
    inpaintrt_close(clone);
    EXPECT_EQ(inpaintrt_inpaint(inpainter_, nullptr, 0), INPAINTRT_OK);
}

TEST_F(CInterface, TellsHowFarItIsAndCanBeCancelled) {
    ASSERT_EQ(open(dynamic().u8string()), INPAINTRT_OK) << inpaintrt_last_error();
    struct Told {
        double share = 0;
        std::size_t tiles = 0;
        double cancel_at = 2;
    } told;
    inpaintrt_monitor monitor{};
    monitor.size = sizeof monitor;
    monitor.user = &told;
    monitor.on_progress = [](void* user, double share) {
        auto& now = *static_cast<Told*>(user);
        now.share = share;
        return static_cast<std::int32_t>(share >= now.cancel_at);
    };
    monitor.on_tile = [](void* user, const inpaintrt_tile* tile) {
        auto& now = *static_cast<Told*>(user);
        now.tiles += tile->pixels.data != nullptr && tile->x >= 0 && tile->y >= 0 && tile->task == 0;
        return std::int32_t{0};
    };
    Sample sample(200, 150), expected(200, 150);
    const inpaintrt_task one = task(sample);
    ASSERT_EQ(inpaintrt_inpaint_monitored(inpainter_, &one, 1, &monitor), INPAINTRT_OK) << inpaintrt_last_error();
    EXPECT_EQ(told.share, 1.0);
    EXPECT_GT(told.tiles, 2U);
    Inpainter(dynamic(), on_cpu()).inpaint({expected.task()});
    EXPECT_EQ(sample.out, expected.out);

    told.cancel_at = 0.3;
    sample.out.assign(sample.out.size(), 77);
    expect(inpaintrt_inpaint_monitored(inpainter_, &one, 1, &monitor), INPAINTRT_CANCELLED, "was cancelled");
    inpaintrt_cancellation* cancellation = nullptr;
    ASSERT_EQ(inpaintrt_cancellation_create(&cancellation), INPAINTRT_OK);
    inpaintrt_cancellation_cancel(cancellation);
    monitor.cancellation = cancellation;
    expect(inpaintrt_inpaint_monitored(inpainter_, &one, 1, &monitor), INPAINTRT_CANCELLED, "was cancelled");
    inpaintrt_cancellation_free(cancellation);
    EXPECT_EQ(sample.out, Bytes(sample.out.size(), 77));
    monitor.size = 1;
    expect(inpaintrt_inpaint_monitored(inpainter_, &one, 1, &monitor), INPAINTRT_INVALID_ARGUMENT, "size of the monitor is 1");
    expect(inpaintrt_inpaint_monitored(inpainter_, &one, 1, nullptr), INPAINTRT_INVALID_ARGUMENT, "monitor is NULL");
    expect(inpaintrt_cancellation_create(nullptr), INPAINTRT_INVALID_ARGUMENT, "created is NULL");
    inpaintrt_cancellation_cancel(nullptr);
    inpaintrt_cancellation_free(nullptr);
    EXPECT_EQ(inpaintrt_memory(inpainter_), 0U);
    EXPECT_STREQ(inpaintrt_warnings(inpainter_), "");
}

TEST_F(CInterface, UpscalesAsTheCppInterfaceDoes) {
    ASSERT_EQ(open(dynamic().u8string()), INPAINTRT_OK) << inpaintrt_last_error();
    Sample small(20, 30), large(40, 60), expected(40, 60);
    const inpaintrt_view image = {small.image.data(), 20, 30, 0};
    const inpaintrt_mutable_view out = {large.out.data(), 40, 60, 0};
    ASSERT_EQ(inpaintrt_upscale(inpainter_, &image, 2, &out), INPAINTRT_OK) << inpaintrt_last_error();
    Inpainter(dynamic(), on_cpu()).upscale(small.image_view(), 2, expected.out_view());
    EXPECT_EQ(large.out, expected.out);
    expect(inpaintrt_upscale(inpainter_, &image, 1, &out), INPAINTRT_IMAGE_ERROR, "by 2 or more, not by 1");
    expect(inpaintrt_upscale(inpainter_, nullptr, 2, &out), INPAINTRT_INVALID_ARGUMENT, "image is NULL");
}

TEST_F(CInterface, AFixedMaskNeedsNone) {
    std::int32_t width = -1, height = -1;
    ASSERT_EQ(open(fixed().u8string()), INPAINTRT_OK);
    EXPECT_EQ(inpaintrt_fixed_size(inpainter_, &width, &height), INPAINTRT_OK);
    EXPECT_EQ(width + height, 0);
    inpaintrt_close(inpainter_);
    ASSERT_EQ(open(fixed_mask().u8string()), INPAINTRT_OK);
    EXPECT_EQ(inpaintrt_fixed_size(inpainter_, &width, &height), INPAINTRT_OK);
    Sample sample(width, height);
    inpaintrt_task one = task(sample);
    one.mask = {};
    EXPECT_EQ(inpaintrt_inpaint(inpainter_, &one, 1), INPAINTRT_OK) << inpaintrt_last_error();
    expect(inpaintrt_fixed_size(inpainter_, nullptr, &height), INPAINTRT_INVALID_ARGUMENT, "width is NULL");
}

TEST_F(CInterface, GivesEveryCodeWithItsWords) {
    expect(open("no-such"), INPAINTRT_BUNDLE_ERROR, "no such bundle");
    EXPECT_EQ(inpainter_, nullptr);
    inpaintrt_options options;
    inpaintrt_default_options(&options);
    options.onnxruntime_library = "libno-such-library.so";
    expect(inpaintrt_open(fixed().u8string().c_str(), &options, &inpainter_), INPAINTRT_BACKEND_ERROR, "does not load");
    options.threads = -1;
    expect(inpaintrt_open("x", &options, &inpainter_), INPAINTRT_INVALID_ARGUMENT, "threads is -1");
    ASSERT_EQ(open(fixed().u8string()), INPAINTRT_OK);
    Sample sample(20, 20);
    inpaintrt_task one = task(sample);
    one.mask.width = 19;
    expect(inpaintrt_inpaint(inpainter_, &one, 1), INPAINTRT_IMAGE_ERROR, "mask is 19x20");
    expect(inpaintrt_inpaint(inpainter_, &one, SIZE_MAX), INPAINTRT_OUT_OF_MEMORY, "out of memory");
}

TEST_F(CInterface, RefusesNullAndForeignOptions) {
    expect(inpaintrt_open(nullptr, nullptr, &inpainter_), INPAINTRT_INVALID_ARGUMENT, "bundle is NULL");
    expect(inpaintrt_open("x", nullptr, nullptr), INPAINTRT_INVALID_ARGUMENT, "opened is NULL");
    expect(inpaintrt_clone(nullptr, &inpainter_), INPAINTRT_INVALID_ARGUMENT, "inpainter is NULL");
    expect(inpaintrt_inpaint(nullptr, nullptr, 1), INPAINTRT_INVALID_ARGUMENT, "inpainter is NULL");
    inpaintrt_options options{};
    expect(inpaintrt_open("x", &options, &inpainter_), INPAINTRT_INVALID_ARGUMENT, "inpaintrt_default_options");
    EXPECT_STREQ(inpaintrt_backend(nullptr), "");
    inpaintrt_default_options(nullptr);
    inpaintrt_close(nullptr);
    ASSERT_EQ(open(fixed().u8string()), INPAINTRT_OK);
    expect(inpaintrt_inpaint(inpainter_, nullptr, 1), INPAINTRT_INVALID_ARGUMENT, "tasks is NULL");
    expect(inpaintrt_clone(inpainter_, nullptr), INPAINTRT_INVALID_ARGUMENT, "cloned is NULL");
}

TEST_F(CInterface, OptionsOfAnOlderHeaderHaveDefaults) {
    inpaintrt_options options;
    inpaintrt_default_options(&options);
    options.onnxruntime_library = "libno-such-library.so";
    options.size = offsetof(inpaintrt_options, onnxruntime_library);  // a header that did not have the last member
    EXPECT_EQ(inpaintrt_open(fixed().u8string().c_str(), &options, &inpainter_), INPAINTRT_OK) << inpaintrt_last_error();
}

TEST_F(CInterface, ErrorsBelongToTheirThread) {
    EXPECT_NE(open("no-such"), INPAINTRT_OK);
    std::thread([] { EXPECT_STREQ(inpaintrt_last_error(), ""); }).join();
    EXPECT_STRNE(inpaintrt_last_error(), "");
}

TEST(CHeader, IsCAndTellsTheVersion) {
    EXPECT_EQ(inpaintrt_abi_version(), abi_version_as_c_sees_it());
    EXPECT_STREQ(inpaintrt_version(), INPAINTRT_VERSION);
}

}  // namespace
}  // namespace inpaintrt::testing
