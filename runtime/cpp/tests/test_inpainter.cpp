// The C++ interface on real bundles: results, threads, lifetimes and refusals.

#include "inpaintrt/inpainter.hpp"

#include <atomic>
#include <cstring>
#include <thread>

#include "guarded.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

namespace fs = std::filesystem;

class InpainterTest : public BundleTest {};

TEST_F(InpainterTest, KnownPixelsStayAndHolesChange) {
    Inpainter inpainter(dynamic(), on_cpu());
    for (const int size : {9, 33, 64, 96, 97, 150}) {
        Sample sample(size, 2 * size + 1, static_cast<unsigned>(size), 0.3, 5);
        const Bytes before = sample.image;
        inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
        EXPECT_EQ(sample.image, before);
        bool changed = false;
        for (int y = 0; y < sample.height; ++y) {
            for (int x = 0; x < sample.width; ++x) {
                const bool same = std::memcmp(sample.pixel(before, x, y), sample.pixel(sample.out, x, y), 3) == 0;
                ASSERT_TRUE(same || sample.is_hole(x, y)) << x << " " << y;
                changed = changed || !same;
            }
        }
        EXPECT_TRUE(changed);
    }
}

TEST_F(InpainterTest, AFixedMaskTakesTheMasksPlace) {
    Inpainter inpainter(fixed_mask(), on_cpu());
    ASSERT_TRUE(inpainter.fixed_size().has_value());
    EXPECT_EQ(inpainter.fixed_size()->width, 70);
    EXPECT_EQ(inpainter.fixed_size()->height, 45);
    Sample sample(70, 45), other(70, 46);
    inpainter.inpaint(sample.image_view(), {}, sample.out_view());
    EXPECT_NE(sample.out, sample.image);
    expect_error(ErrorCode::Image, "a mask was given, but the mask of this bundle is fixed",
                 [&] { inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view()); });
    expect_error(ErrorCode::Image, "the image is 70x46, but the fixed mask of this bundle is for 70x45",
                 [&] { inpainter.inpaint(other.image_view(), {}, other.out_view()); });
    EXPECT_FALSE(Inpainter(fixed(), on_cpu()).fixed_size().has_value());
}

TEST_F(InpainterTest, TellsWhatWasChosenAndWhy) {
    const Inpainter inpainter(fixed());
    const BackendChoice& choice = inpainter.backend();
    ASSERT_FALSE(choice.rejected.empty());
    EXPECT_EQ(choice.rejected[0].name, "tensorrt");
    EXPECT_EQ(choice.rejected[0].reason, "the bundle holds no such engine; build-engines makes one");
    EXPECT_NE(choice.to_string().find("no tensorrt: the bundle holds no such engine"), std::string::npos);
    EXPECT_EQ(Inpainter(fixed(), on_cpu()).backend().to_string(), "onnxruntime-cpu fp32");
}

/// Fill `calls` samples from `threads` threads, and compare with the results of one thread.
template <typename Fill>
void expect_same_from_threads(Inpainter& reference, int threads, int calls, const Fill& fill) {
    constexpr int samples = 12;
    std::vector<Bytes> expected;
    for (int i = 0; i < samples; ++i) {
        Sample sample(40 + 8 * (i % 3), 64, static_cast<unsigned>(i));
        reference.inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
        expected.push_back(sample.out);
    }
    std::atomic<int> next{0};
    std::atomic<int> different{0};
    std::vector<std::thread> pool;
    for (int number = 0; number < threads; ++number) {
        pool.emplace_back([&, number] {
            for (int call = next++; call < calls; call = next++) {
                const int i = call % samples;
                Sample sample(40 + 8 * (i % 3), 64, static_cast<unsigned>(i));
                fill(number, sample);
                different += sample.out != expected[static_cast<std::size_t>(i)];
            }
        });
    }
    for (std::thread& thread : pool) thread.join();
    EXPECT_EQ(different, 0);
}

constexpr int threads = 8;
constexpr int calls = 1000;

TEST_F(InpainterTest, ClonesRunAtOnce) {
    Inpainter inpainter(dynamic(), on_cpu());
    std::vector<Inpainter> clones;
    for (int i = 0; i < threads; ++i) clones.push_back(inpainter.clone());
    expect_same_from_threads(inpainter, threads, calls, [&](int number, Sample& sample) {
        clones[static_cast<std::size_t>(number)].inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
    });
}

TEST_F(InpainterTest, ThreadsMayShareAnInstanceAndCloneItMeanwhile) {
    Inpainter inpainter(dynamic(), on_cpu());
    expect_same_from_threads(inpainter, threads, calls, [&](int number, Sample& sample) {
        const Task task = sample.task();
        if (number == 0) {
            inpainter.clone().inpaint({task});
        } else {
            inpainter.inpaint({task});
        }
    });
}

TEST_F(InpainterTest, ACloneMayOutliveItsOriginal) {
    auto inpainter = std::make_unique<Inpainter>(fixed(), on_cpu());
    Sample first(64, 64), second(64, 64);
    inpainter->inpaint(first.image_view(), first.mask_view(), first.out_view());
    Inpainter clone = inpainter->clone();
    inpainter.reset();
    clone.inpaint(second.image_view(), second.mask_view(), second.out_view());
    EXPECT_EQ(first.out, second.out);
}

