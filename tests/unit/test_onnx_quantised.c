/* test_onnx_quantised.c - what QuantizeLinear and DequantizeLinear stand around runs on bytes, and
 * computes the same.
 *
 * Every form is read twice: as it is, and with weights as inputs and every result in between
 * declared an output, which leaves products and most others real. Scales are powers of two, so that
 * both must agree to the last bit.
 *
 * x [1,4,6,6] is the input; Q and D are its bytes with scale 1/64 and zero 120. R stands for the end
 * of a form: its result c becomes bytes of scale 1/8 and zero 7, which y shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I8 DMS_DTYPE_I8
#define U8 DMS_DTYPE_U8
#define I32 DMS_DTYPE_I32

#define Q "QuantizeLinear x,s,z q; "
#define D Q "DequantizeLinear q,s,z d; "
#define W "DequantizeLinear w,sw,zw dw axis=0; "
#define B "DequantizeLinear b,sb,zb db axis=0; "
#define R "; QuantizeLinear c,t,u e; DequantizeLinear e,t,u y"
#define SAME "; QuantizeLinear c,s,z e; DequantizeLinear e,s,z y"

static void scalar(onnx_case *c, const char *name, int dtype, const void *value) {
    (void)onnx_initializer(c, c->graph, name, dtype, "", value);
}

static void real(onnx_case *c, const char *name, float value) {
    scalar(c, name, F32, &value);
}

static void byte(onnx_case *c, const char *name, int dtype, int value) {
    const uint8_t bits = (uint8_t)value;
    scalar(c, name, dtype, &bits);
}

enum { MOST = 4096, N_WEIGHTS = 288 };

static void fill(uint8_t *w) {
    for (uint32_t k = 0; k < N_WEIGHTS; k++)
        w[k] = (uint8_t)(k * 37 + k / 7);
}

/* Bytes of a product: known, or an input. */
static void weight(onnx_case *c, bool is_input, const char *name, int dtype, const char *shape) {
    uint8_t w[N_WEIGHTS];
    fill(w);
    if (is_input)
        onnx_input(c, name, dtype, shape);
    else
        (void)onnx_initializer(c, c->graph, name, dtype, shape, w);
}

static void weights(onnx_case *c, bool are_inputs) {
    float scale[8], of_bias[8];
    int32_t bias[8];
    for (uint32_t k = 0; k < 8; k++) {
        scale[k] = k % 3 == 0 ? 0x1p-7f : 0x1p-8f;
        of_bias[k] = scale[k] * 0x1p-6f;
        bias[k] = (int32_t)k * 500 - 1800;
    }
    weight(c, are_inputs, "w", I8, "8,4,3,3");
    weight(c, are_inputs, "wu", U8, "8,4,3,3");
    weight(c, are_inputs, "deep", I8, "4,1,3,3");
    weight(c, are_inputs, "m", I8, "6,8");
    weight(c, are_inputs, "mt", I8, "8,6");
    (void)onnx_initializer(c, c->graph, "sw", F32, "8", scale);
    (void)onnx_initializer(c, c->graph, "s4", F32, "4", scale);
    (void)onnx_initializer(c, c->graph, "zw", I8, "8", NULL);
    (void)onnx_initializer(c, c->graph, "b", I32, "8", bias);
    (void)onnx_initializer(c, c->graph, "sb", F32, "8", of_bias);
    (void)onnx_initializer(c, c->graph, "zb", I32, "8", NULL);
    (void)onnx_initializer(c, c->graph, "breal", F32, "8", of_bias);
}

static void begin(onnx_case *c, bool in_parts) {
    onnx_begin(c, 13);
    onnx_input(c, "x", F32, "1,4,6,6");
    onnx_output(c, c->graph, "y", F32, "");
    real(c, "s", 0x1p-6f);
    byte(c, "z", U8, 120);
    byte(c, "zi", I8, -5);
    real(c, "t", 0x1p-3f);
    byte(c, "u", U8, 7);
    byte(c, "ui", I8, -9);
    real(c, "huge", 3e38f);
    real(c, "minus", -0x1p-6f);
    real(c, "zero", 0.0f);
    real(c, "one", 1.0f);
    real(c, "half", 0.5f);
    byte(c, "z130", U8, 130);
    real(c, "s1", 0x1p-8f);
    onnx_i64(c, c->graph, "flat", "4,36");
    onnx_i64(c, c->graph, "rows", "24,6");
    onnx_i64(c, c->graph, "axes", "0");
    onnx_i64(c, c->graph, "ends", "0,0,1,2,0,0,2,1");
    onnx_i64(c, c->graph, "from", "1");
    onnx_i64(c, c->graph, "to", "5");
    onnx_i64(c, c->graph, "along", "2");
    const float twice[4] = {1, 1, 2, 2};
    (void)onnx_initializer(c, c->graph, "twice", F32, "4", twice);
    weights(c, in_parts);
}

