/* wordcount.c - counts the words of all files below some directories, with a process for every file.
 *
 *     wordcount [-i | --isolate] [--crash-on NAME] [-j N] [-n TOP] [-v] DIR...
 *
 * A word is a maximal run of the letters A to Z and a to z, lower-cased: what `tr -cs A-Za-z '\n' | tr A-Z a-z` gives.
 * Prints how many files, words and distinct words there are, the TOP (10) most frequent words, and what was skipped and
 * why: directories that cannot be read, files that cannot be, symbolic links (none is followed, but for the DIRs
 * themselves, so there are no loops), what is no regular file, and compressed files, which are known by their names.
 * -v names all that were skipped, not three of each sort.  At most N files are open at once: 64, or 8 with --isolate.
 *
 * --isolate gives each file an operating-system process of its own.  What crashes one, as reading hostile input might,
 * costs its file and no other.  --crash-on shows it: half-way through a file of that NAME its process writes to a null
 * pointer.  Without --isolate that is the end of the program.
 *
 *     main                          walks the directories on its own thread
 *       |  ("file", path)     ^  ("ended", path, nil or why it was skipped), then ("totals", ...)
 *       v                     |
 *     collector  ----- spawns and is linked to ----->  a process for each file
 *       ^                                                 |
 *       `------- ("counts", pid, {word: count, ...}) -----'
 *
 * Nothing is shared: all that these know of each other, they know from messages.  A file's counts are kept until its
 * process has ended, and thrown away if it has failed, so the totals are right whatever happens to a file half-way.
 *
 * The processes are PG_GREEN though read() blocks.  Nearly all reads are answered from the page cache, within
 * microseconds; one that does wait for a disk holds up its worker for 10 ms at most, since then the runtime
 * hands the worker's queue over to another thread.  PG_THREAD would start and end a thread for every file: measured on
 * 7,500 files, twice the time and the memory.  It would be right if reads mostly took long, from a network, say.  For
 * PG_OS nothing changes but the kind: a path and the collector's pid go there as arguments, the counts come back as
 * messages, and a crash as an exit. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <paragram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_WORDS = 4096, CHUNK_BYTES = 1 << 20, READ_BYTES = 32768, MOST_IN_FLIGHT = 900, ISOLATED_IN_FLIGHT = 8 };

/* ------------------------------------------------------------------------------------- a table of words and counts */

typedef struct word {
    char *text; /* NULL: an empty slot */
    size_t length;
    uint64_t hash;
    int64_t count;
} word;

typedef struct words {
    word *slots;
    size_t room; /* 0, or a power of two */
    size_t used;
    size_t bytes; /* of all texts */
} words;

/* FNV-1a. */
static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    return hash;
}

static word *words_slot(words *w, const char *text, size_t length, uint64_t hash)
{
    for (size_t i = hash;; i++) {
        word *slot = &w->slots[i & (w->room - 1)];
        if (!slot->text) return slot;
        if (slot->hash == hash && slot->length == length && memcmp(slot->text, text, length) == 0) return slot;
    }
}

static bool words_grow(words *w)
{
    words larger = {.room = w->room ? 2 * w->room : 256, .used = w->used, .bytes = w->bytes};
    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (!larger.slots) return false;
    for (size_t i = 0; i < w->room; i++) {
        word *old = &w->slots[i];
        if (old->text) *words_slot(&larger, old->text, old->length, old->hash) = *old;
    }
    free(w->slots);
    *w = larger;
    return true;
}

/* False: memory is short. */
static bool words_add(words *w, const char *text, size_t length, int64_t count)
{
    uint64_t hash = hash_of(text, length);
    if (w->used >= w->room / 4 * 3 && !words_grow(w)) return false;
    word *slot = words_slot(w, text, length, hash);
    if (!slot->text) {
        char *copy = malloc(length);
        if (!copy) return false;
        *slot = (word){.text = memcpy(copy, text, length), .length = length, .hash = hash};
        w->used++;
        w->bytes += length;
    }
    slot->count += count;
    return true;
}

