// What bundle.json says: artifacts, sizes and the network's interface. As runtime/bundle/document.py.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace inpaintrt::detail {

/// A file of the bundle.
struct Artifact {
    std::string path;       ///< Relative to the bundle, with forward slashes.
    std::string kind;       ///< `onnx`, `engine`, or `mask` for the image of a mask that never changes.
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

    bool takes(const std::string& input) const {
        return std::find(inputs.begin(), inputs.end(), input) != inputs.end();
    }
};

/// Of an image, in pixels.
struct Size {
    std::size_t width = 0;
    std::size_t height = 0;
};

}  // namespace inpaintrt::detail
