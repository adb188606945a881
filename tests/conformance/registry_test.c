/* registry_test.c - names: unique among the living, and gone with their processes; groups: whom a message reaches. */
#include "conformance.h"

static void on_end(pg_process *self, const pg_message *msg)
{
    (void)msg;
    pg_exit(self);
}

static void on_who(pg_process *self, const pg_message *msg)
{
    pg_send(pg_get_pid(self, msg, 1), self);
}

static void obedient(pg_process *self)
{
    pg_receive(self, on_end, "end");
    pg_receive(self, on_who, "who", PG_PID);
}

static pg_pid spawn_obedient(pg_process *self)
{
    return good(pg_spawn(self, obedient));
}

static void names_lead_to_processes(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self);
    pg_pid a = spawn_obedient(self), b = spawn_obedient(self);
    CHECK_EQ(pg_whereis(rt, "a").id, 0);
    CHECK_EQ(pg_unregister(rt, "a"), PG_ENOPROC);
    CHECK_EQ(pg_register(rt, "a", a), PG_OK);
    CHECK_EQ(pg_register(rt, "a", b), PG_ETAKEN);
    CHECK_EQ(pg_register(rt, "a", a), PG_ETAKEN);
    CHECK_EQ(pg_register(rt, "b", b), PG_OK);
    CHECK_EQ(pg_register(rt, "another of a's", a), PG_OK);
    CHECK_EQ(pg_register(rt, "main", pg_self(self)), PG_OK);
    CHECK(pg_same(pg_whereis(rt, "a"), a) && pg_same(pg_whereis(rt, "another of a's"), a));
    CHECK(pg_same(pg_whereis(rt, "main"), pg_self(self)));
    CHECK_EQ(pg_send(pg_whereis(rt, "b"), "who", self), PG_OK);
    CHECK(pg_same(pg_get_pid(NULL, next_of(self), 0), b));
    CHECK_EQ(pg_send(pg_whereis(rt, "c"), "who", self), PG_ENOPROC);
    CHECK_EQ(pg_unregister(rt, "a"), PG_OK);
    CHECK_EQ(pg_whereis(rt, "a").id, 0);
    CHECK_EQ(pg_register(rt, "a", b), PG_OK);
    CHECK(pg_same(pg_whereis(rt, "a"), b));
}

