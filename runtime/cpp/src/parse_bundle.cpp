#include "parse_bundle.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "inpaintrt/inpainter.hpp"

namespace inpaintrt::detail {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr int schema_version = 1;

/// Deeper nesting than any bundle has would only exhaust the stack.
constexpr int deepest = 64;

constexpr std::array artifact_keys = {"path",    "kind",            "precision", "sha256", "bytes",
                                      "backend", "backend_version", "target",    "key",    "details"};

[[noreturn]] void malformed(const std::string& what) {
    throw MalformedBundle("is malformed: " + what);
}

/// A value as it stands in the document, shortened.
std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 80) text = text.substr(0, 80) + "...";
    return text;
}

Json parse_json(const std::vector<std::uint8_t>& document) {
    const auto check_depth = [](int depth, Json::parse_event_t, Json&) {
        if (depth > deepest) malformed("nested more than " + std::to_string(deepest) + " deep");
        return true;
    };
    Json values = Json::parse(document.begin(), document.end(), check_depth, false);
    if (values.is_discarded()) malformed("no JSON");
    return values;
}

const Json& entry(const Json& object, const char* key) {
    if (!object.is_object()) malformed("expected an object with " + std::string(key) + ", got " + shown(object));
    const auto found = object.find(key);
    if (found == object.end()) throw MalformedBundle("lacks '" + std::string(key) + "'");
    return *found;
}

std::int64_t positive(const Json& value) {
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() &&
                        value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int32_t>::max()});
    if (!fits || value.get<std::int64_t>() < 1) malformed("expected a positive integer, got " + shown(value));
    return value.get<std::int64_t>();
}

std::string string(const Json& value, const char* key) {
    if (!value.is_string()) malformed(std::string(key) + " is " + shown(value) + ", expected a text");
    return value.get<std::string>();
}

std::vector<std::string> strings(const Json& object, const char* key) {
    const Json& values = entry(object, key);
    if (!values.is_array()) malformed(std::string(key) + " is " + shown(values) + ", expected a list of names");
    std::vector<std::string> found;
    for (const Json& value : values) found.push_back(string(value, key));
    return found;
}

Limits limits(const Json& profile, const char* axis) {
    const Json& values = entry(profile, axis);
    if (!values.is_array() || values.size() != 3) malformed(std::string(axis) + " is " + shown(values));
    const Limits found{positive(values[0]), positive(values[1]), positive(values[2])};
    if (found.smallest > found.best || found.best > found.largest) {
        malformed("expected smallest <= best <= largest, got " + shown(values));
    }
    return found;
}

DeployedInterface parse_interface(const Json& deployed) {
    DeployedInterface found;
    found.io = string(entry(deployed, "io"), "io");
    if (found.io != "image" && found.io != "tensor") malformed("io is " + shown(found.io));
    found.size_multiple = positive(entry(deployed, "size_multiple"));
    const Json& profile = entry(deployed, "profile");
    found.profile = {limits(profile, "batch"), limits(profile, "height"), limits(profile, "width")};
    found.inputs = strings(deployed, "inputs");
    found.outputs = strings(deployed, "outputs");
    const Json& updated_mask = entry(deployed, "updated_mask_output");
    if (!updated_mask.is_null()) positive(updated_mask);
    return found;
}

/// Whether the network was exported with a sketch is said twice, and must be said alike.
void check_sketch(const Json& network, const DeployedInterface& interface) {
    if (!network.is_object()) malformed("network is " + shown(network));
    const Json sketch = network.value("sketch", Json(false));
    if (sketch == Json(interface.takes("sketch"))) return;
    std::string inputs;
    for (const std::string& input : interface.inputs) inputs += (inputs.empty() ? "" : ", ") + input;
    malformed("sketch is " + shown(sketch) + ", but the inputs are " + inputs);
}

/// An entry that only engines need; empty where there is none.
std::string optional_string(const Json& values, const char* key) {
    const auto found = values.find(key);
    return found == values.end() || found->is_null() ? "" : string(*found, key);
}

bool all_of(std::string_view text, const char* allowed) {
    return text.find_first_not_of(allowed) == std::string_view::npos;
}

bool starts_and_ends(std::string_view text, std::string_view start, std::string_view end) {
    return text.size() > start.size() + end.size() && text.substr(0, start.size()) == start &&
           text.substr(text.size() - end.size()) == end;
}

