/* tile_cpu.c - micro-kernels. With FMA instructions as vectors of 8, else as loops over fmaf: the
 * same chains, the same bits. They stay out of line: inlined, gcc 12 spills their accumulators and
 * halves the speed (measured). */
#include "runtime/kernels/tile_internal.h"

#include <string.h>

#ifdef __FMA__
#include <immintrin.h>

#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)

/* Where a chain starts, and what happens to its end. */
DMS_FN __m256 chain_start(const float *c, dms_tile_mode mode) {
    return mode == DMS_TILE_CONTINUE ? LOAD(c) : _mm256_setzero_ps();
}

DMS_FN void chain_end(float *c, __m256 sum, dms_tile_mode mode) {
    STORE(c, mode == DMS_TILE_ADD ? _mm256_add_ps(LOAD(c), sum) : sum);
}

/* M rows, a constant. Of the 16 vector registers 12 hold sums, 2 the panel's row, 1 or 2 elements
 * of a:
 *
 *                  b[p][0..7]  b[p][8..15]
 *      a[0][p]        sum          sum
 *       ...           ...          ...
 *      a[5][p]        sum          sum
 */
#define PRODUCT(M)                                                                                 \
    static DMS_NOINLINE void product_##M(int64_t k, const float *a, int64_t pitch_a,               \
                                         const float *b, float *c, int64_t pitch_c,                \
                                         dms_tile_mode mode) {                                     \
        __m256 sum[M][2];                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < M; r++) {                                                              \
            sum[r][0] = chain_start(c + r * pitch_c, mode);                                        \
            sum[r][1] = chain_start(c + r * pitch_c + 8, mode);                                    \
        }                                                                                          \
        for (int64_t p = 0; p < k; p++) {                                                          \
            const __m256 b0 = LOAD(b + p * 16), b1 = LOAD(b + p * 16 + 8);                         \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < M; r++) {                                                          \
                const __m256 x = _mm256_broadcast_ss(a + r * pitch_a + p);                         \
                sum[r][0] = _mm256_fmadd_ps(x, b0, sum[r][0]);                                     \
                sum[r][1] = _mm256_fmadd_ps(x, b1, sum[r][1]);                                     \
            }                                                                                      \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < M; r++) {                                                              \
            chain_end(c + r * pitch_c, sum[r][0], mode);                                           \
            chain_end(c + r * pitch_c + 8, sum[r][1], mode);                                       \
        }                                                                                          \
    }

#define TAPS(M)                                                                                    \
    static DMS_NOINLINE void taps_##M(int64_t k, const float *x, const int32_t *base,              \
                                      const int32_t *offset, const float *w, float *c) {           \
        __m256 sum[M][2];                                                                          \
        const float *at[M];                                                                        \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < M; r++) {                                                              \
            at[r] = x + base[r];                                                                   \
            sum[r][0] = LOAD(c + r * 16);                                                          \
            sum[r][1] = LOAD(c + r * 16 + 8);                                                      \
        }                                                                                          \
        for (int64_t p = 0; p < k; p++) {                                                          \
            const int64_t step = offset[p];                                                        \
            const __m256 w0 = LOAD(w + p * 16), w1 = LOAD(w + p * 16 + 8);                         \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < M; r++) {                                                          \
                const __m256 v = _mm256_broadcast_ss(at[r] + step);                                \
                sum[r][0] = _mm256_fmadd_ps(v, w0, sum[r][0]);                                     \
                sum[r][1] = _mm256_fmadd_ps(v, w1, sum[r][1]);                                     \
            }                                                                                      \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < M; r++) {                                                              \
            STORE(c + r * 16, sum[r][0]);                                                          \
            STORE(c + r * 16 + 8, sum[r][1]);                                                      \
        }                                                                                          \
    }

