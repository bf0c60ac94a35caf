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
    int32_t kernel = c->kernel, width = c->width, zero = c->zero, sum = 0, i, row;
    int32_t top = y < 0 ? -y : 0, rows = (c->height - y < kernel ? c->height - y : kernel) - top;
    int32_t left = x < 0 ? -x : 0, columns = (width - x < kernel ? width - x : kernel) - left;
    int32_t first = top * kernel + left, corner = (y + top) * width + x + left;
    for (i = c->inputs; i > 0; i--) {
        int32_t taps = first, place = corner;
        for (row = rows; row > 0; row--) {
            const int8_t *tap = filter + taps, *end = tap + columns;
            const uint8_t *pixel = image + place;
            do
                sum += *tap++ * (*pixel++ - zero);
            while (tap != end);
            taps += kernel;
            place += width;
        }
        first += kernel * kernel;
        corner += c->height * width;
    }
    return sum;
}

/* The same for a kernel of 1: one pixel of each channel */
static int32_t pixel_sum(const struct convolution *c, const int8_t *filter, const uint8_t *image, int32_t y, int32_t x)
{
    int32_t zero = c->zero, step = c->height * c->width, place = y * c->width + x, sum = 0;
    const int8_t *end = filter + c->inputs;
    for (; filter != end; place += step)
        sum += *filter++ * (image[place] - zero);
    return sum;
}

static void convolve(const struct convolution *c, const uint8_t *input, int8_t *buffer, uint8_t *output)
{
    /* By a pointer, so that the loops within get the registers: inlined here they get none of an ARM's */
    int32_t (*sum_of)(const struct convolution *, const int8_t *, const uint8_t *, int32_t, int32_t) =
        c->kernel > 1 ? filter_sum : pixel_sum;
    struct reader reader = read_weights(&c->weights);
    int32_t pad = c->kernel / 2, channel, y, x;
    for (channel = 0; channel < c->groups * c->outputs; channel++) {
        const int8_t *filter = next_weights(&reader, buffer, c->inputs * c->kernel * c->kernel);
        const uint8_t *image = input + channel / c->outputs * c->inputs * c->height * c->width;
        for (y = -pad; y + pad < c->height; y += c->stride)
            for (x = -pad; x + pad < c->width; x += c->stride)
                *output++ = rescale(&c->rescaling, sum_of(c, filter, image, y, x), channel);
    }
}
