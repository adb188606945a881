/* registry.h - names by which processes are found, and groups of them.  Included by paragram.h. */
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

/* ------------------------------------------------------------------------------------------------------- groups
 * A group is a name that many processes have, of whatever kind and place, and that messages are sent to.  It is there
 * while it has members; names and groups know nothing of each other.  Joining, leaving and the end of a member take the
 * same time however many there are; what goes to all takes a time that grows with their number. */

/* Makes a process a member until it ends or pg_leave().  Joining twice is joining once.  Errors as for pg_register. */
PG_API int pg_join(pg_runtime *rt, const char *group, pg_pid pid);

/* PG_ENOPROC: it is no member; PG_EINVAL: NULL; PG_ESTOPPED. */
PG_API int pg_leave(pg_runtime *rt, const char *group, pg_pid pid);

/* Writes the pids of its members, at most `max`, and returns how many there are; 0: none, or an argument is NULL. */
PG_API size_t pg_members(pg_runtime *rt, const char *group, size_t max, pg_pid *members);

/* Sends a message to each member.  Returns to how many, without those that have just ended or are flooded; or a status
 * as of pg_send, PG_EINVAL, PG_ETOOMANY or PG_ENOMEM, when some may have got it.
 *     pg_broadcast(rt, "watchers", "changed", key) */
PG_API int pg_broadcast_values(pg_runtime *rt, const char *group, size_t count, const pg_value *values);

#ifdef __cplusplus
}
#endif

#endif