/* Runs what was built; the output, and how many elements it has. */
static uint32_t run(onnx_case *c, const char *text, float *out) {
    float x[144];
    uint8_t w[N_WEIGHTS];
    const void *input[6] = {x, w, w, w, w, w};
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("'%s': %s", text, c->st.msg);
    const uint32_t storage = c->lowered.output[0];
    const uint64_t bytes = c->read.tensor[storage].bytes;
    assert_in_range(bytes, 1, MOST * sizeof *out);
    onnx_noise(x, 144, 5);
    fill(w);
    if (!onnx_execute(c, input))
        fail_msg("'%s': %s", text, c->st.msg);
    memcpy(out, c->storage[storage], bytes);
    return (uint32_t)(bytes / sizeof *out);
}

/* The form is these operators, and means what its parts mean. */
static void expect(const char *text, const char *operators) {
    static const char *const names[2] = {"as it is", "in parts"};
    float got[2][MOST];
    uint32_t n[2];
    for (int k = 0; k < 2; k++) {
        onnx_case c;
        begin(&c, k == 1);
        onnx_text(&c, text);
        if (k == 1)
            onnx_expose(&c);
        n[k] = run(&c, text, got[k]);
        if (k == 0 && strcmp(onnx_operators(&c), operators) != 0)
            fail_msg("'%s' %s: %s, wanted %s", text, names[k], onnx_operators(&c), operators);
        onnx_end(&c);
    }
    assert_int_equal(n[0], n[1]);
    for (uint32_t k = 0; k < n[0]; k++)
        if (memcmp(&got[0][k], &got[1][k], sizeof(float)) != 0)
            fail_msg("'%s': element %u is %g, its parts make %g", text, k, (double)got[0][k],
                     (double)got[1][k]);
}

#define BYTES(OP) "QuantizeLinear," OP ",DequantizeLinear"
#define KEPT(OP) "QuantizeLinear,DequantizeLinear," OP ",QuantizeLinear,DequantizeLinear"

/* ---- products ------------------------------------------------------------------------------ */

static void a_convolution_between_bytes_is_one_step(void **state) {
    (void)state;
    expect(D W "Conv d,dw c pads=[1,1,1,1]" R, BYTES("QLinearConv"));
    expect(D W B "Conv d,dw,db c strides=[2,1]" R, BYTES("QLinearConv"));
    expect(D "DequantizeLinear deep,s4 dw axis=0; Conv d,dw c group=4 pads=[1,1,1,1]" R,
           BYTES("QLinearConv"));
    expect(D "DequantizeLinear w,s1 dw; Conv d,dw c dilations=[2,2]" R, BYTES("QLinearConv"));
}

static void types_and_zeros_may_be_any(void **state) {
    (void)state;
    expect(D "DequantizeLinear wu,s1,z130 dw; Conv d,dw c" R, BYTES("QLinearConv"));
    expect("QuantizeLinear x,s,zi q; DequantizeLinear q,s,zi d; " W
           "Conv d,dw c; QuantizeLinear c,t,ui e; DequantizeLinear e,t,ui y",
           BYTES("QLinearConv"));
    expect("QuantizeLinear x,s q; DequantizeLinear q,s d; " W
           "Conv d,dw c; QuantizeLinear c,t e; DequantizeLinear e,t y",
           BYTES("QLinearConv"));
}

static void activations_become_bounds(void **state) {
    (void)state;
    expect(D W "Conv d,dw f; Relu f c" R, BYTES("QLinearConv"));
    expect(D W "Conv d,dw f; Clip f,zero,one c" R, BYTES("QLinearConv"));
    expect(D W "Conv d,dw f; Clip f,,half c" R, BYTES("QLinearConv"));
    expect(D W "Conv d,dw f; Clip f,minus c" R, BYTES("QLinearConv"));
    expect(D W "Conv d,dw f; HardSigmoid f c" R,
           "QuantizeLinear,QLinearConv,HardSigmoid,QuantizeLinear,DequantizeLinear");
}

/* Its sums become reals, which both readers have. */
static void a_result_that_is_read_elsewhere_stays_real(void **state) {
    (void)state;
    expect(D W "Conv d,dw c; Relu c r; QuantizeLinear c,t,u e; DequantizeLinear e,t,u f; Add r,f y",
           "QuantizeLinear,QLinearConv,Relu,QuantizeLinear,DequantizeLinear,Add");
}

/* The bias must count in units of the sum: of the scale of x times that of w. */
static void a_bias_in_other_units_keeps_the_convolution(void **state) {
    (void)state;
    expect(D W "DequantizeLinear b,sw db axis=0; Conv d,dw,db c" R, KEPT("Conv"));
    expect(D W "Conv d,dw,breal c" R, KEPT("Conv"));
    expect(D W "DequantizeLinear b,sb,b db axis=0; Conv d,dw,db c" R, KEPT("Conv"));
}

