/* table.h - which kernels there are on CUDA, and why others are not.
 *
 * Reads    nothing.
 * Returns  DMS_CUDA_KERNELS: a constant dms_on_cuda_<name> per kernel, in the file of its family.
 * Cost     none.
 * Source   none.
 * Not here ids and operands (runtime/kernels/catalogue.h).
 *
 * A kernel is added for both devices in one commit: its name stands in runtime/kernels/families.h
 * and here, or the reason why it is not here stands in table.c; a test wants one of the two.
 */
#ifndef DMS_RUNTIME_CUDA_TABLE_H
#define DMS_RUNTIME_CUDA_TABLE_H

#include "runtime/cuda/cuda_kernel.h"

#define DMS_CUDA_KERNELS(X)                                                                        \
    X(unary)                                                                                       \
    X(binary)                                                                                      \
    X(cast)                                                                                        \
    X(chain)                                                                                       \
    X(select)                                                                                      \
    X(fill)                                                                                        \
    X(range) X(copy) X(concat) X(pad) X(trilu) X(gather) X(gather_nd) X(gather_elements)           \
        X(scatter_elements) X(scatter_nd) X(one_hot) X(gather_part) X(reduce) X(softmax)           \
            X(layer_norm) X(group_norm) X(batch_norm) X(arg) X(cumsum) X(topk) X(lrn) X(quantize)  \
                X(dequantize) X(unpack) X(matmul) X(matmul_part) X(conv) X(conv_transpose) X(pool) \
                    X(attention) X(lookup)

#define DMS_CUDA_DECLARE(name) extern const dms_cuda_kernel dms_on_cuda_##name;
DMS_CUDA_KERNELS(DMS_CUDA_DECLARE)
#undef DMS_CUDA_DECLARE

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

/* Why a kernel has no implementation here; NULL for one that has. */
const char *dms_cuda_kernel_missing(uint32_t id);

#endif
