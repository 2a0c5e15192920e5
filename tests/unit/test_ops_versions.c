/* test_ops_versions.c - operators whose opsets differ, in numbers worked out by hand. What
 * test_ops_opsets.c has of the moves from attributes to inputs is not repeated here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_ops.h"

/* ---- Resize and Upsample ------------------------------------------------------------------- */

static void upsample_repeats_every_element(void **state) {
    (void)state;
    VALUES("Upsample-7", "x=f32[1,1,1,2]{1,2}", "scales=[1.,1.,2.,2.]", 1,
           "f32 [1, 1, 2, 4]: 1 1 2 2 1 1 2 2");
    VALUES("Upsample-9", "x=f32[1,1,1,2]{1,2} s=f32{1,1,2,2}", "", 1,
           "f32 [1, 1, 2, 4]: 1 1 2 2 1 1 2 2");
    VALUES("Upsample-9", "x=f32[3]{1,2,3} s=f32{1}", "", 1, "f32 [3]: 1 2 3");
}

/* Positions 0, 0.5, 1, 1.5: the last lies behind the end and takes the last element. */
static void before_opset_11_linear_positions_count_from_the_corner(void **state) {
    (void)state;
    VALUES("Upsample-7", "x=f32[2]{1,3}", "scales=[2.] mode='linear'", 1, "f32 [4]: 1 2 3 3");
    VALUES("Upsample-9", "x=f32[2]{1,3} s=f32{2}", "mode='linear'", 1, "f32 [4]: 1 2 3 3");
    VALUES("Resize-10", "x=f32[2]{1,3} s=f32{2}", "mode='linear'", 1, "f32 [4]: 1 2 3 3");
}

/* The same in opset 11: positions -0.25, 0.25, 0.75, 1.25, or as the mode says. */
static void since_opset_11_the_mode_of_coordinates_decides(void **state) {
    (void)state;
    const char *in = "x=f32[2]{1,3} - s=f32{2}";
    VALUES("Resize-11", in, "mode='linear'", 1, "f32 [4]: 1 1.5 2.5 3");
    VALUES("Resize-11", in, "mode='linear' coordinate_transformation_mode='asymmetric'", 1,
           "f32 [4]: 1 2 3 3");
    VALUES("Resize-11", in, "mode='linear' coordinate_transformation_mode='align_corners'", 1,
           "f32 [4]: 1 1.667 2.333 3");
    VALUES("Resize-11", "x=f32[2]{1,3} - s=f32{0.5}",
           "mode='linear' coordinate_transformation_mode='half_pixel'", 1, "f32 [1]: 2");
    VALUES("Resize-11", "x=f32[2]{1,3} - s=f32{0.5}",
           "mode='linear' coordinate_transformation_mode='pytorch_half_pixel'", 1, "f32 [1]: 1");
}

/* 4 elements become floor(4 x 0.75) = 3. Positions from the corner: 0, 1.33, 2.67; from the middle
 * of an element: 0.17, 1.5, 2.83. */
static void rounding_of_nearest_positions_differs_by_opset_and_mode(void **state) {
    (void)state;
    VALUES("Resize-10", "x=f32[4]{0,1,2,3} s=f32{0.75}", "", 1, "f32 [3]: 0 2 3"); /* up */
    const char *in = "x=f32[4]{0,1,2,3} - s=f32{0.75}";
    VALUES("Resize-11", in, "coordinate_transformation_mode='asymmetric' nearest_mode='floor'", 1,
           "f32 [3]: 0 1 2");
    VALUES("Resize-11", in, "coordinate_transformation_mode='asymmetric' nearest_mode='ceil'", 1,
           "f32 [3]: 0 2 3");
    VALUES("Resize-11", in, "nearest_mode='round_prefer_floor'", 1, "f32 [3]: 0 1 3");
    VALUES("Resize-11", in, "nearest_mode='round_prefer_ceil'", 1, "f32 [3]: 0 2 3");
    VALUES("Resize-11", in, "", 1, "f32 [3]: 0 1 3");
}

/* tf_crop_and_resize over [0.5, 1.5] of 3 elements: positions 1, 2, 3; the last is outside. */
static void a_region_beyond_the_end_gives_the_extrapolation_value(void **state) {
    (void)state;
    VALUES("Resize-11", "x=f32[3]{5,6,7} r=f32{0.5,1.5} - s=i64{3}",
           "mode='linear' coordinate_transformation_mode='tf_crop_and_resize' "
           "extrapolation_value=9.0",
           1, "f32 [3]: 6 7 9");
}