static void scales_along_another_axis_keep_the_product(void **state) {
    (void)state;
    expect(Q "DequantizeLinear q,s4 d axis=1; " W "Conv d,dw c" R, KEPT("Conv"));
    expect(D "DequantizeLinear w,s4 dw axis=1; Conv d,dw c" R, KEPT("Conv"));
    expect(D W "Conv d,dw c; QuantizeLinear c,sw e axis=1; DequantizeLinear e,sw y axis=1",
           "QuantizeLinear,QLinearConv,QuantizeLinear,DequantizeLinear");
}

static void a_product_between_bytes_is_one_step(void **state) {
    (void)state;
    expect(D "DequantizeLinear m,sw,zw dw axis=1; MatMul d,dw c" R, BYTES("QLinearMatMul"));
    expect(D "DequantizeLinear m,s1 dw; MatMul d,dw f; Relu f c" R, BYTES("QLinearMatMul"));
    /* of two computed factors */
    expect(D "Transpose d r perm=[0,1,3,2]; QuantizeLinear r,s,z v; DequantizeLinear v,s,z dv; "
             "MatMul d,dv c" R,
           "QuantizeLinear,Transpose,QLinearMatMul,DequantizeLinear");
}

static void a_gemm_between_bytes_is_one_step(void **state) {
    (void)state;
    const char *const rows = Q "Reshape q,rows p; DequantizeLinear p,s,z d; ";
    static const struct {
        const char *text, *operators;
    } forms[] = {
        {"DequantizeLinear m,sw dw axis=1; Gemm d,dw,db c" R,
         "QuantizeLinear,Reshape,QLinearMatMul,DequantizeLinear"},
        {"DequantizeLinear mt,sw dw axis=0; Gemm d,dw,db c transB=1" R,
         "QuantizeLinear,Reshape,QLinearMatMul,DequantizeLinear"},
        {"DequantizeLinear mt,sw dw axis=0; Gemm d,dw c transB=1" R,
         "QuantizeLinear,Reshape,QLinearMatMul,DequantizeLinear"},
        {"DequantizeLinear m,sw dw axis=1; Gemm d,dw,db c alpha=2." R,
         "QuantizeLinear,Reshape,DequantizeLinear,Gemm,QuantizeLinear,DequantizeLinear"},
    };
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        char text[512] = "";
        strcat(strcat(strcat(text, rows), B), forms[k].text);
        expect(text, forms[k].operators);
    }
}

/* Nothing quantises the last layer of many models. */
static void a_product_that_stays_real_is_one_step(void **state) {
    (void)state;
    expect(D W B "Conv d,dw,db y pads=[1,1,1,1]", "QuantizeLinear,QLinearConv");
    expect(D "DequantizeLinear deep,s4 dw axis=0; Conv d,dw y group=4",
           "QuantizeLinear,QLinearConv");
    expect(D "DequantizeLinear m,sw,zw dw axis=1; MatMul d,dw y", "QuantizeLinear,QLinearMatMul");
    expect(Q "Reshape q,rows p; DequantizeLinear p,s,z d; " B
             "DequantizeLinear mt,sw dw axis=0; Gemm d,dw,db y transB=1",
           "QuantizeLinear,Reshape,QLinearMatMul");
    /* two results: perhaps an attention */
    expect(D "Transpose d v perm=[0,1,3,2]; MatMul d,v y",
           "QuantizeLinear,DequantizeLinear,Transpose,MatMul");
}

/* ---- what moves elements ------------------------------------------------------------------- */

static void moved_elements_stay_bytes(void **state) {
    (void)state;
    expect(D "Reshape d,flat c" SAME, BYTES("Reshape"));
    expect(D "Transpose d c perm=[0,2,3,1]" SAME, BYTES("Transpose"));
    expect(D "Squeeze d,axes c" SAME, BYTES("Squeeze"));
    expect(D "Slice d,from,to,along c" SAME, BYTES("Slice"));
    expect(D "MaxPool d c kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]" SAME, BYTES("MaxPool"));
    expect(D "Resize d,,twice c mode='nearest'" SAME, BYTES("Resize"));
}

/* 0 beside the elements is their zero, 120. */
static void zeros_beside_elements_are_their_zero(void **state) {
    (void)state;
    expect(D "Pad d,ends c" SAME, BYTES("Pad"));
    expect(D "Pad d,ends,zero c" SAME, BYTES("Pad"));
    expect(D "Pad d,ends c mode='reflect'" SAME, BYTES("Pad"));
    expect(D "Pad d,ends,one c" SAME, KEPT("Pad"));
}

