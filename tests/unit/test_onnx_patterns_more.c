/* test_onnx_patterns_more.c - norms, activations, products with bias, scatters: forms that are one
 * operator, and their neighbours that are not. As in test_onnx_patterns.c each form is computed as
 * it is and from its parts.
 *
 * x [2,3,4] and z [2,3,4] are inputs; w and b are vectors of 4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { FOUND = 1, KEPT = 0 };

static void begin(onnx_case *c, int64_t opset) {
    static const struct {
        const char *name;
        float value;
    } number[] = {{"one", 1},
                  {"half", 0.5f},
                  {"two", 2},
                  {"three", 3},
                  {"quarter", 0.25f},
                  {"eps", 1e-3f},
                  {"root2", 1.41421356f},
                  {"ic", 0.70710678f},
                  {"cubic", 0.044715f},
                  {"t", 0.7978845608f},
                  {"c4", 0.4f},
                  {"c45", 0.045f * 1.1f},
                  {"c17", 1.702f}};
    const float w[4] = {1, 2, -1, 0.5f}, b[4] = {0.5f, -1, 0, 3}, grid[12] = {1, 2, 3, 4, 5, 6};
    float m[16];
    onnx_noise(m, 16, 99);
    onnx_begin(c, opset);
    onnx_input(c, "x", F32, "2,3,4");
    onnx_input(c, "z", F32, "2,3,4");
    onnx_output(c, c->graph, "y", F32, "");
    for (uint32_t k = 0; k < sizeof number / sizeof *number; k++)
        (void)onnx_initializer(c, c->graph, number[k].name, F32, "", &number[k].value);
    (void)onnx_initializer(c, c->graph, "half11", F32, "1,1,1,1", &number[1].value);
    (void)onnx_initializer(c, c->graph, "w", F32, "4", w);
    (void)onnx_initializer(c, c->graph, "b", F32, "4", b);
    (void)onnx_initializer(c, c->graph, "eps4", F32, "4", w);
    (void)onnx_initializer(c, c->graph, "w34", F32, "3,4", grid);
    (void)onnx_initializer(c, c->graph, "w31", F32, "3,1", grid);
    (void)onnx_initializer(c, c->graph, "b1", F32, "1", b);
    (void)onnx_initializer(c, c->graph, "b114", F32, "1,1,4", b);
    (void)onnx_initializer(c, c->graph, "b1114", F32, "1,1,1,4", b);
    (void)onnx_initializer(c, c->graph, "matrix", F32, "4,4", m);
    onnx_i64(c, c->graph, "last", "2");
    onnx_i64(c, c->graph, "first", "0");
    onnx_i64(c, c->graph, "unit", "1");
}

static void expect_opset(const char *text, int64_t opset, const char *op, uint32_t count) {
    const uint32_t found = onnx_pattern(begin, opset, text, op);
    if (found != count)
        fail_msg("'%s': %u of %s, wanted %u", text, found, op, count);
}

static void expect(const char *text, const char *op, uint32_t count) {
    expect_opset(text, 17, op, count);
}

/* ---- RMS norm ------------------------------------------------------------------------------ */

#define RMS "RMSNormalization"
#define MEAN "; ReduceMean sq m axes=[-1]; "
#define NORMED "Add m,eps v; Sqrt v s; Div x,s n; "

static void every_way_to_square_counts_and_no_other_power(void **state) {
    (void)state;
    expect("Pow x,two sq" MEAN NORMED "Mul n,w y", RMS, FOUND);
    expect("Mul x,x sq" MEAN NORMED "Mul n,w y", RMS, FOUND);
    expect("Mul x,z sq" MEAN NORMED "Mul n,w y", RMS, KEPT);
    expect("Abs x a; Pow a,three sq" MEAN NORMED "Mul n,w y", RMS, KEPT);
    expect("Mul z,z sq" MEAN NORMED "Mul n,w y", RMS, KEPT); /* of another tensor */
}

