/* test_tile_kernels.c - each micro-kernel against the chain it stands for, on every machine.
 *
 * The kernels of all sets are called in turn on the same operands; a naive loop over fmaf says
 * what every element must be, bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/cpu_kernel.h"

/* The header declares one instruction set at a time. */
#define DMS_ISA_SUFFIX _base
#include "runtime/kernels/tile_internal.h"

#define DECLARE(isa)                                                                               \
    void dms_tile_products_##isa(const dms_tile *t);                                               \
    void dms_tile_product_##isa(int rows, int64_t k, const float *a, int64_t pitch_a,              \
                                const float *b, float *c, int64_t pitch_c, dms_tile_mode mode);    \
    void dms_tile_row_##isa(int64_t k, const float *a, const float *b, int64_t pitch_panel,        \
                            float *c, dms_tile_mode mode);                                         \
    void dms_tile_row_plain_##isa(int64_t k, const float *a, const float *b, int64_t pitch_b,      \
                                  int64_t n, float *sum);                                          \
    void dms_tile_taps_##isa(const dms_tile *t, const int32_t *base, const int32_t *offset);       \
    void dms_tile_transpose_##isa(int64_t rows, int64_t columns, const float *x, int64_t pitch_x,  \
                                  float *y, int64_t pitch_y);
DECLARE(avx2)
DECLARE(avx512)
#undef DECLARE

/* One set of micro-kernels. */
typedef struct kernels {
    int rows; /* of its register tile */
    void (*products)(const dms_tile *);
    void (*product)(int, int64_t, const float *, int64_t, const float *, float *, int64_t,
                    dms_tile_mode);
    void (*row)(int64_t, const float *, const float *, int64_t, float *, dms_tile_mode);
    void (*row_plain)(int64_t, const float *, const float *, int64_t, int64_t, float *);
    void (*taps)(const dms_tile *, const int32_t *, const int32_t *);
    void (*transpose)(int64_t, int64_t, const float *, int64_t, float *, int64_t);
} kernels;

#define SET(rows, isa)                                                                             \
    {                                                                                              \
        rows, dms_tile_products_##isa, dms_tile_product_##isa, dms_tile_row_##isa,                 \
            dms_tile_row_plain_##isa, dms_tile_taps_##isa, dms_tile_transpose_##isa                \
    }
static const kernels sets[DMS_N_ISAS] = {SET(6, base), SET(6, avx2), SET(8, avx512),
                                         SET(8, avx512)};

/* The sets this machine can run. */
static int n_sets(void) {
    return (int)dms_isa_detect() + 1;
}

enum { ROOM = 8192 };

/* Operands of any test: x and w are read, c is where sums go. */
typedef struct operands {
    float x[ROOM], w[ROOM], c[ROOM], want[ROOM];
    int32_t base[8], offset[512];
} operands;

static void fill(float *out, uint32_t seed) {
    for (int k = 0; k < ROOM; k++) {
        seed = seed * 1664525u + 1013904223u;
        out[k] = (float)(int32_t)(seed >> 8) * 0x1p-23f - 1.0f;
    }
}

static void begin(operands *o) {
    fill(o->x, 1);
    fill(o->w, 2);
    fill(o->c, 3);
    memcpy(o->want, o->c, sizeof o->want);
    for (int k = 0; k < 8; k++)
        o->base[k] = 7 * k + 1;
    for (int k = 0; k < 512; k++)
        o->offset[k] = (k * 37) % 1000;
}

/* All of c, what lies between and behind the sums included. */
static void expect_equal(const operands *o, const char *what) {
    for (int k = 0; k < ROOM; k++)
        if (memcmp(&o->c[k], &o->want[k], sizeof o->c[k]) != 0)
            fail_msg("%s: element %d is %a, wanted %a", what, k, o->c[k], o->want[k]);
}

/* What a tile leaves of an element whose chain of terms ended in `sum`. */
static float left_by(dms_tile_mode mode, float before, float sum) {
    return mode == DMS_TILE_ADD ? before + sum : sum;
}

/* rows x 16 sums; rows of a lie 300 apart, rows of c 40: gaps must stay as they are. */
static void a_product_tile_is_one_chain_per_element(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int rows = 1; rows <= sets[isa].rows; rows++)
            for (int mode = DMS_TILE_SET; mode <= DMS_TILE_CONTINUE; mode++)
                for (int64_t k = 0; k <= 256; k += 85) {
                    operands o;
                    begin(&o);
                    for (int r = 0; r < rows; r++)
                        for (int j = 0; j < 16; j++) {
                            float *want = &o.want[r * 40 + j];
                            float sum = mode == DMS_TILE_CONTINUE ? *want : 0.0f;
                            for (int64_t p = 0; p < k; p++)
                                sum = fmaf(o.x[r * 300 + p], o.w[p * 16 + j], sum);
                            *want = left_by((dms_tile_mode)mode, *want, sum);
                        }
                    sets[isa].product(rows, k, o.x, 300, o.w, o.c, 40, (dms_tile_mode)mode);
                    expect_equal(&o, "product");
                }
}

