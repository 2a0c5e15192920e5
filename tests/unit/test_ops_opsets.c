/* test_ops_opsets.c - the same operator in two opsets: what changed, in numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

/* Of four equal values: before 13 all axes from `axis` on share one sum of 1, since 13 one axis. */
static void softmax_took_all_axes_that_follow(void **state) {
    (void)state;
    VALUES("Softmax-11", "x=f32[1,2,2]{5,5,5,5}", "axis=1", 1,
           "f32 [1, 2, 2]: 0.25 0.25 0.25 0.25");
    VALUES("Softmax-13", "x=f32[1,2,2]{5,5,5,5}", "axis=1", 1, "f32 [1, 2, 2]: 0.5 0.5 0.5 0.5");
    VALUES("Softmax-11", "x=f32[1,2,2]{5,5,5,5}", "", 1, "f32 [1, 2, 2]: 0.25 0.25 0.25 0.25");
    VALUES("Softmax-13", "x=f32[2,1]{5,9}", "", 1, "f32 [2, 1]: 1 1");
    VALUES("Hardmax-11", "x=f32[1,2,2]{1,2,4,3}", "axis=1", 1, "f32 [1, 2, 2]: 0 0 1 0");
    VALUES("Hardmax-13", "x=f32[1,2,2]{1,2,4,3}", "axis=2", 1, "f32 [1, 2, 2]: 0 1 1 0");
}

/* Axes moved from an attribute to an input: ReduceSum in 13, the other reductions in 18. */
static void axes_of_reductions_moved_to_an_input(void **state) {
    (void)state;
    VALUES("ReduceSum-11", "x:f32[2,3]", "axes=[0] keepdims=0", 1, "f32 [3]: 3 5 7");
    VALUES("ReduceSum-13", "x:f32[2,3] a=i64{0}", "keepdims=0", 1, "f32 [3]: 3 5 7");
    VALUES("ReduceSum-11", "x:f32[2,3]", "", 1, "f32 [1, 1]: 15");
    VALUES("ReduceSum-13", "x:f32[2,3]", "", 1, "f32 [1, 1]: 15");
    VALUES("ReduceSum-13", "x:f32[2,3]", "noop_with_empty_axes=1", 1, "f32 [2, 3]: 0 1 2 3 4 5");
    VALUES("ReduceMax-13", "x:f32[2,3]", "axes=[-1]", 1, "f32 [2, 1]: 2 5");
    VALUES("ReduceMax-18", "x:f32[2,3] a=i64{-1}", "", 1, "f32 [2, 1]: 2 5");
    VALUES("ReduceMean-13", "x:f32[2,3]", "axes=[1] keepdims=0", 1, "f32 [2]: 1 4");
    VALUES("ReduceMean-18", "x:f32[2,3] a=i64{1}", "keepdims=0", 1, "f32 [2]: 1 4");
}

static void axes_of_squeeze_and_unsqueeze_moved_to_an_input(void **state) {
    (void)state;
    VALUES("Squeeze-11", "x:f32[1,2,1]", "axes=[0]", 1, "f32 [2, 1]: 0 1");
    VALUES("Squeeze-13", "x:f32[1,2,1] a=i64{0}", "", 1, "f32 [2, 1]: 0 1");
    VALUES("Squeeze-11", "x:f32[1,2,1]", "", 1, "f32 [2]: 0 1");
    VALUES("Squeeze-13", "x:f32[1,2,1]", "", 1, "f32 [2]: 0 1");
    VALUES("Unsqueeze-11", "x:f32[2]", "axes=[0,2]", 1, "f32 [1, 2, 1]: 0 1");
    VALUES("Unsqueeze-13", "x:f32[2] a=i64{0,2}", "", 1, "f32 [1, 2, 1]: 0 1");
}

