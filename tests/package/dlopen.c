/* dlopen.c - a plug-in's view: loads the shared library into a program that runs already, starts and stops a runtime,
 * and unloads it, more than once.  argv[1]: the library.  Says ok. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void *start_function(const void *options);
typedef int stop_function(void *runtime, int64_t timeout);

/* ISO C has no cast from an object's address to a function's. */
static void find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

static const char *use(const char *path)
{
    start_function *start;
    stop_function *stop;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    find(library, "pg_start", &start);
    find(library, "pg_stop", &stop);
    if (!start || !stop) return "no pg_start or pg_stop";
    void *runtime = start(NULL);
    if (!runtime) return "not started";
    if (stop(runtime, INT64_C(20000000000)) != 0) return "not stopped";
    return dlclose(library) == 0 ? NULL : dlerror();
}

int main(int argc, char **argv)
{
    const char *error = argc == 2 ? NULL : "no library named";
    for (int i = 0; i < 3 && !error; i++) error = use(argv[1]);
    puts(error ? error : "ok");
    return error != NULL;
}
