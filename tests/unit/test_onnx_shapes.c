/* test_onnx_shapes.c - the shape arithmetic of exporters is done when reading, for any sizes given.
 *
 * x [batch,seq,8] and past [batch,2,past,4] are inputs; every form is read for several sizes, and
 * what is left holds no node that works on shapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I64 DMS_DTYPE_I64

static const struct { int batch, seq, past; } sizes[] = {{1, 1, 9}, {2, 7, 0}, {3, 16, 5}};
#define N_SIZES (sizeof sizes / sizeof *sizes)

static void number(onnx_case *c, const char *name, int64_t value) {
    (void)onnx_initializer(c, c->graph, name, I64, "", &value);
}

static void begin(onnx_case *c, int64_t opset) {
    const float half = 0.5f;
    onnx_begin(c, opset);
    onnx_input(c, "x", F32, "batch,seq,8");
    onnx_input(c, "past", F32, "batch,2,past,4");
    onnx_output(c, c->graph, "y", F32, "");
    for (int k = 0; k < 10; k++) {
        number(c, dms_format(&c->arena, "%d", k), k);
        onnx_i64(c, c->graph, dms_format(&c->arena, "[%d]", k), dms_format(&c->arena, "%d", k));
    }
    number(c, "-1", -1);
    onnx_i64(c, c->graph, "[-1]", "-1");
    onnx_i64(c, c->graph, "most", "9223372036854775807");
    (void)onnx_initializer(c, c->graph, "half", F32, "", &half);
}

static void read_for(onnx_case *c, uint32_t k) {
    char dims[64];
    (void)snprintf(dims, sizeof dims, "batch=%d,seq=%d,past=%d", sizes[k].batch, sizes[k].seq,
                   sizes[k].past);
    if (onnx_lower(c, dims) != DMS_OK)
        fail_msg("%s: %s", dims, c->st.msg);
}

static void expect_shape(onnx_case *c, const char *name, int a, int b, int d, int e) {
    char shape[64];
    (void)snprintf(shape, sizeof shape, "%d,%d,%d,%d", a, b, d, e);
    onnx_expect_shape(c, name, shape);
}

/* The integers of a constant. */
static void expect_integers(onnx_case *c, const char *name, uint32_t n, const int64_t *wanted) {
    const dms_tensor *t = onnx_find(c, name);
    int64_t value[16];
    assert_true(dms_tensor_is_constant(t));
    assert_int_equal(t->bytes, n * sizeof *value);
    memcpy(value, t->data, n * sizeof *value);
    for (uint32_t k = 0; k < n; k++)
        if (value[k] != wanted[k])
            fail_msg("'%s', element %u: %lld, wanted %lld", name, k, (long long)value[k],
                     (long long)wanted[k]);
}

/* ---- forms --------------------------------------------------------------------------------- */

/* TorchScript: each size is gathered, unsqueezed and joined to the others. */
static void heads_are_split_by_gathered_sizes(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, "Shape x s; Gather s,0 b; Shape x s2; Gather s2,1 n; Unsqueeze b,[0] b1; "
                      "Unsqueeze n,[0] n1; Concat b1,n1,[2],[4] to axis=0; Reshape x,to h; "
                      "Transpose h t perm=[0,2,1,3]; Neg t y");
        read_for(&c, k);
        assert_string_equal(onnx_operators(&c), "Reshape,Transpose,Neg");
        expect_shape(&c, "y", sizes[k].batch, 2, sizes[k].seq, 4);
        assert_int_equal(c.lowered.n_calls, 1);
        onnx_end(&c);
    }
}

/* dynamo: Shape with start and end, joined with what is left over. */
static void sizes_may_be_cut_out_of_a_shape(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 18);
        onnx_text(&c, "Shape x b start=0 end=1; Shape x n start=1 end=-1; "
                      "Concat b,[-1],[2],[4] to axis=0; Reshape x,to h allowzero=1; "
                      "Concat b,n m axis=0; Expand half,m e; Neg h y");
        onnx_output(&c, c.graph, "e", F32, "");
        read_for(&c, k);
        expect_shape(&c, "y", sizes[k].batch, sizes[k].seq, 2, 4);
        const int64_t wanted[2] = {sizes[k].batch, sizes[k].seq};
        expect_integers(&c, "m", 2, wanted);
        assert_int_equal(onnx_count(&c, "Shape") + onnx_count(&c, "Concat"), 0);
        onnx_end(&c);
    }
}

/* TorchScript's expand: where the wanted size is -1 that of x stands, chosen by Where. */
static void a_wanted_size_of_minus_1_is_replaced(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, "Shape x s; Gather s,0 b; Unsqueeze b,[0] b1; Concat b1,[-1],[8] w axis=0; "
                      "Shape w n; ConstantOfShape n one; Mul one,-1 minus; Equal w,minus is; "
                      "Where is,one,w to; Slice x,[0],[1],[1] first; Expand first,to e; Neg e y");
        const int64_t unit = 1;
        onnx_tensor_attr(&c, c.graph->node[5], "value", onnx_tensor(&c, "v", I64, "1", &unit));
        read_for(&c, k);
        const int64_t wanted[3] = {sizes[k].batch, 1, 8};
        expect_integers(&c, "to", 3, wanted);
        assert_int_equal(onnx_count(&c, "Where") + onnx_count(&c, "Equal"), 0);
        onnx_end(&c);
    }
}