DMS_NOINLINE void DMS_ISA(dms_tile_row)(int64_t k, const float *a, const float *b,
                                        int64_t pitch_panel, float *c, dms_tile_mode mode) {
    __m256 sum[4][2];
    DMS_UNROLL
    for (int r = 0; r < 4; r++) {
        sum[r][0] = chain_start(c + r * 16, mode);
        sum[r][1] = chain_start(c + r * 16 + 8, mode);
    }
    for (int64_t p = 0; p < k; p++) {
        const __m256 x = _mm256_broadcast_ss(a + p);
        DMS_UNROLL
        for (int r = 0; r < 4; r++) {
            const float *at = b + r * pitch_panel + p * 16;
            sum[r][0] = _mm256_fmadd_ps(x, LOAD(at), sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(x, LOAD(at + 8), sum[r][1]);
        }
    }
    DMS_UNROLL
    for (int r = 0; r < 4; r++) {
        chain_end(c + r * 16, sum[r][0], mode);
        chain_end(c + r * 16 + 8, sum[r][1], mode);
    }
}

/* N vectors of 8, a constant. N chains are in flight; below 8 the loop waits for their latency. */
#define ALONG(N)                                                                                   \
    static DMS_NOINLINE void along_##N(int64_t k, const float *x, const int32_t *offset,           \
                                       const float *w, const float *from, float *to) {             \
        __m256 s[N];                                                                               \
        DMS_UNROLL                                                                                 \
        for (int v = 0; v < N; v++)                                                                \
            s[v] = LOAD(from + v * 8);                                                             \
        for (int64_t p = 0; p < k; p++) {                                                          \
            const float *at = x + offset[p];                                                       \
            const __m256 c = _mm256_broadcast_ss(w + p);                                           \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < N; v++)                                                            \
                s[v] = _mm256_fmadd_ps(LOAD(at + v * 8), c, s[v]);                                 \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int v = 0; v < N; v++)                                                                \
            STORE(to + v * 8, s[v]);                                                               \
    }

/* 8 x 8 in registers: pairs, then fours, then halves. */
static void transpose_8x8(const float *x, int64_t pitch_x, float *y, int64_t pitch_y) {
    __m256 r[8], s[8];
    DMS_UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = LOAD(x + i * pitch_x);
    DMS_UNROLL
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    DMS_UNROLL
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    DMS_UNROLL
    for (int i = 0; i < 4; i++) {
        STORE(y + i * pitch_y, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        STORE(y + (i + 4) * pitch_y, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

#else

DMS_FN float chain_start(const float *c, dms_tile_mode mode) {
    return mode == DMS_TILE_CONTINUE ? *c : 0.0f;
}

#define PRODUCT(M)                                                                                 \
    static void product_##M(int64_t k, const float *a, int64_t pitch_a, const float *b, float *c,  \
                            int64_t pitch_c, dms_tile_mode mode) {                                 \
        for (int r = 0; r < M; r++)                                                                \
            for (int j = 0; j < 16; j++) {                                                         \
                float *at = c + r * pitch_c + j;                                                   \
                float sum = chain_start(at, mode);                                                 \
                for (int64_t p = 0; p < k; p++)                                                    \
                    sum = fmaf(a[r * pitch_a + p], b[p * 16 + j], sum);                            \
                *at = mode == DMS_TILE_ADD ? *at + sum : sum;                                      \
            }                                                                                      \
    }

#define TAPS(M)                                                                                    \
    static void taps_##M(int64_t k, const float *x, const int32_t *base, const int32_t *offset,    \
                         const float *w, float *c) {                                               \
        for (int r = 0; r < M; r++)                                                                \
            for (int j = 0; j < 16; j++) {                                                         \
                float sum = c[r * 16 + j];                                                         \
                for (int64_t p = 0; p < k; p++)                                                    \
                    sum = fmaf(x[base[r] + offset[p]], w[p * 16 + j], sum);                        \
                c[r * 16 + j] = sum;                                                               \
            }                                                                                      \
    }

static void product_1(int64_t k, const float *a, int64_t pitch_a, const float *b, float *c,
                      int64_t pitch_c, dms_tile_mode mode);

void DMS_ISA(dms_tile_row)(int64_t k, const float *a, const float *b, int64_t pitch_panel, float *c,
                           dms_tile_mode mode) {
    for (int r = 0; r < 4; r++)
        product_1(k, a, 0, b + r * pitch_panel, c + r * 16, 0, mode);
}

static void transpose_8x8(const float *x, int64_t pitch_x, float *y, int64_t pitch_y) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            y[j * pitch_y + i] = x[i * pitch_x + j];
}

#define ALONG(N)                                                                                   \
    static void along_##N(int64_t k, const float *x, const int32_t *offset, const float *w,        \
                          const float *from, float *to) {                                          \
        float s[N * 8];                                                                            \
        for (int j = 0; j < N * 8; j++)                                                            \
            s[j] = from[j];                                                                        \
        for (int64_t p = 0; p < k; p++)                                                            \
            for (int j = 0; j < N * 8; j++)                                                        \
                s[j] = fmaf(x[offset[p] + j], w[p], s[j]);                                         \
        for (int j = 0; j < N * 8; j++)                                                            \
            to[j] = s[j];                                                                          \
    }

