/* options_fuzz.c - any bytes as the options of a runtime and of a spawn: refused with a status that the manual names,
 * or they make a runtime that works, and stops.
 *
 * Numbers are drawn from the input with few bytes where the manual has limits, so that both sides of them are tried;
 * the address space that a runtime may ask for is kept small, and no zygote is started. */
#include "check.h"

#include <paragram.h>
#include <stdatomic.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *at, *end;
static atomic_int ran;

static uint8_t byte(void)
{
    return at < end ? *at++ : 0;
}

/* A number of up to eight bytes, mostly a small one. */
static uint64_t number(void)
{
    uint64_t n = 0;
    for (int bytes = byte() % 9; bytes > 0; bytes--) n = n << 8 | byte();
    return n;
}

static void quiet(void *context, pg_log_level level, const char *line)
{
    CHECK(context == &ran && level <= PG_LOG_WARNING && strlen(line) > 0);
}

static void run(pg_process *self)
{
    CHECK(pg_count(pg_args(self)) <= PG_VALUES_MAX);
    atomic_fetch_add(&ran, 1);
}

static void on_any(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void define(pg_table *table)
{
    pg_on(table, on_any, PG_ETC);
}

static void define_badly(pg_table *table)
{
    CHECK_EQ(pg_on(table, on_any, PG_ETC, 1), PG_EPATTERN);
}

static pg_table good = PG_TABLE(define), bad = PG_TABLE(define_badly);

/* Arguments: a tuple, a list that is too long, or what is no sequence. */
static pg_value arguments(void)
{
    static pg_value values[PG_VALUES_MAX + 1];
    for (size_t i = 0; i < PG_VALUES_MAX + 1; i++) values[i] = pg_v_int((int64_t)number());
    size_t count = byte() % (PG_VALUES_MAX + 2);
    switch (byte() % 4) {
    case 0: return (pg_value){0};
    case 1: return pg_list_of(count, values);
    case 2: return pg_v_make(byte() % 2 ? PG_T_INVALID : PG_T_ETC, 0, 0);
    default: return pg_tuple_of(count, values);
    }
}

/* A process of any kind; there is no zygote for those of kind PG_OS. */
static void spawn_one(pg_runtime *rt, const pg_options *options)
{
    char name[300];
    size_t length = byte();
    memset(name, 'n', length);
    name[length] = '\0';
    pg_spawn_options spawn = {.name = byte() % 2 ? name : NULL, .kind = (pg_kind)(byte() % 6), .args = arguments()};
    uint8_t table = byte() % 4;
    spawn.table = table == 1 ? &good : table == 2 ? &bad : NULL;
    spawn.limits = (pg_limits){.address_space = number(), .cpu_seconds = (unsigned)number(), .open_files = byte()};
    spawn.sandbox = (pg_sandbox)(byte() % 5);
    const pg_mailbox mailbox = {(uint32_t)number(), number(), (uint32_t)number(), (uint32_t)number(), {number()}};
    spawn.mailbox = byte() % 2 ? &mailbox : NULL;
    spawn.max_slice = byte() % 4 ? 0 : (int64_t)number();
    pg_pid pid = pg_spawn_in(rt, byte() % 4 ? run : NULL, &spawn);
    int status = pg_pid_status(pid);
    if (status == PG_OK) {
        pg_terminate(pid);
        CHECK_EQ(pg_wait(pid, PG_SECONDS(60), NULL), PG_OK);
        return;
    }
    bool os = spawn.kind == PG_OS || (spawn.kind == PG_KIND_DEFAULT && options->kind == PG_OS);
    CHECK(status == PG_EINVAL || status == PG_ETOOMANY || status == PG_EPATTERN || status == PG_ELIMIT ||
          (status == PG_EUNSUPPORTED && os));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at = data;
    end = data + size;
    int status = 1;
    pg_options options = {.workers = (unsigned)number(), .kind = (pg_kind)(byte() % 5), .stack_size = number()};
    options.max_processes = (uint32_t)number();
    options.stuck_after = (int64_t)number();
    options.report_overflow = byte() % 2;
    options.no_os = true;
    options.log = quiet;
    options.log_context = &ran;
    if (byte() % 8 != 0) options.status = &status;
    /* What would be a thread for each, or more addresses than there are for all: only whether it is refused matters. */
    if (options.workers > 4 && options.workers <= 256) options.workers = 4;
    if (options.max_processes == 0 || options.max_processes <= 268000000) options.max_processes %= 1000;
    if (options.max_processes == 0) options.max_processes = 10;
    if (options.stack_size > 1 << 20 && options.stack_size < (size_t)1 << 40) options.stack_size %= 1 << 20;
    pg_runtime *rt = pg_start(&options);
    if (options.status && status != 1) CHECK_EQ(status == PG_OK, rt != NULL);
    CHECK(status == 1 || status == PG_OK || status == PG_EINVAL || status == PG_ENOMEM);
    if (!rt) return 0;
    for (int n = byte() % 4; n >= 0; n--) spawn_one(rt, &options);
    CHECK_EQ(pg_stop(rt, PG_SECONDS(60)), PG_OK);
    return 0;
}
