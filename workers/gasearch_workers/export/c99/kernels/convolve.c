/* A convolution of an image (channels, height, width) in groups, with `kernel / 2` zeros around it. Each filter is
   unpacked once. */
struct convolution {
    struct weights weights;
    struct rescaling rescaling;
    int32_t inputs, outputs; /* channels of one group */
    int32_t groups, height, width, kernel, stride, zero;
};

static void convolve(const struct convolution *c, const uint8_t *input, int8_t *buffer, uint8_t *output)
{
    struct reader reader = read_weights(&c->weights);
    int32_t pad = c->kernel / 2, channel, y, x, i, row, column;
    for (channel = 0; channel < c->groups * c->outputs; channel++) {
        const int8_t *filter = next_weights(&reader, buffer, c->inputs * c->kernel * c->kernel);
        const uint8_t *image = input + channel / c->outputs * c->inputs * c->height * c->width;
        for (y = -pad; y + pad < c->height; y += c->stride) {
            int32_t top = y < 0 ? -y : 0, bottom = c->height - y < c->kernel ? c->height - y : c->kernel;
            for (x = -pad; x + pad < c->width; x += c->stride) {
                int32_t left = x < 0 ? -x : 0, right = c->width - x < c->kernel ? c->width - x : c->kernel;
                int32_t sum = 0;
                for (i = 0; i < c->inputs; i++)
                    for (row = top; row < bottom; row++) {
                        const int8_t *w = filter + (i * c->kernel + row) * c->kernel;
                        const uint8_t *pixels = image + (i * c->height + y + row) * c->width;
                        for (column = left; column < right; column++)
                            sum += w[column] * (pixels[x + column] - c->zero);
                    }
                *output++ = rescale(&c->rescaling, sum, channel);
            }
        }
    }
}