static void the_mean_is_over_the_last_axis_and_keeps_it(void **state) {
    (void)state;
    expect("Pow x,two sq; ReduceMean sq m axes=[2]; " NORMED "Mul n,w y", RMS, FOUND);
    expect("Pow x,two sq; ReduceMean sq m axes=[1]; " NORMED "Mul n,w y", RMS, KEPT);
    expect("Pow x,two sq; ReduceMean sq m axes=[1,2]; " NORMED "Mul n,w y", RMS, KEPT);
    expect("Pow x,two sq; ReduceMean sq m; " NORMED "Mul n,w y", RMS, KEPT);
    expect("Pow x,two sq; ReduceSum sq,last m; " NORMED "Mul n,w y", RMS, KEPT);
    expect("Pow x,two sq; ReduceMean sq r axes=[2] keepdims=0; Unsqueeze r,last m; " NORMED
           "Mul n,w y",
           RMS, KEPT);
}

/* From opset 18 on the axes are an input. */
static void the_axes_may_be_an_input(void **state) {
    (void)state;
    expect_opset("Pow x,two sq; ReduceMean sq,last m; " NORMED "Mul n,w y", 18, RMS, FOUND);
    expect_opset("Pow x,two sq; ReduceMean sq,first m; " NORMED "Mul n,w y", 18, RMS, KEPT);
    expect_opset("Pow x,two sq; ReduceMean sq m; " NORMED "Mul n,w y", 18, RMS, KEPT);
}

static void epsilon_is_one_number_under_the_root(void **state) {
    (void)state;
    expect("Pow x,two sq" MEAN "Add eps,m v; Sqrt v s; Div x,s n; Mul n,w y", RMS, FOUND);
    expect("Pow x,two sq" MEAN "Sqrt m r; Add r,eps s; Div x,s n; Mul n,w y", RMS, KEPT);
    expect("Pow x,two sq" MEAN "Sub m,eps v; Sqrt v s; Div x,s n; Mul n,w y", RMS, KEPT);
    expect("Abs eps4 e; Pow x,two sq" MEAN "Add m,e v; Sqrt v s; Div x,s n; Mul n,w y", RMS, KEPT);
}

static void the_root_divides(void **state) {
    (void)state;
    const char *head = "Pow x,two sq; ReduceMean sq m axes=[-1]; Add m,eps v; Sqrt v s; ";
    static const struct {
        const char *tail;
        uint32_t count;
    } one[] = {{"Reciprocal s r; Mul x,r n; Mul n,w y", FOUND},
               {"Div one,s r; Mul r,x n; Mul w,n y", FOUND},
               {"Div two,s r; Mul x,r n; Mul n,w y", KEPT},
               {"Mul x,s n; Mul n,w y", KEPT},
               {"Div s,x n; Mul n,w y", KEPT},
               {"Div x,v n; Mul n,w y", KEPT}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        char text[200];
        (void)snprintf(text, sizeof text, "%s%s", head, one[k].tail);
        expect(text, RMS, one[k].count);
    }
}

static void the_weight_is_a_constant_vector_of_the_last_axis(void **state) {
    (void)state;
    expect("Pow x,two sq" MEAN NORMED "Mul w,n y", RMS, FOUND);
    expect("Pow x,two sq" MEAN NORMED "Mul n,w34 y", RMS, KEPT);
    expect("Pow x,two sq" MEAN NORMED "Mul n,w31 y", RMS, KEPT);
    expect("Pow x,two sq" MEAN NORMED "Mul n,two y", RMS, KEPT);
    expect("Pow x,two sq" MEAN NORMED "Mul n,z y", RMS, KEPT);
    expect("Pow x,two sq" MEAN NORMED "Add n,w y", RMS, KEPT);
}

/* x [2,3,1] / rms is 1 or -1; the weight widens it to [2,3,4], which no norm does. */
static void a_weight_that_widens_is_none(void **state) {
    (void)state;
    expect("Slice x,first,unit,last x1; Pow x1,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div x1,s n; Mul n,w y",
           RMS, KEPT);
    expect("Slice x,first,unit,last x1; ReduceMean x1 mu axes=[-1]; Sub x1,mu d; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w a; Add a,b y",
           "LayerNormalization", KEPT);
}

/* A Cast to integers on the way changes numbers: 0.7 becomes 0. */
static void a_cast_to_integers_is_part_of_no_norm(void **state) {
    (void)state;
    expect("Mul x,three x3; Cast x3 i to=6; Cast i c to=1; Pow c,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div x3,s n; Mul n,w y",
           RMS, KEPT);
    expect("Cast x c to=11; Cast c d to=1; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w y",
           RMS, FOUND);
}

/* ---- layer norm ---------------------------------------------------------------------------- */

#define LAYER "LayerNormalization"
#define CENTRED "ReduceMean x mu axes=[-1]; Sub x,mu d; Pow d,two sq" MEAN "Add m,eps v; Sqrt v s; "

