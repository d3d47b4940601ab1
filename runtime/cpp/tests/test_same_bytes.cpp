// Python's results, which make_bundles of tests/runtime/cpp_build.py keeps in files, byte for byte: on every platform.

#include "inpaintrt/inpaintrt.h"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

class SameBytes : public BundleTest {};

/// `<bundle>.<number>.case`: width and height, 2 bytes each, the least first; whether there is a mask; image, mask, result.
struct Case {
    std::string bundle;
    Sample sample{1, 1};
    bool has_mask = true;
    Bytes expected;

    explicit Case(const std::filesystem::path& file) : bundle(file.stem().stem().u8string()) {
        const Bytes content = read_file(file);
        const auto number = [&](std::size_t at) { return content[at] + 256 * content[at + 1]; };
        sample = Sample(number(0), number(2));
        has_mask = content[4] != 0;
        const std::uint8_t* next = content.data() + 5;
        const auto take = [&](Bytes& to) {
            std::copy_n(next, to.size(), to.begin());
            next += to.size();
        };
        expected.resize(sample.image.size());
        take(sample.image);
        take(sample.mask);
        take(expected);
    }
};

TEST_F(SameBytes, AsPythonInCppAndInC) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dynamic().parent_path())) {
        if (entry.path().extension() != ".case") continue;
        Case one(entry.path());
        const std::filesystem::path bundle = dynamic().parent_path() / one.bundle;
        Task task = one.sample.task();
        if (!one.has_mask) task.mask = {};
        Inpainter(bundle, on_cpu()).inpaint({task});
        EXPECT_EQ(one.sample.out, one.expected) << entry.path();

        one.sample.out.assign(one.sample.out.size(), 77);
        inpaintrt_options options;
        inpaintrt_default_options(&options);
        options.device = INPAINTRT_DEVICE_CPU;
        options.threads = 1;
        inpaintrt_inpainter* inpainter = nullptr;
        ASSERT_EQ(inpaintrt_open(bundle.u8string().c_str(), &options, &inpainter), INPAINTRT_OK) << inpaintrt_last_error();
        const int width = one.sample.width, height = one.sample.height;
        const inpaintrt_task in_c = {{one.sample.image.data(), width, height, 0},
                                     {one.has_mask ? one.sample.mask.data() : nullptr, width, height, 0},
                                     {nullptr, 0, 0, 0},
                                     {one.sample.out.data(), width, height, 0}};
        EXPECT_EQ(inpaintrt_inpaint(inpainter, &in_c, 1), INPAINTRT_OK) << inpaintrt_last_error();
        EXPECT_EQ(one.sample.out, one.expected) << entry.path();
        inpaintrt_close(inpainter);
        ++count;
    }
    EXPECT_GT(count, 10);
}

}  // namespace
}  // namespace inpaintrt::testing
