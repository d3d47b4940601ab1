#include "frame_filler.hpp"

#include <algorithm>
#include <utility>

#include "backends/cuda.hpp"
#include "inpaintrt/error.hpp"

namespace inpaintrt::detail {
namespace {

/// All of a buffer on the GPU, as rows of one length.
Plane<std::uint8_t> rows(std::uint8_t* data, std::size_t count, std::size_t row_bytes) {
    return {data, count, row_bytes, row_bytes};
}

Plane<const std::uint8_t> readable(const Plane<std::uint8_t>& plane) {
    return {plane.data, plane.rows, plane.row_bytes, plane.pitch};
}

}  // namespace

void FrameFiller::fill(const std::vector<CheckedTask>& tasks, void* caller) {
    if (tasks.empty()) return;
    const CudaDevice::Current current(queue_.device());
    check_memory(tasks);
    const CudaStream& stream = queue_.stream();
    const CudaEvent event(queue_.device().driver());
    event.order(caller, stream.handle());
    try {
        if (fits(tasks.front())) {
            fill_together(tasks);
        } else {
            for (const CheckedTask& task : tasks) fill_by_windows(task);
        }
        event.order(stream.handle(), caller);
    } catch (...) {
        queue_.abandon();  // the caller may free its memory now
        throw;
    }
}

void FrameFiller::check_memory(const std::vector<CheckedTask>& tasks) const {
    const CudaDevice& device = queue_.device();
    for (const CheckedTask& task : tasks) {
        const std::pair<const char*, const std::uint8_t*> planes[] = {
            {"image", task.image.data}, {"mask", task.mask.data}, {"sketch", task.sketch.data}, {"out", task.out.data}};
        for (const auto& [name, data] : planes) {
            const std::string reason = data == nullptr ? "" : device.missing(data);
            if (reason.empty()) continue;
            throw Error(ErrorCode::Image, std::string(name) + " " + reason + "; the images of this call must be on GPU " +
                                              std::to_string(device.number()));
        }
    }
}

bool FrameFiller::fits(const CheckedTask& task) const {
    return static_cast<std::int64_t>(task.height) <= profile_.height.largest &&
           static_cast<std::int64_t>(task.width) <= profile_.width.largest;
}

void FrameFiller::fill_together(const std::vector<CheckedTask>& tasks) {
    const auto most = static_cast<std::size_t>(profile_.batch.largest);
    for (std::size_t start = 0; start < tasks.size(); start += most) {
        std::vector<Frame> frames;
        for (std::size_t i = start; i < std::min(start + most, tasks.size()); ++i) frames.push_back({tasks[i]});
        run(frames);
    }
}

void FrameFiller::fill_by_windows(const CheckedTask& task) {
    const CudaStream& stream = queue_.stream();
    const CudaBuffer unknown(queue_.device().driver(), task.height * task.width);
    const Plane<std::uint8_t> left =
        rows(static_cast<std::uint8_t*>(unknown.device()), task.height, task.width);
    try {
        stream.copy(task.mask, left);
        if (task.image.data != task.out.data) stream.copy(task.image, task.out);
        unknown.to_host(stream);
        stream.wait();
        std::vector<std::uint8_t> hole(unknown.host(), unknown.host() + unknown.size());
        const auto fill_window = [&](const Window& window) {
            const auto at = [](std::int64_t value) { return static_cast<std::size_t>(value); };
            const std::size_t top = at(window.area.rows.start), first = at(window.area.columns.start);
            const std::size_t height = at(window.area.rows.size()), width = at(window.area.columns.size());
            const std::size_t y = at(window.core.rows.start), x = at(window.core.columns.start);
            const std::size_t core_rows = at(window.core.rows.size()), core_columns = at(window.core.columns.size());
            CheckedTask part;
            part.height = height;
            part.width = width;
            part.image = readable(task.out).part(top, height, 3 * first, 3 * width);
            part.mask = readable(left).part(top, height, first, width);
            if (task.sketch.data != nullptr) part.sketch = task.sketch.part(top, height, first, width);
            part.out = task.out.part(y, core_rows, 3 * x, 3 * core_columns);
            run({{part, y - top, x - first}});
            // The next window takes what this one filled for known.
            stream.set(left.part(y, core_rows, x, core_columns), 0);
        };
        for_windows_around_holes(hole, static_cast<std::int64_t>(task.height), static_cast<std::int64_t>(task.width),
                                 profile_.height.largest, profile_.width.largest, fill_window);
    } catch (...) {
        stream.settle();
        throw;
    }
    stream.settle();  // the mask's copy goes
}

void FrameFiller::run(const std::vector<Frame>& frames) {
    const CheckedTask& first = frames.front().task;
    const Shape shape = padded_(frames.size(), first.height, first.width);
    const Buffers buffers = queue_.prepare_on_gpu(shape);
    const CudaStream& stream = queue_.stream();
    const auto count = static_cast<std::size_t>(shape.batch);
    const auto height = static_cast<std::size_t>(shape.height), width = static_cast<std::size_t>(shape.width);
    const std::size_t pixels = height * width;
    const bool whole = frames.size() == count && first.height == height && first.width == width;
    const bool lines = std::all_of(frames.begin(), frames.end(),
                                   [](const Frame& frame) { return frame.task.sketch.data != nullptr; });
    // What is beyond an image is black and counts as hole.
    if (!whole) stream.set(rows(buffers.image, 1, 3 * shape.pixels()), 0);
    if (!whole && buffers.mask != nullptr) stream.set(rows(buffers.mask, 1, shape.pixels()), 1);
    if (!(whole && lines) && buffers.sketch != nullptr) stream.set(rows(buffers.sketch, 1, shape.pixels()), 0);
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const CheckedTask& task = frames[i].task;
        copy_in(task.image, buffers.image + 3 * i * pixels, shape, 3);
        if (buffers.mask != nullptr) copy_in(task.mask, buffers.mask + i * pixels, shape, 1);
        if (buffers.sketch != nullptr && task.sketch.data != nullptr) {
            copy_in(task.sketch, buffers.sketch + i * pixels, shape, 1);
        }
    }
    queue_.enqueue();
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const Plane<std::uint8_t>& out = frames[i].task.out;
        const Plane<const std::uint8_t> composite{buffers.composite + 3 * i * pixels, height, 3 * width, 3 * width};
        stream.copy(composite.part(frames[i].top, out.rows, 3 * frames[i].left, out.row_bytes), out);
    }
}

void FrameFiller::copy_in(const Plane<const std::uint8_t>& from, std::uint8_t* to, const Shape& shape,
                          std::size_t pixel) const {
    const std::size_t pitch = static_cast<std::size_t>(shape.width) * pixel;
    queue_.stream().copy(from, {to, from.rows, from.row_bytes, pitch});
}

}  // namespace inpaintrt::detail
