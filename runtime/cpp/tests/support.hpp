// What the tests share: images, a network that can be seen through, and bundles to open.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backends/runner.hpp"
#include "inpaintrt/inpainter.hpp"

#ifdef _WIN32
#include "win32.hpp"
#endif

namespace inpaintrt::testing {

using Bytes = std::vector<std::uint8_t>;

/// A noise image and its mask, in memory whose rows may be longer than needed.
struct Sample {
    int width;
    int height;
    std::size_t image_pitch;
    std::size_t mask_pitch;
    Bytes image;
    Bytes mask;
    Bytes out;

    Sample(int w, int h, unsigned seed = 0, double share = 0.3, std::size_t padding = 0)
        : width(w),
          height(h),
          image_pitch(static_cast<std::size_t>(w) * 3 + padding),
          mask_pitch(static_cast<std::size_t>(w) + padding),
          image(image_pitch * static_cast<std::size_t>(h)),
          mask(mask_pitch * static_cast<std::size_t>(h)),
          out(image.size(), 77) {
        std::mt19937 random(seed);
        for (std::uint8_t& value : image) value = static_cast<std::uint8_t>(random());
        const auto holes = static_cast<unsigned long>(share * 1000);
        for (std::uint8_t& value : mask) value = static_cast<std::uint8_t>(random() % 1000 < holes ? 1 + random() % 255 : 0);
    }

    ImageView image_view() const { return {image.data(), width, height, image_pitch}; }
    MaskView mask_view() const { return {mask.data(), width, height, mask_pitch}; }
    MutableImageView out_view() { return {out.data(), width, height, image_pitch}; }
    Task task() { return {image_view(), mask_view(), out_view(), {}}; }

    bool is_hole(int x, int y) const { return mask[static_cast<std::size_t>(y) * mask_pitch + at(x)] != 0; }
    const std::uint8_t* pixel(const Bytes& of, int x, int y) const {
        return &of[static_cast<std::size_t>(y) * image_pitch + 3 * at(x)];
    }

private:
    static std::size_t at(int x) { return static_cast<std::size_t>(x); }
};

/// A network that inverts holes, so that it shows what was taken from it; where it takes a sketch, lines in holes are 0.
class InvertingRunner : public detail::Runner {
public:
    explicit InvertingRunner(std::vector<detail::Shape>* shapes = nullptr) : shapes_(shapes) {}

    std::string name() const override { return "inverting"; }
    detail::Buffers prepare(const detail::Shape& shape) override {
        shape_ = shape;
        image.assign(shape.pixels() * 3, 123);
        mask.assign(shape.pixels(), 123);
        sketch.assign(takes_sketch ? shape.pixels() : 0, 123);
        composite_.resize(shape.pixels() * 3);
        return {image.data(), mask.data(), composite_.data(), takes_sketch ? sketch.data() : nullptr};
    }
    void run(detail::Interrupt*) override {
        if (shapes_ != nullptr) shapes_->push_back(shape_);
        for (std::size_t i = 0; i < image.size(); ++i) {
            composite_[i] = mask[i / 3] != 0 ? static_cast<std::uint8_t>(255 - image[i]) : image[i];
            if (takes_sketch && mask[i / 3] != 0 && sketch[i / 3] != 0) composite_[i] = 0;
        }
        if (check) check(shape_, image, mask);
    }
    std::unique_ptr<detail::Runner> clone() const override { return std::make_unique<InvertingRunner>(shapes_); }

    std::function<void(const detail::Shape&, const Bytes&, const Bytes&)> check;
    Bytes image;
    Bytes mask;
    Bytes sketch;
    bool takes_sketch = false;

private:
    std::vector<detail::Shape>* shapes_;
    detail::Shape shape_;
    Bytes composite_;
};

/// What an action throws must be an Error of this code whose words hold `part`.
template <typename Action>
void expect_error(ErrorCode code, const std::string& part, const Action& action) {
    try {
        action();
        ADD_FAILURE() << "nothing was thrown; expected: " << part;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

/// The figure that an environment variable holds, for runs that are longer than `make test` has time for.
inline int figure(const char* name, int usual) {
    const char* value = std::getenv(name);
    return value == nullptr ? usual : std::atoi(value);
}

inline void set_environment(const char* name, const std::string& value) {
#ifdef _WIN32
    SetEnvironmentVariableA(name, value.c_str());
#else
    setenv(name, value.c_str(), 1);
#endif
}

inline Bytes read_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_file(const std::filesystem::path& path, const Bytes& content) {
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

/// Tests with real bundles, which tests/runtime/cpp_build.py makes; skipped where the environment does not name their folder.
class BundleTest : public ::testing::Test {
protected:
    void SetUp() override {
        const char* folder = std::getenv("INPAINTRT_TEST_BUNDLES");
        if (folder == nullptr) GTEST_SKIP() << "INPAINTRT_TEST_BUNDLES names no folder; tests/runtime/cpp_build.py makes one";
        bundles_ = folder;
    }

    std::filesystem::path fixed() const { return bundles_ / "static"; }     ///< 64x64.
    std::filesystem::path fixed_mask() const { return bundles_ / "fixed"; }  ///< 70x45, a mask of its own.
    std::filesystem::path dynamic() const { return bundles_ / "dynamic"; }  ///< 32 to 96 pixels, batches of 1 to 3.

    /// A copy that a test may spoil.
    std::filesystem::path copy() {
        const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
        std::string name = std::string("inpaintrt-") + test->test_suite_name() + "-" + test->name();
        std::replace(name.begin(), name.end(), '/', '-');
        const std::filesystem::path target = std::filesystem::path(::testing::TempDir()) / name;
        std::filesystem::remove_all(target);
        std::filesystem::copy(fixed(), target, std::filesystem::copy_options::recursive);
        return target;
    }

private:
    std::filesystem::path bundles_;
};

inline Options on_cpu() {
    Options options;
    options.device = Device::Cpu;
    options.threads = 1;
    return options;
}

}  // namespace inpaintrt::testing
