/* window_cpu.c - the copied image of a convolution's part: planes in which every step is 1. */
#include <string.h>

#include "runtime/kernels/strip.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/tile_internal.h"
#include "runtime/kernels/vector_internal.h"

/* Above this many output channels each copied element is used often enough to pay for the copy,
 * whose rows lie side by side in the cache. */
enum { IN_PLACE_CHANNELS = 128 };

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

/* Toward minus infinity. */
static int64_t divide_down(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

void DMS_ISA(dms_taps_load)(const dms_taps *t, const char *from, int64_t pitch, int64_t n,
                            float *out) {
    const float *x = (const float *)(const void *)from;
    if (t->dtype != DMS_DTYPE_F32)
        DMS_ISA(dms_strip_load)(t->dtype, from, pitch, n, out);
    else if (pitch == 1)
        memcpy(out, from, (size_t)n * sizeof *out);
    else
        for (int64_t j = 0; j < n; j++)
            out[j] = x[j * pitch];
}

/* Where the columns of a plane lie in the image: zeros, then elements, then zeros. */
typedef struct span {
    int64_t low, high; /* elements are [low, high) of [0, columns) */
    int64_t first;     /* image column of element `low` */
} span;

static span span_of(const dms_taps *t, int64_t column, int64_t columns) {
    const int64_t low = column >= 0 ? 0 : min64(columns, divide_up(-column, t->step_w));
    const int64_t past =
        column >= t->x.w ? 0 : min64(columns, divide_up(t->x.w - column, t->step_w));
    return (span){low, max64(low, past), column + low * t->step_w};
}

/* Image row and column of element (0, 0) of a plane. */
static int64_t row_of(const dms_taps *t, const dms_window *b, int64_t plane) {
    return b->is_columns ? t->row0 * t->step_h + t->dy[b->t0 + plane]
                         : (t->row0 + b->dy) * t->step_h + b->phase_y[plane];
}

static int64_t column_of(const dms_taps *t, const dms_window *b, int64_t plane) {
    return b->is_columns ? t->column0 * t->step_w + t->dx[b->t0 + plane]
                         : (t->column0 + b->dx) * t->step_w + b->phase_x[plane];
}

/* The plane of a pair of phases; made when it is new. -1: there are too many. */
static int64_t plane_of(dms_window *b, int64_t y, int64_t x) {
    for (int64_t k = 0; k < b->n_planes; k++)
        if (b->phase_y[k] == y && b->phase_x[k] == x)
            return k;
    if (b->n_planes == DMS_TAPS_PLANES)
        return -1;
    b->phase_y[b->n_planes] = y;
    b->phase_x[b->n_planes] = x;
    return b->n_planes++;
}

/* Sizes of a window; false where it is none: too many phases, too large, too long a run. */
static bool plan_window(const dms_taps *t, dms_window *b) {
    int64_t high_y = INT64_MIN, high_x = INT64_MIN;
    b->dy = b->dx = INT64_MAX;
    for (int64_t k = 0; k < t->n; k++) {
        const int64_t y = divide_down(t->dy[k], t->step_h), x = divide_down(t->dx[k], t->step_w);
        b->dy = min64(b->dy, y);
        b->dx = min64(b->dx, x);
        high_y = max64(high_y, y);
        high_x = max64(high_x, x);
        if (plane_of(b, t->dy[k] - y * t->step_h, t->dx[k] - x * t->step_w) < 0)
            return false;
    }
    b->rows = t->y.h + high_y - b->dy;
    b->columns = t->y.w + high_x - b->dx;
    int64_t shared = b->columns - t->y.w; /* zeros between rows that two rows have in common */
    for (int64_t k = 0; k < b->n_planes; k++) {
        const span s = span_of(t, column_of(t, b, k), b->columns);
        b->low[k] = s.low;
        b->high[k] = s.high;
        shared = min64(shared, min64(s.low, b->columns - s.high));
    }
    b->pitch_h = b->columns - shared;
    if (__builtin_mul_overflow(b->rows, b->pitch_h, &b->plane))
        return false;
    b->plane += shared;
    const int64_t positions = dms_taps_positions(t->y.h, t->y.w, b->pitch_h - t->y.w);
    return !__builtin_mul_overflow(b->plane, b->n_planes, &b->pitch_c) &&
           b->pitch_c <= DMS_TAPS_IMAGE && b->pitch_c <= t->n * t->y.h * t->y.w + DMS_TAPS_RUN &&
           (t->is_points || positions <= DMS_TAPS_RUN);
}

int64_t DMS_ISA(dms_window_in_place)(const dms_taps *t) {
    const bool is_pointwise = t->n == 1 && t->dy[0] == 0 && t->dx[0] == 0 && t->step_w == 1;
    const bool is_row = t->x.h == 1 && t->y.h == 1 && t->x.pitch_w == 1 && t->groups == 1;
    if (!is_pointwise || !is_row || t->is_points || t->dtype != DMS_DTYPE_F32 ||
        t->y.c > IN_PLACE_CHANNELS || t->x.pitch_c < 0 ||
        t->x.pitch_c > INT32_MAX / DMS_TAPS_TERMS || t->x.w < t->column0 + t->y.w)
        return 0;
    return t->y.w / DMS_V * DMS_V;
}

void DMS_ISA(dms_window_plan)(const dms_taps *t, dms_window *b) {
    b->n_planes = 0;
    b->nc = b->nt = 0;
    b->is_columns = b->is_begun = false;
    b->in_place = NULL;
    if (t->is_in_place) {
        b->in_place = (const float *)(const void *)t->x.at + t->column0;
        b->n_planes = 1;
        b->rows = 1;
        b->columns = b->pitch_h = b->plane = t->y.w;
        b->pitch_c = t->x.pitch_c;
        b->dy = b->dx = b->phase_y[0] = b->phase_x[0] = 0;
        return;
    }
    if (t->n == 0 || plan_window(t, b))
        return;
    b->is_columns = true;
    b->rows = t->y.h;
    b->columns = b->pitch_h = t->y.w;
    b->plane = t->y.h * t->y.w;
}

/* Offsets of the block's terms. */
static void set_offsets(const dms_taps *t, dms_window *b, int32_t *offset) {
    for (int64_t k = 0; k < b->nt; k++) {
        int64_t at = k * b->plane;
        if (!b->is_columns) {
            const int64_t dy = t->dy[b->t0 + k], dx = t->dx[b->t0 + k];
            const int64_t y = divide_down(dy, t->step_h), x = divide_down(dx, t->step_w);
            at = plane_of(b, dy - y * t->step_h, dx - x * t->step_w) * b->plane +
                 (y - b->dy) * b->pitch_h + x - b->dx;
        }
        for (int64_t c = 0; c < b->nc; c++)
            offset[c * b->nt + k] = (int32_t)(c * b->pitch_c + at);
    }
}

bool DMS_ISA(dms_window_next)(const dms_taps *t, dms_window *b, int32_t *offset) {
    if (t->n == 0 || t->x.c == 0)
        return false;
    const int64_t most = min64(DMS_TAPS_TERMS, b->is_columns ? DMS_TAPS_IMAGE / b->plane : t->n);
    const int64_t nt = b->nt, nc = b->nc;
    b->t0 = b->is_begun ? b->t0 + nt : 0;
    b->c0 = b->is_begun ? b->c0 : 0;
    if (b->is_begun && b->t0 == t->n) {
        b->t0 = 0;
        b->c0 += nc;
    }
    b->is_begun = b->c0 < t->x.c;
    if (!b->is_begun)
        return false;
    b->nt = min64(t->n - b->t0, most);
    if (b->is_columns) {
        b->n_planes = b->nt;
        b->pitch_c = b->nt * b->plane;
    }
    const int64_t fit = b->in_place != NULL ? DMS_TAPS_TERMS : DMS_TAPS_IMAGE / b->pitch_c;
    b->nc = b->nt < t->n ? 1 : min64(DMS_TAPS_TERMS / b->nt, fit);
    b->nc = min64(b->nc, t->x.c - b->c0);
    if (nt != b->nt || nc != b->nc || b->nt < t->n)
        set_offsets(t, b, offset);
    return true;
}

static void set_zeros(float *out, int64_t n) {
    for (int64_t j = 0; j < n; j++)
        out[j] = 0.0f;
}

/* Rows of a plane of one channel that exist, `pitch_h` apart in the image; what lies behind a row is
 * written later. */
static void load_rows(const dms_taps *t, const dms_window *b, const span *s, const char *row,
                      int64_t rows, float *out) {
    const int64_t pitch = t->step_w * t->x.pitch_w, n = s->high - s->low;
    const int64_t next = t->step_h * t->x.pitch_h * t->size, tail = b->columns - s->high;
    const char *from = row + s->first * t->x.pitch_w * t->size;
    for (int64_t r = 0; r < rows; r++, from += next, out += b->pitch_h) {
        dms_zeros_over(out, s->low);
        if (t->dtype == DMS_DTYPE_F32 && pitch == 1)
            dms_copy_over(out + s->low, (const float *)(const void *)from, n);
        else if (t->dtype == DMS_DTYPE_F32 && pitch == 2)
            dms_copy_every2(out + s->low, (const float *)(const void *)from, n);
        else
            DMS_ISA(dms_taps_load)(t, from, pitch, n, out + s->low);
        dms_zeros_over(out + s->high, tail);
    }
}

/* One row of a plane of all channels, which are neighbours in memory. */
static void turn_row(const dms_taps *t, const dms_window *b, const span *s, const char *row,
                     float *out) {
    for (int64_t c = 0; c < b->nc; c++) {
        set_zeros(out + c * b->pitch_c, s->low);
        set_zeros(out + c * b->pitch_c + s->high, b->columns - s->high);
    }
    DMS_ISA(dms_tile_transpose)
    (s->high - s->low, b->nc,
     (const float *)(const void *)(row + s->first * t->x.pitch_w * t->size),
     t->step_w * t->x.pitch_w, out + s->low, b->pitch_c);
}

/* Rows of plane k of channels [c, c + together). */
static void load_plane(const dms_taps *t, const dms_window *b, int64_t k, int64_t c,
                       int64_t together, float *out) {
    const int64_t first = row_of(t, b, k), column = column_of(t, b, k);
    span s;
    if (b->is_columns)
        s = span_of(t, column, b->columns);
    else
        s = (span){b->low[k], b->high[k], column + b->low[k] * t->step_w};
    /* rows [above, below) of the plane lie in the image */
    int64_t above = first >= 0 ? 0 : divide_up(-first, t->step_h);
    int64_t below = first >= t->x.h ? 0 : divide_up(t->x.h - first, t->step_h);
    above = min64(above, b->rows);
    below = s.high > s.low ? max64(above, min64(below, b->rows)) : above;
    const char *x = t->x.at + (b->c0 + c) * t->x.pitch_c * t->size +
                    (first + above * t->step_h) * t->x.pitch_h * t->size;
    for (int64_t i = 0; i < together; i++)
        set_zeros(out + i * b->pitch_c, above * b->pitch_h);
    if (together == 1)
        load_rows(t, b, &s, x, below - above, out + above * b->pitch_h);
    for (int64_t r = above; r < below && together > 1; r++)
        turn_row(t, b, &s, x + (r - above) * t->step_h * t->x.pitch_h * t->size,
                 out + r * b->pitch_h);
    for (int64_t i = 0; i < together; i++)
        set_zeros(out + i * b->pitch_c + below * b->pitch_h, b->plane - below * b->pitch_h);
}

/* In the order of addresses, because a row may spill zeros behind its end. */
const float *DMS_ISA(dms_window_load)(const dms_taps *t, const dms_window *b, float *image) {
    if (b->in_place != NULL)
        return b->in_place + b->c0 * b->pitch_c;
    const bool is_single = t->x.h == 1 && t->x.w == 1;
    const bool is_turned =
        t->x.pitch_c == 1 && (t->x.pitch_w != 1 || is_single) && t->dtype == DMS_DTYPE_F32;
    const int64_t together = is_turned ? b->nc : 1;
    for (int64_t c = 0; c < b->nc; c += together)
        for (int64_t k = 0; k < b->n_planes; k++)
            load_plane(t, b, k, c, together, image + c * b->pitch_c + k * b->plane);
    return image;
}
