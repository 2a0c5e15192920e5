/* taps_internal.h - the sum that convolutions share: channels x taps, one fused chain per output.
 *
 * Reads    one batch entry: groups of c channels of an image, weights, where each tap looks.
 * Returns  y = bias + sum over channels, then taps, of weight * image: one chain from the bias (or
 *          0). A tap outside the image reads 0 and still takes its place in the chain (weight * 0).
 * Cost     runs: up to 8 output channels against two vectors of neighbouring pixels; points: 16 or
 *          32 channels as vectors against up to 8 pixels, for images too small for runs. The image
 *          is copied, padded, in blocks of up to 384 terms. Depthwise by lanes: DMS_V channels by 8
 *          pixels, 9 loads for 8 multiply-adds; turning the image and the sums around takes a
 *          quarter of a cycle per element each, whatever the step.
 * Source   none; a convolution as a product without the matrix of columns.
 * Not here which taps there are (conv_cpu.c, conv_transpose_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_TAPS_INTERNAL_H
#define DMS_RUNTIME_KERNELS_TAPS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/kernels/conv_internal.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/dialect.h"
#include "runtime/kernels/kernel.h"
#include "schema/dtype.h"

typedef struct dms_chain_runner dms_chain_runner; /* chain_run.h */

enum {
    DMS_TAPS_TERMS = 384,        /* terms of the chain between two visits of the sums */
    DMS_TAPS_POINTS = 288,       /* pixels of a part by points */
    DMS_TAPS_RUN = 1024,         /* positions of a run at most */
    DMS_TAPS_CHANNELS = 256,     /* output channels of a part, a multiple of 16 */
    DMS_TAPS_SUMS = 80 * 1024,   /* sums of a part by runs */
    DMS_TAPS_IMAGE = 192 * 1024, /* elements of a copied block */
    DMS_TAPS_PLANES = 64,        /* phases of a window at most */
    DMS_TAPS_PANEL = 16,
    DMS_TAPS_SLACK = 32,         /* vectors may read and write this far past image and sums */
    DMS_LANES_BLOCK = 16,        /* channels: a multiple of DMS_V */
    DMS_LANES_IMAGE = 32 * 1024, /* elements of the image of a block, unless one row takes more */
    DMS_LANES_PIXELS = 1024,     /* outputs of a part, per channel */
    DMS_LANES_COLUMNS = 1024,    /* of a part's image */
    DMS_TAPS_DENSE = 32 * 1024,  /* results that a chain takes at a time, a whole part's channel */
    DMS_TAPS_SCRATCH_BYTES = 2 << 20,
};

/* An image: c channels of h x w, or the outputs. Pitches in elements of the call's dtype. */
typedef struct dms_image {
    char *at; /* its first element */
    int64_t c, h, w;
    int64_t pitch_c, pitch_h, pitch_w;
} dms_image;

/* A chain that begins like a batch norm, in f32, and goes on with functions of one operand:
 *
 *      y = f(... relu?((x * scale[m] + shift[m]) + residual))          each term may be missing
 *
 * It needs no strips: one pass from the sums to y, by the same roundings in the same order. */
typedef struct dms_affine {
    const float *scale, *shift; /* NULL = none */
    int64_t scale_pitch, shift_pitch;
    const float *residual; /* lies like y */
    const float *y;        /* element 0 of y */
    bool is_relu;
    uint32_t first; /* of the chain's instructions that follow */
    dms_chain_runner *chain;
} dms_affine;

/* Whether the opened chain of a call with a y [b, m, h, w] has this form. */
bool DMS_ISA(dms_affine_open)(const dms_call *call, dms_chain_runner *chain, dms_affine *out);

/* n elements of channel m: sums `from`, side by side, become y. */
void DMS_ISA(dms_affine_row)(const dms_affine *a, int64_t m, const float *from, float *y,
                             int64_t n);

/* What follows, in place over n elements of y side by side. */
void DMS_ISA(dms_affine_end)(const dms_affine *a, float *y, int64_t n);

