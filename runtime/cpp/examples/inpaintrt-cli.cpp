// inpaintrt-cli [--sketch LINES] BUNDLE IMAGE MASK OUT: fill the holes of an image. Images are PNG or JPEG, 8 bits a
// channel. MASK is - for a bundle whose mask is fixed; LINES, for one exported with --sketch, are to be followed.
//
// Exit codes: 0, or 2 with one line that says what is wrong.

#include <inpaintrt/inpainter.hpp>

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cstring>
#include <iostream>

#include "paths.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t most_pixels = 200'000'000;  // checked before anything is decoded
constexpr int jpeg_quality = 95;
constexpr int lossy_mask_threshold = 128;  // JPEG has noise around black, which must not become holes or lines

struct Pixels {
    int width = 0;
    int height = 0;
    Bytes rgb;
    Bytes alpha;  // empty where the file has none
    bool lossy = false;

    std::size_t count() const { return rgb.size() / 3; }
    void resize(std::size_t w, std::size_t h) {
        if (w == 0 || h > most_pixels / w) throw std::runtime_error("is empty or over the limit of 200 megapixels");
        width = static_cast<int>(w), height = static_cast<int>(h);
        rgb.resize(3 * w * h);
    }
};

Pixels decode_png(const Bytes& file) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    const std::unique_ptr<png_image, void (*)(png_imagep)> owner(&png, &png_image_free);
    if (png_image_begin_read_from_memory(&png, file.data(), file.size()) == 0) throw std::runtime_error(png.message);
    if ((png.format & PNG_FORMAT_FLAG_LINEAR) != 0) throw std::runtime_error("has more than 8 bits per channel");
    const bool has_alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
    Pixels pixels;
    pixels.resize(png.width, png.height);
    png.format = PNG_FORMAT_RGBA;
    Bytes rgba(4 * pixels.count());
    if (png_image_finish_read(&png, nullptr, rgba.data(), 0, nullptr) == 0) throw std::runtime_error(png.message);
    for (std::size_t i = 0; i < pixels.count(); ++i) {
        std::copy_n(&rgba[4 * i], 3, &pixels.rgb[3 * i]);
        if (has_alpha) pixels.alpha.push_back(rgba[4 * i + 3]);
    }
    return pixels;
}

Bytes encode_png(const Pixels& pixels) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = static_cast<png_uint_32>(pixels.width);
    png.height = static_cast<png_uint_32>(pixels.height);
    png.format = pixels.alpha.empty() ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
    Bytes rgba;
    for (std::size_t i = 0; i < pixels.alpha.size(); ++i) {
        rgba.insert(rgba.end(), &pixels.rgb[3 * i], &pixels.rgb[3 * i] + 3);
        rgba.push_back(pixels.alpha[i]);
    }
    const Bytes& samples = pixels.alpha.empty() ? pixels.rgb : rgba;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    Bytes file(size);
    if (png_image_write_to_memory(&png, file.data(), &size, 0, samples.data(), 0, nullptr) == 0) {
        throw std::runtime_error(png.message);
    }
    file.resize(size);
    return file;
}

using Jpeg = std::unique_ptr<void, int (*)(tjhandle)>;

void check(int result, const Jpeg& jpeg) {
    if (result != 0) throw std::runtime_error(tjGetErrorStr2(jpeg.get()));
}

Pixels decode_jpeg(const Bytes& file) {
    const auto size = static_cast<unsigned long>(file.size());  // 32 bits on Windows, and no JPEG is as large
    const Jpeg jpeg(tjInitDecompress(), &tjDestroy);
    int width = 0, height = 0, subsampling = 0, colours = 0;
    check(tjDecompressHeader3(jpeg.get(), file.data(), size, &width, &height, &subsampling, &colours), jpeg);
    Pixels pixels;
    pixels.resize(static_cast<std::size_t>(width), static_cast<std::size_t>(height));
    check(tjDecompress2(jpeg.get(), file.data(), size, pixels.rgb.data(), width, 0, height, TJPF_RGB,
                        TJFLAG_ACCURATEDCT), jpeg);
    pixels.lossy = true;
    return pixels;
}