/* The rotary halves: bounds computed as size / 2, with two Casts, as TorchScript does. */
static void bounds_of_a_slice_may_be_half_a_size(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, 17);
    onnx_text(&c, "Shape x s; Gather s,2 d; Div d,2 h; Cast h a to=7; Cast a m to=7; "
                  "Unsqueeze m,[0] m1; Slice x,[0],m1,[2] low; Slice x,m1,most,[2] high; "
                  "Neg high n; Concat n,low y axis=-1");
    read_for(&c, 0);
    assert_string_equal(onnx_operators(&c), "Slice,Slice,Neg,Concat");
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, wanted[8] = {-5, -6, -7, -8, 1, 2, 3, 4};
    float past[2 * 9 * 4] = {0};
    const float *const input[2] = {x, past};
    onnx_expect_output(&c, input, 0, 8, wanted);
    onnx_end(&c);
}

/* A real quotient rounded down, as older exporters divide sizes: floor(cast(n) / 2). */
static void sizes_may_take_the_way_through_reals(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, "Shape x s; Gather s,1 n; Cast n f to=1; Mul f,half g; Floor g h; "
                      "Cast h m to=7; Add m,1 p; Unsqueeze p,[0] p1; Concat [2],p1 to axis=0; "
                      "Expand half,to y");
        read_for(&c, k);
        const int64_t wanted[2] = {2, sizes[k].seq / 2 + 1};
        expect_integers(&c, "to", 2, wanted);
        onnx_end(&c);
    }
}

/* Positions of a decoder: Range from past to past + seq. */
static void a_range_between_sizes_is_a_constant(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        int64_t wanted[16];
        begin(&c, 17);
        onnx_text(&c, "Shape past sp; Gather sp,2 p; Shape x s; Gather s,1 n; Add p,n t; "
                      "Range p,t,1 r; Unsqueeze r,[0] r1; Cast r1 y to=1");
        read_for(&c, k);
        for (int j = 0; j < sizes[k].seq; j++)
            wanted[j] = sizes[k].past + j;
        expect_integers(&c, "r", (uint32_t)sizes[k].seq, wanted);
        assert_string_equal(onnx_operators(&c), "");
        onnx_end(&c);
    }
}

/* The causal mask: row i sees columns up to i + past. */
static void a_causal_mask_is_a_constant(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, "Shape past sp; Gather sp,2 p; Shape x s; Gather s,1 n; Add p,n t; "
                      "Range p,t,1 i; Range 0,t,1 j; Unsqueeze i,[1] rows; LessOrEqual j,rows m; "
                      "Cast m f to=1; Neg f y");
        onnx_output(&c, c.graph, "m", DMS_DTYPE_BOOL, "");
        read_for(&c, k);
        const dms_tensor *m = onnx_find(&c, "m");
        const int columns = sizes[k].past + sizes[k].seq;
        assert_true(dms_tensor_is_constant(m));
        assert_int_equal(m->bytes, sizes[k].seq * columns);
        for (int e = 0; e < sizes[k].seq * columns; e++)
            assert_int_equal(m->data[e], e % columns <= e / columns + sizes[k].past);
        onnx_end(&c);
    }
}

/* Element counts, products and extremes of sizes. */
static void counts_and_products_of_sizes_are_known(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        begin(&c, 18);
        onnx_text(&c, "Size x n; Shape x s; ReduceProd s p keepdims=0; Sub n,p zero; "
                      "ReduceMax s m keepdims=0; Unsqueeze m,[0] m1; Unsqueeze zero,[0] z1; "
                      "Unsqueeze n,[0] n1; Concat n1,m1,z1 all axis=0; Cast all y to=1");
        read_for(&c, k);
        const int64_t largest = sizes[k].seq > 8 ? sizes[k].seq : 8;
        const int64_t wanted[3] = {sizes[k].batch * sizes[k].seq * 8, largest, 0};
        expect_integers(&c, "all", 3, wanted);
        onnx_end(&c);
    }
}

/* Pads up to a multiple of 4: (-seq) mod 4, with the sign of the divisor. */
static void pads_to_a_multiple_follow_from_a_size(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_SIZES; k++) {
        onnx_case c;
        char shape[64];
        begin(&c, 17);
        onnx_text(&c, "Shape x s; Gather s,1 n; Neg n m; Mod m,4 p; Unsqueeze p,[0] p1; "
                      "Concat [0],[0],[0],[0],p1,[0] pads axis=0; Pad x,pads,half q; Neg q y");
        read_for(&c, k);
        (void)snprintf(shape, sizeof shape, "%d,%d,8", sizes[k].batch, (sizes[k].seq + 3) / 4 * 4);
        onnx_expect_shape(&c, "y", shape);
        onnx_end(&c);
    }
}

