/* cpus_test.c - quotas read from made-up trees of /proc and cgroup files in a temporary folder, and the real
 * affinity mask. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../../sched/cpus.h"
#include "../support/check.h"

#include <ftw.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void tree_end(void)
{
    CHECK_EQ(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file below the root, making its directories. */
static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
}

/* A new tree with the two files of /proc; NULL leaves one out. */
static void tree(const char *cgroup, const char *mountinfo)
{
    strcpy(root, "/tmp/cpus_test.XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    if (cgroup) put("/proc/self/cgroup", cgroup);
    if (mountinfo) put("/proc/self/mountinfo", mountinfo);
}

#define EXPECT(processors)                            \
    do {                                              \
        CHECK_EQ(pgs_cpus_quota(root), (processors)); \
        tree_end();                                   \
    } while (0)

#define V1 "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define V2 "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHERS                                                          \
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"                   \
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" \
    "34 31 0:34 / /proc rw - proc proc rw\n"

static void v1_quota(const char *directory, const char *quota, const char *period)
{
    char name[256];
    snprintf(name, sizeof name, "%s/cpu.cfs_quota_us", directory);
    put(name, quota);
    snprintf(name, sizeof name, "%s/cpu.cfs_period_us", directory);
    if (period) put(name, period);
}

static void test_v1(void)
{
    tree("3:cpuset:/x\n2:cpuacct,cpu:/a/b\n1:name=systemd:/c\n", OTHERS V1);
    v1_quota("/sys/fs/cgroup/cpu/a/b", "250000\n", "100000\n");
    EXPECT(3);

    tree("2:cpu:/a/b\n", OTHERS V1); /* an ancestor is tighter */
    v1_quota("/sys/fs/cgroup/cpu/a/b", "800000\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu/a", "100000\n", "50000\n");
    v1_quota("/sys/fs/cgroup/cpu", "-1\n", "100000\n");
    EXPECT(2);

    tree("2:cpu:/a\n", V1); /* the mount point itself */
    v1_quota("/sys/fs/cgroup/cpu/a", "-1\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu", "500000\n", "100000\n");
    EXPECT(5);

    tree("2:cpu:/a\n", V1 OTHERS); /* another controller's mount after it */
    v1_quota("/sys/fs/cgroup/cpu/a", "300000\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpuset/a", "100000\n", "100000\n");
    EXPECT(3);

    tree("2:cpu:/\n", V1); /* a fraction of a processor is one */
    v1_quota("/sys/fs/cgroup/cpu", "1000\n", "100000\n");
    EXPECT(1);

    tree("2:cpu:/a\n", V1); /* a sibling with a similar name is not an ancestor */
    v1_quota("/sys/fs/cgroup/cpu/a", "-1\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu/ab", "100000\n", "100000\n");
    EXPECT(0);

    tree("3:cpuset:/a\n", V1 OTHERS); /* "cpu" is not "cpuset" */
    v1_quota("/sys/fs/cgroup/cpuset/a", "100000\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu/a", "100000\n", "100000\n");
    EXPECT(0);
}

static void test_v2(void)
{
    tree("0::/a/b/c\n", OTHERS V2);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "350000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "600000 100000\n");
    EXPECT(4);

    tree("0::/a\n", V2);
    put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    EXPECT(0);

    tree("0::/a\n", V2); /* exactly whole, no newline, a period of its own */
    put("/sys/fs/cgroup/a/cpu.max", "40000 20000");
    EXPECT(2);

    tree("0::/a:b/c d\n", V2); /* colons and spaces in the path */
    put("/sys/fs/cgroup/a:b/c d/cpu.max", "300000 100000\n");
    EXPECT(3);

    tree("0::/gone/x (deleted)\n", V2);
    put("/sys/fs/cgroup/gone/cpu.max", "200000 100000\n");
    EXPECT(2);
}

static void test_hybrid(void)
{
    tree("2:cpu:/a\n0::/u\n", V1 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    v1_quota("/sys/fs/cgroup/cpu/a", "400000\n", "100000\n");
    put("/sys/fs/cgroup/unified/u/cgroup.procs", "1\n");
    CHECK_EQ(pgs_cpus_quota(root), 4);
    put("/sys/fs/cgroup/unified/u/cpu.max", "200000 100000\n");
    EXPECT(2);
}

static void test_containers(void)
{
    /* The mount shows only the container's part, the path is the host's. */
    tree("2:cpu:/docker/12/in\n", "32 31 0:29 /docker/12 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    v1_quota("/sys/fs/cgroup/cpu/in", "-1\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu", "200000\n", "100000\n");
    EXPECT(2);

    /* The path does not lie below the mount: the mount point stands for it. */
    tree("2:cpu:/docker/123\n", "32 31 0:29 /docker/12 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    v1_quota("/sys/fs/cgroup/cpu/3", "100000\n", "100000\n");
    v1_quota("/sys/fs/cgroup/cpu", "300000\n", "100000\n");
    EXPECT(3);

    /* A path that leaves the namespace is not followed; a root that leaves it alike may contain it. */
    tree("0::/../other\n", V2);
    put("/sys/fs/other/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/cpu.max", "600000 100000\n");
    EXPECT(6);
    tree("0::/../other/x\n", "31 23 0:28 /../other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/x/cpu.max", "200000 100000\n");
    EXPECT(2);

    /* Of two mounts, the one that contains the process; of two that do, the one that shows its ancestors. */
    tree("0::/pod/me\n", "31 23 0:28 /stranger /x rw - cgroup2 cgroup2 rw\n"
                         "31 23 0:28 /pod /y rw - cgroup2 cgroup2 rw\n"
                         "31 23 0:28 /pod/me /z rw - cgroup2 cgroup2 rw\n"
                         "31 23 0:28 /s /w rw - cgroup2 cgroup2 rw\n");
    put("/x/cpu.max", "100000 100000\n");
    put("/w/cpu.max", "100000 100000\n");
    put("/z/cpu.max", "700000 100000\n");
    put("/y/me/cpu.max", "700000 100000\n");
    put("/y/cpu.max", "500000 100000\n");
    EXPECT(5);

    /* Escapes, a root directory as mount point, optional fields. */
    tree("0::/my pod/a\n",
         "31 23 0:28 /my\\040pod /mnt/c\\011g\\134x rw shared:1 master:2 propagate_from:3 - cgroup2 none rw\n");
    put("/mnt/c\tg\\x/a/cpu.max", "200000 100000\n");
    EXPECT(2);
    tree("0::/a\n", "31 23 0:28 / / rw - cgroup2 cgroup2 rw\n");
    put("/a/cpu.max", "200000 100000\n");
    EXPECT(2);
}

static void test_garbage(void)
{
    static const char *const files[] = {
        "",
        "\n",
        "max\n",
        "100000 0\n",
        "0 100000\n",
        "-5 100000\n",
        "x 1\n",
        "10000z 1\n",
        "100000 -1",
        "-1 100000 7 8",
        "99999999999999999999 100000",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tree("0::/a\n1:cpu:/\n", V2 V1);
        put("/sys/fs/cgroup/a/cpu.max", files[i]);
        v1_quota("/sys/fs/cgroup/cpu", files[i], "");
        EXPECT(0);
    }
    tree("0::/\n", V2);
    put("/sys/fs/cgroup/cpu.max", "9223372036854775807 1\n");
    EXPECT(UINT32_MAX);
    tree("0::/\n", V2); /* without a period the default one */
    put("/sys/fs/cgroup/cpu.max", "200000\n");
    EXPECT(2);
    tree("2:cpu:/\n", V1); /* v1 without its period says nothing */
    v1_quota("/sys/fs/cgroup/cpu", "100000\n", NULL);
    EXPECT(0);

    tree(NULL, NULL);
    EXPECT(0);
    tree("0::/a\n", NULL);
    EXPECT(0);
    tree(NULL, V1 V2);
    EXPECT(0);
    tree("garbage\n:\n::\n0::relative\n2:cpu\n0:cpu:\n", V1 V2);
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    EXPECT(0);
    tree("0::/\n1:cpu:/\n", " - cgroup2\n - cgroup\n1 2 3 - cgroup2 a b\n - cgroup a b,cpu\n1 2 3 4 - cgroup a cpu\n"
                            "x - cgroupfoo a b\n1 2 0:1 / /m rw - cgroup a\n\n");
    put("/m/cpu.cfs_quota_us", "100000\n");
    put("/m/cpu.cfs_period_us", "100000\n");
    put("/cpu.max", "100000 100000\n");
    EXPECT(0);
}

static void test_affinity(void)
{
    CHECK_EQ(pgs_cpus_affinity() >= 1, 1);
    CHECK(pgs_cpus() >= 1 && pgs_cpus() <= pgs_cpus_affinity());
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0) return; /* more processors than fit: not this test's machine */
    CHECK_EQ(pgs_cpus_affinity(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    }
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(pgs_cpus_affinity(), 1);
    CHECK_EQ(pgs_cpus(), 1);
    CHECK_EQ(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
    test_v1();
    test_v2();
    test_hybrid();
    test_containers();
    test_garbage();
    test_affinity();
    return 0;
}
