// TensorRT and TensorRT-RTX engines, if this build has them.
#pragma once

#include <memory>

#include "../bundle/opened.hpp"
#include "inpaintrt/options.hpp"
#include "runner.hpp"

namespace inpaintrt::detail {

/// Throws Error(Backend) if this build, the library or a GPU is missing, or no engine fits, Error(Bundle) if the engine
/// is missing or altered.
std::unique_ptr<Runner> open_tensor_rt(const Bundle& bundle, const Options& options);
std::unique_ptr<Runner> open_tensor_rt_rtx(const Bundle& bundle, const Options& options);

}  // namespace inpaintrt::detail
