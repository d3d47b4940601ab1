#include "opened.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "inpaintrt/error.hpp"
#include "parsing.hpp"
#include "../files.hpp"
#include "../sha256.hpp"

namespace inpaintrt::detail {
namespace fs = std::filesystem;
namespace {

constexpr const char* document_name = "bundle.json";

/// A document is a few kilobytes; reading what only claims to be one must not fill the memory.
constexpr std::uintmax_t largest_document = 64 << 20;

[[noreturn]] void fail(const std::string& message) {
    throw Error(ErrorCode::Bundle, message);
}

/// The size that a PNG begins with. What the mask holds is in the network already, so that no decoder is needed.
Size png_size(const std::vector<std::uint8_t>& png, const std::string& name) {
    constexpr std::array<std::uint8_t, 8> signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    constexpr std::size_t at_width = 16;
    constexpr std::size_t at_height = 20;
    if (png.size() < at_height + 4 || !std::equal(signature.begin(), signature.end(), png.begin())) {
        fail(name + ": is not a PNG; export it again");
    }
    const auto number = [&](std::size_t at) {
        return std::accumulate(&png[at], &png[at] + 4, std::size_t{0},
                               [](std::size_t value, std::uint8_t byte) { return value << 8 | byte; });
    };
    return {number(at_width), number(at_height)};
}

std::vector<std::uint8_t> read_document(const fs::path& bundle) {
    const fs::path document = bundle / document_name;
    if (!is_folder(bundle)) {
        fail(text(bundle) + ": " +
             (file_exists(bundle) ? "is a file; a bundle is a directory" : "no such bundle; export-onnx makes one"));
    }
    if (!file_exists(document)) {
        fail(text(bundle) + ": is not a bundle, it holds no " + document_name + "; export-onnx makes one");
    }
    InputFile file(document);
    if (file.size() > largest_document) fail(text(document) + ": is too large for a bundle's document; export it again");
    return file.read();
}

}  // namespace

Bundle Bundle::open(const fs::path& path) {
    std::vector<std::uint8_t> document;
    try {
        document = read_document(path);
    } catch (const FileError& error) {
        fail(text(path / document_name) + ": cannot be read: " + error.what());
    }
    try {
        return parse_bundle(path, document);
    } catch (const MalformedBundle& error) {
        fail(text(path / document_name) + ": " + error.what() + "; export it again");
    } catch (const FileError& error) {
        fail(text(path / document_name) + ": is malformed: " + error.what() + "; export it again");
    }
}

std::optional<Size> Bundle::fixed_size() const {
    const auto mask = std::find_if(artifacts.begin(), artifacts.end(),
                                   [](const Artifact& artifact) { return artifact.kind == "mask"; });
    const bool fixed = mask != artifacts.end();
    if (fixed == interface.takes("mask")) {
        fail(text(path) + ": has " + (fixed ? "a mask input and a fixed mask" : "neither a mask input nor a fixed mask") +
             "; export it again");
    }
    if (!fixed) return std::nullopt;
    const Size size = png_size(file(*mask), text(path / fs::u8path(mask->path)));
    const bool fits = size.width <= static_cast<std::size_t>(interface.profile.width.largest) &&
                      size.height <= static_cast<std::size_t>(interface.profile.height.largest);
    if (!fits) fail(text(path) + ": has a fixed mask larger than its network takes; export it again");
    return size;
}

const Artifact& Bundle::onnx(const std::string& preferred) const {
    const Artifact* found = nullptr;
    for (const Artifact& artifact : artifacts) {
        if (artifact.kind != "onnx") continue;
        if (artifact.precision == preferred) return artifact;
        if (found == nullptr) found = &artifact;
    }
    if (found == nullptr) throw Error(ErrorCode::Backend, "the bundle holds no ONNX model; export it again");
    return *found;
}

std::vector<Artifact> Bundle::engines(const std::string& backend) const {
    std::vector<Artifact> found;
    std::copy_if(artifacts.begin(), artifacts.end(), std::back_inserter(found), [&](const Artifact& artifact) {
        return artifact.kind == "engine" && artifact.backend == backend;
    });
    return found;
}

std::vector<std::uint8_t> Bundle::file(const Artifact& artifact) const {
    const fs::path file = path / fs::u8path(artifact.path);
    const auto altered = [&](const std::string& found, const std::string& recorded) {
        fail(text(file) + ": was altered or is damaged: its " + found + ", " + document_name + " said " + recorded +
             " when it was opened; if it was exported meanwhile, open it again");
    };
    try {
        InputFile opened(file);
        const std::uintmax_t size = opened.size();
        if (size != artifact.bytes) altered("size is " + std::to_string(size), std::to_string(artifact.bytes));
        std::vector<std::uint8_t> content = opened.read();
        const std::string found = sha256(content.data(), content.size());
        if (found != artifact.sha256) {
            altered("sha256 is " + found.substr(0, 12) + "...", artifact.sha256.substr(0, 12) + "...");
        }
        return content;
    } catch (const FileError& error) {
        fail(text(file) + ": cannot be read: " + error.what() + "; build it again");
    }
}

}  // namespace inpaintrt::detail
