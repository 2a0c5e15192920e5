/* test_onnx_typed_data.c - constants whose values stand in the fields of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* w = a constant of three values without data yet, given back through Identity. */
static Onnx__TensorProto *begin(onnx_case *c, int dtype) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "3");
    Onnx__TensorProto *w = onnx_initializer(c, c->graph, "w", dtype, "3", NULL);
    w->has_raw_data = 0;
    w->raw_data = (ProtobufCBinaryData){0};
    (void)onnx_node(c, c->graph, "Identity", "w", "y");
    onnx_output(c, c->graph, "y", dtype, "3");
    return w;
}

/* Reads the model; w must hold these bytes. */
static void expect(onnx_case *c, const void *bytes, size_t size) {
    if (onnx_read(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
    const uint32_t id = c->read.output[0];
    uint32_t from = id;
    for (uint32_t t = 0; t < c->read.n_tensors; t++)
        if (strcmp(c->read.tensor[t].name, "w") == 0)
            from = t;
    const uint8_t *data;
    assert_int_equal(c->read.tensor[from].bytes, size);
    assert_int_equal(dms_constant_read(&c->read, from, size, &c->arena, &data, &c->st), DMS_OK);
    assert_memory_equal(data, bytes, size);
}

/* Two values and four are refused by name, as are none. */
static void refuse_other_counts(onnx_case *c, size_t *n) {
    static const size_t wrong[] = {0, 2, 4};
    for (size_t k = 0; k < 3; k++) {
        *n = wrong[k];
        onnx_expect_failure(c, onnx_read(c, NULL), DMS_EUNSUPPORTED, "'w'");
    }
    onnx_end(c);
}

static void double_data_are_doubles(void **state) {
    (void)state;
    onnx_case c;
    double value[4] = {0.5, -1e300, 3, 4};
    Onnx__TensorProto *w = begin(&c, DMS_DTYPE_F64);
    w->double_data = value;
    w->n_double_data = 3;
    expect(&c, value, 3 * sizeof *value);
    refuse_other_counts(&c, &w->n_double_data);
}

static void int64_data_are_int64(void **state) {
    (void)state;
    onnx_case c;
    int64_t value[4] = {INT64_MIN, -1, INT64_MAX, 4};
    Onnx__TensorProto *w = begin(&c, DMS_DTYPE_I64);
    w->int64_data = value;
    w->n_int64_data = 3;
    expect(&c, value, 3 * sizeof *value);
    refuse_other_counts(&c, &w->n_int64_data);
}

static void uint64_data_are_uint64_and_uint32(void **state) {
    (void)state;
    onnx_case c;
    uint64_t value[4] = {0, 7, UINT64_MAX, 4};
    Onnx__TensorProto *w = begin(&c, DMS_DTYPE_U64);
    w->uint64_data = value;
    w->n_uint64_data = 3;
    expect(&c, value, 3 * sizeof *value);
    refuse_other_counts(&c, &w->n_uint64_data);
    const uint32_t narrow[3] = {0, 7, UINT32_MAX};
    value[2] = UINT32_MAX;
    w = begin(&c, DMS_DTYPE_U32);
    w->uint64_data = value;
    w->n_uint64_data = 3;
    expect(&c, narrow, sizeof narrow);
    refuse_other_counts(&c, &w->n_uint64_data);
}

/* A dtype whose values stand in int32_data, the numbers there, and the bytes they mean. */
static void expect_int32_data(int dtype, const int32_t *number, const void *bytes, size_t size) {
    onnx_case c;
    int32_t value[4] = {number[0], number[1], number[2], 0};
    Onnx__TensorProto *w = begin(&c, dtype);
    w->int32_data = value;
    w->n_int32_data = 3;
    expect(&c, bytes, size);
    refuse_other_counts(&c, &w->n_int32_data);
}

static void int32_data_are_all_narrow_integers(void **state) {
    (void)state;
    const int32_t wide[3] = {INT32_MIN, -1, INT32_MAX};
    expect_int32_data(DMS_DTYPE_I32, wide, wide, sizeof wide);
    const int32_t small[3] = {-128, -1, 127};
    const int16_t i16[3] = {-128, -1, 127};
    const int8_t i8[3] = {-128, -1, 127};
    expect_int32_data(DMS_DTYPE_I16, small, i16, sizeof i16);
    expect_int32_data(DMS_DTYPE_I8, small, i8, sizeof i8);
    const int32_t positive[3] = {0, 128, 255};
    const uint16_t u16[3] = {0, 128, 255};
    const uint8_t u8[3] = {0, 128, 255};
    expect_int32_data(DMS_DTYPE_U16, positive, u16, sizeof u16);
    expect_int32_data(DMS_DTYPE_U8, positive, u8, sizeof u8);
}

static void truths_are_ones_and_zeros(void **state) {
    (void)state;
    const int32_t number[3] = {1, 0, 1};
    const uint8_t byte[3] = {1, 0, 1};
    expect_int32_data(DMS_DTYPE_BOOL, number, byte, sizeof byte);
}

/* Half floats are the numbers of their bits: 0x3c00 = 1, 0xc000 = -2; bf16 0x3f80 = 1. */
static void half_floats_are_bits_in_int32_data(void **state) {
    (void)state;
    const int32_t half[3] = {0x3c00, 0xc000, 0x7bff}, brain[3] = {0x3f80, 0xc000, 0x0001};
    const uint16_t half_bits[3] = {0x3c00, 0xc000, 0x7bff};
    const uint16_t brain_bits[3] = {0x3f80, 0xc000, 0x0001};
    expect_int32_data(DMS_DTYPE_F16, half, half_bits, sizeof half_bits);
    expect_int32_data(DMS_DTYPE_BF16, brain, brain_bits, sizeof brain_bits);
}

/* The right number of values in the wrong field counts as none. */
static void a_field_for_another_data_type_is_refused(void **state) {
    (void)state;
    onnx_case c;
    int32_t value[3] = {1, 2, 3};
    Onnx__TensorProto *w = begin(&c, DMS_DTYPE_I64);
    w->int32_data = value;
    w->n_int32_data = 3;
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "'w'");
    onnx_end(&c);
    float real[3] = {1, 2, 3};
    w = begin(&c, DMS_DTYPE_I32);
    w->float_data = real;
    w->n_float_data = 3;
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "'w'");
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(double_data_are_doubles),
        cmocka_unit_test(int64_data_are_int64),
        cmocka_unit_test(uint64_data_are_uint64_and_uint32),
        cmocka_unit_test(int32_data_are_all_narrow_integers),
        cmocka_unit_test(truths_are_ones_and_zeros),
        cmocka_unit_test(half_floats_are_bits_in_int32_data),
        cmocka_unit_test(a_field_for_another_data_type_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
