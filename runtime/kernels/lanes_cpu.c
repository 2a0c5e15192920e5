/* lanes_cpu.c - depthwise convolutions with neighbouring channels as the lanes of a vector.
 *
 *      image    [row][column][channel]: columns of one phase (modulo the step) side by side, so
 *               that neighbouring outputs read neighbouring places whatever the step; zeros around
 *      sums     [pixel][channel], turned around into [channel][pixel] for the store
 *
 * Zeros are written once per part: the next channels fill the same places inside. */
#include <string.h>

#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/turn_internal.h"

#if DMS_LANES_EXIST

enum { V = DMS_V, TILE = 8, QUAD = DMS_QUAD, ODD = 16 }; /* ODD keeps rows from lying 4 KiB apart */
_Static_assert(DMS_LANES_BLOCK % V == 0, "whole vectors");

/* A part's image, and what all blocks of channels share. */
typedef struct lanes {
    int64_t rows, phase, pitch; /* rows; columns of a phase, of all phases */
    int64_t above, below;       /* rows that exist */
    int64_t low, high;          /* columns that exist, and where the first of each lies */
    int64_t from;
    int64_t taps, width; /* of the outputs */
    int64_t step;        /* elements from one row of outputs to the next in the image */
    const float *w;
    float bias[DMS_LANES_BLOCK];
    int32_t slot[DMS_LANES_COLUMNS];  /* where each column of the window lies */
    int32_t offset[DMS_TAPS_TERMS];   /* of each tap */
    int32_t in_order[DMS_TAPS_TERMS]; /* slots of weights */
} lanes;

/* ---- turning around -------------------------------------------------------------------------- */

/* Whole vectors of V channels: each line of memory is met once, which matters where channels lie
 * a multiple of 4 KiB apart, so that the nearest cache cannot hold a line of each. */
#ifdef __AVX512F__
DMS_FN int64_t turn_vectors(const float *from, int64_t pitch, int64_t n, const int32_t *slot,
                            float *to) {
    int64_t k = 0;
    for (; k + V <= n; k += V) {
        dms_vec v[V];
        DMS_UNROLL
        for (int c = 0; c < V; c++)
            v[c] = DMS_VLOAD(from + c * pitch + k);
        DMS_UNROLL
        for (int c = 0; c < V; c += QUAD)
            dms_turn_quarters(v + c);
        DMS_UNROLL
        for (int i = 0; i < QUAD; i++) { /* the same quarter of four vectors is four elements on */
            const dms_vec a = _mm512_shuffle_f32x4(v[i], v[4 + i], 0x44);
            const dms_vec b = _mm512_shuffle_f32x4(v[8 + i], v[12 + i], 0x44);
            const dms_vec c = _mm512_shuffle_f32x4(v[i], v[4 + i], 0xee);
            const dms_vec d = _mm512_shuffle_f32x4(v[8 + i], v[12 + i], 0xee);
            DMS_VSTORE(to + slot[k + i] * V, _mm512_shuffle_f32x4(a, b, 0x88));
            DMS_VSTORE(to + slot[k + 4 + i] * V, _mm512_shuffle_f32x4(a, b, 0xdd));
            DMS_VSTORE(to + slot[k + 8 + i] * V, _mm512_shuffle_f32x4(c, d, 0x88));
            DMS_VSTORE(to + slot[k + 12 + i] * V, _mm512_shuffle_f32x4(c, d, 0xdd));
        }
    }
    return k;
}
#else
DMS_FN int64_t turn_vectors(const float *from, int64_t pitch, int64_t n, const int32_t *slot,
                            float *to) {
    (void)from, (void)pitch, (void)n, (void)slot, (void)to;
    return 0; /* eight lines fit */
}
#endif

/* Elements [0, n) of V channels; element k of all of them becomes a vector at to + slot[k] V. The
 * last four may meet some elements twice. */
