/* window_cpu.c - the copied image of a convolution's part: planes in which every step is 1. */
#include <string.h>

#include "runtime/kernels/strip.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/tile_internal.h"
#include "runtime/kernels/vector_internal.h"
#include "schema/integers.h"

/* Above this many output channels each copied element is used often enough to pay for the copy,
 * whose rows lie side by side in the cache. */
enum { IN_PLACE_CHANNELS = 128 };

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

/* Positions j of n whose place at + j * step lies in [0, limit). */
static void range_inside(int64_t at, int64_t step, int64_t limit, int64_t n, int64_t *first,
                         int64_t *end) {
    *first = at >= 0 ? 0 : dms_least(n, dms_divide_up(-at, step));
    *end = at >= limit ? 0 : dms_least(n, dms_divide_up(limit - at, step));
    *end = dms_most(*first, *end);
}

/* The plane whose element (0, 0) is image row `row`, column `column`. */
static dms_plane plane_at(const dms_taps *t, const dms_window *b, int64_t row, int64_t column) {
    dms_plane p;
    range_inside(row, t->step_h, t->x.h, b->rows, &p.above, &p.below);
    range_inside(column, t->step_w, t->x.w, b->columns, &p.low, &p.high);
    if (p.low == p.high)
        p.below = p.above;
    p.from =
        (row + p.above * t->step_h) * t->x.pitch_h + (column + p.low * t->step_w) * t->x.pitch_w;
    return p;
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
        b->dy = dms_least(b->dy, y);
        b->dx = dms_least(b->dx, x);
        high_y = dms_most(high_y, y);
        high_x = dms_most(high_x, x);
        if (plane_of(b, t->dy[k] - y * t->step_h, t->dx[k] - x * t->step_w) < 0)
            return false;
    }
    b->rows = t->y.h + high_y - b->dy;
    b->columns = t->y.w + high_x - b->dx;
    int64_t shared = b->columns - t->y.w; /* zeros between rows that two rows have in common */
    for (int64_t k = 0; k < b->n_planes; k++) {
        b->planes[k] = plane_at(t, b, (t->row0 + b->dy) * t->step_h + b->phase_y[k],
                                (t->column0 + b->dx) * t->step_w + b->phase_x[k]);
        shared = dms_least(shared, dms_least(b->planes[k].low, b->columns - b->planes[k].high));
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
    if (!is_pointwise || !is_row || t->is_points || t->is_depthwise || t->dtype != DMS_DTYPE_F32 ||
        t->y.c > IN_PLACE_CHANNELS || t->x.pitch_c < 0 ||
        t->x.pitch_c > INT32_MAX / DMS_TAPS_TERMS || t->x.w < t->column0 + t->y.w)
        return 0;
    return t->y.w / DMS_V * DMS_V;
}

bool DMS_ISA(dms_window_is_whole)(const dms_taps *t) {
    const int64_t down = (t->row0 + t->y.h - 1) * t->step_h;
    const int64_t across = (t->column0 + t->y.w - 1) * t->step_w;
    int64_t reach, wide;
    return t->n == 1 && t->groups == 1 && t->dy[0] == 0 && t->dx[0] == 0 &&
           t->dtype == DMS_DTYPE_F32 && down < t->x.h && across < t->x.w && t->x.pitch_c >= 0 &&
           t->x.pitch_h >= 0 && t->x.pitch_w >= 0 && t->x.pitch_c <= INT32_MAX / DMS_TAPS_TERMS &&
           !__builtin_mul_overflow(down, t->x.pitch_h, &reach) &&
           !__builtin_mul_overflow(across, t->x.pitch_w, &wide) && reach <= INT32_MAX / 2 &&
           wide <= INT32_MAX / 2;
}

