/* conv_cpu.c - convolutions on the CPU device: which parts and which taps; taps_cpu.c sums them.
 *
 * Parts: batch entry x group x block of up to 256 output channels x block of rows x of columns.
 * Groups of few channels (depthwise) are joined until a part is worth a claim. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain_run.h"
#include "runtime/kernels/conv_internal.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/vector_internal.h"
#include "schema/integers.h"

_Static_assert(DMS_TAPS_SCRATCH_BYTES + sizeof(dms_tap_table) + sizeof(dms_chain_runner) <=
                   DMS_CPU_SCRATCH_BYTES,
               "scratch of a thread");

enum {
    WORTH = 1 << 18,       /* multiply-adds of a part, at least */
    ENOUGH = 4,            /* parts of a call, where finer blocks of channels can make them: each */
    LEAST_CHANNELS = 32,   /* such block copies the image again: */
    MANY_TAPS = 9,         /* per element copied; with fewer, twice the channels */
    SHARES = 8,            /* parts of a call, where fewer rows or columns can make them */
    LEAST_PIXELS = 96,     /* of a part that shares its weights with others: each reads them all */
    VECTORS = 32,          /* positions that a run sums at once */
    WORTH_LANES = 1 << 16, /* by lanes, where the image takes as long as the sums */
    WIDE = 64, /* columns of a depthwise image of step 1 up to which channels are lanes */
    PANEL = 16,
};

/* A call as the parts see it. A 1 x 1 convolution over dense images is one long row; an image of
 * one column is turned into one row. */
typedef struct geometry {
    const dms_call *call;             /* without its chain */
    dms_image x, y;                   /* of batch entry 0 */
    int64_t batch, group, c, m, taps; /* c and m per group */
    int64_t step_h, step_w;
    int64_t rows, columns, channels;    /* of a part */
    int64_t down, across, deep, groups; /* parts along rows, columns, channels; groups in a part */
    bool is_panels, is_points, is_turned, is_lanes;
} geometry;

static dms_image image_of(const dms_view *v, void *at) {
    return (dms_image){at, v->dim[1], v->dim[2], v->dim[3], v->pitch[1], v->pitch[2], v->pitch[3]};
}

static bool is_pointwise(const dms_call *call) {
    const dms_view *x = &call->view[0], *w = &call->view[1], *y = &call->view[call->n_in];
    const int64_t *i = call->i;
    return w->dim[2] == 1 && w->dim[3] == 1 && i[DMS_CONV_STEP] == 1 && i[DMS_CONV_STEP + 1] == 1 &&
           i[DMS_CONV_PAD] == 0 && i[DMS_CONV_PAD + 1] == 0 && x->dim[2] == y->dim[2] &&
           x->dim[3] == y->dim[3] && x->pitch[2] == x->dim[3] * x->pitch[3] &&
           y->pitch[2] == y->dim[3] * y->pitch[3];
}

static void join_rows(dms_image *image) {
    image->w *= image->h;
    image->h = 1;
}

static void turn(dms_image *image) {
    *image = (dms_image){image->at,      image->c,       image->w,      image->h,
                         image->pitch_c, image->pitch_w, image->pitch_h};
}

/* Positions that runs (or points) of a tile of this size really sum. */
static int64_t positions_of(const geometry *g, int64_t rows, int64_t columns, int64_t gap) {
    const int64_t n = g->is_points ? rows * columns : dms_taps_positions(rows, columns, gap);
    return g->is_points ? n : dms_divide_up(n, VECTORS) * VECTORS;
}

/* Cuts tiles into fewer rows, or one long row into fewer columns, until the call has SHARES parts
 * worth a claim. Of the cuts into up to twice as many tiles, the one that sums least in vain. */
