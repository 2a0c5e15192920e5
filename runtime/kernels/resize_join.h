/* resize_join.h - a call of RESIZE as its code sees it, on every device.
 *
 * Reads    a checked call.
 * Returns  its rules and axes; the call without an axis of channels that stands last.
 * Cost     O(rank + channels).
 * Source   none.
 * Not here which taps there are (resize_body.h).
 */
#ifndef DMS_RUNTIME_KERNELS_RESIZE_JOIN_H
#define DMS_RUNTIME_KERNELS_RESIZE_JOIN_H

#include "runtime/kernels/kernel.h"
#include "runtime/kernels/resize.h"

/* A call whose last axis is resized: each of its positions is followed by `inner` columns. */
typedef struct dms_resize_joined {
    dms_call call; /* of one axis less where inner > 1; its columns are the last axis' outputs */
    dms_view view[2];
    dms_resize_rule rule;
    dms_resize_axis last;
    int64_t inner;
} dms_resize_joined;

/* The rules of a call. */
dms_resize_rule dms_resize_rule_of(const dms_call *call);

/* Axis k of a call; of a joined one, all but the last. */
dms_resize_axis dms_resize_axis_of(const dms_call *call, uint32_t k);

/* Channels that stand last and keep their number are part of the row: a picture [h, w, 3] is
 * resized as rows of 3 w columns, of which three follow each position. */
void dms_resize_join(const dms_call *call, dms_resize_joined *out);

#endif
