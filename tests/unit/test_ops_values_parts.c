/* test_ops_values_parts.c - parts, places and orders in every combination; expected values from the
 * reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void slices_by_start_end_step(void **state) {
    (void)state;
    VALUES("Slice-13", "x:i32[3,4] s=i64{0} e=i64{3} a=i64{0} t=i64{2}", "", 1,
           "i32 [2, 4]: 0 1 2 3 8 9 10 11");
    VALUES("Slice-13", "x:i32[3,4] s=i64{1} e=i64{9} a=i64{1} t=i64{1}", "", 1,
           "i32 [3, 3]: 1 2 3 5 6 7 9 10 11");
    VALUES("Slice-13", "x:i32[3,4] s=i64{-2} e=i64{9} a=i64{1} t=i64{1}", "", 1,
           "i32 [3, 2]: 2 3 6 7 10 11");
    VALUES("Slice-13", "x:i32[3,4] s=i64{3} e=i64{0} a=i64{1} t=i64{-1}", "", 1,
           "i32 [3, 3]: 3 2 1 7 6 5 11 10 9");
    VALUES("Slice-13", "x:i32[3,4] s=i64{9} e=i64{-9} a=i64{1} t=i64{-2}", "", 1,
           "i32 [3, 2]: 3 1 7 5 11 9");
    VALUES("Slice-13", "x:i32[3,4] s=i64{2} e=i64{-9} a=i64{0} t=i64{-1}", "", 1,
           "i32 [3, 4]: 8 9 10 11 4 5 6 7 0 1 2 3");
    VALUES("Slice-13", "x:i32[3,4] s=i64{1} e=i64{1} a=i64{0} t=i64{1}", "", 1, "i32 [0, 4]:");
    VALUES("Slice-13", "x:i32[3,4] s=i64{-1} e=i64{-2} a=i64{0} t=i64{-1}", "", 1,
           "i32 [1, 4]: 8 9 10 11");
    VALUES("Slice-13", "x:i32[3,4] s=i64{0} e=i64{-1} a=i64{1} t=i64{3}", "", 1,
           "i32 [3, 1]: 0 4 8");
    VALUES("Slice-13", "x:i32[3,4] s=i64{2} e=i64{3} a=i64{0} t=i64{5}", "", 1,
           "i32 [1, 4]: 8 9 10 11");
}

static void pads_by_mode(void **state) {
    (void)state;
    VALUES("Pad-13", "x:i32[2,3] p=i64{0,1,0,1}", "mode='edge'", 1,
           "i32 [2, 5]: 0 0 1 2 2 3 3 4 5 5");
    VALUES("Pad-13", "x:i32[2,3] p=i64{1,2,1,0}", "mode='edge'", 1,
           "i32 [4, 5]: 0 0 0 1 2 0 0 0 1 2 3 3 3 4 5 3 3 3 4 5");
    VALUES("Pad-13", "x:i32[2,3] p=i64{0,2,1,2}", "mode='edge'", 1,
           "i32 [3, 7]: 0 0 0 1 2 2 2 3 3 3 4 5 5 5 3 3 3 4 5 5 5");
    VALUES("Pad-13", "x:i32[2,3] p=i64{0,1,0,1}", "mode='reflect'", 1,
           "i32 [2, 5]: 1 0 1 2 1 4 3 4 5 4");
    VALUES("Pad-13", "x:i32[2,3] p=i64{1,2,1,0}", "mode='reflect'", 1,
           "i32 [4, 5]: 5 4 3 4 5 2 1 0 1 2 5 4 3 4 5 2 1 0 1 2");
    VALUES("Pad-13", "x:i32[2,3] p=i64{0,2,1,2}", "mode='reflect'", 1,
           "i32 [3, 7]: 2 1 0 1 2 1 0 5 4 3 4 5 4 3 2 1 0 1 2 1 0");
    VALUES("Pad-19", "x:i32[2,3] p=i64{0,1,0,1}", "mode='wrap'", 1,
           "i32 [2, 5]: 2 0 1 2 0 5 3 4 5 3");
    VALUES("Pad-19", "x:i32[2,3] p=i64{1,2,1,0}", "mode='wrap'", 1,
           "i32 [4, 5]: 4 5 3 4 5 1 2 0 1 2 4 5 3 4 5 1 2 0 1 2");
    VALUES("Pad-19", "x:i32[2,3] p=i64{0,2,1,2}", "mode='wrap'", 1,
           "i32 [3, 7]: 1 2 0 1 2 0 1 4 5 3 4 5 3 4 1 2 0 1 2 0 1");
    VALUES("Pad-13", "x:i32[2,3] p=i64{0,1,0,1}", "", 1, "i32 [2, 5]: 0 0 1 2 0 0 3 4 5 0");
    VALUES("Pad-13", "x:i32[2,3] p=i64{1,0,0,2}", "", 1,
           "i32 [3, 5]: 0 0 0 0 0 0 1 2 0 0 3 4 5 0 0");
}

static void gathers_by_axis(void **state) {
    (void)state;
    VALUES("Gather-13", "x:i32[2,3,2] i=i64[2]{1,0}", "axis=0", 1,
           "i32 [2, 3, 2]: 6 7 8 9 10 11 0 1 2 3 4 5");
    VALUES("Gather-13", "x:i32[2,3,2] i=i64[2]{2,-1}", "axis=1", 1,
           "i32 [2, 2, 2]: 4 5 4 5 10 11 10 11");
    VALUES("Gather-13", "x:i32[2,3,2] i=i64[1,2]{0,1}", "axis=2", 1,
           "i32 [2, 3, 1, 2]: 0 1 2 3 4 5 6 7 8 9 10 11");
    VALUES("Gather-13", "x:i32[2,3,2] i=i64[2,2]{0,1,1,0}", "axis=0", 1,
           "i32 [2, 2, 3, 2]: 0 1 2 3 4 5 6 7 8 9 10 11 6 7 8 9 10 11 0 1 2 3 4 5");
    VALUES("GatherElements-13", "x:i32[3,3] i=i64[2,3]{2,1,0,0,1,2}", "axis=0", 1,
           "i32 [2, 3]: 6 4 2 0 4 8");
    VALUES("GatherElements-13", "x:i32[3,3] i=i64[3,2]{0,2,1,1,-1,0}", "axis=1", 1,
           "i32 [3, 2]: 0 2 4 4 8 6");
    VALUES("GatherElements-13", "x:i32[3,3] i=i64[1,3]{-1,-2,-3}", "axis=0", 1,
           "i32 [1, 3]: 6 4 2");
}

static void scatters_by_axis(void **state) {
    (void)state;
    VALUES("ScatterElements-13", "x:i32[3,3] i=i64[2,3]{2,1,0,0,2,1} u=i32[2,3]{10,11,12,13,14,15}",
           "axis=0", 1, "i32 [3, 3]: 13 1 12 3 11 15 10 14 8");
    VALUES("ScatterElements-13", "x:i32[3,3] i=i64[3,1]{2,0,-2} u=i32[3,1]{20,21,22}", "axis=1", 1,
           "i32 [3, 3]: 0 1 20 21 4 5 6 22 8");
    VALUES("ScatterND-13", "x:i32[2,3] i=i64[1,1]{1} u=i32[1,3]{7,8,9}", "", 1,
           "i32 [2, 3]: 0 1 2 7 8 9");
    VALUES("ScatterND-13", "x:i32[2,3] i=i64[2,2]{0,2,1,0} u=i32[2]{7,8}", "", 1,
           "i32 [2, 3]: 0 1 7 8 4 5");
    VALUES("ScatterND-13", "x:i32[2,3] i=i64[2,1,2]{0,1,1,1} u=i32[2,1]{5,6}", "", 1,
           "i32 [2, 3]: 0 5 2 3 6 5");
}

static void tiles_by_axis(void **state) {
    (void)state;
    VALUES("Tile-13", "x:i32[2,2] r=i64{3,1}", "", 1, "i32 [6, 2]: 0 1 2 3 0 1 2 3 0 1 2 3");
    VALUES("Tile-13", "x:i32[2,2] r=i64{1,2}", "", 1, "i32 [2, 4]: 0 1 0 1 2 3 2 3");
    VALUES("Tile-13", "x:i32[1,2,2] r=i64{2,1,2}", "", 1,
           "i32 [2, 2, 4]: 0 1 0 1 2 3 2 3 0 1 0 1 2 3 2 3");
    VALUES("Tile-13", "x:i32[2,2] r=i64{2,0}", "", 1, "i32 [4, 0]:");
}

static void transposes_by_permutation(void **state) {
    (void)state;
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[0,1,2]", 1, "i32 [2, 1, 3]: 0 1 2 3 4 5");
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[0,2,1]", 1, "i32 [2, 3, 1]: 0 1 2 3 4 5");
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[1,0,2]", 1, "i32 [1, 2, 3]: 0 1 2 3 4 5");
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[1,2,0]", 1, "i32 [1, 3, 2]: 0 3 1 4 2 5");
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[2,0,1]", 1, "i32 [3, 2, 1]: 0 3 1 4 2 5");
    VALUES("Transpose-13", "x:i32[2,1,3]", "perm=[2,1,0]", 1, "i32 [3, 1, 2]: 0 3 1 4 2 5");
}

static void concats_and_splits_by_axis(void **state) {
    (void)state;
    VALUES("Concat-13", "a:i32[1,2,2] b=i32[1,2,2]{9,8,7,6}", "axis=0", 1,
           "i32 [2, 2, 2]: 0 1 2 3 9 8 7 6");
    VALUES("Concat-13", "a:i32[1,2,2] b=i32[1,2,2]{9,8,7,6}", "axis=1", 1,
           "i32 [1, 4, 2]: 0 1 2 3 9 8 7 6");
    VALUES("Concat-13", "a:i32[1,2,2] b=i32[1,2,2]{9,8,7,6}", "axis=2", 1,
           "i32 [1, 2, 4]: 0 1 9 8 2 3 7 6");
    VALUES("Concat-13", "a:i32[1,2,2] b=i32[1,2,2]{9,8,7,6}", "axis=-1", 1,
           "i32 [1, 2, 4]: 0 1 9 8 2 3 7 6");
    VALUES("Split-13", "x:i32[3,4] s=i64{1,2}", "axis=0", 2,
           "i32 [1, 4]: 0 1 2 3; i32 [2, 4]: 4 5 6 7 8 9 10 11");
    VALUES("Split-13", "x:i32[3,4] s=i64{2,1,1}", "axis=1", 3,
           "i32 [3, 2]: 0 1 4 5 8 9; i32 [3, 1]: 2 6 10; i32 [3, 1]: 3 7 11");
    VALUES("Split-13", "x:i32[3,4] s=i64{0,4}", "axis=1", 2,
           "i32 [3, 0]:; i32 [3, 4]: 0 1 2 3 4 5 6 7 8 9 10 11");
}

static void triangles_by_diagonal(void **state) {
    (void)state;
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(-3)", "upper=0", 1,
           "i32 [3, 4]: 0 0 0 0 0 0 0 0 0 0 0 0");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(-3)", "upper=1", 1,
           "i32 [3, 4]: 1 2 3 4 5 6 7 8 9 10 11 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(-1)", "upper=0", 1,
           "i32 [3, 4]: 0 0 0 0 5 0 0 0 9 10 0 0");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(-1)", "upper=1", 1,
           "i32 [3, 4]: 1 2 3 4 5 6 7 8 0 10 11 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(0)", "upper=0", 1,
           "i32 [3, 4]: 1 0 0 0 5 6 0 0 9 10 11 0");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(0)", "upper=1", 1,
           "i32 [3, 4]: 1 2 3 4 0 6 7 8 0 0 11 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(1)", "upper=0", 1,
           "i32 [3, 4]: 1 2 0 0 5 6 7 0 9 10 11 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(1)", "upper=1", 1,
           "i32 [3, 4]: 0 2 3 4 0 0 7 8 0 0 0 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(4)", "upper=0", 1,
           "i32 [3, 4]: 1 2 3 4 5 6 7 8 9 10 11 12");
    VALUES("Trilu-14", "x=i32[3,4]{1,2,3,4,5,6,7,8,9,10,11,12} k=i64(4)", "upper=1", 1,
           "i32 [3, 4]: 0 0 0 0 0 0 0 0 0 0 0 0");
}

static void einsum_by_equation(void **state) {
    (void)state;
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,jk'", 1, "f32 [2, 2]: 10 13 28 40");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,jk->ki'", 1,
           "f32 [2, 2]: 10 28 13 40");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,ji'", 1, "f32 []: 50");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,ji->i'", 1, "f32 [2]: 10 40");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,jk->j'", 1, "f32 [3]: 3 25 63");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,kl->jl'", 1,
           "f32 [3, 2]: 18 27 30 45 42 63");
    VALUES("Einsum-12", "a:f32[2,3] b:f32[3,2]", "equation='ij,jk->ijk'", 1,
           "f32 [2, 3, 2]: 0 0 2 3 8 10 0 3 8 12 20 25");
    VALUES("Einsum-12", "a:f32[2,3,2]", "equation='ijk->k'", 1, "f32 [2]: 30 36");
    VALUES("Einsum-12", "a:f32[2,3,2]", "equation='ijk->kji'", 1,
           "f32 [2, 3, 2]: 0 6 2 8 4 10 1 7 3 9 5 11");
    VALUES("Einsum-12", "a:f32[2,3,2]", "equation='iji->j'", 1, "f32 [3]: 7 11 15");
    VALUES("Einsum-12", "a:f32[2,3,2]", "equation='ijk->'", 1, "f32 []: 66");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_by_start_end_step),
        cmocka_unit_test(pads_by_mode),
        cmocka_unit_test(gathers_by_axis),
        cmocka_unit_test(scatters_by_axis),
        cmocka_unit_test(tiles_by_axis),
        cmocka_unit_test(transposes_by_permutation),
        cmocka_unit_test(concats_and_splits_by_axis),
        cmocka_unit_test(triangles_by_diagonal),
        cmocka_unit_test(einsum_by_equation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
