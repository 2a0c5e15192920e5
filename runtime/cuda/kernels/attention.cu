/* attention.cu - attention by rows of queries, with a running maximum, f32 throughout.
 *
 *     a chunk of 32 keys     lane l: s = q k_l, scaled, capped, masked
 *     the warp               m' = max(m, s);  p = exp(s - m');  c = exp(m - m')
 *                            l = l c + sum p;  o = o c + sum over lanes p_l v_l, in order of keys
 *
 *     many queries           warp w: query 8 b + w, all keys
 *     few (decoding)         warp w: keys of chunks w, w + 8, ...; the eight are joined in order
 *
 * Which of the two it is depends on the call alone. A lane holds columns lane, lane + 32, ... of o,
 * 256 at a time; wider heads go over the keys again. Grid: blocks of 8 warps over queries. Bytes: k
 * and v once per query from the cache, once per block of queries from memory. */
#include "runtime/cuda/kernels/attention.h"
#include "runtime/cuda/kernels/launch.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/elementary.h"

enum { WARPS = DMS_ATTENTION_WARPS, COLUMNS = 8, WIDE = COLUMNS * DMS_WARP };
enum { CAUSAL_INNER = 2, MASK_ADDED = 1, MASK_BOOL = 2, EMPTY_ZERO = 0, EMPTY_UNIFORM = 1 };

/* One query: where its operands begin, and how many keys it sees. */
typedef struct query {
    int64_t q, k, v, mask, y, keys;
} query;

/* Sums of a query over some keys: m, l, and the columns of o of this lane. */
typedef struct running {
    float high, sum, o[COLUMNS];
} running;

DMS_DEVICE query query_of(const dms_attention_params *p, int64_t index) {
    const int64_t row = index % p->s, head = index / p->s % p->heads;
    const int64_t b = index / p->s / p->heads, shared = head / p->per_head;
    query r;
    r.q = b * p->q_pitch[0] + head * p->q_pitch[1] + row * p->q_pitch[2];
    r.k = b * p->k_pitch[0] + shared * p->k_pitch[1];
    r.v = b * p->v_pitch[0] + shared * p->v_pitch[1];
    r.mask = b * p->mask_pitch[0] + head * p->mask_pitch[1] + row * p->mask_pitch[2];
    r.y = b * p->y_pitch[0] + head * p->y_pitch[1] + row * p->y_pitch[2];
    r.keys = p->t;
    if (p->causal != 0) {
        r.keys = row + p->t - p->s + 1;
        r.keys = r.keys < 0 ? 0 : r.keys < p->t ? r.keys : p->t;
    }
    return r;
}

DMS_DEVICE float load(const dms_attention_params *p, const void *from, int64_t element) {
    return dms_element_load((dms_dtype)p->dtype, from, element).f32;
}

DMS_DEVICE float mask_at(const dms_attention_params *p, const query *r, int64_t key) {
    return dms_element_load((dms_dtype)p->mask_dtype, p->mask, r->mask + key * p->mask_pitch[3])
        .f32;
}

/* The score of a key; beyond the limit it is the fill, or nothing. */
DMS_DEVICE float score_of(const dms_attention_params *p, const query *r, int64_t key) {
    float score = 0.0f;
    if (key >= r->keys) {
        if (!p->has_fill)
            return -INFINITY;
        return p->causal == CAUSAL_INNER ? p->fill + mask_at(p, r, key) : p->fill;
    }
    const int64_t k = r->k + key * p->k_pitch[2];
    for (int64_t j = 0; j < p->d; j++)
        score = fmaf(load(p, p->q, r->q + j * p->q_pitch[3]), load(p, p->k, k + j * p->k_pitch[3]),
                     score);
    score *= p->scale;
    if (p->softcap != 0.0f)
        score = p->softcap * dms_tanhf(score / p->softcap);
    if (p->mask_kind == MASK_ADDED)
        score += mask_at(p, r, key);
    else if (p->mask_kind == MASK_BOOL)
        score =
            ((const uint8_t *)p->mask)[r->mask + key * p->mask_pitch[3]] != 0 ? score : -INFINITY;
    return score;
}

DMS_DEVICE float sum_of_lanes(float x) {
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2)
        x += dms_shuffle_f32(x, threadIdx.x + d);
    return dms_shuffle_f32(x, 0);
}

/* The largest; a NaN is none. */
DMS_DEVICE float greatest_of_lanes(float x) {
    x = x > -INFINITY ? x : -INFINITY;
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2) {
        const float other = dms_shuffle_f32(x, threadIdx.x + d);
        x = other > x ? other : x;
    }
    return dms_shuffle_f32(x, 0);
}

