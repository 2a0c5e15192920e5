/* test_row_promises.c - what the rows of map, move, index and rows promise to planner and
 * checker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define F32 DMS_DTYPE_F32

/* The ids of these four families. */
static const uint32_t ids[] = {
    DMS_K_UNARY,       DMS_K_BINARY,    DMS_K_SELECT,           DMS_K_CAST,       DMS_K_FILL,
    DMS_K_RANGE,       DMS_K_COPY,      DMS_K_CONCAT,           DMS_K_PAD,        DMS_K_TRILU,
    DMS_K_GATHER,      DMS_K_GATHER_ND, DMS_K_GATHER_ELEMENTS,  DMS_K_SCATTER_ND, DMS_K_ONE_HOT,
    DMS_K_REDUCE,      DMS_K_SOFTMAX,   DMS_K_SCATTER_ELEMENTS, DMS_K_LAYER_NORM, DMS_K_ARG,
    DMS_K_GROUP_NORM,  DMS_K_CUMSUM,    DMS_K_BATCH_NORM,       DMS_K_TOPK,       DMS_K_LRN,
    DMS_K_GATHER_PART,
};
#define N_IDS (sizeof ids / sizeof *ids)

static void every_kernel_has_a_row_and_two_implementations(void **state) {
    (void)state;
    for (size_t k = 0; k < N_IDS; k++) {
        const dms_kernel_row *row = dms_kernel_row_find(ids[k]);
        assert_non_null(row);
        assert_ptr_equal(dms_kernel_row_by_name(row->name), row);
        assert_non_null(row->check);
        assert_true(row->min_in <= row->max_in && row->min_out <= row->max_out);
        for (int isa = 0; isa < DMS_N_ISAS; isa++) {
            const dms_cpu_kernel *kernel = dms_cpu_kernel_find(ids[k], (dms_isa)isa);
            assert_non_null(kernel);
            assert_int_equal(kernel->id, ids[k]);
        }
    }
}

static void parameters_that_are_counted_have_names(void **state) {
    (void)state;
    for (size_t k = 0; k < N_IDS; k++) {
        const dms_kernel_row *row = dms_kernel_row_find(ids[k]);
        for (uint32_t p = 0; row->n_i != 255 && p < row->n_i; p++)
            assert_true(strlen(row->i_name[p]) > 0);
        for (uint32_t p = 0; row->n_f != 255 && p < row->n_f; p++)
            assert_true(strlen(row->f_name[p]) > 0);
    }
}

/* A call of one input and one output of these views. */
static void open_pair(kernel_case *c, uint32_t id, dms_view x, dms_view y) {
    case_open(c, id);
    case_i(c, 0);
    case_in(c, x);
    case_out(c, y);
}

static bool may_lie_over(const kernel_case *c, uint32_t in, uint32_t out) {
    const dms_kernel_row *row = dms_kernel_row_find(c->call.kernel);
    return row->in_place != NULL && row->in_place(&c->call, in, out);
}

static void a_result_lies_over_an_input_only_where_elements_coincide(void **state) {
    (void)state;
    const int64_t dim[] = {4, 6};
    const dms_view dense = case_dense(F32, 2, dim), strided = case_strided(F32, 2, dim, 0);
    kernel_case c;
    open_pair(&c, DMS_K_UNARY, dense, dense);
    assert_true(may_lie_over(&c, 0, 0));
    c.view[0] = strided;
    assert_false(may_lie_over(&c, 0, 0)); /* other pitches */
    c.view[0] = dense;
    c.view[0].offset = 1;
    assert_false(may_lie_over(&c, 0, 0)); /* one element further */
    case_close(&c);
}

static void pitches_of_axes_of_one_entry_do_not_matter_in_place(void **state) {
    (void)state;
    dms_view x = case_dense(F32, 3, (int64_t[]){4, 1, 6});
    const dms_view y = x;
    x.pitch[1] = 0;
    kernel_case c;
    open_pair(&c, DMS_K_SOFTMAX, x, y);
    assert_true(may_lie_over(&c, 0, 0));
    case_close(&c);
}

