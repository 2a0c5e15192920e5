/* test_ops_values_maths.c - small tensors through products, convolutions, pools, norms, resizing;
 * expected values from the reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void products_of_matrices(void **state) {
    (void)state;
    VALUES("MatMul-13", "a:f32[2,3] b:f32[3,2]", "", 1, "f32 [2, 2]: 10 13 28 40");
    VALUES("MatMul-13", "a:f32[2,2,2] b:f32[2,1]", "", 1, "f32 [2, 2, 1]: 1 3 5 7");
    VALUES("MatMul-13", "a:f32[3] b:f32[3]", "", 1, "f32 []: 5");
    VALUES("MatMul-13", "a:f32[2,1,2] b:f32[2,2,1]", "", 1, "f32 [2, 1, 1]: 1 13");
    VALUES("Gemm-13", "a:f32[3,2] b:f32[2,3] c=f32{1,2}", "transA=1 transB=1 alpha=2.0 beta=0.5", 1,
           "f32 [2, 2]: 20.5 57 26.5 81");
    VALUES("Gemm-11", "a:f32[2,2] b:f32[2,2]", "", 1, "f32 [2, 2]: 2 3 6 11");
}

static void einsum_of_several_kinds(void **state) {
    (void)state;
    VALUES("Einsum-12", "a:f32[2,2] b:f32[2,2]", "equation='ij,jk->ki'", 1, "f32 [2, 2]: 2 6 3 11");
    VALUES("Einsum-12", "a:f32[2,2,2]", "equation='...ii->...i'", 1, "f32 [2, 2]: 0 3 4 7");
    VALUES("Einsum-12", "a:f32[2,3]", "equation='ij->j'", 1, "f32 [3]: 3 5 7");
    VALUES("Einsum-12", "a:f32[2] b:f32[3]", "equation='i,j->ji'", 1, "f32 [3, 2]: 0 0 0 1 0 2");
    VALUES("Einsum-12", "a:f32[2,2,3] b:f32[2,3,2]", "equation='bij,bjk->bik'", 1,
           "f32 [2, 2, 2]: 10 13 28 40 172 193 244 274");
    VALUES("Einsum-12", "a:f32[2,2,3] b:f32[2,2]", "equation='ijk,jl->ikl'", 1,
           "f32 [2, 3, 2]: 6 9 8 13 10 17 18 33 20 37 22 41");
    VALUES("Einsum-12", "a:f32[2,2,3] b:f32[3,2]", "equation='ijk,kl->lji'", 1,
           "f32 [2, 2, 2]: 10 46 28 64 13 67 40 94");
}

static void convolutions_of_small_pictures(void **state) {
    (void)state;
    VALUES("Conv-11", "x:f32[1,1,3,3] w=f32[1,1,2,2]{1,0,0,1}", "", 1,
           "f32 [1, 1, 2, 2]: 4 6 10 12");
    VALUES("Conv-11", "x:f32[1,1,3,3] w=f32[1,1,2,2]{1,0,0,1} b=f32{10}",
           "pads=[1,0,0,1] strides=[1,2]", 1, "f32 [1, 1, 3, 2]: 11 10 14 12 20 15");
    VALUES("Conv-11", "x:f32[1,2,4] w=f32[2,1,2]{1,1,1,-1}", "group=2", 1,
           "f32 [1, 2, 3]: 1 3 5 -1 -1 -1");
    VALUES("Conv-11", "x:f32[1,1,5] w=f32[1,1,2]{1,1}", "dilations=[3]", 1, "f32 [1, 1, 2]: 3 5");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("Conv-11", "x:f32[1,1,4,4] w=f32[1,1,3,3]{0,0,0,0,1,0,0,0,0}",
           "auto_pad='SAME_UPPER' strides=[2,2]", 1, "f32 [1, 1, 2, 2]: 5 7 13 15");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,2] w=f32[1,1,2,2]{1,2,3,4}", "", 1,
           "f32 [1, 1, 3, 3]: 0 1 2 2 10 10 6 17 12");
    VALUES("ConvTranspose-11", "x:f32[1,1,2,2] w=f32[1,1,2,2]{1,2,3,4}",
           "strides=[2,2] output_padding=[1,0]", 1,
           "f32 [1, 1, 5, 4]: 0 0 1 2 0 0 3 4 2 4 3 6 6 8 9 12 0 0 0 0");
    VALUES("ConvTranspose-11", "x:f32[1,1,3] w=f32[1,1,3]{1,1,1}", "strides=[2] pads=[1,1]", 1,
           "f32 [1, 1, 5]: 0 1 1 3 2");
}

static void pools_of_small_pictures(void **state) {
    (void)state;
    VALUES("MaxPool-12", "x:f32[1,1,3,3]", "kernel_shape=[2,2]", 2,
           "f32 [1, 1, 2, 2]: 4 5 7 8; i64 [1, 1, 2, 2]: 4 5 7 8");
    VALUES("MaxPool-12", "x:f32[1,1,5]", "kernel_shape=[2] strides=[2] ceil_mode=1", 1,
           "f32 [1, 1, 3]: 1 3 4");
    VALUES("AveragePool-11", "x:f32[1,1,3,3]", "kernel_shape=[2,2] pads=[1,0,0,0]", 1,
           "f32 [1, 1, 3, 2]: 0.5 1.5 2 3 5 6");
    VALUES("AveragePool-11", "x:f32[1,1,3,3]",
           "kernel_shape=[2,2] pads=[1,0,0,0] count_include_pad=1", 1,
           "f32 [1, 1, 3, 2]: 0.25 0.75 2 3 5 6");
    VALUES("AveragePool-19", "x:f32[1,1,5]", "kernel_shape=[2] dilations=[2]", 1,
           "f32 [1, 1, 3]: 1 2 3");
    VALUES("LpPool-18", "x=f32[1,1,3]{3,4,0}", "kernel_shape=[2]", 1, "f32 [1, 1, 2]: 5 4");
}

static void normalisations_of_small_tensors(void **state) {
    (void)state;
    /* by hand: the reference implementation differs from the specification here */
    VALUES("BatchNormalization-9", "x:f32[1,2,2] s=f32{1,2} b=f32{0,1} m=f32{0,1} v=f32{1,4}",
           "epsilon=0.0", 1, "f32 [1, 2, 2]: 0 1 2 3");
    VALUES("InstanceNormalization-6", "x:f32[1,2,2] s=f32{1,2} b=f32{0,1}", "epsilon=0.0", 1,
           "f32 [1, 2, 2]: -1 1 -1 3");
    VALUES("LayerNormalization-17", "x:f32[2,2] s=f32{1,2} b=f32{0,1}", "epsilon=0.0", 3,
           "f32 [2, 2]: -1 3 -1 3; f32 [2, 1]: 0.5 2.5; f32 [2, 1]: 2 2");
    VALUES("LayerNormalization-17", "x:f32[1,2,2] s=f32[2,2]{1,1,1,1}", "axis=1 epsilon=0.0", 1,
           "f32 [1, 2, 2]: -1.342 -0.4472 0.4472 1.342");
    VALUES("RMSNormalization-23", "x=f32[1,2]{3,4} s=f32{1,2}", "epsilon=0.0", 1,
           "f32 [1, 2]: 0.8485 2.263");
    VALUES("GroupNormalization-21", "x:f32[1,4,1] s=f32{1,1,2,2} b=f32{0,0,1,1}",
           "num_groups=2 epsilon=0.0", 1, "f32 [1, 4, 1]: -1 1 -1 3");
    VALUES("LpNormalization-1", "x=f32[1,2]{3,4}", "p=2", 1, "f32 [1, 2]: 0.6 0.8");
    VALUES("LpNormalization-1", "x=f32[2,2]{1,3,1,1}", "p=1 axis=0", 1,
           "f32 [2, 2]: 0.5 0.75 0.5 0.25");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("LRN-13", "x=f32[1,3,1,1]{1,2,3}", "size=3 alpha=3.0 beta=1.0 bias=1.0", 1,
           "f32 [1, 3, 1, 1]: 0.1667 0.1333 0.2143");
}

