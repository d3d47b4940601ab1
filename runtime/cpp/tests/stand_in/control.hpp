// What the stand-ins count, and what a test makes them do; one block of memory, which all of them share.
#pragma once

#include <atomic>

namespace stand_in {

struct Control {
    // Counted.
    std::atomic<int> device_memory{0};  ///< Blocks that are not freed.
    std::atomic<int> pinned_memory{0};
    std::atomic<int> streams{0};
    std::atomic<int> events{0};
    std::atomic<int> graphs{0};
    std::atomic<int> retained{0};      ///< Primary contexts.
    std::atomic<int> objects{0};       ///< Of the library.
    std::atomic<int> contexts_made{0};
    std::atomic<int> host_copies{0};  ///< Between host and GPU.
    std::atomic<int> captures{0};
    std::atomic<int> launches{0};
    std::atomic<int> executions{0};    ///< On a stream that was not capturing.
    std::atomic<int> calls{0};         ///< Of driver and library that can fail.
    std::atomic<int> graph_strategies{0};  ///< Set to what the runner should set.
    std::atomic<int> misuses{0};       ///< Calls without a current GPU, or in a wrong order.

    // Made to happen.
    std::atomic<bool> deferred{false};      ///< Work runs when somebody waits for it.
    std::atomic<int> memory_is_on_gpu{0};   ///< The number of the GPU that all memory is on.
    std::atomic<bool> capturable{true};     ///< Otherwise a capture is invalidated, as another thread's call may do.
    std::atomic<bool> contexts_fail{false};
    std::atomic<int> failing_call{-1};      ///< The number of the one call of driver or library that fails.
    std::atomic<bool> engine_loads{true};
    std::atomic<bool> execution_fails{false};
    std::atomic<bool> memory_runs_out{false};
    std::atomic<int> major{11};
};

}  // namespace stand_in

extern "C" stand_in::Control* stand_in_control();

/// Count a misuse if work that may still run would be without what is freed now.
extern "C" void stand_in_expect_idle();

/// Counts a call that can fail; whether this one is to fail.
extern "C" bool stand_in_fails();

/// Run or record a piece of work on a stream of the stand-in driver.
extern "C" void stand_in_do(void* stream, void (*work)(void*), void (*free)(void*), void* data);
