/* import_tensor.c - a TensorProto becomes a constant: a range of a file, or bytes in memory.
 *
 *     raw_data, packed float_data    a range of the model file; up to 256 bytes are read at once,
 *                                    since shape arithmetic will ask for them
 *     external data                  a range of another file, checked against its real size
 *     fields of numbers              converted; every element may take ten bytes in the file
 *
 * Whatever the form, the bytes must be exactly those that the dims want.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/files.h"
#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "schema/beneath.h"
#include "schema/checked.h"

#define RAW_FIELD 9u
#define FLOAT_FIELD 4u
#define DOUBLE_FIELD 10u

/* Names the tensor. */
static dms_code refuse(const dms_tensor *t, dms_status *st, const char *what) {
    return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': %s", t->name, what);
}

/* Sets dtype, dims and bytes. */
static dms_code set_shape(const Onnx__TensorProto *from, dms_tensor *t, dms_status *st) {
    if (from->n_dims > DMS_MAX_RANK)
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': rank %zu, at most %u", t->name,
                        from->n_dims, DMS_MAX_RANK);
    t->rank = (uint32_t)from->n_dims;
    t->has_shape = true;
    for (uint32_t k = 0; k < t->rank; k++) {
        if (from->dims[k] < 0)
            return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': dim %" PRId64 " on axis %u",
                            t->name, from->dims[k], (unsigned)k);
        t->dim[k] = (dms_dim){from->dims[k], from->dims[k]};
    }
    t->dtype = (dms_dtype)from->data_type;
    t->origin = DMS_ORIGIN_MADE;
    return dms_dtype_bytes((uint32_t)from->data_type) == 0 ? DMS_OK
                                                           : dms_tensor_bytes(t, &t->bytes, st);
}

/* Decimal digits and nothing else, within 63 bits. */
static bool parse_decimal(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (text[0] == 0)
        return false;
    for (const char *p = text; *p != 0; p++)
        if (*p < '0' || *p > '9' || !dms_mul(value, 10, &value) ||
            !dms_add(value, (uint64_t)(*p - '0'), &value) || value > INT64_MAX)
            return false;
    *out = value;
    return true;
}

/* The value of an external_data key; NULL when absent. */
static const char *external_key(const Onnx__TensorProto *from, const char *key) {
    for (size_t k = 0; k < from->n_external_data; k++)
        if (strcmp(dms_import_plain(from->external_data[k]->key), key) == 0)
            return dms_import_plain(from->external_data[k]->value);
    return NULL;
}

/* A range of another file. */
static dms_code take_external(dms_importer *im, const Onnx__TensorProto *from, dms_tensor *t,
                              dms_status *st) {
    const char *location = external_key(from, "location");
    const char *offset = external_key(from, "offset"), *length = external_key(from, "length");
    uint64_t bytes = t->bytes;
    t->offset = 0;
    if (location == NULL || location[0] == 0)
        return refuse(t, st, "external data without a location");
    if (offset != NULL && !parse_decimal(offset, &t->offset))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': offset '%.40s' in file '%.200s'",
                        t->name, offset, location);
    if (length != NULL && !parse_decimal(length, &bytes))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': length '%.40s' in file '%.200s'",
                        t->name, length, location);
    if (bytes != t->bytes)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "tensor '%.120s': %" PRIu64
                        " bytes in file '%.200s', its dims want %" PRIu64,
                        t->name, bytes, location, t->bytes);
    if (dms_file_index(im->graph, &im->files, location, &t->file, st) != DMS_OK)
        return dms_context(st, "tensor '%.120s'", t->name);
    dms_plan_file *file = &im->graph->file[t->file];
    const bool is_missing = im->graph->file_is_missing[t->file];
    if (!dms_range_fits(t->offset, bytes, is_missing ? INT64_MAX : file->bytes))
        return dms_fail(st, DMS_EIO,
                        "tensor '%.120s': %" PRIu64 " bytes at %" PRIu64 " of file '%.200s', which "
                        "has %" PRIu64,
                        t->name, bytes, t->offset, location, file->bytes);
    if (is_missing && t->offset + bytes > file->bytes)
        file->bytes = t->offset + bytes; /* what it must have at least when it comes */
    t->origin = DMS_ORIGIN_FILE;
    return DMS_OK;
}

