/* words.c - see words.h. */
#define _GNU_SOURCE
#include "words.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "paragram.h"

unsigned char *words;
char text[PGI_CRASH_TEXT_MAX];

siginfo_t end_of_life(const pgi_isolation *isolation, void (*life)(void))
{
    siginfo_t info;
    if (!words) words = mmap(NULL, PGI_CRASH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(words != MAP_FAILED);
    memset(words, 0, PGI_CRASH_SIZE);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        pgi_crash_listen(words, PGI_CRASH_SIZE);
        pgi_crash_thread_begin(true);
        if (isolation && pgi_isolation_apply(isolation) != PG_OK) _exit(3);
        if (isolation && pgi_isolation_apply_limits(isolation) != PG_OK) _exit(4);
        life();
        _exit(0);
    }
    CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED), 0);
    pgi_crash_text(words, PGI_CRASH_SIZE, info.si_code, info.si_status, text, sizeof text);
    if (getenv("PG_TEST_VERBOSE")) printf("%s\n", text);
    return info;
}