static void casts_lie_over_their_input_where_the_size_is_the_same(void **state) {
    (void)state;
    const int64_t n = 10;
    const struct {
        dms_dtype from, to;
        bool want;
    } cases[] = {{F32, DMS_DTYPE_I32, true},
                 {DMS_DTYPE_F16, DMS_DTYPE_BF16, true},
                 {F32, DMS_DTYPE_F16, false},
                 {DMS_DTYPE_I32, DMS_DTYPE_I64, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        kernel_case c;
        open_pair(&c, DMS_K_CAST, case_dense(cases[k].from, 1, &n), case_dense(cases[k].to, 1, &n));
        assert_int_equal(may_lie_over(&c, 0, 0), cases[k].want);
        if (cases[k].want) {
            case_in_place(&c, 0);
            case_run(&c); /* the same bytes in every split, over its own input */
        }
        case_close(&c);
    }
}

static void moves_and_gathers_never_lie_over_an_input(void **state) {
    (void)state;
    const uint32_t never[] = {DMS_K_COPY,   DMS_K_CONCAT,    DMS_K_PAD,
                              DMS_K_GATHER, DMS_K_GATHER_ND, DMS_K_GATHER_ELEMENTS,
                              DMS_K_LRN,    DMS_K_ONE_HOT,   DMS_K_REDUCE,
                              DMS_K_TOPK,   DMS_K_ARG,       DMS_K_FILL};
    for (size_t k = 0; k < sizeof never / sizeof *never; k++)
        assert_null(dms_kernel_row_find(never[k])->in_place);
}

static void a_scatter_lies_over_its_table_but_not_its_updates(void **state) {
    (void)state;
    const int64_t dim[] = {3, 3};
    kernel_case c;
    case_open(&c, DMS_K_SCATTER_ELEMENTS);
    case_i(&c, 0);
    case_i(&c, 0);
    case_in(&c, case_dense(F32, 2, dim));
    case_in(&c, case_dense(DMS_DTYPE_I32, 2, dim));
    case_in(&c, case_dense(F32, 2, dim));
    case_out(&c, case_dense(F32, 2, dim));
    assert_true(may_lie_over(&c, 0, 0));
    assert_false(may_lie_over(&c, 2, 0));
    case_close(&c);
}

static void a_norm_lies_over_its_input_with_its_first_output_alone(void **state) {
    (void)state;
    const int64_t dim[] = {4, 4};
    kernel_case c;
    case_open(&c, DMS_K_LAYER_NORM);
    case_i(&c, 0);
    case_f(&c, 1e-5);
    case_in(&c, case_dense(F32, 2, dim));
    case_in(&c, case_dense(F32, 1, dim));
    case_out(&c, case_dense(F32, 2, dim));
    case_out(&c, case_dense(F32, 1, dim));
    assert_true(may_lie_over(&c, 0, 0));
    assert_false(may_lie_over(&c, 1, 1)); /* same dims, but the scale is read for every row */
    case_close(&c);
}

static void costs_count_repeated_operands_once(void **state) {
    (void)state;
    const int64_t dim[] = {100, 10};
    dms_view row = case_dense(F32, 2, dim);
    row.pitch[0] = 0;
    kernel_case c;
    case_open(&c, DMS_K_BINARY);
    case_i(&c, DMS_FN_ADD);
    case_in(&c, case_dense(F32, 2, dim));
    case_in(&c, row);
    case_out(&c, case_dense(F32, 2, dim));
    const dms_cost cost = dms_call_cost(&c.call);
    assert_int_equal(cost.bytes, 4000 + 40 + 4000);
    assert_int_equal(cost.flops, 1000);
    case_close(&c);
}

/* 100 x 10 with a row that repeats: 1,000 additions, as many results, and three operands of as many
 * elements. What repeats takes its time, though it takes no place. */
static void work_counts_repeated_operands_as_often_as_they_repeat(void **state) {
    (void)state;
    const int64_t dim[] = {100, 10};
    dms_view row = case_dense(F32, 2, dim);
    row.pitch[0] = 0;
    kernel_case c;
    case_open(&c, DMS_K_BINARY);
    case_i(&c, DMS_FN_ADD);
    case_in(&c, case_dense(F32, 2, dim));
    case_in(&c, row);
    case_out(&c, case_dense(F32, 2, dim));
    assert_int_equal(dms_call_work(&c.call), 5 * 1000);
    case_close(&c);
}

/* A sum over 2^40 entries of a few bytes: a plan of nothing can ask for days. */
static void work_of_a_sum_over_one_element_is_the_length_of_the_sum(void **state) {
    (void)state;
    const int64_t i[] = {DMS_FN_SUM, 1}, one = 1;
    dms_view view[] = {case_dense(F32, 2, (int64_t[]){1, INT64_C(1) << 40}),
                       case_dense(F32, 1, &one)};
    view[0].pitch[0] = view[0].pitch[1] = 0;
    const dms_call call = {DMS_K_REDUCE, 1, 1, 2, 0, view, i, NULL};
    assert_int_equal(dms_call_check(&call, NULL), DMS_OK);
    assert_true(dms_call_work(&call) >= UINT64_C(1) << 41); /* sums and elements */
    assert_int_equal(dms_call_cost(&call).bytes, 8);
}

static void moves_cost_bytes_and_no_operations(void **state) {
    (void)state;
    const int64_t n = 64;
    kernel_case c;
    open_pair(&c, DMS_K_COPY, case_dense(F32, 1, &n), case_dense(F32, 1, &n));
    const dms_cost cost = dms_call_cost(&c.call);
    assert_int_equal(cost.flops, 0);
    assert_int_equal(cost.bytes, 512);
    case_close(&c);
}

static void reductions_cost_what_they_read(void **state) {
    (void)state;
    kernel_case c;
    case_open(&c, DMS_K_REDUCE);
    case_i(&c, DMS_FN_SUM);
    case_i(&c, 1);
    case_in(&c, case_dense(F32, 2, (int64_t[]){3, 50}));
    case_out(&c, case_dense(F32, 1, (int64_t[]){3}));
    assert_int_equal(dms_call_cost(&c.call).flops, 150);
    case_close(&c);
}

static void no_kernel_here_needs_a_workspace(void **state) {
    (void)state;
    for (size_t k = 0; k < N_IDS; k++)
        assert_null(dms_kernel_row_find(ids[k])->workspace);
}

static void parts_hold_about_as_many_elements_as_hide_a_claim(void **state) {
    (void)state;
    const int64_t n = 1 << 20;
    kernel_case c;
    open_pair(&c, DMS_K_CAST, case_dense(F32, 1, &n), case_dense(F32, 1, &n));
    const uint64_t parts = dms_cpu_kernel_find(DMS_K_CAST, DMS_ISA_BASE)->parts(&c.call);
    assert_in_range(parts, 16, 64); /* 16 Ki to 64 Ki elements each */
    case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_has_a_row_and_two_implementations),
        cmocka_unit_test(parameters_that_are_counted_have_names),
        cmocka_unit_test(a_result_lies_over_an_input_only_where_elements_coincide),
        cmocka_unit_test(pitches_of_axes_of_one_entry_do_not_matter_in_place),
        cmocka_unit_test(casts_lie_over_their_input_where_the_size_is_the_same),
        cmocka_unit_test(moves_and_gathers_never_lie_over_an_input),
        cmocka_unit_test(a_scatter_lies_over_its_table_but_not_its_updates),
        cmocka_unit_test(a_norm_lies_over_its_input_with_its_first_output_alone),
        cmocka_unit_test(costs_count_repeated_operands_once),
        cmocka_unit_test(work_counts_repeated_operands_as_often_as_they_repeat),
        cmocka_unit_test(work_of_a_sum_over_one_element_is_the_length_of_the_sum),
        cmocka_unit_test(moves_cost_bytes_and_no_operations),
        cmocka_unit_test(reductions_cost_what_they_read),
        cmocka_unit_test(no_kernel_here_needs_a_workspace),
        cmocka_unit_test(parts_hold_about_as_many_elements_as_hide_a_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