/* One part. Output (row, column) with tap t reads image row (row0 + row) * step_h + dy[t]. */
typedef struct dms_taps {
    dms_dtype dtype; /* of all operands; sums are f32 */
    uint32_t size;   /* bytes of an element */
    dms_image x, y;  /* c channels of one group; y holds the part alone */
    int64_t groups;  /* groups side by side; more than 1 only where y.c is the whole of each */
    int64_t row0, column0, step_h, step_w;
    int64_t n; /* taps */
    const int64_t *dy, *dx;
    const int64_t *w_at;      /* element offset of each tap in plain weights */
    const char *w;            /* weights of the part's first output channel */
    int64_t w_m, w_c;         /* pitches of output and input channel */
    bool is_panels;           /* w is [m / 16][c][n][16], and y.c begins at a panel */
    dms_chain_runner *chain;  /* what becomes of the sums before they are stored; NULL = nothing */
    const dms_affine *affine; /* the same chain where it has that form, else NULL */
    int64_t channel;          /* number of the first channel among those of y */
    int64_t first;            /* of the part's first output, in row-major order of the call's y */
    int64_t plane, width;     /* elements from one channel, one row to the next in that order */
    bool is_points;           /* by points instead of runs */
    bool is_in_place;         /* dms_window_in_place of all its columns, or dms_window_is_whole */
    bool is_depthwise;        /* one channel in and one out per group, f32, weights [group][tap] */
    bool is_lanes;            /* the same with channels as lanes */
    const char *bias;         /* of the first output channel; NULL = 0 */
    int64_t bias_pitch;
} dms_taps;

/* What a plane takes of the image: rows [above, below) of its own and columns [low, high) exist,
 * all else is zero; the first of them lies `from` elements behind the image's first. */
typedef struct dms_plane {
    int64_t above, below, low, high, from;
} dms_plane;

/* The copied image of a part, so that every step is 1. It has planes [channel][plane][row][column],
 * and a term is an offset:
 *
 *      window    a plane per pair (row, column) modulo steps that some tap reads. The zeros right
 *                of a row are those left of the next one; a run of pixels crosses them.
 *      columns   a plane per tap, without anything between its rows: where steps or dilations leave
 *                most of a window unused
 *      in place  the image itself, where one tap reads whole vectors of it, or single pixels. */
typedef struct dms_window {
    bool is_columns;
    const float *in_place; /* not copied: channel 0 of the image itself, positions side by side */
    int64_t dy, dx;        /* smallest tap, in steps */
    int64_t n_planes, rows, columns, pitch_h, plane, pitch_c;
    int64_t phase_y[DMS_TAPS_PLANES], phase_x[DMS_TAPS_PLANES];
    dms_plane planes[DMS_TAPS_PLANES]; /* of a window */
    int64_t c0, nc, t0, nt; /* the block: channels [c0, c0 + nc) with taps [t0, t0 + nt) */
    bool is_begun;          /* a chain has begun: the next block is not its first */
} dms_window;

/* Scratch of a part. */
typedef struct dms_taps_scratch {
    float image[DMS_TAPS_IMAGE + DMS_TAPS_SLACK];
    float sum[DMS_TAPS_SUMS + DMS_TAPS_SLACK];
    float weight[DMS_TAPS_TERMS * DMS_TAPS_PANEL];
    int32_t offset[DMS_TAPS_TERMS]; /* of each term */
    int32_t base[DMS_TAPS_POINTS];  /* of each pixel */
    float dense[DMS_TAPS_DENSE + DMS_TAPS_SLACK];
    uint16_t narrow[DMS_TAPS_DENSE]; /* the same in f16 or bf16 */
    dms_window window;
} dms_taps_scratch;
_Static_assert(sizeof(dms_taps_scratch) <= DMS_TAPS_SCRATCH_BYTES, "scratch of a part");

/* Tables of taps, for those who make them; they lie behind the scratch of dms_taps_run. */
typedef struct dms_tap_table {
    int64_t dy[DMS_CONV_MAX_TAPS], dx[DMS_CONV_MAX_TAPS], w_at[DMS_CONV_MAX_TAPS];
} dms_tap_table;

