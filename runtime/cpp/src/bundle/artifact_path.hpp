// What an artifact's path and sha256 look like: as ARTIFACT_PATHS in runtime/bundle/parsing.py.
#pragma once

#include <string>
#include <string_view>

namespace inpaintrt::detail {

/// Whether a file of this kind (`onnx`, `engine` or `mask`) may have this path, relative to the bundle.
bool is_artifact_path(std::string_view path, std::string_view kind);

/// The form that `is_artifact_path` wants, for messages.
std::string artifact_path_form(std::string_view kind);

/// 64 hexadecimal digits in lower case.
bool is_sha256(std::string_view text);

}  // namespace inpaintrt::detail
