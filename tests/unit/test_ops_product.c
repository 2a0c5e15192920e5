/* test_ops_product.c - MatMul and Gemm: shapes, matrices as views, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void matmul_broadcasts_leading_axes(void **state) {
    (void)state;
    INFERS("MatMul-13", "a:f32[5,1,2,3] b:f32[4,3,6]", "", 1, "f32 [5, 4, 2, 6]");
    INFERS("MatMul-1", "a:f32[2,3] b:f32[3,6]", "", 1, "f32 [2, 6]");
    INFERS("MatMul-13", "a:f32[0,3] b:f32[3,6]", "", 1, "f32 [0, 6]");
}

static void vectors_lose_the_axis_they_were_given(void **state) {
    (void)state;
    INFERS("MatMul-13", "a:f32[3] b:f32[3]", "", 1, "f32 []");
    INFERS("MatMul-13", "a:f32[3] b:f32[5,3,6]", "", 1, "f32 [5, 6]");
    INFERS("MatMul-13", "a:f32[5,2,3] b:f32[3]", "", 1, "f32 [5, 2]");
}

static void one_matrix_for_all_rows_makes_one_product(void **state) {
    (void)state;
    CALLS("MatMul-13", "a:f32[5,2,3] b:f32[3,6]", "", "matmul(0 6 | 1 0)");
    assert_string_equal(op_operand(0, 0), "f32 [10, 3] pitches [3, 1] offset 0");
    assert_string_equal(op_operand(0, 2), "f32 [10, 6] pitches [6, 1] offset 0");
}

static void a_matrix_per_batch_is_read_by_its_pitches(void **state) {
    (void)state;
    CALLS("MatMul-13", "a:f32[5,1,2,3] b:f32[4,3,6]", "", "matmul(0 6 | 1 0)");
    assert_string_equal(op_operand(0, 0), "f32 [5, 4, 2, 3] pitches [6, 0, 3, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [5, 4, 3, 6] pitches [0, 18, 6, 1] offset 0");
}

static void a_sum_over_nothing_is_zero(void **state) {
    (void)state;
    CALLS("MatMul-13", "a:f32[2,0] b:f32[0,6]", "", "fill(0)");
}

static void matmul_refuses_matrices_that_do_not_fit(void **state) {
    (void)state;
    INFERS("MatMul-13", "a:f32[2,3] b:f32[4,6]", "", 1,
           "node 'n' (MatMul): input 'a' has 3 columns, input 'b' 4 rows");
    INFERS("MatMul-13", "a:f32[2,2,3] b:f32[3,3,6]", "", 1,
           "node 'n' (MatMul): inputs 'a' and 'b' have 2 and 3 matrices along axis 0");
    INFERS("MatMul-13", "a:f32[] b:f32[3]", "", 1,
           "node 'n' (MatMul): input 'a' has rank 0, wants 1 to 8");
    INFERS("MatMul-13", "a:f32[2,3] b:f64[3,6]", "", 1,
           "node 'n' (MatMul): input 'b' has dtype f64, input 'a' has f32");
}

/* ---- Gemm ---------------------------------------------------------------------------------- */

static void gemm_transposes_by_pitches(void **state) {
    (void)state;
    INFERS("Gemm-13", "a:f32[3,2] b:f32[6,3] c:f32[6]", "transA=1 transB=1", 1, "f32 [2, 6]");
    CALLS("Gemm-13", "a:f32[3,2] b:f32[6,3] c:f32[6]", "transA=1 transB=1 alpha=0.5",
          "matmul(0 6 | 0.5 1)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 3] pitches [1, 2] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [3, 6] pitches [1, 3] offset 0");
    assert_string_equal(op_operand(0, 2), "f32 [2, 6] pitches [0, 1] offset 0");
}

static void gemm_needs_no_c_from_opset_11_on_and_none_times_0(void **state) {
    (void)state;
    CALLS("Gemm-11", "a:f32[2,3] b:f32[3,6]", "", "matmul(0 6 | 1 1)");
    CALLS("Gemm-13", "a:f32[2,3] b:f32[3,6] c:f32[2,1]", "beta=0.0", "matmul(0 6 | 1 0)");
}

static void gemm_refuses_what_does_not_fit(void **state) {
    (void)state;
    INFERS("Gemm-7", "a:f32[2,3] b:f32[6,3] c:f32[6]", "", 1,
           "node 'n' (Gemm): input 'a' has 3 columns, input 'b' 6 rows");
    INFERS("Gemm-7", "a:f32[2,3] b:f32[3,6] c:f32[2]", "", 1,
           "node 'n' (Gemm): input 'c' has 2 along axis 0, wants 1 or 6");
    INFERS("Gemm-7", "a:f32[1,2,3] b:f32[3,6] c:f32[2]", "", 1,
           "node 'n' (Gemm): input 'a' has rank 3, wants 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_broadcasts_leading_axes),
        cmocka_unit_test(vectors_lose_the_axis_they_were_given),
        cmocka_unit_test(one_matrix_for_all_rows_makes_one_product),
        cmocka_unit_test(a_matrix_per_batch_is_read_by_its_pitches),
        cmocka_unit_test(a_sum_over_nothing_is_zero),
        cmocka_unit_test(matmul_refuses_matrices_that_do_not_fit),
        cmocka_unit_test(gemm_transposes_by_pitches),
        cmocka_unit_test(gemm_needs_no_c_from_opset_11_on_and_none_times_0),
        cmocka_unit_test(gemm_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
