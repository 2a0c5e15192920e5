/* kernels.c - how fast are products and convolutions, as a share of what the core can multiply-add?
 * One thread; the best twentieth of its CPU times, since the machine is shared. Prints a table. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
/* Any set: the types are the same. */
#define DMS_ISA_SUFFIX _base
#include "runtime/kernels/tile_internal.h"
#include "schema/arena.h"

enum { ROUNDS = 60 };

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static float *random_floats(dms_arena *arena, int64_t n) {
    float *out = dms_alloc(arena, (uint64_t)n, sizeof *out);
    uint32_t r = 1;
    for (int64_t k = 0; k < n; k++) {
        r = r * 1664525u + 1013904223u;
        out[k] = (float)(int32_t)(r >> 8) * 1.2e-7f - 1.0f;
    }
    return out;
}

void dms_tile_products_avx2(const dms_tile *t);
void dms_tile_products_avx512(const dms_tile *t);

/* Multiply-adds per second of the best register tile on operands that stay in the nearest cache. */
static double peak_gflops(dms_arena *arena) {
    const bool is_wide = dms_isa_detect() >= DMS_ISA_AVX512;
    const int rows = is_wide ? 8 : 6, panels = is_wide ? 2 : 1;
    const dms_tile t = {rows,        panels,
                        256,         random_floats(arena, 8 * 256),
                        256,         random_floats(arena, 256 * 32),
                        256 * 16,    random_floats(arena, 8 * 32),
                        16,          8 * 16,
                        DMS_TILE_SET};
    double best = 1e9;
    for (int round = 0; round < 50; round++) {
        const double start = now();
        for (int k = 0; k < 200; k++)
            (is_wide ? dms_tile_products_avx512 : dms_tile_products_avx2)(&t);
        const double time = now() - start;
        best = time < best ? time : best;
    }
    return 200 * 2.0 * rows * panels * 16 * 256 / best * 1e-9;
}

/* Time of a call on this thread: of many, one of the best. */
static double time_call(const dms_call *call, void *const *operand, void *scratch) {
    double time[ROUNDS];
    dms_status st = {0};
    for (int k = 0; k < ROUNDS; k++) {
        const double start = now();
        if (dms_call_check(call, &st) != DMS_OK ||
            dms_cpu_run(call, operand, NULL, scratch, &st) != DMS_OK) {
            (void)fprintf(stderr, "%s\n", st.msg);
            exit(1);
        }
        time[k] = now() - start;
    }
    qsort(time, ROUNDS, sizeof time[0], by_value);
    return time[ROUNDS / 20];
}

static void report(const char *name, const dms_call *call, void *const *operand, void *scratch,
                   double peak) {
    const double time = time_call(call, operand, scratch);
    const double gflops = (double)dms_call_cost(call).flops / time * 1e-9;
    (void)printf("%-34s %9.3f ms %8.1f GFLOP/s  %5.2f\n", name, time * 1e3, gflops, gflops / peak);
}

static void bench_product(int64_t m, int64_t k, int64_t n, bool is_packed, double peak) {
    dms_arena arena = {0};
    dms_view view[3];
    const int64_t panels = (n + 15) / 16;
    const int64_t da[2] = {m, k}, db[2] = {k, n}, dp[3] = {panels, k, 16}, dy[2] = {m, n};
    (void)dms_view_dense(DMS_DTYPE_F32, 2, da, &view[0]);
    (void)dms_view_dense(DMS_DTYPE_F32, is_packed ? 3 : 2, is_packed ? dp : db, &view[1]);
    (void)dms_view_dense(DMS_DTYPE_F32, 2, dy, &view[2]);
    void *operand[3];
    for (int i = 0; i < 3; i++)
        operand[i] = random_floats(&arena, dms_view_count(&view[i]));
    const int64_t i[2] = {is_packed, n};
    const double f[2] = {1, 1};
    const dms_call call = {DMS_K_MATMUL, 2, 1, 2, 2, view, i, f};
    char name[64];
    (void)snprintf(name, sizeof name, "matmul %dx%dx%d%s", (int)m, (int)k, (int)n,
                   is_packed ? " panels" : "");
    report(name, &call, operand, dms_alloc(&arena, DMS_CPU_SCRATCH_BYTES, 1), peak);
    dms_arena_free(&arena);
}

