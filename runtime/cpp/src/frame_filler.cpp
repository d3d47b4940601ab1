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

std::size_t index(std::int64_t value) {
    return static_cast<std::size_t>(value);
}

/// Rows and columns of a plane of `bytes` a pixel.
template <typename Byte>
Plane<Byte> part(const Plane<Byte>& plane, const Area& area, std::size_t bytes) {
    if (plane.data == nullptr) return {};
    return plane.part(index(area.rows.start), index(area.rows.size()), bytes * index(area.columns.start),
                      bytes * index(area.columns.size()));
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
    const Profile& profile = interface_.profile;
    return static_cast<std::int64_t>(task.height) <= (choice_ > 0 ? choice_ : profile.height.largest) &&
           static_cast<std::int64_t>(task.width) <= (choice_ > 0 ? choice_ : profile.width.largest);
}

void FrameFiller::fill_together(const std::vector<CheckedTask>& tasks) {
    const auto most = static_cast<std::size_t>(interface_.profile.batch.largest);
    for (std::size_t start = 0; start < tasks.size(); start += most) {
        std::vector<Frame> frames;
        for (std::size_t i = start; i < std::min(start + most, tasks.size()); ++i) {
            frames.push_back({tasks[i], {{0, 0, tasks[i].out}}});
        }
        run(frames);
    }
}

void FrameFiller::fill_by_windows(const CheckedTask& task) {
    const CudaStream& stream = queue_.stream();
    const CudaBuffer unknown(queue_.device().driver(), task.height * task.width);
    const Plane<std::uint8_t> left = rows(static_cast<std::uint8_t*>(unknown.device()), task.height, task.width);
    try {
        stream.copy(task.mask, left);
        if (task.image.data != task.out.data) stream.copy(task.image, task.out);
        unknown.to_host(stream);
        stream.wait();
        const std::vector<std::uint8_t> hole(unknown.host(), unknown.host() + unknown.size());
        const Plane<const std::uint8_t> plane{hole.data(), task.height, task.width, task.width};
        if (has_hole(plane)) {
            const Plan plan = plan_windows(plane, interface_, choice_);
            if (plan.is_reduced()) {
                fill_on_host(task, hole);
            } else {
                fill_planned(task, plan, left);
            }
        }
    } catch (...) {
        stream.settle();
        throw;
    }
    stream.settle();  // the mask's copy goes
}

void FrameFiller::fill_planned(const CheckedTask& task, const Plan& plan, const Plane<std::uint8_t>& left) {
    CheckedTask unfilled = task;
    unfilled.mask = readable(left);
    for (const std::vector<Window>& windows : plan.rounds) {
        std::vector<Area> filled;
        for (const Window& window : windows) {
            const std::vector<Area> rectangles = plan.rectangles(window);
            fill_window(unfilled, window.area, rectangles);
            filled.insert(filled.end(), rectangles.begin(), rectangles.end());
        }
        // The next round takes what this one filled for known.
        for (const Area& area : filled) queue_.stream().set(part(left, area, 1), 0);
        unfilled.image = readable(task.out);
    }
}

void FrameFiller::fill_window(const CheckedTask& task, const Area& area, const std::vector<Area>& rectangles) {
    CheckedTask given;
    given.height = index(area.rows.size());
    given.width = index(area.columns.size());
    given.image = part(task.image, area, 3);
    given.mask = part(task.mask, area, 1);
    given.sketch = part(task.sketch, area, 1);
    Frame frame{given, {}};
    for (const Area& rectangle : rectangles) {
        frame.copies.push_back({index(rectangle.rows.start - area.rows.start),
                                index(rectangle.columns.start - area.columns.start), part(task.out, rectangle, 3)});
    }
    run({frame});
}

void FrameFiller::fill_on_host(const CheckedTask& task, const std::vector<std::uint8_t>& hole) {
    const CudaStream& stream = queue_.stream();
    const std::size_t row_bytes = 3 * task.width;
    const CudaBuffer image(queue_.device().driver(), task.height * row_bytes);
    const CudaBuffer sketch(queue_.device().driver(), task.height * task.width);
    const Plane<std::uint8_t> pixels = rows(static_cast<std::uint8_t*>(image.device()), task.height, row_bytes);
    stream.copy(task.image, pixels);
    image.to_host(stream);
    if (task.sketch.data != nullptr) {
        stream.copy(task.sketch, rows(static_cast<std::uint8_t*>(sketch.device()), task.height, task.width));
        sketch.to_host(stream);
    }
    stream.wait();
    CheckedTask copied;
    copied.height = task.height;
    copied.width = task.width;
    copied.out = rows(image.host(), task.height, row_bytes);
    copied.image = readable(copied.out);
    copied.mask = {hole.data(), task.height, task.width, task.width};
    if (task.sketch.data != nullptr) copied.sketch = readable(rows(sketch.host(), task.height, task.width));
    on_host_(copied);
    image.to_device(stream);
    stream.copy(readable(pixels), task.out);
    stream.settle();  // the buffers go
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
        const Plane<const std::uint8_t> composite{buffers.composite + 3 * i * pixels, height, 3 * width, 3 * width};
        for (const Copy& copy : frames[i].copies) {
            stream.copy(composite.part(copy.top, copy.out.rows, 3 * copy.left, copy.out.row_bytes), copy.out);
        }
    }
}

void FrameFiller::copy_in(const Plane<const std::uint8_t>& from, std::uint8_t* to, const Shape& shape,
                          std::size_t pixel) const {
    const std::size_t pitch = static_cast<std::size_t>(shape.width) * pixel;
    queue_.stream().copy(from, {to, from.rows, from.row_bytes, pitch});
}

}  // namespace inpaintrt::detail
