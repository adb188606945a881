/* command.c - what requests mean: each command's arguments are checked here, and made into jobs, or answered at once.
 *
 * What is said, errors too, is worded as Redis words it, since its clients read that. */
#include "command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "connection.h"

typedef void command_code(connection *c, size_t count, slice *args);

typedef struct command {
    const char *name; /* of at most 8 letters */
    int arity;        /* how many words, with the name; at least so many if it is negative */
    command_code *code;
    uint64_t word; /* the name in one */
} command;

static bool is(slice s, const char *word)
{
    return s.length == strlen(word) && strncasecmp(s.data, word, s.length) == 0;
}

static void said(connection *c, size_t from)
{
    connection_answer(c, ANSWER_TEXT, from);
}

static void say_ok(connection *c)
{
    size_t from = c->text.length;
    reply_ok(&c->text);
    said(c, from);
}

static void say_bulk(connection *c, const char *data, size_t length)
{
    size_t from = c->text.length;
    reply_bulk(&c->text, data, length);
    said(c, from);
}

static const char not_integer[] = "ERR value is not an integer or out of range";

/* A job about one key, whose reply is the request's. */
static job *ask(connection *c, job_kind kind, slice key)
{
    job *j = connection_job(c, kind, key);
    if (j) connection_answer(c, ANSWER_JOB, c->job_count - 1);
    return j;
}

/* ------------------------------------------------------------------------------------------------- one key each */

static void cmd_get(connection *c, size_t count, slice *args)
{
    (void)count;
    ask(c, JOB_GET, args[1]);
}

/* The time behind EX, PX, EXPIRE: in milliseconds.  False: it has been said what is wrong. */
static bool milliseconds(connection *c, slice text, bool seconds, int64_t *ms)
{
    if (!slice_number(text, ms)) {
        connection_error(c, not_integer);
        return false;
    }
    if (!seconds || !__builtin_mul_overflow(*ms, 1000, ms)) return true;
    *ms = text.data[0] == '-' ? INT64_MIN : INT64_MAX;
    return true;
}

/* The words behind a value of SET.  False: it has been said what is wrong. */
static bool set_options(connection *c, size_t count, slice *args, uint8_t *flags, int64_t *ms)
{
    for (size_t i = 3; i < count; i++) {
        bool seconds = is(args[i], "EX"), timed = seconds || is(args[i], "PX");
        uint8_t flag = is(args[i], "NX")        ? SET_NX
                       : is(args[i], "XX")      ? SET_XX
                       : is(args[i], "KEEPTTL") ? SET_KEEP_TTL
                       : timed                  ? SET_EXPIRES
                                                : 0;
        *flags |= flag;
        if (flag == 0 || (timed && ++i == count) || (*flags & (SET_NX | SET_XX)) == (SET_NX | SET_XX) ||
            (*flags & (SET_EXPIRES | SET_KEEP_TTL)) == (SET_EXPIRES | SET_KEEP_TTL)) {
            connection_error(c, "ERR syntax error");
            return false;
        }
        if (!timed) continue;
        if (!milliseconds(c, args[i], seconds, ms)) return false;
        if (*ms > 0) continue;
        connection_error(c, "ERR invalid expire time in 'set' command");
        return false;
    }
    return true;
}

static void cmd_set(connection *c, size_t count, slice *args)
{
    uint8_t flags = 0;
    int64_t ms = 0;
    if (count > 3 && !set_options(c, count, args, &flags, &ms)) return;
    job *j = ask(c, JOB_SET, args[1]);
    if (!j) return;
    j->value = args[2];
    j->flags = flags;
    j->number = ms;
}

static void add(connection *c, slice key, int64_t by)
{
    job *j = ask(c, JOB_ADD, key);
    if (j) j->number = by;
}

static void cmd_incr(connection *c, size_t count, slice *args)
{
    (void)count;
    add(c, args[1], 1);
}

static void cmd_decr(connection *c, size_t count, slice *args)
{
    (void)count;
    add(c, args[1], -1);
}

static void cmd_incrby(connection *c, size_t count, slice *args)
{
    (void)count;
    int64_t by;
    if (slice_number(args[2], &by)) {
        add(c, args[1], by);
    } else {
        connection_error(c, not_integer);
    }
}

