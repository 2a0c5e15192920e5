/* test_cuda_kernels_bits.c - products with 4-bit numbers, emulated: against sums in doubles of the
 * numbers as the test itself reads them; which kernel takes which call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/element.h"
#include "tests/cuda/emulate.h"
#include "tests/unit/support_call.h"
#include "tests/unit/support_device.h"

/* y[batch,m,n] = a w as a line of a table; blocks of `block` terms. */
typedef struct shape {
    const char *kernel; /* that takes it */
    dms_dtype dtype;
    int64_t batch, m, k, n, block;
    bool has_zero;
    int64_t gap; /* unused elements behind a row of a */
} shape;

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32
#define U8 DMS_DTYPE_U8

static int64_t blocks_of(const shape *s) {
    return (s->k + s->block - 1) / s->block;
}

static void begin(call_case *c, const shape *s) {
    const int64_t a[3] = {s->batch, s->m, s->k}, y[3] = {s->batch, s->m, s->n};
    const int64_t b[3] = {s->n, blocks_of(s), s->block / 2};
    const int64_t zero[2] = {s->n, (blocks_of(s) + 1) / 2};
    call_begin(c, DMS_K_MATMUL_BITS, (uint32_t)(s->k * 31 + s->n + s->m));
    call_in_strided(c, s->dtype, 3, a, NULL, s->gap, 0);
    call_in(c, U8, 3, b);
    call_in(c, s->dtype, 2, b);
    if (s->has_zero)
        call_in(c, U8, 2, zero);
    call_out(c, s->dtype, 3, y);
    call_params(c, 0, NULL, 0, NULL);
}

static double at(const call_case *c, uint32_t operand, int64_t i0, int64_t i1, int64_t i2) {
    const dms_view *v = &c->view[operand];
    return dms_element_load(v->dtype, c->data[operand],
                            i0 * v->pitch[0] + i1 * v->pitch[1] + i2 * v->pitch[2])
        .f32;
}

/* Number p of column j. A number is rounded to its type, a product of two f16 or bf16 has room. */
static double number(const call_case *c, const shape *s, int64_t j, int64_t p) {
    const int64_t block = p / s->block;
    const uint8_t byte =
        ((const uint8_t *)c->data[1])[(j * blocks_of(s) + block) * s->block / 2 + p % s->block / 2];
    int zero = 8;
    if (s->has_zero) {
        const uint8_t pair =
            ((const uint8_t *)c->data[3])[j * ((blocks_of(s) + 1) / 2) + block / 2];
        zero = block % 2 == 0 ? pair % 16 : pair / 16;
    }
    dms_scalar x;
    uint64_t room = 0;
    x.f32 = (float)((p % 2 == 0 ? byte % 16 : byte / 16) - zero) *
            dms_element_load(s->dtype, c->data[2], j * blocks_of(s) + block).f32;
    dms_element_store(s->dtype, x, &room, 0);
    return dms_element_load(s->dtype, &room, 0).f32;
}

/* One rounding to the type, and sums of f32 in any order. */
static void expect_specified(const call_case *c, const shape *s) {
    const double part = s->dtype == F16 ? 0x1p-11 : s->dtype == BF16 ? 0x1p-8 : 0x1p-22;
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t i = 0; i<s->m; i += s->m> 20 ? 5 : 1)
            for (int64_t j = 0; j < s->n; j++) {
                double want = 0, most = 0;
                for (int64_t p = 0; p < s->k; p++) {
                    const double term = at(c, 0, b, i, p) * number(c, s, j, p);
                    want += term;
                    most += fabs(term);
                }
                const double got = at(c, c->call.n_in, b, i, j);
                if (!(fabs(want - got) <= part * fabs(want) + 0x1p-20 * most))
                    fail_msg("%s: y[%d,%d,%d] is %g, wanted %g", s->kernel, (int)b, (int)i, (int)j,
                             got, want);
            }
}

/* The outputs are the card's. */
static void run_on_card(call_case *c) {
    uint32_t index_error;
    memset(c->data[c->call.n_in], 0xff, (size_t)dms_view_bytes(&c->view[c->call.n_in]));
    assert_true(device_run(&c->call, c->data, &index_error));
}

/* A block for each tile, then one for all of them. */
static void expect_taken(const shape *s) {
    for (uint32_t most = 0; most < 2; most++) {
        call_case c;
        const uint32_t before = emulate_launches_of(s->kernel);
        begin(&c, s);
        emulate_limit_blocks(most);
        call_runs_alike(&c); /* the card is like the CPU device, and writes nowhere else */
        run_on_card(&c);
        emulate_limit_blocks(0);
        if (emulate_launches_of(s->kernel) != before + 2)
            fail_msg("%s does not take %d x %d x %d", s->kernel, (int)s->m, (int)s->k, (int)s->n);
        expect_specified(&c, s);
        call_free(&c);
    }
}

