/* test_tile_parts.c - weights that are cut along what their readers sum over: when, into which
 * cells, and which steps that gives.
 *
 *     w [1024, 128] f32, rows of 512 bytes      cells of columns would have runs of 256 bytes in
 *     512 KiB, target 64 KiB                    the file; those of 256 rows are one of 128 KiB
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"

#define ROWS 3

/* y = x w. */
typedef struct parts_case {
    graph_case g;
    uint32_t x, w, y;
    dms_steps steps;
} parts_case;

static void begin(parts_case *c, int64_t rows, int64_t depth, int64_t columns) {
    graph_begin(&c->g);
    c->x = graph_input(&c->g, "x", rows, depth);
    c->w = graph_weight(&c->g, "w", depth, columns, 1);
    c->y = graph_result(&c->g, "y", rows, columns);
    graph_matmul(&c->g, c->x, c->w, c->y);
}

static void cut(parts_case *c) {
    dms_status st;
    if (dms_tile(&c->g.graph, &c->g.lowered, &c->g.profile, &c->g.arena, &c->steps, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* The newest step tensor made of a graph tensor. */
static const dms_step_tensor *find(const parts_case *c, uint32_t origin) {
    for (uint32_t i = c->steps.n_tensors; i-- > 0;)
        if (c->steps.tensor[i].origin == origin)
            return &c->steps.tensor[i];
    fail_msg("tensor %u has no step", (unsigned)origin);
    return NULL;
}

static const dms_call *call_of(const parts_case *c, uint32_t step) {
    return &c->steps.call[c->steps.step[step].call];
}

static bool is_parted(const parts_case *c) {
    return call_of(c, 0)->kernel == DMS_K_MATMUL_PART;
}

/* Stores the weight the other way round, as a linear layer of PyTorch does: columns of w then are
 * rows of the file. */
static void turn_weight(parts_case *c) {
    dms_view *b = (dms_view *)(uintptr_t)&c->g.lowered.call[0].call.view[1];
    const int64_t depth = b->dim[0];
    b->pitch[0] = 1;
    b->pitch[1] = depth;
}

/* Another element type for every tensor of the case; the bytes of the weight are those of f32. */
static void narrow(parts_case *c, dms_dtype dtype) {
    for (uint32_t k = 0; k < c->g.graph.n_tensors; k++)
        c->g.graph.tensor[k].dtype = c->g.graph.tensor[k].view.dtype = dtype;
    for (uint32_t n = 0; n < c->g.lowered.n_calls; n++)
        for (uint32_t k = 0; k < 3; k++)
            ((dms_view *)(uintptr_t)&c->g.lowered.call[n].call.view[k])->dtype = dtype;
}

static void short_rows_are_cut_between_rows(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 128);
    graph_output(&c.g, c.y);
    cut(&c);
    const dms_plan_tensor *w = &find(&c, c.w)->plan;
    assert_int_equal(c.steps.n_steps, 4);
    assert_int_equal(dms_plan_cells(w), 4);
    assert_int_equal(w->stored.dim[0], 8); /* panels of 16 columns, [1024][16] each */
    assert_int_equal(w->cell_axis, 1);
    assert_int_equal(w->cell_len, 256);
    for (uint32_t k = 0; k < 4; k++) {
        const dms_source *source = &c.steps.source[w->first_source + k];
        assert_int_equal(dms_plan_buffer_bytes(w, k), 256 * 128 * 4);
        assert_int_equal(source->view.offset, k * 256 * 128); /* one range of the file, ... */
        assert_int_equal(dms_view_end(&source->view), (k + 1) * 256 * 128); /* ... and all of it */
        assert_int_equal(dms_view_count(&source->view), 256 * 128);
    }
    graph_end(&c.g);
}

/* 700 rows: two parts of 256 and one of 188. */
static void each_part_reads_its_columns_of_the_left_side(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 700, 128);
    graph_output(&c.g, c.y);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 3);
    for (uint32_t k = 0; k < 3; k++) {
        const dms_call *call = call_of(&c, k);
        const int64_t depth = k == 2 ? 700 - 512 : 256;
        assert_int_equal(call->i[2], k); /* first, further, last */
        assert_int_equal(call->view[0].offset, k * 256);
        assert_int_equal(call->view[0].dim[1], depth);
        assert_int_equal(call->view[0].pitch[0], 700);
        assert_int_equal(call->view[1].dim[1], depth);
        assert_int_equal(call->view[1].offset, 0); /* a block by itself, dense */
        assert_true(dms_view_is_dense(&call->view[1]));
        assert_int_equal(c.steps.step[k].operand[1].first, k);
        assert_int_equal(c.steps.step[k].operand[1].n, 1);
        assert_int_equal(c.steps.step[k].cost.flops, (uint64_t)(2 * ROWS * depth * 128));
    }
    graph_end(&c.g);
}

