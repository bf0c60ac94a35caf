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

static int32_t take(struct bits *b, int32_t count)
{
    while (b->left < count) {
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

/* The next `count` weights, unpacked into `buffer` where they don't lie in the flash as they are */
static const int8_t *next_weights(struct reader *r, int8_t *buffer, int32_t count)
{
    int32_t offset = 1 << (r->bits - 1), step = r->bits == 1 ? 2 : 1, i;
    if (r->bits == 8 && !r->kept.next) {
        const int8_t *weights = (const int8_t *)r->data.next;
        r->data.next += count;
        return weights;
    }
    for (i = 0; i < count; i++) {
        int32_t weight = 0;
        if (!r->kept.next || take(&r->kept, 1))
            weight = take(&r->data, r->bits) * step - offset;
        buffer[i] = (int8_t)weight;
    }
    return buffer;
}
