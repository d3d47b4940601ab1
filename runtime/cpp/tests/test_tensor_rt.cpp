// TensorRT and TensorRT-RTX as far as they go on the machine at hand; tests/test_gpu.py runs engines where there is a GPU.

#include "backends/tensor_rt.hpp"

#include "backends/cuda.hpp"
#include "backends/tensor_rt_runner.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

/// A bundle with an engine of a library in it; its content is never reached.
detail::Bundle with_engine(const std::string& backend) {
    detail::Artifact engine;
    engine.path = "engines/x.engine";
    engine.kind = "engine";
    engine.precision = "fp16";
    engine.backend = backend;
    engine.backend_version = "1.0";
    engine.target = "sm89";
    detail::Bundle bundle;
    bundle.path = "nowhere";
    bundle.artifacts = {engine};
    return bundle;
}

TEST(TensorRT, WithoutADriverItIsAnOrdinaryError) {
    try {
        const auto device = detail::CudaDevice::open(0);
        GTEST_SKIP() << "this machine has a GPU, " << device->target();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::Backend);
        const std::string words = error.what();
        EXPECT_NE(words.find("no usable NVIDIA GPU"), std::string::npos) << words;
        EXPECT_NE(words.find("CUDA error "), std::string::npos) << words;
    }
}

TEST(TensorRT, SaysWhatIsMissing) {
    const auto expect = [](const auto& open, const std::string& backend, bool built, const std::string& option) {
        const detail::Bundle bundle = with_engine(backend);
        try {
            open(bundle, Options{});
            ADD_FAILURE() << "an engine that is not there was opened";
        } catch (const Error& error) {
            const std::string words = error.what();
            EXPECT_EQ(error.code(), ErrorCode::Backend) << words;
            if (!built) {
                EXPECT_EQ(words, "this inpaintrt was built without it; build it with -D" + option + "=ON");
            } else {
                EXPECT_NE(words.find("no usable NVIDIA GPU"), std::string::npos) << words;
            }
        }
    };
#ifdef INPAINTRT_WITH_TENSORRT
    expect(&detail::open_tensor_rt, "tensorrt", true, "INPAINTRT_TENSORRT");
#else
    expect(&detail::open_tensor_rt, "tensorrt", false, "INPAINTRT_TENSORRT");
#endif
#ifdef INPAINTRT_WITH_TENSORRT_RTX
    expect(&detail::open_tensor_rt_rtx, "tensorrt-rtx", true, "INPAINTRT_TENSORRT_RTX");
#else
    expect(&detail::open_tensor_rt_rtx, "tensorrt-rtx", false, "INPAINTRT_TENSORRT_RTX");
#endif
}

#ifdef INPAINTRT_WITH_TENSORRT_RTX
TEST(TensorRT, TheInstalledRtxLibraryTellsItsVersion) {
    try {
        EXPECT_EQ(detail::tensorrt_rtx::open_library().version.substr(0, 2), "1.");
    } catch (const Error& error) {
        ASSERT_NE(std::string(error.what()).find("the library does not load"), std::string::npos) << error.what();
        GTEST_SKIP() << error.what();
    }
}
#endif

}  // namespace
}  // namespace inpaintrt::testing
