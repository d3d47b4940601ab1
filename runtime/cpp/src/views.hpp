// Views of the caller's memory: checks, and copies to and from the network's contiguous memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bundle/opened.hpp"
#include "inpaintrt/error.hpp"
#include "inpaintrt/images.hpp"

namespace inpaintrt::detail {

/// A checked view: `channels` bytes a pixel, pitch filled in.
template <typename Byte>
struct Plane {
    Byte* data = nullptr;
    std::size_t rows = 0;
    std::size_t row_bytes = 0;
    std::size_t pitch = 0;

    Byte* row(std::size_t y) const { return data + y * pitch; }
    std::size_t bytes() const { return rows == 0 ? 0 : (rows - 1) * pitch + row_bytes; }

    /// A part of it, in rows and in bytes of a row.
    Plane part(std::size_t top, std::size_t count, std::size_t left, std::size_t length) const {
        return {row(top) + left, count, length, pitch};
    }
};

/// An image whose views fit each other.
struct CheckedTask {
    Plane<const std::uint8_t> image;
    Plane<const std::uint8_t> mask;  ///< Without data if the network's mask is fixed.
    Plane<const std::uint8_t> sketch;  ///< Without data where there are no lines.
    Plane<std::uint8_t> out;
    std::size_t height = 0;
    std::size_t width = 0;
    std::size_t index = 0;  ///< Which of the call's tasks it is.
    std::vector<std::uint8_t> copies;  ///< Of inputs that the result would overwrite before they are read.
};

/// Where the views of a call are.
enum class Memory { Host, Gpu };

/// Throws Error(Image) with what was found and what is expected; on a GPU also if `out` overlaps its inputs, except that it
/// may be the image's memory.
///
/// `fixed` is the size that images have if the network's mask is fixed; there must be no mask then, and must be one
/// otherwise. There may be a sketch if the network takes one.
CheckedTask check_task(const Task& task, const std::optional<Size>& fixed, bool takes_sketch,
                       Memory memory = Memory::Host);

bool has_hole(const Plane<const std::uint8_t>& mask);

/// How many pixels are not 0.
std::size_t count_holes(const Plane<const std::uint8_t>& mask);

/// Throws Error(Image) if the view has no data, no pixels, or a wrong pitch; `name` says which it is.
Plane<const std::uint8_t> check_image(const ImageView& view, const std::string& name);
Plane<std::uint8_t> check_image(const MutableImageView& view, const std::string& name);

Plane<const std::uint8_t> readable(const Plane<std::uint8_t>& plane);

/// Nothing where both are the same memory.
void copy_rows(const Plane<const std::uint8_t>& from, const Plane<std::uint8_t>& to);

/// 1 where `from` is non-zero, 0 elsewhere.
void copy_mask(const std::uint8_t* from, std::uint8_t* to, std::size_t count);

}  // namespace inpaintrt::detail
