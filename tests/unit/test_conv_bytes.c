/* test_conv_bytes.c - sums of products of bytes: every output is the integer that plain loops in 64
 * bits count, in every way of running; what follows the sum is one product and one rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/conv_bytes_internal.h"
#include "support_call.h"

/* A convolution as a line of a table; c and m count per group. */
typedef struct shape {
    int64_t groups, batch, c, h, w, m, kh, kw, step_h, step_w, dil_h, dil_w, top, left, oh, ow;
} shape;

/* What y holds. */
typedef enum kind { SUM, REAL, U8, I8 } kind;

/* How operands lie and count. */
typedef struct form {
    dms_dtype x, w;
    kind y;
    bool is_last;  /* channels of x and y lie side by side */
    bool is_plain; /* all zeros are 0 (128 in u8) */
    int64_t low, high;
} form;

static const uint32_t channels_last[5] = {0, 1, 3, 4, 2};

/* Any byte at all; `call_in` gives those below 16. */
static void fill_bytes(call_case *c, uint32_t k) {
    uint8_t *at = c->data[k];
    for (int64_t n = dms_view_end(&c->view[k]); n-- > 0;)
        at[n] = (uint8_t)call_pick(c, 0, 255);
}

static void fill_zeros(call_case *c, uint32_t k, bool is_plain) {
    const uint8_t middle = c->view[k].dtype == DMS_DTYPE_I8 ? 0 : 128;
    fill_bytes(c, k);
    if (is_plain)
        memset(c->data[k], middle, (size_t)dms_view_end(&c->view[k]));
}

/* `repeat_x`, `repeat_w`: axes of pitch 0. */
static void begin_repeated(call_case *c, const shape *s, const form *f, uint32_t repeat_x,
                           uint32_t repeat_w) {
    const int64_t x[5] = {s->groups, s->batch, s->c, s->h, s->w};
    const int64_t w[5] = {s->groups, s->m, s->c, s->kh, s->kw};
    const int64_t y[5] = {s->groups, s->batch, s->m, s->oh, s->ow}, each[2] = {s->groups, s->m};
    static const dms_dtype results[] = {DMS_DTYPE_I32, DMS_DTYPE_F32, DMS_DTYPE_U8, DMS_DTYPE_I8};
    const int64_t i[DMS_BYTES_N_I] = {0,        s->kh,  s->kw,   s->step_h, s->step_w, s->dil_h,
                                      s->dil_w, s->top, s->left, f->low,    f->high};
    const uint32_t *order = f->is_last ? channels_last : NULL;
    call_begin(c, DMS_K_CONV_BYTES, (uint32_t)(s->c * 31 + s->m * 7 + s->oh + s->kw));
    fill_bytes(c, call_in_strided(c, f->x, 5, x, order, 0, repeat_x));
    fill_bytes(c, call_in_strided(c, f->w, 5, w, NULL, 0, repeat_w));
    fill_zeros(c, call_in(c, f->x, 1, x), f->is_plain);
    fill_zeros(c, call_in(c, f->w, 2, each), f->is_plain);
    if (f->y != SUM) {
        const uint32_t bias = call_in(c, DMS_DTYPE_I32, 2, each);
        const uint32_t scale = call_in(c, DMS_DTYPE_F32, 2, each);
        for (int64_t k = 0; k < s->groups * s->m; k++) {
            ((int32_t *)c->data[bias])[k] = (int32_t)call_pick(c, -20000, 20000);
            ((float *)c->data[scale])[k] = (float)call_pick(c, 1, 60) * 0x1p-14f;
        }
    }
    if (f->y == U8 || f->y == I8)
        fill_bytes(c, call_in(c, results[f->y], 1, x));
    (void)call_out_strided(c, results[f->y], 5, y, order, 0);
    call_params(c, DMS_BYTES_N_I, i, 0, NULL);
}

static void begin(call_case *c, const shape *s, const form *f) {
    begin_repeated(c, s, f, 0, 0);
}

