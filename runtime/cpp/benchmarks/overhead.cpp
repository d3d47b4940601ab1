// inpaintrt_overhead BUNDLE SIZE ROUNDS: the time this library adds to the backend's own run, as one line of JSON.
//
// Medians in microseconds: of the backend's run, of all the rest of a call, of the rest where the backend does nothing (as
// a fast GPU would), and of the copies in that rest, which any library has to make.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <random>
#include <vector>

#include "backends/choice.hpp"
#include "bundle/opened.hpp"
#include "filler.hpp"

namespace {

using namespace inpaintrt;
using Clock = std::chrono::steady_clock;
using Bytes = std::vector<std::uint8_t>;

double microseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Another runner, with the time of its last run.
class TimedRunner : public detail::Runner {
public:
    TimedRunner(std::unique_ptr<Runner> runner, Clock::duration& time) : runner_(std::move(runner)), time_(time) {}
    std::string name() const override { return runner_->name(); }
    detail::Buffers prepare(const detail::Shape& shape) override { return runner_->prepare(shape); }
    void run(detail::Interrupt* interrupt) override {
        const auto start = Clock::now();
        runner_->run(interrupt);
        time_ = Clock::now() - start;
    }
    std::unique_ptr<Runner> clone() const override { return std::make_unique<TimedRunner>(runner_->clone(), time_); }

private:
    std::unique_ptr<Runner> runner_;
    Clock::duration& time_;
};

/// Takes no time.
class IdleRunner : public detail::Runner {
public:
    std::string name() const override { return "idle"; }
    detail::Buffers prepare(const detail::Shape& shape) override {
        image_.resize(shape.pixels() * 3);
        mask_.resize(shape.pixels());
        composite_.resize(shape.pixels() * 3);
        return {image_.data(), mask_.data(), composite_.data()};
    }
    void run(detail::Interrupt*) override {}
    std::unique_ptr<Runner> clone() const override { return std::make_unique<IdleRunner>(); }

private:
    Bytes image_, mask_, composite_;
};

struct Measured {
    double run = 0;
    double rest = 0;
};

Measured measure(const detail::DeployedInterface& interface, std::unique_ptr<detail::Runner> runner,
                 const Task& task, int rounds) {
    Clock::duration in_run{};
    detail::Filler filler(interface, std::nullopt, std::make_unique<TimedRunner>(std::move(runner), in_run));
    std::vector<double> runs, rests;
    for (int round = -2; round < rounds; ++round) {  // two to warm up
        const auto start = Clock::now();
        filler.fill({task});
        const auto whole = Clock::now() - start;
        if (round < 0) continue;
        runs.push_back(microseconds(in_run));
        rests.push_back(microseconds(whole - in_run));
    }
    return {median(runs), median(rests)};
}

/// Copies of the same sizes as a call makes.
double measure_copies(const Bytes& image, const Bytes& mask, Bytes& out, int rounds) {
    Bytes to_image(image.size()), to_mask(mask.size());
    const Bytes composite(image);
    std::vector<double> times;
    for (int round = -2; round < rounds; ++round) {
        const auto start = Clock::now();
        std::memcpy(to_image.data(), image.data(), image.size());
        detail::copy_mask(mask.data(), to_mask.data(), mask.size());
        std::memcpy(out.data(), composite.data(), out.size());
        if (round >= 0) times.push_back(microseconds(Clock::now() - start));
    }
    return median(times);
}

}  // namespace

int main(int count, char** arguments) try {
    if (count != 4) throw std::runtime_error("usage: inpaintrt_overhead BUNDLE SIZE ROUNDS");
    const int size = std::stoi(arguments[2]);
    const int rounds = std::stoi(arguments[3]);
    const auto pixels = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
    Bytes image(3 * pixels), mask(pixels), out(3 * pixels);
    std::mt19937 random(0);
    for (std::uint8_t& value : image) value = static_cast<std::uint8_t>(random());
    for (std::uint8_t& value : mask) value = random() % 4 == 0 ? 255 : 0;
    const Task task{{image.data(), size, size, 0}, {mask.data(), size, size, 0}, {out.data(), size, size, 0}, {}};

    const detail::Bundle bundle = detail::Bundle::open(arguments[1]);
    detail::Chosen chosen = detail::choose_backend(bundle, {});
    const Measured real = measure(bundle.interface, std::move(chosen.runner), task, rounds);
    const Measured idle = measure(bundle.interface, std::make_unique<IdleRunner>(), task, 20 * rounds);
    std::cout << "{\"backend\": \"" << chosen.choice.name << "\", \"run\": " << real.run << ", \"rest\": " << real.rest
              << ", \"idle_rest\": " << idle.rest << ", \"copies\": " << measure_copies(image, mask, out, 20 * rounds)
              << "}\n";
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
