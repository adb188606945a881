/* os.c - see os.h.
 *
 * A child begins in three steps, none of which waits for it: its number is reserved and its bridge opened; a letter
 * says what its first process is; the zygote is asked.  So its pid is known at once, and what is sent to it waits in
 * the ring.  What becomes of it is told by the zygote: that it could not be forked, too, which then is how it has
 * ended.
 *
 * Its death is not its end: what it had sent before lies in the ring and is read first, by the bridge. */
#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "crash.h"
#include "far.h"
#include "limit.h"
#include "parcel.h"
#include "runtime.h"

enum { CHILD_PROCESSES_MAX = 1 << 18 };

int pgi_os_start(pg_runtime *rt)
{
    pgi_os *os = &rt->os;
    int status = rt->options.no_os ? PG_OK : pgi_zygote_acquire(false);
    if (status == PG_ENOMEM) return status;
    pthread_mutex_init(&os->lock, NULL);
    os->client = os->spare = -1;
    os->zygote = !rt->options.no_os && status == PG_OK;
    return PG_OK;
}

/* ----------------------------------------------------------------------------------------------------------- deaths */

/* The bridges that there are, and ever were: those of the list, which only grows at its head. */
static pgi_bridge *first_bridge(pgi_os *os)
{
    return load_acquire(&os->bridges); /* partner: take_bridge */
}

/* Whether its child may live, or its death is awaited. */
static bool is_in_use(pgi_bridge *b)
{
    uint32_t state = load_acquire(&b->state); /* partners: pgi_bridge_open, close_bridge */
    return state == PGI_BRIDGE_OPEN || state == PGI_BRIDGE_BROKEN;
}

/* The zygote has ended, or closed the connection, with which all children go. */
static void bury_all(pgi_os *os)
{
    const pgi_death death = {.code = CLD_KILLED, .status = SIGKILL};
    for (pgi_bridge *b = first_bridge(os); b; b = b->next) {
        if (is_in_use(b)) pgi_bridge_bury(b, &death);
    }
}

/* Reports of the zygote.  Called where sources fire, so it only marks what has died. */
static void hear(pgs_source *source, uint32_t events)
{
    (void)events;
    pgi_os *os = container_of(source, pgi_os, source);
    pgi_death death;
    int status;
    while ((status = pgi_zygote_read(os->client, &death)) == PG_OK) {
        for (pgi_bridge *b = first_bridge(os); b && death.code != PGI_BORN; b = b->next) {
            if (is_in_use(b) && b->node == death.node) pgi_bridge_bury(b, &death);
        }
    }
    if (status != PG_ESTOPPED) return;
    bury_all(os);
    store_release(&os->lost, true); /* partner: connect_once */
}

/* ------------------------------------------------------------------------------------------- what is remembered */

/* The last abnormal ends; of the program, since their pids say nothing of the runtime that they belonged to.  Whoever
 * is not in here has ended normally, unless one of his node and generation, or a later one, has been forgotten. */
typedef struct book {
    pg_exit_info exits[PGI_EXITS_KEPT]; /* untouched, and so no memory, until something fails */
    uint64_t made;
    uint32_t forgotten[1 << PGI_NODE_BITS]; /* of each node, the last generation of which an end has been */
} book;

/* A child may have any number of processes that fail, on purpose even: these do not make others be forgotten than of
 * their own kind. */
static pthread_mutex_t exits_lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static book of_children;                                       /* and of their first processes */
static book of_others;                                         /* of their other processes */
static uint64_t ended_well[1 << PGI_NODE_BITS];                /* of each node, the last first process that has */

/* What it tells may be of all processes of its child: see tells_of(). */
static void forget(book *in, const pg_exit_info *exit)
{
    uint32_t *last = &in->forgotten[pgi_pid_node(exit->pid)];
    uint32_t generation = pgi_pid_generation(exit->pid) + (exit->kind == PG_EXIT_CRASHED ? PGI_GENERATION_WINDOW : 0);
    if (generation > *last) *last = generation;
}

void pgi_os_remember(const pg_exit_info *exit, bool first)
{
    pthread_mutex_lock(&exits_lock);
    book *in = first ? &of_children : &of_others;
    if (exit->kind != PG_EXIT_NORMAL) {
        pg_exit_info *at = &in->exits[in->made++ % PGI_EXITS_KEPT];
        if (in->made > PGI_EXITS_KEPT) forget(in, at);
        *at = *exit;
    } else if (first) {
        ended_well[pgi_pid_node(exit->pid)] = exit->pid.id;
    }
    pthread_mutex_unlock(&exits_lock);
}