static void share_tiles(geometry *g, int64_t gap) {
    const int64_t others = g->batch * g->group * g->deep, tiles = g->down * g->across;
    const int64_t pixels = g->y.h * g->y.w;
    int64_t work;
    if (__builtin_mul_overflow(pixels * g->m, g->taps * g->c, &work) ||
        __builtin_mul_overflow(work, g->batch * g->group, &work))
        work = INT64_MAX;
    const int64_t shares = work / WORTH < SHARES ? work / WORTH : SHARES;
    int64_t least = dms_divide_up(shares, others);
    least = least < pixels / LEAST_PIXELS ? least : pixels / LEAST_PIXELS;
    if (tiles >= least)
        return;
    int64_t best = INT64_MAX;
    const int64_t full_rows = g->rows, full_columns = g->columns;
    for (int64_t n = least; n < 2 * least; n++) {
        int64_t rows = full_rows, columns = full_columns;
        if (g->y.h > 1)
            rows = dms_divide_up(g->y.h, dms_divide_up(n, g->across));
        else
            columns = dms_divide_up(dms_divide_up(g->y.w, n), VECTORS) * VECTORS;
        const int64_t down = dms_divide_up(g->y.h, rows), across = dms_divide_up(g->y.w, columns);
        const int64_t sum = down * across * positions_of(g, rows, columns, gap);
        if (sum < best && rows <= full_rows && columns <= full_columns) {
            best = sum;
            g->rows = rows;
            g->columns = columns;
        }
    }
    g->down = dms_divide_up(g->y.h, g->rows);
    g->across = dms_divide_up(g->y.w, g->columns);
}

/* Rows, columns and channels of a part. Points where runs would waste a tenth of their work, and
 * where single taps can be read in place, but not as runs. */
static void choose_part(geometry *g, int64_t gap) {
    dms_taps_part(g->y.h, g->y.w, gap, dms_taps_room(g->m, false), &g->rows, &g->columns);
    const int64_t shared = gap - gap / 2; /* most of the gap is shared by two rows */
    const int64_t run = dms_taps_positions(g->rows, g->columns, shared);
    const bool is_plain =
        g->taps == 1 && (g->step_h * g->step_w > 1 || g->y.h * g->y.w <= DMS_TAPS_POINTS);
    g->is_points = g->is_panels &&
                   (is_plain || g->rows * g->columns * 10 < dms_divide_up(run, PANEL) * PANEL * 9);
    if (g->is_points)
        dms_taps_part(g->y.h, g->y.w, 0, dms_taps_room(g->m, true), &g->rows, &g->columns);
    g->down = dms_divide_up(g->y.h, g->rows);
    g->across = dms_divide_up(g->y.w, g->columns);
    const bool is_cheap = g->taps >= MANY_TAPS * g->step_h * g->step_w;
    const int64_t fewest = is_cheap ? LEAST_CHANNELS : 2 * LEAST_CHANNELS;
    for (int64_t most = DMS_TAPS_CHANNELS;; most /= 2) {
        g->channels = g->m < most ? g->m : most;
        g->deep = dms_divide_up(g->m, g->channels);
        const int64_t parts = g->batch * g->group * g->deep * g->down * g->across;
        if (parts >= ENOUGH || most / 2 < fewest)
            break;
    }
    share_tiles(g, shared);
}

/* One channel in and one out per group, f32, taps side by side. */
static bool is_depthwise(const dms_call *call) {
    const dms_view *w = &call->view[1];
    return w->rank == 4 && w->dim[1] == 1 && w->dim[0] == call->i[DMS_CONV_GROUP] &&
           w->dtype == DMS_DTYPE_F32 && w->pitch[3] == 1 && w->pitch[2] == w->dim[3];
}

/* Columns (rows) of the window of `n` outputs along an axis. */
static int64_t window_of(const dms_call *call, int axis, int64_t n) {
    const int64_t reach = (call->view[1].dim[2 + axis] - 1) * call->i[DMS_CONV_DILATION + axis];
    return (n - 1) * call->i[DMS_CONV_STEP + axis] + reach + 1;
}

/* Depthwise with channels as lanes, where pixels as lanes would leave many of them empty or take
 * apart an image whose step is not 1. */
