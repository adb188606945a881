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

int proc_count_open(pid_t pid, const char *of)
{
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *all = opendir(path);
    int n = 0;
    for (struct dirent *entry; all && (entry = readdir(all));) {
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", pid, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        n += length > 0 && strstr(target, of);
    }
    if (all) closedir(all);
    return n;
}

int proc_count_maps(pid_t pid, const char *of)
{
    char line[512];
    int n = 0;
    snprintf(line, sizeof line, "/proc/%d/maps", pid);
    FILE *maps = fopen(line, "re");
    while (maps && fgets(line, sizeof line, maps)) n += strstr(line, of) && strchr(line, '\n'); /* once for each line */
    if (maps) fclose(maps);
    return n;
}

int proc_count_memfds(pid_t pid, const char *name)
{
    char of[64];
    snprintf(of, sizeof of, "/memfd:%s", name);
    return proc_count_open(pid, of) + proc_count_maps(pid, of);
}

long proc_number(const char *path, const char *name)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "re");
    CHECK(file);
    while (number < 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            number = strtol(line + strlen(name) + 1, NULL, 10);
    }
    fclose(file);
    return number;
}

proc_traces proc_traces_of(pid_t pid)
{
    return (proc_traces){.threads = (int)proc_stat(pid, 20),
                         .children = proc_count_children(pid),
                         .fds = proc_count_fds(pid),
                         .maps = proc_count_maps(pid, ""),
                         .memfds = proc_count_memfds(pid, "")};
}

bool proc_gone(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}
