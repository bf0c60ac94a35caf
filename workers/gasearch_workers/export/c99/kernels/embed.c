/* A table of vectors: its rows lie one after the other at their bits */
struct table {
    struct weights weights;
    int32_t rows, width, zero;
};

static void copy_row(const struct table *t, int32_t row, uint8_t *output)
{
    struct reader reader = read_weights(&t->weights);
    uint32_t first = (uint32_t)row * (uint32_t)t->width * t->weights.bits;
    int32_t i;
    reader.data.next += first / 8;
    if (first % 8)
        take(&reader.data, (int32_t)(first % 8));
    for (i = 0; i < t->width; i++) {
        int8_t buffer;
        output[i] = (uint8_t)(*next_weights(&reader, &buffer, 1) + t->zero);
    }
}
