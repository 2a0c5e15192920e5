/* table.c - see table.h. */
#include "runtime/cuda/kernels/table.h"

#include <stddef.h>

#include "runtime/kernels/families.h"

#define DECLARE(name) extern const dms_cuda_kernel dms_on_cuda_##name;
DMS_ALL_KERNELS(DECLARE)
#undef DECLARE

#define ENTRY(name) &dms_on_cuda_##name,
static const dms_cuda_kernel *const kernels[] = {DMS_ALL_KERNELS(ENTRY)};
#undef ENTRY

const dms_cuda_kernel *dms_cuda_kernel_find(uint32_t id) {
    for (uint32_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        if (kernels[k]->id == id)
            return kernels[k];
    return NULL;
}

dms_code dms_cuda_runs(const dms_call *call, const dms_cuda_card *card, dms_status *st) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    if (card->major < 8)
        return dms_fail(st, DMS_EDEVICE,
                        "kernel '%s': %s has compute capability %d.%d, 8.0 is the least",
                        row == NULL ? "?" : row->name, card->name, card->major, card->minor);
    return DMS_OK;
}