/* Sizes of a picture twice as large, as Resize wants them. */
static void sizes_of_resize_may_be_computed(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, 13);
    onnx_text(&c, "Shape x s; Slice s,[1],[2] n; Mul n,[2] n2; Slice s,[0],[1] b; "
                  "Concat b,n2,[8] to axis=0; Resize x,,,to y mode='nearest'");
    read_for(&c, 1);
    onnx_expect_shape(&c, "y", "2,14,8");
    onnx_end(&c);
}

/* A loop over heads, unrolled by the exporter: the same few sizes over and over are few tensors. */
static void what_sizes_are_made_of_does_not_stay(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, 17);
    onnx_text(&c, "Identity x t0");
    for (int k = 0; k < 8; k++)
        onnx_text(&c, dms_format(&c.arena,
                                 "Shape t%d s%d; Gather s%d,0 b%d; Unsqueeze b%d,[0] u%d; "
                                 "Concat u%d,[-1],[8] to%d axis=0; Reshape t%d,to%d t%d",
                                 k, k, k, k, k, k, k, k, k, k, k + 1));
    onnx_text(&c, "Neg t8 y");
    read_for(&c, 1);
    assert_int_equal(c.lowered.n_calls, 1);
    assert_int_equal(onnx_count(&c, "Reshape"), 8);
    onnx_end(&c);
}

/* ---- what cannot be known ------------------------------------------------------------------ */

/* A size that depends on what x holds: no memory can be planned for it. */
static void a_size_computed_from_data_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } one[] = {{"ReduceMax x m keepdims=0; Cast m n to=7; Unsqueeze n,[0] to; Reshape x,to y",
                "node 'Reshape_y' (Reshape): input 'to' is computed from data"},
               {"ReduceMax x m keepdims=0; Cast m n to=7; Unsqueeze n,[0] to; Expand half,to y",
                "node 'Expand_y' (Expand): input 'to' is computed from data"},
               {"ReduceMax x m keepdims=0; Cast m n to=7; Range 0,n,1 y",
                "node 'Range_y' (Range): input 'n' is computed from data"},
               {"ReduceMax x m keepdims=0; Cast m n to=7; Unsqueeze n,[0] to; Slice x,[0],to y",
                "node 'Slice_y' (Slice): input 'to' is computed from data"},
               {"ReduceMax x m keepdims=0; Cast m n to=7; Unsqueeze n,[0] to; ConstantOfShape to y",
                "node 'ConstantOfShape_y' (ConstantOfShape): input 'to' is computed from data"}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, one[k].text);
        onnx_expect_failure(&c, onnx_read(&c, "batch=1,seq=2,past=0"), DMS_EUNSUPPORTED,
                            one[k].message);
        onnx_end(&c);
    }
}

/* An index beyond the shape is found while folding, and names its node. */
static void a_size_that_is_not_there_is_refused_by_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, 17);
    onnx_text(&c, "Shape x s; Gather s,5 n; Unsqueeze n,[0] to; Expand half,to y");
    onnx_expect_failure(&c, onnx_read(&c, "batch=1,seq=2,past=0"), DMS_EUNSUPPORTED,
                        "node 'Gather_n' (Gather)");
    onnx_end(&c);
}

/* 2^40 x 2^40: the product of the sizes does not fit, whoever computed them. */
static void a_product_of_sizes_beyond_63_bits_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, 17);
    onnx_i64(&c, c.graph, "large", "1099511627776");
    onnx_text(&c, "Concat large,large to axis=0; Expand half,to e; Neg e y");
    onnx_expect_failure(&c, onnx_read(&c, "batch=1,seq=2,past=0"), DMS_EUNSUPPORTED,
                        "node 'Expand_e' (Expand): output 0 exceeds 63 bits of bytes");
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_split_by_gathered_sizes),
        cmocka_unit_test(sizes_may_be_cut_out_of_a_shape),
        cmocka_unit_test(a_wanted_size_of_minus_1_is_replaced),
        cmocka_unit_test(bounds_of_a_slice_may_be_half_a_size),
        cmocka_unit_test(sizes_may_take_the_way_through_reals),
        cmocka_unit_test(a_range_between_sizes_is_a_constant),
        cmocka_unit_test(a_causal_mask_is_a_constant),
        cmocka_unit_test(counts_and_products_of_sizes_are_known),
        cmocka_unit_test(pads_to_a_multiple_follow_from_a_size),
        cmocka_unit_test(sizes_of_resize_may_be_computed),
        cmocka_unit_test(what_sizes_are_made_of_does_not_stay),
        cmocka_unit_test(a_size_computed_from_data_is_refused_by_name),
        cmocka_unit_test(a_size_that_is_not_there_is_refused_by_name),
        cmocka_unit_test(a_product_of_sizes_beyond_63_bits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
