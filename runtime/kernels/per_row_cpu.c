/* per_row_cpu.c - sums and products of f32 rows with one number each: gates, scales, biases.
 *
 * A chain would fill a strip with copies of each number, and walk from row to row: for rows of 16
 * to 64 elements that takes several times as long as the rows. */
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain_run.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/vector_internal.h"

#ifdef __FMA__

/* Rows of n elements: of an operand, and of y. */
typedef struct rows {
    int64_t n;
    const float *x, *one; /* one number per row */
    float *y;
    int64_t pitch_x, pitch_one, pitch_y; /* from one row to the next */
} rows;

/* The same NaN for all, as dms_quietf has it. */
DMS_FN dms_vec quiet(dms_vec v) {
#ifdef __AVX512F__
    return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), DMS_VALL(NAN));
#else
    return _mm256_blendv_ps(v, DMS_VALL(NAN), _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
#endif
}

/* Elements [first, first + n), counted over rows: EXPR of x and the number s. */
#define PER_ROW(NAME, EXPR)                                                                        \
    static void NAME(const rows *r, int64_t first, int64_t n) {                                    \
        int64_t row = first / r->n, at = first % r->n;                                             \
        for (int64_t left = n; left > 0; row++, at = 0) {                                          \
            const int64_t some = r->n - at < left ? r->n - at : left;                              \
            const float *const from = r->x + row * r->pitch_x + at;                                \
            float *const to = r->y + row * r->pitch_y + at;                                        \
            const dms_vec s = DMS_VALL(r->one[row * r->pitch_one]);                                \
            int64_t j = 0;                                                                         \
            for (; j + DMS_V <= some; j += DMS_V) {                                                \
                const dms_vec x = DMS_VLOAD(from + j);                                             \
                DMS_VSTORE(to + j, quiet(EXPR));                                                   \
            }                                                                                      \
            if (j < some) {                                                                        \
                const dms_vec x = DMS_VLOAD_SOME(from + j, some - j);                              \
                DMS_VSTORE_SOME(to + j, some - j, quiet(EXPR));                                    \
            }                                                                                      \
            left -= some;                                                                          \
        }                                                                                          \
    }
PER_ROW(row_add, DMS_VADD(x, s))
PER_ROW(row_add_to, DMS_VADD(s, x))
PER_ROW(row_mul, DMS_VMUL(x, s))
PER_ROW(row_mul_to, DMS_VMUL(s, x))
PER_ROW(row_sub, DMS_VSUB(x, s))
PER_ROW(row_sub_from, DMS_VSUB(s, x))
PER_ROW(row_div, DMS_VDIV(x, s))
PER_ROW(row_div_by, DMS_VDIV(s, x))

typedef void rows_fn(const rows *r, int64_t first, int64_t n);

/* The function where operand `one` is the number per row; NULL for others. */
static rows_fn *function_of(uint8_t fn, uint32_t one) {
    switch ((int)fn) {
    case DMS_FN_ADD:
        return one == 1 ? row_add : row_add_to;
    case DMS_FN_MUL:
        return one == 1 ? row_mul : row_mul_to;
    case DMS_FN_SUB:
        return one == 1 ? row_sub : row_sub_from;
    case DMS_FN_DIV:
        return one == 1 ? row_div : row_div_by;
    default:
        return NULL;
    }
}

bool DMS_ISA(dms_per_row_run)(const dms_chain_runner *r, int64_t first, int64_t n) {
    const dms_chain_op *op = &r->chain.op[0];
    const dms_walk *w = &r->walk;
    if (r->chain.n_ops != 1 || op->kind != DMS_CHAIN_BINARY || r->chain.has_result ||
        r->n_walk != 3 || w->rank != 2 || op->src[0] != 0 || op->src[1] != 1 || w->pitch[2][1] != 1)
        return false;
    for (uint32_t k = 0; k < 3; k++)
        if (r->job->call->view[r->n_own + k].dtype != DMS_DTYPE_F32)
            return false;
    const uint32_t one = w->pitch[0][1] == 0 ? 0 : 1;
    rows_fn *const function = function_of(op->fn, one);
    if (function == NULL || w->pitch[one][1] != 0 || w->pitch[1 - one][1] != 1)
        return false;
    void *const *operand = r->job->operand + r->n_own;
    const rows it = {.n = w->dim[1],
                     .x = operand[1 - one],
                     .one = operand[one],
                     .y = operand[2],
                     .pitch_x = w->pitch[1 - one][0],
                     .pitch_one = w->pitch[one][0],
                     .pitch_y = w->pitch[2][0]};
    function(&it, first, n);
    return true;
}

#else

bool DMS_ISA(dms_per_row_run)(const dms_chain_runner *r, int64_t first, int64_t n) {
    (void)r, (void)first, (void)n;
    return false;
}

#endif
