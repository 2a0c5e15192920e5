/* interpreter.c - calls run one after the other, in memory. */
#include "interpreter.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/cpu_kernel.h"

/* Memory of exactly these bytes, so that a sanitizer sees every access beside it. */
static void *take(uint64_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes == 0 ? 1 : (size_t)bytes) != 0)
        abort();
    memset(memory, 0xcd, (size_t)bytes);
    return memory;
}

/* Memory for one storage, with its contents where they are known. */
static dms_code open_storage(interpreter *run, uint32_t id, const void *const *input,
                             dms_status *st) {
    const dms_tensor *t = &run->graph->tensor[id];
    uint64_t bytes = 0;
    if (run->storage[id] != NULL)
        return DMS_OK;
    DMS_TRY(dms_tensor_bytes(t, &bytes, st));
    void *memory = run->storage[id] = take(bytes);
    if (dms_tensor_is_constant(t)) {
        dms_arena arena = {0};
        const uint8_t *data = NULL;
        const dms_code code = dms_constant_read(run->graph, id, UINT64_MAX, &arena, &data, st);
        if (code == DMS_OK)
            memcpy(memory, data, (size_t)bytes);
        dms_arena_free(&arena);
        return code;
    }
    if (t->origin == DMS_ORIGIN_INPUT)
        memcpy(memory, input[t->index], (size_t)bytes);
    return DMS_OK;
}

dms_code interpreter_open(interpreter *out, const dms_graph *graph, const dms_lowered *lowered,
                          const void *const *input, dms_status *st) {
    *out = (interpreter){.graph = graph, .lowered = lowered};
    out->scratch = take(DMS_CPU_SCRATCH_BYTES);
    out->storage = calloc((size_t)graph->n_tensors + 1, sizeof *out->storage);
    if (out->storage == NULL)
        abort();
    for (uint32_t c = 0; c < lowered->n_calls; c++) {
        const dms_lowered_call *call = &lowered->call[c];
        if (!dms_call_runs_on_cpu(&call->call))
            return dms_fail(st, DMS_EDEVICE, "this build does not run '%s' on %s",
                            dms_kernel_row_find(call->call.kernel)->name,
                            dms_dtype_name(call->call.view[0].dtype));
        for (uint32_t k = 0; k < call->call.n_in + call->call.n_out; k++)
            DMS_TRY(open_storage(out, call->operand[k].tensor, input, st));
    }
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        DMS_TRY(open_storage(out, lowered->output[k], input, st));
    return DMS_OK;
}

dms_code interpreter_run(interpreter *run, dms_status *st) {
    for (uint32_t c = 0; c < run->lowered->n_calls; c++) {
        const dms_lowered_call *call = &run->lowered->call[c];
        void *operand[DMS_MAX_OPERANDS];
        for (uint32_t k = 0; k < call->call.n_in + call->call.n_out; k++) {
            const dms_view *view = &call->call.view[k];
            const int64_t first = view->offset * (int64_t)dms_dtype_bytes(view->dtype);
            operand[k] = (char *)run->storage[call->operand[k].tensor] + first;
        }
        void *workspace = take(dms_call_workspace(&call->call, DMS_DEVICE_CPU));
        const dms_code code = dms_cpu_run(&call->call, operand, workspace, run->scratch, st);
        free(workspace);
        DMS_TRY(code);
    }
    return DMS_OK;
}

const void *interpreter_output(const interpreter *run, uint32_t k) {
    return run->storage[run->lowered->output[k]];
}

void interpreter_free(interpreter *run) {
    for (uint32_t t = 0; run->storage != NULL && t < run->graph->n_tensors; t++)
        free(run->storage[t]);
    free(run->storage);
    free(run->scratch);
}
