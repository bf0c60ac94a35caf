/* value x 2^-bits, rounded as an FPU rounds: composed of its parts, as a library's floats take a kilobyte of flash where
   there is no FPU */
static float real(int32_t value, int32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } result;
    uint32_t sign = value < 0 ? 0x80000000U : 0U, rest = value < 0 ? 0U - (uint32_t)value : (uint32_t)value;
    uint32_t exponent = (uint32_t)(127 + 31 - bits);
    if (rest == 0)
        return 0.0f;
    for (; rest < 0x80000000U; rest <<= 1)
        exponent--;
    /* The highest bit is implicit; of the others 23 stay, and halves go to the even one: a carry is right as it is. */
    result.bits = ((exponent - 1U) << 23) + (rest >> 8) + ((rest & 0xFFU) + (rest >> 8 & 1U) > 0x80U ? 1U : 0U);
    result.bits |= sign;
    return result.value;
}
