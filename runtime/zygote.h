/* zygote.h - a small process that forks others on request, so that no process with threads ever forks.
 *
 * A fork copies one thread, and locks in whatever state the others held them; and it costs by the size of the parent.
 * So the program forks once, while it has a single thread: the zygote.  That one stays as it was at that moment, and
 * every process that is wanted later is forked from it.  Such a child begins with the program's memory as it was then,
 * not as it is now: nothing that the program has set up later is there.
 *
 * The program does not see the zygote: it gets no SIGCHLD from it, waitpid(-1) does not find it, and a terminal's keys
 * do not reach it.  Whoever wants children connects to it with a socket, asks through it, and reads there what has
 * become of them.  A connection is for one reader and any number of writers at a time; its descriptor can be watched.
 *
 * What is taken down with what:
 *   - a connection that is closed: its children are killed, those that have not ended within 0.3 s
 *   - the program, however it ends: the zygote, which sees it by a pidfd and by the end of its socket, and all
 *     children, as above
 *   - the zygote, by kill -9 say: all children (PR_SET_PDEATHSIG); readers are told PG_ESTOPPED
 *
 * It keeps the program's stdout and stderr of that moment open as long as it lives. */
#ifndef PGI_ZYGOTE_H
#define PGI_ZYGOTE_H

#include <stdbool.h>
#include <stdint.h>

enum { PGI_BIRTH_FDS = 4, PGI_BIRTH_NAME = 16, PGI_BIRTH_ISOLATION = 128 };

/* What a child is to be. */
typedef struct pgi_birth pgi_birth;
struct pgi_birth {
    /* Called in the child, on its only thread: signals as by default and none blocked, no descriptors but 0
     * (/dev/null), 1, 2 and `fds` (in the order in which they were given, close-on-exec), no alternate stack.  When it
     * returns the child ends with _exit(0); stdio is flushed by nobody.  The child is killed when the zygote ends,
     * unless it gives up PR_SET_PDEATHSIG, as a change of its user id does. */
    void (*main)(const pgi_birth *birth, const int fds[PGI_BIRTH_FDS]);
    unsigned char isolation[PGI_BIRTH_ISOLATION]; /* the caller's own; aligned to 8 */
    uint32_t node;                                /* by which reports and pgi_zygote_kill() name it */
    char name[PGI_BIRTH_NAME];                    /* the name of its thread */
};

/* What has become of a child. */
typedef struct pgi_death {
    uint32_t node;
    int32_t pid; /* the operating system's; 0 for one that was never born */
    int32_t
        code; /* PGI_BORN, once and first; then CLD_EXITED, CLD_KILLED or CLD_DUMPED.  PGI_UNBORN: nothing else comes */
    int32_t status; /* exit code or number of the signal; an errno for PGI_UNBORN */
    uint64_t user_ns, system_ns;
    uint64_t max_rss; /* bytes */
} pgi_death;

enum { PGI_UNBORN = 0, PGI_BORN = 100 };

/* Sees to it that there is a zygote: forks one if there is none, or none any more.  Each PG_OK is to be met by a
 * pgi_zygote_release(), but with `for_ever`, which keeps it until the program ends.  The program's output streams are
 * flushed before a fork, since a child that calls exit() would write what is in them once more.
 * PG_EUNSUPPORTED: the program has more than one thread and no zygote yet, or the system lacks what it takes (Linux
 * 5.4, /proc); PG_ENOMEM.  Any thread. */
int pgi_zygote_acquire(bool for_ever);

/* Meets one pgi_zygote_acquire(false).  With the last one the zygote and all its children have ended and left nothing
 * when this returns, within milliseconds.  Any thread. */
void pgi_zygote_release(void);

/* A connection: a descriptor, close-on-exec, readable when pgi_zygote_read() has something to say.  PG_ESTOPPED: there
 * is no zygote, or it has died; PG_ENOMEM: no descriptor or memory for it.  Any thread. */
int pgi_zygote_connect(void);

/* Closes a connection, which takes its children down, as is told above.  Plain close() does so too, unless a process
 * that the program has forked meanwhile has a copy of it. */
void pgi_zygote_disconnect(int connection);

/* Asks for a child, with its descriptors, which stay the caller's.  It returns before the child is there; what
 * comes of it is told by pgi_zygote_read().  It waits only while the zygote has some 200 requests before it.
 * PG_OK; PG_ESTOPPED: the zygote is gone; PG_EINVAL: descriptors that are none; PG_ENOMEM.  Any thread. */
int pgi_zygote_spawn(int connection, const pgi_birth *birth, const int fds[PGI_BIRTH_FDS]);

/* Sends a signal to a child of this connection.  PG_OK, also when it has ended meanwhile: never does another process
 * get it.  PG_ESTOPPED, PG_ENOMEM.  Any thread. */
int pgi_zygote_kill(int connection, uint32_t node, int signal);

/* The next report.  PG_OK; PG_ETIMEDOUT: none now; PG_ESTOPPED: the zygote is gone, and its children with it, of which
 * nothing more will be heard.  Does not block.  One thread at a time. */
int pgi_zygote_read(int connection, pgi_death *out);

/* Whether a function has the same code in children as here: it lies in the program or in a library that was loaded when
 * the zygote was forked, and still is.  False without a zygote.  Any thread. */
bool pgi_zygote_knows(const void *function);

#endif
