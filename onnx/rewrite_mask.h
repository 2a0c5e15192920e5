/* rewrite_mask.h - how a mask over queries and keys depends on them.
 *
 * Reads    the nodes that make the mask: comparisons of ranges, logic, Where, casts, views,
 *          arithmetic, Trilu, and constants, whose data are looked at.
 * Returns  one tensor for all queries, or one for each side of a diagonal.
 * Cost     O(nodes of the mask); constants of at most 4 MiB are read.
 * Source   none. Every element-wise operator acts on each side by itself, so a mask is followed
 *          through any of them once the two sides are known.
 * Not here what attention makes of it (rewrite_attention.c).
 *
 *     keys t     0 1 2 3 4
 *     query 0    a b . . .      diagonal 1: t <= s + 1        seen    [.., 1, t]  a b c d e
 *     query 1    a b c . .                                    beyond  [.., 1, t]  . . . . .
 *     query 2    a b c d .
 */
#ifndef DMS_ONNX_REWRITE_MASK_H
#define DMS_ONNX_REWRITE_MASK_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_rewriter dms_rewriter; /* rewrite_internal.h */
typedef struct dms_attr dms_attr;         /* graph.h */

/* The sides of a mask whose last two axes are queries and keys. Their axis of queries is 1, or they
 * lack it; where the mask is not split both are the same tensor. */
typedef struct dms_sides {
    bool is_split;
    int64_t diagonal; /* key t is on the seen side of query s where t <= s + diagonal */
    uint32_t seen, beyond;
} dms_sides;

/* Follows a mask. *out_found: it depends on queries in no other way. New nodes are named after
 * node `like` and stand before it.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_find_sides(dms_rewriter *rw, uint32_t mask, uint32_t like, bool *out_found,
                                    dms_sides *out_sides, dms_status *st);

/* What attention needs of a mask: the tensor that is left of it, and the triangle taken out. */
typedef struct dms_triangle {
    uint32_t mask; /* in f32 or bool, equal for all queries where it was followed; DMS_NONE: none */
    int64_t causal; /* as the kernel counts it: 0 no triangle, 1, 2 */
    bool has_fill;  /* keys beyond it have a finite score: `fill` */
    double fill;
} dms_triangle;

/* Takes the triangle out of a mask that is added to the scores, or, of type bool, chooses them.
 * `diagonal` is that of the kernel: keys - queries. What cannot be followed stays a mask.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_split_mask(dms_rewriter *rw, uint32_t mask, int64_t diagonal,
                                    uint32_t like, dms_triangle *out, dms_status *st);

/* Where(keep, scores, fill) whose `keep` is the triangle itself; then, if `added` is a tensor, it
 * is added, to the fill as well where `fill_is_inner`. *out_found: `keep` is that, and `added` the
 * same for all queries. */
DMS_CHECKED dms_code dms_split_keep(dms_rewriter *rw, uint32_t keep, uint32_t fill, uint32_t added,
                                    bool fill_is_inner, int64_t diagonal, uint32_t like,
                                    bool *out_found, dms_triangle *out, dms_status *st);

/* The attributes of dms.Attention that say so; returns how many were written (2 or 3). */
uint32_t dms_triangle_attrs(const dms_triangle *triangle, bool is_bool, dms_attr *out);

/* A tensor as f32. */
DMS_CHECKED dms_code dms_to_f32(dms_rewriter *rw, uint32_t tensor, uint32_t like, uint32_t *out,
                                dms_status *st);

/* Whether a tensor is a constant of one element of type bool with this value. */
bool dms_is_bool(const dms_rewriter *rw, uint32_t tensor, bool value);

#endif
