/* test_onnx_values.c - what rows ask for: values of constants in every type, shapes, axes, bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/op.h"
#include "onnx/ops/common.h"
#include "support_case.h"

/* A graph with one node: its inputs are what tests add, its only output is 'y'. */
typedef struct value_case {
    dms_arena arena;
    dms_graph graph;
    dms_node node;
    uint32_t in[4], out[1];
    dms_status st;
} value_case;

static void begin(value_case *c) {
    memset(c, 0, sizeof *c);
    c->graph.arena = &c->arena;
    c->node = (dms_node){.name = "n", .op = "Op", .domain = "", .n_out = 1};
    c->node.in = c->in;
    c->node.out = c->out;
    assert_int_equal(dms_graph_add_tensor(&c->graph, "y", &c->out[0], &c->st), DMS_OK);
}

static void end(value_case *c) {
    dms_arena_free(&c->arena);
}

/* Adds a constant vector of n elements as the next input. */
static void add_constant(value_case *c, dms_dtype dtype, int64_t n, const void *data) {
    uint32_t id;
    void *copy = dms_alloc(&c->arena, (uint64_t)n + 1, dms_dtype_bytes(dtype));
    memcpy(copy, data, (size_t)n * dms_dtype_bytes(dtype));
    assert_int_equal(dms_graph_add_constant(&c->graph, "c", dtype, 1, &n, copy, &id, &c->st),
                     DMS_OK);
    c->in[c->node.n_in++] = id;
}

/* Adds a computed tensor of these dims as the next input. */
static void add_computed(value_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    uint32_t id;
    assert_int_equal(dms_graph_add_tensor(&c->graph, "x", &id, &c->st), DMS_OK);
    dms_tensor *t = &c->graph.tensor[id];
    t->dtype = dtype;
    t->has_shape = true;
    t->rank = rank;
    for (uint32_t k = 0; k < rank; k++)
        t->dim[k] = (dms_dim){dim[k], dim[k]};
    c->in[c->node.n_in++] = id;
}

static void expect_failure(const value_case *c, dms_code code, const char *message) {
    assert_int_equal(code, DMS_EUNSUPPORTED);
    assert_string_equal(c->st.msg, message);
}

/* ---- values of constants ------------------------------------------------------------------- */

/* All 65,536 bit patterns of f16 and of bf16, in lists of 4,096. */
static void every_narrow_real_has_its_value(void **state) {
    (void)state;
    static uint16_t bits[4096];
    static const dms_dtype types[] = {DMS_DTYPE_F16, DMS_DTYPE_BF16};
    for (uint32_t d = 0; d < 2; d++)
        for (uint32_t from = 0; from < 65536; from += 4096) {
            value_case c;
            uint32_t n;
            const double *value;
            begin(&c);
            for (uint32_t k = 0; k < 4096; k++)
                bits[k] = (uint16_t)(from + k);
            add_constant(&c, types[d], 4096, bits);
            assert_int_equal(dms_real_values(&c.graph, &c.node, 0, &n, &value, &c.st), DMS_OK);
            assert_int_equal(n, 4096);
            for (uint32_t k = 0; k < n; k++) {
                const double wanted =
                    d == 0 ? case_value_of_half(bits[k]) : case_value_of_brain(bits[k]);
                assert_true(isnan(wanted) ? isnan(value[k]) : value[k] == wanted);
            }
            end(&c);
        }
}

