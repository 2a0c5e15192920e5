/* conv_bytes_internal.h - what the row and the code of integer convolutions agree on.
 *
 * Reads    nothing; rows of bytes (dms_bytes_pack), packed terms (dms_bytes_sum).
 * Returns  positions of operands and parameters of DMS_K_CONV_BYTES; i32 sums of products of bytes.
 * Cost     a dot product of four bytes per lane with VNNI, of two i16 without.
 * Source   none.
 * Not here which pixels and channels a part has (conv_bytes_cpu.c).
 *
 * Terms of a sum are numbered k = (channel, row, column of the window); a step is as many as one
 * instruction takes: 4 bytes (VNNI) or 2 differences from the zero (i16). Pixels are lanes:
 *
 *      packed x   [step][lane][4 bytes]        packed w   [step][8 rows][4 bytes]
 *
 * With VNNI x is unsigned and w signed, whatever the operands are: both zeros move by 128 with
 * them, and sums are corrected by the sums of w and of x. */
#ifndef DMS_RUNTIME_KERNELS_CONV_BYTES_INTERNAL_H
#define DMS_RUNTIME_KERNELS_CONV_BYTES_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/kernels/dialect.h"

/* Operands; the last three where y is no sum. */
enum {
    DMS_BYTES_X = 0,
    DMS_BYTES_W = 1,
    DMS_BYTES_ZERO_X = 2,
    DMS_BYTES_ZERO_W = 3,
    DMS_BYTES_BIAS = 4,
    DMS_BYTES_SCALE = 5,
    DMS_BYTES_ZERO_Y = 6
};

/* Integer parameters; KERNEL to PAD have a second entry for the width. */
enum {
    DMS_BYTES_LAYOUT = 0, /* of w: 0 plain, 1 panels */
    DMS_BYTES_KERNEL = 1,
    DMS_BYTES_STEP = 3,
    DMS_BYTES_DILATION = 5,
    DMS_BYTES_PAD = 7,
    DMS_BYTES_LOW = 9, /* bounds of y */
    DMS_BYTES_HIGH = 10,
    DMS_BYTES_N_I = 11
};

enum {
    DMS_BYTES_ROWS = 8,     /* output channels of a panel */
    DMS_BYTES_QUAD = 4,     /* terms that lie together in a panel */
    DMS_BYTES_TERMS = 4096, /* of a block of the sum, at most */
    DMS_BYTES_LANES = 1024, /* pixels of a tile, at most */
};

#ifdef __AVX512VNNI__
enum { DMS_BYTES_STEP_TERMS = 4 };
#else
enum { DMS_BYTES_STEP_TERMS = 2 };
#endif

/* Bytes of an operand: their type and what they count from. */
typedef struct dms_bytes_kind {
    bool is_signed;
    int32_t zero;
} dms_bytes_kind;

/* Up to 8 rows of weights: [m][k], k in order where is_flat, else by channel, row and column. */
typedef struct dms_bytes_weights {
    const uint8_t *at;
    bool is_panel, is_flat, is_signed;
    int64_t pitch_m, pitch_c, pitch_h, pitch_w, kh, kw;
} dms_bytes_weights;

/* Sums of one panel over a tile. */
typedef struct dms_bytes_sums {
    int rows; /* 1 or 8 */
    bool is_first;
    int64_t steps, lanes; /* lanes: a whole number of vectors */
    const uint8_t *x, *w; /* packed */
    int32_t *to;          /* [rows][pitch_to] */
    int64_t pitch_to;
} dms_bytes_sums;

/* Lanes of a vector. */
int DMS_ISA(dms_bytes_lanes)(void);

/* Four rows of `lanes` bytes as the steps of four terms; `pitch` lanes lie between two steps.
 * Nothing is read behind a row. */
void DMS_ISA(dms_bytes_pack)(const uint8_t *const *row, int64_t lanes, int64_t pitch,
                             const dms_bytes_kind *kind, uint8_t *to);

/* The same for pixels whose `terms` bytes lie side by side, `pitch_x` from one pixel to the next;
 * all steps. */
void DMS_ISA(dms_bytes_pack_turned)(const uint8_t *x, int64_t pitch_x, int64_t terms, int64_t lanes,
                                    int64_t pitch, const dms_bytes_kind *kind, uint8_t *to);

/* Terms [first, first + n) of `real` rows (the others are 0) as packed weights of `rows` rows in
 * `room`, or where they lie packed already; adds what they sum up to, row by row. */
const uint8_t *DMS_ISA(dms_bytes_pack_weights)(const dms_bytes_weights *w, const int32_t *zero,
                                               int rows, int real, int64_t first, int64_t n,
                                               uint8_t *room, int32_t *sum);

/* Adds the products of a block of terms. */
void DMS_ISA(dms_bytes_sum)(const dms_bytes_sums *s);

/* Adds up the terms of every lane: [lanes]; `room` holds a byte per term. Zero without VNNI, where
 * no correction needs it. */
void DMS_ISA(dms_bytes_sum_x)(const uint8_t *x, int64_t n, int64_t lanes, bool is_first,
                              uint8_t *room, int32_t *to);

/* What the products of `n` terms are corrected by, but for the sums of x: 0 without VNNI. */
int32_t DMS_ISA(dms_bytes_correction)(const dms_bytes_kind *x, const dms_bytes_kind *w, int64_t n,
                                      int32_t sum_w);

/* The factor of the sum of x that is taken off. */
int32_t DMS_ISA(dms_bytes_weight_of_x)(const dms_bytes_kind *w);

#endif