static void resizing_by_every_rule(void **state) {
    (void)state;
    VALUES("Resize-19", "x=f32[1,1,1,2]{1,3} - s=f32{1,1,1,2}", "", 1, "f32 [1, 1, 1, 4]: 1 1 3 3");
    VALUES("Resize-19", "x=f32[1,1,1,2]{1,3} - s=f32{1,1,1,2}", "mode='linear'", 1,
           "f32 [1, 1, 1, 4]: 1 1.5 2.5 3");
    VALUES("Resize-19", "x=f32[1,1,1,2]{1,3} - s=f32{1,1,1,2}",
           "mode='linear' coordinate_transformation_mode='align_corners'", 1,
           "f32 [1, 1, 1, 4]: 1 1.667 2.333 3");
    VALUES("Resize-19", "x=f32[1,1,1,4]{1,2,3,4} - s=f32{1,1,1,0.5}",
           "mode='linear' coordinate_transformation_mode='asymmetric'", 1, "f32 [1, 1, 1, 2]: 1 3");
    VALUES("Resize-19", "x=f32[1,1,1,4]{1,2,3,4} - s=f32{1,1,1,0.5}", "nearest_mode='ceil'", 1,
           "f32 [1, 1, 1, 2]: 2 4");
    VALUES("Resize-18", "x=f32[1,4]{1,2,3,4} - - z=i64{2}", "axes=[1] mode='linear' antialias=1", 1,
           "f32 [1, 2]: 1.625 3.375");
}

