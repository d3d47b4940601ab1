// Windows around holes: how an image larger than the network's largest size is filled. As runtime/windows.py.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace inpaintrt::detail {

struct Interval {
    std::int64_t start = 0;
    std::int64_t stop = 0;

    std::int64_t size() const { return stop - start; }
};

struct Area {
    Interval rows;
    Interval columns;
};

/// A part of an image, `area`, in which the holes of `core` are to be filled.
struct Window {
    Area area;
    Area core;
};

/// Call `fill` with windows of at most `height` x `width` pixels whose cores cover every hole pixel once.
///
/// `hole` is [rows, columns], non-zero = hole; the holes of a core are cleared after its window was filled, so that later
/// windows take for known what earlier ones filled.
void for_windows_around_holes(std::vector<std::uint8_t>& hole, std::int64_t rows, std::int64_t columns,
                              std::int64_t height, std::int64_t width,
                              const std::function<void(const Window&)>& fill);

}  // namespace inpaintrt::detail
