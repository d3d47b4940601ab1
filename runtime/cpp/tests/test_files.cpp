// Bundles on paths of any script and length, and files that others change, hold open or lock.

#include "files.hpp"

#include "inpaintrt/inpaintrt.h"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
    const fs::path path = fs::path(::testing::TempDir()) / ("inpaintrt-files-" + name);
    std::error_code error;
    fs::remove_all(path, error);
    fs::create_directories(path);
    return path;
}

class Paths : public BundleTest {
protected:
    /// A copy of a bundle in a folder that only this library's own functions may be able to reach.
    void copy_to(const fs::path& target) const {
        for (const auto& entry : fs::directory_iterator(fixed())) {
            if (!entry.is_regular_file()) continue;
            const Bytes content = detail::InputFile(entry.path()).read();
            ASSERT_TRUE(detail::replace_file(target / entry.path().filename(), content.data(), content.size()));
        }
    }
};

TEST_F(Paths, OfAnyScriptAndLength) {
    Sample expected(40, 40);
    Inpainter(fixed(), on_cpu()).inpaint({expected.task()});
    const std::string deep(60, 'd');
    for (const std::string& name :
         {std::string("with spaces & (signs)"), std::string(u8"Gr\u00fc\u00dfe \u00e4\u00f6"),
          std::string(u8"\u4fee\u5fa9/\u5199\u771f"), deep + "/" + deep + "/" + deep + "/" + deep + "/" + deep}) {
        const fs::path bundle = scratch("paths") / fs::u8path(name);
        copy_to(bundle);
        Sample sample(40, 40);
        Inpainter(bundle, on_cpu()).inpaint({sample.task()});
        EXPECT_EQ(sample.out, expected.out) << name;
        inpaintrt_inpainter* opened = nullptr;
        EXPECT_EQ(inpaintrt_open(bundle.u8string().c_str(), nullptr, &opened), INPAINTRT_OK) << inpaintrt_last_error();
        inpaintrt_close(opened);
        // What goes wrong is told with the path in UTF-8.
        expect_error(ErrorCode::Bundle, (bundle / "none").u8string() + ": no such bundle",
                     [&] { Inpainter(bundle / "none", on_cpu()); });
    }
}

TEST_F(Paths, LinesMayEndAsOnWindows) {
    const fs::path bundle = scratch("crlf");
    copy_to(bundle);
    Bytes content;
    for (const std::uint8_t byte : read_file(bundle / "bundle.json")) {
        if (byte == '\n') content.push_back('\r');
        content.push_back(byte);
    }
    write_file(bundle / "bundle.json", content);
    EXPECT_EQ(Inpainter(bundle, on_cpu()).backend().name, "onnxruntime-cpu fp32");
}

TEST_F(Paths, AReadOnlyFolderIsEnough) {
    const fs::path bundle = scratch("read-only") / "bundle";
    copy_to(bundle);
    constexpr auto writable = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
    for (const auto& entry : fs::directory_iterator(bundle)) {
        fs::permissions(entry.path(), writable, fs::perm_options::remove);
    }
    fs::permissions(bundle, writable, fs::perm_options::remove);
    Sample sample(40, 40);
    Inpainter(bundle, on_cpu()).inpaint({sample.task()});
    fs::permissions(bundle, writable, fs::perm_options::add);
    for (const auto& entry : fs::directory_iterator(bundle)) {
        fs::permissions(entry.path(), writable, fs::perm_options::add);
    }
}

TEST(Files, AReaderSeesTheOldContentOrTheNewOne) {
    const fs::path file = scratch("replace") / "a" / "file";
    const Bytes old(1000, 1), changed(2000, 2);
    ASSERT_TRUE(detail::replace_file(file, old.data(), old.size()));
    {
        detail::InputFile opened(file);
        // Where a file that is open cannot be replaced, it stays as it is.
        const bool replaced = detail::replace_file(file, changed.data(), changed.size());
        EXPECT_EQ(opened.read(), old);
        EXPECT_EQ(detail::InputFile(file).read(), replaced ? changed : old);
    }
    ASSERT_TRUE(detail::replace_file(file, changed.data(), changed.size()));
    EXPECT_EQ(detail::InputFile(file).read(), changed);
    EXPECT_EQ(std::distance(fs::directory_iterator(file.parent_path()), {}), 1);  // nothing temporary is left
    EXPECT_FALSE(detail::replace_file(file / "below a file", old.data(), old.size()));
}

TEST(Files, WhatIsNoFileIsRefused) {
    const fs::path folder = scratch("kinds");
    EXPECT_THROW(detail::InputFile{folder}, detail::FileError);
    EXPECT_THROW(detail::InputFile{folder / "none"}, detail::FileError);
    EXPECT_TRUE(detail::is_folder(folder));
    EXPECT_FALSE(detail::is_folder(folder / "none"));
    EXPECT_FALSE(detail::file_exists(folder / "none" / "none"));
    EXPECT_EQ(detail::real_path(folder / "none" / ".." / "x"), detail::real_path(folder) / "x");
}

#ifdef _WIN32
TEST_F(Paths, ALockedFileIsAnErrorThatSaysSo) {
    const fs::path bundle = scratch("locked");
    copy_to(bundle);
    const HANDLE lock = CreateFileW((bundle / "model.fp32.onnx").c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    ASSERT_NE(lock, INVALID_HANDLE_VALUE);
    expect_error(ErrorCode::Bundle, "(Windows error 32)", [&] { Inpainter(bundle, on_cpu()); });
    CloseHandle(lock);
    EXPECT_EQ(Inpainter(bundle, on_cpu()).backend().name, "onnxruntime-cpu fp32");
}
#endif

}  // namespace
}  // namespace inpaintrt::testing
