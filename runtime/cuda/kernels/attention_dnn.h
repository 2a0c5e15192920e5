/* attention_dnn.h - attention by cuDNN, where it is found and takes the call.
 *
 * Reads    a checked call of DMS_K_ATTENTION; the workspace that its row gives.
 * Returns  a plan of the library, made once when a plan of ours is opened; the call, enqueued.
 * Cost     the library's; making a plan takes it some 100 ms, in which it compiles a kernel.
 * Source   NVIDIA, cuDNN's graph of scaled dot products (two products with a softmax between).
 * Not here few queries and whatever has a mask: those are our own kernels' (attention.c).
 *
 * The engine is the first in the order of the library's heuristics that fits the row's workspace
 * and whose notes say nothing but that it uses tensor cores: none that sums in any order or in
 * fewer bits. Nothing is timed: it depends on the call, the card and the library's version.
 */
#ifndef DMS_RUNTIME_CUDA_ATTENTION_DNN_H
#define DMS_RUNTIME_CUDA_ATTENTION_DNN_H

#include "runtime/cuda/cuda_kernel.h"

struct dms_dnn_plan; /* libraries.h */

/* Whether an operand of rank 4 that lies `at` (NULL: at a multiple of 16) has what tensor cores
 * take: rows at multiples of 16 bytes, each dense, and no wider than 256 elements. */
bool dms_attention_rows_of_16(const dms_view *view, const void *at);

/* A plan for the call, or NULL in *out_state where our own kernel runs it: the library is not
 * there, or has no engine for it.
 * Errors   DMS_EINTERNAL: no memory of the host. */
DMS_CHECKED dms_code dms_attention_dnn_prepare(dms_cuda_libraries *libraries, const dms_call *call,
                                               uint64_t workspace, dms_arena *arena,
                                               void **out_state, dms_status *st);

/* Makes `plan`, all zero but for `dnn`, for a card of its handle, or of its `card` without one;
 * false: the library does not take the call. What was made is given back by dms_dnn_give_back. */
bool dms_attention_dnn_plan(const dms_call *call, uint64_t workspace, struct dms_dnn_plan *plan);

/* Whether these operands lie at multiples of 16 bytes, as the plan has promised: where each lies in
 * its buffer is our plan's layout, so the answer does not depend on the placement. */
bool dms_attention_dnn_takes(const dms_cuda_job *job);

/* Puts the call onto the job's stream by what prepare made.
 * Errors   DMS_EDEVICE with the library's status. */
DMS_CHECKED dms_code dms_attention_dnn_enqueue(const dms_cuda_job *job, dms_status *st);

/* Runs each plan once, as dms_cuda_libraries_warm does.
 * Errors   DMS_EDEVICE with the library's status. */
DMS_CHECKED dms_code dms_attention_dnn_warm(dms_cuda_libraries *libraries, uint64_t memory,
                                            uint64_t bytes, void *stream, dms_status *st);

#endif
