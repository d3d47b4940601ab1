// The bundle: the directory that export-onnx and build-engines make. The same checks as runtime/bundle.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace inpaintrt::detail {

/// A file of the bundle.
struct Artifact {
    std::string path;       ///< Relative to the bundle, with forward slashes.
    std::string kind;       ///< `onnx`, `engine`, or `mask` for the picture of a mask that never changes.
    std::string precision;  ///< `fp32` or `fp16`; empty for a mask.
    std::string sha256;     ///< Of the content, 64 hexadecimal digits.
    std::uint64_t bytes = 0;
    std::string backend;          ///< Of an engine: the library that built it,
    std::string backend_version;  ///< its version,
    std::string target;           ///< and the GPU it was built for, such as `sm89`.
};

/// The sizes that a network takes.
struct Limits {
    std::int64_t smallest = 0;
    std::int64_t best = 0;
    std::int64_t largest = 0;
};

struct Profile {
    Limits batch;
    Limits height;
    Limits width;
};

/// What the deployed network takes and gives.
struct DeployedInterface {
    std::string io;                  ///< `image` or `tensor`.
    std::int64_t size_multiple = 0;  ///< Height and width must be multiples of this many pixels.
    Profile profile;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;

    bool takes(const std::string& input) const;
};

/// Of a picture, in pixels.
struct Size {
    std::size_t width = 0;
    std::size_t height = 0;
};

/// An opened bundle. Its files are checked when they are used, by `file`.
struct Bundle {
    std::filesystem::path path;
    DeployedInterface interface;
    std::vector<Artifact> artifacts;

    /// Throws Error(Bundle) if there is none, it is malformed, or of another schema version.
    static Bundle open(const std::filesystem::path& path);

    /// The ONNX artifact of the preferred precision, or the only one there is. Throws Error(Backend) if there is none.
    const Artifact& onnx(const std::string& preferred) const;

    /// The size of the mask of a bundle that was exported for one mask alone, and whose network takes none; no value if
    /// the network takes a mask. Throws Error(Bundle) if the bundle has both or neither, or the mask is altered.
    std::optional<Size> fixed_size() const;

    std::vector<Artifact> engines(const std::string& backend) const;

    /// The content of an artifact. Throws Error(Bundle) if it is missing or its sha256 is not the recorded one.
    std::vector<std::uint8_t> file(const Artifact& artifact) const;
};

/// A path in UTF-8, for messages.
std::string text(const std::filesystem::path& path);

}  // namespace inpaintrt::detail