/* Byte at five indices of an operand, as the number it is. */
static int64_t byte_at(const call_case *c, uint32_t k, const int64_t *index) {
    const dms_view *v = &c->view[k];
    int64_t at = 0;
    for (uint32_t axis = 0; axis < v->rank; axis++)
        at += index[axis] * v->pitch[axis];
    const uint8_t byte = ((const uint8_t *)c->data[k])[at];
    return v->dtype == DMS_DTYPE_I8 ? (int8_t)byte : byte;
}

/* The sum of the specification, in 64 bits; w is operand 1 unless it was packed since: `w`. */
static int64_t sum_specified(const call_case *c, const shape *s, const int64_t *y) {
    const int64_t zero_x = byte_at(c, 2, y), zero_w = byte_at(c, 3, (const int64_t[]){y[0], y[2]});
    int64_t sum = 0;
    for (int64_t k = 0; k < s->c; k++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++) {
                const int64_t row = y[3] * s->step_h + ky * s->dil_h - s->top;
                const int64_t column = y[4] * s->step_w + kx * s->dil_w - s->left;
                const bool is_in = row >= 0 && row < s->h && column >= 0 && column < s->w;
                const int64_t at_x[5] = {y[0], y[1], k, row, column};
                const int64_t at_w[5] = {y[0], y[2], k, ky, kx};
                if (is_in)
                    sum += (byte_at(c, 0, at_x) - zero_x) * (byte_at(c, 1, at_w) - zero_w);
            }
    return sum;
}

static void expect_at(const call_case *c, const form *f, int64_t sum, const int64_t *y) {
    const dms_view *v = &c->view[c->call.n_in];
    const int64_t at = y[0] * v->pitch[0] + y[1] * v->pitch[1] + y[2] * v->pitch[2] +
                       y[3] * v->pitch[3] + y[4] * v->pitch[4];
    const void *data = c->data[c->call.n_in];
    if (f->y == SUM) {
        assert_int_equal(((const int32_t *)data)[at], (int32_t)(uint32_t)(uint64_t)sum);
        return;
    }
    const int64_t each = y[0] * c->view[4].dim[1] + y[2];
    const float biased = (float)(sum + ((const int32_t *)c->data[4])[each]);
    const float real = biased * ((const float *)c->data[5])[each];
    if (f->y == REAL) {
        assert_memory_equal((const float *)data + at, &real, sizeof real);
        return;
    }
    double byte = rint((double)real) + (double)byte_at(c, 6, y);
    byte = fmax((double)f->low, fmin((double)f->high, byte));
    assert_int_equal(byte_at(c, c->call.n_in, y), (int64_t)byte);
}

static void expect_specified(const call_case *c, const shape *s, const form *f) {
    int64_t y[5];
    for (y[0] = 0; y[0] < s->groups; y[0]++)
        for (y[1] = 0; y[1] < s->batch; y[1]++)
            for (y[2] = 0; y[2] < s->m; y[2]++)
                for (y[3] = 0; y[3] < s->oh; y[3]++)
                    for (y[4] = 0; y[4] < s->ow; y[4]++)
                        expect_at(c, f, sum_specified(c, s, y), y);
}

