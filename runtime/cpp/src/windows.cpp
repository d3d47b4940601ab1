#include "windows.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "cells.hpp"
#include "inpaintrt/inpaintrt.h"
#include "window_sizes.hpp"

namespace inpaintrt::detail {
namespace {

/// Side of a cell in pixels; less where the network's largest size is small.
constexpr std::int64_t largest_cell = 16;

std::int64_t side_of_cell(const Sizes& sizes) {
    const std::int64_t largest = std::min(sizes.rows.limits.largest, sizes.columns.limits.largest);
    return std::max<std::int64_t>(1, std::min(largest_cell, largest / 8));
}

/// The best groups of some parts, and what they cost.
struct Groups {
    std::int64_t cost = 0;
    std::vector<Part> parts;
};

class Planner {
public:
    Planner(const Plane<const std::uint8_t>& hole, const Sizes& sizes)
        : sizes_(sizes),
          cells_(hole, static_cast<std::size_t>(side_of_cell(sizes))),
          cell_(side_of_cell(sizes)),
          context_(std::min(sizes.rows.context(), sizes.columns.context())),
          owner_(cells_.holes().size(), -1) {}

    Plan plan() {
        const Grid rest = plan_groups(cells_.parts(cells_.holes()), 0);
        const auto side = static_cast<std::size_t>(std::max<std::int64_t>(2, context_ / cell_));
        const Grid wide = cells_.grown(cells_.opened(both(cells_.full(), rest), side), rest, side / 2);
        for (const Part& part : cells_.parts(wide)) plan_wide(part);
        Grid narrow = rest;
        for (std::size_t cell = 0; cell < narrow.size(); ++cell) narrow[cell] = rest[cell] != 0 && wide[cell] == 0;
        for (const Part& part : cells_.parts(plan_groups(cells_.parts(narrow), 4))) plan_along(part, 1, 4);
        Plan made{{}, std::move(owner_), cell_, static_cast<std::int64_t>(cells_.columns())};
        for (auto& [number, windows] : rounds_) made.rounds.push_back(std::move(windows));
        return made;
    }

private:
    static Grid both(const Grid& one, const Grid& other) {
        Grid found(one.size());
        for (std::size_t cell = 0; cell < one.size(); ++cell) found[cell] = one[cell] != 0 && other[cell] != 0;
        return found;
    }

    /// Windows for the parts that fit into one; the cells of those that do not.
    Grid plan_groups(std::vector<Part> parts, int number) {
        Grid left(cells_.holes().size());
        std::vector<Part> fitting;
        for (Part& part : parts) {
            if (sizes_.fit(part.box)) {
                fitting.push_back(std::move(part));
            } else {
                for (const std::size_t cell : part.cells) left[cell] = 1;
            }
        }
        if (!fitting.empty()) {
            std::int64_t side = 1;
            while (side <= std::max(sizes_.rows.length, sizes_.columns.length)) side *= 2;
            for (const Part& group : grouped(fitting, 0, 0, side).parts) add(number, group, 1);
        }
        return left;
    }

    std::int64_t cost(const Area& box) const { return sizes_.cost(sizes_.window(box)); }

    /// The cheaper of one window for all parts whose middles are in a square, and the best for its quarters.
    Groups grouped(const std::vector<Part>& parts, std::int64_t top, std::int64_t left, std::int64_t side) const {
        Area box = parts.front().box;
        for (const Part& part : parts) box = box.joined(part.box);
        if (parts.size() == 1) return {cost(box), parts};
        Groups apart;
        const auto add_all = [&apart](Groups found) {
            apart.cost += found.cost;
            std::move(found.parts.begin(), found.parts.end(), std::back_inserter(apart.parts));
        };
        const std::int64_t half = side / 2;
        if (half == 0) {  // all have the same middle
            for (const Part& part : parts) add_all({cost(part.box), {part}});
        } else {
            std::array<std::vector<Part>, 4> quarters;
            for (const Part& part : parts) {
                const bool down = (part.box.rows.start + part.box.rows.stop) / 2 >= top + half;
                const bool right = (part.box.columns.start + part.box.columns.stop) / 2 >= left + half;
                quarters[(down ? 2U : 0U) + (right ? 1U : 0U)].push_back(part);
            }
            for (std::size_t i = 0; i < quarters.size(); ++i) {
                if (quarters[i].empty()) continue;
                add_all(grouped(quarters[i], i >= 2 ? top + half : top, i % 2 == 1 ? left + half : left, half));
            }
        }
        if (!sizes_.fit(box) || cost(box) > apart.cost) return apart;
        Part together{{}, box};
        for (const Part& part : parts) {
            together.cells.insert(together.cells.end(), part.cells.begin(), part.cells.end());
        }
        return {cost(box), {std::move(together)}};
    }

