/* attention_tile.h - the body of attention for many queries, for one width and type: see
 * attention_tile.cu.
 *
 * Reads    NAME, WIDE (a multiple of 16), IS_BRAIN, SLABS (of 16 rows per warp);
 *          attention_score.h is included before.
 * Returns  the kernel NAME; all four names end with this file.
 * Cost     a block: 64 SLABS rows of a group, the keys up to the limit of the last of them.
 * Source   Dao 2023 (FlashAttention-2: rows to warps, sums in registers).
 * Not here limits and masks (attention_score.h).
 *
 * Shared memory: q of the rows, then two stages of k and v, rows padded by 16 bytes so that eight
 * of them lie in different banks. While a stage is used the other one fills.
 */

#define ROWS (64 * SLABS)
#define PITCH (WIDE + 8)
#define CHUNKS (WIDE / 8)
#define STAGE (2 * KEYS * PITCH)
#define SHARED_BYTES (2 * (ROWS * PITCH + 2 * STAGE))
#define THREADS DMS_ATTENTION_TILE_THREADS
#define KEYS 32

/* Names of this body's functions, one set per kernel. */
#define row_of DMS_GLUE(NAME, _row_of)
#define copy_keys DMS_GLUE(NAME, _copy_keys)
#define copy_stage DMS_GLUE(NAME, _copy_stage)
#define copy_q DMS_GLUE(NAME, _copy_q)
#define multiply DMS_GLUE(NAME, _multiply)
#define score DMS_GLUE(NAME, _score)
#define any_is_felt DMS_GLUE(NAME, _any_is_felt)
#define weigh DMS_GLUE(NAME, _weigh)
#define add_values DMS_GLUE(NAME, _add_values)
#define store DMS_GLUE(NAME, _store)
#define run_tile DMS_GLUE(NAME, _run_tile)
#define most_keys DMS_GLUE(NAME, _most_keys)
#define sums_of_rows DMS_GLUE(NAME, _sums_of_rows)

/* What a warp keeps of its rows: a lane has rows g and g + 8 of each slab. */
typedef struct sums_of_rows {
    float o[SLABS][WIDE / 8][4], high[SLABS][2], sum[SLABS][2];
} sums_of_rows;

DMS_DEVICE int row_of(int slab, int half) {
    return ((int)threadIdx.x / 32 * SLABS + slab) * 16 + half * 8 + (int)threadIdx.x % 32 / 4;
}

/* Begins to copy KEYS keys of k or v: `width` elements each, zeros beyond. */
DMS_DEVICE void copy_keys(const dms_attention_params *p, const void *from, int64_t start,
                          int64_t pitch, int first, int width, uint16_t *to) {
    const uint16_t *elements = (const uint16_t *)from;
    DMS_ROLLED
    for (int c = (int)threadIdx.x; c < KEYS * CHUNKS; c += THREADS) {
        const int key = c / CHUNKS, d = c % CHUNKS * 8;
        const int is_there = first + key < p->t && d < width;
        dms_copy_ahead(to + key * PITCH + d,
                       elements + (is_there ? start + (first + key) * pitch + d : 0), is_there);
    }
}

/* Begins to copy stage `index`: k, and v behind it. */
DMS_DEVICE void copy_stage(const dms_attention_params *p, const dms_group *at, int index,
                           uint16_t *stages) {
    uint16_t *to = stages + index % 2 * STAGE;
    copy_keys(p, p->k, at->k, p->k_pitch[2], index * KEYS, (int)p->d, to);
    copy_keys(p, p->v, at->v, p->v_pitch[2], index * KEYS, (int)p->e, to + KEYS * PITCH);
    dms_copies_close();
}

DMS_DEVICE void copy_q(const dms_attention_params *p, const dms_group *at, int row0, uint16_t *q) {
    const int rows = (int)(p->per_head * p->s);
    DMS_ROLLED
    for (int c = (int)threadIdx.x; c < ROWS * CHUNKS; c += THREADS) {
        const int row = c / CHUNKS, d = c % CHUNKS * 8;
        const int is_there = row0 + row < rows && d < p->d;
        const int64_t place = is_there ? at->q + dms_row_place(p, p->q_pitch, row0 + row) + d : 0;
        dms_copy_ahead(q + row * PITCH + d, (const uint16_t *)p->q + place, is_there);
    }
}