static void cmd_decrby(connection *c, size_t count, slice *args)
{
    (void)count;
    int64_t by;
    if (!slice_number(args[2], &by)) {
        connection_error(c, not_integer);
    } else if (by == INT64_MIN) {
        connection_error(c, "ERR decrement would overflow");
    } else {
        add(c, args[1], -by);
    }
}

static void expire(connection *c, slice *args, bool seconds)
{
    int64_t ms;
    if (!milliseconds(c, args[2], seconds, &ms)) return;
    job *j = ask(c, JOB_EXPIRE, args[1]);
    if (j) j->number = ms;
}

static void cmd_expire(connection *c, size_t count, slice *args)
{
    (void)count;
    expire(c, args, true);
}

static void cmd_pexpire(connection *c, size_t count, slice *args)
{
    (void)count;
    expire(c, args, false);
}

static void cmd_ttl(connection *c, size_t count, slice *args)
{
    (void)count;
    job *j = ask(c, JOB_TTL, args[1]);
    if (j) j->number = 1000;
}

static void cmd_pttl(connection *c, size_t count, slice *args)
{
    (void)count;
    job *j = ask(c, JOB_TTL, args[1]);
    if (j) j->number = 1;
}

static void cmd_persist(connection *c, size_t count, slice *args)
{
    (void)count;
    ask(c, JOB_PERSIST, args[1]);
}

/* ------------------------------------------------------------------------------------------- many keys, all keys */

static void many(connection *c, size_t count, slice *args, job_kind kind, answer_kind as)
{
    size_t from = c->job_count;
    for (size_t i = 1; i < count; i++) {
        if (!connection_job(c, kind, args[i])) return;
    }
    connection_answer(c, as, from);
}

static void cmd_del(connection *c, size_t count, slice *args)
{
    many(c, count, args, JOB_DEL, ANSWER_SUM);
}

static void cmd_exists(connection *c, size_t count, slice *args)
{
    many(c, count, args, JOB_EXISTS, ANSWER_SUM);
}

static void cmd_mget(connection *c, size_t count, slice *args)
{
    many(c, count, args, JOB_GET, ANSWER_ARRAY);
}

static void cmd_mset(connection *c, size_t count, slice *args)
{
    size_t from = c->job_count;
    if (count % 2 == 0) {
        connection_error(c, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (size_t i = 1; i < count; i += 2) {
        job *j = connection_job(c, JOB_SET, args[i]);
        if (!j) return;
        j->value = args[i + 1];
    }
    connection_answer(c, ANSWER_OK, from);
}

static void every_shard(connection *c, job_kind kind, answer_kind as)
{
    size_t from = c->job_count;
    for (unsigned i = 0; i < c->server->shards; i++) {
        if (!connection_job_for(c, kind, i)) return;
    }
    connection_answer(c, as, from);
}

static void cmd_dbsize(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    every_shard(c, JOB_SIZE, ANSWER_SUM);
}

static void cmd_flushall(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    every_shard(c, JOB_FLUSH, ANSWER_OK);
}

/* ----------------------------------------------------------------------------------------- about the connection */

static void cmd_ping(connection *c, size_t count, slice *args)
{
    size_t from = c->text.length;
    if (count > 2) {
        connection_error(c, "ERR wrong number of arguments for 'ping' command");
    } else if (count == 2) {
        say_bulk(c, args[1].data, args[1].length);
    } else {
        buffer_text(&c->text, "+PONG\r\n");
        said(c, from);
    }
}

static void cmd_echo(connection *c, size_t count, slice *args)
{
    (void)count;
    say_bulk(c, args[1].data, args[1].length);
}

static void cmd_select(connection *c, size_t count, slice *args)
{
    (void)count;
    int64_t number;
    if (!slice_number(args[1], &number)) {
        connection_error(c, not_integer);
    } else if (number != 0) {
        connection_error(c, "ERR DB index is out of range");
    } else {
        say_ok(c);
    }
}

static void cmd_client(connection *c, size_t count, slice *args)
{
    size_t from = c->text.length;
    if (is(args[1], "GETNAME")) {
        reply_nil(&c->text);
        said(c, from);
    } else if (is(args[1], "ID")) {
        reply_head(&c->text, ':', (int64_t)(pg_self(c->self).id >> 1));
        said(c, from);
    } else if (count > 2 && (is(args[1], "SETNAME") || is(args[1], "SETINFO"))) {
        say_ok(c);
    } else {
        connection_error(c, "ERR unknown subcommand. Try CLIENT HELP.");
    }
}

static void cmd_quit(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    say_ok(c);
    c->closes = true;
}

/* -------------------------------------------------------------------------------------------- about the server */

static void cmd_command(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    size_t from = c->text.length;
    reply_head(&c->text, '*', 0);
    said(c, from);
}

static void cmd_config(connection *c, size_t count, slice *args)
{
    static const char *const settings[][2] = {{"save", ""}, {"appendonly", "no"}, {"maxmemory", "0"}};
    size_t from = c->text.length;
    if (!is(args[1], "GET") || count != 3) {
        connection_error(c, "ERR unknown subcommand or wrong number of arguments. Try CONFIG HELP.");
        return;
    }
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!is(args[2], settings[i][0])) continue;
        reply_head(&c->text, '*', 2);
        for (int k = 0; k < 2; k++) reply_bulk(&c->text, settings[i][k], strlen(settings[i][k]));
        said(c, from);
        return;
    }
    reply_head(&c->text, '*', 0);
    said(c, from);
}

