/* fuse_internal.h - what the files of `fuse` share: two calls become one. Not a door.
 *
 * Reads    a producer and its only reader.
 * Returns  the call that does the work of both.
 * Cost     O(operands^2 + instructions).
 * Source   none.
 * Not here which pairs are joined, and where the joint call stands (fuse.c).
 */
#ifndef DMS_ONNX_FUSE_INTERNAL_H
#define DMS_ONNX_FUSE_INTERNAL_H

#include "onnx/graph.h"

/* Joins `producer`, which writes the whole of `storage` and nothing else, with `reader`, all of
 * whose uses of it are counted. Either may be a chain or a kernel that can carry one, not both. The
 * joint call lives in graph->arena.
 * Errors   *out_done false: they have no chain together; DMS_EINTERNAL (memory). */
DMS_CHECKED dms_code dms_fuse_join(const dms_graph *graph, const dms_lowered_call *producer,
                                   const dms_lowered_call *reader, uint32_t storage,
                                   dms_lowered_call *out, bool *out_done, dms_status *st);

/* Whether the call is element-wise, or carries what follows it. */
bool dms_fuse_is_element_wise(const dms_call *call);

#endif
