/* Fill a grey square of 64x64 pixels with a hole in its middle: fill BUNDLE */
#include <inpaintrt/inpaintrt.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 64 };

int main(int count, char** arguments) {
    static uint8_t pixels[SIZE][SIZE][3];
    static uint8_t holes[SIZE][SIZE];
    memset(pixels, 128, sizeof pixels);
    for (int y = 24; y < 40; ++y) memset(&holes[y][24], 1, 16);

    inpaintrt_inpainter* inpainter = NULL;
    inpaintrt_options options;
    inpaintrt_default_options(&options);
    options.threads = 1;
    inpaintrt_task task = {
        .image = {&pixels[0][0][0], SIZE, SIZE, 0},
        .mask = {&holes[0][0], SIZE, SIZE, 0},
        .out = {&pixels[0][0][0], SIZE, SIZE, 0},
    };
    if (inpaintrt_open(count > 1 ? arguments[1] : "", &options, &inpainter) != INPAINTRT_OK ||
        inpaintrt_inpaint(inpainter, &task, 1) != INPAINTRT_OK) {
        fprintf(stderr, "error: %s\n", inpaintrt_last_error());
        return 2;
    }
    printf("%s: the middle is %d %d %d\n", inpaintrt_backend(inpainter), pixels[32][32][0], pixels[32][32][1], pixels[32][32][2]);
    inpaintrt_close(inpainter);
}
