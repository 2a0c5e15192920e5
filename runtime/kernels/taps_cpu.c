/* taps_cpu.c - see taps_internal.h.
 *
 * The chain of an output is long; it is walked in blocks of up to 384 terms (some channels with all
 * taps, or some taps of one channel), and the sums wait in scratch between blocks:
 *
 *      image block   copied with its padding, in one of two forms, whichever is smaller:
 *                    window   [channel][row][column]: a term is an offset, a pixel a base
 *                    columns  [term][pixel]: where steps or dilations leave most of a window unused
 *      weights       one panel of 16 output channels: [term][16]
 *      sums          [panel][pixel][16], turned around into y at the end
 *
 * Without panels the vectors run along the width: image rows are split by column modulo step, so
 * that neighbouring pixels are neighbours in memory for every tap. */
#include <stddef.h>
#include <string.h>

#include "runtime/kernels/strip.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/tile_internal.h"

enum {
    TERMS = DMS_TAPS_TERMS,
    PIXELS = DMS_TAPS_PIXELS,
    WIDE = DMS_TAPS_WIDE,
    PANEL = DMS_TILE_WIDTH,
    PANELS = DMS_TAPS_CHANNELS / DMS_TILE_WIDTH,
    SLACK = 16, /* vectors may read this far past the image and the sums */
    NARROW = 48,
};

#define along DMS_ISA(dms_tile_along)

/* Scratch of a part; the image block is the largest piece, so it bounds the pixels of a part. */
typedef struct taps_scratch {
    float image[TERMS * WIDE + SLACK];
    float sum[PANELS * PIXELS * PANEL + SLACK];
    float weight[TERMS * PANEL];
    int32_t offset[TERMS]; /* of each term */
    int32_t base[PIXELS];  /* of each pixel */
} taps_scratch;
_Static_assert(sizeof(taps_scratch) <= DMS_TAPS_SCRATCH_BYTES, "scratch of a part");

/* A block of terms: channels [c0, c0 + nc) with taps [t0, t0 + nt). Where it lies in scratch. */
typedef struct block {
    int64_t c0, nc, t0, nt;
    int64_t dy, dx;                  /* smallest of its taps */
    int64_t rows, columns;           /* of a window */
    int64_t phase, pitch_h, pitch_c; /* elements from one column phase, row, channel to the next */
    bool is_window;
} block;

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

/* n elements of the call's dtype as f32. */
static void load(const dms_taps *t, const char *from, int64_t pitch, int64_t n, float *out) {
    if (t->dtype != DMS_DTYPE_F32)
        DMS_ISA(dms_strip_load)(t->dtype, from, pitch, n, out);
    else if (pitch == 1)
        memcpy(out, from, (size_t)n * sizeof *out);
    else
        for (int64_t j = 0; j < n; j++)
            out[j] = ((const float *)from)[j * pitch];
}

/* out[j] = row[start + j * step], 0 where that lies outside the row. */
static void copy_span(const dms_taps *t, const char *row, int64_t start, int64_t step, int64_t n,
                      float *out) {
    const int64_t width = t->x.w, pitch = t->x.pitch_w;
    const int64_t low = start >= 0 ? 0 : min64(n, divide_up(-start, step));
    const int64_t past = start >= width ? 0 : min64(n, divide_up(width - start, step));
    const int64_t high = past > low ? past : low;
    for (int64_t j = 0; j < low; j++)
        out[j] = 0.0f;
    if (high > low)
        load(t, row + (start + low * step) * pitch * t->size, step * pitch, high - low, out + low);
    for (int64_t j = high; j < n; j++)
        out[j] = 0.0f;
}

/* One image row, or zeros where there is none. */
static void copy_row(const dms_taps *t, int64_t c, int64_t row, int64_t start, int64_t step,
                     int64_t n, float *out) {
    if (row < 0 || row >= t->x.h)
        memset(out, 0, (size_t)n * sizeof *out);
    else
        copy_span(t, t->x.at + (c * t->x.pitch_c + row * t->x.pitch_h) * t->size, start, step, n,
                  out);
}