/* Empties the table; its slots stay. */
static void words_clear(words *w)
{
    for (size_t i = 0; i < w->room; i++) {
        free(w->slots[i].text);
        w->slots[i] = (word){0};
    }
    w->used = w->bytes = 0;
}

/* ------------------------------------------------------------------------------------------- the process of a file */

typedef struct job {
    int fd;
    words words;
    pg_value *values; /* of the message that is being built */
    char *carry;      /* the beginning of a word that the last read cut off */
    size_t carry_length, carry_room;
    char buffer[READ_BYTES];
} job;

static void job_end(void *argument)
{
    job *j = argument;
    if (j->fd >= 0) close(j->fd);
    words_clear(&j->words);
    free(j->words.slots);
    free(j->values);
    free(j->carry);
    free(j);
}

/* Returns the file's length in bytes. */
static off_t open_file(pg_process *self, job *j, const char *path)
{
    struct stat status;
    /* It was a regular file when it was found.  It may be a FIFO by now, on which a plain open would wait. */
    j->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
    if (j->fd < 0 || fstat(j->fd, &status) != 0) pg_fail(self, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode)) pg_fail(self, "not a regular file");
    return status.st_size;
}

static void add_word(pg_process *self, job *j, const char *text, size_t length)
{
    if (length > 0 && !words_add(&j->words, text, length, 1)) pg_fail(self, "no memory for its words");
}

static void add_to_carry(pg_process *self, job *j, const char *text, size_t length)
{
    if (length > j->carry_room - j->carry_length) {
        size_t room = 2 * (j->carry_length + length);
        char *carry = realloc(j->carry, room);
        if (!carry) pg_fail(self, "no memory for a word of %zu letters", j->carry_length + length);
        j->carry = carry;
        j->carry_room = room;
    }
    if (length > 0) memcpy(j->carry + j->carry_length, text, length);
    j->carry_length += length;
}

