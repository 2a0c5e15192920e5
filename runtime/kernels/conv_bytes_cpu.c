/* conv_bytes_cpu.c - convolutions of bytes on the CPU device: which part is made of which pixels.
 *
 * Parts: batch entry x group x block of output channels x tile of pixels. A tile packs its image
 * once (conv_bytes_tile_cpu.c), sums eight output channels at a time and finishes them. Pixels come
 *
 *     directly     one tap, pixels side by side: channels are the rows that are packed
 *     turned       one tap, channels side by side: as a product of matrices has them
 *     from planes  padded copies of the channels, for each remainder of rows and columns modulo the
 *                  step; a tap is an offset in its plane, and lanes between two rows are summed in
 *                  vain
 *     one by one   where a window is too large for planes
 */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/conv_bytes_internal.h"
#include "runtime/kernels/cpu_kernel.h"

enum {
    PACKED = 1 << 19, /* bytes of a packed tile; terms times lanes are at most: */
    VOLUME = 1 << 17,
    PLANES = 1 << 20, /* bytes of planes */
    SLACK = 64,
    FEWEST = 48,        /* lanes of a tile */
    WORTH = 1 << 19,    /* products of a part, at least */
    ENOUGH = 4,         /* parts of a call that is worth as many */
    LEAST_CHANNELS = 32 /* of a part */
};

typedef enum way { DIRECT, TURNED, FROM_PLANES, ONE_BY_ONE } way;

/* An operand [g, b, c, h, w] of bytes or of results. */
typedef struct image {
    int64_t g, b, c, h, w; /* pitches */
    int64_t high, wide;
} image;

typedef struct geometry {
    const dms_call *call;
    way way;
    image x, y;
    int64_t groups, batch, m, taps, terms, block; /* block: terms that are packed at once */
    int64_t kernel[2], step[2], dilation[2], pad[2];
    int64_t rows, columns, pitch; /* of a tile; lanes from one row to the next */
    int64_t phase_high, phase_wide, plane;
    int64_t down, across, channels, deep, together; /* together: groups of a part */
} geometry;

