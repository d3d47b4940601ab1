#include "windows.hpp"

#include <algorithm>
#include <cstddef>

namespace inpaintrt::detail {
namespace {

/// The interval of `size` around the middle of `core`, moved inside 0..`limit`.
Interval centred(const Interval& core, std::int64_t size, std::int64_t limit) {
    const std::int64_t start = std::max<std::int64_t>(0, std::min((core.start + core.stop - size) / 2, limit - size));
    return {start, std::min(start + size, limit)};
}

class HoleMap {
public:
    HoleMap(std::vector<std::uint8_t>& hole, std::int64_t rows, std::int64_t columns)
        : hole_(hole), rows_(rows), columns_(columns), in_row_(static_cast<std::size_t>(rows)) {
        for (std::int64_t y = 0; y < rows; ++y) in_row_[index(y)] = count(y, {0, columns});
    }

    /// The first row from `top` on that holds a hole, or the number of rows.
    std::int64_t first_row(std::int64_t top) const {
        while (top < rows_ && in_row_[index(top)] == 0) ++top;
        return top;
    }

    /// The first column that holds a hole in these rows; there must be one.
    std::int64_t first_column(const Interval& rows) const {
        std::int64_t first = columns_;
        for (std::int64_t y = rows.start; y < rows.stop; ++y) {
            const std::uint8_t* row = at(y);
            first = std::find_if(row, row + first, [](std::uint8_t value) { return value != 0; }) - row;
        }
        return first;
    }

    /// The smallest area that holds all holes of an area; there must be one.
    Area bounds(const Area& area) const {
        Area found{{area.rows.stop, area.rows.start}, {area.columns.stop, area.columns.start}};
        for (std::int64_t y = area.rows.start; y < area.rows.stop; ++y) {
            for (std::int64_t x = area.columns.start; x < area.columns.stop; ++x) {
                if (at(y)[x] == 0) continue;
                found.rows = {std::min(found.rows.start, y), y + 1};
                found.columns = {std::min(found.columns.start, x), std::max(found.columns.stop, x + 1)};
            }
        }
        return found;
    }

    void clear(const Area& area) {
        for (std::int64_t y = area.rows.start; y < area.rows.stop; ++y) {
            in_row_[index(y)] -= count(y, area.columns);
            std::fill(at(y) + area.columns.start, at(y) + area.columns.stop, std::uint8_t{0});
        }
    }

private:
    static std::size_t index(std::int64_t value) { return static_cast<std::size_t>(value); }
    std::uint8_t* at(std::int64_t y) const { return hole_.data() + y * columns_; }
    std::int64_t count(std::int64_t y, const Interval& columns) const {
        return std::count_if(at(y) + columns.start, at(y) + columns.stop, [](std::uint8_t value) { return value != 0; });
    }

    std::vector<std::uint8_t>& hole_;
    std::int64_t rows_;
    std::int64_t columns_;
    std::vector<std::int64_t> in_row_;  ///< How many holes are left in each row.
};

}  // namespace

void for_windows_around_holes(std::vector<std::uint8_t>& hole, std::int64_t rows, std::int64_t columns,
                              std::int64_t height, std::int64_t width,
                              const std::function<void(const Window&)>& fill) {
    HoleMap map(hole, rows, columns);
    for (std::int64_t top = map.first_row(0); top < rows; top = map.first_row(top)) {
        const Interval band{top, std::min(top + std::max<std::int64_t>(height / 2, 1), rows)};
        const std::int64_t left = map.first_column(band);
        const Interval block{left, std::min(left + std::max<std::int64_t>(width / 2, 1), columns)};
        const Area core = map.bounds({band, block});
        fill({{centred(core.rows, height, rows), centred(core.columns, width, columns)}, core});
        map.clear(core);
    }
}

}  // namespace inpaintrt::detail
