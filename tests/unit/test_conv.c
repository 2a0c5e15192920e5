/* test_conv.c - convolutions: every output is the specified chain, in every way of running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

/* A convolution, or a transposed one, as a line of a table. */
typedef struct shape {
    int64_t batch, c, h, w, m, kh, kw, group, step_h, step_w, dil_h, dil_w, top, left, oh, ow;
} shape;

static void begin_typed(call_case *c, uint32_t kernel, const shape *s, bool has_bias, bool is_last,
                        dms_dtype dtype) {
    static const uint32_t channels_last[4] = {0, 2, 3, 1};
    const int64_t dx[4] = {s->batch, s->c, s->h, s->w}, dy[4] = {s->batch, s->m, s->oh, s->ow};
    const int64_t conv[4] = {s->m, s->c / s->group, s->kh, s->kw};
    const int64_t transpose[4] = {s->c, s->m / s->group, s->kh, s->kw};
    const int64_t i[7] = {s->group, s->step_h, s->step_w, s->dil_h, s->dil_w, s->top, s->left};
    call_begin(c, kernel, (uint32_t)(s->c * 31 + s->m * 7 + s->oh + s->kw));
    call_in_strided(c, dtype, 4, dx, is_last ? channels_last : NULL, 0, 0);
    call_in(c, dtype, 4, kernel == DMS_K_CONV ? conv : transpose);
    if (has_bias)
        call_in(c, dtype, 1, &s->m);
    call_out_strided(c, dtype, 4, dy, is_last ? channels_last : NULL, 0);
    call_params(c, 7, i, 0, NULL);
}

static void begin(call_case *c, uint32_t kernel, const shape *s, bool has_bias, bool is_last) {
    begin_typed(c, kernel, s, has_bias, is_last, DMS_DTYPE_F32);
}

/* The image, 0 beside it. */
static float pixel(const call_case *c, int64_t b, int64_t channel, int64_t row, int64_t column) {
    const dms_view *x = &c->view[0];
    const bool is_in = row >= 0 && row < x->dim[2] && column >= 0 && column < x->dim[3];
    return is_in ? call_at(c, 0, b, channel, row, column) : 0.0f;
}

static float conv_specified(const call_case *c, const shape *s, int64_t b, int64_t m, int64_t oy,
                            int64_t ox) {
    const int64_t cg = s->c / s->group, first = m / (s->m / s->group) * cg;
    float sum = c->call.n_in == 3 ? call_at(c, 2, m, 0, 0, 0) : 0.0f;
    for (int64_t k = 0; k < cg; k++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++)
                sum = fmaf(call_at(c, 1, m, k, ky, kx),
                           pixel(c, b, first + k, oy * s->step_h + ky * s->dil_h - s->top,
                                 ox * s->step_w + kx * s->dil_w - s->left),
                           sum);
    return sum;
}

static float transpose_specified(const call_case *c, const shape *s, int64_t b, int64_t m,
                                 int64_t oy, int64_t ox) {
    const int64_t cg = s->c / s->group, mg = s->m / s->group;
    float sum = c->call.n_in == 3 ? call_at(c, 2, m, 0, 0, 0) : 0.0f;
    for (int64_t k = 0; k < cg; k++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++) {
                const int64_t y = oy + s->top - ky * s->dil_h, x = ox + s->left - kx * s->dil_w;
                if (y % s->step_h == 0 && x % s->step_w == 0)
                    sum = fmaf(call_at(c, 1, m / mg * cg + k, m % mg, ky, kx),
                               pixel(c, b, m / mg * cg + k, y / s->step_h, x / s->step_w), sum);
            }
    return sum;
}

static void expect_specified(const call_case *c, const shape *s) {
    const bool is_conv = c->call.kernel == DMS_K_CONV;
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t m = 0; m < s->m; m++)
            for (int64_t y = 0; y < s->oh; y++)
                for (int64_t x = 0; x < s->ow; x++) {
                    const float want = is_conv ? conv_specified(c, s, b, m, y, x)
                                               : transpose_specified(c, s, b, m, y, x);
                    const float got = call_at(c, c->call.n_in, b, m, y, x);
                    if (memcmp(&want, &got, sizeof got) != 0)
                        fail_msg("y[%d,%d,%d,%d] is %a, wanted %a", (int)b, (int)m, (int)y, (int)x,
                                 got, want);
                }
}

