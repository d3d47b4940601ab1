// Engines whose driver or library fails, and engines that do not fit.

#include "engines.hpp"

namespace inpaintrt::testing {
namespace {

TEST_P(Engines, AContextThatCannotBeMadeShowsWhenTheBundleIsOpened) {
    control_->contexts_fail = true;
    const Inpainter inpainter(bundle_);
    control_->contexts_fail = false;
    EXPECT_EQ(inpainter.backend().name, "onnxruntime-cpu fp32");
    const auto& rejected = inpainter.backend().rejected;
    const auto found = std::find_if(rejected.begin(), rejected.end(), [](const auto& one) { return one.name == GetParam(); });
    ASSERT_NE(found, rejected.end());
    EXPECT_NE(found->reason.find("no execution context; too little GPU memory?"), std::string::npos) << found->reason;
}

TEST_P(Engines, ACallThatFailsOnceIsAnErrorOrCostsSpeedAndTheNextOneWorks) {
    int failed = 0;
    for (int failing = 0;; ++failing) {
        control_->calls = 0;
        control_->failing_call = failing;
        try {
            Inpainter inpainter(bundle_, on_gpu());
            for (unsigned seed = 0; seed < 3; ++seed) {
                for (const int size : {48, 72}) {
                    try {
                        fill(inpainter, size, size, seed);
                    } catch (const Error& error) {
                        EXPECT_EQ(error.code(), ErrorCode::Backend) << error.what();
                        ++failed;
                        fill(inpainter, size, size, seed);
                    }
                }
            }
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::Backend) << error.what();
            ++failed;
        }
        control_->misuses = 0;  // what is freed while the GPU cannot be made current
        EXPECT_EQ(control_->device_memory + control_->pinned_memory + control_->streams + control_->graphs +
                      control_->retained + control_->objects,
                  0)
            << "call " << failing;
        if (control_->calls <= failing) break;  // all of them have failed once
    }
    control_->failing_call = -1;
    EXPECT_GT(failed, 20);
}

TEST_P(Engines, FailuresAreErrorsAndTheNextCallWorks) {
    Inpainter inpainter(bundle_, on_gpu());
    fill(inpainter, 40, 40, 0);
    Sample sample(40, 40), large(96, 96), other(56, 56);
    control_->execution_fails = true;
    const auto run = [&](Sample& of) { inpainter.inpaint(of.image_view(), of.mask_view(), of.out_view()); };
    expect_error(ErrorCode::Backend, "failed to run on 1 images of 40x40", [&] { run(sample); });  // while capturing
    expect_error(ErrorCode::Backend, "failed to run on 1 images of 40x40", [&] { run(sample); });
    control_->execution_fails = false;
    expect_error(ErrorCode::Backend, "does not take 1 images of 96x96", [&] { run(large); });
    control_->memory_runs_out = true;
    expect_error(ErrorCode::Backend, "out of memory (CUDA error 2)", [&] { run(other); });
    control_->memory_runs_out = false;
    for (unsigned seed = 0; seed < 3; ++seed) fill(inpainter, 40, 40, seed);
    fill(inpainter, 56, 56, 0);
}

TEST_P(Engines, WhatDoesNotFitIsRefusedWithTheReason) {
    control_->engine_loads = false;
    expect_error(ErrorCode::Backend, "cannot load engines/x.engine, built by version", [&] { Inpainter(bundle_, on_gpu()); });
    expect_error(ErrorCode::Backend, "again on this machine: the stand-in does not want to",
                 [&] { Inpainter(bundle_, on_gpu()); });
    control_->engine_loads = true;
    control_->major = 12;
    expect_error(ErrorCode::Backend, "is of version 12.2.0.7, and this inpaintrt was built for",
                 [&] { Inpainter(bundle_, on_gpu()); });
    control_->major = rtx() ? 1 : 11;
    expect_error(ErrorCode::Backend, "its engines are for sm90 by version", [&] { Inpainter(with_engine(dynamic(), "sm90"), on_gpu()); });
    Options second = on_gpu();
    second.gpu = 1;
    expect_error(ErrorCode::Backend, "no usable NVIDIA GPU 1", [&] { Inpainter(bundle_, second); });
    bundle_ = with_engine(dynamic());
    write_file(bundle_ / "engines" / "x.engine", {1, 2, 3});
    expect_error(ErrorCode::Bundle, "was altered or is damaged", [&] { Inpainter(bundle_, on_gpu()); });
}

}  // namespace
}  // namespace inpaintrt::testing
