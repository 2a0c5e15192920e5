/* test_kernel_rows.c - what follows from a row for any call: look-up, checks, cuts, cost, hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/kernels/families.h"
#include "support_call.h"

/* Names of all rows, from the list. */
#define NAME(name) #name,
static const char *const names[] = {DMS_ALL_KERNELS(NAME)};
#undef NAME
enum { N_NAMES = sizeof names / sizeof *names };

static void every_listed_kernel_is_found_by_name_and_id(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        const dms_kernel_row *row = dms_kernel_row_by_name(names[k]);
        assert_non_null(row);
        assert_ptr_equal(row, dms_kernel_row_find(row->id));
        for (dms_isa isa = DMS_ISA_BASE; isa < DMS_N_ISAS; isa++) {
            assert_non_null(dms_cpu_kernel_find(row->id, isa));
            assert_int_equal(dms_cpu_kernel_find(row->id, isa)->id, row->id);
        }
    }
    assert_null(dms_kernel_row_find(0));
    assert_null(dms_kernel_row_by_name("no such kernel"));
    assert_null(dms_cpu_kernel_find(0, DMS_ISA_BASE));
}

/* VNNI changes kernels of bytes; all others are those of AVX-512. */
static void a_set_without_its_own_kernel_has_the_one_beneath(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        const uint32_t id = dms_kernel_row_by_name(names[k])->id;
        const bool is_same =
            dms_cpu_kernel_find(id, DMS_ISA_VNNI) == dms_cpu_kernel_find(id, DMS_ISA_AVX512);
        assert_int_equal(is_same, id != DMS_K_CONV_BYTES);
    }
}

/* A row that says too little, or names fewer parameters than it takes, is a mistake of ours. */
static void every_row_is_complete(void **state) {
    (void)state;
    for (int k = 0; k < N_NAMES; k++) {
        const dms_kernel_row *row = dms_kernel_row_by_name(names[k]);
        assert_non_null(row->check);
        assert_true(row->min_in <= row->max_in && row->min_out >= 1);
        assert_true(row->max_in + row->max_out <= DMS_MAX_OPERANDS);
        for (int i = 0; row->i_name != NULL && row->n_i != 255 && i < row->n_i; i++)
            assert_non_null(row->i_name[i]);
        assert_true(row->cpu_dtypes != 0);
    }
}

/* y[3,40] = a[3,8] b[8,40] as the smallest call that has everything. */
static void begin_product(call_case *c) {
    const int64_t a[2] = {3, 8}, b[2] = {8, 40}, y[2] = {3, 40}, i[2] = {0, 40};
    const double f[2] = {1, 1};
    call_begin(c, DMS_K_MATMUL, 1);
    call_in(c, DMS_DTYPE_F32, 2, a);
    call_in(c, DMS_DTYPE_F32, 2, b);
    call_out(c, DMS_DTYPE_F32, 2, y);
    call_params(c, 2, i, 2, f);
}

static void calls_are_checked_before_their_row_sees_them(void **state) {
    (void)state;
    call_case c;
    begin_product(&c);
    call_is_valid(&c);
    c.call.kernel = 9999;
    call_is_refused(&c, "kernel 9999 is not known");
    c.call.kernel = DMS_K_MATMUL;
    c.call.n_in = 1;
    call_is_refused(&c, "1 inputs and 1 outputs");
    c.call.n_in = UINT32_MAX;
    call_is_refused(&c, "inputs");
    c.call.n_in = 2;
    c.call.n_i = 1;
    call_is_refused(&c, "1 integer and 2 real parameters");
    c.call.n_i = 2;
    c.view[0].rank = 9;
    call_is_refused(&c, "kernel 'matmul', operand 0: rank 9");
    c.view[0].rank = 2;
    c.view[0].dim[0] = -1;
    call_is_refused(&c, "kernel 'matmul', operand 0");
    call_free(&c);
}

/* Pitches of y[3,40]; `true` where two indices meet in one element. */
static void outputs_may_be_strided_but_never_repeat(void **state) {
    (void)state;
    static const struct {
        int64_t pitch[2];
        bool repeats;
    } table[] = {{{40, 1}, false}, {{39, 1}, true},  {{1, 3}, false}, {{1, 2}, true},
                 {{0, 1}, true},   {{64, 1}, false}, {{80, 2}, false}};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        call_case c;
        begin_product(&c);
        memcpy(c.view[2].pitch, table[k].pitch, sizeof table[k].pitch);
        if (table[k].repeats)
            call_is_refused(&c, "an output repeats elements");
        else
            call_is_valid(&c);
        call_free(&c);
    }
}

/* [16, 32) of 40 columns: b and y shrink along their last axis and begin 16 elements later, a is
 * used whole, the parameter n becomes 16. An operand that names cells keeps its offset. */
