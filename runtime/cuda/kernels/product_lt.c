/* product_lt.c - see product_lt.h.
 *
 *     ours, row by row          the library's, column by column
 *     y[m,n] = a[m,k] b[k,n]    y'(n x m) = b'(n x k) a'(k x m): the same memory, factors exchanged
 *
 * A factor whose rows lie dense is taken as it is, one whose columns do as its transpose. */
#include "runtime/cuda/kernels/product_lt.h"

#include <string.h>

#include "runtime/cuda/kernels/libraries.h"
#include "schema/dtype.h"

#ifndef DMS_HAS_CUBLASLT

dms_code dms_product_lt_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                             void *stream, dms_status *st) {
    (void)libraries, (void)memory, (void)bytes, (void)stream, (void)st;
    return DMS_OK;
}

dms_code dms_product_lt_prepare(dms_cuda_libraries *libraries, const dms_product_params *p,
                                uint64_t workspace, dms_arena *arena, void **out_state,
                                dms_status *st) {
    (void)libraries, (void)p, (void)workspace, (void)arena, (void)st;
    *out_state = NULL;
    return DMS_OK;
}

bool dms_product_lt_takes(const dms_cuda_job *job, const dms_product_params *p) {
    (void)job, (void)p;
    return false;
}

dms_code dms_product_lt_enqueue(const dms_cuda_job *job, const dms_product_params *p,
                                void *workspace, dms_status *st) {
    (void)job, (void)p, (void)workspace;
    return dms_fail(st, DMS_EINTERNAL, "a product without cuBLASLt has its state");
}

#else

#define ALIGNMENT 16u

/* One of our matrices as the library sees it. */
typedef struct matrix {
    cudaDataType_t type;
    int64_t rows, columns, ld, batch_pitch;
    bool is_turned;
} matrix;

