/* tensor_pb.c - an ONNX TensorProto, read field by field through a small window. */
#include <inttypes.h>
#include <string.h>

#include "runtime/npy_internal.h"
#include "schema/checked.h"

#define WINDOW_BYTES 4096u

/* Field numbers of TensorProto, and how protobuf writes them. */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    FLOATS = 4,
    INT32S = 5,
    INT64S = 7,
    RAW = 9,
    DOUBLES = 10,
    UINT64S = 11,
    LOCATION = 14
};
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A place in the file, with what was read around it. */
typedef struct reader {
    const dms_array *array;
    uint64_t at, end;
    uint64_t window_at; /* of window[0] in the file */
    uint32_t window_bytes;
    uint8_t window[WINDOW_BYTES];
    dms_status *st;
} reader;

/* The window is refilled where reading goes on: skipped data are never read. */
static dms_code next_byte(reader *r, uint8_t *out) {
    if (r->at >= r->end)
        return dms_array_refuse(r->array, r->st, "the TensorProto is cut short");
    if (r->at < r->window_at || r->at - r->window_at >= r->window_bytes) {
        const uint64_t left = r->end - r->at;
        const uint32_t n = left < WINDOW_BYTES ? (uint32_t)left : WINDOW_BYTES;
        DMS_TRY(dms_array_pread(r->array, r->at, r->window, n, r->st));
        r->window_at = r->at;
        r->window_bytes = n;
    }
    *out = r->window[r->at - r->window_at];
    r->at++;
    return DMS_OK;
}

/* Up to ten bytes of seven bits, lowest first; the tenth holds one bit. */
static dms_code next_varint(reader *r, uint64_t *out) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        uint8_t byte = 0;
        DMS_TRY(next_byte(r, &byte));
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return DMS_OK;
        }
    }
    return dms_array_refuse(r->array, r->st, "the TensorProto has a number of more than 64 bits");
}

/* What was found of the tensor. */
typedef struct tensor {
    uint32_t rank;
    int64_t dim[DMS_MAX_RANK];
    uint64_t data_type;
    uint32_t data_field; /* 0: none yet */
    uint64_t offset, bytes;
} tensor;

/* Dims come one by one or packed. */
static dms_code add_dim(reader *r, tensor *t) {
    uint64_t dim;
    DMS_TRY(next_varint(r, &dim));
    if (t->rank == DMS_MAX_RANK)
        return dms_array_refuse(r->array, r->st, "more than %u dims", DMS_MAX_RANK);
    if (dim > INT64_MAX)
        return dms_array_refuse(r->array, r->st, "a negative dim");
    t->dim[t->rank++] = (int64_t)dim;
    return DMS_OK;
}

/* Packed dims, none of which may go on where the field has ended. */
static dms_code read_packed_dims(reader *r, uint64_t bytes, tensor *t) {
    const uint64_t end = r->end;
    r->end = r->at + bytes;
    while (r->at < r->end)
        DMS_TRY(add_dim(r, t));
    r->end = end;
    return DMS_OK;
}

/* A field with a length: packed dims, the data, or something to skip. */
static dms_code read_bytes_field(reader *r, uint32_t field, tensor *t) {
    uint64_t bytes;
    DMS_TRY(next_varint(r, &bytes));
    if (bytes > r->end - r->at)
        return dms_array_refuse(r->array, r->st, "the TensorProto is cut short");
    const uint64_t begin = r->at;
    if (field == DIMS)
        return read_packed_dims(r, bytes, t);
    const bool is_data = field == FLOATS || field == INT32S || field == INT64S || field == RAW ||
                         field == DOUBLES || field == UINT64S;
    if (is_data && t->data_field != 0)
        return dms_array_refuse(r->array, r->st, "the TensorProto holds its data twice");
    if (is_data) {
        t->data_field = field;
        t->offset = begin;
        t->bytes = bytes;
    }
    r->at = begin + bytes;
    return DMS_OK;
}