/* Square images, "same" padding; c = m = group means depthwise. */
static void bench_conv(int64_t c, int64_t m, int64_t kernel, int64_t step, int64_t size,
                       int64_t group, double peak) {
    dms_arena arena = {0};
    dms_view view[3];
    const bool is_packed = group == 1;
    const int64_t out = (size + step - 1) / step, top = kernel / 2;
    const int64_t dx[4] = {1, c, size, size}, dw[4] = {m, c / group, kernel, kernel};
    const int64_t dp[5] = {(m + 15) / 16, c, kernel, kernel, 16}, dy[4] = {1, m, out, out};
    (void)dms_view_dense(DMS_DTYPE_F32, 4, dx, &view[0]);
    (void)dms_view_dense(DMS_DTYPE_F32, is_packed ? 5 : 4, is_packed ? dp : dw, &view[1]);
    (void)dms_view_dense(DMS_DTYPE_F32, 4, dy, &view[2]);
    void *operand[3];
    for (int i = 0; i < 3; i++)
        operand[i] = random_floats(&arena, dms_view_count(&view[i]));
    const int64_t i[7] = {group, step, step, 1, 1, top, top};
    const dms_call call = {DMS_K_CONV, 2, 1, 7, 0, view, i, NULL};
    char name[64];
    (void)snprintf(name, sizeof name, "conv %d,%d,%d,%d,%d%s", (int)c, (int)m, (int)kernel,
                   (int)step, (int)size, is_packed ? " panels" : " depthwise");
    report(name, &call, operand, dms_alloc(&arena, DMS_CPU_SCRATCH_BYTES, 1), peak);
    dms_arena_free(&arena);
}

static void bench_attention(int64_t heads, int64_t shared, int64_t rows, int64_t keys, int64_t d,
                            double peak) {
    dms_arena arena = {0};
    dms_view view[4];
    const int64_t q[4] = {1, heads, rows, d}, k[4] = {1, shared, keys, d};
    void *operand[4];
    for (int i = 0; i < 4; i++) {
        (void)dms_view_dense(DMS_DTYPE_F32, 4, i == 1 || i == 2 ? k : q, &view[i]);
        operand[i] = random_floats(&arena, dms_view_count(&view[i]));
    }
    const int64_t i[3] = {1, 0, 0};
    const double f[2] = {0.125, 0};
    const dms_call call = {DMS_K_ATTENTION, 3, 1, 3, 2, view, i, f};
    char name[64];
    (void)snprintf(name, sizeof name, "attention %d/%d,%dx%d,%d causal", (int)heads, (int)shared,
                   (int)rows, (int)keys, (int)d);
    report(name, &call, operand, dms_alloc(&arena, DMS_CPU_SCRATCH_BYTES, 1), peak);
    dms_arena_free(&arena);
}

int main(void) {
    static const int64_t product[][3] = {{1, 768, 2048},    {1, 4096, 4096}, {512, 768, 2048},
                                         {128, 4096, 4096}, {64, 64, 3136},  {64, 576, 3136}};
    dms_arena arena = {0};
    const double peak = peak_gflops(&arena);
    (void)printf("multiply-add peak %.1f GFLOP/s\n", peak);
    for (uint32_t k = 0; k < sizeof product / sizeof product[0]; k++)
        for (int packed = 0; packed < 2; packed++)
            bench_product(product[k][0], product[k][1], product[k][2], packed, peak);
    static const int64_t conv[][6] = {
        {64, 64, 3, 1, 56, 1},    {128, 128, 3, 1, 28, 1}, {256, 256, 3, 1, 14, 1},
        {512, 512, 3, 1, 7, 1},   {256, 64, 1, 1, 56, 1},  {1024, 256, 1, 1, 14, 1},
        {64, 256, 1, 1, 56, 1},   {16, 96, 1, 1, 48, 1},   {96, 24, 1, 1, 48, 1},
        {480, 80, 1, 1, 12, 1},   {64, 64, 1, 1, 64, 1},   {128, 512, 1, 1, 28, 1},
        {512, 128, 1, 1, 28, 1},  {24, 24, 1, 1, 28, 1},   {512, 1024, 1, 2, 28, 1},
        {3, 64, 7, 2, 224, 1},    {96, 96, 3, 1, 112, 96}, {384, 384, 3, 1, 14, 384},
        {144, 144, 3, 2, 56, 144}};
    for (uint32_t k = 0; k < sizeof conv / sizeof conv[0]; k++)
        bench_conv(conv[k][0], conv[k][1], conv[k][2], conv[k][3], conv[k][4], conv[k][5], peak);
    bench_attention(12, 12, 512, 512, 64, peak);
    bench_attention(32, 8, 256, 256, 128, peak);
    bench_attention(12, 12, 1, 2048, 64, peak);
    bench_attention(32, 8, 1, 2048, 128, peak);
    dms_arena_free(&arena);
    return 0;
}
