// Python's results, which make_bundles of tests/runtime/cpp_build.py keeps in files, byte for byte: on every platform.

#include <map>
#include <thread>

#include "inpaintrt/inpaintrt.h"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

/// `<bundle>.<number>.case`: width and height, 2 bytes each, the least first; whether there are a mask and lines; image,
/// mask, lines, result.
struct Case {
    std::filesystem::path file;
    std::filesystem::path bundle;
    Sample sample{1, 1};
    Bytes lines;
    bool has_mask = true;
    bool has_lines = true;
    Bytes expected;

    explicit Case(const std::filesystem::path& from)
        : file(from), bundle(from.parent_path() / from.stem().stem()) {
        const Bytes content = read_file(file);
        const auto number = [&](std::size_t at) { return content[at] + 256 * content[at + 1]; };
        sample = Sample(number(0), number(2));
        has_mask = content[4] != 0;
        has_lines = content[5] != 0;
        lines.resize(sample.mask.size());
        expected.resize(sample.image.size());
        const std::uint8_t* next = content.data() + 6;
        for (Bytes* to : {&sample.image, &sample.mask, &lines, &expected}) {
            std::copy_n(next, to->size(), to->begin());
            next += to->size();
        }
    }

    Task task() {
        Task made = sample.task();
        if (!has_mask) made.mask = {};
        if (has_lines) made.sketch = {lines.data(), sample.width, sample.height, 0};
        return made;
    }

    inpaintrt_task task_in_c() {
        const int width = sample.width, height = sample.height;
        return {{sample.image.data(), width, height, 0},
                {has_mask ? sample.mask.data() : nullptr, width, height, 0},
                {has_lines ? lines.data() : nullptr, width, height, 0},
                {sample.out.data(), width, height, 0}};
    }
};

class SameBytes : public BundleTest {
protected:
    std::vector<Case> cases() const {
        std::vector<Case> found;
        for (const auto& entry : std::filesystem::directory_iterator(dynamic().parent_path())) {
            if (entry.path().extension() == ".case") found.emplace_back(entry.path());
        }
        EXPECT_GT(found.size(), 14U);
        return found;
    }
};

TEST_F(SameBytes, AsPython) {
    for (Case& one : cases()) {
        Inpainter(one.bundle, on_cpu()).inpaint({one.task()});
        EXPECT_EQ(one.sample.out, one.expected) << one.file;
    }
}

TEST_F(SameBytes, InC) {
    inpaintrt_options options;
    inpaintrt_default_options(&options);
    options.device = INPAINTRT_DEVICE_CPU;
    options.threads = 1;
    for (Case& one : cases()) {
        inpaintrt_inpainter* inpainter = nullptr;
        ASSERT_EQ(inpaintrt_open(one.bundle.u8string().c_str(), &options, &inpainter), INPAINTRT_OK)
            << inpaintrt_last_error();
        const inpaintrt_task task = one.task_in_c();
        EXPECT_EQ(inpaintrt_inpaint(inpainter, &task, 1), INPAINTRT_OK) << inpaintrt_last_error();
        EXPECT_EQ(one.sample.out, one.expected) << one.file;
        inpaintrt_close(inpainter);
    }
}

TEST_F(SameBytes, OfClonesInThreads) {
    std::map<std::filesystem::path, Inpainter> opened;
    std::vector<Case> all = cases();
    std::vector<std::thread> threads;
    for (Case& one : all) {
        const Inpainter& first = opened.try_emplace(one.bundle, one.bundle, on_cpu()).first->second;
        threads.emplace_back([&one, clone = std::make_shared<Inpainter>(first.clone())] { clone->inpaint({one.task()}); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Case& one : all) EXPECT_EQ(one.sample.out, one.expected) << one.file;
}

}  // namespace
}  // namespace inpaintrt::testing
