/* test_tile_rows.c - tables that are looked up, and other plain weights, are cut between rows.
 *
 *     table [2048, 64] f32     512 KiB; cells of 64 KiB are 256 rows, one range of the file each
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/tile_internal.h"
#include "support_graph.h"
#include "support_rounds.h"
#include "support_session.h"

#define AMPLE (UINT64_C(1) << 40)

/* y = rows of a table. */
typedef struct rows_case {
    graph_case g;
    uint32_t table, ids, y;
    dms_steps steps;
} rows_case;

static void begin(rows_case *c, int64_t entries, int64_t width, int64_t looks) {
    graph_begin(&c->g);
    c->table = graph_weight(&c->g, "table", entries, width, 1);
    c->ids = graph_indices(&c->g, "ids", looks, entries);
    c->y = graph_result(&c->g, "y", looks, width);
    graph_lookup(&c->g, c->table, c->ids, c->y);
}

static void cut(rows_case *c) {
    dms_status st;
    if (dms_tile(&c->g.graph, &c->g.lowered, &c->g.profile, &c->g.arena, &c->steps, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* The newest step tensor made of a graph tensor. */
static const dms_step_tensor *find(const rows_case *c, uint32_t origin) {
    for (uint32_t i = c->steps.n_tensors; i-- > 0;)
        if (c->steps.tensor[i].origin == origin)
            return &c->steps.tensor[i];
    fail_msg("tensor %u has no step", (unsigned)origin);
    return NULL;
}

static const dms_call *call_of(const rows_case *c, uint32_t step) {
    return &c->steps.call[c->steps.step[step].call];
}

/* Step `step` reads cell `cell` of the table as its operand `operand`. */
static void reads_cell(const rows_case *c, uint32_t step, uint32_t operand, uint32_t cell) {
    const dms_step_operand *o = &c->steps.step[step].operand[operand];
    assert_ptr_equal(&c->steps.tensor[o->tensor], find(c, c->table));
    assert_int_equal(o->first, cell);
    assert_int_equal(o->n, 1);
}

static void a_cell_of_a_table_is_one_range_of_its_file(void **state) {
    (void)state;
    rows_case c;
    begin(&c, 2048, 64, 3);
    graph_output(&c.g, c.y);
    cut(&c);
    const dms_plan_tensor *t = &find(&c, c.table)->plan;
    assert_int_equal(t->stored.rank, 2);
    assert_int_equal(t->cell_axis, 0);
    assert_int_equal(t->cell_len, 256);
    assert_int_equal(dms_plan_cells(t), 8);
    for (uint32_t k = 0; k < 8; k++) {
        const dms_source *source = &c.steps.source[t->first_source + k];
        assert_int_equal(source->view.offset, k * 256 * 64);
        assert_int_equal(dms_view_end(&source->view), (k + 1) * 256 * 64);
        assert_int_equal(dms_view_count(&source->view), 256 * 64);
    }
    graph_end(&c.g);
}

/* A weight in a file, of which only the sizes are looked at. */
static uint32_t sized(rows_case *c, const char *name, int64_t rows, int64_t columns) {
    const uint32_t id = graph_weight(&c->g, name, 1, 1, 1);
    dms_tensor *t = &c->g.graph.tensor[id];
    t->dim[0].lo = t->dim[0].hi = rows;
    t->dim[1].lo = t->dim[1].hi = columns;
    t->origin = DMS_ORIGIN_FILE;
    t->bytes = (uint64_t)(rows * columns) * sizeof(float);
    const int64_t dim[2] = {rows, columns};
    assert_true(dms_view_dense(DMS_DTYPE_F32, 2, dim, &t->view));
    return id;
}

static void parts_of_a_table_are_smaller_than_the_largest_cells(void **state) {
    (void)state;
    /* 8 GiB of weights: cells of 64 MiB. Two of them would hold the table of 100 MiB; it has three
     * parts of at most 48, for two of them lie beside each other in the ring on the host. */
    rows_case c;
    graph_begin(&c.g);
    c.table = sized(&c, "table", 12800, 2048);
    const uint32_t head = sized(&c, "head", 2048, 1 << 20);
    c.ids = graph_indices(&c.g, "ids", 3, 12800);
    c.y = graph_result(&c.g, "y", 3, 2048);
    const uint32_t scores = graph_result(&c.g, "scores", 3, 1 << 20);
    graph_lookup(&c.g, c.table, c.ids, c.y);
    graph_matmul(&c.g, c.y, head, scores);
    graph_output(&c.g, scores);
    cut(&c);
    assert_int_equal(dms_plan_cells(&find(&c, c.table)->plan), 3);
    assert_int_equal(find(&c, c.table)->plan.cell_len, 4267);
    graph_end(&c.g);
}

/* 1,000 rows of 128: a part of 128 rows each, the last one of 104. */
static void each_part_knows_its_place_in_the_table(void **state) {
    (void)state;
    rows_case c;
    begin(&c, 1000, 128, 3);
    graph_output(&c.g, c.y);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 8);
    for (uint32_t k = 0; k < 8; k++) {
        const dms_call *call = call_of(&c, k);
        assert_int_equal(call->kernel, DMS_K_GATHER_PART);
        assert_int_equal(call->i[0], k * 125);
        assert_int_equal(call->i[1], 1000);
        assert_int_equal(call->view[0].dim[1], 125);
        assert_int_equal(call->view[0].offset, 0); /* a block by itself */
        assert_int_equal(call->n_in, k == 0 ? 2 : 3);
        reads_cell(&c, k, 0, k);
    }
    graph_end(&c.g);
}

static void rows_found_so_far_stay_in_one_place(void **state) {
    (void)state;
    rows_case c;
    begin(&c, 2048, 64, 3);
    const uint32_t z = graph_result(&c.g, "z", 3, 64);
    graph_unary(&c.g, DMS_FN_TANH, c.y, z);
    graph_output(&c.g, z);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 9);
    for (uint32_t k = 1; k < 8; k++) {
        const dms_step *step = &c.steps.step[k], *before = step - 1;
        const uint32_t to = step->operand[3].tensor, from = step->operand[2].tensor;
        assert_int_equal(from, before->operand[k == 1 ? 2 : 3].tensor);
        assert_int_equal(c.steps.tensor[to].over, from);
        assert_string_equal(c.steps.tensor[from].plan.name, "y (so far)");
    }
    assert_string_equal(find(&c, c.y)->plan.name, "y");
    assert_ptr_equal(&c.steps.tensor[find(&c, z)->over], find(&c, c.y));
    graph_end(&c.g);
}

/* The embedding is the last product too: one grid, whose cells give columns of the scores. */
static void a_tied_table_has_one_grid_for_both_uses(void **state) {
    (void)state;
    rows_case c;
    begin(&c, 2048, 64, 3);
    const uint32_t scores = graph_result(&c.g, "scores", 3, 2048);
    graph_matmul_turned(&c.g, c.y, c.table, scores);
    graph_output(&c.g, scores);
    cut(&c);
    assert_int_equal(c.steps.n_steps, 16);
    for (uint32_t k = 0; k < 8; k++) {
        const dms_call *product = call_of(&c, 8 + k);
        reads_cell(&c, k, 0, k);
        reads_cell(&c, 8 + k, 1, k);
        assert_int_equal(product->kernel, DMS_K_MATMUL);
        assert_int_equal(product->view[1].dim[0], 64);
        assert_int_equal(product->view[1].dim[1], 256);
        assert_int_equal(product->view[1].pitch[0], 1); /* turned in its block as in the file */
        assert_int_equal(product->view[1].pitch[1], 64);
        assert_int_equal(product->i[1], 256);
    }
    assert_int_equal(find(&c, scores)->plan.cell_len, 256);
    graph_end(&c.g);
}

/* Each reader by itself is cut, and so are all that agree on rows; one that is not forbids it. */
static void all_readers_must_agree_on_rows(void **state) {
    (void)state;
    static const struct {
        const char *why;
        int64_t entries, width, looks;
        bool has_other_lookup, has_sum;
        uint32_t n_cells;
    } CASES[] = {
        {"alone", 2048, 64, 3, false, false, 8},
        {"two lookups", 2048, 64, 3, true, false, 8},
        {"a sum with the whole table", 2048, 64, 2048, false, true, 1},
        {"a table of one cell", 256, 64, 3, false, false, 1},
        {"no more than 32 parts", 16384, 64, 3, false, false, 32},
        {"no part below a quarter of what is looked up", 2048, 64, 2048, false, false, 5},
        {"a row larger than a cell", 4, 32768, 1, false, false, 4},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        rows_case c;
        begin(&c, CASES[k].entries, CASES[k].width, CASES[k].looks);
        const uint32_t z = graph_result(&c.g, "z", CASES[k].looks, CASES[k].width);
        if (CASES[k].has_other_lookup)
            graph_lookup(&c.g, c.table, c.ids, z);
        else if (CASES[k].has_sum)
            graph_binary(&c.g, DMS_FN_ADD, c.y, c.table, z);
        else
            graph_unary(&c.g, DMS_FN_TANH, c.y, z);
        graph_output(&c.g, z);
        graph_output(&c.g, c.y);
        cut(&c);
        if (dms_plan_cells(&find(&c, c.table)->plan) != CASES[k].n_cells)
            fail_msg("%s: %u cells", CASES[k].why,
                     (unsigned)dms_plan_cells(&find(&c, c.table)->plan));
        graph_end(&c.g);
    }
}

/* A product that reads the weight as it is and one that reads it turned: no panels suit both, but
 * rows do: of the one they are terms of its sums, of the other columns. */
static void readers_in_different_orders_share_rows(void **state) {
    (void)state;
    graph_case *g;
    rows_case c;
    g = &c.g;
    graph_begin(g);
    c.table = graph_weight(g, "w", 1024, 128, 1);
    const uint32_t a = graph_input(g, "a", 3, 1024), h = graph_result(g, "h", 3, 128),
                   y = graph_result(g, "y", 3, 1024);
    graph_matmul(g, a, c.table, h);
    graph_matmul_turned(g, h, c.table, y);
    graph_output(g, y);
    cut(&c);
    assert_int_equal(find(&c, c.table)->plan.cell_len, 256); /* whole segments of sums */
    assert_int_equal(c.steps.n_steps, 8);
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(call_of(&c, k)->kernel, DMS_K_MATMUL_PART);
        assert_int_equal(call_of(&c, 4 + k)->kernel, DMS_K_MATMUL);
        reads_cell(&c, k, 1, k);
        reads_cell(&c, 4 + k, 1, k);
    }
    graph_end(g);
}

