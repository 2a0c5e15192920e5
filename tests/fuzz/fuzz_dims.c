/* fuzz_dims.c - any bytes as the headers that --dims-from reads; the first byte picks the format. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "onnx/graph.h"
#include "planner/dims_from.h"
#include "schema/arena.h"
#include "tests/fuzz/fuzz.h"

/* Two folders, in memory where there is some, with a link each to the file of this process. They
 * are made once and go with the process. */
static struct {
    bool is_made;
    char folder[2][64], link[2][96];
} the;

static void drop_folders(void) {
    for (uint32_t k = 0; k < 2; k++) {
        (void)unlink(the.link[k]);
        (void)rmdir(the.folder[k]);
    }
}

static bool make_folders(const fuzz_file *file) {
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    for (uint32_t k = 0; k < 2 && !the.is_made; k++) {
        (void)snprintf(the.folder[k], sizeof the.folder[k], "%s/dms-fuzz-XXXXXX", where);
        if (mkdtemp(the.folder[k]) == NULL)
            return false;
        (void)snprintf(the.link[k], sizeof the.link[k], "%s/input_0.%s", the.folder[k],
                       k == 0 ? "npy" : "pb");
        if (symlink(file->path, the.link[k]) != 0)
            return false;
    }
    if (!the.is_made)
        (void)atexit(drop_folders);
    the.is_made = true;
    return true;
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
    fuzz_file file;
    if (size != 0 && fuzz_file_fill(&file, data + 1, size - 1) && make_folders(&file))
        read_folder(the.folder[data[0] % 2]);
    return 0;
}
