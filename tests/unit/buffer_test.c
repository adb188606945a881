/* buffer_test.c - shared buffers within one process: references, sealing, names, what is believed of a stranger, and
 * what comes of the dead. */
#define _GNU_SOURCE
#include "runtime/buffer.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "paragram.h"
#include "proc.h"
#include "runtime/parcel.h"

static pg_message *build(size_t count, const pg_value *values)
{
    pg_message *message;
    CHECK_EQ(pgi_message_build(NULL, count, values, &message), PG_OK);
    return message;
}

static uint32_t references(pg_buffer *b)
{
    return load_relaxed(&b->references);
}

/* --------------------------------------------------------------------------------------------------------- sealing */

static sigjmp_buf back;

static void on_fault(int number)
{
    siglongjmp(back, number);
}

static bool can_write(volatile unsigned char *at)
{
    struct sigaction action = {.sa_handler = on_fault}, before;
    sigaction(SIGSEGV, &action, &before);
    bool can = sigsetjmp(back, 1) == 0;
    if (can) *at = 1;
    sigaction(SIGSEGV, &before, NULL);
    return can;
}

static void test_life(void)
{
    int fds = proc_count_fds(getpid());
    CHECK(pg_buffer_new(0) == NULL);
    CHECK(pg_buffer_new(SIZE_MAX) == NULL);
    CHECK(pg_buffer_data(NULL) == NULL);
    CHECK_EQ(pg_buffer_size(NULL), 0);
    CHECK_EQ(pg_buffer_seal(NULL), PG_EINVAL);
    pg_buffer_release(NULL);
    pg_buffer *b = pg_buffer_new(10000);
    CHECK(b != NULL);
    CHECK_EQ(pg_buffer_size(b), 10000);
    unsigned char *data = pg_buffer_data(b);
    for (size_t i = 0; i < 10000; i++) CHECK_EQ(data[i], 0);
    memset(data, 7, 10000);
    CHECK(can_write(data));
    CHECK_EQ(pg_buffer_seal(b), PG_OK);
    CHECK_EQ(pg_buffer_seal(b), PG_OK);
    CHECK(pg_buffer_data(b) == data);
    CHECK_EQ(data[9999], 7);
    CHECK(!can_write(data));
    CHECK(mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0) == MAP_FAILED);
    CHECK(ftruncate(b->fd, 1) != 0);
    CHECK_EQ(proc_count_fds(getpid()), fds + 1);
    pg_buffer_release(b);
    CHECK_EQ(proc_count_fds(getpid()), fds);
}

/* What somebody else has mapped for writing cannot be sealed, and stays as it was. */
static void test_not_sealed(void)
{
    pg_buffer *b = pg_buffer_new(5000);
    unsigned char *data = pg_buffer_data(b);
    data[4999] = 3;
    void *other = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
    CHECK(other != MAP_FAILED);
    CHECK_EQ(pg_buffer_seal(b), PG_EINVAL);
    pg_message *message;
    const pg_value v = PG_V(b);
    CHECK_EQ(pgi_message_build(NULL, 1, &v, &message), PG_EINVAL);
    CHECK(can_write(data) && data[4999] == 3 && pg_buffer_data(b) == data);
    munmap(other, 5000);
    CHECK_EQ(pg_buffer_seal(b), PG_OK);
    pg_buffer_release(b);
}

/* -------------------------------------------------------------------------------------------------------- messages */

static void test_messages(void)
{
    pg_buffer *b = pg_buffer_new(100), *c = pg_buffer_new(200);
    memcpy(pg_buffer_data(b), "hello", 6);
    const pg_value values[] = {PG_V("long enough to lie outside of its term"), pg_list(1, b, pg_dict(c, b)), PG_V(c)};
    pg_message *first = build(3, values), *copy;
    CHECK_EQ(first->flags, PGI_BUFFERS);
    CHECK_EQ(references(b), 3);
    CHECK_EQ(references(c), 3);
    CHECK_EQ(pgi_message_copy(NULL, first, &copy), PG_OK);
    CHECK_EQ(references(b), 5);
    pg_buffer *list[2];
    CHECK_EQ(pgi_buffers_list(first, list, 2), 2);
    CHECK(list[0] == b && list[1] == c);
    CHECK_EQ(pgi_buffers_list(first, list, 1), 2);
    pg_buffer_release(b);
    pgi_message_free(NULL, first);
    CHECK_EQ(references(b), 2);

    /* Parts of a message, as they are sent on. */
    const pg_value part = PG_V(pg_get(NULL, copy, 1));
    pg_message *passed = build(1, &part);
    pgi_message_free(NULL, copy);
    CHECK_EQ(references(b), 2);
    size_t size;
    const pg_term *inner = pg_term_at(NULL, pg_get(NULL, passed, 0), 1);
    CHECK_STR((const char *)pg_term_buffer(NULL, inner, &size), "hello");
    CHECK_EQ(size, 100);
    pg_buffer *kept = pg_buffer_keep(NULL, inner);
    CHECK(kept == b);
    pgi_message_free(NULL, passed);
    CHECK_STR((const char *)pg_buffer_data(kept), "hello");
    CHECK_EQ(references(kept), 1);
    CHECK_EQ(references(c), 1);

    /* Of two that are there and one that is gone, none is taken. */
    const pg_value gone = PG_V(c);
    pg_buffer_release(c);
    const pg_value some[] = {PG_V(kept), PG_V(kept), gone};
    CHECK_EQ(pgi_message_build(NULL, 3, some, &copy), PG_EINVAL);
    CHECK_EQ(references(kept), 1);
    const pg_value nothing = PG_V((pg_buffer *)NULL);
    CHECK_EQ(pgi_message_build(NULL, 1, &nothing, &copy), PG_EINVAL);
    pg_buffer_release(kept);
}

