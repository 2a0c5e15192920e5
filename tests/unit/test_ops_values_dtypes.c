/* test_ops_values_dtypes.c - element by element in every dtype; expected values from the
 * reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void arithmetic_by_dtype(void **state) {
    (void)state;
    VALUES("Add-14", "a=f64{7,8,9} b=f64{1,2,4}", "", 1, "f64 [3]: 8 10 13");
    VALUES("Add-14", "a=i64{7,8,9} b=i64{1,2,4}", "", 1, "i64 [3]: 8 10 13");
    VALUES("Add-14", "a=i32{7,8,9} b=i32{1,2,4}", "", 1, "i32 [3]: 8 10 13");
    VALUES("Add-14", "a=u8{7,8,9} b=u8{1,2,4}", "", 1, "u8 [3]: 8 10 13");
    VALUES("Add-14", "a=i16{7,8,9} b=i16{1,2,4}", "", 1, "i16 [3]: 8 10 13");
    VALUES("Sub-14", "a=f64{7,8,9} b=f64{1,2,4}", "", 1, "f64 [3]: 6 6 5");
    VALUES("Sub-14", "a=i64{7,8,9} b=i64{1,2,4}", "", 1, "i64 [3]: 6 6 5");
    VALUES("Sub-14", "a=i32{7,8,9} b=i32{1,2,4}", "", 1, "i32 [3]: 6 6 5");
    VALUES("Sub-14", "a=u8{9,8,7} b=u8{1,2,3}", "", 1, "u8 [3]: 8 6 4");
    VALUES("Sub-14", "a=i16{7,8,9} b=i16{1,2,4}", "", 1, "i16 [3]: 6 6 5");
    VALUES("Mul-14", "a=f64{7,8,9} b=f64{1,2,4}", "", 1, "f64 [3]: 7 16 36");
    VALUES("Mul-14", "a=i64{7,8,9} b=i64{1,2,4}", "", 1, "i64 [3]: 7 16 36");
    VALUES("Mul-14", "a=i32{7,8,9} b=i32{1,2,4}", "", 1, "i32 [3]: 7 16 36");
    VALUES("Mul-14", "a=u8{7,8,9} b=u8{1,2,4}", "", 1, "u8 [3]: 7 16 36");
    VALUES("Mul-14", "a=i16{7,8,9} b=i16{1,2,4}", "", 1, "i16 [3]: 7 16 36");
    VALUES("Div-14", "a=f64{7,8,9} b=f64{1,2,4}", "", 1, "f64 [3]: 7 4 2.25");
    VALUES("Div-14", "a=i64{7,8,9} b=i64{1,2,4}", "", 1, "i64 [3]: 7 4 2");
    VALUES("Div-14", "a=i32{7,8,9} b=i32{1,2,4}", "", 1, "i32 [3]: 7 4 2");
    VALUES("Div-14", "a=u8{7,8,9} b=u8{1,2,4}", "", 1, "u8 [3]: 7 4 2");
    VALUES("Div-14", "a=i16{7,8,9} b=i16{1,2,4}", "", 1, "i16 [3]: 7 4 2");
    VALUES("Max-13", "a=f64{7,2} b=f64{1,4} c=f64(3)", "", 1, "f64 [2]: 7 4");
    VALUES("Max-13", "a=i64{7,2} b=i64{1,4} c=i64(3)", "", 1, "i64 [2]: 7 4");
    VALUES("Max-13", "a=i32{7,2} b=i32{1,4} c=i32(3)", "", 1, "i32 [2]: 7 4");
    VALUES("Max-13", "a=u8{7,2} b=u8{1,4} c=u8(3)", "", 1, "u8 [2]: 7 4");
    VALUES("Min-13", "a=f64{7,2} b=f64{1,4} c=f64(3)", "", 1, "f64 [2]: 1 2");
    VALUES("Min-13", "a=i64{7,2} b=i64{1,4} c=i64(3)", "", 1, "i64 [2]: 1 2");
    VALUES("Min-13", "a=i32{7,2} b=i32{1,4} c=i32(3)", "", 1, "i32 [2]: 1 2");
    VALUES("Min-13", "a=u8{7,2} b=u8{1,4} c=u8(3)", "", 1, "u8 [2]: 1 2");
}

static void comparisons_by_dtype(void **state) {
    (void)state;
    VALUES("Equal-13", "a=f32{1,2,3} b=f32{2,2,2}", "", 1, "bool [3]: 0 1 0");
    VALUES("Equal-13", "a=f64{1,2,3} b=f64{2,2,2}", "", 1, "bool [3]: 0 1 0");
    VALUES("Equal-13", "a=i64{1,2,3} b=i64{2,2,2}", "", 1, "bool [3]: 0 1 0");
    VALUES("Equal-13", "a=i32{1,2,3} b=i32{2,2,2}", "", 1, "bool [3]: 0 1 0");
    VALUES("Equal-13", "a=u8{1,2,3} b=u8{2,2,2}", "", 1, "bool [3]: 0 1 0");
    VALUES("Less-13", "a=f32{1,2,3} b=f32{2,2,2}", "", 1, "bool [3]: 1 0 0");
    VALUES("Less-13", "a=f64{1,2,3} b=f64{2,2,2}", "", 1, "bool [3]: 1 0 0");
    VALUES("Less-13", "a=i64{1,2,3} b=i64{2,2,2}", "", 1, "bool [3]: 1 0 0");
    VALUES("Less-13", "a=i32{1,2,3} b=i32{2,2,2}", "", 1, "bool [3]: 1 0 0");
    VALUES("Less-13", "a=u8{1,2,3} b=u8{2,2,2}", "", 1, "bool [3]: 1 0 0");
    VALUES("LessOrEqual-16", "a=f32{1,2,3} b=f32{2,2,2}", "", 1, "bool [3]: 1 1 0");
    VALUES("LessOrEqual-16", "a=f64{1,2,3} b=f64{2,2,2}", "", 1, "bool [3]: 1 1 0");
    VALUES("LessOrEqual-16", "a=i64{1,2,3} b=i64{2,2,2}", "", 1, "bool [3]: 1 1 0");
    VALUES("LessOrEqual-16", "a=i32{1,2,3} b=i32{2,2,2}", "", 1, "bool [3]: 1 1 0");
    VALUES("LessOrEqual-16", "a=u8{1,2,3} b=u8{2,2,2}", "", 1, "bool [3]: 1 1 0");
    VALUES("Greater-13", "a=f32{1,2,3} b=f32{2,2,2}", "", 1, "bool [3]: 0 0 1");
    VALUES("Greater-13", "a=f64{1,2,3} b=f64{2,2,2}", "", 1, "bool [3]: 0 0 1");
    VALUES("Greater-13", "a=i64{1,2,3} b=i64{2,2,2}", "", 1, "bool [3]: 0 0 1");
    VALUES("Greater-13", "a=i32{1,2,3} b=i32{2,2,2}", "", 1, "bool [3]: 0 0 1");
    VALUES("Greater-13", "a=u8{1,2,3} b=u8{2,2,2}", "", 1, "bool [3]: 0 0 1");
    VALUES("GreaterOrEqual-16", "a=f32{1,2,3} b=f32{2,2,2}", "", 1, "bool [3]: 0 1 1");
    VALUES("GreaterOrEqual-16", "a=f64{1,2,3} b=f64{2,2,2}", "", 1, "bool [3]: 0 1 1");
    VALUES("GreaterOrEqual-16", "a=i64{1,2,3} b=i64{2,2,2}", "", 1, "bool [3]: 0 1 1");
    VALUES("GreaterOrEqual-16", "a=i32{1,2,3} b=i32{2,2,2}", "", 1, "bool [3]: 0 1 1");
    VALUES("GreaterOrEqual-16", "a=u8{1,2,3} b=u8{2,2,2}", "", 1, "bool [3]: 0 1 1");
}

static void casts_by_dtype(void **state) {
    (void)state;
    VALUES("Cast-13", "x=f32{0,1,100}", "to=f64", 1, "f64 [3]: 0 1 100");
    VALUES("Cast-13", "x=f32{0,1,100}", "to=i64", 1, "i64 [3]: 0 1 100");
    VALUES("Cast-13", "x=f32{0,1,100}", "to=i32", 1, "i32 [3]: 0 1 100");
    VALUES("Cast-13", "x=f32{0,1,100}", "to=u8", 1, "u8 [3]: 0 1 100");
    VALUES("Cast-13", "x=f32{0,1,100}", "to=bool", 1, "bool [3]: 0 1 1");
    VALUES("Cast-13", "x=f64{0,1,100}", "to=f32", 1, "f32 [3]: 0 1 100");
    VALUES("Cast-13", "x=f64{0,1,100}", "to=i64", 1, "i64 [3]: 0 1 100");
    VALUES("Cast-13", "x=f64{0,1,100}", "to=i32", 1, "i32 [3]: 0 1 100");
    VALUES("Cast-13", "x=f64{0,1,100}", "to=u8", 1, "u8 [3]: 0 1 100");
    VALUES("Cast-13", "x=f64{0,1,100}", "to=bool", 1, "bool [3]: 0 1 1");
    VALUES("Cast-13", "x=i64{0,1,100}", "to=f32", 1, "f32 [3]: 0 1 100");
    VALUES("Cast-13", "x=i64{0,1,100}", "to=f64", 1, "f64 [3]: 0 1 100");
    VALUES("Cast-13", "x=i64{0,1,100}", "to=i32", 1, "i32 [3]: 0 1 100");
    VALUES("Cast-13", "x=i64{0,1,100}", "to=u8", 1, "u8 [3]: 0 1 100");
    VALUES("Cast-13", "x=i64{0,1,100}", "to=bool", 1, "bool [3]: 0 1 1");
    VALUES("Cast-13", "x=i32{0,1,100}", "to=f32", 1, "f32 [3]: 0 1 100");
    VALUES("Cast-13", "x=i32{0,1,100}", "to=f64", 1, "f64 [3]: 0 1 100");
    VALUES("Cast-13", "x=i32{0,1,100}", "to=i64", 1, "i64 [3]: 0 1 100");
    VALUES("Cast-13", "x=i32{0,1,100}", "to=u8", 1, "u8 [3]: 0 1 100");
    VALUES("Cast-13", "x=i32{0,1,100}", "to=bool", 1, "bool [3]: 0 1 1");
    VALUES("Cast-13", "x=u8{0,1,100}", "to=f32", 1, "f32 [3]: 0 1 100");
    VALUES("Cast-13", "x=u8{0,1,100}", "to=f64", 1, "f64 [3]: 0 1 100");
    VALUES("Cast-13", "x=u8{0,1,100}", "to=i64", 1, "i64 [3]: 0 1 100");
    VALUES("Cast-13", "x=u8{0,1,100}", "to=i32", 1, "i32 [3]: 0 1 100");
    VALUES("Cast-13", "x=u8{0,1,100}", "to=bool", 1, "bool [3]: 0 1 1");
    VALUES("Cast-13", "x=bool{0,1,1}", "to=f32", 1, "f32 [3]: 0 1 1");
    VALUES("Cast-13", "x=bool{0,1,1}", "to=f64", 1, "f64 [3]: 0 1 1");
    VALUES("Cast-13", "x=bool{0,1,1}", "to=i64", 1, "i64 [3]: 0 1 1");
    VALUES("Cast-13", "x=bool{0,1,1}", "to=i32", 1, "i32 [3]: 0 1 1");
    VALUES("Cast-13", "x=bool{0,1,1}", "to=u8", 1, "u8 [3]: 0 1 1");
}

static void broadcasting_by_shape(void **state) {
    (void)state;
    VALUES("Add-14", "a:f32[2,1,3] b:f32[2,1]", "", 1, "f32 [2, 2, 3]: 0 1 2 1 2 3 3 4 5 4 5 6");
    VALUES("Add-14", "a:f32[1] b:f32[2,2]", "", 1, "f32 [2, 2]: 0 1 2 3");
    VALUES("Add-14", "a:f32[3,1] b:f32[1,2]", "", 1, "f32 [3, 2]: 0 1 1 2 2 3");
    VALUES("Add-14", "a:f32[2,2] b:f32[]", "", 1, "f32 [2, 2]: 0 1 2 3");
    VALUES("Add-14", "a:f32[1,1,1] b:f32[2]", "", 1, "f32 [1, 1, 2]: 0 1");
    VALUES("Where-16", "c=bool[2]{1,0} a:i32[2,2] b=i32[1]{9}", "", 1, "i32 [2, 2]: 0 9 2 9");
    VALUES("Where-16", "c=bool[2,1]{0,1} a:i32[2] b=i32[2,1]{7,8}", "", 1, "i32 [2, 2]: 7 7 0 1");
    VALUES("Where-16", "c=bool[1]{1} a:i32[1,3] b=i32[3,1]{5,6,7}", "", 1,
           "i32 [3, 3]: 0 1 2 0 1 2 0 1 2");
}

static void functions_by_dtype(void **state) {
    (void)state;
    VALUES("Neg-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.75 -0.25 -0.5");
    VALUES("Abs-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.75 0.25 0.5");
    VALUES("Exp-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.4724 1.284 1.649");
    VALUES("Tanh-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.6351 0.2449 0.4621");
    VALUES("Sigmoid-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.3208 0.5622 0.6225");
    VALUES("Erf-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.7112 0.2763 0.5205");
    VALUES("Sin-7", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.6816 0.2474 0.4794");
    VALUES("Cos-7", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.7317 0.9689 0.8776");
    VALUES("Asin-7", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.8481 0.2527 0.5236");
    VALUES("Acos-7", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 2.419 1.318 1.047");
    VALUES("Atan-7", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.6435 0.245 0.4636");
    VALUES("Sinh-9", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.8223 0.2526 0.5211");
    VALUES("Cosh-9", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 1.295 1.031 1.128");
    VALUES("Asinh-9", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.6931 0.2475 0.4812");
    VALUES("Atanh-9", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.973 0.2554 0.5493");
    VALUES("Floor-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -1 0 0");
    VALUES("Ceil-13", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0 1 1");
    VALUES("Softsign-1", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: -0.4286 0.2 0.3333");
    VALUES("Softplus-1", "x=f64{-0.75,0.25,0.5}", "", 1, "f64 [3]: 0.3869 0.8259 0.9741");
    VALUES("Neg-13", "x=i32{-3,0,4}", "", 1, "i32 [3]: 3 0 -4");
    VALUES("Neg-13", "x=i64{-3,0,4}", "", 1, "i64 [3]: 3 0 -4");
    VALUES("Abs-13", "x=i32{-3,0,4}", "", 1, "i32 [3]: 3 0 4");
    VALUES("Abs-13", "x=i64{-3,0,4}", "", 1, "i64 [3]: 3 0 4");
    VALUES("Sign-13", "x=i32{-3,0,4}", "", 1, "i32 [3]: -1 0 1");
    VALUES("Sign-13", "x=i64{-3,0,4}", "", 1, "i64 [3]: -1 0 1");
    VALUES("Relu-14", "x=i32{-3,0,4}", "", 1, "i32 [3]: 0 0 4");
    VALUES("Relu-14", "x=i64{-3,0,4}", "", 1, "i64 [3]: 0 0 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_by_dtype), cmocka_unit_test(comparisons_by_dtype),
        cmocka_unit_test(casts_by_dtype),      cmocka_unit_test(broadcasting_by_shape),
        cmocka_unit_test(functions_by_dtype),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
