/* conv_tensor.h - the body of convolutions on tensor cores, for one height of tiles and one type:
 * see conv_tensor.cu.
 *
 * Reads    NAME, SLABS (of 16 channels per warp), IS_BRAIN.
 * Returns  the kernel NAME; all three names end with this file.
 * Cost     a block: 32 SLABS channels by 128 pixels.
 * Source   the usual implicit product; Kerr et al. 2017 (CUTLASS) for the shape of tiles.
 * Not here which calls come here (window.c).
 *
 * A thread takes the next DEPTH terms of its share into registers while products of these run, and
 * puts them into the other stage: 16 terms of one pixel, or two times eight pixels of one term.
 */
#define HIGH (32 * SLABS)
#define W_PITCH (DEPTH + 8)
#define X_PITCH (PIXELS + 8)

/* Names of this body's functions, one set per kernel. */
#define stage_of_tile DMS_GLUE(NAME, _stage_of_tile)
#define share_of_tile DMS_GLUE(NAME, _share_of_tile)
#define load_weights DMS_GLUE(NAME, _load_weights)
#define load_share DMS_GLUE(NAME, _load_share)
#define put_share DMS_GLUE(NAME, _put_share)
#define multiply DMS_GLUE(NAME, _multiply)
#define begin_sums DMS_GLUE(NAME, _begin_sums)
#define store DMS_GLUE(NAME, _store)
#define run_tile DMS_GLUE(NAME, _run_tile)

/* DEPTH terms of both factors: w by channels, x by terms. Padding keeps rows in different banks. */
typedef struct DMS_ALIGNED(16) stage_of_tile {
    uint16_t w[HIGH * W_PITCH], x[DEPTH * X_PITCH];
} stage_of_tile;

/* What a thread brings to a stage. */
typedef struct share_of_tile {
    dms_eight w[SLABS / 2], x[2];
} share_of_tile;

/* Eight terms of a channel at a time. */
DMS_DEVICE void load_weights(const dms_conv_params *p, const conv_place *at, int first,
                             dms_eight *w) {
    const int terms = (int)(p->c * p->k[0] * p->k[1]);
    DMS_EACH(i, SLABS / 2) {
        const int e = (int)threadIdx.x + THREADS * i, term = first + e % (DEPTH / 8) * 8;
        const int m = at->m + e / (DEPTH / 8), is_there = m < p->m;
        const uint16_t *from = (const uint16_t *)p->w;
        if (is_there)
            from += (at->g * p->m + m) * p->w_pitch[0] + term;
        w[i] = p->is_wide ? dms_eight_load(from, is_there && term < terms)
                          : eight_terms(from, is_there ? terms - term : 0);
    }
}

DMS_DEVICE void load_share(const dms_conv_params *p, const conv_place *at, int first,
                           share_of_tile *share) {
    load_weights(p, at, first, share->w);
    if (p->is_point)
        load_pixels(p, at, first, share->x);
    else
        load_taps(p, at, first, share->x);
}

DMS_DEVICE void put_share(const dms_conv_params *p, const share_of_tile *share,
                          stage_of_tile *stage) {
    const int n = (int)threadIdx.x % PIXELS, k = (int)threadIdx.x / PIXELS * 16;
    DMS_EACH(i, SLABS / 2) {
        const int e = (int)threadIdx.x + THREADS * i;
        *(dms_eight *)(void *)(stage->w + e / (DEPTH / 8) * W_PITCH + e % (DEPTH / 8) * 8) =
            share->w[i];
    }
    if (p->is_point)
        DMS_EACH(i, 2) {
            const int e = (int)threadIdx.x + THREADS * i;
            *(dms_eight *)(void *)(stage->x + e / (PIXELS / 8) * X_PITCH + e % (PIXELS / 8) * 8) =
                share->x[i];
        }
    else
        DMS_EACH(i, 16)
    stage->x[(k + i) * X_PITCH + n] = (uint16_t)(share->x[i / 8].w[i % 8 / 2] >> 16 * (i % 2));
}

