/* test_onnx_fold.c - what is known when compiling is not computed when running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "onnx/fold.h"
#include "runtime/kernels/catalogue.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I64 DMS_DTYPE_I64

/* TorchScript's flattening of the last axes: Shape, Slice, Concat with -1, Reshape. */
static void shape_arithmetic_disappears(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "batch,3,4");
    (void)onnx_node(&c, c.graph, "Shape", "x", "s");
    onnx_i64(&c, c.graph, "zero", "0");
    onnx_i64(&c, c.graph, "one", "1");
    onnx_i64(&c, c.graph, "rest", "-1");
    (void)onnx_node(&c, c.graph, "Slice", "s,zero,one", "first");
    onnx_int(&c, onnx_node(&c, c.graph, "Concat", "first,rest", "to"), "axis", 0);
    (void)onnx_node(&c, c.graph, "Reshape", "x,to", "flat");
    (void)onnx_node(&c, c.graph, "Relu", "flat", "y");
    onnx_output(&c, c.graph, "y", F32, "batch,12");
    assert_int_equal(onnx_lower(&c, "batch=2"), DMS_OK);
    onnx_expect_shape(&c, "y", "2,12");
    assert_int_equal(c.read.n_nodes, 2); /* Reshape, Relu */
    assert_int_equal(c.lowered.n_calls, 1);
    assert_int_equal(c.lowered.call[0].call.kernel, DMS_K_UNARY);
    onnx_end(&c);
}

static void constants_are_computed_by_the_kernels(void **state) {
    (void)state;
    onnx_case c;
    const float a[3] = {1, -2, 3}, b[3] = {10, 20, 30};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "3");
    (void)onnx_initializer(&c, c.graph, "a", F32, "3", a);
    (void)onnx_initializer(&c, c.graph, "b", F32, "3", b);
    (void)onnx_node(&c, c.graph, "Add", "a,b", "ab");
    (void)onnx_node(&c, c.graph, "Neg", "ab", "n");
    (void)onnx_node(&c, c.graph, "Add", "x,n", "y");
    onnx_output(&c, c.graph, "y", F32, "3");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 1);
    float value[3];
    memcpy(value, onnx_find(&c, "n")->data, sizeof value);
    assert_true(value[0] == -11 && value[1] == -18 && value[2] == -33);
    onnx_end(&c);
}

/* A part of a weight stays bytes of the file: nothing is read, nothing made. */
static void a_dense_part_of_a_weight_stays_in_its_file(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "100,50");
    (void)onnx_initializer(&c, c.graph, "w", F32, "4,100,50", NULL);
    onnx_i64(&c, c.graph, "two", "2");
    onnx_i64(&c, c.graph, "three", "3");
    onnx_i64(&c, c.graph, "shape", "100,50");
    (void)onnx_node(&c, c.graph, "Slice", "w,two,three", "part");
    (void)onnx_node(&c, c.graph, "Reshape", "part,shape", "flat");
    (void)onnx_node(&c, c.graph, "Add", "x,flat", "y");
    onnx_output(&c, c.graph, "y", F32, "100,50");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 1);
    const dms_tensor *w = onnx_find(&c, "w"), *flat = onnx_find(&c, "flat");
    assert_int_equal(flat->origin, DMS_ORIGIN_FILE);
    assert_int_equal(flat->offset, w->offset + 2 * 100 * 50 * 4);
    onnx_end(&c);
}

/* 2 MiB used twice: the transposed use is a view of the one weight. */
static void a_large_transposed_weight_is_a_view(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "1,1024");
    onnx_input(&c, "i", I64, "1");
    (void)onnx_initializer(&c, c.graph, "w", F32, "512,1024", NULL);
    (void)onnx_node(&c, c.graph, "Transpose", "w", "wt");
    (void)onnx_node(&c, c.graph, "MatMul", "x,wt", "m");
    (void)onnx_node(&c, c.graph, "MatMul", "m,w", "y");
    onnx_output(&c, c.graph, "y", F32, "1,1024");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 2);
    const dms_lowered_operand *b = &c.lowered.call[0].operand[1];
    assert_string_equal(c.read.tensor[b->tensor].name, "w");
    assert_int_equal(b->view.pitch[b->view.rank - 2], 1);
    assert_int_equal(b->view.pitch[b->view.rank - 1], 1024);
    onnx_end(&c);
}

/* x[256, 100] + fill of 100 KiB + fill of 400 bytes: the first becomes one element that stands for
 * all, the second an ordinary constant; neither is made during an inference. */
