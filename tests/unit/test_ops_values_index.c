/* test_ops_values_index.c - small tensors through indices, reductions and work along one axis;
 * expected values from the reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void gather_copies_entries_of_an_axis(void **state) {
    (void)state;
    VALUES("Gather-13", "x:i32[3,2] i=i64{2,0,2}", "", 1, "i32 [3, 2]: 4 5 0 1 4 5");
    VALUES("Gather-13", "x:i32[2,3] i=i64[2,1]{1,-1}", "axis=1", 1, "i32 [2, 2, 1]: 1 2 4 5");
    VALUES("Gather-11", "x:i32[4] i=i32(-2)", "", 1, "i32 []: 2");
    VALUES("GatherElements-13", "x:i32[3,2] i=i64[2,2]{2,0,-1,1}", "", 1, "i32 [2, 2]: 4 1 4 3");
    VALUES("GatherElements-13", "x:i32[2,3] i=i64[2,1]{2,0}", "axis=1", 1, "i32 [2, 1]: 2 3");
}

static void gather_nd_picks_positions(void **state) {
    (void)state;
    VALUES("GatherND-13", "x:i32[2,2] i=i64[2,2]{0,1,1,0}", "", 1, "i32 [2]: 1 2");
    VALUES("GatherND-13", "x:i32[3,2] i=i64[2,1]{2,-3}", "", 1, "i32 [2, 2]: 4 5 0 1");
    VALUES("GatherND-12", "x:i32[2,3,2] i=i64[2,1]{2,0}", "batch_dims=1", 1, "i32 [2, 2]: 4 5 6 7");
}

static void scatter_writes_or_combines(void **state) {
    (void)state;
    VALUES("ScatterElements-13", "x:i32[3,2] i=i64[1,2]{2,0} u=i32[1,2]{70,80}", "", 1,
           "i32 [3, 2]: 0 80 2 3 70 5");
    VALUES("ScatterElements-16", "x:i32[4] i=i64{1,1} u=i32{10,20}", "reduction='add'", 1,
           "i32 [4]: 0 31 2 3");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("ScatterElements-18", "x:i32[4] i=i64{3,3} u=i32{1,2}", "reduction='mul'", 1,
           "i32 [4]: 0 1 2 6");
    VALUES("ScatterElements-18", "x:i32[4] i=i64{1,2} u=i32{-5,9}", "reduction='min'", 1,
           "i32 [4]: 0 -5 2 3");
    VALUES("ScatterND-13", "x:i32[3,2] i=i64[2,1]{2,0} u=i32[2,2]{7,8,9,6}", "", 1,
           "i32 [3, 2]: 9 6 2 3 7 8");
    VALUES("ScatterND-18", "x:i32[4] i=i64[2,1]{1,1} u=i32{5,6}", "reduction='add'", 1,
           "i32 [4]: 0 12 2 3");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("ScatterND-18", "x:i32[2,2] i=i64[1,2]{1,1} u=i32[1]{-4}", "reduction='max'", 1,
           "i32 [2, 2]: 0 1 2 3");
}

static void one_hot_marks_a_place(void **state) {
    (void)state;
    /* by hand: the reference implementation differs from the specification here */
    VALUES("OneHot-11", "i=i64{1,-1,5} d=i64(3) v=i32{0,7}", "", 1,
           "i32 [3, 3]: 0 7 0 0 0 7 0 0 0");
    VALUES("OneHot-11", "i=i64{1,0} d=i64(2) v=f32{0.5,1}", "axis=0", 1, "f32 [2, 2]: 0.5 1 1 0.5");
}

static void reductions_over_some_or_all_axes(void **state) {
    (void)state;
    VALUES("ReduceSum-13", "x:f32[2,3] a=i64{1}", "", 1, "f32 [2, 1]: 3 12");
    VALUES("ReduceSum-13", "x:i32[2,3]", "keepdims=0", 1, "i32 []: 15");
    VALUES("ReduceMean-13", "x:f32[2,3]", "axes=[0] keepdims=0", 1, "f32 [3]: 1.5 2.5 3.5");
    VALUES("ReduceMax-18", "x:f32[2,2,2] a=i64{0,2}", "", 1, "f32 [1, 2, 1]: 5 7");
    VALUES("ReduceMin-13", "x:i64[2,3]", "axes=[-1]", 1, "i64 [2, 1]: 0 3");
    VALUES("ReduceProd-18", "x=f32[2,2]{1,2,3,4} a=i64{0}", "", 1, "f32 [1, 2]: 3 8");
    VALUES("ReduceL1-18", "x=f32{-1,2,-3}", "", 1, "f32 [1]: 6");
    VALUES("ReduceL2-18", "x=f32{-3,4} a=i64{0}", "", 1, "f32 [1]: 5");
    VALUES("ReduceSumSquare-13", "x=f32{-1,2,-3}", "", 1, "f32 [1]: 14");
    VALUES("ReduceLogSum-18", "x=f32{1,2,4}", "", 1, "f32 [1]: 1.946");
    VALUES("ReduceLogSumExp-18", "x=f32[2,2]{0,0,1,1} a=i64{1}", "keepdims=0", 1,
           "f32 [2]: 0.6931 1.693");
    VALUES("ReduceSum-13", "x:f32[2,2]", "noop_with_empty_axes=1", 1, "f32 [2, 2]: 0 1 2 3");
    VALUES("ReduceMax-20", "x=bool[2,2]{0,0,0,1} a=i64{1}", "", 1, "bool [2, 1]: 0 1");
}

