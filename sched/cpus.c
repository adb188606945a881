/* cpus.c - processors by affinity mask and by cgroup quota, versions 1 and 2 and both at once.
 *
 * Called once by the start of a runtime.  Formats: proc(5) for mountinfo, cgroups(7) for /proc/self/cgroup, and the
 * kernel's sched-bwc (cpu.cfs_quota_us) and cgroup-v2 (cpu.max) documents.
 *
 * A file system of cgroups may show only a part of the hierarchy: a container sees as its mount's "/" what the host
 * calls /docker/1234, and /proc/self/cgroup may say either, depending on cgroup namespaces.  mountinfo gives the
 * directory that was mounted; what is left of the process's path after it is the path under the mount point.  Where
 * the mount does not contain the process's path, the mount point is taken for the process's own cgroup, which is what
 * container engines arrange.  Ancestors above the mounted directory cannot be seen by anybody inside.
 *
 * Whatever cannot be read or understood limits nothing: a wrong guess upwards costs some throttling, a wrong guess
 * downwards leaves processors idle.
 *
 * Rejected: trusting /sys/fs/cgroup and no mountinfo, since v1 hierarchies are mounted under many names; reading the
 * process's own cgroup only, since Kubernetes and systemd put quotas on parents. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    VERSIONS = 2,
    DEFAULT_PERIOD_US = 100000,
    MASK_LIMIT = 1 << 20, /* processors; the kernel's own limit is far lower */
};

/* Where the process is in one of the two hierarchies, index 0 for v1 and 1 for v2.  Strings are malloc'd, or NULL. */
typedef struct {
    char *path;  /* as /proc/self/cgroup says */
    char *point; /* the mount point chosen */
    char *below; /* path from the mount point to the cgroup, "" or starting with a slash */
    size_t root_length;
    bool contains; /* whether the mount contains the path */
} hierarchy;

static FILE *open_below(const char *root, const char *directory, const char *name)
{
    char *path;
    if (asprintf(&path, "%s%s/%s", root, directory, name) < 0) return NULL;
    FILE *file = fopen(path, "re");
    free(path);
    return file;
}

/* Whether a list separated by commas has the item. */
static bool list_has(const char *list, const char *item)
{
    size_t length = strlen(item);
    for (;;) {
        size_t this = strcspn(list, ",\n");
        if (this == length && memcmp(list, item, length) == 0) return true;
        if (list[this] != ',') return false;
        list += this + 1;
    }
}

/* Undoes in place mountinfo's octal escapes of space, tab, newline and backslash. */
static void unescape(char *s)
{
    char *to = s;
    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = 0;
}

static bool climbs(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/..")); at += 3) {
        if (at[3] == '/' || !at[3]) return true;
    }
    return false;
}

/* What is left of `path` below the directory `top`; NULL if it is not below. */
static const char *path_below(const char *path, const char *top)
{
    size_t length = strlen(top);
    while (length && top[length - 1] == '/') length--;
    if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/')) return NULL;
    const char *rest = path + length;
    if (strcmp(rest, "/") == 0) rest++;
    return climbs(rest) ? NULL : rest;
}

/* /proc/self/cgroup: lines of "id:controllers:path"; the path may hold colons. */
static void read_paths(const char *root, hierarchy *h)
{
    FILE *file = open_below(root, "/proc/self", "cgroup");
    if (!file) return;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path || path[1] != '/') continue;
        *path++ = 0;
        *controllers++ = 0;
        bool second = strcmp(line, "0") == 0 && !*controllers;
        if (!second && !list_has(controllers, "cpu")) continue;
        free(h[second].path);
        h[second].path = strdup(path);
    }
    free(line);
    fclose(file);
}

/* Takes a mount if it is better than the one so far: one that contains the process before one that does not, and then
 * the one that shows more ancestors; of equals the later, which hides the earlier. */
static void consider_mount(hierarchy *h, const char *top, const char *point)
{
    if (!h->path) return;
    const char *below = path_below(h->path, top);
    bool contains = below;
    size_t length = strlen(top);
    if (h->point && (h->contains > contains || (h->contains && length > h->root_length))) return;
    free(h->point);
    free(h->below);
    h->point = strdup(strcmp(point, "/") == 0 ? "" : point);
    h->below = strdup(below ? below : "");
    h->root_length = length;
    h->contains = contains;
}

