/* test_fuse.c - which element-wise calls become one, and which must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I64 DMS_DTYPE_I64

/* Lowers the model, runs it, joins its calls and runs it again: output 0 has the same bits. */
static void fuses_alike(onnx_case *c, const float *const *input, float *y, uint32_t n) {
    float before[64];
    assert_true(n <= 64);
    assert_int_equal(onnx_lower(c, NULL), DMS_OK);
    onnx_run(c, input, 0, before, n);
    assert_int_equal(dms_graph_fuse(&c->read, &c->lowered, &c->st), DMS_OK);
    onnx_run(c, input, 0, y, n);
    assert_memory_equal(before, y, n * sizeof *y);
}

/* The program of call k as text. */
static void expect_program(const onnx_case *c, uint32_t k, const char *text) {
    char got[256];
    assert_true(k < c->lowered.n_calls);
    dms_chain_print(&c->lowered.call[k].call, got, sizeof got);
    assert_string_equal(got, text);
}

static const float numbers[8] = {-3, -1, -0.5f, 0, 0.25f, 1, 2, 5};

static void a_sequence_becomes_one_call(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "8");
    onnx_input(&c, "z", F32, "8");
    (void)onnx_node(&c, c.graph, "Add", "x,z", "a");
    (void)onnx_node(&c, c.graph, "Relu", "a", "b");
    (void)onnx_node(&c, c.graph, "Mul", "b,x", "y");
    onnx_output(&c, c.graph, "y", F32, "8");
    const float *const input[2] = {numbers, numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_true(y[0] == 0 && y[7] == 50);
    assert_int_equal(c.lowered.n_calls, 1);
    expect_program(&c, 0, "v2 = add(v0, v1); v3 = relu(v2); v4 = mul(v3, v0)");
    onnx_end(&c);
}

/* s = x / (1 + e^-x), then s s: the operand x is read once, the constant is a parameter. */
static void a_value_that_is_read_twice_by_the_same_chain_is_joined(void **state) {
    (void)state;
    const float one = 1;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "8");
    (void)onnx_initializer(&c, c.graph, "one", F32, "1", &one);
    (void)onnx_node(&c, c.graph, "Neg", "x", "n");
    (void)onnx_node(&c, c.graph, "Exp", "n", "e");
    (void)onnx_node(&c, c.graph, "Add", "e,one", "d");
    (void)onnx_node(&c, c.graph, "Div", "x,d", "s");
    (void)onnx_node(&c, c.graph, "Mul", "s,s", "y");
    onnx_output(&c, c.graph, "y", F32, "8");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 1);
    assert_int_equal(c.lowered.call[0].call.n_in, 1);
    expect_program(&c, 0,
                   "v1 = neg(v0); v2 = exp(v1); v3 = f32(1); v4 = add(v2, v3); "
                   "v5 = div(v0, v4); v6 = mul(v5, v5)");
    onnx_end(&c);
}

/* a leaves, b has a second reader that is no chain: both stay in memory. */
static void outputs_and_shared_results_stay(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,4");
    (void)onnx_node(&c, c.graph, "Neg", "x", "a");
    (void)onnx_node(&c, c.graph, "Exp", "a", "b");
    (void)onnx_node(&c, c.graph, "Relu", "b", "y");
    (void)onnx_node(&c, c.graph, "Softmax", "b", "s");
    onnx_output(&c, c.graph, "y", F32, "2,4");
    onnx_output(&c, c.graph, "a", F32, "2,4");
    onnx_output(&c, c.graph, "s", F32, "2,4");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 4);
    onnx_end(&c);
}

/* The scale repeats along rows, the shift along columns, and a Reshape stands between them. */
static void views_are_walked_under_the_dims_of_the_result(void **state) {
    (void)state;
    const float row[4] = {1, 2, 3, 4}, column[2] = {10, 20};
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,4");
    (void)onnx_initializer(&c, c.graph, "row", F32, "4", row);
    (void)onnx_initializer(&c, c.graph, "column", F32, "2,1,1", column);
    onnx_i64(&c, c.graph, "dims", "2,2,2");
    (void)onnx_node(&c, c.graph, "Mul", "x,row", "a");
    (void)onnx_node(&c, c.graph, "Reshape", "a,dims", "b");
    (void)onnx_node(&c, c.graph, "Add", "b,column", "y");
    onnx_output(&c, c.graph, "y", F32, "2,2,2");
    (void)onnx_node(&c, c.graph, "Concat", "x,x,x", "wide"); /* the largest step is another one */
    onnx_int(&c, c.graph->node[c.graph->n_node - 1], "axis", 0);
    onnx_output(&c, c.graph, "wide", F32, "6,4");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_true(y[0] == 7 && y[1] == 8 && y[7] == 40);
    assert_int_equal(c.lowered.n_calls, 2);
    onnx_end(&c);
}

