// What a call tells its Monitor.
#pragma once

#include <cstddef>

#include "inpaintrt/monitor.hpp"
#include "views.hpp"
#include "windows.hpp"

namespace inpaintrt::detail {

class Report {
public:
    /// `monitor` may be null; there are `holes` pixels to fill.
    Report(const Monitor* monitor, std::size_t holes) : monitor_(monitor), holes_(holes) {}

    /// Throws Error(Cancelled) if the call was cancelled.
    void check() const;

    /// The rectangle of `out` at (x, y) is filled, with so many hole pixels. Throws Error(Cancelled) as `check`.
    void filled(std::size_t task, const Plane<std::uint8_t>& out, const Area& area, std::size_t holes);

    /// Null where a run cannot be ended from outside.
    Interrupt* interrupt() const { return monitor_ == nullptr ? nullptr : &monitor_->cancellation.interrupt(); }

private:
    const Monitor* monitor_;
    std::size_t holes_;
    std::size_t done_ = 0;
};

}  // namespace inpaintrt::detail
