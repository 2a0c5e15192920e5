/* conv_bytes.cu - convolutions of bytes: sums are exact modulo 2^32, so their order is free.
 *
 *           8 quads                      a quad is four terms, one dot product; terms go over taps,
 *      +----------------+                channels fastest
 *   64 |  w, channels   |   +----+
 *      |                |   | x  | 8     256 threads, each 4 x 4 of 64 channels by 64 pixels: rows
 *      +----------------+   |    |       y + 16 i, columns x + 16 j
 *                           +----+
 *                             64 pixels
 *
 * Bytes are made signed by moving them and their zero by 128. What lies beside the image or behind
 * the last term is the zero itself, so that nothing is left out and
 *
 *      sum (w - zw)(x - zx) = sum w x - zx sum w - zw sum x + terms zw zx
 *
 * Grid: a block per group and tile. Bytes: x once per 64 channels, w once per 64 pixels. */
#include "runtime/cuda/kernels/conv_bytes.h"
#include "runtime/cuda/kernels/launch.h"
#include "runtime/kernels/conv_bytes_body.h"

enum { TILE = DMS_BYTES_TILE, QUADS = 8, SIDE = 16, EACH = 4 };

/* A pixel of y: its batch entry and place, and where its window begins in x. */
typedef struct pixel {
    int64_t b, oy, ox, y, x;
} pixel;

/* A term: its tap and channel. */
typedef struct term {
    int64_t c, ky, kx;
} term;

/* --- where */

DMS_DEVICE pixel pixel_of(const dms_conv_bytes_params *p, int64_t index) {
    pixel q;
    const uint32_t is_small = p->n_pixels < INT64_C(1) << 31;
    const int64_t row = dms_divide(&p->by_wide, index, is_small, &q.ox);
    q.b = dms_divide(&p->by_high, row, is_small, &q.oy);
    q.y = q.oy * p->step[0] - p->pad[0];
    q.x = q.ox * p->step[1] - p->pad[1];
    return q;
}

DMS_DEVICE term term_of(const dms_conv_bytes_params *p, int64_t index) {
    term t;
    const int64_t tap = dms_divide(&p->by_c, index, 1, &t.c);
    t.ky = dms_divide(&p->by_kw, tap, 1, &t.kx);
    return t;
}

DMS_DEVICE void next_term(const dms_conv_bytes_params *p, term *t) {
    if (++t->c < p->c)
        return;
    t->c = 0;
    if (++t->kx < p->k[1])
        return;
    t->kx = 0;
    t->ky++;
}

/* Where a term reads x, from its batch entry on; -1 beside the image. */
DMS_DEVICE int64_t x_at(const dms_conv_bytes_params *p, const pixel *q, const term *t) {
    const int64_t y = q->y + t->ky * p->dilation[0], x = q->x + t->kx * p->dilation[1];
    if (y < 0 || y >= p->x_dim[0] || x < 0 || x >= p->x_dim[1])
        return -1;
    return t->c * p->x_pitch[2] + y * p->x_pitch[3] + x * p->x_pitch[4];
}

DMS_DEVICE int64_t w_at(const dms_conv_bytes_params *p, int64_t m, const term *t) {
    if (!p->is_panels)
        return m * p->w_pitch[1] + t->c * p->w_pitch[2] + t->ky * p->w_pitch[3] +
               t->kx * p->w_pitch[4];
    const int64_t tap = (m / 8 * p->k[0] + t->ky) * p->k[1] + t->kx;
    return (tap * (p->c / 4) + t->c / 4) * 32 + m % 8 * 4 + t->c % 4;
}

/* --- zeros and results. Zeros are signed: moved as their bytes are. */

DMS_DEVICE int32_t byte_of(const dms_bytes_numbers *n, int64_t g, int64_t m, uint32_t flip) {
    const uint8_t byte = ((const uint8_t *)n->at)[g * n->pitch[0] + m * n->pitch[1]];
    return (int8_t)(byte ^ flip);
}

