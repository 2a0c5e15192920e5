/* test_ops_slice.c - Slice and Split: which elements, as views or copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void slice_takes_attributes_before_10_and_inputs_after(void **state) {
    (void)state;
    INFERS("Slice-9", "x:f32[4,5]", "starts=[1] ends=[3] axes=[1]", 1, "f32 [4, 2]");
    INFERS("Slice-13", "x:f32[4,5] s=i64{1} e=i64{3} a=i64{1}", "", 1, "f32 [4, 2]");
    INFERS("Slice-13", "x:f32[4,5] s=i32{1,2} e=i32{3,5}", "", 1, "f32 [2, 3]");
}

static void bounds_count_from_the_end_and_are_clamped(void **state) {
    (void)state;
    INFERS("Slice-13", "x:f32[10] s=i64{-3} e=i64{9223372036854775807}", "", 1, "f32 [3]");
    INFERS("Slice-13", "x:f32[10] s=i64{-99} e=i64{-8}", "", 1, "f32 [2]");
    INFERS("Slice-13", "x:f32[10] s=i64{7} e=i64{3}", "", 1, "f32 [0]");
    INFERS("Slice-13", "x:f32[0] s=i64{0} e=i64{5}", "", 1, "f32 [0]");
}

static void steps_take_every_nth_element(void **state) {
    (void)state;
    const char *input = "x:f32[10] s=i64{1} e=i64{10} a=i64{0} t=i64{4}"; /* 1, 5, 9 */
    INFERS("Slice-13", input, "", 1, "f32 [3]");
    VIEWS("Slice-13", input, "", "[3] pitches [4] offset 1");
    INFERS("Slice-13", "x:f32[10] s=i64{0} e=i64{10} a=i64{0} t=i64{9223372036854775807}", "", 1,
           "f32 [1]");
}

static void a_slice_moves_the_offset_and_keeps_the_other_pitches(void **state) {
    (void)state;
    const int64_t pitch[2] = {1, 4}; /* a transposed matrix */
    VIEWS("Slice-13", "x:f32[4,5] s=i64{1,2} e=i64{3,5}", "", "[2, 3] pitches [5, 1] offset 7");
    assert_string_equal(op_view_of(pitch, "Slice-13", "x:f32[4,5] s=i64{2} e=i64{5} a=i64{-1}", ""),
                        "[4, 3] pitches [1, 4] offset 8");
}

static void negative_steps_read_backwards_by_a_copy(void **state) {
    (void)state;
    const char *input = "x:f32[6] s=i64{5} e=i64{-99} a=i64{0} t=i64{-2}"; /* 5, 3, 1 */
    INFERS("Slice-13", input, "", 1, "f32 [3]");
    VIEWS("Slice-13", input, "", "no view");
    CALLS("Slice-13", input, "", "copy(1)");
    assert_string_equal(op_operand(0, 0), "f32 [3] pitches [2] offset 1");
    CALLS("Slice-13", "x:f32[2,3] s=i64{0,2} e=i64{2,-4} a=i64{0,1} t=i64{1,-1}", "", "copy(2)");
}

static void one_element_taken_backwards_is_a_view(void **state) {
    (void)state;
    VIEWS("Slice-13", "x:f32[6] s=i64{4} e=i64{3} a=i64{0} t=i64{-1}", "",
          "[1] pitches [1] offset 4");
}

static void the_largest_negative_step_does_not_overflow(void **state) {
    (void)state;
    INFERS("Slice-13", "x:f32[6] s=i64{5} e=i64{-99} a=i64{0} t=i64{-9223372036854775808}", "", 1,
           "f32 [1]");
}

static void slice_refuses_what_contradicts_itself(void **state) {
    (void)state;
    INFERS("Slice-13", "x:f32[6] s=i64{0} e=i64{6} a=i64{0} t=i64{0}", "", 1,
           "node 'n' (Slice): step along axis 0 is 0");
    INFERS("Slice-13", "x:f32[6,2] s=i64{0,0} e=i64{6,2} a=i64{0,-2}", "", 1,
           "node 'n' (Slice): axis 0 is named twice");
    INFERS("Slice-13", "x:f32[6] s=i64{0,0} e=i64{6}", "", 1,
           "node 'n' (Slice): starts, ends, axes and steps differ in length");
    INFERS("Slice-13", "x:f32[6] s=i64{0} e=i64{6} a=i64{1}", "", 1,
           "node 'n' (Slice): axis 1 is outside a tensor of rank 1");
    INFERS("Slice-13", "x:f32[6] s=i64{0} e:i64[1]", "", 1,
           "node 'n' (Slice): input 'e' is computed from data, so no memory can be planned; it "
           "must follow from constants and shapes");
}

