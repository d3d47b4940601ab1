#include "cells.hpp"

#include <algorithm>

namespace inpaintrt::detail {

Cells::Cells(const Plane<const std::uint8_t>& hole, std::size_t size)
    : size_(size),
      rows_((hole.rows + size - 1) / size),
      columns_((hole.row_bytes + size - 1) / size),
      holes_(rows_ * columns_),
      full_(rows_ * columns_),
      boxes_(rows_ * columns_) {
    std::vector<std::size_t> counts(holes_.size());
    for (std::size_t y = 0; y < hole.rows; ++y) {
        const std::uint8_t* row = hole.row(y);
        for (std::size_t x = 0; x < hole.row_bytes; ++x) {
            if (row[x] == 0) continue;
            const std::size_t cell = y / size * columns_ + x / size;
            const auto top = static_cast<std::int64_t>(y), left = static_cast<std::int64_t>(x);
            const Area pixel{{top, top + 1}, {left, left + 1}};
            boxes_[cell] = counts[cell] == 0 ? pixel : boxes_[cell].joined(pixel);
            ++counts[cell];
        }
    }
    for (std::size_t cell = 0; cell < holes_.size(); ++cell) {
        const std::size_t height = std::min(size, hole.rows - cell / columns_ * size);
        const std::size_t width = std::min(size, hole.row_bytes - cell % columns_ * size);
        holes_[cell] = counts[cell] != 0;
        full_[cell] = counts[cell] == height * width;
    }
}

template <typename Visit>
void Cells::for_neighbours(std::size_t cell, const Visit& visit) const {
    const std::size_t row = cell / columns_, column = cell % columns_;
    for (std::size_t y = row == 0 ? 0 : row - 1; y < std::min(row + 2, rows_); ++y) {
        for (std::size_t x = column == 0 ? 0 : column - 1; x < std::min(column + 2, columns_); ++x) {
            visit(y * columns_ + x);
        }
    }
}

Part Cells::part(std::vector<std::size_t> cells) const {
    Area box = boxes_[cells.front()];
    for (const std::size_t cell : cells) box = box.joined(boxes_[cell]);
    return {std::move(cells), box};
}

std::vector<Part> Cells::parts(const Grid& chosen) const {
    Grid left = chosen;
    std::vector<Part> found;
    for (std::size_t start = 0; start < left.size(); ++start) {
        if (left[start] == 0) continue;
        left[start] = 0;
        std::vector<std::size_t> reached{start};
        for (std::size_t next = 0; next < reached.size(); ++next) {  // grows while it is read
            for_neighbours(reached[next], [&](std::size_t cell) {
                if (left[cell] == 0) return;
                left[cell] = 0;
                reached.push_back(cell);
            });
        }
        std::sort(reached.begin(), reached.end());
        found.push_back(part(std::move(reached)));
    }
    return found;
}

Grid Cells::grown(Grid chosen, const Grid& within, std::size_t steps) const {
    for (std::size_t step = 0; step < steps; ++step) {
        const Grid before = chosen;
        for (std::size_t cell = 0; cell < before.size(); ++cell) {
            if (before[cell] == 0) continue;
            for_neighbours(cell, [&](std::size_t near) { chosen[near] |= within[near]; });
        }
    }
    return chosen;
}

std::vector<std::size_t> Cells::squares(const Grid& chosen) const {
    std::vector<std::size_t> side(chosen.size());
    for (std::size_t cell = 0; cell < chosen.size(); ++cell) {
        if (chosen[cell] == 0) continue;
        const bool at_edge = cell < columns_ || cell % columns_ == 0;
        side[cell] =
            at_edge ? 1 : 1 + std::min({side[cell - 1], side[cell - columns_], side[cell - columns_ - 1]});
    }
    return side;
}

Grid Cells::opened(const Grid& chosen, std::size_t side) const {
    Grid found(chosen.size());
    const std::vector<std::size_t> sides = squares(chosen);
    for (std::size_t cell = 0; cell < chosen.size(); ++cell) {
        if (sides[cell] < side) continue;
        for (std::size_t up = 0; up < side; ++up) {
            for (std::size_t back = 0; back < side; ++back) found[cell - up * columns_ - back] = 1;
        }
    }
    return found;
}

std::size_t Cells::thickness(const Grid& chosen) const {
    const std::vector<std::size_t> sides = squares(chosen);
    return *std::max_element(sides.begin(), sides.end());
}

}  // namespace inpaintrt::detail