/* groups batch  c h w  m kh kw  step  dilation  pad  oh ow */
static const shape shapes[] = {
    {1, 1, 3, 9, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 9, 8},       /* padded 3 x 3 of three channels */
    {1, 2, 5, 7, 7, 17, 3, 3, 1, 1, 1, 1, 1, 1, 7, 7},       /* a channel beyond two panels */
    {1, 1, 4, 11, 13, 20, 1, 1, 1, 1, 1, 1, 0, 0, 11, 13},   /* one tap; half a panel beyond */
    {1, 1, 70, 9, 9, 24, 1, 1, 1, 1, 1, 1, 0, 0, 9, 9},      /* 70 terms: two beyond fours */
    {1, 1, 3, 23, 21, 10, 7, 7, 2, 2, 1, 1, 3, 3, 12, 11},   /* stem, two channels beyond a panel */
    {12, 2, 1, 10, 19, 1, 3, 3, 1, 1, 1, 1, 1, 1, 10, 19},   /* depthwise */
    {9, 1, 1, 15, 15, 1, 5, 5, 2, 2, 1, 1, 2, 2, 8, 8},      /* depthwise, step 2 */
    {6, 1, 1, 15, 15, 2, 5, 3, 2, 3, 1, 1, 2, 1, 8, 5},      /* two per group, steps that differ */
    {2, 1, 6, 6, 6, 9, 3, 3, 1, 1, 2, 2, 2, 2, 6, 6},        /* groups, dilated */
    {1, 1, 2, 1, 40, 8, 1, 5, 1, 2, 1, 3, 0, 4, 1, 18},      /* one dimension */
    {1, 1, 1, 20, 20, 3, 2, 2, 9, 9, 1, 9, 0, 0, 3, 2},      /* steps that skip most phases */
    {1, 1, 2, 3, 3, 8, 3, 3, 1, 1, 1, 1, -1, -1, 1, 1},      /* cropped */
    {1, 1, 2, 2, 2, 8, 3, 3, 2, 2, 3, 3, 20, 20, 18, 18},    /* windows wholly beside the image */
    {1, 1, 2, 5, 5, 4, 2, 2, 17, 1, 1, 1, 9, 0, 1, 4},       /* a step too long for planes */
    {1, 1, 3, 4, 4, 9, 2, 2, 1, 1, 40000, 2, 7, 1, 2, 3},    /* a window too large for planes */
    {1, 1, 3, 30, 1, 20, 5, 1, 2, 1, 1, 1, 2, 0, 15, 1},     /* one column */
    {1, 1, 600, 3, 3, 9, 3, 3, 1, 1, 1, 1, 1, 1, 3, 3},      /* 5,400 terms: two blocks */
    {1, 1, 5000, 1, 7, 8, 1, 1, 1, 1, 1, 1, 0, 0, 1, 7},     /* the same of one tap */
    {1, 1, 6, 60, 70, 5, 3, 3, 1, 1, 1, 1, 1, 1, 60, 70},    /* several tiles */
    {1, 1, 2, 3, 2100, 3, 3, 3, 1, 1, 1, 1, 1, 1, 3, 2100},  /* parts of a row */
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},        /* a single product */
    {3, 1, 8, 1, 5, 8, 1, 1, 1, 1, 1, 1, 0, 0, 1, 5},        /* products of matrices in a batch */
    {2, 1, 2, 40, 9, 3, 9, 2, 2, 1, 1, 3, 4, 1, 20, 8},      /* rows of a tall window are quads */
    {5, 1, 1, 12, 9, 1, 4, 3, 3, 2, 2, 1, 3, 2, 4, 6},       /* the same in steps, dilated */
    {1, 1, 1500, 3, 200, 1, 3, 3, 1, 1, 1, 1, 0, 1, 1, 200}, /* two blocks of planes */
    {1, 1, 40, 3, 3, 1, 20, 20, 1, 1, 300, 300, 9, 9, 2, 2}, /* 16,000 terms, one by one */
    {1, 1, 64, 1, 1, 300, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},     /* one pixel */
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static void run_all(const form *f) {
    for (size_t k = 0; k < N_SHAPES; k++) {
        call_case c;
        begin(&c, &shapes[k], f);
        call_runs_alike(&c);
        expect_specified(&c, &shapes[k], f);
        call_free(&c);
    }
}

static void sums_of_unsigned_and_signed_bytes_are_exact(void **state) {
    (void)state;
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, false, true, 0, 0});
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, false, false, 0, 0});
}

static void sums_of_every_pair_of_types_are_exact(void **state) {
    (void)state;
    run_all(&(form){DMS_DTYPE_I8, DMS_DTYPE_I8, SUM, false, false, 0, 0});
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_U8, SUM, false, false, 0, 0});
    run_all(&(form){DMS_DTYPE_I8, DMS_DTYPE_U8, SUM, false, true, 0, 0});
}

static void channels_that_lie_side_by_side_give_the_same(void **state) {
    (void)state;
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, true, false, 0, 0});
    run_all(&(form){DMS_DTYPE_I8, DMS_DTYPE_U8, U8, true, false, 0, 255});
}

static void results_are_the_sum_times_the_scale_rounded_once(void **state) {
    (void)state;
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, REAL, false, true, 0, 0});
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, U8, false, true, 0, 255});
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, I8, false, false, -128, 127});
}