/* Takes a chunk of up to 32 keys, of which this lane has one. */
DMS_DEVICE void take_chunk(const dms_attention_params *p, const query *r, int64_t first, int64_t n,
                           int64_t column, running *sums) {
    const uint32_t lane = threadIdx.x % DMS_WARP;
    const float score = lane < n ? score_of(p, r, first + lane) : -INFINITY;
    const float top = greatest_of_lanes(score);
    const float high = top > sums->high ? top : sums->high;
    const float from = high == -INFINITY ? 0.0f : high; /* all masked so far: weights are 0 */
    const float weight = lane < n ? dms_expf(score - from) : 0.0f;
    const float shrink = dms_expf(sums->high - from);
    sums->sum = fmaf(sums->sum, shrink, sum_of_lanes(weight));
    sums->high = high;
    DMS_EACH(i, COLUMNS)
    sums->o[i] *= shrink;
    for (int64_t k = 0; k < n; k++) {
        const float w = dms_shuffle_f32(weight, (uint32_t)k);
        const int64_t v = r->v + (first + k) * p->v_pitch[2];
        if (w != 0.0f) /* the same in every lane */
            DMS_EACH(i, COLUMNS) {
                const int64_t j = column + lane + DMS_WARP * i;
                if (j < p->e)
                    sums->o[i] = fmaf(w, load(p, p->v, v + j * p->v_pitch[3]), sums->o[i]);
            }
    }
}

/* What the warps of a block hand to the first of them. */
typedef struct handed {
    float high[WARPS], sum[WARPS], o[WARPS][WIDE];
} handed;

/* Joins the warps' sums in order; the first warp gets them. */
DMS_DEVICE void join(handed *all, running *sums) {
    const uint32_t lane = threadIdx.x % DMS_WARP, warp = threadIdx.x / DMS_WARP;
    if (lane == 0) {
        all->high[warp] = sums->high;
        all->sum[warp] = sums->sum;
    }
    DMS_EACH(i, COLUMNS)
    all->o[warp][lane + DMS_WARP * i] = sums->o[i];
    __syncthreads();
    if (warp == 0) {
        float high = -INFINITY;
        for (int w = 0; w < WARPS; w++)
            high = all->high[w] > high ? all->high[w] : high;
        const float from = high == -INFINITY ? 0.0f : high;
        sums->high = high;
        sums->sum = 0.0f;
        DMS_EACH(i, COLUMNS)
        sums->o[i] = 0.0f;
        for (int w = 0; w < WARPS; w++) {
            const float shrink = dms_expf(all->high[w] - from);
            sums->sum = fmaf(all->sum[w], shrink, sums->sum);
            DMS_EACH(i, COLUMNS)
            sums->o[i] = fmaf(all->o[w][lane + DMS_WARP * i], shrink, sums->o[i]);
        }
    }
    __syncthreads(); /* all is read before the next query writes it */
}

/* o / l; a row that sees no key is zero, the mean of v, or NaN. */
DMS_DEVICE void store(const dms_attention_params *p, const query *r, int64_t column,
                      running *sums) {
    const uint32_t lane = threadIdx.x % DMS_WARP;
    const int is_empty = sums->high == -INFINITY && sums->sum == 0.0f;
    DMS_EACH(i, COLUMNS) {
        const int64_t j = column + lane + DMS_WARP * i;
        float o = sums->o[i], l = sums->sum;
        dms_scalar out;
        if (j >= p->e)
            continue;
        if (is_empty && p->empty == EMPTY_ZERO)
            l = 1.0f;
        if (is_empty && p->empty == EMPTY_UNIFORM) {
            o = 0.0f;
            l = (float)p->t;
            for (int64_t k = 0; k < p->t; k++)
                o += load(p, p->v, r->v + k * p->v_pitch[2] + j * p->v_pitch[3]);
        }
        out.f32 = o / l;
        dms_element_store((dms_dtype)p->dtype, out, p->y, r->y + j * p->y_pitch[3]);
    }
}

DMS_CUDA_KERNEL(attention, dms_attention_params) {
    DMS_SHARED handed all;
    const uint32_t warp = threadIdx.x / DMS_WARP;
    const int64_t queries = p.batch * p.heads * p.s, each = WARPS / p.split;
    const int64_t share = p.split == 1 ? 0 : warp; /* of the keys */
    for (int64_t block = blockIdx.x; block * each < queries; block += gridDim.x) {
        const int64_t index = p.split == 1 ? block * each + warp : block;
        const query r = query_of(&p, index < queries ? index : 0);
        const int64_t keys = p.has_fill ? p.t : r.keys;
        for (int64_t column = 0; column < p.e; column += WIDE) {
            running sums;
            sums.high = -INFINITY;
            sums.sum = 0.0f;
            DMS_EACH(i, COLUMNS)
            sums.o[i] = 0.0f;
            for (int64_t k = share * DMS_WARP; k < keys; k += (int64_t)p.split * DMS_WARP)
                take_chunk(&p, &r, k, keys - k < DMS_WARP ? keys - k : DMS_WARP, column, &sums);
            if (p.split != 1)
                join(&all, &sums);
            if (index < queries && share == 0)
                store(&p, &r, column, &sums);
        }
    }
}