/* batch c h w  m kh kw group  step dilation pad  oh ow */
static const shape convolutions[] = {
    {1, 3, 9, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 9, 8},       /* padded 3 x 3 */
    {2, 5, 7, 7, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, 7, 7},       /* a channel beyond a panel */
    {1, 4, 11, 13, 20, 1, 1, 1, 1, 1, 1, 1, 0, 0, 11, 13},   /* pointwise */
    {1, 3, 23, 21, 9, 7, 7, 1, 2, 2, 1, 1, 3, 3, 12, 11},    /* stem */
    {1, 50, 6, 6, 8, 3, 3, 1, 1, 1, 2, 2, 2, 2, 6, 6},       /* 450 terms: two blocks; dilated */
    {1, 2, 6, 6, 3, 3, 3, 1, 1, 1, 1, 1, 0, 0, 4, 4},        /* few channels: along the width */
    {2, 12, 10, 19, 12, 3, 3, 12, 1, 1, 1, 1, 1, 1, 10, 19}, /* depthwise */
    {1, 6, 15, 15, 12, 5, 3, 6, 2, 3, 1, 1, 2, 1, 8, 5},     /* depthwise, two per group, steps */
    {1, 8, 5, 5, 32, 3, 3, 2, 1, 1, 1, 1, 1, 1, 5, 5},       /* groups that fill panels */
    {1, 6, 5, 5, 18, 3, 3, 2, 1, 1, 1, 1, 1, 1, 5, 5},       /* groups that do not */
    {1, 2, 1, 40, 8, 1, 5, 1, 1, 2, 1, 3, 0, 4, 1, 18},      /* one dimension */
    {1, 1, 20, 20, 8, 2, 2, 1, 9, 9, 1, 9, 0, 0, 3, 2},    /* steps that skip most of the window */
    {1, 1, 22, 22, 10, 20, 20, 1, 1, 1, 1, 1, 1, 1, 5, 5}, /* 400 taps: blocks within a channel */
    {1, 2, 22, 22, 2, 20, 20, 1, 1, 1, 1, 1, 1, 1, 5, 5},  /* the same along the width */
    {1, 2, 3, 3, 8, 3, 3, 1, 1, 1, 1, 1, -1, -1, 1, 1},    /* cropped */
    {1, 2, 2, 2, 8, 3, 3, 1, 2, 2, 3, 3, 20, 20, 18, 18},  /* windows wholly in the padding */
    {1, 1, 4, 16, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 4, 16},    /* pointwise and depthwise at once */
    {1, 70, 9, 9, 24, 1, 1, 1, 1, 1, 1, 1, 0, 0, 9, 9},  /* pointwise: 80 pixels in place, 1 not */
    {1, 3, 30, 1, 20, 5, 1, 1, 2, 1, 1, 1, 2, 0, 15, 1}, /* one column: turned into a row */
    {1, 2, 25, 1, 5, 3, 3, 1, 1, 1, 2, 1, 2, 1, 25, 1},  /* the same with taps beside it */
    {1, 2, 20, 20, 9, 9, 9, 1, 9, 9, 1, 1, 3, 3, 3, 3},  /* 81 phases */
    {1, 3, 40, 30, 10, 4, 4, 1, 3, 2, 1, 1, 1, 1, 13, 15}, /* steps that differ */
    {1, 1, 7, 7, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 7, 7},      /* one channel, one tap: both forms */
    {1, 3, 1, 20, 16, 1, 5, 1, 1, 1, 1, 1, 7, 2, 1, 20},   /* every row in the padding above */
    {1, 3, 1, 20, 16, 1, 5, 1, 1, 1, 1, 1, -7, 2, 1, 20},  /* beneath */
    {1, 3, 2, 9, 4, 1, 3, 1, 1, 2, 1, 1, 5, 1, 3, 5},      /* the same in steps */
    {1, 3, 2, 9, 3, 1, 3, 3, 1, 1, 1, 1, 5, 1, 3, 9},      /* depthwise */
};

