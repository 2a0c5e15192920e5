/* cuda_device.h - an NVIDIA card as a device: three streams behind device.h.
 *
 * Reads    sizes of the arenas, the entry points of CUDA.
 * Returns  a dms_device with streams.
 * Cost     one allocation on the card, one locked range of the host, three streams, a page of
 *          counters and index words, 512 timed events per stream; all at open.
 * Source   MACHINE-FACTS 6; the CUDA API references.
 * Not here kernels (cuda_kernel.h), what waits for what (engine_streams.c, the plan).
 *
 *     counter[q]   pinned, mapped: stream q writes, streams wait, the host reads; the host raises
 *                  those of its own queues
 *
 * Where a card has no 64-bit waits on streams, events take their place and the host waits for its
 * own queues before it submits: `awaits_host` is false, and `note` says so.
 */
#ifndef DMS_RUNTIME_CUDA_CUDA_DEVICE_H
#define DMS_RUNTIME_CUDA_CUDA_DEVICE_H

#include "schema/arena.h"

typedef struct dms_cuda_api dms_cuda_api; /* cuda_api.h */
typedef struct dms_device dms_device;     /* device.h */
typedef struct dms_device_options dms_device_options;

/* Is there a driver, and a card of this number that runs plans? Takes nothing and loads nothing.
 * Errors   DMS_EDEVICE: no driver or an old one, no card or an old one; DMS_EINTERNAL. */
DMS_CHECKED dms_code dms_cuda_device_find(int ordinal, const dms_cuda_api *api, dms_status *st);

/* Opens a card.
 * Owner    the device lives in `arena`; its `close` gives back all else. `api` must outlive it.
 * Errors   DMS_EDEVICE: no driver or an old one, no card or an old one, too little free memory,
 *          what CUDA refused; DMS_EINTERNAL: out of memory. Nothing is left behind. */
DMS_CHECKED dms_code dms_cuda_device_open(const dms_device_options *options,
                                          const dms_cuda_api *api, dms_arena *arena,
                                          dms_device **out_device, dms_status *st);

#endif
