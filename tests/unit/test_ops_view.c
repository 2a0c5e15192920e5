/* test_ops_view.c - Reshape, Squeeze, Unsqueeze, Flatten, Identity, Dropout, Transpose, Expand:
 * shapes, versions, views of inputs with any pitches, sentences that refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

/* ---- Reshape ------------------------------------------------------------------------------- */

static void reshape_copies_dims_for_0_and_fills_one_minus_1(void **state) {
    (void)state;
    INFERS("Reshape-13", "x:f32[2,3,4] s=i64{0,-1}", "", 1, "f32 [2, 12]");
    INFERS("Reshape-5", "x:i64[2,3,4] s=i64{4,0,-1}", "", 1, "i64 [4, 3, 2]");
    INFERS("Reshape-13", "x:f32[1] s=i64{}", "", 1, "f32 []");
}

static void reshape_keeps_zeros_where_allowzero_says_so_from_opset_14_on(void **state) {
    (void)state;
    INFERS("Reshape-14", "x:f32[0,3] s=i64{3,0}", "allowzero=1", 1, "f32 [3, 0]");
    INFERS("Reshape-13", "x:f32[0,3] s=i64{3,0}", "allowzero=1", 1,
           "node 'n' (Reshape): input 'x' of [0, 3] does not fit [3, 3]");
    INFERS("Reshape-14", "x:f32[0,3] s=i64{-1,0}", "allowzero=1", 1,
           "node 'n' (Reshape): input 'x' of [0, 3] does not fit [-1, 0]");
}

static void reshape_of_an_empty_cache_finds_its_unknown_dim(void **state) {
    (void)state;
    INFERS("Reshape-14", "x:f32[1,0,8,4] s=i64{1,-1,32}", "", 1, "f32 [1, 0, 32]");
}

static void reshape_refuses_what_does_not_fit(void **state) {
    (void)state;
    INFERS("Reshape-13", "x:f32[2,3] s=i64{4,-1}", "", 1,
           "node 'n' (Reshape): input 'x' of [2, 3] does not fit [4, -1]");
    INFERS("Reshape-13", "x:f32[2,3] s=i64{7}", "", 1,
           "node 'n' (Reshape): input 'x' of [2, 3] does not fit [7]");
    INFERS("Reshape-13", "x:f32[2,3] s=i64{-1,-1}", "", 1,
           "node 'n' (Reshape): shape has more than one -1");
    INFERS("Reshape-13", "x:f32[2,3] s=i64{-2}", "", 1,
           "node 'n' (Reshape): shape has a negative dim");
    INFERS("Reshape-13", "x:f32[2] s=i64{2,0}", "", 1,
           "node 'n' (Reshape): shape copies axis 1 of rank 1");
    INFERS("Reshape-13", "x:f32[2] s=i64{1,1,1,1,1,1,1,1,2}", "", 1,
           "node 'n' (Reshape): rank 9 exceeds 8");
}

static void reshape_with_products_beyond_63_bits_is_refused(void **state) {
    (void)state;
    INFERS("Reshape-13", "x:f32[4] s=i64{4611686018427387904,4611686018427387904,-1}", "", 1,
           "node 'n' (Reshape): input 'x' of [4] does not fit "
           "[4611686018427387904, 4611686018427387904, -1]");
}

static void reshape_to_a_computed_shape_is_refused(void **state) {
    (void)state;
    INFERS("Reshape-13", "x:f32[4] s:i64[2]", "", 1,
           "node 'n' (Reshape): input 's' is computed from data, so no memory can be planned; it "
           "must follow from constants and shapes");
}

static void reshape_is_a_view_where_pitches_allow_it(void **state) {
    (void)state;
    const int64_t columns[2] = {1, 2}, rows[2] = {10, 1};
    VIEWS("Reshape-13", "x:f32[2,3,4] s=i64{6,4}", "", "[6, 4] pitches [4, 1] offset 0");
    assert_string_equal(op_view_of(columns, "Reshape-13", "x:f32[2,3] s=i64{6}", ""), "no view");
    assert_string_equal(op_view_of(rows, "Reshape-13", "x:f32[2,6] s=i64{2,2,3}", ""),
                        "[2, 2, 3] pitches [10, 3, 1] offset 0");
}

