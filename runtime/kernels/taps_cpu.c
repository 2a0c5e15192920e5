/* taps_cpu.c - see taps_internal.h.
 *
 * The chain of an output is long; it is walked in blocks of up to 384 terms (some channels with all
 * taps, or some taps of one channel), and the sums wait in scratch between blocks:
 *
 *      by runs     sums [channel][position], the layout of y but for the gaps between rows:
 *                  weights are spread, neighbouring pixels are a vector
 *      by points   sums [panel][pixel][16], turned around into y at the end: pixels are spread,
 *                  16 output channels are a vector; no position is wasted on a gap */
#include <stddef.h>
#include <string.h>

#include "runtime/kernels/run_internal.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/tile_internal.h"
#include "schema/integers.h"

enum { TERMS = DMS_TAPS_TERMS, POINTS = DMS_TAPS_POINTS, PANEL = DMS_TAPS_PANEL };
_Static_assert((int)PANEL == (int)DMS_TILE_WIDTH, "a panel is as wide as a tile");
_Static_assert((int)DMS_TAPS_SUMS >= (int)POINTS * (int)DMS_TAPS_CHANNELS, "sums by points fit");

typedef dms_taps_scratch scratch;

static void load(const dms_taps *t, const char *from, int64_t pitch, int64_t n, float *out) {
    DMS_ISA(dms_taps_load)(t, from, pitch, n, out);
}