/* Window, phases by column modulo `phases` (1 or step_w). */
static void copy_window(const dms_taps *t, const block *b, int64_t phases, taps_scratch *s) {
    const int64_t row0 = t->row0 * t->step_h + b->dy, column0 = t->column0 * t->step_w + b->dx;
    for (int64_t c = 0; c < b->nc; c++)
        for (int64_t r = 0; r < b->rows; r++)
            for (int64_t f = 0; f < phases; f++)
                copy_row(t, b->c0 + c, row0 + r, column0 + f, phases,
                         divide_up(b->columns - f, phases),
                         s->image + c * b->pitch_c + r * b->pitch_h + f * b->phase);
}

/* Columns: every term of every pixel by itself. */
static void copy_columns(const dms_taps *t, const block *b, taps_scratch *s) {
    for (int64_t c = 0; c < b->nc; c++)
        for (int64_t k = 0; k < b->nt; k++)
            for (int64_t r = 0; r < t->y.h; r++)
                copy_row(t, b->c0 + c, (t->row0 + r) * t->step_h + t->dy[b->t0 + k],
                         t->column0 * t->step_w + t->dx[b->t0 + k], t->step_w, t->y.w,
                         s->image + (c * b->nt + k) * b->pitch_c + r * b->pitch_h);
}

/* Chooses the form of a block, copies the image, fills the offsets of terms. `split`: the number of
 * column phases of a window. */
static void load_block(const dms_taps *t, block *b, int64_t split, taps_scratch *s) {
    int64_t high_y = b->dy = t->dy[b->t0], high_x = b->dx = t->dx[b->t0];
    for (int64_t k = b->t0 + 1; k < b->t0 + b->nt; k++) {
        b->dy = min64(b->dy, t->dy[k]);
        b->dx = min64(b->dx, t->dx[k]);
        high_y = -min64(-high_y, -t->dy[k]);
        high_x = -min64(-high_x, -t->dx[k]);
    }
    b->rows = (t->y.h - 1) * t->step_h + (high_y - b->dy) + 1;
    b->columns = (t->y.w - 1) * t->step_w + (high_x - b->dx) + 1;
    b->phase = divide_up(b->columns, split);
    int64_t window;
    b->is_window = !__builtin_mul_overflow(b->phase * split, b->rows, &window) &&
                   window <= b->nt * t->y.w * t->y.h;
    b->pitch_h = b->is_window ? b->phase * split : t->y.w;
    b->pitch_c = b->pitch_h * (b->is_window ? b->rows : t->y.h);
    if (b->is_window)
        copy_window(t, b, split, s);
    else
        copy_columns(t, b, s);
    for (int64_t c = 0; c < b->nc; c++)
        for (int64_t k = 0; k < b->nt; k++) {
            const int64_t dy = t->dy[b->t0 + k] - b->dy, dx = t->dx[b->t0 + k] - b->dx;
            const int64_t in_window = dy * b->pitch_h + dx % split * b->phase + dx / split;
            s->offset[c * b->nt + k] =
                (int32_t)(b->is_window ? c * b->pitch_c + in_window : (c * b->nt + k) * b->pitch_c);
        }
}

/* The next block after `b`; false when the chain is done. Starts from a zeroed block. */
static bool next_block(const dms_taps *t, block *b) {
    if (t->n == 0)
        return false;
    if (b->nc == 0) {
        b->nt = min64(t->n, TERMS);
        b->nc = min64(t->x.c, TERMS / b->nt);
        return t->x.c > 0;
    }
    b->t0 += b->nt;
    if (b->t0 == t->n) {
        b->t0 = 0;
        b->c0 += b->nc;
    }
    b->nt = min64(t->n - b->t0, TERMS);
    b->nc = min64(t->x.c - b->c0, b->nt < t->n ? 1 : TERMS / b->nt);
    return b->c0 < t->x.c;
}

/* Weights of one output channel for this block, `pitch` apart. */
static void load_channel(const dms_taps *t, const block *b, int64_t m, int64_t pitch, float *out) {
    for (int64_t c = 0; c < b->nc; c++) {
        const int64_t at = m * t->w_m + (b->c0 + c) * t->w_c;
        float *to = out + c * b->nt * pitch;
        const float *from = (const float *)(const void *)t->w + at;
        if (t->dtype == DMS_DTYPE_F32)
            for (int64_t k = 0; k < b->nt; k++)
                to[k * pitch] = from[t->w_at[b->t0 + k]];
        else
            for (int64_t k = 0; k < b->nt; k++)
                load(t, t->w + (at + t->w_at[b->t0 + k]) * t->size, 1, 1, to + k * pitch);
    }
}

