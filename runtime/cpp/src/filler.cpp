#include "filler.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "frame_filler.hpp"
#include "window_sizes.hpp"

namespace inpaintrt::detail {
namespace {

/// More pixels in one call of the network are an error of the bundle, as MAX_PIXELS in runtime/images.py.
constexpr std::int64_t most_pixels = 200'000'000;

/// A plane into the network's memory of `height` rows of `row_bytes`; what is beyond it becomes `padding`.
template <typename CopyRow>
void pack(const Plane<const std::uint8_t>& from, std::uint8_t* to, std::size_t height, std::size_t row_bytes,
          std::uint8_t padding, const CopyRow& copy_row) {
    for (std::size_t y = 0; y < from.rows; ++y) {
        std::uint8_t* row = to + y * row_bytes;
        copy_row(from.row(y), row, from.row_bytes);
        std::memset(row + from.row_bytes, padding, row_bytes - from.row_bytes);
    }
    std::memset(to + from.rows * row_bytes, padding, (height - from.rows) * row_bytes);
}

void copy_pixels(const std::uint8_t* from, std::uint8_t* to, std::size_t count) {
    std::memcpy(to, from, count);
}

}  // namespace

Filler::Filler(const DeployedInterface& interface, std::optional<Size> fixed, std::unique_ptr<Runner> runner, int choice)
    : interface_(interface), fixed_(fixed), choice_(choice), runner_(std::move(runner)) {
    check_choice(choice, interface);
}

std::vector<CheckedTask> Filler::check(const std::vector<Task>& tasks, Memory memory) const {
    std::vector<CheckedTask> checked;
    const bool takes_sketch = interface_.takes("sketch");
    for (const Task& task : tasks) {
        checked.push_back(check_task(task, fixed_, takes_sketch, memory));
        checked.back().index = checked.size() - 1;
        const CheckedTask& first = checked.front();
        if (checked.back().height != first.height || checked.back().width != first.width) {
            throw Error(ErrorCode::Image, "images of one call have one size, but one is " +
                                              std::to_string(checked.back().width) + "x" +
                                              std::to_string(checked.back().height) + " and the first is " +
                                              std::to_string(first.width) + "x" + std::to_string(first.height));
        }
    }
    return checked;
}

void Filler::fill_on_gpu(const std::vector<Task>& tasks, void* stream) {
    GpuQueue* queue = runner_->gpu();
    if (queue == nullptr) {
        throw Error(ErrorCode::Backend, runner_->name() + " takes no images on a GPU, TensorRT engines do; copy them to the "
                                                          "host first");
    }
    const auto padded_shape = [this](std::size_t count, std::size_t height, std::size_t width) {
        return padded(count, height, width);
    };
    const auto on_host = [this](const CheckedTask& task) { fill_all({task}, {nullptr, 0}); };
    FrameFiller(*queue, interface_, choice_, padded_shape, on_host).fill(check(tasks, Memory::Gpu), stream);
}

std::size_t Filler::holes(const CheckedTask& task) const {
    return fixed_ ? task.height * task.width : count_holes(task.mask);
}

void Filler::fill(const std::vector<Task>& tasks, const Monitor* monitor) {
    std::vector<CheckedTask> checked = check(tasks);
    if (monitor == nullptr) {
        fill_all(checked, {nullptr, 0});
        return;
    }
    // Into memory of our own, so that a call that ends early leaves no half result.
    std::vector<std::vector<std::uint8_t>> results;
    std::vector<Plane<std::uint8_t>> outs;
    std::size_t to_fill = 0;
    for (CheckedTask& task : checked) {
        const std::size_t row_bytes = 3 * task.width;
        results.emplace_back(task.height * row_bytes);
        outs.push_back(std::exchange(task.out, {results.back().data(), task.height, row_bytes, row_bytes}));
        to_fill += holes(task);
    }
    fill_all(checked, {monitor, to_fill});
    for (std::size_t i = 0; i < checked.size(); ++i) copy_rows(readable(checked[i].out), outs[i]);
}

void Filler::fill_all(const std::vector<CheckedTask>& tasks, Report report) {
    report.check();
    std::vector<const CheckedTask*> together;
    for (const CheckedTask& task : tasks) {
        if (!fixed_ && !has_hole(task.mask)) {
            copy_rows(task.image, task.out);
        } else {
            const Plan plan = fixed_ ? Plan{} : plan_windows(task.mask, interface_, choice_);
            if (plan.rounds.empty()) {
                together.push_back(&task);
            } else {
                fill_by_windows(task, plan, report);
            }
        }
    }
    const auto most = static_cast<std::size_t>(interface_.profile.batch.largest);
    for (std::size_t start = 0; start < together.size(); start += most) {
        const auto first = together.begin() + static_cast<std::ptrdiff_t>(start);
        const auto last = first + static_cast<std::ptrdiff_t>(std::min(most, together.size() - start));
        fill_together({first, last}, report);
    }
}

void Filler::fill_together(const std::vector<const CheckedTask*>& tasks, Report& report) {
    std::vector<Input> inputs;
    for (const CheckedTask* task : tasks) inputs.push_back({task->image, task->mask, task->sketch});
    const Result result = run(inputs, report);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const CheckedTask& task = *tasks[i];
        copy_rows({result.composite + i * result.size, task.out.rows, task.out.row_bytes, result.pitch}, task.out);
        const Area whole{{0, static_cast<std::int64_t>(task.height)}, {0, static_cast<std::int64_t>(task.width)}};
        report.filled(task.index, task.out, whole, report.interrupt() == nullptr ? 0 : holes(task));
    }
}