    /// One window at the scale where it holds all; several at one where the hole is no wider than the context.
    void plan_wide(const Part& part) {
        Grid inside(cells_.full().size());
        for (const std::size_t cell : part.cells) inside[cell] = cells_.full()[cell];
        const std::int64_t context = std::max<std::int64_t>(context_, 1);
        const std::int64_t width = static_cast<std::int64_t>(cells_.thickness(inside)) * cell_;
        const std::int64_t narrow = (width + context - 1) / context;
        std::int64_t scale = 1;
        while (scale < narrow && !sizes_.fit(part.box, scale)) ++scale;
        if (sizes_.fit(part.box, scale)) {
            add(0, part, scale);
        } else {
            plan_along(part, scale, 0);
        }
    }

    /// Windows beside each other in four rounds, so that neighbours are in different ones.
    void plan_along(const Part& part, std::int64_t scale, int number) {
        const auto columns = static_cast<std::int64_t>(cells_.columns());
        const auto row = [&](std::size_t cell) { return static_cast<std::int64_t>(cell) / columns; };
        const auto column = [&](std::size_t cell) { return static_cast<std::int64_t>(cell) % columns; };
        std::int64_t top = row(part.cells.front()), left = columns;
        for (const std::size_t cell : part.cells) {
            top = std::min(top, row(cell));
            left = std::min(left, column(cell));
        }
        const auto step = [&](const Axis& axis) {
            return std::max<std::int64_t>(1, scale * (axis.limits.largest - 2 * axis.context()) / cell_);
        };
        const std::int64_t height = step(sizes_.rows), width = step(sizes_.columns);
        std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::size_t>> places;
        for (const std::size_t cell : part.cells) {
            places[{(row(cell) - top) / height, (column(cell) - left) / width}].push_back(cell);
        }
        for (const auto& [place, cells] : places) {
            const auto colour = static_cast<int>(2 * (place.first % 2) + place.second % 2);
            add(number + colour, cells_.part(cells), scale);
        }
    }

    void add(int number, const Part& part, std::int64_t scale) {
        rounds_[number].push_back({count_, sizes_.window(part.box, scale), part.box, scale});
        for (const std::size_t cell : part.cells) owner_[cell] = count_;
        ++count_;
    }

    const Sizes& sizes_;
    Cells cells_;
    std::int64_t cell_;
    std::int64_t context_;
    std::vector<std::int32_t> owner_;
    std::map<int, std::vector<Window>> rounds_;
    std::int32_t count_ = 0;
};

std::int64_t cost_of(const Plan& plan, const Sizes& sizes) {
    std::int64_t cost = 0;
    for (const std::vector<Window>& windows : plan.rounds) {
        for (const Window& window : windows) cost += sizes.cost(window.area);
    }
    return cost;
}

}  // namespace

bool Plan::is_reduced() const {
    return std::any_of(rounds.begin(), rounds.end(), [](const std::vector<Window>& windows) {
        return std::any_of(windows.begin(), windows.end(), [](const Window& window) { return window.scale > 1; });
    });
}

std::vector<Area> Plan::rectangles(const Window& window) const {
    std::vector<Area> found;
    const Interval &rows = window.core.rows, &across = window.core.columns;
    const auto end_of_cell = [this](std::int64_t at, std::int64_t stop) { return std::min((at / cell + 1) * cell, stop); };
    for (std::int64_t top = rows.start; top < rows.stop; top = end_of_cell(top, rows.stop)) {
        bool began = false;
        for (std::int64_t left = across.start; left < across.stop; left = end_of_cell(left, across.stop)) {
            const bool own = owns(window, top, left);
            if (own && began) found.back().columns.stop = end_of_cell(left, across.stop);
            if (own && !began) {
                found.push_back({{top, end_of_cell(top, rows.stop)}, {left, end_of_cell(left, across.stop)}});
            }
            began = own;
        }
    }
    return found;
}

Plan plan_windows(const Plane<const std::uint8_t>& hole, const DeployedInterface& interface, int choice) {
    const auto height = static_cast<std::int64_t>(hole.rows), width = static_cast<std::int64_t>(hole.row_bytes);
    const Sizes sizes = Sizes::of(height, width, interface, choice);
    const Area everything{{0, height}, {0, width}};
    const std::int64_t cost = sizes.cost(everything);
    const bool fits = sizes.fit(everything);
    const std::int64_t least = sizes.rows.limits.smallest * sizes.columns.limits.smallest;
    if (!fits || (choice == INPAINTRT_WINDOW_AUTO && cost > least)) {
        Plan plan = Planner(hole, sizes).plan();
        if (!fits || cost_of(plan, sizes) < cost) return plan;
    }
    return {};
}

}  // namespace inpaintrt::detail
