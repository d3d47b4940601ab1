// Which squares of an image have holes, and which of them belong together. As runtime/cells.py.
#pragma once

#include <cstddef>
#include <vector>

#include "area.hpp"
#include "views.hpp"

namespace inpaintrt::detail {

/// Cells of a grid, row after row: 1 = chosen.
using Grid = std::vector<std::uint8_t>;

/// Cells whose holes are filled together, in ascending order, and the area around their hole pixels.
struct Part {
    std::vector<std::size_t> cells;
    Area box;
};

/// An image cut into squares of `size` pixels, from the upper left; the last ones may be narrower.
class Cells {
public:
    /// `hole` is [rows,columns], non-zero = hole; it is read only here.
    Cells(const Plane<const std::uint8_t>& hole, std::size_t size);

    std::size_t size() const { return size_; }
    std::size_t rows() const { return rows_; }
    std::size_t columns() const { return columns_; }
    const Grid& holes() const { return holes_; }
    /// The cells all of whose pixels are holes.
    const Grid& full() const { return full_; }

    /// The part of these cells, each of which has a hole.
    Part part(std::vector<std::size_t> cells) const;

    /// Chosen cells that touch each other, also at a corner, in the order of their first cells.
    std::vector<Part> parts(const Grid& chosen) const;

    /// `chosen` and the cells of `within` that are reached from it over `steps` neighbours.
    Grid grown(Grid chosen, const Grid& within, std::size_t steps) const;

    /// The cells that lie in a square of `side` x `side` chosen cells.
    Grid opened(const Grid& chosen, std::size_t side) const;

    /// The side of the largest square of chosen cells.
    std::size_t thickness(const Grid& chosen) const;

private:
    template <typename Visit>
    void for_neighbours(std::size_t cell, const Visit& visit) const;
    /// For each cell the side of the largest square of chosen cells whose last one it is.
    std::vector<std::size_t> squares(const Grid& chosen) const;

    std::size_t size_;
    std::size_t rows_;
    std::size_t columns_;
    Grid holes_;
    Grid full_;
    std::vector<Area> boxes_;  ///< Around the hole pixels of each cell that has some.
};

}  // namespace inpaintrt::detail
