/* attention_few.h - the body of attention for few queries, for one width and type: see
 * attention_few.cu.
 *
 * Reads    NAME, WIDE (64, 128 or 256), IS_BRAIN; attention_score.h is included before.
 * Returns  the kernel NAME; all four names end with this file.
 * Cost     a warp: 16 keys of each 64 it goes over, their k and v once.
 * Source   Dao et al. 2023 (splitting the keys of a query).
 * Not here the join of the parts (attention_few.cu).
 *
 * Nothing is exchanged through shared memory but q: a lane reads 16 bytes of a key, and columns of
 * the fragments are numbered so that these are its own words.
 *
 *     k   lane: key g, elements 32 j + 8 t .. + 7    words 0 1: b of product 2 j, 2 3: of 2 j + 1
 *     v   lane: keys 2t, 2t + 1, 2t + 8, 2t + 9, columns 64 j + 8 g .. + 7: product i takes one
 *     o   lane: rows g, g + 8, columns 64 j + 16 t .. + 15
 */

/* q of the 16 rows as the block's lanes read it; a padding keeps them apart in the banks. */
#define Q_PITCH (WIDE + 8)

/* Names of this body's functions, one set per kernel. */
#define load_keys DMS_GLUE(NAME, _load_keys)
#define load_values DMS_GLUE(NAME, _load_values)
#define multiply DMS_GLUE(NAME, _multiply)
#define weigh DMS_GLUE(NAME, _weigh)
#define add_values DMS_GLUE(NAME, _add_values)
#define store DMS_GLUE(NAME, _store)
#define load_q DMS_GLUE(NAME, _load_q)
#define most_keys DMS_GLUE(NAME, _most_keys)
#define run_part DMS_GLUE(NAME, _run_part)

/* Registers hold the next keys, and values while products run, of all but the widest heads. */
#define IS_AHEAD (WIDE <= 128)

/* The 16 keys from `first` on. */
DMS_DEVICE void load_keys(const dms_attention_params *p, const dms_group *at, int first,
                          dms_eight (*k)[2]) {
    const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
    DMS_EACH(j, WIDE / 32)
    DMS_EACH(h, 2) {
        const int key = first + 8 * h + g, d = 32 * j + 8 * t;
        const int is_there = key < p->t && d < p->d;
        const int64_t place = at->k + key * p->k_pitch[2] + d;
        k[j][h] = dms_eight_load((const uint16_t *)p->k + (is_there ? place : 0), is_there);
    }
}

DMS_DEVICE void load_values(const dms_attention_params *p, const dms_group *at, int first,
                            dms_eight (*v)[4]) {
    const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
    DMS_EACH(j, WIDE / 64)
    DMS_EACH(h, 4) {
        const int key = first + 2 * t + h % 2 + h / 2 * 8, e = 64 * j + 8 * g;
        const int is_there = key < p->t && e < p->e;
        const int64_t place = at->v + key * p->v_pitch[2] + e;
        v[j][h] = dms_eight_load((const uint16_t *)p->v + (is_there ? place : 0), is_there);
    }
}

/* q k of 16 rows and 16 keys. */
DMS_DEVICE void multiply(const uint16_t *q, dms_eight (*k)[2], float (*s)[4]) {
    const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
    DMS_EACH(h, 2)
    DMS_EACH(i, 4)
    s[h][i] = 0.0f;
    DMS_EACH(j, WIDE / 32) {
        const dms_eight u = dms_eight_load(q + g * Q_PITCH + 32 * j + 8 * t, 1);
        const dms_eight w = dms_eight_load(q + (g + 8) * Q_PITCH + 32 * j + 8 * t, 1);
        DMS_EACH(half, 2) {
            const uint32_t a[4] = {u.w[2 * half], w.w[2 * half], u.w[2 * half + 1],
                                   w.w[2 * half + 1]};
            DMS_EACH(h, 2)
            dms_mma(IS_BRAIN, s[h], a, k[j][h].w + 2 * half);
        }
    }
}

/* Products become weights; older sums shrink. Rows of absent queries see no key. */
DMS_DEVICE void weigh(const dms_attention_params *p, const dms_group *at, int row0, int first,
                      float (*s)[4], float *high, float *sum, float *shrink) {
    const int g = (int)threadIdx.x % 32 / 4;
    DMS_EACH(r, 2) {
        const int row = row0 + g + 8 * r, is_there = row < p->per_head * p->s;
        float x[4], top = high[r];
        DMS_EACH(i, 4)
        x[i] = is_there ? s[i / 2][2 * r + i % 2] : -INFINITY;
        if (is_there)
            dms_scores(p, at, row, first, 2, x);
        DMS_EACH(i, 4)
        top = x[i] > top ? x[i] : top;
        top = dms_greatest_of_four(top);
        shrink[r] = dms_exp2f((high[r] - dms_base(top)) * p->unit);
        high[r] = top;
        sum[r] *= shrink[r];
        DMS_EACH(i, 4) {
            const float weight = dms_exp2f((x[i] - dms_base(top)) * p->unit);
            s[i / 2][2 * r + i % 2] = weight;
            sum[r] += weight;
        }
    }
}

