/* cpu_device.h - the CPU as a device: both arenas are memory of this process.
 *
 * Reads    sizes of the arenas and a thread count.
 * Returns  a dms_device (device.h).
 * Cost     one mmap per arena of exactly its size, 4 MiB of scratch per thread, one thread less
 *          than asked for; pages become resident when they are first written.
 * Source   none.
 * Not here the kernels (runtime/kernels), the queues (engine.c).
 */
#ifndef DMS_RUNTIME_CPU_CPU_DEVICE_H
#define DMS_RUNTIME_CPU_CPU_DEVICE_H

#include "runtime/device.h"

/* Opens the CPU device.
 * Owner    the device lives in `arena`; its `close` gives arenas and threads back.
 * Errors   DMS_EDEVICE: the memory cannot be had; DMS_EINTERNAL: no threads. */
DMS_CHECKED dms_code dms_cpu_device_open(const dms_device_options *options, dms_arena *arena,
                                         dms_device **out_device, dms_status *st);

#endif
