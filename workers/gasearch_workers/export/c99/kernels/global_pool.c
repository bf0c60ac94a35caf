/* The mean of each channel */
static void global_pool(const struct rescaling *r, int32_t channels, int32_t places, int32_t zero, const uint8_t *input,
                        uint8_t *output)
{
    int32_t channel, i;
    for (channel = 0; channel < channels; channel++) {
        int32_t sum = 0;
        for (i = 0; i < places; i++)
            sum += *input++ - zero;
        output[channel] = rescale(r, sum, 0);
    }
}
