/* floor(value / 2^bits): C99 leaves >> of negative numbers to the compiler */
static int64_t shift_right(int64_t value, int32_t bits)
{
    return value >= 0 ? value >> bits : ~(~value >> bits);
}
