/* test_matmul_bits.c - products with a matrix of 4-bit numbers give the bits of MATMUL with the
 * numbers written out, whatever the blocks, types, parts and cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/element.h"
#include "tests/unit/support_call.h"

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32
#define U8 DMS_DTYPE_U8

/* y[batch,m,n] = a[batch,m,k] w as a line of a table; blocks of 2 half terms. */
typedef struct shape {
    dms_dtype dtype;
    int64_t batch, m, k, n, half;
    bool has_zero;
    int64_t gap; /* unused elements behind a row of a */
} shape;

static int64_t blocks_of(const shape *s) {
    return (s->k + 2 * s->half - 1) / (2 * s->half);
}

static void begin(call_case *c, const shape *s) {
    const int64_t a[3] = {s->batch, s->m, s->k}, y[3] = {s->batch, s->m, s->n};
    const int64_t b[3] = {s->n, blocks_of(s), s->half};
    const int64_t zero[2] = {s->n, (blocks_of(s) + 1) / 2};
    const uint32_t skip = s->batch == 1; /* one matrix has rank 2 */
    call_begin(c, DMS_K_MATMUL_BITS, (uint32_t)(s->k * 31 + s->n));
    call_in_strided(c, s->dtype, 3 - skip, a + skip, NULL, s->gap, 0);
    call_in(c, U8, 3, b);
    call_in(c, s->dtype, 2, b);
    if (s->has_zero)
        call_in(c, U8, 2, zero);
    call_out(c, s->dtype, 3 - skip, y + skip);
    call_params(c, 0, NULL, 0, NULL);
}

/* Number p of column j, as the test reads the packed bytes: nothing is shared with the kernels. */
static float number(const call_case *c, const shape *s, int64_t j, int64_t p) {
    const int64_t block = p / (2 * s->half), blocks = blocks_of(s);
    const uint8_t byte = ((const uint8_t *)c->data[1])[(j * blocks * s->half) + p / 2];
    int zero = 8;
    if (s->has_zero) {
        const uint8_t pair = ((const uint8_t *)c->data[3])[j * ((blocks + 1) / 2) + block / 2];
        zero = block % 2 == 0 ? pair % 16 : pair / 16;
    }
    const int steps = (p % 2 == 0 ? byte % 16 : byte / 16) - zero;
    return (float)steps * dms_element_load(s->dtype, c->data[2], j * blocks + block).f32;
}

/* The same product with w written out, rounded to its type. */
static void write_out(const call_case *c, const shape *s, call_case *plain) {
    const int64_t b[2] = {s->k, s->n}, i[2] = {0, s->n};
    const double f[2] = {1, 0};
    const uint32_t y = c->call.n_in;
    call_begin(plain, DMS_K_MATMUL, 1);
    for (uint32_t t = 0; t < 2; t++) {
        const dms_view *a = &c->view[0];
        const uint32_t rank = t == 0 ? a->rank : 2;
        if (t == 0)
            call_in_strided(plain, s->dtype, rank, a->dim, NULL, s->gap, 0);
        else if (a->rank == 2)
            call_in(plain, s->dtype, 2, b);
        else
            call_in_strided(plain, s->dtype, 3, (int64_t[]){s->batch, s->k, s->n}, NULL, 0, 1);
    }
    call_out(plain, s->dtype, c->view[y].rank, c->view[y].dim);
    call_params(plain, 2, i, 2, f);
    memcpy(plain->data[0], c->data[0],
           (size_t)dms_view_end(&c->view[0]) * dms_dtype_bytes(s->dtype));
    for (int64_t p = 0; p < s->k; p++)
        for (int64_t j = 0; j < s->n; j++) {
            dms_scalar x;
            x.f32 = number(c, s, j, p);
            dms_element_store(s->dtype, x, plain->data[1], p * s->n + j);
        }
}

