/* test_onnx_rewrite.c - what exporters take apart is put together, and computes the same.
 *
 * Every form is built on x [2,3,4]; loops in double are the oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { ROWS = 6, N = 4 };

static const float weight[N] = {1, 2, -1, 0.5f}, bias[N] = {0.5f, -1, 0, 3};
static const double epsilon = 1e-3;

/* x [2,3,4], scalars one, half, two, three and the vectors w and b. */
static void begin(onnx_case *c) {
    static const struct {
        const char *name;
        float value;
    } scalar[] = {{"one", 1},     {"half", 0.5f},         {"two", 2},        {"three", 3},
                  {"eps", 1e-3f}, {"root2", 1.41421356f}, {"c1", 0.044715f}, {"c2", 0.7978845608f}};
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3,4");
    onnx_output(c, c->graph, "y", F32, "2,3,4");
    for (uint32_t k = 0; k < sizeof scalar / sizeof *scalar; k++)
        (void)onnx_initializer(c, c->graph, scalar[k].name, F32, "", &scalar[k].value);
    (void)onnx_initializer(c, c->graph, "w", F32, "4", weight);
    (void)onnx_initializer(c, c->graph, "b", F32, "4", bias);
}

static Onnx__NodeProto *node(onnx_case *c, const char *op, const char *in, const char *out) {
    return onnx_node(c, c->graph, op, in, out);
}

static void mean(onnx_case *c, const char *in, const char *out, const char *axes) {
    onnx_ints(c, node(c, "ReduceMean", in, out), "axes", axes);
}

/* Reads, expects `op` once and nothing else, runs, compares with a function of the row. */
static void expect(onnx_case *c, const char *op, void (*oracle)(const double *x, double *y)) {
    float x[ROWS * N], y[ROWS * N];
    const float *const input[1] = {x};
    for (uint32_t k = 0; k < ROWS * N; k++)
        x[k] = (float)((int)(k * 7 % 11) - 5) * 0.6f;
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
    assert_int_equal(onnx_count(c, op), 1);
    assert_int_equal(c->read.n_nodes, 1);
    assert_int_equal(c->lowered.n_calls, 1);
    onnx_run(c, input, 0, y, ROWS * N);
    for (uint32_t row = 0; row < ROWS; row++) {
        double from[N], wanted[N];
        for (uint32_t k = 0; k < N; k++)
            from[k] = (double)x[row * N + k];
        oracle(from, wanted);
        for (uint32_t k = 0; k < N; k++)
            if (!(fabs((double)y[row * N + k] - wanted[k]) < 1e-5))
                fail_msg("row %u, %u: %g, wanted %g", row, k, (double)y[row * N + k], wanted[k]);
    }
    onnx_end(c);
}

static void rms_oracle(const double *x, double *y) {
    double sum = 0;
    for (uint32_t k = 0; k < N; k++)
        sum += x[k] * x[k] / N;
    for (uint32_t k = 0; k < N; k++)
        y[k] = x[k] / sqrt(sum + epsilon) * (double)weight[k];
}

static void layer_oracle(const double *x, double *y) {
    double middle = 0, sum = 0;
    for (uint32_t k = 0; k < N; k++)
        middle += x[k] / N;
    for (uint32_t k = 0; k < N; k++)
        sum += (x[k] - middle) * (x[k] - middle) / N;
    for (uint32_t k = 0; k < N; k++)
        y[k] = (x[k] - middle) / sqrt(sum + epsilon) * (double)weight[k] + (double)bias[k];
}

static void gelu_oracle(const double *x, double *y) {
    for (uint32_t k = 0; k < N; k++)
        y[k] = 0.5 * x[k] * (1 + erf(x[k] / sqrt(2.0)));
}

static void gelu_tanh_oracle(const double *x, double *y) {
    for (uint32_t k = 0; k < N; k++)
        y[k] = 0.5 * x[k] * (1 + tanh(0.7978845608 * (x[k] + 0.044715 * x[k] * x[k] * x[k])));
}