/* /proc/self/mountinfo: "id parent device root point options [tags...] - type source super-options". */
static void read_mounts(const char *root, hierarchy *h)
{
    FILE *file = open_below(root, "/proc/self", "mountinfo");
    if (!file) return;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        char *end = strstr(line, " - cgroup");
        if (!end) continue;
        char *rest, *type = strtok_r(end + 3, " \n", &rest);
        char *source = strtok_r(NULL, " \n", &rest);
        char *options = strtok_r(NULL, " \n", &rest);
        bool second = strcmp(type, "cgroup2") == 0;
        if (!second && (strcmp(type, "cgroup") != 0 || !source || !options || !list_has(options, "cpu"))) continue;
        *end = 0;
        char *fields[5], *at = line;
        unsigned count = 0;
        while (count < 5 && (fields[count] = strtok_r(count ? NULL : at, " ", &rest))) count++;
        if (count < 5) continue;
        unescape(fields[3]);
        unescape(fields[4]);
        consider_mount(&h[second], fields[3], fields[4]);
    }
    free(line);
    fclose(file);
}

/* Reads up to two numbers from a file's first line.  Returns how many there were. */
static int read_numbers(const char *root, const char *directory, const char *name, long long numbers[2])
{
    FILE *file = open_below(root, directory, name);
    if (!file) return 0;
    char line[128], *at = line;
    int count = 0;
    if (fgets(line, sizeof line, file)) {
        while (count < 2) {
            char *end;
            errno = 0;
            numbers[count] = strtoll(at, &end, 10);
            if (end == at || errno || !strchr(" \n", *end)) break;
            at = end;
            count++;
        }
    }
    fclose(file);
    return count;
}

/* The quota of one directory in processors, rounded up; 0: none. */
static unsigned directory_quota(const char *root, const char *directory, bool second)
{
    long long quota[2], period[2] = {DEFAULT_PERIOD_US};
    if (second) {
        int count = read_numbers(root, directory, "cpu.max", quota);
        if (count == 0) return 0;
        if (count == 2) period[0] = quota[1];
    } else {
        if (!read_numbers(root, directory, "cpu.cfs_quota_us", quota)) return 0;
        if (!read_numbers(root, directory, "cpu.cfs_period_us", period)) return 0;
    }
    if (quota[0] <= 0 || period[0] <= 0) return 0;
    long long processors = (quota[0] - 1) / period[0] + 1;
    return processors > UINT_MAX ? UINT_MAX : (unsigned)processors;
}

static unsigned tighter(unsigned a, unsigned b)
{
    return !a || (b && b < a) ? b : a;
}

/* The tightest quota from the process's cgroup up to the mount point. */
static unsigned hierarchy_quota(const char *root, const hierarchy *h, bool second)
{
    char *directory;
    if (!h->point || !h->below || asprintf(&directory, "%s%s", h->point, h->below) < 0) return 0;
    size_t top = strlen(h->point);
    unsigned quota = 0;
    for (;;) {
        quota = tighter(quota, directory_quota(root, directory, second));
        if (strlen(directory) <= top) break;
        *strrchr(directory, '/') = 0;
    }
    free(directory);
    return quota;
}

unsigned pgs_cpus_quota(const char *root)
{
    hierarchy h[VERSIONS] = {{0}};
    read_paths(root, h);
    read_mounts(root, h);
    unsigned quota = 0;
    for (int i = 0; i < VERSIONS; i++) {
        quota = tighter(quota, hierarchy_quota(root, &h[i], i == 1));
        free(h[i].path);
        free(h[i].point);
        free(h[i].below);
    }
    return quota;
}

unsigned pgs_cpus_affinity(void)
{
    /* EINVAL says that the set is smaller than the kernel's own. */
    for (int size = CPU_SETSIZE; size <= MASK_LIMIT; size *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)size);
        if (!set) break;
        size_t bytes = CPU_ALLOC_SIZE((size_t)size);
        CPU_ZERO_S(bytes, set);
        int failed = sched_getaffinity(0, bytes, set) ? errno : 0;
        int count = failed ? 0 : CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (count > 0) return (unsigned)count;
        if (failed != EINVAL) break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned pgs_cpus(void)
{
    return tighter(pgs_cpus_affinity(), pgs_cpus_quota(""));
}
