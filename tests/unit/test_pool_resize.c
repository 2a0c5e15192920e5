/* test_pool_resize.c - pooling against naive loops, resizing against examples of the standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

enum { MAX = 0, AVERAGE = 1, LP = 2 };

/* A pool as a line of a table. */
typedef struct shape {
    int64_t fn, h, w, kh, kw, step_h, step_w, dil_h, dil_w, top, left, bottom, right;
    int64_t count_pads, p, oh, ow;
} shape;

/* Two batch entries of some channels; `gap` unused elements at the end of each row. */
static void begin_planes(call_case *c, const shape *s, dms_dtype dtype, bool has_index,
                         int64_t channels, int64_t gap) {
    const int64_t x[4] = {2, channels, s->h, s->w}, y[4] = {2, channels, s->oh, s->ow};
    const int64_t i[13] = {s->fn,  s->kh,   s->kw,     s->step_h, s->step_w,     s->dil_h, s->dil_w,
                           s->top, s->left, s->bottom, s->right,  s->count_pads, s->p};
    call_begin(c, DMS_K_POOL, (uint32_t)(s->h * 31 + s->w));
    call_in_strided(c, dtype, 4, x, NULL, gap, 0);
    call_out(c, dtype, 4, y);
    if (has_index)
        call_out(c, DMS_DTYPE_I64, 4, y);
    call_params(c, 13, i, 0, NULL);
}

static void begin_pool(call_case *c, const shape *s, dms_dtype dtype, bool has_index) {
    begin_planes(c, s, dtype, has_index, 3, 1);
}

/* One output in the order of the specification: taps kh, kw; `index` of the maximum in x. */
static float pooled(const call_case *c, const shape *s, int64_t n, int64_t ch, int64_t oy,
                    int64_t ox, int64_t *index) {
    float out = s->fn == MAX ? -INFINITY : 0.0f;
    int64_t inside = 0, counted = 0;
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++) {
            const int64_t y = oy * s->step_h + ky * s->dil_h - s->top;
            const int64_t x = ox * s->step_w + kx * s->dil_w - s->left;
            counted += y >= -s->top && y < s->h + s->bottom && x >= -s->left && x < s->w + s->right;
            if (y < 0 || y >= s->h || x < 0 || x >= s->w)
                continue;
            inside++;
            const float v = call_at(c, 0, n, ch, y, x);
            if (s->fn == MAX && v > out)
                *index = ((n * c->view[0].dim[1] + ch) * s->h + y) * s->w + x;
            out = s->fn == MAX ? fmaxf(out, v) : s->fn == LP ? out + powf(fabsf(v), s->p) : out + v;
        }
    const float taps = (float)(s->count_pads != 0 ? counted : inside);
    return s->fn == MAX ? out : s->fn == LP ? powf(out, 1.0f / (float)s->p) : out / taps;
}

static void expect_pooled(const call_case *c, const shape *s) {
    const int64_t channels = c->view[0].dim[1];
    for (int64_t n = 0; n < 2; n++)
        for (int64_t ch = 0; ch < channels; ch++)
            for (int64_t y = 0; y < s->oh; y++)
                for (int64_t x = 0; x < s->ow; x++) {
                    int64_t index = -1;
                    const float want = pooled(c, s, n, ch, y, x, &index);
                    const float got = call_at(c, 1, n, ch, y, x);
                    if (!(fabsf(want - got) <= (s->fn == LP ? 2e-6f : 0.0f)))
                        fail_msg("y[%d,%d,%d,%d] is %a, wanted %a", (int)n, (int)ch, (int)y, (int)x,
                                 got, want);
                    const int64_t at = ((n * channels + ch) * s->oh + y) * s->ow + x;
                    if (c->call.n_out == 2)
                        assert_int_equal(((const int64_t *)c->data[2])[at], index);
                }
}

/* fn h w  window step dilation  pads  count_pads p  oh ow */
static const shape pools[] = {
    {MAX, 9, 9, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 5, 5},
    {MAX, 6, 30, 2, 3, 1, 2, 2, 3, 0, 2, 0, 1, 0, 0, 4, 13},
    {MAX, 1, 1200, 1, 5, 1, 1, 1, 1, 0, 2, 0, 2, 0, 0, 1, 1200}, /* three strips */
    {AVERAGE, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 8, 8},
    {AVERAGE, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 8, 8},
    {AVERAGE, 7, 7, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 1, 0, 4,
     4}, /* ceil: the last window is cut off */
    {AVERAGE, 9, 9, 2, 2, 1, 1, 3, 2, 0, 0, 0, 0, 0, 0, 6, 7},
    {LP, 6, 6, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2, 5, 5},
    {LP, 6, 6, 3, 3, 3, 3, 1, 1, 0, 0, 0, 0, 0, 3, 2, 2},
    {LP, 6, 6, 3, 3, 3, 3, 1, 1, 0, 0, 0, 0, 0, 4, 2, 2},
    {LP, 6, 6, 3, 3, 3, 3, 1, 1, 0, 0, 0, 0, 0, 1, 2, 2},
};

