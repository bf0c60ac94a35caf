/* input + other; the input alone, on the new grid, where there is no other */
static void add(const struct summation *s, const uint8_t *input, const uint8_t *other, uint8_t *output)
{
    int32_t i;
    for (i = 0; i < s->count; i++) {
        int32_t sum = (input[i] - s->zero) * s->multiplier;
        if (other)
            sum += (other[i] - s->other_zero) * s->other_multiplier;
        output[i] = sum_to_grid(s, sum);
    }
}
