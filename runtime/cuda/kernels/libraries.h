/* libraries.h - cuBLASLt and cuDNN, loaded when the first call wants them.
 *
 * Reads    nothing.
 * Returns  handles and the functions that we call; NULL where the machine has no such library.
 * Cost     a load of some 100 ms and 150 MiB of the host for each, once.
 * Source   none.
 * Not here what is asked of them (product_lt.c, attention_dnn.c).
 */
#ifndef DMS_RUNTIME_CUDA_LIBRARIES_H
#define DMS_RUNTIME_CUDA_LIBRARIES_H

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/cuda/kernels/dnn_words.h"

#if !defined(DMS_EMULATE_H) && defined(__has_include)
#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define DMS_HAS_CUBLASLT 1
#endif
#endif

#ifdef DMS_HAS_CUBLASLT
/* X(member, function): what we call of cuBLASLt. */
#define DMS_LT_FUNCTIONS(X)                                                                        \
    X(create, cublasLtCreate)                                                                      \
    X(destroy, cublasLtDestroy)                                                                    \
    X(matmul, cublasLtMatmul)                                                                      \
    X(heuristic, cublasLtMatmulAlgoGetHeuristic)                                                   \
    X(desc_create, cublasLtMatmulDescCreate)                                                       \
    X(desc_destroy, cublasLtMatmulDescDestroy)                                                     \
    X(desc_set, cublasLtMatmulDescSetAttribute)                                                    \
    X(layout_create, cublasLtMatrixLayoutCreate)                                                   \
    X(layout_destroy, cublasLtMatrixLayoutDestroy)                                                 \
    X(layout_set, cublasLtMatrixLayoutSetAttribute)                                                \
    X(preference_create, cublasLtMatmulPreferenceCreate)                                           \
    X(preference_destroy, cublasLtMatmulPreferenceDestroy)                                         \
    X(preference_set, cublasLtMatmulPreferenceSetAttribute)

/* The library, open. */
typedef struct dms_lt {
    void *library; /* of dlopen */
    cublasLtHandle_t handle;
#define DMS_LT_MEMBER(member, function) __typeof__(function) *member;
    DMS_LT_FUNCTIONS(DMS_LT_MEMBER)
#undef DMS_LT_MEMBER
} dms_lt;

/* What prepare makes of one product, in a list that begins with the libraries (product_lt.c). */
typedef struct dms_lt_product {
    struct dms_lt_product *next; /* the one before */
    const dms_lt *lt;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t layout[4]; /* a, b, c, d of the library, whose a is our b */
    uint64_t bytes[4];                /* from the first element of each to its last */
    cublasLtMatmulAlgo_t algo;
    uint64_t workspace;
    int64_t m, k, n;
    bool has_algo, has_bias, has_c;
    float alpha, beta;
} dms_lt_product;

/* A new product, all zero. Its descriptors are given back with the libraries. NULL: no memory. */
dms_lt_product *dms_lt_add(dms_cuda_libraries *libraries, dms_arena *arena);

/* The newest of them. */
const dms_lt_product *dms_lt_products(const dms_cuda_libraries *libraries);

/* The library, loaded by the first call; NULL where there is none. The handle lives until
 * dms_cuda_libraries_close.
 * Errors   DMS_EDEVICE: it is there and does not start. */
DMS_CHECKED dms_code dms_lt_get(dms_cuda_libraries *libraries, const dms_lt **out, dms_status *st);
#endif

/* cuDNN, open. */
typedef struct dms_dnn {
    void *library;     /* of dlopen */
    void *handle;      /* on the card; NULL: plans are made for `card`, and none runs */
    dms_dnn_desc card; /* the properties of another card, for what only asks */
#define DMS_DNN_MEMBER(result, member, function, parameters) result(*member) parameters;
    DMS_DNN_FUNCTIONS(DMS_DNN_MEMBER)
#undef DMS_DNN_MEMBER
} dms_dnn;

#define DMS_DNN_DESCS 96 /* that one plan is made of; some 70 are needed */

/* What prepare makes of one attention, in a list that begins with the libraries. */
typedef struct dms_dnn_plan {
    struct dms_dnn_plan *next; /* the one before */
    const dms_dnn *dnn;
    dms_dnn_desc desc[DMS_DNN_DESCS], plan; /* all that was made; among them the plan, or NULL */
    uint32_t n_descs;
    bool is_causal;
    uint64_t workspace, bytes[4]; /* of q, k, v, y from first to last */
    float scale, lowest;          /* lowest: of what is masked */
    int32_t queries, keys;
} dms_dnn_plan;

/* Loads cuDNN and looks its functions up; false: it is not there, or older than 9.19, the oldest
 * that we have asked, or newer than 9. */
bool dms_dnn_load(dms_dnn *dnn);

/* The library, loaded by the first call; NULL where there is none or it does not start. The handle
 * lives until dms_cuda_libraries_close. */
const dms_dnn *dms_dnn_get(dms_cuda_libraries *libraries);

/* A new plan, all zero but for `dnn`. NULL: no memory. */
dms_dnn_plan *dms_dnn_add(dms_cuda_libraries *libraries, dms_arena *arena);

/* The newest of them. */
const dms_dnn_plan *dms_dnn_plans(const dms_cuda_libraries *libraries);

/* Gives the descriptors of a plan back, the newest first. */
void dms_dnn_give_back(dms_dnn_plan *plan);

/* Four operands and a workspace of these bytes, one behind the other from `memory` on at multiples
 * of 256; false: `room` is too small. */
bool dms_libraries_spread(const uint64_t bytes[5], uint64_t memory, uint64_t room,
                          uint64_t out_place[5]);

#endif
