/* test_cuda_kernels_conv.c - convolutions by tiles, on tensor cores and of f32, emulated: against
 * sums in doubles of the same inputs, and, since the emulation adds terms in order, bit for bit
 * against the CPU device; which kernel takes which call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/emulate.h"
#include "tests/unit/support_call.h"

/* A convolution as a line of a table. */
typedef struct shape {
    const char *kernel; /* that takes it */
    dms_dtype dtype;
    int64_t batch, c, h, w, m, kh, kw, group, step_h, step_w, dil_h, dil_w, top, left, oh, ow;
    bool has_bias, is_last; /* channels last */
} shape;

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32

static void begin(call_case *c, const shape *s) {
    static const uint32_t channels_last[4] = {0, 2, 3, 1};
    const uint32_t *order = s->is_last ? channels_last : NULL;
    const int64_t dx[4] = {s->batch, s->c, s->h, s->w}, dy[4] = {s->batch, s->m, s->oh, s->ow};
    const int64_t dw[4] = {s->m, s->c / s->group, s->kh, s->kw};
    const int64_t i[7] = {s->group, s->step_h, s->step_w, s->dil_h, s->dil_w, s->top, s->left};
    call_begin(c, DMS_K_CONV, (uint32_t)(s->c * 31 + s->m * 7 + s->oh + s->kw));
    call_in_strided(c, s->dtype, 4, dx, order, 0, 0);
    call_in(c, s->dtype, 4, dw);
    if (s->has_bias)
        call_in(c, s->dtype, 1, &s->m);
    call_out_strided(c, s->dtype, 4, dy, order, 0);
    call_params(c, 7, i, 0, NULL);
}

static double specified(const call_case *c, const shape *s, int64_t b, int64_t m, int64_t oy,
                        int64_t ox) {
    const int64_t cg = s->c / s->group, first = m / (s->m / s->group) * cg;
    double sum = s->has_bias ? call_at(c, 2, m, 0, 0, 0) : 0;
    for (int64_t k = 0; k < cg; k++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++) {
                const int64_t iy = oy * s->step_h + ky * s->dil_h - s->top;
                const int64_t ix = ox * s->step_w + kx * s->dil_w - s->left;
                if (iy >= 0 && iy < s->h && ix >= 0 && ix < s->w)
                    sum +=
                        (double)call_at(c, 1, m, k, ky, kx) * call_at(c, 0, b, first + k, iy, ix);
            }
    return sum;
}

/* Results are rounded once: to 11 bits of f16, 8 of bf16. */
static void expect_specified(const call_case *c, const shape *s) {
    const double part = s->dtype == F16 ? 0x1p-11 : s->dtype == BF16 ? 0x1p-8 : 0x1p-22;
    const int64_t step = s->oh * s->ow > 60 ? 3 : 1;
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t m = 0; m < s->m; m += m % 3 + 1)
            for (int64_t oy = 0; oy < s->oh; oy += step)
                for (int64_t ox = 0; ox < s->ow; ox++) {
                    const double want = specified(c, s, b, m, oy, ox);
                    const double got = call_at(c, c->call.n_in, b, m, oy, ox);
                    if (!(fabs(want - got) <= part * fabs(want) + 4e-6))
                        fail_msg("%s: y[%d,%d,%d,%d] is %g, wanted %g", s->kernel, (int)b, (int)m,
                                 (int)oy, (int)ox, got, want);
                }
}

/* Every way of running, the emulated card among them (support_call.h), gives the same bits. */
static void expect_product(const shape *s) {
    call_case c;
    const uint32_t before = emulate_launches_of(s->kernel);
    begin(&c, s);
    call_runs_alike(&c);
    if (emulate_launches_of(s->kernel) != before + 1)
        fail_msg("%s does not take the call", s->kernel);
    expect_specified(&c, s);
    call_free(&c);
}

/* Once with a block for each tile, once with one for all of them. */
#define RUN(shapes)                                                                                \
    for (size_t k = 0; k < 2 * sizeof(shapes) / sizeof *(shapes); k++) {                           \
        emulate_limit_blocks(k % 2);                                                               \
        expect_product(&(shapes)[k / 2]);                                                          \
    }                                                                                              \
    emulate_limit_blocks(0);

/* kernel dtype  batch c h w  m kh kw group  steps dilations pads  oh ow  bias channels-last */
static void windows_are_products_with_what_the_image_holds(void **state) {
    (void)state;
    static const shape shapes[] = {
        /* one term, one pixel */
        {"conv_tensor_half_64", F16, 1, 1, 1, 1, 8, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, true, false},
        /* pixels beyond a tile, terms beyond a stage, borders */
        {"conv_tensor_half_64",
         F16,
         2,
         5,
         12,
         13,
         20,
         3,
         3,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         12,
         13,
         true,
         false},
        /* a stem: 7 x 7, step 2; 147 terms lie at odd places */
        {"conv_tensor_half_64",
         F16,
         1,
         3,
         20,
         20,
         16,
         7,
         7,
         1,
         2,
         2,
         1,
         1,
         3,
         3,
         10,
         10,
         false,
         false},
        /* whole eights of terms; groups; dilation; channels last */
        {"conv_tensor_brain_64",
         BF16,
         1,
         16,
         9,
         8,
         24,
         3,
         3,
         2,
         1,
         1,
         2,
         1,
         2,
         1,
         9,
         8,
         true,
         false},
        {"conv_tensor_brain_64",
         BF16,
         1,
         8,
         7,
         9,
         12,
         3,
         1,
         1,
         2,
         1,
         1,
         3,
         0,
         2,
         3,
         13,
         true,
         true},
        /* channels beyond a tile of 64 */
        {"conv_tensor_half_64", F16, 1, 4, 5, 5, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 5, 5, false, true},
    };
    RUN(shapes)
}

