/* A convolution of an image (channels, height, width) in groups, with `kernel / 2` zeros around it. Each filter is
   unpacked once. */
struct convolution {
    struct weights weights;
    struct rescaling rescaling;
    int32_t inputs, outputs; /* channels of one group */
    int32_t groups, height, width, kernel, stride, zero;
};

/* The sum over the part of a filter that lies within the image, for a corner at (y, x) */
static int32_t filter_sum(const struct convolution *c, const int8_t *filter, const uint8_t *image, int32_t y, int32_t x)
{
    int32_t top = y < 0 ? -y : 0, bottom = c->height - y < c->kernel ? c->height - y : c->kernel;
    int32_t left = x < 0 ? -x : 0, columns = (c->width - x < c->kernel ? c->width - x : c->kernel) - left;
    int32_t zero = c->zero, sum = 0, i, row;
    for (i = 0; i < c->inputs; i++)
        for (row = top; row < bottom; row++) {
            const int8_t *tap = filter + (i * c->kernel + row) * c->kernel + left, *end = tap + columns;
            const uint8_t *pixel = image + (i * c->height + y + row) * c->width + x + left;
            while (tap != end)
                sum += *tap++ * (*pixel++ - zero);
        }
    return sum;
}

/* The same for a kernel of 1: one pixel of each channel */
static int32_t pixel_sum(const struct convolution *c, const int8_t *filter, const uint8_t *image, int32_t y, int32_t x)
{
    int32_t zero = c->zero, step = c->height * c->width, place = y * c->width + x, sum = 0, i;
    for (i = 0; i < c->inputs; i++, place += step)
        sum += filter[i] * (image[place] - zero);
    return sum;
}

static void convolve(const struct convolution *c, const uint8_t *input, int8_t *buffer, uint8_t *output)
{
    struct reader reader = read_weights(&c->weights);
    int32_t pad = c->kernel / 2, channel, y, x;
    for (channel = 0; channel < c->groups * c->outputs; channel++) {
        const int8_t *filter = next_weights(&reader, buffer, c->inputs * c->kernel * c->kernel);
        const uint8_t *image = input + channel / c->outputs * c->inputs * c->height * c->width;
        for (y = -pad; y + pad < c->height; y += c->stride)
            for (x = -pad; x + pad < c->width; x += c->stride) {
                int32_t sum = pad ? filter_sum(c, filter, image, y, x) : pixel_sum(c, filter, image, y, x);
                *output++ = rescale(&c->rescaling, sum, channel);
            }
    }
}