/// `fixed_mask.png`, or `fixed_mask.<12 hexadecimal digits>.png` while it is replaced.
bool is_mask_path(std::string_view path) {
    constexpr std::size_t digits = 12;
    if (path == "fixed_mask.png") return true;
    return starts_and_ends(path, "fixed_mask.", ".png") && path.size() == 11 + digits + 4 &&
           all_of(path.substr(11, digits), "0123456789abcdef");
}

/// What an artifact's path looks like: as ARTIFACT_PATHS in runtime/bundle.py.
bool is_artifact_path(std::string_view path, std::string_view kind) {
    if (kind == "mask") return is_mask_path(path);
    constexpr const char* in_models = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    constexpr const char* in_engines = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
    if (kind == "onnx") return starts_and_ends(path, "model.", ".onnx") && all_of(path.substr(6), in_models);
    return starts_and_ends(path, "engines/", ".engine") && all_of(path.substr(8), in_engines) && path[8] != '.' &&
           path[8] != '-';
}

/// Whether a path, with links followed, lies in the bundle.
bool stays_inside(const fs::path& root, const std::string& path) {
    const fs::path inside = fs::weakly_canonical(fs::absolute(root));
    const fs::path target = fs::weakly_canonical(fs::absolute(root) / fs::u8path(path));
    return std::mismatch(inside.begin(), inside.end(), target.begin(), target.end()).first == inside.end();
}

Artifact parse_artifact(const fs::path& root, const Json& values) {
    Artifact found;
    found.path = string(entry(values, "path"), "path");
    found.kind = string(entry(values, "kind"), "kind");
    found.precision = optional_string(values, "precision");
    found.sha256 = string(entry(values, "sha256"), "sha256");
    found.backend = optional_string(values, "backend");
    found.backend_version = optional_string(values, "backend_version");
    found.target = optional_string(values, "target");
    optional_string(values, "key");
    const std::string name = "artifact " + shown(found.path);
    for (const auto& item : values.items()) {
        if (std::find(artifact_keys.begin(), artifact_keys.end(), item.key()) == artifact_keys.end()) {
            malformed(name + " with unknown entry " + shown(item.key()));
        }
    }
    const Json& bytes = entry(values, "bytes");
    if (!bytes.is_number_unsigned()) malformed(name + " of " + shown(bytes) + " bytes");
    found.bytes = bytes.get<std::uint64_t>();
    if (values.contains("details") && !values["details"].is_object()) malformed(name + " with details of a wrong type");
    const bool network = found.kind == "onnx" || found.kind == "engine";
    const bool of_network = found.precision == "fp32" || found.precision == "fp16";
    if ((!network && found.kind != "mask") || (network ? !of_network : !found.precision.empty())) {
        malformed("artifact of kind " + shown(found.kind) + " and precision " + shown(found.precision));
    }
    if (found.sha256.size() != 64 || !all_of(found.sha256, "0123456789abcdef")) {
        malformed("sha256 of " + found.path + " is " + shown(found.sha256));
    }
    if (found.kind == "engine" && (found.backend.empty() || found.backend_version.empty() || found.target.empty())) {
        malformed("engine " + shown(found.path) + " without backend, version or target");
    }
    if (found.path.find('\0') != std::string::npos || !stays_inside(root, found.path)) {
        malformed("artifact path " + shown(found.path) + " leaves the bundle");
    }
    if (!is_artifact_path(found.path, found.kind)) {
        malformed("artifact path " + shown(found.path) + " is none that a bundle has");
    }
    return found;
}

}  // namespace

Bundle parse_bundle(const fs::path& path, const std::vector<std::uint8_t>& document) {
    const Json values = parse_json(document);
    const Json& version = entry(values, "schema_version");
    if (version != schema_version) {
        throw Error(ErrorCode::Bundle, text(path / "bundle.json") + ": schema version " + shown(version) +
                                           ", this release reads " + std::to_string(schema_version) +
                                           "; export it again, or install the release that made it");
    }
    Bundle bundle;
    bundle.path = path;
    bundle.interface = parse_interface(entry(values, "interface"));
    check_sketch(entry(values, "network"), bundle.interface);
    const Json& artifacts = entry(values, "artifacts");
    if (!artifacts.is_array()) malformed("artifacts is " + shown(artifacts));
    for (const Json& artifact : artifacts) bundle.artifacts.push_back(parse_artifact(path, artifact));
    const Json& source = entry(values, "source");
    if (!source.is_object()) malformed("source is " + shown(source));
    return bundle;
}

}  // namespace inpaintrt::detail
