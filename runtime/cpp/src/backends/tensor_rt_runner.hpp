// One library, TensorRT or TensorRT-RTX, behind functions: their headers declare different things by the same names, so
// that each is compiled into a namespace of its own (tensor_rt_runner.cpp, once for each) and neither shows here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda.hpp"
#include "runner.hpp"

namespace inpaintrt::detail {

/// An engine's content, and what errors say about it.
struct EngineFile {
    std::string name;   ///< Such as `tensorrt fp16`.
    std::string built;  ///< Its path, and what it was built by and for.
    std::vector<std::uint8_t> content;
    bool takes_mask = true;
    bool takes_sketch = false;
    Shape first;  ///< For which memory is taken at once.
    std::filesystem::path cache;  ///< Where what TensorRT-RTX compiles is kept.
};

struct TensorRTLibrary {
    std::string version;  ///< As the Python module's, such as `10.12.0.36`.
    std::function<std::unique_ptr<Runner>(std::shared_ptr<const CudaDevice>, EngineFile)> open_runner;
};

/// Throws Error(Backend) if the library is not installed or of another major version than the headers.
namespace tensorrt {
TensorRTLibrary open_library();
}
namespace tensorrt_rtx {
TensorRTLibrary open_library();
}

}  // namespace inpaintrt::detail
