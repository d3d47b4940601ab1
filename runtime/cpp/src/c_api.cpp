// The C interface over the C++ one: no exception leaves a function, each becomes a code and a text.

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "guarded.hpp"
#include "inpaintrt/inpainter.hpp"

struct inpaintrt_inpainter {
    inpaintrt::Inpainter inpainter;
    std::string backend;
};

struct inpaintrt_cancellation {
    inpaintrt::Cancellation cancellation;
};

namespace {

/// A size beyond it was not filled in by the program.
constexpr std::size_t largest_struct = 4096;

using inpaintrt::Error;
using inpaintrt::ErrorCode;

thread_local std::string last_error;

std::int32_t fail(ErrorCode code, const char* message) noexcept {
    try {
        last_error = message;
    } catch (const std::bad_alloc&) {
        last_error.clear();
    }
    return static_cast<std::int32_t>(code);
}

template <typename Work>
std::int32_t call(const Work& work) noexcept {
    try {
        last_error.clear();
        inpaintrt::detail::guarded(work);
        return INPAINTRT_OK;
    } catch (const Error& error) {
        return fail(error.code(), error.what());
    } catch (...) {
        return fail(ErrorCode::Internal, "a bug in inpaintrt");
    }
}

void require(const void* pointer, const char* name) {
    if (pointer == nullptr) throw Error(ErrorCode::InvalidArgument, std::string(name) + " is NULL");
}

/// The caller's options, with defaults for what a program built against an older header does not have.
inpaintrt_options complete(const inpaintrt_options* options) {
    inpaintrt_options known;
    inpaintrt_default_options(&known);
    if (options == nullptr) return known;
    if (options->size < sizeof(std::size_t) || options->size > largest_struct) {
        throw Error(ErrorCode::InvalidArgument, "options were not filled by inpaintrt_default_options");
    }
    std::memcpy(&known, options, std::min(options->size, sizeof known));
    return known;
}

inpaintrt::Options convert(const inpaintrt_options& options) {
    inpaintrt::Options converted;
    converted.device = static_cast<inpaintrt::Device>(options.device);
    converted.backend = static_cast<inpaintrt::Backend>(options.backend);
    converted.gpu = options.gpu;
    converted.threads = options.threads;
    converted.window = options.window;
    if (options.cache_directory != nullptr) {
        converted.cache_directory = std::filesystem::u8path(options.cache_directory);
    }
    if (options.onnxruntime_library != nullptr) {
        converted.onnxruntime_library = std::filesystem::u8path(options.onnxruntime_library);
    }
    return converted;
}

inpaintrt_inpainter* wrap(inpaintrt::Inpainter inpainter) {
    std::string backend = inpainter.backend().to_string();
    return new inpaintrt_inpainter{std::move(inpainter), std::move(backend)};
}

inpaintrt::MaskView mask(const inpaintrt_view& view) {
    return {view.data, view.width, view.height, view.pitch};
}

inpaintrt::Task convert(const inpaintrt_task& task) {
    const inpaintrt_view& image = task.image;
    const inpaintrt_mutable_view& out = task.out;
    return {{image.data, image.width, image.height, image.pitch},
            mask(task.mask),
            {out.data, out.width, out.height, out.pitch},
            mask(task.sketch)};
}

std::vector<inpaintrt::Task> convert(const inpaintrt_task* tasks, std::size_t count) {
    if (count != 0) require(tasks, "tasks");
    std::vector<inpaintrt::Task> converted(count);
    std::transform(tasks, tasks + count, converted.begin(), [](const inpaintrt_task& task) { return convert(task); });
    return converted;
}

inpaintrt::Monitor convert(const inpaintrt_monitor& monitor) {
    if (monitor.size < sizeof monitor || monitor.size > largest_struct) {
        throw Error(ErrorCode::InvalidArgument, "size of the monitor is " + std::to_string(monitor.size) +
                                                    "; expected sizeof(inpaintrt_monitor)");
    }
    inpaintrt::Monitor converted;
    if (monitor.on_progress != nullptr) {
        converted.on_progress = [=](double share) { return monitor.on_progress(monitor.user, share) == 0; };
    }
    if (monitor.on_tile != nullptr) {
        converted.on_tile = [=](const inpaintrt::Tile& tile) {
            const inpaintrt::ImageView& pixels = tile.pixels;
            const inpaintrt_tile part{tile.task, tile.x, tile.y, {pixels.data, pixels.width, pixels.height, pixels.pitch}};
            return monitor.on_tile(monitor.user, &part) == 0;
        };
    }
    if (monitor.cancellation != nullptr) converted.cancellation = monitor.cancellation->cancellation;
    return converted;
}

}  // namespace