static void every_window_is_pooled(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof pools / sizeof *pools; k++)
        for (int has_index = 0; has_index < (pools[k].fn == MAX ? 2 : 1); has_index++) {
            call_case c;
            begin_pool(&c, &pools[k], DMS_DTYPE_F32, has_index != 0);
            call_runs_alike(&c);
            expect_pooled(&c, &pools[k]);
            call_free(&c);
        }
}

/* Rows shorter and longer than vectors, every step, windows that hang over or miss the image. */
static const shape wide[] = {
    {MAX, 5, 37, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 5, 37},
    {MAX, 6, 45, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 3, 23},
    {MAX, 7, 130, 2, 4, 3, 3, 2, 1, 0, 2, 0, 2, 0, 0, 2, 44},
    {MAX, 3, 1300, 2, 2, 1, 70, 1, 1, 0, 0, 0, 0, 0, 0, 2, 19},
    {MAX, 4, 5, 3, 9, 1, 1, 1, 1, 1, 4, 1, 4, 0, 0, 4, 5},
    {MAX, 9, 40, 3, 3, 1, 2, 1, 1, -2, -3, -1, -2, 0, 0, 4, 17}, /* cropped */
    {AVERAGE, 5, 37, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 5, 37},
    {AVERAGE, 6, 45, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0, 1, 0, 3, 23},
    {AVERAGE, 7, 130, 2, 4, 3, 3, 2, 1, 0, 2, 0, 2, 1, 0, 2, 44},
    {AVERAGE, 4, 5, 3, 9, 1, 1, 1, 1, 1, 4, 1, 4, 0, 0, 4, 5},
    {AVERAGE, 9, 40, 3, 3, 1, 2, 1, 1, -2, -3, -1, -2, 0, 0, 4, 17}, /* cropped */
    {AVERAGE, 600, 33, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 600, 33}, /* many bands */
    {AVERAGE, 40, 40, 20, 20, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 21, 21}, /* 400 taps: by strips */
};

static void long_rows_are_pooled_in_whole_vectors(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof wide / sizeof *wide; k++) {
        call_case c;
        begin_pool(&c, &wide[k], DMS_DTYPE_F32, false);
        call_runs_alike(&c);
        expect_pooled(&c, &wide[k]);
        call_free(&c);
    }
}