/* a is read turned: its elements are not where the reader wants them. */
static void a_turned_reader_is_not_joined(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,4");
    onnx_input(&c, "z", F32, "4,2");
    (void)onnx_node(&c, c.graph, "Exp", "x", "a");
    (void)onnx_node(&c, c.graph, "Transpose", "a", "t");
    (void)onnx_node(&c, c.graph, "Add", "t,z", "y");
    onnx_output(&c, c.graph, "y", F32, "4,2");
    const float *const input[2] = {numbers, numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 2);
    onnx_end(&c);
}

/* a [1, 4] is computed once, and read for each of 2 rows: joined, it would be computed twice. */
static void a_repeated_intermediate_is_not_joined(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "r", F32, "1,4");
    onnx_input(&c, "x", F32, "2,4");
    (void)onnx_node(&c, c.graph, "Exp", "r", "a");
    (void)onnx_node(&c, c.graph, "Add", "a,x", "y");
    onnx_output(&c, c.graph, "y", F32, "2,4");
    const float *const input[2] = {numbers, numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 2);
    onnx_end(&c);
}

/* a is older than b, which add waits for: b takes add up to its place, a comes down to it. */
static void two_producers_are_joined_at_the_later_one(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,4");
    onnx_input(&c, "z", F32, "2,4");
    (void)onnx_node(&c, c.graph, "Exp", "x", "a");
    (void)onnx_node(&c, c.graph, "Softmax", "z", "s");
    (void)onnx_node(&c, c.graph, "Neg", "s", "b");
    (void)onnx_node(&c, c.graph, "Add", "a,b", "y");
    onnx_output(&c, c.graph, "y", F32, "2,4");
    const float *const input[2] = {numbers, numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 2);
    assert_int_equal(c.lowered.call[0].call.kernel, DMS_K_SOFTMAX);
    expect_program(&c, 1, "v2 = exp(v0); v3 = neg(v1); v4 = add(v2, v3)");
    onnx_end(&c);
}

/* The sum of
 * nine inputs of 4 KiB would hold ten of them at once, where no step before held more than three. */
static void a_join_that_would_raise_the_floor_is_not_made(void **state) {
    (void)state;
    onnx_case c;
    char name[2][16];
    onnx_begin(&c, 17);
    for (int k = 0; k < 9; k++) {
        (void)snprintf(name[0], sizeof name[0], "x%d", k);
        onnx_input(&c, name[0], F32, "1024");
    }
    for (int k = 1; k < 9; k++) {
        char in[40];
        (void)snprintf(in, sizeof in, k == 1 ? "x0,x%d" : "s%d,x%d", k - (k > 1), k);
        (void)snprintf(name[1], sizeof name[1], "s%d", k);
        (void)onnx_node(&c, c.graph, "Add", in, name[1]);
    }
    onnx_output(&c, c.graph, "s8", F32, "1024");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 8);
    assert_int_equal(dms_graph_fuse(&c.read, &c.lowered, &c.st), DMS_OK);
    for (uint32_t k = 0; k < c.lowered.n_calls; k++)
        assert_true(c.lowered.call[k].call.n_in <= 3); /* one of them under the output */
    onnx_end(&c);
}

/* Image and result have 64 KiB each; the four channels' factors are 16 bytes more. Beside an image of
 * four pixels they are more than a thousandth. */
