/* test_ops_join.c - Concat, Pad, Tile, Trilu, DepthToSpace, SpaceToDepth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

/* ---- Concat -------------------------------------------------------------------------------- */

static void concat_adds_extents_along_its_axis(void **state) {
    (void)state;
    INFERS("Concat-13", "a:f32[2,3] b:f32[2,4] c:f32[2,0]", "axis=-1", 1, "f32 [2, 7]");
    INFERS("Concat-4", "a:i64[1] b:i64[2]", "axis=0", 1, "i64 [3]");
}

static void concat_leaves_out_what_is_empty(void **state) {
    (void)state;
    CALLS("Concat-13", "past:f32[1,2,0,4] k:f32[1,2,3,4]", "axis=2", "copy(0)");
    CALLS("Concat-13", "a:f32[2,3] b:f32[2,4]", "axis=1", "concat(1)");
    CALLS("Concat-13", "a:f32[0] b:f32[0]", "axis=0", "");
}

static void concat_of_one_is_a_view(void **state) {
    (void)state;
    VIEWS("Concat-13", "a:f32[2,3]", "axis=0", "[2, 3] pitches [3, 1] offset 0");
}

static void more_than_32_inputs_are_joined_in_turns(void **state) {
    (void)state;
    CALLS("Concat-13",
          "a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] "
          "a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] "
          "a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] "
          "a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1] a:f32[1]",
          "axis=0", "concat(0); concat(0)");
    assert_string_equal(op_operand(1, 0), "f32 [32] pitches [1] offset 0");
}

static void concat_refuses_dims_that_differ_off_its_axis(void **state) {
    (void)state;
    INFERS("Concat-13", "a:f32[2,3] b:f32[3,3]", "axis=1", 1,
           "node 'n' (Concat): input 'b' does not fit beside 'a' along axis 1");
    INFERS("Concat-13", "a:f32[2] b:i64[2]", "axis=0", 1,
           "node 'n' (Concat): input 'b' has dtype i64, input 'a' has f32");
    INFERS("Concat-13", "a:f32[2] b:f32[2]", "", 1, "node 'n' (Concat): its axis is missing");
    INFERS("Concat-13", "a:f32[2] b:f32[2]", "axis=1", 1,
           "node 'n' (Concat): axis 1 is outside a tensor of rank 1");
}

/* ---- Pad ----------------------------------------------------------------------------------- */

static void pad_takes_attributes_before_11_and_inputs_after(void **state) {
    (void)state;
    INFERS("Pad-2", "x:f32[2,3]", "pads=[0,1,2,3]", 1, "f32 [4, 7]");
    INFERS("Pad-13", "x:f32[2,3] p=i64{0,1,2,3}", "", 1, "f32 [4, 7]");
    INFERS("Pad-18", "x:f32[2,3] p=i64{1,3} - a=i64{-1}", "", 1, "f32 [2, 7]");
}

static void pads_and_the_bits_of_the_value_become_parameters(void **state) {
    (void)state;
    CALLS("Pad-13", "x:f32[2,3] p=i64{0,1,2,3}", "", "pad(0 0 0 1)");
    CALLS("Pad-13", "x:f32[2] p=i64{1,0} v=f32(1)", "", "pad(0 1065353216 1)");
    CALLS("Pad-2", "x:f32[2]", "pads=[1,0] value=1.0", "pad(0 1065353216 1)");
    CALLS("Pad-13", "x:f32[3] p=i64{2,0}", "mode='reflect'", "pad(2 0 2)");
    CALLS("Pad-19", "x:f32[3] p=i64{2,0}", "mode='wrap'", "pad(3 0 2)");
}

static void negative_pads_cut(void **state) {
    (void)state;
    INFERS("Pad-13", "x:f32[5] p=i64{-1,-2}", "", 1, "f32 [2]");
    INFERS("Pad-13", "x:f32[5] p=i64{-4,-2}", "", 1,
           "node 'n' (Pad): pads of axis 0 leave no elements");
}

static void padding_nothing_is_filling(void **state) {
    (void)state;
    CALLS("Pad-13", "x:f32[0] p=i64{1,1}", "", "fill(0)");
    INFERS("Pad-13", "x:f32[0] p=i64{1,1}", "mode='edge'", 1,
           "node 'n' (Pad): mode 'edge' cannot pad 0 elements by 1");
}

static void pad_refuses_what_its_mode_cannot_do(void **state) {
    (void)state;
    INFERS("Pad-13", "x:f32[3] p=i64{3,0}", "mode='reflect'", 1,
           "node 'n' (Pad): mode 'reflect' cannot pad 3 elements by 3");
    INFERS("Pad-18", "x:f32[3] p=i64{1,0}", "mode='wrap'", 1,
           "node 'n' (Pad): attribute 'mode' is 'wrap', which is not known");
    INFERS("Pad-13", "x:f32[3] p=i64{1}", "", 1, "node 'n' (Pad): pads has 1 numbers for 1 axes");
    INFERS("Pad-13", "x:f32[3] p=i64{1,9223372036854775807}", "", 1,
           "node 'n' (Pad): pads of axis 0 leave no elements");
    INFERS("Pad-13", "x:f32[3] p=i64{1,1} v=f64(0)", "", 1,
           "node 'n' (Pad): input 'v' has dtype f64, input 'x' has f32");
}

