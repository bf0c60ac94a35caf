/* The largest over the tokens that are no padding, `zero` where all are; `columns` codes to a token */
static void max_tokens(int32_t tokens, int32_t channels, int32_t columns, uint8_t zero, const int32_t *codes,
                       const uint8_t *input, uint8_t *output)
{
    int32_t channel, token;
    for (channel = 0; channel < channels; channel++) {
        uint8_t largest = zero;
        for (token = 0; token < tokens; token++)
            if (codes[token * columns] != 0 && input[token * channels + channel] > largest)
                largest = input[token * channels + channel];
        output[channel] = largest;
    }
}