static void a_join_that_costs_less_than_a_thousandth_of_the_floor_is_made(void **state) {
    static const struct {
        const char *dims;
        uint32_t n_calls;
    } cases[] = {{"1,4,64,64", 1}, {"1,4,2,2", 2}};
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        onnx_case c;
        onnx_begin(&c, 17);
        onnx_input(&c, "x", F32, cases[k].dims);
        (void)onnx_initializer(&c, c.graph, "w", F32, "4,4,1,1", NULL);
        (void)onnx_initializer(&c, c.graph, "by", F32, "4,1,1", NULL);
        (void)onnx_node(&c, c.graph, "Conv", "x,w", "a");
        (void)onnx_node(&c, c.graph, "Mul", "a,by", "y");
        onnx_output(&c, c.graph, "y", F32, cases[k].dims);
        assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
        assert_int_equal(c.lowered.n_calls, 2);
        assert_int_equal(dms_graph_fuse(&c.read, &c.lowered, &c.st), DMS_OK);
        assert_int_equal(c.lowered.n_calls, cases[k].n_calls);
        onnx_end(&c);
    }
}

/* 50 instructions: more than a program holds, so they become two or more. */
static void a_long_sequence_becomes_few_calls(void **state) {
    (void)state;
    onnx_case c;
    char in[16] = "x", out[16];
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "8");
    for (int k = 0; k < 50; k++) {
        (void)snprintf(out, sizeof out, k == 49 ? "y" : "t%d", k);
        (void)onnx_node(&c, c.graph, k % 2 == 0 ? "Tanh" : "Neg", in, out);
        memcpy(in, out, sizeof in);
    }
    onnx_output(&c, c.graph, "y", F32, "8");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 2);
    onnx_end(&c);
}

static void casts_and_selections_are_joined(void **state) {
    (void)state;
    const float limit = 0.5f;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "8");
    (void)onnx_initializer(&c, c.graph, "limit", F32, "", &limit);
    Onnx__NodeProto *cast = onnx_node(&c, c.graph, "Cast", "x", "i");
    onnx_int(&c, cast, "to", I64);
    Onnx__NodeProto *back = onnx_node(&c, c.graph, "Cast", "i", "f");
    onnx_int(&c, back, "to", F32);
    (void)onnx_node(&c, c.graph, "Greater", "x,limit", "g");
    (void)onnx_node(&c, c.graph, "Where", "g,f,x", "y");
    onnx_output(&c, c.graph, "y", F32, "8");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    assert_int_equal(c.lowered.n_calls, 1);
    assert_true(y[2] == -0.5f && y[4] == 0.25f && y[7] == 5);
    onnx_end(&c);
}

/* y = x w + r, where r is made before and read by nobody else. */
static uint32_t calls_of_a_residual(const char *w, const char *r) {
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "64,256");
    onnx_input(&c, "z", F32, r);
    (void)onnx_initializer(&c, c.graph, "w", F32, w, NULL);
    (void)onnx_node(&c, c.graph, "Softmax", "z", "r");
    (void)onnx_node(&c, c.graph, "MatMul", "x,w", "m");
    (void)onnx_node(&c, c.graph, "Add", "m,r", "y");
    onnx_output(&c, c.graph, "y", F32, r);
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 3);
    assert_int_equal(dms_graph_fuse(&c.read, &c.lowered, &c.st), DMS_OK);
    const uint32_t n = c.lowered.n_calls;
    onnx_end(&c);
    return n;
}

/* KiB:   x 64, w 56, y and r 14: the product holds 134, and with r under y no more.
 *        x 64, a cell of w 64, y and r 32: the product holds 160, and 192 with r beside y, for a y
 *        that is made cell by cell cannot lie over what all cells read. */
static void a_residual_is_added_by_the_product_where_it_lies_under_the_sum(void **state) {
    (void)state;
    assert_int_equal(calls_of_a_residual("256,56", "64,56"), 2);
    assert_int_equal(calls_of_a_residual("256,128", "64,128"), 3);
}

/* A batch norm of two channels over x [1, 2, 4]: scale, bias, mean, variance. */
static void add_batch_norm(onnx_case *c, int dtype, const void *const *constant) {
    static const char *const name[4] = {"scale", "bias", "mean", "var"};
    onnx_input(c, "x", dtype, "1,2,4");
    for (uint32_t k = 0; k < 4; k++)
        (void)onnx_initializer(c, c->graph, name[k], dtype, "2", constant[k]);
    Onnx__NodeProto *norm =
        onnx_node(c, c->graph, "BatchNormalization", "x,scale,bias,mean,var", "n");
    onnx_float(c, norm, "epsilon", 0.25f);
    (void)onnx_node(c, c->graph, "Relu", "n", "y");
    onnx_output(c, c->graph, "y", dtype, "1,2,4");
}