/* Two panels 4100 apart; their sums lie 700 apart, and nothing else of c changes. */
static void a_tile_of_two_panels_is_two_tiles_of_one(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int rows = 1; rows <= sets[isa].rows; rows++)
            for (int mode = DMS_TILE_SET; mode <= DMS_TILE_CONTINUE; mode++) {
                operands o;
                begin(&o);
                for (int q = 0; q < 2; q++)
                    sets[DMS_ISA_BASE].product(rows, 250, o.x, 300, o.w + q * 4100,
                                               o.want + q * 700, 40, (dms_tile_mode)mode);
                const dms_tile t = {
                    rows, 2, 250, o.x, 300, o.w, 4100, o.c, 40, 700, (dms_tile_mode)mode};
                sets[isa].products(&t);
                expect_equal(&o, "two panels");
            }
}

/* Four panels 1600 apart: 64 sums side by side. */
static void a_row_meets_four_panels(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int mode = DMS_TILE_SET; mode <= DMS_TILE_CONTINUE; mode++) {
            operands o;
            begin(&o);
            for (int j = 0; j < 64; j++) {
                float sum = mode == DMS_TILE_CONTINUE ? o.want[j] : 0.0f;
                for (int p = 0; p < 100; p++)
                    sum = fmaf(o.x[p], o.w[j / 16 * 1600 + p * 16 + j % 16], sum);
                o.want[j] = left_by((dms_tile_mode)mode, o.want[j], sum);
            }
            sets[isa].row(100, o.x, o.w, 1600, o.c, (dms_tile_mode)mode);
            expect_equal(&o, "row");
        }
}

/* Any number of columns, and of terms around the four that are taken per pass. */
static void a_row_meets_a_plain_matrix(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int64_t n = 1; n < 70; n += 11)
            for (int64_t k = 0; k < 10; k++) {
                operands o;
                begin(&o);
                for (int64_t j = 0; j < n; j++)
                    for (int64_t p = 0; p < k; p++)
                        o.want[j] = fmaf(o.x[p], o.w[p * 80 + j], o.want[j]);
                sets[isa].row_plain(k, o.x, o.w, 80, n, o.c);
                expect_equal(&o, "row against a plain matrix");
            }
}

/* Pixels begin anywhere, terms lie anywhere: offsets jump to and fro. One panel and two, the sums
 * of the second 512 after those of the first. */
static void taps_continue_the_chain_of_every_pixel(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int rows = 1; rows <= sets[isa].rows; rows++)
            for (int panels = 1; panels <= 2; panels++)
                for (int64_t k = 0; k <= 240; k += 80) {
                    operands o;
                    begin(&o);
                    for (int n = 0; n < rows * panels * 16; n++) {
                        const int r = n / 16 % rows, q = n / 16 / rows, j = n % 16;
                        float *sum = &o.want[q * 512 + r * 16 + j];
                        for (int64_t p = 0; p < k; p++)
                            *sum = fmaf(o.x[o.base[r] + o.offset[p]], o.w[q * 4000 + p * 16 + j],
                                        *sum);
                    }
                    const dms_tile t = {rows, panels,           k, o.x, 0, o.w, 4000, o.c, 16,
                                        512,  DMS_TILE_CONTINUE};
                    sets[isa].taps(&t, o.base, o.offset);
                    expect_equal(&o, "taps");
                }
}

/* Blocks of 8 and what is left of rows and columns. */
static void a_transpose_moves_every_element(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int64_t rows = 0; rows < 20; rows += 3)
            for (int64_t columns = 0; columns < 34; columns += 5) {
                operands o;
                begin(&o);
                for (int64_t i = 0; i < rows; i++)
                    for (int64_t j = 0; j < columns; j++)
                        o.want[j * 50 + i] = o.x[i * 60 + j];
                sets[isa].transpose(rows, columns, o.x, 60, o.c, 50);
                expect_equal(&o, "transpose");
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_tile_is_one_chain_per_element),
        cmocka_unit_test(a_tile_of_two_panels_is_two_tiles_of_one),
        cmocka_unit_test(a_row_meets_four_panels),
        cmocka_unit_test(a_row_meets_a_plain_matrix),
        cmocka_unit_test(taps_continue_the_chain_of_every_pixel),
        cmocka_unit_test(a_transpose_moves_every_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
