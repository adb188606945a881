/* ring.c - the memory of two rings (ring.h), and how a side maps it.
 *
 * The file, with P for a page:
 *
 *     words P | page of ring 0 P | page of ring 1 P | data of ring 0 | data of ring 1
 *
 * It is mapped with three overlapping views of the file that follow each other, so that each ring's data is there
 * twice:
 *
 *     words, pages, data 0 | data 0, data 1 | data 1 | a page without access
 *
 * The bridge makes the memory, before it asks for the child; both sides map it.
 *
 * The file is sealed against every change of its size. A peer can still punch a hole into it: that reads as zeros,
 * which is a value like others that a hostile peer writes, and the page comes back at the next touch.
 *
 * Rejected: shm_open (a name that outlives kill -9, and /dev/shm may be small or absent); huge pages (a ring would be
 * 2 MB at least); a mapping for each part (twice as many system calls, and mappings are limited). */
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A gigabyte each: far from where the sums below could overflow. */
#define LARGEST ((size_t)1 << 30)

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool is_capacity(size_t capacity)
{
    return capacity >= page_size() && capacity <= LARGEST && (capacity & (capacity - 1)) == 0;
}

/* Not to be executed where the kernel (6.3) knows how to say so; others reject the flag. */
static int create(void)
{
    int fd = memfd_create("paragram-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("paragram-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int pgs_ring_memory(size_t capacity)
{
    if (!is_capacity(capacity)) return -EINVAL;
    off_t size = (off_t)(3 * page_size() + 2 * capacity);
    int fd = create();
    if (fd < 0) return fd;
    int rc = ftruncate(fd, size);
    if (rc == 0) {
        do {
            rc = fallocate(fd, 0, 0, size);
        } while (rc < 0 && errno == EINTR);
    }
    if (rc == 0) rc = fcntl(fd, F_ADD_SEALS, SEALS);
    if (rc == 0) return fd;
    rc = -errno;
    close(fd);
    return rc;
}

/* One view of the file, at its place in the reserved addresses. */
static bool view(unsigned char *at, size_t size, int fd, size_t offset)
{
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) != MAP_FAILED;
}

int pgs_ring_pair_map(pgs_ring_pair *pair, int fd, int side)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstat(fd, &status) < 0) return -errno;
    size_t page = page_size(), fixed = 3 * page;
    if ((seals & SEALS) != SEALS || (side != 0 && side != 1) || status.st_size <= (off_t)fixed) return -EINVAL;
    size_t capacity = ((size_t)status.st_size - fixed) / 2;
    if (!is_capacity(capacity) || fixed + 2 * capacity != (size_t)status.st_size) return -EINVAL;

    size_t size = fixed + 4 * capacity + page;
    unsigned char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return -errno;
    if (!view(base, fixed + capacity, fd, 0) || !view(base + fixed + capacity, 2 * capacity, fd, fixed) ||
        !view(base + fixed + 3 * capacity, capacity, fd, fixed + capacity)) {
        int rc = -errno;
        munmap(base, size);
        return rc;
    }
    pgs_ring_shared *shared[2] = {(void *)(base + page), (void *)(base + 2 * page)};
    unsigned char *data[2] = {base + fixed, base + fixed + 2 * capacity};
    *pair = (pgs_ring_pair){.words = base, .base = base, .size = size};
    pgs_ring_writer_init(&pair->writer, shared[side], data[side], capacity);
    pgs_ring_reader_init(&pair->reader, shared[!side], data[!side], capacity);
    return 0;
}

void pgs_ring_pair_unmap(pgs_ring_pair *pair)
{
    if (pair->base) munmap(pair->base, pair->size);
    *pair = (pgs_ring_pair){.base = NULL};
}
