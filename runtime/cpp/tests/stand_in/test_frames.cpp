// Images that are on the GPU: in the order of the caller's stream, without the host, and with the bytes of images that are not.

#include <deque>

#include "engines.hpp"
#include "inpaintrt/inpaintrt.h"

namespace inpaintrt::testing {
namespace {

/// An application's stream and memory. The stand-ins' GPU memory can be read here.
class Caller {
public:
    Caller() {
        function<int(void*)>("cuCtxPushCurrent_v2")(nullptr);
        function<int(void**, unsigned int)>("cuStreamCreate")(&stream_, 0);
    }
    ~Caller() {
        function<int(void*)>("cuStreamDestroy_v2")(stream_);
        for (const std::uint8_t* block : blocks_) {
            function<int(unsigned long long)>("cuMemFree_v2")(reinterpret_cast<std::uintptr_t>(block));
        }
        void* context = nullptr;
        function<int(void**)>("cuCtxPopCurrent_v2")(&context);
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    CUstream_st* stream() const { return static_cast<CUstream_st*>(stream_); }
    void wait() const { function<int(void*)>("cuStreamSynchronize")(stream_); }

    /// Memory on the GPU that gets bytes of the host in the order of the stream.
    std::uint8_t* upload(const Bytes& bytes) {
        unsigned long long address = 0;
        function<int(unsigned long long*, std::size_t)>("cuMemAlloc_v2")(&address, bytes.size());
        using Copy = int(unsigned long long, const void*, std::size_t, void*);
        function<Copy>("cuMemcpyHtoDAsync_v2")(address, bytes.data(), bytes.size(), stream_);
        blocks_.push_back(reinterpret_cast<std::uint8_t*>(static_cast<std::uintptr_t>(address)));
        return blocks_.back();
    }
    void download(const std::uint8_t* from, Bytes& to) const {
        using Copy = int(void*, unsigned long long, std::size_t, void*);
        function<Copy>("cuMemcpyDtoHAsync_v2")(to.data(), reinterpret_cast<std::uintptr_t>(from), to.size(), stream_);
    }

private:
    template <typename Function>
    static Function* function(const char* name) {
        return detail::SharedLibrary::open({STAND_IN_DRIVER}).function<Function>(name);
    }

    void* stream_ = nullptr;
    std::vector<std::uint8_t*> blocks_;
};

/// A sample on the GPU.
struct Frame {
    Sample sample;
    Task task;

    Frame(Caller& caller, int width, int height, unsigned seed, std::size_t padding = 5, double share = 0.5)
        : sample(width, height, seed, share, padding), task(sample.task()) {
        task.image.data = caller.upload(sample.image);
        task.mask.data = caller.upload(sample.mask);
        task.out.data = caller.upload(sample.out);
    }