/* Depthwise, channels as lanes: blocks of 8 or 16 channels, images of every size beside them. */
static const shape lanes[] = {
    {2, 19, 9, 7, 19, 3, 3, 19, 2, 2, 1, 1, 1, 1, 5, 4},       /* step 2; three channels beyond */
    {1, 37, 4, 4, 37, 5, 5, 37, 1, 1, 1, 1, 2, 2, 4, 4},       /* taps reach beyond on all sides */
    {1, 16, 2, 3, 16, 3, 3, 16, 1, 1, 1, 1, 1, 1, 2, 3},       /* rows shorter than four */
    {1, 8, 6, 5, 8, 3, 3, 8, 1, 2, 1, 1, 1, 0, 6, 2},          /* half a block */
    {1, 24, 13, 11, 24, 5, 3, 24, 3, 2, 2, 3, 4, 1, 5, 5},     /* steps and dilations that differ */
    {1, 33, 1, 1, 33, 3, 3, 33, 1, 1, 1, 1, 1, 1, 1, 1},       /* one pixel, zeros around */
    {1, 20, 7, 7, 20, 7, 7, 20, 1, 1, 1, 1, 3, 3, 7, 7},       /* one tile of seven */
    {1, 16, 5, 19, 16, 1, 2, 16, 1, 1, 1, 1, 0, 0, 5, 18},     /* two taps; tiles of six */
    {1, 17, 8, 8, 17, 3, 3, 17, 1, 1, 1, 1, -2, -1, 3, 4},     /* cropped */
    {1, 18, 2, 2, 18, 3, 3, 18, 2, 2, 3, 3, 20, 20, 18, 18},   /* wholly in the padding */
    {1, 16, 3, 2100, 16, 3, 3, 16, 1, 2, 1, 1, 1, 1, 3, 1050}, /* parts along the row */
    {1, 16, 300, 9, 16, 3, 3, 16, 1, 1, 1, 1, 1, 1, 300, 9},   /* parts along the column */
    {1, 21, 30, 1, 21, 5, 1, 21, 2, 1, 1, 1, 2, 0, 15, 1},     /* one column: turned into a row */
    {1, 16, 25, 3, 16, 3, 3, 16, 1, 2, 2, 1, 2, 0, 25, 1},     /* the same beside an image */
    {1, 16, 40, 40, 16, 20, 20, 16, 1, 1, 1, 1, 1, 1, 5, 5},   /* 400 taps: too many */
    {1, 16, 9, 9, 16, 2, 2, 16, 1100, 1100, 1, 1, 0, 0, 1, 1}, /* a step wider than any image */
};

/* Transposed: the same columns. */
static const shape transposed[] = {
    {1, 3, 5, 5, 16, 3, 3, 1, 2, 2, 1, 1, 1, 1, 10, 10}, /* doubles the size */
    {2, 4, 4, 3, 17, 2, 2, 1, 2, 2, 1, 1, 0, 0, 8, 6},   /* one tap per phase */
    {1, 6, 4, 4, 6, 3, 3, 6, 1, 1, 1, 1, 0, 0, 6, 6},    /* depthwise */
    {1, 4, 4, 4, 18, 3, 2, 2, 3, 2, 2, 1, 1, 0, 13, 9},  /* groups, dilation */
    {1, 2, 3, 3, 8, 1, 1, 1, 3, 3, 1, 1, 0, 0, 8, 9},    /* phases without taps: the bias alone */
    {1, 50, 3, 3, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 3, 3},   /* two blocks of terms */
    {1, 1, 1, 7, 2, 1, 4, 1, 1, 5, 1, 1, 0, 2, 1, 31},   /* one dimension */
    {1, 1, 2, 2, 1, 2, 2, 1, 7, 7, 1, 1, 0, 0, 2, 2},    /* more steps than outputs */
};

static void run_table(uint32_t kernel, const shape *table, size_t n) {
    for (size_t k = 0; k < n; k++)
        for (int way = 0; way < 3; way++) { /* bias; no bias; channels last */
            call_case c;
            begin(&c, kernel, &table[k], way != 1, way == 2);
            call_runs_alike(&c);
            expect_specified(&c, &table[k]);
            call_free(&c);
        }
}

static void every_output_is_the_specified_chain(void **state) {
    (void)state;
    run_table(DMS_K_CONV, convolutions, sizeof convolutions / sizeof *convolutions);
}

static void every_output_by_lanes_is_the_specified_chain(void **state) {
    (void)state;
    run_table(DMS_K_CONV, lanes, sizeof lanes / sizeof *lanes);
}