/* A child that crashed has taken all with it that had not ended: what is remembered of it has a pid of its first
 * generation, which none of its processes has. */
static bool tells_of(const pg_exit_info *exit, pg_pid pid)
{
    uint32_t first = pgi_pid_generation(exit->pid), generation = pgi_pid_generation(pid);
    return exit->kind == PG_EXIT_CRASHED && pgi_pid_node(exit->pid) == pgi_pid_node(pid) && generation > first &&
           generation <= first + PGI_GENERATION_WINDOW;
}

static const pg_exit_info *find(const book *in, pg_pid pid, bool (*is_it)(const pg_exit_info *exit, pg_pid pid))
{
    uint64_t kept = in->made < PGI_EXITS_KEPT ? in->made : PGI_EXITS_KEPT;
    for (uint64_t i = 0; i < kept; i++) {
        if (is_it(&in->exits[i], pid)) return &in->exits[i];
    }
    return NULL;
}

static bool is_of(const pg_exit_info *exit, pg_pid pid)
{
    return pg_same(exit->pid, pid);
}

static bool may_be_forgotten(const book *in, pg_pid pid)
{
    return pgi_pid_generation(pid) <= in->forgotten[pgi_pid_node(pid)];
}

void pgi_os_look_back(pg_pid pid, pg_exit_info *exit)
{
    pthread_mutex_lock(&exits_lock);
    bool well = ended_well[pgi_pid_node(pid)] == pid.id;
    const pg_exit_info *found = well ? NULL : find(&of_children, pid, is_of);
    if (!well && !found) found = find(&of_others, pid, is_of);
    if (!well && !found) found = find(&of_children, pid, tells_of);
    well = well || !(may_be_forgotten(&of_children, pid) || may_be_forgotten(&of_others, pid));
    *exit = found ? *found : (pg_exit_info){.kind = well ? PG_EXIT_NORMAL : PG_EXIT_UNKNOWN};
    exit->pid = pid;
    pthread_mutex_unlock(&exits_lock);
}

/* What is said of a child, and of those of its processes that had not ended. */
static void explain(const pgi_bridge *b, pg_exit_info *why)
{
    const pgi_death *death = &b->death;
    char text[PGI_CRASH_TEXT_MAX];
    *why = (pg_exit_info){.kind = PG_EXIT_CRASHED, .pid = b->root};
    if (b->broken) {
        snprintf(text, sizeof text, "broke the protocol (%s), and was killed", b->broken);
    } else if (death->code == PGI_UNBORN) {
        snprintf(text, sizeof text, "could not be started: %s", strerrordesc_np(death->status));
    } else {
        pgi_crash_text(b->rings.words, PGS_RING_WORDS, death->code, death->status, text, sizeof text);
    }
    const char *quote = b->name[0] ? " \"" : "";
    snprintf(why->text, sizeof why->text, "operating-system process %d%s%s%.*s: %.400s", death->pid, quote, b->name,
             b->name[0] ? 1 : 0, "\"", text);
}

/* Posts what a child must be told: it breaks where that cannot be had. */
static void post_surely(pgi_bridge *b, uint8_t type, pg_pid from, const pg_exit_info *why)
{
    pg_message *msg = NULL;
    if (why) pgi_message_build_exit(NULL, why->kind, why->text, pg_v_nil(), why->pid, PGI_DOWN, &msg);
    if ((!why || msg) && pgi_post(b, type, (pg_pid){0}, from, 0, msg) == PG_OK) return;
    store_relaxed(&b->lost, true);
    pgi_bridge_wake(b);
}

/* All children of all runtimes: any of them may wait for a process of the node that `from` is of. */
static void tell_down(pg_pid from, const pg_exit_info *why)
{
    for (uint32_t node = 1; node < 1 << PGI_NODE_BITS; node++) {
        pgi_bridge *b = pgi_node_is_far(node) ? pgi_hold_bridge(node) : NULL;
        if (!b) continue;
        post_surely(b, PGI_F_NODE_DOWN, from, why);
        pgi_release_bridge(node);
    }
}

/* Of its processes the first may have ended in good order, and is remembered then; of the others that is not known. */
static void remember_crash(const pgi_bridge *b, const pg_exit_info *why)
{
    pg_exit_info exit = *why;
    exit.pid = pgi_pid_make(b->node, b->first_generation, 0);
    pgi_os_remember(&exit, true);
}