static void end_carry(pg_process *self, job *j)
{
    add_word(self, j, j->carry, j->carry_length);
    j->carry_length = 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void count_words(pg_process *self, job *j, size_t length)
{
    char *text = j->buffer;
    for (size_t i = 0; i < length;) {
        size_t begin = i;
        for (; i < length && is_letter(text[i]); i++) text[i] |= 0x20;
        if (i < length && j->carry_length == 0) {
            add_word(self, j, text + begin, i - begin);
        } else {
            add_to_carry(self, j, text + begin, i - begin);
            if (i < length) end_carry(self, j);
        }
        while (i < length && !is_letter(text[i])) i++;
    }
}

static void send_counts(pg_process *self, job *j, pg_pid collector)
{
    size_t n = 0;
    if (j->words.used == 0) return;
    j->values = malloc(2 * j->words.used * sizeof *j->values);
    if (!j->values) pg_fail(self, "no memory for a message");
    for (size_t i = 0; i < j->words.room; i++) {
        const word *w = &j->words.slots[i];
        if (!w->text) continue;
        j->values[n++] = pg_strn(w->text, w->length);
        j->values[n++] = pg_v_int(w->count);
    }
    int status = pg_send(collector, "counts", self, pg_dict_of(n, j->values));
    if (status != PG_OK) pg_fail(self, "its words could not be sent: %s", pg_strerror(status));
    free(j->values);
    j->values = NULL;
    words_clear(&j->words);
}

/* What --crash-on asks for. */
static void crash(void)
{
    static int *volatile nowhere;
    *nowhere = 0;
}

static bool is_named(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

static void count_file(pg_process *self)
{
    pg_pid collector = pg_get_pid(self, pg_args(self), 0);
    const char *path = pg_get_str(self, pg_args(self), 1);
    bool crashes = is_named(path, pg_get_str(self, pg_args(self), 2));
    job *j = calloc(1, sizeof *j);
    if (!j) pg_fail(self, "no memory");
    j->fd = -1;
    if (pg_defer(self, job_end, j) != PG_OK) {
        free(j);
        pg_fail(self, "no memory");
    }
    off_t left = open_file(self, j, path) / 2; /* until it is half-way */
    for (;;) {
        ssize_t length = read(j->fd, j->buffer, sizeof j->buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) pg_fail(self, "%s", strerror(errno));
        if (length == 0) break;
        count_words(self, j, (size_t)length);
        left -= length;
        if (crashes && left <= 0) {
            send_counts(self, j, collector); /* these words must not count */
            crash();
        }
        if (j->words.used >= CHUNK_WORDS || j->words.bytes >= CHUNK_BYTES) send_counts(self, j, collector);
        if ((size_t)length == sizeof j->buffer) pg_yield(self); /* a large file is not to hold up small ones */
    }
    end_carry(self, j);
    send_counts(self, j, collector);
}

/* --------------------------------------------------------------------------------------------------- the collector */

/* A file whose process has not ended. */
typedef struct file {
    pg_pid pid; /* {0}: a free entry */
    char *path;
    const pg_message **chunks;
    size_t count;
} file;

typedef struct collector {
    pg_pid main;
    words words;
    int64_t files, total;
    size_t limit;
    pg_kind kind;   /* of the files' processes */
    char *crash_on; /* the name of the files whose processes crash; "": of none */
    file open[MOST_IN_FLIGHT];
} collector;

static void drop_file(file *f)
{
    for (size_t i = 0; i < f->count; i++) pg_release(f->chunks[i]);
    free(f->chunks);
    free(f->path);
    *f = (file){0};
}

static void collector_end(void *argument)
{
    collector *c = argument;
    for (size_t i = 0; i < c->limit; i++) drop_file(&c->open[i]);
    words_clear(&c->words);
    free(c->words.slots);
    free(c->crash_on);
    free(c);
}

static file *find_file(collector *c, pg_pid pid)
{
    for (size_t i = 0; i < c->limit; i++) {
        if (pg_same(c->open[i].pid, pid)) return &c->open[i];
    }
    return NULL;
}

static void on_file(pg_process *self, const pg_message *msg)
{
    collector *c = pg_data(self);
    const char *path = pg_get_str(self, msg, 1);
    file *f = find_file(c, (pg_pid){0}); /* there is one: main sees to it that no more than `limit` are in flight */
    char *copy = strdup(path);
    if (!f || !copy) pg_fail(self, "no room for another file");
    pg_pid pid =
        pg_spawn_link(self, count_file, .name = path, .args = pg_tuple(self, path, c->crash_on), .kind = c->kind);
    if (pg_pid_status(pid) == PG_OK) {
        *f = (file){.pid = pid, .path = copy};
    } else {
        pg_send(c->main, "ended", path, pg_strerror(pg_pid_status(pid)));
        free(copy);
    }
}

static void on_counts(pg_process *self, const pg_message *msg)
{
    file *f = find_file(pg_data(self), pg_get_pid(self, msg, 1));
    if (!f) return;
    const pg_message **chunks = realloc(f->chunks, (f->count + 1) * sizeof *chunks);
    if (!chunks) pg_fail(self, "no memory for the words of %s", f->path);
    f->chunks = chunks;
    f->chunks[f->count] = pg_keep(self, msg);
    if (!f->chunks[f->count]) pg_fail(self, "no memory for the words of %s", f->path);
    f->count++;
}

static void merge(pg_process *self, collector *c, const pg_term *counts)
{
    for (size_t i = 0, n = pg_term_count(self, counts); i < n; i++) {
        size_t length;
        const char *text = pg_term_str(self, pg_term_key(self, counts, i), &length);
        int64_t count = pg_term_int(self, pg_term_val(self, counts, i));
        if (!words_add(&c->words, text, length, count)) pg_fail(self, "no memory for %zu words", c->words.used);
        c->total += count;
    }
}

/* A linked process has ended: that of a file, or main, without whom there is nothing to do. */
static void on_exit_of(pg_process *self, const pg_message *msg)
{
    collector *c = pg_data(self);
    pg_pid pid = pg_get_pid(self, msg, 1);
    pg_exit_info info;
    pg_get_exit(self, msg, 0, &info);
    file *f = find_file(c, pid);
    if (!f) pg_exit(self);
    bool failed = info.kind != PG_EXIT_NORMAL;
    for (size_t i = 0; i < f->count && !failed; i++) {
        merge(self, c, pg_get(self, f->chunks[i], 2));
        pg_yield(self);
    }
    c->files += !failed;
    pg_send(c->main, "ended", f->path, failed ? info.text : NULL);
    drop_file(f);
}

/* The most frequent first; what is equally frequent, in the alphabet's order. */
static int by_count(const void *left, const void *right)
{
    const word *a = *(const word *const *)left, *b = *(const word *const *)right;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static void on_report(pg_process *self, const pg_message *msg)
{
    collector *c = pg_data(self);
    size_t used = c->words.used, top = (size_t)pg_get_int(self, msg, 1), n = 0;
    if (top > used) top = used;
    const word **order = calloc(used + 1, sizeof *order);
    pg_value(*pairs)[2] = calloc(top + 1, sizeof *pairs);
    pg_value *tuples = calloc(top + 1, sizeof *tuples);
    if (!order || !pairs || !tuples) pg_fail(self, "no memory to sort %zu words", used);
    for (size_t i = 0; i < c->words.room; i++) {
        if (c->words.slots[i].text) order[n++] = &c->words.slots[i];
    }
    qsort(order, n, sizeof *order, by_count);
    for (size_t i = 0; i < top; i++) {
        pairs[i][0] = pg_strn(order[i]->text, order[i]->length);
        pairs[i][1] = pg_v_int(order[i]->count);
        tuples[i] = pg_tuple_of(2, pairs[i]);
    }
    pg_send(c->main, "totals", c->files, c->total, used, pg_list_of(top, tuples));
    free(order);
    free(pairs);
    free(tuples);
    pg_exit(self);
}

static void collect(pg_process *self)
{
    collector *c = calloc(1, sizeof *c);
    if (!c) pg_fail(self, "no memory");
    c->main = pg_get_pid(self, pg_args(self), 0);
    c->limit = (size_t)pg_get_int(self, pg_args(self), 1);
    c->kind = pg_get_bool(self, pg_args(self), 2) ? PG_OS : PG_GREEN;
    pg_set_data(self, c);
    if (pg_defer(self, collector_end, c) != PG_OK) pg_fail(self, "no memory");
    c->crash_on = strdup(pg_get_str(self, pg_args(self), 3));
    if (!c->crash_on) pg_fail(self, "no memory");
    pg_receive(self, on_counts, "counts", PG_PID, PG_DICT);
    pg_receive(self, on_exit_of, PG_EXIT, PG_PID);
    pg_receive(self, on_file, "file", PG_STR);
    pg_receive(self, on_report, "report", PG_INT);
}

/* ------------------------------------------------------------------------------------------------------------- main */

typedef struct skip {
    char *reason, *path;
} skip;

typedef struct app {
    pg_process *self;
    pg_pid collector;
    int64_t in_flight, limit, top, ended; /* limit 0: as many as its processes' kind suggests */
    const char *crash_on;
    bool isolate, all_skips, progress;
    int64_t shown_at; /* milliseconds: when the progress was last printed */
    skip *skips;
    size_t skip_count;
    bool trouble; /* something was skipped that was meant to be read */
} app;

static void give_up(const char *what)
{
    fprintf(stderr, "wordcount: %s\n", what);
    exit(1);
}

static void add_skip(app *a, const char *path, const char *reason)
{
    if ((a->skip_count & (a->skip_count - 1)) == 0) {
        size_t room = a->skip_count ? 2 * a->skip_count : 1;
        a->skips = realloc(a->skips, room * sizeof *a->skips);
        if (!a->skips) give_up("no memory");
    }
    skip s = {strdup(reason), strdup(path)};
    if (!s.reason || !s.path) give_up("no memory");
    a->skips[a->skip_count++] = s;
}

/* The next message to main.  The collector is linked to main: when it fails, main ends in this receive. */
static const pg_message *next_message(app *a)
{
    const pg_message *msg;
    int status = pg_recv(a->self, &msg, PG_FOREVER);
    if (status == PG_OK) return msg;
    pg_exit_info info = {.text = ""};
    pg_why(a->collector, &info);
    give_up(info.text[0] ? info.text : pg_strerror(status));
    return NULL;
}

static void show_progress(app *a)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (ms - a->shown_at < 100) return;
    a->shown_at = ms;
    fprintf(stderr, "\r%lld files, %lld more being read\033[K", (long long)a->ended, (long long)a->in_flight);
}

/* Waits until at most `most` files are in flight. */
static void wait_for_files(app *a, int64_t most)
{
    while (a->in_flight > most) {
        const pg_message *msg = next_message(a);
        const pg_term *reason = pg_get(NULL, msg, 2);
        if (pg_term_type(reason) == PG_T_STR) {
            add_skip(a, pg_get_str(NULL, msg, 1), pg_term_str(NULL, reason, NULL));
            a->trouble = true;
        }
        a->in_flight--;
        a->ended++;
        if (a->progress) show_progress(a);
    }
}

static bool is_compressed(const char *name)
{
    static const char *const endings[] = {".gz", ".bz2", ".xz", ".zst", ".lz", ".Z"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcmp(dot, endings[i]) == 0) return true;
    }
    return false;
}

static const char *what_it_is(mode_t mode)
{
    return S_ISFIFO(mode) ? "FIFO" : S_ISSOCK(mode) ? "socket" : "device";
}

static void visit(app *a, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        if (is_compressed(entry->fts_name)) {
            add_skip(a, entry->fts_path, "compressed");
            return;
        }
        wait_for_files(a, a->limit - 1);
        if (pg_send(a->collector, "file", (const char *)entry->fts_path) == PG_OK) a->in_flight++;
        return;
    case FTS_SL:
    case FTS_SLNONE: add_skip(a, entry->fts_path, "symbolic link"); return;
    case FTS_DEFAULT: add_skip(a, entry->fts_path, what_it_is(entry->fts_statp->st_mode)); return;
    case FTS_DC: add_skip(a, entry->fts_path, "directory that contains itself"); return;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        add_skip(a, entry->fts_path, strerror(entry->fts_errno));
        a->trouble = true;
        return;
    default: return; /* a directory, before and after what is in it */
    }
}

