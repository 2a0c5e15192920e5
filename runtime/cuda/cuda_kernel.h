/* cuda_kernel.h - how kernels run on a CUDA device: what the device layer asks of its kernels.
 *
 * Reads    a checked call, device addresses of its operands, a stream.
 * Returns  work put onto the stream; it has not run when these functions return.
 * Cost     all that allocates, loads, chooses or takes long belongs into open and prepare: between
 *          the first and the last command nothing is allocated and the host never waits.
 * Source   none.
 * Not here streams, arenas, waits (cuda_device.h); what a kernel computes (runtime/kernels).
 *
 * Threads  open, prepare and close run on the thread that opens the device, enqueue on the one that
 *          submits. The card is current on both. Nothing here touches another stream.
 * Bits     depend on the call alone (docs/add-a-device.md, section 4).
 */
#ifndef DMS_RUNTIME_CUDA_CUDA_KERNEL_H
#define DMS_RUNTIME_CUDA_CUDA_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "runtime/kernels/kernel.h"
#include "schema/arena.h"

/* Handles and tables of the libraries (cuBLASLt, cuDNN), private to runtime/cuda/kernels. */
typedef struct dms_cuda_libraries dms_cuda_libraries;

/* What is known of the card when kernels are asked about it. */
typedef struct dms_cuda_card {
    char name[128];
    int ordinal;               /* as in cuda:N */
    int major, minor;          /* compute capability */
    int driver_version, n_sms; /* 13000 = CUDA 13.0; multiprocessors */
    uint64_t total_bytes;      /* of its memory */
    bool has_stream_values;    /* 64-bit waits and writes on streams */
    bool has_cufile;           /* NVIDIA's direct storage, its library and its kernel module */
    int numa_node;             /* of the host, next to the card; -1: not told */
} dms_cuda_card;

/* One call to enqueue. */
typedef struct dms_cuda_job {
    const dms_call *call;
    void *const
        *operand;    /* device address of element 0 of each operand, the view's offset included */
    void *workspace; /* as large as the row says for DMS_DEVICE_CUDA; 256-byte aligned */
    uint64_t workspace_bytes;
    void *stream; /* cudaStream_t */
    uint32_t
        *index_error; /* as the card sees it; 0. A kernel that clamps an index stores 1 + operand */
    dms_cuda_libraries *libraries;
    void *state; /* what prepare made of this call; NULL without */
} dms_cuda_job;

/* One kernel on CUDA. */
typedef struct dms_cuda_kernel {
    uint32_t id; /* dms_kernel_id of catalogue.h */
    /* DMS_OK when the card runs this checked call; else DMS_EDEVICE: kernel, type and card. */
    dms_code (*can_run)(const dms_call *call, const dms_cuda_card *card, dms_status *st);
    /* Once per distinct call of a plan, at open: loads the kernel's code onto the card, asks the
     * library for its algorithm. NULL: nothing to do. `call` outlives the device. */
    dms_code (*prepare)(dms_cuda_libraries *libraries, const dms_call *call, dms_arena *arena,
                        void **out_state, dms_status *st);
    /* Puts the call onto job->stream.
     * Errors   DMS_EDEVICE with the name of what CUDA or the library refused. */
    dms_code (*enqueue)(const dms_cuda_job *job, dms_status *st);
} dms_cuda_kernel;

/* The implementation of a kernel; NULL when this build has none. */
const dms_cuda_kernel *dms_cuda_kernel_find(uint32_t id);

/* Makes what the kernels share. A library is loaded by the first `prepare` that needs it.
 * Owner    the struct lives in `arena`; dms_cuda_libraries_close gives back what it holds.
 * Errors   DMS_EDEVICE naming the library and what it said. */
DMS_CHECKED dms_code dms_cuda_libraries_open(const dms_cuda_card *card, dms_arena *arena,
                                             dms_cuda_libraries **out_libraries, dms_status *st);

/* Runs a call of each algorithm that a library chose, on whatever lies in the device arena, so that
 * no turn is the one that loads a library's kernel: CUDA loads it with its first launch.
 * Overwrites up to `bytes` from `memory` on; calls for which these are too few are left out.
 * Errors   DMS_EDEVICE naming the call that the library refused. */
DMS_CHECKED dms_code dms_cuda_libraries_warm(dms_cuda_libraries *libraries, uint64_t memory,
                                             uint64_t bytes, void *stream, dms_status *st);

/* Bytes of host and device that the libraries hold beside the arenas, as far as they count. */
uint64_t dms_cuda_libraries_bytes(const dms_cuda_libraries *libraries);

/* What a user may want to know of them, once calls are prepared; "" for nothing. */
const char *dms_cuda_libraries_note(dms_cuda_libraries *libraries);

/* Gives all handles back. NULL is allowed, and a card that is lost. */
void dms_cuda_libraries_close(dms_cuda_libraries *libraries);

#ifdef __cplusplus
}
#endif

#endif
