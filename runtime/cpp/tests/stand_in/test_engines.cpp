// Engines through the whole of this library: choice, buffers for each shape, CUDA graphs, clones, failures, lifetimes.

#include <nlohmann/json.hpp>
#include <thread>

#include "control.hpp"
#include "sha256.hpp"
#include "shared_library.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

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

TEST_P(Engines, AContextThatCannotBeMadeShowsWhenTheBundleIsOpened) {
    control_->contexts_fail = true;
    const Inpainter inpainter(bundle_);
    control_->contexts_fail = false;
    EXPECT_EQ(inpainter.backend().name, "onnxruntime-cpu fp32");
    const auto& rejected = inpainter.backend().rejected;
    const auto found = std::find_if(rejected.begin(), rejected.end(), [](const auto& one) { return one.name == GetParam(); });
    ASSERT_NE(found, rejected.end());
    EXPECT_NE(found->reason.find("no execution context; too little GPU memory?"), std::string::npos) << found->reason;
}

TEST_P(Engines, ACallThatFailsOnceIsAnErrorOrCostsSpeedAndTheNextOneWorks) {
    int failed = 0;
    for (int failing = 0;; ++failing) {
        control_->calls = 0;
        control_->failing_call = failing;
        try {
            Inpainter inpainter(bundle_, on_gpu());
            for (unsigned seed = 0; seed < 3; ++seed) {
                for (const int size : {48, 72}) {
                    try {
                        fill(inpainter, size, size, seed);
                    } catch (const Error& error) {
                        EXPECT_EQ(error.code(), ErrorCode::Backend) << error.what();
                        ++failed;
                        fill(inpainter, size, size, seed);
                    }
                }
            }
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::Backend) << error.what();
            ++failed;
        }
        control_->misuses = 0;  // what is freed while the GPU cannot be made current
        EXPECT_EQ(control_->device_memory + control_->pinned_memory + control_->streams + control_->graphs +
                      control_->retained + control_->objects,
                  0)
            << "call " << failing;
        if (control_->calls <= failing) break;  // all of them have failed once
    }
    control_->failing_call = -1;
    EXPECT_GT(failed, 20);
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

TEST_P(Engines, FailuresAreErrorsAndTheNextCallWorks) {
    Inpainter inpainter(bundle_, on_gpu());
    fill(inpainter, 40, 40, 0);
    Sample sample(40, 40), large(96, 96), other(56, 56);
    control_->execution_fails = true;
    const auto run = [&](Sample& of) { inpainter.inpaint(of.image_view(), of.mask_view(), of.out_view()); };
    expect_error(ErrorCode::Backend, "failed to run on 1 images of 40x40", [&] { run(sample); });  // while capturing
    expect_error(ErrorCode::Backend, "failed to run on 1 images of 40x40", [&] { run(sample); });
    control_->execution_fails = false;
    expect_error(ErrorCode::Backend, "does not take 1 images of 96x96", [&] { run(large); });
    control_->memory_runs_out = true;
    expect_error(ErrorCode::Backend, "out of memory (CUDA error 2)", [&] { run(other); });
    control_->memory_runs_out = false;
    for (unsigned seed = 0; seed < 3; ++seed) fill(inpainter, 40, 40, seed);
    fill(inpainter, 56, 56, 0);
}

TEST_P(Engines, WhatDoesNotFitIsRefusedWithTheReason) {
    control_->engine_loads = false;
    expect_error(ErrorCode::Backend, "cannot load engines/x.engine, built by version", [&] { Inpainter(bundle_, on_gpu()); });
    expect_error(ErrorCode::Backend, "again on this machine: the stand-in does not want to",
                 [&] { Inpainter(bundle_, on_gpu()); });
    control_->engine_loads = true;
    control_->major = 12;
    expect_error(ErrorCode::Backend, "is of version 12.2.0.7, and this inpaintrt was built for",
                 [&] { Inpainter(bundle_, on_gpu()); });
    control_->major = rtx() ? 1 : 11;
    expect_error(ErrorCode::Backend, "its engines are for sm90 by version", [&] { Inpainter(with_engine(dynamic(), "sm90"), on_gpu()); });
    Options second = on_gpu();
    second.gpu = 1;
    expect_error(ErrorCode::Backend, "no usable NVIDIA GPU 1", [&] { Inpainter(bundle_, second); });
    bundle_ = with_engine(dynamic());
    write_file(bundle_ / "engines" / "x.engine", {1, 2, 3});
    expect_error(ErrorCode::Bundle, "was altered or is damaged", [&] { Inpainter(bundle_, on_gpu()); });
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

#ifdef _WIN32
TEST_P(Engines, LibrariesAreFoundByTheNamesTheyHaveOnWindows) {
    const fs::path library = fs::u8path(STAND_IN_LIBRARY);
    const std::string name = rtx() ? "tensorrt_rtx_1_7.dll" : "nvinfer_11.dll";
    set_environment(variable(), "");
    expect_error(ErrorCode::Backend, "the library does not load: " + name, [&] { Inpainter(bundle_, on_gpu()); });
    const fs::path folder = copy().parent_path() / fs::u8path(u8"Bibliotheken f\u00fcr " + std::string(GetParam()));
    fs::create_directories(folder);
    fs::copy_file(library, folder / name, fs::copy_options::overwrite_existing);
    SetEnvironmentVariableW(L"PATH", (L"C:\\none;" + folder.wstring()).c_str());
    const detail::SharedLibrary found = detail::SharedLibrary::open(detail::places_of(name));
    EXPECT_EQ(found.name(), (folder / name).u8string());
    Inpainter inpainter(with_engine(dynamic()), on_gpu());
    fill(inpainter, 48, 48, 0);
    // What lies beside the program comes first.
    wchar_t program[MAX_PATH];
    GetModuleFileNameW(nullptr, program, MAX_PATH);
    const fs::path beside = fs::path(program).parent_path() / name;
    fs::copy_file(library, beside, fs::copy_options::overwrite_existing);
    EXPECT_EQ(detail::places_of(name).front(), beside.u8string());
    fs::remove(beside);
}
#endif

INSTANTIATE_TEST_SUITE_P(Libraries, Engines, ::testing::Values("tensorrt", "tensorrt-rtx"), [](const auto& library) {
    return std::string(library.param) == "tensorrt" ? "TensorRT" : "TensorRTRTX";
});

}  // namespace
}  // namespace inpaintrt::testing