extern "C" {

std::int32_t inpaintrt_abi_version(void) {
    return INPAINTRT_ABI_VERSION;
}

const char* inpaintrt_version(void) {
    return INPAINTRT_VERSION;
}

const char* inpaintrt_last_error(void) {
    return last_error.c_str();
}

void inpaintrt_default_options(inpaintrt_options* options) {
    if (options == nullptr) return;
    *options = {};
    options->size = sizeof *options;
}

std::int32_t inpaintrt_open(const char* bundle, const inpaintrt_options* options, inpaintrt_inpainter** opened) {
    if (opened != nullptr) *opened = nullptr;
    return call([&] {
        require(bundle, "bundle");
        require(opened, "opened");
        *opened = wrap(inpaintrt::Inpainter(std::filesystem::u8path(bundle), convert(complete(options))));
    });
}

std::int32_t inpaintrt_clone(const inpaintrt_inpainter* inpainter, inpaintrt_inpainter** cloned) {
    if (cloned != nullptr) *cloned = nullptr;
    return call([&] {
        require(inpainter, "inpainter");
        require(cloned, "cloned");
        *cloned = wrap(inpainter->inpainter.clone());
    });
}

std::int32_t inpaintrt_inpaint(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks, std::size_t count) {
    return call([&] {
        require(inpainter, "inpainter");
        inpainter->inpainter.inpaint(convert(tasks, count));
    });
}

std::int32_t inpaintrt_inpaint_monitored(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks, std::size_t count,
                                         const inpaintrt_monitor* monitor) {
    return call([&] {
        require(inpainter, "inpainter");
        require(monitor, "monitor");
        inpainter->inpainter.inpaint(convert(tasks, count), convert(*monitor));
    });
}

std::int32_t inpaintrt_inpaint_on_gpu(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks, std::size_t count,
                                      void* stream) {
    return call([&] {
        require(inpainter, "inpainter");
        inpainter->inpainter.inpaint_on_gpu(convert(tasks, count), static_cast<CUstream_st*>(stream));
    });
}

std::int32_t inpaintrt_upscale(inpaintrt_inpainter* inpainter, const inpaintrt_view* image, std::int32_t factor,
                               const inpaintrt_mutable_view* out) {
    return call([&] {
        require(inpainter, "inpainter");
        require(image, "image");
        require(out, "out");
        inpainter->inpainter.upscale({image->data, image->width, image->height, image->pitch}, factor,
                                     {out->data, out->width, out->height, out->pitch});
    });
}

std::int32_t inpaintrt_cancellation_create(inpaintrt_cancellation** created) {
    if (created != nullptr) *created = nullptr;
    return call([&] {
        require(created, "created");
        *created = new inpaintrt_cancellation;
    });
}

void inpaintrt_cancellation_cancel(inpaintrt_cancellation* cancellation) {
    if (cancellation != nullptr) cancellation->cancellation.cancel();
}

void inpaintrt_cancellation_free(inpaintrt_cancellation* cancellation) {
    delete cancellation;
}

std::size_t inpaintrt_memory(const inpaintrt_inpainter* inpainter) {
    return inpainter == nullptr ? 0 : inpainter->inpainter.memory();
}

std::int32_t inpaintrt_fixed_size(const inpaintrt_inpainter* inpainter, std::int32_t* width, std::int32_t* height) {
    return call([&] {
        require(inpainter, "inpainter");
        require(width, "width");
        require(height, "height");
        const inpaintrt::Size size = inpainter->inpainter.fixed_size().value_or(inpaintrt::Size{});
        *width = size.width;
        *height = size.height;
    });
}

const char* inpaintrt_backend(const inpaintrt_inpainter* inpainter) {
    return inpainter == nullptr ? "" : inpainter->backend.c_str();
}

const char* inpaintrt_warnings(const inpaintrt_inpainter* inpainter) {
    thread_local std::string lines;
    const std::int32_t code = call([&] {
        lines.clear();
        require(inpainter, "inpainter");
        for (const std::string& line : inpainter->inpainter.warnings()) lines += (lines.empty() ? "" : "\n") + line;
    });
    return code == INPAINTRT_OK ? lines.c_str() : "";
}

void inpaintrt_close(inpaintrt_inpainter* inpainter) {
    delete inpainter;
}

}  // extern "C"
