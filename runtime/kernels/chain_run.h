/* chain_run.h - how a chain runs on the CPU device, alone or behind another kernel.
 *
 * Reads    a checked call that has a chain; for a kernel that carries one, its own result.
 * Returns  elements of y in row-major order of its dims, whatever the pitches.
 * Cost     one indirect call per instruction and strip of 512 elements; everything but operands
 *          and y stays in the L1 cache. A runner takes 130 KiB of stack or scratch, of which the
 *          registers in use are touched; opening it, 0.2 us.
 * Source   none.
 * Not here what a chain is (chain.h).
 *
 *     dms_chain_runner runner;
 *     DMS_ISA(dms_chain_open)(job, &runner);
 *     ... own result of elements [first, first + n) of y, dense at `result` (in y, or in scratch)
 *     DMS_ISA(dms_chain_run)(&runner, first, n, result);
 */
#ifndef DMS_RUNTIME_KERNELS_CHAIN_RUN_H
#define DMS_RUNTIME_KERNELS_CHAIN_RUN_H

#include "runtime/kernels/chain.h"
#include "runtime/kernels/map_internal.h"
#include "runtime/kernels/walk.h"

typedef struct dms_cpu_job dms_cpu_job; /* cpu_kernel.h */

/* How an operand lies along the linear order of y: it repeats after `period` elements, and where
 * `is_flat`, element i of a period lies at i `pitch`. A bias over rows of 64 has a period of 64. */
typedef struct dms_chain_lie {
    int64_t period, pitch;
    bool is_flat;
} dms_chain_lie;

/* A chain made ready for one call, and the registers of one thread. */
typedef struct dms_chain_runner {
    const dms_cpu_job *job;
    dms_chain chain;
    dms_walk walk;        /* the chain's operands in order, then y */
    uint32_t n_own;       /* inputs of the call before those of the chain */
    uint32_t n_walk;      /* operands of the walk */
    int64_t short_period; /* the longest period of any operand that fits a strip; 1 = none */
    dms_chain_lie lie[DMS_CHAIN_OPERANDS + 1]; /* per operand of the walk */
    bool is_plain; /* one function over dense strips: any number of elements at once */
    dms_map_task task[DMS_CHAIN_OPS];
    bool is_rounded[DMS_CHAIN_OPS];       /* the result must pass through its memory type */
    const void *value[DMS_CHAIN_VALUES];  /* the strip of each value at hand */
    int64_t held[DMS_CHAIN_OPERANDS + 1]; /* the place that fills an operand's strip, or -1 */
    int64_t n_held[DMS_CHAIN_OPERANDS + 1];
    dms_strip in[DMS_CHAIN_OPERANDS + 1], reg[DMS_CHAIN_REGISTERS], spare[3];
} dms_chain_runner;

/* Makes the chain of a checked call ready. */
void DMS_ISA(dms_chain_open)(const dms_cpu_job *job, dms_chain_runner *out);

/* Computes elements [first, first + n) of y, counted in row-major order of its dims. `result` holds
 * the kernel's own results of just these elements, densely, in the type of operand 0; it may be
 * where y has them. NULL for DMS_K_CHAIN. */
void DMS_ISA(dms_chain_run)(dms_chain_runner *runner, int64_t first, int64_t n, const void *result);

/* Elements [first, first + n) of y where the chain is a sum, difference, product or quotient of f32
 * rows and one number per row; false where it is another. The same bits as dms_chain_run. */
bool DMS_ISA(dms_per_row_run)(const dms_chain_runner *runner, int64_t first, int64_t n);

#endif