/* A Relu or a Clip between the product and its quantisation: bounds of the type's own numbers. */
static void bounds_of_their_own_hold_results(void **state) {
    (void)state;
    run_all(&(form){DMS_DTYPE_U8, DMS_DTYPE_I8, U8, false, true, 100, 103});
    run_all(&(form){DMS_DTYPE_I8, DMS_DTYPE_I8, I8, false, true, -5, -5});
}

/* 256 pixels, 256 output channels, one channel: each byte of x meets each byte of w, at zeros of
 * either end and between. */
static void every_pair_of_bytes_multiplies_exactly(void **state) {
    (void)state;
    const shape s = {1, 1, 1, 1, 256, 256, 1, 1, 1, 1, 1, 1, 0, 0, 1, 256};
    static const dms_dtype types[2] = {DMS_DTYPE_U8, DMS_DTYPE_I8};
    static const uint8_t zeros[4] = {0, 127, 128, 255};
    for (int k = 0; k < 16; k++) {
        const form f = {types[k & 1], types[k >> 1 & 1], SUM, false, false, 0, 0};
        call_case c;
        begin(&c, &s, &f);
        for (int b = 0; b < 256; b++) {
            ((uint8_t *)c.data[0])[b] = ((uint8_t *)c.data[1])[b] = (uint8_t)b;
            ((uint8_t *)c.data[3])[b] = zeros[k >> 2];
        }
        ((uint8_t *)c.data[2])[0] = zeros[3 - (k >> 2)];
        call_runs_alike(&c);
        expect_specified(&c, &s, &f);
        call_free(&c);
    }
}

/* Small shapes at random: steps, dilations, pads and crops of every kind, all forms of y. */
static void shapes_at_random_are_exact(void **state) {
    (void)state;
    static const dms_dtype types[2] = {DMS_DTYPE_U8, DMS_DTYPE_I8};
    call_case dice;
    call_begin(&dice, DMS_K_CONV_BYTES, 77);
    for (int round = 0; round < 400; round++) {
        shape s = {.groups = call_pick(&dice, 1, 3), .batch = call_pick(&dice, 1, 2)};
        s.c = call_pick(&dice, 1, 9);
        s.h = call_pick(&dice, 1, 9);
        s.w = call_pick(&dice, 1, 40);
        s.m = call_pick(&dice, 1, 19);
        s.kh = call_pick(&dice, 1, 5);
        s.kw = call_pick(&dice, 1, 4);
        s.step_h = call_pick(&dice, 1, 3);
        s.step_w = call_pick(&dice, 1, 3);
        s.dil_h = call_pick(&dice, 1, 3);
        s.dil_w = call_pick(&dice, 1, 3);
        s.top = call_pick(&dice, -2, 4);
        s.left = call_pick(&dice, -2, 4);
        s.oh = call_pick(&dice, 1, 7);
        s.ow = call_pick(&dice, 1, 35);
        const kind y = (kind)call_pick(&dice, SUM, I8);
        const form f = {.x = types[call_pick(&dice, 0, 1)],
                        .w = types[call_pick(&dice, 0, 1)],
                        .y = y,
                        .is_last = call_pick(&dice, 0, 2) == 0,
                        .is_plain = call_pick(&dice, 0, 1) == 0,
                        .low = y == I8 ? -128 : 0,
                        .high = y == I8   ? 127
                                : y == U8 ? 255
                                          : 0};
        call_case c;
        begin(&c, &s, &f);
        call_runs_alike(&c);
        expect_specified(&c, &s, &f);
        call_free(&c);
    }
    call_free(&dice);
}

/* Batches, signals and single columns as a product of matrices has them, with repeated operands:
 * one matrix for all groups, one row of x for all pixels. */