/* On every instruction set, in parts and on the card; then cut at 16 and at 48 columns. */
static void expect_bits_of_plain(const shape *s) {
    call_case c, plain;
    begin(&c, s);
    call_runs_alike(&c);
    write_out(&c, s, &plain);
    call_run(&plain, DMS_ISA_BASE);
    const uint32_t y = c.call.n_in;
    const size_t size = dms_dtype_bytes(s->dtype);
    for (int64_t e = 0; e < dms_view_count(&c.view[y]); e++)
        if (memcmp((char *)c.data[y] + (size_t)e * size, (char *)plain.data[2] + (size_t)e * size,
                   size) != 0)
            fail_msg("%d x %d x %d: element %d is %g, written out %g", (int)s->m, (int)s->k,
                     (int)s->n, (int)e, (double)dms_element_load(s->dtype, c.data[y], e).f32,
                     (double)dms_element_load(s->dtype, plain.data[2], e).f32);
    call_cuts_alike(&c, 16);
    call_cuts_alike(&c, 48);
    call_free(&plain);
    call_free(&c);
}

/* Blocks shorter and longer than a segment of 256 terms, whole and not, an odd k, one row and
 * many, a matrix narrower than a panel. */
static void numbers_of_four_bits_are_multiplied_as_if_written_out(void **state) {
    static const shape shapes[] = {
        {F32, 1, 1, 64, 40, 16, true, 0},    {F32, 1, 7, 300, 33, 16, false, 0},
        {F32, 1, 2, 1025, 16, 300, true, 3}, {F32, 1, 3, 31, 5, 3, true, 0},
        {F32, 2, 3, 70, 50, 8, true, 0},     {F16, 1, 1, 512, 64, 64, true, 0},
        {F16, 1, 5, 270, 24, 16, false, 2},  {BF16, 1, 1, 257, 17, 16, true, 0},
        {BF16, 3, 2, 96, 20, 32, false, 0},
    };
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        expect_bits_of_plain(&shapes[k]);
}

/* Several parts of the CPU device, down and across. */
static void large_products_of_four_bits_are_made_in_parts(void **state) {
    static const shape s = {F32, 1, 400, 40, 300, 8, true, 0};
    (void)state;
    expect_bits_of_plain(&s);
}

/* Two rows of three blocks of 6 numbers: byte 0x21 holds 1, then 2. Without zeros 8 is taken away;
 * with them the third block of a row reads the low half of the row's second byte. A product with
 * the unit matrix shows the numbers themselves. */
static void four_bits_by_hand(void **state) {
    static const int64_t x[3] = {2, 3, 3}, scale[2] = {2, 3}, zero[2] = {2, 2};
    static const int64_t a[2] = {18, 18}, y[2] = {18, 2};
    static const uint8_t packed[18] = {0x21, 0x43, 0x65, 0x80, 0x08, 0xff, 0x00, 0x00, 0x10,
                                       0x88, 0x88, 0x88, 0x99, 0xaa, 0xbb, 0x01, 0x23, 0x45};
    static const float scales[6] = {1, 2, 0.5f, 1, -1, 4};
    static const uint8_t zeros[4] = {0x81, 0xf2, 0x70, 0x03}; /* 1 8 2, 0 7 3 */
    static const float plain[36] = {-7, -6, -5, -4, -3, -2,    -16, 0,   0,   -16, 14,  14,
                                    -4, -4, -4, -4, -4, -3.5f, 0,   0,   0,   0,   0,   0,
                                    -1, -1, -2, -2, -3, -3,    -28, -32, -20, -24, -12, -16};
    static const float shifted[36] = {0,  1,  2,  3,  4,  5,     -16, 0,   0, -16, 14, 14,
                                      -1, -1, -1, -1, -1, -0.5f, 8,   8,   8, 8,   8,  8,
                                      -2, -2, -3, -3, -4, -4,    -8,  -12, 0, -4,  8,  4};
    (void)state;
    for (int has_zero = 0; has_zero < 2; has_zero++) {
        call_case c;
        call_begin(&c, DMS_K_MATMUL_BITS, 1);
        float *unit = c.data[call_in(&c, F32, 2, a)];
        for (int k = 0; k < 18 * 18; k++)
            unit[k] = k % 19 == 0;
        memcpy(c.data[call_in(&c, U8, 3, x)], packed, sizeof packed);
        memcpy(c.data[call_in(&c, F32, 2, scale)], scales, sizeof scales);
        if (has_zero != 0)
            memcpy(c.data[call_in(&c, U8, 2, zero)], zeros, sizeof zeros);
        const float *got = c.data[call_out(&c, F32, 2, y)];
        call_runs_alike(&c);
        for (int k = 0; k < 36; k++)
            if (got[k % 18 * 2 + k / 18] != (has_zero != 0 ? shifted : plain)[k])
                fail_msg("number %d is %g", k, (double)got[k % 18 * 2 + k / 18]);
        call_free(&c);
    }
}