/* The weights of a block from output channel `m` on become panels [term][16] of a tile: one, or two
 * where the stored ones can be read in place. */
static void load_weights(const dms_taps *t, const block *b, int64_t m, taps_scratch *s,
                         dms_tile *tile) {
    tile->panels = 1;
    tile->b = s->weight;
    if (t->is_panels) {
        const int64_t at = (m / PANEL * t->x.c * t->n + b->c0 * t->n + b->t0) * PANEL;
        if (t->dtype != DMS_DTYPE_F32) {
            load(t, t->w + at * t->size, 1, b->nc * b->nt * PANEL, s->weight);
            return;
        }
        tile->b = (const float *)(const void *)t->w + at;
        tile->pitch_b = t->x.c * t->n * PANEL;
        tile->panels = m + PANEL < t->y.c ? 2 : 1;
        return;
    }
    const int64_t wide = min64(t->y.c - m, PANEL);
    if (wide < PANEL)
        memset(s->weight, 0, sizeof s->weight);
    for (int64_t j = 0; j < wide; j++)
        load_channel(t, b, m + j, PANEL, s->weight + j);
}

static float bias_of(const dms_taps *t, int64_t m) {
    float bias = 0.0f;
    if (t->bias != NULL && m < t->y.c)
        load(t, t->bias + m * t->bias_pitch * t->size, 1, 1, &bias);
    return bias;
}

/* n sums, `pitch` apart, into one run of y. */
static void store_run(const dms_taps *t, const float *sum, int64_t pitch, int64_t n, char *y) {
    float strip[DMS_STRIP];
    for (int64_t p = 0; p < n; p += DMS_STRIP) {
        const int64_t count = min64(n - p, DMS_STRIP);
        for (int64_t j = 0; j < count; j++)
            strip[j] = sum[(p + j) * pitch];
        DMS_ISA(dms_strip_store)
        (t->dtype, strip, y + p * t->y.pitch_w * t->size, t->y.pitch_w, count);
    }
}

/* Sums [pixel][16] of one panel into y, a row of pixels at a time. */
static void store_panel(const dms_taps *t, int64_t m, const float *sum) {
    const int64_t wide = min64(t->y.c - m, PANEL);
    const bool is_one_run = t->y.pitch_h == t->y.w * t->y.pitch_w;
    const int64_t runs = is_one_run ? 1 : t->y.h, length = is_one_run ? t->y.h * t->y.w : t->y.w;
    for (int64_t r = 0; r < runs; r++, sum += length * PANEL) {
        char *y = t->y.at + (m * t->y.pitch_c + r * t->y.pitch_h) * t->size;
        if (t->y.pitch_w == 1 && t->dtype == DMS_DTYPE_F32)
            DMS_ISA(dms_tile_transpose)(length, wide, sum, PANEL, (float *)(void *)y, t->y.pitch_c);
        else
            for (int64_t j = 0; j < wide; j++)
                store_run(t, sum + j, PANEL, length, y + j * t->y.pitch_c * t->size);
    }
}

/* All pixels of one or two panels, in tiles of equal height as far as possible: a tile of one pixel
 * takes as long as one of four. */
static void run_panels(int64_t pixels, dms_tile t, const taps_scratch *s) {
    int64_t tiles = divide_up(pixels, DMS_TILE_ROWS);
    for (int64_t p = 0; p < pixels; tiles--) {
        t.rows = (int)divide_up(pixels - p, tiles);
        DMS_ISA(dms_tile_taps)(&t, s->base + p, s->offset);
        t.c += t.rows * PANEL;
        p += t.rows;
    }
}

