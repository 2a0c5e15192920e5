/* tile_cpu.c - micro-kernels. With FMA instructions as vectors of 8, else as loops over fmaf: the
 * same chains, the same bits. They stay out of line: inlined, gcc 12 spills their accumulators and
 * halves the speed (measured). */
#include "runtime/kernels/tile_internal.h"
#include "runtime/kernels/vector_internal.h"

#include <string.h>

#ifdef __FMA__
enum { HALVES = 16 / DMS_V }; /* vectors of a panel's row */

/* Where a chain starts, and what happens to its end. */
DMS_FN dms_vec chain_start(const float *c, dms_tile_mode mode) {
    return mode == DMS_TILE_CONTINUE ? DMS_VLOAD(c) : DMS_VZERO();
}

DMS_FN void chain_end(float *c, dms_vec sum, dms_tile_mode mode) {
    DMS_VSTORE(c, mode == DMS_TILE_ADD ? DMS_VADD(DMS_VLOAD(c), sum) : sum);
}

/* M rows, N vectors, constants; vector v belongs to panel v / HALVES. Of AVX2's 16 registers 12
 * hold sums, 2 the panel's row, 1 or 2 elements of a; AVX-512 has 32 and takes two panels:
 *
 *                  b[p][0..7]  b[p][8..15]
 *      a[0][p]        sum          sum
 *       ...           ...          ...
 *      a[5][p]        sum          sum
 */
#define FOR_SUMS(M, N)                                                                             \
    DMS_UNROLL                                                                                     \
    for (int r = 0; r < (M); r++)                                                                  \
        DMS_UNROLL                                                                                 \
    for (int v = 0; v < (N); v++)
#define SUM_AT(t, r, v)                                                                            \
    ((t)->c + (r) * (t)->pitch_c + (v) / HALVES * (t)->step_c + (v) % HALVES * DMS_V)
#define PANEL_AT(b, pitch, p, v) ((b) + (v) / HALVES * (pitch) + (p)*16 + (v) % HALVES * DMS_V)

#define PRODUCT(M, N)                                                                              \
    static DMS_NOINLINE void product_##M##_##N(const dms_tile *t) {                                \
        dms_vec sum[M][N], row[N];                                                                 \
        const float *const a = t->a, *const b = t->b;                                              \
        const int64_t pitch_a = t->pitch_a, pitch_b = t->pitch_b;                                  \
        FOR_SUMS(M, N) sum[r][v] = chain_start(SUM_AT(t, r, v), t->mode);                          \
        for (int64_t p = 0; p < t->k; p++) {                                                       \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < (N); v++)                                                          \
                row[v] = DMS_VLOAD(PANEL_AT(b, pitch_b, p, v));                                    \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (M); r++) {                                                        \
                const dms_vec x = DMS_VSPREAD(a + r * pitch_a + p);                                \
                DMS_UNROLL                                                                         \
                for (int v = 0; v < (N); v++)                                                      \
                    sum[r][v] = DMS_VFMA(x, row[v], sum[r][v]);                                    \
            }                                                                                      \
        }                                                                                          \
        FOR_SUMS(M, N) chain_end(SUM_AT(t, r, v), sum[r][v], t->mode);                             \
    }

#define TAPS(M, N)                                                                                 \
    static DMS_NOINLINE void taps_##M##_##N(const dms_tile *t, const int32_t *base,                \
                                            const int32_t *offset) {                               \
        dms_vec sum[M][N], row[N];                                                                 \
        const float *at[M], *const b = t->b;                                                       \
        const int64_t pitch_b = t->pitch_b;                                                        \
        FOR_SUMS(M, N) sum[r][v] = chain_start(SUM_AT(t, r, v), t->mode);                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (M); r++)                                                              \
            at[r] = t->a + base[r];                                                                \
        for (int64_t p = 0; p < t->k; p++) {                                                       \
            const int64_t step = offset[p];                                                        \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < (N); v++)                                                          \
                row[v] = DMS_VLOAD(PANEL_AT(b, pitch_b, p, v));                                    \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (M); r++) {                                                        \
                const dms_vec x = DMS_VSPREAD(at[r] + step);                                       \
                DMS_UNROLL                                                                         \
                for (int v = 0; v < (N); v++)                                                      \
                    sum[r][v] = DMS_VFMA(x, row[v], sum[r][v]);                                    \
            }                                                                                      \
        }                                                                                          \
        FOR_SUMS(M, N) chain_end(SUM_AT(t, r, v), sum[r][v], t->mode);                             \
    }

#define LOAD8(p) _mm256_loadu_ps(p)
#define STORE8(p, v) _mm256_storeu_ps(p, v)