void pgi_os_closed(pgi_bridge *b)
{
    pg_runtime *rt = b->process.rt;
    bool orderly = b->last_generation != 0 && b->death.code == CLD_EXITED && b->death.status == 0 && !b->broken;
    bool refused = b->death.code == PGI_UNBORN && b->death.status == 0; /* nobody has ever heard of it */
    pg_exit_info why;
    explain(b, &why);
    if (!orderly && !refused) remember_crash(b, &why);
    pgi_bridge_unpublish(b); /* now: who finds no bridge looks for what is remembered */
    size_t told = pgi_far_node_down(b, b->node, NULL);
    if (!orderly && !refused && told == 0 && load_relaxed(&b->ended) != b->root.id) {
        pgi_log(rt, PG_LOG_FAILED, "process <pid %u.%u.0> \"%s\" ended (%s): %s", b->node, pgi_pid_generation(b->root),
                b->name, pgi_exit_kind_name(why.kind), why.text);
    }
    /* All other children hear of it: any of them may be linked there.  Of one that has ended in good order, too: it
     * may have kept from them what it should have told. */
    if (orderly) pgi_os_look_back(b->root, &why);
    if (!refused) tell_down(b->root, &why);
    /* Last: what waits for one owner of a number cannot be told from what waits for the next. */
    pgi_node_free(b->node, 1 + (orderly ? b->last_generation : b->first_generation + PGI_GENERATION_WINDOW));
}

void pgi_os_gone(pg_runtime *rt)
{
    sub_release(&rt->os.alive, 1); /* partner: pgi_alive */
    pgs_parker_unpark(&rt->stopper);
}

void pgi_os_kill(pgi_bridge *bridge)
{
    if (bridge->is_uplink) _exit(EXIT_FAILURE); /* the hub makes no sense: there is nothing to live for */
    pgi_zygote_kill(bridge->process.rt->os.client, bridge->node, SIGKILL);
}

/* The lock keeps bridges from being used again under other numbers. */
void pgi_os_tell_stop(pg_runtime *rt)
{
    pthread_mutex_lock(&rt->os.lock);
    for (pgi_bridge *b = first_bridge(&rt->os); b; b = b->next) {
        if (!is_in_use(b)) continue;
        pgi_bridge *held = pgi_hold_bridge(b->node);
        if (held == b) post_surely(b, PGI_F_STOP, (pg_pid){0}, NULL);
        if (held) pgi_release_bridge(b->node);
    }
    pthread_mutex_unlock(&rt->os.lock);
}

void pgi_os_kill_all(pg_runtime *rt)
{
    for (pgi_bridge *b = first_bridge(&rt->os); b; b = b->next) {
        if (!is_in_use(b)) continue;
        pgi_log(rt, PG_LOG_WARNING, "process <pid %u.%u.0> \"%s\" did not end in time: it is killed", b->node,
                pgi_pid_generation(b->root), b->name);
        pgi_os_kill(b);
    }
}

void pgi_os_stop(pg_runtime *rt)
{
    pgi_os *os = &rt->os;
    if (os->client >= 0) pgi_zygote_disconnect(os->client);
    if (os->spare >= 0) close(os->spare);
    for (pgi_bridge *b = first_bridge(os), *next; b; b = next) {
        next = b->next;
        pgi_bridge_destroy(b);
        pgi_free_aligned(b, sizeof *b, _Alignof(pgi_bridge));
    }
    if (os->zygote) pgi_zygote_release();
    pthread_mutex_destroy(&os->lock);
}

/* ----------------------------------------------------------------------------------------------------------- births */

/* The connection with the zygote, made when it is first needed, and again when it was lost: a zygote that lacks a
 * descriptor for it closes it.  Under the lock. */
static int connect_once(pg_runtime *rt)
{
    pgi_os *os = &rt->os;
    if (os->listening && load_acquire(&os->lost)) { /* partner: hear */
        pgs_source_remove(rt->sched, &os->source);
        os->listening = false;
        bury_all(os); /* where it was not hear() that found it lost */
    }
    if (os->listening) return PG_OK;
    if (os->client < 0 || load_relaxed(&os->lost)) {
        int client = pgi_zygote_connect();
        if (client < 0) return client;
        if (os->client < 0) {
            os->client = client;
        } else { /* under its number: somebody may be about to ask for a kill */
            bool moved = dup3(client, os->client, O_CLOEXEC) >= 0;
            close(client);
            if (!moved) return PG_ENOMEM; /* it stays lost: whoever is next tries again */
        }
        store_relaxed(&os->lost, false);
    }
    os->source = (pgs_source){.fd = os->client, .fire = hear};
    if (pgs_source_add(rt->sched, &os->source, EPOLLIN | EPOLLET) != 0) return PG_ENOMEM;
    os->listening = true;
    return PG_OK;
}

