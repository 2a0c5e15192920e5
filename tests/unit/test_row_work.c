/* test_row_work.c - flops are those that a plain loop counts, and what a row lets lie over an input
 * gives the same bytes there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain.h"
#include "support_rows.h"

/* Cost of a call written as text. */
static dms_cost cost_of(const char *kernel, const char *operands, const char *i, const char *f) {
    row_case c;
    dms_status st;
    const row_text text = {kernel, operands, i, f};
    row_read(&c, &text);
    if (dms_call_check(&c.call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return dms_call_cost(&c.call);
}

/* Flops of a call written as text. */
static uint64_t flops_of(const char *kernel, const char *operands, const char *i, const char *f) {
    return cost_of(kernel, operands, i, f).flops;
}

static void a_product_counts_two_for_each_pair_that_meets(void **state) {
    (void)state;
    uint64_t met = 0;
    for (int batch = 0; batch < 2; batch++)
        for (int m = 0; m < 5; m++)
            for (int n = 0; n < 9; n++)
                for (int k = 0; k < 8; k++)
                    met += 2;
    assert_int_equal(flops_of("matmul", "f32[2,5,8] f32[2,8,9] -> f32[2,5,9]", "0,9", "1,1"), met);
    /* panels hold zeros behind the last column: nobody multiplies by those */
    assert_int_equal(flops_of("matmul", "f32[3,8] f32[3,8,16]= -> f32[3,40]", "1,40", "1,1"),
                     2 * 3 * 40 * 8);
}

static void a_convolution_counts_every_tap_of_every_pixel(void **state) {
    (void)state;
    uint64_t met = 0; /* in the padding too: there a tap meets a zero */
    for (int m = 0; m < 6; m++)
        for (int pixel = 0; pixel < 9 * 4; pixel++)
            for (int c = 0; c < 4 / 2; c++)
                for (int tap = 0; tap < 3 * 3; tap++)
                    met += 2;
    assert_int_equal(
        flops_of("conv", "f32[1,4,9,8] f32[6,2,3,3] -> f32[1,6,9,4]", "2,1,2,1,1,1,1", NULL), met);
}

static void a_transposed_convolution_counts_from_its_input(void **state) {
    (void)state;
    uint64_t met = 0;
    for (int c = 0; c < 4; c++)
        for (int pixel = 0; pixel < 5 * 3; pixel++)
            for (int m = 0; m < 3; m++)
                for (int tap = 0; tap < 2 * 3; tap++)
                    met += 2;
    assert_int_equal(flops_of("conv_transpose", "f32[1,4,5,3] f32[4,3,2,3] -> f32[1,3,10,7]",
                              "1,2,2,1,1,0,0", NULL),
                     met);
}

static void a_pool_counts_its_window_for_every_output(void **state) {
    (void)state;
    assert_int_equal(
        flops_of("pool", "f32[1,2,7,6] -> f32[1,2,3,3]", "0,3,2,2,2,1,1,0,0,0,0,0,0", NULL),
        2 * 3 * 3 * (3 * 2));
}

/* Every query meets every key over d and every value over e, two flops each; a causal one only
 * those up to itself, counted from the end. */
static void attention_counts_both_products_of_the_pairs_that_meet(void **state) {
    (void)state;
    uint64_t all = 0;
    for (int row = 0; row < 4 * 6; row++)
        for (int key = 0; key < 6; key++)
            all += 2 * 8 + 2 * 5;
    const char *square = "f32[1,4,6,8] f32[1,2,6,8] f32[1,2,6,5] -> f32[1,4,6,5]";
    assert_int_equal(flops_of("attention", square, "0,0,0", "1,0"), all);
    uint64_t seen = 0;
    for (int row = 0; row < 4 * 6; row++)
        for (int key = 0; key < 6; key++)
            seen += key <= row % 6 ? 2 * 8 + 2 * 5 : 0;
    assert_int_equal(flops_of("attention", square, "1,0,0", "1,0"), seen);
    /* two new rows behind four keys see 5 and 6 keys; eight rows see none to six */
    const char *two = "f32[1,4,2,8] f32[1,2,6,8] f32[1,2,6,5] -> f32[1,4,2,5]";
    assert_int_equal(flops_of("attention", two, "1,0,0", "1,0"), 4 * (5 + 6) * 26);
    const char *eight = "f32[1,4,8,8] f32[1,2,6,8] f32[1,2,6,5] -> f32[1,4,8,5]";
    assert_int_equal(flops_of("attention", eight, "1,0,0", "1,0"), seen);
    /* one new token sees all keys: nothing is saved */
    const char *token = "f32[1,4,1,8] f32[1,2,6,8] f32[1,2,6,5] -> f32[1,4,1,5]";
    assert_int_equal(flops_of("attention", token, "1,0,0", "1,0"), all / 6);
}

/* ---- results --------------------------------------------------------------------------------- */

/* Results of a function of six elements. */
static uint64_t unary_results(dms_unary_fn fn) {
    char i[8];
    (void)snprintf(i, sizeof i, "%d", (int)fn);
    return cost_of("unary", "f32[2,3] -> f32[2,3]", i, "1,1").results;
}

static uint64_t binary_results(dms_binary_fn fn) {
    char i[8];
    (void)snprintf(i, sizeof i, "%d", (int)fn);
    return cost_of("binary", "f32[2,3] f32[2,3] -> f32[2,3]", i, NULL).results;
}

/* Whatever the machine: an exponential is a polynomial, an error function two, a power more. */
static void results_of_a_map_are_as_many_additions_as_take_as_long(void **state) {
    (void)state;
    assert_int_equal(binary_results(DMS_FN_ADD), 6);
    assert_int_equal(unary_results(DMS_FN_NEG), 6);
    assert_int_equal(unary_results(DMS_FN_RELU), 6);
    assert_true(unary_results(DMS_FN_HARD_SWISH) > unary_results(DMS_FN_RELU));
    assert_true(unary_results(DMS_FN_EXP) > unary_results(DMS_FN_HARD_SWISH));
    assert_true(unary_results(DMS_FN_GELU) > unary_results(DMS_FN_EXP));
    assert_true(binary_results(DMS_FN_POW) > 2 * unary_results(DMS_FN_GELU));
    for (int fn = 0; fn < DMS_N_BINARY_FNS; fn++)
        if (fn <= DMS_FN_FMOD || fn == DMS_FN_PRELU) /* the others do not give f32 */
            assert_int_equal(binary_results((dms_binary_fn)fn) % 6, 0);
}

/* A chain is worth the functions in it; its constants are made once. */
static void a_chain_is_worth_its_functions(void **state) {
    (void)state;
    dms_status st;
    dms_chain chain = {.n_in = 1, .n_ops = 3, .n_reals = 1, .dtype = {DMS_DTYPE_F32}};
    chain.op[0] = (dms_chain_op){.kind = DMS_CHAIN_REAL, .dtype = DMS_DTYPE_F32};
    chain.op[1] = (dms_chain_op){.kind = DMS_CHAIN_BINARY, .fn = DMS_FN_MUL, .src = {0, 1}};
    chain.op[2] = (dms_chain_op){.kind = DMS_CHAIN_UNARY, .fn = DMS_FN_EXP, .src = {2}};
    assert_int_equal(dms_chain_settle(&chain, &st), DMS_OK);
    assert_int_equal(6 * dms_chain_work(&chain), 6 + unary_results(DMS_FN_EXP));
    assert_int_equal(dms_chain_flops(&chain), 2);
}

/* y = exp(a b): the product's own results stay 15, the exponentials stand apart. */
static void what_a_kernel_carries_is_counted_apart(void **state) {
    (void)state;
    dms_status st;
    row_case c;
    const row_text text = {"matmul", "f32[5,8] f32[8,3] -> f32[5,3]", "0,3", "1,1"};
    row_read(&c, &text);
    const dms_cost bare = dms_call_cost(&c.call);
    dms_chain chain = {.has_result = true, .n_in = 1, .n_ops = 1, .dtype = {DMS_DTYPE_F32}};
    chain.op[0] = (dms_chain_op){.kind = DMS_CHAIN_UNARY, .fn = DMS_FN_EXP};
    assert_int_equal(dms_chain_settle(&chain, &st), DMS_OK);
    c.i[2] = 0; /* operands of the chain */
    dms_chain_write(&chain, c.i + 2, c.f + 2);
    c.call.n_i += 2;
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    const dms_cost cost = dms_call_cost(&c.call);
    assert_int_equal(bare.carried, 0);
    assert_int_equal(cost.carried, 15 * dms_chain_work(&chain));
    assert_int_equal(cost.results, bare.results);
    assert_int_equal(cost.flops, bare.flops + 15);
}

/* y = a b + r: r is added, and first brought to where the sum is, but for one number per row. */
static void what_a_chain_reads_beside_is_brought_first(void **state) {
    (void)state;
    dms_status st;
    row_case c;
    const row_text text = {"matmul", "f32[5,8] f32[8,3] -> f32[5,3]", "0,3", "1,1"};
    row_read(&c, &text);
    dms_chain chain = {.has_result = true, .n_in = 2, .n_ops = 1};
    chain.dtype[0] = chain.dtype[1] = DMS_DTYPE_F32;
    chain.op[0] = (dms_chain_op){.kind = DMS_CHAIN_BINARY, .fn = DMS_FN_ADD, .src = {0, 1}};
    assert_int_equal(dms_chain_settle(&chain, &st), DMS_OK);
    c.i[2] = 1; /* operands of the chain */
    dms_chain_write(&chain, c.i + 2, c.f + 2);
    c.view[3] = c.view[2]; /* r lies as y does */
    c.call.n_in = 3;
    c.call.n_i = 4;
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    assert_int_equal(dms_call_cost(&c.call).carried, 15 * (1 + 4));
    c.view[2].pitch[0] = 1; /* one number per row */
    c.view[2].pitch[1] = 0;
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    assert_int_equal(dms_call_cost(&c.call).carried, 15);
}

/* The first part of a product makes its sums; the others take up those that are there. */
static void a_part_that_goes_on_with_sums_carries_them(void **state) {
    (void)state;
    const char *alone = "f32[5,256] f32[256,3] -> f32[5,3]";
    const char *on = "f32[5,256] f32[256,3] f32[5,3] -> f32[5,3]";
    const dms_cost first = cost_of("matmul_part", alone, "0,3,0", "1,1"),
                   next = cost_of("matmul_part", on, "0,3,1", "1,1"),
                   last = cost_of("matmul_part", on, "0,3,2", "1,1");
    assert_int_equal(first.carried, 0);
    assert_true(next.carried > 15);
    assert_int_equal(next.carried % 15, 0);
    assert_int_equal(last.carried, next.carried);
    assert_int_equal(next.flops, first.flops);
}

/* 1 x 4 x 5 x 3 elements are spread over 1 x 3 x 10 x 6. */
static void a_transposed_convolution_takes_up_and_puts_down(void **state) {
    (void)state;
    assert_int_equal(cost_of("conv_transpose", "f32[1,4,5,3] f32[4,3,2,2] -> f32[1,3,10,6]",
                             "1,2,2,1,1,0,0", NULL)
                         .results,
                     60 + 180);
}

/* Of axes that stay as they are nothing is mixed: 1, 2 or 4 places along each of the two others. */
static void a_resize_counts_the_places_it_mixes(void **state) {
    (void)state;
    static const char *const MODE[] = {"0,3,2,0,0", "1,0,0,0,0", "2,0,0,0,0"};
    for (uint32_t mode = 0; mode < 3; mode++)
        assert_int_equal(cost_of("resize", "f32[1,2,4,4] -> f32[1,2,8,8]", MODE[mode],
                                 "-0.75,0,1,0,1,1,0,1,2,0,1,2,0,1")
                             .results,
                         2 * 64 * (1u << mode) * (1u << mode));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* 3 rows of 5 f32 are read and written, and 3 indices; the other 4 rows of the table are not. */
static void a_gather_reads_what_is_looked_up(void **state) {
    (void)state;
    row_case c;
    dms_status st;
    const row_text text = {"gather", "f32[1,7,5] i64[3] -> f32[1,3,5]", NULL, NULL};
    row_read(&c, &text);
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    assert_int_equal(dms_call_cost(&c.call).bytes, 2 * 3 * 5 * 4 + 3 * 8);
}

/* Of a table of 70 rows a part with 7: a tenth of the looks, each read and written, and the indices.
 * The first part writes all other rows as well. */
static void a_part_of_a_table_is_read_and_written_as_often_as_it_is_met(void **state) {
    (void)state;
    dms_status st;
    row_case c;
    const row_text first = {"gather_part", "f32[1,7,5] i64[30] -> f32[1,30,5]", "0,70", NULL};
    row_read(&c, &first);
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    assert_int_equal(dms_call_cost(&c.call).bytes, 30 * 8 + 2 * 3 * 5 * 4 + 30 * 5 * 4);
    const row_text next = {"gather_part", "f32[1,7,5] i64[30] f32[1,30,5] -> f32[1,30,5]", "7,70",
                           NULL};
    row_read(&c, &next);
    assert_int_equal(dms_call_check(&c.call, &st), DMS_OK);
    assert_int_equal(dms_call_cost(&c.call).bytes, 30 * 8 + 2 * 3 * 5 * 4);
}

static void what_only_moves_costs_no_flops(void **state) {
    (void)state;
    static const char *const MOVES[] = {"copy",      "concat",  "pad",
                                        "trilu",     "gather",  "gather_elements",
                                        "gather_nd", "one_hot", "gather_part"};
    for (uint32_t k = 0; k < n_row_good; k++)
        for (size_t m = 0; m < sizeof MOVES / sizeof *MOVES; m++)
            if (strcmp(row_good[k].kernel, MOVES[m]) == 0)
                assert_int_equal(flops_of(row_good[k].kernel, row_good[k].operands, row_good[k].i,
                                          row_good[k].f),
                                 0);
}

static void a_scatter_counts_what_it_adds(void **state) {
    (void)state;
    const char *operands = "f32[4,5,2] i64[3,2] f32[3,2] -> f32[4,5,2]";
    assert_int_equal(flops_of("scatter_nd", operands, "2,0", NULL), 0);
    assert_int_equal(flops_of("scatter_nd", operands, "2,1", NULL), 6);
}

/* The time of a row kernel is that of all its elements, whatever the number of rows. */
static void rows_count_in_proportion_to_their_elements(void **state) {
    (void)state;
    const uint64_t once = flops_of("softmax", "f32[4,10] -> f32[4,10]", "0", NULL);
    assert_true(once >= 40);
    assert_int_equal(flops_of("softmax", "f32[8,10] -> f32[8,10]", "0", NULL), 2 * once);
    assert_int_equal(flops_of("softmax", "f32[4,20] -> f32[4,20]", "0", NULL), 2 * once);
    const uint64_t norm = flops_of("layer_norm", "f32[4,10] -> f32[4,10]", "0", "1e-5");
    assert_int_equal(flops_of("layer_norm", "f32[12,10] -> f32[12,10]", "0", "1e-5"), 3 * norm);
    const uint64_t narrow = flops_of("lrn", "f32[1,7,5] -> f32[1,7,5]", "1", "1,1,1");
    assert_true(flops_of("lrn", "f32[1,7,5] -> f32[1,7,5]", "5", "1,1,1") > narrow);
}

static void flops_of_huge_calls_stop_at_the_largest_number(void **state) {
    (void)state;
    row_case c;
    dms_status st;
    const row_text text = {"matmul", "f32[1,1,1] f32[1,1,1] -> f32[1,1,1]", "0,1", "1,1"};
    row_read(&c, &text);
    for (uint32_t k = 0; k < 3; k++) { /* 2^30 x 2^30 sums of 2^30 terms; b and a repeat */
        c.view[k].dim[1] = c.view[k].dim[2] = INT64_C(1) << 30;
        c.view[k].pitch[1] = k == 2 ? INT64_C(1) << 30 : 0;
        c.view[k].pitch[2] = k == 2;
    }
    c.i[1] = INT64_C(1) << 30;
    if (dms_call_check(&c.call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_true(dms_call_cost(&c.call).flops == UINT64_MAX);
}

/* ---- in place -------------------------------------------------------------------------------- */

/* Output `out` over input `in` of one call, against outputs of their own. Returns whether the row
 * allows it. */
static bool lies_over_alike(const row_case *c, uint32_t in, uint32_t out) {
    const dms_kernel_row *row = dms_kernel_row_find(c->call.kernel);
    if (row->in_place == NULL || !row->in_place(&c->call, in, out))
        return false;
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++) {
        dms_arena arena = {0};
        uint64_t bytes;
        const row_memory apart = {.isa = isa};
        const row_memory over = {.isa = isa, .shares = true, .in = in, .out = out};
        const uint8_t *wanted = row_run(c, &apart, 5, &arena, &bytes);
        const uint8_t *got = row_run(c, &over, 5, &arena, &bytes);
        if (memcmp(wanted, got, bytes) != 0)
            fail_msg("%s: output %u over input %u gives other bytes", row->name, out, in);
        dms_arena_free(&arena);
    }
    return true;
}

static void an_output_over_an_input_gives_the_same_bytes_where_allowed(void **state) {
    (void)state;
    uint32_t n_allowed = 0;
    for (uint32_t k = 0; k < n_row_good; k++)
        for (row_layout layout = ROW_DENSE; layout < ROW_N_LAYOUTS; layout++) {
            row_case c;
            row_read(&c, &row_good[k]);
            row_lay(&c, layout);
            for (uint32_t o = 0; o < c.call.n_in + c.call.n_out; o++)
                c.view[o].offset = 0; /* the rows want equal ones */
            for (uint32_t in = 0; in < c.call.n_in; in++)
                for (uint32_t out = 0; out < c.call.n_out; out++)
                    n_allowed += lies_over_alike(&c, in, out);
        }
    assert_true(n_allowed >= 40);
}

/* An input that repeats has fewer places than the output has elements. */
static void no_output_lies_over_an_input_that_repeats(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_case c;
        row_read(&c, &row_good[k]);
        const dms_kernel_row *row = dms_kernel_row_find(c.call.kernel);
        for (uint32_t in = 0; row->in_place != NULL && in < c.call.n_in; in++)
            for (uint32_t axis = 0; axis < c.view[in].rank; axis++) {
                const int64_t pitch = c.view[in].pitch[axis];
                c.view[in].pitch[axis] = 0;
                for (uint32_t out = 0; out < c.call.n_out && c.view[in].dim[axis] > 1; out++)
                    assert_false(row->in_place(&c.call, in, out));
                c.view[in].pitch[axis] = pitch;
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_counts_two_for_each_pair_that_meets),
        cmocka_unit_test(a_convolution_counts_every_tap_of_every_pixel),
        cmocka_unit_test(a_transposed_convolution_counts_from_its_input),
        cmocka_unit_test(a_pool_counts_its_window_for_every_output),
        cmocka_unit_test(attention_counts_both_products_of_the_pairs_that_meet),
        cmocka_unit_test(results_of_a_map_are_as_many_additions_as_take_as_long),
        cmocka_unit_test(a_chain_is_worth_its_functions),
        cmocka_unit_test(what_a_kernel_carries_is_counted_apart),
        cmocka_unit_test(what_a_chain_reads_beside_is_brought_first),
        cmocka_unit_test(a_part_that_goes_on_with_sums_carries_them),
        cmocka_unit_test(a_transposed_convolution_takes_up_and_puts_down),
        cmocka_unit_test(a_resize_counts_the_places_it_mixes),
        cmocka_unit_test(a_gather_reads_what_is_looked_up),
        cmocka_unit_test(a_part_of_a_table_is_read_and_written_as_often_as_it_is_met),
        cmocka_unit_test(what_only_moves_costs_no_flops),
        cmocka_unit_test(a_scatter_counts_what_it_adds),
        cmocka_unit_test(rows_count_in_proportion_to_their_elements),
        cmocka_unit_test(flops_of_huge_calls_stop_at_the_largest_number),
        cmocka_unit_test(an_output_over_an_input_gives_the_same_bytes_where_allowed),
        cmocka_unit_test(no_output_lies_over_an_input_that_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
