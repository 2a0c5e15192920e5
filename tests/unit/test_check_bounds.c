/* test_check_bounds.c - plans of few bytes that would make a checker take gigabytes or minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "runtime/check/check_internal.h"
#include "support_run.h"

#define MOST_SCRATCH (100ull << 20)

/* What the checker says of the plan, in at most 100 MB. */
static void expect(const run_case *c, const char *words) {
    dms_arena scratch;
    dms_hash meaning;
    dms_status st = {.msg = ""};
    dms_arena_init(&scratch, MOST_SCRATCH);
    const dms_code code = dms_check_plan(&c->plan, &scratch, &meaning, &st);
    if (words == NULL ? code != DMS_OK : code != DMS_EPLAN || strstr(st.msg, words) == NULL)
        fail_msg("wanted '%s', got: %s", words == NULL ? "no error" : words, st.msg);
    dms_arena_free(&scratch);
}

/* The input leaves as it came, cell by cell of one row:  in: user -> device   out: device -> user */
static void begin(run_case *c, int64_t rows) {
    run_init(c);
    const uint32_t x = run_tensor(c, "x", DMS_TENSOR_INPUT, rows);
    c->tensor[x].cell_len = 1;
    c->output[c->plan.n_outputs++] = c->input[0];
    const uint32_t device = run_buffer(c, x, DMS_TIER_DEVICE);
    (void)run_cmd(c, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, device);
}

static void finish(run_case *c) {
    dms_cmd *out = run_cmd(c, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, 0, 0);
    run_wait(c, out, DMS_QUEUE_IN, 0, 0);
    run_wait(c, &c->cmd[1][DMS_QUEUE_IN][0], DMS_QUEUE_OUT, 0, 1);
    run_finish(c);
}

static void a_million_cells_are_proven_in_a_hundred_megabytes(void **state) {
    (void)state;
    run_case c;
    begin(&c, DMS_CHECK_CELLS);
    finish(&c);
    expect(&c, NULL);
}

static void one_more_is_refused_before_memory_is_taken(void **state) {
    (void)state;
    run_case c;
    begin(&c, DMS_CHECK_CELLS + 1);
    finish(&c);
    expect(&c, "P4: buffers hold more than 1048576 cells");
}

/* Two outputs of one tensor: each has few enough. */
static void cells_of_outputs_are_added_up(void **state) {
    (void)state;
    run_case c;
    begin(&c, DMS_CHECK_CELLS / 2 + 1);
    c.output[c.plan.n_outputs++] = c.input[0];
    finish(&c);
    expect(&c, "P4: outputs have more than 1048576 cells");
}

/* 40 copies of 400,000 cells, each of them read and written: 32 million and more. */
static void cells_that_are_named_again_and_again_are_counted(void **state) {
    (void)state;
    run_case c;
    begin(&c, 400000);
    const uint32_t host = run_buffer(&c, 0, DMS_TIER_HOST);
    dms_cmd *away = run_cmd(&c, 1, DMS_QUEUE_OUT, DMS_CMD_COPY, 0, host);
    run_wait(&c, away, DMS_QUEUE_IN, 0, 0);
    for (int k = 0; k < 45; k++)
        run_wait(&c, run_cmd(&c, 1, DMS_QUEUE_IN, DMS_CMD_COPY, host, 0), DMS_QUEUE_OUT, 0, 0);
    run_finish(&c);
    expect(&c, "P4: body, queue in, command 41: the commands so far name more than 33554432 cells");
}

/* 1,049 weights of 1,000 cells each, all from the same 1,000 sources. */
static void weights_that_share_sources_are_counted_each(void **state) {
    (void)state;
    enum { WEIGHTS = 1049, CELLS = 1000 };
    static const float one = 1;
    run_case c;
    run_init(&c);
    const uint32_t w = run_weight(&c, "w", &one);
    const dms_source source = c.source[0];
    dms_plan_tensor tensor = c.tensor[w];
    const int64_t dim[2] = {CELLS, 1};
    assert_true(dms_view_dense(DMS_DTYPE_F32, 2, dim, &tensor.stored));
    tensor.cell_len = 1;
    c.plan.source = test_malloc(CELLS * sizeof source);
    c.plan.tensor = test_malloc(WEIGHTS * sizeof tensor);
    for (int k = 0; k < CELLS; k++)
        c.plan.source[k] = source;
    for (int k = 0; k < WEIGHTS; k++)
        c.plan.tensor[k] = tensor;
    c.plan.n_sources = CELLS;
    c.plan.n_tensors = WEIGHTS - 1; /* 1,048,000 */
    run_finish(&c);
    expect(&c, NULL);
    c.plan.n_tensors = WEIGHTS;
    expect(&c, "P1: weights have more than 1048576 cells");
    test_free(c.plan.source);
    test_free(c.plan.tensor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_cells_are_proven_in_a_hundred_megabytes),
        cmocka_unit_test(one_more_is_refused_before_memory_is_taken),
        cmocka_unit_test(cells_of_outputs_are_added_up),
        cmocka_unit_test(cells_that_are_named_again_and_again_are_counted),
        cmocka_unit_test(weights_that_share_sources_are_counted_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