static void run_with_panels(const dms_taps *t, taps_scratch *s) {
    const int64_t pixels = t->y.h * t->y.w;
    for (int64_t m = 0; m < t->y.c; m += PANEL) {
        float bias[PANEL];
        for (int64_t j = 0; j < PANEL; j++)
            bias[j] = bias_of(t, m + j);
        for (int64_t p = 0; p < pixels; p++)
            memcpy(s->sum + m * PIXELS + p * PANEL, bias, sizeof bias);
    }
    block b = {0};
    while (next_block(t, &b)) {
        load_block(t, &b, 1, s);
        for (int64_t p = 0; p < pixels; p++)
            s->base[p] = (int32_t)(p / t->y.w * b.pitch_h * (b.is_window ? t->step_h : 1) +
                                   p % t->y.w * (b.is_window ? t->step_w : 1));
        dms_tile tile = {.k = b.nc * b.nt,
                         .a = s->image,
                         .pitch_c = PANEL,
                         .step_c = PIXELS * PANEL,
                         .mode = DMS_TILE_CONTINUE};
        for (int64_t m = 0; m < t->y.c; m += tile.panels * PANEL) {
            tile.c = s->sum + m * PIXELS;
            load_weights(t, &b, m, s, &tile);
            run_panels(pixels, tile, s);
        }
    }
    for (int64_t m = 0; m < t->y.c; m += PANEL)
        store_panel(t, m, s->sum + m * PIXELS);
}

/* Rows of a window so close together that all make one run; the columns between them are wasted.
 * Row by row, an image 14 wide spends its time waiting for chains of two vectors. */
static bool is_narrow(const dms_taps *t, const block *b) {
    return b->is_window && t->step_h == 1 && t->step_w == 1 && t->y.w < NARROW &&
           b->pitch_h <= t->y.w + t->y.w / 2;
}

static void store_rows(const dms_taps *t, int64_t m, const float *sum, int64_t pitch) {
    for (int64_t r = 0; r < t->y.h; r++, sum += pitch) {
        char *y = t->y.at + (m * t->y.pitch_c + r * t->y.pitch_h) * t->size;
        float *to = (float *)(void *)y;
        if (t->dtype != DMS_DTYPE_F32 || t->y.pitch_w != 1)
            store_run(t, sum, 1, t->y.w, y);
        else
            for (int64_t p = 0; p < t->y.w; p++)
                to[p] = sum[p];
    }
}

/* One output channel of a block of terms: rows of pixels as vectors. The first block starts from
 * the bias; the last one writes y itself where y has rows without gaps. */
static void run_rows(const dms_taps *t, const block *b, int64_t m, bool is_first, bool is_last,
                     taps_scratch *s) {
    const int64_t terms = b->nc * b->nt;
    const bool is_direct = is_last && t->y.pitch_w == 1 && t->dtype == DMS_DTYPE_F32;
    float *y = (float *)(void *)t->y.at + m * t->y.pitch_c;
    float start[128];
    for (int j = 0; j < 128 && is_first; j++)
        start[j] = bias_of(t, m);
    load_channel(t, b, m, 1, s->weight);
    if (is_first && is_last && is_narrow(t, b)) {
        along((t->y.h - 1) * b->pitch_h + t->y.w, terms, s->image, s->offset, s->weight, start, 0,
              s->sum);
        store_rows(t, m, s->sum, b->pitch_h);
        return;
    }
    const float *x = s->image;
    for (int64_t r = 0; r < t->y.h; r++, x += b->pitch_h * (b->is_window ? t->step_h : 1)) {
        float *sum = s->sum + (m * t->y.h + r) * t->y.w;
        float *to = is_direct ? y + r * t->y.pitch_h : sum;
        along(t->y.w, terms, x, s->offset, s->weight, is_first ? start : sum, is_first ? 0 : 1, to);
    }
    if (is_last && !is_direct)
        store_rows(t, m, s->sum + m * t->y.h * t->y.w, t->y.w);
}

/* Few output channels: vectors along the width. Without any terms y is the bias. */
static void run_along_width(const dms_taps *t, taps_scratch *s) {
    block b = {0};
    bool more = next_block(t, &b);
    if (!more) {
        for (int64_t m = 0; m < t->y.c; m++)
            run_rows(t, &b, m, true, true, s);
        return;
    }
    for (bool is_first = true; more; is_first = false) {
        block now = b;
        more = next_block(t, &b);
        load_block(t, &now, t->step_w, s);
        for (int64_t m = 0; m < t->y.c; m++)
            run_rows(t, &now, m, is_first, !more, s);
    }
}

void DMS_ISA(dms_taps_run)(const dms_taps *t, void *scratch) {
    if (t->is_wide)
        run_along_width(t, scratch);
    else
        run_with_panels(t, scratch);
}