static void test_accessors(void)
{
    pg_buffer *b = pg_buffer_new(3);
    const pg_value values[] = {PG_V(b), PG_V(1)};
    pg_message *message = build(2, values);
    size_t size = 9;
    CHECK(pg_get_buffer(NULL, message, 0, NULL) == pg_buffer_data(b));
    CHECK(pg_get_buffer(NULL, message, 0, &size) == pg_buffer_data(b));
    CHECK_EQ(size, 3);
    CHECK(pg_get_buffer(NULL, message, 1, &size) == NULL);
    CHECK_EQ(size, 0);
    CHECK(pg_buffer_keep(NULL, pg_get(NULL, message, 1)) == NULL);
    CHECK(pg_term_buffer(NULL, NULL, &size) == NULL);
    CHECK(pg_get_ptr(NULL, message, 0) == NULL);
    pgi_message_free(NULL, message);
    pg_buffer_release(b);
}

static void test_values(void)
{
    char text[100], again[100];
    pg_buffer *b = pg_buffer_new(1), *c = pg_buffer_new(1);
    const pg_value values[] = {PG_V(b), PG_V(c)};
    pg_message *message = build(2, values);
    const pg_term *x = pg_get(NULL, message, 0), *y = pg_get(NULL, message, 1);
    CHECK_EQ(pg_term_type(x), PG_T_BUFFER);
    CHECK(pg_matches(x, b) && !pg_matches(x, c) && pg_matches(y, c));
    CHECK(pg_matches(x, PG_BUFFER) && pg_matches(x, PG_ANY) && !pg_matches(x, PG_PTR));
    CHECK(pgi_term_equal(x, x) && !pgi_term_equal(x, y));
    CHECK((pgi_term_compare(x, y) < 0) == (pgi_term_compare(y, x) > 0));
    CHECK_EQ(pgi_term_compare_value(x, values[0]), 0);
    pg_format_term(text, sizeof text, x);
    CHECK(strncmp(text, "<buffer ", 8) == 0);
    pg_format_value(again, sizeof again, values[0]);
    CHECK_STR(text, again);
    pg_format_value(again, sizeof again, PG_BUFFER);
    CHECK_STR(again, "buffer");
    pgi_message_free(NULL, message);
    pg_buffer_release(b);
    pg_buffer_release(c);
}

/* ------------------------------------------------------------------------------------------------------- strangers */

/* A memfd of `size` bytes as a child would send it, and its name. */
static int stranger(size_t size, unsigned flags, int seals, pg_term *name)
{
    struct stat info;
    int fd = memfd_create("stranger", MFD_CLOEXEC | flags);
    if (fd < 0) return -1;
    CHECK_EQ(ftruncate(fd, (off_t)size), 0);
    if (seals) CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
    CHECK_EQ(fstat(fd, &info), 0);
    *name = (pg_term){PG_T_BUFFER | (uint64_t)info.st_ino << 8, 0x1234567};
    return fd;
}

static void test_strangers(void)
{
    const int good = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fds = proc_count_fds(getpid());
    pg_buffer *b, *again;
    pg_term name;
    int fd = stranger(4000, MFD_ALLOW_SEALING, good, &name);
    CHECK_EQ(pgi_buffer_import(&name, 4000, dup(fd), 7, &b), PG_OK);
    CHECK_EQ(((const char *)pgi_buffer_map(b))[3999], 0);
    CHECK_EQ(pgi_buffer_import(&name, 4000, dup(fd), 7, &again), PG_OK);
    CHECK(again == b && references(b) == 2);
    pg_buffer_release(again);
    CHECK_EQ(pgi_buffer_import(&name, 4001, dup(fd), 7, &again), PG_EINVAL);
    CHECK_EQ(pgi_buffer_import(&name, 0, dup(fd), 7, &again), PG_EINVAL);
    name.head += 256;
    CHECK_EQ(pgi_buffer_import(&name, 4000, fd, 7, &again), PG_EINVAL);

    /* Other memory by the name of what is here. */
    pg_term other;
    fd = stranger(4000, MFD_ALLOW_SEALING, good, &other);
    CHECK_EQ(pgi_buffer_import(&b->name, 4000, fd, 8, &again), PG_EINVAL);
    pg_buffer_release(b);

    static const int bad[] = {0, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_GROW,
                              F_SEAL_SHRINK | F_SEAL_GROW | 0x10 /* F_SEAL_FUTURE_WRITE */};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fd = stranger(4000, MFD_ALLOW_SEALING, bad[i], &name);
        CHECK_EQ(pgi_buffer_import(&name, 4000, fd, 7, &again), PG_EINVAL);
    }
    fd = stranger(4000, 0, 0, &name);
    CHECK_EQ(pgi_buffer_import(&name, 4000, fd, 7, &again), PG_EINVAL);
    fd = stranger(2 << 20, MFD_ALLOW_SEALING | MFD_HUGETLB, 0, &name);
    if (fd >= 0) {
        CHECK_EQ(fcntl(fd, F_ADD_SEALS, good), 0);
        CHECK_EQ(pgi_buffer_import(&name, 2 << 20, fd, 7, &again), PG_EINVAL);
    }
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(pgi_buffer_import(&name, 1, fd, 7, &again), PG_EINVAL);
    CHECK_EQ(proc_count_fds(getpid()), fds);
}

