/* codemap_test.c - the code that is loaded is found, and nothing else; what is unloaded is no longer there. */
#define _GNU_SOURCE
#include "codemap.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include "check.h"
#include "on_valgrind.h"

static int variable = 1;

static const pgi_segment *find(const pgi_codemap *map, const void *at)
{
    return pgi_codemap_find(map, (uintptr_t)at);
}

static void test_program(void)
{
    pgi_codemap map;
    CHECK(pgi_codemap_make(&map));
    CHECK(map.n >= 2);
    const pgi_segment *here = find(&map, (void *)(uintptr_t)test_program);
    CHECK(here && pgi_codemap_still(here));
    CHECK(find(&map, (void *)(uintptr_t)pgi_codemap_make) == here);
    const pgi_segment *libc = find(&map, dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
    CHECK(libc && libc != here && pgi_codemap_still(libc));
    int on_stack = 0;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK(!find(&map, NULL) && !find(&map, &variable) && !find(&map, &on_stack) && !find(&map, page));
    CHECK(find(&map, (void *)here->start) == here && find(&map, (void *)here->end) != here);
    pgi_codemap_free(&map);
    CHECK(!find(&map, (void *)(uintptr_t)test_program));
    pgi_codemap_free(&map);
}

static void test_library(void)
{
    pgi_codemap before, after;
    if (dlopen("libthread_db.so.1", RTLD_NOW | RTLD_NOLOAD)) return;
    CHECK(pgi_codemap_make(&before));
    void *library = dlopen("libthread_db.so.1", RTLD_NOW);
    if (library) {
        void *function = dlsym(library, "td_init");
        CHECK(pgi_codemap_make(&after));
        CHECK(function && !find(&before, function));
        const pgi_segment *there = find(&after, function);
        CHECK(there && pgi_codemap_still(there));
        pgi_segment other = *there;
        other.name++;
        CHECK(!pgi_codemap_still(&other)); /* another library at the same place */
        other = *there;
        other.end++;
        CHECK(!pgi_codemap_still(&other));
        dlclose(library);
        bool unloaded = !dlopen("libthread_db.so.1", RTLD_NOW | RTLD_NOLOAD); /* a sanitizer may keep it */
        CHECK_EQ(pgi_codemap_still(there), !unloaded);
        pgi_codemap_free(&after);
    }
    pgi_codemap_free(&before);
}

int main(void)
{
    test_program();
    test_library();
    return 0;
}