#endif

ALONG(1)
ALONG(2)
ALONG(4)
ALONG(8)
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
PRODUCT(4)
PRODUCT(5)
PRODUCT(6)
TAPS(1)
TAPS(2)
TAPS(3)
TAPS(4)
TAPS(5)
TAPS(6)

typedef void product_fn(int64_t k, const float *a, int64_t pitch_a, const float *b, float *c,
                        int64_t pitch_c, dms_tile_mode mode);
typedef void taps_fn(int64_t k, const float *x, const int32_t *base, const int32_t *offset,
                     const float *w, float *c);
static product_fn *const products[] = {product_1, product_2, product_3,
                                       product_4, product_5, product_6};
static taps_fn *const taps[] = {taps_1, taps_2, taps_3, taps_4, taps_5, taps_6};

void DMS_ISA(dms_tile_product)(int rows, int64_t k, const float *a, int64_t pitch_a, const float *b,
                               float *c, int64_t pitch_c, dms_tile_mode mode) {
    products[rows - 1](k, a, pitch_a, b, c, pitch_c, mode);
}

void DMS_ISA(dms_tile_taps)(int rows, int64_t k, const float *x, const int32_t *base,
                            const int32_t *offset, const float *w, float *c) {
    taps[rows - 1](k, x, base, offset, w, c);
}

void DMS_ISA(dms_tile_along)(int64_t n, int64_t k, const float *x, const int32_t *offset,
                             const float *w, const float *from, int64_t from_pitch, float *to) {
    int64_t j = 0;
    for (; j + 64 <= n; j += 64)
        along_8(k, x + j, offset, w, from + j * from_pitch, to + j);
    for (; j + 32 <= n; j += 32)
        along_4(k, x + j, offset, w, from + j * from_pitch, to + j);
    for (; j + 16 <= n; j += 16)
        along_2(k, x + j, offset, w, from + j * from_pitch, to + j);
    for (; j + 8 <= n; j += 8)
        along_1(k, x + j, offset, w, from + j * from_pitch, to + j);
    if (j < n) {
        float rest[8];
        along_1(k, x + j, offset, w, from + j * from_pitch, rest);
        memcpy(to + j, rest, (size_t)(n - j) * sizeof *rest);
    }
}

void DMS_ISA(dms_tile_row_plain)(int64_t k, const float *a, const float *b, int64_t pitch_b,
                                 int64_t n, float *sum) {
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) { /* four rows of b per pass over the sums */
        const float *b0 = b + p * pitch_b, *b1 = b0 + pitch_b, *b2 = b1 + pitch_b,
                    *b3 = b2 + pitch_b;
        const float a0 = a[p], a1 = a[p + 1], a2 = a[p + 2], a3 = a[p + 3];
        for (int64_t j = 0; j < n; j++)
            sum[j] = fmaf(a3, b3[j], fmaf(a2, b2[j], fmaf(a1, b1[j], fmaf(a0, b0[j], sum[j]))));
    }
    for (; p < k; p++)
        for (int64_t j = 0; j < n; j++)
            sum[j] = fmaf(a[p], b[p * pitch_b + j], sum[j]);
}

void DMS_ISA(dms_tile_transpose)(int64_t rows, int64_t columns, const float *x, int64_t pitch_x,
                                 float *y, int64_t pitch_y) {
    const int64_t rows8 = rows & ~INT64_C(7), columns8 = columns & ~INT64_C(7);
    for (int64_t i = 0; i < rows8; i += 8)
        for (int64_t j = 0; j < columns8; j += 8)
            transpose_8x8(x + i * pitch_x + j, pitch_x, y + j * pitch_y + i, pitch_y);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i < rows8 ? columns8 : 0; j < columns; j++)
            y[j * pitch_y + i] = x[i * pitch_x + j];
}
