/* codemap.c - see codemap.h.
 *
 * Names are kept as hashes (FNV-1a): a library that is unloaded and another that is loaded in its place differ in name
 * or size.  The same file, unloaded, rebuilt to the same size and loaded at the same address, would be taken for the
 * old. */
#define _GNU_SOURCE
#include "codemap.h"

#include <link.h>

#include "memory.h"

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; name && *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* Counts all, and keeps as many as there is room for. */
static int add_segments(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    pgi_codemap *map = context;
    uint64_t name = hash_name(info->dlpi_name);
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (map->n < map->room) map->list[map->n] = (pgi_segment){start, start + header->p_memsz, name};
        map->n++;
    }
    return 0;
}

bool pgi_codemap_make(pgi_codemap *map)
{
    *map = (pgi_codemap){0};
    pgi_codemap counted = {0};
    dl_iterate_phdr(add_segments, &counted);
    pgi_codemap filled = {.room = counted.n + 1};
    filled.list = pgi_alloc(filled.room * sizeof(pgi_segment));
    if (!filled.list) return false;
    dl_iterate_phdr(add_segments, &filled);
    if (filled.n > filled.room) filled.n = filled.room; /* another thread loads meanwhile */
    *map = filled;
    return true;
}

void pgi_codemap_free(pgi_codemap *map)
{
    if (map->list) pgi_free(map->list, map->room * sizeof(pgi_segment));
    *map = (pgi_codemap){0};
}

const pgi_segment *pgi_codemap_find(const pgi_codemap *map, uintptr_t address)
{
    for (size_t i = 0; i < map->n; i++) {
        if (address >= map->list[i].start && address < map->list[i].end) return &map->list[i];
    }
    return NULL;
}

static int is_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    const pgi_segment *s = context;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || info->dlpi_addr + header->p_vaddr != s->start) continue;
        return s->end - s->start == header->p_memsz && s->name == hash_name(info->dlpi_name);
    }
    return 0;
}

bool pgi_codemap_still(const pgi_segment *segment)
{
    pgi_segment s = *segment;
    return dl_iterate_phdr(is_loaded, &s) != 0;
}