    /// What the host gives for the same image.
    Bytes expected(Inpainter& inpainter) {
        Sample same = sample;
        inpainter.inpaint({same.task()});
        return same.out;
    }
    Bytes found() const { return {task.out.data, task.out.data + sample.out.size()}; }
};

TEST_P(Engines, ImagesOnTheGpuGiveTheBytesOfTheHost) {
    Caller caller;
    Inpainter inpainter(bundle_, on_gpu());
    for (unsigned seed = 0; seed < 4; ++seed) {  // plain, captured, and from the graph
        std::deque<Frame> frames;
        std::vector<Task> tasks;
        for (unsigned i = 0; i < 5; ++i) {  // batches of up to 3
            frames.emplace_back(caller, seed % 2 == 0 ? 40 : 48, 33, seed + i, i);
            tasks.push_back(frames.back().task);
        }
        control_->host_copies = 0;
        inpainter.inpaint_on_gpu(tasks, caller.stream());
        EXPECT_EQ(control_->host_copies, 0);
        caller.wait();
        for (Frame& frame : frames) EXPECT_EQ(frame.found(), frame.expected(inpainter));
    }
}

TEST_P(Engines, ImagesOnTheGpuAreFilledInPlaceAndInWindows) {
    Caller caller;
    Inpainter inpainter(with_engine(fixed()), on_gpu());  // 64x64
    Frame frame(caller, 150, 133, 1);
    const Bytes expected = frame.expected(inpainter);
    const auto* image = frame.task.image.data;
    control_->host_copies = 0;
    inpainter.inpaint_on_gpu({frame.task}, caller.stream());
    EXPECT_EQ(control_->host_copies, 1);  // the mask, to plan the windows
    caller.wait();
    EXPECT_EQ(frame.found(), expected);
    EXPECT_EQ(Bytes(image, image + frame.sample.image.size()), frame.sample.image);
    frame.task.out.data = const_cast<std::uint8_t*>(image);
    inpainter.inpaint_on_gpu({frame.task}, caller.stream());
    caller.wait();
    for (int y = 0; y < 133; ++y) {
        for (int x = 0; x < 150; ++x) {
            EXPECT_EQ(frame.sample.pixel(frame.found(), x, y)[1], frame.sample.pixel(expected, x, y)[1]);
        }
    }
}

TEST_P(Engines, WideHolesOnTheGpuAreFilledAsOnTheHost) {
    Caller caller;
    Inpainter inpainter(with_engine(fixed()), on_gpu());  // 64x64
    Frame frame(caller, 300, 280, 1, 5, 1.0);
    const Bytes expected = frame.expected(inpainter);
    EXPECT_NE(expected, frame.sample.out);
    inpainter.inpaint_on_gpu({frame.task}, caller.stream());
    caller.wait();
    EXPECT_EQ(frame.found(), expected);
}

TEST_P(Engines, TheCallersStreamIsKeptInOrderAndNobodyWaits) {
    Caller caller;
    Inpainter inpainter(bundle_, on_gpu());
    Frame first(caller, 48, 48, 1);
    const Bytes expected = first.expected(inpainter);
    for (int round = 0; round < 3; ++round) {
        control_->deferred = true;
        Frame frame(caller, 48, 48, 1);  // not there before the stream gets so far
        Bytes result(frame.sample.out.size(), 1);
        inpainter.inpaint_on_gpu({frame.task}, caller.stream());
        caller.download(frame.task.out.data, result);
        EXPECT_EQ(result, Bytes(result.size(), 1));  // nothing has run yet
        caller.wait();
        EXPECT_EQ(result, expected);
        control_->deferred = false;
    }
}

TEST_P(Engines, WorkThatIsUnderWayOutlivesTheInstance) {
    Caller caller;
    std::deque<Frame> frames;
    std::vector<Bytes> expected;
    {
        Inpainter inpainter(bundle_, on_gpu());
        for (const int size : {64, 32, 40, 48, 56, 72, 32}) {  // more shapes than are kept, and more memory for some
            Frame frame(caller, size, 32, 1);
            expected.push_back(frame.expected(inpainter));
        }
        control_->deferred = true;
        for (const int size : {64, 32, 40, 48, 56, 72, 32}) {
            frames.emplace_back(caller, size, 32, 1);
            inpainter.inpaint_on_gpu({frames.back().task}, caller.stream());
        }
        Sample of_host(40, 40, 2);
        inpainter.inpaint({of_host.task()});  // waits its turn
    }
    EXPECT_EQ(control_->misuses, 0);
    caller.wait();
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].found(), expected[i]);
    control_->deferred = false;
}

TEST_P(Engines, MemoryThatDoesNotFitIsRefused) {
    Caller caller;
    Inpainter inpainter(bundle_, on_gpu());
    Frame frame(caller, 48, 48, 1);
    const auto refused = [&](const Task& task, const std::string& words) {
        expect_error(ErrorCode::Image, words, [&] { inpainter.inpaint_on_gpu({task}, caller.stream()); });
    };
    Task task = frame.task;
    task.mask.data = frame.sample.mask.data();
    refused(task, "mask is not in memory of a GPU; the images of this call must be on GPU 0");
    task = frame.task;
    task.out.data = const_cast<std::uint8_t*>(task.image.data) + 3;
    refused(task, "out overlaps its inputs; on a GPU it may be the image's own memory");
    task = frame.task;
    task.mask = {};
    refused(task, "mask has no data");
    control_->memory_is_on_gpu = 1;
    refused(frame.task, "image is on GPU 1; the images of this call must be on GPU 0");
    control_->memory_is_on_gpu = 0;
    Inpainter on_host(dynamic(), on_cpu());
    expect_error(ErrorCode::Backend, "onnxruntime-cpu fp32 takes no images on a GPU, TensorRT engines do",
                 [&] { on_host.inpaint_on_gpu({frame.task}, caller.stream()); });
    inpainter.inpaint_on_gpu({}, caller.stream());
}

TEST_P(Engines, ACallForTheGpuThatFailsOnceLeavesNothingRunning) {
    int failed = 0;
    for (int failing = 0;; ++failing) {
        Caller caller;
        Frame frame(caller, 48, 48, 1), large(caller, 130, 70, 1);
        bool all_failed_once = false;
        {
            Inpainter inpainter(bundle_, on_gpu()), windows(with_engine(fixed()), on_gpu());
            const Bytes expected = frame.expected(inpainter);
            control_->calls = 0;
            control_->failing_call = failing;
            for (const auto& [filler, task] : {std::pair{&inpainter, &frame.task}, std::pair{&inpainter, &frame.task},
                                               std::pair{&windows, &large.task}}) {
                try {
                    filler->inpaint_on_gpu({*task}, caller.stream());
                } catch (const Error& error) {
                    EXPECT_TRUE(error.code() == ErrorCode::Backend || error.code() == ErrorCode::Image) << error.what();
                    ++failed;
                }
            }
            all_failed_once = control_->calls <= failing;
            control_->failing_call = -1;
            inpainter.inpaint_on_gpu({frame.task}, caller.stream());
            caller.wait();
            EXPECT_EQ(frame.found(), expected) << "call " << failing;
        }
        EXPECT_EQ(control_->pinned_memory + control_->graphs + control_->events + control_->objects, 0) << failing;
        if (all_failed_once) break;
    }
    EXPECT_GT(failed, 20);
}

TEST_P(Engines, ImagesOnTheGpuInC) {
    Caller caller;
    Frame frame(caller, 48, 40, 1);
    inpaintrt_options options;
    inpaintrt_default_options(&options);
    options.device = INPAINTRT_DEVICE_CUDA;
    inpaintrt_inpainter* inpainter = nullptr;
    ASSERT_EQ(inpaintrt_open(bundle_.u8string().c_str(), &options, &inpainter), INPAINTRT_OK) << inpaintrt_last_error();
    const auto view = [](const auto& of) { return inpaintrt_view{of.data, of.width, of.height, of.pitch}; };
    const Task& task = frame.task;
    const inpaintrt_task in_c = {
        view(task.image), view(task.mask), {}, {task.out.data, task.out.width, task.out.height, task.out.pitch}};
    EXPECT_EQ(inpaintrt_inpaint_on_gpu(inpainter, &in_c, 1, caller.stream()), INPAINTRT_OK) << inpaintrt_last_error();
    caller.wait();
    inpaintrt_close(inpainter);
    Inpainter same(bundle_, on_gpu());
    EXPECT_EQ(frame.found(), frame.expected(same));
    EXPECT_EQ(inpaintrt_inpaint_on_gpu(nullptr, &in_c, 1, nullptr), INPAINTRT_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace inpaintrt::testing