/* 0 * infinity is no number: a tap in the padding takes part in its chain. */
static void an_infinite_weight_beside_the_image_gives_nan(void **state) {
    (void)state;
    const shape s = {1, 16, 3, 3, 16, 3, 3, 16, 1, 1, 1, 1, 1, 1, 3, 3};
    call_case c;
    begin(&c, DMS_K_CONV, &s, true, false);
    for (int64_t k = 0; k < 144; k++)
        ((float *)c.data[0])[k] = 1.0f;
    ((float *)c.data[1])[5 * 9] = INFINITY; /* top left tap of channel 5 */
    for (int isa = DMS_ISA_BASE; isa <= (int)dms_isa_detect(); isa++) {
        call_run(&c, (dms_isa)isa);
        assert_true(isnan(call_at(&c, 3, 0, 5, 0, 2)));
        assert_true(isnan(call_at(&c, 3, 0, 5, 2, 0)));
        assert_true(call_at(&c, 3, 0, 5, 1, 1) == INFINITY);
        assert_true(isfinite(call_at(&c, 3, 0, 4, 0, 0)) && isfinite(call_at(&c, 3, 0, 6, 0, 0)));
    }
    call_free(&c);
}

static uint64_t parts_of(const shape *s) {
    call_case c;
    begin(&c, DMS_K_CONV, s, true, false);
    call_is_valid(&c);
    const uint64_t parts = dms_cpu_kernel_find(DMS_K_CONV, dms_isa_detect())->parts(&c.call);
    call_free(&c);
    return parts;
}

/* 88 channels of 8 x 8 with 5 x 5 taps are 140,800 products; 16 channels of 2 x 2 are 576. */
static void small_depthwise_calls_have_work_for_two_threads(void **state) {
    (void)state;
    if (dms_isa_detect() == DMS_ISA_BASE)
        skip(); /* pixels are lanes there */
    assert_true(parts_of(&(shape){1, 88, 8, 8, 88, 5, 5, 88, 1, 1, 1, 1, 2, 2, 8, 8}) >= 2);
    assert_true(parts_of(&(shape){1, 16, 64, 64, 16, 3, 3, 16, 2, 2, 1, 1, 1, 1, 32, 32}) >= 2);
    /* 27 blocks of 16 channels: four parts of seven or six, not three of eleven and five */
    assert_int_equal(parts_of(&(shape){1, 432, 4, 4, 432, 5, 5, 432, 1, 1, 1, 1, 2, 2, 4, 4}), 4);
    assert_int_equal(parts_of(&(shape){1, 16, 2, 2, 16, 3, 3, 16, 1, 1, 1, 1, 1, 1, 2, 2}), 1);
}

static void every_transposed_output_is_the_specified_chain(void **state) {
    (void)state;
    run_table(DMS_K_CONV_TRANSPOSE, transposed, sizeof transposed / sizeof *transposed);
}

static void cuts_and_panels_give_the_same_bits(void **state) {
    (void)state;
    static const shape s[] = {
        {2, 7, 8, 8, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 8, 8},
        {1, 9, 30, 30, 133, 1, 1, 1, 1, 1, 1, 1, 0, 0, 30,
         30}, /* two blocks of channels, of pixels */
        {1, 60, 5, 5, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1, 5, 5},
        {2, 400, 1, 1, 150, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1}, /* one pixel: four panels at a time */
        {1, 20, 7, 7, 50, 3, 3, 1, 1, 1, 1, 1, 1, 1, 7, 7},   /* by points */
        {1, 90, 13, 14, 40, 3, 3, 1, 2, 2, 1, 1, 1, 1, 7, 7}, /* the same from planes */
        {1, 2, 20, 20, 300, 1, 1, 1, 1, 1, 1, 1, 0, 0, 20, 20}, /* more channels than one part */
    };
    for (size_t k = 0; k < sizeof s / sizeof *s; k++) {
        call_case c;
        begin(&c, DMS_K_CONV, &s[k], true, false);
        call_runs_alike(&c);
        expect_specified(&c, &s[k]);
        call_cuts_alike(&c, 16);
        call_cuts_alike(&c, 48);
        call_packs_alike(&c, 1);
        call_cuts_alike(&c, 32);
        call_free(&c);
    }
}

