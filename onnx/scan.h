/* scan.h - a model file without its weights: what protobuf-c is given to parse.
 *
 * Reads    the model through a window of 64 KiB.
 * Returns  a slim copy of the messages this compiler uses; tensor data are byte ranges of the file.
 * Cost     one pass; memory of the slim copy (a 400 MB model: 1.5 KB).
 * Source   Protocol Buffers encoding; ONNX IR specification (onnx.proto).
 * Not here what the messages mean (import.c).
 *
 * In the slim copy `raw_data` of a tensor holds 4 bytes: an index into the table of ranges, little
 * endian. Packed float_data and double_data are such ranges too, since their encoding is the data.
 * Documentation, metadata, intermediate shapes, sequence and map types are dropped.
 */
#ifndef DMS_ONNX_SCAN_H
#define DMS_ONNX_SCAN_H

#include <stdint.h>

#include "schema/arena.h"

#define DMS_SCAN_LEVELS 256u         /* deepest nesting of messages */
#define DMS_SCAN_MESSAGES (1u << 22) /* most messages in one model */

/* Where the data of one tensor lie in the model file. `field` is raw_data (9), float_data (4) or
 * double_data (10) of TensorProto. */
typedef struct dms_scan_range {
    uint64_t offset, bytes;
    uint32_t field;
} dms_scan_range;

typedef struct dms_scan {
    uint8_t *slim;
    uint32_t n_slim, cap_slim;
    dms_scan_range *range;
    uint32_t n_ranges, cap_ranges;
} dms_scan;

/* Scans the open file `name` of `bytes` bytes.
 * Owner    everything lives in `scratch`.
 * Errors   DMS_EUNSUPPORTED naming the file and byte: no model, nested too deep, too many messages;
 *          DMS_EIO. */
DMS_CHECKED dms_code dms_scan_file(int fd, const char *name, uint64_t bytes, dms_arena *scratch,
                                   dms_scan *out, dms_status *st);

#endif
