// Fill the holes of an image in a C++ program: example BUNDLE. Prints the backend and a filled pixel.
#include <inpaintrt/inpainter.hpp>

#include <cstdint>
#include <iostream>
#include <vector>

int main(int count, char** arguments) {
    if (count != 2) {
        std::cerr << "usage: example BUNDLE\n";
        return 2;
    }
    const int width = 640, height = 480;
    std::vector<std::uint8_t> image(width * height * 3, 128);  // RGB
    std::vector<std::uint8_t> mask(width * height, 0);         // non-zero = hole
    for (int y = 100; y < 120; ++y)
        for (int x = 200; x < 400; ++x) mask[y * width + x] = 255;
    try {
        inpaintrt::Inpainter inpaint(arguments[1]);
        std::cout << inpaint.backend().to_string() << "\n";
        // The result may be written over the image; known pixels stay as they are.
        inpaint.inpaint({image.data(), width, height}, {mask.data(), width, height}, {image.data(), width, height});
        std::cout << "filled: " << int(image[(110 * width + 300) * 3]) << "\n";
    } catch (const inpaintrt::Error& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