/* The warp's 16 SLABS channels by 32 pixels. */
DMS_DEVICE void multiply(const stage_of_tile *stage, float (*sum)[4][4]) {
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const uint16_t *w = stage->w + (warp % 2 * SLABS * 16 + lane % 16) * W_PITCH + lane / 16 * 8;
    const uint16_t *x = stage->x + lane % 16 * X_PITCH + warp / 2 * 32 + lane / 16 * 8;
    DMS_EACH(k, DEPTH / 16) {
        uint32_t a[SLABS][4], b[2][4];
        DMS_EACH(m, SLABS)
        dms_matrices(a[m], w + m * 16 * W_PITCH + 16 * k);
        DMS_EACH(n, 2)
        dms_matrices_turned(b[n], x + k * 16 * X_PITCH + 16 * n);
        DMS_EACH(m, SLABS)
        DMS_EACH(n, 4)
        dms_mma(IS_BRAIN, sum[m][n], a[m], b[n / 2] + n % 2 * 2);
    }
}

/* Sums begin with the bias. */
DMS_DEVICE void begin_sums(const dms_conv_params *p, const conv_place *at, float (*sum)[4][4]) {
    DMS_EACH(m, SLABS)
    DMS_EACH(r, 2) {
        const int channel = channel_of(at, SLABS, m, r);
        float first = 0.0f;
        if (p->bias != NULL && channel < p->m)
            first = dms_element_load((dms_dtype)p->dtype, p->bias,
                                     (at->g * p->m + channel) * p->bias_pitch)
                        .f32;
        DMS_EACH(n, 4)
        DMS_EACH(i, 2)
        sum[m][n][2 * r + i] = first;
    }
}

DMS_DEVICE void store(const dms_conv_params *p, const conv_place *at, float (*sum)[4][4]) {
    const int wide = (int)p->y_dim[1], pixels = (int)(p->y_dim[0] * p->y_dim[1]);
    DMS_EACH(n, 4)
    DMS_EACH(i, 2) {
        const int pixel = pixel_of(at, n, i);
        if (pixel < pixels)
            DMS_EACH(m, SLABS)
        DMS_EACH(r, 2) {
            const int channel = channel_of(at, SLABS, m, r);
            if (channel < p->m)
                ((uint16_t *)
                     p->y)[at->b * p->y_pitch[0] + (at->g * p->m + channel) * p->y_pitch[1] +
                           pixel / wide * p->y_pitch[2] + pixel % wide * p->y_pitch[3]] =
                    (uint16_t)dms_pack(IS_BRAIN, sum[m][n][2 * r + i], 0.0f);
        }
    }
}

DMS_DEVICE void run_tile(const dms_conv_params *p, const conv_place *at, stage_of_tile *stages) {
    const int terms = (int)(p->c * p->k[0] * p->k[1]), n = (terms + DEPTH - 1) / DEPTH;
    float sum[SLABS][4][4];
    share_of_tile share;
    begin_sums(p, at, sum);
    load_share(p, at, 0, &share);
    for (int index = 0; index < n; index++) {
        put_share(p, &share, &stages[index % 2]);
        __syncthreads(); /* the stage is here, and nobody reads the one before */
        if (index + 1 < n)
            load_share(p, at, (index + 1) * DEPTH, &share);
        multiply(&stages[index % 2], sum);
    }
    __syncthreads(); /* nobody reads when the next tile begins */
    store(p, at, sum);
}

DMS_CUDA_KERNEL(NAME, dms_conv_params) {
    DMS_SHARED stage_of_tile stages[2];
    const int64_t n = p.batch * p.group * p.tiles[0] * p.tiles[1];
    for (int64_t index = blockIdx.x; index < n; index += gridDim.x) {
        const conv_place at = place_of_tile(&p, index, HIGH);
        run_tile(&p, &at, stages);
    }
}

#undef HIGH
#undef W_PITCH
#undef X_PITCH
#undef stage_of_tile
#undef share_of_tile
#undef load_weights
#undef load_share
#undef put_share
#undef multiply
#undef begin_sums
#undef store
#undef run_tile
#undef NAME
#undef SLABS
#undef IS_BRAIN