static void silu_oracle(const double *x, double *y) {
    for (uint32_t k = 0; k < N; k++)
        y[k] = x[k] / (1 + exp(-x[k]));
}

static void rms_norm_of_torchscript_is_found(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)node(&c, "Pow", "x,two", "sq");
    mean(&c, "sq", "m", "-1");
    (void)node(&c, "Add", "m,eps", "v");
    (void)node(&c, "Sqrt", "v", "s");
    (void)node(&c, "Div", "one,s", "r");
    (void)node(&c, "Mul", "x,r", "n");
    (void)node(&c, "Mul", "w,n", "y");
    expect(&c, "RMSNormalization", rms_oracle);
}

static void rms_norm_of_dynamo_is_found(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)node(&c, "Mul", "x,x", "sq");
    mean(&c, "sq", "m", "2");
    (void)node(&c, "Add", "eps,m", "v");
    (void)node(&c, "Sqrt", "v", "s");
    (void)node(&c, "Reciprocal", "s", "r");
    (void)node(&c, "Mul", "r,x", "n");
    (void)node(&c, "Mul", "n,w", "y");
    expect(&c, "RMSNormalization", rms_oracle);
}

static void layer_norm_is_found(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    mean(&c, "x", "mu", "-1");
    (void)node(&c, "Sub", "x,mu", "d");
    (void)node(&c, "Pow", "d,two", "sq");
    mean(&c, "sq", "m", "-1");
    (void)node(&c, "Add", "m,eps", "v");
    (void)node(&c, "Sqrt", "v", "s");
    (void)node(&c, "Div", "d,s", "n");
    (void)node(&c, "Mul", "n,w", "scaled");
    (void)node(&c, "Add", "scaled,b", "y");
    expect(&c, "LayerNormalization", layer_oracle);
}

/* Means over another axis, or a result in between that is used again, are no norm over rows. */
static void what_is_no_norm_stays(void **state) {
    (void)state;
    for (uint32_t variant = 0; variant < 2; variant++) {
        onnx_case c;
        begin(&c);
        (void)node(&c, "Pow", "x,two", "sq");
        mean(&c, "sq", "m", variant == 0 ? "1" : "-1");
        (void)node(&c, "Add", "m,eps", "v");
        (void)node(&c, "Sqrt", "v", "s");
        (void)node(&c, "Div", "x,s", "n");
        (void)node(&c, "Mul", "n,w", "y");
        if (variant == 1)
            onnx_output(&c, c.graph, "v", F32, "2,3,1");
        assert_int_equal(onnx_read(&c, NULL), DMS_OK);
        assert_int_equal(onnx_count(&c, "RMSNormalization"), 0);
        onnx_end(&c);
    }
}

static void gelu_with_erf_is_found_in_any_order(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)node(&c, "Div", "x,root2", "d");
    (void)node(&c, "Erf", "d", "e");
    (void)node(&c, "Add", "e,one", "a");
    (void)node(&c, "Mul", "x,a", "p");
    (void)node(&c, "Mul", "p,half", "y");
    expect(&c, "Gelu", gelu_oracle);
    begin(&c);
    (void)node(&c, "Div", "x,root2", "d");
    (void)node(&c, "Erf", "d", "e");
    (void)node(&c, "Add", "one,e", "a");
    (void)node(&c, "Mul", "half,x", "p");
    (void)node(&c, "Mul", "a,p", "y");
    expect(&c, "Gelu", gelu_oracle);
}