Filler::Result Filler::run(const std::vector<Input>& inputs, const Report& report) {
    const Shape shape = padded(inputs.size(), inputs.front().image.rows, inputs.front().image.row_bytes / 3);
    const Buffers buffers = runner_->prepare(shape);
    const auto height = static_cast<std::size_t>(shape.height);
    const auto width = static_cast<std::size_t>(shape.width);
    const std::size_t pixels = height * width;
    const std::size_t unused = shape.pixels() - inputs.size() * pixels;  // of images that only fill up the batch
    // What is beyond an image is black and counts as hole.
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        pack(inputs[i].image, buffers.image + i * pixels * 3, height, width * 3, 0, &copy_pixels);
    }
    std::memset(buffers.image + inputs.size() * pixels * 3, 0, unused * 3);
    if (buffers.mask != nullptr) {
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            pack(inputs[i].mask, buffers.mask + i * pixels, height, width, 1, &copy_mask);
        }
        std::memset(buffers.mask + inputs.size() * pixels, 1, unused);
    }
    if (buffers.sketch != nullptr) {
        // Without lines the plane has no rows, so that all of it is padding.
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            pack(inputs[i].sketch, buffers.sketch + i * pixels, height, width, 0, &copy_mask);
        }
        std::memset(buffers.sketch + inputs.size() * pixels, 0, unused);
    }
    try {
        runner_->run(report.interrupt());
    } catch (const Error&) {
        report.check();  // a run that was ended from outside fails
        throw;
    }
    report.check();
    return {buffers.composite, width * 3, pixels * 3};
}

Shape Filler::padded(std::size_t count, std::size_t height, std::size_t width) const {
    const Profile& profile = interface_.profile;
    const Shape shape{std::max(static_cast<std::int64_t>(count), profile.batch.smallest),
                      padded_size(static_cast<std::int64_t>(height), profile.height, interface_.size_multiple),
                      padded_size(static_cast<std::int64_t>(width), profile.width, interface_.size_multiple)};
    // Each factor is below 2^32, so the second comparison's product cannot overflow once the first holds.
    if (shape.height > most_pixels / shape.width || shape.batch > most_pixels / (shape.height * shape.width)) {
        throw Error(ErrorCode::Backend, "the bundle asks for " + std::to_string(shape.batch) + " images of " +
                                            std::to_string(shape.width) + "x" + std::to_string(shape.height) +
                                            " in one call, over the limit of " +
                                            std::to_string(most_pixels / 1'000'000) + " megapixels");
    }
    return shape;
}

}  // namespace inpaintrt::detail