static void axes_of_resize_name_what_changes(void **state) {
    (void)state;
    VALUES("Resize-18", "x=f32[2,2]{1,2,3,4} - s=f32{2}", "axes=[1]", 1,
           "f32 [2, 4]: 1 1 2 2 3 3 4 4");
    VALUES("Resize-18", "x=f32[2,2]{1,2,3,4} - - z=i64{1}",
           "axes=[0] coordinate_transformation_mode='asymmetric'", 1, "f32 [1, 2]: 1 2");
}

/* ---- normalisations ------------------------------------------------------------------------ */

/* Channel 0: 2 (x - 1) / sqrt(3 + 1); channel 1: (x - 3) / sqrt(0 + 1) + 1. */
static void batch_normalization_means_the_same_in_all_opsets(void **state) {
    (void)state;
    static const char *const opset[] = {"7", "9", "14", "15"};
    for (uint32_t k = 0; k < 4; k++) {
        char op[32];
        (void)snprintf(op, sizeof op, "BatchNormalization-%s", opset[k]);
        VALUES(op, "x=f32[1,2,2]{1,2,3,4} s=f32{2,1} b=f32{0,1} m=f32{1,3} v=f32{3,0}",
               "epsilon=1.0", 1, "f32 [1, 2, 2]: 0 1 1 2");
        VALUES(op, "x=f32[2,1]{1,2} s=f32{2} b=f32{0} m=f32{1} v=f32{3}", "epsilon=1.0", 1,
               "f32 [2, 1]: 0 1");
    }
    VALUES("BatchNormalization-7", "x=f32[2,1]{1,2} s=f32{2} b=f32{0} m=f32{1} v=f32{3}",
           "epsilon=1.0 momentum=0.5 spatial=1", 1, "f32 [2, 1]: 0 1");
}

/* Groups {1, 3} and {2, 6}: means 2 and 4, deviations 1 and 2. */
static void group_normalization_scales_groups_in_18_and_channels_in_21(void **state) {
    (void)state;
    VALUES("GroupNormalization-18", "x=f32[1,4,1]{1,3,2,6} s=f32{10,100} b=f32{0,1}",
           "num_groups=2 epsilon=0.0", 1, "f32 [1, 4, 1]: -10 10 -99 101");
    VALUES("GroupNormalization-21", "x=f32[1,4,1]{1,3,2,6} s=f32{1,2,3,4} b=f32{0,0,0,1}",
           "num_groups=2 epsilon=0.0", 1, "f32 [1, 4, 1]: -1 2 -3 5");
    VALUES("InstanceNormalization-6", "x=f32[1,2,2]{1,3,2,6} s=f32{1,10} b=f32{0,1}", "epsilon=0.0",
           1, "f32 [1, 2, 2]: -1 1 -9 11");
}

/* Mean 2, deviation 1 over all axes but the channels; opset 13 means the same. */
static void mean_variance_normalization_leaves_channels_apart(void **state) {
    (void)state;
    VALUES("MeanVarianceNormalization-9", "x=f32[2,2,1,1]{1,10,3,30}", "", 1,
           "f32 [2, 2, 1, 1]: -1 -1 1 1");
    VALUES("MeanVarianceNormalization-13", "x=f32[2,2,1,1]{1,10,3,30}", "axes=[0,2,3]", 1,
           "f32 [2, 2, 1, 1]: -1 -1 1 1");
    VALUES("MeanVarianceNormalization-13", "x=f32[1,2]{1,3}", "axes=[1]", 1, "f32 [1, 2]: -1 1");
}

/* ---- softmax and its kin ------------------------------------------------------------------- */

/* log 1/4 over all four numbers, log 1/2 over pairs. */
static void logarithms_of_softmax_take_the_axes_of_their_opset(void **state) {
    (void)state;
    VALUES("LogSoftmax-11", "x=f32[1,2,2]{5,5,5,5}", "", 1,
           "f32 [1, 2, 2]: -1.386 -1.386 -1.386 -1.386");
    VALUES("LogSoftmax-13", "x=f32[1,2,2]{5,5,5,5}", "", 1,
           "f32 [1, 2, 2]: -0.6931 -0.6931 -0.6931 -0.6931");
    VALUES("LogSoftmax-1", "x=f32[2,2]{5,5,5,5}", "axis=0", 1,
           "f32 [2, 2]: -1.386 -1.386 -1.386 -1.386");
    VALUES("Softmax-12", "x=f32[2,2]{5,5,5,5}", "axis=-1", 1, "f32 [2, 2]: 0.5 0.5 0.5 0.5");
}

