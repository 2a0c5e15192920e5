/* grid.h - how many threads a kernel is launched with.
 *
 * Reads    nothing.
 * Returns  a record, and limits.
 * Cost     none.
 * Source   none.
 * Not here launches (launch.h).
 */
#ifndef DMS_RUNTIME_CUDA_GRID_H
#define DMS_RUNTIME_CUDA_GRID_H

#include <stdint.h>

/* Blocks, threads of each, and the stream. */
typedef struct dms_grid {
    uint32_t blocks, threads;
    void *stream; /* cudaStream_t */
} dms_grid;

/* Threads of a warp: the lanes of a row's tree. */
#define DMS_WARP 32

/* Most blocks of a launch: kernels go over what they have in strides of the grid. */
#define DMS_MOST_BLOCKS 65535

#endif
