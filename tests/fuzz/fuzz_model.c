/* fuzz_model.c - any bytes as a model: read and lowered, or refused. */
#include <stdio.h>

#include "onnx/graph.h"
#include "tests/fuzz/fuzz.h"

#define MEMORY_BYTES (512u << 20)

/* Names of dims that the models of the tests use, all small. */
static const dms_plan_dim dims[] = {{"batch", 1},   {"seq", 3},    {"rows", 2}, {"n", 2},
                                    {"height", 32}, {"width", 32}, {"past", 2}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char path[] = "fuzz.onnx";
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    fwrite(data, 1, size, f);
    fclose(f);
    dms_arena arena;
    dms_status st = {0};
    dms_graph graph;
    dms_lowered lowered;
    const dms_read_options none = {0};
    const dms_read_options some = {.dim = dims, .n_dims = sizeof dims / sizeof *dims};
    dms_arena_init(&arena, MEMORY_BYTES);
    if (dms_model_read(path, &some, &arena, &graph, &st) == DMS_OK)
        (void)!dms_graph_lower(&graph, &lowered, &st);
    (void)!dms_model_read(path, &none, &arena, &graph, &st);
    dms_arena_free(&arena);
    (void)remove(path);
    return 0;
}
