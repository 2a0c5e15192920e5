/* device.h - what the engine asks of a device: the door to runtime/cpu (and other kinds later).
 *
 * Reads    offsets into two arenas, checked calls.
 * Returns  finished work: every function here is done when it returns.
 * Cost     the arenas are taken at open, exactly as large as the plan says; nothing later.
 * Source   none.
 * Not here when something may run (engine.c), where bytes come from (storage.h).
 */
#ifndef DMS_RUNTIME_DEVICE_H
#define DMS_RUNTIME_DEVICE_H

#include "runtime/kernels/kernel.h"
#include "schema/arena.h"
#include "schema/plan.h"

typedef struct dms_device dms_device;

/* What a device of any kind is opened with. */
typedef struct dms_device_options {
    uint64_t device_bytes, host_bytes; /* of the two arenas */
    uint32_t threads;                  /* compute threads, at least 1 */
    bool poison;
} dms_device_options;

/* One kernel call with the places of its operands, in bytes from the start of the device arena. */
typedef struct dms_device_call {
    const dms_call *call;
    uint64_t operand[DMS_MAX_OPERANDS]; /* of element 0, the view's offset included */
    uint64_t workspace, workspace_bytes;
    bool is_small; /* not worth a second thread */
} dms_device_call;

/* The functions of one kind of device. Each is called by one thread at a time. */
typedef struct dms_device_ops {
    const char *name;
    /* Runs a call to its end. `out_index_error` becomes 1 + operand when data held a bad index. */
    void (*call)(dms_device *device, const dms_device_call *call, uint32_t *out_index_error);
    /* Copies between memory of the host and the device arena. */
    void (*copy_in)(dms_device *device, uint64_t to, const void *from, uint64_t bytes);
    void (*copy_out)(dms_device *device, void *to, uint64_t from, uint64_t bytes);
    /* DMS_OK when this build can run the call. */
    dms_code (*can_run)(const dms_call *call, dms_status *st);
    void (*close)(dms_device *device);
} dms_device_ops;

/* What every kind begins with. */
struct dms_device {
    const dms_device_ops *ops;
    uint8_t *device_arena; /* NULL where the host cannot write it */
    uint8_t *host_arena;
    uint64_t device_bytes, host_bytes;
    uint64_t overhead_bytes; /* beside the arenas */
};

/* Copies in host memory: past the caches when it is large.
 * Source   MACHINE-FACTS 4: stream stores with nta prefetch reach 23 GB/s, memcpy 13. */
void dms_host_copy(void *to, const void *from, uint64_t bytes);

#endif