static void global_pools_give_one_number_per_channel(void **state) {
    (void)state;
    VALUES("GlobalAveragePool-1", "x:f32[1,2,2,2]", "", 1, "f32 [1, 2, 1, 1]: 1.5 5.5");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("GlobalMaxPool-1", "x:f32[1,2,3]", "", 1, "f32 [1, 2, 1]: 2 5");
}

static void softmax_sums_to_one_along_its_axis(void **state) {
    (void)state;
    VALUES("Softmax-13", "x=f32[2,2]{0,0,0,1}", "", 1, "f32 [2, 2]: 0.5 0.5 0.2689 0.7311");
    VALUES("Softmax-13", "x=f32[2,2]{0,0,0,1}", "axis=0", 1, "f32 [2, 2]: 0.5 0.2689 0.5 0.7311");
    VALUES("LogSoftmax-13", "x=f32{0,0}", "", 1, "f32 [2]: -0.6931 -0.6931");
    VALUES("Hardmax-13", "x=f32[2,3]{1,3,3,2,0,1}", "", 1, "f32 [2, 3]: 0 1 0 1 0 0");
    VALUES("Hardmax-13", "x=f32[2,2]{1,5,2,4}", "axis=0", 1, "f32 [2, 2]: 0 1 1 0");
}

static void positions_of_the_largest_and_smallest(void **state) {
    (void)state;
    VALUES("ArgMax-13", "x=f32[2,3]{1,3,3,2,0,1}", "axis=1", 1, "i64 [2, 1]: 1 0");
    VALUES("ArgMax-13", "x=f32[2,3]{1,3,3,2,0,1}", "axis=1 select_last_index=1 keepdims=0", 1,
           "i64 [2]: 2 0");
    VALUES("ArgMin-13", "x=f32[2,3]{1,3,3,2,0,1}", "", 1, "i64 [1, 3]: 0 1 1");
}

static void sums_up_to_here(void **state) {
    (void)state;
    VALUES("CumSum-14", "x:f32[2,3] a=i32(1)", "", 1, "f32 [2, 3]: 0 1 3 3 7 12");
    VALUES("CumSum-14", "x=f32{1,2,3} a=i32(0)", "exclusive=1", 1, "f32 [3]: 0 1 3");
    VALUES("CumSum-14", "x=f32{1,2,3} a=i32(0)", "reverse=1", 1, "f32 [3]: 6 5 3");
    VALUES("CumSum-14", "x:i32[2,2] a=i32(0)", "exclusive=1 reverse=1", 1, "i32 [2, 2]: 2 3 0 0");
}

static void the_k_largest_with_their_places(void **state) {
    (void)state;
    VALUES("TopK-11", "x=f32{3,1,4,1,5} k=i64{3}", "", 2, "f32 [3]: 5 4 3; i64 [3]: 4 2 0");
    VALUES("TopK-11", "x=f32{3,1,4,1,5} k=i64{2}", "largest=0", 2, "f32 [2]: 1 1; i64 [2]: 1 3");
    VALUES("TopK-11", "x=f32[2,2]{1,4,3,2} k=i64{1}", "axis=0", 2,
           "f32 [1, 2]: 3 4; i64 [1, 2]: 1 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_copies_entries_of_an_axis),
        cmocka_unit_test(gather_nd_picks_positions),
        cmocka_unit_test(scatter_writes_or_combines),
        cmocka_unit_test(one_hot_marks_a_place),
        cmocka_unit_test(reductions_over_some_or_all_axes),
        cmocka_unit_test(global_pools_give_one_number_per_channel),
        cmocka_unit_test(softmax_sums_to_one_along_its_axis),
        cmocka_unit_test(positions_of_the_largest_and_smallest),
        cmocka_unit_test(sums_up_to_here),
        cmocka_unit_test(the_k_largest_with_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
