/* cpu_device.c - arenas by mmap, calls by the pool, copies by dms_host_copy. */
#include "runtime/cpu/cpu_device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/cpu/pool.h"
#include "runtime/kernels/cpu_kernel.h"

#define POISON 0xff /* a NaN in every floating type, -1 in every signed one */

typedef struct cpu_device {
    dms_device base;
    dms_pool *pool;
    dms_isa isa;
    uint8_t *scratch; /* n_threads x DMS_CPU_SCRATCH_BYTES */
    uint64_t scratch_bytes;
    bool poison;
} cpu_device;

/* A kernel call under way: what all its threads share. */
typedef struct call_run {
    const cpu_device *device;
    const dms_cpu_kernel *kernel;
    dms_cpu_job job; /* but for the scratch */
} call_run;

/* Runs parts on one thread of the pool, with the scratch of that thread. */
static void run_part(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    const call_run *run = context;
    dms_cpu_job job = run->job;
    job.scratch = run->device->scratch + (uint64_t)thread * DMS_CPU_SCRATCH_BYTES;
    run->kernel->run(&job, first, end);
}

/* Addresses instead of offsets, then the pool. Everything lives on the stack of the compute queue:
 * it does not return before the last part. */
static void cpu_call(dms_device *base, const dms_device_call *call, uint32_t *out_index_error) {
    cpu_device *device = (cpu_device *)base;
    void *operand[DMS_MAX_OPERANDS];
    for (uint32_t k = 0; k < call->call->n_in + call->call->n_out; k++)
        operand[k] = base->device_arena + call->operand[k];
    uint8_t *workspace = call->workspace_bytes == 0 ? NULL : base->device_arena + call->workspace;
    if (device->poison && workspace != NULL)
        memset(workspace, POISON, (size_t)call->workspace_bytes);
    atomic_uint index_error = 0;
    call_run run = {.device = device,
                    .kernel = dms_cpu_kernel_find(call->call->kernel, device->isa),
                    .job = {.call = call->call,
                            .operand = operand,
                            .workspace = workspace,
                            .index_error = &index_error}};
    const uint64_t n_parts = run.kernel->parts(call->call);
    if (call->is_small)
        run_part(&run, 0, 0, n_parts);
    else
        dms_pool_run(device->pool, &(dms_pool_job){run_part, &run, n_parts});
    *out_index_error = atomic_load(&index_error);
}

/* Both arenas are memory of this process: a copy is a copy. */
static void cpu_copy_in(dms_device *base, uint64_t to, const void *from, uint64_t bytes) {
    dms_host_copy(base->device_arena + to, from, bytes);
}

/* The same the other way. */
static void cpu_copy_out(dms_device *base, void *to, uint64_t from, uint64_t bytes) {
    dms_host_copy(to, base->device_arena + from, bytes);
}

/* A row may exist for planning while this build has no code for the element type. */
static dms_code cpu_can_run(const dms_call *call, dms_status *st) {
    if (dms_call_runs_on_cpu(call) && dms_cpu_kernel_find(call->kernel, DMS_ISA_BASE) != NULL)
        return DMS_OK;
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    char text[128];
    return dms_fail(st, DMS_EDEVICE, "this build cannot run kernel '%s' with %s on the CPU",
                    row == NULL ? "?" : row->name,
                    dms_view_text(&call->view[call->n_in], text, sizeof text));
}

/* What was never taken is NULL. */
static void give_back(void *memory, uint64_t bytes) {
    if (memory != NULL)
        (void)munmap(memory, (size_t)bytes);
}

/* Also for a device that was opened half. */
static void cpu_close(dms_device *base) {
    cpu_device *device = (cpu_device *)base;
    dms_pool_close(device->pool);
    give_back(base->device_arena, base->device_bytes);
    give_back(base->host_arena, base->host_bytes);
    give_back(device->scratch, device->scratch_bytes);
}

static const dms_device_ops cpu_ops = {"cpu",        cpu_call,    cpu_copy_in,
                                       cpu_copy_out, cpu_can_run, cpu_close};

/* Takes exactly `bytes` of address space; NULL for 0 bytes. */
static dms_code take_memory(uint64_t bytes, const char *what, bool poison, uint8_t **out,
                            dms_status *st) {
    if (bytes == 0)
        return DMS_OK;
    void *memory =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return dms_fail(st, DMS_EDEVICE, "%s of %" PRIu64 " bytes cannot be had: %s", what, bytes,
                        strerror(errno));
    (void)madvise(memory, (size_t)bytes, MADV_HUGEPAGE); /* fewer page faults; may be refused */
    if (poison)
        memset(memory, POISON, (size_t)bytes);
    *out = memory;
    return DMS_OK;
}

/* Arenas first: when they cannot be had, no thread was started in vain. */
static dms_code take_all(cpu_device *device, const dms_device_options *options, dms_arena *arena,
                         dms_status *st) {
    device->scratch_bytes = (uint64_t)options->threads * DMS_CPU_SCRATCH_BYTES;
    DMS_TRY(take_memory(options->device_bytes, "a device arena", options->poison,
                        &device->base.device_arena, st));
    DMS_TRY(take_memory(options->host_bytes, "a host arena", options->poison,
                        &device->base.host_arena, st));
    DMS_TRY(take_memory(device->scratch_bytes, "scratch of the compute threads", options->poison,
                        &device->scratch, st));
    return dms_pool_open(arena, options->threads, &device->pool, st);
}

dms_code dms_cpu_device_open(const dms_device_options *options, dms_arena *arena,
                             dms_device **out_device, dms_status *st) {
    cpu_device *device;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *device, "device", &device, st));
    device->base = (dms_device){
        .ops = &cpu_ops, .device_bytes = options->device_bytes, .host_bytes = options->host_bytes};
    device->isa = dms_isa_detect();
    device->poison = options->poison;
    const dms_code code = take_all(device, options, arena, st);
    if (code != DMS_OK) {
        cpu_close(&device->base);
        return code;
    }
    device->base.overhead_bytes = device->scratch_bytes;
    *out_device = &device->base;
    return DMS_OK;
}
