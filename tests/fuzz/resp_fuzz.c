/* resp_fuzz.c - any bytes as what a client sends to examples/kv: parsed as they come, and, cut into pieces, to the same
 * requests.
 *
 * The first byte of an input says how long the pieces are.  The others are copied into memory of their own size, before
 * each look, so that AddressSanitizer sees what is read behind the end of what has come. */
#include "resp.h"

#include "check.h"
#include "exactly.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_request(buffer *found, const resp_parser *p, const char *data)
{
    CHECK(p->used > 0);
    buffer_put(found, &p->count, sizeof p->count);
    for (size_t i = 0; i < p->count; i++) {
        const slice *s = &p->args[i];
        CHECK(s->data >= data && s->length <= p->used && s->data + s->length <= data + p->used);
        buffer_put(found, &s->length, sizeof s->length);
        buffer_put(found, s->data, s->length);
    }
}

/* All that is understood of the bytes, when they come in pieces. */
static buffer understand(const uint8_t *data, size_t size, size_t piece)
{
    buffer found = {0};
    resp_parser p = {0};
    size_t start = 0, there = piece < size ? piece : size;
    for (;;) {
        char *seen = exactly(data + start, there - start);
        resp_status status = resp_parse(&p, seen, there - start);
        if (status == RESP_REQUEST) {
            note_request(&found, &p, seen);
            start += p.used;
            resp_next(&p);
        } else if (status == RESP_ERROR) {
            buffer_text(&found, p.error);
        }
        free(seen);
        if (status == RESP_ERROR || (status == RESP_MORE && there == size)) break;
        if (status == RESP_MORE) there = size - there < piece ? size : there + piece;
    }
    resp_free(&p);
    CHECK(!found.failed);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    buffer whole = understand(data + 1, size - 1, size), pieces = understand(data + 1, size - 1, data[0] % 16 + 1U);
    CHECK_EQ(whole.length, pieces.length);
    CHECK(whole.length == 0 || memcmp(whole.data, pieces.data, whole.length) == 0);
    buffer_free(&whole);
    buffer_free(&pieces);
    return 0;
}
