/* taps_internal.h - the sum that convolutions share: channels x taps, one fused chain per output.
 *
 * Reads    one batch entry and group: c channels of an image, weights, where each tap looks.
 * Returns  y = bias + sum over channels, then taps, of weight * image: one chain from the bias (or
 *          0). A tap outside the image reads 0 and still takes its place in the chain (weight * 0).
 * Cost     panels of 16 output channels against 6 pixels, or vectors along the width for fewer than
 *          8 output channels. The image is copied, padded, in blocks of 384 terms.
 * Source   none; a convolution as a product without the matrix of columns.
 * Not here which taps there are (conv_cpu.c, conv_transpose_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_TAPS_INTERNAL_H
#define DMS_RUNTIME_KERNELS_TAPS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/kernels/conv_internal.h"
#include "runtime/kernels/dialect.h"
#include "schema/dtype.h"

enum {
    DMS_TAPS_TERMS = 384,    /* terms of the chain between two visits of the sums */
    DMS_TAPS_PIXELS = 288,   /* pixels of a part with panels, a multiple of 6 */
    DMS_TAPS_CHANNELS = 256, /* output channels of a part with panels, a multiple of 16 */
    DMS_TAPS_WIDE = 1024,    /* pixels of a part without panels */
    DMS_TAPS_SCRATCH_BYTES = 2 << 20,
};

/* An image: c channels of h x w, or the outputs. Pitches in elements of the call's dtype. */
typedef struct dms_image {
    char *at; /* its first element */
    int64_t c, h, w;
    int64_t pitch_c, pitch_h, pitch_w;
} dms_image;

/* One part. Output (row, column) with tap t reads image row (row0 + row) * step_h + dy[t]. */
typedef struct dms_taps {
    dms_dtype dtype; /* of all operands; sums are f32 */
    uint32_t size;   /* bytes of an element */
    dms_image x, y;  /* y holds the part alone: y.c channels, y.h rows, y.w columns */
    int64_t row0, column0, step_h, step_w;
    int64_t n; /* taps */
    const int64_t *dy, *dx;
    const int64_t *w_at; /* element offset of each tap in plain weights */
    const char *w;       /* weights of the part's first output channel */
    int64_t w_m, w_c;    /* pitches of output and input channel */
    bool is_panels;      /* w is [m / 16][c][n][16], and y.c begins at a panel */
    const char *bias;    /* of the first output channel; NULL = 0 */
    int64_t bias_pitch;
    bool is_wide; /* vectors run along the width; plain weights, fewer than DMS_CONV_FEW channels */
} dms_taps;

/* Tables of taps, for those who make them; they lie behind the scratch of dms_taps_run. */
typedef struct dms_tap_table {
    int64_t dy[DMS_CONV_MAX_TAPS], dx[DMS_CONV_MAX_TAPS], w_at[DMS_CONV_MAX_TAPS];
} dms_tap_table;

/* The table in the scratch of a thread. */
static inline dms_tap_table *dms_tap_table_in(void *scratch) {
    return (dms_tap_table *)((char *)scratch + DMS_TAPS_SCRATCH_BYTES);
}

/* Runs one part: at most DMS_TAPS_PIXELS pixels and DMS_TAPS_CHANNELS channels; where it is wide,
 * DMS_TAPS_WIDE as said. Uses DMS_TAPS_SCRATCH_BYTES. */
void DMS_ISA(dms_taps_run)(const dms_taps *t, void *scratch);

/* Rows and columns of a part of an output of h x w, balanced. */
static inline void dms_taps_part(int64_t h, int64_t w, bool is_wide, int64_t *rows,
                                 int64_t *columns) {
    const int64_t room = is_wide ? DMS_TAPS_WIDE : DMS_TAPS_PIXELS;
    const int64_t across = (w + room - 1) / room;
    *columns = (w + across - 1) / across;
    const int64_t high = room / *columns, down = (h + high - 1) / high;
    *rows = (h + down - 1) / down;
}

#endif