/* Weights of one output channel for this block, `pitch` apart. */
static void load_channel(const dms_taps *t, const dms_window *b, int64_t m, int64_t pitch,
                         float *out) {
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

/* Weights of the block for the panel that begins at channel `m`, as [term][16]: where they lie, or
 * in scratch. */
static const float *panel_of(const dms_taps *t, const dms_window *b, int64_t m, scratch *s) {
    if (t->is_panels) {
        const int64_t at = (m / PANEL * t->x.c * t->n + b->c0 * t->n + b->t0) * PANEL;
        if (t->dtype == DMS_DTYPE_F32)
            return (const float *)(const void *)t->w + at;
        load(t, t->w + at * t->size, 1, b->nc * b->nt * PANEL, s->weight);
        return s->weight;
    }
    const int64_t wide = dms_least(t->y.c - m, PANEL);
    for (int64_t k = 0; k < b->nc * b->nt * PANEL && wide < PANEL && t->is_points; k++)
        s->weight[k] = 0.0f;
    for (int64_t j = 0; j < wide; j++)
        load_channel(t, b, m + j, PANEL, s->weight + j);
    return s->weight;
}

/* Bias of the 16 channels from `m` on, 0 behind the last one. */
static void load_bias(const dms_taps *t, int64_t m, float *out) {
    memset(out, 0, PANEL * sizeof *out);
    if (t->bias != NULL)
        load(t, t->bias + m * t->bias_pitch * t->size, t->bias_pitch, dms_least(t->y.c - m, PANEL),
             out);
}

/* Asks for slice `slice` of `n` of what two panels need next: far away in memory, so the processor
 * does not foresee it. */
static void prefetch_slice(const dms_tile *t, int64_t slice, int64_t n) {
    const int64_t first = t->k * slice / n, end = t->k * (slice + 1) / n;
    for (int panel = 0; panel < t->panels; panel++)
        for (int64_t k = first; k < end; k++)
            __builtin_prefetch(t->b + (t->panels + panel) * t->pitch_b + k * PANEL, 0, 2);
}

/* All pixels of one or two panels, in tiles of equal height as far as possible: a tile of one pixel
 * takes as long as one of four. */
static void tile_points(int64_t pixels, bool is_last, dms_tile t, const scratch *s) {
    const int64_t all = dms_divide_up(pixels, DMS_TILE_ROWS);
    int64_t tiles = all;
    for (int64_t p = 0; p < pixels; tiles--) {
        if (!is_last)
            prefetch_slice(&t, all - tiles, all);
        t.rows = (int)dms_divide_up(pixels - p, tiles);
        DMS_ISA(dms_tile_taps)(&t, s->base + p, s->offset);
        t.c += t.rows * PANEL;
        p += t.rows;
    }
}

/* Sums [panel][pixel][16] become [channel][pixel], as many panels at a time as fit, and then y. */
static void store_points(const dms_taps *t, int64_t pixels, scratch *s) {
    const int64_t together = DMS_TAPS_IMAGE / (pixels * PANEL) * PANEL;
    for (int64_t m = 0; m < t->y.c; m += together) {
        const int64_t n = dms_least(t->y.c - m, together);
        for (int64_t r = 0; r < n; r += PANEL)
            DMS_ISA(dms_tile_transpose)
        (pixels, dms_least(n - r, PANEL), s->sum + (m + r) * pixels, PANEL, s->image + r * pixels,
         pixels);
        DMS_ISA(dms_taps_store)(t, m, n, (dms_taps_sums){s->image, pixels, t->y.w}, s);
    }
}

static void run_points(const dms_taps *t, scratch *s) {
    const int64_t pixels = t->y.h * t->y.w;
    for (int64_t m = 0; m < t->y.c; m += PANEL) {
        float bias[PANEL];
        load_bias(t, m, bias);
        for (int64_t p = 0; p < pixels; p++)
            memcpy(s->sum + m * pixels + p * PANEL, bias, sizeof bias);
    }
    dms_window *b = &s->window;
    const int64_t down = t->is_in_place ? t->step_h * t->x.pitch_h : b->pitch_h;
    const int64_t across = t->is_in_place ? t->step_w * t->x.pitch_w : 1;
    for (int64_t p = 0; p < pixels; p++)
        s->base[p] = (int32_t)(p / t->y.w * down + p % t->y.w * across);
    const bool is_pair = t->is_panels && t->dtype == DMS_DTYPE_F32;
    while (DMS_ISA(dms_window_next)(t, b, s->offset)) {
        const float *const image = DMS_ISA(dms_window_load)(t, b, s->image);
        dms_tile tile = {.k = b->nc * b->nt,
                         .a = image,
                         .pitch_b = t->x.c * t->n * PANEL,
                         .pitch_c = PANEL,
                         .step_c = pixels * PANEL,
                         .mode = DMS_TILE_CONTINUE};
        int64_t m = 0;
        if (is_pair && pixels == 1 && t->n == 1 &&
            b->pitch_c == 1) { /* terms side by side: a product of one row */
            for (; m + 4 * PANEL <= t->y.c; m += 4 * PANEL)
                DMS_ISA(dms_tile_row)
            (tile.k, image, panel_of(t, b, m, s), tile.pitch_b, s->sum + m, DMS_TILE_CONTINUE);
        }
        for (; m < t->y.c; m += tile.panels * PANEL) {
            tile.panels = is_pair && m + PANEL < t->y.c ? 2 : 1;
            tile.b = panel_of(t, b, m, s);
            tile.c = s->sum + m * pixels;
            const bool is_last = !is_pair || m + 2 * tile.panels * PANEL > t->y.c;
            tile_points(pixels, is_last, tile, s);
        }
    }
    store_points(t, pixels, s);
}

/* The run of one group: sums of channel m begin at m * pitch. */
typedef struct run_part {
    const float *image;
    int64_t positions, pitch;
    bool is_first, is_last; /* block of terms */
} run_part;

/* Where y itself takes the sums: rows of y without gaps, like those of the run. */
static bool is_direct(const dms_taps *t, const dms_window *b) {
    return t->chain == NULL && t->dtype == DMS_DTYPE_F32 && t->y.pitch_w == 1 &&
           (t->y.h == 1 || (b->pitch_h == t->y.w && t->y.pitch_h == t->y.w));
}

/* Some channels from `m` on, of one panel, through one block of terms. In the last block whole
 * vectors go to y directly; what is left passes through scratch, for y ends there. */
static void run_channels(const dms_taps *t, const run_part *p, dms_run run, int64_t m, scratch *s) {
    const bool goes_to_y = p->is_last && is_direct(t, &s->window);
    run.from = run.to = s->sum + m * p->pitch;
    run.pitch_from = run.pitch_to = p->pitch;
    const int64_t whole = goes_to_y ? p->positions / DMS_V * DMS_V : 0;
    float *y = (float *)(void *)t->y.at + m * t->y.pitch_c;
    if (whole > 0) {
        run.n = whole;
        run.to = y;
        run.pitch_to = t->y.pitch_c;
        DMS_ISA(dms_run_sums)(&run);
        run.to = s->sum + m * p->pitch + whole;
        run.pitch_to = p->pitch;
        run.from += whole;
        run.x += whole;
    }
    run.n = p->positions - whole;
    if (run.n > 0)
        DMS_ISA(dms_run_sums)(&run);
    for (int r = 0; r < run.rows && goes_to_y; r++)
        dms_copy_exact(y + r * t->y.pitch_c + whole, run.to + r * p->pitch, run.n);
}

/* All channels through one block of terms, in tiles of equal height as far as possible. */
static void run_block(const dms_taps *t, const run_part *p, scratch *s) {
    const dms_window *b = &s->window;
    dms_run run = {.k = b->nc * b->nt, .x = p->image, .offset = s->offset, .w_step = PANEL};
    for (int64_t m = 0; m < t->y.c; m += PANEL) {
        float bias[PANEL];
        if (p->is_first)
            load_bias(t, m, bias);
        const int64_t wide = dms_least(t->y.c - m, PANEL);
        run.w = panel_of(t, b, m, s);
        int64_t tiles = dms_divide_up(wide, DMS_TILE_ROWS);
        for (int64_t r = 0; r < wide; r += run.rows, tiles--) {
            run.rows = (int)dms_divide_up(wide - r, tiles);
            run.bias = p->is_first ? bias + r : NULL;
            run_channels(t, p, run, m + r, s);
            run.w += run.rows;
        }
    }
}

/* One group by runs. Without any term y is the bias, and of the image nothing is read. */
static void run_runs(const dms_taps *t, scratch *s) {
    dms_window *b = &s->window;
    bool more = DMS_ISA(dms_window_next)(t, b, s->offset);
    if (!more)
        b->pitch_h = t->y.w;
    run_part p = {.image = s->image,
                  .positions = dms_taps_positions(t->y.h, t->y.w, b->pitch_h - t->y.w),
                  .is_first = true,
                  .is_last = !more};
    p.pitch = dms_divide_up(p.positions, PANEL) * PANEL;
    if (!more)
        run_block(t, &p, s);
    while (more) {
        p.image = DMS_ISA(dms_window_load)(t, b, s->image);
        p.is_last = b->c0 + b->nc == t->x.c && b->t0 + b->nt == t->n;
        run_block(t, &p, s);
        p.is_first = false;
        more = DMS_ISA(dms_window_next)(t, b, s->offset);
    }
    if (!is_direct(t, b))
        DMS_ISA(dms_taps_store)(t, 0, t->y.c, (dms_taps_sums){s->sum, p.pitch, b->pitch_h}, s);
}

/* Columns [first, end) of a part. */
static dms_taps columns_of(const dms_taps *t, int64_t first, int64_t end) {
    dms_taps part = *t;
    part.y.w = end - first;
    part.y.at += first * t->y.pitch_w * t->size;
    part.first += first;
    part.column0 += first;
    return part;
}

void DMS_ISA(dms_taps_run)(const dms_taps *taps, void *scratch_of_thread) {
    scratch *s = scratch_of_thread;
    dms_taps t = *taps;
    if (t.is_lanes) {
        DMS_ISA(dms_lanes_run)(&t, s);
        return;
    }
    const int64_t in_place = t.is_in_place ? 0 : DMS_ISA(dms_window_in_place)(&t);
    if (in_place > 0) {
        dms_taps part = columns_of(&t, 0, in_place);
        part.is_in_place = true;
        DMS_ISA(dms_taps_run)(&part, s);
        if (in_place == t.y.w)
            return;
        t = columns_of(&t, in_place, t.y.w);
    }
    if (t.is_points)
        t.is_in_place = DMS_ISA(dms_window_is_whole)(&t);
    DMS_ISA(dms_window_plan)(&t, &s->window);
    if (t.is_depthwise && !s->window.is_columns && t.n <= TERMS) {
        DMS_ISA(dms_depthwise_run)(&t, s);
        return;
    }
    for (int64_t g = 0; g < t.groups; g++) {
        if (t.is_points)
            run_points(&t, s);
        else
            run_runs(&t, s);
        t.x.at += t.x.c * t.x.pitch_c * t.size;
        t.y.at += t.y.c * t.y.pitch_c * t.size;
        t.first += t.y.c * t.plane;
        t.channel += t.y.c;
        t.w += (t.is_panels ? t.y.c / PANEL : t.y.c) * t.w_m * t.size;
        if (t.bias != NULL)
            t.bias += t.y.c * t.bias_pitch * t.size;
    }
}
