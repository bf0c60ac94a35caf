/* 1 / (1 + 2^(-value / 2^20)) x 2^30 */
static int32_t sigmoid(int32_t value)
{
    int32_t result = (int32_t)(((int64_t)1 << 60) / ((1 << 30) + power(value < 0 ? -value : value)));
    return value < 0 ? (1 << 30) - result : result;
}

static int32_t limit(int64_t value)
{
    return value < -(1 << 29) ? -(1 << 29) : value > 1 << 29 ? 1 << 29 : (int32_t)value;
}

/* A GRU forward, then backward, over the tokens that are no padding; `columns` codes to a token. Its states are multiples
   of 2^-15. For each unit the rows of its gates: reset, update, new. They are unpacked for each token. */
struct gru {
    struct weights weights;
    struct rescaling gates;           /* of the inputs' sums, in 2^-20 */
    const int32_t *state_multipliers; /* of the states' sums, in 2^-20 */
    struct rescaling states;          /* of the output */
    int32_t state_shift, tokens, channels, units, columns, zero;
};

static int32_t next_state(const struct gru *g, struct reader *reader, const uint8_t *input, int8_t *buffer,
                          const int32_t *states, int32_t row, int32_t state)
{
    int32_t inputs[3], before[3], gate, i;
    int32_t reset, update, candidate;
    for (gate = 0; gate < 3; gate++, row++) {
        const int8_t *weights = next_weights(reader, buffer, g->channels + g->units);
        int32_t sum = 0, state_sum = 0;
        for (i = 0; i < g->channels; i++)
            sum += weights[i] * (input[i] - g->zero);
        for (i = 0; i < g->units; i++)
            state_sum += weights[g->channels + i] * states[i];
        inputs[gate] = limit(multiply(&g->gates, sum, row));
        before[gate] = limit(shift_right((int64_t)state_sum * g->state_multipliers[row], g->state_shift));
    }
    reset = sigmoid(inputs[0] + before[0]);
    update = sigmoid(inputs[1] + before[1]);
    candidate = limit(inputs[2] + shift_right((int64_t)reset * before[2], 30));
    candidate = 2 * (sigmoid(2 * candidate) - (1 << 29));
    candidate = (int32_t)shift_right((int64_t)candidate + (1 << 14), 15);
    return (int32_t)shift_right(
        (int64_t)((1 << 30) - update) * candidate + (int64_t)update * state + (1 << 29), 30);
}

static void gru(const struct gru *g, const int32_t *codes, const uint8_t *input, int8_t *buffer, int32_t *states,
                uint8_t *output)
{
    struct reader start = read_weights(&g->weights), reader = start;
    int32_t *next = states + g->units;
    int32_t direction, step, unit;
    for (direction = 0; direction < 2; direction++, start = reader) {
        for (unit = 0; unit < g->units; unit++)
            states[unit] = 0;
        for (step = 0; step < g->tokens; step++) {
            int32_t token = direction ? g->tokens - 1 - step : step, first = direction * g->units;
            uint8_t *place = output + token * 2 * g->units + first;
            int32_t is_there = codes[token * g->columns] != 0;
            if (is_there) {
                reader = start;
                for (unit = 0; unit < g->units; unit++)
                    next[unit] = next_state(g, &reader, input + token * g->channels, buffer, states,
                                            3 * (first + unit), states[unit]);
            }
            for (unit = 0; unit < g->units; unit++) {
                if (is_there)
                    states[unit] = next[unit];
                place[unit] = rescale(&g->states, is_there ? states[unit] : 0, 0);
            }
        }
    }
}
