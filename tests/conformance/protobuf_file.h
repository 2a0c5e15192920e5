/* protobuf_file.h - ONNX files as the node tests have them: models and tensors.
 *
 * Reads    model.onnx, input_N.pb, output_N.pb.
 * Returns  tensors with dense bytes; models with some inputs turned into constants.
 * Cost     O(bytes).
 * Source   ONNX IR specification.
 * Not here how dms reads a model (onnx/read.c).
 */
#ifndef DMS_TESTS_CONFORMANCE_PROTOBUF_FILE_H
#define DMS_TESTS_CONFORMANCE_PROTOBUF_FILE_H

#include <stdbool.h>

#include "onnx/onnx.pb-c.h"
#include "schema/arena.h"
#include "schema/dtype.h"
#include "schema/view.h"

/* A tensor of a file: `data` is dense and little endian. */
typedef struct file_tensor {
    dms_dtype dtype;
    uint32_t rank;
    int64_t dim[DMS_MAX_RANK];
    uint64_t bytes;
    const void *data;
} file_tensor;

/* The model of a file; NULL when it is none. Free with onnx__model_proto__free_unpacked. */
Onnx__ModelProto *file_read_model(const char *path);

/* The tensor message of a file; NULL when there is no such file or it holds something else. */
Onnx__TensorProto *file_read_tensor(const char *path);

/* Its numbers, in `arena`; false for strings and types that dms does not know. */
bool file_tensor_of(const Onnx__TensorProto *proto, dms_arena *arena, file_tensor *out);

/* Adds a copy of the tensor to the model as initializer of this name; the model keeps it. */
void file_add_constant(Onnx__ModelProto *model, const char *name, const char *path);

/* Writes a model. */
bool file_write_model(const Onnx__ModelProto *model, const char *path);

#endif
