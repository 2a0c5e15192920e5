/* test_sample.c - GRID_SAMPLE against its definition in doubles; equal bits in every way of
 * running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/sample.h"
#include "support_call.h"

enum { H = 5, W = 7, OH = 9, OW = 13 };

/* x [2, 3, 5, 7] and positions from -1.5 to 1.5, so that a third lies outside. */
static void begin(call_case *c, int64_t mode, int64_t padding, int64_t align) {
    const int64_t i[DMS_SAMPLE_N_I] = {mode, padding, align};
    static const int64_t x[4] = {2, 3, H, W}, grid[4] = {2, OH, OW, 2}, y[4] = {2, 3, OH, OW};
    call_begin(c, DMS_K_GRID_SAMPLE, (uint32_t)(i[0] * 9 + i[1] * 3 + i[2] + 1));
    call_in_strided(c, DMS_DTYPE_F32, 4, x, NULL, 1, 0);
    call_in(c, DMS_DTYPE_F32, 4, grid);
    call_out_strided(c, DMS_DTYPE_F32, 4, y, NULL, 2);
    call_params(c, DMS_SAMPLE_N_I, i, 0, NULL);
    float *position = c->data[1];
    for (int64_t k = 0; k < dms_view_count(&c->view[1]); k++)
        position[k] *= 1.5f;
}

/* ---- the oracle ---------------------------------------------------------------------------- */

/* x folded back at both ends, one fold at a time. */
static double folded(double x, double low, double high) {
    while (x < low || x > high)
        x = x < low ? 2 * low - x : 2 * high - x;
    return x;
}

/* Element (k, j) of a channel as the padding has it. */
static double element(const call_case *c, int64_t n, int64_t ch, double k, double j) {
    const double low = c->i[2] != 0 ? 0 : -0.5;
    if (c->i[1] == DMS_SAMPLE_ZEROS && (k < 0 || k > H - 1 || j < 0 || j > W - 1))
        return 0;
    if (c->i[1] == DMS_SAMPLE_REFLECTION) {
        k = folded(k, low, H - 1 - low);
        j = folded(j, low, W - 1 - low);
    }
    k = fmax(0, fmin(H - 1, k));
    j = fmax(0, fmin(W - 1, j));
    return (double)call_at(c, 0, n, ch, (int64_t)k, (int64_t)j);
}

/* The weight of an element at distance d. */
static double weight_at(int64_t mode, double d) {
    const double a = -0.75;
    d = fabs(d);
    if (mode == DMS_SAMPLE_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* A position of the grid in elements of an axis; rounded to f32 as the kernel does. */
static double position_of(const call_case *c, float g, int64_t n) {
    const float x =
        c->i[2] != 0 ? (g + 1.0f) * 0.5f * (float)(n - 1) : ((g + 1.0f) * (float)n - 1.0f) * 0.5f;
    const double low = c->i[2] != 0 ? 0 : -0.5;
    if (c->i[1] == DMS_SAMPLE_BORDER && c->i[0] != DMS_SAMPLE_CUBIC)
        return fmax(0, fmin((double)(n - 1), (double)x));
    return c->i[1] == DMS_SAMPLE_REFLECTION ? folded((double)x, low, (double)(n - 1) - low)
                                            : (double)x;
}

static double sampled(const call_case *c, int64_t n, int64_t ch, int64_t oy, int64_t ox) {
    const double x = position_of(c, call_at(c, 1, n, oy, ox, 0), W);
    const double y = position_of(c, call_at(c, 1, n, oy, ox, 1), H);
    double sum = 0;
    if (c->i[0] == DMS_SAMPLE_NEAREST)
        return element(c, n, ch, rint(y), rint(x));
    for (int dy = -2; dy <= 3; dy++)
        for (int dx = -2; dx <= 3; dx++) {
            const double k = floor(y) + dy, j = floor(x) + dx;
            sum += weight_at(c->i[0], y - k) * weight_at(c->i[0], x - j) * element(c, n, ch, k, j);
        }
    return sum;
}

static void expect_sampled(const call_case *c) {
    for (int64_t n = 0; n < 2; n++)
        for (int64_t ch = 0; ch < 3; ch++)
            for (int64_t y = 0; y < OH; y++)
                for (int64_t x = 0; x < OW; x++) {
                    const double want = sampled(c, n, ch, y, x), got = call_at(c, 2, n, ch, y, x);
                    if (!(fabs(want - got) < 1e-5))
                        fail_msg("mode %d, padding %d: y[%d,%d,%d,%d] is %g, wanted %g",
                                 (int)c->i[0], (int)c->i[1], (int)n, (int)ch, (int)y, (int)x, got,
                                 want);
                }
}

/* ---- tests --------------------------------------------------------------------------------- */

static void every_mode_and_padding_follows_its_definition(void **state) {
    (void)state;
    for (int64_t mode = 0; mode < 3; mode++)
        for (int64_t padding = 0; padding < 3; padding++)
            for (int64_t align = 0; align < 2; align++) {
                call_case c;
                begin(&c, mode, padding, align);
                call_runs_alike(&c);
                expect_sampled(&c);
                call_free(&c);
            }
}

/* A signal 10 20 30 40 of one axis: centres of elements lie at -3/4, -1/4, 1/4, 3/4. */
static void a_signal_by_hand(void **state) {
    static const int64_t x[3] = {1, 1, 4}, grid[3] = {1, 5, 1}, y[3] = {1, 1, 5};
    static const float signal[4] = {10, 20, 30, 40}, at[5] = {-0.75f, 0, 0.5f, -1, 1.25f};
    static const float zeros[5] = {10, 25, 35, 5, 0}, border[5] = {10, 25, 35, 10, 40};
    for (int64_t padding = 0; padding < 2; padding++) {
        const int64_t i[3] = {DMS_SAMPLE_LINEAR, padding, 0};
        call_case c;
        (void)state;
        call_begin(&c, DMS_K_GRID_SAMPLE, 1);
        memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 3, x)], signal, sizeof signal);
        memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 3, grid)], at, sizeof at);
        call_out(&c, DMS_DTYPE_F32, 3, y);
        call_params(&c, 3, i, 0, NULL);
        call_runs_alike(&c);
        assert_memory_equal(c.data[2], padding == 0 ? zeros : border, sizeof zeros);
        call_free(&c);
    }
}