/* A bridge that is not in use, or a new one.  Under the lock. */
static pgi_bridge *take_bridge(pgi_os *os)
{
    for (pgi_bridge *b = first_bridge(os); b; b = b->next) {
        uint32_t free_one = PGI_BRIDGE_FREE;
        if (cas_acq_rel(&b->state, &free_one, PGI_BRIDGE_TAKEN)) return b; /* partner: close_bridge in bridge.c */
    }
    pgi_bridge *b = pgi_alloc_aligned(sizeof *b, _Alignof(pgi_bridge));
    if (!b) return NULL;
    store_relaxed(&b->state, PGI_BRIDGE_TAKEN);
    b->next = first_bridge(os);
    store_release(&os->bridges, b); /* partner: first_bridge */
    return b;
}

/* Two ends that hold little: what is on its way counts against the user's descriptors. */
static bool make_channel(int ends[2])
{
    static const int bytes = PGI_CHANNEL_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
    for (int i = 0; i < 2; i++) setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return true;
}

/* Half a megabyte of cleared memory takes the system half as long as a fork: that of the next child is made while the
 * zygote forks this one.  Under the lock. */
static void make_spare(pgi_os *os)
{
    if (os->spare < 0) os->spare = pgs_ring_memory(PGS_RING_CAPACITY);
}

static int take_spare(pgi_os *os)
{
    make_spare(os);
    int memory = os->spare;
    os->spare = -1;
    return memory;
}

/* Rings, doorbells and the channel; fds[] for the child, and the hub's side opened. */
static int open_bridge(pg_runtime *rt, pgi_bridge *b, int fds[PGI_BIRTH_FDS])
{
    int channel[2] = {-1, -1};
    int bell[2] = {-1, -1}; /* heard by the child, rung by the hub */
    fds[0] = take_spare(&rt->os);
    if (pipe2(bell, O_CLOEXEC | O_NONBLOCK) != 0) bell[0] = bell[1] = -1;
    fds[1] = bell[0];
    fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* heard by the hub */
    b->bell_kept = bell[0];
    if (!make_channel(channel)) channel[0] = channel[1] = -1;
    b->channel = channel[0];
    fds[3] = channel[1];
    b->rings = (pgs_ring_pair){0};
    bool have = fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0 && fds[3] >= 0;
    have = have && pgs_ring_pair_map(&b->rings, fds[0], 0) == 0;
    int status = have ? pgi_bridge_open(b, rt, fds[2], bell[1], false) : PG_ENOMEM;
    if (status == PG_OK) return PG_OK;
    pgs_ring_pair_unmap(&b->rings);
    const int all[] = {fds[0], fds[1], fds[2], bell[1], channel[0], channel[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] >= 0) close(all[i]);
    }
    return status;
}

static int tell_birth(pgi_bridge *b, const pgi_spawn_body *head, const char *name, pg_message *args)
{
    size_t bytes = 0;
    int status = args ? pgi_wire_prepare(NULL, &args, &bytes) : PG_OK;
    if (bytes > UINT32_MAX) status = PG_ENOMEM;
    if (status == PG_OK) {
        pgi_spawn_body whole = *head;
        whole.name_length = (uint32_t)strlen(name);
        whole.args_bytes = (uint32_t)bytes;
        size_t size = pgi_wire_spawn_size(whole.name_length, bytes);
        void *body = pgi_alloc(size);
        status = PG_ENOMEM;
        if (body) {
            pgi_wire_spawn_write(body, &whole, name, args);
            bool buffers = args && (args->flags & PGI_BUFFERS);
            status = pgi_post_frame(
                b, &(pgi_letter){.type = PGI_F_SPAWN, .body = body, .length = size, .args = buffers ? args : NULL});
            if (buffers) return status;
        }
    }
    if (args) pgi_message_free(NULL, args);
    return status;
}

