/* A dense layer of a vector, or of each token of a sequence. A sequence's weights are unpacked once for all tokens, a row
   at a time; a vector's in pieces. The last layer gives `reals` and has no `output`. */
struct dense {
    struct weights weights;
    struct rescaling rescaling;
    int32_t tokens, inputs, outputs, piece, zero;
    int32_t real_bits; /* of the last layer: its whole numbers are multiples of 2^-real_bits */
};

static void dense(const struct dense *d, const uint8_t *input, int8_t *buffer, uint8_t *output, float *reals)
{
    struct reader reader = read_weights(&d->weights);
    const int8_t *row = buffer, *weight, *end;
    int32_t channel, token, first, zero = d->zero;
    for (channel = 0; channel < d->outputs; channel++)
        for (token = 0; token < d->tokens; token++) {
            int32_t sum = 0, place = token * d->outputs + channel;
            for (first = 0; first < d->inputs; first += d->piece) {
                const uint8_t *values = input + token * d->inputs + first;
                int32_t count = d->inputs - first < d->piece ? d->inputs - first : d->piece;
                if (token == 0)
                    row = next_weights(&reader, buffer, count);
                for (weight = row, end = row + count; weight != end; weight++)
                    sum += *weight * (*values++ - zero);
            }
            if (output)
                output[place] = rescale(&d->rescaling, sum, channel);
            else
                reals[place] = real((int32_t)multiply(&d->rescaling, sum, channel), d->real_bits);
        }
}
