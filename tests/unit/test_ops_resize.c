/* test_ops_resize.c - Resize and Upsample: extents, scales, words by opset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void scales_round_extents_down(void **state) {
    (void)state;
    INFERS("Resize-11", "x:f32[1,1,2,4] - s=f32{1,1,2.5,0.6}", "", 1, "f32 [1, 1, 5, 2]");
    INFERS("Resize-10", "x:f32[1,1,2,4] s=f32{1,1,2,2}", "", 1, "f32 [1, 1, 4, 8]");
    INFERS("Upsample-9", "x:f32[1,1,2,4] s=f32{1,1,2,2}", "", 1, "f32 [1, 1, 4, 8]");
    INFERS("Upsample-7", "x:f32[1,1,2,4]", "scales=[1.,1.,2.,2.]", 1, "f32 [1, 1, 4, 8]");
}

static void sizes_are_the_extents(void **state) {
    (void)state;
    INFERS("Resize-13", "x:f32[1,1,2,4] - - s=i64{1,1,7,3}", "", 1, "f32 [1, 1, 7, 3]");
    INFERS("Resize-13", "x:f32[1,1,2,4] r=f32{} c=f32{} s=i64{1,1,7,3}", "", 1,
           "f32 [1, 1, 7, 3]"); /* empty inputs are absent ones */
    INFERS("Resize-18", "x:f32[1,1,2,4] - - s=i64{7,3}", "axes=[2,3]", 1, "f32 [1, 1, 7, 3]");
    INFERS("Resize-18", "x:f32[1,1,2,4] - - s=i64{7,3}", "axes=[3,2]", 1, "f32 [1, 1, 3, 7]");
}

static void a_policy_keeps_the_aspect_ratio(void **state) {
    (void)state;
    const char *input = "x:f32[1,1,2,4] - - s=i64{7,8}";
    INFERS("Resize-18", input, "axes=[2,3] keep_aspect_ratio_policy='not_larger'", 1,
           "f32 [1, 1, 4, 8]");
    INFERS("Resize-18", input, "axes=[2,3] keep_aspect_ratio_policy='not_smaller'", 1,
           "f32 [1, 1, 7, 14]");
}

static void before_opset_11_positions_count_from_the_corner(void **state) {
    (void)state;
    CALLS("Resize-10", "x:f32[1,2] s=f32{1,2}", "", "resize(0 3 2 0 0 | -0.75 0 1 0 1 2 0 1)");
    CALLS("Resize-10", "x:f32[1,4] s=f32{1,0.5}", "", "resize(0 3 3 0 0 | -0.75 0 1 0 1 0.5 0 1)");
    CALLS("Resize-11", "x:f32[1,2] - s=f32{1,2}", "", "resize(0 0 0 0 0 | -0.75 0 1 0 1 2 0 1)");
}

static void words_become_parameters(void **state) {
    (void)state;
    CALLS("Resize-19", "x:f32[1,2] - s=f32{1,2}",
          "mode='cubic' coordinate_transformation_mode='half_pixel_symmetric' exclude_outside=1 "
          "antialias=1 cubic_coeff_a=-0.5",
          "resize(2 5 0 1 1 | -0.5 0 1 0 1 2 0 1)");
    CALLS("Resize-13", "x:f32[1,2] r=f32{0,0.25,1,0.75} s=f32{1,2}",
          "mode='linear' coordinate_transformation_mode='tf_crop_and_resize' "
          "extrapolation_value=10.0",
          "resize(1 4 0 0 0 | -0.75 10 1 0 1 2 0.25 0.75)");
}

static void words_of_later_opsets_are_refused(void **state) {
    (void)state;
    INFERS("Resize-18", "x:f32[2] - s=f32{2}",
           "coordinate_transformation_mode='half_pixel_symmetric'", 1,
           "node 'n' (Resize): attribute 'coordinate_transformation_mode' is "
           "'half_pixel_symmetric', which is not known");
    INFERS("Resize-10", "x:f32[2] s=f32{2}", "mode='cubic'", 1,
           "node 'n' (Resize): attribute 'mode' is 'cubic', which is not known");
}