static void a_large_fill_is_a_weight_of_one_element(void **state) {
    (void)state;
    onnx_case c;
    const float half = 0.5f;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "256,100");
    onnx_i64(&c, c.graph, "large", "256,100");
    onnx_i64(&c, c.graph, "small", "100");
    Onnx__NodeProto *fill = onnx_node(&c, c.graph, "ConstantOfShape", "large", "f");
    onnx_tensor_attr(&c, fill, "value", onnx_tensor(&c, "v", F32, "1", &half));
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "small", "g");
    (void)onnx_node(&c, c.graph, "Add", "x,f", "a");
    (void)onnx_node(&c, c.graph, "Add", "a,g", "y");
    onnx_output(&c, c.graph, "y", F32, "256,100");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "ConstantOfShape"), 0);
    const dms_tensor *f = onnx_find(&c, "f");
    assert_int_equal(f->origin, DMS_ORIGIN_FILL);
    assert_int_equal(f->bytes, 256 * 100 * 4);
    assert_memory_equal(f->data, &half, sizeof half);
    assert_int_equal(c.lowered.n_calls, 2);
    assert_int_equal(c.read.fill_bytes, 0); /* what steps make */
    assert_int_equal(onnx_find(&c, "g")->origin, DMS_ORIGIN_MADE);
    onnx_end(&c);
}

/* Nobody reads the second of two equal fills: both sums read the first. A third of another value
 * stays apart. */
static void equal_large_fills_are_one_weight(void **state) {
    (void)state;
    onnx_case c;
    const float value[3] = {0.5f, 0.5f, 2.0f};
    static const char *const NAME[3] = {"f", "g", "h"};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "256,100");
    onnx_i64(&c, c.graph, "s", "256,100");
    for (int k = 0; k < 3; k++) {
        Onnx__NodeProto *fill = onnx_node(&c, c.graph, "ConstantOfShape", "s", NAME[k]);
        onnx_tensor_attr(&c, fill, "value", onnx_tensor(&c, "v", F32, "1", &value[k]));
    }
    (void)onnx_node(&c, c.graph, "Add", "x,f", "a");
    (void)onnx_node(&c, c.graph, "Add", "a,g", "b");
    (void)onnx_node(&c, c.graph, "Add", "b,h", "y");
    onnx_output(&c, c.graph, "y", F32, "256,100");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 3);
    uint32_t added[3];
    for (uint32_t k = 0; k < 3; k++)
        added[k] = c.lowered.call[k].operand[1].tensor;
    assert_int_equal(added[0], added[1]);
    assert_int_not_equal(added[0], added[2]);
    onnx_end(&c);
}

/* -fill is computed while compiling like any other small constant. */
static void what_follows_from_a_large_fill_is_folded(void **state) {
    (void)state;
    onnx_case c;
    const float half = 0.5f;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "256,100");
    onnx_i64(&c, c.graph, "s", "256,100");
    Onnx__NodeProto *fill = onnx_node(&c, c.graph, "ConstantOfShape", "s", "f");
    onnx_tensor_attr(&c, fill, "value", onnx_tensor(&c, "v", F32, "1", &half));
    (void)onnx_node(&c, c.graph, "Neg", "f", "n");
    (void)onnx_node(&c, c.graph, "Add", "x,n", "y");
    onnx_output(&c, c.graph, "y", F32, "256,100");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    const dms_tensor *n = onnx_find(&c, "n");
    assert_int_equal(n->origin, DMS_ORIGIN_MADE);
    float element[2];
    memcpy(element, n->data, sizeof element[0]);
    memcpy(element + 1, n->data + 25599 * 4, sizeof element[1]);
    assert_true(element[0] == -0.5f && element[1] == -0.5f);
    onnx_end(&c);
}

/* An output that is a fill is filled where it leaves: it is no weight that would be copied. */
static void an_output_that_is_a_fill_stays_a_step(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_i64(&c, c.graph, "s", "256,100");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "s", "y");
    onnx_output(&c, c.graph, "y", F32, "256,100");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.lowered.n_calls, 1);
    assert_int_equal(c.lowered.call[0].call.kernel, DMS_K_FILL);
    assert_int_equal(c.lowered.call[0].call.i[0], 0);
    assert_int_equal(c.read.fill_bytes, 256 * 100 * 4);
    onnx_end(&c);
}

/* 2^56 bytes: nothing is allocated because a file says so. */
static void a_huge_fill_costs_nothing_to_read(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_i64(&c, c.graph, "s", "268435456,67108864");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "s", "y");
    onnx_output(&c, c.graph, "y", F32, "268435456,67108864");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.read.fill_bytes, (uint64_t)1 << 56);
    assert_true(c.graph_arena.used_bytes < 10u << 20);
    onnx_end(&c);
}