/* A number is rounded to its type before it is multiplied: 3 times the f16 after 1 is 3 + 3/1024,
 * between two of them, and goes to the even one, 3 + 4/1024. */
static void a_number_is_rounded_before_it_is_multiplied(void **state) {
    static const shape s = {F16, 1, 1, 2, 16, 1, false, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    const uint16_t one = 0x3C00;
    memset(c.data[0], 0, 4);
    memcpy(c.data[0], &one, 2);
    memset(c.data[1], 8 + 3, 16);
    for (int k = 0; k < 16; k++)
        ((uint16_t *)c.data[2])[k] = one + 1;
    call_runs_alike(&c);
    assert_true(dms_element_load(F16, c.data[3], 5).f32 == 3.0f + 4.0f / 1024.0f);
    call_free(&c);
}

/* Weights are the bytes of a plan: nine to one of f32 numbers in blocks of 32. */
static void its_cost_is_that_of_the_packed_bytes(void **state) {
    static const shape s = {F32, 1, 1, 4096, 4096, 16, false, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    const dms_cost cost = dms_call_cost(&c.call);
    assert_int_equal(cost.flops, 2 * 4096 * 4096);
    assert_int_equal(cost.bytes, 4096 * 4096 / 2 + 4096 * 128 * 4 + 2 * 4096 * 4);
    assert_int_equal(dms_call_family(&c.call), DMS_FAMILY_PRODUCT);
    call_free(&c);
}

static void wrong_packed_matrices_are_refused(void **state) {
    static const shape s = {F32, 1, 2, 24, 16, 4, true, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    call_is_valid(&c);
    c.view[3].dim[1] = 1;
    call_is_refused(&c, "operand 3");
    c.view[3].dim[1] = 2;
    c.view[0].dim[1] = 25;
    call_is_refused(&c, "operand 1: 3 blocks of 4 bytes for 25 terms");
    c.view[0].dim[1] = 16;
    call_is_refused(&c, "operand 1: 3 blocks of 4 bytes for 16 terms");
    c.view[0].dim[1] = 17;
    call_is_valid(&c);
    c.view[1].pitch[2] = 2;
    call_is_refused(&c, "operand 1: is not dense");
    c.view[1].pitch[2] = 1;
    c.view[2].dtype = F16;
    call_is_refused(&c, "operand 2: dtype f16");
    c.view[2].dtype = F32;
    c.view[4].dim[1] = 15;
    call_is_refused(&c, "operand 1");
    c.view[4].dim[1] = 16;
    c.view[0].dtype = DMS_DTYPE_F64;
    call_is_refused(&c, "operand 0: dtype f64");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_four_bits_are_multiplied_as_if_written_out),
        cmocka_unit_test(large_products_of_four_bits_are_made_in_parts),
        cmocka_unit_test(four_bits_by_hand),
        cmocka_unit_test(a_number_is_rounded_before_it_is_multiplied),
        cmocka_unit_test(its_cost_is_that_of_the_packed_bytes),
        cmocka_unit_test(wrong_packed_matrices_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
