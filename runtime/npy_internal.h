/* npy_internal.h - shared by npy.c, npz.c, tensor_pb.c. */
#ifndef DMS_RUNTIME_NPY_INTERNAL_H
#define DMS_RUNTIME_NPY_INTERNAL_H

#include "runtime/npy.h"

/* Reads exactly `bytes` at `offset`.
 * Errors   DMS_EIO; DMS_EINPUT when the file ends before. */
DMS_CHECKED dms_code dms_array_pread(const dms_array *array, uint64_t offset, void *to,
                                     uint64_t bytes, dms_status *st);

/* "<path>: <why>" with DMS_EINPUT. */
dms_code dms_array_refuse(const dms_array *array, dms_status *st, const char *fmt, ...)
    DMS_FORMAT(3, 4);

/* Reads the header of .npy data that fills [offset, end) of the file. */
DMS_CHECKED dms_code dms_npy_header(dms_array *array, uint64_t offset, uint64_t end,
                                    dms_status *st);

/* Finds `member` in an .npz of `size` bytes and reads its header. */
DMS_CHECKED dms_code dms_npz_header(dms_array *array, uint64_t size, const char *member,
                                    dms_status *st);

/* Reads a TensorProto of `size` bytes but for its data. */
DMS_CHECKED dms_code dms_pb_header(dms_array *array, uint64_t size, dms_status *st);

/* Decodes the data of a TensorProto that are varints. */
DMS_CHECKED dms_code dms_pb_read_varints(const dms_array *array, void *to, dms_status *st);

#endif