DMS_DEVICE void finish(const dms_conv_bytes_params *p, int64_t g, const pixel *q, int64_t m,
                       uint32_t sum) {
    const int64_t at = g * p->y_pitch[0] + q->b * p->y_pitch[1] + m * p->y_pitch[2] +
                       q->oy * p->y_pitch[3] + q->ox * p->y_pitch[4];
    if (!p->is_real) {
        ((uint32_t *)p->y)[at] = sum;
        return;
    }
    sum += ((const uint32_t *)p->bias.at)[g * p->bias.pitch[0] + m * p->bias.pitch[1]];
    const float scale = ((const float *)p->scale.at)[g * p->scale.pitch[0] + m * p->scale.pitch[1]];
    if (!p->is_byte) {
        ((float *)p->y)[at] = dms_bytes_real(sum, scale);
        return;
    }
    const int32_t zero = byte_of(&p->zero_y, g, 0, p->y_flip) + (int32_t)p->y_flip;
    ((uint8_t *)p->y)[at] =
        dms_bytes_byte(sum, scale, (float)(p->low - zero), (float)(p->high - zero), zero);
}

/* --- tiles */

/* A quad of w of channel m, signed; `zero` where it has no terms. */
DMS_DEVICE int32_t w_quad(const dms_conv_bytes_params *p, const uint8_t *w, int64_t m, int64_t k,
                          int32_t zero) {
    uint32_t quad = (uint32_t)(zero & 255) * 0x01010101u;
    if (m >= p->m || k >= p->terms)
        return (int32_t)quad;
    term t = term_of(p, k);
    if (p->w_quads)
        return (int32_t)(*(const uint32_t *)(const void *)(w + w_at(p, m, &t)) ^
                         p->w_flip * 0x01010101u);
    for (uint32_t b = 0; b < 4 && k + b < p->terms; b++, next_term(p, &t))
        quad = (quad & ~(255u << 8 * b)) | (w[w_at(p, m, &t)] ^ p->w_flip) << 8 * b;
    return (int32_t)quad;
}

/* A quad of x of a pixel, signed. */
DMS_DEVICE int32_t x_quad(const dms_conv_bytes_params *p, const uint8_t *x, const pixel *q,
                          int64_t k, int32_t zero) {
    uint32_t quad = (uint32_t)(zero & 255) * 0x01010101u;
    if (k >= p->terms)
        return (int32_t)quad;
    term t = term_of(p, k);
    if (p->x_quads) {
        const int64_t at = x_at(p, q, &t);
        return (int32_t)(at < 0
                             ? quad
                             : *(const uint32_t *)(const void *)(x + at) ^ p->x_flip * 0x01010101u);
    }
    for (uint32_t b = 0; b < 4 && k + b < p->terms; b++, next_term(p, &t)) {
        const int64_t at = x_at(p, q, &t);
        if (at >= 0)
            quad = (quad & ~(255u << 8 * b)) | (x[at] ^ p->x_flip) << 8 * b;
    }
    return (int32_t)quad;
}

/* Products of the quads at hand, and the sums of w and x that zeros other than 0 need. */
typedef struct sums {
    int32_t product[EACH][EACH], w[EACH], x[EACH];
} sums;

DMS_DEVICE void multiply(int32_t (*w)[TILE + 1], int32_t (*x)[TILE + 1], int sums_w, int sums_x,
                         sums *s) {
    const uint32_t column = threadIdx.x % SIDE, row = threadIdx.x / SIDE;
    for (int l = 0; l < QUADS; l++) {
        int32_t a[EACH], b[EACH];
        DMS_EACH(i, EACH) {
            a[i] = w[l][row + (uint32_t)i * SIDE];
            b[i] = x[l][column + (uint32_t)i * SIDE];
        }
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH)
        s->product[i][j] = dms_dot4(a[i], b[j], s->product[i][j]);
        if (sums_w)
            DMS_EACH(i, EACH)
        s->w[i] = dms_dot4(a[i], 0x01010101, s->w[i]);
        if (sums_x)
            DMS_EACH(i, EACH)
        s->x[i] = dms_dot4(b[i], 0x01010101, s->x[i]);
    }
}

