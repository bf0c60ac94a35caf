/* Scaled dot products of queries, keys and values side by side, in `heads` heads; padding is no key. Where all is padding,
   all keys weigh the same. `columns` codes to a token */
struct attention {
    struct rescaling scores; /* in 2^-20 */
    struct rescaling means;  /* in 2^-12 */
    int32_t tokens, heads, size, columns, zero;
};

static void attention(const struct attention *a, const int32_t *codes, const uint8_t *input, int32_t *weights,
                      uint8_t *output)
{
    int32_t width = a->heads * a->size, head, query, key, i;
    for (query = 0; query < a->tokens; query++)
        for (head = 0; head < a->heads; head++) {
            const uint8_t *queries = input + query * 3 * width + head * a->size;
            int32_t largest = 0, count = 0;
            int64_t total = 0;
            for (key = 0; key < a->tokens; key++) {
                const uint8_t *keys = input + key * 3 * width + width + head * a->size;
                int32_t sum = 0;
                for (i = 0; i < a->size; i++)
                    sum += (queries[i] - a->zero) * (keys[i] - a->zero);
                weights[key] = sum;
                if (codes[key * a->columns] != 0 && (count++ == 0 || sum > largest))
                    largest = sum;
            }
            for (key = 0; key < a->tokens; key++) {
                if (count == 0)
                    weights[key] = 1 << 30;
                else if (codes[key * a->columns] == 0)
                    weights[key] = 0;
                else {
                    int64_t distance = multiply(&a->scores, largest - weights[key], 0);
                    weights[key] = power(distance < 1 << 29 ? (int32_t)distance : 1 << 29);
                }
                total += weights[key];
            }
            for (i = 0; i < a->size; i++) {
                const uint8_t *values = input + 2 * width + head * a->size + i;
                int64_t sum = 0;
                for (key = 0; key < a->tokens; key++)
                    sum += (int64_t)weights[key] * (values[key * 3 * width] - a->zero);
                sum *= 1 << 12;
                *output++ = rescale(&a->means, (int32_t)(sum / total - (sum % total < 0)), 0);
            }
        }
}