/* ---- Dropout ------------------------------------------------------------------------------- */

static void nothing_is_dropped_and_the_mask_says_so(void **state) {
    (void)state;
    VALUES("Dropout-7", "x=f32{1,2}", "ratio=0.5", 2, "f32 [2]: 1 2; f32 [2]: 1 1");
    VALUES("Dropout-10", "x=f32{1,2}", "ratio=0.5", 2, "f32 [2]: 1 2; bool [2]: 1 1");
    VALUES("Dropout-12", "x=f32{1,2} r=f32(0.5)", "", 2, "f32 [2]: 1 2; bool [2]: 1 1");
    VALUES("Dropout-13", "x=f32{1,2} - t=bool(0)", "seed=3", 2, "f32 [2]: 1 2; bool [2]: 1 1");
    INFERS("Dropout-12", "x:f32[3] - t=bool(1)", "", 1,
           "node 'n' (Dropout): training_mode is true: dms runs inference only");
}

/* ---- reductions ---------------------------------------------------------------------------- */

/* Rows {1, 2} and {3, 4}: every reduction, its axes as attribute and as input. Reduced along no
 * axis, each element is a sum, a sum of squares, a largest one of its own. */
static void all_reductions_take_their_axes_from_both_places(void **state) {
    (void)state;
    static const struct {
        const char *op, *rows, *each;
    } one[] = {{"ReduceMax", "f32 [2, 1]: 2 4", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceMin", "f32 [2, 1]: 1 3", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceMean", "f32 [2, 1]: 1.5 3.5", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceProd", "f32 [2, 1]: 2 12", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceL1", "f32 [2, 1]: 3 7", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceL2", "f32 [2, 1]: 2.236 5", "f32 [2, 2]: 1 2 3 4"},
               {"ReduceSumSquare", "f32 [2, 1]: 5 25", "f32 [2, 2]: 1 4 9 16"},
               {"ReduceLogSum", "f32 [2, 1]: 1.099 1.946", "f32 [2, 2]: 0 0.6931 1.099 1.386"},
               {"ReduceLogSumExp", "f32 [2, 1]: 2.313 4.313", "f32 [2, 2]: 1 2 3 4"}};
    static const char *const before[] = {"7", "11", "13", "17"};
    char op[32];
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        for (uint32_t v = 0; v < 4; v++) {
            (void)snprintf(op, sizeof op, "%s-%s", one[k].op, before[v]);
            VALUES(op, "x=f32[2,2]{1,2,3,4}", "axes=[1]", 1, one[k].rows);
        }
        (void)snprintf(op, sizeof op, "%s-18", one[k].op);
        VALUES(op, "x=f32[2,2]{1,2,3,4} a=i64{1}", "", 1, one[k].rows);
        VALUES(op, "x=f32[2,2]{1,2,3,4} a=i64{-1}", "", 1, one[k].rows);
        VALUES(op, "x=f32[2,2]{1,2,3,4}", "noop_with_empty_axes=1", 1, one[k].each);
        VALUES(op, "x=f32[2,2]{1,2,3,4} a=i64{}", "noop_with_empty_axes=1", 1, one[k].each);
    }
}

/* The attribute of a newer opset is not read in an older one: all axes are reduced. */
static void empty_axes_meant_all_axes_before_there_was_a_choice(void **state) {
    (void)state;
    VALUES("ReduceMax-13", "x=f32[2,2]{1,2,3,4}", "noop_with_empty_axes=1", 1, "f32 [1, 1]: 4");
    VALUES("ReduceSum-11", "x=f32[2,2]{1,2,3,4}", "noop_with_empty_axes=1", 1, "f32 [1, 1]: 10");
    VALUES("ReduceMax-18", "x=f32[2,2]{1,2,3,4} a=i64{}", "", 1, "f32 [1, 1]: 4");
    VALUES("ReduceMax-18", "x=f32[2,2]{1,2,3,4}", "keepdims=0", 1, "f32 []: 4");
}

/* ---- axes, counts and bounds --------------------------------------------------------------- */