static void reshape_without_a_view_is_one_copy(void **state) {
    (void)state;
    CALLS("Reshape-13", "x:f32[2,3] s=i64{6}", "", "copy(0)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3] pitches [3, 1] offset 0");
}

/* ---- Squeeze, Unsqueeze, Flatten ----------------------------------------------------------- */

static void squeeze_takes_axes_as_attribute_before_13_and_as_input_after(void **state) {
    (void)state;
    INFERS("Squeeze-11", "x:f32[1,3,1]", "axes=[-1]", 1, "f32 [1, 3]");
    INFERS("Squeeze-13", "x:f32[1,3,1] a=i64{0}", "", 1, "f32 [3, 1]");
    INFERS("Squeeze-13", "x:f32[1,3,1]", "", 1, "f32 [3]");
    INFERS("Squeeze-13", "x:f32[1,3,1] a=i64{}", "", 1, "f32 [1, 3, 1]");
}

static void squeeze_of_a_longer_axis_is_refused(void **state) {
    (void)state;
    INFERS("Squeeze-13", "x:f32[1,3] a=i64{1}", "", 1,
           "node 'n' (Squeeze): input 'x' has 3 elements along axis 1, wants 1");
    INFERS("Squeeze-13", "x:f32[1,3] a=i64{2}", "", 1,
           "node 'n' (Squeeze): axis 2 is outside a tensor of rank 2");
    INFERS("Squeeze-11", "x:f32[1,3]", "axes=[0,-2]", 1,
           "node 'n' (Squeeze): axis 0 is named twice");
}

static void unsqueeze_counts_axes_in_its_result(void **state) {
    (void)state;
    INFERS("Unsqueeze-11", "x:f32[3,4]", "axes=[0,3]", 1, "f32 [1, 3, 4, 1]");
    INFERS("Unsqueeze-13", "x:f32[3,4] a=i64{-1,1}", "", 1, "f32 [3, 1, 4, 1]");
    INFERS("Unsqueeze-13", "x:i64[] a=i64{0}", "", 1, "i64 [1]");
    INFERS("Unsqueeze-13", "x:f32[3] a=i64{3}", "", 1,
           "node 'n' (Unsqueeze): axis 3 is outside a tensor of rank 2");
    INFERS("Unsqueeze-13", "x:f32[1,1,1,1,1,1,1,1] a=i64{0}", "", 1,
           "node 'n' (Unsqueeze): rank 9 exceeds 8");
}

static void unsqueeze_keeps_the_pitches_of_a_strided_input(void **state) {
    (void)state;
    const int64_t pitch[2] = {1, 7};
    assert_string_equal(op_view_of(pitch, "Unsqueeze-13", "x:f32[3,4] a=i64{0}", ""),
                        "[1, 3, 4] pitches [3, 1, 7] offset 0");
}

static void flatten_cuts_before_its_axis(void **state) {
    (void)state;
    INFERS("Flatten-9", "x:f32[2,3,4]", "", 1, "f32 [2, 12]");
    INFERS("Flatten-13", "x:f32[2,3,4]", "axis=0", 1, "f32 [1, 24]");
    INFERS("Flatten-13", "x:f32[2,3,4]", "axis=3", 1, "f32 [24, 1]");
    INFERS("Flatten-11", "x:f32[2,3,4]", "axis=-1", 1, "f32 [6, 4]");
    INFERS("Flatten-9", "x:f32[2,3,4]", "axis=-1", 1,
           "node 'n' (Flatten): attribute 'axis' is -1, wants 0 to 3");
}

/* ---- Identity, Dropout --------------------------------------------------------------------- */

static void identity_is_its_input(void **state) {
    (void)state;
    const int64_t pitch[2] = {1, 3};
    INFERS("Identity-16", "x:bool[3,2]", "", 1, "bool [3, 2]");
    assert_string_equal(op_view_of(pitch, "Identity-1", "x:f32[3,2]", ""),
                        "[3, 2] pitches [1, 3] offset 0");
}

static void dropout_passes_its_input_and_its_mask_changes_dtype_with_opset_10(void **state) {
    (void)state;
    INFERS("Dropout-7", "x:f32[3]", "ratio=0.5", 2, "f32 [3]; f32 [3]");
    INFERS("Dropout-10", "x:f32[3]", "", 2, "f32 [3]; bool [3]");
    INFERS("Dropout-13", "x:f32[3] r=f32(0.5)", "", 1, "f32 [3]");
    VIEWS("Dropout-13", "x:f32[3]", "", "[3] pitches [1] offset 0");
    assert_string_equal(op_view("Dropout-13", "x:f32[3]", "", 2, 1), "no view");
    assert_string_equal(op_calls("Dropout-13", "x:f32[3]", "", 2), "copy(0); fill(1)");
}

