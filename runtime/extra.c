/* extra.c - see extra.h. */
#include "extra.h"

#include "watch.h"

static pgi_extra *replace(pg_process *p, pgi_extra *extra)
{
    pgi_lock(p);
    pgi_extra *before = p->extra;
    p->extra = extra;
    pgi_unlock(p);
    return before;
}

pgi_extra *pgi_extra_make(pg_process *p, size_t room)
{
    pgi_extra *extra = pgi_alloc(sizeof *extra + room);
    if (!extra) return NULL;
    *extra = p->extra ? *p->extra : (pgi_extra){0};
    extra->room = room;
    pgi_extra *before = replace(p, extra);
    p->scan = NULL; /* the pattern is not kept */
    if (before) pgi_free(before, sizeof *before + before->room);
    return extra;
}

void pgi_extra_free(pg_process *p)
{
    pgi_monitors_free(p);
    pgi_extra *extra = replace(p, NULL);
    pgi_free(extra, sizeof *extra + extra->room);
}
