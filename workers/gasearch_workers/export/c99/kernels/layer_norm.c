/* Each token normalized over its channels: d / sqrt(sum of d^2 + epsilon) x 2^30, rescaled, where d is `channels` times
   the distance from the mean */
struct normalization {
    struct rescaling rescaling;
    int64_t epsilon;
    int32_t bits, tokens, channels; /* squares are multiples of 2^-bits */
};

/* floor(sqrt(value)) */
static int64_t root(int64_t value)
{
    int64_t result = 0, bit = (int64_t)1 << 30;
    for (; bit > 0; bit >>= 1)
        if ((result + bit) * (result + bit) <= value)
            result += bit;
    return result;
}

static void layer_norm(const struct normalization *n, const uint8_t *input, uint8_t *output)
{
    int32_t token, i;
    for (token = 0; token < n->tokens; token++, input += n->channels, output += n->channels) {
        int64_t square = 0, inverse;
        int32_t sum = 0, shift = 31 - n->bits / 2;
        for (i = 0; i < n->channels; i++)
            sum += input[i];
        for (i = 0; i < n->channels; i++) {
            int64_t distance = n->channels * input[i] - sum;
            square += distance * distance;
        }
        square = square * ((int64_t)1 << n->bits) + n->epsilon;
        for (; square < (int64_t)1 << 60 && shift > 0; square *= 4)
            shift--;
        inverse = ((int64_t)1 << 61) / root(square);
        for (i = 0; i < n->channels; i++) {
            int64_t distance = n->channels * input[i] - sum;
            output[i] = rescale(&n->rescaling, (int32_t)shift_right(distance * inverse, shift), i);
        }
    }
}
