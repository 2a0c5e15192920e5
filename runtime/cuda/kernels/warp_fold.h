/* warp_fold.h - one row folded by a warp, in the tree of fold.h.
 *
 * Reads    a row: where it begins, where its elements lie, their type.
 * Returns  the folded value, the same in every lane.
 * Cost     n / 32 steps of each lane, five joins; the loads of several steps are under way at once.
 * Source   none.
 * Not here steps and joins (runtime/kernels/fold_body.h).
 *
 *     elements   0  1  2 ... 31 | 32 33 ...       lane l: elements l, l + 32, ... in order
 *     joins      l with l + 16, then + 8, + 4, + 2, + 1
 */
#ifndef DMS_RUNTIME_CUDA_WARP_FOLD_H
#define DMS_RUNTIME_CUDA_WARP_FOLD_H

#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/rows.h"
#include "runtime/kernels/fold_body.h"

/* A row of one operand. */
typedef struct dms_warp_row {
    const dms_places *row;
    uint32_t operand;
    dms_dtype dtype;
    void *at;
    int64_t first; /* its element 0 */
} dms_warp_row;

/* The lane of this thread; the row that its warp has first; from there to its next. */
DMS_DEVICE uint32_t dms_lane(void) {
    return threadIdx.x % DMS_WARP;
}
DMS_DEVICE int64_t dms_warp(void) {
    return dms_thread() / DMS_WARP;
}
DMS_DEVICE int64_t dms_warps(void) {
    return dms_threads() / DMS_WARP;
}

/* Row `index` of operand k. */
DMS_DEVICE dms_warp_row dms_row_of(const dms_rows_params *p, uint32_t k, int64_t index) {
    dms_warp_row r;
    r.row = &p->row;
    r.operand = k;
    r.dtype = (dms_dtype)p->dtype[k];
    r.at = p->operand[k];
    r.first = dms_place_of(&p->rows, k, index);
    return r;
}

/* Element i of a row, in its class; and written. */
DMS_DEVICE dms_scalar dms_row_get(const dms_warp_row *r, int64_t i) {
    return dms_element_load(r->dtype, r->at, r->first + dms_place_of(r->row, r->operand, i));
}
DMS_DEVICE void dms_row_put(const dms_warp_row *r, int64_t i, dms_scalar value) {
    dms_element_store(r->dtype, value, r->at, r->first + dms_place_of(r->row, r->operand, i));
}

/* The join of two lanes of a real fold; those of sums of squares and magnitudes are sums. */
#define DMS_JOIN(kind, r, x)                                                                       \
    ((kind) == DMS_FOLD_MAX    ? DMS_GREATER(r, x)                                                 \
     : (kind) == DMS_FOLD_MIN  ? DMS_SMALLER(r, x)                                                 \
     : (kind) == DMS_FOLD_PROD ? (r) * (x)                                                         \
                               : (r) + (x))

/* Joins the lanes of a warp; every lane gets the result. */
DMS_DEVICE float dms_tree_f32(dms_fold_kind kind, float r) {
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2) {
        const float x = dms_shuffle_f32(r, dms_lane() + d);
        r = DMS_JOIN(kind, r, x);
    }
    return dms_shuffle_f32(r, 0);
}

/* The same in f64. */
DMS_DEVICE double dms_tree_f64(dms_fold_kind kind, double r) {
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2) {
        const double x = dms_shuffle_f64(r, dms_lane() + d);
        r = DMS_JOIN(kind, r, x);
    }
    return dms_shuffle_f64(r, 0);
}

/* The steps of one kind over this lane's elements of a row of n. */
#define DMS_STEPS(KIND, NAME, T, START, STEP)                                                      \
    case DMS_FOLD_##KIND: {                                                                        \
        T r = (T)(START);                                                                          \
        DMS_UNROLL_LOADS                                                                           \
        for (int64_t i = dms_lane(); i < n; i += DMS_WARP) {                                       \
            const T x = (T)DMS_MEMBER(dms_row_get(row, i));                                        \
            r = (T)(STEP);                                                                         \
        }                                                                                          \
        DMS_MEMBER(out) = r;                                                                       \
        break;                                                                                     \
    }

