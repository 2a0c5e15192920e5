/* fake_lt.c - a cuBLASLt of loops: it multiplies as its descriptors say, and chooses "algorithms" by
 * a number that follows from all that it is asked by. */
#include <stdlib.h>
#include <string.h>

#include "cublasLt.h"
#include "runtime/kernels/element.h"
#include "schema/dtype.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
    return (hash ^ value) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

static void *make(size_t bytes) {
    void *made = calloc(1, bytes);
    if (made == NULL)
        abort();
    return made;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out) {
    *out = make(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
    *out = make(sizeof **out);
    (*out)->compute = compute;
    (*out)->scale = scale;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    free(desc);
    return CUBLAS_STATUS_SUCCESS;
}

/* Values have the size of their place, or they are refused. */
static cublasStatus_t set(void *place, size_t size, const void *value, size_t bytes) {
    if (bytes != size)
        return CUBLAS_STATUS_REFUSED;
    memcpy(place, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t which,
                                              const void *value, size_t bytes) {
    if (which == CUBLASLT_MATMUL_DESC_EPILOGUE)
        return set(&desc->epilogue, sizeof desc->epilogue, value, bytes);
    if (which == CUBLASLT_MATMUL_DESC_BIAS_POINTER)
        return set(&desc->bias, sizeof desc->bias, value, bytes);
    return set(&desc->op[which], sizeof desc->op[which], value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType_t type,
                                          uint64_t rows, uint64_t columns, int64_t ld) {
    *out = make(sizeof **out);
    **out = (struct cublasLtMatrixLayout){type, rows, columns, ld, 0, 1};
    return ld < (int64_t)rows ? CUBLAS_STATUS_REFUSED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    free(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t which,
                                                const void *value, size_t bytes) {
    if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        return set(&layout->batches, sizeof layout->batches, value, bytes);
    return set(&layout->batch_pitch, sizeof layout->batch_pitch, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
    *out = make(sizeof **out);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    free(preference);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t which,
                                                    const void *value, size_t bytes) {
    if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return set(&preference->workspace, sizeof preference->workspace, value, bytes);
    if (which == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
        return set(&preference->schemes, sizeof preference->schemes, value, bytes);
    const int k = (int)which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    return set(&preference->alignment[k], sizeof preference->alignment[k], value, bytes);
}

/* Descriptors, without the address of a bias. */
static uint64_t hash_of(const struct cublasLtMatmulDesc *desc,
                        const struct cublasLtMatrixLayout *const layout[4]) {
    uint64_t hash = mix(mix(mix(mix(mix(1, desc->compute), desc->scale), desc->op[0]), desc->op[1]),
                        desc->epilogue);
    for (int k = 0; k < 4; k++) {
        const struct cublasLtMatrixLayout *l = layout[k];
        hash = mix(mix(mix(hash, l->type), l->rows), l->columns);
        hash = mix(mix(mix(hash, (uint64_t)l->ld), (uint64_t)l->batch_pitch), (uint64_t)l->batches);
    }
    return hash;
}

/* f32 as f32, sums in order, 16 bytes of alignment: else there is no algorithm. */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t *out, int *n) {
    const struct cublasLtMatrixLayout *const layout[4] = {a, b, c, d};
    bool is_fine = handle != NULL && most == 1 && desc->compute == CUBLAS_COMPUTE_32F &&
                   desc->scale == CUDA_R_32F &&
                   preference->schemes == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    for (int k = 0; k < 4; k++)
        is_fine = is_fine && preference->alignment[k] == 16;
    *n = is_fine;
    out->algo.hash = mix(hash_of(desc, layout), preference->workspace);
    return CUBLAS_STATUS_SUCCESS;
}

static dms_dtype dtype_of(cudaDataType_t type) {
    return type == CUDA_R_16F    ? DMS_DTYPE_F16
           : type == CUDA_R_16BF ? DMS_DTYPE_BF16
                                 : DMS_DTYPE_F32;
}

/* Element [row, column] of op(m) of batch `n`. */
static float at(const struct cublasLtMatrixLayout *l, const void *m, cublasOperation_t op,
                int64_t n, int64_t row, int64_t column) {
    const int64_t place = op == CUBLAS_OP_N ? row + column * l->ld : column + row * l->ld;
    return dms_element_load(dtype_of(l->type), m, n * l->batch_pitch + place).f32;
}

/* `bytes` from `from` on are touched. */
static void note(cudaStream_t stream, const void *from, uint64_t bytes) {
    const uintptr_t begin = (uintptr_t)from;
    if (stream->end == 0 || begin < stream->begin)
        stream->begin = begin;
    if (begin + bytes > stream->end)
        stream->end = begin + bytes;
}

static uint64_t bytes_of(const struct cublasLtMatrixLayout *l) {
    const int64_t last = (l->batches - 1) * l->batch_pitch + ((int64_t)l->columns - 1) * l->ld;
    return ((uint64_t)last + l->rows) * dms_dtype_bytes(dtype_of(l->type));
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream) {
    const struct cublasLtMatrixLayout *const layout[4] = {a_layout, b_layout, c_layout, d_layout};
    const uintptr_t all = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d;
    const int64_t terms =
        (int64_t)(desc->op[0] == CUBLAS_OP_N ? a_layout->columns : a_layout->rows);
    const float scale = *(const float *)alpha, of_c = *(const float *)beta;
    if (handle == NULL || all % 16 != 0 ||
        algo->hash != mix(hash_of(desc, layout), workspace_bytes))
        return CUBLAS_STATUS_REFUSED;
    if (stream != NULL) {
        const void *const place[4] = {a, b, c, d};
        for (int k = 0; k < 4; k++)
            note(stream, place[k], bytes_of(layout[k]));
        note(stream, workspace, workspace_bytes);
        stream->n_products++;
    }
    for (int64_t n = 0; n < d_layout->batches; n++)
        for (int64_t column = 0; column < (int64_t)d_layout->columns; column++)
            for (int64_t row = 0; row < (int64_t)d_layout->rows; row++) {
                dms_scalar sum = {.f32 = 0};
                for (int64_t k = 0; k < terms; k++)
                    sum.f32 += at(a_layout, a, desc->op[0], n, row, k) *
                               at(b_layout, b, desc->op[1], n, k, column);
                sum.f32 *= scale;
                if (of_c != 0)
                    sum.f32 += of_c * at(c_layout, c, CUBLAS_OP_N, n, row, column);
                if (desc->epilogue == CUBLASLT_EPILOGUE_BIAS)
                    sum.f32 += dms_element_load(dtype_of(d_layout->type), desc->bias, row).f32;
                dms_element_store(dtype_of(d_layout->type), sum, d,
                                  n * d_layout->batch_pitch + row + column * d_layout->ld);
            }
    return CUBLAS_STATUS_SUCCESS;
}
