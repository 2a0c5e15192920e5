/* compare.h - is a tensor close enough to a reference?
 *
 * Reads    a tensor, a reference of the same dims, two tolerances.
 * Returns  whether every element passes, and the largest differences.
 * Cost     O(elements).
 * Source   numpy.isclose for the rule.
 * Not here where references come from (npy.h), what a difference means (dmsrun.c).
 *
 * A float passes when |got - ref| <= atol + rtol |ref|; NaN passes against NaN only, an infinity
 * against the same infinity only. Integers and bools must be equal, unless atol >= 1: then they
 * follow the same rule. Floats of different width compare by value.
 */
#ifndef DMS_RUNTIME_COMPARE_H
#define DMS_RUNTIME_COMPARE_H

#include <stdbool.h>

#include "schema/status.h"
#include "schema/view.h"

/* Negative: the default. */
typedef struct dms_tolerance {
    double rtol; /* default 1e-3 */
    double atol; /* default 1e-4 x the largest finite |reference| */
} dms_tolerance;

/* What a comparison found. */
typedef struct dms_difference {
    int64_t n_elements, n_failed;
    double max_abs, max_rel; /* infinite where a NaN or an infinity has no partner */
    int64_t first_failed;    /* element number; its values below */
    double got, reference;
} dms_difference;

/* Compares two dense tensors of equal dims. u16 references of bf16 tensors are bf16 bits.
 * Errors   DMS_EDIFFERS: dims or element types cannot be compared. Differences are no error. */
DMS_CHECKED dms_code dms_compare(const dms_view *view, const void *got, const dms_view *ref_view,
                                 const void *ref, const dms_tolerance *tolerance,
                                 dms_difference *out, dms_status *st);

#endif
