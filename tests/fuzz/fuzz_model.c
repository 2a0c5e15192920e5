/* fuzz_model.c - any bytes as a model: read and lowered, or refused. Inputs of an even size have a
 * dim to name, those of an odd size none: a mutator finds both soon enough, and each costs one
 * reading. */
#include "onnx/graph.h"
#include "tests/fuzz/fuzz.h"

/* The one name that the dims of the corpus have. */
static const dms_plan_dim dims[] = {{"n", 3}};

/* One reading, with these dims or with none. */
static void read_model(const char *path, uint32_t n_dims) {
    dms_arena arena;
    dms_status st = {0};
    dms_graph graph;
    dms_lowered lowered;
    const dms_read_options options = {.dim = dims, .n_dims = n_dims};
    dms_arena_init(&arena, FUZZ_MEMORY_BYTES);
    if (fuzz_verdict(dms_model_read(path, &options, &arena, &graph, &st), &st) == DMS_OK)
        (void)fuzz_verdict(dms_graph_lower(&graph, &lowered, &st), &st);
    dms_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_file file;
    if (!fuzz_file_fill(&file, data, size))
        return 0;
    read_model(file.path, size % 2 == 0 ? sizeof dims / sizeof *dims : 0);
    return 0;
}