static void walk(app *a, char **directories)
{
    FTS *tree = fts_open(directories, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!tree) give_up(strerror(errno));
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) visit(a, entry);
    fts_close(tree);
    wait_for_files(a, 0);
    if (a->progress) fputs("\r\033[K", stderr);
}

static int by_reason(const void *left, const void *right)
{
    const skip *a = left, *b = right;
    int order = strcmp(a->reason, b->reason);
    return order ? order : strcmp(a->path, b->path);
}

/* A name as one line: what would break it is shown as '?'. */
static void print_path(const char *path)
{
    fputs("           ", stdout);
    for (; *path; path++) putchar((unsigned char)*path < ' ' || *path == 127 ? '?' : *path);
    putchar('\n');
}

static void print_skips(app *a)
{
    if (a->skip_count == 0) return;
    qsort(a->skips, a->skip_count, sizeof *a->skips, by_reason);
    printf("\n%10zu skipped\n", a->skip_count);
    for (size_t i = 0, end; i < a->skip_count; i = end) {
        const char *reason = a->skips[i].reason;
        for (end = i; end < a->skip_count && strcmp(a->skips[end].reason, reason) == 0;) end++;
        printf("%10zu %s\n", end - i, reason);
        for (size_t k = i; k < end; k++) {
            if (a->all_skips || k < i + 3) print_path(a->skips[k].path);
        }
        if (!a->all_skips && end - i > 3) puts("           ...");
    }
}