static void constants_in_a_missing_file_are_left_to_the_run(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    onnx_external(&c, onnx_initializer(&c, c.graph, "w", F32, "2,3", NULL), "absent.bin", NULL,
                  NULL);
    (void)onnx_node(&c, c.graph, "Neg", "w", "n");
    (void)onnx_node(&c, c.graph, "Add", "x,n", "y");
    onnx_output(&c, c.graph, "y", F32, "2,3");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Neg"), 1);
    onnx_end(&c);
}

/* Outputs are storages of their own: views of a result become its name, all else is copied. */
static void every_output_has_its_own_dense_storage(void **state) {
    (void)state;
    onnx_case c;
    const float k[2] = {7, 8};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    (void)onnx_initializer(&c, c.graph, "k", F32, "2", k);
    onnx_i64(&c, c.graph, "six", "6");
    (void)onnx_node(&c, c.graph, "Relu", "x", "r");
    (void)onnx_node(&c, c.graph, "Reshape", "r,six", "flat");
    (void)onnx_node(&c, c.graph, "Transpose", "r", "turned");
    (void)onnx_node(&c, c.graph, "Identity", "x", "same");
    (void)onnx_node(&c, c.graph, "Identity", "k", "constant");
    static const char *const name[] = {"flat", "r", "turned", "same", "constant", "flat"};
    static const char *const shape[] = {"6", "2,3", "3,2", "2,3", "2", "6"};
    for (uint32_t o = 0; o < 6; o++)
        onnx_output(&c, c.graph, name[o], F32, shape[o]);
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_string_equal(c.read.tensor[c.lowered.output[0]].name, "flat");
    for (uint32_t o = 0; o < 6; o++) {
        const dms_tensor *t = &c.read.tensor[c.lowered.output[o]];
        assert_int_equal(t->storage, c.lowered.output[o]);
        assert_int_equal(t->origin, DMS_ORIGIN_NODE);
        for (uint32_t j = 0; j < o; j++)
            assert_int_not_equal(c.lowered.output[o], c.lowered.output[j]);
    }
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float *const input[1] = {x};
    float y[6];
    assert_int_equal(c.lowered.n_calls, 1 + 5);
    onnx_run(&c, input, 2, y, 6);
    assert_true(y[0] == 1 && y[1] == 4 && y[2] == 2 && y[5] == 6);
    onnx_end(&c);
}

/* A narrow slice would keep a large activation alive: it is copied; a half is not. */
static void a_narrow_slice_of_an_activation_is_copied(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "8,8");
    onnx_i64(&c, c.graph, "zero", "0");
    onnx_i64(&c, c.graph, "two", "2");
    onnx_i64(&c, c.graph, "four", "4");
    (void)onnx_node(&c, c.graph, "Relu", "x", "r");
    (void)onnx_node(&c, c.graph, "Slice", "r,zero,two", "narrow");
    (void)onnx_node(&c, c.graph, "Slice", "r,zero,four", "half");
    (void)onnx_node(&c, c.graph, "Neg", "narrow", "n");
    (void)onnx_node(&c, c.graph, "Neg", "half", "h");
    onnx_output(&c, c.graph, "n", F32, "2,8");
    onnx_output(&c, c.graph, "h", F32, "4,8");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    uint32_t copies = 0;
    for (uint32_t k = 0; k < c.lowered.n_calls; k++)
        copies += c.lowered.call[k].call.kernel == DMS_K_COPY;
    assert_int_equal(copies, 1);
    const dms_tensor *half = onnx_find(&c, "half"), *narrow = onnx_find(&c, "narrow");
    assert_string_equal(c.read.tensor[half->storage].name, "r");
    assert_string_equal(c.read.tensor[narrow->storage].name, "narrow");
    onnx_end(&c);
}

/* A fill of 1 MiB, and 60 results of 1 MiB each that follow from it: 48 MiB are folded, the others
 * are computed in every inference. The file has 3 KB. */
static void what_is_folded_stays_in_proportion_to_the_model(void **state) {
    (void)state;
    enum { NODES = 60, FOLDED = DMS_FOLD_ALL >> 20 };
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "262144");
    onnx_i64(&c, c.graph, "size", "262144");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "size", "t0");
    for (int k = 0; k < NODES; k++) {
        char in[16], out[16];
        (void)snprintf(in, sizeof in, "t%d", k);
        (void)snprintf(out, sizeof out, "t%d", k + 1);
        (void)onnx_node(&c, c.graph, "Cos", in, out);
    }
    (void)onnx_node(&c, c.graph, "Add", "x,t60", "y");
    onnx_output(&c, c.graph, "y", F32, "262144");
    dms_arena_init(&c.graph_arena, 64u << 20);
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Cos"), NODES - FOLDED);
    onnx_end(&c);
}