DMS_CUDA_KERNEL(conv_bytes, dms_conv_bytes_params) {
    DMS_SHARED int32_t w[QUADS][TILE + 1], x[QUADS][TILE + 1];
    const uint32_t column = threadIdx.x % SIDE, row = threadIdx.x / SIDE, own = threadIdx.x % TILE;
    const int64_t per_group = p.tiles[0] * p.tiles[1];
    for (int64_t index = blockIdx.x; index < p.groups * per_group; index += gridDim.x) {
        const int64_t g = index / per_group, m0 = index % per_group % p.tiles[0] * TILE;
        const int64_t q0 = index % per_group / p.tiles[0] * TILE;
        const int64_t last = p.n_pixels - 1, m_last = p.m - 1;
        const pixel q = pixel_of(&p, q0 + own < last ? q0 + own : last); /* the one it loads */
        const int64_t m = m0 + own < m_last ? m0 + own : m_last;         /* likewise */
        const uint8_t *from_x = p.x + g * p.x_pitch[0] + q.b * p.x_pitch[1];
        const uint8_t *from_w = p.w + (p.is_panels ? g * p.m * p.terms : g * p.w_pitch[0]);
        const int32_t zx = byte_of(&p.zero_x, g, 0, p.x_flip);
        const int32_t zw_own = byte_of(&p.zero_w, g, m, p.w_flip);
        int32_t zw[EACH], needs_x = 0;
        sums s;
        DMS_EACH(i, EACH) {
            const int64_t channel = m0 + row + (uint32_t)i * SIDE;
            zw[i] = byte_of(&p.zero_w, g, channel < m_last ? channel : m_last, p.w_flip);
            needs_x |= zw[i];
            s.w[i] = s.x[i] = 0;
            DMS_EACH(j, EACH)
            s.product[i][j] = 0;
        }
        for (int64_t k0 = 0; k0 < p.terms; k0 += 4 * QUADS) {
            for (int l = (int)(threadIdx.x / TILE); l < QUADS; l += SIDE * SIDE / TILE) {
                w[l][own] = w_quad(&p, from_w, m, k0 + 4 * l, zw_own);
                x[l][own] = x_quad(&p, from_x, &q, k0 + 4 * l, zx);
            }
            __syncthreads();
            multiply(w, x, zx != 0, needs_x != 0, &s);
            __syncthreads(); /* the tiles are read before the next ones are written */
        }
        const int64_t terms = (p.terms + 4 * QUADS - 1) / (4 * QUADS) * (4 * QUADS);
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH) {
            const int64_t channel = m0 + row + (uint32_t)i * SIDE;
            const int64_t at = q0 + column + (uint32_t)j * SIDE;
            const uint32_t sum = (uint32_t)s.product[i][j] - (uint32_t)zx * (uint32_t)s.w[i] -
                                 (uint32_t)zw[i] * (uint32_t)s.x[j] +
                                 (uint32_t)terms * (uint32_t)zx * (uint32_t)zw[i];
            if (channel < p.m && at < p.n_pixels) {
                const pixel to = pixel_of(&p, at);
                finish(&p, g, &to, channel, sum);
            }
        }
    }
}

/* --- groups of few channels: a tile would be empty but for those */

DMS_CUDA_KERNEL(conv_bytes_few, dms_conv_bytes_params) {
    const int64_t per_group = p.m * p.n_pixels;
    for (int64_t index = dms_thread(); index < p.groups * per_group; index += dms_threads()) {
        const int64_t g = index / per_group, m = index % per_group / p.n_pixels;
        const pixel q = pixel_of(&p, index % p.n_pixels);
        const uint8_t *from_x = p.x + g * p.x_pitch[0] + q.b * p.x_pitch[1];
        const uint8_t *from_w = p.w + (p.is_panels ? g * p.m * p.terms : g * p.w_pitch[0]);
        const int32_t zx = byte_of(&p.zero_x, g, 0, p.x_flip);
        const int32_t zw = byte_of(&p.zero_w, g, m, p.w_flip);
        uint32_t sum = 0;
        term t;
        t.c = t.ky = t.kx = 0;
        for (int64_t k = 0; k < p.terms; k++, next_term(&p, &t)) {
            const int64_t at = x_at(&p, &q, &t);
            if (at >= 0)
                sum += (uint32_t)(((int8_t)(from_x[at] ^ p.x_flip) - zx) *
                                  ((int8_t)(from_w[w_at(&p, m, &t)] ^ p.w_flip) - zw));
        }
        finish(&p, g, &q, m, sum);
    }
}
