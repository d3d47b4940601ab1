// The part of Filler that fills an image in windows. As HostFiller in runtime/host_filling.py.

#include <algorithm>
#include <cstring>
#include <utility>

#include "filler.hpp"
#include "scaling.hpp"

namespace inpaintrt::detail {
namespace {

std::size_t index(std::int64_t value) {
    return static_cast<std::size_t>(value);
}

/// Rows and columns of a plane of `bytes` a pixel.
Plane<const std::uint8_t> part(const Plane<const std::uint8_t>& plane, const Area& area, std::size_t bytes) {
    if (plane.data == nullptr) return {};
    return plane.part(index(area.rows.start), index(area.rows.size()), bytes * index(area.columns.start),
                      bytes * index(area.columns.size()));
}

Plane<const std::uint8_t> plane_of(const std::vector<std::uint8_t>& pixels, const Area& area, std::size_t bytes) {
    if (pixels.empty()) return {};
    const std::size_t row_bytes = bytes * index(area.columns.size());
    return {pixels.data(), index(area.rows.size()), row_bytes, row_bytes};
}

/// The core of a window out of the network's result for it.
std::vector<std::uint8_t> core_of(const Plane<const std::uint8_t>& result, const Window& window) {
    if (window.scale > 1) return carried_up(result, window);
    const std::size_t top = index(window.core.rows.start - window.area.rows.start);
    const std::size_t left = 3 * index(window.core.columns.start - window.area.columns.start);
    const std::size_t length = 3 * index(window.core.columns.size());
    std::vector<std::uint8_t> pixels;
    pixels.reserve(index(window.core.rows.size()) * length);
    for (std::size_t y = 0; y < index(window.core.rows.size()); ++y) {
        const std::uint8_t* row = result.row(top + y) + left;
        pixels.insert(pixels.end(), row, row + length);
    }
    return pixels;
}

/// Windows of one size, as many as the network takes at once.
std::vector<std::vector<const Window*>> batches(const std::vector<Window>& windows, std::size_t most) {
    std::vector<std::vector<const Window*>> sizes;
    for (const Window& window : windows) {
        const auto same = std::find_if(sizes.begin(), sizes.end(), [&](const auto& others) {
            const Area& area = others.front()->area;
            return area.rows.size() == window.area.rows.size() && area.columns.size() == window.area.columns.size();
        });
        if (same == sizes.end()) {
            sizes.push_back({&window});
        } else {
            same->push_back(&window);
        }
    }
    std::vector<std::vector<const Window*>> found;
    for (const auto& together : sizes) {
        for (std::size_t start = 0; start < together.size(); start += most) {
            const auto first = together.begin() + static_cast<std::ptrdiff_t>(start);
            found.emplace_back(first, first + static_cast<std::ptrdiff_t>(std::min(most, together.size() - start)));
        }
    }
    return found;
}

}  // namespace

void Filler::fill_by_windows(const CheckedTask& task, const Plan& plan, Report& report) {
    const Plane<std::uint8_t>& out = task.out;
    std::vector<std::uint8_t> hole(task.height * task.width);
    for (std::size_t y = 0; y < task.height; ++y) {
        copy_mask(task.mask.row(y), hole.data() + y * task.width, task.width);
    }
    copy_rows(task.image, out);
    const Unfilled image{readable(out), {hole.data(), task.height, task.width, task.width}, task.sketch};
    for (const std::vector<Window>& windows : plan.rounds) {
        for (const Patch& patch : fill_round(windows, image, report)) {
            const Window& window = *patch.window;
            const std::uint8_t* pixel = patch.pixels.data();
            std::size_t filled = 0;
            for (std::int64_t y = window.core.rows.start; y < window.core.rows.stop; ++y) {
                for (std::int64_t x = window.core.columns.start; x < window.core.columns.stop; ++x, pixel += 3) {
                    std::uint8_t& unknown = hole[index(y) * task.width + index(x)];
                    if (unknown == 0 || !plan.owns(window, y, x)) continue;
                    std::memcpy(out.row(index(y)) + 3 * index(x), pixel, 3);
                    unknown = 0;
                    ++filled;
                }
            }
            report.filled(task.index, out, window.core, filled);
        }
    }
}

std::vector<Filler::Patch> Filler::fill_round(const std::vector<Window>& windows, const Unfilled& image,
                                              const Report& report) {
    std::vector<Patch> patches;
    for (const auto& together : batches(windows, index(interface_.profile.batch.largest))) {
        std::vector<Patch> found = fill_batch(together, image, report);
        std::move(found.begin(), found.end(), std::back_inserter(patches));
    }
    return patches;
}

std::vector<Filler::Patch> Filler::fill_batch(const std::vector<const Window*>& windows, const Unfilled& image,
                                              const Report& report) {
    std::vector<Reduced> small(windows.size());
    std::vector<Input> inputs;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        const Area& area = windows[i]->area;
        if (windows[i]->scale == 1) {
            inputs.push_back({part(image.image, area, 3), part(image.mask, area, 1), part(image.sketch, area, 1)});
        } else {
            small[i] = reduced(image.image, image.mask, image.sketch, *windows[i]);
            inputs.push_back({plane_of(small[i].image, area, 3), plane_of(small[i].hole, area, 1),
                              plane_of(small[i].sketch, area, 1)});
        }
    }
    const Result result = run(inputs, report);
    std::vector<Patch> patches;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        const Plane<const std::uint8_t>& given = inputs[i].image;
        patches.push_back(
            {windows[i], core_of({result.composite + i * result.size, given.rows, given.row_bytes, result.pitch}, *windows[i])});
    }
    return patches;
}

}  // namespace inpaintrt::detail