static void a_slice_narrows_every_operand_along_its_axis(void **state) {
    (void)state;
    call_case c;
    dms_cut cut;
    dms_view view[3];
    int64_t i[2];
    dms_call piece;
    const bool from_cell[3] = {false, true, false};
    begin_product(&c);
    c.view[2].offset = 100;
    assert_true(dms_kernel_row_find(DMS_K_MATMUL)->cut(&c.call, &cut));
    assert_int_equal(cut.extent, 40);
    assert_true(dms_call_slice(&c.call, &cut, 16, 32, from_cell, view, i, &piece));
    assert_memory_equal(&view[0], &c.view[0], sizeof view[0]);
    assert_int_equal(view[1].dim[1], 16);
    assert_int_equal(view[1].offset, 0);
    assert_int_equal(view[2].dim[1], 16);
    assert_int_equal(view[2].offset, 116);
    assert_int_equal(i[1], 16);
    assert_false(dms_call_slice(&c.call, &cut, 8, 32, NULL, view, i, &piece));  /* no granule */
    assert_false(dms_call_slice(&c.call, &cut, 16, 24, NULL, view, i, &piece)); /* not the end */
    assert_false(dms_call_slice(&c.call, &cut, 32, 48, NULL, view, i, &piece)); /* beyond it */
    assert_false(dms_call_slice(&c.call, &cut, 16, 16, NULL, view, i, &piece)); /* empty */
    assert_true(dms_call_slice(&c.call, &cut, 32, 40, NULL, view, i, &piece));
    call_free(&c);
}

/* 40 columns are panels 0, 1, 2; [16, 40) are panels 1 and 2. */
static void a_slice_of_panels_counts_in_panels(void **state) {
    (void)state;
    call_case c;
    dms_cut cut;
    dms_packing packing;
    dms_view view[3];
    int64_t i[2];
    dms_call piece;
    dms_status st = {0};
    begin_product(&c);
    const dms_kernel_row *row = dms_kernel_row_find(DMS_K_MATMUL);
    assert_true(row->pack(&c.call, 1, DMS_DEVICE_CPU, &packing));
    assert_false(row->pack(&c.call, 0, DMS_DEVICE_CPU, &packing));
    assert_int_equal(packing.valid_last, 8);
    c.view[1] = packing.stored;
    memcpy(c.i, packing.i, sizeof i);
    call_is_valid(&c);
    assert_true(row->cut(&c.call, &cut));
    assert_true(dms_call_slice(&c.call, &cut, 16, 40, NULL, view, i, &piece));
    assert_int_equal(view[1].dim[0], 2);
    assert_int_equal(view[1].offset, 8 * 16);
    assert_int_equal(dms_call_check(&piece, &st), DMS_OK);
    call_free(&c);
}

/* 3 x 40 sums of 8 products; a bias row that repeats counts once. */
static void cost_counts_work_and_each_byte_once(void **state) {
    (void)state;
    call_case c;
    begin_product(&c);
    dms_cost cost = dms_call_cost(&c.call);
    assert_int_equal(cost.flops, 2 * 3 * 40 * 8);
    assert_int_equal(cost.bytes, 4 * (3 * 8 + 8 * 40 + 3 * 40));
    c.view[0].pitch[0] = 0;
    assert_int_equal(dms_call_cost(&c.call).bytes, 4 * (8 + 8 * 40 + 3 * 40));
    call_free(&c);
}

static void the_hash_sees_everything_that_matters_and_nothing_else(void **state) {
    (void)state;
    call_case c;
    begin_product(&c);
    const dms_hash before = dms_call_hash(&c.call);
    c.view[0].dim[5] = c.view[0].pitch[7] = 77; /* beyond the rank */
    assert_true(dms_hash_equal(before, dms_call_hash(&c.call)));
    c.view[1].pitch[0] = 41;
    assert_false(dms_hash_equal(before, dms_call_hash(&c.call)));
    c.view[1].pitch[0] = 40;
    c.f[1] = 2;
    assert_false(dms_hash_equal(before, dms_call_hash(&c.call)));
    c.f[1] = 1;
    c.i[0] = 1;
    assert_false(dms_hash_equal(before, dms_call_hash(&c.call)));
    c.i[0] = 0;
    c.view[2].offset = 1;
    assert_false(dms_hash_equal(before, dms_call_hash(&c.call)));
    c.view[2].offset = 0;
    assert_true(dms_hash_equal(before, dms_call_hash(&c.call)));
    call_free(&c);
}

static void a_call_of_types_that_the_device_lacks_is_refused(void **state) {
    (void)state;
    call_case c;
    dms_status st = {0};
    begin_product(&c);
    assert_true(dms_call_runs_on_cpu(&c.call));
    void *scratch = dms_alloc(&c.arena, DMS_CPU_SCRATCH_BYTES, 1);
    assert_int_equal(dms_cpu_run(&c.call, c.data, NULL, scratch, &st), DMS_OK);
    for (int k = 0; k < 3; k++)
        c.view[k].dtype = DMS_DTYPE_BOOL;
    assert_false(dms_call_runs_on_cpu(&c.call));
    assert_int_equal(dms_cpu_run(&c.call, c.data, NULL, scratch, &st), DMS_EDEVICE);
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_kernel_is_found_by_name_and_id),
        cmocka_unit_test(a_set_without_its_own_kernel_has_the_one_beneath),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(calls_are_checked_before_their_row_sees_them),
        cmocka_unit_test(outputs_may_be_strided_but_never_repeat),
        cmocka_unit_test(a_slice_narrows_every_operand_along_its_axis),
        cmocka_unit_test(a_slice_of_panels_counts_in_panels),
        cmocka_unit_test(cost_counts_work_and_each_byte_once),
        cmocka_unit_test(the_hash_sees_everything_that_matters_and_nothing_else),
        cmocka_unit_test(a_call_of_types_that_the_device_lacks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