void DMS_ISA(dms_window_plan)(const dms_taps *t, dms_window *b) {
    b->n_planes = 0;
    b->nc = b->nt = 0;
    b->is_columns = b->is_begun = false;
    b->in_place = NULL;
    if (t->is_in_place) {
        b->in_place = (const float *)(const void *)t->x.at + t->row0 * t->step_h * t->x.pitch_h +
                      t->column0 * t->step_w * t->x.pitch_w;
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
    const int64_t most =
        dms_least(DMS_TAPS_TERMS, b->is_columns ? DMS_TAPS_IMAGE / b->plane : t->n);
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
    b->nt = dms_least(t->n - b->t0, most);
    if (b->is_columns) {
        b->n_planes = b->nt;
        b->pitch_c = b->nt * b->plane;
    }
    const int64_t fit = b->in_place != NULL ? DMS_TAPS_TERMS : DMS_TAPS_IMAGE / b->pitch_c;
    b->nc = b->nt < t->n ? 1 : dms_least(DMS_TAPS_TERMS / b->nt, fit);
    b->nc = dms_least(b->nc, t->x.c - b->c0);
    if (nt != b->nt || nc != b->nc || b->nt < t->n)
        set_offsets(t, b, offset);
    return true;
}

static void set_zeros(float *out, int64_t n) {
    for (int64_t j = 0; j < n; j++)
        out[j] = 0.0f;
}

/* Rows of a plane of one channel that exist; what lies behind a row is written later. */
static void load_rows(const dms_taps *t, const dms_window *b, const dms_plane *p, const char *from,
                      float *out) {
    const int64_t pitch = t->step_w * t->x.pitch_w, n = p->high - p->low;
    const int64_t next = t->step_h * t->x.pitch_h, rows = p->below - p->above;
    const float *x = (const float *)(const void *)from;
    if (t->dtype == DMS_DTYPE_F32 && (pitch == 1 || pitch == 2)) {
        const dms_copy_shape shape = {rows, n,          p->low, b->columns - p->high,
                                      next, b->pitch_h, 0.0f};
        if (pitch == 1)
            dms_copy_rows(out, x, &shape);
        else
            dms_copy_rows_every2(out, x, &shape);
        return;
    }
    for (int64_t r = 0; r < rows; r++, from += next * t->size, out += b->pitch_h) {
        set_zeros(out, p->low);
        DMS_ISA(dms_taps_load)(t, from, pitch, n, out + p->low);
        set_zeros(out + p->high, b->columns - p->high);
    }
}

/* The same of all channels of the block, which are neighbours in memory. */
static void turn_rows(const dms_taps *t, const dms_window *b, const dms_plane *p, const float *from,
                      float *out) {
    for (int64_t r = p->above; r < p->below; r++) {
        for (int64_t c = 0; c < b->nc; c++) {
            set_zeros(out + c * b->pitch_c, p->low);
            set_zeros(out + c * b->pitch_c + p->high, b->columns - p->high);
        }
        DMS_ISA(dms_tile_transpose)
        (p->high - p->low, b->nc, from, t->step_w * t->x.pitch_w, out + p->low, b->pitch_c);
        from += t->step_h * t->x.pitch_h;
        out += b->pitch_h;
    }
}

/* A plane of channels [c, c + together). Zeros behind the last row are that row's: without any row
 * the whole plane is zeros. */
static void load_plane(const dms_taps *t, const dms_window *b, const dms_plane *p, int64_t c,
                       int64_t together, float *out) {
    const char *from = t->x.at + ((b->c0 + c) * t->x.pitch_c + p->from) * t->size;
    const bool is_empty = p->above == p->below;
    const int64_t head = is_empty ? b->plane : p->above * b->pitch_h;
    const int64_t body = is_empty ? b->plane : p->below * b->pitch_h;
    for (int64_t i = 0; i < together && head > 0; i++)
        set_zeros(out + i * b->pitch_c, head);
    if (together == 1)
        load_rows(t, b, p, from, out + head);
    else
        turn_rows(t, b, p, (const float *)(const void *)from, out + head);
    for (int64_t i = 0; i < together && p->below < b->rows; i++)
        set_zeros(out + i * b->pitch_c + body, b->plane - body);
}

/* Columns have a plane per tap. */
static dms_plane plane_of_tap(const dms_taps *t, const dms_window *b, int64_t tap) {
    return plane_at(t, b, t->row0 * t->step_h + t->dy[tap], t->column0 * t->step_w + t->dx[tap]);
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
        for (int64_t k = 0; k < b->n_planes; k++) {
            const dms_plane tap = b->is_columns ? plane_of_tap(t, b, b->t0 + k) : b->planes[k];
            load_plane(t, b, &tap, c, together, image + c * b->pitch_c + k * b->plane);
        }
    return image;
}
