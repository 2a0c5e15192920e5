/* gather.h - a strided walk over a file, as ranges to read and elements to scatter.
 *
 * Reads    where a cell lies in a file (view, pitches) and where its elements shall lie.
 * Returns  pieces, one after the other: a range of the file and what becomes of it.
 * Cost     O(rank) per piece; a piece is as long as its run, a scattered one at most as asked.
 * Source   none.
 * Not here reading (runtime/storage.h, planner/pack.c): pieces may be read in any order.
 *
 *     file   |aaaa....bbbb....cccc....|    a piece covers the inner axes, and as much of the next
 *             \_____piece____/             as fits, unless less than a quarter of it would be used
 */
#ifndef DMS_SCHEMA_GATHER_H
#define DMS_SCHEMA_GATHER_H

#include "schema/view.h"

/* One axis of a walk: entries, and elements between two of them in the file and in the place. */
typedef struct dms_gather_axis {
    int64_t dim, from, to;
} dms_gather_axis;

/* A range of the file and where its elements go. */
typedef struct dms_gather_piece {
    uint64_t offset, bytes;
    uint64_t to; /* byte of the place where the first element goes */
    uint32_t n;  /* axes; 0: the bytes lie in the place as they lie in the file */
    dms_gather_axis axis[DMS_MAX_RANK];
} dms_gather_piece;

/* A box of elements: where it begins (bytes), and its axes, largest pitch in the file first. */
typedef struct dms_gather_box {
    uint64_t from, to;
    uint32_t n;
    dms_gather_axis axis[DMS_MAX_RANK];
} dms_gather_box;

/* A walk under way. Only `is_short` and `is_wasteful` are for readers. */
typedef struct dms_gather {
    uint64_t element_bytes, piece_bytes;
    uint32_t n_boxes, n_done;
    dms_gather_box box[2], pad; /* a cell that is padded at its end is two boxes and zeros */
    bool is_short;              /* many runs, each too short for a read past the page cache */
    bool is_wasteful;           /* of its pieces other cells want more than this one does */
    uint32_t n_outer, n_inner;  /* axes outside of a piece and inside; one between may be cut */
    int64_t part, elements;     /* entries of the cut axis in a piece; elements of the inner axes */
    int64_t index[DMS_MAX_RANK], from, to, cut; /* the next piece */
} dms_gather;

/* Where a walk goes from and to. */
typedef struct dms_gather_walk {
    const dms_view *view; /* over the file, from byte `offset` on */
    uint64_t offset;
    int64_t valid_last;   /* dms_source.valid_last of plan.h */
    const int64_t *pitch; /* of the place, in elements, for the axes of `view` */
} dms_gather_walk;

/* Begins a walk whose scattered pieces have at most `piece_bytes`, at least one element. */
void dms_gather_begin(dms_gather *g, const dms_gather_walk *walk, uint64_t piece_bytes);

/* The next piece; false behind the last one. */
bool dms_gather_next(dms_gather *g, dms_gather_piece *out);

/* Puts the elements of a piece that was read to `from` where they belong. */
void dms_gather_scatter(const dms_gather *g, const dms_gather_piece *piece, const uint8_t *from,
                        uint8_t *place);

/* Writes the zeros that no file holds. */
void dms_gather_zeros(const dms_gather *g, uint8_t *place);

#endif
