/* index_body.h - which entry an index, a border or a window means: the same on every device.
 *
 * Reads    an index from data, or a place of a result.
 * Returns  an entry of an axis, always inside it.
 * Cost     O(1).
 * Source   ONNX (Gather, Pad, OneHot).
 * Not here how operands are walked (index_cpu.c, move_cpu.c, runtime/cuda/kernels).
 */
#ifndef DMS_RUNTIME_KERNELS_INDEX_BODY_H
#define DMS_RUNTIME_KERNELS_INDEX_BODY_H

#include "runtime/kernels/dialect.h"

enum { DMS_PAD_CONSTANT = 0, DMS_PAD_EDGE = 1, DMS_PAD_REFLECT = 2, DMS_PAD_WRAP = 3 };

/* The entry of an axis of n > 0 entries that `index` means; *out_is_wrong: it was clamped. */
DMS_FN int64_t dms_entry_of(int64_t index, int64_t n, int *out_is_wrong) {
    index = index < 0 ? index + n : index; /* n > 0: cannot overflow */
    *out_is_wrong = index < 0 || index >= n;
    return index < 0 ? 0 : index >= n ? n - 1 : index;
}

/* The entry of an axis of n entries that stands at place i, which may lie before or after them;
 * -1 = the constant. */
DMS_FN int64_t dms_pad_source(int64_t mode, int64_t i, int64_t n) {
    if (i >= 0 && i < n)
        return i;
    if (mode == DMS_PAD_CONSTANT)
        return -1;
    if (mode == DMS_PAD_EDGE || n == 1)
        return i < 0 ? 0 : n - 1;
    const int64_t period = mode == DMS_PAD_REFLECT ? 2 * (n - 1) : n;
    const int64_t r = (i % period + period) % period;
    return r < n ? r : period - r;
}

/* An index of ONE_HOT as an entry of [0, depth), or -1 where it is outside. */
DMS_FN int64_t dms_hot_entry(int64_t index, int64_t depth) {
    index = index < 0 ? index + depth : index;
    return index >= 0 && index < depth ? index : -1;
}

#endif
