/* device_run.c - the CUDA kernels, emulated, as the second device of kernel tests: their host code
 * is the one of libdms_cuda, and libraries are left out. */
#include "tests/unit/support_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cuda/cuda_kernel.h"
#include "runtime/kernels/catalogue.h"
#include "tests/cuda/device_compare.h"

static const dms_cuda_card card = {.name = "emulated", .major = 8, .n_sms = 4};

bool device_run(const dms_call *call, void *const *operand, uint32_t *index_error) {
    const dms_cuda_kernel *kernel = dms_cuda_kernel_find(call->kernel);
    if (kernel == NULL)
        return false;
    dms_arena arena;
    dms_status st;
    dms_arena_init(&arena, 0);
    void *state = NULL;
    if (kernel->can_run(call, &card, &st) != DMS_OK)
        fail_msg("kernel %u cannot run: %s", call->kernel, st.msg);
    if (kernel->prepare != NULL && kernel->prepare(NULL, call, &arena, &state, &st) != DMS_OK)
        fail_msg("kernel %u is not prepared: %s", call->kernel, st.msg);
    const uint64_t bytes = dms_call_workspace(call, DMS_DEVICE_CUDA);
    char *workspace = aligned_alloc(256, (bytes + 512) / 256 * 256);
    assert_non_null(workspace);
    memset(workspace, 0x5A, (bytes + 512) / 256 * 256);
    *index_error = 0;
    const dms_cuda_job job = {.call = call,
                              .operand = operand,
                              .workspace = workspace,
                              .workspace_bytes = bytes,
                              .index_error = index_error,
                              .state = state};
    if (kernel->enqueue(&job, &st) != DMS_OK)
        fail_msg("kernel %u is not run: %s", call->kernel, st.msg);
    for (uint64_t k = bytes; k < (bytes + 512) / 256 * 256; k++)
        if (workspace[k] != 0x5A)
            fail_msg("kernel %u writes behind its workspace of %lu bytes", call->kernel,
                     (unsigned long)bytes);
    free(workspace);
    dms_arena_free(&arena);
    return true;
}

/* Sums that the card takes in another order than the CPU device. */
double device_tolerance(const dms_call *call) {
    const dms_dtype dtype = call->view[0].dtype;
    if (call->kernel == DMS_K_MATMUL_BITS && dtype != DMS_DTYPE_F32)
        return dtype == DMS_DTYPE_F16 ? 2e-3 : 1.6e-2; /* one rounding of the result */
    if (call->kernel != DMS_K_ATTENTION)
        return 0.0;
    return dtype == DMS_DTYPE_F16 ? 4e-3 : dtype == DMS_DTYPE_BF16 ? 3e-2 : 2e-5;
}