static void sums_go_from_part_to_part_in_one_place(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 128);
    graph_output(&c.g, c.y);
    cut(&c);
    const dms_step *step = c.steps.step;
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t n_in = call_of(&c, k)->n_in, to = step[k].operand[n_in].tensor;
        const dms_step_tensor *result = &c.steps.tensor[to];
        assert_int_equal(n_in, k == 0 ? 2 : 3);
        if (k > 0) {
            assert_int_equal(step[k].operand[2].tensor, step[k - 1].operand[k == 1 ? 2 : 3].tensor);
            assert_int_equal(result->over, step[k].operand[2].tensor);
        }
        assert_int_equal(result->bytes, ROWS * 128 * 4);
        assert_int_equal(result->plan.kind, k == 3 ? DMS_TENSOR_OUTPUT : DMS_TENSOR_ACTIVATION);
        assert_string_equal(result->plan.name, k == 3 ? "y" : "y (sums)");
    }
    graph_end(&c.g);
}

/* The result has half the bytes of its sums, which are f32. */
static void a_narrow_result_lies_beside_its_sums(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 256);
    narrow(&c, DMS_DTYPE_F16);
    graph_output(&c.g, c.y);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 4);
    assert_int_equal(find(&c, c.y)->over, DMS_NONE);
    assert_int_equal(find(&c, c.y)->bytes, ROWS * 256 * 2);
    for (uint32_t k = 0; k < 3; k++)
        assert_int_equal(call_of(&c, k)->view[call_of(&c, k)->n_in].dtype, DMS_DTYPE_F32);
    assert_int_equal(call_of(&c, 3)->view[3].dtype, DMS_DTYPE_F16);
    graph_end(&c.g);
}

/* A function behind the product reads it whole, after its last part, and may replace it. */
static void what_follows_lies_over_the_sums_too(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 128);
    const uint32_t z = graph_result(&c.g, "z", ROWS, 128), v = graph_result(&c.g, "v", ROWS, 128);
    graph_unary(&c.g, DMS_FN_TANH, c.y, z);
    graph_unary(&c.g, DMS_FN_TANH, z, v);
    graph_output(&c.g, v);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 6);
    assert_int_equal(find(&c, z)->first_step, 4);
    assert_ptr_equal(&c.steps.tensor[find(&c, z)->over], find(&c, c.y));
    graph_end(&c.g);
}

static void two_products_with_one_weight_share_its_rows(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 128);
    const uint32_t v = graph_input(&c.g, "v", 5, 1024), z = graph_result(&c.g, "z", 5, 128);
    graph_matmul(&c.g, v, c.w, z);
    graph_output(&c.g, c.y);
    graph_output(&c.g, z);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 8);
    for (uint32_t k = 0; k < 8; k++) {
        assert_int_equal(c.steps.step[k].operand[1].tensor, c.steps.step[0].operand[1].tensor);
        assert_int_equal(c.steps.step[k].operand[1].first, k % 4);
    }
    graph_end(&c.g);
}

/* What the cut along k asks for, one thing after the other missing. */
static void other_weights_are_cut_along_columns(void **state) {
    (void)state;
    static const struct {
        const char *why;
        int64_t rows, depth, columns;
        bool is_turned, is_parted;
    } CASES[] = {
        {"all that it asks for", 3, 1024, 128, false, true},
        {"the file holds column after column: a cell is one range anyway", 3, 1024, 128, true,
         false},
        {"one segment of 256 is never cut", 3, 256, 512, false, false},
        {"256 rows are 132 KiB, more than twice the target", 3, 1024, 132, false, false},
        {"256 rows of 272 columns are 272 KiB", 3, 1024, 272, false, false},
        {"the last of 7 panels has 12 columns, which are no range", 3, 1024, 108, false, false},
        {"256 rows of sums are as large as a cell of 256 rows", 256, 600, 128, false, true},
        {"257 rows of sums are larger", 257, 600, 128, false, false},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        parts_case c;
        begin(&c, CASES[k].rows, CASES[k].depth, CASES[k].columns);
        const uint32_t z = graph_result(&c.g, "z", CASES[k].rows, CASES[k].columns);
        graph_unary(&c.g, DMS_FN_TANH, c.y, z);
        graph_output(&c.g, z);
        if (CASES[k].is_turned)
            turn_weight(&c);
        cut(&c);
        if (c.steps.n_steps < 3 || is_parted(&c) != CASES[k].is_parted)
            fail_msg("%s: %u steps", CASES[k].why, (unsigned)c.steps.n_steps);
        graph_end(&c.g);
    }
}