/* The table in the scratch of a thread. */
static inline dms_tap_table *dms_tap_table_in(void *scratch) {
    return (dms_tap_table *)((char *)scratch + DMS_TAPS_SCRATCH_BYTES);
}

/* Room for a chain in the scratch of a thread, behind the table. */
static inline dms_chain_runner *dms_taps_chain_in(void *scratch) {
    return (dms_chain_runner *)(void *)(dms_tap_table_in(scratch) + 1);
}

/* Chooses the form of a part's image. No chain has begun. */
void DMS_ISA(dms_window_plan)(const dms_taps *t, dms_window *b);

/* Moves to the first or next block of a chain and fills in the offsets of its terms; false when
 * the chain is done, after which another one begins. */
bool DMS_ISA(dms_window_next)(const dms_taps *t, dms_window *b, int32_t *offset);

/* Copies the block, where it must be copied; returns where it lies. */
const float *DMS_ISA(dms_window_load)(const dms_taps *t, const dms_window *b, float *image);

/* How many of the part's columns, from its first on, can be read in place; 0 = none. */
int64_t DMS_ISA(dms_window_in_place)(const dms_taps *t);

/* Whether a part by points can read all its pixels in place: one tap that is always inside. */
bool DMS_ISA(dms_window_is_whole)(const dms_taps *t);

/* n elements of the part's dtype as f32. */
void DMS_ISA(dms_taps_load)(const dms_taps *t, const char *from, int64_t pitch, int64_t n,
                            float *out);

/* Runs a part of which is_depthwise holds, whose image is a window, all groups of it. */
void DMS_ISA(dms_depthwise_run)(const dms_taps *t, void *scratch);

/* Whether this instruction set has what follows. */
#ifdef __FMA__
#define DMS_LANES_EXIST 1
#else
#define DMS_LANES_EXIST 0
#endif

/* Runs all groups of a part of which is_lanes holds. It says so of depthwise parts of DMS_V groups
 * or more in the whole call, whose taps come row by row. */
void DMS_ISA(dms_lanes_run)(const dms_taps *t, void *scratch);

/* Sums as a part has them: channel r, row i, column j at at[r * pitch_c + i * pitch_h + j]. */
typedef struct dms_taps_sums {
    const float *at;
    int64_t pitch_c, pitch_h;
} dms_taps_sums;

/* Sums of n channels from m on (of y.c, or of all groups) into y, by way of the chain. */
void DMS_ISA(dms_taps_store)(const dms_taps *t, int64_t m, int64_t n, dms_taps_sums sums,
                             dms_taps_scratch *s);

/* Runs one part: at most DMS_TAPS_CHANNELS channels of a group, and pixels as said above. Uses
 * DMS_TAPS_SCRATCH_BYTES. */
void DMS_ISA(dms_taps_run)(const dms_taps *t, void *scratch);

/* Positions of a run over rows of w pixels with `gap` between them. */
static inline int64_t dms_taps_positions(int64_t rows, int64_t w, int64_t gap) {
    return (rows - 1) * (w + gap) + w;
}

/* Rows and columns of a part of an output of h x w, balanced, so that a run fits `room`. */
static inline void dms_taps_part(int64_t h, int64_t w, int64_t gap, int64_t room, int64_t *rows,
                                 int64_t *columns) {
    const int64_t across = (w + room - 1) / room;
    *columns = (w + across - 1) / across;
    const int64_t high = (room - *columns) / (*columns + gap) + 1, down = (h + high - 1) / high;
    *rows = (h + down - 1) / down;
}

/* Room of a part with m output channels. */
static inline int64_t dms_taps_room(int64_t m, bool is_points) {
    const int64_t channels = m < DMS_TAPS_CHANNELS ? m : DMS_TAPS_CHANNELS;
    const int64_t room = DMS_TAPS_SUMS / channels / 16 * 16;
    return is_points ? DMS_TAPS_POINTS : room < DMS_TAPS_RUN ? room : DMS_TAPS_RUN;
}

#endif
