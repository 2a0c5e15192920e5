/* test_quantize.c - QUANTIZE, DEQUANTIZE and LOOKUP against what they are, element by element. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

static const dms_dtype small[] = {DMS_DTYPE_U8, DMS_DTYPE_I8, DMS_DTYPE_U16, DMS_DTYPE_I16};

/* An element of any integer operand by its place in memory. */
static int64_t integer_at(const call_case *c, uint32_t operand, int64_t place) {
    const void *data = c->data[operand];
    switch ((unsigned)c->view[operand].dtype) {
    case DMS_DTYPE_U8:
        return ((const uint8_t *)data)[place];
    case DMS_DTYPE_I8:
        return ((const int8_t *)data)[place];
    case DMS_DTYPE_U16:
        return ((const uint16_t *)data)[place];
    case DMS_DTYPE_I16:
        return ((const int16_t *)data)[place];
    default:
        return ((const int32_t *)data)[place];
    }
}

/* Place in memory of element [i, j]. */
static int64_t place(const call_case *c, uint32_t operand, int64_t i, int64_t j) {
    return i * c->view[operand].pitch[0] + j * c->view[operand].pitch[1];
}

/* x [40, 30], one scale and zero per row or per column (`repeats`: the axis that repeats). */
static void begin(call_case *c, uint32_t kernel, dms_dtype x, dms_dtype zero, dms_dtype y,
                  uint32_t repeats) {
    static const int64_t dim[2] = {40, 30};
    call_begin(c, kernel, (uint32_t)(x * 7 + y) + repeats);
    call_in_strided(c, x, 2, dim, NULL, 3, 0);
    call_in_strided(c, DMS_DTYPE_F32, 2, dim, NULL, 0, 1u << repeats);
    call_in_strided(c, zero, 2, dim, NULL, 0, 1u << repeats);
    call_out_strided(c, y, 2, dim, NULL, 1);
    float *scale = c->data[1];
    for (int64_t k = 0; k < dms_view_end(&c->view[1]); k++)
        scale[k] = 0.003f + fabsf(scale[k]) * 0.02f;
}

/* In doubles; a tie that only one of both divisions sees may go either way. */
static void a_float_becomes_the_nearest_step_within_the_type(void **state) {
    static const double low[4] = {0, -128, 0, -32768}, high[4] = {255, 127, 65535, 32767};
    (void)state;
    for (int t = 0; t < 4; t++)
        for (uint32_t repeats = 0; repeats < 2; repeats++) {
            call_case c;
            begin(&c, DMS_K_QUANTIZE, DMS_DTYPE_F32, small[t], small[t], repeats);
            call_runs_alike(&c);
            for (int64_t i = 0; i < 40; i++)
                for (int64_t j = 0; j < 30; j++) {
                    const double x = call_at(&c, 0, i, j, 0, 0), s = call_at(&c, 1, i, j, 0, 0);
                    const double steps = x / s;
                    double want = rint(steps) + (double)integer_at(&c, 2, place(&c, 2, i, j));
                    want = fmax(low[t], fmin(high[t], want));
                    const double got = (double)integer_at(&c, 3, place(&c, 3, i, j));
                    const bool is_tie = fabs(fabs(steps - rint(steps)) - 0.5) < 1e-4;
                    assert_true(got == want || (is_tie && fabs(got - want) <= 1));
                }
            call_free(&c);
        }
}

static void an_integer_becomes_its_distance_from_zero_times_the_scale(void **state) {
    static const dms_dtype types[] = {DMS_DTYPE_U8, DMS_DTYPE_I8, DMS_DTYPE_U16, DMS_DTYPE_I16,
                                      DMS_DTYPE_I32};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (uint32_t repeats = 0; repeats < 2; repeats++) {
            call_case c;
            begin(&c, DMS_K_DEQUANTIZE, types[t], types[t], DMS_DTYPE_F32, repeats);
            call_runs_alike(&c);
            for (int64_t i = 0; i < 40; i++)
                for (int64_t j = 0; j < 30; j++) {
                    const int64_t steps = integer_at(&c, 0, place(&c, 0, i, j)) -
                                          integer_at(&c, 2, place(&c, 2, i, j));
                    assert_true(call_at(&c, 3, i, j, 0, 0) ==
                                (float)steps * call_at(&c, 1, i, j, 0, 0));
                }
            call_free(&c);
        }
}