static void gelu_with_tanh_is_found(void **state) {
    (void)state;
    for (uint32_t variant = 0; variant < 3; variant++) {
        onnx_case c;
        begin(&c);
        if (variant == 0)
            (void)node(&c, "Pow", "x,three", "cube");
        else if (variant == 1) {
            (void)node(&c, "Mul", "x,x", "square");
            (void)node(&c, "Mul", "square,x", "cube");
        } else { /* the scale goes in first, as TensorFlow has it */
            (void)node(&c, "Mul", "c1,x", "scaled");
            (void)node(&c, "Mul", "x,scaled", "square");
            (void)node(&c, "Mul", "x,square", "q");
        }
        if (variant < 2)
            (void)node(&c, "Mul", "cube,c1", "q");
        (void)node(&c, "Add", "x,q", "s");
        (void)node(&c, "Mul", "s,c2", "u");
        (void)node(&c, "Tanh", "u", "t");
        (void)node(&c, "Add", "t,one", "a");
        (void)node(&c, "Mul", "x,half", "h");
        (void)node(&c, "Mul", "h,a", "y");
        expect(&c, "Gelu", gelu_tanh_oracle);
    }
}

static void silu_is_found(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)node(&c, "Sigmoid", "x", "s");
    (void)node(&c, "Mul", "x,s", "y");
    expect(&c, "Silu", silu_oracle);
}

static void other_constants_are_no_gelu(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)node(&c, "Div", "x,two", "d"); /* not the root of 2 */
    (void)node(&c, "Erf", "d", "e");
    (void)node(&c, "Add", "e,one", "a");
    (void)node(&c, "Mul", "x,a", "p");
    (void)node(&c, "Mul", "p,half", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Gelu"), 0);
    onnx_end(&c);
}

/* y = x m + b, m [4,4] */
static void linear_oracle(const double *x, double *y) {
    for (uint32_t j = 0; j < N; j++) {
        y[j] = (double)bias[j];
        for (uint32_t k = 0; k < N; k++)
            y[j] += x[k] * ((double)((k * N + j) % 5) - 2);
    }
}

static void a_product_takes_its_bias(void **state) {
    (void)state;
    onnx_case c;
    float m[N * N];
    for (uint32_t k = 0; k < N * N; k++)
        m[k] = (float)(k % 5) - 2;
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "m", F32, "4,4", m);
    (void)node(&c, "MatMul", "x,m", "p");
    (void)node(&c, "Add", "b,p", "y");
    expect(&c, "Linear", linear_oracle);
    begin(&c); /* a bias of rank 3 is the same bytes */
    (void)onnx_initializer(&c, c.graph, "m", F32, "4,4", m);
    (void)onnx_initializer(&c, c.graph, "b3", F32, "1,1,4", bias);
    (void)node(&c, "MatMul", "x,m", "p");
    (void)node(&c, "Add", "p,b3", "y");
    expect(&c, "Linear", linear_oracle);
}

/* The mask of TorchScript: ScatterND over the whole of a tensor, its indices from ranges. */
static void a_scatter_of_everything_is_no_scatter(void **state) {
    (void)state;
    onnx_case c;
    const int64_t count[4] = {0, 1, 2, 3};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "3,4");
    onnx_input(&c, "old", F32, "3,4");
    onnx_output(&c, c.graph, "y", F32, "3,4");
    (void)onnx_initializer(&c, c.graph, "rows", DMS_DTYPE_I64, "3,1,1", count);
    (void)onnx_initializer(&c, c.graph, "columns", DMS_DTYPE_I64, "4,1", count);
    onnx_i64(&c, c.graph, "whole", "3,4,1");
    (void)node(&c, "Expand", "rows,whole", "i");
    (void)node(&c, "Expand", "columns,whole", "j");
    onnx_int(&c, node(&c, "Concat", "i,j", "index"), "axis", -1);
    (void)node(&c, "ScatterND", "old,index,x", "s");
    (void)node(&c, "Neg", "s", "y");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "ScatterND"), 0);
    assert_int_equal(c.lowered.n_calls, 1);
    onnx_end(&c);
}