static void the_axis_of_rows_is_found_in_any_order(void **state) {
    (void)state;
    const dms_view stored = {DMS_DTYPE_F32, 2, 0, {6, 4}, {4, 1}};
    static const struct {
        dms_view view;
        int32_t axis;
    } CASES[] = {
        {{DMS_DTYPE_F32, 2, 0, {6, 4}, {4, 1}}, 0},
        {{DMS_DTYPE_F32, 2, 0, {4, 6}, {1, 4}}, 1},
        {{DMS_DTYPE_F32, 3, 0, {1, 6, 4}, {24, 4, 1}}, 1},
        {{DMS_DTYPE_F32, 4, 0, {2, 6, 1, 2}, {2, 4, 9, 1}}, 1}, /* rows of two halves */
        {{DMS_DTYPE_F32, 2, 0, {4, 6}, {6, 1}}, -1},            /* other rows */
        {{DMS_DTYPE_F32, 3, 0, {2, 3, 4}, {12, 4, 1}}, -1},     /* rows on two axes */
        {{DMS_DTYPE_F32, 2, 4, {6, 4}, {4, 1}}, -1},            /* not from the start */
        {{DMS_DTYPE_F32, 2, 0, {5, 4}, {4, 1}}, -1},            /* not all */
        {{DMS_DTYPE_F32, 2, 0, {6, 4}, {0, 1}}, -1},            /* one row, repeated */
        {{DMS_DTYPE_F32, 1, 0, {24}, {1}}, -1},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        if (dms_tile_rows_axis(&CASES[k].view, &stored) != CASES[k].axis)
            fail_msg("case %u", (unsigned)k);
}

/* Scores of 8 x 16,384 f32 are 512 KiB beside a weight of 4 MiB in cells of 64 KiB. They leave in
 * cells of 16 KiB: one of the weight and one of them are on the device, no more. */
static void scores_larger_than_a_cell_leave_cell_by_cell(void **state) {
    (void)state;
    rows_case c;
    begin(&c, 16384, 64, 8);
    const uint32_t scores = graph_result(&c.g, "scores", 8, 16384);
    graph_matmul_turned(&c.g, c.y, c.table, scores);
    graph_output(&c.g, scores);
    cut(&c);
    assert_true(find(&c, scores)->plan.is_split);
    assert_int_equal(dms_plan_buffer_bytes(&find(&c, scores)->plan, 0), 512 * 8 * 4);
    graph_end(&c.g);
}

/* Where a column of the result has more bytes than one of the weight, cells of the weight alone
 * would leave the result to set the floor: both together have two cells. */
static void the_cells_of_a_wide_result_count_too(void **state) {
    (void)state;
    rows_case c;
    graph_begin(&c.g);
    const uint32_t a = graph_input(&c.g, "a", 64, 16), y = graph_result(&c.g, "y", 64, 4096);
    c.table = graph_weight(&c.g, "w", 16, 4096, 1); /* 256 KiB, and 1 MiB of y */
    graph_matmul(&c.g, a, c.table, y);
    graph_output(&c.g, y);
    cut(&c);
    const dms_plan_tensor *w = &find(&c, c.table)->plan, *t = &find(&c, y)->plan;
    assert_int_equal(dms_plan_cells(w), 10); /* 1.25 MiB / 128 KiB; then rounded to 64 columns */
    assert_true(t->is_split);
    assert_int_equal(dms_plan_buffer_bytes(w, 0) + dms_plan_buffer_bytes(t, 0), 448 * 80 * 4);
    graph_end(&c.g);
}

/* A vocabulary of 200,000 words, looked up and in the last product. */
static void the_floor_is_far_below_a_large_table(void **state) {
    (void)state;
    for (int is_tied = 0; is_tied < 2; is_tied++) {
        rows_case c;
        dms_compiled compiled;
        dms_status st;
        begin(&c, 200000, 16, 8);
        const uint32_t scores = graph_result(&c.g, "scores", 8, 200000);
        if (is_tied)
            graph_matmul_turned(&c.g, c.y, c.table, scores);
        else
            graph_matmul(&c.g, c.y, graph_weight(&c.g, "head", 16, 200000, 2), scores);
        graph_output(&c.g, scores);
        assert_int_equal(graph_plan(&c.g, AMPLE, AMPLE, &compiled, &st), DMS_OK);
        assert_true(compiled.floor.device_bytes <= 200000 * 16 * 4 / 10);
        assert_int_equal(compiled.floor.device_bytes, compiled.floor.lower_bound_bytes);
        graph_end(&c.g);
    }
}

/* Lookups, products with the table and with its transpose, in any number and order. */
static void make_random(graph_case *g, uint64_t seed) {
    const int64_t entries = 256 + (int64_t)(graph_random(&seed) % 2000),
                  looks = 1 + (int64_t)(graph_random(&seed) % 40);
    const int64_t width = 16 << graph_random(&seed) % 4;
    const uint32_t table = graph_weight(g, "table", entries, width, 1);
    uint32_t rows = DMS_NONE;
    const uint32_t n_uses = 1 + (uint32_t)(graph_random(&seed) % 3);
    for (uint32_t k = 0; k < n_uses; k++) {
        char name[32];
        (void)snprintf(name, sizeof name, "t%u", (unsigned)k);
        const uint64_t what = rows == DMS_NONE ? 0 : graph_random(&seed) % 3;
        const uint32_t y = graph_result(g, name, looks, what == 1 ? entries : width);
        if (what == 0) {
            graph_lookup(g, table, graph_indices(g, name, looks, entries), y);
            rows = y;
        } else if (what == 1) {
            graph_matmul_turned(g, rows, table, y);
        } else {
            const uint32_t wide = graph_input(g, name, looks, entries);
            graph_matmul(g, wide, table, y);
        }
        graph_output(g, y);
    }
}

static void every_budget_gives_the_bits_of_the_uncut_table(void **state) {
    (void)state;
    uint32_t n_cut = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(40, 8); seed++) {
        graph_case g;
        graph_begin(&g);
        make_random(&g, seed);
        graph_compute(&g, 7);
        dms_compiled c;
        dms_status st;
        assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &c, &st), DMS_OK);
        const uint64_t all = c.plan.device_arena, floor = c.floor.device_bytes;
        n_cut += c.steps.n_steps > g.lowered.n_calls;
        for (uint64_t part = 0; part <= 4; part += 2) {
            if (graph_plan(&g, floor + (all - floor) * part / 4, AMPLE, &c, &st) != DMS_OK)
                fail_msg("graph %u: %s", (unsigned)seed, st.msg);
            float *input[8], *want[8];
            for (uint32_t k = 0; k < g.graph.n_inputs; k++)
                input[k] = g.value[g.input[k]];
            for (uint32_t k = 0; k < g.graph.n_outputs; k++)
                want[k] = g.value[g.output[k]];
            const session_case how = {
                .threads = 1 + (seed + part / 2) % 2, .turns = 2, .poison = part == 0};
            session_must_give(&c.plan, c.steps.consts, c.steps.n_consts, input, want, &how);
        }
        graph_end(&g);
    }
    assert_true(n_cut > ROUNDS_OF(20, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_of_a_table_is_one_range_of_its_file),
        cmocka_unit_test(parts_of_a_table_are_smaller_than_the_largest_cells),
        cmocka_unit_test(each_part_knows_its_place_in_the_table),
        cmocka_unit_test(rows_found_so_far_stay_in_one_place),
        cmocka_unit_test(a_tied_table_has_one_grid_for_both_uses),
        cmocka_unit_test(all_readers_must_agree_on_rows),
        cmocka_unit_test(readers_in_different_orders_share_rows),
        cmocka_unit_test(the_axis_of_rows_is_found_in_any_order),
        cmocka_unit_test(scores_larger_than_a_cell_leave_cell_by_cell),
        cmocka_unit_test(the_cells_of_a_wide_result_count_too),
        cmocka_unit_test(the_floor_is_far_below_a_large_table),
        cmocka_unit_test(every_budget_gives_the_bits_of_the_uncut_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
