/* test_ops_map.c - operators that work element by element: unary.c, binary.c, cast.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

/* ---- one input ----------------------------------------------------------------------------- */

static void a_function_keeps_dtype_and_dims(void **state) {
    (void)state;
    INFERS("Relu-14", "x:i32[2,3]", "", 1, "i32 [2, 3]");
    INFERS("Sqrt-13", "x:f64[]", "", 1, "f64 []");
    INFERS("Erf-9", "x:bf16[4]", "", 1, "bf16 [4]");
}

static void functions_of_kinds_of_numbers_give_bool(void **state) {
    (void)state;
    INFERS("IsNaN-13", "x:f16[5]", "", 1, "bool [5]");
    INFERS("IsInf-20", "x:f32[5]", "", 1, "bool [5]");
    CALLS("IsInf-20", "x:f32[5]", "detect_negative=0", "unary(43 | 0 1)");
}

static void a_dtype_that_the_operator_does_not_name_is_refused(void **state) {
    (void)state;
    INFERS("Sqrt-13", "x:i32[2]", "", 1,
           "node 'n' (Sqrt): input 'x' has dtype i32, which this operator does not take");
    INFERS("Neg-13", "x:u8[2]", "", 1,
           "node 'n' (Neg): input 'x' has dtype u8, which this operator does not take");
    INFERS("Not-1", "x:f32[2]", "", 1,
           "node 'n' (Not): input 'x' has dtype f32, which this operator does not take");
    INFERS("BitwiseNot-18", "x:bool[2]", "", 1,
           "node 'n' (BitwiseNot): input 'x' has dtype bool, which this operator does not take");
}

static void attributes_become_parameters_with_the_defaults_of_the_specification(void **state) {
    (void)state;
    CALLS("LeakyRelu-16", "x:f32[2]", "", "unary(26 | 0.01 0)");
    CALLS("LeakyRelu-6", "x:f32[2]", "alpha=0.25", "unary(26 | 0.25 0)");
    CALLS("HardSigmoid-6", "x:f32[2]", "", "unary(24 | 0.2 0.5)");
    CALLS("Selu-6", "x:f32[2]", "", "unary(28 | 1.67326 1.0507)");
    CALLS("Elu-6", "x:f32[2]", "", "unary(27 | 1 0)");
    CALLS("ThresholdedRelu-10", "x:f32[2]", "", "unary(32 | 1 0)");
    CALLS("Shrink-9", "x:f32[2]", "", "unary(33 | 0 0.5)");
}

static void gelu_has_two_forms(void **state) {
    (void)state;
    CALLS("Gelu-20", "x:f32[2]", "", "unary(10 | 0 0)");
    CALLS("Gelu-20", "x:f32[2]", "approximate='tanh'", "unary(11 | 0 0)");
    INFERS("Gelu-20", "x:f32[2]", "approximate='fast'", 1,
           "node 'n' (Gelu): attribute 'approximate' is 'fast', which is not known");
}

/* ---- Clip ---------------------------------------------------------------------------------- */

static void clip_takes_attributes_before_11_and_inputs_after(void **state) {
    (void)state;
    CALLS("Clip-6", "x:f32[2]", "min=0.0 max=6.0", "unary(39 | 0 6)");
    CALLS("Clip-13", "x:f32[2] lo=f32(0) hi=f32(6)", "", "unary(39 | 0 6)");
    CALLS("Clip-13", "x:f32[2] - hi=f32(6)", "", "unary(39 | -inf 6)");
    CALLS("Clip-12", "x:i64[2] lo=i64(-3)", "", "unary(39 | -3 inf)");
}

static void clip_without_bounds_is_its_input(void **state) {
    (void)state;
    VIEWS("Clip-13", "x:f32[2]", "", "[2] pitches [1] offset 0");
    VIEWS("Clip-13", "x:f32[2] lo=f32(0)", "", "no view");
}

static void clip_with_computed_bounds_is_a_maximum_and_a_minimum(void **state) {
    (void)state;
    CALLS("Clip-13", "x:f32[2,3] lo:f32[] hi:f32[]", "", "binary(6); binary(5)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3] pitches [0, 0] offset 0");
    CALLS("Clip-13", "x:f32[] - hi:f32[]", "", "binary(5)");
}

static void clip_bounds_beyond_53_bits_are_not_rounded(void **state) {
    (void)state;
    CALLS("Clip-13", "x:i64[2] lo=i64(9007199254740993)", "", "binary(6)");
}

