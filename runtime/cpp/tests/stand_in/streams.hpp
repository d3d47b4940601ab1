// Streams of the stand-in driver: each runs its work at once, or, where a test defers it, when somebody waits for it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace stand_in {

struct Work {
    void (*run)(void*);
    std::shared_ptr<void> data;
};

struct Stream {
    bool of_library = false;  ///< Not the caller's.
    bool capturing = false;
    std::vector<Work> recorded;
    std::deque<Work> queue;
    std::size_t enqueued = 0;
    std::size_t done = 0;

    void put(const Work& work, bool defer) {
        if (capturing) {
            recorded.push_back(work);
        } else if (!defer && queue.empty()) {
            work.run(work.data.get());
        } else {
            queue.push_back(work);
            ++enqueued;
        }
    }

    /// Run what was put first, up to a point.
    void run_until(std::size_t point) {
        while (done < point) {
            const Work work = queue.front();
            queue.pop_front();
            ++done;
            work.run(work.data.get());
        }
    }
};

/// A point in a stream's work.
struct Event {
    Stream* stream = nullptr;
    std::size_t point = 0;
};

/// All streams that there are.
class Streams {
public:
    Stream* make(bool of_library) {
        const std::lock_guard lock(mutex_);
        auto* made = new Stream;
        made->of_library = of_library;
        all_.insert(made);
        return made;
    }
    void destroy(Stream* stream) {
        stream->run_until(stream->enqueued);
        const std::lock_guard lock(mutex_);
        all_.erase(stream);
        delete stream;
    }
    void run_until(const Event& event) {
        if (exists(event.stream)) event.stream->run_until(event.point);
    }

    /// Whether work of this library is still to run, whose memory must not be freed.
    bool busy() {
        const std::lock_guard lock(mutex_);
        for (const Stream* stream : all_) {
            if (stream->of_library && !stream->queue.empty()) return true;
        }
        return false;
    }

private:
    bool exists(Stream* stream) {
        const std::lock_guard lock(mutex_);
        return all_.count(stream) != 0;
    }

    std::mutex mutex_;
    std::set<Stream*> all_;
};

}  // namespace stand_in
