/* Weights at their own bits, most significant bit first: w + 2^(bits - 1), binary ones -1 and 1 as 0 and 1. Dense ones of
   8 bits are int8. Where some are pruned, `kept` has a bit for each that says whether it is there; the others are 0. */
struct weights {
    const uint8_t *data;
    const uint8_t *kept;
    uint8_t bits;
};

struct bits {
    const uint8_t *next;
    uint32_t buffer;
    int32_t left;
};

struct reader {
    struct bits data, kept;
    int32_t bits;
};

/* The next 8 bits or fewer */
static int32_t take(struct bits *b, int32_t count)
{
    if (b->left < count) {
        b->buffer = b->buffer << 8 | *b->next++;
        b->left += 8;
    }
    b->left -= count;
    return (int32_t)(b->buffer >> b->left & ((1U << count) - 1U));
}

static struct reader read_weights(const struct weights *w)
{
    struct reader r;
    r.data.next = w->data;
    r.data.buffer = 0;
    r.data.left = 0;
    r.kept.next = w->kept;
    r.kept.buffer = 0;
    r.kept.left = 0;
    r.bits = w->bits;
    return r;
}

/* Weights that none is missing of: as `take` has it, with all in registers */
static void unpack(struct bits *b, int32_t bits, int8_t *buffer, const int8_t *end)
{
    uint32_t window = b->buffer, mask = (1U << bits) - 1U;
    int32_t left = b->left, offset = bits == 1 ? 1 : 1 << (bits - 1), step = bits == 1 ? 2 : 1;
    const uint8_t *next = b->next;
    for (; buffer != end; buffer++) {
        left -= bits;
        if (left < 0) {
            window = window << 8 | *next++;
            left += 8;
        }
        *buffer = (int8_t)((int32_t)(window >> left & mask) * step - offset);
    }
    b->next = next;
    b->buffer = window;
    b->left = left;
}

/* The next `count` weights, unpacked into `buffer` where they don't lie in the flash as they are */
static const int8_t *next_weights(struct reader *r, int8_t *buffer, int32_t count)
{
    int32_t bits = r->bits, i;
    if (bits == 8 && !r->kept.next) {
        r->data.next += count;
        return (const int8_t *)r->data.next - count;
    }
    if (!r->kept.next)
        unpack(&r->data, bits, buffer, buffer + count);
    else
        for (i = 0; i < count; i++) {
            buffer[i] = 0;
            if (take(&r->kept, 1))
                unpack(&r->data, bits, buffer + i, buffer + i + 1);
        }
    return buffer;
}
