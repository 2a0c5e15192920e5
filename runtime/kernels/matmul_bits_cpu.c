/* matmul_bits_cpu.c - panels of a matrix of 4-bit numbers: a row of b becomes numbers side by side,
 * sixteen rows are turned around. */
#include <string.h>

#include "runtime/kernels/matmul_bits.h"
#include "runtime/kernels/quantize_body.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/tile_internal.h"

enum { WIDTH = DMS_TILE_WIDTH, SEGMENT = DMS_TILE_SEGMENT };

/* 2 n numbers of n bytes. */
static void unpack(int64_t n, const uint8_t *x, float zero, float scale, float *out) {
    for (int64_t k = 0; k < n; k++) {
        out[2 * k] = dms_unpack(x[k], 0, zero, scale);
        out[2 * k + 1] = dms_unpack(x[k], 1, zero, scale);
    }
}

/* The zero of a block of row j. */
static float zero_of(const dms_bits *bits, int64_t j, int64_t block) {
    if (bits->zero == NULL)
        return 8.0f;
    const uint8_t pair = bits->zero[j * ((bits->blocks + 1) / 2) + block / 2];
    return (float)(block % 2 == 0 ? pair & 15 : pair >> 4);
}

/* Numbers [k0, k0 + k) of row j, and one more where k is odd; both even ends are whole bytes. */
static void unpack_row(const dms_bits *bits, int64_t j, int64_t k0, int64_t k, float *out) {
    const int64_t size = dms_dtype_bytes(bits->dtype), end = (k0 + k + 1) / 2;
    for (int64_t at = k0 / 2; at < end;) {
        const int64_t block = at / bits->half, stop = (block + 1) * bits->half;
        const int64_t n = (stop < end ? stop : end) - at;
        float scale;
        DMS_ISA(dms_strip_load)
        (bits->dtype, (const char *)bits->scale + (j * bits->blocks + block) * size, 1, 1, &scale);
        unpack(n, bits->b + j * bits->blocks * bits->half + at, zero_of(bits, j, block), scale,
               out + 2 * at - k0);
        at += n;
    }
}

void DMS_ISA(dms_bits_panel)(const dms_bits *bits, int64_t column, int64_t n, int64_t k0, int64_t k,
                             float *rows, float *out) {
    uint16_t narrow[SEGMENT];
    if (n < WIDTH)
        memset(out, 0, (size_t)(k * WIDTH) * sizeof *out);
    for (int64_t r = 0; r < n; r++) {
        float *row = rows + r * SEGMENT;
        unpack_row(bits, column + r, k0, k, row);
        if (bits->dtype == DMS_DTYPE_F32)
            continue;
        DMS_ISA(dms_strip_store)(bits->dtype, row, narrow, 1, k);
        DMS_ISA(dms_strip_load)(bits->dtype, narrow, 1, k, row);
    }
    DMS_ISA(dms_tile_transpose)(n, k, rows, SEGMENT, out, WIDTH);
}
