// Where and on what a bundle runs.
#ifndef INPAINTRT_OPTIONS_HPP
#define INPAINTRT_OPTIONS_HPP

#include <filesystem>

#include "inpaintrt/inpaintrt.h"

namespace inpaintrt {

/// Where to run.
enum class Device : int { Auto = INPAINTRT_DEVICE_AUTO, Cpu = INPAINTRT_DEVICE_CPU, Cuda = INPAINTRT_DEVICE_CUDA };

/// What to run on. `Auto` takes the first of the others, in this order, that can run the bundle here.
enum class Backend : int {
    Auto = INPAINTRT_BACKEND_AUTO,
    TensorRT = INPAINTRT_BACKEND_TENSORRT,
    TensorRTRTX = INPAINTRT_BACKEND_TENSORRT_RTX,
    OnnxRuntimeCuda = INPAINTRT_BACKEND_ONNXRUNTIME_CUDA,
    OnnxRuntimeCpu = INPAINTRT_BACKEND_ONNXRUNTIME_CPU,
};

/// What of an image the network is given at once: the image as it is, or windows around groups of holes, by cost.
constexpr int window_auto = INPAINTRT_WINDOW_AUTO;
constexpr int window_whole = INPAINTRT_WINDOW_WHOLE;

/// What an Inpainter is opened with.
struct Options {
    Device device = Device::Auto;
    Backend backend = Backend::Auto;
    int gpu = 0;      ///< Number of the GPU.
    int threads = 0;  ///< CPU threads for one image, at most as many as there are CPUs; 0 leaves it to the backend.
    std::filesystem::path cache_directory;      ///< For what TensorRT-RTX compiles; empty = beside the engine.
    std::filesystem::path onnxruntime_library;  ///< ONNX Runtime's shared library; empty = searched, see the guide.
    int window = window_auto;  ///< Or `window_whole`, or the height and width of windows in pixels.
};

}  // namespace inpaintrt

#endif