/* A row of f32, f16 or bf16. */
#define DMS_MEMBER(v) (v).f32
DMS_DEVICE float dms_warp_fold_f32(dms_fold_kind kind, const dms_warp_row *row, int64_t n) {
    dms_scalar out;
    out.u64 = 0;
    switch ((unsigned)kind) { DMS_FOLD_REAL(DMS_STEPS, f32, float, fmaf, fabsf) }
    return dms_tree_f32(kind, out.f32);
}
#undef DMS_MEMBER

/* A row of f64. */
#define DMS_MEMBER(v) (v).f64
DMS_DEVICE_FAR double dms_warp_fold_f64(dms_fold_kind kind, const dms_warp_row *row, int64_t n) {
    dms_scalar out;
    out.u64 = 0;
    switch ((unsigned)kind) { DMS_FOLD_REAL(DMS_STEPS, f64, double, fma, fabs) }
    return dms_tree_f64(kind, out.f64);
}
#undef DMS_MEMBER

/* One step of a fold of integers or truths; also the join, where `kind` is its kind. */
#define DMS_STEP(KIND, NAME, T, START, STEP)                                                       \
    case DMS_FOLD_##KIND: {                                                                        \
        const T r = (T)a.u64, x = (T)b.u64;                                                        \
        a.u64 = (uint64_t)(T)(STEP);                                                               \
        break;                                                                                     \
    }
#define DMS_START(KIND, NAME, T, START, STEP)                                                      \
    case DMS_FOLD_##KIND:                                                                          \
        out.u64 = (uint64_t)(T)(START);                                                            \
        break;
DMS_DEVICE dms_scalar dms_step_whole(dms_fold_kind kind, dms_class of, dms_scalar a, dms_scalar b) {
    if (of == DMS_CLASS_U64 && (kind == DMS_FOLD_MAX || kind == DMS_FOLD_MIN))
        switch ((unsigned)kind) { DMS_FOLD_U64(DMS_STEP) }
    else if (of == DMS_CLASS_BOOL)
        switch ((unsigned)kind) { DMS_FOLD_BOOL(DMS_STEP) }
    else if (of == DMS_CLASS_U64 && kind == DMS_FOLD_SUM_ABS)
        a.u64 += b.u64;
    else
        switch ((unsigned)kind) { DMS_FOLD_I64(DMS_STEP) }
    return a;
}

DMS_DEVICE dms_scalar dms_start_whole(dms_fold_kind kind, dms_class of) {
    dms_scalar out;
    out.u64 = 0;
    if (of == DMS_CLASS_U64 && (kind == DMS_FOLD_MAX || kind == DMS_FOLD_MIN))
        switch ((unsigned)kind) { DMS_FOLD_U64(DMS_START) }
    else if (of == DMS_CLASS_BOOL)
        switch ((unsigned)kind) { DMS_FOLD_BOOL(DMS_START) }
    else
        switch ((unsigned)kind) { DMS_FOLD_I64(DMS_START) }
    return out;
}

/* A row of integers or truths. */
DMS_DEVICE_FAR dms_scalar dms_warp_fold_whole(dms_fold_kind kind, const dms_warp_row *row,
                                              int64_t n) {
    const dms_class of = dms_class_of(row->dtype);
    const dms_fold_kind join =
        kind == DMS_FOLD_SUM_ABS || kind == DMS_FOLD_SUM_SQUARE ? DMS_FOLD_SUM : kind;
    dms_scalar r = dms_start_whole(kind, of), x;
    for (int64_t i = dms_lane(); i < n; i += DMS_WARP)
        r = dms_step_whole(kind, of, r, dms_row_get(row, i));
    for (uint32_t d = DMS_WARP / 2; d > 0; d /= 2) {
        x.u64 = dms_shuffle_u64(r.u64, dms_lane() + d);
        r = dms_step_whole(join, of, r, x);
    }
    x.u64 = dms_shuffle_u64(r.u64, 0);
    return x;
}

#endif