static void operands_may_repeat(void **state) {
    (void)state;
    const shape s = {4, 1, 12, 1, 5, 9, 1, 1, 1, 1, 1, 1, 0, 0, 1, 5};
    static const uint32_t repeats[3][2] = {{1, 0}, {0, 1}, {1u << 4, 1}};
    for (int k = 0; k < 3; k++)
        for (int is_last = 0; is_last < 2; is_last++) {
            const form f = {DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, is_last != 0, false, 0, 0};
            call_case c;
            begin_repeated(&c, &s, &f, repeats[k][0], repeats[k][1]);
            call_runs_alike(&c);
            expect_specified(&c, &s, &f);
            call_free(&c);
        }
}

/* y = x w, one pixel each; x as bytes, w = 1. */
static void begin_scaled(call_case *c, dms_dtype y, const int8_t *x, int64_t n, float scale,
                         int zero) {
    const shape s = {1, 1, 1, 1, n, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, n};
    const bool is_signed = y == DMS_DTYPE_I8;
    begin(c, &s,
          &(form){DMS_DTYPE_I8, DMS_DTYPE_I8, is_signed ? I8 : U8, false, true,
                  is_signed ? -128 : 0, is_signed ? 127 : 255});
    memcpy(c->data[0], x, (size_t)n);
    *(int8_t *)c->data[1] = 1;
    *(int32_t *)c->data[4] = 0;
    *(float *)c->data[5] = scale;
    *(uint8_t *)c->data[6] = (uint8_t)zero;
}

static void expect_bytes(call_case *c, const int *want, int64_t n) {
    call_runs_alike(c);
    for (int64_t k = 0; k < n; k++)
        assert_int_equal(byte_at(c, 7, (const int64_t[]){0, 0, 0, 0, k}), want[k]);
    call_free(c);
}

/* Halves: -2.5 -1.5 -0.5 0.5 1.5 2.5. */
static void ties_go_to_even(void **state) {
    (void)state;
    static const int8_t x[] = {-5, -3, -1, 1, 3, 5};
    call_case c;
    begin_scaled(&c, DMS_DTYPE_I8, x, 6, 0.5f, 0);
    expect_bytes(&c, (const int[]){-2, -2, 0, 0, 2, 2}, 6);
    begin_scaled(&c, DMS_DTYPE_I8, x, 6, 0.5f, 3); /* the zero comes after the rounding */
    expect_bytes(&c, (const int[]){1, 1, 3, 3, 5, 5}, 6);
}

static void results_beyond_their_type_stop_at_its_ends(void **state) {
    (void)state;
    static const int8_t x[] = {-128, -2, 0, 1, 127};
    call_case c;
    begin_scaled(&c, DMS_DTYPE_U8, x, 5, 1e30f, 7);
    expect_bytes(&c, (const int[]){0, 0, 7, 255, 255}, 5);
    begin_scaled(&c, DMS_DTYPE_I8, x, 5, INFINITY, -3);
    expect_bytes(&c, (const int[]){-128, -128, -128, 127, 127}, 5); /* 0 * infinity: the lowest */
    begin_scaled(&c, DMS_DTYPE_I8, x, 5, 1.0f, 100);
    expect_bytes(&c, (const int[]){-28, 98, 100, 101, 127}, 5);
}

/* 40,000 products of 255 x 255 are 2,601,000,000: 4,294,967,296 more than -1,693,967,296. */
static void sums_wrap_in_32_bits(void **state) {
    (void)state;
    const shape s = {1, 1, 40000, 1, 3, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1, 3};
    call_case c;
    begin(&c, &s, &(form){DMS_DTYPE_U8, DMS_DTYPE_U8, SUM, false, true, 0, 0});
    memset(c.data[0], 255, 120000);
    memset(c.data[1], 255, 80000);
    memset(c.data[2], 0, 1);
    memset(c.data[3], 0, 2);
    call_runs_alike(&c);
    for (int k = 0; k < 6; k++)
        assert_int_equal(((const int32_t *)c.data[4])[k], -1693967296);
    call_free(&c);
}

