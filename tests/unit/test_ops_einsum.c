/* test_ops_einsum.c - Einsum: equations, dims of results, what they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void labels_name_the_dims_of_the_result(void **state) {
    (void)state;
    INFERS("Einsum-12", "a:f32[2,3,4] b:f32[2,4,5]", "equation='bij, bjk -> bik'", 1,
           "f32 [2, 3, 5]");
    INFERS("Einsum-12", "a:f32[2,3]", "equation='ij->ji'", 1, "f32 [3, 2]");
    INFERS("Einsum-12", "a:f32[3] b:f32[3]", "equation='i,i'", 1, "f32 []");
    INFERS("Einsum-12", "a:f32[2,3] b:f32[4,3]", "equation='ij,kj->ki'", 1, "f32 [4, 2]");
}

static void without_an_arrow_labels_that_occur_once_stay_in_order(void **state) {
    (void)state;
    INFERS("Einsum-12", "a:f32[2,3] b:f32[3,4]", "equation='zj,ja'", 1, "f32 [4, 2]");
    INFERS("Einsum-12", "a:f32[2,3]", "equation='bA'", 1, "f32 [3, 2]");
}

static void an_ellipsis_stands_for_the_axes_that_are_left(void **state) {
    (void)state;
    INFERS("Einsum-12", "a:f32[7,2,3] b:f32[3,4]", "equation='...ij,jk->...ik'", 1,
           "f32 [7, 2, 4]");
    INFERS("Einsum-12", "a:f32[6,1,2,3] b:f32[5,3,4]", "equation='...ij,...jk'", 1,
           "f32 [6, 5, 2, 4]");
    INFERS("Einsum-12", "a:f32[5,3,3]", "equation='...ii->...i'", 1, "f32 [5, 3]");
}

static void one_input_in_another_order_is_a_copy(void **state) {
    (void)state;
    CALLS("Einsum-12", "a:f32[2,3]", "equation='ij->ji'", "copy(0)");
    assert_string_equal(op_operand(0, 0), "f32 [3, 2] pitches [1, 3] offset 0");
}

static void a_diagonal_is_one_axis_with_both_pitches(void **state) {
    (void)state;
    CALLS("Einsum-12", "a:f32[5,3,3]", "equation='...ii->...i'", "copy(0)");
    assert_string_equal(op_operand(0, 0), "f32 [5, 3] pitches [9, 4] offset 0");
}

static void batch_rows_columns_and_sums_make_a_product_of_matrices(void **state) {
    (void)state;
    CALLS("Einsum-12", "a:f32[2,3,4] b:f32[2,4,5]", "equation='bij,bjk->bik'", "matmul(0 5 | 1 0)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4, 5] pitches [20, 5, 1] offset 0");
    CALLS("Einsum-12", "a:f32[2,3] b:f32[4,3]", "equation='ij,kj->ik'", "matmul(0 4 | 1 0)");
    assert_string_equal(op_operand(0, 1), "f32 [3, 4] pitches [1, 3] offset 0");
}

static void heads_between_batch_and_positions_are_walked_in_place(void **state) {
    (void)state;
    /* attention scores: q [b, s, h, d], k [b, t, h, d] */
    CALLS("Einsum-12", "q:f32[2,3,4,8] k:f32[2,5,4,8]", "equation='bshd,bthd->bhst'",
          "matmul(0 5 | 1 0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 3, 8] pitches [96, 8, 32, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4, 8, 5] pitches [160, 8, 1, 32] offset 0");
}

static void groups_that_no_view_can_merge_are_copied(void **state) {
    (void)state;
    /* rows i and k of a lie around the summed j */
    CALLS("Einsum-12", "a:f32[2,3,4] b:f32[3,5]", "equation='ijk,jl->ikl'",
          "copy(0); matmul(0 5 | 1 0)");
    /* a result whose rows and columns are woven: i l k */
    CALLS("Einsum-12", "a:f32[2,4,3] b:f32[3,5]", "equation='ikj,jl->ilk'",
          "matmul(0 5 | 1 0); copy(0)");
}

static void without_a_sum_it_is_a_product_of_elements(void **state) {
    (void)state;
    CALLS("Einsum-12", "a:f32[2] b:f32[3]", "equation='i,j->ij'", "binary(2)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 3] pitches [1, 0] offset 0");
}

static void equations_that_contradict_the_inputs_are_refused(void **state) {
    (void)state;
    INFERS("Einsum-12", "a:f32[2,3]", "equation='ijk->i'", 1,
           "node 'n' (Einsum): equation has 3 axes for input 'a' of rank 2");
    INFERS("Einsum-12", "a:f32[2,3] b:f32[4]", "equation='ij,j->i'", 1,
           "node 'n' (Einsum): input 'b' has 4 along axis 0, its label 3");
    INFERS("Einsum-12", "a:f32[2]", "equation='i->k'", 1,
           "node 'n' (Einsum): the result of its equation repeats or invents a label");
    INFERS("Einsum-12", "a:f32[2]", "equation='i->ii'", 1,
           "node 'n' (Einsum): the result of its equation repeats or invents a label");
    INFERS("Einsum-12", "a:f32[2]", "equation='i,j->i'", 1,
           "node 'n' (Einsum): equation has another number of terms than inputs");
    INFERS("Einsum-12", "a:f32[2]", "equation='1->1'", 1,
           "node 'n' (Einsum): equation '1->1' is not understood");
    INFERS("Einsum-12", "a:f32[2]", "equation='ijklmnopq'", 1,
           "node 'n' (Einsum): equation 'ijklmnopq' is not understood");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_name_the_dims_of_the_result),
        cmocka_unit_test(without_an_arrow_labels_that_occur_once_stay_in_order),
        cmocka_unit_test(an_ellipsis_stands_for_the_axes_that_are_left),
        cmocka_unit_test(one_input_in_another_order_is_a_copy),
        cmocka_unit_test(a_diagonal_is_one_axis_with_both_pitches),
        cmocka_unit_test(batch_rows_columns_and_sums_make_a_product_of_matrices),
        cmocka_unit_test(heads_between_batch_and_positions_are_walked_in_place),
        cmocka_unit_test(groups_that_no_view_can_merge_are_copied),
        cmocka_unit_test(without_a_sum_it_is_a_product_of_elements),
        cmocka_unit_test(equations_that_contradict_the_inputs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
