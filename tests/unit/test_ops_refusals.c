/* test_ops_refusals.c - sentences at the edge of what operators take: sizes beyond 63 bits, axes
 * beyond eight, empty axes, windows and values that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support_onnx.h"
#include "support_ops.h"

/* What lowering says of an operator that was inferred well. */
#define LOWERS(op, inputs, attributes, n_out, text)                                                \
    assert_string_equal(op_calls(op, inputs, attributes, n_out), text)

/* ---- sizes --------------------------------------------------------------------------------- */

/* 2^62 bytes can be, twice as many cannot. */
static void sums_and_products_of_dims_have_63_bits(void **state) {
    (void)state;
    INFERS("Concat-13", "x:u8[4611686018427387904] z:u8[4611686018427387904]", "axis=0", 1,
           "node 'n' (Concat): its size exceeds 63 bits");
    INFERS("SpaceToDepth-13", "x:u8[1,2305843009213693952,0,2]", "blocksize=2", 1,
           "node 'n' (SpaceToDepth): its size exceeds 63 bits");
    INFERS("DepthToSpace-13", "x:u8[1,0,4611686018427387904,1]", "blocksize=2", 1,
           "node 'n' (DepthToSpace): its size exceeds 63 bits");
    INFERS("Tile-13", "x:u8[4611686018427387904] r=i64{2}", "", 1,
           "node 'n' (Tile): repeats[0] is 2");
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void results_have_eight_axes_at_most(void **state) {
    (void)state;
    INFERS("Einsum-12", "a:f32[1,1,1,1] b:f32[1,1,1,1]", "equation='abcd,efgh'", 1,
           "f32 [1, 1, 1, 1, 1, 1, 1, 1]");
    INFERS("Einsum-12", "a:f32[1,1,1,1,1] b:f32[1,1,1,1]", "equation='abcde,fghi'", 1,
           "node 'n' (Einsum): its result has more than 8 axes");
    LOWERS("Einsum-12", "a:f32[1,1,1,1,1,1,1,2] b:f32[1,1,1,1,1,1,1,2]",
           "equation='abcdefgh,abcdefgh->abcdefg'", 1,
           "node 'n' (Einsum): its equation has more than 6 batch labels");
    LOWERS("GatherND-13", "x:f32[1,1,1,1,1,1,1,1] i:i64[1,7]", "", 1,
           "node 'n' (GatherND): its indices name 7 axes, at most 6");
    LOWERS("ScatterND-18", "x:f32[1,1,1,1,1,1,1,1] i:i64[1,8] u:f32[1]", "", 1,
           "node 'n' (ScatterND): its indices name 8 axes, at most 7");
}

/* ---- empty axes ---------------------------------------------------------------------------- */

/* Nothing can be picked from nothing, unless nothing is picked. */
static void indices_need_entries(void **state) {
    (void)state;
    INFERS("Gather-13", "x:f32[0,3] i:i64[2]", "", 1,
           "node 'n' (Gather): input 'x' has no entries along axis 0");
    INFERS("Gather-13", "x:f32[0,3] i:i64[0]", "", 1, "f32 [0, 3]");
    INFERS("GatherElements-13", "x:f32[2,0] i:i64[2,1]", "axis=1", 1,
           "node 'n' (GatherElements): input 'x' has no entries along axis 1");
    INFERS("ArgMax-13", "x:f32[2,0]", "axis=1", 1,
           "node 'n' (ArgMax): input 'x' is empty along axis 1");
}

static void a_product_over_nothing_is_no_gemm(void **state) {
    (void)state;
    LOWERS("Gemm-13", "a:f32[2,0] b:f32[0,3]", "", 1, "node 'n' (Gemm): its inner dim is 0");
    VALUES("MatMul-13", "a:f32[2,0] b:f32[0,1]", "", 1, "f32 [2, 1]: 0 0");
}

/* ---- windows ------------------------------------------------------------------------------- */

static void windows_have_as_many_numbers_as_axes(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,1,4,4] w:f32[1,1,2,2]", "pads=[1,1]", 1,
           "node 'n' (Conv): attribute 'pads' has 2 numbers for 2 axes");
    INFERS("MaxPool-12", "x:f32[1,1,4]", "kernel_shape=[2] pads=[1,1,1,1]", 1,
           "node 'n' (MaxPool): attribute 'pads' has 4 numbers for 1 axes");
    INFERS("MaxPool-12", "x:f32[1,1,4,4]", "kernel_shape=[2]", 1,
           "node 'n' (MaxPool): attribute 'kernel_shape' has 1 numbers for 2 axes");
    INFERS("MaxPool-12", "x:f32[1,1,4]", "", 1,
           "node 'n' (MaxPool): attribute 'kernel_shape' is missing");
}

