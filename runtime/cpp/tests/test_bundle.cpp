// The loader: what it refuses, and that nothing it is fed brings the process down.

#include "bundle/opened.hpp"

#include <nlohmann/json.hpp>

#include "bundle/parsing.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Loader : public BundleTest {
protected:
    void expect_refused(const std::string& words, const std::function<void(Json&)>& change) {
        const fs::path bundle = copy();
        Json values = Json::parse(read_file(bundle / "bundle.json"));
        change(values);
        const std::string text = values.dump();
        write_file(bundle / "bundle.json", Bytes(text.begin(), text.end()));
        expect_error(ErrorCode::Bundle, words, [&] { detail::Bundle::open(bundle); });
    }
};

/// Whether the loader takes this path for a fixed mask.
void expect_accepted_mask_path(const std::string& path, bool accepted) {
    const Json artifact = {{"path", path}, {"kind", "mask"}, {"sha256", std::string(64, 'a')}, {"bytes", 1}};
    const Json limits = {8, 8, 8};
    const Json document = {{"schema_version", 1},
                           {"source", Json::object()},
                           {"network", Json::object()},
                           {"interface",
                            {{"io", "image"},
                             {"size_multiple", 8},
                             {"profile", {{"batch", limits}, {"height", limits}, {"width", limits}}},
                             {"inputs", {"image"}},
                             {"outputs", {"composite"}},
                             {"updated_mask_output", nullptr}}},
                           {"artifacts", Json::array({artifact})}};
    const std::string text = document.dump();
    const auto parse = [&] { return detail::parse_bundle("bundle", Bytes(text.begin(), text.end())); };
    if (accepted) {
        EXPECT_EQ(parse().artifacts.front().path, path);
    } else {
        EXPECT_THROW(parse(), detail::MalformedBundle) << path;
    }
}

TEST_F(Loader, ReadsWhatPythonWrote) {
    const detail::Bundle bundle = detail::Bundle::open(dynamic());
    EXPECT_EQ(bundle.interface.io, "image");
    EXPECT_EQ(bundle.interface.size_multiple, 8);
    EXPECT_EQ(bundle.interface.profile.batch.largest, 3);
    EXPECT_EQ(bundle.interface.profile.height.smallest, 32);
    EXPECT_EQ(bundle.onnx("fp16").precision, "fp16");
    EXPECT_FALSE(bundle.file(bundle.onnx("fp32")).empty());
    EXPECT_TRUE(bundle.engines("tensorrt").empty());
}

