/* From exact sums to the next grid: zero + floor((floor(sum * multiplier / 2^first) + bias) / 2^second + 1/2) */
struct rescaling {
    const int32_t *multipliers;
    const int32_t *biases;
    uint8_t first, second, zero, low, high;
};

static int64_t multiply(const struct rescaling *r, int32_t sum, int32_t channel)
{
    return shift_right((int64_t)sum * r->multipliers[channel], r->first) + r->biases[channel];
}

static uint8_t rescale(const struct rescaling *r, int32_t sum, int32_t channel)
{
    int64_t half = (int64_t)1 << r->second >> 1;
    return clamp(shift_right(multiply(r, sum, channel) + half, r->second) + r->zero, r->low, r->high);
}
