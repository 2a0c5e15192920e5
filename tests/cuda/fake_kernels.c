/* fake_kernels.c - calls of the fake run on the CPU build of the same kernel sources. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "runtime/kernels/cpu_kernel.h"

struct dms_cuda_libraries {
    uint64_t n_prepared;
};

/* A float16 matrix, say, of a kind that no card has. */
static dms_code can_run(const dms_call *call, const dms_cuda_card *card, dms_status *st) {
    if (dms_call_runs_on_cpu(call))
        return DMS_OK;
    char text[128];
    return dms_fail(st, DMS_EDEVICE, "cuda:%d '%s' does not run kernel '%s' for %s", card->ordinal,
                    card->name, dms_kernel_row_find(call->kernel)->name,
                    dms_view_text(&call->view[call->n_in], text, sizeof text));
}

/* The call itself is its state: enqueue compares them. */
static dms_code prepare(dms_cuda_libraries *libraries, const dms_call *call, dms_arena *arena,
                        void **out_state, dms_status *st) {
    const dms_call **state;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *state, "state of a call", &state, st));
    *state = call;
    *out_state = state;
    libraries->n_prepared++;
    return DMS_OK;
}

/* What an address is a multiple of, as far as anybody asks. */
static unsigned alignment_of(const void *address) {
    const uintptr_t at = (uintptr_t)address | 256;
    return (unsigned)(at & -at);
}

/* Kernel, types, dims, pitches, parameters; workspace; what each address is a multiple of. Whatever
 * cuBLASLt is asked by follows from these: the same line, the same algorithm, the same bits. */
static void note_call(FILE *out, const dms_cuda_job *job) {
    const dms_call *call = job->call;
    char hash[33];
    fprintf(out, "%s %s %" PRIu64 " %u", dms_kernel_row_find(call->kernel)->name,
            dms_hash_text(dms_call_hash(call), hash), job->workspace_bytes,
            job->workspace == NULL ? 0 : alignment_of(job->workspace));
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
        fprintf(out, " %u", alignment_of(job->operand[k]));
    fprintf(out, "\n");
}

static dms_code enqueue(const dms_cuda_job *job, dms_status *st) {
    fake_stream *stream = job->stream;
    fake_entry entry = {.kind = FAKE_CALL, .job = *job};
    const int error = fake_enter(stream->fake);
    if (job->state == NULL || *(const dms_call **)job->state != job->call)
        return dms_fail(st, DMS_EINTERNAL, "a call comes with the state of another");
    if (error != 0)
        return dms_fail(st, DMS_EDEVICE, "kernel '%s': %s",
                        dms_kernel_row_find(job->call->kernel)->name,
                        stream->fake->api.error_name(stream->fake, error));
    if (atomic_exchange(&stream->fake->has_run, 1) == 0)
        atomic_fetch_add(&stream->fake->driver_bytes, stream->fake->options.load_bytes);
    memcpy(entry.operand, job->operand, (job->call->n_in + job->call->n_out) * sizeof(void *));
    if (stream->fake->options.calls != NULL)
        note_call(stream->fake->options.calls, job);
    (void)fake_put(stream, &entry);
    return DMS_OK;
}

static const dms_cuda_kernel any_kernel = {0, can_run, prepare, enqueue};

const dms_cuda_kernel *fake_kernel_find(uint32_t id) {
    return dms_cpu_kernel_find(id, DMS_ISA_BASE) == NULL ? NULL : &any_kernel;
}

/* Memory of the fake itself: aligned as the CPU's kernels want it. */
static void *take(uint64_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (memory == NULL)
        abort();
    return memory;
}

/* The CPU may want a larger workspace than the card; both start undefined. */
static void *workspace_of(fake_stream *stream, const dms_cuda_job *job) {
    const uint64_t bytes = dms_call_workspace(job->call, DMS_DEVICE_CPU);
    if (bytes <= job->workspace_bytes)
        return job->workspace;
    if (bytes > stream->workspace_bytes) {
        free(stream->workspace);
        stream->workspace = take(bytes);
        stream->workspace_bytes = bytes;
    }
    memset(stream->workspace, 0xff, bytes);
    return stream->workspace;
}

void fake_run_call(fake_stream *stream, const fake_entry *entry) {
    const dms_call *call = entry->job.call;
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(call->kernel, dms_isa_detect());
    if (stream->scratch == NULL)
        stream->scratch = take(DMS_CPU_SCRATCH_BYTES);
    const dms_cpu_job job = {call, entry->operand, workspace_of(stream, &entry->job),
                             stream->scratch, (atomic_uint *)entry->job.index_error};
    const uint64_t n = kernel->parts(call);
    kernel->run(&job, 0, n / 2);
    fake_delay(stream);
    kernel->run(&job, n / 2, n);
}

dms_code fake_libraries_open(const dms_cuda_card *card, dms_arena *arena,
                             dms_cuda_libraries **out_libraries, dms_status *st) {
    (void)card;
    return dms_alloc_st(arena, 1, sizeof **out_libraries, "libraries", out_libraries, st);
}

/* Leaves zeros at the begin of the arena, as a product of what lies there might. */
dms_code fake_libraries_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                             void *stream, dms_status *st) {
    (void)libraries, (void)stream, (void)st;
    if (bytes > 0)
        memset((void *)memory, 0, bytes < 4096 ? bytes : 4096);
    return DMS_OK;
}

uint64_t fake_libraries_bytes(const dms_cuda_libraries *libraries) {
    return 1000 * libraries->n_prepared;
}

/* Of calls that are prepared there is something to say. */
const char *fake_libraries_note(dms_cuda_libraries *libraries) {
    return libraries->n_prepared > 0 ? "no library" : "";
}

void fake_libraries_close(dms_cuda_libraries *libraries) {
    (void)libraries; /* which is in the arena */
}
