// inpaintrt-plugin BUNDLE [SIZE [CANCEL_AFTER]]: what a plug-in of an image editor does, with a small host around it.
//
// The host keeps an image of SIZE x SIZE pixels (default 512) in tiles, as editors do. The plug-in fills its hole on a
// thread of its own, shows each part as it is filled, reports progress, and can be cancelled at any moment: here after
// CANCEL_AFTER milliseconds. The image changes in one step at the end, or not at all.
//
// Exit codes: 0 filled, 3 cancelled and the image unchanged, 2 with one line that says what is wrong.

#include <inpaintrt/inpainter.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <thread>
#include <vector>

#include "paths.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

/// An image in tiles, each with its pixels side by side.
class Document {
public:
    static constexpr int tile = 64;

    explicit Document(int size) : size_(size), across_((size + tile - 1) / tile) {
        tiles_.resize(static_cast<std::size_t>(across_ * across_), Bytes(tile * tile * 3));
        for (int y = 0; y < size; ++y) {
            for (int x = 0; x < size; ++x) {
                std::uint8_t* to = pixel(x, y);
                to[0] = static_cast<std::uint8_t>(x * 255 / size);
                to[1] = static_cast<std::uint8_t>(y * 255 / size);
                to[2] = static_cast<std::uint8_t>((x / 16 + y / 16) % 2 * 255);
            }
        }
    }

    Bytes flat() {
        Bytes pixels;
        for (int y = 0; y < size_; ++y) {
            for (int x = 0; x < size_; ++x) pixels.insert(pixels.end(), pixel(x, y), pixel(x, y) + 3);
        }
        return pixels;
    }

    void replace(const Bytes& pixels) {
        const std::uint8_t* from = pixels.data();
        for (int y = 0; y < size_; ++y) {
            for (int x = 0; x < size_; ++x, from += 3) std::memcpy(pixel(x, y), from, 3);
        }
    }

private:
    std::uint8_t* pixel(int x, int y) {
        Bytes& in = tiles_[static_cast<std::size_t>(y / tile * across_ + x / tile)];
        return &in[static_cast<std::size_t>(3 * (y % tile * tile + x % tile))];
    }

    int size_;
    int across_;
    std::vector<Bytes> tiles_;
};

/// A ring-shaped hole, so that there is something to see.
Bytes hole(int size) {
    Bytes mask(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
    for (int y = 0; y < size; ++y) {
        for (int x = 0; x < size; ++x) {
            const int distance = (2 * x - size) * (2 * x - size) + (2 * y - size) * (2 * y - size);
            mask[static_cast<std::size_t>(y * size + x)] = distance > size * size / 4 && distance < size * size / 2;
        }
    }
    return mask;
}

/// True if the document was filled, false if that was cancelled.
bool fill(inpaintrt::Inpainter& inpainter, Document& document, int size, const inpaintrt::Cancellation& cancellation) {
    const Bytes image = document.flat(), mask = hole(size);
    Bytes out(image.size());
    std::size_t tiles = 0;
    inpaintrt::Monitor monitor;
    monitor.cancellation = cancellation;
    monitor.on_tile = [&](const inpaintrt::Tile&) { return ++tiles != 0; };  // an editor would draw its pixels here
    monitor.on_progress = [&](double share) {
        std::cout << "filled " << static_cast<int>(100 * share) << " % in " << tiles << " parts" << std::endl;
        return true;
    };
    try {
        inpainter.inpaint({{{image.data(), size, size}, {mask.data(), size, size}, {out.data(), size, size}, {}}}, monitor);
    } catch (const inpaintrt::Error& error) {
        if (error.code() == inpaintrt::ErrorCode::Cancelled) return false;
        throw;
    }
    document.replace(out);  // one step of the editor's undo
    return true;
}

int run(const std::vector<std::string>& words) {
    if (words.empty() || words.size() > 3) throw std::runtime_error("usage: inpaintrt-plugin BUNDLE [SIZE [CANCEL_AFTER]]");
    const int size = words.size() > 1 ? std::stoi(words[1]) : 512;
    if (size < 1 || size > 10'000) throw std::runtime_error("SIZE is " + words[1] + "; expected 1 to 10000");
    inpaintrt::Inpainter inpainter(std::filesystem::u8path(words[0]));
    Document document(size);
    const Bytes before = document.flat();
    const inpaintrt::Cancellation cancellation;
    std::atomic<bool> filled{false};
    std::string error;
    std::thread worker([&] {
        try {
            filled = fill(inpainter, document, size, cancellation);
        } catch (const std::exception& failed) {
            error = failed.what();
        }
    });
    if (words.size() > 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(words[2])));
        cancellation.cancel();
    }
    worker.join();
    if (!error.empty()) throw std::runtime_error(error);
    const bool changed = document.flat() != before;
    std::cout << (filled ? "done" : "cancelled") << "; the image " << (changed ? "changed" : "is unchanged") << std::endl;
    return filled ? 0 : 3;
}

}  // namespace

int main(int count, char** arguments) try {
    return run(examples::arguments(count, arguments));
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
