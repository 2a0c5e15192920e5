/* libraries.h - cuBLASLt, loaded when the first product wants it.
 *
 * Reads    nothing.
 * Returns  a handle and the functions that we call; NULL where the machine has no such library.
 * Cost     a load of some 100 ms and 150 MiB of the host, once.
 * Source   none.
 * Not here what is asked of it (product_lt.c).
 */
#ifndef DMS_RUNTIME_CUDA_LIBRARIES_H
#define DMS_RUNTIME_CUDA_LIBRARIES_H

#include "runtime/cuda/cuda_kernel.h"

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

#endif
