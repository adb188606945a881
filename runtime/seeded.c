/* seeded.c - see seeded.h. */
#include "seeded.h"

#include <inttypes.h>
#include <stdarg.h>

#include "runtime.h"
#include "sched/sim.h"

int pgi_seeded_complete(pg_options *o)
{
    if (pgs_sim_here) return PG_EUNSUPPORTED;
    if (o->seed == 0) return PG_OK;
    o->workers = 1;
    o->no_os = true;
    if (o->kind == PG_THREAD) o->kind = PG_GREEN;
    return PG_OK;
}

/* ------------------------------------------------------------------------------------------------------- the trace */

static void print_pid(pgi_print *out, const pg_runtime *rt, pg_pid pid)
{
    if (pgi_pid_node(pid) != rt->node) {
        pgi_print_text(out, "elsewhere");
    } else {
        pgi_print_format(out, "%" PRIu32 ".%" PRIu32, pgi_pid_index(pid),
                         pgi_pid_generation(pid) - rt->slots.first_generation);
    }
}

/* One line: the time, the process, and what `format` says. */
static void PG_FORMAT(3, 4) trace(const pg_runtime *rt, pg_pid who, const char *format, ...)
{
    char pid[32];
    pgi_print out;
    pgi_print_init(&out, pid, sizeof pid);
    print_pid(&out, rt, who);
    int64_t now = pgs_now() - PGS_SIM_BEGIN_NS;
    fprintf(rt->options.trace, "%" PRId64 ".%09" PRId64 " %s ", now / 1000000000, now % 1000000000, pid);
    va_list args;
    va_start(args, format);
    vfprintf(rt->options.trace, format, args);
    va_end(args);
    fputc('\n', rt->options.trace);
}

static bool is_traced(const pg_process *p)
{
    return p->rt->options.trace && p->phase != PGI_SERVICE;
}

/* What a message is told by: its first value, if that is a string or a number, and how many it has. */
static void print_tag(pgi_print *out, const pg_message *msg)
{
    if (msg->kind == PGI_TERMINATE || msg->kind == PGI_DOWN) {
        pgi_print_text(out, msg->kind == PGI_TERMINATE ? "(exit)" : "(exit, pid)");
        return;
    }
    const pg_term *first = msg->count > 0 ? pgi_message_terms(msg) : NULL;
    pg_type type = pg_term_type(first);
    pgi_print_text(out, "(");
    if (type == PG_T_STR || type == PG_T_INT) {
        pgi_print_term(out, first);
    } else if (first) {
        pgi_print_text(out, "...");
    }
    if (msg->count > 1) pgi_print_format(out, ", and %u more", (unsigned)msg->count - 1);
    pgi_print_text(out, ")");
}

static void trace_begin(const pg_process *p)
{
    char tag[64];
    pgi_print out;
    pgs_mpsc_node *node = pgs_mpsc_peek(&((pg_process *)(uintptr_t)p)->mailbox);
    if (p->phase == PGI_NEW) {
        trace(p->rt, pgi_pid_of(p), "begins \"%s\"", pg_name(p));
    } else if (p->sleeper.task.fiber || !node) {
        trace(p->rt, pgi_pid_of(p), "goes on");
    } else {
        pgi_print_init(&out, tag, sizeof tag);
        print_tag(&out, pgi_of_node(node));
        trace(p->rt, pgi_pid_of(p), "handles %s", tag);
    }
}

/* What a process does that does not run; NULL: it is ready to. */
static const char *resting(pg_process *p)
{
    if (load_relaxed(&p->sleeper.token) == PGI_WAITING) return "waits";
    if (!pgs_mpsc_idle_hint(&p->mailbox)) return NULL;
    return p->sleeper.task.fiber ? "receives" : "rests";
}

static void trace_end(pg_process *p)
{
    if (load_relaxed(&p->id) == 0) {
        trace(p->rt, pgi_pid_of(p), "has ended (%s)", pgi_exit_kind_name(p->last_kind));
    } else if (resting(p)) {
        trace(p->rt, pgi_pid_of(p), "%s", resting(p));
    }
}

void pgi_seeded_watch(void *context, pgs_task *task, bool begins)
{
    pg_runtime *rt = context;
    pg_process *p = task ? pgi_of_task(task) : NULL;
    if (!p) {
        int64_t now = pgs_now() - PGS_SIM_BEGIN_NS;
        fprintf(rt->options.trace, "%" PRId64 ".%09" PRId64 " the thread goes on\n", now / 1000000000,
                now % 1000000000);
    } else if (begins) {
        trace_begin(p);
    } else {
        trace_end(p);
    }
}

void pgi_seeded_sent(pg_process *p, pg_pid to, int status)
{
    if (!is_traced(p)) return;
    char pid[32];
    pgi_print out;
    pgi_print_init(&out, pid, sizeof pid);
    print_pid(&out, p->rt, to);
    if (to.id == 0) {
        trace(p->rt, pgi_pid_of(p), "spawns");
    } else {
        trace(p->rt, pgi_pid_of(p), "sends to %s%s", pid, status == PG_OK ? "" : ", in vain");
    }
}

void pgi_seeded_suspended(pg_process *p)
{
    if (is_traced(p)) trace(p->rt, pgi_pid_of(p), "is suspended");
}

/* ------------------------------------------------------------------------------------------------------ a deadlock */

enum { NAMED = 20 };

void pgi_seeded_deadlock(void *context)
{
    pg_runtime *rt = context;
    uint32_t used = load_relaxed(&rt->slots.used);
    unsigned named = 0, others = 0;
    pgi_log(rt, PG_LOG_WARNING,
            "deadlock, with seed %" PRIu64 ": the program's thread waits for ever, and nothing can happen any more",
            rt->options.seed);
    for (uint32_t i = 0; i < used; i++) {
        pg_process *p = &rt->slots.base[i];
        pg_pid pid = pgi_slot_pid(p);
        if (pid.id == 0 || p->attached) continue;
        const char *how = resting(p);
        if (!p->sleeper.task.fiber || !how || named == NAMED) {
            others++;
            continue;
        }
        char who[256];
        pgi_print out;
        pgi_print_init(&out, who, sizeof who);
        pgi_print_process(&out, p, pid);
        pgi_log(rt, PG_LOG_WARNING, "process %s %s, %s", who, how,
                *how == 'r' ? "and no message comes that it asks for" : "for the end of another, an answer or room");
        named++;
    }
    if (others > 0) pgi_log(rt, PG_LOG_WARNING, "%u more processes have nothing to do, or are not named", others);
}