static void axes_count_from_both_ends(void **state) {
    (void)state;
    VALUES("Squeeze-11", "x=f32[1,2,1]{5,6}", "axes=[-1,0]", 1, "f32 [2]: 5 6");
    VALUES("Squeeze-13", "x=f32[1,2,1]{5,6} a=i64{-1,-3}", "", 1, "f32 [2]: 5 6");
    VALUES("Unsqueeze-11", "x=f32[2]{5,6}", "axes=[-1]", 1, "f32 [2, 1]: 5 6");
    VALUES("Unsqueeze-13", "x=f32[2]{5,6} a=i64{2,0}", "", 1, "f32 [1, 2, 1]: 5 6");
    VALUES("Split-11", "x=f32[1,3]{5,6,7}", "axis=-1 split=[2,1]", 2,
           "f32 [1, 2]: 5 6; f32 [1, 1]: 7");
    VALUES("TopK-1", "x=f32[2,2]{1,4,3,2}", "k=1 axis=0", 2, "f32 [1, 2]: 3 4; i64 [1, 2]: 1 0");
    VALUES("TopK-10", "x=f32[2,2]{1,4,3,2} k=i64{1}", "axis=-2", 2,
           "f32 [1, 2]: 3 4; i64 [1, 2]: 1 0");
}

static void top_k_wants_a_count_that_is_there(void **state) {
    (void)state;
    INFERS("TopK-1", "x:f32[4]", "", 2, "node 'n' (TopK): k is -1, axis 0 has 4 elements");
    INFERS("TopK-1", "x:f32[4]", "k=5", 2, "node 'n' (TopK): k is 5, axis 0 has 4 elements");
    INFERS("TopK-10", "x:f32[4] k=i64{-1}", "k=2", 2,
           "node 'n' (TopK): k is -1, axis 0 has 4 elements");
    VALUES("TopK-11", "x=f32[2]{3,1} k=i64{0}", "", 2, "f32 [0]:; i64 [0]:");
    VALUES("TopK-1", "x=f32[4]{1,7,7,2}", "k=3", 2, "f32 [3]: 7 7 2; i64 [3]: 1 2 3");
}

/* Starts and ends beyond the ends are cut to them. */
static void slice_1_counts_from_the_end_and_cuts(void **state) {
    (void)state;
    VALUES("Slice-1", "x=f32[3]{1,2,3}", "starts=[-2] ends=[100]", 1, "f32 [2]: 2 3");
    VALUES("Slice-1", "x=f32[3]{1,2,3}", "starts=[0] ends=[-1]", 1, "f32 [2]: 1 2");
    VALUES("Slice-1", "x=f32[3]{1,2,3}", "starts=[2] ends=[1]", 1, "f32 [0]:");
    VALUES("Slice-1", "x=f32[2,2]{1,2,3,4}", "starts=[1,0] ends=[2,1]", 1, "f32 [1, 1]: 3");
    VALUES("Slice-10", "x=f32[3]{1,2,3} s=i32{-1} e=i32{-9} a=i32{0} t=i32{-1}", "", 1,
           "f32 [3]: 3 2 1");
    VALUES("Slice-13", "x=f32[2,2]{1,2,3,4} s=i64{1} e=i64{2}", "", 1, "f32 [1, 2]: 3 4");
}

static void negative_pads_cut(void **state) {
    (void)state;
    VALUES("Pad-2", "x=f32[3]{1,2,3}", "pads=[-1,0]", 1, "f32 [2]: 2 3");
    VALUES("Pad-11", "x=f32[3]{1,2,3} p=i64{-1,2} v=f32(9)", "", 1, "f32 [4]: 2 3 9 9");
    VALUES("Pad-18", "x=f32[1,3]{1,2,3} p=i64{1,-2} v=f32(9) a=i64{-1}", "", 1, "f32 [1, 2]: 9 1");
}

/* wrap came with opset 19. */
static void pads_may_wrap_around_since_opset_19(void **state) {
    (void)state;
    VALUES("Pad-19", "x=f32[3]{1,2,3} p=i64{1,2}", "mode='wrap'", 1, "f32 [6]: 3 1 2 3 1 2");
    INFERS("Pad-18", "x:f32[3] p=i64{1,2}", "mode='wrap'", 1,
           "node 'n' (Pad): attribute 'mode' is 'wrap', which is not known");
    VALUES("Pad-2", "x=f32[3]{1,2,3}", "pads=[2,1] mode='reflect'", 1, "f32 [6]: 3 2 1 2 3 2");
    VALUES("Pad-2", "x=f32[3]{1,2,3}", "pads=[2,1] mode='edge'", 1, "f32 [6]: 1 1 1 2 3 3");
}

/* Where the bounds cross the upper one wins; integers since opset 12. */
static void clip_by_bounds_that_cross_and_of_integers(void **state) {
    (void)state;
    VALUES("Clip-6", "x=f32{0,2,9}", "min=5.0 max=1.0", 1, "f32 [3]: 1 1 1");
    VALUES("Clip-11", "x=f32{0,2,9} l=f32(5) h=f32(1)", "", 1, "f32 [3]: 1 1 1");
    VALUES("Clip-12", "x=i64{-5,0,5} l=i64(-1) h=i64(1)", "", 1, "i64 [3]: -1 0 1");
    INFERS("Clip-11", "x:i64[3]", "", 1,
           "node 'n' (Clip): input 'x' has dtype i64, which this operator does not take");
}

