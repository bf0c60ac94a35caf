/* Each token with its neighbours, earliest first; `zero` outside of the sequence */
static void window(int32_t tokens, int32_t channels, int32_t kernel, uint8_t zero, const uint8_t *input, uint8_t *output)
{
    int32_t token, neighbour, i;
    for (token = 0; token < tokens; token++)
        for (neighbour = token - kernel / 2; neighbour < token - kernel / 2 + kernel; neighbour++)
            for (i = 0; i < channels; i++)
                *output++ = neighbour < 0 || neighbour >= tokens ? zero : input[neighbour * channels + i];
}
