/* rows.cu - REDUCE, SOFTMAX, LAYER_NORM and GROUP_NORM: a warp per row.
 *
 * Grid: blocks of 8 warps over the rows. Bytes: x once from memory where a row fits the cache,
 * twice or three times from there; y once. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/rows.h"
#include "runtime/cuda/kernels/warp_fold.h"

#define T float
#define NAME(x) x##_f32
#define MEMBER f32
#define EXP dms_expf
#define LOG dms_logf
#define SQRT sqrtf
#define FMA fmaf
#define QUIET dms_quietf
#include "runtime/cuda/kernels/rows_body.h"
#undef T
#undef NAME
#undef MEMBER
#undef EXP
#undef LOG
#undef SQRT
#undef FMA
#undef QUIET

#define T double
#define NAME(x) x##_f64
#define MEMBER f64
#define EXP exp
#define LOG log
#define SQRT sqrt
#define FMA fma
#define QUIET dms_quiet
#include "runtime/cuda/kernels/rows_body.h"

/* Integers and truths. */
DMS_DEVICE dms_scalar reduce_whole(const dms_warp_row *row, int64_t n, int64_t fn) {
    const dms_class of = dms_class_of(row->dtype);
    const int is_signed = of == DMS_CLASS_I64;
    dms_scalar y = dms_warp_fold_whole(dms_fold_of_reduce(fn), row, n);
    if (of == DMS_CLASS_BOOL)
        return y;
    y.i64 = dms_reduce_finish_integer(fn, y.i64, n, is_signed);
    if (n == 0)
        y.i64 = dms_reduce_limit(fn, y.i64, 8 * dms_element_bytes(row->dtype), is_signed);
    return y;
}

/* Operands x, y; the row of y is its one element. */
DMS_CUDA_KERNEL(reduce, dms_rows_params) {
    for (int64_t row = dms_warp(); row < p.rows.count; row += dms_warps()) {
        const dms_warp_row x = dms_row_of(&p, 0, row);
        const dms_class of = dms_class_of(x.dtype);
        dms_scalar y;
        y.u64 = 0;
        if (of == DMS_CLASS_F32)
            y.f32 = reduce_row_f32(&x, p.row.count, p.fn);
        else if (of == DMS_CLASS_F64)
            y.f64 = reduce_row_f64(&x, p.row.count, p.fn);
        else
            y = reduce_whole(&x, p.row.count, p.fn);
        if (dms_lane() == 0)
            dms_element_store((dms_dtype)p.dtype[1], y, p.operand[1],
                              dms_place_of(&p.rows, 1, row));
    }
}

DMS_CUDA_KERNEL(softmax, dms_rows_params) {
    for (int64_t row = dms_warp(); row < p.rows.count; row += dms_warps()) {
        const dms_warp_row x = dms_row_of(&p, 0, row), y = dms_row_of(&p, 1, row);
        if (x.dtype == DMS_DTYPE_F64)
            softmax_row_f64(&x, &y, p.row.count, p.fn != 0);
        else
            softmax_row_f32(&x, &y, p.row.count, p.fn != 0);
    }
}

DMS_CUDA_KERNEL(norm, dms_rows_params) {
    for (int64_t row = dms_warp(); row < p.rows.count; row += dms_warps())
        if (p.dtype[0] == DMS_DTYPE_F64)
            norm_row_f64(&p, row);
        else
            norm_row_f32(&p, row);
}
