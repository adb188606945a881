/* buffer.c - see buffer.h.
 *
 * The mapping stays where it is when a buffer is sealed: for a moment there is nothing in its place, since the kernel
 * seals only what nobody has mapped for writing.  A sealed one is mapped privately, though nobody writes: before Linux
 * 6.7 a shared mapping of what is sealed against writing is refused, even one that is only read.  The pages are the
 * memfd's own in any case. */
#define _GNU_SOURCE
#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "paragram.h"
#include "pid.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* ------------------------------------------------------------------------------------------------------ the table */

enum { BUCKETS = 1024 };

/* What children make this process hold. */
typedef struct charge {
    uint64_t bytes;
    uint32_t count;
} charge;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static pg_buffer *table[BUCKETS];
static charge charges[1 << PGI_NODE_BITS]; /* by node; untouched, and so no memory, until one is used */

static pg_buffer **bucket_of(const pg_term *name)
{
    return &table[name->body % BUCKETS];
}

/* Under the lock. */
static pg_buffer *find(const pg_term *name)
{
    pg_buffer *b = *bucket_of(name);
    while (b && (b->name.body != name->body || b->name.head != name->head)) b = b->next;
    return b;
}

static void put_in(pg_buffer *b)
{
    pg_buffer **bucket = bucket_of(&b->name);
    b->next = *bucket;
    *bucket = b;
}

/* One that the zygote has forgotten is not there. */
static void take_out(const pg_buffer *b)
{
    pg_buffer **at = bucket_of(&b->name);
    while (*at && *at != b) at = &(*at)->next;
    if (*at) *at = b->next;
}

pg_buffer *pgi_buffer_find(const pg_term *name)
{
    pthread_mutex_lock(&lock);
    pg_buffer *b = find(name);
    if (b) add_relaxed(&b->references, 1);
    pthread_mutex_unlock(&lock);
    return b;
}

/* --------------------------------------------------------------------------------------------- beginning and end */

/* A descriptor of an inode that no other memfd has, and a name for it.  False: none can be had. */
static bool make_name(pg_term *name, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return false;
    name->head = PG_T_BUFFER | (uint64_t)info.st_ino << 8;
    return getrandom(&name->body, sizeof name->body, 0) == (ssize_t)sizeof name->body;
}

static pg_buffer *make(const pg_term *name, size_t size, int fd, bool sealed)
{
    pg_buffer *b = pgi_alloc_zero(sizeof *b);
    if (!b) return NULL;
    b->name = *name;
    b->size = size;
    b->fd = fd;
    pthread_mutex_init(&b->lock, NULL);
    store_relaxed(&b->references, 1);
    store_relaxed(&b->sealed, sealed);
    return b;
}

static void destroy(pg_buffer *b)
{
    unsigned char *data = load_relaxed(&b->data);
    int saved = errno;
    if (data) munmap(data, b->size);
    if (b->fd >= 0) close(b->fd);
    errno = saved;
    pthread_mutex_destroy(&b->lock);
    pgi_free(b, sizeof *b);
}

/* A new memfd of that size, mapped for writing, and not to be inherited so.  -1: memory is short. */
static int new_memory(size_t size, unsigned char **data)
{
    int fd = size > 0 && size <= INT64_MAX ? memfd_create("pg-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    if (fd < 0) return -1;
    void *at = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        close(fd);
        return -1;
    }
    madvise(at, size, MADV_DONTFORK);
    *data = at;
    return fd;
}

pg_buffer *pg_buffer_new(size_t size)
{
    int saved = errno;
    unsigned char *data;
    pg_term name;
    int fd = new_memory(size, &data);
    pg_buffer *b = fd >= 0 && make_name(&name, fd) ? make(&name, size, fd, false) : NULL;
    if (b) {
        store_relaxed(&b->data, data);
        pthread_mutex_lock(&lock);
        put_in(b);
        pthread_mutex_unlock(&lock);
    } else if (fd >= 0) {
        munmap(data, size);
        close(fd);
    }
    errno = saved;
    return b;
}

