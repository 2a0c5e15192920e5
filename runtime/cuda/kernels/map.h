/* map.h - a program of element-wise functions as the card runs it.
 *
 * Reads    a chain (runtime/kernels/chain.h), where its operands lie.
 * Returns  parameters of the kernel `map`, and its launch.
 * Cost     one pass over the operands; intermediates stay in registers.
 * Source   none.
 * Not here the functions (runtime/kernels/map_unary.h, map_binary.h, convert.h).
 */
#ifndef DMS_RUNTIME_CUDA_MAP_H
#define DMS_RUNTIME_CUDA_MAP_H

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"
#include "runtime/kernels/chain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Elements of one thread: four of 4 bytes are one access. */
#define DMS_MAP_EACH 4

/* Where an instruction reads a value: operands by number, registers behind them, or what the
 * instruction before has left. */
#define DMS_MAP_REGISTER DMS_PLACES_OPERANDS
#define DMS_MAP_LAST 255

/* One instruction. */
typedef struct dms_map_op {
    uint8_t kind, fn, dtype; /* dms_chain_kind, its function, the type of the result */
    uint8_t src[3], src_dtype[3];
    uint8_t real, n_reals;
    uint8_t reg;        /* where the result is kept, or DMS_MAP_LAST: for the next one alone */
    uint8_t is_rounded; /* it passes through the memory of its type */
} dms_map_op;

/* A program, and its operands: inputs in order, y last. */
typedef struct dms_map_params {
    dms_places places;
    void *operand[DMS_PLACES_OPERANDS];
    uint8_t dtype[DMS_PLACES_OPERANDS];
    uint8_t n_in, n_ops;
    uint8_t is_flat; /* each operand is dense from an address of whole accesses on, or repeats */
    dms_map_op op[DMS_CHAIN_OPS];
    double real[DMS_CHAIN_REALS];
} dms_map_params;

/* Runs a program (map.cu). */
int dms_launch_map(dms_grid grid, const dms_map_params *p);

/* The program of a chain over these operands (the kernel's own result first, where it has one).
 * Returns false where there are more operands than a launch takes. */
bool dms_map_fill(const dms_chain *chain, const dms_view *const *view, void *const *operand,
                  dms_map_params *out);

/* The chain behind a call's own result, which lies dense at `result`, onto y.
 * Errors   DMS_EDEVICE: CUDA refused the launch. */
DMS_CHECKED dms_code dms_map_epilogue(const dms_cuda_job *job, void *result, dms_status *st);

/* Blocks for `work` threads of 256; at least one. */
dms_grid dms_grid_of(int64_t work, void *stream);

/* The same in blocks of `threads`. */
dms_grid dms_grid_for(int64_t work, uint32_t threads, void *stream);

/* DMS_OK where a launch returned 0; else DMS_EDEVICE with the kernel's name. */
DMS_CHECKED dms_code dms_launched(const dms_call *call, int error, dms_status *st);

#ifdef __cplusplus
}
#endif

#endif
