/* dims_from.h - the dims of inputs that lie in a folder as input_0, input_1, ...
 *
 * Reads    input_<i>.npy or input_<i>.pb (ONNX's test_data_set layout), the headers alone.
 * Returns  dims per input, in the order of the model's inputs.
 * Cost     a few hundred bytes per file.
 * Source   the NPY format; TensorProto of onnx.proto (field 1: dims).
 * Not here the data (runtime/npy.h, runtime/tensor_pb.c), what the dims mean (onnx/dims.h).
 */
#ifndef DMS_PLANNER_DIMS_FROM_H
#define DMS_PLANNER_DIMS_FROM_H

#include <stdint.h>

#include "schema/status.h"

typedef struct dms_arena dms_arena;           /* schema/arena.h */
typedef struct dms_input_dims dms_input_dims; /* onnx/graph.h */

/* Reads the dims of input_0, input_1, ... up to the first that is not there.
 * Owner    *out lives in `arena`.
 * Errors   DMS_EIO: no input_0, or a file that cannot be read; DMS_EINPUT: a file that is none of
 *          the two formats, naming it. */
DMS_CHECKED dms_code dms_dims_from(const char *folder, dms_arena *arena, dms_input_dims **out,
                                   uint32_t *out_n, dms_status *st);

#endif
