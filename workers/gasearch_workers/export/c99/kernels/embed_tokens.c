/* The vector of each token; those without one take that of the unknown. `columns` codes to a token */
static void embed_tokens(const struct table *t, int32_t tokens, int32_t columns, int32_t unknown, const int32_t *codes,
                         uint8_t *output)
{
    int32_t token;
    for (token = 0; token < tokens; token++) {
        int32_t code = codes[token * columns];
        copy_row(t, code >= 0 && code < t->rows ? code : unknown, output + token * t->width);
    }
}