static void resize_refuses_scales_that_contradict(void **state) {
    (void)state;
    INFERS("Resize-13", "x:f32[2,2] - s=f32{2}", "", 1,
           "node 'n' (Resize): 1 scales and 0 sizes for 2 axes");
    INFERS("Resize-13", "x:f32[2] - s=f32{2} z=i64{4}", "", 1,
           "node 'n' (Resize): 1 scales and 1 sizes for 1 axes");
    INFERS("Resize-13", "x:f32[2] - s=f32{0}", "", 1,
           "node 'n' (Resize): scale 0 of axis 0 is out of range");
    INFERS("Resize-13", "x:f32[2] - s=f32{nan}", "", 1,
           "node 'n' (Resize): scale nan of axis 0 is out of range");
    INFERS("Resize-13", "x:f32[2] - - s=i64{0}", "", 1,
           "node 'n' (Resize): size 0 of axis 0 is out of range");
    INFERS("Resize-13", "x:f32[2] - s:f32[1]", "", 1,
           "node 'n' (Resize): input 's' is computed from data");
    INFERS("Resize-10", "x:f32[2,4] s=f32{2,0.5}", "", 1,
           "node 'n' (Resize): it shrinks one axis and stretches another");
    INFERS("Resize-18", "x:f32[2,4] - s=f32{2,2}", "axes=[1,-1]", 1,
           "node 'n' (Resize): attribute 'axes' names axis 1 twice");
    INFERS("Resize-13", "x:f32[2] r=f32{0} s=f32{2}",
           "coordinate_transformation_mode='tf_crop_and_resize'", 1,
           "node 'n' (Resize): its region has 1 numbers for 1 axes");
}

/* Bytes are rounded after every axis, the last first. By hand, halves taken together (weights 1/8,
 * 3/8, 3/8, 1/8; those outside fall on the border): rows 0 1 2 3 become 0.625 and 2.375, so 1 and
 * 2; columns of 1, 3, 7, 9 become 2.5 and 7.5, which go up. */
static void bytes_with_antialiasing_are_rounded_after_every_axis(void **state) {
    (void)state;
    CALLS("Resize-18", "x:u8[4,4] - s=f32{0.5,0.5}", "mode='linear' antialias=1",
          "resize(1 0 0 0 1 | -0.75 0 0.5 0 1 0.5 0 1)");
    VALUES("Resize-18", "x:u8[1,4] - s=f32{1,0.5}", "mode='linear' antialias=1", 1,
           "u8 [1, 2]: 1 2");
    VALUES("Resize-18", "x=u8[4,1]{1,3,7,9} - s=f32{0.5,1}", "mode='linear' antialias=1", 1,
           "u8 [2, 1]: 3 8");
    VALUES("Resize-18", "x=i8[4,1]{-1,-3,-7,-9} - s=f32{0.5,1}", "mode='linear' antialias=1", 1,
           "i8 [2, 1]: 254 249"); /* the bytes of -2 and -7 */
    /* half of 253 is 126.5, so 127, and half of that 63.5, so 64; a quarter of 253 would be 63 */
    VALUES("Resize-18", "x=u8[2,2]{253,0,0,0} - s=f32{0.5,0.5}", "mode='linear' antialias=1", 1,
           "u8 [1, 1]: 64");
}

/* A picture whose channels come last: rows and columns are worked on last, by pitches. */
static void axes_that_change_are_resized_last(void **state) {
    (void)state;
    CALLS("Resize-18", "x:u8[1,4,6,3] - s=f32{1,0.5,2,1}", "mode='linear' antialias=1",
          "resize(1 0 0 0 1 | -0.75 0 1 0 1 1 0 1 0.5 0 1 2 0 1)");
    assert_string_equal(op_operand(0, 0), "u8 [1, 3, 4, 6] pitches [72, 1, 18, 3] offset 0");
    assert_string_equal(op_operand(0, 1), "u8 [1, 3, 2, 12] pitches [72, 1, 36, 3] offset 0");
    VALUES("Resize-13", "x:f32[2,2] - s=f32{2,1}", "", 1, "f32 [4, 2]: 0 1 0 1 2 3 2 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_round_extents_down),
        cmocka_unit_test(sizes_are_the_extents),
        cmocka_unit_test(a_policy_keeps_the_aspect_ratio),
        cmocka_unit_test(before_opset_11_positions_count_from_the_corner),
        cmocka_unit_test(words_become_parameters),
        cmocka_unit_test(words_of_later_opsets_are_refused),
        cmocka_unit_test(resize_refuses_scales_that_contradict),
        cmocka_unit_test(bytes_with_antialiasing_are_rounded_after_every_axis),
        cmocka_unit_test(axes_that_change_are_resized_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
