/* test_onnx_patterns_half.c - the forms of exporters in f16 and bf16: islands of f32 between Casts,
 * constants rounded to eleven or eight bits.
 *
 * Inputs come in as f32 and are cast first: to=10 is f16, to=16 bf16, to=1 f32. What a pattern
 * makes differs from its parts by their roundings, which the tolerance allows and no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "support_case.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* A constant of a narrow type. */
static void put(onnx_case *c, dms_dtype dtype, const char *name, const char *shape, uint32_t n,
                const float *value) {
    uint16_t bits[8];
    for (uint32_t k = 0; k < n; k++)
        bits[k] = dtype == DMS_DTYPE_F16 ? case_half_of((double)value[k]) : case_brain_of(value[k]);
    (void)onnx_initializer(c, c->graph, name, (int)dtype, shape, bits);
}

static void begin_in(onnx_case *c, int64_t opset, dms_dtype dtype) {
    static const struct {
        const char *name;
        float value;
    } number[] = {
        {"half", 0.5f},         {"one", 1},           {"three", 3},         {"eps", 1e-3f},
        {"root2", 1.41421356f}, {"cubic", 0.044715f}, {"t", 0.7978845608f}, {"scale", 0.5f},
        {"above", 0.80078125f}, {"below", 0.796875f}, {"zero", 0}};
    static const float w[4] = {1, 2, -1, 0.5f}, b[4] = {0.5f, -1, 0, 3};
    const float eps = 1e-3f, two = 2;
    onnx_begin(c, opset);
    onnx_input(c, "x32", F32, "2,3,4");
    onnx_input(c, "q32", F32, "1,2,3,4");
    onnx_input(c, "k32", F32, "1,2,5,4");
    onnx_input(c, "v32", F32, "1,2,5,4");
    onnx_input(c, "mask32", F32, "1,1,3,5");
    onnx_output(c, c->graph, "y", F32, "");
    for (uint32_t k = 0; k < sizeof number / sizeof *number; k++)
        put(c, dtype, number[k].name, "", 1, &number[k].value);
    put(c, dtype, "w", "4", 4, w);
    put(c, dtype, "b", "4", 4, b);
    (void)onnx_initializer(c, c->graph, "w32", F32, "4", w);
    (void)onnx_initializer(c, c->graph, "eps32", F32, "", &eps);
    (void)onnx_initializer(c, c->graph, "two32", F32, "", &two);
    static const char *const cast[] = {"x32", "x",   "q32", "qh",     "k32",
                                       "kh",  "v32", "vh",  "mask32", "mask"};
    for (uint32_t k = 0; k < 10; k += 2)
        onnx_int(c, onnx_node(c, c->graph, "Cast", cast[k], cast[k + 1]), "to", dtype);
    onnx_int(c, onnx_node(c, c->graph, "Cast", "out", "y"), "to", F32);
}

static void begin_half(onnx_case *c, int64_t opset) {
    begin_in(c, opset, DMS_DTYPE_F16);
}

static void begin_brain(onnx_case *c, int64_t opset) {
    begin_in(c, opset, DMS_DTYPE_BF16);
}

/* The form, with # for the number of the narrow type, holds `count` of `op`. */
static void expect_in(dms_dtype dtype, const char *form, const char *op, uint32_t count) {
    const bool is_half = dtype == DMS_DTYPE_F16;
    char text[600] = "";
    size_t at = 0;
    for (const char *p = form; *p != 0; p++)
        if (*p == '#')
            at += (size_t)snprintf(text + at, sizeof text - at, "%d", (int)dtype);
        else
            text[at++] = *p;
    const uint32_t found = onnx_pattern_within(is_half ? begin_half : begin_brain, 17, text, op,
                                               is_half ? 0.008f : 0.06f);
    if (found != count)
        fail_msg("%s, '%s': %u of %s, wanted %u", dms_dtype_name(dtype), text, found, op, count);
}

/* In both types. */
static void expect(const char *form, const char *op, uint32_t count) {
    expect_in(DMS_DTYPE_F16, form, op, count);
    expect_in(DMS_DTYPE_BF16, form, op, count);
}

/* ---- norms --------------------------------------------------------------------------------- */

#define RMS "RMSNormalization"

/* Llama: the norm in f32, its result narrowed, the weight narrow. */
static void a_norm_in_an_island_of_f32_is_one_step(void **state) {
    (void)state;
    expect("Cast x c to=1; Pow c,two32 sq; ReduceMean sq m axes=[-1]; Add m,eps32 v; Sqrt v s; "
           "Reciprocal s r; Mul c,r n; Cast n h to=#; Mul w,h out",
           RMS, 1);
    expect("Cast x c to=1; Pow c,two32 sq; ReduceMean sq m axes=[-1]; Add m,eps32 v; Sqrt v s; "
           "Div c,s n; Cast n h to=#; Mul h,w out",
           RMS, 1);
}