/* The middle of a cube of 2 x 2 x 2: the mean. The grid names the last axis first. */
static void a_volume_by_hand(void **state) {
    static const int64_t x[5] = {1, 1, 2, 2, 2}, grid[5] = {1, 1, 1, 3, 3}, y[5] = {1, 1, 1, 1, 3};
    static const float cube[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const float at[9] = {0, 0, 0, 1, -1, -1, -1, -1, 1}, want[3] = {3.5f, 1, 4};
    static const int64_t i[3] = {DMS_SAMPLE_LINEAR, DMS_SAMPLE_ZEROS, 1};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_GRID_SAMPLE, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 5, x)], cube, sizeof cube);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 5, grid)], at, sizeof at);
    call_out(&c, DMS_DTYPE_F32, 5, y);
    call_params(&c, 3, i, 0, NULL);
    call_runs_alike(&c);
    assert_memory_equal(c.data[2], want, sizeof want);
    call_free(&c);
}

/* Positions come from data: nothing may be read outside of x (the address sanitizer looks). */
static void wild_positions_stay_inside(void **state) {
    static const float wild[8] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e9f, -3e9f, 0};
    (void)state;
    for (int64_t mode = 0; mode < 3; mode++)
        for (int64_t padding = 0; padding < 3; padding++) {
            call_case c;
            begin(&c, mode, padding, mode % 2);
            float *grid = c.data[1];
            for (int64_t k = 0; k < dms_view_count(&c.view[1]); k++)
                grid[k] = wild[k % 8];
            call_runs_alike(&c);
            if (padding == DMS_SAMPLE_ZEROS)
                assert_true(call_at(&c, 2, 0, 0, 0, 1) == 0);
            for (int64_t ox = 0; ox < OW; ox++)
                assert_true(fabsf(call_at(&c, 2, 1, 2, 3, ox)) < 4);
            call_free(&c);
        }
}

/* An element that weighs nothing does not turn a sum into NaN. */
static void infinity_next_to_a_position_does_not_leak(void **state) {
    static const int64_t x[3] = {1, 1, 3}, grid[3] = {1, 1, 1}, i[3] = {DMS_SAMPLE_LINEAR, 0, 1};
    static const float signal[3] = {1, 2, INFINITY};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_GRID_SAMPLE, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F32, 3, x)], signal, sizeof signal);
    memset(c.data[call_in(&c, DMS_DTYPE_F32, 3, grid)], 0, sizeof(float)); /* the middle */
    call_out(&c, DMS_DTYPE_F32, 3, grid);
    call_params(&c, 3, i, 0, NULL);
    call_runs_alike(&c);
    assert_true(call_at(&c, 2, 0, 0, 0, 0) == 2);
    call_free(&c);
}

static void narrow_samples_are_computed_in_f32(void **state) {
    static const int64_t x[4] = {2, 3, H, W}, grid[4] = {2, OH, OW, 2}, y[4] = {2, 3, OH, OW};
    (void)state;
    for (int64_t mode = 0; mode < 3; mode++)
        for (int is_brain = 0; is_brain < 2; is_brain++) {
            const dms_dtype dtype = is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16;
            const int64_t i[DMS_SAMPLE_N_I] = {mode, DMS_SAMPLE_REFLECTION, 0};
            call_case c;
            call_begin(&c, DMS_K_GRID_SAMPLE, 7);
            call_in(&c, dtype, 4, x);
            call_in(&c, dtype, 4, grid);
            call_out(&c, dtype, 4, y);
            call_params(&c, DMS_SAMPLE_N_I, i, 0, NULL);
            call_rounds_once(&c);
            call_free(&c);
        }
}

static void wrong_calls_are_refused(void **state) {
    call_case c;
    (void)state;
    begin(&c, 1, 0, 0);
    call_is_valid(&c);
    c.i[0] = 3;
    call_is_refused(&c, "integer parameter 0 is 3");
    c.i[0] = 1;
    c.i[1] = 3;
    call_is_refused(&c, "integer parameter 1 is 3");
    c.i[1] = 0;
    c.i[2] = 2;
    call_is_refused(&c, "integer parameter 2 is 2");
    c.i[2] = 0;
    c.view[1].dim[3] = 3;
    call_is_refused(&c, "operand 1");
    c.view[1].dim[3] = 2;
    c.view[2].dim[2] = 8;
    call_is_refused(&c, "operand 2");
    c.view[2].dim[2] = OH;
    c.view[0].dim[3] = 0;
    call_is_refused(&c, "0 elements along axis 3");
    c.view[0].dim[3] = W;
    c.view[0].dtype = DMS_DTYPE_F64;
    call_is_refused(&c, "dtype f64");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_and_padding_follows_its_definition),
        cmocka_unit_test(a_signal_by_hand),
        cmocka_unit_test(a_volume_by_hand),
        cmocka_unit_test(wild_positions_stay_inside),
        cmocka_unit_test(infinity_next_to_a_position_does_not_leak),
        cmocka_unit_test(narrow_samples_are_computed_in_f32),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
