/* test_ops_values_moves.c - small tensors through the operators that move elements; expected values
 * from the reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void reshape_flatten_and_squeeze_keep_the_order(void **state) {
    (void)state;
    VALUES("Reshape-14", "x:i32[2,3] s=i64{3,-1}", "", 1, "i32 [3, 2]: 0 1 2 3 4 5");
    VALUES("Flatten-13", "x:i32[2,2,2]", "axis=2", 1, "i32 [4, 2]: 0 1 2 3 4 5 6 7");
    VALUES("Squeeze-13", "x:i32[1,3,1]", "", 1, "i32 [3]: 0 1 2");
    VALUES("Unsqueeze-13", "x:i32[3] a=i64{0,2}", "", 1, "i32 [1, 3, 1]: 0 1 2");
    VALUES("Identity-16", "x:i32[2,2]", "", 1, "i32 [2, 2]: 0 1 2 3");
}

static void transpose_moves_elements_to_permuted_places(void **state) {
    (void)state;
    VALUES("Transpose-13", "x:i32[2,3]", "", 1, "i32 [3, 2]: 0 3 1 4 2 5");
    VALUES("Transpose-13", "x:i32[2,3,2]", "perm=[2,0,1]", 1,
           "i32 [2, 2, 3]: 0 2 4 6 8 10 1 3 5 7 9 11");
    VALUES("Transpose-1", "x:i32[2,2,2]", "perm=[1,0,2]", 1, "i32 [2, 2, 2]: 0 1 4 5 2 3 6 7");
}

static void expand_repeats_axes_of_one(void **state) {
    (void)state;
    VALUES("Expand-13", "x:i32[2,1] s=i64{2,3}", "", 1, "i32 [2, 3]: 0 0 0 1 1 1");
    VALUES("Expand-8", "x:i32[2] s=i64{3,1}", "", 1, "i32 [3, 2]: 0 1 0 1 0 1");
}

static void slice_takes_every_nth_element_either_way(void **state) {
    (void)state;
    VALUES("Slice-13", "x:i32[10] s=i64{1} e=i64{9} a=i64{0} t=i64{3}", "", 1, "i32 [3]: 1 4 7");
    VALUES("Slice-13", "x:i32[10] s=i64{-1} e=i64{2} a=i64{0} t=i64{-3}", "", 1, "i32 [3]: 9 6 3");
    VALUES("Slice-13", "x:i32[3,4] s=i64{2,0} e=i64{-99,99} a=i64{0,1} t=i64{-2,2}", "", 1,
           "i32 [2, 2]: 8 10 0 2");
    VALUES("Slice-11", "x:i32[3,3] s=i64{1} e=i64{2} a=i64{1}", "", 1, "i32 [3, 1]: 1 4 7");
    VALUES("Slice-13", "x:i32[3,3] s=i64{2,2} e=i64{-4,-4} a=i64{0,1} t=i64{-1,-1}", "", 1,
           "i32 [3, 3]: 8 7 6 5 4 3 2 1 0");
}

static void split_gives_parts_side_by_side(void **state) {
    (void)state;
    VALUES("Split-13", "x:i32[2,5] s=i64{2,3}", "axis=1", 2,
           "i32 [2, 2]: 0 1 5 6; i32 [2, 3]: 2 3 4 7 8 9");
    VALUES("Split-18", "x:i32[5]", "num_outputs=2", 2, "i32 [3]: 0 1 2; i32 [2]: 3 4");
    VALUES("Split-13", "x:i32[4,1]", "", 2, "i32 [2, 1]: 0 1; i32 [2, 1]: 2 3");
}

static void concat_puts_inputs_side_by_side(void **state) {
    (void)state;
    VALUES("Concat-13", "a:i32[2,2] b=i32[2,1]{7,8}", "axis=1", 1, "i32 [2, 3]: 0 1 7 2 3 8");
    VALUES("Concat-13", "a:i32[1,2] b:i32[2,2]", "axis=0", 1, "i32 [3, 2]: 0 1 0 1 2 3");
    VALUES("Concat-13", "a=i32{5} b=i32{6} c=i32{7}", "axis=-1", 1, "i32 [3]: 5 6 7");
    VALUES("Concat-13", "a:i32[0,2] b:i32[2,2]", "axis=0", 1, "i32 [2, 2]: 0 1 2 3");
}

static void pad_surrounds_by_constant_edge_mirror_or_wrap(void **state) {
    (void)state;
    VALUES("Pad-13", "x:i32[2,2] p=i64{1,0,0,1} v=i32(9)", "", 1, "i32 [3, 3]: 9 9 9 0 1 9 2 3 9");
    VALUES("Pad-13", "x:i32[4] p=i64{2,3}", "mode='edge'", 1, "i32 [9]: 0 0 0 1 2 3 3 3 3");
    VALUES("Pad-13", "x:i32[4] p=i64{2,3}", "mode='reflect'", 1, "i32 [9]: 2 1 0 1 2 3 2 1 0");
    VALUES("Pad-19", "x:i32[3] p=i64{2,3}", "mode='wrap'", 1, "i32 [8]: 1 2 0 1 2 0 1 2");
    VALUES("Pad-18", "x:i32[2,2] p=i64{1,1} v=i32(9) a=i64{1}", "", 1,
           "i32 [2, 4]: 9 0 1 9 9 2 3 9");
    VALUES("Pad-13", "x:f32[2,2] p=i64{1,1,1,1} v=f32(0.5)", "", 1,
           "f32 [4, 4]: 0.5 0.5 0.5 0.5 0.5 0 1 0.5 0.5 2 3 0.5 0.5 0.5 0.5 0.5");
}

static void tile_repeats_the_whole(void **state) {
    (void)state;
    VALUES("Tile-13", "x:i32[2,2] r=i64{1,3}", "", 1, "i32 [2, 6]: 0 1 0 1 0 1 2 3 2 3 2 3");
    VALUES("Tile-13", "x:i32[2,2] r=i64{2,2}", "", 1,
           "i32 [4, 4]: 0 1 0 1 2 3 2 3 0 1 0 1 2 3 2 3");
    VALUES("Tile-13", "x:i32[3] r=i64{2}", "", 1, "i32 [6]: 0 1 2 0 1 2");
}

static void trilu_keeps_a_triangle(void **state) {
    (void)state;
    VALUES("Trilu-14", "x=i32[3,3]{1,2,3,4,5,6,7,8,9}", "", 1, "i32 [3, 3]: 1 2 3 0 5 6 0 0 9");
    VALUES("Trilu-14", "x=i32[3,3]{1,2,3,4,5,6,7,8,9} k=i64(-1)", "upper=0", 1,
           "i32 [3, 3]: 0 0 0 4 0 0 7 8 0");
    VALUES("Trilu-14", "x=i32[2,3]{1,2,3,4,5,6} k=i64(1)", "upper=1", 1, "i32 [2, 3]: 0 2 3 0 0 6");
}

static void blocks_of_depth_become_positions_and_back(void **state) {
    (void)state;
    VALUES("DepthToSpace-13", "x:i32[1,4,1,2]", "blocksize=2", 1,
           "i32 [1, 1, 2, 4]: 0 2 1 3 4 6 5 7");
    VALUES("DepthToSpace-13", "x:i32[1,8,1,1]", "blocksize=2 mode='DCR'", 1,
           "i32 [1, 2, 2, 2]: 0 2 4 6 1 3 5 7");
    VALUES("DepthToSpace-13", "x:i32[1,8,1,1]", "blocksize=2 mode='CRD'", 1,
           "i32 [1, 2, 2, 2]: 0 1 2 3 4 5 6 7");
    VALUES("SpaceToDepth-13", "x:i32[1,1,2,4]", "blocksize=2", 1,
           "i32 [1, 4, 1, 2]: 0 2 1 3 4 6 5 7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshape_flatten_and_squeeze_keep_the_order),
        cmocka_unit_test(transpose_moves_elements_to_permuted_places),
        cmocka_unit_test(expand_repeats_axes_of_one),
        cmocka_unit_test(slice_takes_every_nth_element_either_way),
        cmocka_unit_test(split_gives_parts_side_by_side),
        cmocka_unit_test(concat_puts_inputs_side_by_side),
        cmocka_unit_test(pad_surrounds_by_constant_edge_mirror_or_wrap),
        cmocka_unit_test(tile_repeats_the_whole),
        cmocka_unit_test(trilu_keeps_a_triangle),
        cmocka_unit_test(blocks_of_depth_become_positions_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