TEST_F(Loader, RefusesMalformedEntries) {
    expect_refused("schema version 2, this release reads 1", [](Json& v) { v["schema_version"] = 2; });
    expect_refused("lacks 'schema_version'", [](Json& v) { v.erase("schema_version"); });
    expect_refused("lacks 'artifacts'", [](Json& v) { v.erase("artifacts"); });
    expect_refused("lacks 'interface.profile.width'", [](Json& v) { v["interface"]["profile"].erase("width"); });
    expect_refused("artifacts[0].path is \"../outside\", expected a path inside the bundle",
                   [](Json& v) { v["artifacts"][0]["path"] = "../outside"; });
    expect_refused("expected a path inside the bundle", [](Json& v) { v["artifacts"][0]["path"] = "/etc/passwd"; });
    expect_refused("expected model.<name>.onnx", [](Json& v) { v["artifacts"][0]["path"] = "engines/x.engine"; });
    expect_refused("expected model.<name>.onnx", [](Json& v) { v["artifacts"][0]["path"] = "model.onnx"; });
    expect_refused("artifacts[0].sha256 is \"short\", expected 64 hexadecimal digits in lower case",
                   [](Json& v) { v["artifacts"][0]["sha256"] = "short"; });
    expect_refused("artifacts[0].kind is \"script\", expected onnx, engine or mask",
                   [](Json& v) { v["artifacts"][0]["kind"] = "script"; });
    expect_refused("artifacts[1].precision is \"int8\", expected fp32 or fp16",
                   [](Json& v) { v["artifacts"][1]["precision"] = "int8"; });
    expect_refused("lacks 'artifacts[0].precision'", [](Json& v) { v["artifacts"][0].erase("precision"); });
    expect_refused("artifacts[0].precision is \"fp32\", expected none", [](Json& v) { v["artifacts"][0]["kind"] = "mask"; });
    expect_refused("artifacts[0] has the unknown key \"surprise\"", [](Json& v) { v["artifacts"][0]["surprise"] = 1; });
    expect_refused("lacks 'artifacts[0].backend'", [](Json& v) { v["artifacts"][0]["kind"] = "engine"; });
    expect_refused("artifacts[0].details is [], expected an object",
                   [](Json& v) { v["artifacts"][0]["details"] = Json::array(); });
    expect_refused("artifacts[0].bytes is -1, expected an integer of 0 or more",
                   [](Json& v) { v["artifacts"][0]["bytes"] = -1; });
    expect_refused("network.sketch is true, expected true where the inputs have sketch, false elsewhere",
                   [](Json& v) { v["network"]["sketch"] = true; });
    expect_refused("network.sketch is 0, expected true", [](Json& v) { v["network"]["sketch"] = 0; });
    expect_refused("network.sketch is false, expected true where",
                   [](Json& v) { v["interface"]["inputs"].push_back("sketch"); });
    expect_refused("network is [], expected an object", [](Json& v) { v["network"] = Json::array(); });
    expect_refused("interface.io is \"sound\", expected image or tensor", [](Json& v) { v["interface"]["io"] = "sound"; });
    const auto size_multiple = [](const Json& value) { return [=](Json& v) { v["interface"]["size_multiple"] = value; }; };
    expect_refused("interface.size_multiple is 0, expected a positive integer", size_multiple(0));
    expect_refused("interface.size_multiple is 8.0, expected a positive integer", size_multiple(8.0));
    expect_refused("interface.size_multiple is 1844", size_multiple(UINT64_MAX));
    expect_refused("interface.profile.height is [8,4,8], expected three positive integers, smallest <= best <= largest",
                   [](Json& v) { v["interface"]["profile"]["height"] = {8, 4, 8}; });
    expect_refused("interface.profile.width is [8,8], expected three",
                   [](Json& v) { v["interface"]["profile"]["width"] = {8, 8}; });
    expect_refused("interface.inputs[0] is 1, expected a text", [](Json& v) { v["interface"]["inputs"] = {1}; });
    expect_refused("interface.updated_mask_output is 0, expected a positive integer",
                   [](Json& v) { v["interface"]["updated_mask_output"] = 0; });
    expect_refused("source is null, expected an object", [](Json& v) { v["source"] = nullptr; });
    expect_refused("it is [], expected an object", [](Json& v) { v = Json::array(); });
}

TEST_F(Loader, ReadsTheSizeOfAFixedMask) {
    const detail::Bundle bundle = detail::Bundle::open(fixed_mask());
    ASSERT_TRUE(bundle.fixed_size().has_value());
    EXPECT_EQ(bundle.fixed_size()->width, 70U);
    EXPECT_EQ(bundle.fixed_size()->height, 45U);
    EXPECT_FALSE(detail::Bundle::open(fixed()).fixed_size().has_value());
    detail::Bundle wrong = bundle;
    wrong.interface.inputs.emplace_back("mask");
    expect_error(ErrorCode::Bundle, "has a mask input and a fixed mask", [&] { wrong.fixed_size(); });
    wrong = bundle;
    wrong.interface.profile.width.largest = 64;
    expect_error(ErrorCode::Bundle, "a fixed mask larger than its network takes", [&] { wrong.fixed_size(); });
    wrong = bundle;
    for (detail::Artifact& artifact : wrong.artifacts) {
        if (artifact.kind == "onnx") artifact.kind = "mask";  // whose content is no image
    }
    expect_error(ErrorCode::Bundle, "is not a PNG", [&] { wrong.fixed_size(); });
    for (const char* path : {"fixed_mask.png", "fixed_mask.0123456789ab.png"}) {
        expect_accepted_mask_path(path, true);
    }
    for (const char* path : {"fixed_mask..png", "mask.png", "fixed_mask.0123456789aB.png", "model.fp32.onnx"}) {
        expect_accepted_mask_path(path, false);
    }
}