static void a_layer_norm_takes_its_own_mean_away(void **state) {
    (void)state;
    expect(CENTRED "Div d,s n; Mul n,w a; Add a,b y", LAYER, FOUND);
    expect("ReduceMean x mu axes=[-1]; Sub mu,x d; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w a; Add a,b y",
           LAYER, KEPT);
    expect("ReduceMean z mu axes=[-1]; Sub x,mu d; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w a; Add a,b y",
           LAYER, KEPT);
    expect("ReduceMean x mu axes=[1]; Sub x,mu d; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div d,s n; Mul n,w a; Add a,b y",
           LAYER, KEPT);
}

/* Two subtractions of the same mean, as PyTorch 1 wrote it: d is made twice. */
static void a_deviation_that_is_made_twice_is_still_correct(void **state) {
    (void)state;
    expect("ReduceMean x mu axes=[-1]; Sub x,mu d; Sub x,mu e; Pow d,two sq" MEAN
           "Add m,eps v; Sqrt v s; Div e,s n; Mul n,w a; Add a,b y",
           LAYER, KEPT);
}

static void without_a_bias_it_is_no_layer_norm(void **state) {
    (void)state;
    expect(CENTRED "Div d,s n; Mul n,w y", LAYER, KEPT);
    expect(CENTRED "Div d,s n; Mul n,w y", RMS, FOUND); /* of the deviation */
    expect(CENTRED "Div d,s n; Add n,b y", LAYER, KEPT);
    expect(CENTRED "Div d,s n; Mul n,w a; Sub a,b y", LAYER, KEPT);
    expect(CENTRED "Div d,s n; Mul n,w a; Add a,z y", LAYER, KEPT);
}

static void a_deviation_used_elsewhere_keeps_its_parts(void **state) {
    (void)state;
    expect(CENTRED "Div d,s n; Mul n,w a; Add a,b c; Add c,d y", LAYER, KEPT);
    expect(CENTRED "Div d,s n; Mul n,w a; Add a,b c; Add c,mu y", LAYER, KEPT);
    expect(CENTRED "Div d,s n; Mul n,w a; Add a,b c; Add c,s y", LAYER, KEPT);
}

/* ---- Gelu, Silu ---------------------------------------------------------------------------- */

static void a_gelu_is_half_of_x_times_one_plus_erf(void **state) {
    (void)state;
    expect("Mul x,ic d; Erf d e; Add e,one a; Mul x,a p; Mul p,half y", "Gelu", FOUND);
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,a p; Div p,two y", "Gelu", KEPT);
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,a p; Mul p,c4 y", "Gelu", KEPT);
    expect("Div x,root2 d; Erf d e; Add e,two a; Mul x,a p; Mul p,half y", "Gelu", KEPT);
    expect("Div z,root2 d; Erf d e; Add e,one a; Mul x,a p; Mul p,half y", "Gelu", KEPT);
    expect("Div root2,x d; Erf d e; Add e,one a; Mul x,a p; Mul p,half y", "Gelu", KEPT);
    expect("Div x,root2 d; Tanh d e; Add e,one a; Mul x,a p; Mul p,half y", "Gelu", KEPT);
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,a p; Mul p,z q; Mul q,half y", "Gelu", KEPT);
}

/* Two quarters and a two: numbers multiply before they are compared. */
static void numbers_in_a_product_are_taken_together(void **state) {
    (void)state;
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,two q; Mul q,a p; Mul p,quarter y", "Gelu",
           FOUND);
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,two q; Mul q,a p; Mul p,half y", "Gelu",
           KEPT);
}

/* A half of shape [1,1,1,1] makes y [1,2,3,4]: no Gelu of x [2,3,4] has these dims. */
static void a_number_of_higher_rank_is_no_plain_factor(void **state) {
    (void)state;
    expect("Div x,root2 d; Erf d e; Add e,one a; Mul x,a p; Mul p,half11 y", "Gelu", KEPT);
}

