/* test_ops_values_map.c - small tensors through the operators that work element by element;
 * expected values from the reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void functions_at_minus_one_zero_and_two(void **state) {
    (void)state;
    VALUES("Neg-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: 1 -0 -2");
    VALUES("Abs-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: 1 0 2");
    VALUES("Relu-14", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0 0 2");
    VALUES("Sigmoid-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0.2689 0.5 0.8808");
    VALUES("Tanh-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.7616 0 0.964");
    VALUES("Exp-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0.3679 1 7.389");
    VALUES("Erf-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.8427 0 0.9953");
    VALUES("Gelu-20", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.1587 0 1.954");
    VALUES("Gelu-20", "x=f32{-1,0,2}", "approximate='tanh'", 1, "f32 [3]: -0.1588 0 1.955");
    VALUES("Sin-7", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.8415 0 0.9093");
    VALUES("Cos-7", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0.5403 1 -0.4161");
    VALUES("Tan-7", "x=f32{-1,0,2}", "", 1, "f32 [3]: -1.557 0 -2.185");
    VALUES("Atan-7", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.7854 0 1.107");
    VALUES("Sinh-9", "x=f32{-1,0,2}", "", 1, "f32 [3]: -1.175 0 3.627");
    VALUES("Cosh-9", "x=f32{-1,0,2}", "", 1, "f32 [3]: 1.543 1 3.762");
    VALUES("Asinh-9", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.8814 0 1.444");
    VALUES("HardSigmoid-6", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0.3 0.5 0.9");
    VALUES("HardSwish-14", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.3333 0 1.667");
    VALUES("LeakyRelu-16", "x=f32{-1,0,2}", "alpha=0.5", 1, "f32 [3]: -0.5 0 2");
    VALUES("Elu-6", "x=f32{-1,0,2}", "alpha=2.0", 1, "f32 [3]: -1.264 0 2");
    VALUES("Selu-6", "x=f32{-1,0,2}", "", 1, "f32 [3]: -1.111 0 2.101");
    VALUES("Celu-12", "x=f32{-1,0,2}", "alpha=2.0", 1, "f32 [3]: -0.7869 0 2");
    VALUES("Softplus-1", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0.3133 0.6931 2.127");
    VALUES("Softsign-1", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.5 0 0.6667");
    VALUES("ThresholdedRelu-10", "x=f32{-1,0,2}", "", 1, "f32 [3]: 0 0 2");
    VALUES("Shrink-9", "x=f32{-1,0,2}", "bias=0.25 lambd=0.5", 1, "f32 [3]: -0.75 0 1.75");
    VALUES("Mish-18", "x=f32{-1,0,2}", "", 1, "f32 [3]: -0.3034 0 1.944");
    VALUES("Sign-13", "x=f32{-1,0,2}", "", 1, "f32 [3]: -1 0 1");
}

static void functions_where_they_are_defined(void **state) {
    (void)state;
    VALUES("Log-13", "x=f32{1,2}", "", 1, "f32 [2]: 0 0.6931");
    VALUES("Sqrt-13", "x=f32{0,2}", "", 1, "f32 [2]: 0 1.414");
    VALUES("Reciprocal-13", "x=f32{0.5,4}", "", 1, "f32 [2]: 2 0.25");
    VALUES("Asin-7", "x=f32{-1,0.5}", "", 1, "f32 [2]: -1.571 0.5236");
    VALUES("Acos-7", "x=f32{-1,0.5}", "", 1, "f32 [2]: 3.142 1.047");
    VALUES("Acosh-9", "x=f32{1,2}", "", 1, "f32 [2]: 0 1.317");
    VALUES("Atanh-9", "x=f32{0,0.5}", "", 1, "f32 [2]: 0 0.5493");
}

static void rounding_and_bits(void **state) {
    (void)state;
    VALUES("Floor-13", "x=f32{-1.5,1.5}", "", 1, "f32 [2]: -2 1");
    VALUES("Ceil-13", "x=f32{-1.5,1.5}", "", 1, "f32 [2]: -1 2");
    VALUES("Round-11", "x=f32{-1.5,0.5,1.5,2.5}", "", 1, "f32 [4]: -2 0 2 2");
    VALUES("Not-1", "x=bool{0,1}", "", 1, "bool [2]: 1 0");
    VALUES("BitwiseNot-18", "x=i32{0,5}", "", 1, "i32 [2]: -1 -6");
    VALUES("IsNaN-13", "x=f32{nan,1,inf}", "", 1, "bool [3]: 1 0 0");
    VALUES("IsInf-10", "x=f32{-inf,inf,1}", "detect_negative=0", 1, "bool [3]: 0 1 0");
}

static void clip_between_bounds(void **state) {
    (void)state;
    VALUES("Clip-13", "x=f32{-1,0.5,9} lo=f32(0) hi=f32(6)", "", 1, "f32 [3]: 0 0.5 6");
    VALUES("Clip-12", "x=i64{-5,3,9} - hi=i64(4)", "", 1, "i64 [3]: -5 3 4");
    VALUES("Clip-6", "x=f32{-1,0.5,9}", "min=0.0 max=1.0", 1, "f32 [3]: 0 0.5 1");
}

static void arithmetic_with_broadcasting(void **state) {
    (void)state;
    VALUES("Add-14", "a:i32[2,1] b:i32[3]", "", 1, "i32 [2, 3]: 0 1 2 1 2 3");
    VALUES("Sub-14", "a:f32[2,2] b=f32(1)", "", 1, "f32 [2, 2]: -1 0 1 2");
    VALUES("Mul-14", "a:i64[3] b:i64[3]", "", 1, "i64 [3]: 0 1 4");
    VALUES("Div-14", "a=i32{-7,7} b=i32{2,-2}", "", 1, "i32 [2]: -3 -3");
    VALUES("Div-14", "a=f32{1,-7} b=f32{4,2}", "", 1, "f32 [2]: 0.25 -3.5");
    VALUES("Pow-13", "a=f32{2,3} b=i64{3,2}", "", 1, "f32 [2]: 8 9");
    VALUES("Pow-13", "a=f32{-3,4} b=f32(2)", "", 1, "f32 [2]: 9 16");
    VALUES("Mod-13", "a=i32{-7,7} b=i32{3,-3}", "", 1, "i32 [2]: 2 -2");
    VALUES("Mod-13", "a=i32{-7,7} b=i32{3,-3}", "fmod=1", 1, "i32 [2]: -1 1");
    VALUES("Mod-13", "a=f32{-7.5,7.5} b=f32{3,3}", "fmod=1", 1, "f32 [2]: -1.5 1.5");
    VALUES("PRelu-16", "x=f32{-2,3} s=f32{0.5,0.5}", "", 1, "f32 [2]: -1 3");
}

static void comparisons_logic_and_bits(void **state) {
    (void)state;
    VALUES("Equal-13", "a=i32{1,2} b=i32{1,3}", "", 1, "bool [2]: 1 0");
    VALUES("Less-13", "a=f32{1,2} b=f32{1,3}", "", 1, "bool [2]: 0 1");
    VALUES("LessOrEqual-16", "a=f32{1,4} b=f32{1,3}", "", 1, "bool [2]: 1 0");
    VALUES("Greater-13", "a=f32{1,4} b=f32{1,3}", "", 1, "bool [2]: 0 1");
    VALUES("GreaterOrEqual-16", "a=i64{1,2} b=i64{1,3}", "", 1, "bool [2]: 1 0");
    VALUES("And-7", "a=bool{0,1} b=bool{1,1}", "", 1, "bool [2]: 0 1");
    VALUES("Or-7", "a=bool{0,1} b=bool{0,1}", "", 1, "bool [2]: 0 1");
    VALUES("Xor-7", "a=bool{0,1} b=bool{1,1}", "", 1, "bool [2]: 1 0");
    VALUES("BitShift-11", "a=u8{1,5} b=u8{3,1}", "direction='LEFT'", 1, "u8 [2]: 8 10");
    VALUES("BitShift-11", "a=u8{16,5} b=u8{3,1}", "direction='RIGHT'", 1, "u8 [2]: 2 2");
    VALUES("BitwiseAnd-18", "a=i32{6,5} b=i32{3,4}", "", 1, "i32 [2]: 2 4");
    VALUES("BitwiseOr-18", "a=i32{6,5} b=i32{3,4}", "", 1, "i32 [2]: 7 5");
    VALUES("BitwiseXor-18", "a=i32{6,5} b=i32{3,4}", "", 1, "i32 [2]: 5 1");
}

static void folds_and_choices(void **state) {
    (void)state;
    VALUES("Sum-13", "a:f32[2] b:f32[2] c=f32(10)", "", 1, "f32 [2]: 10 12");
    VALUES("Mean-13", "a:f32[2] b=f32{3,4}", "", 1, "f32 [2]: 1.5 2.5");
    VALUES("Max-13", "a:i32[3] b=i32{1,1,1}", "", 1, "i32 [3]: 1 1 2");
    VALUES("Min-13", "a=f32{1,nan} b=f32{0,5}", "", 1, "f32 [2]: 0 nan");
    VALUES("Where-16", "c=bool[2,1]{1,0} a=i32{1,2} b=i32(9)", "", 1, "i32 [2, 2]: 1 2 9 9");
}

static void casts_of_numbers(void **state) {
    (void)state;
    VALUES("Cast-13", "x=f32{-1.7,0,2.7}", "to=i32", 1, "i32 [3]: -1 0 2");
    VALUES("Cast-13", "x=f32{-1.7,0,2.7}", "to=bool", 1, "bool [3]: 1 0 1");
    VALUES("Cast-13", "x=i64{-1,300}", "to=f32", 1, "f32 [2]: -1 300");
    VALUES("Cast-13", "x=bool{0,1}", "to=f32", 1, "f32 [2]: 0 1");
    VALUES("Cast-13", "x=i32{1,2}", "to=i64", 1, "i64 [2]: 1 2");
    VALUES("CastLike-15", "x=f32{1.5,2.5} like:i64[1]", "", 1, "i64 [2]: 1 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_at_minus_one_zero_and_two),
        cmocka_unit_test(functions_where_they_are_defined),
        cmocka_unit_test(rounding_and_bits),
        cmocka_unit_test(clip_between_bounds),
        cmocka_unit_test(arithmetic_with_broadcasting),
        cmocka_unit_test(comparisons_logic_and_bits),
        cmocka_unit_test(folds_and_choices),
        cmocka_unit_test(casts_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
