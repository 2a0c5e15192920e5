/* sample.h - RESIZE and GRID_SAMPLE on the card: outputs that are sums over taps of each axis.
 *
 * Reads    images, grids, axes: where they lie.
 * Returns  parameters and launches of the kernels of resize.cu and sample.cu.
 * Cost     a thread per output: its taps, found anew.
 * Source   none.
 * Not here which taps there are (runtime/kernels/resize_body.h, sample_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_SAMPLE_H
#define DMS_RUNTIME_CUDA_SAMPLE_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"
#include "runtime/kernels/resize_body.h"
#include "runtime/kernels/sample_body.h"

#ifdef __cplusplus
extern "C" {
#endif

/* RESIZE: the outputs, axis by axis. */
typedef struct dms_resize_params {
    dms_places y;
    const void *from;
    void *to;
    uint32_t dtype, bytes;
    dms_resize_rule rule;
    dms_resize_axis axis[DMS_RESIZE_MAX_RANK];
    int64_t pitch[DMS_RESIZE_MAX_RANK]; /* of x */
    int64_t inner;                      /* columns of each position of the last axis */
    double extrapolation;
} dms_resize_params;

/* Channels that a thread of GRID_SAMPLE has at most. */
#define DMS_SAMPLE_CHANNELS 16

/* GRID_SAMPLE. `points` are [n, spatial]: operand 0 is y, operand 1 is the grid. */
typedef struct dms_sample_params {
    dms_places points;
    const void *x, *grid;
    void *y;
    uint32_t dtype, grid_dtype, axes;
    dms_sample_rule rule;
    int64_t channels, dim[DMS_SAMPLE_MAX_AXES];
    int64_t x_pitch[2 + DMS_SAMPLE_MAX_AXES], y_pitch, grid_pitch; /* along channels; axes */
} dms_sample_params;

/* Launches the kernel `resize_move` (resize.cu): nearest; returns 0 or an error number of CUDA. */
int dms_launch_resize_move(dms_grid grid, const dms_resize_params *p);
/* Launches the kernel `resize` (resize.cu); returns 0 or an error number of CUDA. */
int dms_launch_resize(dms_grid grid, const dms_resize_params *p);
/* Launches the kernel `resize_levels` (resize.cu): integers, antialiased. */
int dms_launch_resize_levels(dms_grid grid, const dms_resize_params *p);
/* Launches the kernel `grid_sample` (sample.cu); returns 0 or an error number of CUDA. */
int dms_launch_grid_sample(dms_grid grid, const dms_sample_params *p);

#ifdef __cplusplus
}
#endif

#endif
