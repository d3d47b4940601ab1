// Progress, tiles and cancelling: what is told, and that a call that ends early leaves no half result.

#include "inpaintrt/monitor.hpp"

#include <chrono>
#include <thread>

#include "filler.hpp"
#include "interrupt.hpp"
#include "support.hpp"

namespace inpaintrt::testing {
namespace {

detail::DeployedInterface up_to_96() {
    detail::DeployedInterface interface;
    interface.size_multiple = 8;
    interface.profile = {{1, 1, 2}, {32, 32, 96}, {32, 32, 96}};
    interface.inputs = {"image", "mask"};
    return interface;
}

/// What a monitor was told.
struct Told {
    std::vector<double> shares;
    std::size_t tiles = 0;
    Monitor monitor;

    Told() {
        monitor.on_progress = [this](double share) { return shares.push_back(share), true; };
        monitor.on_tile = [this](const Tile&) { return ++tiles != 0; };
    }
};

TEST(Monitor, TellsWhatIsFilledAndWritesTheResultAtTheEnd) {
    for (const int size : {60, 200}) {  // whole images, and windows
        auto runner = std::make_unique<InvertingRunner>();
        Sample first(size, size, 1), second(size, size, 2), none(size, size, 3, 0.0), expected(size, size, 1);
        runner->check = [&](auto&&...) { EXPECT_EQ(first.out, Bytes(first.out.size(), 77)); };
        detail::Filler filler(up_to_96(), std::nullopt, std::move(runner));
        Told told;
        Bytes preview = first.image;
        told.monitor.on_tile = [&](const Tile& tile) {
            ++told.tiles;
            if (tile.task != 0) return true;
            for (int y = 0; y < tile.pixels.height; ++y) {
                std::copy_n(tile.pixels.data + static_cast<std::size_t>(y) * tile.pixels.pitch, 3 * tile.pixels.width,
                            &preview[static_cast<std::size_t>((tile.y + y) * size + tile.x) * 3]);
            }
            return true;
        };
        filler.fill({first.task(), second.task(), none.task()}, &told.monitor);
        EXPECT_EQ(preview, first.out);
        EXPECT_EQ(none.out, none.image);
        EXPECT_EQ(told.shares.size(), told.tiles);
        EXPECT_GE(told.tiles, size == 60 ? 2U : 8U);
        EXPECT_TRUE(std::is_sorted(told.shares.begin(), told.shares.end()));
        EXPECT_EQ(told.shares.back(), 1.0);
        detail::Filler(up_to_96(), std::nullopt, std::make_unique<InvertingRunner>()).fill({expected.task()});
        EXPECT_EQ(first.out, expected.out);
    }
}

TEST(Monitor, ACancelledCallLeavesTheResultAsItWas) {
    detail::Filler filler(up_to_96(), std::nullopt, std::make_unique<InvertingRunner>());
    const auto cancelled = [&](Monitor& monitor) {
        Sample sample(200, 200);
        Task in_place = sample.task();
        in_place.out = {sample.image.data(), 200, 200, 0};
        const Bytes before = sample.image;
        expect_error(ErrorCode::Cancelled, "the call was cancelled; no result was written",
                     [&] { filler.fill({in_place}, &monitor); });
        EXPECT_EQ(sample.image, before);
    };
    Told told;
    told.monitor.on_progress = [&](double share) { return share < 0.5; };
    cancelled(told.monitor);
    EXPECT_GT(told.tiles, 1U);
    Monitor by_tile;
    by_tile.on_tile = [](const Tile&) { return false; };
    cancelled(by_tile);
    Told before_it_starts;
    before_it_starts.monitor.cancellation.cancel();
    cancelled(before_it_starts.monitor);
    EXPECT_EQ(before_it_starts.tiles, 0U);
    Told while_it_runs;
    while_it_runs.monitor.on_tile = [&](const Tile&) { return while_it_runs.monitor.cancellation.cancel(), true; };
    cancelled(while_it_runs.monitor);
    Sample sample(200, 200);
    Told next;
    filler.fill({sample.task()}, &next.monitor);
    EXPECT_EQ(next.shares.back(), 1.0);
}

TEST(Monitor, AFailedCallLeavesTheResultAsItWas) {
    auto runner = std::make_unique<InvertingRunner>();
    int runs = 0;
    runner->check = [&](auto&&...) {
        if (++runs == 3) throw Error(ErrorCode::Backend, "the third run fails");
    };
    detail::Filler filler(up_to_96(), std::nullopt, std::move(runner));
    Sample sample(200, 200);
    const Monitor monitor;
    expect_error(ErrorCode::Backend, "the third run", [&] { filler.fill({sample.task()}, &monitor); });
    EXPECT_EQ(sample.out, Bytes(sample.out.size(), 77));
}

TEST(Monitor, AnInterruptStopsARunAlsoWhenItCameBefore) {
    detail::Interrupt interrupt;
    int stopped = 0;
    const std::function<void()> stop = [&] { ++stopped; };
    {
        const detail::Interrupt::Stoppable run(interrupt, stop);
        EXPECT_EQ(stopped, 0);
        interrupt.cancel();
        EXPECT_EQ(stopped, 1);
    }
    interrupt.cancel();
    EXPECT_EQ(stopped, 1);
    const detail::Interrupt::Stoppable later(interrupt, stop);
    EXPECT_EQ(stopped, 2);
}

class MonitorTest : public BundleTest {};

TEST_F(MonitorTest, CancelledAtAnyMomentTheResultIsWholeOrUntouched) {
    Inpainter inpainter(dynamic(), on_cpu());
    Sample expected(230, 230);
    const auto start = std::chrono::steady_clock::now();
    inpainter.inpaint({expected.task()});
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
    std::mt19937 random(4);
    int cancelled = 0;
    const int rounds = figure("INPAINTRT_TEST_CANCELLATIONS", 30);
    for (int round = 0; round < rounds; ++round) {
        Sample sample(230, 230);
        const Monitor monitor;
        std::thread other([&, pause = whole * (random() % 100) / 100] {
            std::this_thread::sleep_for(pause);
            monitor.cancellation.cancel();
        });
        try {
            inpainter.inpaint({sample.task()}, monitor);
            EXPECT_EQ(sample.out, expected.out);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::Cancelled) << error.what();
            EXPECT_EQ(sample.out, Bytes(sample.out.size(), 77));
            ++cancelled;
        }
        other.join();
    }
    EXPECT_GT(cancelled, 0);
    std::cout << cancelled << " of " << rounds << " calls were cancelled half-way\n";
}

}  // namespace
}  // namespace inpaintrt::testing