/* The end of a process elsewhere may be known a little before its names have gone. */
static void expect_gone(pg_runtime *rt, const char *name)
{
    int64_t deadline = check_now_ns() + PATIENCE;
    while (pg_whereis(rt, name).id != 0) {
        CHECK(the_kind == PG_OS && check_now_ns() < deadline);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static void they_go_with_their_process(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self);
    char name[40];
    for (int i = 0; i < scaled(300, 60); i++) {
        pg_pid pid = spawn_obedient(self);
        snprintf(name, sizeof name, "one of many %d", i % 7);
        CHECK_EQ(pg_register(rt, "again and again", pid), PG_OK);
        CHECK_EQ(pg_register(rt, name, pid), PG_OK);
        if (i % 3 == 0) CHECK_EQ(pg_unregister(rt, name), PG_OK);
        CHECK_EQ(pg_send(pid, "end"), PG_OK);
        end_of(pid);
        expect_gone(rt, "again and again");
        expect_gone(rt, name);
        int status = pg_register(rt, name, pid);
        CHECK(status == PG_ENOPROC || (the_kind == PG_OS && status == PG_OK));
        expect_gone(rt, name);
    }
}

static void misuse(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self);
    char longest[256], too_long[257];
    memset(longest, 'x', sizeof longest - 1);
    memset(too_long, 'x', sizeof too_long - 1);
    longest[255] = too_long[256] = '\0';
    CHECK_EQ(pg_register(NULL, "a", pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_register(rt, NULL, pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_register(rt, "", pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_register(rt, too_long, pg_self(self)), PG_EINVAL);
    CHECK_EQ(pg_register(rt, longest, pg_self(self)), PG_OK);
    CHECK(pg_same(pg_whereis(rt, longest), pg_self(self)));
    CHECK_EQ(pg_register(rt, "nobody", (pg_pid){0}), PG_ENOPROC);
    CHECK_EQ(pg_whereis(rt, "nobody").id, 0);
    CHECK_EQ(pg_whereis(NULL, "a").id, 0);
    CHECK_EQ(pg_whereis(rt, NULL).id, 0);
    CHECK_EQ(pg_unregister(NULL, "a"), PG_EINVAL);
    CHECK_EQ(pg_unregister(rt, NULL), PG_EINVAL);
    CHECK_EQ(pg_join(rt, "a", pg_self(self)), PG_OK);
    CHECK_EQ(pg_members(rt, "a", 1, NULL), 0);
    CHECK_EQ(pg_leave(rt, "a", pg_self(self)), PG_OK);
}

static void groups_get_messages(pg_process *self)
{
    enum { MEMBERS = 100 };
    pg_runtime *rt = pg_runtime_of(self);
    pg_pid members[MEMBERS], listed[MEMBERS];
    size_t count = (size_t)scaled(MEMBERS, 25);
    CHECK_EQ(pg_broadcast(rt, "group", "who", self), 0);
    for (size_t i = 0; i < count; i++) {
        members[i] = spawn_obedient(self);
        CHECK_EQ(pg_join(rt, "group", members[i]), PG_OK);
        CHECK_EQ(pg_join(rt, "group", members[i]), PG_OK);
    }
    CHECK_EQ(pg_join(rt, "other", members[0]), PG_OK);
    CHECK_EQ(pg_register(rt, "group", members[1]), PG_OK); /* a name is no member */
    CHECK_EQ(pg_members(rt, "group", 0, NULL), count);
    CHECK_EQ(pg_members(rt, "group", MEMBERS, listed), count);
    CHECK_EQ(pg_broadcast(rt, "group", "who", self), count);
    for (size_t i = 0; i < count; i++) { /* each answers, in whatever order */
        pg_pid who = pg_get_pid(NULL, next_of(self), 0);
        size_t k = 0;
        while (k < count && !pg_same(listed[k], who)) k++;
        CHECK(k < count);
        listed[k] = (pg_pid){0};
    }
    CHECK_EQ(pg_leave(rt, "group", members[2]), PG_OK);
    CHECK_EQ(pg_leave(rt, "group", members[2]), PG_ENOPROC);
    CHECK_EQ(pg_send(members[3], "end"), PG_OK);
    end_of(members[3]);
    CHECK_EQ(pg_unregister(rt, "group"), PG_OK);
    int64_t deadline = check_now_ns() + PATIENCE;
    while (pg_members(rt, "group", 0, NULL) != count - 2) CHECK(the_kind == PG_OS && check_now_ns() < deadline);
    CHECK_EQ(pg_broadcast(rt, "group", "who", self), count - 2);
    for (size_t i = 0; i < count - 2; i++) next_of(self);
    CHECK_EQ(pg_broadcast(rt, "other", "who", self), 1);
    CHECK(pg_same(pg_get_pid(NULL, next_of(self), 0), members[0]));
    CHECK_EQ(pg_broadcast(rt, "group", PG_ANY), PG_EINVAL);
    CHECK_EQ(pg_broadcast(NULL, "group", 1), PG_EINVAL);
    CHECK_EQ(pg_join(rt, "group", (pg_pid){0}), PG_ENOPROC);
    CHECK_EQ(pg_leave(rt, "group", (pg_pid){0}), PG_ENOPROC);
    expect_nothing(self);
}

/* Joins, leaves and joins again each of `count`, and returns how long that took. */
static int64_t time_of_joining(pg_runtime *rt, const pg_pid *pids, size_t count)
{
    int64_t begin = check_now_ns();
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(pg_join(rt, "crowd", pids[i]), PG_OK);
        CHECK_EQ(pg_leave(rt, "crowd", pids[i]), PG_OK);
        CHECK_EQ(pg_join(rt, "crowd", pids[i]), PG_OK);
    }
    return check_now_ns() - begin;
}

/* Whoever comes to many takes no longer than who came to few; in a list to be searched, 40 times as long. */
static void a_crowd(pg_process *self)
{
    enum { BATCHES = 40, SEVERAL = 4, TOO_SLOW = 10 };
    pg_runtime *rt = pg_runtime_of(self);
    size_t batch = (size_t)scaled(SANITIZED ? 100 : 500, 5), count = batch * BATCHES;
    pg_pid *pids = calloc(count, sizeof *pids);
    CHECK(pids != NULL);
    for (size_t i = 0; i < count; i++) pids[i] = spawn_obedient(self);
    int64_t first = INT64_MAX, last = INT64_MAX; /* the fastest of several, since a processor may be shared */
    for (size_t i = 0; i < BATCHES; i++) {
        int64_t took = time_of_joining(rt, pids + i * batch, batch);
        if (i < SEVERAL && took < first) first = took;
        if (i >= BATCHES - SEVERAL && took < last) last = took;
    }
    if (batch == 500) CHECK(last < TOO_SLOW * first);
    CHECK_EQ(pg_members(rt, "crowd", 0, NULL), count);
    CHECK_EQ(pg_broadcast(rt, "crowd", "who", self), count);
    for (size_t i = 0; i < count; i++) next_of(self);
    for (size_t i = 0; i < count; i += 2) CHECK_EQ(pg_leave(rt, "crowd", pids[i]), PG_OK);
    for (size_t i = 0; i < count; i += 2) CHECK_EQ(pg_leave(rt, "crowd", pids[i]), PG_ENOPROC);
    CHECK_EQ(pg_broadcast(rt, "crowd", "end"), count / 2);
    for (size_t i = 1; i < count; i += 2) end_of(pids[i]);
    int64_t deadline = check_now_ns() + PATIENCE;
    while (pg_members(rt, "crowd", 0, NULL) > 0) CHECK(the_kind == PG_OS && check_now_ns() < deadline);
    CHECK_EQ(pg_join(rt, "crowd", pids[0]), PG_OK); /* it is founded again */
    CHECK_EQ(pg_broadcast(rt, "crowd", "who", self), 1);
    next_of(self);
    for (size_t i = 0; i < count; i += 2) CHECK_EQ(pg_send(pids[i], "end"), PG_OK);
    for (size_t i = 0; i < count; i += 2) end_of(pids[i]);
    expect_nothing(self);
    free(pids);
}

/* Members come, leave and end while others list them: nobody is listed twice, whatever happens. */
static void come_and_go(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self);
    uint64_t random = pg_self(self).id;
    for (int i = 0; i < 200; i++) {
        pg_pid listed[64];
        CHECK_EQ(pg_join(rt, "busy", pg_self(self)), PG_OK);
        size_t found = pg_members(rt, "busy", 64, listed);
        CHECK(found >= 1 && found <= 64);
        size_t own = 0;
        for (size_t k = 0; k < found; k++) {
            own += pg_same(listed[k], pg_self(self));
            for (size_t n = 0; n < k; n++) CHECK(!pg_same(listed[n], listed[k]));
        }
        CHECK_EQ(own, 1);
        if (check_random(&random) % 2 == 0) CHECK_EQ(pg_leave(rt, "busy", pg_self(self)), PG_OK);
        if (i % 20 == 0) pg_yield(self);
    }
}

static void busy_group(pg_process *self)
{
    enum { AT_ONCE = 20 };
    pg_pid pids[AT_ONCE];
    for (int round = 0; round < scaled(4, 1); round++) {
        for (int i = 0; i < AT_ONCE; i++) pids[i] = good(pg_spawn(self, come_and_go));
        for (int i = 0; i < AT_ONCE; i++) end_of(pids[i]);
        CHECK_EQ(pg_members(pg_runtime_of(self), "busy", 0, NULL), 0);
    }
}

/* Each runtime has its own; what it names may be of another one, which ends first, or later. */
static void of_two_runtimes(pg_process *self)
{
    pg_runtime *rt = pg_runtime_of(self), *other = start_runtime();
    pg_process *there = pg_attach(other, "main of the other");
    CHECK(there != NULL);
    pg_pid here = spawn_obedient(self), far = spawn_obedient(there);
    CHECK_EQ(pg_register(rt, "x", far), PG_OK);
    CHECK_EQ(pg_register(other, "x", here), PG_OK);
    CHECK_EQ(pg_register(other, "y", here), PG_OK);
    CHECK_EQ(pg_register(rt, "host", pg_self(there)), PG_OK);
    CHECK_EQ(pg_register(other, "host", pg_self(there)), PG_OK);
    CHECK(pg_same(pg_whereis(rt, "x"), far) && pg_same(pg_whereis(other, "x"), here));
    CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
    CHECK_EQ(pg_whereis(rt, "host").id, 0); /* it has not been detached, and yet it is no more */
    pg_detach(there);
    expect_gone(rt, "x");
    CHECK_EQ(pg_send(here, "end"), PG_OK); /* it has names no more */
    end_of(here);
}

/* A runtime is stopped while processes of another one end that have names in it. */
static void stops_while_they_end(pg_process *self)
{
    enum { NAMED = 30 };
    for (int round = 0; round < scaled(60, 10); round++) {
        pg_pid pids[NAMED];
        pg_runtime *other = pg_start(&(pg_options){.workers = 1, .no_os = true, .log = log_line});
        CHECK(other != NULL);
        for (int i = 0; i < NAMED; i++) {
            char name[20];
            snprintf(name, sizeof name, "%d", i);
            pids[i] = spawn_obedient(self);
            CHECK_EQ(pg_register(other, name, pids[i]), PG_OK);
            CHECK_EQ(pg_join(other, i % 2 ? "odd" : "even", pids[i]), PG_OK);
        }
        for (int i = 0; i < NAMED; i++) CHECK_EQ(pg_send(pids[i], "end"), PG_OK);
        CHECK_EQ(pg_stop(other, PATIENCE), PG_OK);
        for (int i = 0; i < NAMED; i++) end_of(pids[i]);
    }
}

/* Many take the same few names, and end, while others look. */
static void take_names(pg_process *self)
{
    char name[20];
    uint64_t random = pg_self(self).id;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%d", (int)(check_random(&random) % 10));
        int status = pg_register(pg_runtime_of(self), name, pg_self(self));
        CHECK(status == PG_OK || status == PG_ETAKEN);
        pg_pid found = pg_whereis(pg_runtime_of(self), name);
        if (status == PG_OK && check_random(&random) % 2 == 0) pg_unregister(pg_runtime_of(self), name);
        if (found.id != 0) pg_send(found, "hello");
        if (i % 20 == 0) pg_yield(self);
    }
}

static void contended(pg_process *self)
{
    enum { AT_ONCE = 20 };
    pg_pid pids[AT_ONCE];
    for (int round = 0; round < scaled(20, 2); round++) {
        for (int i = 0; i < AT_ONCE; i++) pids[i] = good(pg_spawn(self, take_names));
        for (int i = 0; i < AT_ONCE; i++) end_of(pids[i]);
        char name[20];
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof name, "%d", i);
            CHECK_EQ(pg_whereis(pg_runtime_of(self), name).id, 0);
        }
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        CASE(names_lead_to_processes),
        CASE(they_go_with_their_process),
        CASE(misuse),
        CASE_REAL(of_two_runtimes, "it starts another runtime"),
        CASE_REAL(stops_while_they_end, "it starts another runtime"),
        CASE(contended),
        CASE(groups_get_messages),
        CASE(a_crowd),
        CASE(busy_group),
    };
    return RUN_CASES(cases);
}
