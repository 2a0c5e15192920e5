/* attention_cpu.c - attention on the CPU device, in blocks of 256 keys with a running maximum.
 *
 *     for each block of keys:  s = scale q k;  s = softcap tanh(s / softcap);  s += mask
 *                              m' = max(m, s);  p = exp(s - m');  c = exp(m - m')
 *                              l = l c + sum p;  o = o c + p v
 *     y = o / l
 *
 * Blocks begin at multiples of 256 keys and tiles at multiples of 6 rows, counted from the first
 * row of a part's head group; neither depends on parts or threads. The heads that share k and v are
 * rows of one group: row r is query r % s of head r / s. Chains: q k as a matrix product; o in the
 * order of keys; the sum of p in 16 lanes joined in halves. Keys beyond the causal limit of
 * all rows of a tile are left out; other masked keys take part with p = 0.
 * A row whose scores are all minus infinity is empty: zero, the mean of v, or NaN, by parameter.
 * Where the triangle is a finite number, keys beyond the limit have that score; only a row that
 * sees next to nothing feels them, and it takes them one by one, in order.
 *
 * Source: Milakov and Gimelshein 2018 (running maximum); Dao et al. 2022 (blocks). */
#include <string.h>

#include "runtime/kernels/attention_internal.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/elementary.h"
#include "runtime/kernels/short_row.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/tile_internal.h"
#include "schema/integers.h"

enum {
    KEYS = 256, /* of a block */
    ROWS = 96,  /* of a part at most, a multiple of TILE */
    TILE = 6,   /* on every set: which masked keys a row meets depends on it */
    PANEL = DMS_TILE_WIDTH,
    SEGMENT = DMS_TILE_SEGMENT,
    ROOM = 131072, /* elements of q, and of o, of a part; 6 rows of the widest head fit */
};
_Static_assert(ROOM >= TILE * DMS_ATTENTION_MAX_WIDTH, "one tile fits");

_Static_assert((int)TILE <= (int)DMS_TILE_ROWS, "a tile is one call");

#define product DMS_ISA(dms_tile_product)

