/* cuda_open.h - the one symbol that libdms_cuda.so exports.
 *
 * Reads    nothing.
 * Returns  its version, and the functions that look for a card and open it.
 * Cost     none.
 * Source   none.
 * Not here who looks for the library (load_cuda.h).
 */
#ifndef DMS_RUNTIME_CUDA_CUDA_OPEN_H
#define DMS_RUNTIME_CUDA_CUDA_OPEN_H

#include "runtime/device.h"

typedef struct dms_cuda_library {
    const char *version;   /* DMS_VERSION */
    uint64_t struct_bytes; /* of dms_device_options */
    /* Driver and card, before a plan is looked at. */
    dms_code (*find)(int ordinal, dms_status *st);
    dms_code (*open)(const dms_device_options *options, dms_arena *arena, dms_device **out_device,
                     dms_status *st);
} dms_cuda_library;

extern const dms_cuda_library dms_cuda_library_entry;

#endif
