/* share.c - a picture that several operating-system processes work on at once, and that is in memory once.
 *
 *     share [FILE]
 *
 * Main draws it into a shared buffer.  Each worker finds the edges in some of its rows: for that it needs the rows
 * around them, too, and it gets all; what is sent is a descriptor, however large the picture is.  What it finds it
 * sends back the same way.  A worker that crashed would cost its rows, and could not have changed the picture, which is
 * read-only for all since it was sent.  FILE gets the edges, as a PGM. */
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 4096, HEIGHT = 3072, WORKERS = 4, ROWS = HEIGHT / WORKERS };

/* Circles, one within the other. */
static void draw(unsigned char *pixels)
{
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int dx = x - WIDTH / 2, dy = y - HEIGHT / 2;
            *pixels++ = (dx * dx + dy * dy) / 200000 % 2 ? 255 : 0;
        }
    }
}

static int pixel(const unsigned char *picture, int x, int y)
{
    bool inside = x >= 0 && x < WIDTH && y >= 0 && y < HEIGHT;
    return inside ? picture[(size_t)y * WIDTH + (size_t)x] : 0;
}

/* The target of a worker; its arguments: to whom, from which row on, and the picture. */
static void find_edges(pg_process *self)
{
    const pg_message *args = pg_args(self);
    int first = (int)pg_get_int(self, args, 1);
    const unsigned char *picture = pg_get_buffer(self, args, 2, NULL);
    pg_buffer *edges = pg_buffer_new((size_t)ROWS * WIDTH);
    if (!edges) pg_fail(self, "no memory for %d rows", ROWS);
    unsigned char *out = pg_buffer_data(edges);
    for (int y = first; y < first + ROWS; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int across = abs(pixel(picture, x + 1, y) - pixel(picture, x - 1, y));
            int down = abs(pixel(picture, x, y + 1) - pixel(picture, x, y - 1));
            *out++ = (unsigned char)(across > down ? across : down);
        }
        pg_yield(self); /* as a green process should that computes for long */
    }
    pg_send(pg_get_pid(self, args, 0), "edges", first, edges);
    pg_buffer_release(edges);
}

int main(int argc, char **argv)
{
    pg_runtime *rt = pg_start(NULL);
    pg_process *self = pg_attach(rt, "main");
    pg_buffer *picture = pg_buffer_new((size_t)WIDTH * HEIGHT);
    FILE *file = argc > 1 ? fopen(argv[1], "wb") : NULL;
    if (!self || !picture || (argc > 1 && !file)) {
        perror("share");
        return 1;
    }
    if (file) fprintf(file, "P5 %d %d 255\n", WIDTH, HEIGHT);
    draw(pg_buffer_data(picture));

    pg_pid workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] =
            pg_spawn(self, find_edges, .name = "worker", .args = pg_tuple(self, i * ROWS, picture), .kind = PG_OS);
    pg_buffer_release(picture); /* the workers have it */

    for (int i = 0; i < WORKERS; i++) {
        pg_exit_info why = {.text = "it was not started"};
        const pg_message *msg;
        size_t size, found = 0;
        pg_wait(workers[i], PG_FOREVER, &why);
        if (pg_recv_match(self, &msg, 0, "edges", i * ROWS, PG_BUFFER) != PG_OK) {
            fprintf(stderr, "share: rows %d to %d are missing: %s\n", i * ROWS, (i + 1) * ROWS - 1, why.text);
            continue;
        }
        const unsigned char *edges = pg_get_buffer(self, msg, 2, &size);
        for (size_t k = 0; k < size; k++) found += edges[k] > 0;
        printf("rows %d to %d: %zu pixels of edges\n", i * ROWS, (i + 1) * ROWS - 1, found);
        if (file) fwrite(edges, 1, size, file);
    }
    if (file) fclose(file);
    return pg_stop(rt, PG_SECONDS(5));
}
