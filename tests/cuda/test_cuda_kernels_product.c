/* test_cuda_kernels_product.c - products of one row, emulated: the bits of the CPU device, whatever
 * the number of segments; which kernel takes which call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "tests/cuda/emulate.h"
#include "tests/unit/support_call.h"

/* y[batch,m,n] = alpha a b + beta c as a line of a table. */
typedef struct shape {
    const char *kernel; /* that takes it */
    dms_dtype dtype;
    int64_t batch, m, k, n;
    uint32_t b_repeats; /* the same b for all of the batch */
    bool has_c;
    double alpha, beta;
    int64_t gap; /* unused elements behind a row of b */
} shape;

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32

static void begin(call_case *c, const shape *s) {
    const int64_t a[3] = {s->batch, s->m, s->k}, b[3] = {s->batch, s->k, s->n};
    const int64_t y[3] = {s->batch, s->m, s->n}, i[2] = {0, s->n};
    const double f[2] = {s->alpha, s->beta};
    call_begin(c, DMS_K_MATMUL, (uint32_t)(s->k * 31 + s->n));
    call_in(c, s->dtype, 3, a);
    call_in_strided(c, s->dtype, 3, b, NULL, s->gap, s->b_repeats);
    if (s->has_c)
        call_in_strided(c, s->dtype, 3, y, NULL, 0, 3); /* a bias: one row */
    call_out(c, s->dtype, 3, y);
    call_params(c, 2, i, 2, f);
}

/* Every way of running, the emulated card among them (support_call.h), gives the same bits; a block
 * for each tile, then one for all of them. */
static void expect_taken(const shape *s) {
    for (uint32_t most = 0; most < 2; most++) {
        call_case c;
        const uint32_t before = emulate_launches_of(s->kernel);
        begin(&c, s);
        emulate_limit_blocks(most);
        call_runs_alike(&c);
        emulate_limit_blocks(0);
        if (emulate_launches_of(s->kernel) != before + 1)
            fail_msg("%s does not take %d x %d x %d", s->kernel, (int)s->m, (int)s->k, (int)s->n);
        call_free(&c);
    }
}

#define RUN(shapes)                                                                                \
    for (size_t k = 0; k < sizeof(shapes) / sizeof *(shapes); k++)                                 \
        expect_taken(&(shapes)[k]);

/* One term, a whole segment, one more, several warps, the most that a block has. */
static void a_row_takes_segments_side_by_side(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product_row_half", F16, 1, 1, 1, 8, 0, false, 1, 0, 0},
        {"product_row_half", F16, 1, 1, 256, 40, 0, false, 1, 0, 0},
        {"product_row_brain", BF16, 1, 1, 257, 72, 0, true, 1, 1, 0},
        {"product_row_half", F16, 1, 1, 2500, 64, 0, true, 0.5, 2, 8},
        {"product_row_brain", BF16, 1, 1, 16384, 8, 0, false, 1, 0, 0},
        {"product_row_float", F32, 1, 1, 600, 20, 0, true, 2, -1, 4},
        {"product_row_float", F32, 1, 1, 15, 4, 0, false, 1, 0, 0},
    };
    RUN(shapes)
}

static void a_batch_of_rows_is_a_row_for_each(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product_row_half", F16, 3, 1, 300, 16, 0, false, 1, 0, 0},
        {"product_row_float", F32, 2, 1, 70, 36, 1, true, 1, 1, 0},
    };
    RUN(shapes)
}

/* Two rows, columns at odd places, more terms than a block has threads for. */
static void other_products_stay_with_their_kernel(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"product", F16, 1, 2, 20, 8, 0, false, 1, 0, 0},
        {"product", F16, 1, 1, 20, 12, 0, false, 1, 0, 0},
        {"product", F16, 1, 1, 20, 8, 0, false, 1, 0, 4},
        {"product", F32, 1, 1, 20, 8, 0, false, 1, 0, 1},
        {"product", F16, 1, 1, 16385, 8, 0, false, 1, 0, 0},
    };
    const uint32_t before = emulate_launches_of("product_row");
    RUN(shapes)
    assert_int_equal(emulate_launches_of("product_row"), before);
}

/* A sum in order of segments is not the sum of all terms: the first chain alone is 2^24, where a
 * float has no odd numbers; the second is 1 + 1. */
static void segments_are_added_in_order(void **state) {
    (void)state;
    const shape s = {"product_row_float", F32, 1, 1, 512, 4, 0, false, 1, 0, 0};
    call_case c;
    begin(&c, &s);
    for (int64_t k = 0; k < s.k; k++) {
        ((float *)c.data[0])[k] = k == 0 ? 0x1p24f : k >= 510 ? 1.0f : 0.0f;
        for (int64_t j = 0; j < s.n; j++)
            ((float *)c.data[1])[k * s.n + j] = 1.0f;
    }
    call_runs_alike(&c);
    assert_true(call_at(&c, 2, 0, 0, 3, 0) == 0x1p24f + 2.0f);
    call_free(&c);
}

/* A part of a sum along k adds to the sums before it, and hands its own on in f32. */
static void a_part_of_a_row_goes_on_from_the_sums_before(void **state) {
    (void)state;
    const int64_t a[2] = {1, 512}, b[2] = {512, 24}, y[2] = {1, 24}, i[3] = {0, 24, 1};
    const double f[2] = {2, 0};
    const uint32_t before = emulate_launches_of("product_row_brain");
    call_case c;
    call_begin(&c, DMS_K_MATMUL_PART, 5);
    call_in(&c, BF16, 2, a);
    call_in(&c, BF16, 2, b);
    call_in(&c, F32, 2, y);
    call_out(&c, F32, 2, y);
    call_params(&c, 3, i, 2, f);
    call_runs_alike(&c);
    assert_int_equal(emulate_launches_of("product_row_brain"), before + 1);
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_takes_segments_side_by_side),
        cmocka_unit_test(a_batch_of_rows_is_a_row_for_each),
        cmocka_unit_test(other_products_stay_with_their_kernel),
        cmocka_unit_test(segments_are_added_in_order),
        cmocka_unit_test(a_part_of_a_row_goes_on_from_the_sums_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