/* The lowest and the highest number of each integer type, and 1 between them. */
static void integers_keep_their_sign_in_every_width(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_I8, DMS_DTYPE_I16, DMS_DTYPE_I32, DMS_DTYPE_I64,
                                      DMS_DTYPE_U8, DMS_DTYPE_U16, DMS_DTYPE_U32, DMS_DTYPE_BOOL};
    for (uint32_t d = 0; d < sizeof types / sizeof *types; d++) {
        value_case c;
        uint8_t data[24] = {0};
        uint32_t n;
        const int64_t *value;
        const double *real;
        const uint32_t size = dms_dtype_bytes(types[d]), width = 8 * size;
        const bool is_signed = d < 4;
        const uint64_t low = is_signed ? UINT64_C(1) << (width - 1) : 0;
        const uint64_t high = types[d] == DMS_DTYPE_BOOL ? 1
                              : is_signed                ? low - 1
                                                         : (UINT64_C(1) << width) - 1;
        const uint64_t one = 1;
        memcpy(data, &low, size);
        memcpy(data + size, &one, size);
        memcpy(data + 2 * (size_t)size, &high, size);
        begin(&c);
        add_constant(&c, types[d], 3, data);
        assert_int_equal(dms_int_values(&c.graph, &c.node, 0, &n, &value, &c.st), DMS_OK);
        assert_int_equal(n, 3);
        assert_true(value[0] == (is_signed ? -(int64_t)high - 1 : 0));
        assert_true(value[1] == 1 && value[2] == (int64_t)high);
        assert_int_equal(dms_real_values(&c.graph, &c.node, 0, &n, &real, &c.st), DMS_OK);
        assert_true(real[0] == (double)value[0] && real[2] == (double)value[2]);
        end(&c);
    }
}

static void reals_are_no_integers(void **state) {
    (void)state;
    value_case c;
    const double wide[2] = {0.1, -INFINITY};
    uint32_t n;
    const int64_t *integer;
    const double *real;
    begin(&c);
    add_constant(&c, DMS_DTYPE_F64, 2, wide);
    assert_int_equal(dms_real_values(&c.graph, &c.node, 0, &n, &real, &c.st), DMS_OK);
    assert_true(real[0] == 0.1 && real[1] == -INFINITY);
    expect_failure(&c, dms_int_values(&c.graph, &c.node, 0, &n, &integer, &c.st),
                   "node 'n' (Op): input 'c' is f64, wanted integers");
    end(&c);
}

static void what_is_missing_computed_or_too_long_has_no_values(void **state) {
    (void)state;
    value_case c;
    static int64_t many[4097];
    const int64_t dim = 2;
    uint32_t n;
    const int64_t *value;
    begin(&c);
    add_computed(&c, DMS_DTYPE_I64, 1, &dim);
    add_constant(&c, DMS_DTYPE_I64, 4097, many);
    add_constant(&c, DMS_DTYPE_I64, 4096, many);
    expect_failure(&c, dms_int_values(&c.graph, &c.node, 0, &n, &value, &c.st),
                   "node 'n' (Op): input 'x' is computed from data, so no memory can be planned; "
                   "it must follow from constants and shapes");
    expect_failure(&c, dms_int_values(&c.graph, &c.node, 1, &n, &value, &c.st),
                   "node 'n' (Op): input 'c' has 4097 values, at most 4096");
    assert_int_equal(dms_int_values(&c.graph, &c.node, 2, &n, &value, &c.st), DMS_OK);
    expect_failure(&c, dms_int_values(&c.graph, &c.node, 3, &n, &value, &c.st),
                   "node 'n' (Op): input 3 is missing");
    end(&c);
}

/* ---- shapes -------------------------------------------------------------------------------- */

static void an_output_has_a_shape_of_63_bits_at_most(void **state) {
    (void)state;
    value_case c;
    const int64_t ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, negative[2] = {3, -1};
    const int64_t large[2] = {INT64_C(1) << 31, INT64_C(1) << 30};
    begin(&c);
    assert_int_equal(dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_F32, 8, ones, &c.st), DMS_OK);
    assert_int_equal(c.graph.tensor[c.out[0]].bytes, 4);
    expect_failure(&c, dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_F32, 9, ones, &c.st),
                   "node 'n' (Op): output 0 has rank 9, at most 8");
    expect_failure(&c, dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_F32, 2, negative, &c.st),
                   "node 'n' (Op): output 0 has dim -1 on axis 1");
    expect_failure(&c, dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_F32, 2, large, &c.st),
                   "node 'n' (Op): output 0 exceeds 63 bits of bytes");
    assert_int_equal(dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_I8, 2, large, &c.st), DMS_OK);
    expect_failure(&c, dms_set_output(&c.graph, &c.node, 0, (dms_dtype)8, 1, ones, &c.st),
                   "node 'n' (Op): output 0 has data type string");
    end(&c);
}