/* Whatever is missing in the last panel: only whole panels are one range of the file. */
static void columns_that_no_file_has_are_never_part_of_a_range(void **state) {
    (void)state;
    for (int64_t columns = 65; columns <= 128; columns++) {
        parts_case c;
        begin(&c, ROWS, 1024, columns);
        graph_output(&c.g, c.y);
        cut(&c);
        assert_int_equal(is_parted(&c), columns % 16 == 0);
        graph_end(&c.g);
    }
}

/* Of two products the one with more rows decides: the weight has one grid. */
static void the_largest_sums_of_a_shared_weight_count(void **state) {
    (void)state;
    for (int64_t rows = 256; rows <= 257; rows++) {
        parts_case c;
        begin(&c, ROWS, 1024, 128);
        const uint32_t v = graph_input(&c.g, "v", rows, 1024);
        const uint32_t z = graph_result(&c.g, "z", rows, 128);
        graph_matmul(&c.g, v, c.w, z);
        graph_output(&c.g, c.y);
        graph_output(&c.g, z);
        cut(&c);
        assert_true(is_parted(&c) == (rows == 256));
        graph_end(&c.g);
    }
}

/* Columns of 128 KiB in the file are read one by one; of 32 KiB they are not. On CUDA, where cells
 * have 16 MiB, and a plain matrix is cut. */
static void long_runs_are_left_alone(void **state) {
    (void)state;
    for (int is_long = 0; is_long < 2; is_long++) {
        parts_case c;
        begin(&c, ROWS, is_long ? 272 : 1088, is_long ? 65536 : 16384);
        c.g.profile.device_kind = DMS_DEVICE_CUDA;
        graph_output(&c.g, c.y);
        cut(&c);
        const dms_plan_tensor *w = &find(&c, c.w)->plan;
        assert_int_equal(w->stored.rank, 2);
        assert_int_equal(w->cell_axis, is_long ? 1 : 0);
        assert_int_equal(w->cell_len, is_long ? 13120 : 256);
        graph_end(&c.g);
    }
}

/* The grid is that of every budget: it does not ask for any. What it costs in memory is two results
 * beside each other at most, and the bits are those of the uncut product at every budget
 * (test_random_plans.c). Here: the smallest budget is one cell, x and y. */
static void the_floor_is_one_cell_and_the_sums(void **state) {
    (void)state;
    parts_case c;
    begin(&c, ROWS, 1024, 128);
    graph_output(&c.g, c.y);
    dms_compiled compiled;
    dms_status st;
    assert_int_equal(graph_plan(&c.g, UINT64_C(1) << 40, UINT64_C(1) << 40, &compiled, &st),
                     DMS_OK);
    assert_int_equal(compiled.floor.device_bytes, 256 * 128 * 4 + ROWS * 1024 * 4 + ROWS * 128 * 4);
    graph_end(&c.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_rows_are_cut_between_rows),
        cmocka_unit_test(each_part_reads_its_columns_of_the_left_side),
        cmocka_unit_test(sums_go_from_part_to_part_in_one_place),
        cmocka_unit_test(a_narrow_result_lies_beside_its_sums),
        cmocka_unit_test(what_follows_lies_over_the_sums_too),
        cmocka_unit_test(two_products_with_one_weight_share_its_rows),
        cmocka_unit_test(other_weights_are_cut_along_columns),
        cmocka_unit_test(columns_that_no_file_has_are_never_part_of_a_range),
        cmocka_unit_test(the_largest_sums_of_a_shared_weight_count),
        cmocka_unit_test(long_runs_are_left_alone),
        cmocka_unit_test(the_floor_is_one_cell_and_the_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