static void windows_are_neither_empty_nor_endless(void **state) {
    (void)state;
    INFERS("Conv-11", "x:f32[1,1,4,4] w:f32[1,1,0,2]", "", 1,
           "node 'n' (Conv): the weight has 0 along a spatial axis");
    INFERS("MaxPool-12", "x:f32[1,1,4]", "kernel_shape=[2] pads=[-1,0]", 1,
           "node 'n' (MaxPool): attribute 'pads' holds -1");
    INFERS("Conv-11", "x:f32[1,1] w:f32[1,1]", "", 1,
           "node 'n' (Conv): input 'x' has rank 2, wants 3 to 4");
    INFERS("Conv-11", "x:f32[1,1,1,1,1,1] w:f32[1,1,1,1,1,1]", "", 1,
           "node 'n' (Conv): input 'x' has rank 6, wants 3 to 4");
    INFERS("MaxPool-12", "x:f32[1,1,1,1,1]", "kernel_shape=[1,1,1]", 1,
           "node 'n' (MaxPool): input 'x' has rank 5; 1 or 2 spatial axes are supported");
}

/* ---- values -------------------------------------------------------------------------------- */

static void a_pad_value_is_one_known_number(void **state) {
    (void)state;
    INFERS("Pad-13", "x:f32[2] p=i64{1,1} v=f32{1,2}", "", 1,
           "node 'n' (Pad): input 'v' is no constant of one element");
    INFERS("Pad-13", "x:f32[2] p=i64{1,1} v:f32[]", "", 1,
           "node 'n' (Pad): input 'v' is no constant of one element");
    INFERS("Pad-13", "x:f32[2] p=i64{1,1} v=i64(1)", "", 1,
           "node 'n' (Pad): input 'v' has dtype i64, input 'x' has f32");
}

/* The value of ConstantOfShape is a tensor of one element; the result has its type. */
static void a_fill_is_one_element_of_a_tensor(void **state) {
    (void)state;
    static const struct {
        int dtype;
        const char *shape, *message;
    } one[] = {{DMS_DTYPE_F32, "2", "attribute 'value' does not have one element"},
               {DMS_DTYPE_F32, "0", "attribute 'value' does not have one element"},
               {DMS_DTYPE_I64, "1", NULL},
               {DMS_DTYPE_BOOL, "", NULL},
               {DMS_DTYPE_F16, "1,1", NULL},
               {8, "1", "output 0 has data type string"}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        onnx_begin(&c, 17);
        onnx_i64(&c, c.graph, "s", "2,3");
        Onnx__NodeProto *node = onnx_node(&c, c.graph, "ConstantOfShape", "s", "y");
        onnx_tensor_attr(&c, node, "value", onnx_tensor(&c, "v", one[k].dtype, one[k].shape, NULL));
        onnx_output(&c, c.graph, "y", one[k].dtype, "2,3");
        const dms_code code = onnx_lower(&c, NULL);
        if (one[k].message != NULL) {
            onnx_expect_failure(&c, code, DMS_EUNSUPPORTED, one[k].message);
        } else {
            assert_int_equal(code, DMS_OK);
            assert_int_equal(onnx_find(&c, "y")->dtype, one[k].dtype);
            onnx_expect_shape(&c, "y", "2,3");
        }
        onnx_end(&c);
    }
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_i64(&c, c.graph, "s", "2,3");
    onnx_text(&c, "ConstantOfShape s y value=7");
    onnx_output(&c, c.graph, "y", DMS_DTYPE_F32, "2,3");
    onnx_expect_failure(&c, onnx_lower(&c, NULL), DMS_EUNSUPPORTED,
                        "node 'ConstantOfShape_y' (ConstantOfShape): attribute 'value' is no "
                        "tensor");
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_products_of_dims_have_63_bits),
        cmocka_unit_test(results_have_eight_axes_at_most),
        cmocka_unit_test(indices_need_entries),
        cmocka_unit_test(a_product_over_nothing_is_no_gemm),
        cmocka_unit_test(windows_have_as_many_numbers_as_axes),
        cmocka_unit_test(windows_are_neither_empty_nor_endless),
        cmocka_unit_test(a_pad_value_is_one_known_number),
        cmocka_unit_test(a_fill_is_one_element_of_a_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