static int ask_zygote(pg_runtime *rt, pgi_bridge *b, const char *name, const pgi_isolation *isolation,
                      const int fds[PGI_BIRTH_FDS])
{
    const pg_options *o = &rt->options;
    uint32_t most = o->max_processes < CHILD_PROCESSES_MAX ? o->max_processes : CHILD_PROCESSES_MAX;
    const pgi_child_config config = {.isolation = *isolation,
                                     .main = load_relaxed(&rt->main),
                                     .stack_size = o->stack_size,
                                     .stuck_after = o->stuck_after,
                                     .hub = rt->node,
                                     .first_generation = b->first_generation,
                                     .max_processes = most,
                                     .kind = (uint8_t)o->kind,
                                     .report_overflow = o->report_overflow};
    pgi_birth birth = {.main = pgi_child_main, .node = b->node};
    memcpy(birth.isolation, &config, sizeof config);
    snprintf(birth.name, sizeof birth.name, "%.15s", name[0] ? name : "pg-process");
    int status = pgi_zygote_spawn(rt->os.client, &birth, fds);
    if (status == PG_ESTOPPED) store_relaxed(&rt->os.lost, true); /* the next one connects anew */
    return status;
}

/* Who is to be linked with a child from before its start, so that nothing of its end is lost, however short its life:
 * a process of this runtime, or one of another child; or nobody.  And which question of another child this answers. */
typedef struct kin {
    pg_process *self;
    pg_pid far, asker;
} kin;

static int link_with_kin(pgi_bridge *b, kin linked)
{
    if (linked.self) return pgi_link_far(linked.self, b->root);
    return linked.far.id != 0 ? pgi_post(b, PGI_F_LINK, b->root, linked.far, 0, NULL) : PG_OK;
}

/* Under the lock.  `args` is consumed. */
static pg_pid give_birth(pg_runtime *rt, kin linked, const pgi_spawn_body *head, const char *name,
                         const pgi_isolation *isolation, pg_message *args)
{
    int fds[PGI_BIRTH_FDS];
    uint32_t first_generation = 0;
    int status = pgi_alive(rt) < rt->options.max_processes ? connect_once(rt) : PG_ELIMIT;
    pgi_bridge *b = status == PG_OK ? take_bridge(&rt->os) : NULL;
    uint32_t node = b ? pgi_node_reserve(PGI_GENERATION_WINDOW, &first_generation) : 0;
    if (status == PG_OK && !node) status = b ? PG_ELIMIT : PG_ENOMEM; /* of numbers, too, there are so many */
    if (status == PG_OK) {
        b->node = node;
        b->first_generation = first_generation;
        b->root = pgi_pid_make(node, first_generation + 1, 0);
        b->isolation = *isolation;
        snprintf(b->name, sizeof b->name, "%s", name);
        add_seq_cst(&rt->os.alive, 1); /* before the look at `stopping`; partner: close_to_spawns */
        status = open_bridge(rt, b, fds);
        if (status != PG_OK) pgi_os_gone(rt);
    }
    if (status != PG_OK) {
        if (node) pgi_node_free(node, first_generation);
        if (b) store_release(&b->state, PGI_BRIDGE_FREE); /* partner: take_bridge */
        if (args) pgi_message_free(NULL, args);
        return pgi_refused(status);
    }
    pgi_bridge *held = pgi_hold_bridge(node);
    if (held == b) {
        status = tell_birth(b, head, name, args);
    } else { /* the zygote has died, and it is closed already */
        status = PG_ESTOPPED;
        if (args) pgi_message_free(NULL, args);
    }
    if (status == PG_OK && load_seq_cst(&rt->stopping)) status = PG_ESTOPPED; /* partner: close_to_spawns */
    if (status == PG_OK) status = link_with_kin(b, linked);
    /* Before there is a child: nothing of its end may reach another one that has not heard of it. */
    bool answered = status == PG_OK && linked.asker.id != 0;
    if (answered) pgi_far_answer(linked.asker, PG_OK, b->root, NULL);
    if (status == PG_OK) status = ask_zygote(rt, b, name, isolation, fds);
    if (status != PG_OK) {
        if (linked.self && held == b) pgi_unlink_far(linked.self, b->root);
        pgi_bridge_bury(b, &(pgi_death){.code = PGI_UNBORN, .status = answered ? ECONNREFUSED : 0});
    }
    if (held) pgi_release_bridge(node);
    close(fds[0]); /* it is mapped, and the zygote has its own */
    close(fds[3]);
    if (status != PG_OK) return answered ? b->root : pgi_refused(status);
    make_spare(&rt->os);
    add_relaxed(&rt->os.born, 1);
    return b->root;
}

