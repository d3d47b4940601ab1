// bundle.json to a Bundle. Every entry is checked: a bundle may come from anywhere. As runtime/bundle/parsing.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "opened.hpp"

namespace inpaintrt::detail {

/// What is wrong with the document.
struct MalformedBundle : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws MalformedBundle, Error(Bundle) for another schema version, or FileError.
Bundle parse_bundle(const std::filesystem::path& path, const std::vector<std::uint8_t>& document);

}  // namespace inpaintrt::detail
