/* sandbox.c - a decoder for input that nobody vouches for, in a process that may compute and nothing else.
 *
 * The decoder below has the faults that decoders have: one check that a hostile image gets around, and two features
 * that a hostile image puts to its own use.  Nothing is done about that here.  It runs in an operating-system process
 * of its own, with limits, in a sandbox: so what an image can do is to end it.  The caller is told, by the exit of a
 * linked process, and starts another.
 *
 * An image is "IMG", width and height (two bytes each, the lower one first), and then what its pixels are, in order:
 *     'R' n value         n of one value
 *     'L' n value...      n of these values
 *     'S' n (four bytes)  n that stay 0
 *     'F' n path          those in another file (n bytes of path)
 *     'X' n command       none, but a program is run */
#include <errno.h>
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- the decoder */

typedef struct decoder {
    const unsigned char *in, *end;
    unsigned char *pixels;
    size_t size, at; /* pixels in all, and done */
    char why[100];   /* it is refused */
} decoder;

static bool refuse(decoder *d, const char *what, const char *why)
{
    snprintf(d->why, sizeof d->why, "%.50s%s%s", what, *what ? ": " : "", why);
    return false;
}

static bool has(const decoder *d, size_t bytes)
{
    return (size_t)(d->end - d->in) >= bytes;
}

static unsigned little(decoder *d, unsigned bytes)
{
    unsigned n = 0;
    for (unsigned i = 0; i < bytes; i++) n |= (unsigned)*d->in++ << 8 * i;
    return n;
}

/* THE FAULT: it is right as long as `at` has not passed `size`.  But 'S' does not ask, and the difference of what is
 * then a larger number is huge: all writes behind the pixels are let through. */
static bool has_room(const decoder *d, size_t pixels)
{
    return pixels <= d->size - d->at;
}

static bool from_file(decoder *d, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return refuse(d, path, strerror(errno));
    while (has_room(d, 1)) {
        int c = getc(file);
        if (c == EOF) break;
        d->pixels[d->at++] = (unsigned char)c;
    }
    fclose(file);
    return true;
}

static bool decode_pixels(decoder *d)
{
    char text[256];
    while (has(d, 2)) {
        unsigned char what = *d->in++;
        if (what == 'S') {
            if (!has(d, 4)) return refuse(d, "", "it is cut short");
            d->at += little(d, 4);
            continue;
        }
        size_t n = *d->in++;
        if (!has(d, what == 'R' ? 1 : n)) return refuse(d, "", "it is cut short");
        if ((what == 'R' || what == 'L') && !has_room(d, n)) return refuse(d, "", "there are too many pixels");
        switch (what) {
        case 'R':
            memset(d->pixels + d->at, *d->in++, n);
            d->at += n;
            break;
        case 'L':
            memcpy(d->pixels + d->at, d->in, n);
            d->at += n;
            d->in += n;
            break;
        default:
            memcpy(text, d->in, n);
            text[n] = '\0';
            d->in += n;
            if (what == 'F' && !from_file(d, text)) return false;
            if (what == 'X' && system(text) != 0) return refuse(d, text, "it failed");
        }
    }
    return d->at == d->size || refuse(d, "", "there are too few pixels");
}

static void on_decode(pg_process *self, const pg_message *msg)
{
    size_t length;
    pg_pid client = pg_get_pid(self, msg, 1);
    const unsigned char *bytes = pg_get_bytes(self, msg, 2, &length);
    decoder d = {.in = bytes, .end = bytes + length};
    unsigned width = 0, height = 0;
    if (!has(&d, 7) || memcmp(d.in, "IMG", 3) != 0) {
        pg_send(client, "refused", self, "it is no image");
        return;
    }
    d.in += 3;
    width = little(&d, 2);
    height = little(&d, 2);
    d.size = (size_t)width * height;
    d.pixels = calloc(d.size + 1, 1);
    if (!d.pixels) {
        pg_send(client, "refused", self, "there is no memory for its pixels");
        return;
    }
    if (decode_pixels(&d)) {
        pg_send(client, "image", self, width, height, pg_bytes(d.pixels, d.size));
    } else {
        pg_send(client, "refused", self, (const char *)d.why);
    }
    free(d.pixels);
}