/* ---- Tile ---------------------------------------------------------------------------------- */

static void tile_repeats_axes_by_copies_from_repeating_views(void **state) {
    (void)state;
    INFERS("Tile-13", "x:f32[2,3] r=i64{1,2}", "", 1, "f32 [2, 6]");
    CALLS("Tile-13", "x:f32[2,3] r=i64{1,2}", "", "copy(0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 2, 3, 1] pitches [3, 0, 1, 1] offset 0");
    CALLS("Tile-13", "x:f32[2,3] r=i64{2,2}", "", "copy(0); copy(0)");
    CALLS("Tile-6", "x:f32[2,3] r=i64{1,1}", "", "copy(0)");
    CALLS("Tile-6", "x:f32[2,3] r=i64{0,1}", "", "");
}

static void tile_refuses_wrong_repeats(void **state) {
    (void)state;
    INFERS("Tile-13", "x:f32[2,3] r=i64{2}", "", 1,
           "node 'n' (Tile): repeats has 1 numbers for rank 2");
    INFERS("Tile-13", "x:f32[2] r=i64{-1}", "", 1, "node 'n' (Tile): repeats[0] is -1");
    INFERS("Tile-13", "x:f32[2] r=i64{9223372036854775807}", "", 1,
           "node 'n' (Tile): repeats[0] is 9223372036854775807");
}

/* ---- Trilu, blocks ------------------------------------------------------------------------- */

static void trilu_knows_its_half_and_diagonal(void **state) {
    (void)state;
    CALLS("Trilu-14", "x:f32[2,3,3]", "", "trilu(1 0)");
    CALLS("Trilu-14", "x:f32[3,3] k=i64(-1)", "upper=0", "trilu(0 -1)");
    INFERS("Trilu-14", "x:f32[3]", "", 1, "node 'n' (Trilu): input 'x' has rank 1, wants 2 to 8");
}

static void depth_to_space_is_one_copy_between_views(void **state) {
    (void)state;
    INFERS("DepthToSpace-13", "x:f32[1,8,2,3]", "blocksize=2", 1, "f32 [1, 2, 4, 6]");
    CALLS("DepthToSpace-13", "x:f32[1,8,2,3]", "blocksize=2", "copy(0)");
    assert_string_equal(op_operand(0, 0),
                        "f32 [1, 2, 2, 2, 3, 2] pitches [48, 6, 3, 24, 1, 12] offset 0");
    CALLS("DepthToSpace-11", "x:f32[1,8,2,3]", "blocksize=2 mode='CRD'", "copy(0)");
    assert_string_equal(op_operand(0, 0),
                        "f32 [1, 2, 2, 2, 3, 2] pitches [48, 24, 3, 12, 1, 6] offset 0");
}

static void space_to_depth_is_its_inverse(void **state) {
    (void)state;
    INFERS("SpaceToDepth-13", "x:f32[1,2,4,6]", "blocksize=2", 1, "f32 [1, 8, 2, 3]");
    CALLS("SpaceToDepth-13", "x:f32[1,2,4,6]", "blocksize=2", "copy(0)");
    assert_string_equal(op_operand(0, 1),
                        "f32 [1, 2, 2, 2, 3, 2] pitches [48, 6, 3, 24, 1, 12] offset 0");
}

static void blocks_that_do_not_fit_are_refused(void **state) {
    (void)state;
    INFERS("DepthToSpace-13", "x:f32[1,6,2,3]", "blocksize=2", 1,
           "node 'n' (DepthToSpace): input 'x' cannot be cut into blocks of 2");
    INFERS("SpaceToDepth-13", "x:f32[1,1,4,5]", "blocksize=2", 1,
           "node 'n' (SpaceToDepth): input 'x' cannot be cut into blocks of 2");
    INFERS("SpaceToDepth-13", "x:f32[1,1,4,5]", "", 1,
           "node 'n' (SpaceToDepth): attribute 'blocksize' is 0, wants 1 to 1048576");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concat_adds_extents_along_its_axis),
        cmocka_unit_test(concat_leaves_out_what_is_empty),
        cmocka_unit_test(concat_of_one_is_a_view),
        cmocka_unit_test(more_than_32_inputs_are_joined_in_turns),
        cmocka_unit_test(concat_refuses_dims_that_differ_off_its_axis),
        cmocka_unit_test(pad_takes_attributes_before_11_and_inputs_after),
        cmocka_unit_test(pads_and_the_bits_of_the_value_become_parameters),
        cmocka_unit_test(negative_pads_cut),
        cmocka_unit_test(padding_nothing_is_filling),
        cmocka_unit_test(pad_refuses_what_its_mode_cannot_do),
        cmocka_unit_test(tile_repeats_axes_by_copies_from_repeating_views),
        cmocka_unit_test(tile_refuses_wrong_repeats),
        cmocka_unit_test(trilu_knows_its_half_and_diagonal),
        cmocka_unit_test(depth_to_space_is_one_copy_between_views),
        cmocka_unit_test(space_to_depth_is_its_inverse),
        cmocka_unit_test(blocks_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
