// What a runner of engines keeps for one shape. Part of tensor_rt_runner.cpp, which is compiled once for each library.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor_rt_engine.hpp"

namespace inpaintrt::detail::INPAINTRT_LIBRARY {

/// What belongs to one shape; freed from the last to the first: graph, buffers, context.
struct Shaped {
    Shape shape;
    std::unique_ptr<trt::IExecutionContext> context;
    CudaBuffer image;
    std::optional<CudaBuffer> mask;
    std::optional<CudaBuffer> sketch;
    CudaBuffer composite;
    std::unique_ptr<CudaGraph> graph;  ///< Of the network.
    std::size_t scratch = 0;  ///< Bytes that the network keeps between its kernels.
    bool warm = false;
    bool capturable = true;

    /// Bytes on the GPU.
    std::size_t bytes() const {
        return image.size() + composite.size() + (mask ? mask->size() : 0) + (sketch ? sketch->size() : 0);
    }

    /// Addresses on the GPU.
    Buffers on_gpu() const {
        return {bytes_of(image), mask ? bytes_of(*mask) : nullptr, bytes_of(composite), sketch ? bytes_of(*sketch) : nullptr};
    }

    /// Addresses in pinned memory of the host.
    Buffers on_host() const {
        return {image.host(), mask ? mask->host() : nullptr, composite.host(), sketch ? sketch->host() : nullptr};
    }

    Shaped(const CudaDriver& driver, const Shape& of, std::unique_ptr<trt::IExecutionContext> made, const Engine& engine)
        : shape(of),
          context(std::move(made)),
          image(driver, of.pixels() * 3),
          composite(driver, of.pixels() * 3) {
        if (engine.takes_mask()) mask.emplace(driver, of.pixels());
        if (engine.takes_sketch()) sketch.emplace(driver, of.pixels());
    }

private:
    static std::uint8_t* bytes_of(const CudaBuffer& buffer) { return static_cast<std::uint8_t*>(buffer.device()); }
};

inline trt::Dims dims(const std::vector<std::int64_t>& sizes) {
    trt::Dims made{};
    made.nbDims = static_cast<std::int32_t>(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) made.d[i] = sizes[i];
    return made;
}

inline std::string describe(const Shape& shape) {
    return std::to_string(shape.batch) + " images of " + std::to_string(shape.width) + "x" +
           std::to_string(shape.height);
}

}  // namespace inpaintrt::detail::INPAINTRT_LIBRARY