/* f32, f16 or bf16. */
static cudaDataType_t type_of(uint32_t dtype) {
    return dtype == DMS_DTYPE_F16 ? CUDA_R_16F : dtype == DMS_DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static bool is_multiple(int64_t elements, uint32_t dtype) {
    return elements * (int64_t)dms_dtype_bytes(dtype) % ALIGNMENT == 0;
}

/* A matrix of `outer` rows of `inner` elements: its columns are our rows. False: no axis is dense,
 * or rows do not lie at multiples of the alignment. */
static bool matrix_of(uint32_t dtype, int64_t outer, int64_t inner, const int64_t *pitch,
                      int64_t batch_pitch, matrix *out) {
    const bool is_plain = inner == 1 || pitch[1] == 1, is_turned = outer == 1 || pitch[0] == 1;
    if (!is_plain && !is_turned)
        return false;
    *out = (matrix){.type = type_of(dtype), .batch_pitch = batch_pitch, .is_turned = !is_plain};
    out->rows = is_plain ? inner : outer;
    out->columns = is_plain ? outer : inner;
    out->ld = is_plain ? pitch[0] : pitch[1];
    if (out->columns == 1)
        out->ld = out->rows;
    return out->ld >= out->rows && (out->columns == 1 || is_multiple(out->ld, dtype)) &&
           is_multiple(batch_pitch, dtype);
}

/* Whether the library takes this product; its matrices. `c` is what is added: the sums before, c,
 * or y itself where nothing is. */
static bool matrices_of(const dms_product_params *p, matrix *a, matrix *b, matrix *c, matrix *d,
                        dms_lt_product *out) {
    const bool is_f32 = p->dtype == DMS_DTYPE_F32;
    const int64_t dense[2] = {p->n, 1};
    if ((!is_f32 && p->dtype != DMS_DTYPE_F16 && p->dtype != DMS_DTYPE_BF16) ||
        p->layout != DMS_PRODUCT_PLAIN || p->batch.rank != 1 || p->batch.count > INT32_MAX ||
        p->k == 0)
        return false;
    const bool has_matrices =
        matrix_of(p->dtype, p->k, p->n, p->b_pitch, p->batch.pitch[1][0], a) &&
        matrix_of(p->dtype, p->m, p->k, p->a_pitch, p->batch.pitch[0][0], b) &&
        matrix_of(p->y_dtype, p->m, p->n, p->y_pitch, p->batch.pitch[3][0], d) && !d->is_turned;
    if (!has_matrices)
        return false;
    *c = *d;
    out->alpha = p->is_unfinished ? 1.0f : (float)p->alpha;
    out->beta = 0.0f;
    if (p->before != NULL) {
        out->has_c = true;
        out->beta = out->alpha; /* alpha (before + a b) */
        return p->c == NULL && p->y_dtype == DMS_DTYPE_F32 &&
               matrix_of(DMS_DTYPE_F32, p->m, p->n, dense, p->m * p->n, c);
    }
    if (p->c == NULL || p->is_unfinished)
        return true;
    out->has_bias = p->c_pitch[0] == 0 && (p->n == 1 || p->c_pitch[1] == 1) && p->beta == 1.0 &&
                    p->batch.count == 1 && p->y_dtype == p->dtype;
    if (out->has_bias)
        return true;
    out->has_c = true;
    out->beta = (float)p->beta;
    return matrix_of(p->dtype, p->m, p->n, p->c_pitch, p->batch.pitch[2][0], c) && !c->is_turned;
}

/* The first thing that the library refuses ends it all. */
static bool make_layout(const dms_lt *lt, const matrix *m, int32_t batches,
                        cublasLtMatrixLayout_t *out, uint64_t *out_bytes) {
    const int64_t last = (batches - 1) * m->batch_pitch + (m->columns - 1) * m->ld + m->rows;
    *out_bytes = (uint64_t)last * (m->type == CUDA_R_32F ? 4 : 2);
    return lt->layout_create(out, m->type, (uint64_t)m->rows, (uint64_t)m->columns, m->ld) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->layout_set(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->layout_set(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m->batch_pitch,
                          sizeof m->batch_pitch) == CUBLAS_STATUS_SUCCESS;
}

static bool make_desc(const dms_lt *lt, const matrix *a, const matrix *b, dms_lt_product *out) {
    const cublasOperation_t op_a = a->is_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t op_b = b->is_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue =
        out->has_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    return lt->desc_create(&out->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
           lt->desc_set(out->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op_a, sizeof op_a) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->desc_set(out->desc, CUBLASLT_MATMUL_DESC_TRANSB, &op_b, sizeof op_b) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->desc_set(out->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) ==
               CUBLAS_STATUS_SUCCESS;
}

static bool set_preference(const dms_lt *lt, cublasLtMatmulPreference_t preference,
                           uint64_t workspace) {
    const uint32_t alignment = ALIGNMENT, schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    bool is_set = lt->preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                     &workspace, sizeof workspace) == CUBLAS_STATUS_SUCCESS &&
                  lt->preference_set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                     &schemes, sizeof schemes) == CUBLAS_STATUS_SUCCESS;
    for (uint32_t k = 0; k < 4; k++)
        is_set = is_set && lt->preference_set(preference, aligned[k], &alignment,
                                              sizeof alignment) == CUBLAS_STATUS_SUCCESS;
    return is_set;
}

/* Asks for the algorithm; false: it has none for these descriptors. */
static bool choose(dms_lt_product *out) {
    const dms_lt *lt = out->lt;
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t answer;
    int n = 0;
    if (lt->preference_create(&preference) != CUBLAS_STATUS_SUCCESS)
        return false;
    const bool has_one =
        set_preference(lt, preference, out->workspace) &&
        lt->heuristic(lt->handle, out->desc, out->layout[0], out->layout[1], out->layout[2],
                      out->layout[3], preference, 1, &answer, &n) == CUBLAS_STATUS_SUCCESS &&
        n == 1;
    (void)lt->preference_destroy(preference);
    if (has_one)
        out->algo = answer.algo;
    return has_one;
}

dms_code dms_product_lt_prepare(dms_cuda_libraries *libraries, const dms_product_params *p,
                                uint64_t workspace, dms_arena *arena, void **out_state,
                                dms_status *st) {
    const dms_lt *lt;
    matrix m[4];
    dms_lt_product made = {.workspace = workspace, .m = p->m, .k = p->k, .n = p->n};
    *out_state = NULL;
    if (!matrices_of(p, &m[0], &m[1], &m[2], &m[3], &made))
        return DMS_OK;
    DMS_TRY(dms_lt_get(libraries, &lt, st));
    if (lt == NULL)
        return DMS_OK;
    dms_lt_product *product = dms_lt_add(libraries, arena);
    if (product == NULL)
        return dms_fail(st, DMS_EINTERNAL, "no memory for a product's descriptors");
    made.next = product->next;
    made.lt = lt;
    bool is_made = make_desc(lt, &m[0], &m[1], &made);
    for (uint32_t k = 0; k < 4 && is_made; k++)
        is_made = make_layout(lt, &m[k], (int32_t)p->batch.count, &made.layout[k], &made.bytes[k]);
    *product = made;
    if (!is_made)
        return dms_fail(st, DMS_EDEVICE, "cuBLASLt refuses the layout of a product");
    product->has_algo = choose(product);
    if (product->has_algo)
        *out_state = product;
    return DMS_OK;
}

/* What is added: the sums before, c, or nothing, which is y. */
static const void *added_of(const dms_lt_product *s, const dms_product_params *p) {
    const void *const added = p->before != NULL ? (const void *)p->before : p->c;
    return s->has_c ? added : p->y;
}

/* Puts the product of these addresses onto the stream. */
static dms_code multiply(const dms_lt_product *s, const dms_product_params *p, void *workspace,
                         void *stream, dms_status *st) {
    if (s->has_bias) {
        const void *bias = p->c;
        if (s->lt->desc_set(s->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) !=
            CUBLAS_STATUS_SUCCESS)
            return dms_fail(st, DMS_EDEVICE, "cuBLASLt refuses the bias of a product");
    }
    const cublasLtMatrixLayout_t *const layout = s->layout;
    const cublasStatus_t status =
        s->lt->matmul(s->lt->handle, s->desc, &s->alpha, p->b, layout[0], p->a, layout[1], &s->beta,
                      added_of(s, p), layout[2], p->y, layout[3], &s->algo, workspace, s->workspace,
                      (cudaStream_t)stream);
    if (status != CUBLAS_STATUS_SUCCESS)
        return dms_fail(st, DMS_EDEVICE,
                        "cuBLASLt refuses a product of %lld x %lld x %lld: "
                        "status %d",
                        (long long)s->m, (long long)s->k, (long long)s->n, (int)status);
    return DMS_OK;
}

/* Whether an older product has the same algorithm, and the code that goes with it. */
static bool is_warm(const dms_lt_product *product) {
    for (const dms_lt_product *old = product->next; old != NULL; old = old->next)
        if (old->has_algo && old->has_bias == product->has_bias &&
            memcmp(&old->algo, &product->algo, sizeof old->algo) == 0)
            return true;
    return false;
}

dms_code dms_product_lt_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                             void *stream, dms_status *st) {
    for (const dms_lt_product *s = dms_lt_products(libraries); s != NULL; s = s->next) {
        const uint64_t own[5] = {s->bytes[0], s->bytes[1], s->bytes[2], s->bytes[3], s->workspace};
        uint64_t place[5];
        if (!s->has_algo || is_warm(s) || !dms_libraries_spread(own, memory, bytes, place))
            continue;
        dms_product_params p = {.a = (const void *)place[1], .b = (const void *)place[0]};
        p.c = s->has_c || s->has_bias ? (const void *)place[2] : NULL;
        p.y = (void *)place[3];
        DMS_TRY(multiply(s, &p, (void *)place[4], stream, st));
    }
    return DMS_OK;
}

bool dms_product_lt_takes(const dms_cuda_job *job, const dms_product_params *p) {
    const uintptr_t all =
        (uintptr_t)p->a | (uintptr_t)p->b | (uintptr_t)p->y | (uintptr_t)added_of(job->state, p);
    return all % ALIGNMENT == 0;
}

dms_code dms_product_lt_enqueue(const dms_cuda_job *job, const dms_product_params *p,
                                void *workspace, dms_status *st) {
    return multiply(job->state, p, workspace, job->stream, st);
}

#endif
