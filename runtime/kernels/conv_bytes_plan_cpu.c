/* conv_bytes_plan_cpu.c - which pixels, channels and groups a part of a convolution of bytes has.
 *
 * Parts: batch entry x group x block of output channels x tile of pixels. A tile packs its image
 * once for all its output channels, so it is as large as the nearest caches hold. */
#include "runtime/kernels/conv_bytes_internal.h"
#include "schema/integers.h"

enum {
    NEAR = 1 << 18,      /* bytes of packed planes that a tile aims at (twice as many as i16) */
    FEWEST = 48,         /* lanes of a tile */
    WORTH = 1 << 19,     /* products of a part, at least */
    ENOUGH = 4,          /* parts of a call that is worth as many */
    LEAST_CHANNELS = 32, /* of a part */
    MOST_STEP = 16,      /* of planes */
    LANE = 8,            /* bytes of a lane of a plane: two halves of a quad as i16 */
};

static dms_bytes_image image_of(const dms_view *v) {
    return (dms_bytes_image){v->pitch[0], v->pitch[1], v->pitch[2], v->pitch[3],
                             v->pitch[4], v->dim[3],   v->dim[4]};
}

/* ---- pixels -------------------------------------------------------------------------------- */

/* Makes one row of all pixels; false where they do not lie at one distance. */
static bool join(dms_bytes_image *i) {
    if (i->wide == 1)
        i->w = i->h;
    else if (i->high != 1 && i->h != i->wide * i->w)
        return false;
    i->wide *= i->high;
    i->high = 1;
    return true;
}

/* One tap for every pixel: a plane per four channels. */
static bool choose_joined(dms_bytes_geometry *g) {
    dms_bytes_image x = g->x, y = g->y;
    if (g->taps != 1 || g->step[0] != 1 || g->step[1] != 1 || g->pad[0] != 0 || g->pad[1] != 0 ||
        x.high != y.high || x.wide != y.wide || !join(&x) || !join(&y))
        return false;
    const bool is_row = x.w == 1 || x.wide == 1, is_column = x.c == 1 || g->c == 1;
    if (!is_row && !is_column)
        return false;
    g->way = is_row && (x.wide != 1 || !is_column) ? DMS_BYTES_DIRECT : DMS_BYTES_TURNED;
    g->x = x;
    g->y = y;
    g->rows = 1;
    const int64_t fit = NEAR / 2 / dms_most(dms_least(g->c, 1 << 16), 1) / 16 * 16;
    g->columns = g->pitch = dms_least(g->y.wide, dms_most(FEWEST, dms_least(fit, DMS_BYTES_LANES)));
    g->plane = dms_divide_up(g->columns, 16) * 16;
    g->block = DMS_BYTES_PACKED / (g->plane * LANE) * DMS_BYTES_QUAD;
    return true;
}

/* Rows (columns) of a phase beyond those of the outputs. */
static int64_t gap_of(const dms_bytes_geometry *g, int axis) {
    return dms_divide_up((g->kernel[axis] - 1) * g->dilation[axis] + 1, g->step[axis]) - 1;
}

/* Planes of four channels (one where a quad is rows), all phases. */
static int64_t planes_of(const dms_bytes_geometry *g) {
    return g->by_rows ? dms_divide_up(g->kernel[0], DMS_BYTES_QUAD) * g->step[1]
                      : g->step[0] * g->step[1];
}

static void set_planes(dms_bytes_geometry *g) {
    g->phase_high = g->rows + gap_of(g, 0);
    g->plane = dms_divide_up((g->by_rows ? g->rows : g->phase_high) * g->pitch, 16) * 16;
}

/* Bytes of `n` channels packed. */
static int64_t bytes_of(const dms_bytes_geometry *g, int64_t n) {
    const int64_t each = planes_of(g) * g->plane * LANE;
    return each * (g->by_rows ? n : dms_divide_up(n, DMS_BYTES_QUAD));
}

/* Channels that are packed at once: all, or as many as there is room for; 0 for none. */
static int64_t block_of(const dms_bytes_geometry *g) {
    const int64_t raw = g->pitch * g->phase_high * (g->by_rows ? g->step[0] : DMS_BYTES_QUAD);
    const int64_t fit = DMS_BYTES_PACKED / bytes_of(g, 1);
    if (raw > DMS_BYTES_RAW)
        return 0;
    return dms_least(g->by_rows ? fit : fit * DMS_BYTES_QUAD, g->c);
}

