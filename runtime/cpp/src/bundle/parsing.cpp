#include "parsing.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "../files.hpp"
#include "artifact_path.hpp"
#include "inpaintrt/error.hpp"
#include "opened.hpp"

namespace inpaintrt::detail {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr int schema_version = 1;

/// Deeper nesting than any bundle has would only exhaust the stack.
constexpr int deepest = 64;

constexpr std::size_t most_shown = 80;

constexpr std::array artifact_keys = {"path",    "kind",            "precision", "sha256", "bytes",
                                      "backend", "backend_version", "target",    "key",    "details"};

[[noreturn]] void malformed(const std::string& what) {
    throw MalformedBundle("is malformed: " + what);
}

/// A value as it stands in the document, shortened.
std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > most_shown) text = text.substr(0, most_shown) + "...";
    return text;
}

bool is_positive(const Json& value) {
    constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
    return value.is_number_unsigned() && value.get<std::uint64_t>() > 0 && value.get<std::uint64_t>() <= most;
}

/// A value of the document, with its place in it, such as `artifacts[0].sha256`.
class Entry {
public:
    Entry(const Json& value, std::string place) : value_(value), place_(std::move(place)) {}

    const Json& value() const { return value_; }

    [[noreturn]] void refuse(const std::string& expected) const {
        malformed((place_.empty() ? "it" : place_) + " is " + shown(value_) + ", expected " + expected);
    }

    const Entry& check(bool good, const std::string& expected) const {
        if (!good) refuse(expected);
        return *this;
    }

    const Entry& object() const { return check(value_.is_object(), "an object"); }

    Entry operator[](const char* key) const {
        object();
        const auto found = value_.find(key);
        if (found == value_.end()) throw MalformedBundle("lacks '" + inside(key) + "'");
        return {*found, inside(key)};
    }

    /// The value of a key that may be missing or null; nothing then.
    std::optional<Entry> optional(const char* key) const {
        object();
        const auto found = value_.find(key);
        if (found == value_.end() || found->is_null()) return std::nullopt;
        return Entry(*found, inside(key));
    }

    std::vector<Entry> list(const std::string& expected) const {
        check(value_.is_array(), expected);
        std::vector<Entry> entries;
        for (const Json& value : value_) {
            entries.emplace_back(value, place_ + "[" + std::to_string(entries.size()) + "]");
        }
        return entries;
    }

    std::string text(const std::string& expected = "a text") const {
        return check(value_.is_string(), expected).value_.get<std::string>();
    }

    std::int64_t positive() const {
        return check(is_positive(value_), "a positive integer").value_.get<std::int64_t>();
    }

    const std::string& place() const { return place_; }

private:
    std::string inside(const std::string& key) const { return place_.empty() ? key : place_ + "." + key; }

    const Json& value_;
    std::string place_;
};

Json parse_json(const std::vector<std::uint8_t>& document) {
    const auto check_depth = [](int depth, Json::parse_event_t, Json&) {
        if (depth > deepest) malformed("it is nested more than " + std::to_string(deepest) + " deep");
        return true;
    };
    Json values = Json::parse(document.begin(), document.end(), check_depth, false);
    if (values.is_discarded()) malformed("it is not JSON");
    return values;
}

Limits limits(const Entry& entry) {
    const Json& values = entry.value();
    const bool three = values.is_array() && values.size() == 3 && std::all_of(values.begin(), values.end(), is_positive);
    entry.check(three && std::is_sorted(values.begin(), values.end()),
                "three positive integers, smallest <= best <= largest");
    return {values[0].get<std::int64_t>(), values[1].get<std::int64_t>(), values[2].get<std::int64_t>()};
}

std::vector<std::string> names(const Entry& entry) {
    std::vector<std::string> found;
    for (const Entry& name : entry.list("a list of names")) found.push_back(name.text());
    return found;
}

DeployedInterface parse_interface(const Entry& deployed) {
    DeployedInterface found;
    found.io = deployed["io"].text("image or tensor");
    deployed["io"].check(found.io == "image" || found.io == "tensor", "image or tensor");
    found.size_multiple = deployed["size_multiple"].positive();
    const Entry profile = deployed["profile"];
    found.profile = {limits(profile["batch"]), limits(profile["height"]), limits(profile["width"])};
    found.inputs = names(deployed["inputs"]);
    found.outputs = names(deployed["outputs"]);
    if (const auto updated_mask = deployed.optional("updated_mask_output")) updated_mask->positive();
    return found;
}