/* ---- places of elements -------------------------------------------------------------------- */

/* Eight channels to two: depth first, or column and row first. */
static void depth_to_space_has_two_modes_since_opset_11(void **state) {
    (void)state;
    const char *in = "x=f32[1,8,1,1]{0,1,2,3,4,5,6,7}";
    VALUES("DepthToSpace-1", in, "blocksize=2", 1, "f32 [1, 2, 2, 2]: 0 2 4 6 1 3 5 7");
    VALUES("DepthToSpace-11", in, "blocksize=2 mode='DCR'", 1, "f32 [1, 2, 2, 2]: 0 2 4 6 1 3 5 7");
    VALUES("DepthToSpace-11", in, "blocksize=2 mode='CRD'", 1, "f32 [1, 2, 2, 2]: 0 1 2 3 4 5 6 7");
    VALUES("SpaceToDepth-1", "x=f32[1,1,2,2]{1,2,3,4}", "blocksize=2", 1,
           "f32 [1, 4, 1, 1]: 1 2 3 4");
}

/* Of equal largest elements the first, or since opset 12 the last. */
static void arg_max_may_take_the_last_of_equals_since_opset_12(void **state) {
    (void)state;
    VALUES("ArgMax-11", "x=f32[3]{1,5,5}", "", 1, "i64 [1]: 1");
    VALUES("ArgMax-12", "x=f32[3]{1,5,5}", "select_last_index=1", 1, "i64 [1]: 2");
    VALUES("ArgMin-12", "x=f32[3]{1,1,5}", "select_last_index=1 keepdims=0", 1, "i64 []: 1");
}

/* ---- products ------------------------------------------------------------------------------ */

/* 2 (1 3 + 2 4) = 22, with 3 c on top; c may be absent since opset 11. */
static void gemm_may_lack_its_addend_since_opset_11(void **state) {
    (void)state;
    VALUES("Gemm-7", "a=f32[1,2]{1,2} b=f32[2,1]{3,4} c=f32{1}", "alpha=2.0 beta=3.0", 1,
           "f32 [1, 1]: 25");
    VALUES("Gemm-11", "a=f32[1,2]{1,2} b=f32[2,1]{3,4}", "alpha=2.0", 1, "f32 [1, 1]: 22");
    VALUES("Gemm-13", "a=f32[2,1]{1,2} b=f32[1,2]{3,4} c=f32(5)", "transA=1 transB=1", 1,
           "f32 [1, 1]: 16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsample_repeats_every_element),
        cmocka_unit_test(before_opset_11_linear_positions_count_from_the_corner),
        cmocka_unit_test(since_opset_11_the_mode_of_coordinates_decides),
        cmocka_unit_test(rounding_of_nearest_positions_differs_by_opset_and_mode),
        cmocka_unit_test(a_region_beyond_the_end_gives_the_extrapolation_value),
        cmocka_unit_test(axes_of_resize_name_what_changes),
        cmocka_unit_test(batch_normalization_means_the_same_in_all_opsets),
        cmocka_unit_test(group_normalization_scales_groups_in_18_and_channels_in_21),
        cmocka_unit_test(mean_variance_normalization_leaves_channels_apart),
        cmocka_unit_test(logarithms_of_softmax_take_the_axes_of_their_opset),
        cmocka_unit_test(nothing_is_dropped_and_the_mask_says_so),
        cmocka_unit_test(all_reductions_take_their_axes_from_both_places),
        cmocka_unit_test(empty_axes_meant_all_axes_before_there_was_a_choice),
        cmocka_unit_test(axes_count_from_both_ends),
        cmocka_unit_test(top_k_wants_a_count_that_is_there),
        cmocka_unit_test(slice_1_counts_from_the_end_and_cuts),
        cmocka_unit_test(negative_pads_cut),
        cmocka_unit_test(pads_may_wrap_around_since_opset_19),
        cmocka_unit_test(clip_by_bounds_that_cross_and_of_integers),
        cmocka_unit_test(depth_to_space_has_two_modes_since_opset_11),
        cmocka_unit_test(arg_max_may_take_the_last_of_equals_since_opset_12),
        cmocka_unit_test(gemm_may_lack_its_addend_since_opset_11),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
