/* proc.c - see proc.h. */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

pid_t proc_start(void (*life)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        life();
        fflush(NULL);
        _exit(0);
    }
    return pid;
}

void proc_run(void (*life)(void))
{
    int status;
    pid_t pid = proc_start(life);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (status != 0) CHECK_FAIL("a process of the test ended with status %#x", status);
}

long proc_stat(pid_t pid, int field)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    char *at = strrchr(text, ')') + 2;
    for (int i = 3; i < field; i++) at = strchr(at, ' ') + 1;
    return strtol(at, NULL, 10);
}

int proc_children(pid_t parent, pid_t *out, int max)
{
    DIR *all = opendir("/proc");
    CHECK(all);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && proc_stat(pid, 4) == parent && n < max) out[n++] = pid;
    }
    closedir(all);
    return n;
}

int proc_count_children(pid_t parent)
{
    pid_t some[64];
    return proc_children(parent, some, 64);
}

pid_t proc_only_child(pid_t parent)
{
    pid_t some[2];
    CHECK_EQ(proc_children(parent, some, 2), 1);
    return some[0];
}

int proc_count_fds(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *all = opendir(path);
    CHECK(all);
    int n = pid == getpid() ? -1 : 0; /* opendir()'s own */
    for (struct dirent *entry; (entry = readdir(all));) n += entry->d_name[0] != '.';
    closedir(all);
    return n;
}

bool proc_gone(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}