/// Whether the network was exported with a sketch is said twice, and must be said alike.
void check_sketch(const Entry& network, const DeployedInterface& interface) {
    const bool takes = interface.takes("sketch");
    const bool said = network.object().value().contains("sketch");
    if (!said && !takes) return;
    network["sketch"].check(network["sketch"].value() == Json(takes),
                            "true where the inputs have sketch, false elsewhere");
}

/// Text that only some artifacts have; empty where there is none.
std::string optional_text(const Entry& entry, const char* key) {
    const auto found = entry.optional(key);
    return found ? found->text() : "";
}

/// Whether a path, with links followed, lies in the bundle.
bool stays_inside(const fs::path& root, const std::string& path) {
    const fs::path inside = real_path(root);
    const fs::path target = real_path(root / fs::u8path(path));
    return std::mismatch(inside.begin(), inside.end(), target.begin(), target.end()).first == inside.end();
}

void check_path(const fs::path& root, const Entry& entry, const Artifact& artifact) {
    const bool whole = artifact.path.find('\0') == std::string::npos;
    entry["path"].check(whole && stays_inside(root, artifact.path), "a path inside the bundle");
    entry["path"].check(is_artifact_path(artifact.path, artifact.kind), artifact_path_form(artifact.kind));
}

void check_keys(const Entry& artifact) {
    for (const auto& item : artifact.object().value().items()) {
        if (std::find(artifact_keys.begin(), artifact_keys.end(), item.key()) == artifact_keys.end()) {
            malformed(artifact.place() + " has the unknown key " + shown(item.key()));
        }
    }
}

Artifact parse_artifact(const fs::path& root, const Entry& entry) {
    Artifact found;
    found.path = entry["path"].text();
    found.kind = entry["kind"].text("onnx, engine or mask");
    const bool mask = found.kind == "mask";
    const bool engine = found.kind == "engine";
    entry["kind"].check(mask || engine || found.kind == "onnx", "onnx, engine or mask");
    if (const auto precision = entry.optional("precision")) {
        found.precision = precision->text("fp32 or fp16");
        precision->check(!mask, "none");
        precision->check(found.precision == "fp32" || found.precision == "fp16", "fp32 or fp16");
    } else if (!mask) {
        entry["precision"].refuse("fp32 or fp16");
    }
    found.sha256 = entry["sha256"].text();
    entry["sha256"].check(is_sha256(found.sha256), "64 hexadecimal digits in lower case");
    found.bytes = entry["bytes"].check(entry["bytes"].value().is_number_unsigned(), "an integer of 0 or more")
                      .value().get<std::uint64_t>();
    found.backend = optional_text(entry, "backend");
    found.backend_version = optional_text(entry, "backend_version");
    found.target = optional_text(entry, "target");
    optional_text(entry, "key");
    if (const auto details = entry.optional("details")) details->object();
    check_keys(entry);
    for (const char* key : {"backend", "backend_version", "target"}) {
        if (engine) entry[key].check(!entry[key].text().empty(), "a text that is not empty");
    }
    check_path(root, entry, found);
    return found;
}

void check_version(const fs::path& path, const Entry& version) {
    if (version.value() == schema_version) return;
    throw Error(ErrorCode::Bundle, text(path / "bundle.json") + ": schema version " + shown(version.value()) +
                                       ", this release reads " + std::to_string(schema_version) +
                                       "; export it again, or install the release that made it");
}

}  // namespace

Bundle parse_bundle(const fs::path& path, const std::vector<std::uint8_t>& document) {
    const Json values = parse_json(document);
    const Entry root(values, "");
    check_version(path, root["schema_version"]);
    Bundle bundle;
    bundle.path = path;
    bundle.interface = parse_interface(root["interface"]);
    check_sketch(root["network"], bundle.interface);
    for (const Entry& artifact : root["artifacts"].list("a list of objects")) {
        bundle.artifacts.push_back(parse_artifact(path, artifact));
    }
    root["source"].object();
    return bundle;
}

}  // namespace inpaintrt::detail
