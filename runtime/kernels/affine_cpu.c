/* affine_cpu.c - batch norms, residuals and activations behind a convolution in one pass. */
#include <stddef.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain_run.h"
#include "runtime/kernels/taps_internal.h"
#include "runtime/kernels/vector_internal.h"

/* Operand k of the call as one number per channel. */
static bool is_per_channel(const dms_call *call, uint32_t k, int64_t *pitch) {
    const dms_view *v = &call->view[k];
    for (uint32_t axis = 0; axis < 4; axis++)
        if (axis != 1 && v->pitch[axis] != 0 && v->dim[axis] != 1)
            return false;
    *pitch = v->pitch[1];
    return v->dtype == DMS_DTYPE_F32;
}

/* Operand k lies exactly as y does. */
static bool lies_like_y(const dms_call *call, uint32_t k) {
    const dms_view *v = &call->view[k], *y = &call->view[call->n_in];
    for (uint32_t axis = 0; axis < 4; axis++)
        if (v->pitch[axis] != y->pitch[axis] && v->dim[axis] != 1)
            return false;
    return v->dtype == DMS_DTYPE_F32;
}

/* Instruction `j` is this function of the value before it and of an operand, in this order. */
static bool is_step(const dms_chain *chain, uint32_t j, dms_binary_fn fn, uint32_t *out_operand) {
    const dms_chain_op *op = &chain->op[j];
    const uint32_t before = j == 0 ? 0 : chain->n_in + j - 1;
    if (j >= chain->n_ops || op->kind != DMS_CHAIN_BINARY || op->fn != (uint8_t)fn ||
        op->dtype != DMS_DTYPE_F32 || op->src[0] != before || op->src[1] == 0 ||
        op->src[1] >= chain->n_in)
        return false;
    *out_operand = op->src[1] - 1u;
    return true;
}

/* Functions of one operand, f32, up to y. */
static bool ends_in_unaries(const dms_chain_runner *r, uint32_t first) {
    for (uint32_t j = first; j < r->chain.n_ops; j++)
        if (r->chain.op[j].kind != DMS_CHAIN_UNARY || r->chain.op[j].dtype != DMS_DTYPE_F32 ||
            r->chain.op[j].src[0] != r->chain.n_in + j - 1 || r->task[j].apply == NULL ||
            r->task[j].convert_in[0] != NULL || r->task[j].convert_out != NULL)
            return false;
    return true;
}

bool DMS_ISA(dms_affine_open)(const dms_call *call, dms_chain_runner *chain, dms_affine *out) {
    const dms_view *y = &call->view[call->n_in];
    void *const *operand = chain->job->operand;
    const uint32_t own = chain->n_own;
    uint32_t k, j = 0;
    *out = (dms_affine){.chain = chain, .y = operand[call->n_in]};
    if (y->rank != 4 || y->pitch[3] != 1 || y->dtype != DMS_DTYPE_F32 ||
        chain->chain.dtype[0] != DMS_DTYPE_F32)
        return false;
    if (is_step(&chain->chain, j, DMS_FN_MUL, &k) &&
        is_per_channel(call, own + k, &out->scale_pitch)) {
        out->scale = operand[own + k];
        j++;
    }
    if (is_step(&chain->chain, j, DMS_FN_ADD, &k) &&
        is_per_channel(call, own + k, &out->shift_pitch)) {
        out->shift = operand[own + k];
        j++;
    }
    if (is_step(&chain->chain, j, DMS_FN_ADD, &k) && lies_like_y(call, own + k)) {
        out->residual = operand[own + k];
        j++;
    }
    out->is_relu = j > 0 && j < chain->chain.n_ops && chain->chain.op[j].kind == DMS_CHAIN_UNARY &&
                   chain->chain.op[j].fn == DMS_FN_RELU;
    if (j == 0 || !ends_in_unaries(chain, j))
        return false;
    out->first = out->is_relu ? j + 1 : j;
    return true;
}

/* Which terms there are, as constants of the compiler. */
#define FORMS(X)                                                                                   \
    X(0, 0, 0)                                                                                     \
    X(0, 0, 1)                                                                                     \
    X(0, 1, 0)                                                                                     \
    X(0, 1, 1)                                                                                     \
    X(1, 0, 0)                                                                                     \
    X(1, 0, 1)                                                                                     \
    X(1, 1, 0)                                                                                     \
    X(1, 1, 1)

/* A pass with or without residual, with or without relu, scaled or not. Without a scale (or shift)
 * there is no product (or sum), since 1 * x and x + 0 may change a NaN or the sign of 0. */
DMS_FN void pass(int64_t n, const float *from, float scale, const float *shift,
                 const float *residual, float *y, int is_scaled, int has_residual, int is_relu) {
    for (int64_t j = 0; j < n; j++) {
        float x = from[j];
        x = is_scaled ? x * scale : x;
        x = shift != NULL ? x + *shift : x;
        x = has_residual ? x + residual[j] : x;
        y[j] = is_relu ? (x < 0.0f ? 0.0f : x) : x;
    }
}

#ifdef __AVX512F__
#define PASS(S, R, U)                                                                              \
    static void pass_##S##R##U(int64_t n, const float *from, float scale, const float *shift,      \
                               const float *residual, float *y) {                                  \
        const __m512 a = _mm512_set1_ps(scale), b = _mm512_set1_ps(shift != NULL ? *shift : 0.0f); \
        for (int64_t j = 0; j < n; j += DMS_V) {                                                   \
            const __mmask16 m = dms_mask(n - j);                                                   \
            __m512 x = _mm512_maskz_loadu_ps(m, from + j);                                         \
            x = (S) ? _mm512_mul_ps(x, a) : x;                                                     \
            x = shift != NULL ? _mm512_add_ps(x, b) : x;                                           \
            x = (R) ? _mm512_add_ps(x, _mm512_maskz_loadu_ps(m, residual + j)) : x;                \
            _mm512_mask_storeu_ps(y + j, m, (U) ? _mm512_max_ps(DMS_VZERO(), x) : x);              \
        }                                                                                          \
    }
#else
#define PASS(S, R, U)                                                                              \
    static void pass_##S##R##U(int64_t n, const float *from, float scale, const float *shift,      \
                               const float *residual, float *y) {                                  \
        pass(n, from, scale, shift, residual, y, S, R, U);                                         \
    }
#endif
FORMS(PASS)

typedef void pass_fn(int64_t n, const float *from, float scale, const float *shift,
                     const float *residual, float *y);
#define ENTRY(S, R, U) [S][R][U] = pass_##S##R##U,
static pass_fn *const passes[2][2][2] = {FORMS(ENTRY)};

void DMS_ISA(dms_affine_row)(const dms_affine *a, int64_t m, const float *from, float *y,
                             int64_t n) {
    passes[a->scale != NULL][a->residual != NULL][a->is_relu](
        n, from, a->scale == NULL ? 1.0f : a->scale[m * a->scale_pitch],
        a->shift == NULL ? NULL : a->shift + m * a->shift_pitch,
        a->residual == NULL ? NULL : a->residual + (y - a->y), y);
}

void DMS_ISA(dms_affine_end)(const dms_affine *a, float *y, int64_t n) {
    for (uint32_t j = a->first; j < a->chain->chain.n_ops; j++) {
        const dms_map_task *task = &a->chain->task[j];
        const void *in[1] = {y};
        task->apply(n, in, y, task->p);
    }
}