static void clip_refuses_bounds_of_several_elements_or_another_dtype(void **state) {
    (void)state;
    INFERS("Clip-13", "x:f32[2] lo=f32{0,1}", "", 1,
           "node 'n' (Clip): input 'lo' has more than one element");
    INFERS("Clip-13", "x:f32[2] lo=i64(0)", "", 1,
           "node 'n' (Clip): input 'lo' has dtype i64, input 'x' has f32");
    INFERS("Clip-11", "x:i64[2]", "", 1,
           "node 'n' (Clip): input 'x' has dtype i64, which this operator does not take");
}

/* ---- two inputs and more ------------------------------------------------------------------- */

static void inputs_are_broadcast_from_the_last_axis(void **state) {
    (void)state;
    INFERS("Add-14", "a:f32[2,3,1] b:f32[4]", "", 1, "f32 [2, 3, 4]");
    INFERS("Mul-7", "a:f32[] b:f32[4]", "", 1, "f32 [4]");
    INFERS("Sub-14", "a:f32[0,3] b:f32[1,3]", "", 1, "f32 [0, 3]");
    CALLS("Add-14", "a:f32[2,3,1] b:f32[4]", "", "binary(0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 3, 4] pitches [3, 1, 0] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3, 4] pitches [0, 0, 1] offset 0");
}

static void dims_that_differ_are_refused(void **state) {
    (void)state;
    INFERS("Add-14", "a:f32[2,3] b:f32[2]", "", 1,
           "node 'n' (Add): input 'b' has 2 on axis 0, the others have 3");
}

static void inputs_have_one_dtype_but_for_the_exponent_from_opset_12_on(void **state) {
    (void)state;
    INFERS("Add-14", "a:f32[2] b:i64[2]", "", 1,
           "node 'n' (Add): input 'b' has dtype i64, input 'a' has f32");
    INFERS("Pow-13", "a:f32[2] b=i64(2)", "", 1, "f32 [2]");
    INFERS("Pow-7", "a:f32[2] b=i64(2)", "", 1,
           "node 'n' (Pow): input 'b' has dtype i64, input 'a' has f32");
}

static void a_known_exponent_of_2_is_a_square(void **state) {
    (void)state;
    CALLS("Pow-13", "a:f32[3,4] b=f32(2)", "", "unary(44 | 0 0)");
    CALLS("Pow-13", "a:f32[3,4] b=i64{2}", "", "unary(44 | 0 0)");
    CALLS("Pow-13", "a:f32[3,4] b=f32(3)", "", "binary(4)");
    CALLS("Pow-13", "a:i32[3,4] b=i32(2)", "", "binary(4)");
    CALLS("Pow-13", "a:f32[3,4] b:f32[]", "", "binary(4)");
    CALLS("Pow-13", "a:f32[2] b=f32[2,1]{2,2}", "", "binary(4)");
}

static void comparisons_and_logic_give_bool(void **state) {
    (void)state;
    INFERS("Equal-13", "a:bool[2] b:bool[2]", "", 1, "bool [2]");
    INFERS("Less-13", "a:i64[2] b:i64[1]", "", 1, "bool [2]");
    INFERS("And-7", "a:bool[2] b:bool[1]", "", 1, "bool [2]");
    INFERS("And-7", "a:i32[2] b:i32[2]", "", 1,
           "node 'n' (And): input 'a' has dtype i32, which this operator does not take");
}

static void mod_of_reals_needs_fmod(void **state) {
    (void)state;
    CALLS("Mod-13", "a:i32[2] b:i32[2]", "", "binary(7)");
    CALLS("Mod-13", "a:f32[2] b:f32[2]", "fmod=1", "binary(8)");
    INFERS("Mod-10", "a:f32[2] b:f32[2]", "", 1,
           "node 'n' (Mod): attribute 'fmod' must be 1 for dtype f32");
}

static void bit_shift_has_a_direction_and_unsigned_numbers(void **state) {
    (void)state;
    CALLS("BitShift-11", "a:u8[2] b:u8[2]", "direction='LEFT'", "binary(20)");
    CALLS("BitShift-11", "a:u8[2] b:u8[2]", "direction='RIGHT'", "binary(21)");
    INFERS("BitShift-11", "a:u8[2] b:u8[2]", "", 1,
           "node 'n' (BitShift): attribute 'direction' is missing");
    INFERS("BitShift-11", "a:i8[2] b:i8[2]", "direction='LEFT'", 1,
           "node 'n' (BitShift): input 'a' has dtype i8, which this operator does not take");
}