#define RUN(shapes)                                                                                \
    for (size_t k = 0; k < sizeof(shapes) / sizeof *(shapes); k++)                                 \
        expect_taken(&(shapes)[k]);

/* A chunk, a stage, more stages than warps, a last stage that is not whole; columns that fill no
 * fragment; one row and as many as a block has. */
static void few_rows_are_columns_of_a_fragment(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product_bits_few_half", F16, 1, 1, 32, 16, 32, true, 0},
        {"product_bits_few_half", F16, 1, 1, 1184, 21, 32, true, 0},
        {"product_bits_few_half", F16, 1, 16, 160, 40, 64, false, 8},
        {"product_bits_few_brain", BF16, 1, 1, 256, 16, 128, true, 0},
        {"product_bits_few_brain", BF16, 2, 9, 96, 33, 32, false, 0},
    };
    RUN(shapes)
}

/* Tiles of 128 by 128: one that is not whole, and several each way. */
static void many_rows_are_tiles(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product_bits_wide_half", F16, 1, 17, 160, 20, 32, true, 0},
        {"product_bits_wide_half", F16, 1, 130, 288, 136, 32, false, 8},
        {"product_bits_wide_brain", BF16, 2, 70, 128, 40, 128, true, 0},
    };
    RUN(shapes)
}

/* Segments of 256, one that is not whole, as many as eight warps share twice; the CPU device's
 * bits, which call_runs_alike compares. */
static void a_row_of_f32_takes_segments_side_by_side(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product_bits_row", F32, 1, 1, 32, 32, 32, true, 0},
        {"product_bits_row", F32, 1, 1, 2400, 45, 32, true, 0},
        {"product_bits_row", F32, 3, 1, 320, 7, 64, false, 4},
    };
    RUN(shapes)
}

/* Blocks of 16 terms or of no power of two, an odd k, rows at odd places, several rows of f32. */
static void other_products_stay_with_tiles(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product", F16, 1, 2, 64, 20, 16, true, 0},  {"product", BF16, 1, 1, 96, 9, 48, true, 0},
        {"product", F16, 1, 1, 33, 9, 32, false, 0},  {"product", F16, 1, 2, 64, 9, 32, true, 1},
        {"product", F32, 1, 2, 320, 9, 32, false, 0},
    };
    const uint32_t before = emulate_launches_of("product_bits");
    RUN(shapes)
    assert_int_equal(emulate_launches_of("product_bits"), before);
}

/* Every number with every zero: f16 and bf16 hold the differences, and their products with the
 * scale are rounded once. A row of ones at one place shows them. */
static void all_numbers_and_zeros_grow_exactly(void **state) {
    (void)state;
    static const shape kinds[] = {
        {"product_bits_few_half", F16, 1, 1, 512, 16, 32, true, 0},
        {"product_bits_few_brain", BF16, 1, 1, 512, 16, 32, true, 0},
    };
    for (int kind = 0; kind < 2; kind++)
        for (int64_t p = 0; p < 512; p += 37) {
            const shape *s = &kinds[kind];
            call_case c;
            begin(&c, s);
            for (int64_t k = 0; k < 512; k++) {
                dms_scalar x;
                x.f32 = k == p;
                dms_element_store(s->dtype, x, c.data[0], k);
            }
            for (int64_t j = 0; j < 16; j++) /* zero j in row j, numbers 0 .. 15 in turn */
                for (int64_t k = 0; k < 256; k++) {
                    ((uint8_t *)c.data[1])[j * 256 + k] = (uint8_t)(2 * k % 16 + (2 * k + 1) * 16);
                    ((uint8_t *)c.data[3])[j * 8 + k % 8] = (uint8_t)(j * 17);
                }
            run_on_card(&c);
            for (int64_t j = 0; j < 16; j++)
                assert_true(at(&c, 4, 0, 0, j) == number(&c, s, j, p));
            call_free(&c);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_rows_are_columns_of_a_fragment),
        cmocka_unit_test(many_rows_are_tiles),
        cmocka_unit_test(a_row_of_f32_takes_segments_side_by_side),
        cmocka_unit_test(other_products_stay_with_tiles),
        cmocka_unit_test(all_numbers_and_zeros_grow_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