/* s = q k of the warp's rows and KEYS keys. */
DMS_DEVICE void multiply(const uint16_t *q, const uint16_t *k, float (*s)[KEYS / 8][4]) {
    const int lane = (int)threadIdx.x % 32;
    const uint16_t *row = q + ((int)threadIdx.x / 32 * SLABS * 16 + lane % 16) * PITCH;
    const uint16_t *key = k + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
    DMS_EACH(m, SLABS)
    DMS_EACH(n, KEYS / 8)
    DMS_EACH(i, 4)
    s[m][n][i] = 0.0f;
    DMS_EACH(d, WIDE / 16) {
        uint32_t a[SLABS][4], b[4];
        DMS_EACH(m, SLABS)
        dms_matrices(a[m], row + m * 16 * PITCH + 16 * d + lane / 16 * 8);
        DMS_EACH(n, KEYS / 16) {
            dms_matrices(b, key + n * 16 * PITCH + 16 * d);
            DMS_EACH(m, SLABS) {
                dms_mma(IS_BRAIN, s[m][2 * n], a[m], b);
                dms_mma(IS_BRAIN, s[m][2 * n + 1], a[m], b + 2);
            }
        }
    }
}

/* Products to scores, for keys from `first` on. Rows of absent queries see no key. */
DMS_DEVICE void score(const dms_attention_params *p, const dms_group *at, int row0, int first,
                      float (*s)[KEYS / 8][4]) {
    DMS_EACH(m, SLABS)
    DMS_EACH(r, 2) {
        const int row = row0 + row_of(m, r), is_there = row < p->per_head * p->s;
        float x[KEYS / 4];
        DMS_EACH(i, KEYS / 4)
        x[i] = is_there ? s[m][i / 2][2 * r + i % 2] : -INFINITY;
        if (is_there)
            dms_scores(p, at, row, first, KEYS / 8, x);
        DMS_EACH(i, KEYS / 4)
        s[m][i / 2][2 * r + i % 2] = x[i];
    }
}

/* Whether any score weighs anything beside what its row has seen. */
DMS_DEVICE int any_is_felt(const dms_attention_params *p, const sums_of_rows *sums,
                           float (*s)[KEYS / 8][4]) {
    int is_felt = 0;
    DMS_EACH(m, SLABS)
    DMS_EACH(r, 2)
    DMS_EACH(n, KEYS / 8)
    DMS_EACH(i, 2) {
        const float x = s[m][n][2 * r + i], above = (x - sums->high[m][r]) * p->unit;
        is_felt |= x != -INFINITY && !(above < -150.0f);
    }
    return is_felt;
}

/* Scores to weights; older sums shrink. */
DMS_DEVICE void weigh(const dms_attention_params *p, sums_of_rows *sums, float (*s)[KEYS / 8][4]) {
    DMS_EACH(m, SLABS)
    DMS_EACH(r, 2) {
        float top = sums->high[m][r], total = 0.0f;
        DMS_EACH(n, KEYS / 8)
        DMS_EACH(i, 2)
        top = s[m][n][2 * r + i] > top ? s[m][n][2 * r + i] : top;
        top = dms_greatest_of_four(top);
        const float base = dms_base(top), shrink = dms_exp2f((sums->high[m][r] - base) * p->unit);
        DMS_EACH(n, KEYS / 8)
        DMS_EACH(i, 2) {
            float *x = &s[m][n][2 * r + i];
            *x = dms_exp2f((*x - base) * p->unit);
            total += *x;
        }
        sums->high[m][r] = top;
        sums->sum[m][r] = fmaf(sums->sum[m][r], shrink, total);
        DMS_EACH(n, WIDE / 8)
        DMS_EACH(i, 2)
        sums->o[m][n][2 * r + i] *= shrink;
    }
}

/* o += weights v. */
DMS_DEVICE void add_values(const uint16_t *v, float (*s)[KEYS / 8][4], sums_of_rows *sums) {
    const int lane = (int)threadIdx.x % 32;
    const uint16_t *key = v + lane % 16 * PITCH + lane / 16 * 8;
    DMS_EACH(k, KEYS / 16) {
        uint32_t a[SLABS][4], b[4];
        DMS_EACH(m, SLABS)
        DMS_EACH(i, 4)
        a[m][i] =
            dms_pack(IS_BRAIN, s[m][2 * k + i / 2][i % 2 * 2], s[m][2 * k + i / 2][i % 2 * 2 + 1]);
        DMS_EACH(n, WIDE / 16) {
            dms_matrices_turned(b, key + k * 16 * PITCH + 16 * n);
            DMS_EACH(m, SLABS) {
                dms_mma(IS_BRAIN, sums->o[m][2 * n], a[m], b);
                dms_mma(IS_BRAIN, sums->o[m][2 * n + 1], a[m], b + 2);
            }
        }
    }
}