/* Channel 0: 4 / sqrt(3.75 + 0.25) = 2, 3 - 1 x 2 = 1.  Channel 1: 1 / sqrt(0.75 + 0.25) = 1, 0. */
static void constant_statistics_are_one_product_and_one_sum(void **state) {
    (void)state;
    const float scale[2] = {4, 1}, bias[2] = {3, -5}, mean[2] = {1, -5}, var[2] = {3.75f, 0.75f};
    const void *const constant[4] = {scale, bias, mean, var};
    onnx_case c;
    onnx_begin(&c, 17);
    add_batch_norm(&c, F32, constant);
    (void)onnx_node(&c, c.graph, "Concat", "x,x,x", "wide"); /* the largest step is another one */
    onnx_int(&c, c.graph->node[c.graph->n_node - 1], "axis", 0);
    onnx_output(&c, c.graph, "wide", F32, "3,2,4");
    const float *const input[1] = {numbers};
    float y[8];
    fuses_alike(&c, input, y, 8);
    expect_program(&c, 0, "v3 = mul(v0, v1); v4 = add(v3, v2); v5 = relu(v4)");
    const float wanted[8] = {0, 0, 0, 1, 0.25f, 1, 2, 5};
    assert_memory_equal(y, wanted, sizeof y);
    onnx_end(&c);
}

/* f16 is widened to f32 in between, so that the statistics keep their bits. */
static void narrow_statistics_are_applied_in_f32(void **state) {
    (void)state;
    const uint16_t one[2] = {0x3C00, 0x3C00}, quarters[2] = {0x3A00, 0x3A00}; /* 1 and 0.75 */
    const void *const constant[4] = {one, one, one, quarters};
    onnx_case c;
    onnx_begin(&c, 17);
    add_batch_norm(&c, DMS_DTYPE_F16, constant);
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    expect_program(&c, 0, "v3 = f32(v0); v4 = mul(v3, v1); v5 = add(v4, v2); v6 = f16(v5)");
    assert_int_equal(c.lowered.call[0].operand[1].view.dtype, F32);
    onnx_end(&c);
}

/* The same model twice: equal calls. */
static void joining_is_deterministic(void **state) {
    (void)state;
    dms_hash hash[2][4];
    uint32_t n[2];
    for (uint32_t round = 0; round < 2; round++) {
        onnx_case c;
        onnx_begin(&c, 17);
        onnx_input(&c, "x", F32, "2,4");
        (void)onnx_node(&c, c.graph, "Exp", "x", "a");
        (void)onnx_node(&c, c.graph, "Sigmoid", "x", "b");
        (void)onnx_node(&c, c.graph, "Mul", "a,b", "m");
        (void)onnx_node(&c, c.graph, "Softmax", "m", "s");
        (void)onnx_node(&c, c.graph, "Add", "s,x", "y");
        onnx_output(&c, c.graph, "y", F32, "2,4");
        assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
        assert_int_equal(dms_graph_fuse(&c.read, &c.lowered, &c.st), DMS_OK);
        n[round] = c.lowered.n_calls;
        assert_true(n[round] <= 4);
        for (uint32_t k = 0; k < n[round]; k++)
            hash[round][k] = dms_call_hash(&c.lowered.call[k].call);
        onnx_end(&c);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(hash[0], hash[1], n[0] * sizeof hash[0][0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_becomes_one_call),
        cmocka_unit_test(a_value_that_is_read_twice_by_the_same_chain_is_joined),
        cmocka_unit_test(outputs_and_shared_results_stay),
        cmocka_unit_test(views_are_walked_under_the_dims_of_the_result),
        cmocka_unit_test(a_turned_reader_is_not_joined),
        cmocka_unit_test(a_repeated_intermediate_is_not_joined),
        cmocka_unit_test(two_producers_are_joined_at_the_later_one),
        cmocka_unit_test(a_join_that_costs_less_than_a_thousandth_of_the_floor_is_made),
        cmocka_unit_test(a_join_that_would_raise_the_floor_is_not_made),
        cmocka_unit_test(a_long_sequence_becomes_few_calls),
        cmocka_unit_test(casts_and_selections_are_joined),
        cmocka_unit_test(a_residual_is_added_by_the_product_where_it_lies_under_the_sum),
        cmocka_unit_test(constant_statistics_are_one_product_and_one_sum),
        cmocka_unit_test(narrow_statistics_are_applied_in_f32),
        cmocka_unit_test(joining_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
