/* The C interface, for C and for languages that call C. Every function is safe to call from any thread. */
#ifndef INPAINTRT_INPAINTRT_H
#define INPAINTRT_INPAINTRT_H

#include <stddef.h>
#include <stdint.h>

#if defined(INPAINTRT_STATIC)
#define INPAINTRT_API
#elif defined(_WIN32)
#if defined(INPAINTRT_BUILDING)
#define INPAINTRT_API __declspec(dllexport)
#else
#define INPAINTRT_API __declspec(dllimport)
#endif
#else
#define INPAINTRT_API __attribute__((visibility("default")))
#endif

/* Changes whenever a program built against an older header would no longer work. */
#define INPAINTRT_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return. inpaintrt_last_error has the message of an error. */
enum {
    INPAINTRT_OK = 0,
    INPAINTRT_INVALID_ARGUMENT = 1, /* an option or an argument that makes no sense */
    INPAINTRT_BUNDLE_ERROR = 2,     /* the bundle is missing, malformed, altered or of another release */
    INPAINTRT_BACKEND_ERROR = 3,    /* nothing can run the bundle here, or a run failed */
    INPAINTRT_IMAGE_ERROR = 4,      /* views without data, or that do not fit each other */
    INPAINTRT_PICTURE_ERROR = INPAINTRT_IMAGE_ERROR, /* its former name */
    INPAINTRT_OUT_OF_MEMORY = 5,
    INPAINTRT_CANCELLED = 7,     /* the caller ended the call */
    INPAINTRT_INTERNAL_ERROR = 6 /* a bug in this library */
};

enum { INPAINTRT_DEVICE_AUTO = 0, INPAINTRT_DEVICE_CPU = 1, INPAINTRT_DEVICE_CUDA = 2 };

enum {
    INPAINTRT_BACKEND_AUTO = 0,
    INPAINTRT_BACKEND_TENSORRT = 1,
    INPAINTRT_BACKEND_TENSORRT_RTX = 2,
    INPAINTRT_BACKEND_ONNXRUNTIME_CUDA = 3,
    INPAINTRT_BACKEND_ONNXRUNTIME_CPU = 4
};

/* What of an image the network is given at once: the whole image or windows around groups of holes, whichever is fewer
 * pixels, with wide holes at a smaller scale; or the image as it is, refusing what is larger than the network takes. Any
 * other positive number: windows of that height and width in pixels. */
enum { INPAINTRT_WINDOW_AUTO = 0, INPAINTRT_WINDOW_WHOLE = -1 };

typedef struct inpaintrt_inpainter inpaintrt_inpainter;

/* Filled by inpaintrt_default_options. Paths are UTF-8, and NULL where the default is wanted. */
typedef struct {
    size_t size;                     /* sizeof(inpaintrt_options) of the program */
    int32_t device;                  /* INPAINTRT_DEVICE_... */
    int32_t backend;                 /* INPAINTRT_BACKEND_... */
    int32_t gpu;                     /* number of the GPU */
    int32_t threads;                 /* CPU threads for one image; 0 leaves it to the backend */
    const char* cache_directory;     /* for what TensorRT-RTX compiles; NULL = beside the engine */
    const char* onnxruntime_library; /* ONNX Runtime's shared library; NULL = searched */
    int32_t window;                  /* INPAINTRT_WINDOW_..., or a size in pixels */
} inpaintrt_options;

/* Pixels in the caller's memory, rows from top to bottom: 3 bytes a pixel (RGB) for images, 1 for masks. */
typedef struct {
    const uint8_t* data; /* NULL = there is none */
    int32_t width;
    int32_t height;
    size_t pitch; /* bytes from one row to the next; 0 where rows follow each other */
} inpaintrt_view;

typedef struct {
    uint8_t* data;
    int32_t width;
    int32_t height;
    size_t pitch;
} inpaintrt_mutable_view;

/* One image to fill. `out` may be the memory of `image`. */
typedef struct {
    inpaintrt_view image;
    inpaintrt_view mask;   /* non-zero = hole to fill; none if the bundle's mask is fixed */
    inpaintrt_view sketch; /* non-zero = line; for networks that take a sketch, refused by the others; may be none */
    inpaintrt_mutable_view out;
} inpaintrt_task;

typedef inpaintrt_task inpaintrt_picture; /* its former name */

/* INPAINTRT_ABI_VERSION of the library. A program that loads it at run time compares. */
INPAINTRT_API int32_t inpaintrt_abi_version(void);

/* Release of the library, such as "0.1.0". */
INPAINTRT_API const char* inpaintrt_version(void);

