#include "window_sizes.hpp"

#include <string>

#include "inpaintrt/error.hpp"
#include "inpaintrt/inpaintrt.h"

namespace inpaintrt::detail {
namespace {

/// Pixels around holes that a window has at least, as far as a quarter of the largest one and the image allow.
constexpr std::int64_t least_context = 64;

/// Sizes of windows are multiples of this, so that many have the same one and run as a batch.
constexpr std::int64_t least_step = 64;

std::int64_t divided_up(std::int64_t value, std::int64_t by) {
    return (value + by - 1) / by;
}

Axis axis(std::int64_t length, const Limits& limits, const char* word, std::int64_t multiple, int choice) {
    if (choice == INPAINTRT_WINDOW_WHOLE && length > limits.largest) {
        throw Error(ErrorCode::Image, "the image is " + std::to_string(length) + " pixels " + word +
                                          ", but the network takes " + std::to_string(limits.largest) +
                                          " as a whole; choose window auto, or a size");
    }
    Axis found{length, limits, multiple, choice > 0};
    if (found.fixed) found.limits.largest = std::min(padded_size(choice, limits, multiple), limits.largest);
    return found;
}

}  // namespace

std::int64_t padded_size(std::int64_t size, const Limits& limits, std::int64_t multiple) {
    return std::max(limits.smallest, divided_up(size, multiple) * multiple);
}

std::int64_t Axis::context() const {
    return std::min(least_context, limits.largest / 4);
}

Interval Axis::reach(const Interval& own, std::int64_t scale) const {
    const std::int64_t first = own.start / scale, last = divided_up(own.stop, scale);
    const std::int64_t around = std::max(context(), divided_up(last - first, 4));
    return {std::max<std::int64_t>(first - around, 0), std::min(last + around, divided_up(length, scale))};
}

Interval Axis::window(const Interval& own, std::int64_t scale) const {
    const Interval held = reach(own, scale);
    const std::int64_t step = divided_up(least_step, multiple) * multiple, limit = divided_up(length, scale);
    std::int64_t side = limits.largest;
    if (!fixed) side = std::max(limits.smallest, std::min(divided_up(held.size(), step) * step, limits.largest));
    const std::int64_t start = std::max<std::int64_t>(0, std::min((held.start + held.stop - side) / 2, limit - side));
    return {start, std::min(start + side, limit)};
}

Sizes Sizes::of(std::int64_t height, std::int64_t width, const DeployedInterface& interface, int choice) {
    const Profile& profile = interface.profile;
    return {axis(height, profile.height, "high", interface.size_multiple, choice),
            axis(width, profile.width, "wide", interface.size_multiple, choice)};
}

void check_choice(int choice, const DeployedInterface& interface) {
    const auto refuse = [&](const std::string& words) {
        throw Error(ErrorCode::InvalidArgument, "window is " + std::to_string(choice) + words);
    };
    const Profile& profile = interface.profile;
    const std::int64_t smallest = std::max(profile.height.smallest, profile.width.smallest);
    const std::int64_t largest = std::min(profile.height.largest, profile.width.largest);
    if (choice < INPAINTRT_WINDOW_WHOLE) refuse("; expected auto, whole or a size in pixels");
    if (choice > 0 && (choice < smallest || choice > largest)) {
        refuse(", but the network takes " + std::to_string(smallest) + " to " + std::to_string(largest) + " pixels");
    }
}

}  // namespace inpaintrt::detail
