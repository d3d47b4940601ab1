// The bundle: the directory that export-onnx and build-engines make. As runtime/bundle/opened.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "document.hpp"

namespace inpaintrt::detail {

/// An opened bundle. Its files are checked when they are used, by `file`.
struct Bundle {
    std::filesystem::path path;
    DeployedInterface interface;
    std::vector<Artifact> artifacts;

    /// Throws Error(Bundle) if there is none, it is malformed, or of another schema version.
    static Bundle open(const std::filesystem::path& path);

    /// The ONNX artifact of the preferred precision, or the only one there is. Throws Error(Backend) if there is none.
    const Artifact& onnx(const std::string& preferred) const;

    /// The size of the mask of a bundle that was exported for one fixed mask, and whose network takes none; no value if
    /// the network takes a mask. Throws Error(Bundle) if the bundle has both or neither, or the mask is altered.
    std::optional<Size> fixed_size() const;

    std::vector<Artifact> engines(const std::string& backend) const;

    /// The content of an artifact. Throws Error(Bundle) if it is missing or its sha256 is not the recorded one.
    std::vector<std::uint8_t> file(const Artifact& artifact) const;
};

}  // namespace inpaintrt::detail