/* An output that the model leaves out takes any shape, even one that could not be. */
static void an_absent_output_is_passed_over(void **state) {
    (void)state;
    value_case c;
    const int64_t negative = -1;
    begin(&c);
    c.out[0] = DMS_NONE;
    assert_int_equal(dms_set_output(&c.graph, &c.node, 0, DMS_DTYPE_F32, 1, &negative, &c.st),
                     DMS_OK);
    assert_int_equal(dms_set_output(&c.graph, &c.node, 7, DMS_DTYPE_F32, 1, &negative, &c.st),
                     DMS_OK);
    end(&c);
}

static void an_output_may_be_like_an_input_that_is_there(void **state) {
    (void)state;
    value_case c;
    const int64_t dim[2] = {3, 0};
    begin(&c);
    add_computed(&c, DMS_DTYPE_F16, 2, dim);
    assert_int_equal(dms_set_output_like(&c.graph, &c.node, 0, 0, &c.st), DMS_OK);
    assert_int_equal(c.graph.tensor[c.out[0]].dtype, DMS_DTYPE_F16);
    assert_int_equal(c.graph.tensor[c.out[0]].dim[0].hi, 3);
    assert_int_equal(c.graph.tensor[c.out[0]].bytes, 0);
    expect_failure(&c, dms_set_output_like(&c.graph, &c.node, 0, 1, &c.st),
                   "node 'n' (Op): input 1 is missing");
    end(&c);
}

/* Shapes of up to three inputs, written as digits: "81 6" is [8,1] and [6]. */
static void expect_broadcast(const char *shapes, const char *wanted) {
    value_case c;
    uint32_t rank = 0, joined;
    int64_t dim[8], out[8];
    char text[16] = "";
    begin(&c);
    for (const char *p = shapes;; p++) {
        if (*p >= '0' && *p <= '9') {
            dim[rank++] = *p - '0';
            continue;
        }
        if (*p == '-')
            c.in[c.node.n_in++] = DMS_NONE;
        else if (p == shapes || p[-1] != '-')
            add_computed(&c, DMS_DTYPE_F32, rank, dim);
        rank = 0;
        if (*p == 0)
            break;
    }
    const dms_code code = dms_broadcast(&c.graph, &c.node, 0, c.node.n_in - 1, &joined, out, &c.st);
    if (code != DMS_OK) {
        assert_string_equal(c.st.msg, wanted);
    } else {
        for (uint32_t k = 0; k < joined; k++)
            text[k] = (char)('0' + out[k]);
        assert_string_equal(text, wanted);
    }
    end(&c);
}

static void shapes_meet_at_their_last_axis(void **state) {
    (void)state;
    expect_broadcast("234", "234");
    expect_broadcast("816 71", "876");
    expect_broadcast("5 1234", "node 'n' (Op): input 'x' has 4 on axis 3, the others have 5");
    expect_broadcast("1 1234", "1234");
    expect_broadcast("31 14 1", "34");
    expect_broadcast("2 - 31", "32"); /* an absent one says nothing */
}

/* 0 is a size: it meets 0 and 1, not 2. */
static void an_empty_axis_stretches_ones_only(void **state) {
    (void)state;
    expect_broadcast("30 1", "30");
    expect_broadcast("1 0", "0");
    expect_broadcast("0 0", "0");
    expect_broadcast("30 2", "node 'n' (Op): input 'x' has 2 on axis 0, the others have 0");
}

