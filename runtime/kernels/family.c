/* family.c - which law a call's time follows. */
#include <stddef.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"

#define LANES 16 /* outputs of a convolution that one vector of the widest set holds */

const char *dms_family_name(dms_family family) {
    static const char *const NAMES[DMS_N_FAMILIES] = {
        [DMS_FAMILY_PRODUCT] = "product",
        [DMS_FAMILY_CONV] = "conv",
        [DMS_FAMILY_CONV_NARROW] = "conv_narrow",
        [DMS_FAMILY_CONV_GROUPED] = "conv_grouped",
        [DMS_FAMILY_CONV_TRANSPOSE] = "conv_transpose",
        [DMS_FAMILY_ATTENTION] = "attention",
        [DMS_FAMILY_RECURRENT] = "recurrent",
        [DMS_FAMILY_MAP] = "map",
        [DMS_FAMILY_MOVE] = "move",
        [DMS_FAMILY_ROWS] = "rows",
        [DMS_FAMILY_POOL] = "pool",
        [DMS_FAMILY_RESIZE] = "resize",
        [DMS_FAMILY_INDEX] = "index",
    };
    return NAMES[family];
}

/* Groups have few sums that share an input; narrow ones leave lanes idle. */
static dms_family family_of_conv(const dms_call *call) {
    if (call->i[0] > 1)
        return DMS_FAMILY_CONV_GROUPED;
    return call->view[call->n_in].dim[1] < LANES ? DMS_FAMILY_CONV_NARROW : DMS_FAMILY_CONV;
}

/* Those of one line of families.h are of one family, but for the line of windows. */
#define ROW(name) &dms_row_##name,
static const dms_kernel_row *const maps[] = {DMS_MAP_KERNELS(ROW) DMS_QUANTIZE_KERNELS(ROW) NULL};
static const dms_kernel_row *const moves[] = {DMS_MOVE_KERNELS(ROW) NULL};
static const dms_kernel_row *const indices[] = {DMS_INDEX_KERNELS(ROW) DMS_SAMPLE_KERNELS(ROW)
                                                    NULL};
static const dms_kernel_row *const reductions[] = {DMS_ROWS_KERNELS(ROW) NULL};
static const dms_kernel_row *const convs_of_bytes[] = {DMS_BYTES_KERNELS(ROW) NULL};
static const dms_kernel_row *const products[] = {DMS_PRODUCT_KERNELS(ROW) NULL};
static const dms_kernel_row *const attentions[] = {DMS_ATTENTION_KERNELS(ROW) NULL};
static const dms_kernel_row *const recurrents[] = {DMS_RECURRENT_KERNELS(ROW) NULL};
#undef ROW

typedef struct line {
    const dms_kernel_row *const *row; /* ends with NULL */
    dms_family family;
} line;

static const line lines[] = {
    {maps, DMS_FAMILY_MAP},
    {moves, DMS_FAMILY_MOVE},
    {indices, DMS_FAMILY_INDEX},
    {reductions, DMS_FAMILY_ROWS},
    {convs_of_bytes, DMS_FAMILY_CONV},
    {products, DMS_FAMILY_PRODUCT},
    {attentions, DMS_FAMILY_ATTENTION},
    {recurrents, DMS_FAMILY_RECURRENT},
};

dms_family dms_call_family(const dms_call *call) {
    if (call->kernel == DMS_K_CONV)
        return family_of_conv(call);
    if (call->kernel == DMS_K_CONV_TRANSPOSE)
        return DMS_FAMILY_CONV_TRANSPOSE;
    if (call->kernel == DMS_K_POOL)
        return DMS_FAMILY_POOL;
    if (call->kernel == DMS_K_RESIZE)
        return DMS_FAMILY_RESIZE;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (const dms_kernel_row *const *row = lines[i].row; *row != NULL; row++)
            if ((*row)->id == call->kernel)
                return lines[i].family;
    return DMS_FAMILY_MAP;
}
