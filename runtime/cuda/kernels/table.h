/* table.h - what entries of the table of kernels on CUDA are made of.
 *
 * Reads    nothing.
 * Returns  DMS_CUDA_ENTRY: the constant dms_on_cuda_<name> of a kernel, in the file of its family.
 * Cost     none.
 * Source   none.
 * Not here ids and operands (runtime/kernels/catalogue.h).
 *
 * A kernel is added for both devices in one commit: the list is that of runtime/kernels/families.h,
 * so that a name without code for the card does not link.
 */
#ifndef DMS_RUNTIME_CUDA_TABLE_H
#define DMS_RUNTIME_CUDA_TABLE_H

#include "runtime/cuda/cuda_kernel.h"

/* can_run of kernels that take whatever their row lets pass, on every card of compute capability
 * 8.0 and up. */
dms_code dms_cuda_runs(const dms_call *call, const dms_cuda_card *card, dms_status *st);

/* The entry of a kernel whose launches LOAD loads, and which `enqueue_NAME` puts onto the stream.
 * LOAD is an expression in CUDA's error numbers, 0 for none. */
#define DMS_CUDA_ENTRY(NAME, ID, LOAD)                                                             \
    static dms_code prepare_##NAME(dms_cuda_libraries *libraries, const dms_call *call,            \
                                   dms_arena *arena, void **out_state, dms_status *st) {           \
        (void)libraries, (void)arena;                                                              \
        *out_state = NULL;                                                                         \
        return dms_launched(call, LOAD, st);                                                       \
    }                                                                                              \
    const dms_cuda_kernel dms_on_cuda_##NAME = {ID, dms_cuda_runs, prepare_##NAME, enqueue_##NAME};

#endif
