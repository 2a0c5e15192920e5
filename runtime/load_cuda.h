/* load_cuda.h - finds libdms_cuda when a plan for CUDA runs.
 *
 * Reads    the dynamic linker's folders, then that of this library or program.
 * Returns  a device of kind cuda.
 * Cost     the library stays loaded: its kernels are known to CUDA until the process ends.
 * Source   dlopen(3).
 * Not here the device (cuda/cuda_device.h).
 *
 * Nothing else of the project, and no run on the CPU, needs a library of CUDA.
 */
#ifndef DMS_RUNTIME_LOAD_CUDA_H
#define DMS_RUNTIME_LOAD_CUDA_H

#include "runtime/device.h"

/* Loads libdms_cuda.so of this version and asks it for driver and card, before a plan is looked at.
 * `context` is not used.
 * Errors   DMS_EDEVICE: it is not there, of another version; those of dms_cuda_device_find. */
dms_code dms_cuda_find(void *context, int ordinal, dms_status *st);

/* Loads libdms_cuda.so of this version and opens a card through it. `context` is not used.
 * Errors   DMS_EDEVICE: it is not there, of another version; those of dms_cuda_device_open. */
dms_code dms_cuda_load(void *context, const dms_device_options *options, dms_arena *arena,
                       dms_device **out_device, dms_status *st);

#endif
