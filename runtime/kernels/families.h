/* families.h - the list of kernels: the one place, besides its own files, that names a kernel.
 *
 * Reads    nothing.
 * Returns  X(name) for every kernel; each X names these constants:
 *              dms_row_<name>        in <family>.c       what is known of it (kernel.h)
 *              dms_cpu_<name>_base   in <family>_cpu.c   how it runs (cpu_kernel.h), written as
 *              dms_cpu_<name>_avx2                       `dms_cpu_kernel DMS_ISA(dms_cpu_<name>)`
 *              dms_cpu_<name>_avx512
 *              dms_cpu_<name>_vnni   of the kernels that take AVX-512 VNNI; for the others that
 *                                    set is AVX-512
 *              dms_on_cuda_<name>    in runtime/cuda/kernels
 * Cost     none.
 * Source   none.
 * Not here ids and operands (catalogue.h).
 *
 * Adding a kernel = its row, its implementations, its name in the line of its family.
 */
#ifndef DMS_RUNTIME_KERNELS_FAMILIES_H
#define DMS_RUNTIME_KERNELS_FAMILIES_H

#include "runtime/kernels/cpu_kernel.h"

#define DMS_MAP_KERNELS(X) X(unary) X(binary) X(select) X(cast) X(fill) X(range) X(chain)
#define DMS_QUANTIZE_KERNELS(X) X(quantize) X(dequantize) X(lookup)
#define DMS_MOVE_KERNELS(X) X(copy) X(concat) X(pad) X(trilu)
#define DMS_INDEX_KERNELS(X)                                                                       \
    X(gather)                                                                                      \
    X(gather_elements) X(gather_nd) X(scatter_elements) X(scatter_nd) X(one_hot) X(gather_part)
#define DMS_ROWS_KERNELS(X)                                                                        \
    X(reduce) X(softmax) X(layer_norm) X(group_norm) X(batch_norm) X(arg) X(cumsum) X(topk) X(lrn)
#define DMS_PRODUCT_KERNELS(X) X(matmul) X(matmul_part) X(matmul_bits)
#define DMS_CONV_KERNELS(X) X(conv) X(conv_transpose) X(pool) X(resize)
#define DMS_BYTES_KERNELS(X) X(conv_bytes)
#define DMS_ATTENTION_KERNELS(X) X(attention)
#define DMS_RECURRENT_KERNELS(X) X(recurrent)
#define DMS_SAMPLE_KERNELS(X) X(grid_sample)

/* Every kernel of every family. */
#define DMS_ALL_KERNELS(X)                                                                         \
    DMS_MAP_KERNELS(X)                                                                             \
    DMS_QUANTIZE_KERNELS(X)                                                                        \
    DMS_MOVE_KERNELS(X)                                                                            \
    DMS_INDEX_KERNELS(X)                                                                           \
    DMS_ROWS_KERNELS(X)                                                                            \
    DMS_PRODUCT_KERNELS(X)                                                                         \
    DMS_CONV_KERNELS(X)                                                                            \
    DMS_BYTES_KERNELS(X)                                                                           \
    DMS_ATTENTION_KERNELS(X)                                                                       \
    DMS_RECURRENT_KERNELS(X)                                                                       \
    DMS_SAMPLE_KERNELS(X)

#define DMS_DECLARE_KERNEL(name)                                                                   \
    extern const dms_kernel_row dms_row_##name;                                                    \
    extern const dms_cpu_kernel dms_cpu_##name##_base, dms_cpu_##name##_avx2,                      \
        dms_cpu_##name##_avx512;
DMS_ALL_KERNELS(DMS_DECLARE_KERNEL)
#undef DMS_DECLARE_KERNEL

#define DMS_DECLARE_VNNI(name) extern const dms_cpu_kernel dms_cpu_##name##_vnni;
DMS_BYTES_KERNELS(DMS_DECLARE_VNNI)
#undef DMS_DECLARE_VNNI

#endif