/* Data inside the model file; what is small is read now. */
static dms_code take_range(dms_importer *im, const Onnx__TensorProto *from, dms_tensor *t,
                           dms_status *st) {
    uint32_t id = 0;
    if (from->raw_data.len != sizeof id)
        return refuse(t, st, "its data cannot be found");
    memcpy(&id, from->raw_data.data, sizeof id);
    if (id >= im->scan.n_ranges)
        return refuse(t, st, "its data cannot be found");
    const dms_scan_range *range = &im->scan.range[id];
    const bool fits = range->field == RAW_FIELD ||
                      (range->field == FLOAT_FIELD && t->dtype == DMS_DTYPE_F32) ||
                      (range->field == DOUBLE_FIELD && t->dtype == DMS_DTYPE_F64);
    if (!fits)
        return refuse(t, st, "its data are in a field for another data type");
    if (range->bytes != t->bytes)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "tensor '%.120s': %" PRIu64 " bytes of data, its dims want %" PRIu64,
                        t->name, range->bytes, t->bytes);
    t->file = 0;
    t->offset = range->offset;
    t->origin = DMS_ORIGIN_FILE;
    if (t->bytes > DMS_IMPORT_LOADED)
        return DMS_OK;
    uint8_t *data;
    DMS_TRY(dms_alloc_st(im->graph->arena, t->bytes, 1, "a small constant", &data, st));
    DMS_TRY(dms_read_at(im->fd, im->graph->model_file, t->offset, data, t->bytes, st));
    t->data = data;
    t->origin = DMS_ORIGIN_MADE;
    return DMS_OK;
}

/* Number of elements in the typed field of this data type. */
static size_t typed_count(const Onnx__TensorProto *from, dms_dtype dtype) {
    switch (dtype) {
    case DMS_DTYPE_F32:
        return from->n_float_data;
    case DMS_DTYPE_F64:
        return from->n_double_data;
    case DMS_DTYPE_I64:
        return from->n_int64_data;
    case DMS_DTYPE_U32:
    case DMS_DTYPE_U64:
        return from->n_uint64_data;
    case DMS_DTYPE_I32:
    case DMS_DTYPE_I16:
    case DMS_DTYPE_I8:
    case DMS_DTYPE_U16:
    case DMS_DTYPE_U8:
    case DMS_DTYPE_BOOL:
    case DMS_DTYPE_F16:
    case DMS_DTYPE_BF16:
        return from->n_int32_data;
    case DMS_DTYPE_NONE:
        break;
    }
    return 0;
}

/* Element k of the typed field, as the low bytes of a little-endian number. */
static uint64_t typed_bits(const Onnx__TensorProto *from, dms_dtype dtype, size_t k) {
    uint64_t bits = 0;
    if (dtype == DMS_DTYPE_F32)
        memcpy(&bits, &from->float_data[k], 4);
    else if (dtype == DMS_DTYPE_F64)
        memcpy(&bits, &from->double_data[k], 8);
    else if (dtype == DMS_DTYPE_I64)
        bits = (uint64_t)from->int64_data[k];
    else if (dtype == DMS_DTYPE_U32 || dtype == DMS_DTYPE_U64)
        bits = from->uint64_data[k];
    else
        bits = (uint64_t)(int64_t)from->int32_data[k];
    return bits;
}

/* Data in a field of numbers. */
static dms_code take_typed(dms_importer *im, const Onnx__TensorProto *from, dms_tensor *t,
                           dms_status *st) {
    const uint64_t element = dms_dtype_bytes(t->dtype), want = t->bytes / element;
    const size_t n = typed_count(from, t->dtype);
    if (n != want)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "tensor '%.120s': %zu values of data, its dims want %" PRIu64, t->name, n,
                        want);
    uint8_t *data;
    DMS_TRY(dms_alloc_st(im->graph->arena, t->bytes, 1, "a constant", &data, st));
    for (size_t k = 0; k < n; k++) {
        const uint64_t bits = typed_bits(from, t->dtype, k);
        memcpy(data + k * element, &bits, element);
    }
    t->data = data;
    return DMS_OK;
}

dms_code dms_import_constant(dms_importer *im, const Onnx__TensorProto *from, uint32_t id,
                             dms_status *st) {
    dms_tensor *t = &im->graph->tensor[id];
    DMS_TRY(set_shape(from, t, st));
    if (dms_dtype_bytes(t->dtype) == 0)
        return DMS_OK; /* refused where it is used, together with all others */
    if (from->segment != NULL)
        return refuse(t, st, "tensors in segments are not supported");
    if (from->has_data_location &&
        from->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return take_external(im, from, t, st);
    if (from->has_raw_data)
        return take_range(im, from, t, st);
    return take_typed(im, from, t, st);
}

dms_code dms_import_initializers(dms_importer *im, dms_scope *scope, const Onnx__GraphProto *from,
                                 dms_status *st) {
    if (from->n_sparse_initializer != 0)
        return dms_fail(st, DMS_EUNSUPPORTED, "the model has sparse initializers");
    for (size_t k = 0; k < from->n_initializer; k++) {
        uint32_t id;
        DMS_TRY(dms_import_add(im, scope, dms_import_plain(from->initializer[k]->name), &id, st));
        DMS_TRY(dms_import_constant(im, from->initializer[k], id, st));
    }
    return DMS_OK;
}