/* Prints what the collector says; returns the number of files. */
static int64_t print_totals(app *a)
{
    pg_send(a->collector, "report", a->top);
    const pg_message *msg = next_message(a);
    int64_t files = pg_get_int(NULL, msg, 1);
    printf("%10lld files\n%10lld words\n%10lld distinct\n\n", (long long)files, (long long)pg_get_int(NULL, msg, 2),
           (long long)pg_get_int(NULL, msg, 3));
    const pg_term *top = pg_get(NULL, msg, 4);
    for (size_t i = 0, n = pg_term_count(NULL, top); i < n; i++) {
        const pg_term *pair = pg_term_at(NULL, top, i);
        printf("%10lld %s\n", (long long)pg_term_int(NULL, pg_term_at(NULL, pair, 1)),
               pg_term_str(NULL, pg_term_at(NULL, pair, 0), NULL));
    }
    return files;
}

/* A number from 1 to `most`, or the end of the program. */
static int64_t number(const char *text, int64_t most)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && n >= 1 && n <= most) return n;
    fprintf(stderr, "wordcount: '%s' is no number from 1 to %lld\n", text, (long long)most);
    exit(2);
}

static void usage(const char *program)
{
    fprintf(stderr, "usage: %s [-i | --isolate] [--crash-on NAME] [-j FILES AT ONCE] [-n TOP] [-v] DIR...\n", program);
    exit(2);
}

