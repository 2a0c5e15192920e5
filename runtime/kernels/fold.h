/* fold.h - sums, extremes and products of a row, in one fixed tree.
 *
 * Reads    strips of one class.
 * Returns  32 lanes, lane l holding elements l, l + 32, ... folded in order; joined in halves at
 *          the end. The tree depends on the length of the row alone.
 * Cost     one vector operation per 8 elements.
 * Source   none.
 * Not here which rows (reduce_cpu.c, norm_cpu.c, order_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_FOLD_H
#define DMS_RUNTIME_KERNELS_FOLD_H

#include "runtime/kernels/fold_body.h"
#include "runtime/kernels/strip.h"

/* Lanes of a row, of any class. */
typedef union dms_lanes {
    float f32[DMS_LANES];
    double f64[DMS_LANES];
    int64_t i64[DMS_LANES];
    uint64_t u64[DMS_LANES];
    uint8_t b8[DMS_LANES];
} dms_lanes;

/* How one kind of fold works on one class. */
typedef struct dms_fold {
    dms_scalar start;
    /* lane[i % 32] folds x[i] for i < n; pieces of a row but the last are multiples of 32. */
    void (*along)(void *lane, const void *x, int64_t n);
    /* acc[i] folds x[i]: columns side by side. */
    void (*across)(void *acc, const void *x, int64_t n);
    /* acc[i] joins other[i]. */
    void (*join)(void *acc, const void *other, int64_t n);
    /* Joins the 32 lanes of one row into lane 0. */
    void (*tree)(void *lanes);
} dms_fold;

/* The fold of a kind on a class; along = NULL where there is none (bool has only extremes). */
const dms_fold *DMS_ISA(dms_fold_find)(dms_fold_kind kind, dms_class class);

/* Sets n accumulators to the start of a fold. */
void DMS_ISA(dms_fold_start)(const dms_fold *fold, dms_class class, int64_t n, void *acc);

/* Joins the 32 lanes of a row, or of n columns (lane l of column c at l n + c), into lane 0. */
void DMS_ISA(dms_fold_join)(const dms_fold *fold, dms_class class, int64_t n, void *lanes);

#endif
