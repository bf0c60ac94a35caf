/* The largest of each 2 x 2 square; at the end of an odd side there are fewer */
static void max_pool(int32_t channels, int32_t height, int32_t width, const uint8_t *input, uint8_t *output)
{
    int32_t channel, y, x;
    for (channel = 0; channel < channels; channel++, input += height * width)
        for (y = 0; y < height; y += 2)
            for (x = 0; x < width; x += 2) {
                const uint8_t *upper = input + y * width, *lower = y + 1 < height ? upper + width : upper;
                int32_t right = x + 1 < width ? x + 1 : x;
                uint8_t one = upper[x] > upper[right] ? upper[x] : upper[right];
                uint8_t other = lower[x] > lower[right] ? lower[x] : lower[right];
                *output++ = one > other ? one : other;
            }
}