/* T5: the weight is f32 too, the narrowing comes last. */
static void a_norm_whose_weight_is_wide_is_narrowed_behind_it(void **state) {
    (void)state;
    expect("Cast x c to=1; Pow c,two32 sq; ReduceMean sq m axes=[-1]; Add m,eps32 v; Sqrt v s; "
           "Div c,s n; Mul n,w32 g; Cast g out to=#",
           RMS, 1);
}

/* All in the narrow type, as a model converted as a whole has it. */
static void a_norm_that_is_narrow_throughout_is_found(void **state) {
    (void)state;
    expect("Mul x,x sq; ReduceMean sq m axes=[-1]; Add m,eps v; Sqrt v s; Div x,s n; Mul n,w out",
           RMS, 1);
    expect("ReduceMean x mu axes=[-1]; Sub x,mu d; Pow d,two32 sq; ReduceMean sq m axes=[-1]; "
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w g; Add g,b out",
           "LayerNormalization", 1);
}

/* A detour by integers is no rounding that a norm may swallow: behind it stand f32 numbers, and
 * the result is narrow, so the parts stay. */
static void an_island_of_integers_is_none(void **state) {
    (void)state;
    expect("Mul x,three x3; Cast x3 i to=6; Cast i c to=1; Pow c,two32 sq; "
           "ReduceMean sq m axes=[-1]; Add m,eps32 v; Sqrt v s; Div c,s n; Cast n h to=#; "
           "Mul h,w out",
           RMS, 0);
}

/* ---- activations --------------------------------------------------------------------------- */

/* sqrt 2 is 1.4140625 in both types, 0.044715 is 0.0447 in both. */
static void constants_may_be_rounded(void **state) {
    (void)state;
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,a p; Mul p,half out", "Gelu", 1);
    expect("Sigmoid x s; Mul x,s out", "Silu", 1);
}

/* 0.79788 is 0.79785 in f16 and 0.79688 in bf16, 0.13 % off, which is less than half a unit. The
 * number next to it, 0.80078, is another one; so is 0.79688 where halves are told apart. */
static void a_constant_is_what_it_was_before_it_was_rounded(void **state) {
    (void)state;
    static const char form[] = "Pow x,three c; Mul c,cubic q; Add x,q s; Mul s,%s u; Tanh u h; "
                               "Add h,one a; Mul x,a p; Mul p,half out";
    char text[200];
    (void)snprintf(text, sizeof text, form, "t");
    expect(text, "Gelu", 1);
    (void)snprintf(text, sizeof text, form, "above");
    expect(text, "Gelu", 0);
    (void)snprintf(text, sizeof text, form, "below");
    expect_in(DMS_DTYPE_F16, text, "Gelu", 0);
    expect_in(DMS_DTYPE_BF16, text, "Gelu", 1);
}

/* ---- attention ----------------------------------------------------------------------------- */

#define KT "Transpose kh kt perm=[0,1,3,2]; MatMul qh,kt s0; Mul s0,scale s; "

static void scores_may_be_widened_for_the_softmax(void **state) {
    (void)state;
    expect(KT "Add s,mask m; Cast m c to=1; Softmax c p axis=-1; Cast p h to=#; MatMul h,vh out",
           "Attention", 1);
    expect(KT "Cast s c to=1; Add c,mask32 m; Softmax m p axis=-1; Cast p h to=#; MatMul h,vh out",
           "Attention", 1);
    expect(KT "Add s,mask m; Softmax m p axis=-1; MatMul p,vh out", "Attention", 1);
}

/* The guard stands in f32 or in the narrow type. */
static void a_guard_may_stand_on_either_side_of_a_cast(void **state) {
    (void)state;
    expect(KT "Add s,mask m; Softmax m p axis=-1; IsNaN p n; Where n,zero,p g; MatMul g,vh out",
           "Attention", 1);
}

static void probabilities_that_become_integers_are_no_attention(void **state) {
    (void)state;
    expect(KT "Softmax s p axis=-1; Cast p i to=9; Cast i h to=#; MatMul h,vh out", "Attention", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_norm_in_an_island_of_f32_is_one_step),
        cmocka_unit_test(a_norm_whose_weight_is_wide_is_narrowed_behind_it),
        cmocka_unit_test(a_norm_that_is_narrow_throughout_is_found),
        cmocka_unit_test(an_island_of_integers_is_none),
        cmocka_unit_test(constants_may_be_rounded),
        cmocka_unit_test(a_constant_is_what_it_was_before_it_was_rounded),
        cmocka_unit_test(scores_may_be_widened_for_the_softmax),
        cmocka_unit_test(a_guard_may_stand_on_either_side_of_a_cast),
        cmocka_unit_test(probabilities_that_become_integers_are_no_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
