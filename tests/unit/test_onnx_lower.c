/* test_onnx_lower.c - chains of views inside one storage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* The view of a tensor, with the name of the tensor that holds it. */
static void expect_view(const onnx_case *c, const char *name, const char *storage, int64_t offset,
                        const int64_t *pitch) {
    const dms_tensor *t = onnx_find(c, name);
    assert_string_equal(c->read.tensor[t->storage].name, storage);
    assert_int_equal(t->view.offset, offset);
    for (uint32_t k = 0; k < t->view.rank; k++)
        assert_int_equal(t->view.pitch[k], pitch[k]);
}

/* Relu(x) [2,3] turned to [3,2], without its first row, and a new axis in front:
 * element (0, i, j) lies at 1 + i + 3 j. */
static void a_chain_of_views_is_one_view(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    onnx_i64(&c, c.graph, "zero", "0");
    onnx_i64(&c, c.graph, "one", "1");
    onnx_i64(&c, c.graph, "three", "3");
    (void)onnx_node(&c, c.graph, "Relu", "x", "r");
    (void)onnx_node(&c, c.graph, "Transpose", "r", "t");
    (void)onnx_node(&c, c.graph, "Slice", "t,one,three,zero", "s");
    (void)onnx_node(&c, c.graph, "Unsqueeze", "s,zero", "u");
    (void)onnx_node(&c, c.graph, "Neg", "u", "y");
    onnx_output(&c, c.graph, "y", F32, "1,2,2");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 2); /* Relu and Neg */
    const int64_t turned[2] = {1, 3};
    expect_view(&c, "t", "r", 0, turned);
    expect_view(&c, "s", "r", 1, turned);
    const dms_view *u = &onnx_find(&c, "u")->view;
    assert_int_equal(u->rank, 3);
    assert_int_equal(u->pitch[1], 1);
    assert_int_equal(u->pitch[2], 3);
    assert_int_equal(u->offset, 1);
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float *const input[1] = {x};
    float y[4];
    onnx_run(&c, input, 0, y, 4);
    assert_true(y[0] == -2 && y[1] == -5 && y[2] == -3 && y[3] == -6);
    onnx_end(&c);
}

/* Flat, the turned elements lie at 0 3 1 4 2 5: no pitch walks them, so they are copied. */
static void flattening_a_turned_view_copies(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    onnx_i64(&c, c.graph, "six", "6");
    (void)onnx_node(&c, c.graph, "Transpose", "x", "t");
    (void)onnx_node(&c, c.graph, "Reshape", "t,six", "f");
    (void)onnx_node(&c, c.graph, "Neg", "f", "y");
    onnx_output(&c, c.graph, "y", F32, "6");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 2);
    assert_int_equal(c.lowered.call[0].call.kernel, DMS_K_COPY);
    const int64_t dense[1] = {1};
    expect_view(&c, "f", "f", 0, dense);
    const float x[6] = {0, 1, 2, 3, 4, 5};
    const float *const input[1] = {x};
    float y[6];
    onnx_run(&c, input, 0, y, 6);
    assert_true(y[1] == -3 && y[2] == -1 && y[3] == -4 && y[4] == -2 && y[5] == -5);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_views_is_one_view),
        cmocka_unit_test(flattening_a_turned_view_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