static bool choose_lanes(geometry *g) {
    const dms_call *call = g->call;
    const int down = g->is_turned ? 1 : 0, across = 1 - down;
    const int64_t phases = dms_divide_up(window_of(call, across, 1), g->step_w) * g->step_w;
    if (!DMS_LANES_EXIST || !is_depthwise(call) || g->x.pitch_w != 1 || g->taps == 0 ||
        g->taps > DMS_TAPS_TERMS || g->group < DMS_V || phases > DMS_LANES_COLUMNS ||
        (g->step_h == 1 && g->step_w == 1 && g->y.w > WIDE))
        return false;
    dms_taps_part(1, g->y.w, 0, (DMS_LANES_COLUMNS - phases) / g->step_w + 1, &g->rows,
                  &g->columns);
    const int64_t wide = dms_divide_up(window_of(call, across, g->columns), g->step_w) * g->step_w;
    const int64_t least = window_of(call, down, 1), room = DMS_LANES_IMAGE / PANEL / wide;
    if (least > DMS_TAPS_IMAGE / PANEL / wide)
        return false;
    int64_t high = room > least ? (room - least) / g->step_h + 1 : 1;
    if (high > DMS_LANES_PIXELS / g->columns)
        high = DMS_LANES_PIXELS / g->columns;
    const int64_t blocks = dms_divide_up(g->group, DMS_LANES_BLOCK);
    g->down = dms_divide_up(g->y.h, high);
    if (g->down > 1 && g->down * blocks < ENOUGH)
        g->down = ENOUGH;
    g->rows = dms_divide_up(g->y.h, g->down);
    g->down = dms_divide_up(g->y.h, g->rows);
    g->across = dms_divide_up(g->y.w, g->columns);
    g->channels = g->deep = 1;
    const int64_t work = g->rows * g->columns * g->taps * DMS_LANES_BLOCK;
    int64_t together = WORTH_LANES / work + 1;
    if (together < blocks && g->down * g->across * dms_divide_up(blocks, together) < ENOUGH)
        together = dms_divide_up(blocks, dms_divide_up(ENOUGH, g->down * g->across));
    g->groups = together * DMS_LANES_BLOCK < g->group ? together * DMS_LANES_BLOCK : g->group;
    return true;
}

/* Columns between the rows of a run: as far as taps reach sideways, in steps. */
static int64_t gap_of(const dms_call *call, bool is_turned) {
    const int axis = is_turned ? 0 : 1;
    const int64_t reach = (call->view[1].dim[2 + axis] - 1) * call->i[DMS_CONV_DILATION + axis];
    return dms_divide_up(reach, call->i[DMS_CONV_STEP + axis]);
}

/* `call` is without chain; `x` and `y` are where its operands lie. */
static geometry geometry_of(const dms_call *call, void *at_x, void *at_y) {
    const dms_view *w = &call->view[1], *y = &call->view[call->n_in];
    geometry g = {.call = call,
                  .x = image_of(&call->view[0], at_x),
                  .y = image_of(y, at_y),
                  .batch = y->dim[0],
                  .group = call->i[DMS_CONV_GROUP],
                  .c = w->dim[1],
                  .taps = w->dim[2] * w->dim[3],
                  .step_h = call->i[DMS_CONV_STEP],
                  .step_w = call->i[DMS_CONV_STEP + 1],
                  .is_panels = w->rank == 5};
    g.m = g.y.c / g.group;
    if (is_pointwise(call)) {
        join_rows(&g.x);
        join_rows(&g.y);
    }
    g.is_turned = g.y.w == 1 && g.y.h > 1;
    if (g.is_turned) {
        turn(&g.x);
        turn(&g.y);
        g.step_h = call->i[DMS_CONV_STEP + 1];
        g.step_w = call->i[DMS_CONV_STEP];
    }
    const int64_t pixels = g.y.h * g.y.w;
    if (pixels == 0 || g.m == 0)
        return g;
    g.is_lanes = choose_lanes(&g);
    if (g.is_lanes)
        return g;
    choose_part(&g, gap_of(call, g.is_turned));
    g.groups = 1;
    if (g.deep * g.down * g.across == 1) {
        const int64_t work = pixels * g.m < WORTH ? pixels * g.m * g.taps : WORTH;
        int64_t all;
        g.groups = __builtin_mul_overflow(work, g.c, &all) ? 1 : WORTH / (all + 1) + 1;
        g.groups = g.groups > g.group ? g.group : g.groups;
    }
    return g;
}

static uint64_t parts_of(const geometry *g) {
    if (g->rows == 0)
        return 0;
    return (uint64_t)(g->batch * ((g->group + g->groups - 1) / g->groups) * g->deep * g->down *
                      g->across);
}

static uint64_t conv_parts(const dms_call *call) {
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (!dms_chain_detach(call, view, &own))
        return 0; /* never: the call was checked */
    const geometry g = geometry_of(&own, NULL, NULL);
    return parts_of(&g);
}

