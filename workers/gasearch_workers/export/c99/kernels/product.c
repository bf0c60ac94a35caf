/* input * other, element by element */
static void product(const struct rescaling *r, int32_t count, int32_t zero, int32_t other_zero, const uint8_t *input,
                    const uint8_t *other, uint8_t *output)
{
    int32_t i;
    for (i = 0; i < count; i++)
        output[i] = rescale(r, (input[i] - zero) * (other[i] - other_zero), 0);
}
