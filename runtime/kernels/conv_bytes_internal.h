/* conv_bytes_internal.h - what the code of integer convolutions agrees on.
 *
 * Reads    a checked call (dms_bytes_plan), its operands (dms_bytes_open), packed terms
 *          (dms_bytes_sum).
 * Returns  i32 sums of products of bytes.
 * Cost     a dot product of four bytes per lane with VNNI, of two i16 without.
 * Source   none.
 * Not here what follows a sum (conv_bytes_cpu.c).
 *
 * Four terms of a sum are a quad: four channels of one tap, or, where there are few channels, four
 * rows of the window. A step is as many terms as one instruction takes: a quad (VNNI) or half of
 * one, as differences from the zero (i16). Pixels are lanes:
 *
 *      packed x   [plane][lane][4 bytes]       packed w   [step][8 rows][4 bytes]
 *
 * A plane holds one quad for all lanes; taps read planes that they share at other offsets. With
 * VNNI x is unsigned and w signed, whatever the operands are: both zeros move by 128 with them, and
 * sums are corrected by the sums of w and of x. */
#ifndef DMS_RUNTIME_KERNELS_CONV_BYTES_INTERNAL_H
#define DMS_RUNTIME_KERNELS_CONV_BYTES_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/kernels/conv_bytes.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/dialect.h"

enum {
    DMS_BYTES_ROWS = 8,         /* output channels of a panel */
    DMS_BYTES_QUAD = 4,         /* terms of a quad */
    DMS_BYTES_CHUNK = 1024,     /* quads that are summed at once, at most */
    DMS_BYTES_LANES = 1024,     /* pixels of a tile, at most */
    DMS_BYTES_PACKED = 3 << 19, /* bytes of packed planes */
    DMS_BYTES_RAW = 1 << 19,    /* bytes of the channels that are being packed */
    DMS_BYTES_SLACK = 256       /* vectors may read and write this far past the end */
};

#ifdef __AVX512VNNI__
enum { DMS_BYTES_STEP_TERMS = 4 };
#else
enum { DMS_BYTES_STEP_TERMS = 2 };
#endif
enum { DMS_BYTES_STEPS = DMS_BYTES_QUAD / DMS_BYTES_STEP_TERMS }; /* of a quad */

/* Where the pixels of a tile come from; conv_bytes_image_cpu.c says how. */
typedef enum dms_bytes_way {
    DMS_BYTES_DIRECT,
    DMS_BYTES_TURNED,
    DMS_BYTES_PLANES,
    DMS_BYTES_ONE_BY_ONE
} dms_bytes_way;

/* An operand [g, b, c, h, w] of bytes or of results: pitches, and the size of a plane. */
typedef struct dms_bytes_image {
    int64_t g, b, c, h, w;
    int64_t high, wide;
} dms_bytes_image;

/* A call as its parts see it. Pairs are for rows and columns. */
typedef struct dms_bytes_geometry {
    const dms_call *call;
    dms_bytes_way way;
    bool by_rows; /* a quad is four rows of the window */
    dms_bytes_image x, y;
    int64_t groups, batch, m, c, taps;
    int64_t kernel[2], step[2], dilation[2], pad[2];
    uint32_t used[2];             /* bit k: a tap lies in phase k (from planes) */
    int64_t rows, columns, pitch; /* of a tile; lanes from one row to the next */
    int64_t phase_high, plane;    /* rows of a phase of the image; lanes of a plane */
    int64_t block, chunk;         /* channels that are packed, quads that are summed at once */
    int64_t down, across, channels, deep, together; /* tiles; m and groups of a part */
} dms_bytes_geometry;

/* Bytes of an operand: their type and what they count from. */
typedef struct dms_bytes_kind {
    bool is_signed;
    int32_t zero;
} dms_bytes_kind;

/* Up to four terms: from this place on, by channels or by rows. */
typedef struct dms_bytes_quad {
    int64_t channel;
    int32_t row, column, n;
} dms_bytes_quad;

