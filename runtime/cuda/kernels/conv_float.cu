/* conv_float.cu - convolutions of f32 as a product whose right factor is looked up in the image
 * while it is put into shared memory: a blocked im2col that is never in memory. One fused chain per
 * output, from the bias over c, kh, kw: the CPU device's bits. No TF32.
 *
 *                  128 pixels             256 threads, each 4 (twice 4) channels by twice 4 pixels:
 *              +--------------+           64 sums meet 16 numbers from shared memory, which come
 *     16 terms |      x       |           four at a time
 *       +------+--------------+
 *    m  |  w   |      y       |           two stages: the next one's terms wait in registers while
 *       +------+--------------+           this one's products run
 *
 * Terms are in the order of the weights, whose rows then lie dense. Grid: one block per tile of 64
 * or 128 channels, group and batch entry. Bytes: w once per 128 pixels, x once per tile of channels
 * and tap, from caches. */
#include "runtime/cuda/kernels/tensor.h"
#include "runtime/cuda/kernels/window.h"
#include "runtime/kernels/element.h"

enum {
    THREADS = 256,
    PIXELS = DMS_CONV_PIXELS,
    DEPTH = 16,
    MOST_GROUPS = 2, /* of 64 channels */
    HIGH = 64 * MOST_GROUPS,
    W_PITCH = HIGH + 4,                    /* fewer stores meet in a bank */
    OWN_TERMS = DEPTH * PIXELS / THREADS,  /* of x; a thread keeps its pixel */
    OWN_FOURS = DEPTH / 4 * HIGH / THREADS /* of w, four terms of a channel each */
};

/* DEPTH terms of both factors. */
typedef struct DMS_ALIGNED(16) float_stage {
    float w[DEPTH][W_PITCH], x[DEPTH][PIXELS];
} float_stage;

/* What a thread brings to a stage. */
typedef struct float_share {
    dms_eight w[OWN_FOURS]; /* the bits of four floats */
    float x[OWN_TERMS];
} float_share;

/* A tile: batch entry, group, first channel of the group, first pixel. */
typedef struct float_place {
    int64_t b, g;
    int m, pixel;
} float_place;

DMS_DEVICE float_place place_of_tile(const dms_conv_params *p, int64_t index, int high) {
    float_place at;
    at.m = (int)(index % p->tiles[0]) * high;
    index /= p->tiles[0];
    at.pixel = (int)(index % p->tiles[1]) * PIXELS;
    index /= p->tiles[1];
    at.g = index % p->group;
    at.b = index / p->group;
    return at;
}

/* Terms of this thread's pixel from `first` + 8 (thread / 128) on; 0 beside the image. */
DMS_DEVICE void load_taps(const dms_conv_params *p, const float_place *at, int first, float *x) {
    const int wide = (int)p->y_dim[1], taps = (int)(p->k[0] * p->k[1]), kw = (int)p->k[1];
    const int term = first + (int)threadIdx.x / PIXELS * OWN_TERMS, terms = (int)p->c * taps;
    const int pixel = at->pixel + (int)threadIdx.x % PIXELS, oy = pixel / wide, ox = pixel % wide;
    const int top = oy * (int)p->step[0] - (int)p->pad[0];
    const int left = ox * (int)p->step[1] - (int)p->pad[1];
    const float *image = (const float *)p->x + at->b * p->x_pitch[0] + at->g * p->c * p->x_pitch[1];
    int c = term / taps, ky = term % taps / kw, kx = term % kw;
    DMS_EACH(i, OWN_TERMS) {
        const int iy = top + ky * (int)p->dilation[0], ix = left + kx * (int)p->dilation[1];
        const int is_there = oy < p->y_dim[0] && term + i < terms && iy >= 0 && iy < p->x_dim[0] &&
                             ix >= 0 && ix < p->x_dim[1];
        x[i] =
            is_there
                ? image[c * (int)p->x_pitch[1] + iy * (int)p->x_pitch[2] + ix * (int)p->x_pitch[3]]
                : 0.0f;
        kx++;
        if (kx == kw) {
            kx = 0;
            ky++;
        }
        if (ky == p->k[0]) {
            ky = 0;
            c++;
        }
    }
}

/* Four terms of a channel: at a multiple of 16 bytes, or wherever they lie. */
DMS_DEVICE dms_eight four_terms(const dms_conv_params *p, const float *from, int n) {
    dms_eight x = {{0, 0, 0, 0}};
    if (p->is_wide)
        return dms_eight_load((const uint16_t *)(const void *)from, n > 0);
    DMS_EACH(i, 4)
    if (i < n)
        x.w[i] = ((const uint32_t *)(const void *)from)[i];
    return x;
}

DMS_DEVICE void load_share(int groups, const dms_conv_params *p, const float_place *at, int first,
                           float_share *share) {
    const int terms = (int)(p->c * p->k[0] * p->k[1]);
    DMS_EACH(i, groups * OWN_FOURS / MOST_GROUPS) {
        const int e = (int)threadIdx.x + THREADS * i, term = first + e % (DEPTH / 4) * 4;
        const int m = at->m + e / (DEPTH / 4), n = m < p->m ? terms - term : 0;
        const float *from = (const float *)p->w;
        if (n > 0)
            from += (at->g * p->m + m) * p->w_pitch[0] + term;
        share->w[i] = four_terms(p, from, n);
    }
    load_taps(p, at, first, share->x);
}

