// Which backend runs a bundle here: the first that can, with the reasons the others cannot. As choice.py.
#pragma once

#include <memory>

#include "../bundle/opened.hpp"
#include "inpaintrt/inpainter.hpp"
#include "runner.hpp"

namespace inpaintrt::detail {

struct Chosen {
    std::unique_ptr<Runner> runner;
    BackendChoice choice;
};

/// Throws Error(Backend) if none can, with the reason for each. A missing or altered file of the bundle is Error(Bundle)
/// and never passed over.
Chosen choose_backend(const Bundle& bundle, const Options& options);

}  // namespace inpaintrt::detail