static void another_scale_keeps_reals_between(void **state) {
    (void)state;
    expect(D "Reshape d,flat c" R, KEPT("Reshape"));
    expect(D "Reshape d,flat c; QuantizeLinear c,s,zi e; DequantizeLinear e,s,zi y",
           KEPT("Reshape"));
    expect(D "Resize d,,twice c mode='linear'" SAME, KEPT("Resize"));
}

/* 120 x 3e38 is no number, and a negative scale turns the greatest into the least. */
static void scales_that_lose_numbers_keep_reals_between(void **state) {
    (void)state;
    expect("QuantizeLinear x,huge,z q; DequantizeLinear q,huge,z d; Reshape d,flat c; "
           "QuantizeLinear c,huge,z e; DequantizeLinear e,huge,z y",
           KEPT("Reshape"));
    expect("QuantizeLinear x,minus,z q; DequantizeLinear q,minus,z d; "
           "MaxPool d c kernel_shape=[2,2]; QuantizeLinear c,minus,z e; "
           "DequantizeLinear e,minus,z y",
           KEPT("MaxPool"));
}

static void what_is_read_as_reals_elsewhere_stays_for_that(void **state) {
    (void)state;
    expect(D "Reshape d,flat c; Relu c r; QuantizeLinear c,s,z e; DequantizeLinear e,s,z f; "
             "Add r,f y",
           "QuantizeLinear,DequantizeLinear,Reshape,Relu,QuantizeLinear,DequantizeLinear,Add");
}

/* ---- functions of one element -------------------------------------------------------------- */

static void functions_of_one_element_are_looked_up(void **state) {
    (void)state;
    expect(D "Sigmoid d c" R, BYTES("Lookup"));
    expect(D "LeakyRelu d c alpha=0.3" R, BYTES("Lookup"));
    expect(D "Clip d,zero,half c; QuantizeLinear c,t,ui e; DequantizeLinear e,t,ui y",
           BYTES("Lookup"));
    expect("QuantizeLinear x,s,zi q; DequantizeLinear q,s,zi d; HardSigmoid d c" R,
           BYTES("Lookup"));
    expect(D "Add d,d c" R, KEPT("Add"));
    expect(D "Softmax d c axis=1" R, KEPT("Softmax"));
}

/* From scale 1/64 to 1/8, and back: other numbers, in a table. */
static void a_change_of_scale_is_looked_up(void **state) {
    (void)state;
    expect(D "QuantizeLinear d,t,ui e; DequantizeLinear e,t,ui y", BYTES("Lookup"));
}

static void joined_bytes_are_looked_up_where_scales_differ(void **state) {
    (void)state;
    expect(D "Concat d,d c axis=2" SAME, BYTES("Concat"));
    expect(D "QuantizeLinear x,t,u p; DequantizeLinear p,t,u f; Concat d,f c axis=1" SAME,
           "QuantizeLinear,QuantizeLinear,Lookup,Concat,DequantizeLinear");
    expect(D "Concat d,x c axis=1" R, KEPT("Concat"));
}

/* ---- weights that nobody takes as bytes ---------------------------------------------------- */

static void weights_that_no_product_takes_are_folded(void **state) {
    (void)state;
    expect(W "Conv x,dw y", "Conv");
    expect("DequantizeLinear m,sw dw axis=1; Transpose dw v; DequantizeLinear b,sb db axis=0; "
           "Gemm x2,v,db y transB=1; Reshape x,rows x2",
           "Reshape,Gemm");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_between_bytes_is_one_step),
        cmocka_unit_test(types_and_zeros_may_be_any),
        cmocka_unit_test(activations_become_bounds),
        cmocka_unit_test(a_result_that_is_read_elsewhere_stays_real),
        cmocka_unit_test(a_bias_in_other_units_keeps_the_convolution),
        cmocka_unit_test(scales_along_another_axis_keep_the_product),
        cmocka_unit_test(a_product_between_bytes_is_one_step),
        cmocka_unit_test(a_gemm_between_bytes_is_one_step),
        cmocka_unit_test(a_product_that_stays_real_is_one_step),
        cmocka_unit_test(moved_elements_stay_bytes),
        cmocka_unit_test(zeros_beside_elements_are_their_zero),
        cmocka_unit_test(another_scale_keeps_reals_between),
        cmocka_unit_test(scales_that_lose_numbers_keep_reals_between),
        cmocka_unit_test(what_is_read_as_reals_elsewhere_stays_for_that),
        cmocka_unit_test(functions_of_one_element_are_looked_up),
        cmocka_unit_test(a_change_of_scale_is_looked_up),
        cmocka_unit_test(joined_bytes_are_looked_up_where_scales_differ),
        cmocka_unit_test(weights_that_no_product_takes_are_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