static void axes_count_from_both_ends(void **state) {
    (void)state;
    value_case c;
    uint32_t axis;
    begin(&c);
    assert_int_equal(dms_axis(&c.node, 2, 3, &axis, &c.st), DMS_OK);
    assert_int_equal(axis, 2);
    assert_int_equal(dms_axis(&c.node, -3, 3, &axis, &c.st), DMS_OK);
    assert_int_equal(axis, 0);
    expect_failure(&c, dms_axis(&c.node, 3, 3, &axis, &c.st),
                   "node 'n' (Op): axis 3 is outside a tensor of rank 3");
    expect_failure(&c, dms_axis(&c.node, -4, 3, &axis, &c.st),
                   "node 'n' (Op): axis -4 is outside a tensor of rank 3");
    expect_failure(&c, dms_axis(&c.node, INT64_MIN, 8, &axis, &c.st),
                   "node 'n' (Op): axis -9223372036854775808 is outside a tensor of rank 8");
    expect_failure(&c, dms_axis(&c.node, 0, 0, &axis, &c.st),
                   "node 'n' (Op): axis 0 is outside a tensor of rank 0");
    end(&c);
}

/* ---- bits of a number ---------------------------------------------------------------------- */

/* Around every point between two neighbouring halves: the float below, the middle, that above. */
static void bits_of_a_half_are_those_of_the_nearest(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 0x7c00; k += 7) {
        const double low = case_value_of_half((uint16_t)k);
        const double high = k == 0x7bff ? 65536.0 : case_value_of_half((uint16_t)(k + 1));
        const float middle = (float)((low + high) / 2);
        const float beside[3] = {nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
        for (int j = 0; j < 3; j++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const double x = sign * (double)beside[j];
                if (dms_ops_bits(DMS_DTYPE_F16, x) != case_half_of(x))
                    fail_msg("%.9g: %x, wanted %x", x, (unsigned)dms_ops_bits(DMS_DTYPE_F16, x),
                             case_half_of(x));
            }
    }
    assert_int_equal(dms_ops_bits(DMS_DTYPE_F16, 1e30), 0x7c00);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_F16, -INFINITY), 0xfc00);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_F16, -0.0), 0x8000);
    assert_true(isnan(case_value_of_half((uint16_t)dms_ops_bits(DMS_DTYPE_F16, (double)NAN))));
}

static void bits_of_a_brain_float_are_those_of_the_nearest(void **state) {
    (void)state;
    static const double x[] = {0,      1,       -1,    0.1,   1.00390625, 1.01171875,
                               3.4e38, -3.4e38, 1e-38, 1e-40, 65504,      -1e4};
    for (uint32_t k = 0; k < sizeof x / sizeof *x; k++)
        assert_int_equal(dms_ops_bits(DMS_DTYPE_BF16, x[k]), case_brain_of((float)x[k]));
    assert_int_equal(dms_ops_bits(DMS_DTYPE_BF16, (double)INFINITY), 0x7f80);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_BF16, (double)NAN), 0x7fc0);
}

static void bits_of_other_types_are_as_in_memory(void **state) {
    (void)state;
    assert_int_equal(dms_ops_bits(DMS_DTYPE_F32, 1), 0x3f800000);
    assert_true(dms_ops_bits(DMS_DTYPE_F64, -2) == UINT64_C(0xc000000000000000));
    assert_int_equal(dms_ops_bits(DMS_DTYPE_BOOL, 1), 1);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_I8, -1), 0xff);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_U16, 65535), 0xffff);
    assert_int_equal(dms_ops_bits(DMS_DTYPE_I32, -2), 0xfffffffe);
    assert_true(dms_ops_bits(DMS_DTYPE_I64, -2) == (uint64_t)-2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_narrow_real_has_its_value),
        cmocka_unit_test(integers_keep_their_sign_in_every_width),
        cmocka_unit_test(reals_are_no_integers),
        cmocka_unit_test(what_is_missing_computed_or_too_long_has_no_values),
        cmocka_unit_test(an_output_has_a_shape_of_63_bits_at_most),
        cmocka_unit_test(an_absent_output_is_passed_over),
        cmocka_unit_test(an_output_may_be_like_an_input_that_is_there),
        cmocka_unit_test(shapes_meet_at_their_last_axis),
        cmocka_unit_test(an_empty_axis_stretches_ones_only),
        cmocka_unit_test(axes_count_from_both_ends),
        cmocka_unit_test(bits_of_a_half_are_those_of_the_nearest),
        cmocka_unit_test(bits_of_a_brain_float_are_those_of_the_nearest),
        cmocka_unit_test(bits_of_other_types_are_as_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
