/* 2^(-value / 2^20) x 2^30 of a value of at least 0 */
static int32_t power(int32_t value)
{
    int32_t rest = (value & 0xFFFFF) << 10, whole = value >> 20, sum = -1016701;
    if (whole > 30)
        return 0;
    sum = 9888282 + (int32_t)shift_right((int64_t)sum * rest, 30);
    sum = -59375904 + (int32_t)shift_right((int64_t)sum * rest, 30);
    sum = 257890191 + (int32_t)shift_right((int64_t)sum * rest, 30);
    sum = -744256774 + (int32_t)shift_right((int64_t)sum * rest, 30);
    sum = 1073741764 + (int32_t)shift_right((int64_t)sum * rest, 30);
    return sum >> whole;
}
