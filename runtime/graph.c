/* graph.c - a picture of the living processes and their links, in Graphviz's language.
 *
 * The slots are read one after the other while processes go on: each under its lock, for a moment.  Of an
 * operating-system process what is known here is drawn: its first process, and whatever is linked with one of here. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "link.h"
#include "runtime.h"

/* The ends of links: slots here, or pids elsewhere. */
typedef struct edge_list {
    uint64_t *to;
    size_t count, room;
} edge_list;

/* Links with processes elsewhere, drawn when those are: pairs of a slot and a pid. */
typedef struct picture {
    FILE *file;
    edge_list edges, far;
} picture;

static bool add_edge(edge_list *edges, uint64_t to)
{
    if (edges->count == edges->room) {
        size_t room = edges->room ? 2 * edges->room : 64;
        uint64_t *longer = pgi_alloc(room * sizeof *longer);
        if (!longer) return false;
        if (edges->count) memcpy(longer, edges->to, edges->count * sizeof *longer);
        pgi_free(edges->to, edges->room * sizeof *longer);
        edges->to = longer;
        edges->room = room;
    }
    edges->to[edges->count++] = to;
    return true;
}

static void quoted(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
    fputc('"', file);
}

/* The ends with a higher number, so that each link is drawn once, and those elsewhere.  False: memory is short. */
static bool collect(const pgi_slots *slots, const pg_process *p, picture *out)
{
    uint32_t own = pgi_slot_index(slots, p);
    for (const pgi_link *link = p->links; link;) {
        unsigned side = link->side[0].process == p ? 0 : 1;
        const pg_process *end = link->side[1 - side].process;
        pg_pid far = link->far;
        bool counts = link->unlinking == 0;
        link = link->side[side].next;
        bool added = true;
        if (!counts) continue;
        if (far.id != 0) {
            added = add_edge(&out->far, own) && add_edge(&out->far, far.id);
        } else if (pgi_slot_index(slots, end) >= own) {
            added = add_edge(&out->edges, pgi_slot_index(slots, end));
        }
        if (!added) return false;
    }
    return true;
}

static void draw_node(FILE *file, const char *id, const char *name, pg_pid pid, const char *shape)
{
    char label[256];
    snprintf(label, sizeof label, "%s<%u.%u.%u>", name, pgi_pid_node(pid), pgi_pid_generation(pid), pgi_pid_index(pid));
    fprintf(file, "    %s [label=", id);
    quoted(file, label);
    fprintf(file, "%s];\n", shape);
}

static int draw_one(const pgi_slots *slots, pg_process *p, picture *out)
{
    char name[128] = "", id[20];
    out->edges.count = 0;
    pgi_lock(p);
    pg_pid pid = pgi_slot_pid(p);
    bool complete = pid.id == 0 || collect(slots, p, out);
    if (p->name) snprintf(name, sizeof name, "%s", p->name);
    pg_kind kind = pid.id != 0 ? (pg_kind)p->kind : PG_KIND_DEFAULT; /* of a free slot it may be written just now */
    pgi_unlock(p);
    if (pid.id == 0) return PG_OK;
    if (!complete) return PG_ENOMEM;
    uint32_t own = pgi_slot_index(slots, p);
    snprintf(id, sizeof id, "p%u", own);
    draw_node(out->file, id, name, pid, kind == PG_THREAD ? ", shape=box" : "");
    for (size_t i = 0; i < out->edges.count; i++)
        fprintf(out->file, "    p%u -- p%u;\n", own, (uint32_t)out->edges.to[i]);
    return PG_OK;
}

static void draw_here(pg_runtime *rt, picture *out, int *status)
{
    fprintf(out->file, "  subgraph cluster_%ld {\n    label=\"process %ld\";\n", (long)getpid(), (long)getpid());
    uint32_t used = load_relaxed(&rt->slots.used);
    for (uint32_t i = 0; i < used && *status == PG_OK; i++) {
        if (load_relaxed(&rt->slots.base[i].id) == 0) continue;
        *status = draw_one(&rt->slots, &rt->slots.base[i], out);
    }
    fprintf(out->file, "  }\n");
}

/* A process that is elsewhere, in the cluster of its node, with the shape of one that nobody here looks into. */
static void draw_far(FILE *file, pg_pid pid, const char *name)
{
    char id[30];
    snprintf(id, sizeof id, "f%" PRIx64, pid.id);
    fprintf(file, "  subgraph cluster_node_%u {\n    label=\"node %u\";\n", pgi_pid_node(pid), pgi_pid_node(pid));
    draw_node(file, id, name, pid, ", style=dashed");
    fprintf(file, "  }\n");
}

/* The first processes of the hub's children; their pids are added to `roots`.  The lock keeps bridges from being used
 * again meanwhile. */
static int draw_roots(pg_runtime *rt, FILE *file, edge_list *roots)
{
    int status = PG_OK;
    pthread_mutex_lock(&rt->os.lock);
    for (pgi_bridge *b = load_acquire(&rt->os.bridges); b; b = b->next) { /* partner: take_bridge in os.c */
        if (load_acquire(&b->state) != PGI_BRIDGE_OPEN) continue;         /* partner: pgi_bridge_open */
        if (load_acquire(&b->ended) == b->root.id) continue;              /* partner: the arrival of ENDED */
        draw_far(file, b->root, b->name);
        if (!add_edge(roots, b->root.id)) status = PG_ENOMEM;
    }
    pthread_mutex_unlock(&rt->os.lock);
    return status;
}

static int draw_elsewhere(pg_runtime *rt, picture *out)
{
    edge_list roots = {0};
    int status = draw_roots(rt, out->file, &roots);
    for (size_t i = 0; i < out->far.count; i += 2) {
        pg_pid pid = {out->far.to[i + 1]};
        bool drawn = false;
        for (size_t j = 0; j < roots.count && !drawn; j++) drawn = roots.to[j] == pid.id;
        if (!drawn) {
            draw_far(out->file, pid, "");
            if (!add_edge(&roots, pid.id)) status = PG_ENOMEM;
        }
        fprintf(out->file, "  p%u -- f%" PRIx64 ";\n", (uint32_t)out->far.to[i], pid.id);
    }
    pgi_free(roots.to, roots.room * sizeof *roots.to);
    return status;
}

int pg_graph(pg_runtime *rt, FILE *file)
{
    if (!rt || !file) return PG_EINVAL;
    pgi_visit visit;
    pgi_visit_runtime(&visit, rt);
    if (!visit.rt) return PG_ESTOPPED;
    picture out = {.file = file};
    int status = PG_OK;
    fprintf(file, "graph paragram {\n");
    draw_here(rt, &out, &status);
    if (status == PG_OK) status = draw_elsewhere(rt, &out);
    fprintf(file, "}\n");
    pgi_free(out.edges.to, out.edges.room * sizeof *out.edges.to);
    pgi_free(out.far.to, out.far.room * sizeof *out.far.to);
    pgi_leave(&visit);
    return status == PG_OK && (fflush(file) != 0 || ferror(file)) ? PG_EINVAL : status;
}
