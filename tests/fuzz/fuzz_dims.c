/* fuzz_dims.c - any bytes as the headers that --dims-from reads; the first byte picks the format. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "onnx/graph.h"
#include "planner/dims_from.h"
#include "schema/arena.h"
#include "tests/fuzz/fuzz.h"

/* A folder in memory where there is one: nothing of it is to reach a disk. */
static bool make_folder(char *folder, size_t size) {
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(folder, size, "%s/dms-fuzz-XXXXXX", where);
    return mkdtemp(folder) != NULL;
}

static void read_folder(const char *folder) {
    dms_arena arena;
    dms_status st = {0};
    dms_input_dims *dims;
    uint32_t n;
    dms_arena_init(&arena, FUZZ_MEMORY_BYTES);
    if (fuzz_verdict(dms_dims_from(folder, &arena, &dims, &n, &st), &st) == DMS_OK)
        for (uint32_t k = 0; k < dims[0].rank; k++)
            if (n != 1 || dims[0].dim[k] < 0)
                abort();
    dms_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[64], path[96];
    fuzz_file file;
    if (size == 0 || !fuzz_file_make(&file, data + 1, size - 1))
        return 0;
    if (make_folder(folder, sizeof folder)) {
        (void)snprintf(path, sizeof path, "%s/input_0.%s", folder, data[0] % 2 ? "pb" : "npy");
        if (symlink(file.path, path) == 0)
            read_folder(folder);
        (void)unlink(path);
        (void)rmdir(folder);
    }
    fuzz_file_drop(&file);
    return 0;
}