DMS_DEVICE void put_share(int groups, const float_share *share, float_stage *stage) {
    const int term = (int)threadIdx.x / PIXELS * OWN_TERMS;
    DMS_EACH(i, groups * OWN_FOURS / MOST_GROUPS) {
        const int e = (int)threadIdx.x + THREADS * i;
        DMS_EACH(k, 4)
        stage->w[e % (DEPTH / 4) * 4 + k][e / (DEPTH / 4)] = dms_float_of_bits(share->w[i].w[k]);
    }
    DMS_EACH(i, OWN_TERMS)
    stage->x[term + i][threadIdx.x % PIXELS] = share->x[i];
}

/* One term of this thread's chains. */
DMS_DEVICE void multiply(int groups, const float_stage *stage, int k, float (*sum)[4][8]) {
    const int column = (int)threadIdx.x % 16 * 4, row = (int)threadIdx.x / 16 * 4;
    dms_eight x[2];
    DMS_EACH(h, 2)
    x[h] = *(const dms_eight *)(const void *)&stage->x[k][column + 64 * h];
    DMS_EACH(g, groups) {
        const dms_eight w = *(const dms_eight *)(const void *)&stage->w[k][row + 64 * g];
        DMS_EACH(i, 4)
        DMS_EACH(j, 8)
        sum[g][i][j] =
            fmaf(dms_float_of_bits(w.w[i]), dms_float_of_bits(x[j / 4].w[j % 4]), sum[g][i][j]);
    }
}

/* Channel i of group g of this thread's, from the group's first; its pixel j. */
DMS_DEVICE int channel_of(const float_place *at, int g, int i) {
    return at->m + 64 * g + (int)threadIdx.x / 16 * 4 + i;
}

DMS_DEVICE int pixel_of(const float_place *at, int j) {
    return at->pixel + j / 4 * 64 + (int)threadIdx.x % 16 * 4 + j % 4;
}

/* Chains begin with the bias. */
DMS_DEVICE void begin_sums(int groups, const dms_conv_params *p, const float_place *at,
                           float (*sum)[4][8]) {
    DMS_EACH(g, groups)
    DMS_EACH(i, 4) {
        const int m = channel_of(at, g, i);
        float first = 0.0f;
        if (p->bias != NULL && m < p->m)
            first = ((const float *)p->bias)[(at->g * p->m + m) * p->bias_pitch];
        DMS_EACH(j, 8)
        sum[g][i][j] = first;
    }
}

DMS_DEVICE void store(int groups, const dms_conv_params *p, const float_place *at,
                      float (*sum)[4][8]) {
    const int wide = (int)p->y_dim[1], pixels = (int)(p->y_dim[0] * p->y_dim[1]);
    float *y = (float *)p->y + at->b * p->y_pitch[0] + at->g * p->m * p->y_pitch[1];
    DMS_EACH(j, 8) {
        const int pixel = pixel_of(at, j);
        const int64_t place = pixel / wide * p->y_pitch[2] + pixel % wide * p->y_pitch[3];
        DMS_EACH(g, groups)
        DMS_EACH(i, 4) {
            const int m = channel_of(at, g, i);
            if (m < p->m && pixel < pixels)
                y[m * p->y_pitch[1] + place] = sum[g][i][j];
        }
    }
}

/* The last stage may be shorter: a term that does not exist is left out, since 0 x 0 would make
 * +0 of -0. */
DMS_DEVICE void run_tile(int groups, const dms_conv_params *p, const float_place *at,
                         float_stage *stages) {
    const int terms = (int)(p->c * p->k[0] * p->k[1]), n = (terms + DEPTH - 1) / DEPTH;
    float sum[MOST_GROUPS][4][8];
    float_share share;
    begin_sums(groups, p, at, sum);
    load_share(groups, p, at, 0, &share);
    for (int index = 0; index < n; index++) {
        float_stage *stage = &stages[index % 2];
        const int here = terms - index * DEPTH;
        put_share(groups, &share, stage);
        __syncthreads(); /* the stage is here, and nobody reads the one before */
        if (index + 1 < n)
            load_share(groups, p, at, (index + 1) * DEPTH, &share);
        DMS_UNROLL_LOADS
        for (int k = 0; k < (here < DEPTH ? here : DEPTH); k++)
            multiply(groups, stage, k, sum);
    }
    __syncthreads(); /* nobody reads when the next tile begins */
    store(groups, p, at, sum);
}

#define FLOAT_KERNEL(NAME, GROUPS)                                                                 \
    DMS_CUDA_KERNEL(NAME, dms_conv_params) {                                                       \
        DMS_SHARED float_stage stages[2];                                                          \
        const int64_t n = p.batch * p.group * p.tiles[0] * p.tiles[1];                             \
        for (int64_t index = blockIdx.x; index < n; index += gridDim.x) {                          \
            const float_place at = place_of_tile(&p, index, 64 * (GROUPS));                        \
            run_tile(GROUPS, &p, &at, stages);                                                     \
        }                                                                                          \
    }
FLOAT_KERNEL(conv_float_64, 1)
FLOAT_KERNEL(conv_float_128, 2)