/* One tap by points reads the image where it is, if it is inside for every pixel: other rows of
 * this table have pixels beside the image. */
static void single_taps_of_packed_weights_give_the_same_bits(void **state) {
    (void)state;
    static const shape s[] = {
        {1, 40, 9, 11, 36, 1, 1, 1, 2, 2, 1, 1, 0, 0, 5, 6},   /* step 2 */
        {2, 30, 7, 7, 20, 1, 1, 1, 1, 1, 1, 1, 0, 0, 7, 7},    /* step 1, two batch entries */
        {1, 24, 10, 9, 17, 1, 1, 1, 3, 2, 1, 1, 0, 0, 4, 5},   /* steps that differ */
        {1, 400, 5, 5, 70, 1, 1, 1, 2, 2, 1, 1, 0, 0, 3, 3},   /* two blocks of terms */
        {1, 9, 90, 7, 33, 1, 1, 1, 2, 1, 1, 1, 0, 0, 45, 7},   /* parts of some rows */
        {1, 20, 4, 4, 18, 1, 1, 1, 2, 2, 1, 1, 0, 0, 3, 3},    /* the last row is beside */
        {1, 20, 4, 4, 18, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6, 6},    /* padded */
        {1, 20, 6, 6, 18, 1, 1, 1, 2, 2, 1, 1, -1, -1, 2, 2},  /* cropped */
        {1, 32, 6, 6, 64, 1, 1, 2, 2, 2, 1, 1, 0, 0, 3, 3},    /* groups of whole panels */
        {1, 21, 1, 1, 130, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},   /* one pixel */
        {1, 5, 64, 64, 40, 1, 1, 1, 2, 2, 1, 1, 0, 0, 32, 32}, /* more pixels than one part */
    };
    for (size_t k = 0; k < sizeof s / sizeof *s; k++)
        for (int is_last = 0; is_last < 2; is_last++) {
            call_case c;
            begin(&c, DMS_K_CONV, &s[k], true, is_last != 0);
            call_runs_alike(&c);
            expect_specified(&c, &s[k]);
            call_packs_alike(&c, 1);
            if (s[k].group == 1)
                call_cuts_alike(&c, 16);
            call_free(&c);
        }
}

static void groups_of_whole_panels_pack(void **state) {
    (void)state;
    const shape s = {1, 8, 6, 6, 64, 3, 3, 2, 1, 1, 1, 1, 1, 1, 6, 6};
    call_case c;
    begin(&c, DMS_K_CONV, &s, true, false);
    call_runs_alike(&c);
    call_packs_alike(&c, 1);
    call_free(&c);
}

/* 300 rows of 5 pixels and one row of 3000: parts end inside the image. */
static void large_images_are_split_into_parts(void **state) {
    (void)state;
    static const shape s[] = {
        {1, 2, 300, 5, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 300, 5},
        {1, 2, 2, 1500, 9, 1, 3, 1, 1, 1, 1, 1, 0, 1, 2, 1500},
        {1, 3, 300, 5, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 300, 5},
        {1, 1, 2, 3000, 1, 1, 3, 1, 1, 1, 1, 1, 0, 1, 2, 3000},
        {1, 40, 3, 3, 40, 3, 3, 40, 1, 1, 1, 1, 1, 1, 3, 3},
    };
    for (size_t k = 0; k < sizeof s / sizeof *s; k++) {
        call_case c;
        begin(&c, DMS_K_CONV, &s[k], true, false);
        call_runs_alike(&c);
        expect_specified(&c, &s[k]);
        call_free(&c);
    }
}

/* One cell of a cut convolution must occupy more than one thread. */
static void work_worth_sharing_has_parts_for_several_threads(void **state) {
    (void)state;
    static const shape s[] = {
        {1, 16, 28, 28, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 28, 28},
        {1, 48, 30, 30, 32, 1, 1, 1, 1, 1, 1, 1, 0, 0, 30, 30},
        {1, 32, 1, 900, 64, 1, 5, 1, 1, 1, 1, 1, 0, 2, 1, 900},
        {1, 32, 900, 1, 64, 5, 1, 1, 1, 1, 1, 1, 2, 0, 900, 1},
        {1, 24, 14, 14, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 14, 14},
        {1, 16, 57, 57, 64, 3, 3, 1, 2, 2, 1, 1, 1, 1, 29, 29},
    };
    for (size_t k = 0; k < sizeof s / sizeof *s; k++) {
        call_case c;
        begin(&c, DMS_K_CONV, &s[k], true, false);
        assert_true(dms_cpu_kernel_find(DMS_K_CONV, DMS_ISA_BASE)->parts(&c.call) >= 4);
        call_runs_alike(&c);
        expect_specified(&c, &s[k]);
        call_packs_alike(&c, 1);
        call_free(&c);
    }
}

