/* fold_cpu.c - the loops of fold.h.
 *
 *     elements   0  1  2 ... 31 | 32 33 34 ... 63 | 64 ...
 *     lanes      0  1  2 ... 31 |  0  1  2 ... 31 |  0 ...      each lane: one chain in order
 *     halves     0+16, 1+17, ..., 15+31;  then 0+8, ...;  0+4;  0+2;  0+1
 *
 * Four AVX registers or eight SSE registers hold the lanes of f32; both do the same additions in
 * the same order, so both give the same bits, and so does a scalar loop
 * (tests/unit/test_rows_tree.c is that loop). */
#include <math.h>
#include <string.h>

#include "runtime/kernels/fold.h"

/* r folds x by EXPR. The lanes of a row stay in registers over a strip. */
#define STEP(NAME, T, EXPR)                                                                        \
    static void NAME##_along(void *lanes, const void *strip, int64_t n) {                          \
        T lane[DMS_LANES];                                                                         \
        const T *a = strip;                                                                        \
        memcpy(lane, lanes, sizeof lane);                                                          \
        int64_t i = 0;                                                                             \
        for (; i + DMS_LANES <= n; i += DMS_LANES)                                                 \
            for (int l = 0; l < DMS_LANES; l++) {                                                  \
                const T x = a[i + l], r = lane[l];                                                 \
                lane[l] = (T)(EXPR);                                                               \
            }                                                                                      \
        for (int l = 0; i + l < n; l++) {                                                          \
            const T x = a[i + l], r = lane[l];                                                     \
            lane[l] = (T)(EXPR);                                                                   \
        }                                                                                          \
        memcpy(lanes, lane, sizeof lane);                                                          \
    }                                                                                              \
    static void NAME##_across(void *acc, const void *strip, int64_t n) {                           \
        T *y = acc;                                                                                \
        const T *a = strip;                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i], r = y[i];                                                            \
            y[i] = (T)(EXPR);                                                                      \
        }                                                                                          \
    }

/* Joins 32 lanes in halves. Every loop has a constant bound: a row of ten elements spends more time
 * here than in its elements. */
#define HALVE(D, T, EXPR)                                                                          \
    for (int l = 0; l < D; l++) {                                                                  \
        const T r = lane[l], x = lane[l + D];                                                      \
        lane[l] = (T)(EXPR);                                                                       \
    }
#define TREE(NAME, T, EXPR)                                                                        \
    static void NAME##_tree(void *lanes) {                                                         \
        T lane[DMS_LANES];                                                                         \
        memcpy(lane, lanes, sizeof lane);                                                          \
        HALVE(16, T, EXPR)                                                                         \
        HALVE(8, T, EXPR)                                                                          \
        HALVE(4, T, EXPR)                                                                          \
        HALVE(2, T, EXPR)                                                                          \
        HALVE(1, T, EXPR)                                                                          \
        memcpy(lanes, lane, sizeof *lane);                                                         \
    }
/* Every step; the trees of those that also join. */
#define EACH_STEP(KIND, NAME, T, START, EXPR) STEP(NAME, T, EXPR)
#define TREE_SUM(NAME, T, EXPR) TREE(NAME, T, EXPR)
#define TREE_PROD(NAME, T, EXPR) TREE(NAME, T, EXPR)
#define TREE_MAX(NAME, T, EXPR) TREE(NAME, T, EXPR)
#define TREE_MIN(NAME, T, EXPR) TREE(NAME, T, EXPR)
#define TREE_SUM_ABS(NAME, T, EXPR)
#define TREE_SUM_SQUARE(NAME, T, EXPR)
#define EACH_TREE(KIND, NAME, T, START, EXPR) TREE_##KIND(NAME, T, EXPR)
#define BOTH(X)                                                                                    \
    DMS_FOLD_REAL(X, f32, float, fmaf, fabsf)                                                      \
    DMS_FOLD_REAL(X, f64, double, fma, fabs)                                                       \
    DMS_FOLD_I64(X)                                                                                \
    DMS_FOLD_U64(X)                                                                                \
    DMS_FOLD_BOOL(X)
BOTH(EACH_STEP)
BOTH(EACH_TREE)

#define FOLD(NAME, JOIN, MEMBER, START)                                                            \
    {                                                                                              \
        .start = {.MEMBER = START}, .along = NAME##_along, .across = NAME##_across,                \
        .join = JOIN##_across, .tree = JOIN##_tree                                                 \
    }

static const dms_fold folds[DMS_N_CLASSES][DMS_N_FOLDS] = {
    [DMS_CLASS_F32] = {FOLD(sum_f32, sum_f32, f32, 0.0f), FOLD(sum_abs_f32, sum_f32, f32, 0.0f),
                       FOLD(sum_square_f32, sum_f32, f32, 0.0f),
                       FOLD(prod_f32, prod_f32, f32, 1.0f), FOLD(max_f32, max_f32, f32, -INFINITY),
                       FOLD(min_f32, min_f32, f32, INFINITY)},
    [DMS_CLASS_F64] = {FOLD(sum_f64, sum_f64, f64, 0.0), FOLD(sum_abs_f64, sum_f64, f64, 0.0),
                       FOLD(sum_square_f64, sum_f64, f64, 0.0), FOLD(prod_f64, prod_f64, f64, 1.0),
                       FOLD(max_f64, max_f64, f64, -INFINITY),
                       FOLD(min_f64, min_f64, f64, INFINITY)},
    [DMS_CLASS_I64] = {FOLD(sum_i64, sum_i64, i64, 0), FOLD(sum_abs_i64, sum_i64, i64, 0),
                       FOLD(sum_square_i64, sum_i64, i64, 0), FOLD(prod_i64, prod_i64, i64, 1),
                       FOLD(max_i64, max_i64, i64, INT64_MIN),
                       FOLD(min_i64, min_i64, i64, INT64_MAX)},
    [DMS_CLASS_U64] = {FOLD(sum_i64, sum_i64, u64, 0), FOLD(sum_i64, sum_i64, u64, 0),
                       FOLD(sum_square_i64, sum_i64, u64, 0), FOLD(prod_i64, prod_i64, u64, 1),
                       FOLD(max_u64, max_u64, u64, 0), FOLD(min_u64, min_u64, u64, UINT64_MAX)},
    [DMS_CLASS_BOOL] = {[DMS_FOLD_MAX] = FOLD(max_bool, max_bool, b8, 0),
                        [DMS_FOLD_MIN] = FOLD(min_bool, min_bool, b8, 1)},
};

const dms_fold *DMS_ISA(dms_fold_find)(dms_fold_kind kind, dms_class class) {
    return &folds[class][kind];
}

/* A loop per width: a row of ten elements spends most of its time here and in the join. */
void DMS_ISA(dms_fold_start)(const dms_fold *fold, dms_class class, int64_t n, void *acc) {
    const dms_scalar start = fold->start;
    if (class == DMS_CLASS_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)acc)[i] = start.f32;
    else if (class == DMS_CLASS_BOOL)
        memset(acc, start.b8, (size_t)n);
    else
        for (int64_t i = 0; i < n; i++)
            ((uint64_t *)acc)[i] = start.u64;
}

void DMS_ISA(dms_fold_join)(const dms_fold *fold, dms_class class, int64_t n, void *lanes) {
    const int64_t bytes = dms_class_bytes(class);
    if (n == 1) {
        fold->tree(lanes);
        return;
    }
    for (int64_t d = DMS_LANES / 2; d > 0; d /= 2)
        fold->join(lanes, (const char *)lanes + d * n * bytes, d * n);
}
