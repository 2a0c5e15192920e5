/* test_ops_conv.c - Conv, ConvTranspose: windows, channels, groups, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void conv_counts_windows_from_pads_strides_dilations(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,3,8,9] w:f32[4,3,3,3]", "", 1, "f32 [1, 4, 6, 7]");
    INFERS("Conv-11", "x:f32[1,3,8,9] w:f32[4,3,3,3]", "pads=[1,1,1,1] strides=[2,2]", 1,
           "f32 [1, 4, 4, 5]");
    INFERS("Conv-11", "x:f32[1,3,8,9] w:f32[4,3,3,3]", "dilations=[2,3]", 1, "f32 [1, 4, 4, 3]");
    INFERS("Conv-11", "x:f32[0,3,8,9] w:f32[4,3,3,3]", "", 1, "f32 [0, 4, 6, 7]");
}

static void automatic_pads_keep_the_extent_over_the_stride(void **state) {
    (void)state;
    const char *input = "x:f32[1,1,5,6] w:f32[1,1,4,4]";
    CALLS("Conv-1", input, "auto_pad='SAME_UPPER'", "conv(1 1 1 1 1 1 1)");
    CALLS("Conv-1", input, "auto_pad='SAME_LOWER'", "conv(1 1 1 1 1 2 2)");
    INFERS("Conv-1", input, "auto_pad='SAME_UPPER' strides=[2,2]", 1, "f32 [1, 1, 3, 3]");
    INFERS("Conv-1", input, "auto_pad='VALID'", 1, "f32 [1, 1, 2, 3]");
}

static void a_signal_is_a_picture_of_height_1(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[2,4,10] w:f32[6,2,3] b:f32[6]", "group=2 pads=[2,0]", 1,
           "f32 [2, 6, 10]");
    CALLS("Conv-11", "x:f32[2,4,10] w:f32[6,2,3] b:f32[6]", "group=2 pads=[2,0]",
          "conv(2 1 1 1 1 0 2)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 1, 10] pitches [40, 10, 10, 1] offset 0");
    assert_string_equal(op_operand(0, 3), "f32 [2, 6, 1, 10] pitches [60, 10, 10, 1] offset 0");
}

static void conv_refuses_channels_groups_and_biases_that_do_not_fit(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,3,8,8] w:f32[4,4,3,3]", "", 1,
           "node 'n' (Conv): input 'x' has 3 channels, weight wants 4");
    INFERS("Conv-11", "x:f32[1,4,8,8] w:f32[3,2,3,3]", "group=2", 1,
           "node 'n' (Conv): weight 'w' has 3 filters, not a multiple of 2 groups");
    INFERS("Conv-11", "x:f32[1,4,8,8] w:f32[4,4,3,3]", "group=0", 1,
           "node 'n' (Conv): attribute 'group' is 0, wants 1 to 2147483647");
    INFERS("Conv-11", "x:f32[1,3,8,8] w:f32[4,3,3,3] b:f32[3]", "", 1,
           "node 'n' (Conv): input 'b' has 3 elements for 4 output channels");
    INFERS("Conv-11", "x:i32[1,3,8,8] w:i32[4,3,3,3]", "", 1,
           "node 'n' (Conv): input 'x' has dtype i32, which this operator does not take");
}

static void conv_refuses_windows_that_do_not_fit(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,1,2,2] w:f32[1,1,3,3]", "", 1,
           "node 'n' (Conv): a window of 3 does not fit 2 elements with pads");
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "kernel_shape=[3,2]", 1,
           "node 'n' (Conv): attribute 'kernel_shape' has 2, the weight 3");
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "strides=[0,1]", 1,
           "node 'n' (Conv): attribute 'strides' is 0 for axis 0");
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "strides=[1]", 1,
           "node 'n' (Conv): attribute 'strides' has 1 numbers for 2 axes");
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "pads=[0,0,-1,0]", 1,
           "node 'n' (Conv): attribute 'pads' holds -1");
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "auto_pad='SAME'", 1,
           "node 'n' (Conv): attribute 'auto_pad' is 'SAME', which is not known");
}

static void numbers_beyond_31_bits_are_refused_before_they_are_multiplied(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,1,9,9] w:f32[1,1,3,3]", "dilations=[4611686018427387904,1]", 1,
           "node 'n' (Conv): attribute 'dilations' is 4611686018427387904 for axis 0");
}

static void three_spatial_axes_are_refused(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,1,4,4,4] w:f32[1,1,3,3,3]", "", 1,
           "node 'n' (Conv): input 'x' has rank 5, wants 3 to 4");
}

/* ---- ConvTranspose ------------------------------------------------------------------------- */

static void conv_transpose_spreads_its_input(void **state) {
    (void)state;
    INFERS("ConvTranspose-11", "x:f32[1,2,3,3] w:f32[2,4,3,3]", "strides=[2,2]", 1,
           "f32 [1, 4, 7, 7]");
    INFERS("ConvTranspose-11", "x:f32[1,2,3,3] w:f32[2,4,3,3]",
           "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]", 1, "f32 [1, 4, 6, 6]");
    INFERS("ConvTranspose-11", "x:f32[1,4,3,3] w:f32[4,3,2,2] b:f32[6]", "group=2", 1,
           "f32 [1, 6, 4, 4]");
}

static void an_output_shape_decides_the_pads(void **state) {
    (void)state;
    const char *input = "x:f32[1,1,3,3] w:f32[1,1,3,3]"; /* 3 -> 7 without pads at stride 2 */
    INFERS("ConvTranspose-1", input, "strides=[2,2] output_shape=[6,4]", 1, "f32 [1, 1, 6, 4]");
    CALLS("ConvTranspose-1", input, "strides=[2,2] output_shape=[6,4]",
          "conv_transpose(1 2 2 1 1 1 2)");
    CALLS("ConvTranspose-1", input, "strides=[2,2] auto_pad='SAME_UPPER'",
          "conv_transpose(1 2 2 1 1 0 0)");
}

static void conv_transpose_refuses_what_does_not_fit(void **state) {
    (void)state;
    INFERS("ConvTranspose-11", "x:f32[1,3,3,3] w:f32[2,4,3,3]", "", 1,
           "node 'n' (ConvTranspose): input 'x' has 3 channels, weight wants 2");
    INFERS("ConvTranspose-11", "x:f32[1,2,1,1] w:f32[2,4,1,1]", "pads=[1,1,1,1]", 1,
           "node 'n' (ConvTranspose): its pads leave -1 elements");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_counts_windows_from_pads_strides_dilations),
        cmocka_unit_test(automatic_pads_keep_the_extent_over_the_stride),
        cmocka_unit_test(a_signal_is_a_picture_of_height_1),
        cmocka_unit_test(conv_refuses_channels_groups_and_biases_that_do_not_fit),
        cmocka_unit_test(conv_refuses_windows_that_do_not_fit),
        cmocka_unit_test(numbers_beyond_31_bits_are_refused_before_they_are_multiplied),
        cmocka_unit_test(three_spatial_axes_are_refused),
        cmocka_unit_test(conv_transpose_spreads_its_input),
        cmocka_unit_test(an_output_shape_decides_the_pads),
        cmocka_unit_test(conv_transpose_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