static void test_charges(void)
{
    const int good = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    static pg_buffer *held[PGI_CHARGED_MAX];
    pg_buffer *more;
    pg_term name;
    for (int i = 0; i < PGI_CHARGED_MAX; i++) {
        int fd = stranger(1, MFD_ALLOW_SEALING, good, &name);
        CHECK_EQ(pgi_buffer_import(&name, 1, fd, 9, &held[i]), PG_OK);
    }
    int fd = stranger(1, MFD_ALLOW_SEALING, good, &name);
    CHECK_EQ(pgi_buffer_import(&name, 1, dup(fd), 9, &more), PG_EFULL);
    CHECK(more == NULL);
    CHECK_EQ(pgi_buffer_import(&name, 1, dup(fd), 10, &more), PG_OK); /* another child has its own */
    pg_buffer_release(more);
    pg_buffer_release(held[0]);
    CHECK_EQ(pgi_buffer_import(&name, 1, fd, 9, &held[0]), PG_OK);
    for (int i = 0; i < PGI_CHARGED_MAX; i++) pg_buffer_release(held[i]);

    fd = stranger(PGI_CHARGED_BYTES_MAX, MFD_ALLOW_SEALING, good, &name);
    CHECK_EQ(pgi_buffer_import(&name, PGI_CHARGED_BYTES_MAX, fd, 9, &held[0]), PG_OK);
    fd = stranger(1, MFD_ALLOW_SEALING, good, &name);
    CHECK_EQ(pgi_buffer_import(&name, 1, fd, 9, &more), PG_EFULL);
    pg_buffer_release(held[0]);
}

/* --------------------------------------------------------------------------------------------------------- parcels */

/* What a child had sent when it was killed arrives, also when it has not read what was sent to it. */
static void test_parcels_of_the_dead(void)
{
    int ends[2], fds = proc_count_fds(getpid());
    unsigned count;
    pgi_parcel parcel;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pg_buffer *b = pg_buffer_new(10);
    const pg_value v = PG_V(b);
    pg_message *message = build(1, &v);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pgi_parcel_send(ends[0], message, &count), PG_OK);
        CHECK_EQ(pgi_parcel_send(ends[1], message, &count), PG_OK);
        CHECK_EQ(count, 1);
    }
    close(ends[0]);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pgi_parcel_receive(&parcel, ends[1], 1, 0), PG_OK);
        CHECK(parcel.count == 1 && parcel.buffers[0] == b);
        pgi_parcel_free(&parcel);
    }
    CHECK_EQ(pgi_parcel_receive(&parcel, ends[1], 1, 0), PG_EINVAL);
    CHECK_EQ(pgi_parcel_send(ends[1], message, &count), PG_OK);
    close(ends[1]);
    CHECK_EQ(references(b), 2);
    pgi_message_free(NULL, message);
    pg_buffer_release(b);
    CHECK_EQ(proc_count_fds(getpid()), fds);
}

/* --------------------------------------------------------------------------------------------------------- threads */

static void *use(void *argument)
{
    const pg_message *message = argument;
    for (int i = 0; i < 20000; i++) {
        pg_message *copy;
        CHECK_EQ(pgi_message_copy(NULL, message, &copy), PG_OK);
        pg_buffer *b = pg_buffer_keep(NULL, pg_get(NULL, copy, 0));
        pgi_message_free(NULL, copy);
        CHECK_EQ(*(const int *)pg_buffer_data(b), 42);
        pg_buffer_release(b);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[3];
    pg_buffer *b = pg_buffer_new(sizeof(int));
    *(int *)pg_buffer_data(b) = 42;
    const pg_value v = PG_V(b);
    pg_message *message = build(1, &v);
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, use, message), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(references(b), 2);
    pgi_message_free(NULL, message);
    pg_buffer_release(b);
}

int main(void)
{
    test_life();
    test_not_sealed();
    test_messages();
    test_accessors();
    test_values();
    test_strangers();
    test_charges();
    test_parcels_of_the_dead();
    test_threads();
    return 0;
}