/* Work of a few microseconds is left to one. */
static void little_work_is_one_part(void **state) {
    (void)state;
    const shape s = {1, 4, 14, 14, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 14, 14};
    call_case c;
    begin(&c, DMS_K_CONV, &s, true, false);
    assert_true(dms_cpu_kernel_find(DMS_K_CONV, DMS_ISA_BASE)->parts(&c.call) == 1);
    call_free(&c);
}

/* f16 and bf16 are summed in f32 and rounded once. */
static void narrow_convolutions_sum_in_f32(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof convolutions / sizeof *convolutions; k++)
        for (int is_brain = 0; is_brain < 2; is_brain++) {
            call_case c;
            begin_typed(&c, DMS_K_CONV, &convolutions[k], true, false,
                        is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16);
            call_rounds_once(&c);
            if (convolutions[k].m >= 8 && convolutions[k].group == 1)
                call_packs_alike(&c, 1);
            call_free(&c);
        }
    call_case c;
    begin_typed(&c, DMS_K_CONV_TRANSPOSE, &transposed[0], true, false, DMS_DTYPE_BF16);
    call_rounds_once(&c);
    call_free(&c);
}

static void wrong_calls_are_refused(void **state) {
    (void)state;
    call_case c;
    begin(&c, DMS_K_CONV, &convolutions[0], true, false);
    call_is_valid(&c);
    c.i[0] = 2;
    call_is_refused(&c, "kernel 'conv', operand 0");
    c.i[0] = 1;
    c.i[1] = 0;
    call_is_refused(&c, "integer parameter 1 is 0");
    c.i[1] = 1;
    c.view[2].dim[0] = 15;
    call_is_refused(&c, "operand 2");
    c.view[2].dim[0] = 16;
    c.view[3].dim[1] = 15;
    call_is_refused(&c, "operand 1");
    call_free(&c);
}

/* A kernel without width reaches back: parts of a negative gap, and of depthwise ones no sum at all,
 * which a changed plan made divide by zero and write what memory held. No model has one. */
static void kernels_without_taps_are_refused(void **state) {
    (void)state;
    static const shape none[] = {
        {1, 2, 3, 9, 8, 3, 0, 1, 1, 1, 1, 5, 0, 0, 3, 5},
        {1, 2, 9, 3, 8, 0, 3, 1, 1, 1, 5, 1, 0, 0, 5, 1},
        {1, 16, 9, 9, 16, 3, 0, 16, 1, 1, 1, 5, 0, 0, 9, 5}, /* depthwise */
    };
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        for (int way = 0; way < 2; way++) {
            call_case c;
            begin(&c, way == 0 ? DMS_K_CONV : DMS_K_CONV_TRANSPOSE, &none[k], true, false);
            call_is_refused(&c, "operand 1: no taps");
            call_free(&c);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_without_taps_are_refused),
        cmocka_unit_test(every_output_is_the_specified_chain),
        cmocka_unit_test(every_output_by_lanes_is_the_specified_chain),
        cmocka_unit_test(an_infinite_weight_beside_the_image_gives_nan),
        cmocka_unit_test(small_depthwise_calls_have_work_for_two_threads),
        cmocka_unit_test(every_transposed_output_is_the_specified_chain),
        cmocka_unit_test(cuts_and_panels_give_the_same_bits),
        cmocka_unit_test(single_taps_of_packed_weights_give_the_same_bits),
        cmocka_unit_test(groups_of_whole_panels_pack),
        cmocka_unit_test(large_images_are_split_into_parts),
        cmocka_unit_test(work_worth_sharing_has_parts_for_several_threads),
        cmocka_unit_test(little_work_is_one_part),
        cmocka_unit_test(narrow_convolutions_sum_in_f32),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
