/* test_ops_values_windows.c - windows and positions in every combination; expected values from the
 * reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void convolutions_by_pads_strides_dilations(void **state) {
    (void)state;
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "", 1,
           "f32 [1, 1, 3, 4]: 19 22 25 28 34 37 40 43 49 52 55 58");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "dilations=[1,2]", 1,
           "f32 [1, 1, 3, 3]: 18 21 24 33 36 39 48 51 54");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "strides=[2,1]", 1,
           "f32 [1, 1, 2, 4]: 19 22 25 28 49 52 55 58");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "strides=[2,1] dilations=[1,2]", 1,
           "f32 [1, 1, 2, 3]: 18 21 24 48 51 54");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "strides=[2,3]", 1,
           "f32 [1, 1, 2, 2]: 19 28 49 58");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "strides=[2,3] dilations=[1,2]", 1,
           "f32 [1, 1, 2, 1]: 18 48");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[1,1,1,1]", 1,
           "f32 [1, 1, 5, 6]: 0 1 5 9 13 12 5 19 22 25 28 31 0 34 37 40 43 51 -5 49 52 55 58 71 "
           "-30 -17 -18 -19 -20 19");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[1,1,1,1] dilations=[1,2]",
           1,
           "f32 [1, 1, 5, 5]: 1 2 6 10 9 4 18 21 24 27 -1 33 36 39 47 -6 48 51 54 67 -32 -19 -20 "
           "-21 18");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[1,1,1,1] strides=[2,1]", 1,
           "f32 [1, 1, 3, 6]: 0 1 5 9 13 12 0 34 37 40 43 51 -30 -17 -18 -19 -20 19");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}",
           "pads=[1,1,1,1] strides=[2,1] dilations=[1,2]", 1,
           "f32 [1, 1, 3, 5]: 1 2 6 10 9 -1 33 36 39 47 -32 -19 -20 -21 18");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[1,1,1,1] strides=[2,3]", 1,
           "f32 [1, 1, 3, 2]: 0 9 0 40 -30 -19");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}",
           "pads=[1,1,1,1] strides=[2,3] dilations=[1,2]", 1,
           "f32 [1, 1, 3, 2]: 1 10 -1 39 -32 -21");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[0,1,2,0]", 1,
           "f32 [1, 1, 5, 5]: 5 19 22 25 28 0 34 37 40 43 -5 49 52 55 58 -30 -17 -18 -19 -20 0 0 0 "
           "0 0");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[0,1,2,0] dilations=[1,2]",
           1, "f32 [1, 1, 5, 4]: 4 18 21 24 -1 33 36 39 -6 48 51 54 -32 -19 -20 -21 0 0 0 0");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[0,1,2,0] strides=[2,1]", 1,
           "f32 [1, 1, 3, 5]: 5 19 22 25 28 -5 49 52 55 58 0 0 0 0 0");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}",
           "pads=[0,1,2,0] strides=[2,1] dilations=[1,2]", 1,
           "f32 [1, 1, 3, 4]: 4 18 21 24 -6 48 51 54 0 0 0 0");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}", "pads=[0,1,2,0] strides=[2,3]", 1,
           "f32 [1, 1, 3, 2]: 5 25 -5 55 0 0");
    VALUES("Conv-11", "x:f32[1,1,4,5] w=f32[1,1,2,2]{1,-2,3,1}",
           "pads=[0,1,2,0] strides=[2,3] dilations=[1,2]", 1, "f32 [1, 1, 3, 2]: 4 24 -6 54 0 0");
}

static void convolutions_in_groups_and_signals(void **state) {
    (void)state;
    VALUES("Conv-11", "x:f32[1,4,3] w=f32[4,2,1]{1,0,0,1,1,1,2,-1}", "group=2", 1,
           "f32 [1, 4, 3]: 0 1 2 3 4 5 15 17 19 3 4 5");
    VALUES("Conv-11", "x:f32[1,4,3] w=f32[4,1,2]{1,0,0,1,1,1,2,-1}", "group=4", 1,
           "f32 [1, 4, 2]: 0 1 4 5 13 15 8 9");
    VALUES("Conv-11", "x:f32[2,2,2,2] w=f32[3,2,1,1]{1,0,0,1,1,1} b=f32{0.5,0,-1}", "", 1,
           "f32 [2, 3, 2, 2]: 0.5 1.5 2.5 3.5 4 5 6 7 3 5 7 9 8.5 9.5 10.5 11.5 12 13 14 15 19 21 "
           "23 25");
    VALUES("Conv-1", "x:f32[1,1,3,3] w=f32[2,1,3,3]{1,1,1,1,1,1,1,1,1,0,0,0,0,2,0,0,0,0}",
           "pads=[1,1,1,1]", 1,
           "f32 [1, 2, 3, 3]: 8 15 12 21 36 27 20 33 24 0 2 4 6 8 10 12 14 16");
}

static void transposed_convolutions(void **state) {
    (void)state;
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}", "", 1,
           "f32 [1, 1, 3, 4]: 0 1 4 4 3 13 23 18 9 24 31 20");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}", "strides=[2,2]", 1,
           "f32 [1, 1, 4, 6]: 0 0 1 2 2 4 0 0 3 4 6 8 3 6 4 8 5 10 9 12 12 16 15 20");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}", "pads=[1,0,0,1]", 1,
           "f32 [1, 1, 2, 3]: 3 13 23 9 24 31");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}",
           "strides=[3,2] output_padding=[2,1]", 1,
           "f32 [1, 1, 7, 7]: 0 0 1 2 2 4 0 0 0 3 4 6 8 0 0 0 0 0 0 0 0 3 6 4 8 5 10 0 9 12 12 16 "
           "15 20 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}", "dilations=[2,1]", 1,
           "f32 [1, 1, 4, 4]: 0 1 4 4 3 10 13 10 0 3 10 8 9 24 31 20");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,3] w=f32[1,1,2,2]{1,2,3,4}",
           "strides=[2,2] pads=[1,1,1,1]", 1, "f32 [1, 1, 2, 4]: 0 3 4 6 6 4 8 5");
    VALUES("ConvTranspose-11", "x:f32[1,2,2] w=f32[2,2,2]{1,0,0,1,2,0,0,2} b=f32{1,-1}", "", 1,
           "f32 [1, 2, 3]: 5 8 1 -1 3 6");
}

static void pools_by_kernel_pads_strides(void **state) {
    (void)state;
    VALUES("MaxPool-12", "x:f32[1,1,3,4]", "kernel_shape=[2,2]", 1,
           "f32 [1, 1, 2, 3]: 5 6 7 9 10 11");
    VALUES("MaxPool-12", "x:f32[1,1,3,4]", "kernel_shape=[3,2] strides=[1,2]", 1,
           "f32 [1, 1, 1, 2]: 9 11");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("MaxPool-12", "x:f32[1,1,3,4]", "kernel_shape=[2,2] pads=[1,1,0,0]", 1,
           "f32 [1, 1, 3, 4]: 0 1 2 3 4 5 6 7 8 9 10 11");
    VALUES("MaxPool-12", "x:f32[1,1,3,4]", "kernel_shape=[2,3] pads=[1,1,1,1] strides=[2,2]", 1,
           "f32 [1, 1, 2, 2]: 1 3 9 11");
    VALUES("MaxPool-12", "x:f32[1,1,3,4]", "kernel_shape=[1,4]", 1, "f32 [1, 1, 3, 1]: 3 7 11");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[2,2]", 1,
           "f32 [1, 1, 2, 3]: 2.5 3.5 4.5 6.5 7.5 8.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[3,2] strides=[1,2]", 1,
           "f32 [1, 1, 1, 2]: 4.5 6.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[2,2] pads=[1,1,0,0]", 1,
           "f32 [1, 1, 3, 4]: 0 0.5 1.5 2.5 2 2.5 3.5 4.5 6 6.5 7.5 8.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[2,3] pads=[1,1,1,1] strides=[2,2]", 1,
           "f32 [1, 1, 2, 2]: 0.5 2 6.5 8");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[1,4]", 1,
           "f32 [1, 1, 3, 1]: 1.5 5.5 9.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[2,2] count_include_pad=1", 1,
           "f32 [1, 1, 2, 3]: 2.5 3.5 4.5 6.5 7.5 8.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]",
           "kernel_shape=[3,2] strides=[1,2] count_include_pad=1", 1, "f32 [1, 1, 1, 2]: 4.5 6.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]",
           "kernel_shape=[2,2] pads=[1,1,0,0] count_include_pad=1", 1,
           "f32 [1, 1, 3, 4]: 0 0.25 0.75 1.25 1 2.5 3.5 4.5 3 6.5 7.5 8.5");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]",
           "kernel_shape=[2,3] pads=[1,1,1,1] strides=[2,2] count_include_pad=1", 1,
           "f32 [1, 1, 2, 2]: 0.1667 1 4.333 8");
    VALUES("AveragePool-11", "x:f32[1,1,3,4]", "kernel_shape=[1,4] count_include_pad=1", 1,
           "f32 [1, 1, 3, 1]: 1.5 5.5 9.5");
    VALUES("MaxPool-12", "x:f32[1,2,5]", "kernel_shape=[3] dilations=[2]", 1, "f32 [1, 2, 1]: 4 9");
    VALUES("MaxPool-12", "x:f32[1,1,6]", "kernel_shape=[3] strides=[2] ceil_mode=1", 1,
           "f32 [1, 1, 3]: 2 4 5");
    VALUES("LpPool-11", "x:f32[1,1,2,3]", "kernel_shape=[1,2] p=1", 1, "f32 [1, 1, 2, 2]: 1 3 7 9");
    VALUES("LpPool-11", "x:f32[1,1,2,3]", "kernel_shape=[2,2]", 1, "f32 [1, 1, 1, 2]: 5.099 6.782");
}

static void resizing_by_mode_and_coordinates(void **state) {
    (void)state;
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='nearest' coordinate_transformation_mode='half_pixel'", 1,
           "f32 [1, 1, 8]: 1 1 4 4 2 2 8 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='nearest' coordinate_transformation_mode='half_pixel'", 1, "f32 [1, 1, 2]: 1 2");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='nearest' coordinate_transformation_mode='asymmetric'", 1,
           "f32 [1, 1, 8]: 1 1 4 4 2 2 8 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='nearest' coordinate_transformation_mode='asymmetric'", 1, "f32 [1, 1, 2]: 1 2");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='nearest' coordinate_transformation_mode='align_corners'", 1,
           "f32 [1, 1, 8]: 1 1 4 4 2 2 8 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='nearest' coordinate_transformation_mode='align_corners'", 1,
           "f32 [1, 1, 2]: 1 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='nearest' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 8]: 1 1 4 4 2 2 8 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='nearest' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 2]: 1 2");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='linear' coordinate_transformation_mode='half_pixel'", 1,
           "f32 [1, 1, 8]: 1 1.75 3.25 3.5 2.5 3.5 6.5 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='linear' coordinate_transformation_mode='half_pixel'", 1, "f32 [1, 1, 2]: 2.5 5");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='linear' coordinate_transformation_mode='asymmetric'", 1,
           "f32 [1, 1, 8]: 1 2.5 4 3 2 5 8 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='linear' coordinate_transformation_mode='asymmetric'", 1, "f32 [1, 1, 2]: 1 2");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='linear' coordinate_transformation_mode='align_corners'", 1,
           "f32 [1, 1, 8]: 1 2.286 3.571 3.429 2.571 2.857 5.429 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='linear' coordinate_transformation_mode='align_corners'", 1, "f32 [1, 1, 2]: 1 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='linear' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 8]: 1 1.75 3.25 3.5 2.5 3.5 6.5 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='linear' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 2]: 2.5 5");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='cubic' coordinate_transformation_mode='half_pixel'", 1,
           "f32 [1, 1, 8]: 0.6836 1.75 3.531 3.652 1.926 3.148 6.57 8.633");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='cubic' coordinate_transformation_mode='half_pixel'", 1,
           "f32 [1, 1, 2]: 2.688 4.812");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='cubic' coordinate_transformation_mode='asymmetric'", 1,
           "f32 [1, 1, 8]: 1 2.688 4 2.719 2 4.812 8 8.562");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='cubic' coordinate_transformation_mode='asymmetric'", 1, "f32 [1, 1, 2]: 1 2");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='cubic' coordinate_transformation_mode='align_corners'", 1,
           "f32 [1, 1, 8]: 1 2.417 3.794 3.538 2.003 2.569 5.324 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='cubic' coordinate_transformation_mode='align_corners'", 1, "f32 [1, 1, 2]: 1 8");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,2.0}",
           "mode='cubic' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 8]: 0.6836 1.75 3.531 3.652 1.926 3.148 6.57 8.633");
    VALUES("Resize-19", "x=f32[1,1,4]{1,4,2,8} - s=f32{1,1,0.5}",
           "mode='cubic' coordinate_transformation_mode='pytorch_half_pixel'", 1,
           "f32 [1, 1, 2]: 2.688 4.812");
    VALUES("Resize-19", "x=f32[1,4]{1,4,2,8} - - z=i64{1,7}", "nearest_mode='round_prefer_floor'",
           1, "f32 [1, 7]: 1 1 4 4 2 8 8");
    VALUES("Resize-19", "x=f32[1,4]{1,4,2,8} - - z=i64{1,7}", "nearest_mode='round_prefer_ceil'", 1,
           "f32 [1, 7]: 1 1 4 2 2 8 8");
    VALUES("Resize-19", "x=f32[1,4]{1,4,2,8} - - z=i64{1,7}", "nearest_mode='floor'", 1,
           "f32 [1, 7]: 1 1 1 4 2 2 8");
    VALUES("Resize-19", "x=f32[1,4]{1,4,2,8} - - z=i64{1,7}", "nearest_mode='ceil'", 1,
           "f32 [1, 7]: 1 4 4 2 8 8 8");
    VALUES("Resize-19", "x=f32[1,1,2,2]{1,2,3,4} - - z=i64{1,1,3,4}", "mode='linear'", 1,
           "f32 [1, 1, 3, 4]: 1 1.25 1.75 2 2 2.25 2.75 3 3 3.25 3.75 4");
    VALUES(
        "Resize-19", "x=f32[1,1,2,2]{1,2,3,4} - - z=i64{1,1,4,3}", "mode='cubic' exclude_outside=1",
        1,
        "f32 [1, 1, 4, 3]: 0.6259 1.227 1.829 1.358 1.959 2.56 2.44 3.041 3.642 3.171 3.773 4.374");
    VALUES("Resize-19", "x=f32[1,8]{1,2,3,4,5,6,7,8} - - z=i64{1,3}", "mode='cubic' antialias=1", 1,
           "f32 [1, 3]: 1.788 4.5 7.212");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_by_pads_strides_dilations),
        cmocka_unit_test(convolutions_in_groups_and_signals),
        cmocka_unit_test(transposed_convolutions),
        cmocka_unit_test(pools_by_kernel_pads_strides),
        cmocka_unit_test(resizing_by_mode_and_coordinates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