/* Scratch of a thread. */
typedef struct dms_bytes_room {
    uint8_t packed[DMS_BYTES_PACKED + DMS_BYTES_SLACK], raw[DMS_BYTES_RAW + DMS_BYTES_SLACK];
    uint8_t weights[DMS_BYTES_CHUNK * DMS_BYTES_STEPS * DMS_BYTES_ROWS * 4];
    dms_bytes_quad quad[DMS_BYTES_CHUNK];
    int32_t offset[DMS_BYTES_CHUNK * DMS_BYTES_STEPS]; /* of every step, in lanes */
    int32_t sum[DMS_BYTES_ROWS * DMS_BYTES_LANES], sum_x[DMS_BYTES_LANES];
    int32_t y[DMS_BYTES_ROWS * DMS_BYTES_LANES]; /* of any type, where y is taken apart */
} dms_bytes_room;
_Static_assert(sizeof(dms_bytes_room) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* What a thread works on: a tile of one group. */
typedef struct dms_bytes_part {
    const dms_cpu_job *job;
    const dms_bytes_geometry *g;
    dms_bytes_room *room;
    int64_t group, batch, row, column, rows, columns;
    int64_t lanes, whole; /* whole: in vectors */
    dms_bytes_kind x;
    const uint8_t *at; /* of x: this group and batch entry */
    bool is_centred;   /* no sum of x is needed */
    int64_t steps;     /* of the chunk that is open */
} dms_bytes_part;

/* Up to 8 rows of weights, in panels or with these pitches. */
typedef struct dms_bytes_weights {
    const uint8_t *at;
    bool is_panel, is_signed, by_rows;
    int64_t pitch_m, pitch_c, pitch_h, pitch_w;
    int64_t quads, wide; /* of a panel: quads of a tap; columns of the window */
} dms_bytes_weights;

/* Sums of one panel over a tile. */
typedef struct dms_bytes_sums {
    int rows; /* 1 or 8 */
    bool is_first;
    int64_t steps, lanes; /* lanes: a whole number of vectors */
    const uint8_t *x, *w; /* packed */
    const int32_t *offset;
    int32_t *to; /* [rows][lanes] */
} dms_bytes_sums;

/* How a call is cut into parts; no rows where y is empty. */
dms_bytes_geometry DMS_ISA(dms_bytes_plan)(const dms_call *call);

/* Quads of channels [first, first + n). */
int64_t DMS_ISA(dms_bytes_quads)(const dms_bytes_geometry *g, int64_t n);

/* Packs channels [first, first + n) of a tile, but where pixels are taken one by one. */
void DMS_ISA(dms_bytes_open)(const dms_bytes_part *p, int64_t first, int64_t n);

/* Lists quads [from, end) of these channels, and where each of their steps lies. */
void DMS_ISA(dms_bytes_list)(dms_bytes_part *p, int64_t first, int64_t n, int64_t from,
                             int64_t end);

/* Lanes of a vector. */
int DMS_ISA(dms_bytes_lanes)(void);

/* Four rows of `lanes` bytes as a plane; `pitch` lanes lie between the halves of a quad that has
 * two. Nothing is read behind a row. */
void DMS_ISA(dms_bytes_pack)(const uint8_t *const *row, int64_t lanes, int64_t pitch,
                             const dms_bytes_kind *kind, uint8_t *to);

/* The same for pixels whose `terms` bytes lie side by side, `pitch_x` from one pixel to the next;
 * all quads, `pitch` lanes apart. */
void DMS_ISA(dms_bytes_pack_turned)(const uint8_t *x, int64_t pitch_x, int64_t terms, int64_t lanes,
                                    int64_t pitch, const dms_bytes_kind *kind, uint8_t *to);

/* A chunk of `n` quads, the first of them number `first` of a panel, of `real` rows (others are 0)
 * as packed weights of `rows` rows in `room`, or where they lie packed already; adds what they sum
 * up to, row by row. */
const uint8_t *DMS_ISA(dms_bytes_pack_weights)(const dms_bytes_weights *w, const int32_t *zero,
                                               int rows, int real, const dms_bytes_quad *quad,
                                               int64_t first, int64_t n, uint8_t *room,
                                               int32_t *sum);

/* Adds the products of a chunk. */
void DMS_ISA(dms_bytes_sum)(const dms_bytes_sums *s);

/* Adds up the terms of every lane over a chunk. Zero without VNNI, where nothing needs it. */
void DMS_ISA(dms_bytes_sum_x)(const dms_bytes_part *p, int64_t n, bool is_first);

/* What the products of `n` terms are corrected by, but for the sums of x: 0 without VNNI. */
int32_t DMS_ISA(dms_bytes_correction)(const dms_bytes_kind *x, const dms_bytes_kind *w, int64_t n,
                                      int32_t sum_w);

/* The factor of the sum of x that is taken off. */
int32_t DMS_ISA(dms_bytes_weight_of_x)(const dms_bytes_kind *w);

#endif
