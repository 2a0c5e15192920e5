/* protobuf_file.c - models and tensors of the node tests. */
#include "protobuf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Largest tensor of a test. The files of sequences look like tensors with wild dims. */
#define MOST_BYTES (UINT64_C(1) << 30)

/* A whole file; NULL when it cannot be read. The caller frees it. */
static uint8_t *read_bytes(const char *path, size_t *out_size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    uint8_t *bytes = NULL;
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        bytes = malloc((size_t)size + 1);
        if (bytes != NULL && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
            free(bytes);
            bytes = NULL;
        }
    }
    (void)fclose(file);
    *out_size = bytes == NULL ? 0 : (size_t)size;
    return bytes;
}

Onnx__ModelProto *file_read_model(const char *path) {
    size_t size = 0;
    uint8_t *bytes = read_bytes(path, &size);
    Onnx__ModelProto *model = bytes == NULL ? NULL : onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    return model;
}

Onnx__TensorProto *file_read_tensor(const char *path) {
    size_t size = 0;
    uint8_t *bytes = read_bytes(path, &size);
    Onnx__TensorProto *tensor =
        bytes == NULL ? NULL : onnx__tensor_proto__unpack(NULL, size, bytes);
    free(bytes);
    return tensor;
}

/* Element k of the typed fields as its little-endian bits. */
static uint64_t typed_bits(const Onnx__TensorProto *proto, dms_dtype dtype, uint64_t k) {
    uint64_t bits = 0;
    if (dtype == DMS_DTYPE_F32 && k < proto->n_float_data)
        memcpy(&bits, &proto->float_data[k], 4);
    else if (dtype == DMS_DTYPE_F64 && k < proto->n_double_data)
        memcpy(&bits, &proto->double_data[k], 8);
    else if (dtype == DMS_DTYPE_I64 && k < proto->n_int64_data)
        bits = (uint64_t)proto->int64_data[k];
    else if ((dtype == DMS_DTYPE_U64 || dtype == DMS_DTYPE_U32) && k < proto->n_uint64_data)
        bits = proto->uint64_data[k];
    else if (k < proto->n_int32_data)
        bits = (uint64_t)(int64_t)proto->int32_data[k];
    return bits;
}

bool file_tensor_of(const Onnx__TensorProto *proto, dms_arena *arena, file_tensor *out) {
    dms_view view;
    const dms_dtype dtype = (dms_dtype)proto->data_type;
    if (proto->data_type < 0 || proto->n_dims > DMS_MAX_RANK ||
        !dms_view_dense(dtype, (uint32_t)proto->n_dims, proto->dims, &view) ||
        dms_view_bytes(&view) > MOST_BYTES)
        return false;
    *out = (file_tensor){.dtype = dtype, .rank = view.rank, .bytes = dms_view_bytes(&view)};
    memcpy(out->dim, view.dim, sizeof out->dim);
    const uint64_t count = (uint64_t)dms_view_count(&view), size = dms_dtype_bytes(dtype);
    uint8_t *data = dms_alloc(arena, out->bytes, 1);
    if (data == NULL)
        return false;
    if (out->bytes != 0 && proto->has_raw_data && proto->raw_data.len == out->bytes)
        memcpy(data, proto->raw_data.data, (size_t)out->bytes);
    else
        for (uint64_t k = 0; k < count; k++) {
            const uint64_t bits = typed_bits(proto, dtype, k);
            memcpy(data + k * size, &bits, (size_t)size);
        }
    out->data = data;
    return true;
}

void file_add_constant(Onnx__ModelProto *model, const char *name, const char *path) {
    Onnx__TensorProto *tensor = file_read_tensor(path);
    Onnx__GraphProto *graph = model->graph;
    Onnx__TensorProto **list =
        realloc(graph->initializer, (graph->n_initializer + 1) * sizeof *list);
    if (tensor == NULL || list == NULL)
        abort();
    if (tensor->name != NULL && tensor->name != (char *)protobuf_c_empty_string)
        free(tensor->name);
    tensor->name = strdup(name);
    list[graph->n_initializer++] = tensor;
    graph->initializer = list;
}

bool file_write_model(const Onnx__ModelProto *model, const char *path) {
    const size_t size = onnx__model_proto__get_packed_size(model);
    uint8_t *bytes = malloc(size + 1);
    FILE *file = fopen(path, "wb");
    bool is_written = false;
    if (bytes != NULL && file != NULL) {
        (void)onnx__model_proto__pack(model, bytes);
        is_written = fwrite(bytes, 1, size, file) == size;
    }
    if (file != NULL && fclose(file) != 0)
        is_written = false;
    free(bytes);
    return is_written;
}
