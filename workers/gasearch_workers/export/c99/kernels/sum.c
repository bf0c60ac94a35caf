/* The sum of two tensors, or the second one's rows of weights, on a grid of its own; one tensor alone where the other is
   NULL */
struct summation {
    int32_t count, multiplier, other_multiplier, zero, other_zero;
    uint8_t shift, output_zero, low, high;
};

static uint8_t sum_to_grid(const struct summation *s, int32_t sum)
{
    return clamp(shift_right(sum + (1 << s->shift >> 1), s->shift) + s->output_zero, s->low, s->high);
}
