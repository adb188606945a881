/* replay.c - gives each file of the folder named in its argument to a fuzz target, once: a fuzzer's corpus as a
 * test, on compilers that have no fuzzer too. */
#include <dirent.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *folder, const char *name)
{
    char path[4096];
    CHECK(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    size_t size = (size_t)ftell(file);
    uint8_t *data = malloc(size != 0 ? size : 1);
    rewind(file);
    CHECK(data != NULL && fread(data, 1, size, file) == size);
    fclose(file);
    CHECK_EQ(LLVMFuzzerTestOneInput(data, size), 0);
    free(data);
}

int main(int argc, char **argv)
{
    int files = 0;
    CHECK(argc == 2);
    DIR *folder = opendir(argv[1]);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        replay(argv[1], entry->d_name);
        files++;
    }
    closedir(folder);
    printf("%d inputs\n", files);
    CHECK(files > 0);
    return 0;
}
