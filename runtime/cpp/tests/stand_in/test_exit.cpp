// Instances that live as long as the process, and end in the midst of the libraries' own ends.

#include <cstdlib>
#include <optional>

#include "engines.hpp"

namespace inpaintrt::testing {
namespace {

TEST_P(Engines, AStaticInstanceEndsWithTheProcess) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto run = [this] {
        static Inpainter inpainter(bundle_, on_gpu());
        fill(inpainter, 48, 48, 0);
        std::exit(0);
    };
    EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

TEST_P(Engines, AStaticInstanceThatOutlivesTheLibraryDoesNotCallIt) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto run = [this] {
        static std::optional<Inpainter> inpainter;  // exists before the library is opened
        inpainter.emplace(bundle_, on_gpu());
        fill(*inpainter, 48, 48, 0);
        std::exit(0);
    };
    EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace inpaintrt::testing
