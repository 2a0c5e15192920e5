/* rows.h - reductions along rows: what the card is told.
 *
 * Reads    where each row of an operand begins, and where its elements lie.
 * Returns  parameters and launches of the kernels of rows.cu and order.cu.
 * Cost     a warp per row, lane l taking elements l, l + 32, ...: the tree of the CPU device.
 * Source   none.
 * Not here steps, joins and finishes (runtime/kernels/fold_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_ROWS_H
#define DMS_RUNTIME_CUDA_ROWS_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DMS_ROW_OPERANDS 6

/* Normalisations, by what they make of x - mean, inv_std, scale and bias. */
enum {
    DMS_NORM_PLAIN = 0, /* (x - mean) inv_std */
    DMS_NORM_SCALE = 1, /* ... scale */
    DMS_NORM_BIAS = 2,  /* fma((x - mean) inv_std, scale, bias) */
    DMS_NORM_GROUP = 3, /* fma(x - mean, inv_std scale, bias) */
};

/* Rows and the elements of each; operands in the order of the call. `rows` says where the row of
 * each operand begins, `row` where its elements lie from there. */
typedef struct dms_rows_params {
    dms_places rows, row;
    void *operand[DMS_ROW_OPERANDS];
    uint32_t dtype[DMS_ROW_OPERANDS];
    int64_t fn;             /* REDUCE: dms_reduce_fn; SOFTMAX: log; ARG: min; norms: rms */
    uint32_t form;          /* of a norm; ARG: the last index wins; CUMSUM: exclusive */
    uint32_t mean, inv_std; /* norms: operands that take them, 0 = none */
    double epsilon;
} dms_rows_params;

/* BATCH_NORM: operands x, scale, bias, mean, variance, y at the same places. LRN: x, y. */
typedef struct dms_channel_params {
    dms_places places;
    void *operand[DMS_ROW_OPERANDS];
    uint32_t dtype[DMS_ROW_OPERANDS];
    double epsilon;
    int64_t size, channels, pitch; /* LRN: of the window; of x along the channels */
    double alpha, beta, bias;
} dms_channel_params;

/* TOPK: x, values, indices; `rows` as above. */
typedef struct dms_topk_params {
    dms_places rows;
    void *operand[3];
    uint32_t dtype, bytes;
    int64_t n, k, pitch[3]; /* of a row; wanted; along the last axis */
    uint64_t flip;          /* all ones where the smallest are wanted */
} dms_topk_params;

/* Launches the kernel `reduce` (rows.cu); returns 0 or an error number of CUDA. */
int dms_launch_reduce(dms_grid grid, const dms_rows_params *p);
/* Launches the kernel `softmax` (rows.cu); returns 0 or an error number of CUDA. */
int dms_launch_softmax(dms_grid grid, const dms_rows_params *p);
/* Launches the kernel `norm` (rows.cu); returns 0 or an error number of CUDA. */
int dms_launch_norm(dms_grid grid, const dms_rows_params *p);
/* Launches the kernel `arg` (order.cu); returns 0 or an error number of CUDA. */
int dms_launch_arg(dms_grid grid, const dms_rows_params *p);
/* Launches the kernel `cumsum` (order.cu); returns 0 or an error number of CUDA. */
int dms_launch_cumsum(dms_grid grid, const dms_rows_params *p);
/* Launches the kernel `topk` (order.cu); returns 0 or an error number of CUDA. */
int dms_launch_topk(dms_grid grid, const dms_topk_params *p);
/* Launches the kernel `batch_norm` (channel.cu); returns 0 or an error number of CUDA. */
int dms_launch_batch_norm(dms_grid grid, const dms_channel_params *p);
/* Launches the kernel `lrn` (channel.cu); returns 0 or an error number of CUDA. */
int dms_launch_lrn(dms_grid grid, const dms_channel_params *p);

#ifdef __cplusplus
}
#endif

#endif
