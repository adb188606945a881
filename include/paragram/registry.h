/* registry.h - names by which processes are found.  Included by paragram.h. */
#ifndef PARAGRAM_REGISTRY_H
#define PARAGRAM_REGISTRY_H

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------------------- names
 * A runtime has a registry of names, each of which leads to one process while that lives; a process may have several.
 * It may be any process, also within another operating-system process; that has a runtime, and a registry, of its own.
 * The .name of a spawn is not among them: it is for people.
 *
 *     pg_register(rt, "log", pid);
 *     pg_send(pg_whereis(rt, "log"), "line", "...");      PG_ENOPROC where nobody has the name
 */

/* Gives a process a name, of 1 to 255 bytes, which is copied, until it ends or pg_unregister().  PG_ETAKEN: a living
 * process has it; PG_ENOPROC: `pid` does not live, which, of one in another operating-system process, may show
 * only by the name being gone a moment later; PG_EINVAL, PG_ENOMEM, PG_ESTOPPED. */
PG_API int pg_register(pg_runtime *rt, const char *name, pg_pid pid);

/* Takes a name back.  PG_ENOPROC: nobody has it; PG_EINVAL: NULL; PG_ESTOPPED. */
PG_API int pg_unregister(pg_runtime *rt, const char *name);

/* Who has the name; a null pid: nobody. */
PG_API pg_pid pg_whereis(pg_runtime *rt, const char *name);

#ifdef __cplusplus
}
#endif

#endif
