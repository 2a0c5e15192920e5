/* attention_score.h - scores of pairs of query and key, for attention on tensor cores.
 *
 * Reads    the call, a row, a key, the product of the two.
 * Returns  the score, limits and mask applied; running maximum and sum of a row's four lanes.
 * Cost     a multiplication where the call has neither mask, cap nor fill.
 * Source   Milakov and Gimelshein 2018 (running maximum).
 * Not here products (attention_few.cu, attention_tile.h).
 *
 * Rows: the query heads that share a key head are one group; row r of it is query r % s of head
 * r / s, so that their keys are read once. Scores times `unit` are powers of two.
 */
#ifndef DMS_RUNTIME_CUDA_ATTENTION_SCORE_H
#define DMS_RUNTIME_CUDA_ATTENTION_SCORE_H

#include "runtime/cuda/kernels/attention.h"
#include "runtime/cuda/kernels/tensor.h"
#include "runtime/kernels/element.h"

#define DMS_LOG2_E 1.44269504088896340736f

enum { DMS_INNER = 2, DMS_BOOL = 2, DMS_EMPTY_IS_ZERO = 0, DMS_EMPTY_IS_MEAN = 1 };

/* Where the operands of a group begin, in elements. */
typedef struct dms_group {
    int64_t q, k, v, mask, y;
} dms_group;

/* Group `index` of batch entries and key heads. */
DMS_DEVICE dms_group dms_group_of(const dms_attention_params *p, int64_t index) {
    const int64_t shared = p->heads / p->per_head, b = index / shared, head = index % shared;
    dms_group at;
    at.q = b * p->q_pitch[0] + head * p->per_head * p->q_pitch[1];
    at.k = b * p->k_pitch[0] + head * p->k_pitch[1];
    at.v = b * p->v_pitch[0] + head * p->v_pitch[1];
    at.mask = b * p->mask_pitch[0] + head * p->per_head * p->mask_pitch[1];
    at.y = b * p->y_pitch[0] + head * p->per_head * p->y_pitch[1];
    return at;
}

/* Where a row of a group lies behind the group's beginning. */
DMS_DEVICE int64_t dms_row_place(const dms_attention_params *p, const int64_t *pitch, int row) {
    const int s = (int)p->s;
    return row / s * pitch[1] + row % s * pitch[2];
}

/* How many keys a row sees: the others lie beyond the causal limit. */
DMS_DEVICE int dms_keys_of(const dms_attention_params *p, int row) {
    const int t = (int)p->t, s = (int)p->s;
    if (p->causal == 0)
        return t;
    const int keys = row % s + t - s + 1;
    return keys < 0 ? 0 : keys < t ? keys : t;
}

/* Scores become what they are with their mask: the keys of a lane, as dms_scores has them. */
#define DMS_MASKED(VALUE)                                                                          \
    DMS_EACH(i, 2 * n) {                                                                           \
        const int64_t e = place + (first + i / 2 * 8 + i % 2) * pitch;                             \
        if (first + i / 2 * 8 + i % 2 < p->t)                                                      \
            x[i] = VALUE;                                                                          \
    }

/* Takes the mask in. */
DMS_DEVICE void dms_scores_masked(const dms_attention_params *p, const dms_group *at, int row,
                                  int first, int n, float *x) {
    const int64_t place = at->mask + dms_row_place(p, p->mask_pitch, row), pitch = p->mask_pitch[3];
    if (p->mask_kind == DMS_BOOL)
        DMS_MASKED(((const uint8_t *)p->mask)[e] != 0 ? x[i] : -INFINITY)
    else if (p->mask_dtype == DMS_DTYPE_F32)
        DMS_MASKED(x[i] + ((const float *)p->mask)[e])
    else if (p->dtype == DMS_DTYPE_F16)
        DMS_MASKED(x[i] + dms_float_of_half(((const uint16_t *)p->mask)[e]))
    else
        DMS_MASKED(x[i] + dms_float_of_brain(((const uint16_t *)p->mask)[e]))
}
#undef DMS_MASKED

/* What keys beyond the limit of a row count as. */
DMS_DEVICE void dms_scores_limited(int first, int keys, int n, float rest, float *x) {
    DMS_EACH(i, 2 * n)
    x[i] = first + i / 2 * 8 + i % 2 < keys ? x[i] : rest;
}

/* cap tanh(x / cap), by one exponential: to 2e-7 of the cap. */
DMS_DEVICE void dms_scores_capped(int n, float cap, float *x) {
    const float twice = 2.0f * DMS_LOG2_E / cap;
    DMS_EACH(i, 2 * n)
    x[i] = cap * (1.0f - 2.0f / (1.0f + dms_exp2f(x[i] * twice)));
}

/* n pairs of products of a row of the call that sees `keys` keys, in this lane of its four: those
 * with keys first + 2 t + 8 k and the next; they become scores. */
DMS_DEVICE void dms_scores(const dms_attention_params *p, const dms_group *at, int row, int first,
                           int n, float *x) {
    const int keys = dms_keys_of(p, row);
    const float rest = p->has_fill ? p->fill : -INFINITY;
    if (p->is_plain && first + 8 * n <= keys)
        return; /* a score is its product */
    first += 2 * ((int)threadIdx.x % 4);
    if (!p->is_plain)
        DMS_EACH(i, 2 * n)
    x[i] *= p->scale;
    if (p->softcap != 0.0f)
        dms_scores_capped(n, p->softcap, x);
    if (p->causal == DMS_INNER)
        dms_scores_limited(first, keys, n, rest, x);
    if (p->mask_kind != 0)
        dms_scores_masked(p, at, row, first, n, x);
    if (p->causal != DMS_INNER)
        dms_scores_limited(first, keys, n, rest, x);
    dms_scores_limited(first, (int)p->t, n, -INFINITY, x);
}

/* Of the four lanes that share a row: the largest (a NaN is none), the sum. */
DMS_DEVICE float dms_greatest_of_four(float x) {
    for (uint32_t d = 1; d < 4; d *= 2) {
        const float other = dms_shuffle_f32(x, threadIdx.x % DMS_WARP ^ d);
        x = other > x ? other : x;
    }
    return x;
}

/* Their sum. */
DMS_DEVICE float dms_sum_of_four(float x) {
    for (uint32_t d = 1; d < 4; d *= 2)
        x += dms_shuffle_f32(x, threadIdx.x % DMS_WARP ^ d);
    return x;
}

/* What a maximum of minus infinity is subtracted as: all keys so far are masked, weights are 0. */
DMS_DEVICE float dms_base(float high) {
    return high == -INFINITY ? 0.0f : high;
}

/* Whether a row has seen no key. */
DMS_DEVICE int dms_is_empty(float high, float sum) {
    return high == -INFINITY && sum == 0.0f;
}

/* An element of a row that sees no key: 0, the mean of v over all keys, or NaN. */
DMS_DEVICE_FAR float dms_empty_of(const dms_attention_params *p, int64_t v, int64_t j) {
    float sum = 0.0f;
    if (p->empty != DMS_EMPTY_IS_MEAN)
        return p->empty == DMS_EMPTY_IS_ZERO ? 0.0f : NAN;
    for (int64_t k = 0; k < p->t; k++)
        sum += dms_element_load((dms_dtype)p->dtype, p->v, v + k * p->v_pitch[2] + j).f32;
    return sum / (float)p->t;
}

#endif
