/* npy.h - tensors in files: .npy, .npz, ONNX TensorProto (.pb).
 *
 * Reads    .npy versions 1 to 3 (little-endian, C or Fortran order), members of an .npz that is
 *          not compressed, one TensorProto with its data inside.
 * Returns  a view, then the elements in row-major order, straight into the caller's memory.
 * Cost     O(bytes), a window of 8 KiB; nothing is taken because a file says so.
 * Source   numpy.lib.format; PKZIP APPNOTE 4.3; onnx.proto, TensorProto.
 * Not here what a tensor must look like (dmsrun.c).
 */
#ifndef DMS_RUNTIME_NPY_H
#define DMS_RUNTIME_NPY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "schema/status.h"
#include "schema/view.h"

/* How the elements are stored. */
typedef enum dms_array_coding {
    DMS_ARRAY_RAW,     /* as in memory */
    DMS_ARRAY_FORTRAN, /* as in memory, first axis fastest */
    DMS_ARRAY_VARINT   /* one protobuf varint each */
} dms_array_coding;

/* An array in an open file. */
typedef struct dms_array {
    dms_view view; /* dense row-major: as dms_array_read delivers it */
    dms_array_coding coding;
    int fd;
    uint64_t offset, bytes; /* of the stored elements */
    const char *path;
} dms_array;

/* Opens a file and reads what it holds. `member` names the array inside an .npz ("x" for x.npy);
 * the only member is taken under any name. `path` must outlive the array.
 * Errors   DMS_EIO: cannot be read; DMS_EINPUT: not an array, damaged, or not supported. */
DMS_CHECKED dms_code dms_array_open(const char *path, const char *member, dms_array *out,
                                    dms_status *st);

/* Reads all elements.
 * Shapes   `to` holds dms_view_bytes(&array->view) bytes.
 * Errors   DMS_EIO, DMS_EINPUT as above. */
DMS_CHECKED dms_code dms_array_read(const dms_array *array, void *to, dms_status *st);

/* Closes the file. */
void dms_array_close(dms_array *array);

/* Writes a dense array as .npy version 1; a failure shows in the stream. */
void dms_array_print(const dms_view *view, const void *data, FILE *out);

/* Writes a dense array as .npy version 1, whole or not at all. bf16 is stored as <u2.
 * Errors   DMS_EIO with path and reason. */
DMS_CHECKED dms_code dms_array_write(const char *path, const dms_view *view, const void *data,
                                     dms_status *st);

#endif