static void the_slope_of_prelu_does_not_widen_its_input(void **state) {
    (void)state;
    INFERS("PRelu-9", "x:f32[2,3,4] s:f32[3,1]", "", 1, "f32 [2, 3, 4]");
    INFERS("PRelu-9", "x:f32[3] s:f32[2,3]", "", 1,
           "node 'n' (PRelu): slope 's' does not fit into input 'x'");
}

static void sums_are_folded_from_the_left(void **state) {
    (void)state;
    INFERS("Sum-8", "a:f32[3] b:f32[2,1] c:f32[]", "", 1, "f32 [2, 3]");
    CALLS("Sum-8", "a:f32[3] b:f32[3] c:f32[3]", "", "binary(0); binary(0)");
    CALLS("Mean-13", "a:f32[3] b:f32[3]", "", "binary(0); binary(3)");
    CALLS("Max-13", "a:i64[3] b:i64[3]", "", "binary(6)");
    VIEWS("Min-13", "a:f32[3]", "", "[3] pitches [1] offset 0");
    INFERS("Sum-13", "a:i64[3] b:i64[3]", "", 1,
           "node 'n' (Sum): input 'a' has dtype i64, which this operator does not take");
}

static void where_broadcasts_condition_and_choices(void **state) {
    (void)state;
    INFERS("Where-9", "c:bool[2,1] a:i64[3] b:i64[]", "", 1, "i64 [2, 3]");
    INFERS("Where-16", "c:i64[2] a:f32[2] b:f32[2]", "", 1,
           "node 'n' (Where): input 'c' has dtype i64, which this operator does not take");
    INFERS("Where-16", "c:bool[2] a:f32[2] b:f64[2]", "", 1,
           "node 'n' (Where): input 'b' has dtype f64, input 'a' has f32");
}

/* ---- Cast, CastLike ------------------------------------------------------------------------ */

static void cast_changes_the_dtype_and_is_a_view_where_it_does_not(void **state) {
    (void)state;
    INFERS("Cast-13", "x:f32[2]", "to=i64", 1, "i64 [2]");
    CALLS("Cast-13", "x:f32[2]", "to=bool", "cast(1)");
    VIEWS("Cast-13", "x:f32[2]", "to=f32", "[2] pitches [1] offset 0");
    VIEWS("Cast-13", "x:f32[2]", "to=f16", "no view");
    INFERS("CastLike-15", "x:f32[2] like:i32[7]", "", 1, "i32 [2]");
}

static void cast_to_an_unknown_dtype_is_refused(void **state) {
    (void)state;
    INFERS("Cast-13", "x:f32[2]", "to=8", 1,
           "node 'n' (Cast): casts to dtype string, which is not supported");
    INFERS("Cast-19", "x:f32[2]", "to=17", 1,
           "node 'n' (Cast): casts to dtype f8e4m3fn, which is not supported");
    INFERS("Cast-13", "x:f32[2]", "to=-1", 1,
           "node 'n' (Cast): casts to dtype ?, which is not supported");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_keeps_dtype_and_dims),
        cmocka_unit_test(functions_of_kinds_of_numbers_give_bool),
        cmocka_unit_test(a_dtype_that_the_operator_does_not_name_is_refused),
        cmocka_unit_test(attributes_become_parameters_with_the_defaults_of_the_specification),
        cmocka_unit_test(gelu_has_two_forms),
        cmocka_unit_test(clip_takes_attributes_before_11_and_inputs_after),
        cmocka_unit_test(clip_without_bounds_is_its_input),
        cmocka_unit_test(clip_with_computed_bounds_is_a_maximum_and_a_minimum),
        cmocka_unit_test(clip_bounds_beyond_53_bits_are_not_rounded),
        cmocka_unit_test(clip_refuses_bounds_of_several_elements_or_another_dtype),
        cmocka_unit_test(inputs_are_broadcast_from_the_last_axis),
        cmocka_unit_test(dims_that_differ_are_refused),
        cmocka_unit_test(inputs_have_one_dtype_but_for_the_exponent_from_opset_12_on),
        cmocka_unit_test(a_known_exponent_of_2_is_a_square),
        cmocka_unit_test(comparisons_and_logic_give_bool),
        cmocka_unit_test(mod_of_reals_needs_fmod),
        cmocka_unit_test(bit_shift_has_a_direction_and_unsigned_numbers),
        cmocka_unit_test(the_slope_of_prelu_does_not_widen_its_input),
        cmocka_unit_test(sums_are_folded_from_the_left),
        cmocka_unit_test(where_broadcasts_condition_and_choices),
        cmocka_unit_test(cast_changes_the_dtype_and_is_a_view_where_it_does_not),
        cmocka_unit_test(cast_to_an_unknown_dtype_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
