/* product_lt.h - products by cuBLASLt, where it takes layout and types.
 *
 * Reads    a product (product.h); the workspace that its row gives.
 * Returns  descriptors and the algorithm, made once when a plan is opened; the product, enqueued.
 * Cost     the library's.
 * Source   none.
 * Not here products in the CPU device's order of sums (product.cu).
 *
 * f32 is multiplied as f32: no TF32. Sums are f32 for f16 and bf16. The algorithm is the library's
 * first answer for these descriptors, 16 bytes of alignment and the row's workspace: it depends on
 * the call, never on the placement, and nothing is timed. Slices of k may be summed up through the
 * workspace, in order, never in the order of arrival.
 */
#ifndef DMS_RUNTIME_CUDA_PRODUCT_LT_H
#define DMS_RUNTIME_CUDA_PRODUCT_LT_H

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/cuda/kernels/product.h"

/* Descriptors of a product, or NULL in *out_state where our own kernel runs it: operands of
 * products.h whose addresses are not known yet (`c` and `before` say whether they are there).
 * Errors   DMS_EDEVICE naming what the library refused. */
DMS_CHECKED dms_code dms_product_lt_prepare(dms_cuda_libraries *libraries,
                                            const dms_product_params *p, uint64_t workspace,
                                            dms_arena *arena, void **out_state, dms_status *st);

/* Whether these operands lie at multiples of 16 bytes, as prepare has promised: where each lies in
 * its buffer is the plan's layout, so the answer does not depend on the placement. */
bool dms_product_lt_takes(const dms_cuda_job *job, const dms_product_params *p);

/* Puts the product onto the job's stream by what prepare made.
 * Errors   DMS_EDEVICE with the library's status. */
DMS_CHECKED dms_code dms_product_lt_enqueue(const dms_cuda_job *job, const dms_product_params *p,
                                            void *workspace, dms_status *st);

/* Runs a product of each algorithm once, as dms_cuda_libraries_warm does.
 * Errors   DMS_EDEVICE naming the product that the library refused. */
DMS_CHECKED dms_code dms_product_lt_warm(dms_cuda_libraries *libraries, uint64_t memory,
                                         uint64_t bytes, void *stream, dms_status *st);

#endif