static void bounds_of_clip_moved_to_inputs(void **state) {
    (void)state;
    VALUES("Clip-6", "x=f32[4]{-2,0,3,9}", "min=-1.0 max=4.0", 1, "f32 [4]: -1 0 3 4");
    VALUES("Clip-11", "x=f32[4]{-2,0,3,9} l=f32(-1) h=f32(4)", "", 1, "f32 [4]: -1 0 3 4");
    VALUES("Clip-11", "x=f32[4]{-2,0,3,9} - h=f32(4)", "", 1, "f32 [4]: -2 0 3 4");
    VALUES("Clip-13", "x=f32[4]{-2,0,3,9} l=f32(1)", "", 1, "f32 [4]: 1 1 3 9");
    VALUES("Clip-6", "x=f32[4]{-2,0,3,9}", "", 1, "f32 [4]: -2 0 3 9");
}

static void pads_moved_to_an_input_and_got_axes(void **state) {
    (void)state;
    VALUES("Pad-2", "x=f32[2]{1,2}", "pads=[1,2] value=7.0", 1, "f32 [5]: 7 1 2 7 7");
    VALUES("Pad-11", "x=f32[2]{1,2} p=i64{1,2} v=f32(7)", "", 1, "f32 [5]: 7 1 2 7 7");
    VALUES("Pad-13", "x=f32[2]{1,2} p=i64{1,2}", "", 1, "f32 [5]: 0 1 2 0 0");
    VALUES("Pad-18", "x=f32[1,2]{1,2} p=i64{1,0} v=f32(7) a=i64{1}", "", 1, "f32 [1, 3]: 7 1 2");
    VALUES("Pad-11", "x=f32[3]{1,2,3} p=i64{2,1}", "mode='reflect'", 1, "f32 [6]: 3 2 1 2 3 2");
    VALUES("Pad-11", "x=f32[3]{1,2,3} p=i64{2,1}", "mode='edge'", 1, "f32 [6]: 1 1 1 2 3 3");
}

/* Split knew only lists of sizes; since 18 it also takes a number of parts, the last one short. */
static void split_got_a_number_of_parts(void **state) {
    (void)state;
    VALUES("Split-11", "x=f32[3]{1,2,3}", "split=[1,2]", 2, "f32 [1]: 1; f32 [2]: 2 3");
    VALUES("Split-13", "x=f32[3]{1,2,3} s=i64{1,2}", "", 2, "f32 [1]: 1; f32 [2]: 2 3");
    VALUES("Split-13", "x=f32[4]{1,2,3,4}", "", 2, "f32 [2]: 1 2; f32 [2]: 3 4");
    VALUES("Split-18", "x=f32[3]{1,2,3}", "num_outputs=2", 2, "f32 [2]: 1 2; f32 [1]: 3");
}

static void the_bounds_of_slice_moved_to_inputs(void **state) {
    (void)state;
    VALUES("Slice-1", "x:f32[2,3]", "starts=[1] ends=[3] axes=[1]", 1, "f32 [2, 2]: 1 2 4 5");
    VALUES("Slice-10", "x:f32[2,3] s=i64{1} e=i64{3} a=i64{1}", "", 1, "f32 [2, 2]: 1 2 4 5");
    VALUES("Slice-13", "x:f32[2,3] s=i64{-1} e=i64{-4} a=i64{1} t=i64{-2}", "", 1,
           "f32 [2, 2]: 2 0 5 3");
}

static void the_count_of_top_k_moved_to_an_input(void **state) {
    (void)state;
    VALUES("TopK-10", "x=f32[4]{3,9,1,9} k=i64{2}", "", 2, "f32 [2]: 9 9; i64 [2]: 1 3");
    VALUES("TopK-11", "x=f32[4]{3,9,1,8} k=i64{2}", "", 2, "f32 [2]: 9 8; i64 [2]: 1 3");
    VALUES("TopK-11", "x=f32[4]{3,9,1,8} k=i64{2}", "largest=0", 2, "f32 [2]: 1 3; i64 [2]: 2 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_took_all_axes_that_follow),
        cmocka_unit_test(axes_of_reductions_moved_to_an_input),
        cmocka_unit_test(axes_of_squeeze_and_unsqueeze_moved_to_an_input),
        cmocka_unit_test(bounds_of_clip_moved_to_inputs),
        cmocka_unit_test(pads_moved_to_an_input_and_got_axes),
        cmocka_unit_test(split_got_a_number_of_parts),
        cmocka_unit_test(the_bounds_of_slice_moved_to_inputs),
        cmocka_unit_test(the_count_of_top_k_moved_to_an_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
