/* The mean over the tokens that are no padding, real 0 where all are; `columns` codes to a token */
static void mean_tokens(const struct rescaling *r, int32_t tokens, int32_t channels, int32_t columns, int32_t zero,
                        const int32_t *codes, const uint8_t *input, uint8_t *output)
{
    int32_t channel, token, shift = r->first + r->second;
    for (channel = 0; channel < channels; channel++) {
        int32_t sum = 0, count = 0;
        int64_t numerator, divisor, quotient;
        for (token = 0; token < tokens; token++)
            if (codes[token * columns] != 0) {
                sum += input[token * channels + channel] - zero;
                count++;
            }
        divisor = (int64_t)(count > 0 ? count : 1) << shift;
        numerator = (int64_t)sum * r->multipliers[0] + (divisor >> 1);
        quotient = numerator / divisor;
        if (numerator % divisor < 0)
            quotient--;
        output[channel] = clamp(quotient + r->zero, r->low, r->high);
    }
}
