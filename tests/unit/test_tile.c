/* test_tile.c - lowered calls become steps over cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"

/* Steps of a case; fails the test where there are none. */
static dms_steps tiled(graph_case *g) {
    dms_steps steps;
    dms_status st;
    if (dms_tile(&g->graph, &g->lowered, &g->profile, &g->arena, &steps, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return steps;
}

/* The step tensor made of a graph tensor. */
static const dms_step_tensor *find(const dms_steps *steps, uint32_t origin) {
    for (uint32_t i = 0; i < steps->n_tensors; i++)
        if (steps->tensor[i].origin == origin)
            return &steps->tensor[i];
    fail_msg("tensor %u has no step", (unsigned)origin);
    return NULL;
}

static void a_small_weight_is_one_cell_and_one_step(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 64), w = graph_weight(&g, "w", 64, 64, 1),
                   y = graph_result(&g, "y", 4, 64);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    const dms_steps s = tiled(&g);
    assert_int_equal(s.n_steps, 1);
    assert_int_equal(find(&s, w)->plan.cell_len, 0);
    assert_int_equal(s.weights_bytes, 64 * 64 * 4);
    assert_int_equal(find(&s, y)->plan.kind, DMS_TENSOR_OUTPUT);
    graph_end(&g);
}

static void a_large_weight_is_cut_by_columns_and_its_product_too(void **state) {
    (void)state;
    /* 128 x 512 f32 = 256 KiB, cells of 64 KiB: 4 cells of 128 columns, 4 steps */
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 3, 128), w = graph_weight(&g, "w", 128, 512, 1),
                   y = graph_result(&g, "y", 3, 512);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    const dms_steps s = tiled(&g);
    const dms_step_tensor *tw = find(&s, w), *ty = find(&s, y);
    assert_int_equal(s.n_steps, 4);
    assert_int_equal(dms_plan_cells(&tw->plan), 4);
    assert_true(tw->plan.is_split);
    assert_int_equal(dms_plan_buffer_bytes(&tw->plan, 0), 64u << 10);
    assert_int_equal(dms_plan_cells(&ty->plan), 4);
    assert_false(ty->plan.is_split);
    assert_int_equal(ty->plan.cell_axis, 1);
    assert_int_equal(ty->plan.cell_len, 128);
    for (uint32_t c = 0; c < 4; c++) {
        assert_int_equal(s.step[c].operand[1].first, c);
        assert_int_equal(s.step[c].operand[1].n, 1);
        assert_int_equal(s.step[c].operand[2].first, c);
        assert_int_equal(s.step[c].call, s.step[0].call); /* equal cells share one call */
    }
    graph_end(&g);
}

static void a_source_walks_the_columns_of_its_cell(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 3, 128), w = graph_weight(&g, "w", 128, 512, 1),
                   y = graph_result(&g, "y", 3, 512);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    const dms_steps s = tiled(&g);
    const dms_step_tensor *tw = find(&s, w);
    assert_int_equal(s.n_consts, 128 * 512 * 4);
    for (uint32_t c = 0; c < 4; c++) {
        const dms_source *source = &s.source[tw->plan.first_source + c];
        assert_int_equal(source->file, 1);
        assert_int_equal(source->view.offset, (int64_t)c * 128);
        assert_int_equal(dms_view_count(&source->view), 128 * 128);
        assert_true(dms_view_end(&source->view) <= 128 * 512);
    }
    graph_end(&g);
}

static void a_packed_small_weight_is_embedded_in_the_order_of_its_layout(void **state) {
    (void)state;
    /* panels of 16 columns: element (k, n) lies at panel n / 16, row k, column n % 16 */
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 3, 32), w = graph_weight(&g, "w", 32, 40, 1),
                   y = graph_result(&g, "y", 3, 40);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    const dms_steps s = tiled(&g);
    const dms_step_tensor *tw = find(&s, w);
    const dms_source *source = &s.source[tw->plan.first_source];
    assert_int_equal(source->file, DMS_NONE);
    assert_int_equal(tw->plan.stored.rank, 3);
    assert_int_equal(source->n_embedded, 3 * 32 * 16 * 4);
    float plain[32 * 40], packed[3 * 32 * 16];
    memcpy(plain, g.graph.tensor[w].data, sizeof plain);
    memcpy(packed, source->embedded, sizeof packed);
    for (int k = 0; k < 32; k++)
        for (int n = 0; n < 48; n++)
            assert_true(packed[n / 16 * 512 + k * 16 + n % 16] == (n < 40 ? plain[k * 40 + n] : 0));
    graph_end(&g);
}

static void a_weight_that_is_also_read_plainly_keeps_its_layout(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 64, 64), w = graph_weight(&g, "w", 64, 64, 1),
                   a = graph_result(&g, "a", 64, 64), b = graph_result(&g, "b", 64, 64);
    graph_matmul(&g, x, w, a);
    graph_binary(&g, DMS_FN_ADD, a, w, b);
    graph_output(&g, b);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, w)->plan.stored.rank, 2);
    graph_end(&g);
}

static void the_grid_does_not_depend_on_the_profile_speed(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 3, 256), w = graph_weight(&g, "w", 256, 1024, 1),
                   y = graph_result(&g, "y", 3, 1024);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    const uint32_t n = tiled(&g).n_steps;
    g.profile.f32_flops *= 1000;
    g.profile.in.bytes_per_s /= 1000;
    assert_int_equal(tiled(&g).n_steps, n);
    assert_true(n > 1);
    graph_end(&g);
}

