#include "artifact_path.hpp"

namespace inpaintrt::detail {
namespace {

constexpr const char* hexadecimal = "0123456789abcdef";

bool all_of(std::string_view text, const char* allowed) {
    return text.find_first_not_of(allowed) == std::string_view::npos;
}

/// What stands between a start and an end; empty if the text has not both, or nothing between them.
std::string_view between(std::string_view text, std::string_view start, std::string_view end) {
    if (text.size() <= start.size() + end.size() || text.substr(0, start.size()) != start ||
        text.substr(text.size() - end.size()) != end) {
        return {};
    }
    return text.substr(start.size(), text.size() - start.size() - end.size());
}

}  // namespace

bool is_artifact_path(std::string_view path, std::string_view kind) {
    constexpr const char* in_models = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    constexpr const char* in_engines = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
    if (kind == "mask") {
        // With 12 digits while a commit replaces it.
        const std::string_view digits = between(path, "fixed_mask.", ".png");
        return path == "fixed_mask.png" || (digits.size() == 12 && all_of(digits, hexadecimal));
    }
    const bool onnx = kind == "onnx";
    const std::string_view name = onnx ? between(path, "model.", ".onnx") : between(path, "engines/", ".engine");
    return !name.empty() && all_of(name, onnx ? in_models : in_engines) &&
           (onnx || (name.front() != '.' && name.front() != '-'));
}

std::string artifact_path_form(std::string_view kind) {
    return kind == "mask" ? "fixed_mask.png" : kind == "onnx" ? "model.<name>.onnx" : "engines/<name>.engine";
}

bool is_sha256(std::string_view text) {
    return text.size() == 64 && all_of(text, hexadecimal);
}

}  // namespace inpaintrt::detail