/* The message of the calling thread's last error, UTF-8, "" if it had none; valid until its next call. */
INPAINTRT_API const char* inpaintrt_last_error(void);

INPAINTRT_API void inpaintrt_default_options(inpaintrt_options* options);

/* Open a bundle; `bundle` is a path in UTF-8, `options` may be NULL. On an error *opened is NULL. */
INPAINTRT_API int32_t inpaintrt_open(const char* bundle, const inpaintrt_options* options,
                                     inpaintrt_inpainter** opened);

/* Another instance that shares the weights. Threads may share an instance and take turns; clones run at once. */
INPAINTRT_API int32_t inpaintrt_clone(const inpaintrt_inpainter* inpainter, inpaintrt_inpainter** cloned);

/* Fill `count` images of one size. On an error, what `out` holds is unspecified. */
INPAINTRT_API int32_t inpaintrt_inpaint(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks,
                                        size_t count);

/* A window of an image that was just filled. */
typedef struct {
    size_t task; /* which of the tasks it belongs to */
    int32_t x;   /* where it lies in the image */
    int32_t y;
    inpaintrt_view pixels; /* the library's memory; valid during the call */
} inpaintrt_tile;

/* Ends calls of inpaintrt_inpaint_monitored from any thread, at any moment. */
typedef struct inpaintrt_cancellation inpaintrt_cancellation;
INPAINTRT_API int32_t inpaintrt_cancellation_create(inpaintrt_cancellation** created);
INPAINTRT_API void inpaintrt_cancellation_cancel(inpaintrt_cancellation* cancellation);
/* NULL is allowed. Calls that have it may still run; they can no longer be cancelled by it. */
INPAINTRT_API void inpaintrt_cancellation_free(inpaintrt_cancellation* cancellation);

/* What to tell during a call. The functions run on the calling thread; 0 goes on, anything else ends the call with
 * INPAINTRT_CANCELLED. Each may be NULL. */
typedef struct {
    size_t size; /* sizeof(inpaintrt_monitor) of the program; later versions may add members */
    void* user;  /* handed to the functions */
    int32_t (*on_progress)(void* user, double share); /* of the hole pixels that are filled, 0 to 1 */
    int32_t (*on_tile)(void* user, const inpaintrt_tile* tile);
    const inpaintrt_cancellation* cancellation;
} inpaintrt_monitor;

/* As inpaintrt_inpaint. No `out` is written before all of it is filled: after an error, or a call that was cancelled, all
 * hold what they held. That takes the memory of the images once more. */
INPAINTRT_API int32_t inpaintrt_inpaint_monitored(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks,
                                                  size_t count, const inpaintrt_monitor* monitor);

/* As inpaintrt_inpaint with images on the GPU: the views hold addresses of its memory. `stream` is a CUstream or
 * cudaStream_t, NULL for the default one: the images are read after what it was given before, what it is given later finds
 * `out` filled, and the call ends when that is enqueued. Only for TensorRT engines. `out` may be the memory of `image`, and
 * must not overlap the inputs in any other way. */
INPAINTRT_API int32_t inpaintrt_inpaint_on_gpu(inpaintrt_inpainter* inpainter, const inpaintrt_task* tasks, size_t count,
                                               void* stream);

/* Super-resolution for networks that were trained for it: `out` is `factor` (2 or more) times as wide and high. */
INPAINTRT_API int32_t inpaintrt_upscale(inpaintrt_inpainter* inpainter, const inpaintrt_view* image, int32_t factor,
                                        const inpaintrt_mutable_view* out);

/* Bytes on the GPU that the instance and its clones hold, except for the weights; 0 without a GPU. */
INPAINTRT_API size_t inpaintrt_memory(const inpaintrt_inpainter* inpainter);

/* The size that images must have if the bundle was exported with --fixed-mask, and that go without a mask then; 0 and 0
 * if it takes a mask. */
INPAINTRT_API int32_t inpaintrt_fixed_size(const inpaintrt_inpainter* inpainter, int32_t* width, int32_t* height);

/* Which backend runs, and why not the ones before it, in one line of UTF-8; valid until the instance is closed. */
INPAINTRT_API const char* inpaintrt_backend(const inpaintrt_inpainter* inpainter);

/* What costs speed and was not asked for, such as a CUDA graph that cannot be captured, one a line of UTF-8; "" if nothing
 * does. Valid until the thread's next call. */
INPAINTRT_API const char* inpaintrt_warnings(const inpaintrt_inpainter* inpainter);

/* Free an instance; NULL is allowed. No other call on it may run. */
INPAINTRT_API void inpaintrt_close(inpaintrt_inpainter* inpainter);

#ifdef __cplusplus
}
#endif

#endif
