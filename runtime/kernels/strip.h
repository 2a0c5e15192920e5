/* strip.h - how do elements of any type and pitch become a dense strip that kernels compute on?
 *
 * Reads    n elements of one dtype at one pitch.
 * Returns  the same numbers in the class of the dtype, densely; and back, rounded to nearest even
 *          (narrow floats) or wrapped (integers). Every NaN that is rounded becomes the quiet one.
 * Cost     O(n), vectorised where the pitch is 0 or 1.
 * Source   none.
 * Not here one element (element.h), conversion from one class to another (convert.h).
 */
#ifndef DMS_RUNTIME_KERNELS_STRIP_H
#define DMS_RUNTIME_KERNELS_STRIP_H

#include "runtime/kernels/element.h"

/* Elements of a strip; at 8 bytes each it is an eighth of the L1 cache. */
#define DMS_STRIP 512

/* Room for one strip of any class. */
typedef union dms_strip {
    float f32[DMS_STRIP];
    double f64[DMS_STRIP];
    int64_t i64[DMS_STRIP];
    uint64_t u64[DMS_STRIP];
    uint8_t b8[DMS_STRIP];
} dms_strip;

/* Reads n elements into a dense strip of the type's class. A pitch of 0 repeats one element. */
void DMS_ISA(dms_strip_load)(dms_dtype dtype, const void *from, int64_t pitch, int64_t n,
                             void *strip);

/* Writes n elements of a dense strip of the type's class. */
void DMS_ISA(dms_strip_store)(dms_dtype dtype, const void *strip, void *to, int64_t pitch,
                              int64_t n);

#endif
