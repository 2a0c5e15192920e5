/* product_lt.c - see product_lt.h.
 *
 *     ours, row by row          the library's, column by column
 *     y[m,n] = a[m,k] b[k,n]    y'(n x m) = b'(n x k) a'(k x m): the same memory, factors exchanged
 *
 * A factor whose rows lie dense is taken as it is, one whose columns do as its transpose. */
#include "runtime/cuda/kernels/product_lt.h"

#include "runtime/cuda/kernels/libraries.h"
#include "schema/dtype.h"

#ifndef DMS_HAS_CUBLASLT

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

/* What prepare makes of one call. */
typedef struct lt_product {
    const dms_lt *lt;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c, d; /* the library's a is our b */
    cublasLtMatmulAlgo_t algo;
    uint64_t workspace;
    bool has_bias, has_c;
    float alpha, beta;
} lt_product;

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
                        lt_product *out) {
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
                        cublasLtMatrixLayout_t *out) {
    return lt->layout_create(out, m->type, (uint64_t)m->rows, (uint64_t)m->columns, m->ld) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->layout_set(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches) ==
               CUBLAS_STATUS_SUCCESS &&
           lt->layout_set(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m->batch_pitch,
                          sizeof m->batch_pitch) == CUBLAS_STATUS_SUCCESS;
}

static bool make_desc(const dms_lt *lt, const matrix *a, const matrix *b, lt_product *out) {
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
static bool choose(lt_product *out) {
    const dms_lt *lt = out->lt;
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t answer;
    int n = 0;
    if (lt->preference_create(&preference) != CUBLAS_STATUS_SUCCESS)
        return false;
    const bool has_one = set_preference(lt, preference, out->workspace) &&
                         lt->heuristic(lt->handle, out->desc, out->a, out->b, out->c, out->d,
                                       preference, 1, &answer, &n) == CUBLAS_STATUS_SUCCESS &&
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
    matrix a, b, c, d;
    lt_product made = {.workspace = workspace};
    *out_state = NULL;
    if (!matrices_of(p, &a, &b, &c, &d, &made))
        return DMS_OK;
    DMS_TRY(dms_lt_get(libraries, &lt, st));
    if (lt == NULL)
        return DMS_OK;
    const int32_t batches = (int32_t)p->batch.count;
    made.lt = lt;
    dms_lt_owned *own = dms_lt_own(libraries, arena);
    if (own == NULL)
        return dms_fail(st, DMS_EINTERNAL, "no memory for a product's descriptors");
    const bool is_made = make_desc(lt, &a, &b, &made) && make_layout(lt, &a, batches, &made.a) &&
                         make_layout(lt, &b, batches, &made.b) &&
                         make_layout(lt, &c, batches, &made.c) &&
                         make_layout(lt, &d, batches, &made.d);
    *own = (dms_lt_owned){own->next, made.desc, {made.a, made.b, made.c, made.d}};
    if (!is_made)
        return dms_fail(st, DMS_EDEVICE, "cuBLASLt refuses the layout of a product");
    if (!choose(&made))
        return DMS_OK;
    lt_product *state = dms_alloc(arena, sizeof *state, 1);
    if (state == NULL)
        return dms_fail(st, DMS_EINTERNAL, "no memory for a product's descriptors");
    *state = made;
    *out_state = state;
    return DMS_OK;
}

/* What is added: the sums before, c, or nothing, which is y. */
static const void *added_of(const lt_product *s, const dms_product_params *p) {
    const void *const added = p->before != NULL ? (const void *)p->before : p->c;
    return s->has_c ? added : p->y;
}

bool dms_product_lt_takes(const dms_cuda_job *job, const dms_product_params *p) {
    const uintptr_t all =
        (uintptr_t)p->a | (uintptr_t)p->b | (uintptr_t)p->y | (uintptr_t)added_of(job->state, p);
    return all % ALIGNMENT == 0;
}

dms_code dms_product_lt_enqueue(const dms_cuda_job *job, const dms_product_params *p,
                                void *workspace, dms_status *st) {
    const lt_product *s = job->state;
    const void *const c = added_of(s, p);
    if (s->has_bias) {
        const void *bias = p->c;
        if (s->lt->desc_set(s->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) !=
            CUBLAS_STATUS_SUCCESS)
            return dms_fail(st, DMS_EDEVICE, "cuBLASLt refuses the bias of a product");
    }
    const cublasStatus_t status =
        s->lt->matmul(s->lt->handle, s->desc, &s->alpha, p->b, s->a, p->a, s->b, &s->beta, c, s->c,
                      p->y, s->d, &s->algo, workspace, s->workspace, (cudaStream_t)job->stream);
    if (status != CUBLAS_STATUS_SUCCESS)
        return dms_fail(st, DMS_EDEVICE,
                        "cuBLASLt refuses a product of %lld x %lld x %lld: "
                        "status %d",
                        (long long)p->m, (long long)p->k, (long long)p->n, (int)status);
    return DMS_OK;
}

#endif
