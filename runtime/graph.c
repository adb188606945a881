/* graph.c - a picture of the living processes and their links, in Graphviz's language.
 *
 * The slots are read one after the other while processes go on: each under its lock, for a moment. */
#include <errno.h>
#include <unistd.h>

#include "link.h"
#include "runtime.h"

typedef struct edge_list {
    uint32_t *to;
    size_t count, room;
} edge_list;

static void quoted(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
    fputc('"', file);
}

/* The ends with a higher number, so that each link is drawn once.  False: memory is short. */
static bool collect(const pgi_slots *slots, const pg_process *p, edge_list *edges)
{
    uint32_t own = pgi_slot_index(slots, p);
    for (const pgi_link *link = p->links; link;) {
        unsigned side = link->side[0].process == p ? 0 : 1;
        uint32_t other = pgi_slot_index(slots, link->side[1 - side].process);
        link = link->side[side].next;
        if (other < own) continue;
        if (edges->count == edges->room) {
            size_t room = edges->room ? 2 * edges->room : 64;
            uint32_t *to = pgi_alloc(room * sizeof *to);
            if (!to) return false;
            if (edges->count) memcpy(to, edges->to, edges->count * sizeof *to);
            pgi_free(edges->to, edges->room * sizeof *to);
            edges->to = to;
            edges->room = room;
        }
        edges->to[edges->count++] = other;
    }
    return true;
}

static int draw_one(const pgi_slots *slots, pg_process *p, FILE *file, edge_list *edges)
{
    char name[128] = "";
    char label[256];
    edges->count = 0;
    pgi_lock(p);
    pg_pid pid = {load_relaxed(&p->id)};
    bool complete = pid.id == 0 || collect(slots, p, edges);
    if (p->name) snprintf(name, sizeof name, "%s", p->name);
    pg_kind kind = (pg_kind)p->kind;
    pgi_unlock(p);
    if (pid.id == 0) return PG_OK;
    if (!complete) return PG_ENOMEM;
    uint32_t own = pgi_slot_index(slots, p);
    snprintf(label, sizeof label, "%s<%u.%u.%u>", name, pgi_pid_node(pid), pgi_pid_generation(pid), own);
    fprintf(file, "    p%u [label=", own);
    quoted(file, label);
    fprintf(file, "%s];\n", kind == PG_THREAD ? ", shape=box" : "");
    for (size_t i = 0; i < edges->count; i++) fprintf(file, "    p%u -- p%u;\n", own, edges->to[i]);
    return PG_OK;
}

int pg_graph(pg_runtime *rt, FILE *file)
{
    if (!rt || !file) return PG_EINVAL;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    if (!visit.rt) return PG_ESTOPPED;
    edge_list edges = {0};
    int status = PG_OK;
    fprintf(file, "graph paragram {\n  subgraph cluster_%ld {\n    label=\"process %ld\";\n", (long)getpid(),
            (long)getpid());
    uint32_t used = load_relaxed(&rt->slots.used);
    for (uint32_t i = 0; i < used && status == PG_OK; i++) {
        if (load_relaxed(&rt->slots.base[i].id) == 0) continue;
        status = draw_one(&rt->slots, &rt->slots.base[i], file, &edges);
    }
    fprintf(file, "  }\n}\n");
    pgi_free(edges.to, edges.room * sizeof *edges.to);
    pgi_leave(&visit);
    return status == PG_OK && (fflush(file) != 0 || ferror(file)) ? PG_EINVAL : status;
}
