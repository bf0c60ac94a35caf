/* The vector of a code; 0 if there is no such code */
static int embed_code(const struct table *t, gasearch_input_t code, uint8_t *output)
{
    if (!(code >= 0 && code < (gasearch_input_t)t->rows))
        return 0;
    copy_row(t, (int32_t)code, output);
    return 1;
}
