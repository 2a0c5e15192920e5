/* rows_body.h - REDUCE, SOFTMAX and the norms over rows of one float type.
 *
 * Reads    T (float or double), NAME(x) (x with the type's suffix), MEMBER (of dms_scalar), EXP,
 *          LOG, SQRT, FMA, QUIET: rows.cu sets them and includes this file twice.
 * Returns  device functions NAME(reduce_row), NAME(softmax_row), NAME(norm_row): one row, one warp.
 * Cost     two or three passes over a row, which the cache holds after the first.
 * Source   ONNX; the formulas are those of norm_body.h, in the same order.
 * Not here grids (rows.cu).
 */

/* Folds of elements that are changed on the way in: the lanes' steps of EXPR of v, then the tree.
 */
#define FOLD_OF(EXPR, STEP)                                                                        \
    T r = (T)0;                                                                                    \
    DMS_UNROLL_LOADS                                                                               \
    for (int64_t i = dms_lane(); i < n; i += DMS_WARP) {                                           \
        const T v = dms_row_get(row, i).MEMBER;                                                    \
        const T x = (EXPR);                                                                        \
        r = (STEP);                                                                                \
    }                                                                                              \
    return NAME(dms_tree)(DMS_FOLD_SUM, r);

/* The sum of exp(x - shift). */
DMS_DEVICE T NAME(sum_exp)(const dms_warp_row *row, int64_t n,
                           T shift){FOLD_OF(EXP(v - shift), r + x)}

/* The sum of (x - mean)^2. */
DMS_DEVICE T NAME(sum_variance)(const dms_warp_row *row, int64_t n, T mean) {
    FOLD_OF(v - mean, FMA(x, x, r))
}
#undef FOLD_OF

/* The result of REDUCE. LOG_SUM_EXP takes the largest element away first, or 0 where that is
 * infinite (then the sum says what is right). */
DMS_DEVICE T NAME(reduce_row)(const dms_warp_row *row, int64_t n, int64_t fn) {
    T shift = (T)0, folded;
    if (fn == DMS_FN_LOG_SUM_EXP) {
        shift = NAME(dms_warp_fold)(DMS_FOLD_MAX, row, n);
        if (!(shift < (T)INFINITY && shift > -(T)INFINITY))
            shift = (T)0;
        folded = NAME(sum_exp)(row, n, shift);
    } else {
        folded = NAME(dms_warp_fold)(dms_fold_of_reduce(fn), row, n);
    }
    return NAME(dms_reduce_finish)(fn, folded, n, shift);
}

/* exp(x - largest) times the reciprocal of the sum; log: x - largest - log(sum). y may be x: a lane
 * writes what it alone reads, after all have folded. */
DMS_DEVICE void NAME(softmax_row)(const dms_warp_row *x, const dms_warp_row *y, int64_t n,
                                  int is_log) {
    const T largest = NAME(dms_warp_fold)(DMS_FOLD_MAX, x, n);
    const T total = NAME(sum_exp)(x, n, largest);
    const T inverse = (T)1 / total, log_total = is_log ? LOG(total) : (T)0;
    for (int64_t i = dms_lane(); i < n; i += DMS_WARP) {
        const T v = dms_row_get(x, i).MEMBER;
        dms_scalar out;
        out.MEMBER = is_log ? QUIET(v - largest - log_total) : QUIET(EXP(v - largest) * inverse);
        dms_row_put(y, i, out);
    }
}

/* One element of a norm. */
DMS_DEVICE T NAME(normalised)(uint32_t form, T v, T mean, T inv_std, T scale, T bias) {
    switch (form) {
    case DMS_NORM_SCALE:
        return QUIET((v - mean) * inv_std * scale);
    case DMS_NORM_BIAS:
        return QUIET(FMA((v - mean) * inv_std, scale, bias));
    case DMS_NORM_GROUP:
        return QUIET(FMA(v - mean, inv_std * scale, bias));
    }
    return QUIET((v - mean) * inv_std);
}

/* The mean or the inverse deviation of a row, of f32 or T. */
DMS_DEVICE void NAME(put_moment)(const dms_rows_params *p, uint32_t k, int64_t index, T value) {
    const dms_dtype dtype = (dms_dtype)p->dtype[k];
    dms_scalar out;
    value = QUIET(value);
    if (dms_class_of(dtype) == DMS_CLASS_F32)
        out.f32 = (float)value;
    else
        out.f64 = (double)value;
    if (dms_lane() == 0)
        dms_element_store(dtype, out, p->operand[k], dms_place_of(&p->rows, k, index));
}

/* Row `index` of a norm: operands x, y, scale, bias. rms: the mean stays 0. */
DMS_DEVICE void NAME(norm_row)(const dms_rows_params *p, int64_t index) {
    const int64_t n = p->row.count;
    const dms_warp_row x = dms_row_of(p, 0, index), y = dms_row_of(p, 1, index);
    const dms_warp_row scale = dms_row_of(p, 2, index), bias = dms_row_of(p, 3, index);
    const int is_rms = p->fn != 0;
    const T mean = is_rms ? (T)0 : NAME(dms_warp_fold)(DMS_FOLD_SUM, &x, n) / (T)n;
    const T square =
        is_rms ? NAME(dms_warp_fold)(DMS_FOLD_SUM_SQUARE, &x, n) : NAME(sum_variance)(&x, n, mean);
    const T inv_std = (T)1 / SQRT(square / (T)n + (T)p->epsilon);
    for (int64_t i = dms_lane(); i < n; i += DMS_WARP) {
        const T v = dms_row_get(&x, i).MEMBER;
        const T s = p->form != DMS_NORM_PLAIN ? dms_row_get(&scale, i).MEMBER : (T)0;
        const T b = p->form >= DMS_NORM_BIAS ? dms_row_get(&bias, i).MEMBER : (T)0;
        dms_scalar out;
        out.MEMBER = NAME(normalised)(p->form, v, mean, inv_std, s, b);
        dms_row_put(&y, i, out);
    }
    if (p->mean != 0)
        NAME(put_moment)(p, p->mean, index, mean);
    if (p->inv_std != 0)
        NAME(put_moment)(p, p->inv_std, index, inv_std);
}