/* 8 x 8 in registers: pairs, then fours, then halves. */
static void transpose_8x8(const float *x, int64_t pitch_x, float *y, int64_t pitch_y) {
    __m256 r[8], s[8];
    DMS_UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = LOAD8(x + i * pitch_x);
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
        STORE8(y + i * pitch_y, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        STORE8(y + (i + 4) * pitch_y, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/* A panel has HALVES vectors. AVX-512 makes tiles of one panel and of two, AVX2 of one. */
#ifdef __AVX512F__
#define MAKE(M) PRODUCT(M, 1) PRODUCT(M, 2) TAPS(M, 1) TAPS(M, 2)
#define LIST(F, N)                                                                                 \
    { F##_1_##N, F##_2_##N, F##_3_##N, F##_4_##N, F##_5_##N, F##_6_##N, F##_7_##N, F##_8_##N }
enum { TOGETHER = 2 };
MAKE(7)
MAKE(8)
PRODUCT(1, 4)
#define PRODUCT_ROW product_1_4
#else
#define MAKE(M) PRODUCT(M, 2) TAPS(M, 2)
#define LIST(F, N)                                                                                 \
    { F##_1_##N, F##_2_##N, F##_3_##N, F##_4_##N, F##_5_##N, F##_6_##N }
enum { TOGETHER = 1 };
PRODUCT(1, 8)
#define PRODUCT_ROW product_1_8
#endif
MAKE(1)
MAKE(2)
MAKE(3)
MAKE(4)
MAKE(5)
MAKE(6)

typedef void product_fn(const dms_tile *t);
typedef void taps_fn(const dms_tile *t, const int32_t *base, const int32_t *offset);
#ifdef __AVX512F__
static product_fn *const products[][DMS_TILE_ROWS] = {LIST(product, 1), LIST(product, 2)};
static taps_fn *const taps[][DMS_TILE_ROWS] = {LIST(taps, 1), LIST(taps, 2)};
#else
static product_fn *const products[][DMS_TILE_ROWS] = {LIST(product, 2)};
static taps_fn *const taps[][DMS_TILE_ROWS] = {LIST(taps, 2)};
#endif

/* The next panel of a tile, for sets whose register tile is one panel wide. */
static void next_panel(dms_tile *t) {
    t->panels--;
    t->b += t->pitch_b;
    t->c += t->step_c;
}

void DMS_ISA(dms_tile_products)(const dms_tile *t) {
    if (t->panels <= TOGETHER)
        products[t->panels - 1][t->rows - 1](t);
    else
        for (dms_tile one = *t; one.panels > 0; next_panel(&one))
            products[0][t->rows - 1](&one);
}

void DMS_ISA(dms_tile_taps)(const dms_tile *t, const int32_t *base, const int32_t *offset) {
    if (t->panels <= TOGETHER)
        taps[t->panels - 1][t->rows - 1](t, base, offset);
    else
        for (dms_tile one = *t; one.panels > 0; next_panel(&one))
            taps[0][t->rows - 1](&one, base, offset);
}

void DMS_ISA(dms_tile_row)(int64_t k, const float *a, const float *b, int64_t pitch_panel, float *c,
                           dms_tile_mode mode) {
    const dms_tile t = {1, 4, k, a, 0, b, pitch_panel, c, 0, 16, mode};
    PRODUCT_ROW(&t);
}

#else

/* Element j of row r of panel q. Term p reads a[at[p]], or a[p] where there is no table. */
static void run_chain(const dms_tile *t, const float *a, const int32_t *at, int r, int q, int j) {
    float *const c = t->c + r * t->pitch_c + q * t->step_c + j;
    const float *const b = t->b + q * t->pitch_b + j;
    float sum = t->mode == DMS_TILE_CONTINUE ? *c : 0.0f;
    for (int64_t p = 0; p < t->k; p++)
        sum = fmaf(a[at == NULL ? p : at[p]], b[p * 16], sum);
    *c = t->mode == DMS_TILE_ADD ? *c + sum : sum;
}

void DMS_ISA(dms_tile_products)(const dms_tile *t) {
    for (int r = 0; r < t->rows; r++)
        for (int j = 0; j < t->panels * 16; j++)
            run_chain(t, t->a + r * t->pitch_a, NULL, r, j / 16, j % 16);
}

void DMS_ISA(dms_tile_taps)(const dms_tile *t, const int32_t *base, const int32_t *offset) {
    for (int r = 0; r < t->rows; r++)
        for (int j = 0; j < t->panels * 16; j++)
            run_chain(t, t->a + base[r], offset, r, j / 16, j % 16);
}

void DMS_ISA(dms_tile_row)(int64_t k, const float *a, const float *b, int64_t pitch_panel, float *c,
                           dms_tile_mode mode) {
    const dms_tile t = {1, 4, k, a, 0, b, pitch_panel, c, 0, 16, mode};
    DMS_ISA(dms_tile_products)(&t);
}

static void transpose_8x8(const float *x, int64_t pitch_x, float *y, int64_t pitch_y) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            y[j * pitch_y + i] = x[i * pitch_x + j];
}

#endif

void DMS_ISA(dms_tile_product)(int rows, int64_t k, const float *a, int64_t pitch_a, const float *b,
                               float *c, int64_t pitch_c, dms_tile_mode mode) {
    const dms_tile t = {rows, 1, k, a, pitch_a, b, 0, c, pitch_c, 0, mode};
    DMS_ISA(dms_tile_products)(&t);
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