/* Rows exchanged: the same nodes with 1, 0, 2 for the rows. */
static void a_scatter_that_moves_stays(void **state) {
    (void)state;
    onnx_case c;
    const int64_t exchanged[3] = {1, 0, 2};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "3");
    onnx_input(&c, "old", F32, "3");
    onnx_output(&c, c.graph, "y", F32, "3");
    (void)onnx_initializer(&c, c.graph, "index", DMS_DTYPE_I64, "3,1", exchanged);
    (void)node(&c, "ScatterND", "old,index,x", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "ScatterND"), 1);
    onnx_end(&c);
}

/* Two layers compute the cosine of the same positions, scaled by constants of equal bytes. */
static void what_is_written_twice_is_computed_once(void **state) {
    (void)state;
    onnx_case c;
    const float scale = 3;
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "also3", F32, "", &scale);
    (void)node(&c, "Mul", "x,three", "a1");
    (void)node(&c, "Cos", "a1", "c1a");
    (void)node(&c, "Mul", "x,also3", "a2");
    (void)node(&c, "Cos", "a2", "c2a");
    (void)node(&c, "Exp", "c1a", "e1");
    (void)node(&c, "Tanh", "c2a", "e2");
    (void)node(&c, "Sub", "e1,e2", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Cos"), 1);
    assert_int_equal(onnx_count(&c, "Mul"), 1);
    assert_int_equal(onnx_count(&c, "Exp") + onnx_count(&c, "Tanh"), 2);
    onnx_end(&c);
}

/* Tied embeddings: two names for the same bytes of the same file are one weight. */
static void one_place_in_a_file_is_one_weight(void **state) {
    (void)state;
    onnx_case c;
    static const float zeros[3 * 1000];
    static const char *const offset[] = {"0", "0", "4000"};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "1000");
    (void)onnx_file(&c, "data.bin", zeros, sizeof zeros);
    for (uint32_t k = 0; k < 3; k++) {
        const char *name = k == 0 ? "w0" : k == 1 ? "w1" : "w2";
        onnx_external(&c, onnx_initializer(&c, c.graph, name, F32, "1000", NULL), "data.bin",
                      offset[k], "4000");
    }
    (void)node(&c, "Add", "x,w0", "a");
    (void)node(&c, "Mul", "a,w1", "m");
    (void)node(&c, "Sub", "m,w2", "y");
    onnx_output(&c, c.graph, "y", F32, "1000");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    const dms_node *n = c.read.node;
    assert_int_equal(n[0].in[1], n[1].in[1]);
    assert_int_not_equal(n[0].in[1], n[2].in[1]);
    onnx_end(&c);
}

/* Different attributes, or an output of the graph, keep nodes apart. */
static void nodes_that_differ_stay_apart(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_int(&c, node(&c, "Softmax", "x", "s1"), "axis", 1);
    onnx_int(&c, node(&c, "Softmax", "x", "s2"), "axis", 2);
    (void)node(&c, "Sub", "s1,s2", "y");
    (void)node(&c, "Neg", "x", "n1");
    (void)node(&c, "Neg", "x", "n2");
    onnx_output(&c, c.graph, "n1", F32, "2,3,4");
    onnx_output(&c, c.graph, "n2", F32, "2,3,4");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Softmax"), 2);
    assert_int_equal(onnx_count(&c, "Neg"), 2);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rms_norm_of_torchscript_is_found),
        cmocka_unit_test(rms_norm_of_dynamo_is_found),
        cmocka_unit_test(layer_norm_is_found),
        cmocka_unit_test(what_is_no_norm_stays),
        cmocka_unit_test(gelu_with_erf_is_found_in_any_order),
        cmocka_unit_test(gelu_with_tanh_is_found),
        cmocka_unit_test(silu_is_found),
        cmocka_unit_test(other_constants_are_no_gelu),
        cmocka_unit_test(a_product_takes_its_bias),
        cmocka_unit_test(a_scatter_of_everything_is_no_scatter),
        cmocka_unit_test(a_scatter_that_moves_stays),
        cmocka_unit_test(what_is_written_twice_is_computed_once),
        cmocka_unit_test(one_place_in_a_file_is_one_weight),
        cmocka_unit_test(nodes_that_differ_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
