// ONNX Runtime, on the CPU or through CUDA.
#pragma once

#include <memory>

#include "../bundle/opened.hpp"
#include "inpaintrt/options.hpp"
#include "runner.hpp"

namespace inpaintrt::detail {

/// Throws Error(Backend) if ONNX Runtime is missing, lacks the device, or cannot load the model, Error(Bundle) if the
/// model is missing or altered.
std::unique_ptr<Runner> open_onnx_runtime(const Bundle& bundle, const Artifact& model, Device device,
                                          const Options& options);

}  // namespace inpaintrt::detail
