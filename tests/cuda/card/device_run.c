/* device_run.c - a card, as the second device of kernel tests: the kernels and the libraries of
 * libdms_cuda, on operands that are copied there and back. A program that has this one in it ends
 * with 77, which is skipped, where there is no card. */
#include "tests/unit/support_device.h"

#include <cuda_runtime_api.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/kernels/catalogue.h"
#include "schema/dtype.h"
#include "tests/cuda/device_compare.h"

enum { ALIGNMENT = 256, GUARD = 256, GUARD_BYTE = 0x5A, SKIPPED = 77 };

/* The card, opened by the first call. */
typedef struct on_card {
    dms_cuda_card card;
    dms_arena arena; /* of what prepare makes */
    dms_cuda_libraries *libraries;
    cudaStream_t stream;
} on_card;

/* An operand there, as far from a multiple of 256 bytes as here. */
typedef struct place {
    char *memory, *at;
    size_t bytes;
} place;

__attribute__((constructor)) static void need_a_card(void) {
    int n = 0;
    if (cudaGetDeviceCount(&n) == cudaSuccess && n > 0)
        return;
    (void)printf("skipped: no card\n");
    (void)fflush(stdout);
    _exit(SKIPPED);
}

static void need(cudaError_t error, const char *what) {
    if (error != cudaSuccess)
        fail_msg("%s: %s", what, cudaGetErrorString(error));
}

static on_card *open_card(void) {
    static on_card o;
    struct cudaDeviceProp properties;
    dms_status st;
    if (o.libraries != NULL)
        return &o;
    need(cudaSetDevice(0), "the card");
    need(cudaGetDeviceProperties(&properties, 0), "its properties");
    need(cudaStreamCreateWithFlags(&o.stream, cudaStreamNonBlocking), "a stream");
    (void)snprintf(o.card.name, sizeof o.card.name, "%.127s", properties.name);
    o.card.major = properties.major;
    o.card.minor = properties.minor;
    o.card.n_sms = (uint32_t)properties.multiProcessorCount;
    dms_arena_init(&o.arena, 0);
    if (dms_cuda_libraries_open(&o.card, &o.arena, &o.libraries, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return &o;
}

/* From the first element of a view to its last. */
static size_t extent_of(const dms_view *view) {
    int64_t last = 0;
    if (dms_view_count(view) == 0)
        return 0;
    for (uint32_t axis = 0; axis < view->rank; axis++)
        last += (view->dim[axis] - 1) * view->pitch[axis];
    return (size_t)(last + 1) * dms_dtype_bytes(view->dtype);
}

/* Operands that share memory here share it there. */
static void bring(const dms_call *call, void *const *operand, place *out) {
    const uint32_t n = call->n_in + call->n_out;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t same = 0;
        while (operand[same] != operand[k])
            same++;
        out[k] = same < k ? out[same] : (place){0};
        out[k].bytes = extent_of(&call->view[k]);
        if (same < k)
            continue;
        size_t bytes = 0;
        for (uint32_t j = k; j < n; j++)
            if (operand[j] == operand[k] && extent_of(&call->view[j]) > bytes)
                bytes = extent_of(&call->view[j]);
        need(cudaMalloc((void **)&out[k].memory, bytes + ALIGNMENT), "an operand");
        out[k].at = out[k].memory + (uintptr_t)operand[k] % ALIGNMENT;
        need(cudaMemcpy(out[k].at, operand[k], bytes, cudaMemcpyHostToDevice), "its copy");
    }
}

static void bring_back(const dms_call *call, void *const *operand, const place *from) {
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++)
        need(cudaMemcpy(operand[k], from[k].at, from[k].bytes, cudaMemcpyDeviceToHost), "a result");
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        uint32_t same = 0;
        while (operand[same] != operand[k])
            same++;
        if (same == k)
            need(cudaFree(from[k].memory), "an operand");
    }
}

/* The workspace has the size of the row and a guard behind it; the word for an index lies beyond. */
static char *take_workspace(uint64_t bytes) {
    char *made;
    need(cudaMalloc((void **)&made, bytes + GUARD + sizeof(uint32_t)), "a workspace");
    need(cudaMemset(made, GUARD_BYTE, bytes + GUARD), "a workspace");
    need(cudaMemset(made + bytes + GUARD, 0, sizeof(uint32_t)), "a word");
    return made;
}

static void give_workspace(char *workspace, uint64_t bytes, uint32_t *index_error) {
    char guard[GUARD];
    need(cudaMemcpy(guard, workspace + bytes, GUARD, cudaMemcpyDeviceToHost), "a guard");
    need(cudaMemcpy(index_error, workspace + bytes + GUARD, sizeof *index_error,
                    cudaMemcpyDeviceToHost),
         "a word");
    for (int k = 0; k < GUARD; k++)
        if (guard[k] != GUARD_BYTE)
            fail_msg("byte %d behind a workspace of %lu is written", k, (unsigned long)bytes);
    need(cudaFree(workspace), "a workspace");
}

bool device_run(const dms_call *call, void *const *operand, uint32_t *index_error) {
    on_card *o = open_card();
    const dms_cuda_kernel *kernel = dms_cuda_kernel_find(call->kernel);
    const uint64_t bytes = (dms_call_workspace(call, DMS_DEVICE_CUDA) + 3) / 4 * 4;
    place there[DMS_MAX_OPERANDS];
    void *at[DMS_MAX_OPERANDS], *state = NULL;
    dms_status st;
    if (kernel == NULL)
        return false;
    if (kernel->can_run(call, &o->card, &st) != DMS_OK)
        fail_msg("kernel %u cannot run: %s", call->kernel, st.msg);
    if (kernel->prepare != NULL &&
        kernel->prepare(o->libraries, call, &o->arena, &state, &st) != DMS_OK)
        fail_msg("kernel %u is not prepared: %s", call->kernel, st.msg);
    bring(call, operand, there);
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
        at[k] = there[k].at;
    char *workspace = take_workspace(bytes);
    const dms_cuda_job job = {.call = call,
                              .operand = at,
                              .workspace = workspace,
                              .workspace_bytes = bytes,
                              .stream = o->stream,
                              .index_error = (uint32_t *)(workspace + bytes + GUARD),
                              .libraries = o->libraries,
                              .state = state};
    if (kernel->enqueue(&job, &st) != DMS_OK)
        fail_msg("kernel %u is not run: %s", call->kernel, st.msg);
    need(cudaStreamSynchronize(o->stream), "the call");
    give_workspace(workspace, bytes, index_error);
    bring_back(call, operand, there);
    return true;
}

/* Sums of the libraries and of tensor cores have an order of their own; f32 rounds 24 bits. */
double device_tolerance(const dms_call *call) {
    static const uint32_t summed[] = {DMS_K_MATMUL, DMS_K_MATMUL_PART, DMS_K_MATMUL_BITS,
                                      DMS_K_CONV, DMS_K_ATTENTION};
    const dms_dtype dtype = call->view[0].dtype;
    bool is_sum = false;
    for (uint32_t k = 0; k < sizeof summed / sizeof *summed; k++)
        is_sum = is_sum || call->kernel == summed[k];
    if (!is_sum)
        return 0.0;
    return dtype == DMS_DTYPE_F16 ? 4e-3 : dtype == DMS_DTYPE_BF16 ? 3e-2 : 2e-5;
}
