/* test_ops_along.c - Softmax and its kin, ArgMax, CumSum, TopK: work along one axis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void softmax_flattens_behind_its_axis_before_opset_13(void **state) {
    (void)state;
    CALLS("Softmax-11", "x:f32[2,3,4]", "", "softmax(0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 12] pitches [12, 1] offset 0");
    CALLS("Softmax-1", "x:f32[2,3,4]", "axis=2", "softmax(0)");
    assert_string_equal(op_operand(0, 0), "f32 [6, 4] pitches [4, 1] offset 0");
}

static void softmax_works_along_its_axis_from_opset_13_on(void **state) {
    (void)state;
    CALLS("Softmax-13", "x:f32[2,3,4]", "", "softmax(0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 3, 4] pitches [12, 4, 1] offset 0");
    CALLS("LogSoftmax-13", "x:f32[2,3,4]", "axis=1", "softmax(1)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 3] pitches [12, 1, 4] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4, 3] pitches [12, 1, 4] offset 0");
}

static void softmax_of_a_scalar_is_one_row(void **state) {
    (void)state;
    CALLS("Softmax-13", "x:f32[]", "", "softmax(0)");
    assert_string_equal(op_operand(0, 0), "f32 [1] pitches [1] offset 0");
}

static void softmax_refuses_axes_and_dtypes(void **state) {
    (void)state;
    INFERS("Softmax-13", "x:f32[2]", "axis=1", 1,
           "node 'n' (Softmax): axis 1 is outside a tensor of rank 1");
    INFERS("Softmax-13", "x:i64[2]", "", 1,
           "node 'n' (Softmax): input 'x' has dtype i64, which this operator does not take");
}

static void hardmax_is_one_hot_of_the_largest(void **state) {
    (void)state;
    CALLS("Hardmax-13", "x:f32[2,3,4]", "axis=1", "arg(0 0); one_hot()");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 3] pitches [12, 1, 4] offset 0");
    assert_string_equal(op_operand(1, 2), "f32 [2, 3, 4] pitches [12, 4, 1] offset 0");
    CALLS("Hardmax-11", "x:f32[2,3,4]", "", "arg(0 0); one_hot()");
    assert_string_equal(op_operand(1, 2), "f32 [2, 12, 1] pitches [12, 1, 1] offset 0");
}

static void arg_drops_or_keeps_its_axis(void **state) {
    (void)state;
    INFERS("ArgMax-13", "x:f32[2,3]", "", 1, "i64 [1, 3]");
    INFERS("ArgMin-13", "x:f32[2,3]", "axis=-1 keepdims=0", 1, "i64 [2]");
    CALLS("ArgMin-13", "x:f32[2,3]", "", "arg(1 0)");
    CALLS("ArgMax-12", "x:f32[2,3]", "select_last_index=1", "arg(0 1)");
    assert_string_equal(op_operand(0, 0), "f32 [3, 2] pitches [1, 3] offset 0");
    INFERS("ArgMax-13", "x:f32[2,0]", "axis=1", 1,
           "node 'n' (ArgMax): input 'x' is empty along axis 1");
}

static void cumsum_takes_its_axis_as_input(void **state) {
    (void)state;
    INFERS("CumSum-14", "x:f32[2,3] a=i32(1)", "", 1, "f32 [2, 3]");
    CALLS("CumSum-11", "x:f32[2,3] a=i64(-2)", "exclusive=1 reverse=1", "cumsum(1 1)");
    assert_string_equal(op_operand(0, 1), "f32 [3, 2] pitches [1, 3] offset 0");
    INFERS("CumSum-14", "x:f32[2,3] a=i64(2)", "", 1,
           "node 'n' (CumSum): axis 2 is outside a tensor of rank 2");
}

static void topk_takes_k_as_attribute_before_10_and_as_input_after(void **state) {
    (void)state;
    INFERS("TopK-1", "x:f32[2,9]", "k=3", 2, "f32 [2, 3]; i64 [2, 3]");
    INFERS("TopK-11", "x:i32[9,2] k=i64{3}", "axis=0", 2, "i32 [3, 2]; i64 [3, 2]");
    assert_string_equal(op_calls("TopK-11", "x:f32[2,9] k=i64{3}", "largest=0 sorted=0", 2),
                        "topk(0 0)");
    assert_string_equal(op_calls("TopK-10", "x:f32[2,9] k=i64{3}", "", 1), "topk(1 1)");
}

static void topk_refuses_more_than_there_are(void **state) {
    (void)state;
    INFERS("TopK-11", "x:f32[2,9] k=i64{10}", "", 2,
           "node 'n' (TopK): k is 10, axis 1 has 9 elements");
    INFERS("TopK-1", "x:f32[2,9]", "", 2, "node 'n' (TopK): k is -1, axis 1 has 9 elements");
    INFERS("TopK-11", "x:f32[9] k=i64{1,2}", "", 2,
           "node 'n' (TopK): input 'k' has 2 elements, wants 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_flattens_behind_its_axis_before_opset_13),
        cmocka_unit_test(softmax_works_along_its_axis_from_opset_13_on),
        cmocka_unit_test(softmax_of_a_scalar_is_one_row),
        cmocka_unit_test(softmax_refuses_axes_and_dtypes),
        cmocka_unit_test(hardmax_is_one_hot_of_the_largest),
        cmocka_unit_test(arg_drops_or_keeps_its_axis),
        cmocka_unit_test(cumsum_takes_its_axis_as_input),
        cmocka_unit_test(topk_takes_k_as_attribute_before_10_and_as_input_after),
        cmocka_unit_test(topk_refuses_more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
