/* rewrite.h - what exporters take apart is put together again.
 *
 * Reads    a graph whose shapes are known and whose constants are folded.
 * Returns  the same function in fewer, larger operators.
 * Cost     O(nodes x longest pattern).
 * Source   none; the patterns are those that exporters write.
 * Not here what the operators mean (onnx/ops).
 */
#ifndef DMS_ONNX_REWRITE_H
#define DMS_ONNX_REWRITE_H

#include "onnx/fold.h"
#include "onnx/order.h"

/* Applies every rewrite and removes what is left without use. `folder` folds nodes that are made.
 * Errors   DMS_EINTERNAL: out of memory. A pattern that does not match is no error. */
DMS_CHECKED dms_code dms_rewrite(dms_graph *graph, dms_folder *folder, dms_arena *scratch,
                                 dms_status *st);

#endif