/* Ties to even, both ends, infinities; a NaN is the lowest number. Scale 2, zero 10. */
static void quantised_by_hand(void **state) {
    static const float x[9] = {1, 3, -1, 5, 1000, -1000, INFINITY, -INFINITY, NAN};
    static const uint8_t want[9] = {10, 12, 10, 12, 255, 0, 255, 0, 0};
    static const int64_t dim[1] = {9};
    static const float scale = 2;
    static const uint8_t zero = 10;
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_QUANTIZE, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 1, dim)], x, sizeof x);
    memcpy(c.data[call_in_strided(&c, DMS_DTYPE_F32, 1, dim, NULL, 0, 1)], &scale, sizeof scale);
    memcpy(c.data[call_in_strided(&c, DMS_DTYPE_U8, 1, dim, NULL, 0, 1)], &zero, sizeof zero);
    call_out(&c, DMS_DTYPE_U8, 1, dim);
    call_runs_alike(&c);
    assert_memory_equal(c.data[3], want, sizeof want);
    call_free(&c);
}

/* i32 in, no zero: -3 / 2 is -1.5, so -2; into i8. */
static void integers_are_quantised_too(void **state) {
    static const int32_t x[4] = {-3, 5, 400, -400};
    static const int8_t want[4] = {-2, 2, 127, -128};
    static const int64_t dim[1] = {4};
    static const float scale = 2;
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_QUANTIZE, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_I32, 1, dim)], x, sizeof x);
    memcpy(c.data[call_in_strided(&c, DMS_DTYPE_F32, 1, dim, NULL, 0, 1)], &scale, sizeof scale);
    call_out(&c, DMS_DTYPE_I8, 1, dim);
    call_runs_alike(&c);
    assert_memory_equal(c.data[2], want, sizeof want);
    call_free(&c);
}

/* A scale of f16 makes numbers of f16, rounded once. */
static void narrow_scales_give_narrow_numbers(void **state) {
    static const int64_t dim[2] = {5, 70};
    (void)state;
    for (int is_brain = 0; is_brain < 2; is_brain++) {
        const dms_dtype dtype = is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16;
        call_case c;
        call_begin(&c, DMS_K_DEQUANTIZE, 4);
        call_in(&c, DMS_DTYPE_U8, 2, dim);
        call_in_strided(&c, dtype, 2, dim, NULL, 0, 2);
        call_out(&c, dtype, 2, dim);
        call_rounds_once(&c);
        call_free(&c);
    }
}

/* Many parts: 100,000 elements. */
static void parts_give_the_bits_of_the_whole(void **state) {
    static const int64_t dim[2] = {100, 1000};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_QUANTIZE, 9);
    call_in(&c, DMS_DTYPE_F32, 2, dim);
    call_in_strided(&c, DMS_DTYPE_F32, 2, dim, NULL, 0, 1);
    call_out(&c, DMS_DTYPE_I8, 2, dim);
    call_runs_alike(&c);
    call_free(&c);
}

/* One scale and zero for all, side by side: the form that needs no strips. Halves are ties. */
static void one_scale_for_rows_of_any_length(void **state) {
    (void)state;
    for (int64_t n = 1; n < 100; n += 7)
        for (int t = 0; t < 2; t++) {
            const float scale = 0.5f;
            const int8_t zero = -7;
            call_case c;
            call_begin(&c, DMS_K_QUANTIZE, (uint32_t)n);
            float *x = c.data[call_in(&c, DMS_DTYPE_F32, 1, &n)];
            memcpy(c.data[call_in_strided(&c, DMS_DTYPE_F32, 1, &n, NULL, 0, 1)], &scale, 4);
            memcpy(c.data[call_in_strided(&c, small[t], 1, &n, NULL, 0, 1)], &zero, 1);
            call_out(&c, small[t], 1, &n);
            for (int64_t k = 0; k < n; k++)
                x[k] = (float)call_pick(&c, -400, 400) * 0.25f;
            call_runs_alike(&c);
            for (int64_t k = 0; k < n; k++) {
                const double low = t == 1 ? -128 : 0, of = t == 1 ? -7 : 249;
                const double want = fmax(low, fmin(low + 255, rint((double)x[k] * 2) + of));
                assert_int_equal(integer_at(&c, 3, k), (int64_t)want);
            }
            call_free(&c);
        }
}