/* Planes of whole eights of pixels are read so; 15 pixels, or a step, are not. */
static void single_taps_read_the_image_in_place(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"conv_tensor_half_64",
         F16,
         2,
         40,
         12,
         12,
         20,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         12,
         12,
         true,
         false},
        {"conv_tensor_brain_64",
         BF16,
         1,
         33,
         4,
         4,
         9,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         4,
         4,
         false,
         false},
        {"conv_tensor_half_64", F16, 1, 40, 3, 5, 20, 1, 1, 1, 1, 1, 1, 1, 0, 0, 3, 5, true, false},
        {"conv_tensor_half_64", F16, 1, 24, 8, 8, 20, 1, 1, 1, 2, 2, 1, 1, 0, 0, 4, 4, true, false},
        {"conv_tensor_half_64", F16, 1, 8, 4, 4, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6, 6, true, false},
    };
    RUN(shapes)
}

/* 96 batch entries of two tiles are enough for a card: 192; 95 are not. */
static void many_tiles_are_twice_as_high(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"conv_tensor_half_128",
         F16,
         96,
         1,
         1,
         1,
         200,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         1,
         1,
         true,
         false},
        {"conv_tensor_brain_128",
         BF16,
         192,
         9,
         2,
         1,
         65,
         2,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         1,
         1,
         true,
         false},
        {"conv_tensor_half_64",
         F16,
         95,
         1,
         1,
         1,
         200,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         1,
         1,
         true,
         false},
        {"conv_tensor_half_64",
         F16,
         192,
         1,
         1,
         1,
         64,
         1,
         1,
         1,
         1,
         1,
         1,
         1,
         0,
         0,
         1,
         1,
         true,
         false},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        expect_product(&shapes[k]);
}

/* f32, and groups of fewer than eight channels: no tensor cores. */
/* kernel dtype  batch c h w  m kh kw group  steps dilations pads  oh ow  bias channels-last */
static void floats_take_the_same_tiles_without_tensor_cores(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"conv_float_64", F32, 2, 5, 12, 13, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1, 12, 13, true, false},
        {"conv_float_64", F32, 1, 3, 9, 11, 16, 5, 5, 1, 2, 3, 1, 1, 2, 2, 5, 4, false, true},
        {"conv_float_64", F32, 1, 32, 6, 6, 24, 3, 1, 2, 1, 1, 2, 1, 2, 0, 6, 6, true, false},
        {"conv_float_128", F32, 96, 1, 2, 3, 130, 1, 1, 1, 1, 1, 1, 1, 0, 0, 2, 3, true, false},
        {"conv_float_128", F32, 192, 5, 1, 4, 68, 1, 2, 1, 1, 1, 1, 1, 0, 0, 1, 3, false, false},
    };
    RUN(shapes)
}

/* Three terms of -0, from a bias of -0 on, stay -0; a fourth of 0 x 0 would make +0 of them. */
static void terms_behind_the_last_are_left_out(void **state) {
    static const shape s = {
        "conv_float_64", F32, 1, 3, 1, 1, 8, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, true, false};
    call_case c;
    (void)state;
    begin(&c, &s);
    for (int k = 0; k < 3; k++)
        ((float *)c.data[0])[k] = -1.0f;
    for (int k = 0; k < 24; k++)
        ((float *)c.data[1])[k] = 0.0f;
    for (int k = 0; k < 8; k++)
        ((float *)c.data[2])[k] = -0.0f;
    call_runs_alike(&c);
    for (int k = 0; k < 8; k++)
        assert_true(((const float *)c.data[3])[k] == 0 && signbit(((const float *)c.data[3])[k]));
    call_free(&c);
}

static void other_calls_stay_with_their_kernels(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"conv_few", F32, 1, 4, 6, 6, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 6, 6, true, false},
        {"conv_few", F16, 1, 16, 6, 6, 16, 3, 3, 16, 1, 1, 1, 1, 1, 1, 6, 6, true, false},
        {"conv_few", BF16, 1, 6, 6, 6, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 6, 6, true, false},
    };
    const uint32_t before = emulate_launches_of("conv_tensor");
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        call_case c;
        begin(&c, &shapes[k]);
        call_runs_alike(&c);
        expect_specified(&c, &shapes[k]);
        call_free(&c);
    }
    assert_int_equal(emulate_launches_of("conv_tensor"), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_products_with_what_the_image_holds),
        cmocka_unit_test(single_taps_read_the_image_in_place),
        cmocka_unit_test(many_tiles_are_twice_as_high),
        cmocka_unit_test(floats_take_the_same_tiles_without_tensor_cores),
        cmocka_unit_test(terms_behind_the_last_are_left_out),
        cmocka_unit_test(other_calls_stay_with_their_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
