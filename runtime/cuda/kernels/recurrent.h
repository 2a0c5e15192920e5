/* recurrent.h - RNN, GRU and LSTM on the card: a launch per step.
 *
 * Reads    a RECURRENT: where its operands lie.
 * Returns  parameters and launches of the kernels of recurrent.cu.
 * Cost     per step r once, whatever the number of sequences; GRU takes two launches.
 * Source   none.
 * Not here cells (runtime/kernels/recurrent_body.h).
 *
 * Room in the workspace, in arrays [direction][sequence][unit] of f32: the state before even steps
 * and before odd ones, the cell (GRU: the reset state), the update gate of GRU. */
#ifndef DMS_RUNTIME_CUDA_RECURRENT_H
#define DMS_RUNTIME_CUDA_RECURRENT_H

#include "runtime/cuda/kernels/grid.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DMS_RECURRENT_COLUMNS = 32, DMS_RECURRENT_ROWS = 32 }; /* of a block's product */

/* An operand from [direction] on; NULL where there is none. */
typedef struct dms_recurrent_operand_at {
    void *at;
    int64_t pitch[4];
} dms_recurrent_operand_at;

/* One launch. */
typedef struct dms_recurrent_params {
    dms_recurrent_operand_at p, r, bias, lengths, h0, c0, peephole, y, y_h, y_c;
    float *state[2], *cell, *update;
    uint32_t *error; /* takes `lengths_operand` where a length is bounded */
    uint32_t dtype, kind, gates, is_panels, reverse, is_coupled, lengths_operand;
    uint32_t first_gate, n_gates; /* of this launch */
    uint32_t fn[6];
    float alpha[6], beta[6], clip;
    int64_t directions, rows, units, steps, step;
} dms_recurrent_params;

/* Launches the kernel `recurrent_start`: states before the first step; returns 0 or an error. */
int dms_launch_recurrent_start(dms_grid grid, const dms_recurrent_params *p);
/* Launches the kernel `recurrent_step`, a block per tile of units and sequences. */
int dms_launch_recurrent_step(dms_grid grid, const dms_recurrent_params *p);
/* Launches the kernel `recurrent_finish`: final states, and what comes after short sequences. */
int dms_launch_recurrent_finish(dms_grid grid, const dms_recurrent_params *p);

#ifdef __cplusplus
}
#endif

#endif