static bool choose_planes(dms_bytes_geometry *g) {
    const int64_t far = 1 << 13, gap = gap_of(g, 1);
    if (g->step[0] > MOST_STEP || g->step[1] > MOST_STEP || gap_of(g, 0) > far ||
        gap + 16 > DMS_BYTES_LANES)
        return false;
    g->way = DMS_BYTES_PLANES;
    g->by_rows = g->c * dms_divide_up(g->kernel[0], DMS_BYTES_QUAD) <
                 g->kernel[0] * dms_divide_up(g->c, DMS_BYTES_QUAD);
    g->columns = dms_least(g->y.wide, DMS_BYTES_LANES - gap);
    g->pitch = g->columns + gap;
    g->rows = g->columns < g->y.wide
                  ? 1
                  : dms_least(g->y.high, (DMS_BYTES_LANES - g->columns) / g->pitch + 1);
    for (;; g->rows = dms_divide_up(g->rows, 2)) {
        set_planes(g);
        if (g->rows == 1 || (g->rows * g->pitch < 2 * FEWEST && block_of(g) == g->c) ||
            (block_of(g) == g->c && bytes_of(g, g->c) <= 2 * NEAR))
            break;
    }
    g->block = block_of(g);
    for (int axis = 0; axis < 2; axis++)
        for (int64_t k = 0; k < g->kernel[axis]; k++)
            g->used[axis] |= 1u << (k * g->dilation[axis] % g->step[axis]);
    return g->block > 0;
}

/* Rows and columns of a tile, and what is packed at once. */
static void choose_tile(dms_bytes_geometry *g) {
    g->chunk = DMS_BYTES_CHUNK;
    if (choose_joined(g) || choose_planes(g))
        return;
    g->way = DMS_BYTES_ONE_BY_ONE;
    g->columns = g->pitch = dms_least(g->y.wide, FEWEST);
    g->rows = dms_least(g->y.high, FEWEST / g->columns);
    g->plane = FEWEST;
    g->block = g->c;
    g->chunk = dms_least(g->chunk, DMS_BYTES_PACKED / (FEWEST * LANE));
}

/* ---- parts --------------------------------------------------------------------------------- */

static void count_tiles(dms_bytes_geometry *g) {
    g->down = dms_divide_up(g->y.high, g->rows);
    g->across = dms_divide_up(g->y.wide, g->columns);
    if (g->way == DMS_BYTES_PLANES)
        g->rows = dms_divide_up(g->y.high, g->down);
}

/* Products of the call, and how many parts it is worth. */
static int64_t parts_worth(const dms_bytes_geometry *g) {
    int64_t work;
    if (__builtin_mul_overflow(g->y.high * g->y.wide, g->m, &work) ||
        __builtin_mul_overflow(work, g->taps, &work) || __builtin_mul_overflow(work, g->c, &work) ||
        __builtin_mul_overflow(work, g->batch * g->groups, &work))
        work = INT64_MAX;
    return work / WORTH;
}

/* Smaller tiles, then blocks of channels, where threads would have nothing to share. */
static void share(dms_bytes_geometry *g) {
    const int64_t worth = parts_worth(g);
    const int64_t wanted = dms_divide_up(dms_least(worth, ENOUGH), g->batch * g->groups);
    count_tiles(g);
    if (g->down * g->across < wanted && g->y.high > 1) {
        g->rows = dms_divide_up(g->y.high, dms_least(dms_divide_up(wanted, g->across), g->y.high));
        if (g->way == DMS_BYTES_PLANES)
            set_planes(g);
    } else if (g->down * g->across < wanted && g->way != DMS_BYTES_PLANES &&
               g->y.wide >= wanted * FEWEST) {
        g->columns = g->pitch = dms_divide_up(dms_divide_up(g->y.wide, wanted), 16) * 16;
    }
    count_tiles(g);
    if (g->way == DMS_BYTES_PLANES)
        set_planes(g);
    const int64_t blocks =
        dms_least(dms_divide_up(wanted, g->down * g->across), g->m / LEAST_CHANNELS);
    g->channels =
        dms_divide_up(dms_divide_up(g->m, dms_most(blocks, 1)), DMS_BYTES_ROWS) * DMS_BYTES_ROWS;
    g->deep = dms_divide_up(g->m, g->channels);
    g->together = 1;
    if (g->down * g->across * g->deep == 1) {
        const int64_t parts = dms_most(1, dms_least(worth, g->groups));
        g->together = dms_divide_up(g->groups, parts);
    }
}

dms_bytes_geometry DMS_ISA(dms_bytes_plan)(const dms_call *call) {
    const dms_view *x = &call->view[DMS_BYTES_X], *y = &call->view[call->n_in];
    const int64_t *i = call->i;
    dms_bytes_geometry g = {.call = call,
                            .x = image_of(x),
                            .y = image_of(y),
                            .groups = y->dim[0],
                            .batch = y->dim[1],
                            .m = y->dim[2],
                            .c = x->dim[2],
                            .taps = i[DMS_BYTES_KERNEL] * i[DMS_BYTES_KERNEL + 1]};
    for (int k = 0; k < 2; k++) {
        g.kernel[k] = i[DMS_BYTES_KERNEL + k];
        g.step[k] = i[DMS_BYTES_STEP + k];
        g.dilation[k] = i[DMS_BYTES_DILATION + k];
        g.pad[k] = i[DMS_BYTES_PAD + k];
    }
    if (dms_view_count(y) == 0)
        return g; /* no parts */
    choose_tile(&g);
    share(&g);
    return g;
}