typedef struct attention_scratch {
    float q[ROOM], o[ROOM];
    float score[ROWS * KEYS];
    float row[DMS_ATTENTION_MAX_WIDTH]; /* one key, or the mask of one row */
    float
        panel[PANEL * DMS_ATTENTION_MAX_WIDTH]; /* 16 keys [d][16], or 16 columns of v [key][16] */
    float high[ROWS], sum[ROWS];                /* m and l */
    float rest;                                 /* no key beyond a limit has a higher score */
    int64_t keys[ROWS], tile_keys[ROWS / TILE]; /* that a row, or any row of a tile, may see */
} attention_scratch;
_Static_assert(sizeof(attention_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* A part: rows [row0, row0 + rows) of the group of query heads that share key head `head`. */
typedef struct part {
    const dms_call *call;
    const dms_view *q, *k, *v, *mask, *y;
    dms_dtype dtype;                /* of q, k, v, y; all sums are f32 */
    const char *q_at, *k_at, *v_at; /* of the batch entry; of the key head */
    const char *mask_at;            /* of the batch entry */
    char *y_at;
    int64_t head0; /* first query head of the group */
    int64_t row0, rows;
    int64_t s, t, d, e, e16; /* queries, keys, widths; e rounded up to 16 */
} part;

/* Rows of a part: a multiple of the tile that fits the scratch. */
static int64_t rows_of_part(const dms_call *call) {
    const int64_t d = call->view[0].dim[3], e = (call->view[2].dim[3] + 15) / 16 * 16;
    const int64_t wide = d > e ? d : e;
    return wide == 0 ? ROWS : dms_least(ROWS, ROOM / wide / TILE * TILE);
}

static int64_t rows_of_group(const dms_call *call) {
    const int64_t heads = call->view[1].dim[1];
    return heads == 0 ? 0 : call->view[0].dim[1] / heads * call->view[0].dim[2];
}

static uint64_t attention_parts(const dms_call *call) {
    const int64_t rows = rows_of_part(call), all = rows_of_group(call);
    if (dms_view_count(&call->view[call->n_in]) == 0)
        return 0;
    return (uint64_t)(call->view[0].dim[0] * call->view[1].dim[1] * ((all + rows - 1) / rows));
}

static part part_of(const dms_cpu_job *job, int64_t index) {
    const dms_call *call = job->call;
    const dms_view *v = call->view;
    part p = {.call = call, .q = v, .k = v + 1, .v = v + 2, .y = v + call->n_in};
    const int64_t high = rows_of_part(call), all = rows_of_group(call);
    const int64_t blocks = (all + high - 1) / high, heads = p.k->dim[1];
    const int64_t head = index / blocks % heads, batch = index / blocks / heads;
    p.row0 = index % blocks * high;
    p.rows = dms_least(high, all - p.row0);
    p.s = p.q->dim[2];
    p.t = p.k->dim[2];
    p.d = p.q->dim[3];
    p.e = p.v->dim[3];
    p.e16 = (p.e + 15) / 16 * 16;
    p.head0 = head * (p.q->dim[1] / heads);
    const int64_t size = dms_dtype_bytes(p.q->dtype);
    p.dtype = p.q->dtype;
    p.q_at = (const char *)job->operand[0] + batch * p.q->pitch[0] * size;
    p.k_at = (const char *)job->operand[1] + (batch * p.k->pitch[0] + head * p.k->pitch[1]) * size;
    p.v_at = (const char *)job->operand[2] + (batch * p.v->pitch[0] + head * p.v->pitch[1]) * size;
    p.y_at = (char *)job->operand[call->n_in] + batch * p.y->pitch[0] * size;
    if (call->n_in == 4) {
        p.mask = v + 3;
        p.mask_at = (const char *)job->operand[3] +
                    batch * p.mask->pitch[0] * dms_dtype_bytes(p.mask->dtype);
    }
    return p;
}

static int64_t row_offset(const part *p, const dms_view *view, int64_t r) {
    const int64_t row = p->row0 + r;
    return (p->head0 + row / p->s) * view->pitch[1] + row % p->s * view->pitch[2];
}

/* Keys that row r may see; the others come after the causal limit. */
static int64_t keys_of_row(const part *p, int64_t r) {
    if (p->call->i[DMS_ATTENTION_CAUSAL] == 0)
        return p->t;
    const int64_t keys = (p->row0 + r) % p->s + p->t - p->s + 1;
    return keys < 0 ? 0 : dms_least(keys, p->t);
}

/* Fills the numbers of keys of rows and tiles; returns the largest. */
static int64_t count_keys(const part *p, attention_scratch *s) {
    int64_t most = 0;
    memset(s->tile_keys, 0, sizeof s->tile_keys);
    for (int64_t r = 0; r < p->rows; r++) {
        int64_t *tile = &s->tile_keys[r / TILE];
        s->keys[r] = keys_of_row(p, r);
        *tile = s->keys[r] > *tile ? s->keys[r] : *tile;
        most = *tile > most ? *tile : most;
    }
    return most;
}

/* n elements of an operand from element `at` on, as f32. */
static void load(const part *p, const char *from, int64_t at, int64_t pitch, int64_t n,
                 float *out) {
    if (p->dtype == DMS_DTYPE_F32 && pitch == 1)
        memcpy(out, (const float *)(const void *)from + at, (size_t)n * sizeof *out);
    else
        DMS_ISA(dms_strip_load)(p->dtype, from + at * dms_dtype_bytes(p->dtype), pitch, n, out);
}

static void load_queries(const part *p, attention_scratch *s) {
    for (int64_t r = 0; r < p->rows; r++)
        load(p, p->q_at, row_offset(p, p->q, r), p->q->pitch[3], p->d, s->q + r * p->d);
}

/* Up to 16 keys as [d][16]; keys that do not exist are zero. */
static void load_keys(const part *p, int64_t key, int64_t n, attention_scratch *s) {
    const float *from = (const float *)(const void *)p->k_at + key * p->k->pitch[2];
    if (n < PANEL)
        memset(s->panel, 0, (size_t)(p->d * PANEL) * sizeof *s->panel);
    if (p->k->pitch[3] == 1 && p->dtype == DMS_DTYPE_F32) {
        DMS_ISA(dms_tile_transpose)(n, p->d, from, p->k->pitch[2], s->panel, PANEL);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        load(p, p->k_at, (key + j) * p->k->pitch[2], p->k->pitch[3], p->d, s->row);
        for (int64_t k = 0; k < p->d; k++)
            s->panel[k * PANEL + j] = s->row[k];
    }
}

/* Up to 16 columns of v for n keys as [key][16]; columns that do not exist are zero. */
static void load_values(const part *p, int64_t key, int64_t n, int64_t column, float *out) {
    const int64_t wide = dms_least(p->e - column, PANEL);
    const float *from =
        (const float *)(const void *)p->v_at + key * p->v->pitch[2] + column * p->v->pitch[3];
    const bool is_direct = wide == PANEL && p->v->pitch[3] == 1 && p->dtype == DMS_DTYPE_F32;
    if (wide < PANEL)
        memset(out, 0, (size_t)(n * PANEL) * sizeof *out);
    for (int64_t k = 0; k < n && is_direct; k++)
        memcpy(out + k * PANEL, from + k * p->v->pitch[2], PANEL * sizeof *out);
    for (int64_t k = 0; k < n && !is_direct; k++)
        load(p, p->v_at, (key + k) * p->v->pitch[2] + column * p->v->pitch[3], p->v->pitch[3], wide,
             out + k * PANEL);
}

/* score = q k for keys [key, key + n), rounded up to whole panels. */
static void score_block(const part *p, int64_t key, int64_t n, attention_scratch *s) {
    for (int64_t j = 0; j < n; j += PANEL) {
        load_keys(p, key + j, dms_least(n - j, PANEL), s);
        for (int64_t r = 0; r < p->rows; r += TILE) {
            if (s->tile_keys[r / TILE] <= key + j)
                continue;
            const int rows = (int)dms_least(TILE, p->rows - r);
            const float *q = s->q + r * p->d;
            float *score = s->score + r * KEYS + j;
            for (int64_t k0 = 0; k0 == 0 || k0 < p->d; k0 += SEGMENT)
                product(rows, dms_least(SEGMENT, p->d - k0), q + k0, p->d, s->panel + k0 * PANEL,
                        score, KEYS, k0 == 0 ? DMS_TILE_SET : DMS_TILE_ADD);
        }
    }
}

/* Scale, cap and mask of row r; from `seen` to the end of the last panel scores are -infinity. */
static void mask_row(const part *p, int64_t r, int64_t key, int64_t n, attention_scratch *s) {
    const float scale = (float)p->call->f[0], cap = (float)p->call->f[1];
    const int64_t seen = s->keys[r] - key;
    float *score = s->score + r * KEYS;
    for (int64_t j = 0; j < n; j++)
        score[j] *= scale;
    for (int64_t j = 0; j < n && cap != 0.0f; j++)
        score[j] = cap * dms_tanhf(score[j] / cap);
    if (p->mask != NULL) {
        const int64_t at = row_offset(p, p->mask, r) + key * p->mask->pitch[3];
        const int64_t pitch = p->mask->pitch[3];
        const uint8_t *taken = (const uint8_t *)p->mask_at + at;
        if (p->call->i[DMS_ATTENTION_MASK] == DMS_MASK_BOOL)
            for (int64_t j = 0; j < n; j++)
                score[j] = taken[j * pitch] != 0 ? score[j] : -INFINITY;
        else
            DMS_ISA(dms_strip_load)
        (p->mask->dtype, p->mask_at + at * dms_dtype_bytes(p->mask->dtype), pitch, n, s->row);
        for (int64_t j = 0; j < n && p->mask->dtype != DMS_DTYPE_BOOL; j++)
            score[j] += s->row[j];
    }
    for (int64_t j = seen < 0 ? 0 : dms_least(seen, n); j < (n + 15) / 16 * 16; j++)
        score[j] = -INFINITY;
}

/* The largest of n scores, rounded up to whole panels; a NaN is none. */
static float highest(int64_t n, const float *score) {
    const float none = -INFINITY;
    dms_f32x4 lane[PANEL / 4];
    for (int l = 0; l < PANEL / 4; l++)
        lane[l] = (dms_f32x4){none, none, none, none};
    for (int64_t j = 0; j < n; j += PANEL)
        for (int l = 0; l < PANEL / 4; l++) {
            const dms_f32x4 x = dms_short_get(score + j + 4 * l);
            const dms_i32x4 takes = x > lane[l];
            lane[l] = (dms_f32x4)((takes & (dms_i32x4)x) | (~takes & (dms_i32x4)lane[l]));
        }
    float top = none;
    for (int l = 0; l < PANEL; l++)
        top = lane[l / 4][l % 4] > top ? lane[l / 4][l % 4] : top;
    return top;
}

/* Scores of a row become weights exp(s - m'); returns exp(m - m'), by which older sums shrink.
 * A NaN is no maximum; it reaches the sum as a weight. */
static float weigh_row(int64_t n, float *score, float *high, float *sum) {
    float lane[PANEL], top = highest(n, score);
    top = top > *high ? top : *high;
    const float from = top == -INFINITY ? 0.0f : top; /* all masked so far: weights are 0 */
    for (int l = 0; l < PANEL; l++)
        lane[l] = 0.0f;
    for (int64_t j = 0; j < n; j += PANEL)
        for (int l = 0; l < PANEL; l++) {
            const float weight = dms_expf(score[j + l] - from);
            score[j + l] = weight;
            lane[l] += weight;
        }
    for (int half = PANEL / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    const float shrink = dms_expf(*high - from);
    *sum = fmaf(*sum, shrink, lane[0]);
    *high = top;
    return shrink;
}

/* o += weights v for keys [key, key + n). */
static void add_values(const part *p, int64_t key, int64_t n, attention_scratch *s) {
    for (int64_t column = 0; column < p->e; column += PANEL) {
        load_values(p, key, n, column, s->panel);
        for (int64_t r = 0; r < p->rows; r += TILE) {
            const int rows = (int)dms_least(TILE, p->rows - r);
            float *o = s->o + r * p->e16 + column;
            const int64_t seen = dms_least(n, s->tile_keys[r / TILE] - key);
            if (seen > 0)
                product(rows, seen, s->score + r * KEYS, KEYS, s->panel, o, p->e16,
                        DMS_TILE_CONTINUE);
        }
    }
}

static void run_block(const part *p, int64_t key, attention_scratch *s) {
    const int64_t n = dms_least(KEYS, p->t - key);
    score_block(p, key, n, s);
    for (int64_t r = 0; r < p->rows; r++) {
        const int64_t seen = dms_least(n, s->tile_keys[r / TILE] - key);
        if (seen <= 0)
            continue;
        mask_row(p, r, key, seen, s);
        const float shrink = weigh_row(seen, s->score + r * KEYS, &s->high[r], &s->sum[r]);
        for (int64_t j = 0; j < p->e16 && shrink != 1.0f; j++)
            s->o[r * p->e16 + j] *= shrink;
    }
    add_values(p, key, n, s);
}

/* The score of a key beyond the causal limit of row r. */
static float score_beyond(const part *p, int64_t r, int64_t key) {
    const float fill = (float)p->call->f[DMS_ATTENTION_FILL];
    float mask;
    if (p->call->i[DMS_ATTENTION_CAUSAL] != DMS_CAUSAL_INNER)
        return fill;
    const int64_t at = row_offset(p, p->mask, r) + key * p->mask->pitch[3];
    DMS_ISA(dms_strip_load)
    (p->mask->dtype, p->mask_at + at * dms_dtype_bytes(p->mask->dtype), 1, 1, &mask);
    return fill + mask;
}

/* A limit to the scores beyond the triangle, so that most rows need not look at them: the fill, or
 * its sum with the largest element of a mask that all rows share. */
static float limit_rest(const part *p) {
    if (p->call->n_f <= DMS_ATTENTION_FILL)
        return -INFINITY;
    if (p->call->i[DMS_ATTENTION_CAUSAL] != DMS_CAUSAL_INNER)
        return (float)p->call->f[DMS_ATTENTION_FILL];
    if (p->mask->pitch[1] != 0 || p->mask->pitch[2] != 0)
        return INFINITY;
    float top = -INFINITY;
    for (int64_t key = 0; key < p->t; key++) {
        const float score = score_beyond(p, 0, key);
        top = score > top ? score : top;
    }
    return top;
}

/* Takes the keys beyond the limit of row r as one more block, where they weigh anything. */
static void add_rest(const part *p, int64_t r, attention_scratch *s) {
    float top = s->high[r], *o = s->o + r * p->e16;
    if (s->keys[r] == p->t || s->rest == -INFINITY || dms_expf(s->rest - top) == 0.0f)
        return;
    for (int64_t key = s->keys[r]; key < p->t; key++) {
        const float score = score_beyond(p, r, key);
        top = score > top ? score : top;
    }
    if (top == -INFINITY)
        return;
    const float shrink = dms_expf(s->high[r] - top);
    s->sum[r] *= shrink;
    for (int64_t j = 0; j < p->e16; j++)
        o[j] *= shrink;
    for (int64_t key = s->keys[r]; key < p->t; key++) {
        const float weight = dms_expf(score_beyond(p, r, key) - top);
        if (weight == 0.0f)
            continue;
        load(p, p->v_at, key * p->v->pitch[2], p->v->pitch[3], p->e, s->row);
        s->sum[r] += weight;
        for (int64_t j = 0; j < p->e; j++)
            o[j] = fmaf(weight, s->row[j], o[j]);
    }
    s->high[r] = top;
}

/* The sum of v over all keys, for rows that see none. */
static void sum_values(const part *p, float *row, float *out) {
    memset(out, 0, (size_t)p->e16 * sizeof *out);
    for (int64_t k = 0; k < p->t; k++) {
        load(p, p->v_at, k * p->v->pitch[2], p->v->pitch[3], p->e, row);
        for (int64_t j = 0; j < p->e; j++)
            out[j] += row[j];
    }
}

static void store_row(const part *p, int64_t r, float *o, float sum) {
    char *y = p->y_at + row_offset(p, p->y, r) * dms_dtype_bytes(p->dtype);
    for (int64_t j = 0; j < p->e; j++)
        o[j] /= sum;
    DMS_ISA(dms_strip_store)(p->dtype, o, y, p->y->pitch[3], p->e);
}

static void run_part(const part *p, attention_scratch *s) {
    const int64_t empty = p->call->i[DMS_ATTENTION_EMPTY];
    load_queries(p, s);
    memset(s->o, 0, (size_t)(p->rows * p->e16) * sizeof *s->o);
    const int64_t last = count_keys(p, s);
    for (int64_t r = 0; r < p->rows; r++) {
        s->high[r] = -INFINITY;
        s->sum[r] = 0.0f;
    }
    for (int64_t key = 0; key < last; key += KEYS)
        run_block(p, key, s);
    s->rest = limit_rest(p);
    for (int64_t r = 0; r < p->rows; r++) {
        add_rest(p, r, s);
        const bool is_empty = s->high[r] == -INFINITY && s->sum[r] == 0.0f;
        if (is_empty && empty == DMS_EMPTY_UNIFORM) {
            sum_values(p, s->row, s->o + r * p->e16);
            s->sum[r] = (float)p->t;
        }
        if (is_empty && empty == DMS_EMPTY_ZERO)
            s->sum[r] = 1.0f;
        store_row(p, r, s->o + r * p->e16, s->sum[r]);
    }
}

static void attention_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    for (uint64_t index = first; index < end; index++) {
        const part p = part_of(job, (int64_t)index);
        run_part(&p, job->scratch);
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_attention) = {DMS_K_ATTENTION, attention_parts, attention_run};