/* Every byte in its turn, in rows of any length and pitch, from and to either type. */
static void a_byte_becomes_its_entry_of_the_table(void **state) {
    static const int64_t table[1] = {256};
    (void)state;
    for (int form = 0; form < 8; form++) {
        const int64_t dim[2] = {5, 61 + form};
        call_case c;
        call_begin(&c, DMS_K_LOOKUP, 1);
        uint8_t *x = c.data[call_in_strided(&c, small[form & 1], 2, dim, NULL, form > 3, 0)];
        uint8_t *t = c.data[call_in(&c, small[form >> 1 & 1], 1, table)];
        const uint8_t *y = c.data[call_out_strided(&c, small[form >> 1 & 1], 2, dim, NULL, 2)];
        for (int64_t k = 0; k < 256; k++)
            t[k] = (uint8_t)(k * 101 + 13);
        for (int64_t k = 0; k < dms_view_end(&c.view[0]); k++)
            x[k] = (uint8_t)(k * 5);
        call_runs_alike(&c);
        for (int64_t i = 0; i < dim[0]; i++)
            for (int64_t j = 0; j < dim[1]; j++)
                assert_int_equal(y[place(&c, 2, i, j)],
                                 (uint8_t)(x[place(&c, 0, i, j)] * 101 + 13));
        call_free(&c);
    }
}

static void wrong_tables_are_refused(void **state) {
    static const int64_t dim[1] = {9}, table[1] = {256};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_LOOKUP, 1);
    call_in(&c, DMS_DTYPE_U8, 1, dim);
    call_in(&c, DMS_DTYPE_I8, 1, table);
    call_out(&c, DMS_DTYPE_I8, 1, dim);
    call_is_valid(&c);
    assert_true(dms_call_in_place(&c.call, 0, 0));
    assert_false(dms_call_in_place(&c.call, 1, 0));
    c.view[1].dim[0] = 255;
    call_is_refused(&c, "operand 1");
    c.view[1].dim[0] = 256;
    c.view[1].pitch[0] = 0;
    call_is_refused(&c, "operand 1: is not dense");
    c.view[1].pitch[0] = 1;
    c.view[2].dtype = DMS_DTYPE_U8;
    call_is_refused(&c, "operand 2: dtype u8");
    c.view[2].dtype = DMS_DTYPE_I8;
    c.view[0].dtype = DMS_DTYPE_I16;
    call_is_refused(&c, "operand 0: dtype i16");
    c.view[0].dtype = DMS_DTYPE_U8;
    c.view[2].dim[0] = 8;
    call_is_refused(&c, "operand 2");
    call_free(&c);
}

static void wrong_calls_are_refused(void **state) {
    call_case c;
    (void)state;
    begin(&c, DMS_K_QUANTIZE, DMS_DTYPE_F32, DMS_DTYPE_U8, DMS_DTYPE_U8, 0);
    call_is_valid(&c);
    c.view[0].dtype = DMS_DTYPE_F64;
    call_is_refused(&c, "operand 0: dtype f64");
    c.view[0].dtype = DMS_DTYPE_F32;
    c.view[2].dtype = DMS_DTYPE_I8;
    call_is_refused(&c, "operand 2: dtype i8");
    c.view[2].dtype = DMS_DTYPE_U8;
    c.view[1].dim[1] = 29;
    call_is_refused(&c, "operand 1");
    c.view[1].dim[1] = 30;
    c.view[3].dtype = DMS_DTYPE_I32;
    call_is_refused(&c, "operand 3: dtype i32");
    call_free(&c);
    begin(&c, DMS_K_DEQUANTIZE, DMS_DTYPE_I8, DMS_DTYPE_I8, DMS_DTYPE_F32, 0);
    call_is_valid(&c);
    c.view[0].dtype = DMS_DTYPE_I64;
    call_is_refused(&c, "operand 0: dtype i64");
    c.view[0].dtype = DMS_DTYPE_I8;
    c.view[3].dtype = DMS_DTYPE_F16;
    call_is_refused(&c, "operand 3: dtype f16");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_float_becomes_the_nearest_step_within_the_type),
        cmocka_unit_test(an_integer_becomes_its_distance_from_zero_times_the_scale),
        cmocka_unit_test(quantised_by_hand),
        cmocka_unit_test(integers_are_quantised_too),
        cmocka_unit_test(narrow_scales_give_narrow_numbers),
        cmocka_unit_test(parts_give_the_bits_of_the_whole),
        cmocka_unit_test(one_scale_for_rows_of_any_length),
        cmocka_unit_test(a_byte_becomes_its_entry_of_the_table),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