static void cuts_and_panels_give_the_same_bits(void **state) {
    (void)state;
    static const shape s[] = {
        {1, 1, 8, 9, 9, 40, 3, 3, 1, 1, 1, 1, 1, 1, 9, 9},
        {1, 2, 24, 11, 11, 48, 1, 1, 1, 1, 1, 1, 0, 0, 11, 11},
        {1, 1, 600, 3, 3, 16, 3, 3, 1, 1, 1, 1, 1, 1, 3, 3}, /* two blocks of terms */
        {1, 1, 4, 8, 8, 24, 1, 1, 2, 2, 1, 1, 0, 0, 4, 4},
    };
    static const dms_dtype types[] = {DMS_DTYPE_I8, DMS_DTYPE_U8};
    for (size_t k = 0; k < sizeof s / sizeof *s; k++)
        for (int t = 0; t < 2; t++) {
            const form f = {DMS_DTYPE_U8, types[t], U8, k == 1, t == 1, 0, 255};
            call_case c;
            begin(&c, &s[k], &f);
            call_runs_alike(&c);
            expect_specified(&c, &s[k], &f);
            call_cuts_alike(&c, 8);
            call_cuts_alike(&c, 24);
            call_packs_alike(&c, DMS_BYTES_W);
            call_cuts_alike(&c, 16);
            call_free(&c);
        }
}

/* Groups of whole panels are packed, but not cut: a cell would need some of x alone. */
static void panels_of_groups_give_the_same_bits(void **state) {
    (void)state;
    const shape s = {3, 1, 4, 6, 6, 16, 3, 3, 1, 1, 1, 1, 1, 1, 6, 6};
    const form f = {DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, false, false, 0, 0};
    dms_cut cut;
    call_case c;
    begin(&c, &s, &f);
    call_runs_alike(&c);
    call_packs_alike(&c, DMS_BYTES_W);
    assert_false(dms_call_cut(&c.call, &cut));
    call_free(&c);
}

static void weights_without_whole_panels_stay_plain(void **state) {
    (void)state;
    static const shape s[] = {
        {1, 1, 8, 4, 4, 12, 1, 1, 1, 1, 1, 1, 0, 0, 4, 4}, /* half a panel beyond */
        {1, 1, 3, 4, 4, 16, 3, 3, 1, 1, 1, 1, 1, 1, 4, 4}, /* 27 terms */
    };
    for (size_t k = 0; k < sizeof s / sizeof *s; k++) {
        call_case c;
        dms_packing packing;
        begin(&c, &s[k], &(form){DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, false, true, 0, 0});
        call_is_valid(&c);
        assert_false(dms_call_pack(&c.call, DMS_BYTES_W, DMS_DEVICE_CPU, &packing));
        assert_false(dms_call_pack(&c.call, DMS_BYTES_X, DMS_DEVICE_CPU, &packing));
        call_free(&c);
    }
}

/* A call of everything, one field of it broken. */
typedef struct broken {
    int operand, axis; /* the dim that is one more; -1: parameter `axis` becomes `value` */
    int64_t value;
    const char *text;
} broken;

static void calls_that_could_reach_outside_are_refused(void **state) {
    (void)state;
    static const broken table[] = {
        {0, 0, 0, "operand 0"},        {0, 1, 0, "operand 0"},
        {0, 2, 0, "operand 1"},        {1, 0, 0, "operand 1"},
        {1, 1, 0, "operand 1"},        {1, 3, 0, "operand 1"},
        {1, 4, 0, "operand 1"},        {2, 0, 0, "operand 2"},
        {3, 1, 0, "operand 3"},        {4, 1, 0, "operand 4"},
        {5, 0, 0, "operand 5"},        {6, 0, 0, "operand 6"},
        {-1, 0, 2, "parameter 0"},     {-1, 0, 1, "rank 5, wants 7"},
        {-1, 1, 0, "parameter 1"},     {-1, 3, 0, "parameter 3"},
        {-1, 6, 0, "parameter 6"},     {-1, 8, INT64_MIN, "parameter 8"},
        {-1, 9, -1, "parameter 9"},    {-1, 9, 251, "parameter 10"},
        {-1, 10, 256, "parameter 10"},
    };
    const shape s = {2, 1, 4, 5, 5, 6, 2, 3, 1, 1, 1, 1, 0, 0, 4, 3};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        const broken *b = &table[k];
        call_case c;
        begin(&c, &s, &(form){DMS_DTYPE_U8, DMS_DTYPE_I8, U8, false, true, 0, 250});
        call_is_valid(&c);
        if (b->operand >= 0)
            c.view[b->operand].dim[b->axis]++;
        else
            c.i[b->axis] = b->value;
        call_is_refused(&c, b->text);
        call_free(&c);
    }
}