/* Weights and bias of output channel m of a group. */
static void set_weights(const dms_cpu_job *job, const geometry *g, int64_t group, int64_t m,
                        dms_taps *t) {
    const dms_call *call = g->call;
    const dms_view *w = &call->view[1];
    const int64_t channel = group * g->m + m;
    t->w = (const char *)job->operand[1] +
           (g->is_panels ? channel / PANEL : channel) * w->pitch[0] * t->size;
    t->w_m = w->pitch[0];
    t->w_c = w->pitch[1];
    if (call->n_in == 3) {
        t->bias_pitch = call->view[2].pitch[0];
        t->bias = (const char *)job->operand[2] + channel * t->bias_pitch * t->size;
    }
}

/* Restricts an image to channels [c, c + n). */
static void take_channels(dms_image *image, int64_t c, int64_t n, int64_t size) {
    image->at += c * image->pitch_c * size;
    image->c = n;
}

static void run_part(const dms_cpu_job *job, const geometry *g, dms_taps t, int64_t part) {
    const int64_t tile = part % (g->down * g->across);
    int64_t rest = part / (g->down * g->across);
    const int64_t m = rest % g->deep * g->channels;
    rest /= g->deep;
    const int64_t blocks = dms_divide_up(g->group, g->groups);
    const int64_t group = rest % blocks * g->groups, batch = rest / blocks;
    t.row0 = tile % g->down * g->rows;
    t.column0 = tile / g->down * g->columns;
    t.groups = g->group - group < g->groups ? g->group - group : g->groups;
    t.x = g->x;
    t.y = g->y;
    const dms_view *y = &g->call->view[g->call->n_in];
    t.x.at += batch * g->call->view[0].pitch[0] * t.size;
    t.y.at += (batch * y->pitch[0] + t.row0 * t.y.pitch_h + t.column0 * t.y.pitch_w) * t.size;
    t.plane = t.y.h * t.y.w;
    t.width = t.y.w;
    t.channel = group * g->m + m;
    t.first = (batch * y->dim[1] + group * g->m + m) * t.plane + t.row0 * t.width + t.column0;
    t.y.h = t.y.h - t.row0 < g->rows ? t.y.h - t.row0 : g->rows;
    t.y.w = t.y.w - t.column0 < g->columns ? t.y.w - t.column0 : g->columns;
    take_channels(&t.x, group * g->c, g->c, t.size);
    take_channels(&t.y, group * g->m + m, g->m - m < g->channels ? g->m - m : g->channels, t.size);
    set_weights(job, g, group, m, &t);
    DMS_ISA(dms_taps_run)(&t, job->scratch);
}

static void set_taps(const geometry *g, dms_tap_table *table) {
    const dms_view *w = &g->call->view[1];
    const int64_t *i = g->call->i;
    for (int64_t k = 0; k < g->taps; k++) {
        const int64_t ky = k / w->dim[3], kx = k % w->dim[3];
        table->dy[k] = ky * i[DMS_CONV_DILATION] - i[DMS_CONV_PAD];
        table->dx[k] = kx * i[DMS_CONV_DILATION + 1] - i[DMS_CONV_PAD + 1];
        table->w_at[k] = ky * w->pitch[2] + kx * w->pitch[3];
    }
}

static void conv_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (!dms_chain_detach(job->call, view, &own))
        return; /* never: the call was checked */
    const geometry g = geometry_of(&own, job->operand[0], job->operand[job->call->n_in]);
    dms_tap_table *table = dms_tap_table_in(job->scratch);
    set_taps(&g, table);
    dms_chain_runner *chain = NULL;
    dms_affine affine;
    bool is_affine = false;
    if (dms_chain_is_in(job->call)) {
        chain = dms_taps_chain_in(job->scratch);
        DMS_ISA(dms_chain_open)(job, chain);
        is_affine = !g.is_turned && DMS_ISA(dms_affine_open)(job->call, chain, &affine);
    }
    const dms_taps t = {.dtype = own.view[0].dtype,
                        .size = dms_dtype_bytes(own.view[0].dtype),
                        .step_h = g.step_h,
                        .step_w = g.step_w,
                        .n = g.taps,
                        .dy = g.is_turned ? table->dx : table->dy,
                        .dx = g.is_turned ? table->dy : table->dx,
                        .w_at = table->w_at,
                        .is_panels = g.is_panels,
                        .chain = chain,
                        .affine = is_affine ? &affine : NULL,
                        .is_points = g.is_points,
                        .is_depthwise = is_depthwise(&own),
                        .is_lanes = g.is_lanes};
    for (uint64_t part = first; part < end; part++)
        run_part(job, &g, t, (int64_t)part);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_conv) = {DMS_K_CONV, conv_parts, conv_run};