typedef struct room {
    uint8_t packed[PACKED], planes[PLANES + SLACK];
    uint8_t pixel[DMS_BYTES_QUAD][DMS_BYTES_LANES + SLACK];
    uint8_t weights[DMS_BYTES_TERMS / 2 * DMS_BYTES_ROWS * 4], ones[DMS_BYTES_TERMS + SLACK];
    int32_t sum[DMS_BYTES_ROWS * DMS_BYTES_LANES], sum_x[DMS_BYTES_LANES];
    int32_t y[DMS_BYTES_ROWS * DMS_BYTES_LANES]; /* of any type, where y is taken apart */
} room;
_Static_assert(sizeof(room) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* What a thread works on. */
typedef struct part {
    const dms_cpu_job *job;
    const geometry *g;
    room *room;
    int64_t group, batch, row, column, rows, columns; /* of the tile */
    int64_t lanes, whole;                             /* whole: in vectors */
    dms_bytes_kind x;
    const uint8_t *at; /* of x: this group and batch entry */
    bool is_centred;   /* no sum of x is needed */
} part;

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- geometry ------------------------------------------------------------------------------ */

static image image_of(const dms_view *v) {
    return (image){v->pitch[0], v->pitch[1], v->pitch[2], v->pitch[3],
                   v->pitch[4], v->dim[3],   v->dim[4]};
}

/* Makes one row of all pixels; false where they do not lie at one distance. */
static bool join(image *i) {
    if (i->wide == 1)
        i->w = i->h;
    else if (i->high != 1 && i->h != i->wide * i->w)
        return false;
    i->wide *= i->high;
    i->high = 1;
    return true;
}

/* One tap for every pixel: how they are packed. */
static bool choose_joined(geometry *g) {
    image x = g->x, y = g->y;
    if (g->taps != 1 || g->step[0] != 1 || g->step[1] != 1 || g->pad[0] != 0 || g->pad[1] != 0 ||
        x.high != y.high || x.wide != y.wide || !join(&x) || !join(&y))
        return false;
    if (x.w != 1 && x.wide != 1 && x.c != 1 && g->terms != 1)
        return false;
    g->way = x.w == 1 || (x.wide == 1 && x.c != 1) ? DIRECT : TURNED;
    g->x = x;
    g->y = y;
    return true;
}

/* Rows (columns) that lie between two outputs in a plane, beyond one. */
static int64_t gap_of(const geometry *g, int axis) {
    return divide_up((g->kernel[axis] - 1) * g->dilation[axis] + 1, g->step[axis]) - 1;
}

static void set_planes(geometry *g) {
    g->phase_high = g->rows + gap_of(g, 0);
    g->phase_wide = g->pitch;
    g->plane = g->step[0] * g->step[1] * g->phase_high * g->phase_wide;
}

/* Terms of a block so that the planes of its channels fit; 0 where those of one do not. */
static int64_t block_of_planes(const geometry *g) {
    const int64_t fit = PLANES / g->plane;
    if (g->terms / g->taps <= fit)
        return DMS_BYTES_TERMS;
    return fit < 3 ? 0 : least((fit - 2) * g->taps / 4 * 4, DMS_BYTES_TERMS);
}

static bool choose_planes(geometry *g, int64_t lanes) {
    const int64_t far = 1 << 15, gap = gap_of(g, 1);
    if (g->step[0] > 16 || g->step[1] > 16 || gap_of(g, 0) > far || gap + 16 > lanes)
        return false;
    g->way = FROM_PLANES;
    g->columns = least(g->y.wide, lanes - gap);
    g->pitch = g->columns + gap;
    g->rows = g->columns < g->y.wide ? 1 : least(g->y.high, (lanes - g->columns) / g->pitch + 1);
    for (;; g->rows = divide_up(g->rows, 2)) {
        set_planes(g);
        if (g->rows == 1 || block_of_planes(g) >= least(g->terms, DMS_BYTES_TERMS))
            break;
    }
    g->block = block_of_planes(g);
    return g->block > 0;
}

/* Rows and columns of a tile, and the terms that are packed at once. */
static void choose_tile(geometry *g) {
    const int64_t deep = most(16, divide_up(least(g->terms, DMS_BYTES_TERMS), 4) * 4);
    const int64_t fit = VOLUME / deep / 16 * 16;
    const int64_t lanes = least(most(fit, FEWEST), DMS_BYTES_LANES);
    g->block = DMS_BYTES_TERMS;
    g->rows = 1;
    if (choose_joined(g)) {
        g->columns = g->pitch = least(g->y.wide, lanes);
        return;
    }
    if (choose_planes(g, lanes))
        return;
    g->way = ONE_BY_ONE;
    g->block = DMS_BYTES_TERMS;
    g->columns = g->pitch = least(g->y.wide, lanes);
    g->rows = least(g->y.high, lanes / g->columns);
}

static void count_tiles(geometry *g) {
    g->down = divide_up(g->y.high, g->rows);
    g->across = divide_up(g->y.wide, g->columns);
}

/* Smaller tiles, then blocks of channels, where threads would have nothing to share. */
static void share(geometry *g) {
    const int64_t pixels = g->y.high * g->y.wide, others = g->batch * g->groups;
    int64_t work;
    if (__builtin_mul_overflow(pixels * g->m, g->terms, &work) ||
        __builtin_mul_overflow(work, others, &work))
        work = INT64_MAX;
    const int64_t wanted = divide_up(least(work / WORTH, ENOUGH), others);
    count_tiles(g);
    if (g->down * g->across < wanted && g->y.high > 1) {
        g->rows = divide_up(g->y.high, least(divide_up(wanted, g->across), g->y.high));
    } else if (g->down * g->across < wanted && pixels >= wanted * FEWEST) {
        g->columns = divide_up(divide_up(g->y.wide, wanted), 16) * 16;
        g->pitch = g->columns + (g->way == FROM_PLANES ? gap_of(g, 1) : 0);
    }
    if (g->way == FROM_PLANES)
        set_planes(g);
    count_tiles(g);
    const int64_t blocks = least(divide_up(wanted, g->down * g->across), g->m / LEAST_CHANNELS);
    g->channels = divide_up(divide_up(g->m, most(blocks, 1)), DMS_BYTES_ROWS) * DMS_BYTES_ROWS;
    g->deep = divide_up(g->m, g->channels);
    g->together = 1;
    if (g->down * g->across * g->deep == 1) {
        const int64_t parts = most(1, least(work / WORTH, g->groups));
        g->together = divide_up(g->groups, parts < ENOUGH ? parts : most(parts, ENOUGH));
    }
}

static geometry geometry_of(const dms_call *call) {
    const dms_view *x = &call->view[DMS_BYTES_X], *y = &call->view[call->n_in];
    const int64_t *i = call->i;
    geometry g = {.call = call,
                  .x = image_of(x),
                  .y = image_of(y),
                  .groups = y->dim[0],
                  .batch = y->dim[1],
                  .m = y->dim[2],
                  .taps = i[DMS_BYTES_KERNEL] * i[DMS_BYTES_KERNEL + 1],
                  .kernel = {i[DMS_BYTES_KERNEL], i[DMS_BYTES_KERNEL + 1]},
                  .step = {i[DMS_BYTES_STEP], i[DMS_BYTES_STEP + 1]},
                  .dilation = {i[DMS_BYTES_DILATION], i[DMS_BYTES_DILATION + 1]},
                  .pad = {i[DMS_BYTES_PAD], i[DMS_BYTES_PAD + 1]}};
    g.terms = x->dim[2] * g.taps;
    if (dms_view_count(y) == 0)
        return g; /* no parts */
    choose_tile(&g);
    share(&g);
    return g;
}

static uint64_t parts_of(const geometry *g) {
    if (g->rows == 0)
        return 0;
    return (uint64_t)(g->batch * divide_up(g->groups, g->together) * g->deep * g->down * g->across);
}

static uint64_t conv_bytes_parts(const dms_call *call) {
    const geometry g = geometry_of(call);
    return parts_of(&g);
}

/* ---- the image ----------------------------------------------------------------------------- */

/* n pixels of an image row, `step` apart from column `first` on; `beside` where there is none. */
static void copy_row(const part *p, const uint8_t *row, int64_t first, int64_t step, int64_t n,
                     uint8_t *to) {
    const int64_t wide = p->g->x.wide, pitch = p->g->x.w * step;
    const int64_t low = first >= 0 ? 0 : least(n, divide_up(-first, step));
    const int64_t end = first >= wide ? low : least(n, divide_up(wide - first, step));
    const uint8_t *from = row + (first + low * step) * p->g->x.w;
    memset(to, p->x.zero, (size_t)low);
    if (pitch == 1 && end > low)
        memcpy(to + low, from, (size_t)(end - low));
    else
        for (int64_t k = low; k < end; k++)
            to[k] = from[(k - low) * pitch];
    if (end < n)
        memset(to + most(end, low), p->x.zero, (size_t)(n - most(end, low)));
}

/* Whether a tap lies in phase `phase` of an axis. */
static bool phase_is_used(const geometry *g, int axis, int64_t phase) {
    for (int64_t k = 0; k < g->kernel[axis]; k++)
        if (k * g->dilation[axis] % g->step[axis] == phase)
            return true;
    return false;
}

/* The rows of one phase of a channel. */
static void fill_phase(const part *p, const uint8_t *channel, int64_t down, int64_t across,
                       uint8_t *to) {
    const geometry *g = p->g;
    const int64_t column = p->column * g->step[1] - g->pad[1] + across;
    for (int64_t r = 0; r < g->phase_high; r++, to += g->phase_wide) {
        const int64_t row = (p->row + r) * g->step[0] - g->pad[0] + down;
        if (row < 0 || row >= g->x.high)
            memset(to, p->x.zero, (size_t)g->phase_wide);
        else
            copy_row(p, channel + row * g->x.h, column, g->step[1], g->phase_wide, to);
    }
}

/* Planes of channels [first, end). */
static void fill_planes(const part *p, int64_t first, int64_t end) {
    const geometry *g = p->g;
    const int64_t size = g->phase_high * g->phase_wide;
    for (int64_t down = 0; down < g->step[0]; down++)
        for (int64_t across = 0; across < g->step[1]; across++) {
            if (!phase_is_used(g, 0, down) || !phase_is_used(g, 1, across))
                continue;
            for (int64_t c = first; c < end; c++)
                fill_phase(p, p->at + c * g->x.c, down, across,
                           p->room->planes + (c - first) * g->plane +
                               (down * g->step[1] + across) * size);
        }
}

/* Where the lanes of term k begin in the planes, whose first channel is `first`. */
static const uint8_t *row_in_planes(const part *p, int64_t k, int64_t first) {
    const geometry *g = p->g;
    const int64_t tap = k % g->taps;
    const int64_t y = tap / g->kernel[1] * g->dilation[0], x = tap % g->kernel[1] * g->dilation[1];
    const int64_t phase = y % g->step[0] * g->step[1] + x % g->step[1];
    return p->room->planes + (k / g->taps - first) * g->plane +
           phase * g->phase_high * g->phase_wide + y / g->step[0] * g->phase_wide + x / g->step[1];
}

/* The lanes of term k, one by one. */
static const uint8_t *row_of_pixels(const part *p, int64_t k, uint8_t *to) {
    const geometry *g = p->g;
    const int64_t tap = k % g->taps;
    const uint8_t *channel = p->at + k / g->taps * g->x.c;
    const int64_t column = p->column * g->step[1] - g->pad[1] + tap % g->kernel[1] * g->dilation[1];
    for (int64_t r = 0; r < p->rows; r++) {
        const int64_t row =
            (p->row + r) * g->step[0] - g->pad[0] + tap / g->kernel[1] * g->dilation[0];
        if (row < 0 || row >= g->x.high)
            memset(to + r * g->pitch, p->x.zero, (size_t)p->columns);
        else
            copy_row(p, channel + row * g->x.h, column, g->step[1], p->columns, to + r * g->pitch);
    }
    return to;
}

/* Packs terms [first, first + n). */
static void pack_terms(const part *p, int64_t first, int64_t n) {
    const geometry *g = p->g;
    const int64_t channel = first / g->taps;
    if (g->way == TURNED) {
        DMS_ISA(dms_bytes_pack_turned)
        (p->at + p->column * g->x.w + first, g->x.w, n, p->lanes, p->whole, &p->x, p->room->packed);
        return;
    }
    if (g->way == FROM_PLANES)
        fill_planes(p, channel, (first + n - 1) / g->taps + 1);
    for (int64_t k = 0; k < n; k += DMS_BYTES_QUAD) {
        const uint8_t *row[DMS_BYTES_QUAD];
        for (int64_t j = 0; j < DMS_BYTES_QUAD; j++) {
            const int64_t term = first + k + j;
            if (k + j >= n)
                row[j] = row[0];
            else if (g->way == DIRECT)
                row[j] = p->at + term * g->x.c + p->column;
            else if (g->way == FROM_PLANES)
                row[j] = row_in_planes(p, term, channel);
            else
                row[j] = row_of_pixels(p, term, p->room->pixel[j]);
        }
        DMS_ISA(dms_bytes_pack)
        (row, p->lanes, p->whole, &p->x, p->room->packed + k / DMS_BYTES_STEP_TERMS * p->whole * 4);
    }
}

/* ---- sums and results ---------------------------------------------------------------------- */

/* Element [group, m] of an operand of numbers. */
static const void *number_at(const part *p, uint32_t operand, int64_t m) {
    const dms_view *v = &p->g->call->view[operand];
    const int64_t at = p->group * v->pitch[0] + (v->rank > 1 ? m * v->pitch[1] : 0);
    return (const char *)p->job->operand[operand] + at * (int64_t)dms_dtype_bytes(v->dtype);
}

static int32_t i32_at(const part *p, uint32_t operand, int64_t m) {
    int32_t x;
    memcpy(&x, number_at(p, operand, m), sizeof x);
    return x;
}

static float f32_at(const part *p, uint32_t operand, int64_t m) {
    float x;
    memcpy(&x, number_at(p, operand, m), sizeof x);
    return x;
}

/* A zero and the type it belongs to. */
static dms_bytes_kind kind_at(const part *p, uint32_t operand, int64_t m) {
    const uint8_t byte = *(const uint8_t *)number_at(p, operand, m);
    const bool is_signed = p->g->call->view[operand].dtype == DMS_DTYPE_I8;
    return (dms_bytes_kind){is_signed, is_signed ? (int32_t)(int8_t)byte : (int32_t)byte};
}

static dms_bytes_weights weights_at(const part *p, int64_t m) {
    const geometry *g = p->g;
    const dms_view *v = &g->call->view[DMS_BYTES_W];
    const bool is_panel = g->call->i[DMS_BYTES_LAYOUT] == 1;
    const bool is_flat = (g->kernel[1] == 1 || v->pitch[4] == 1) &&
                         (g->kernel[0] == 1 || v->pitch[3] == g->kernel[1]) &&
                         (v->pitch[2] == g->taps || g->terms == g->taps);
    return (dms_bytes_weights){.at = (const uint8_t *)p->job->operand[DMS_BYTES_W] +
                                     p->group * v->pitch[0] +
                                     (is_panel ? m / DMS_BYTES_ROWS : m) * v->pitch[1],
                               .is_panel = is_panel,
                               .is_flat = is_flat,
                               .is_signed = v->dtype == DMS_DTYPE_I8,
                               .pitch_m = v->pitch[1],
                               .pitch_c = v->pitch[2],
                               .pitch_h = v->pitch[3],
                               .pitch_w = v->pitch[4],
                               .kh = g->kernel[0],
                               .kw = g->kernel[1]};
}

static void add_to_all(int64_t n, const int32_t *sum, int32_t add, int32_t *to) {
    for (int64_t k = 0; k < n; k++)
        to[k] = (int32_t)((uint32_t)sum[k] + (uint32_t)add);
}

static void take_off(int64_t n, int32_t *sum, const int32_t *sum_x, int32_t weight) {
    for (int64_t k = 0; k < n; k++)
        sum[k] = (int32_t)((uint32_t)sum[k] - (uint32_t)weight * (uint32_t)sum_x[k]);
}

static void to_reals(int64_t n, const int32_t *DMS_RESTRICT sum, int32_t add, float scale,
                     float *DMS_RESTRICT to) {
    for (int64_t k = 0; k < n; k++)
        to[k] = (float)(int32_t)((uint32_t)sum[k] + (uint32_t)add) * scale;
}

/* Bounds are whole numbers, so they may come before the rounding; a NaN becomes the lowest. Between
 * -512 and 512 the sum with 1.5 x 2^23 has no bits behind the point: it rounds half to even. */
static void to_bytes(int64_t n, const int32_t *DMS_RESTRICT sum, int32_t add, float scale,
                     const int32_t *bound, int32_t zero, uint8_t *DMS_RESTRICT to) {
    const float low = (float)(bound[0] - zero), high = (float)(bound[1] - zero);
    const float shift = 0x1.8p23f;
    for (int64_t k = 0; k < n; k++) {
        const float x = (float)(int32_t)((uint32_t)sum[k] + (uint32_t)add) * scale;
        const float above = x > low ? x : low;
        const float v = (above < high ? above : high) + shift;
        to[k] = (uint8_t)((int32_t)(v - shift) + zero);
    }
}

/* n results of output channel m from sums to where `to` points. */
static void finish_row(const part *p, int64_t m, int32_t correction, int64_t n, const int32_t *sum,
                       void *to) {
    const dms_call *call = p->g->call;
    if (call->n_in <= DMS_BYTES_BIAS) {
        add_to_all(n, sum, correction, to);
        return;
    }
    const int32_t add = (int32_t)((uint32_t)correction + (uint32_t)i32_at(p, DMS_BYTES_BIAS, m));
    const float scale = f32_at(p, DMS_BYTES_SCALE, m);
    if (call->n_in <= DMS_BYTES_ZERO_Y) {
        to_reals(n, sum, add, scale, to);
        return;
    }
    const int32_t bound[2] = {(int32_t)call->i[DMS_BYTES_LOW], (int32_t)call->i[DMS_BYTES_HIGH]};
    to_bytes(n, sum, add, scale, bound, kind_at(p, DMS_BYTES_ZERO_Y, 0).zero, to);
}

/* One pixel after the other, `rows` output channels of each. */
#define SCATTER(NAME, T)                                                                           \
    static void NAME(int rows, int64_t n, const T *from, int64_t pitch, T *to, int64_t pitch_m,    \
                     int64_t pitch_w) {                                                            \
        for (int64_t k = 0; k < n; k++)                                                            \
            for (int r = 0; r < rows; r++)                                                         \
                to[k * pitch_w + r * pitch_m] = from[r * pitch + k];                               \
    }
SCATTER(scatter_bytes, uint8_t)
SCATTER(scatter_words, uint32_t)

/* The results of rows [m, m + rows) of a tile. */
static void finish(const part *p, int64_t m, int rows, const int32_t *correction) {
    const geometry *g = p->g;
    const int64_t size = dms_dtype_bytes(g->call->view[g->call->n_in].dtype);
    char *const y =
        (char *)p->job->operand[g->call->n_in] +
        (p->group * g->y.g + p->batch * g->y.b + m * g->y.c + p->column * g->y.w) * size;
    for (int64_t r = 0; r < p->rows; r++) {
        char *const row = y + (p->row + r) * g->y.h * size;
        for (int k = 0; k < rows; k++) {
            char *const to = g->y.w == 1 ? row + k * g->y.c * size
                                         : (char *)p->room->y + k * DMS_BYTES_LANES * size;
            finish_row(p, m + k, correction[k], p->columns,
                       p->room->sum + k * p->whole + r * g->pitch, to);
        }
        if (g->y.w == 1)
            continue;
        if (size == 1)
            scatter_bytes(rows, p->columns, (const uint8_t *)p->room->y, DMS_BYTES_LANES,
                          (uint8_t *)row, g->y.c, g->y.w);
        else
            scatter_words(rows, p->columns, (const uint32_t *)p->room->y, DMS_BYTES_LANES,
                          (uint32_t *)(void *)row, g->y.c, g->y.w);
    }
}

/* Sums terms [first, first + n) of `rows` output channels, of which `real` exist. */
static void sum_block(const part *p, int64_t m, int rows, int real, int64_t first, int64_t n,
                      int32_t *sum_w) {
    int32_t zero[DMS_BYTES_ROWS];
    for (int k = 0; k < real; k++)
        zero[k] = kind_at(p, DMS_BYTES_ZERO_W, m + k).zero;
    const dms_bytes_weights w = weights_at(p, m);
    const dms_bytes_sums s = {.rows = rows,
                              .is_first = first == 0,
                              .steps = divide_up(n, DMS_BYTES_STEP_TERMS),
                              .lanes = p->whole,
                              .x = p->room->packed,
                              .w = DMS_ISA(dms_bytes_pack_weights)(&w, zero, rows, real, first, n,
                                                                   p->room->weights, sum_w),
                              .to = p->room->sum,
                              .pitch_to = p->whole};
    DMS_ISA(dms_bytes_sum)(&s);
}

/* Packs a block of the image, and its sums where a zero of w needs them. */
static void open_block(const part *p, int64_t first, int64_t n) {
    pack_terms(p, first, n);
    if (!p->is_centred)
        DMS_ISA(dms_bytes_sum_x)
    (p->room->packed, n, p->whole, first == 0, p->room->ones, p->room->sum_x);
}

/* Output channels [m, m + real) of a tile; its image is packed where one block is all of it. */
static void run_panel(const part *p, int64_t m, int rows, int real) {
    const geometry *g = p->g;
    int32_t sum_w[DMS_BYTES_ROWS] = {0}, correction[DMS_BYTES_ROWS];
    for (int64_t k = 0; k == 0 || k < g->terms; k += g->block) {
        const int64_t n = least(g->terms - k, g->block);
        if (g->terms > g->block)
            open_block(p, k, n);
        sum_block(p, m, rows, real, k, n, sum_w);
    }
    for (int k = 0; k < real; k++) {
        const dms_bytes_kind w = kind_at(p, DMS_BYTES_ZERO_W, m + k);
        const int32_t weight = DMS_ISA(dms_bytes_weight_of_x)(&w);
        correction[k] = DMS_ISA(dms_bytes_correction)(&p->x, &w, g->terms, sum_w[k]);
        if (weight != 0)
            take_off(p->lanes, p->room->sum + k * p->whole, p->room->sum_x, weight);
    }
    finish(p, m, real, correction);
}

/* Output channels [m, end) of a tile of one group. */
static void run_tile(part *p, int64_t m, int64_t end) {
    const geometry *g = p->g;
    p->x = kind_at(p, DMS_BYTES_ZERO_X, 0);
    p->at = (const uint8_t *)p->job->operand[DMS_BYTES_X] + p->group * g->x.g + p->batch * g->x.b;
    p->is_centred = true;
    for (int64_t k = m; k < end; k++) {
        const dms_bytes_kind w = kind_at(p, DMS_BYTES_ZERO_W, k);
        p->is_centred &= DMS_ISA(dms_bytes_weight_of_x)(&w) == 0;
    }
    if (g->terms <= g->block)
        open_block(p, 0, g->terms);
    while (m < end) {
        const int64_t left = least(end - m, DMS_BYTES_ROWS);
        const int rows = left < 3 ? 1 : DMS_BYTES_ROWS, real = left < 3 ? 1 : (int)left;
        run_panel(p, m, rows, real);
        m += real;
    }
}

static void run_part(const dms_cpu_job *job, const geometry *g, int64_t index) {
    const int64_t tile = index % (g->down * g->across);
    int64_t rest = index / (g->down * g->across);
    const int64_t m = rest % g->deep * g->channels;
    rest /= g->deep;
    const int64_t blocks = divide_up(g->groups, g->together);
    const int64_t first = rest % blocks * g->together;
    part p = {.job = job,
              .g = g,
              .room = (room *)job->scratch,
              .batch = rest / blocks,
              .row = tile % g->down * g->rows,
              .column = tile / g->down * g->columns};
    p.rows = least(g->y.high - p.row, g->rows);
    p.columns = least(g->y.wide - p.column, g->columns);
    p.lanes = (p.rows - 1) * g->pitch + p.columns;
    p.whole = divide_up(p.lanes, DMS_ISA(dms_bytes_lanes)()) * DMS_ISA(dms_bytes_lanes)();
    for (p.group = first; p.group < least(first + g->together, g->groups); p.group++)
        run_tile(&p, m, least(m + g->channels, g->m));
}

static void conv_bytes_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const geometry g = geometry_of(job->call);
    for (uint64_t k = first; k < end; k++)
        run_part(job, &g, (int64_t)k);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_conv_bytes) = {DMS_K_CONV_BYTES, conv_bytes_parts,
                                                    conv_bytes_run};
