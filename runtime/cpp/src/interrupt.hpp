// What a Cancellation shares with the call that it ends.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

namespace inpaintrt::detail {

class Interrupt {
public:
    void cancel() noexcept {
        const std::lock_guard lock(mutex_);
        cancelled_ = true;
        if (stop_ != nullptr && *stop_) (*stop_)();
    }

    bool cancelled() const noexcept { return cancelled_; }

    /// As long as it lives, `cancel` calls `stop`, which ends a run of the backend. One at a time.
    class Stoppable {
    public:
        /// `stop` runs at once if `cancel` came before.
        Stoppable(Interrupt& interrupt, const std::function<void()>& stop) : interrupt_(interrupt) {
            const std::lock_guard lock(interrupt_.mutex_);
            interrupt_.stop_ = &stop;
            if (interrupt_.cancelled_) stop();
        }
        ~Stoppable() {
            const std::lock_guard lock(interrupt_.mutex_);
            interrupt_.stop_ = nullptr;
        }
        Stoppable(const Stoppable&) = delete;
        Stoppable& operator=(const Stoppable&) = delete;

    private:
        Interrupt& interrupt_;
    };

private:
    std::atomic<bool> cancelled_{false};
    std::mutex mutex_;
    const std::function<void()>* stop_ = nullptr;
};

}  // namespace inpaintrt::detail