static void the_last_reader_gives_its_place_to_the_result(void **state) {
    (void)state;
    /* a = x + x; b = relu(a) lies over a; c = a2 + b cannot lie over what is still read */
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), a = graph_result(&g, "a", 4, 8),
                   b = graph_result(&g, "b", 4, 8), c = graph_result(&g, "c", 4, 8);
    graph_binary(&g, DMS_FN_ADD, x, x, a);
    graph_unary(&g, DMS_FN_RELU, a, b);
    graph_binary(&g, DMS_FN_MUL, b, x, c);
    graph_output(&g, c);
    const dms_steps s = tiled(&g);
    assert_int_equal(s.tensor[find(&s, b)->over].origin, a);
    assert_int_equal(s.tensor[find(&s, c)->over].origin, b);
    assert_int_equal(find(&s, a)->over, DMS_NONE); /* an input port is never overwritten */
    graph_end(&g);
}

static void what_is_read_later_is_not_overwritten(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), a = graph_result(&g, "a", 4, 8),
                   b = graph_result(&g, "b", 4, 8), c = graph_result(&g, "c", 4, 8);
    graph_unary(&g, DMS_FN_NEG, x, a);
    graph_unary(&g, DMS_FN_RELU, a, b);
    graph_binary(&g, DMS_FN_MUL, a, b, c);
    graph_output(&g, c);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, b)->over, DMS_NONE);
    assert_int_not_equal(find(&s, c)->over, DMS_NONE); /* over a or b: both end here */
    graph_end(&g);
}

static void a_tensor_with_a_gap_before_its_last_reader_is_not_written_again(void **state) {
    (void)state;
    /* a is read in step 2, after a gap: were b over it, an eviction in the gap would save the old
     * bytes and the write run would not be the first run of touches */
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), a = graph_result(&g, "a", 4, 8),
                   m = graph_result(&g, "m", 4, 8), b = graph_result(&g, "b", 4, 8);
    graph_unary(&g, DMS_FN_NEG, x, a);
    graph_unary(&g, DMS_FN_NEG, x, m);
    graph_output(&g, m);
    graph_unary(&g, DMS_FN_RELU, a, b);
    graph_output(&g, b);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, b)->over, DMS_NONE);
    graph_end(&g);
}

static void step_times_are_the_larger_of_arithmetic_and_memory(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), y = graph_result(&g, "y", 4, 8);
    graph_unary(&g, DMS_FN_RELU, x, y);
    graph_output(&g, y);
    /* 32 elements: 256 bytes at 1 byte/ns, and 100 ns to launch */
    assert_int_equal(tiled(&g).step[0].ns, 256 + 100);
    g.profile.f32_flops = 10000000; /* 32 operations at 100 ns each */
    assert_int_equal(tiled(&g).step[0].ns, 3200 + 100);
    graph_end(&g);
}

static void blocks_are_cells_and_chains(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 3, 128), w = graph_weight(&g, "w", 128, 512, 1),
                   y = graph_result(&g, "y", 3, 512), z = graph_result(&g, "z", 3, 512);
    graph_matmul(&g, x, w, y);
    graph_unary(&g, DMS_FN_RELU, y, z);
    graph_output(&g, z);
    const dms_steps s = tiled(&g);
    dms_blocks blocks;
    dms_status st;
    assert_int_equal(dms_blocks_make(&g.graph, &s, &g.profile, &g.arena, &blocks, &st), DMS_OK);
    const dms_problem *p = &blocks.problem;
    assert_int_equal(p->n_steps, 5);
    assert_int_equal(p->n_tensors, 1 + 4 + 1); /* x; cells of w; y and z as one */
    uint32_t weights = 0;
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        const dms_problem_tensor *t = &p->tensors[b];
        if (t->kind == DMS_PROBLEM_WEIGHT) {
            assert_int_equal(t->n_touches, 1);
            assert_int_equal(p->touches[t->first_touch], weights++);
        }
        if (t->kind == DMS_PROBLEM_OUTPUT) {
            assert_int_equal(t->n_touches, 5);
            assert_int_equal(s.tensor[blocks.block[b].tensor].origin, y);
            assert_int_equal(s.tensor[blocks.block[b].last].origin, z);
        }
    }
    assert_int_equal(weights, 4);
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_weight_is_one_cell_and_one_step),
        cmocka_unit_test(a_large_weight_is_cut_by_columns_and_its_product_too),
        cmocka_unit_test(a_source_walks_the_columns_of_its_cell),
        cmocka_unit_test(a_packed_small_weight_is_embedded_in_the_order_of_its_layout),
        cmocka_unit_test(a_weight_that_is_also_read_plainly_keeps_its_layout),
        cmocka_unit_test(the_grid_does_not_depend_on_the_profile_speed),
        cmocka_unit_test(the_last_reader_gives_its_place_to_the_result),
        cmocka_unit_test(what_is_read_later_is_not_overwritten),
        cmocka_unit_test(a_tensor_with_a_gap_before_its_last_reader_is_not_written_again),
        cmocka_unit_test(step_times_are_the_larger_of_arithmetic_and_memory),
        cmocka_unit_test(blocks_are_cells_and_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