static void turn_in(const float *from, int64_t pitch, int64_t n, const int32_t *slot, float *to) {
    if (n < QUAD) {
        for (int64_t k = 0; k < n; k++)
            for (int c = 0; c < V; c++)
                to[slot[k] * V + c] = from[c * pitch + k];
        return;
    }
    for (int64_t k = turn_vectors(from, pitch, n, slot, to); k < n; k += QUAD) {
        const int64_t at = k + QUAD <= n ? k : n - QUAD;
        dms_vec v[QUAD];
        dms_turn_in(from + at, pitch, v);
        DMS_UNROLL
        for (int i = 0; i < QUAD; i++)
            DMS_VSTORE(to + slot[at + i] * V, v[i]);
    }
}

/* n vectors of V channels, n a multiple of four, become rows of channels. */
static void turn_out(const float *from, int64_t n, float *to, int64_t pitch) {
    for (int64_t k = 0; k < n; k += QUAD) {
        dms_vec v[QUAD] = {DMS_VLOAD(from + k * V), DMS_VLOAD(from + (k + 1) * V),
                           DMS_VLOAD(from + (k + 2) * V), DMS_VLOAD(from + (k + 3) * V)};
        dms_turn_out(to + k, pitch, v);
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* R rows of C outputs, side by side: R C chains in registers. */
#define SUMS(R, C)                                                                                 \
    static DMS_NOINLINE void sums_##R##_##C(const lanes *l, const float *image, float *to) {       \
        dms_vec sum[R][C];                                                                         \
        const dms_vec bias = DMS_VLOAD(l->bias);                                                   \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (R); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int c = 0; c < (C); c++)                                                              \
            sum[r][c] = bias;                                                                      \
        for (int64_t k = 0; k < l->taps; k++) {                                                    \
            const dms_vec w = DMS_VLOAD(l->w + k * V);                                             \
            const float *const at = image + l->offset[k];                                          \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (R); r++)                                                          \
                DMS_UNROLL                                                                         \
            for (int c = 0; c < (C); c++)                                                          \
                sum[r][c] = DMS_VFMA(DMS_VLOAD(at + r * l->step + c * V), w, sum[r][c]);           \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (R); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int c = 0; c < (C); c++)                                                              \
            DMS_VSTORE(to + (r * l->width + c) * V, sum[r][c]);                                    \
    }
SUMS(1, 1)
SUMS(1, 2)
SUMS(1, 3)
SUMS(1, 4)
SUMS(1, 5)
SUMS(1, 6)
SUMS(1, 7)
SUMS(1, 8)
SUMS(2, 1)
SUMS(2, 2)
SUMS(2, 3)
SUMS(2, 4)
SUMS(4, 1)
SUMS(4, 2)

typedef void sums_fn(const lanes *l, const float *image, float *to);
/* [columns - 1][log2 of rows] */
static sums_fn *const sums[TILE][3] = {
    {sums_1_1, sums_2_1, sums_4_1}, {sums_1_2, sums_2_2, sums_4_2}, {sums_1_3, sums_2_3, NULL},
    {sums_1_4, sums_2_4, NULL},     {sums_1_5, NULL, NULL},         {sums_1_6, NULL, NULL},
    {sums_1_7, NULL, NULL},         {sums_1_8, NULL, NULL}};

/* All outputs of a block of channels, in tiles of equal width as far as possible. */
static void sum_pixels(const lanes *l, int64_t rows, const float *image, float *to) {
    int64_t tiles = (l->width + TILE - 1) / TILE;
    for (int64_t column = 0; column < l->width; tiles--) {
        const int64_t wide = (l->width - column + tiles - 1) / tiles;
        int64_t r = 0;
        for (int high = 2; high >= 0; high--)
            for (; sums[wide - 1][high] != NULL && rows - r >= 1 << high; r += 1 << high)
                sums[wide - 1][high](l, image + r * l->step + column * V,
                                     to + (r * l->width + column) * V);
        column += wide;
    }
}

/* ---- the image ------------------------------------------------------------------------------- */

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

/* Sizes, slots and offsets. Taps come in rows, so the first is the smallest, the last the
 * largest. */
