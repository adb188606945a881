/* symbol.c - see symbol.h.
 *
 * dladdr() knows which module an address is in, but of functions only those that the module exports: in a program,
 * none. Handlers are mostly static functions, so the module's own table of symbols (.symtab) is read from its file,
 * where it has not been stripped.
 *
 * The file may have been replaced since it was loaded, so each number in it is checked before it is used.  It is read,
 * not mapped: a file that is cut meanwhile ends a mapping's reader by SIGBUS.  It is read in small pieces, since the
 * caller may stand on the stack of a fiber.
 *
 * Rejected: elfutils' libdw, which knows lines as well, but is a dependency larger than this library;
 * backtrace_symbols(), which is dladdr(). */
#define _GNU_SOURCE
#include "symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sched/fiber.h"

enum { CHUNK = 128, SECTIONS_MAX = 4096 };

static const uint64_t table_max = 16 << 20; /* bytes: some 700,000 symbols, read once for each address */

static bool read_at(int file, void *out, size_t size, uint64_t at)
{
    return at <= INT64_MAX && pread(file, out, size, (off_t)at) == (ssize_t)size;
}

/* The table of symbols and that of their names. */
static bool find_tables(int file, ElfW(Shdr) * symbols, ElfW(Shdr) * names)
{
    ElfW(Ehdr) head;
    if (!read_at(file, &head, sizeof head, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return false;
    if (head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) return false;
    if (head.e_shentsize != sizeof *symbols || head.e_shnum > SECTIONS_MAX) return false;
    for (unsigned i = 0; i < head.e_shnum; i++) {
        if (!read_at(file, symbols, sizeof *symbols, head.e_shoff + i * sizeof *symbols)) return false;
        if (symbols->sh_type != SHT_SYMTAB || symbols->sh_entsize != sizeof(ElfW(Sym))) continue;
        if (symbols->sh_link >= head.e_shnum || symbols->sh_size > table_max) return false;
        return read_at(file, names, sizeof *names, head.e_shoff + symbols->sh_link * sizeof *names);
    }
    return false;
}

static bool covers(const ElfW(Sym) * symbol, uint64_t place)
{
    return (symbol->st_info & 0xf) == STT_FUNC && symbol->st_shndx != SHN_UNDEF && place >= symbol->st_value &&
           place - symbol->st_value < symbol->st_size;
}

/* The function at `place` by the file's own table. */
static bool look_in(int file, uint64_t place, pgi_symbol *out)
{
    ElfW(Shdr) symbols, names;
    ElfW(Sym) chunk[CHUNK];
    if (!find_tables(file, &symbols, &names)) return false;
    uint64_t count = symbols.sh_size / sizeof chunk[0];
    for (uint64_t done = 0; done < count; done += CHUNK) {
        size_t n = count - done < CHUNK ? (size_t)(count - done) : CHUNK;
        if (!read_at(file, chunk, n * sizeof chunk[0], symbols.sh_offset + done * sizeof chunk[0])) return false;
        for (size_t i = 0; i < n; i++) {
            if (!covers(&chunk[i], place) || chunk[i].st_name >= names.sh_size) continue;
            ssize_t got = pread(file, out->name, sizeof out->name - 1, (off_t)(names.sh_offset + chunk[i].st_name));
            out->name[got > 0 ? got : 0] = '\0';
            out->offset = place - chunk[i].st_value;
            return out->name[0] != '\0';
        }
    }
    return false;
}

static bool look_in_file(const char *path, uint64_t place, pgi_symbol *out)
{
    int saved = pgs_errno();
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool found = file >= 0 && look_in(file, place, out);
    if (file >= 0) close(file);
    pgs_set_errno(saved);
    return found;
}

bool pgi_symbol_find(uint64_t address, pgi_symbol *out)
{
    Dl_info info;
    struct link_map *map = NULL;
    memset(out, 0, sizeof *out);
    if (!dladdr1((const void *)(uintptr_t)address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) return false;
    bool main_program = !map->l_name || map->l_name[0] == '\0';
    const char *path = main_program ? info.dli_fname : map->l_name;
    const char *slash = path ? strrchr(path, '/') : NULL;
    snprintf(out->module, sizeof out->module, "%s", slash ? slash + 1 : path ? path : "");
    if (look_in_file(main_program ? "/proc/self/exe" : path, address - map->l_addr, out)) return true;
    out->offset = address - (uintptr_t)info.dli_fbase;
    out->name[0] = '\0';
    if (info.dli_sname) {
        snprintf(out->name, sizeof out->name, "%s", info.dli_sname);
        out->offset = address - (uintptr_t)info.dli_saddr;
    }
    return true;
}
