static uint8_t clamp(int64_t value, uint8_t low, uint8_t high)
{
    return value < low ? low : value > high ? high : (uint8_t)value;
}