/* 37 planes are two vectors of 16 and five planes, or four of 8 and five. */
static void planes_of_one_output_are_pooled_together(void **state) {
    (void)state;
    static const shape global[] = {
        {MAX, 7, 7, 7, 7, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
        {AVERAGE, 7, 7, 7, 7, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
        {AVERAGE, 4, 4, 4, 4, 4, 4, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
        {AVERAGE, 1, 3, 1, 3, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
        {AVERAGE, 9, 5, 3, 7, 2, 1, 2, 1, 1, 1, 1, 1, 1, 0, 4, 1}, /* rows of one output, padded */
        {MAX, 9, 5, 3, 7, 2, 1, 2, 1, 1, 1, 1, 1, 0, 0, 4, 1},
        {AVERAGE, 6, 9, 2, 3, 2, 9, 1, 4, 0, 0, 0, 0, 0, 0, 3, 1}, /* dilated: plane by plane */
    };
    for (size_t k = 0; k < sizeof global / sizeof *global; k++)
        for (int64_t gap = 0; gap < 2; gap++) {
            call_case c;
            begin_planes(&c, &global[k], DMS_DTYPE_F32, false, 37, gap);
            call_runs_alike(&c);
            expect_pooled(&c, &global[k]);
            call_free(&c);
        }
}

/* (1 + 2 + 4 + 8) / 4, by hand; the window beyond the image has 2 and 8 alone. */
static void an_average_divides_by_what_is_inside(void **state) {
    (void)state;
    const shape s = {AVERAGE, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 2};
    call_case c;
    begin_planes(&c, &s, DMS_DTYPE_F32, false, 1, 0);
    memcpy(c.data[0], (const float[4]){1, 2, 4, 8}, 4 * sizeof(float));
    call_runs_alike(&c);
    assert_true(call_at(&c, 1, 0, 0, 0, 0) == 3.75f);
    assert_true(call_at(&c, 1, 0, 0, 0, 1) == 5.0f);
    c.i[11] = 1; /* pads count: (2 + 8) / 4 */
    call_runs_alike(&c);
    assert_true(call_at(&c, 1, 0, 0, 0, 1) == 2.5f);
    call_free(&c);
}

/* A NaN is in the windows that hold it and in no other; vectors reach past it. */
static void nan_stays_in_its_windows(void **state) {
    (void)state;
    const shape shapes[2] = {{MAX, 3, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 3, 40},
                             {AVERAGE, 3, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 3, 40}};
    for (int k = 0; k < 2; k++) {
        call_case c;
        begin_planes(&c, &shapes[k], DMS_DTYPE_F32, false, 2, 0);
        ((float *)c.data[0])[40 + 20] = NAN;
        for (int isa = DMS_ISA_BASE; isa <= (int)dms_isa_detect(); isa++) {
            call_run(&c, (dms_isa)isa);
            for (int64_t y = 0; y < 3; y++)
                for (int64_t x = 0; x < 40; x++)
                    assert_int_equal(isnan(call_at(&c, 1, 0, 0, y, x)), x >= 19 && x <= 21);
        }
        call_free(&c);
    }
}

static uint64_t parts_of(const shape *s, int64_t channels) {
    call_case c;
    begin_planes(&c, s, DMS_DTYPE_F32, false, channels, 0);
    call_is_valid(&c);
    const uint64_t parts = dms_cpu_kernel_find(DMS_K_POOL, dms_isa_detect())->parts(&c.call);
    call_free(&c);
    return parts;
}

static void a_pool_is_split_by_what_it_reads(void **state) {
    (void)state;
    const shape global = {AVERAGE, 7, 7, 7, 7, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1};
    const shape large = {MAX, 512, 512, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 256, 256};
    assert_int_equal(parts_of(&global, 1024), 7); /* 2048 planes of 49: 320 of them a part */
    assert_int_equal(parts_of(&global, 8), 1);
    assert_int_equal(parts_of(&large, 1), 2 * 16); /* 16 rows of a plane */
}

/* 3 x 3 planes of bytes: the maximum of -1 is lower than 1 only if signs are respected. */
static void bytes_keep_their_sign(void **state) {
    (void)state;
    const shape s = {MAX, 3, 3, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1};
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        call_case c;
        begin_pool(&c, &s, is_signed != 0 ? DMS_DTYPE_I8 : DMS_DTYPE_U8, false);
        ((uint8_t *)c.data[0])[0] = 0xff;
        call_runs_alike(&c);
        assert_true((((const uint8_t *)c.data[1])[0] == 0xff) == (is_signed == 0));
        call_free(&c);
    }
}

/* Every window of the tables above, over all bytes. */
static void bytes_are_pooled_in_rows_and_columns(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof wide / sizeof *wide; k++)
        for (int is_signed = 0; is_signed < 2 && wide[k].fn == MAX; is_signed++) {
            const shape *s = &wide[k];
            call_case c;
            begin_pool(&c, s, is_signed != 0 ? DMS_DTYPE_I8 : DMS_DTYPE_U8, false);
            uint8_t *x = c.data[0];
            for (int64_t n = dms_view_end(&c.view[0]); n-- > 0;)
                x[n] = (uint8_t)call_pick(&c, 0, 255);
            call_runs_alike(&c);
            for (int64_t n = 0; n < dms_view_count(&c.view[1]); n++) {
                const int64_t plane = n / (s->oh * s->ow);
                const int64_t oy = n / s->ow % s->oh, ox = n % s->ow;
                int want = is_signed != 0 ? -128 : 0;
                for (int64_t t = 0; t < s->kh * s->kw; t++) {
                    const int64_t y = oy * s->step_h + t / s->kw * s->dil_h - s->top;
                    const int64_t at = ox * s->step_w + t % s->kw * s->dil_w - s->left;
                    if (y < 0 || y >= s->h || at < 0 || at >= s->w)
                        continue;
                    const uint8_t byte =
                        x[plane / 3 * c.view[0].pitch[0] + plane % 3 * c.view[0].pitch[1] +
                          y * c.view[0].pitch[2] + at];
                    const int value = is_signed != 0 ? (int8_t)byte : byte;
                    want = value > want ? value : want;
                }
                assert_int_equal(((const uint8_t *)c.data[1])[n], (uint8_t)want);
            }
            call_free(&c);
        }
}

static void nan_is_the_greatest(void **state) {
    (void)state;
    call_case c;
    begin_pool(&c, &pools[0], DMS_DTYPE_F32, true);
    ((float *)c.data[0])[0] = NAN;
    call_runs_alike(&c);
    assert_true(isnan(call_at(&c, 1, 0, 0, 0, 0)));
    assert_int_equal(((const int64_t *)c.data[2])[0], 0);
    call_free(&c);
}

/* Without indices maxima are taken of rows first, then of columns: the same values, with NaN here
 * and there, for windows that hang over every side. */
static void maxima_are_the_same_with_and_without_indices(void **state) {
    (void)state;
    const shape shapes[] = {
        {MAX, 9, 11, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 2, 5, 6},
        {MAX, 9, 11, 3, 2, 1, 3, 2, 2, 0, 1, 0, 1, 0, 2, 5, 4},
        {MAX, 4, 700, 2, 3, 2, 1, 1, 1, 0, 1, 0, 1, 0, 2, 2, 700},
        {MAX, 3, 3, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 0, 2, 3, 3},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        call_case with, without;
        begin_pool(&with, &shapes[k], DMS_DTYPE_F32, true);
        begin_pool(&without, &shapes[k], DMS_DTYPE_F32, false);
        for (int64_t at = 3; at < shapes[k].h * shapes[k].w; at += 37)
            ((float *)with.data[0])[at] = ((float *)without.data[0])[at] = NAN;
        call_runs_alike(&with);
        call_runs_alike(&without);
        const int64_t n = dms_view_count(&with.view[1]);
        for (int64_t at = 0; at < n; at++) {
            const float a = ((float *)with.data[1])[at], b = ((float *)without.data[1])[at];
            assert_true(a == b || (a != a && b != b));
        }
        call_free(&with);
        call_free(&without);
    }
}

static void wrong_pools_are_refused(void **state) {
    (void)state;
    call_case c;
    begin_pool(&c, &pools[0], DMS_DTYPE_F32, true);
    call_is_valid(&c);
    c.i[0] = AVERAGE;
    call_is_refused(&c, "only the maximum has indices");
    c.i[0] = MAX;
    c.i[3] = 0;
    call_is_refused(&c, "integer parameter 3 is 0");
    c.i[3] = 1;
    c.view[1].dim[1] = 4;
    call_is_refused(&c, "operand 1");
    call_free(&c);
}

enum { NEAREST = 0, LINEAR = 1, CUBIC = 2 };

/* y[oh, ow] from x[h, w] = 1, 2, 3, ... with parameters i, scales and a cubic coefficient. */
static void begin_resize(call_case *c, dms_dtype dtype, int64_t h, int64_t w, int64_t oh,
                         int64_t ow, const int64_t *i, double scale_h, double scale_w,
                         double coefficient) {
    const int64_t x[2] = {h, w}, y[2] = {oh, ow};
    const double f[8] = {coefficient, 10.0, scale_h, 0.0, 1.0, scale_w, 0.0, 1.0};
    call_begin(c, DMS_K_RESIZE, 1);
    call_in(c, dtype, 2, x);
    call_out(c, dtype, 2, y);
    call_params(c, 5, i, 8, f);
    for (int64_t k = 0; k < h * w; k++) {
        if (dtype == DMS_DTYPE_F32)
            ((float *)c->data[0])[k] = (float)(k + 1);
        else
            ((uint8_t *)c->data[0])[k] = (uint8_t)(k + 1);
    }
}

static void expect_floats(const call_case *c, const float *want, size_t n) {
    for (size_t k = 0; k < n; k++)
        if (!(fabsf(((const float *)c->data[1])[k] - want[k]) < 2e-6f * (1.0f + fabsf(want[k]))))
            fail_msg("element %u is %.9g, wanted %.9g", (unsigned)k, ((const float *)c->data[1])[k],
                     want[k]);
}

/* One example: the first elements of the result. */
static void example(int64_t h, int64_t w, int64_t oh, int64_t ow, const int64_t *i, double scale_h,
                    double scale_w, double coefficient, const float *want, size_t n) {
    call_case c;
    begin_resize(&c, DMS_DTYPE_F32, h, w, oh, ow, i, scale_h, scale_w, coefficient);
    call_runs_alike(&c);
    expect_floats(&c, want, n);
    call_free(&c);
}

/* mode, coordinates, nearest, exclude, antialias */
static void linear_examples_of_the_specification(void **state) {
    (void)state;
    example(2, 2, 4, 4, (int64_t[]){LINEAR, 0, 0, 0, 0}, 2, 2, -0.75,
            (float[]){1, 1.25f, 1.75f, 2, 1.5f, 1.75f, 2.25f, 2.5f}, 8);
    example(2, 2, 4, 4, (int64_t[]){LINEAR, 2, 0, 0, 0}, 2, 2, -0.75,
            (float[]){1, 1.33333333f, 1.66666667f, 2, 1.66666667f, 2}, 6);
    example(2, 4, 1, 2, (int64_t[]){LINEAR, 0, 0, 0, 0}, 0.6, 0.6, -0.75,
            (float[]){2.6666665f, 4.3333331f}, 2);
    example(4, 4, 2, 2, (int64_t[]){LINEAR, 0, 0, 0, 1}, 0.6, 0.6, -0.75,
            (float[]){2.875f, 4.5f, 9.375f, 11}, 4);
    example(2, 4, 1, 2, (int64_t[]){LINEAR, 5, 0, 0, 0}, 0.6, 0.6, -0.75,
            (float[]){3.6666667f, 5.3333333f}, 2);
}

static void cubic_examples_of_the_specification(void **state) {
    (void)state;
    example(4, 4, 8, 8, (int64_t[]){CUBIC, 0, 0, 0, 0}, 2, 2, -0.75,
            (float[]){0.47265625f, 0.76953125f, 1.24609375f, 1.875f, 2.28125f, 2.91015625f}, 6);
    example(4, 4, 8, 8, (int64_t[]){CUBIC, 0, 0, 1, 0}, 2, 2, -0.5,
            (float[]){0.55882353f, 0.81494204f, 1.35698249f}, 3);
    example(4, 4, 2, 2, (int64_t[]){CUBIC, 0, 0, 0, 1}, 0.6, 0.6, -0.75,
            (float[]){2.5180721f, 4.2858863f, 9.589329f, 11.357142f}, 4);
}

static void nearest_examples_of_the_specification(void **state) {
    (void)state;
    example(2, 2, 4, 6, (int64_t[]){NEAREST, 0, 0, 0, 0}, 2, 3, -0.75,
            (float[]){1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}, 18);
    example(2, 4, 1, 2, (int64_t[]){NEAREST, 0, 0, 0, 0}, 0.6, 0.6, -0.75, (float[]){1, 3}, 2);
    /* align corners of 4 into 8: positions 3/7 apart, cut off */
    example(1, 4, 1, 8, (int64_t[]){NEAREST, 2, 2, 0, 0}, 1, 2, -0.75,
            (float[]){1, 1, 1, 2, 2, 3, 3, 4}, 8);
    /* asymmetric of 4 into 2, up */
    example(1, 4, 1, 2, (int64_t[]){NEAREST, 3, 3, 0, 0}, 1, 0.5, -0.75, (float[]){1, 3}, 2);
}

/* The region from -0.5 to 1.5 of the length: beyond the image stands the given value. */
static void a_crop_beyond_the_image_is_extrapolated(void **state) {
    (void)state;
    call_case c;
    const int64_t i[5] = {LINEAR, 4, 0, 0, 0};
    begin_resize(&c, DMS_DTYPE_F32, 1, 5, 1, 5, i, 1, 1, -0.75);
    c.f[6] = -0.5;
    c.f[7] = 1.5;
    call_runs_alike(&c);
    expect_floats(&c, (float[]){10, 1, 3, 5, 10}, 5);
    call_free(&c);
}

/* Truths stay truths: beyond the image stands the value 10, which is not 0. */
static void a_crop_of_truths_is_extrapolated(void **state) {
    (void)state;
    call_case c;
    const int64_t i[5] = {NEAREST, 4, 0, 0, 0};
    begin_resize(&c, DMS_DTYPE_BOOL, 1, 5, 1, 5, i, 1, 1, -0.75);
    c.f[6] = -0.5;
    c.f[7] = 1.5;
    ((uint8_t *)c.data[0])[2] = 0;
    call_runs_alike(&c);
    assert_memory_equal(c.data[1], ((uint8_t[]){1, 1, 0, 1, 1}), 5);
    call_free(&c);
}

/* A kept axis, seen through a cubic filter: the rows beside an output's own weigh 0, and what is
 * infinite there stays there. */
static void an_infinite_row_stays_in_its_own(void **state) {
    (void)state;
    call_case c;
    const int64_t i[5] = {CUBIC, 0, 0, 0, 0};
    begin_resize(&c, DMS_DTYPE_F32, 3, 4, 3, 8, i, 1, 2, -0.75);
    for (int64_t k = 4; k < 8; k++)
        ((float *)c.data[0])[k] = INFINITY;
    call_runs_alike(&c);
    for (int64_t k = 0; k < 24; k++)
        assert_int_equal(isfinite(((const float *)c.data[1])[k]) != 0, k < 8 || k >= 16);
    call_free(&c);
}

/* Any element is moved by nearest; 1 and 2 in bytes interpolate to 1.25, cut off to 1. */
static void bytes_are_moved_or_cut_off(void **state) {
    (void)state;
    call_case c;
    const int64_t moved[5] = {NEAREST, 3, 2, 0, 0}, mixed[5] = {LINEAR, 0, 0, 0, 0};
    begin_resize(&c, DMS_DTYPE_BOOL, 1, 2, 1, 4, moved, 1, 2, -0.75);
    call_runs_alike(&c);
    assert_memory_equal(c.data[1], ((uint8_t[]){1, 1, 2, 2}), 4);
    call_free(&c);
    begin_resize(&c, DMS_DTYPE_U8, 1, 2, 1, 4, mixed, 1, 2, -0.75);
    call_runs_alike(&c);
    assert_memory_equal(c.data[1], ((uint8_t[]){1, 1, 1, 2}), 4);
    call_free(&c);
}

/* Three resized axes, long rows, strides: the ways of running agree. */
static void large_resizes_split_into_equal_parts(void **state) {
    (void)state;
    static const uint32_t order[4] = {3, 0, 1, 2};
    for (int64_t mode = NEAREST; mode <= CUBIC; mode++)
        for (int64_t antialias = 0; antialias < 2; antialias++) {
            const int64_t x[4] = {2, 9, 7, 700}, y[4] = {2, 5, 14, 1300};
            const int64_t i[5] = {mode, 0, 0, 0, antialias};
            const double f[14] = {-0.75, 0, 1, 0, 1, 5.0 / 9, 0, 1, 2, 0, 1, 1300.0 / 700, 0, 1};
            call_case c;
            call_begin(&c, DMS_K_RESIZE, 7);
            call_in_strided(&c, DMS_DTYPE_F32, 4, x, order, 0, 0);
            call_out(&c, DMS_DTYPE_F32, 4, y);
            call_params(&c, 5, i, 14, f);
            call_runs_alike(&c);
            call_free(&c);
        }
}

/* A picture of 7 x 11 pixels and 3 channels becomes 5 x 17: channels last (joined with the columns)
 * or channels first (an outer axis), bytes or floats, every mode. */
static void channels_are_resized_alike_wherever_they_stand(void **state) {
    (void)state;
    const int64_t modes[4][5] = {
        {0, 3, 2, 0, 0}, {1, 0, 0, 0, 0}, {1, 0, 0, 0, 1}, {2, 0, 0, 0, 1}};
    const dms_dtype types[2] = {DMS_DTYPE_F32, DMS_DTYPE_U8};
    const int64_t x[2][3] = {{7, 11, 3}, {3, 7, 11}}, y[2][3] = {{5, 17, 3}, {3, 5, 17}};
    const double size[3] = {5.0 / 7, 17.0 / 11, 1};
    for (int k = 0; k < 8; k++) {
        call_case c[2];
        for (int first = 0; first < 2; first++) {
            double f[11] = {-0.75, 0};
            for (int axis = 0; axis < 3; axis++) {
                f[2 + 3 * axis] = size[first ? (axis + 2) % 3 : axis];
                f[4 + 3 * axis] = 1;
            }
            call_begin(&c[first], DMS_K_RESIZE, 7);
            call_in(&c[first], types[k / 4], 3, x[first]);
            call_out(&c[first], types[k / 4], 3, y[first]);
            call_params(&c[first], 5, modes[k % 4], 11, f);
        }
        const uint32_t bytes = dms_dtype_bytes(types[k / 4]);
        for (int64_t e = 0; e < 7 * 11 * 3; e++) /* the same picture */
            memcpy((char *)c[1].data[0] + (e % 3 * 77 + e / 3) * bytes,
                   (const char *)c[0].data[0] + e * bytes, bytes);
        call_runs_alike(&c[0]);
        call_runs_alike(&c[1]);
        for (int64_t e = 0; e < 5 * 17 * 3; e++)
            assert_memory_equal((const char *)c[1].data[1] + (e % 3 * 85 + e / 3) * bytes,
                                (const char *)c[0].data[1] + e * bytes, bytes);
        call_free(&c[0]);
        call_free(&c[1]);
    }
}

/* Output i takes input floor(i / scale), scales in tenths: an integer division says which. */
static void nearest_rows_take_the_inputs_that_a_division_names(void **state) {
    (void)state;
    static const int64_t width[] = {1, 3, 7, 8, 9, 16, 17, 31, 40, 300};
    static const int64_t tenths[] = {20, 30, 10, 5, 25, 160};
    static const dms_dtype dtype[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_I16};
    const int64_t i[5] = {NEAREST, 3, 2, 0, 0};
    for (size_t k = 0; k < sizeof width / sizeof *width; k++)
        for (size_t s = 0; s < sizeof tenths / sizeof *tenths; s++) {
            const int64_t w = width[k], ow = w * tenths[s] / 10;
            const int64_t x[4] = {2, 3, 5, w}, y[4] = {2, 3, 10, ow > 0 ? ow : 1};
            const double f[14] = {0, 0, 1, 0, 1, 1, 0, 1, 2, 0, 1, (double)tenths[s] / 10.0, 0, 1};
            call_case c;
            call_begin(&c, DMS_K_RESIZE, (uint32_t)(k + 17 * s));
            (void)call_in_strided(&c, dtype[(k + s) % 3], 4, x, NULL, (int64_t)(k % 2) * 3, 0);
            (void)call_out_strided(&c, dtype[(k + s) % 3], 4, y, NULL, (int64_t)(s % 2) * 5);
            call_params(&c, 5, i, 14, f);
            call_runs_alike(&c);
            const uint32_t size = dms_dtype_bytes(c.view[0].dtype);
            for (int64_t row = 0; row < 2 * 3 * 10; row++)
                for (int64_t j = 0; j < y[3]; j++) {
                    const int64_t plane = row / 10, h = row % 10;
                    const int64_t from = plane / 3 * c.view[0].pitch[0] +
                                         plane % 3 * c.view[0].pitch[1] +
                                         h / 2 * c.view[0].pitch[2] + j * 10 / tenths[s];
                    const int64_t to = plane / 3 * c.view[1].pitch[0] +
                                       plane % 3 * c.view[1].pitch[1] + h * c.view[1].pitch[2] + j;
                    assert_memory_equal((const char *)c.data[1] + to * size,
                                        (const char *)c.data[0] + from * size, size);
                }
            call_free(&c);
        }
}

/* Linear resizing keeps a ramp: x[h, w] = w + 1000 h gives the position itself, which stays within
 * the image. Half pixels: output i lies at (i + 1/2) / scale - 1/2. */
static void a_ramp_stays_a_ramp(void **state) {
    (void)state;
    static const int64_t width[] = {1, 5, 8, 16, 17, 40, 600};
    static const int64_t tenths[] = {20, 15, 10, 5, 77};
    const int64_t i[5] = {LINEAR, 0, 0, 0, 0};
    for (size_t k = 0; k < sizeof width / sizeof *width; k++)
        for (size_t s = 0; s < sizeof tenths / sizeof *tenths; s++) {
            const int64_t w = width[k], ow = w * tenths[s] / 10 > 0 ? w * tenths[s] / 10 : 1;
            const double scale = (double)tenths[s] / 10.0;
            call_case c;
            begin_resize(&c, DMS_DTYPE_F32, 4, w, 8, ow, i, 2.0, scale, 0);
            for (int64_t at = 0; at < 4 * w; at++)
                ((float *)c.data[0])[at] = (float)(at % w + 1000 * (at / w));
            call_runs_alike(&c);
            for (int64_t at = 0; at < 8 * ow; at++) {
                const double h = ((double)(at / ow) + 0.5) / 2.0 - 0.5;
                const double v = ((double)(at % ow) + 0.5) / scale - 0.5;
                const double want =
                    fmin(fmax(v, 0.0), (double)(w - 1)) + 1000.0 * fmin(fmax(h, 0.0), 3.0);
                assert_true(fabs((double)((float *)c.data[1])[at] - want) < 2e-3);
            }
            call_free(&c);
        }
}

/* Every way of taking taps gives the same bits: dense rows, rows with steps between elements,
 * narrow floats, filters of two, four and more taps. */
static void filters_give_the_same_bits_whatever_the_layout(void **state) {
    (void)state;
    static const double scale[] = {2.0, 0.6, 0.2, 3.3};
    static const uint32_t turned[4] = {0, 1, 3, 2};
    const int64_t x[4] = {2, 2, 9, 37};
    for (int64_t mode = LINEAR; mode <= CUBIC; mode++)
        for (int64_t antialias = 0; antialias < 2; antialias++)
            for (size_t s = 0; s < sizeof scale / sizeof *scale; s++) {
                const int64_t y[4] = {2, 2, (int64_t)(9 * scale[s]), (int64_t)(37 * scale[s])};
                const int64_t i[5] = {mode, 0, 0, 0, antialias};
                const double f[14] = {-0.75, 0, 1, 0, 1, 1, 0, 1, scale[s], 0, 1, scale[s], 0, 1};
                call_case dense, strided;
                call_begin(&dense, DMS_K_RESIZE, 5);
                (void)call_in(&dense, DMS_DTYPE_F32, 4, x);
                (void)call_out(&dense, DMS_DTYPE_F32, 4, y);
                call_params(&dense, 5, i, 14, f);
                call_begin(&strided, DMS_K_RESIZE, 5);
                (void)call_in_strided(&strided, DMS_DTYPE_F32, 4, x, turned, 2, 0);
                (void)call_out_strided(&strided, DMS_DTYPE_F32, 4, y, turned, 1);
                call_params(&strided, 5, i, 14, f);
                for (int64_t at = 0; at < 2 * 2 * 9 * 37; at++) {
                    const dms_view *v = &strided.view[0];
                    ((float *)strided.data[0])[at / 666 * v->pitch[0] + at / 333 % 2 * v->pitch[1] +
                                               at / 37 % 9 * v->pitch[2] + at % 37 * v->pitch[3]] =
                        ((float *)dense.data[0])[at];
                }
                call_runs_alike(&dense);
                call_runs_alike(&strided);
                for (int64_t at = 0; at < dms_view_count(&dense.view[1]); at++) {
                    const int64_t plane = y[2] * y[3], of = at % plane;
                    const float a =
                        call_at(&dense, 1, at / plane / 2, at / plane % 2, of / y[3], of % y[3]);
                    const float b =
                        call_at(&strided, 1, at / plane / 2, at / plane % 2, of / y[3], of % y[3]);
                    assert_memory_equal(&a, &b, sizeof a);
                }
                call_free(&dense);
                call_free(&strided);
            }
}

/* One axis alone, and more rows than the table of rows holds. */
static void nearest_takes_any_number_of_rows(void **state) {
    (void)state;
    const int64_t i[5] = {NEAREST, 3, 2, 0, 0}, line[1] = {11}, twice[1] = {22};
    const double f[5] = {0, 0, 2, 0, 1};
    call_case c;
    call_begin(&c, DMS_K_RESIZE, 3);
    (void)call_in(&c, DMS_DTYPE_F32, 1, line);
    (void)call_out(&c, DMS_DTYPE_F32, 1, twice);
    call_params(&c, 5, i, 5, f);
    call_runs_alike(&c);
    for (int64_t j = 0; j < 22; j++)
        assert_true(((float *)c.data[1])[j] == ((float *)c.data[0])[j / 2]);
    call_free(&c);
    begin_resize(&c, DMS_DTYPE_F32, 4500, 3, 9000, 6, i, 2.0, 2.0, 0);
    call_runs_alike(&c);
    for (int64_t row = 0; row < 9000; row++)
        for (int64_t j = 0; j < 6; j++)
            assert_true(((float *)c.data[1])[row * 6 + j] == (float)(row / 2 * 3 + j / 2 + 1));
    call_free(&c);
}

static void wrong_resizes_are_refused(void **state) {
    (void)state;
    call_case c;
    const int64_t i[5] = {LINEAR, 0, 0, 0, 0};
    begin_resize(&c, DMS_DTYPE_F32, 2, 2, 4, 4, i, 2, 2, -0.75);
    call_is_valid(&c);
    c.f[2] = 0.0;
    call_is_refused(&c, "scale 0 of axis 0");
    c.f[2] = 2.0;
    c.i[0] = 3;
    call_is_refused(&c, "integer parameter 0 is 3");
    c.i[0] = LINEAR;
    c.view[0].dim[1] = 0;
    call_is_refused(&c, "axis 1 has nothing to take from");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_is_pooled),
        cmocka_unit_test(long_rows_are_pooled_in_whole_vectors),
        cmocka_unit_test(planes_of_one_output_are_pooled_together),
        cmocka_unit_test(an_average_divides_by_what_is_inside),
        cmocka_unit_test(nan_stays_in_its_windows),
        cmocka_unit_test(a_pool_is_split_by_what_it_reads),
        cmocka_unit_test(bytes_keep_their_sign),
        cmocka_unit_test(bytes_are_pooled_in_rows_and_columns),
        cmocka_unit_test(nan_is_the_greatest),
        cmocka_unit_test(maxima_are_the_same_with_and_without_indices),
        cmocka_unit_test(wrong_pools_are_refused),
        cmocka_unit_test(linear_examples_of_the_specification),
        cmocka_unit_test(cubic_examples_of_the_specification),
        cmocka_unit_test(nearest_examples_of_the_specification),
        cmocka_unit_test(a_crop_beyond_the_image_is_extrapolated),
        cmocka_unit_test(a_crop_of_truths_is_extrapolated),
        cmocka_unit_test(an_infinite_row_stays_in_its_own),
        cmocka_unit_test(bytes_are_moved_or_cut_off),
        cmocka_unit_test(large_resizes_split_into_equal_parts),
        cmocka_unit_test(channels_are_resized_alike_wherever_they_stand),
        cmocka_unit_test(nearest_rows_take_the_inputs_that_a_division_names),
        cmocka_unit_test(nearest_takes_any_number_of_rows),
        cmocka_unit_test(a_ramp_stays_a_ramp),
        cmocka_unit_test(filters_give_the_same_bits_whatever_the_layout),
        cmocka_unit_test(wrong_resizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
