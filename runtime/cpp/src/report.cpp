#include "report.hpp"

#include "inpaintrt/error.hpp"
#include "interrupt.hpp"

namespace inpaintrt {

Cancellation::Cancellation() : interrupt_(std::make_shared<detail::Interrupt>()) {}

void Cancellation::cancel() const noexcept {
    interrupt_->cancel();
}

bool Cancellation::cancelled() const noexcept {
    return interrupt_->cancelled();
}

namespace detail {
namespace {

[[noreturn]] void cancelled() {
    throw Error(ErrorCode::Cancelled, "the call was cancelled; no result was written");
}

}  // namespace

void Report::check() const {
    if (monitor_ != nullptr && monitor_->cancellation.cancelled()) cancelled();
}

void Report::filled(std::size_t task, const Plane<std::uint8_t>& out, const Area& area, std::size_t holes) {
    if (monitor_ == nullptr) return;
    check();
    done_ += holes;
    if (monitor_->on_tile) {
        const auto x = static_cast<std::size_t>(area.columns.start);
        const auto y = static_cast<std::size_t>(area.rows.start);
        const ImageView pixels{out.row(y) + 3 * x, static_cast<int>(area.columns.size()),
                               static_cast<int>(area.rows.size()), out.pitch};
        if (!monitor_->on_tile({task, static_cast<int>(x), static_cast<int>(y), pixels})) cancelled();
    }
    if (monitor_->on_progress) {
        const double share = holes_ == 0 ? 1.0 : static_cast<double>(done_) / static_cast<double>(holes_);
        if (!monitor_->on_progress(share)) cancelled();
    }
    check();
}

}  // namespace detail
}  // namespace inpaintrt
