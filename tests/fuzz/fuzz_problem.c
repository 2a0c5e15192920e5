/* fuzz_problem.c - any bytes as a placement problem: what is accepted can be written again. */
#include <stdio.h>
#include <stdlib.h>

#include "planner/problem.h"
#include "schema/arena.h"
#include "tests/fuzz/fuzz.h"

/* The writer's own text is read again: what one accepts, the other understands. */
static void write_and_read(const dms_problem *problem, dms_arena *arena) {
    char *text = NULL;
    size_t size = 0;
    dms_status st = {0};
    dms_problem again;
    fuzz_file file;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return;
    const dms_code written = dms_problem_write(problem, out, &st);
    (void)fclose(out);
    if (written == DMS_OK && fuzz_file_fill(&file, (const uint8_t *)text, size)) {
        if (dms_problem_read(file.path, arena, &again, &st) != DMS_OK) {
            fprintf(stderr, "the writer's own text is refused: %s\n", st.msg);
            abort();
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    dms_arena arena;
    dms_status st = {0};
    dms_problem problem;
    fuzz_file file;
    if (!fuzz_file_fill(&file, data, size))
        return 0;
    dms_arena_init(&arena, FUZZ_MEMORY_BYTES);
    if (fuzz_verdict(dms_problem_read(file.path, &arena, &problem, &st), &st) == DMS_OK)
        write_and_read(&problem, &arena);
    dms_arena_free(&arena);
    return 0;
}
