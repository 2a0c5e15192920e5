/* test_ops_contrib.c - operators of com.microsoft: what they compute, and what they lower to. Inputs
 * hold 0, 1, 2, ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

#define MS "com.microsoft/"

static void a_bias_is_added_before_the_activation(void **state) {
    (void)state;
    /* Gelu of 0, 1, 2, 3: x times the normal distribution at x */
    VALUES(MS "Gelu-1", "x:f32[4]", "", 1, "f32 [4]: 0 0.8413 1.954 2.996");
    VALUES(MS "BiasGelu-1", "x:f32[2,2] b=f32{1,0}", "", 1,
           "f32 [2, 2]: 0.8413 0.8413 2.996 2.996");
    CALLS(MS "BiasGelu-1", "x:f32[3,2] b:f32[2]", "", "binary(0); unary(10 | 0 0)");
    CALLS(MS "FastGelu-1", "x:f32[3,2] b:f32[2]", "", "binary(0); unary(11 | 0 0)");
    CALLS(MS "FastGelu-1", "x:f32[3,2]", "", "unary(11 | 0 0)");
    assert_string_equal(op_calls(MS "BiasGelu-1", "x:f32[3,2] b:f32[2]", "", 1),
                        "binary(0); unary(10 | 0 0)");
    assert_string_equal(op_operand(0, 1), "f32 [3, 2] pitches [0, 1] offset 0");
}

/* x sigmoid(alpha x); alpha 0: half of x. */
static void quick_gelu_has_a_factor(void **state) {
    (void)state;
    VALUES(MS "QuickGelu-1", "x:f32[3]", "alpha=0.0", 1, "f32 [3]: 0 0.5 1");
    VALUES(MS "QuickGelu-1", "x:f32[2]", "", 1, "f32 [2]: 0 0.8458");
    CALLS(MS "QuickGelu-1", "x:f32[2]", "", "binary(2); unary(3 | 0 0); binary(2)");
}

/* Rows 0 1 and 2 3 with a skip of 0 1 each: 0 2 and 2 4, means 1 and 3, deviations 1. */
static void a_sum_is_normalised(void **state) {
    (void)state;
    VALUES(MS "SkipLayerNormalization-1", "x:f32[2,2] k=f32[2,2]{0,1,0,1} s=f32{1,2}", "", 1,
           "f32 [2, 2]: -1 2 -1 2");
    VALUES(MS "SkipLayerNormalization-1", "x:f32[2,2] k=f32{0,1} s=f32{1,2} b=f32{5,6}", "", 1,
           "f32 [2, 2]: 4 8 4 8");
    /* a bias of 3 1: 3 3 and 5 5, which do not deviate */
    VALUES(MS "SkipLayerNormalization-1", "x:f32[2,2] k=f32{0,1} s=f32{1,2} b=f32{5,6} c=f32{3,1}",
           "", 1, "f32 [2, 2]: 5 6 5 6");
    /* 3 4 over the root of its mean square, 12.5 */
    VALUES(MS "SkipSimplifiedLayerNormalization-1", "x:f32[1,2] k=f32{1,1} s=f32{1,1} c=f32{2,2}",
           "", 1, "f32 [1, 2]: 0.8485 1.131");
    VALUES("SimplifiedLayerNormalization-1", "x=f32[1,2]{3,4} s=f32{1,2}", "epsilon=0.0", 1,
           "f32 [1, 2]: 0.8485 2.263");
}

static void the_sum_is_made_where_it_is_wanted(void **state) {
    (void)state;
    CALLS(MS "SkipLayerNormalization-1", "x:f32[2,4] k:f32[2,4] s:f32[4] b:f32[4] c:f32[4]", "",
          "binary(0); binary(0); layer_norm(0 | 1e-12)");
    CALLS(MS "SkipSimplifiedLayerNormalization-1", "x:f32[2,4] k:f32[2,4] s:f32[4]", "epsilon=0.5",
          "binary(0); layer_norm(1 | 0.5)");
    CALLS("SimplifiedLayerNormalization-1", "x:f32[2,4] s:f32[4]", "axis=1 epsilon=0.5",
          "layer_norm(1 | 0.5)");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    INFERS(MS "SkipLayerNormalization-1", "x:f32[2,4] k:f32[2,4] s:f32[3]", "", 1,
           "node 'n' (SkipLayerNormalization): input 's' has 3 elements for 4 columns");
    INFERS(MS "SkipLayerNormalization-1", "x:f32[2,4] k:f32[2,4] s:f32[4]", "", 2,
           "node 'n' (SkipLayerNormalization): output 'y1' is a statistic, which is not supported");
    INFERS(MS "SkipLayerNormalization-1", "x:f32[2,4] k:f16[2,4] s:f32[4]", "", 1,
           "node 'n' (SkipLayerNormalization): input 'k' has dtype f16, input 'x' has f32");
    INFERS("SimplifiedLayerNormalization-1", "x:f32[2,4] s:f32[4]", "axis=0", 1,
           "node 'n' (SimplifiedLayerNormalization): attribute 'axis' is 0, wants the last");
    INFERS(MS "BiasGelu-1", "x:f32[2,4] b:f32[2]", "", 1,
           "node 'n' (BiasGelu): input 'b' has 2 elements for 4 columns");
    INFERS(MS "Gelu-1", "x:i32[2]", "", 1,
           "node 'n' (Gelu): input 'x' has dtype i32, which this operator does not take");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bias_is_added_before_the_activation),
        cmocka_unit_test(quick_gelu_has_a_factor),
        cmocka_unit_test(a_sum_is_normalised),
        cmocka_unit_test(the_sum_is_made_where_it_is_wanted),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