/* ---- Split --------------------------------------------------------------------------------- */

static void split_takes_lengths_as_attribute_before_13_and_as_input_after(void **state) {
    (void)state;
    INFERS("Split-11", "x:f32[6,2]", "split=[2,4]", 2, "f32 [2, 2]; f32 [4, 2]");
    INFERS("Split-13", "x:f32[6,2] s=i64{1,5}", "", 2, "f32 [1, 2]; f32 [5, 2]");
    INFERS("Split-13", "x:f32[2,6]", "axis=-1", 3, "f32 [2, 2]; f32 [2, 2]; f32 [2, 2]");
}

static void the_last_part_may_be_smaller_from_opset_18_on(void **state) {
    (void)state;
    INFERS("Split-18", "x:f32[7]", "num_outputs=3", 3, "f32 [3]; f32 [3]; f32 [1]");
    INFERS("Split-18", "x:f32[2]", "num_outputs=3", 3, "f32 [1]; f32 [1]; f32 [0]");
    INFERS("Split-13", "x:f32[7]", "", 3, "node 'n' (Split): 7 elements do not make 3 equal parts");
}

static void parts_are_views_side_by_side(void **state) {
    (void)state;
    assert_string_equal(op_view("Split-13", "x:f32[2,6] s=i64{1,5}", "axis=1", 2, 0),
                        "[2, 1] pitches [6, 1] offset 0");
    assert_string_equal(op_view("Split-13", "x:f32[2,6] s=i64{1,5}", "axis=1", 2, 1),
                        "[2, 5] pitches [6, 1] offset 1");
}

static void parts_may_be_empty(void **state) {
    (void)state;
    INFERS("Split-13", "x:f32[4] s=i64{0,4,0}", "", 3, "f32 [0]; f32 [4]; f32 [0]");
}

static void split_refuses_lengths_that_do_not_add_up(void **state) {
    (void)state;
    INFERS("Split-13", "x:f32[6] s=i64{2,2}", "", 2,
           "node 'n' (Split): the parts do not add up to 6 elements");
    INFERS("Split-13", "x:f32[6] s=i64{7,-1}", "", 2,
           "node 'n' (Split): the parts do not add up to 6 elements");
    INFERS("Split-13", "x:f32[6] s=i64{2,2,2}", "", 2,
           "node 'n' (Split): split has 3 parts, the node 2 outputs");
    INFERS("Split-18", "x:f32[6]", "num_outputs=3", 2,
           "node 'n' (Split): num_outputs is 3, the node has 2");
}

static void split_without_views_copies_each_part(void **state) {
    (void)state;
    assert_string_equal(op_calls("Split-13", "x:f32[6]", "", 2), "copy(0); copy(0)");
    assert_string_equal(op_operand(1, 0), "f32 [3] pitches [1] offset 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_takes_attributes_before_10_and_inputs_after),
        cmocka_unit_test(bounds_count_from_the_end_and_are_clamped),
        cmocka_unit_test(steps_take_every_nth_element),
        cmocka_unit_test(a_slice_moves_the_offset_and_keeps_the_other_pitches),
        cmocka_unit_test(negative_steps_read_backwards_by_a_copy),
        cmocka_unit_test(one_element_taken_backwards_is_a_view),
        cmocka_unit_test(the_largest_negative_step_does_not_overflow),
        cmocka_unit_test(slice_refuses_what_contradicts_itself),
        cmocka_unit_test(split_takes_lengths_as_attribute_before_13_and_as_input_after),
        cmocka_unit_test(the_last_part_may_be_smaller_from_opset_18_on),
        cmocka_unit_test(parts_are_views_side_by_side),
        cmocka_unit_test(parts_may_be_empty),
        cmocka_unit_test(split_refuses_lengths_that_do_not_add_up),
        cmocka_unit_test(split_without_views_copies_each_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
