/* cpu_kernel.h - how kernels run on the CPU device.
 *
 * Reads    a checked call and the addresses of its operands.
 * Returns  outputs, bit for bit the same for every split into parts, thread and instruction set.
 * Cost     see each family; a part is small enough to balance threads, large enough to be worth
 *          claiming.
 * Source   none.
 * Not here who calls it: the engine's pool (runtime/cpu), and dmsc for constants (onnx/fold).
 */
#ifndef DMS_RUNTIME_KERNELS_CPU_KERNEL_H
#define DMS_RUNTIME_KERNELS_CPU_KERNEL_H

#include <stdatomic.h>

#include "runtime/kernels/kernel.h"

/* Fixed scratch of one thread; kernels that need more must use a workspace. */
#define DMS_CPU_SCRATCH_BYTES (4u << 20)

/* Everything one thread needs to run some parts of a call. */
typedef struct dms_cpu_job {
    const dms_call *call;
    void *const *operand; /* address of element 0 of each operand (view offset already applied) */
    void *workspace;      /* as large as the row says; shared by all parts */
    void *scratch;        /* DMS_CPU_SCRATCH_BYTES of this thread, 64-byte aligned, undefined */
    atomic_uint *index_error; /* set to 1 + operand when an index had to be clamped */
} dms_cpu_job;

/* One kernel on one instruction set. Parts are independent: they may run in any order, at the same
 * time, and no sum crosses a part. */
typedef struct dms_cpu_kernel {
    uint32_t id;
    uint64_t (*parts)(const dms_call *call);
    void (*run)(const dms_cpu_job *job, uint64_t first, uint64_t end);
} dms_cpu_kernel;

/* Instruction sets this build holds, weakest first. */
typedef enum dms_isa {
    DMS_ISA_BASE = 0,
    DMS_ISA_AVX2 = 1,
    DMS_ISA_AVX512 = 2, /* F, BW, DQ and VL */
    DMS_ISA_VNNI = 3,   /* and VNNI: kernels of bytes; the others are those of AVX512 */
    DMS_N_ISAS
} dms_isa;

/* The best instruction set of this machine. */
dms_isa dms_isa_detect(void);

/* The implementation of a kernel; NULL when this build has none. */
const dms_cpu_kernel *dms_cpu_kernel_find(uint32_t id, dms_isa isa);

/* Runs a whole checked call on the calling thread. `scratch` as in dms_cpu_job.
 * Errors   DMS_EDEVICE: this build cannot run it; DMS_EINPUT: an index is out of range. */
DMS_CHECKED dms_code dms_cpu_run(const dms_call *call, void *const *operand, void *workspace,
                                 void *scratch, dms_status *st);

#endif
