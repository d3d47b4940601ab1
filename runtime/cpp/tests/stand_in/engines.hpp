// Bundles with an engine for the stand-ins of driver and library, which must have freed everything after each test.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control.hpp"
#include "sha256.hpp"
#include "shared_library.hpp"
#include "support.hpp"

namespace inpaintrt::testing {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// For each library; test_engines.cpp names them.
class Engines : public BundleTest, public ::testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        BundleTest::SetUp();
        if (IsSkipped()) return;
        const auto driver = detail::SharedLibrary::open({STAND_IN_DRIVER});
        control_ = driver.function<decltype(stand_in_control)>("stand_in_control")();
        control_->major = rtx() ? 1 : 11;
        set_environment(variable(), STAND_IN_LIBRARY);
        bundle_ = with_engine(dynamic());
    }

    void TearDown() override {
        if (control_ == nullptr) return;
        EXPECT_EQ(control_->device_memory, 0);
        EXPECT_EQ(control_->pinned_memory, 0);
        EXPECT_EQ(control_->streams, 0);
        EXPECT_EQ(control_->graphs, 0);
        EXPECT_EQ(control_->events, 0);
        EXPECT_EQ(control_->retained, 0);
        EXPECT_EQ(control_->objects, 0);
        EXPECT_EQ(control_->misuses, 0);
    }

    static bool rtx() { return std::string(GetParam()) == "tensorrt-rtx"; }

    static const char* variable() { return rtx() ? "INPAINTRT_TENSORRT_RTX_LIBRARY" : "INPAINTRT_TENSORRT_LIBRARY"; }

    static Options on_gpu() {
        Options options;
        options.device = Device::Cuda;
        return options;
    }

    /// A copy of a bundle with an engine for the stand-ins' GPU and version, as build-engines would add it.
    fs::path with_engine(const fs::path& bundle, const std::string& target = "sm89") {
        const fs::path path = copy();
        fs::remove_all(path);
        fs::copy(bundle, path, fs::copy_options::recursive);
        fs::create_directories(path / "engines");
        const std::string content = "an engine";
        write_file(path / "engines" / "x.engine", Bytes(content.begin(), content.end()));
        Json values = Json::parse(read_file(path / "bundle.json"));
        values["artifacts"].push_back({{"path", "engines/x.engine"},
                                       {"kind", "engine"},
                                       {"precision", "fp16"},
                                       {"bytes", content.size()},
                                       {"sha256", detail::sha256(reinterpret_cast<const std::uint8_t*>(content.data()),
                                                                 content.size())},
                                       {"backend", GetParam()},
                                       {"backend_version", std::string(rtx() ? "1" : "11") + ".2.0.7"},
                                       {"target", target}});
        const std::string text = values.dump();
        write_file(path / "bundle.json", Bytes(text.begin(), text.end()));
        return path;
    }

    static void fill(Inpainter& inpainter, int width, int height, unsigned seed) {
        Sample sample(width, height, seed, 0.5, 3);
        inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
                for (int channel = 0; channel < 3; ++channel) {
                    const int before = sample.pixel(sample.image, x, y)[channel];
                    ASSERT_EQ(sample.pixel(sample.out, x, y)[channel], sample.is_hole(x, y) ? 255 - before : before);
                }
            }
        }
    }

    stand_in::Control* control_ = nullptr;
    fs::path bundle_;
};

}  // namespace inpaintrt::testing