static void read_options(app *a, int argc, char **argv)
{
    static const struct option names[] = {
        {"isolate", no_argument, NULL, 'i'}, {"crash-on", required_argument, NULL, 'c'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "ij:n:v", names, NULL)) != -1;) {
        switch (option) {
        case 'c': a->crash_on = optarg; break;
        case 'i': a->isolate = true; break;
        case 'j': a->limit = number(optarg, MOST_IN_FLIGHT); break;
        case 'n': a->top = number(optarg, INT32_MAX); break;
        case 'v': a->all_skips = true; break;
        default: usage(argv[0]);
        }
    }
    if (optind >= argc) usage(argv[0]);
    if (a->limit == 0) a->limit = a->isolate ? ISOLATED_IN_FLIGHT : 64;
}

int main(int argc, char **argv)
{
    app a = {.top = 10, .crash_on = "", .progress = isatty(STDERR_FILENO)};
    read_options(&a, argc, argv);
    /* A slow disk is nothing to report here. */
    pg_runtime *rt = pg_start(&(pg_options){.stuck_after = PG_SECONDS(60), .no_os = !a.isolate});
    a.self = pg_attach(rt, "main");
    if (!a.self) give_up("the runtime does not start");
    a.collector = pg_spawn_link(a.self, collect, .name = "collector",
                                .args = pg_tuple(a.self, a.limit, (bool)a.isolate, a.crash_on));
    if (pg_pid_status(a.collector) != PG_OK) give_up(pg_strerror(pg_pid_status(a.collector)));
    walk(&a, argv + optind);
    int64_t files = print_totals(&a);
    print_skips(&a);
    for (size_t i = 0; i < a.skip_count; i++) {
        free(a.skips[i].path);
        free(a.skips[i].reason);
    }
    free(a.skips);
    pg_stop(rt, PG_SECONDS(5));
    return files == 0 && a.trouble ? 1 : 0;
}