static void dropout_in_training_is_refused(void **state) {
    (void)state;
    INFERS("Dropout-13", "x:f32[3] r=f32(0.5) t=bool(0)", "", 1, "f32 [3]");
    INFERS("Dropout-13", "x:f32[3] r=f32(0.5) t=bool(1)", "", 1,
           "node 'n' (Dropout): training_mode is true: dms runs inference only");
    INFERS("Dropout-13", "x:f32[3] - t:bool[]", "", 1,
           "node 'n' (Dropout): input 't' (training_mode) is computed from data");
}

/* ---- Transpose, Expand --------------------------------------------------------------------- */

static void transpose_permutes_dims_and_pitches(void **state) {
    (void)state;
    INFERS("Transpose-13", "x:f32[2,3,4]", "perm=[0,2,1]", 1, "f32 [2, 4, 3]");
    INFERS("Transpose-1", "x:f32[2,3,4]", "", 1, "f32 [4, 3, 2]");
    VIEWS("Transpose-13", "x:f32[2,3,4]", "perm=[2,0,1]", "[4, 2, 3] pitches [1, 12, 4] offset 0");
}

static void transpose_refuses_what_is_no_permutation(void **state) {
    (void)state;
    INFERS("Transpose-13", "x:f32[2,3]", "perm=[0]", 1,
           "node 'n' (Transpose): attribute 'perm' has 1 axes for rank 2");
    INFERS("Transpose-13", "x:f32[2,3]", "perm=[1,1]", 1,
           "node 'n' (Transpose): attribute 'perm' names an axis twice");
    INFERS("Transpose-13", "x:f32[2,3]", "perm=[0,2]", 1,
           "node 'n' (Transpose): axis 2 is outside a tensor of rank 2");
}

static void expand_repeats_by_pitch_0(void **state) {
    (void)state;
    INFERS("Expand-13", "x:f32[3,1] s=i64{2,1,4}", "", 1, "f32 [2, 3, 4]");
    INFERS("Expand-8", "x:f32[3,4] s=i64{1}", "", 1, "f32 [3, 4]");
    VIEWS("Expand-13", "x:f32[3,1] s=i64{2,1,4}", "", "[2, 3, 4] pitches [0, 1, 0] offset 0");
    INFERS("Expand-13", "x:f32[3,1] s=i64{2,4}", "", 1,
           "node 'n' (Expand): input 'x' has 3 elements along axis 0, shape wants 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshape_copies_dims_for_0_and_fills_one_minus_1),
        cmocka_unit_test(reshape_keeps_zeros_where_allowzero_says_so_from_opset_14_on),
        cmocka_unit_test(reshape_of_an_empty_cache_finds_its_unknown_dim),
        cmocka_unit_test(reshape_refuses_what_does_not_fit),
        cmocka_unit_test(reshape_with_products_beyond_63_bits_is_refused),
        cmocka_unit_test(reshape_to_a_computed_shape_is_refused),
        cmocka_unit_test(reshape_is_a_view_where_pitches_allow_it),
        cmocka_unit_test(reshape_without_a_view_is_one_copy),
        cmocka_unit_test(squeeze_takes_axes_as_attribute_before_13_and_as_input_after),
        cmocka_unit_test(squeeze_of_a_longer_axis_is_refused),
        cmocka_unit_test(unsqueeze_counts_axes_in_its_result),
        cmocka_unit_test(unsqueeze_keeps_the_pitches_of_a_strided_input),
        cmocka_unit_test(flatten_cuts_before_its_axis),
        cmocka_unit_test(identity_is_its_input),
        cmocka_unit_test(dropout_passes_its_input_and_its_mask_changes_dtype_with_opset_10),
        cmocka_unit_test(dropout_in_training_is_refused),
        cmocka_unit_test(transpose_permutes_dims_and_pitches),
        cmocka_unit_test(transpose_refuses_what_is_no_permutation),
        cmocka_unit_test(expand_repeats_by_pitch_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
