/* input + a table of weights */
static void add_table(const struct summation *s, const struct weights *w, const uint8_t *input, uint8_t *output)
{
    struct reader reader = read_weights(w);
    int32_t i;
    for (i = 0; i < s->count; i++) {
        int8_t buffer;
        int32_t weight = *next_weights(&reader, &buffer, 1);
        output[i] = sum_to_grid(s, (input[i] - s->zero) * s->multiplier + weight * s->other_multiplier);
    }
}
