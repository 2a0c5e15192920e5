/* tile_internal.h - the micro-kernels of products and convolutions, one set per instruction set.
 *
 * Reads    f32 operands in 16-column panels: b[p][16], rows of `a` with any pitch.
 * Returns  6 x 16, on AVX-512 8 x 32, sums (or fewer), each one fused chain in the order of p.
 * Cost     6 cycles per p on AVX2 (12 fused multiply-adds, 8 loads), 8 on AVX-512 (16 of twice the
 *          width, 10 loads); 1 row: bound by reading b.
 * Source   Goto and van de Geijn 2008 (panels, register tile).
 * Not here blocking and packing (matmul_cpu.c, conv_cpu.c, attention_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_TILE_INTERNAL_H
#define DMS_RUNTIME_KERNELS_TILE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/kernels/dialect.h"

enum {
#ifdef __AVX512F__
    DMS_TILE_ROWS = 8, /* rows of a register tile: 16 of 32 registers hold sums */
#else
    DMS_TILE_ROWS = 6, /* 12 of 16 */
#endif
    DMS_TILE_WIDTH = 16,    /* columns of a panel */
    DMS_TILE_SEGMENT = 256, /* terms of one chain of a product */
};

/* What a tile does with the sums it has made from zero. */
typedef enum dms_tile_mode {
    DMS_TILE_SET = 0,      /* c = sum */
    DMS_TILE_ADD = 1,      /* c = c + sum: a further segment */
    DMS_TILE_CONTINUE = 2, /* the chain starts from c instead of zero */
} dms_tile_mode;

/* A tile of sums: c[r * pitch_c + q * step_c + j] for r < rows <= DMS_TILE_ROWS, q < panels (1 or
 * 2), j < 16. Panel q of b begins at b + q * pitch_b. */
typedef struct dms_tile {
    int rows, panels;
    int64_t k; /* terms */
    const float *a;
    int64_t pitch_a;
    const float *b;
    int64_t pitch_b;
    float *c;
    int64_t pitch_c, step_c;
    dms_tile_mode mode;
} dms_tile;

/* Sums over p < k of a[r * pitch_a + p] * b[p * 16 + j]. */
void DMS_ISA(dms_tile_products)(const dms_tile *t);

/* The same for one panel. */
void DMS_ISA(dms_tile_product)(int rows, int64_t k, const float *a, int64_t pitch_a, const float *b,
                               float *c, int64_t pitch_c, dms_tile_mode mode);

/* One row against four panels that lie `pitch_panel` apart: c[0..63], same sums as above. */
void DMS_ISA(dms_tile_row)(int64_t k, const float *a, const float *b, int64_t pitch_panel, float *c,
                           dms_tile_mode mode);

/* One row against a plain b: sum[j] continues its chain with a[p] * b[p * pitch_b + j], p < k. */
void DMS_ISA(dms_tile_row_plain)(int64_t k, const float *a, const float *b, int64_t pitch_b,
                                 int64_t n, float *sum);

/* Sums over p < k of a[base[r] + offset[p]] * b[p * 16 + j]; pitch_a is not used. */
void DMS_ISA(dms_tile_taps)(const dms_tile *t, const int32_t *base, const int32_t *offset);

/* y[j * pitch_y + i] = x[i * pitch_x + j] for i < rows, j < columns. */
void DMS_ISA(dms_tile_transpose)(int64_t rows, int64_t columns, const float *x, int64_t pitch_x,
                                 float *y, int64_t pitch_y);

#endif