static void types_that_do_not_fit_are_refused(void **state) {
    (void)state;
    const shape s = {1, 1, 4, 5, 5, 6, 2, 3, 1, 1, 1, 1, 0, 0, 4, 3};
    static const dms_dtype wrong[8] = {DMS_DTYPE_I16, DMS_DTYPE_F32, DMS_DTYPE_I8, DMS_DTYPE_U8,
                                       DMS_DTYPE_U32, DMS_DTYPE_I32, DMS_DTYPE_I8, DMS_DTYPE_I32};
    for (uint32_t k = 0; k < 8; k++) {
        call_case c;
        begin(&c, &s, &(form){DMS_DTYPE_U8, DMS_DTYPE_I8, U8, false, true, 0, 255});
        c.view[k].dtype = wrong[k];
        call_is_refused(&c, "dtype");
        call_free(&c);
    }
}

/* Nothing to add up: every sum is 0, and y is what follows it. */
static void a_sum_of_no_terms_is_zero(void **state) {
    (void)state;
    const shape s = {1, 1, 0, 4, 4, 9, 1, 1, 1, 1, 1, 1, 0, 0, 4, 4};
    const form f = {DMS_DTYPE_U8, DMS_DTYPE_I8, U8, false, true, 0, 255};
    call_case c;
    begin(&c, &s, &f);
    call_runs_alike(&c);
    expect_specified(&c, &s, &f);
    call_free(&c);
}

static uint64_t parts_of(const shape *s) {
    call_case c;
    begin(&c, s, &(form){DMS_DTYPE_U8, DMS_DTYPE_I8, SUM, false, true, 0, 0});
    call_is_valid(&c);
    const uint64_t parts = dms_cpu_kernel_find(DMS_K_CONV_BYTES, dms_isa_detect())->parts(&c.call);
    call_free(&c);
    return parts;
}

/* 24 x 24 x 44 x 44 are 1,115,136 products; 96 channels of 11 x 11 with 9 taps 104,544. */
static void calls_of_a_million_products_have_work_for_two_threads(void **state) {
    (void)state;
    assert_true(parts_of(&(shape){1, 1, 24, 44, 44, 24, 1, 1, 1, 1, 1, 1, 0, 0, 44, 44}) >= 2);
    assert_true(parts_of(&(shape){1, 1, 512, 1, 1, 4096, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1}) >= 2);
    assert_true(parts_of(&(shape){96, 1, 1, 40, 40, 1, 3, 3, 1, 1, 1, 1, 1, 1, 40, 40}) >= 2);
    assert_int_equal(parts_of(&(shape){96, 1, 1, 11, 11, 1, 3, 3, 1, 1, 1, 1, 1, 1, 11, 11}), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_unsigned_and_signed_bytes_are_exact),
        cmocka_unit_test(sums_of_every_pair_of_types_are_exact),
        cmocka_unit_test(channels_that_lie_side_by_side_give_the_same),
        cmocka_unit_test(results_are_the_sum_times_the_scale_rounded_once),
        cmocka_unit_test(bounds_of_their_own_hold_results),
        cmocka_unit_test(every_pair_of_bytes_multiplies_exactly),
        cmocka_unit_test(shapes_at_random_are_exact),
        cmocka_unit_test(operands_may_repeat),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(results_beyond_their_type_stop_at_its_ends),
        cmocka_unit_test(sums_wrap_in_32_bits),
        cmocka_unit_test(cuts_and_panels_give_the_same_bits),
        cmocka_unit_test(panels_of_groups_give_the_same_bits),
        cmocka_unit_test(weights_without_whole_panels_stay_plain),
        cmocka_unit_test(calls_that_could_reach_outside_are_refused),
        cmocka_unit_test(types_that_do_not_fit_are_refused),
        cmocka_unit_test(a_sum_of_no_terms_is_zero),
        cmocka_unit_test(calls_of_a_million_products_have_work_for_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