TEST_F(Loader, RefusesWhatIsNoBundle) {
    expect_error(ErrorCode::Bundle, "no such bundle; export-onnx makes one", [] { detail::Bundle::open("no-such"); });
    expect_error(ErrorCode::Bundle, "is a file; a bundle is a directory",
                 [&] { detail::Bundle::open(fixed() / "bundle.json"); });
    const fs::path bundle = copy();
    for (const std::string& text : {std::string(), std::string("{"), std::string("null"), std::string("\xff\xfe"),
                                    std::string(100'000, '['), "{\"schema_version\":" + std::string(100'000, '[')}) {
        write_file(bundle / "bundle.json", Bytes(text.begin(), text.end()));
        expect_error(ErrorCode::Bundle, "bundle.json: ", [&] { detail::Bundle::open(bundle); });
    }
    fs::remove(bundle / "bundle.json");
    expect_error(ErrorCode::Bundle, "it holds no bundle.json", [&] { detail::Bundle::open(bundle); });
    fs::create_directory(bundle / "bundle.json");
    expect_error(ErrorCode::Bundle, "cannot be read", [&] { detail::Bundle::open(bundle); });
}

TEST_F(Loader, RefusesLinksOutOfTheBundle) {
    const fs::path bundle = copy();
    const fs::path elsewhere = bundle.string() + ".secret";
    fs::remove(elsewhere);
    fs::rename(bundle / "model.fp32.onnx", elsewhere);
    std::error_code error;
    fs::create_symlink(elsewhere, bundle / "model.fp32.onnx", error);
    if (error) GTEST_SKIP() << "no links here: " << error.message();
    expect_error(ErrorCode::Bundle, "expected a path inside the bundle", [&] { detail::Bundle::open(bundle); });
}

TEST_F(Loader, NoticesAlteredAndMissingFiles) {
    const fs::path path = copy();
    const detail::Bundle bundle = detail::Bundle::open(path);
    const fs::path model = path / "model.fp32.onnx";
    const auto expect = [&](const std::string& words) {
        expect_error(ErrorCode::Bundle, words, [&] { bundle.file(bundle.onnx("fp32")); });
    };
    Bytes content = read_file(model);
    for (const std::size_t at : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
        Bytes altered = content;
        altered[at] ^= 1;
        write_file(model, altered);
        expect("was altered or is damaged: its sha256 is");
    }
    content.push_back(0);
    write_file(model, content);
    expect("was altered or is damaged: its size is");
    fs::remove(model);
    expect("cannot be read");
    fs::create_directory(model);
    expect("cannot be read");
}

/// One altered copy of a file's content.
Bytes altered(const Bytes& content, std::mt19937& random, int round) {
    Bytes changed = content;
    const std::size_t at = random() % content.size();
    switch (round % 5) {
        case 0:  // each byte in turn
            changed[static_cast<std::size_t>(round / 5) % content.size()] = static_cast<std::uint8_t>(random());
            break;
        case 1:
            changed.resize(at);
            break;
        case 2:
            changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at), "\"{}[]0-9eE.,:\\\x80"[random() % 15]);
            break;
        case 3: {  // a stretch goes
            const std::size_t length = std::min(content.size() - at, std::size_t{1} + random() % 40);
            changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at),
                          changed.begin() + static_cast<std::ptrdiff_t>(at + length));
            break;
        }
        default:  // a stretch comes twice
            changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at), content.begin(),
                           content.begin() + static_cast<std::ptrdiff_t>(random() % content.size()));
    }
    return changed;
}

TEST_F(Loader, SurvivesAlteredFiles) {
    const fs::path path = copy();
    const Bytes document = read_file(path / "bundle.json");
    const Bytes model = read_file(path / "model.fp32.onnx");
    std::mt19937 random(7);
    const int rounds = figure("INPAINTRT_TEST_ALTERED_FILES", 500);
    int refused = 0;
    for (int round = 0; round < rounds; ++round) {
        const bool alter_document = round % 10 != 9;
        const fs::path file = path / (alter_document ? "bundle.json" : "model.fp32.onnx");
        write_file(file, altered(alter_document ? document : model, random, round));
        try {
            Inpainter inpainter(path, on_cpu());
            Sample sample(20, 20);
            inpainter.inpaint(sample.image_view(), sample.mask_view(), sample.out_view());
        } catch (const Error& error) {
            ++refused;
            EXPECT_TRUE(error.code() == ErrorCode::Bundle || error.code() == ErrorCode::Backend) << error.what();
        }
        write_file(file, alter_document ? document : model);
    }
    EXPECT_GT(refused, rounds / 4);
    RecordProperty("refused", refused);
    std::cout << refused << " of " << rounds << " altered files were refused, the others filled the image\n";
}

}  // namespace
}  // namespace inpaintrt::testing