/* A single number. */
static dms_code read_number_field(reader *r, uint32_t field, tensor *t) {
    if (field == DIMS)
        return add_dim(r, t);
    uint64_t value;
    DMS_TRY(next_varint(r, &value));
    if (field == DATA_TYPE)
        t->data_type = value;
    if (field == LOCATION && value != 0)
        return dms_array_refuse(r->array, r->st, "its data lie in another file");
    if (field == INT32S || field == INT64S || field == UINT64S)
        return dms_array_refuse(r->array, r->st, "its data are not packed");
    return DMS_OK;
}

/* Unknown fields are skipped by their length. */
static dms_code read_field(reader *r, tensor *t) {
    uint64_t key;
    DMS_TRY(next_varint(r, &key));
    const uint32_t field = key >> 3 > 1000 ? 1000 : (uint32_t)(key >> 3);
    const uint32_t wire = key & 7;
    if (wire == WIRE_VARINT)
        return read_number_field(r, field, t);
    if (wire == WIRE_BYTES)
        return read_bytes_field(r, field, t);
    const uint32_t fixed = wire == WIRE_32 ? 4 : wire == WIRE_64 ? 8 : 0;
    if (fixed == 0 || field == FLOATS || field == DOUBLES || fixed > r->end - r->at)
        return dms_array_refuse(r->array, r->st, "not a TensorProto, or a damaged one");
    r->at += fixed;
    return DMS_OK;
}

/* The field that holds elements of this type when they are not raw bytes. */
static uint32_t field_of(dms_dtype dtype) {
    if (dtype == DMS_DTYPE_F32)
        return FLOATS;
    if (dtype == DMS_DTYPE_F64)
        return DOUBLES;
    if (dtype == DMS_DTYPE_I64)
        return INT64S;
    return dtype == DMS_DTYPE_U32 || dtype == DMS_DTYPE_U64 ? UINT64S : INT32S;
}

dms_code dms_pb_header(dms_array *array, uint64_t size, dms_status *st) {
    reader r = {.array = array, .end = size, .st = st};
    tensor t = {0};
    while (r.at < r.end)
        DMS_TRY(read_field(&r, &t));
    const uint32_t dtype = t.data_type > 1000 ? 1000 : (uint32_t)t.data_type;
    if (dms_dtype_bytes(dtype) == 0)
        return dms_array_refuse(array, st, "element type %s is not supported",
                                dms_dtype_name(dtype));
    if (!dms_view_dense((dms_dtype)dtype, t.rank, t.dim, &array->view))
        return dms_array_refuse(array, st, "its shape is too large");
    const uint64_t wanted = dms_view_bytes(&array->view);
    const uint32_t own = field_of((dms_dtype)dtype);
    const bool is_plain = t.data_field == RAW || own == FLOATS || own == DOUBLES;
    if (t.data_field != RAW && t.data_field != own && wanted != 0)
        return dms_array_refuse(array, st, "the TensorProto holds no data of its type");
    if (is_plain && t.bytes != wanted)
        return dms_array_refuse(array, st,
                                "it holds %" PRIu64 " bytes of data, its dims want %" PRIu64,
                                t.bytes, wanted);
    if (!is_plain && wanted / dms_dtype_bytes(dtype) > t.bytes) /* an element takes a byte */
        return dms_array_refuse(array, st, "it holds fewer elements than its dims want");
    array->offset = t.offset;
    array->bytes = t.bytes;
    array->coding = is_plain ? DMS_ARRAY_RAW : DMS_ARRAY_VARINT;
    return DMS_OK;
}

dms_code dms_pb_read_varints(const dms_array *array, void *to, dms_status *st) {
    reader r = {.array = array, .at = array->offset, .end = array->offset + array->bytes, .st = st};
    const uint64_t size = dms_dtype_bytes(array->view.dtype);
    const int64_t n = dms_view_count(&array->view);
    for (int64_t i = 0; i < n; i++) {
        uint64_t value;
        DMS_TRY(next_varint(&r, &value));
        memcpy((uint8_t *)to + (uint64_t)i * size, &value, (size_t)size);
    }
    if (r.at != r.end)
        return dms_array_refuse(array, st, "it holds more elements than its dims want");
    return DMS_OK;
}