static void rotary_turns_pairs(void **state) {
    (void)state;
    VALUES("RotaryEmbedding-23", "x=f32[1,1,1,4]{1,2,3,4} c=f32[1,1,2]{0,1} s=f32[1,1,2]{1,0}", "",
           1, "f32 [1, 1, 1, 4]: -3 2 1 4");
    VALUES("RotaryEmbedding-23", "x=f32[1,1,1,4]{1,2,3,4} c=f32[1,1,2]{0,1} s=f32[1,1,2]{1,0}",
           "interleaved=1", 1, "f32 [1, 1, 1, 4]: -2 1 3 4");
    VALUES("RotaryEmbedding-23",
           "x=f32[1,1,1,4]{1,2,3,4} c=f32[2,1]{1,0} s=f32[2,1]{0,1} p=i64[1,1]{1}",
           "rotary_embedding_dim=2", 1, "f32 [1, 1, 1, 4]: -2 1 3 4");
}

static void constants_from_shapes_and_scalars(void **state) {
    (void)state;
    VALUES("ConstantOfShape-9", "s=i64{2,2}", "", 1, "f32 [2, 2]: 0 0 0 0");
    VALUES("Range-11", "a=i64(3) b=i64(-4) d=i64(-3)", "", 1, "i64 [3]: 3 0 -3");
    VALUES("Range-11", "a=f32(0) b=f32(1) d=f32(0.25)", "", 1, "f32 [4]: 0 0.25 0.5 0.75");
    VALUES("Shape-15", "x:f32[4,5,6]", "start=1", 1, "i64 [2]: 5 6");
    VALUES("Size-13", "x:f32[4,5]", "", 1, "i64 []: 20");
    VALUES("EyeLike-9", "x:i32[2,3]", "k=1", 1, "i32 [2, 3]: 0 1 0 0 0 1");
    VALUES("EyeLike-9", "x:f32[3,2]", "k=-1", 1, "f32 [3, 2]: 0 0 1 0 0 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_matrices),
        cmocka_unit_test(einsum_of_several_kinds),
        cmocka_unit_test(convolutions_of_small_pictures),
        cmocka_unit_test(pools_of_small_pictures),
        cmocka_unit_test(normalisations_of_small_tensors),
        cmocka_unit_test(resizing_by_every_rule),
        cmocka_unit_test(rotary_turns_pairs),
        cmocka_unit_test(constants_from_shapes_and_scalars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
