#include "views.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

namespace inpaintrt::detail {
namespace {

template <typename Byte, typename View>
Plane<Byte> check_view(const View& view, std::size_t channels, const std::string& name) {
    const std::string size = std::to_string(view.width) + "x" + std::to_string(view.height);
    if (view.data == nullptr) throw Error(ErrorCode::Image, name + " has no data");
    if (view.width < 1 || view.height < 1) throw Error(ErrorCode::Image, name + " of " + size + " pixels is empty");
    const std::size_t row_bytes = static_cast<std::size_t>(view.width) * channels;
    const std::size_t pitch = view.pitch == 0 ? row_bytes : view.pitch;
    if (pitch < row_bytes) {
        throw Error(ErrorCode::Image, name + " of " + size + " pixels has a pitch of " + std::to_string(pitch) +
                                            " bytes; a row takes " + std::to_string(row_bytes));
    }
    const auto rows = static_cast<std::size_t>(view.height);
    if (pitch > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / rows) {
        throw Error(ErrorCode::Image, name + " of " + size + " pixels with a pitch of " + std::to_string(pitch) +
                                            " bytes is larger than memory can be");
    }
    return {view.data, rows, row_bytes, pitch};
}

template <typename View>
void check_size(const View& view, const ImageView& image, const std::string& name) {
    if (view.width == image.width && view.height == image.height) return;
    throw Error(ErrorCode::Image, name + " is " + std::to_string(view.width) + "x" + std::to_string(view.height) +
                                        ", but the image needs " + std::to_string(image.width) + "x" +
                                        std::to_string(image.height));
}

void check_fixed(const Task& task, const CheckedTask& checked, const Size& fixed) {
    if (task.mask.data != nullptr) {
        throw Error(ErrorCode::Image,
                    "a mask was given, but the mask of this bundle is fixed; export it without --fixed-mask");
    }
    if (checked.width != fixed.width || checked.height != fixed.height) {
        throw Error(ErrorCode::Image, "the image is " + std::to_string(checked.width) + "x" +
                                            std::to_string(checked.height) + ", but the fixed mask of this bundle is for " +
                                            std::to_string(fixed.width) + "x" + std::to_string(fixed.height));
    }
}

bool overlap(const Plane<const std::uint8_t>& input, const Plane<std::uint8_t>& out) {
    const std::less<const std::uint8_t*> before;
    return before(input.data, out.data + out.bytes()) && before(out.data, input.data + input.bytes());
}

/// The plane moved to memory that nobody else writes.
Plane<const std::uint8_t> moved(const Plane<const std::uint8_t>& plane, std::uint8_t* memory) {
    for (std::size_t y = 0; y < plane.rows; ++y) {
        std::memcpy(memory + y * plane.row_bytes, plane.row(y), plane.row_bytes);
    }
    return {memory, plane.rows, plane.row_bytes, plane.row_bytes};
}

}  // namespace

Plane<const std::uint8_t> check_image(const ImageView& view, const std::string& name) {
    return check_view<const std::uint8_t>(view, 3, name);
}

Plane<std::uint8_t> check_image(const MutableImageView& view, const std::string& name) {
    return check_view<std::uint8_t>(view, 3, name);
}

CheckedTask check_task(const Task& task, const std::optional<Size>& fixed, bool takes_sketch, Memory memory) {
    if (task.sketch.data != nullptr && !takes_sketch) {
        throw Error(ErrorCode::Image, "this bundle's network takes no sketch; leave it out");
    }
    CheckedTask checked;
    checked.image = check_image(task.image, "image");
    checked.out = check_image(task.out, "out");
    check_size(task.out, task.image, "out");
    checked.height = checked.image.rows;
    checked.width = checked.image.row_bytes / 3;
    if (fixed) {
        check_fixed(task, checked, *fixed);
    } else {
        if (task.mask.data == nullptr) {
            throw Error(ErrorCode::Image, "mask has no data; only a bundle exported with --fixed-mask has its own");
        }
        checked.mask = check_view<const std::uint8_t>(task.mask, 1, "mask");
        check_size(task.mask, task.image, "mask");
    }
    if (task.sketch.data != nullptr) {
        checked.sketch = check_view<const std::uint8_t>(task.sketch, 1, "sketch");
        check_size(task.sketch, task.image, "sketch");
    }
    // In place, a pixel is read before it is written; in any other overlap it might not be.
    const bool in_place = checked.image.data == checked.out.data && checked.image.pitch == checked.out.pitch;
    const bool move_image = !in_place && overlap(checked.image, checked.out);
    const bool move_mask = overlap(checked.mask, checked.out);
    const bool move_sketch = overlap(checked.sketch, checked.out);
    if (memory == Memory::Gpu && (move_image || move_mask || move_sketch)) {
        throw Error(ErrorCode::Image, "out overlaps its inputs; on a GPU it may be the image's own memory, or other memory");
    }
    const std::size_t pixels = checked.height * checked.width;
    checked.copies.resize((move_image ? 3 * pixels : 0) + (move_mask ? pixels : 0) + (move_sketch ? pixels : 0));
    std::uint8_t* next = checked.copies.data();
    const auto move = [&](Plane<const std::uint8_t>& plane) {
        plane = moved(plane, next);
        next += plane.rows * plane.row_bytes;
    };
    if (move_image) move(checked.image);
    if (move_mask) move(checked.mask);
    if (move_sketch) move(checked.sketch);
    return checked;
}

bool has_hole(const Plane<const std::uint8_t>& mask) {
    for (std::size_t y = 0; y < mask.rows; ++y) {
        const std::uint8_t* row = mask.row(y);
        std::uint8_t any = 0;  // without a branch for each pixel the compiler makes vectors of it
        for (std::size_t x = 0; x < mask.row_bytes; ++x) any |= row[x];
        if (any != 0) return true;
    }
    return false;
}

std::size_t count_holes(const Plane<const std::uint8_t>& mask) {
    std::size_t count = 0;
    for (std::size_t y = 0; y < mask.rows; ++y) {
        const std::uint8_t* row = mask.row(y);
        for (std::size_t x = 0; x < mask.row_bytes; ++x) count += row[x] != 0;
    }
    return count;
}

Plane<const std::uint8_t> readable(const Plane<std::uint8_t>& plane) {
    return {plane.data, plane.rows, plane.row_bytes, plane.pitch};
}

void copy_rows(const Plane<const std::uint8_t>& from, const Plane<std::uint8_t>& to) {
    if (from.data == to.data) return;  // in place
    for (std::size_t y = 0; y < from.rows; ++y) std::memcpy(to.row(y), from.row(y), from.row_bytes);
}

void copy_mask(const std::uint8_t* from, std::uint8_t* to, std::size_t count) {
    std::transform(from, from + count, to, [](std::uint8_t value) { return std::uint8_t{value != 0}; });
}

}  // namespace inpaintrt::detail
