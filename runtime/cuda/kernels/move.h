/* move.h - copies, borders, triangles, choices: what the card is told.
 *
 * Reads    places of operands, bytes of an element.
 * Returns  parameters and launches of the kernels of move.cu; a strided copy for other kernels.
 * Cost     each byte once; dense runs in accesses of 16 bytes; transposes by way of shared memory.
 * Source   none.
 * Not here which entry a border means (runtime/kernels/index_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_MOVE_H
#define DMS_RUNTIME_CUDA_MOVE_H

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A copy: operand 0 is read, 1 is written. In `turn` the last two axes are a block, the source
 * dense along the first of them, the target along the second. */
typedef struct dms_copy_params {
    dms_places places;
    const void *from;
    void *to;
    uint32_t bytes;
    int64_t tiles[2], n_tiles; /* of 32 x 32 in a block; of all blocks */
} dms_copy_params;

/* PAD: operand 0 is x, 1 is y; axes are those of the views. */
typedef struct dms_pad_params {
    dms_places places;
    const void *from;
    void *to;
    int64_t dim[DMS_MAX_RANK], begin[DMS_MAX_RANK]; /* of x; of x within y */
    int64_t mode;
    uint64_t value;
    uint32_t bytes;
} dms_pad_params;

/* TRILU over axes as in the views. */
typedef struct dms_trilu_params {
    dms_places places;
    const void *from;
    void *to;
    int64_t k;
    uint32_t is_upper, bytes;
} dms_trilu_params;

/* SELECT: c, a, b, y. FILL: y alone, by `value`. RANGE: y alone, start + index delta. */
typedef struct dms_pick_params {
    dms_places places;
    void *operand[4];
    uint32_t bytes, dtype;
    uint64_t value;
    uint64_t start, delta;
    double real_start, real_delta;
} dms_pick_params;

/* Launches the kernel `copy` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_copy(dms_grid grid, const dms_copy_params *p);
/* Launches the kernel `turn` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_turn(dms_grid grid, const dms_copy_params *p);
/* Launches the kernel `pad` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_pad(dms_grid grid, const dms_pad_params *p);
/* Launches the kernel `trilu` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_trilu(dms_grid grid, const dms_trilu_params *p);
/* Launches the kernel `select` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_select(dms_grid grid, const dms_pick_params *p);
/* Launches the kernel `fill` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_fill(dms_grid grid, const dms_pick_params *p);
/* Launches the kernel `range` (move.cu); returns 0 or an error number of CUDA. */
int dms_launch_range(dms_grid grid, const dms_pick_params *p);

/* Puts a copy between views of the same dims onto the job's stream; both addresses are those of the
 * views' elements 0, bit k of `backward` reads axis k from its end.
 * Errors   DMS_EDEVICE: CUDA refused the launch. */
DMS_CHECKED dms_code dms_cuda_copy(const dms_cuda_job *job, const dms_view *from_view,
                                   const void *from, const dms_view *to_view, void *to,
                                   uint64_t backward, dms_status *st);

#ifdef __cplusplus
}
#endif

#endif
