/* run_cpu.c - micro-kernels along runs of pixels. With FMA instructions as vectors, else as loops
 * over fmaf: the same chains, the same bits. Out of line for the reason that tile_cpu.c gives. */
#include "runtime/kernels/run_internal.h"

#include <stddef.h>

#include "runtime/kernels/tile_internal.h"

#ifdef __FMA__

/* M channels x N vectors, constants: M N chains in registers. */
#define RUN(M, N)                                                                                  \
    static DMS_NOINLINE void run_##M##_##N(const dms_run *t, int64_t j) {                          \
        dms_vec sum[M][N], x[N];                                                                   \
        const float *w = t->w, *const image = t->x + j;                                            \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (M); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int v = 0; v < (N); v++)                                                              \
            sum[r][v] = t->bias != NULL ? DMS_VSPREAD(t->bias + r)                                 \
                                        : DMS_VLOAD(t->from + r * t->pitch_from + j + v * DMS_V);  \
        for (int64_t p = 0; p < t->k; p++, w += t->w_step) {                                       \
            const float *const at = image + t->offset[p];                                          \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < (N); v++)                                                          \
                x[v] = DMS_VLOAD(at + v * DMS_V);                                                  \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (M); r++) {                                                        \
                const dms_vec c = DMS_VSPREAD(w + r);                                              \
                DMS_UNROLL                                                                         \
                for (int v = 0; v < (N); v++)                                                      \
                    sum[r][v] = DMS_VFMA(x[v], c, sum[r][v]);                                      \
            }                                                                                      \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (M); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int v = 0; v < (N); v++)                                                              \
            DMS_VSTORE(t->to + r * t->pitch_to + j + v * DMS_V, sum[r][v]);                        \
    }

RUN(1, 1)
RUN(1, 2)
RUN(1, 4)
RUN(1, 8)
RUN(2, 1)
RUN(2, 2)
RUN(2, 4)
RUN(3, 1)
RUN(3, 2)
RUN(3, 4)
RUN(4, 1)
RUN(4, 2)
RUN(5, 1)
RUN(5, 2)
RUN(6, 1)
RUN(6, 2)

typedef void run_fn(const dms_run *t, int64_t j);

/* Per number of channels: the kernels for 1, 2, 4 and 8 vectors, as far as registers reach. */
#ifdef __AVX512F__
RUN(4, 4)
RUN(7, 1)
RUN(7, 2)
RUN(8, 1)
RUN(8, 2)
static run_fn *const runs[DMS_TILE_ROWS][4] = {
    {run_1_1, run_1_2, run_1_4, run_1_8}, {run_2_1, run_2_2, run_2_4, NULL},
    {run_3_1, run_3_2, run_3_4, NULL},    {run_4_1, run_4_2, run_4_4, NULL},
    {run_5_1, run_5_2, NULL, NULL},       {run_6_1, run_6_2, NULL, NULL},
    {run_7_1, run_7_2, NULL, NULL},       {run_8_1, run_8_2, NULL, NULL}};
#else
static run_fn *const runs[DMS_TILE_ROWS][4] = {
    {run_1_1, run_1_2, run_1_4, run_1_8}, {run_2_1, run_2_2, run_2_4, NULL},
    {run_3_1, run_3_2, run_3_4, NULL},    {run_4_1, run_4_2, NULL, NULL},
    {run_5_1, run_5_2, NULL, NULL},       {run_6_1, run_6_2, NULL, NULL}};
#endif

void DMS_ISA(dms_run_sums)(const dms_run *t) {
    run_fn *const *const kernel = runs[t->rows - 1];
    int64_t left = (t->n + DMS_V - 1) / DMS_V, j = 0;
    for (int size = 3; size >= 0; size--)
        for (; kernel[size] != NULL && left >= 1 << size; left -= 1 << size) {
            kernel[size](t, j);
            j += DMS_V << size;
        }
}

/* The same with an image and weights per channel; N M is 8 where there are as many, since a chain
 * waits four cycles for each of its terms. */
#define APART(M, N)                                                                                \
    static DMS_NOINLINE void apart_##M##_##N(const dms_run *t, int64_t c, int64_t j) {             \
        dms_vec sum[M][N];                                                                         \
        const float *const x = t->x + c * t->pitch_x + j, *const w = t->w + c * t->pitch_w;        \
        const int64_t pitch_x = t->pitch_x, pitch_w = t->pitch_w;                                  \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (M); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int v = 0; v < (N); v++)                                                              \
            sum[r][v] = DMS_VSPREAD(t->bias + c + r);                                              \
        for (int64_t p = 0; p < t->k; p++) {                                                       \
            const float *const at = x + t->offset[p];                                              \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (M); r++) {                                                        \
                const dms_vec weight = DMS_VSPREAD(w + r * pitch_w + p);                           \
                DMS_UNROLL                                                                         \
                for (int v = 0; v < (N); v++)                                                      \
                    sum[r][v] =                                                                    \
                        DMS_VFMA(DMS_VLOAD(at + r * pitch_x + v * DMS_V), weight, sum[r][v]);      \
            }                                                                                      \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int r = 0; r < (M); r++)                                                              \
            DMS_UNROLL                                                                             \
        for (int v = 0; v < (N); v++)                                                              \
            DMS_VSTORE(t->to + (c + r) * t->pitch_to + j + v * DMS_V, sum[r][v]);                  \
    }

APART(1, 1)
APART(2, 1)
APART(4, 1)
APART(8, 1)
APART(1, 2)
APART(2, 2)
APART(4, 2)
APART(1, 4)
APART(2, 4)
APART(1, 8)

typedef void apart_fn(const dms_run *t, int64_t c, int64_t j);
/* [log2 of vectors][log2 of channels] */
static apart_fn *const aparts[4][4] = {{apart_1_1, apart_2_1, apart_4_1, apart_8_1},
                                       {apart_1_2, apart_2_2, apart_4_2, NULL},
                                       {apart_1_4, apart_2_4, NULL, NULL},
                                       {apart_1_8, NULL, NULL, NULL}};

void DMS_ISA(dms_run_apart)(const dms_run *t) {
    int64_t left = (t->n + DMS_V - 1) / DMS_V, j = 0;
    for (int size = 3; size >= 0; size--)
        for (; left >= 1 << size; left -= 1 << size) {
            int64_t c = 0;
            for (int high = 3; high >= 0; high--)
                for (; aparts[size][high] != NULL && t->rows - c >= 1 << high; c += 1 << high)
                    aparts[size][high](t, c, j);
            j += DMS_V << size;
        }
}

#else

void DMS_ISA(dms_run_apart)(const dms_run *t) {
    for (int r = 0; r < t->rows; r++) {
        dms_run one = *t;
        one.rows = 1;
        one.x += r * t->pitch_x;
        one.w += r * t->pitch_w;
        one.w_step = 1;
        one.bias += r;
        one.to += r * t->pitch_to;
        DMS_ISA(dms_run_sums)(&one);
    }
}

void DMS_ISA(dms_run_sums)(const dms_run *t) {
    const int64_t n = (t->n + DMS_V - 1) / DMS_V * DMS_V;
    for (int r = 0; r < t->rows; r++)
        for (int64_t j = 0; j < n; j++) {
            float sum = t->bias != NULL ? t->bias[r] : t->from[r * t->pitch_from + j];
            for (int64_t p = 0; p < t->k; p++)
                sum = fmaf(t->x[t->offset[p] + j], t->w[p * t->w_step + r], sum);
            t->to[r * t->pitch_to + j] = sum;
        }
}

#endif