static pg_pid spawn(pg_runtime *rt, kin linked, const pgi_spawn_body *head, const char *name,
                    const pgi_isolation *isolation, pg_message *args)
{
    pthread_mutex_lock(&rt->os.lock);
    pg_pid pid = give_birth(rt, linked, head, name, isolation, args);
    pthread_mutex_unlock(&rt->os.lock);
    return pid;
}

/* Whether a child finds the same there; says so in the log if not. */
static bool knows(pg_runtime *rt, const char *what, const void *function)
{
    if (!function || pgi_zygote_knows(function)) return true;
    pgi_log(rt, PG_LOG_WARNING,
            "a process of kind PG_OS is refused: its %s was loaded after the runtime's start (call pg_zygote_early() "
            "after loading it, before any thread is started)",
            what);
    return false;
}

pgi_isolation pgi_os_isolation_of(const pg_spawn_options *o)
{
    if (!o) return (pgi_isolation){0};
    return (pgi_isolation){.address_space = o->limits.address_space,
                           .cpu_seconds = o->limits.cpu_seconds,
                           .open_files = o->limits.open_files,
                           .level = o->sandbox};
}

static int check_isolation(pg_runtime *rt, const pgi_isolation *isolation)
{
    int status = pgi_isolation_check(isolation);
    if (status == PG_EUNSUPPORTED) {
        pgi_log(rt, PG_LOG_WARNING, "a process of kind PG_OS is refused: this build or system has no seccomp");
    }
    return status;
}

static int check(pg_runtime *rt, pg_target target, const pg_table *table, const pgi_isolation *isolation)
{
    if (!rt->os.zygote) {
        pgi_log(
            rt, PG_LOG_WARNING, "a process of kind PG_OS is refused: %s",
            rt->options.no_os
                ? "the runtime was started with .no_os, or a .seed"
                : "the program had threads when the runtime was started (call pg_zygote_early() first thing in main)");
        return PG_EUNSUPPORTED;
    }
    if (!knows(rt, "target", (const void *)(uintptr_t)target)) return PG_EUNSUPPORTED;
    if (table && !knows(rt, "table", (const void *)(uintptr_t)table->define)) return PG_EUNSUPPORTED;
    return check_isolation(rt, isolation);
}

pg_pid pgi_os_spawn(pg_runtime *rt, pg_process *self, pg_target target, const pg_spawn_options *options,
                    pg_message *args)
{
    const pgi_isolation isolation = pgi_os_isolation_of(options);
    const pg_table *table = options ? options->table : NULL;
    int status = check(rt, target, table, &isolation);
    if (status == PG_OK && args && !pgi_wire_may_cross(args)) status = PG_EINVAL;
    if (status != PG_OK) {
        if (args) pgi_message_free(NULL, args);
        return pgi_refused(status);
    }
    const pgi_spawn_body head = {.target = (uint64_t)(uintptr_t)target,
                                 .table = table ? (uint64_t)(uintptr_t)table->define : 0,
                                 .isolation = isolation,
                                 .bounds = pgi_bounds_of(options)};
    return spawn(rt, (kin){.self = self}, &head, options && options->name ? options->name : "", &isolation, args);
}

static pg_pid spawn_for(pgi_bridge *bridge, kin linked, const pgi_spawn_body *body)
{
    pg_runtime *rt = bridge->process.rt;
    if (load_relaxed(&rt->stopping)) return pgi_refused(PG_ESTOPPED);
    const pgi_isolation isolation = pgi_isolation_merge(bridge->isolation, body->isolation);
    int status = check_isolation(rt, &isolation);
    if (status == PG_OK && !knows(rt, "target", (const void *)(uintptr_t)body->target)) status = PG_EUNSUPPORTED;
    if (status == PG_OK && !knows(rt, "table", (const void *)(uintptr_t)body->table)) status = PG_EUNSUPPORTED;
    if (status != PG_OK) return pgi_refused(status);
    pg_message *args = NULL;
    const pg_message *sent = pgi_wire_spawn_args(body);
    if (sent && pgi_message_copy(NULL, sent, &args) != PG_OK) return pgi_refused(PG_ENOMEM);
    return spawn(rt, linked, body, pgi_wire_spawn_name(body), &isolation, args);
}

void pgi_os_spawn_for(pgi_bridge *bridge, pg_pid linked, pg_pid asker, const pgi_spawn_body *body)
{
    pg_pid pid = spawn_for(bridge, (kin){.far = linked, .asker = asker}, body);
    if (pg_pid_status(pid) != PG_OK) pgi_far_answer(asker, pg_pid_status(pid), pid, NULL);
}