/* The warp's rows to y, two columns at a time. */
DMS_DEVICE void store(const dms_attention_params *p, const dms_group *at, int row0,
                      const sums_of_rows *sums) {
    const int t = (int)threadIdx.x % 4;
    DMS_EACH(m, SLABS)
    DMS_EACH(r, 2) {
        const int row = row0 + row_of(m, r);
        const float high = sums->high[m][r], total = dms_sum_of_four(sums->sum[m][r]);
        if (row >= p->per_head * p->s)
            continue;
        uint16_t *to = (uint16_t *)p->y + at->y + dms_row_place(p, p->y_pitch, row) + 2 * t;
        const int is_empty = dms_is_empty(high, total);
        if (is_empty)
            for (int c = 2 * t; c < p->e; c += 8)
                *(uint32_t *)(void *)(to + c - 2 * t) =
                    dms_pack(IS_BRAIN, dms_empty_of(p, at->v, c), dms_empty_of(p, at->v, c + 1));
        DMS_EACH(n, WIDE / 8)
        if (8 * n < p->e && !is_empty)
            *(uint32_t *)(void *)(to + 8 * n) =
                dms_pack(IS_BRAIN, sums->o[m][n][2 * r] / total, sums->o[m][n][2 * r + 1] / total);
    }
}

/* Stages 0 .. n - 1 hold all keys that a row sees; what a fill says of the keys behind them counts
 * only where some row of the block feels it, and there v comes when it is asked for. */
DMS_DEVICE void run_tile(const dms_attention_params *p, const dms_group *at, int row0, int n,
                         uint16_t *stages, const uint16_t *q, sums_of_rows *sums) {
    const int all = p->has_fill ? ((int)p->t + KEYS - 1) / KEYS : n;
    float s[SLABS][KEYS / 8][4];
    for (int index = 0; index < all; index++) {
        uint16_t *stage = stages + index % 2 * STAGE;
        DMS_COPIES_WAIT(0);
        __syncthreads(); /* stage `index` is here, and nobody reads the one before */
        if (index + 1 < n)
            copy_stage(p, at, index + 1, stages);
        if (index < n)
            multiply(q, stage, s);
        score(p, at, row0, index * KEYS, s);
        if (index >= n) {
            const int is_felt = dms_any_of_block(any_is_felt(p, sums, s));
            if (!is_felt && p->causal != DMS_INNER)
                break; /* the fill is the same everywhere */
            if (!is_felt)
                continue;
            copy_stage(p, at, index, stages);
            DMS_COPIES_WAIT(0);
            __syncthreads();
        }
        weigh(p, sums, s);
        add_values(stage + KEYS * PITCH, s, sums);
    }
}

/* The most keys that any of a block's rows sees. */
DMS_DEVICE int most_keys(const dms_attention_params *p, int row0) {
    const int s = (int)p->s, rows = (int)(p->per_head * p->s);
    const int last = (row0 + ROWS < rows ? row0 + ROWS : rows) - 1;
    return dms_keys_of(p, row0 / s == last / s ? last : s - 1);
}

/* The later rows of a group see more keys: they begin first. */
DMS_CUDA_KERNEL_SHARED(NAME, dms_attention_params, SHARED_BYTES) {
    uint16_t *q = (uint16_t *)(void *)dms_shared, *stages = q + ROWS * PITCH;
    const int64_t rows = p.per_head * p.s, tiles = (rows + ROWS - 1) / ROWS;
    const int64_t groups = p.batch * (p.heads / p.per_head);
    for (int64_t index = blockIdx.x; index < groups * tiles; index += gridDim.x) {
        const dms_group at = dms_group_of(&p, index % groups);
        const int row0 = (int)(tiles - 1 - index / groups) * ROWS;
        const int n = (most_keys(&p, row0) + KEYS - 1) / KEYS;
        sums_of_rows sums;
        DMS_EACH(m, SLABS) {
            DMS_EACH(r, 2) {
                sums.high[m][r] = -INFINITY;
                sums.sum[m][r] = 0.0f;
            }
            DMS_EACH(c, WIDE / 8)
            DMS_EACH(i, 4)
            sums.o[m][c][i] = 0.0f;
        }
        __syncthreads(); /* nobody reads the tile before */
        copy_q(&p, &at, row0, q);
        copy_stage(&p, &at, 0, stages);
        run_tile(&p, &at, row0, n, stages, q, &sums);
        DMS_COPIES_WAIT(0);
        store(&p, &at, row0, &sums);
    }
}

#undef ROWS
#undef PITCH
#undef CHUNKS
#undef STAGE
#undef SHARED_BYTES
#undef THREADS
#undef KEYS
#undef row_of
#undef copy_keys
#undef copy_stage
#undef copy_q
#undef multiply
#undef score
#undef any_is_felt
#undef weigh
#undef add_values
#undef store
#undef run_tile
#undef most_keys
#undef sums_of_rows
#undef NAME
#undef WIDE
#undef IS_BRAIN
#undef SLABS
