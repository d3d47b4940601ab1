// Parts of an image.
#pragma once

#include <algorithm>
#include <cstdint>

namespace inpaintrt::detail {

struct Interval {
    std::int64_t start = 0;
    std::int64_t stop = 0;

    std::int64_t size() const { return stop - start; }
    Interval joined(const Interval& other) const {
        return {std::min(start, other.start), std::max(stop, other.stop)};
    }
};

struct Area {
    Interval rows;
    Interval columns;

    /// The smallest area around both.
    Area joined(const Area& other) const { return {rows.joined(other.rows), columns.joined(other.columns)}; }
};

}  // namespace inpaintrt::detail