/* The numbers of all shards, added up. */
static void add_up(connection *c, uint64_t sums[STATS])
{
    for (unsigned i = 0; i < c->server->shards; i++) connection_job_for(c, JOB_STATS, i);
    connection_run(c);
    for (uint32_t i = 0; i < c->job_count; i++) {
        const part *p = &c->parts[c->jobs[i].shard];
        uint64_t numbers[STATS];
        if (p->status != PG_OK || c->jobs[i].reply_length != sizeof numbers) continue;
        memcpy(numbers, p->batch.replies.data + c->jobs[i].reply, sizeof numbers);
        for (int k = 0; k < STATS; k++) sums[k] += numbers[k];
    }
    connection_reset(c);
}

static unsigned long resident(void)
{
    unsigned long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%lu %lu", &size, &pages) != 2) pages = 0;
    fclose(f);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static void cmd_info(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    server *s = c->server;
    uint64_t n[STATS] = {0};
    connection_flush(c);
    add_up(c, n);
    char text[2048];
    unsigned long long up = (unsigned long long)((pg_now() - s->started) / 1000000000);
    unsigned long long connections = s->connections, clients = s->clients, restarts = s->restarts, memory = resident();
    unsigned long long numbers[STATS];
    for (int i = 0; i < STATS; i++) numbers[i] = n[i];
    int length = snprintf(text, sizeof text,
                          "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nprocess_id:%d\r\ntcp_port:%d\r\n"
                          "uptime_in_seconds:%llu\r\nshards:%u\r\nshard_kind:%s\r\nshard_restarts:%llu\r\n\r\n"
                          "# Clients\r\nconnected_clients:%llu\r\n\r\n"
                          "# Memory\r\nused_memory:%llu\r\nused_memory_rss:%llu\r\nused_memory_dataset:%llu\r\n\r\n"
                          "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
                          "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\nexpired_keys:%llu\r\n\r\n# Keyspace\r\n",
                          (int)getpid(), s->port, up, s->shards, s->os_shards ? "os" : "green", restarts, clients,
                          memory, memory, numbers[STAT_BYTES], connections, numbers[STAT_JOBS], numbers[STAT_HITS],
                          numbers[STAT_MISSES], numbers[STAT_EXPIRED]);
    if (n[STAT_KEYS] > 0) {
        length += snprintf(text + length, sizeof text - (size_t)length, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
                           numbers[STAT_KEYS], numbers[STAT_EXPIRING]);
    }
    say_bulk(c, text, (size_t)length);
}

/* DEBUG KILLSHARD n: that shard fails; answered when it has ended. */
static void cmd_debug(connection *c, size_t count, slice *args)
{
    int64_t shard = -1;
    if (count != 3 || !is(args[1], "KILLSHARD") || !slice_number(args[2], &shard) || shard < 0 ||
        shard >= (int64_t)c->server->shards) {
        connection_error(c, "ERR only DEBUG KILLSHARD n, with the number of a shard");
        return;
    }
    connection_flush(c);
    pg_pid pid = find_shard(c->self, c->server, (unsigned)shard);
    if (fail_shard(pid) == PG_OK && pg_wait(pid, PG_SECONDS(5), NULL) == PG_OK) {
        say_ok(c);
    } else {
        connection_error(c, "ERR the shard is not there");
    }
}

static void cmd_shutdown(connection *c, size_t count, slice *args)
{
    (void)count;
    (void)args;
    connection_flush(c);
    pg_send(pg_main(c->server->rt), "shut down");
    c->closes = true;
}

/* ------------------------------------------------------------------------------------------------- the table */

/* The commonest first. */
static command commands[] = {
    {"GET", 2, cmd_get, 0},
    {"SET", -3, cmd_set, 0},
    {"DEL", -2, cmd_del, 0},
    {"INCR", 2, cmd_incr, 0},
    {"DECR", 2, cmd_decr, 0},
    {"INCRBY", 3, cmd_incrby, 0},
    {"DECRBY", 3, cmd_decrby, 0},
    {"EXISTS", -2, cmd_exists, 0},
    {"MGET", -2, cmd_mget, 0},
    {"MSET", -3, cmd_mset, 0},
    {"EXPIRE", 3, cmd_expire, 0},
    {"PEXPIRE", 3, cmd_pexpire, 0},
    {"TTL", 2, cmd_ttl, 0},
    {"PTTL", 2, cmd_pttl, 0},
    {"PERSIST", 2, cmd_persist, 0},
    {"PING", -1, cmd_ping, 0},
    {"ECHO", 2, cmd_echo, 0},
    {"DBSIZE", 1, cmd_dbsize, 0},
    {"FLUSHALL", -1, cmd_flushall, 0},
    {"FLUSHDB", -1, cmd_flushall, 0},
    {"INFO", -1, cmd_info, 0},
    {"SELECT", 2, cmd_select, 0},
    {"CLIENT", -2, cmd_client, 0},
    {"CONFIG", -2, cmd_config, 0},
    {"COMMAND", -1, cmd_command, 0},
    {"DEBUG", -2, cmd_debug, 0},
    {"QUIT", -1, cmd_quit, 0},
    {"SHUTDOWN", -1, cmd_shutdown, 0},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* A name of at most eight letters as one word, in capitals; 0: it is longer, or none. */
static uint64_t word_of(slice name)
{
    char letters[8] = {0};
    uint64_t word;
    if (name.length > sizeof letters) return 0;
    for (size_t i = 0; i < name.length; i++) {
        char letter = name.data[i];
        letters[i] = (char)(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
    }
    memcpy(&word, letters, sizeof word);
    return word;
}

void commands_prepare(void)
{
    for (int i = 0; i < COMMANDS; i++) commands[i].word = word_of((slice){commands[i].name, strlen(commands[i].name)});
}

/* At most `most` bytes, and no end of line, which would end the reply. */
static void put_quoted(buffer *b, slice s, size_t most)
{
    size_t length = s.length < most ? s.length : most;
    for (size_t i = 0; i < length; i++) {
        unsigned char letter = (unsigned char)s.data[i];
        buffer_put(b, isprint(letter) ? s.data + i : " ", 1);
    }
}

static void say_unknown(connection *c, size_t count, slice *args)
{
    size_t from = c->text.length;
    buffer_text(&c->text, "-ERR unknown command '");
    put_quoted(&c->text, args[0], 128);
    buffer_text(&c->text, "', with args beginning with: ");
    for (size_t i = 1; i < count && c->text.length - from < 256; i++) {
        buffer_text(&c->text, "'");
        put_quoted(&c->text, args[i], 128);
        buffer_text(&c->text, "' ");
    }
    buffer_text(&c->text, "\r\n");
    said(c, from);
}

void command_run(connection *c, size_t count, slice *args)
{
    uint64_t word = word_of(args[0]);
    for (int i = 0; i < COMMANDS; i++) {
        const command *known = &commands[i];
        if (word != known->word || word == 0) continue;
        if (known->arity > 0 ? count == (size_t)known->arity : count >= (size_t)-known->arity) {
            known->code(c, count, args);
            return;
        }
        char text[80], name[9] = {0};
        for (size_t k = 0; known->name[k]; k++) name[k] = (char)tolower((unsigned char)known->name[k]);
        snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", name);
        connection_error(c, text);
        return;
    }
    say_unknown(c, count, args);
}
