/* integers.h - the smaller, the larger, and a quotient rounded up.
 *
 * Reads    nothing.
 * Returns  exact results: nothing here overflows.
 * Cost     an instruction or two; a division.
 * Source   none.
 * Not here sums and products that may not fit (checked.h).
 */
#ifndef DMS_SCHEMA_INTEGERS_H
#define DMS_SCHEMA_INTEGERS_H

#include <stdint.h>

/* The smaller of two. */
static inline int64_t dms_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The larger of two. */
static inline int64_t dms_most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* How many pieces of `b` > 0 hold `a` >= 0. */
static inline int64_t dms_divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

#endif