static void decode(pg_process *self)
{
    pg_receive(self, on_decode, "decode", PG_PID, PG_BYTES);
}

/* --------------------------------------------------------------------------------------------------------- its user */

typedef struct app {
    pg_process *self;
    pg_sandbox sandbox;
    pg_pid decoder;
} app;

static void start_decoder(app *a)
{
    static const pg_limits limits = {.address_space = 256 << 20, .cpu_seconds = 10};
    a->decoder =
        pg_spawn_link(a->self, decode, .name = "decoder", .kind = PG_OS, .sandbox = a->sandbox, .limits = limits);
    if (pg_pid_status(a->decoder) == PG_EUNSUPPORTED && a->sandbox == PG_SANDBOX_COMPUTE) {
        puts("There is no seccomp here: the decoder has no privileges, but may open files and run programs.");
        a->sandbox = PG_SANDBOX_NO_PRIVILEGES;
        start_decoder(a);
    } else if (pg_pid_status(a->decoder) != PG_OK) {
        fprintf(stderr, "sandbox: %s\n", pg_strerror(pg_pid_status(a->decoder)));
        exit(1);
    }
}

static void show(app *a, const pg_message *msg)
{
    pg_exit_info info;
    const pg_term *first = pg_get(NULL, msg, 0);
    if (pg_matches(first, "image")) {
        size_t length, sum = 0;
        const unsigned char *pixels = pg_get_bytes(NULL, msg, 4, &length);
        for (size_t i = 0; i < length; i++) sum += pixels[i];
        printf("%d x %d pixels, their sum is %zu\n", (int)pg_get_int(NULL, msg, 2), (int)pg_get_int(NULL, msg, 3), sum);
    } else if (pg_matches(first, "refused")) {
        printf("refused: %s\n", pg_get_str(NULL, msg, 2));
    } else {
        pg_get_exit(NULL, msg, 0, &info);
        printf("the decoder has ended: %s\n", info.text);
        start_decoder(a);
    }
}

static void try(app *a, const char *name, const void *image, size_t length)
{
    const pg_message *msg;
    printf("%-22s ", name);
    fflush(stdout);
    int status = pg_send(a->decoder, "decode", a->self, pg_bytes(image, length));
    /* An answer has the decoder's pid as its second value, and so has its exit. */
    if (status == PG_OK) status = pg_recv_match(a->self, &msg, PG_SECONDS(30), PG_ANY, a->decoder, PG_ETC);
    if (status == PG_OK) {
        show(a, msg);
        return;
    }
    printf("%s\n", pg_strerror(status));
    pg_unlink(a->self, a->decoder); /* if it computes for ever, .cpu_seconds will end it */
    pg_terminate(a->decoder);
    start_decoder(a);
}

#define TRY(app, name, image) try(app, name, image, sizeof(image) - 1)

int main(void)
{
    /* The decoders are forked from the program as it is at this line.  What it loads from here on, keys for example, is
     * not in their memory. */
    int status = pg_zygote_early();
    if (status != PG_OK) fprintf(stderr, "sandbox: %s\n", pg_strerror(status));
    pg_runtime *rt = pg_start(NULL);
    app a = {.self = pg_attach(rt, "main"), .sandbox = PG_SANDBOX_COMPUTE};
    if (!a.self) return 1;
    start_decoder(&a);

    TRY(&a, "an image", "IMG\4\0\3\0R\6\7L\6abcdef");
    TRY(&a, "no image", "GIF89a");
    TRY(&a, "too many pixels", "IMG\4\0\3\0R\20\7");
    TRY(&a, "four billion pixels", "IMG\377\377\377\377R\6\7");
    TRY(&a, "writes where it likes", "IMG\4\0\3\0S\0\0\0\360R\6\7");
    TRY(&a, "an image", "IMG\4\0\3\0S\6\0\0\0L\6abcdef");
    TRY(&a, "reads a file", "IMG\4\0\3\0F\13/etc/passwd");
    TRY(&a, "runs a program", "IMG\4\0\3\0X\17echo it has run");
    TRY(&a, "an image", "IMG\1\0\1\0R\1\1");

    pg_unlink(a.self, a.decoder);
    return pg_stop(rt, PG_SECONDS(5));
}
