/* norm_cpu.c - SOFTMAX and the normalisations: parts and types around norm_body.h. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary_more.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/fold.h"
#include "runtime/kernels/line.h"
#include "runtime/kernels/map_internal.h"
#include "runtime/kernels/short_row.h"

#define T float
#define NAME(x) x##_f32
#define FOLD_CLASS DMS_CLASS_F32
#define MEMBER f32
#define EXP dms_expf
#define LOG dms_logf
#define SQRT sqrtf
#define POW dms_powf
#define FMA fmaf
#define QUIET dms_quietf
#define HAS_SHORT_ROWS 1
#include "runtime/kernels/norm_body.h"
#undef T
#undef NAME
#undef FOLD_CLASS
#undef MEMBER
#undef EXP
#undef LOG
#undef SQRT
#undef POW
#undef FMA
#undef QUIET
#undef HAS_SHORT_ROWS

/* One NaN for all, as in dms_quietf. */
DMS_FN double quiet(double x) {
    return x != x ? (double)NAN : x;
}

#define T double
#define NAME(x) x##_f64
#define FOLD_CLASS DMS_CLASS_F64
#define MEMBER f64
#define EXP exp
#define LOG log
#define SQRT sqrt
#define POW pow
#define FMA fma
#define QUIET quiet
#define HAS_SHORT_ROWS 0
#include "runtime/kernels/norm_body.h"

/* How a kernel counts its rows: over which leading axes, and how long they are. */
typedef struct row_shape {
    int64_t rows, length;
} row_shape;

/* Checked dims: their product is the number of elements, which fits. */
static row_shape shape_of(const dms_call *call, uint32_t axis) {
    row_shape shape = {1, 1};
    for (uint32_t k = 0; k < call->view[0].rank; k++)
        *(k < axis ? &shape.rows : &shape.length) *= call->view[0].dim[k];
    return shape;
}

/* The leading axes of x, y and (LAYER_NORM) the outputs beside y. */
static void walk_rows(const dms_call *call, uint32_t axis, dms_walk *out) {
    const dms_view *view[DMS_WALK_OPERANDS] = {&call->view[0]};
    for (uint32_t k = 0; k < call->n_out; k++)
        view[1 + k] = &call->view[call->n_in + k];
    dms_line_rows(view, 1 + call->n_out, axis, out);
}

/* parts_NAME and run_NAME of a kernel whose rows begin at axis AXIS of operand 0. An empty tensor
 * has no rows worth a part. */
#define KERNEL(NAME, ID, AXIS)                                                                     \
    static uint64_t parts_##NAME(const dms_call *call) {                                           \
        const row_shape shape = shape_of(call, AXIS);                                              \
        return shape.length == 0 ? 0 : dms_line_parts(shape.rows, shape.length);                   \
    }                                                                                              \
    static void run_##NAME(const dms_cpu_job *job, uint64_t first, uint64_t end) {                 \
        const dms_call *call = job->call;                                                          \
        const row_shape shape = shape_of(call, AXIS);                                              \
        const int64_t low = dms_line_first(first, shape.rows, shape.length);                       \
        const int64_t high = dms_line_first(end, shape.rows, shape.length);                        \
        dms_walk rows;                                                                             \
        walk_rows(call, AXIS, &rows);                                                              \
        if (call->view[0].dtype == DMS_DTYPE_F64)                                                  \
            NAME##_f64(job, &rows, low, high);                                                     \
        else                                                                                       \
            NAME##_f32(job, &rows, low, high);                                                     \
    }                                                                                              \
    const dms_cpu_kernel DMS_ISA(dms_cpu_##NAME) = {ID, parts_##NAME, run_##NAME};

KERNEL(softmax, DMS_K_SOFTMAX, call->view[0].rank - 1)
KERNEL(layer_norm, DMS_K_LAYER_NORM, call->view[0].rank - 1)
KERNEL(group_norm, DMS_K_GROUP_NORM, 2)
KERNEL(batch_norm, DMS_K_BATCH_NORM, 2)
KERNEL(lrn, DMS_K_LRN, 2)
