/* test_ops_norm.c - normalisations: what is seen as batch, channels, groups, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void batch_norm_sees_batch_channels_and_positions(void **state) {
    (void)state;
    const char *input = "x:f32[2,3,4,5] s:f32[3] b:f32[3] m:f32[3] v:f32[3]";
    INFERS("BatchNormalization-9", input, "", 1, "f32 [2, 3, 4, 5]");
    CALLS("BatchNormalization-15", input, "epsilon=0.5", "batch_norm(0.5)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 3, 20] pitches [60, 20, 1] offset 0");
}

static void batch_norm_for_training_is_refused(void **state) {
    (void)state;
    const char *input = "x:f32[2,3] s:f32[3] b:f32[3] m:f32[3] v:f32[3]";
    INFERS("BatchNormalization-14", input, "training_mode=1", 1,
           "node 'n' (BatchNormalization): training_mode is 1: dms runs inference only");
    INFERS("BatchNormalization-9", input, "", 2,
           "node 'n' (BatchNormalization): output 'y1' belongs to training");
    INFERS("BatchNormalization-7", input, "spatial=0", 1,
           "node 'n' (BatchNormalization): attribute 'spatial' is 0: statistics per position");
}

static void statistics_have_one_element_per_channel(void **state) {
    (void)state;
    INFERS("BatchNormalization-9", "x:f32[2,3] s:f32[3] b:f32[2] m:f32[3] v:f32[3]", "", 1,
           "node 'n' (BatchNormalization): input 'b' has 2 elements for 3 channels");
    INFERS("BatchNormalization-9", "x:f32[3] s:f32[3] b:f32[3] m:f32[3] v:f32[3]", "", 1,
           "node 'n' (BatchNormalization): input 'x' has rank 1, wants 2 to 8");
}

static void statistics_of_another_dtype_are_cast(void **state) {
    (void)state;
    CALLS("BatchNormalization-15", "x:f16[2,3] s:f16[3] b:f16[3] m:f32[3] v:f32[3]", "",
          "cast(1); cast(1); batch_norm(1e-05)");
}

static void instance_norm_is_group_norm_with_one_channel_per_group(void **state) {
    (void)state;
    CALLS("InstanceNormalization-6", "x:f32[2,6,5] s:f32[6] b:f32[6]", "", "group_norm(1e-05)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 6, 1, 5] pitches [30, 5, 5, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [6, 1] pitches [1, 1] offset 0");
}

static void the_scales_of_group_norm_are_per_group_in_18_and_per_channel_from_21_on(void **state) {
    (void)state;
    CALLS("GroupNormalization-18", "x:f32[2,6,5] s:f32[2] b:f32[2]", "num_groups=2",
          "group_norm(1e-05)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3] pitches [1, 0] offset 0");
    CALLS("GroupNormalization-21", "x:f32[2,6,5] s:f32[6] b:f32[6]", "num_groups=2",
          "group_norm(1e-05)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3] pitches [3, 1] offset 0");
    INFERS("GroupNormalization-21", "x:f32[2,6,5] s:f32[2] b:f32[2]", "num_groups=2", 1,
           "node 'n' (GroupNormalization): input 's' has 2 elements for 6 channels");
    INFERS("GroupNormalization-18", "x:f32[2,6,5] s:f32[4] b:f32[4]", "num_groups=4", 1,
           "node 'n' (GroupNormalization): input 'x' has 6 channels, not a multiple of 4 groups");
}

static void layer_norm_works_on_rows_from_its_axis_on(void **state) {
    (void)state;
    INFERS("LayerNormalization-17", "x:f32[2,3,4] s:f32[3,4]", "axis=1", 3,
           "f32 [2, 3, 4]; f32 [2, 1, 1]; f32 [2, 1, 1]");
    CALLS("LayerNormalization-17", "x:f32[2,3,4] s:f32[3,4] b:f32[3,4]", "axis=1",
          "layer_norm(0 | 1e-05)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 12] pitches [12, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [12] pitches [1] offset 0");
    assert_string_equal(op_calls("LayerNormalization-17", "x:f32[2,3,4] s:f32[4]", "", 3),
                        "layer_norm(0 | 1e-05)");
    assert_string_equal(op_operand(0, 3), "f32 [6] pitches [1] offset 0");
}

static void rms_norm_has_no_mean(void **state) {
    (void)state;
    CALLS("RMSNormalization-23", "x:f32[2,4] s:f32[4]", "epsilon=0.5", "layer_norm(1 | 0.5)");
}

static void a_scale_is_repeated_to_the_normalised_dims(void **state) {
    (void)state;
    CALLS("LayerNormalization-17", "x:f32[2,3,4] s:f32[1]", "axis=1", "layer_norm(0 | 1e-05)");
    assert_string_equal(op_operand(0, 1), "f32 [12] pitches [0] offset 0");
    CALLS("LayerNormalization-17", "x:f32[2,3,4] s:f32[4]", "axis=1",
          "copy(0); layer_norm(0 | 1e-05)");
    INFERS("LayerNormalization-17", "x:f32[2,3,4] s:f32[3]", "axis=1", 1,
           "node 'n' (LayerNormalization): input 's' does not fit the normalised dims [3, 4]");
}

static void layer_norm_refuses_another_stash_type(void **state) {
    (void)state;
    INFERS("LayerNormalization-17", "x:f32[2,4] s:f32[4]", "stash_type=f16", 1,
           "node 'n' (LayerNormalization): attribute 'stash_type' is 10, wants 1 (f32)");
}

static void lp_normalization_divides_by_its_norm(void **state) {
    (void)state;
    CALLS("LpNormalization-1", "x:f32[2,3]", "p=1 axis=0", "reduce(5 1); binary(3)");
    INFERS("LpNormalization-1", "x:f32[2,3]", "p=3", 1,
           "node 'n' (LpNormalization): attribute 'p' is 3, wants 1 to 2");
}

static void mean_variance_normalization_follows_its_function_body(void **state) {
    (void)state;
    CALLS("MeanVarianceNormalization-13", "x:f32[2,3,4,5]", "",
          "reduce(1 1); binary(1); unary(44 | 0 0); reduce(1 1); unary(7 | 0 0); binary(0); "
          "binary(3)");
    INFERS("MeanVarianceNormalization-9", "x:f32[2,3]", "", 1,
           "node 'n' (MeanVarianceNormalization): axis 2 is outside a tensor of rank 2");
}

static void lrn_names_its_window_and_three_numbers(void **state) {
    (void)state;
    CALLS("LRN-13", "x:f32[2,3,4,5]", "size=3 alpha=0.25", "lrn(3 | 0.25 0.75 1)");
    INFERS("LRN-13", "x:f32[2,3]", "", 1,
           "node 'n' (LRN): attribute 'size' is 0, wants 1 to 2147483647");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_sees_batch_channels_and_positions),
        cmocka_unit_test(batch_norm_for_training_is_refused),
        cmocka_unit_test(statistics_have_one_element_per_channel),
        cmocka_unit_test(statistics_of_another_dtype_are_cast),
        cmocka_unit_test(instance_norm_is_group_norm_with_one_channel_per_group),
        cmocka_unit_test(the_scales_of_group_norm_are_per_group_in_18_and_per_channel_from_21_on),
        cmocka_unit_test(layer_norm_works_on_rows_from_its_axis_on),
        cmocka_unit_test(rms_norm_has_no_mean),
        cmocka_unit_test(a_scale_is_repeated_to_the_normalised_dims),
        cmocka_unit_test(layer_norm_refuses_another_stash_type),
        cmocka_unit_test(lp_normalization_divides_by_its_norm),
        cmocka_unit_test(mean_variance_normalization_follows_its_function_body),
        cmocka_unit_test(lrn_names_its_window_and_three_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