/* A weight of the file may be folded through several nodes, whatever else was folded: each step is
 * no larger than what it replaces, and four times the weight is allowed. */
static void weights_of_the_file_make_room_for_what_follows_from_them(void **state) {
    (void)state;
    enum { WEIGHTS = 4 };
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2048,2048");
    const char *sum = "x";
    for (int k = 0; k < WEIGHTS; k++) { /* 16 MiB each, 3 results: 192 MiB in all */
        static const char *const w[] = {"w0", "w1", "w2", "w3"}, *const y[] = {"y0", "y1", "y2",
                                                                               "y3"};
        char text[128];
        (void)onnx_initializer(&c, c.graph, w[k], F32, "2048,2048", NULL);
        (void)snprintf(text, sizeof text, "Cos %s a%d; Sin a%d b%d; Exp b%d c%d; Add %s,c%d %s",
                       w[k], k, k, k, k, k, sum, k, y[k]);
        onnx_text(&c, text);
        sum = y[k];
    }
    onnx_output(&c, c.graph, "y3", F32, "2048,2048");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Cos") + onnx_count(&c, "Sin") + onnx_count(&c, "Exp"), 0);
    onnx_end(&c);
}

/* 512 x 65536 times their like: more than 2^35 operations for a result of 1 MiB, from a model of 300
 * bytes. One row of them is done at once. */
static void what_takes_long_to_fold_is_left_to_the_run(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "512,512");
    onnx_i64(&c, c.graph, "wide", "512,65536");
    onnx_i64(&c, c.graph, "tall", "65536,512");
    onnx_i64(&c, c.graph, "thin", "1,65536");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "wide", "a");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "tall", "b");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "thin", "r");
    (void)onnx_node(&c, c.graph, "MatMul", "a,b", "ab");
    (void)onnx_node(&c, c.graph, "MatMul", "r,b", "rb");
    onnx_text(&c, "Add x,ab s; Add s,rb y");
    onnx_output(&c, c.graph, "y", F32, "512,512");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "MatMul"), 1);
    assert_int_equal(onnx_find(&c, "rb")->origin, DMS_ORIGIN_MADE);
    assert_int_equal(onnx_find(&c, "ab")->origin, DMS_ORIGIN_NODE);
    onnx_end(&c);
}

/* The dims of a scalar are a list without entries. Nobody may add to a pointer that is not there. */
static void a_constant_of_no_bytes_has_a_place(void **state) {
    (void)state;
    const int64_t none = 0;
    const uint8_t *data = NULL;
    uint32_t id;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "");
    (void)onnx_node(&c, c.graph, "Shape", "x", "s");
    (void)onnx_node(&c, c.graph, "ConstantOfShape", "s", "c");
    (void)onnx_node(&c, c.graph, "Add", "x,c", "y");
    onnx_output(&c, c.graph, "y", F32, "");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK); /* clang's sanitizer looks on */
    assert_int_equal(onnx_find(&c, "s")->bytes, 0);
    assert_int_equal(dms_graph_add_constant(&c.read, "none", I64, 1, &none, NULL, &id, NULL),
                     DMS_OK);
    assert_int_equal(dms_constant_read(&c.read, id, 0, c.read.arena, &data, NULL), DMS_OK);
    assert_non_null(data);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_takes_long_to_fold_is_left_to_the_run),
        cmocka_unit_test(a_constant_of_no_bytes_has_a_place),
        cmocka_unit_test(what_is_folded_stays_in_proportion_to_the_model),
        cmocka_unit_test(weights_of_the_file_make_room_for_what_follows_from_them),
        cmocka_unit_test(shape_arithmetic_disappears),
        cmocka_unit_test(constants_are_computed_by_the_kernels),
        cmocka_unit_test(a_dense_part_of_a_weight_stays_in_its_file),
        cmocka_unit_test(a_large_transposed_weight_is_a_view),
        cmocka_unit_test(a_large_fill_is_a_weight_of_one_element),
        cmocka_unit_test(equal_large_fills_are_one_weight),
        cmocka_unit_test(what_follows_from_a_large_fill_is_folded),
        cmocka_unit_test(an_output_that_is_a_fill_stays_a_step),
        cmocka_unit_test(a_huge_fill_costs_nothing_to_read),
        cmocka_unit_test(constants_in_a_missing_file_are_left_to_the_run),
        cmocka_unit_test(every_output_has_its_own_dense_storage),
        cmocka_unit_test(a_narrow_slice_of_an_activation_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
