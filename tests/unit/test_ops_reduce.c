/* test_ops_reduce.c - the Reduce operators and the global pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void axes_are_an_attribute_before_18_and_an_input_after(void **state) {
    (void)state;
    INFERS("ReduceMean-13", "x:f32[2,3,4]", "axes=[-1]", 1, "f32 [2, 3, 1]");
    INFERS("ReduceMean-18", "x:f32[2,3,4] a=i64{-1}", "", 1, "f32 [2, 3, 1]");
    INFERS("ReduceSum-11", "x:f32[2,3,4]", "axes=[0,2] keepdims=0", 1, "f32 [3]");
    INFERS("ReduceSum-13", "x:f32[2,3,4] a=i64{0,2}", "keepdims=0", 1, "f32 [3]");
}

static void without_axes_all_go_unless_the_node_says_none(void **state) {
    (void)state;
    INFERS("ReduceMax-13", "x:i64[2,3]", "", 1, "i64 [1, 1]");
    INFERS("ReduceMax-13", "x:i64[2,3]", "keepdims=0", 1, "i64 []");
    INFERS("ReduceSum-13", "x:f32[2,3] a=i64{}", "", 1, "f32 [1, 1]");
    INFERS("ReduceSum-13", "x:f32[2,3] a=i64{}", "noop_with_empty_axes=1", 1, "f32 [2, 3]");
    INFERS("ReduceSum-13", "x:f32[2,3]", "noop_with_empty_axes=1", 1, "f32 [2, 3]");
}

static void reducing_nothing_is_a_view_where_single_elements_stay(void **state) {
    (void)state;
    VIEWS("ReduceSum-13", "x:f32[2,3]", "noop_with_empty_axes=1", "[2, 3] pitches [3, 1] offset 0");
    VIEWS("ReduceMean-18", "x:f32[2,1] a=i64{1}", "keepdims=0", "[2] pitches [1] offset 0");
    VIEWS("ReduceL1-18", "x:f32[2,1] a=i64{1}", "keepdims=0", "no view"); /* |x| */
    VIEWS("ReduceSum-13", "x:f32[2,3] a=i64{1}", "", "no view");
}

static void reduced_axes_are_moved_behind_the_others(void **state) {
    (void)state;
    CALLS("ReduceMean-18", "x:f32[2,3,4] a=i64{1}", "", "reduce(1 2)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 3] pitches [12, 1, 4] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4] pitches [4, 1] offset 0");
    CALLS("ReduceLogSumExp-13", "x:f32[2,3]", "", "reduce(9 0)");
    assert_string_equal(op_operand(0, 1), "f32 [] pitches [] offset 0");
}

static void extremes_of_bool_exist_from_opset_20_on(void **state) {
    (void)state;
    CALLS("ReduceMax-20", "x:bool[2,3] a=i64{1}", "", "reduce(2 1)");
    INFERS("ReduceMax-18", "x:bool[2,3] a=i64{1}", "", 1,
           "node 'n' (ReduceMax): input 'x' has dtype bool, which this operator does not take");
}

static void logarithms_of_integers_are_refused(void **state) {
    (void)state;
    INFERS("ReduceLogSum-18", "x:i64[2]", "", 1,
           "node 'n' (ReduceLogSum): input 'x' has dtype i64, which this operator does not take");
}

static void wrong_axes_are_refused(void **state) {
    (void)state;
    INFERS("ReduceSum-13", "x:f32[2,3] a=i64{2}", "", 1,
           "node 'n' (ReduceSum): axis 2 is outside a tensor of rank 2");
    INFERS("ReduceSum-13", "x:f32[2,3] a=i64{0,-2}", "", 1,
           "node 'n' (ReduceSum): axis 0 is named twice");
    INFERS("ReduceSum-13", "x:f32[2,3] a:i64[1]", "", 1,
           "node 'n' (ReduceSum): input 'a' is computed from data, so no memory can be planned; "
           "it must follow from constants and shapes");
}

static void global_pools_reduce_all_spatial_axes(void **state) {
    (void)state;
    INFERS("GlobalAveragePool-1", "x:f32[2,3,4,5]", "", 1, "f32 [2, 3, 1, 1]");
    CALLS("GlobalAveragePool-1", "x:f32[2,3,4,5]", "", "reduce(1 2)");
    CALLS("GlobalMaxPool-1", "x:f32[2,3,4,5,6]", "", "reduce(2 2)");
    CALLS("GlobalLpPool-2", "x:f32[2,3,4]", "p=1", "reduce(5 2)");
    CALLS("GlobalLpPool-2", "x:f32[2,3,4]", "", "reduce(6 2)");
    INFERS("GlobalLpPool-2", "x:f32[2,3,4]", "p=3", 1,
           "node 'n' (GlobalLpPool): attribute 'p' is 3, wants 1 to 2");
    INFERS("GlobalMaxPool-1", "x:f32[2]", "", 1,
           "node 'n' (GlobalMaxPool): input 'x' has rank 1, wants 2 to 8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_are_an_attribute_before_18_and_an_input_after),
        cmocka_unit_test(without_axes_all_go_unless_the_node_says_none),
        cmocka_unit_test(reducing_nothing_is_a_view_where_single_elements_stay),
        cmocka_unit_test(reduced_axes_are_moved_behind_the_others),
        cmocka_unit_test(extremes_of_bool_exist_from_opset_20_on),
        cmocka_unit_test(logarithms_of_integers_are_refused),
        cmocka_unit_test(wrong_axes_are_refused),
        cmocka_unit_test(global_pools_reduce_all_spatial_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