/* o = o shrink + weights v. */
DMS_DEVICE void add_values(float (*s)[4], dms_eight (*v)[4], const float *shrink, float (*o)[4]) {
    const uint32_t a[4] = {
        dms_pack(IS_BRAIN, s[0][0], s[0][1]), dms_pack(IS_BRAIN, s[0][2], s[0][3]),
        dms_pack(IS_BRAIN, s[1][0], s[1][1]), dms_pack(IS_BRAIN, s[1][2], s[1][3])};
    DMS_EACH(j, WIDE / 64)
    DMS_EACH(i, 8) {
        float *sums = o[8 * j + i];
        const dms_eight *x = v[j];
        uint32_t b[2];
        DMS_EACH(h, 2)
        b[h] = i % 2 == 0 ? dms_low_halves(x[2 * h].w[i / 2], x[2 * h + 1].w[i / 2])
                          : dms_high_halves(x[2 * h].w[i / 2], x[2 * h + 1].w[i / 2]);
        DMS_EACH(k, 4)
        sums[k] *= shrink[k / 2];
        dms_mma(IS_BRAIN, sums, a, b);
    }
}

/* The sums of one part of the keys to the workspace: m, l, o of each row. */
DMS_DEVICE void store(const dms_attention_params *p, int64_t group, int row0, int part,
                      const float *high, const float *sum, float (*o)[4]) {
    const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
    DMS_EACH(r, 2) {
        const int64_t rows = p->per_head * p->s, row = row0 + g + 8 * r;
        const float total = dms_sum_of_four(sum[r]);
        if (row >= rows)
            continue;
        float *to = p->partial + ((group * rows + row) * p->parts + part) * (p->e + 2);
        if (t == 0) {
            to[0] = high[r];
            to[1] = total;
        }
        DMS_EACH(j, WIDE / 64)
        DMS_EACH(i, 8)
        DMS_EACH(h, 2) {
            const int64_t column = 64 * j + 16 * t + 8 * h + i;
            if (column < p->e)
                to[2 + column] = o[8 * j + i][2 * r + h];
        }
    }
}

/* Rows [row0, row0 + 16) of a group into shared memory, zeros where there are none. */
DMS_DEVICE void load_q(const dms_attention_params *p, const dms_group *at, int row0, uint16_t *q) {
    for (int c = (int)threadIdx.x; c < 16 * (WIDE / 8); c += DMS_ATTENTION_FEW_THREADS) {
        const int row = row0 + c / (WIDE / 8), d = c % (WIDE / 8) * 8;
        const int is_there = row < p->per_head * p->s && d < p->d;
        const int64_t place = is_there ? at->q + dms_row_place(p, p->q_pitch, row) + d : 0;
        *(dms_eight *)(void *)(q + (row - row0) * Q_PITCH + d) =
            dms_eight_load((const uint16_t *)p->q + place, is_there);
    }
}

/* The most keys that any of the 16 rows takes; with a fill, all. */
DMS_DEVICE int most_keys(const dms_attention_params *p, int row0) {
    int most = 0;
    for (int row = row0; row < row0 + 16 && row < p->per_head * p->s; row++) {
        const int keys = p->has_fill ? (int)p->t : dms_keys_of(p, row);
        most = keys > most ? keys : most;
    }
    return most;
}

/* Part `part` of the keys of 16 rows. */
DMS_DEVICE void run_part(const dms_attention_params *p, int64_t group, int row0, int part,
                         const uint16_t *q) {
    const dms_group at = dms_group_of(p, group);
    const int keys = most_keys(p, row0);
    float high[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f}, shrink[2];
    float s[2][4], o[WIDE / 8][4];
    dms_eight k[WIDE / 32][2], v[WIDE / 64][4];
    DMS_EACH(i, WIDE / 8)
    DMS_EACH(j, 4)
    o[i][j] = 0.0f;
    if (IS_AHEAD)
        load_keys(p, &at, 16 * part, k);
    for (int first = 16 * part; first < keys; first += 16 * (int)p->parts) {
        if (!IS_AHEAD)
            load_keys(p, &at, first, k);
        if (IS_AHEAD)
            load_values(p, &at, first, v);
        multiply(q, k, s);
        if (!IS_AHEAD)
            load_values(p, &at, first, v);
        if (IS_AHEAD)
            load_keys(p, &at, first + 16 * (int)p->parts, k);
        weigh(p, &at, row0, first, s, high, sum, shrink);
        add_values(s, v, shrink, o);
    }
    store(p, group, row0, part, high, sum, o);
}

DMS_CUDA_KERNEL(NAME, dms_attention_params) {
    DMS_SHARED DMS_ALIGNED(16) uint16_t q[16 * Q_PITCH];
    const int64_t tiles = (p.per_head * p.s + 15) / 16, quarters = p.parts / 4;
    const int64_t n = p.batch * (p.heads / p.per_head) * tiles * quarters;
    for (int64_t index = blockIdx.x; index < n; index += gridDim.x) {
        const int64_t group = index / quarters / tiles;
        const int row0 = (int)(index / quarters % tiles) * 16;
        const int part = (int)(index % quarters) * 4 + (int)threadIdx.x / 32;
        const dms_group at = dms_group_of(&p, group);
        load_q(&p, &at, row0, q);
        __syncthreads();
        run_part(&p, group, row0, part, q);
        __syncthreads(); /* q is read before the next one is written */
    }
}

#undef Q_PITCH
#undef load_keys
#undef load_values
#undef multiply
#undef weigh
#undef add_values
#undef store
#undef load_q
#undef most_keys
#undef run_part
#undef IS_AHEAD
#undef NAME
#undef WIDE
#undef IS_BRAIN