/// Resident memory in bytes, 0 where the system does not tell.
std::size_t resident_memory() {
    std::ifstream stream("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    stream >> total >> resident;
    return resident * 4096;
}

TEST_F(InpainterTest, OpeningAndClosingLeaksNothing) {
    const int cycles = figure("INPAINTRT_TEST_CYCLES", 1000);
    const auto open_and_close = [&](int count) {
        for (int i = 0; i < count; ++i) {
            Inpainter inpainter(fixed(), on_cpu());
            Sample sample(30, 30);
            inpainter.clone().inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
        }
    };
    open_and_close(cycles / 4);
    const std::size_t before = resident_memory();
    open_and_close(cycles);
    const std::size_t after = resident_memory();
    const std::size_t growth = after > before ? after - before : 0;
    std::cout << growth / 1024 << " KiB more after " << cycles << " cycles\n";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    // A bundle kept by each cycle would be 100 KiB each; the allocator itself wavers by a few pages.
    EXPECT_LT(growth, static_cast<std::size_t>(cycles) * 16 * 1024 + (1 << 20));
#endif
}

TEST_F(InpainterTest, WhatWasMovedFromRefuses) {
    Inpainter inpainter(fixed(), on_cpu());
    const Inpainter other = std::move(inpainter);
    Sample sample(8, 8);
    const auto refused = [](const auto& action) { expect_error(ErrorCode::InvalidArgument, "was moved from", action); };
    refused([&] { inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view()); });
    refused([&] { inpainter.clone(); });
    refused([&] { inpainter.backend(); });
    inpainter = other.clone();
    inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
}

TEST_F(InpainterTest, RefusesOptionsThatCannotBeMeant) {
    const auto refused = [&](const std::string& words, const std::function<void(Options&)>& change) {
        Options options;
        change(options);
        expect_error(ErrorCode::InvalidArgument, words, [&] { Inpainter(fixed(), options); });
    };
    refused("device is 7", [](Options& o) { o.device = static_cast<Device>(7); });
    refused("backend is -1", [](Options& o) { o.backend = static_cast<Backend>(-1); });
    refused("threads is -2", [](Options& o) { o.threads = -2; });
    refused("gpu is -1", [](Options& o) { o.gpu = -1; });
    refused("do not fit each other", [](Options& o) { o.device = Device::Cpu, o.backend = Backend::TensorRT; });
    refused("do not fit each other", [](Options& o) { o.device = Device::Cuda, o.backend = Backend::OnnxRuntimeCpu; });
}

TEST_F(InpainterTest, SaysWhatIsMissing) {
    Options options;
    options.onnxruntime_library = "libno-such-library.so";
    expect_error(ErrorCode::Backend, "ONNX Runtime does not load: libno-such-library.so",
                 [&] { Inpainter(fixed(), options); });
#ifdef _WIN32
    options.onnxruntime_library = "kernel32.dll";
#else
    options.onnxruntime_library = "libm.so.6";
#endif
    expect_error(ErrorCode::Backend, "has no OrtGetApiBase", [&] { Inpainter(fixed(), options); });
    Options tensorrt;
    tensorrt.backend = Backend::TensorRT;
    expect_error(ErrorCode::Backend, "tensorrt: the bundle holds no such engine", [&] { Inpainter(fixed(), tensorrt); });
}

/// Change bundle.json by replacing one text.
void replace(const fs::path& file, const std::string& from, const std::string& to) {
    const Bytes content = read_file(file);
    std::string text(content.begin(), content.end());
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    write_file(file, Bytes(text.begin(), text.end()));
}

TEST_F(InpainterTest, RefusesBundlesItCannotRun) {
    fs::path path = copy();
    replace(path / "bundle.json", "\"io\": \"image\"", "\"io\": \"tensor\"");
    expect_error(ErrorCode::Backend, "was exported with --io tensor", [&] { Inpainter{path}; });
    path = copy();
    replace(path / "bundle.json", "\"mask\"", "\"mask\", \"sketch\"");
    replace(path / "bundle.json", "\"sketch\": false", "\"sketch\": true");
    expect_error(ErrorCode::Backend, "expected uint8 image, mask, sketch", [&] { Inpainter(path, on_cpu()); });
    path = copy();
    replace(path / "bundle.json", "\"mask\"", "\"mask\", \"depth\"");
    expect_error(ErrorCode::Backend, "needs depth, which this release cannot give", [&] { Inpainter{path}; });
    path = copy();
    replace(path / "bundle.json", "\"inputs\": [\n      \"image\",", "\"inputs\": [\n      \"image\"],\"unused\": [");
    expect_error(ErrorCode::Bundle, "neither a mask input nor a fixed mask", [&] { Inpainter{path}; });
    path = copy();
    Bytes model = read_file(path / "model.fp32.onnx");
    model[model.size() / 2] ^= 1;
    write_file(path / "model.fp32.onnx", model);
    expect_error(ErrorCode::Bundle, "was altered or is damaged", [&] { Inpainter(path, on_cpu()); });
}

TEST(Guarded, EveryExceptionBecomesAnError) {
    expect_error(ErrorCode::OutOfMemory, "out of memory", [] { detail::guarded([] { throw std::bad_alloc(); }); });
    expect_error(ErrorCode::OutOfMemory, "out of memory", [] { detail::guarded([] { Bytes().reserve(SIZE_MAX); }); });
    expect_error(ErrorCode::Internal, "a bug in inpaintrt: x",
                 [] { detail::guarded([] { throw std::logic_error("x"); }); });
    expect_error(ErrorCode::Image, "y", [] { detail::guarded([] { throw Error(ErrorCode::Image, "y"); }); });
}

}  // namespace
}  // namespace inpaintrt::testing