/* The last reference goes under the lock, so that nobody finds what is about to vanish. */
void pg_buffer_release(pg_buffer *b)
{
    if (!b) return;
    uint32_t seen = load_relaxed(&b->references);
    while (seen > 1) {
        if (cas_acq_rel(&b->references, &seen, seen - 1)) return; /* partner: itself; what was read, was read before */
    }
    pthread_mutex_lock(&lock);
    bool last = sub_acq_rel(&b->references, 1) == 1; /* partner: the exchange above */
    if (last) {
        take_out(b);
        if (b->node) {
            charges[b->node].count--;
            charges[b->node].bytes -= b->size;
        }
    }
    pthread_mutex_unlock(&lock);
    if (last) destroy(b);
}

void pgi_buffers_forget(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (pg_buffer *b = table[i], *next; b; b = next) {
            next = b->next;
            unsigned char *data = load_relaxed(&b->data);
            if (data && load_relaxed(&b->sealed)) munmap(data, b->size); /* else it was not inherited */
            store_relaxed(&b->data, NULL);
            if (b->fd >= 0) close(b->fd);
            b->fd = -1;
        }
        table[i] = NULL;
    }
}

/* ------------------------------------------------------------------------------------------------------ mappings */

/* Under its lock. */
static int seal(pg_buffer *b)
{
    unsigned char *data = load_relaxed(&b->data);
    if (b->fd < 0) return PG_EINVAL; /* of before the fork */
    if (mmap(data, b->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return PG_ENOMEM;
    bool sealed = fcntl(b->fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0;
    void *at = sealed ? mmap(data, b->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, b->fd, 0)
                      : mmap(data, b->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b->fd, 0);
    if (at == MAP_FAILED) {
        munmap(data, b->size);
        store_release(&b->data, NULL); /* partner: pgi_buffer_map */
    }
    if (!sealed) return PG_EINVAL;
    store_release(&b->sealed, true); /* partner: pg_buffer_seal */
    return PG_OK;
}

int pg_buffer_seal(pg_buffer *b)
{
    if (!b) return PG_EINVAL;
    if (load_acquire(&b->sealed)) return PG_OK; /* partner: seal */
    int saved = errno;
    pthread_mutex_lock(&b->lock);
    int status = load_relaxed(&b->sealed) ? PG_OK : seal(b);
    pthread_mutex_unlock(&b->lock);
    errno = saved;
    return status;
}

const void *pgi_buffer_map(pg_buffer *b)
{
    unsigned char *data = load_acquire(&b->data); /* partner: below, for whoever has it from there */
    if (likely(data != NULL) || !load_acquire(&b->sealed) || b->fd < 0) return data; /* partner: seal */
    int saved = errno;
    pthread_mutex_lock(&b->lock);
    data = load_relaxed(&b->data);
    if (!data) {
        void *at = mmap(NULL, b->size, PROT_READ, MAP_PRIVATE, b->fd, 0);
        if (at != MAP_FAILED) data = at;
        store_release(&b->data, data); /* partner: above */
    }
    pthread_mutex_unlock(&b->lock);
    errno = saved;
    return data;
}

void *pg_buffer_data(pg_buffer *b)
{
    return b ? (void *)(uintptr_t)pgi_buffer_map(b) : NULL;
}

size_t pg_buffer_size(const pg_buffer *b)
{
    return b ? b->size : 0;
}

pg_value pg_v_buffer(const pg_buffer *b)
{
    return b ? (pg_value){b->name.head, b->name.body} : pg_v_make(PG_T_INVALID, 0, 0);
}

/* ------------------------------------------------------------------------------------------------------- messages */

/* Calls f for each buffer among the terms and beneath them, until it says no. */
static bool each(const pg_term *terms, size_t count, bool (*f)(const pg_term *name, void *context), void *context)
{
    for (const pg_term *term = terms; term != terms + count; term++) {
        if (pgi_in(term->head, PGI_SEQUENCES)) {
            if (!each(pgi_term_elements(term), pgi_term_count(term), f, context)) return false;
        } else if (pgi_term_type(term) == PG_T_BUFFER && !f(term, context)) {
            return false;
        }
    }
    return true;
}

static bool each_of(const pg_message *message, bool (*f)(const pg_term *name, void *context), void *context)
{
    return each(pgi_message_terms(message), message->count, f, context);
}

typedef struct taking {
    size_t taken;
    int status;
} taking;

static bool take_one(const pg_term *name, void *context)
{
    taking *t = context;
    pg_buffer *b = pgi_buffer_find(name);
    t->status = b ? pg_buffer_seal(b) : PG_EINVAL;
    if (t->status == PG_OK) {
        t->taken++;
    } else if (b) {
        pg_buffer_release(b);
    }
    return t->status == PG_OK;
}

/* *left: how many to drop. */
static bool drop_one(const pg_term *name, void *context)
{
    size_t *left = context;
    if (*left == 0) return false;
    pthread_mutex_lock(&lock);
    pg_buffer *b = find(name); /* it is there: the term has a reference */
    pthread_mutex_unlock(&lock);
    pg_buffer_release(b);
    (*left)--;
    return true;
}

int pgi_buffers_take(pg_message *message)
{
    taking t = {.status = PG_OK};
    if (each_of(message, take_one, &t)) {
        if (t.taken > 0) message->flags |= PGI_BUFFERS;
        return PG_OK;
    }
    each_of(message, drop_one, &t.taken);
    return t.status;
}

void pgi_buffers_drop(const pg_message *message)
{
    size_t all = SIZE_MAX;
    each_of(message, drop_one, &all);
}

typedef struct listing {
    pg_buffer **list;
    unsigned count, most;
} listing;

static bool list_one(const pg_term *name, void *context)
{
    listing *l = context;
    for (unsigned i = 0; i < l->count; i++)
        if (pgi_term_equal(&l->list[i]->name, name)) return true;
    if (l->count < l->most) {
        pthread_mutex_lock(&lock);
        l->list[l->count] = find(name);
        pthread_mutex_unlock(&lock);
    }
    return l->count++ < l->most;
}

unsigned pgi_buffers_list(const pg_message *message, pg_buffer **list, unsigned most)
{
    listing l = {.list = list, .most = most};
    each_of(message, list_one, &l);
    return l.count;
}

/* -------------------------------------------------------------------------------------------------- from elsewhere */

/* Whether a descriptor is what a child says: memory in pages of the system's usual kind, of that inode and size, that
 * nobody can change any more.  Only of a memfd can the seals be all of these. */
static bool is_as_claimed(const pg_term *name, uint64_t size, int fd)
{
    struct stat info;
    struct statfs system;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) return false;
    if (fstat(fd, &info) != 0 || fstatfs(fd, &system) != 0) return false;
    if (system.f_type != TMPFS_MAGIC) return false; /* huge pages, which may not be there when they are read */
    return info.st_size > 0 && (uint64_t)info.st_size == size &&
           name->head == (PG_T_BUFFER | (uint64_t)info.st_ino << 8);
}

/* Under the lock: puts a new one in, if the child may have one more. */
static int admit(pg_buffer *b, uint32_t node)
{
    charge *c = &charges[node];
    if (node && (c->count >= PGI_CHARGED_MAX || b->size > PGI_CHARGED_BYTES_MAX - c->bytes)) return PG_EFULL;
    if (node) {
        c->count++;
        c->bytes += b->size;
    }
    b->node = node;
    put_in(b);
    return PG_OK;
}

int pgi_buffer_import(const pg_term *name, uint64_t size, int fd, uint32_t node, pg_buffer **out)
{
    int status = node && !is_as_claimed(name, size, fd) ? PG_EINVAL : PG_OK;
    pg_buffer *fresh = status == PG_OK ? make(name, size, fd, true) : NULL;
    if (!fresh) {
        close(fd);
        return status == PG_OK ? PG_ENOMEM : status;
    }
    pthread_mutex_lock(&lock);
    pg_buffer *found = find(name);
    if (found) {
        add_relaxed(&found->references, 1);
    } else {
        status = admit(fresh, node);
    }
    pthread_mutex_unlock(&lock);
    if (found || status != PG_OK) destroy(fresh);
    *out = found ? found : status == PG_OK ? fresh : NULL;
    return status;
}