Bytes encode_jpeg(const Pixels& pixels) {
    if (!pixels.alpha.empty()) throw std::runtime_error("JPEG holds no transparency, and the image has it; write PNG");
    const Jpeg jpeg(tjInitCompress(), &tjDestroy);
    unsigned char* data = nullptr;
    unsigned long size = 0;
    const int result = tjCompress2(jpeg.get(), pixels.rgb.data(), pixels.width, 0, pixels.height, TJPF_RGB, &data, &size,
                                   TJSAMP_444, jpeg_quality, TJFLAG_ACCURATEDCT);
    const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(data, &tjFree);
    check(result, jpeg);
    return {data, data + size};
}

Pixels read(const std::string& path) try {
    const Bytes file = examples::read_file(examples::to_path(path));
    if (file.size() > 8 && std::memcmp(file.data(), "\x89PNG", 4) == 0) return decode_png(file);
    if (file.size() > 8 && std::memcmp(file.data(), "\xff\xd8", 2) == 0) return decode_jpeg(file);
    throw std::runtime_error(file.empty() ? "cannot be opened" : "is neither PNG nor JPEG");
} catch (const std::exception& error) {
    throw std::runtime_error(path + ": " + error.what());
}

struct Plane {  // of a mask or a sketch: 1 where any channel is non-zero
    int width = 0;
    int height = 0;
    Bytes values;

    inpaintrt::MaskView view() const { return {values.data(), width, height}; }
};

Plane read_plane(const std::string& path) {
    const Pixels pixels = read(path);
    Plane plane{pixels.width, pixels.height, Bytes(pixels.count())};
    const int least = pixels.lossy ? lossy_mask_threshold : 1;
    for (std::size_t i = 0; i < plane.values.size(); ++i) {
        plane.values[i] = *std::max_element(&pixels.rgb[3 * i], &pixels.rgb[3 * i] + 3) >= least;
    }
    return plane;
}

bool is_png(const std::string& path) {
    const std::string suffix = std::filesystem::u8path(path).extension().u8string();
    if (suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg") return suffix == ".png";
    throw std::runtime_error(path + ": the result is .png, .jpg or .jpeg");
}

struct Arguments {
    std::string sketch;  // empty if there is none
    std::vector<std::string> places;  // BUNDLE IMAGE MASK OUT
};

Arguments parse(const std::vector<std::string>& words) {
    Arguments found;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--sketch" && i + 1 < words.size() && found.sketch.empty()) {
            found.sketch = words[++i];
        } else {
            found.places.push_back(words[i]);
        }
    }
    if (found.places.size() != 4) throw std::runtime_error("usage: inpaintrt-cli [--sketch LINES] BUNDLE IMAGE MASK OUT");
    return found;
}

void fill(const Arguments& arguments) {
    const std::string &image = arguments.places[1], &mask = arguments.places[2], &out = arguments.places[3];
    const bool png = is_png(out);  // before anything runs
    inpaintrt::Inpainter inpainter(std::filesystem::u8path(arguments.places[0]));
    std::cerr << "backend: " << inpainter.backend().to_string() << '\n';
    Pixels pixels = read(image);
    const Plane hole = mask == "-" ? Plane{} : read_plane(mask);
    const Plane lines = arguments.sketch.empty() ? Plane{} : read_plane(arguments.sketch);
    inpainter.inpaint({pixels.rgb.data(), pixels.width, pixels.height}, hole.view(),
                      {pixels.rgb.data(), pixels.width, pixels.height}, lines.view());  // in place
    const Bytes file = png ? encode_png(pixels) : encode_jpeg(pixels);
    if (!examples::write_file(examples::to_path(out), file.data(), file.size())) {
        throw std::runtime_error(out + ": cannot be written");
    }
}

}  // namespace

int main(int count, char** arguments) try {
    fill(parse(examples::arguments(count, arguments)));
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