static void plan(const dms_taps *t, lanes *l) {
    const int64_t dy = t->dy[0], dx = t->dx[0], last = t->n - 1;
    const int64_t row = t->row0 * t->step_h + dy, column = t->column0 * t->step_w + dx;
    const int64_t columns = (t->y.w - 1) * t->step_w + t->dx[last] - dx + 1;
    l->rows = (t->y.h - 1) * t->step_h + t->dy[last] - dy + 1;
    l->phase = (columns + t->step_w - 1) / t->step_w;
    l->pitch = l->phase * t->step_w;
    l->step = l->pitch * t->step_h * V;
    l->above = clamp(-row, 0, l->rows);
    l->below = clamp(t->x.h - row, l->above, l->rows);
    l->low = clamp(-column, 0, columns);
    l->high = clamp(t->x.w - column, l->low, columns);
    l->from = (row + l->above) * t->x.pitch_h + column + l->low;
    l->taps = t->n;
    l->width = t->y.w;
    for (int64_t k = 0, phase = 0, at = 0; k < l->pitch; k++) {
        l->slot[k] = (int32_t)(phase * l->phase + at);
        phase = phase + 1 < t->step_w ? phase + 1 : 0;
        at += phase == 0;
    }
    for (int64_t k = 0; k < t->n; k++) {
        l->offset[k] = (int32_t)(((t->dy[k] - dy) * l->pitch + l->slot[t->dx[k] - dx]) * V);
        l->in_order[k] = (int32_t)k;
    }
}

/* Zeros where no element of the image comes to lie. */
static void clear_border(const lanes *l, float *image) {
    const int64_t row = l->pitch * V;
    memset(image, 0, (size_t)(l->above * row) * sizeof *image);
    memset(image + l->below * row, 0, (size_t)((l->rows - l->below) * row) * sizeof *image);
    for (int64_t r = l->above; r < l->below; r++)
        for (int64_t k = 0; k < l->pitch; k++)
            if (k < l->low || k >= l->high)
                DMS_VSTORE(image + r * row + l->slot[k] * V, DMS_VZERO());
}

/* Image, weights and bias of channels [m, m + V). */
static void load_block(const dms_taps *t, lanes *l, int64_t m, dms_taps_scratch *s) {
    const float *x = (const float *)(const void *)t->x.at + m * t->x.pitch_c + l->from;
    const float *const w = (const float *)(const void *)t->w;
    const float *const bias = (const float *)(const void *)t->bias;
    for (int64_t r = l->above; r < l->below; r++, x += t->x.pitch_h)
        turn_in(x, t->x.pitch_c, l->high - l->low, l->slot + l->low, s->image + r * l->pitch * V);
    turn_in(w + m * t->w_m, t->w_m, t->n, l->in_order, s->weight);
    for (int64_t c = 0; c < V; c++)
        l->bias[c] = bias == NULL ? 0.0f : bias[(m + c) * t->bias_pitch];
}

/* A last block that is not full begins earlier: nothing is stored twice. */
void DMS_ISA(dms_lanes_run)(const dms_taps *t, void *scratch) {
    dms_taps_scratch *s = scratch;
    lanes l;
    plan(t, &l);
    clear_border(&l, s->image);
    l.w = s->weight;
    const int64_t pixels = t->y.h * t->y.w;
    const int64_t pitch = (pixels + DMS_TAPS_PANEL - 1) / DMS_TAPS_PANEL * DMS_TAPS_PANEL + ODD;
    float *const turned = s->sum + pitch * V;
    for (int64_t m = 0; m < t->groups; m += V) {
        const int64_t first = t->groups - m < V ? t->groups - V : m;
        load_block(t, &l, first, s);
        sum_pixels(&l, t->y.h, s->image, s->sum);
        turn_out(s->sum, (pixels + QUAD - 1) / QUAD * QUAD, turned, pitch);
        DMS_ISA(dms_taps_store)
        (t, m, first + V - m, (dms_taps_sums){turned + (m - first) * pitch, pitch, t->y.w}, s);
    }
}

#else

void DMS_ISA(dms_lanes_run)(const dms_taps *t, void *scratch) {
    (void)t; /* never: no part is by lanes on this set */
    (void)scratch;
}

#endif