#define TANH(cube) cube "; Add x,q s; Mul s,t u; Tanh u h; Add h,one a; Mul x,a p; Mul p,half y"
static void the_polynomial_of_a_tanh_gelu_is_exact(void **state) {
    (void)state;
    expect(TANH("Pow x,three c; Mul c,cubic q"), "Gelu", FOUND);
    expect(TANH("Pow x,two e; Mul e,x c; Mul cubic,c q"), "Gelu", FOUND);
    expect(TANH("Pow x,two c; Mul c,cubic q"), "Gelu", KEPT);
    expect(TANH("Pow x,three c; Mul c,c45 q"), "Gelu", KEPT);
    expect(TANH("Pow z,three c; Mul c,cubic q"), "Gelu", KEPT);
    expect(TANH("Mul x,z e; Mul e,x c; Mul c,cubic q"), "Gelu", KEPT);
    expect(TANH("Pow x,three c; Mul c,x e; Mul e,cubic q"), "Gelu", KEPT);
}

static void a_silu_is_x_times_its_own_sigmoid(void **state) {
    (void)state;
    expect("Sigmoid x s; Mul s,x y", "Silu", FOUND);
    expect("Sigmoid x s; Mul z,s y", "Silu", KEPT);
    expect("Mul x,c17 g; Sigmoid g s; Mul x,s y", "Silu", KEPT); /* the quick Gelu */
    expect("HardSigmoid x s; Mul x,s y", "Silu", KEPT);
    expect("Sigmoid x s; Add s,x y", "Silu", KEPT);
    expect("Sigmoid x s; Mul x,s p; Add p,s y", "Silu", KEPT);
}

/* ---- products with a bias ------------------------------------------------------------------ */

static void a_bias_is_a_constant_row_of_the_product(void **state) {
    (void)state;
    expect("MatMul x,matrix p; Add p,b y", "Linear", FOUND);
    expect("MatMul x,matrix p; Add b114,p y", "Linear", FOUND);
    expect("MatMul x,matrix p; Add p,b1114 y", "Linear", KEPT); /* makes y of rank 4 */
    expect("MatMul x,matrix p; Add p,b1 y", "Linear", KEPT);
    expect("MatMul x,matrix p; Add p,w34 y", "Linear", KEPT);
    expect("MatMul x,matrix p; Add p,z y", "Linear", KEPT);
    expect("MatMul x,matrix p; Sub p,b y", "Linear", KEPT);
}

static void only_a_product_with_one_use_and_a_constant_matrix_takes_a_bias(void **state) {
    (void)state;
    expect("MatMul x,matrix p; Add p,b q; Mul q,p y", "Linear", KEPT);
    expect("Transpose z zt perm=[0,2,1]; MatMul x,zt p; Add p,w31 y", "Linear", KEPT);
    expect("Slice x,first,unit,first x1; Squeeze x1,first x2; Slice x2,first,unit,first x3; "
           "Squeeze x3,first v; MatMul v,matrix p; Add p,b y",
           "Linear", KEPT); /* a vector has no rows */
}

static void of_two_biases_one_is_taken(void **state) {
    (void)state;
    expect("MatMul x,matrix p; Add p,b q; Add q,w y", "Linear", FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_square_counts_and_no_other_power),
        cmocka_unit_test(the_mean_is_over_the_last_axis_and_keeps_it),
        cmocka_unit_test(the_axes_may_be_an_input),
        cmocka_unit_test(epsilon_is_one_number_under_the_root),
        cmocka_unit_test(the_root_divides),
        cmocka_unit_test(the_weight_is_a_constant_vector_of_the_last_axis),
        cmocka_unit_test(a_weight_that_widens_is_none),
        cmocka_unit_test(a_cast_to_integers_is_part_of_no_norm),
        cmocka_unit_test(a_layer_norm_takes_its_own_mean_away),
        cmocka_unit_test(a_deviation_that_is_made_twice_is_still_correct),
        cmocka_unit_test(without_a_bias_it_is_no_layer_norm),
        cmocka_unit_test(a_deviation_used_elsewhere_keeps_its_parts),
        cmocka_unit_test(a_gelu_is_half_of_x_times_one_plus_erf),
        cmocka_unit_test(numbers_in_a_product_are_taken_together),
        cmocka_unit_test(a_number_of_higher_rank_is_no_plain_factor),
        cmocka_unit_test(the_polynomial_of_a_tanh_gelu_is_exact),
        cmocka_unit_test(a_silu_is_x_times_its_own_sigmoid),
        cmocka_unit_test(a_bias_is_a_constant_row_of_the_product),
        cmocka_unit_test(only_a_product_with_one_use_and_a_constant_matrix_takes_a_bias),
        cmocka_unit_test(of_two_biases_one_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
