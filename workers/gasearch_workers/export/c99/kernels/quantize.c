/* Numbers as integers of the input's grid: zero + (number - mean) / step, halves to even; NaN as what is far below */
static void quantize(int32_t count, int32_t zero, int32_t high, const float *means, const float *steps,
                     const float *input, uint8_t *output)
{
    int32_t i;
    for (i = 0; i < count; i++) {
        float centred = input[i] - means[i];
        float value = centred / steps[i];
        float rest;
        int32_t whole;
        if (!(value > -512.0f))
            value = -512.0f;
        if (value > 512.0f)
            value = 512.0f;
        whole = (int32_t)value;
        rest = value - (float)whole;
        if (rest > 0.5f || (rest == 0.5f && whole % 2 != 0))
            whole++;
        if (rest < -0.5f || (rest == -0.5f && whole % 2 != 0))
            whole--;
        whole += zero;
        output[i] = clamp(whole, 0, (uint8_t)high);
    }
}
