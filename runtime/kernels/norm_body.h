/* norm_body.h - SOFTMAX, LAYER_NORM, GROUP_NORM, BATCH_NORM and LRN in one float type.
 *
 * Reads    T (float or double), NAME(x) (x with the type's suffix), FOLD_CLASS, MEMBER (of
 *          dms_strip), EXP, LOG, SQRT, POW, FMA, QUIET, HAS_SHORT_ROWS (0 or 1): norm_cpu.c sets
 *          them and includes this file twice.
 * Returns  static functions NAME(softmax), ... that compute rows [first, end).
 * Cost     two or three passes over a row, which lies in the cache after the first.
 * Source   ONNX; the mean and the variance are two passes, as in ONNX Runtime.
 * Not here parts and types (norm_cpu.c).
 */

#if HAS_SHORT_ROWS
/* Whether the row is memory of f32 and short enough for short_row.h. */
static bool is_short(const dms_line *x) {
    return x->walk.count <= DMS_STRIP && dms_line_is_strip(x);
}

/* The sum of squares of x - mean (of x itself: mean 0), and the mean where it is wanted. */
static float short_moments(const float *a, int64_t n, bool is_rms, float *mean) {
    float padded[DMS_STRIP];
    dms_short_load(a, n, 0.0f, padded);
    *mean = is_rms ? 0.0f : dms_short_sum(padded, n, 0) / (float)n;
    const float shift = *mean;
    for (int64_t k = 0; k < n && !is_rms; k++)
        padded[k] -= shift;
    return dms_short_sum(padded, n, 1);
}

/* exp(x - largest) times the reciprocal of the sum. What pads a row becomes 0, or a NaN where all
 * of the row does. */
static void short_softmax(const float *a, int64_t n, float *y) {
    float e[DMS_STRIP];
    dms_short_load(a, n, -INFINITY, e);
    const float largest = dms_short_max(e, n);
    const int64_t padded = dms_short_padded(n);
    for (int64_t k = 0; k < padded; k++)
        e[k] = dms_expf(e[k] - largest);
    const float inverse = 1.0f / dms_short_sum(e, n, 0);
    for (int64_t k = 0; k < padded; k++)
        e[k] = dms_quietf(e[k] * inverse);
    memcpy(y, e, (size_t)n * sizeof *y);
}
#endif

/* The row, folded. */
static T NAME(fold_line)(dms_line *x, dms_fold_kind kind) {
    const dms_fold *fold = DMS_ISA(dms_fold_find)(kind, FOLD_CLASS);
    dms_lanes lanes;
    DMS_ISA(dms_fold_start)(fold, FOLD_CLASS, DMS_LANES, &lanes);
    dms_line_restart(x);
    const int64_t count = x->walk.count, step = dms_line_is_strip(x) ? count : DMS_STRIP;
    for (int64_t i = 0; i < count; i += step) {
        const int64_t n = count - i < step ? count - i : step;
        dms_strip strip;
        fold->along(&lanes, dms_line_get(x, n, &strip), n);
    }
    DMS_ISA(dms_fold_join)(fold, FOLD_CLASS, 1, &lanes);
    return lanes.MEMBER[0];
}

/* The sum of (x - mean)^2 over the row. */
static T NAME(fold_variance)(dms_line *x, T mean) {
    const dms_fold *fold = DMS_ISA(dms_fold_find)(DMS_FOLD_SUM_SQUARE, FOLD_CLASS);
    dms_lanes lanes;
    DMS_ISA(dms_fold_start)(fold, FOLD_CLASS, DMS_LANES, &lanes);
    dms_line_restart(x);
    for (int64_t i = 0; i < x->walk.count; i += DMS_STRIP) {
        const int64_t n = x->walk.count - i < DMS_STRIP ? x->walk.count - i : DMS_STRIP;
        dms_strip strip, centred;
        const T *a = dms_line_get(x, n, &strip);
        for (int64_t k = 0; k < n; k++)
            centred.MEMBER[k] = a[k] - mean;
        fold->along(&lanes, &centred, n);
    }
    DMS_ISA(dms_fold_join)(fold, FOLD_CLASS, 1, &lanes);
    return lanes.MEMBER[0];
}

/* Where a row's elements, as deviations from the mean, are scaled to: 1 / sqrt(variance +
 * epsilon). */
typedef struct NAME(moments) {
    T mean, inv_std;
} NAME(moments);

/* rms: the mean stays 0 and the square is not centred. */
static NAME(moments) NAME(moments_of)(dms_line *x, bool is_rms, T epsilon) {
    const T n = (T)x->walk.count;
#if HAS_SHORT_ROWS
    if (is_short(x)) {
        float short_mean;
        const float sum = short_moments((const float *)(const void *)x->row, x->walk.count, is_rms,
                                        &short_mean);
        return (NAME(moments)){short_mean, 1.0f / sqrtf(sum / n + epsilon)};
    }
#endif
    const T mean = is_rms ? (T)0 : NAME(fold_line)(x, DMS_FOLD_SUM) / n;
    const T square =
        is_rms ? NAME(fold_line)(x, DMS_FOLD_SUM_SQUARE) : NAME(fold_variance)(x, mean);
    return (NAME(moments)){mean, (T)1 / SQRT(square / n + epsilon)};
}

/* --- SOFTMAX: exp(x - largest) times the reciprocal of the sum; log: x - largest - log(sum). A row
 * of -infinity alone is NaN, since its difference is. */

/* Three passes: the largest, the powers and their sum, the scaling. */
static void NAME(softmax_row)(dms_line *x, dms_line *y, bool is_log) {
#if HAS_SHORT_ROWS
    if (!is_log && is_short(x) && dms_line_is_strip(y)) {
        short_softmax((const float *)(const void *)x->row, x->walk.count,
                      (float *)(void *)y->row);
        return;
    }
#endif
    const T largest = NAME(fold_line)(x, DMS_FOLD_MAX);
    const dms_fold *sum = DMS_ISA(dms_fold_find)(DMS_FOLD_SUM, FOLD_CLASS);
    const int64_t count = x->walk.count;
    /* Where y is memory of the class, the powers wait there; else they are computed again. */
    const bool keeps = !is_log && dms_line_is_strip(y);
    dms_lanes lanes;
    DMS_ISA(dms_fold_start)(sum, FOLD_CLASS, DMS_LANES, &lanes);
    dms_line_restart(x);
    for (int64_t i = 0; i < count; i += DMS_STRIP) {
        const int64_t n = count - i < DMS_STRIP ? count - i : DMS_STRIP;
        dms_strip strip, powers;
        const T *a = dms_line_get(x, n, &strip);
        T *e = keeps ? (T *)(void *)y->row + i : powers.MEMBER;
        DMS_INDEPENDENT
        for (int64_t k = 0; k < n; k++)
            e[k] = EXP(a[k] - largest);
        sum->along(&lanes, e, n);
    }
    DMS_ISA(dms_fold_join)(sum, FOLD_CLASS, 1, &lanes);
    const T total = lanes.MEMBER[0], inverse = (T)1 / total, log_total = is_log ? LOG(total) : (T)0;
    dms_line_restart(x);
    dms_line_restart(y);
    for (int64_t i = 0; i < count; i += DMS_STRIP) {
        const int64_t n = count - i < DMS_STRIP ? count - i : DMS_STRIP;
        dms_strip strip, out;
        if (keeps) {
            T *e = (T *)(void *)y->row + i;
            for (int64_t k = 0; k < n; k++)
                e[k] = QUIET(e[k] * inverse);
            continue;
        }
        const T *a = dms_line_get(x, n, &strip);
        if (is_log)
            for (int64_t k = 0; k < n; k++)
                out.MEMBER[k] = QUIET(a[k] - largest - log_total);
        else
            for (int64_t k = 0; k < n; k++)
                out.MEMBER[k] = QUIET(EXP(a[k] - largest) * inverse);
        dms_line_put(y, n, &out);
    }
}

/* Rows [first, end) of the last axis. */
static void NAME(softmax)(const dms_cpu_job *job, const dms_walk *rows, int64_t first,
                          int64_t end) {
    const dms_view *view = job->call->view;
    const uint32_t last = view[0].rank - 1;
    dms_line x, y;
    dms_line_open(&x, &view[0], last, job->operand[0]);
    dms_line_open(&y, &view[1], last, job->operand[1]);
    dms_walk_at at;
    if (first < end)
        dms_walk_seek(rows, first, &at);
    for (int64_t r = first; r < end; r++, dms_walk_next(rows, &at, 1)) {
        dms_line_start(&x, at.element[0]);
        dms_line_start(&y, at.element[1]);
        NAME(softmax_row)(&x, &y, job->call->i[0] != 0);
    }
}

/* --- LAYER_NORM */

/* y = (x - mean) inv_std, times scale, plus bias, where they are there. */
static void NAME(normalise_row)(dms_line *x, dms_line *y, dms_line *scale, dms_line *bias,
                                NAME(moments) m) {
    dms_line *const lines[] = {x, y, scale, bias};
    for (int k = 0; k < 4; k++)
        if (lines[k] != NULL)
            dms_line_restart(lines[k]);
    const bool is_strip = dms_line_is_strip(y); /* then it is written where it lies */
    for (int64_t i = 0; i < x->walk.count; i += DMS_STRIP) {
        const int64_t n = x->walk.count - i < DMS_STRIP ? x->walk.count - i : DMS_STRIP;
        dms_strip strip, scale_strip, bias_strip, out;
        const T *a = dms_line_get(x, n, &strip);
        const T *s = scale == NULL ? NULL : dms_line_get(scale, n, &scale_strip);
        const T *b = bias == NULL ? NULL : dms_line_get(bias, n, &bias_strip);
        T *o = is_strip ? (T *)(void *)y->row + i : out.MEMBER;
        if (b != NULL)
            DMS_INDEPENDENT
        for (int64_t k = 0; k < n; k++)
            o[k] = QUIET(FMA((a[k] - m.mean) * m.inv_std, s[k], b[k]));
        else if (s != NULL) DMS_INDEPENDENT for (int64_t k = 0; k < n; k++) o[k] =
            QUIET((a[k] - m.mean) * m.inv_std * s[k]);
        else DMS_INDEPENDENT for (int64_t k = 0; k < n; k++) o[k] =
            QUIET((a[k] - m.mean) * m.inv_std);
        if (!is_strip)
            dms_line_put(y, n, o);
    }
}

/* The mean or the inverse deviation of a row, as output `out` of the call, of f32 or T. */
static void NAME(put_moment)(const dms_cpu_job *job, uint32_t operand, int64_t element, T value) {
    const dms_view *view = &job->call->view[operand];
    void *to = (char *)job->operand[operand] + element * (int64_t)dms_dtype_bytes(view->dtype);
    value = QUIET(value);
    const float single = (float)value;
    DMS_ISA(dms_strip_store)
    (view->dtype, view->dtype == DMS_DTYPE_F32 ? (const void *)&single : &value, to, 1, 1);
}

/* Rows [first, end); scale and bias are one row each, read again for every row. */
static void NAME(layer_norm)(const dms_cpu_job *job, const dms_walk *rows, int64_t first,
                             int64_t end) {
    const dms_call *call = job->call;
    const uint32_t n_in = call->n_in, last = call->view[0].rank - 1;
    dms_line x, y, vector[2];
    dms_line_open(&x, &call->view[0], last, job->operand[0]);
    dms_line_open(&y, &call->view[n_in], last, job->operand[n_in]);
    for (uint32_t k = 1; k < n_in; k++)
        dms_line_open(&vector[k - 1], &call->view[k], 0, job->operand[k]);
    dms_walk_at at;
    if (first < end)
        dms_walk_seek(rows, first, &at);
    for (int64_t r = first; r < end; r++, dms_walk_next(rows, &at, 1)) {
        dms_line_start(&x, at.element[0]);
        dms_line_start(&y, at.element[1]);
        const NAME(moments) m = NAME(moments_of)(&x, call->i[0] != 0, (T)call->f[0]);
        NAME(normalise_row)(&x, &y, n_in > 1 ? &vector[0] : NULL, n_in > 2 ? &vector[1] : NULL, m);
        if (call->n_out > 1)
            NAME(put_moment)(job, n_in + 1, at.element[2], m.mean);
        if (call->n_out > 2)
            NAME(put_moment)(job, n_in + 2, at.element[3], m.inv_std);
    }
}

/* --- GROUP_NORM and BATCH_NORM: channels of s elements, y = (x - mean) k + bias */

/* One channel: x - mean first, as the difference is exact where x is close to the mean. */
static void NAME(scale_channel)(dms_line *x, dms_line *y, T mean, T k, T bias) {
    dms_line_restart(x);
    dms_line_restart(y);
    const bool is_strip = dms_line_is_strip(y), is_whole = is_strip && dms_line_is_strip(x);
    const int64_t count = x->walk.count, step = is_whole ? count : DMS_STRIP;
    for (int64_t i = 0; i < count; i += step) {
        const int64_t n = count - i < step ? count - i : step;
        dms_strip strip, out;
        const T *a = dms_line_get(x, n, &strip);
        T *o = is_strip ? (T *)(void *)y->row + i : out.MEMBER;
        DMS_INDEPENDENT
        for (int64_t j = 0; j < n; j++)
            o[j] = QUIET(FMA(a[j] - mean, k, bias));
        if (!is_strip)
            dms_line_put(y, n, o);
    }
}

/* One element of an operand, whatever its float type. */
static T NAME(element)(const dms_cpu_job *job, uint32_t operand, int64_t element) {
    const dms_dtype dtype = job->call->view[operand].dtype;
    dms_strip strip;
    DMS_ISA(dms_strip_load)
    (dtype, (const char *)job->operand[operand] + element * (int64_t)dms_dtype_bytes(dtype), 1, 1,
     &strip);
    return dms_class_of(dtype) == DMS_CLASS_F32 ? (T)strip.f32[0] : (T)strip.f64[0];
}

/* Rows are (b, g), each of c channels. */
static void NAME(group_norm)(const dms_cpu_job *job, const dms_walk *rows, int64_t first,
                             int64_t end) {
    const dms_view *view = job->call->view;
    dms_line group, x, y;
    dms_line_open(&group, &view[0], 2, job->operand[0]);
    dms_line_open(&x, &view[0], 3, job->operand[0]);
    dms_line_open(&y, &view[3], 3, job->operand[3]);
    dms_walk_at at;
    if (first < end)
        dms_walk_seek(rows, first, &at);
    for (int64_t r = first; r < end; r++, dms_walk_next(rows, &at, 1)) {
        dms_line_start(&group, at.element[0]);
        const NAME(moments) m = NAME(moments_of)(&group, false, (T)job->call->f[0]);
        const int64_t g = r % view[0].dim[1];
        for (int64_t c = 0; c < view[0].dim[2]; c++) {
            dms_line_start(&x, at.element[0] + c * view[0].pitch[2]);
            dms_line_start(&y, at.element[1] + c * view[3].pitch[2]);
            const T scale = NAME(element)(job, 1, g * view[1].pitch[0] + c * view[1].pitch[1]);
            const T bias = NAME(element)(job, 2, g * view[2].pitch[0] + c * view[2].pitch[1]);
            NAME(scale_channel)(&x, &y, m.mean, m.inv_std * scale, bias);
        }
    }
}

/* Rows are (b, c). */
static void NAME(batch_norm)(const dms_cpu_job *job, const dms_walk *rows, int64_t first,
                             int64_t end) {
    const dms_view *view = job->call->view;
    dms_line x, y;
    dms_line_open(&x, &view[0], 2, job->operand[0]);
    dms_line_open(&y, &view[5], 2, job->operand[5]);
    dms_walk_at at;
    if (first < end)
        dms_walk_seek(rows, first, &at);
    for (int64_t r = first; r < end; r++, dms_walk_next(rows, &at, 1)) {
        dms_line_start(&x, at.element[0]);
        dms_line_start(&y, at.element[1]);
        const int64_t c = r % view[0].dim[1];
        T p[4]; /* scale, bias, mean, variance */
        for (uint32_t k = 0; k < 4; k++)
            p[k] = NAME(element)(job, k + 1, c * view[k + 1].pitch[0]);
        NAME(scale_channel)(&x, &y, p[2], p[0] / SQRT(p[3] + (T)job->call->f[0]), p[1]);
    }
}

/* --- LRN: y = x / (bias + alpha / size * sum of the squares of `size` channels)^beta. Rows are
 * b. */

/* Strip [i, i + n) of channel c of sample b. */
static const T *NAME(lrn_strip)(const dms_cpu_job *job, int64_t b, int64_t c, int64_t i, int64_t n,
                                dms_strip *strip) {
    const dms_view *x = &job->call->view[0];
    const int64_t at = b * x->pitch[0] + c * x->pitch[1] + i * x->pitch[2];
    DMS_ISA(dms_strip_load)
    (x->dtype, (const char *)job->operand[0] + at * (int64_t)dms_dtype_bytes(x->dtype), x->pitch[2],
     n, strip);
    return strip->MEMBER;
}

/* Elements [i, i + n) of one channel: squares of the window in order of channel. */
static void NAME(lrn_channel)(const dms_cpu_job *job, int64_t b, int64_t c, int64_t i, int64_t n) {
    const dms_call *call = job->call;
    const dms_view *y = &call->view[1];
    const int64_t size = call->i[0], channels = y->dim[1];
    const int64_t low = c - (size - 1) / 2, high = c + size / 2;
    const T alpha = (T)(call->f[0] / (double)size), beta = (T)-call->f[1], bias = (T)call->f[2];
    dms_strip sum, strip;
    for (int64_t k = 0; k < n; k++)
        sum.MEMBER[k] = (T)0;
    for (int64_t j = low < 0 ? 0 : low; j <= high && j < channels; j++) {
        const T *a = NAME(lrn_strip)(job, b, j, i, n, &strip);
        for (int64_t k = 0; k < n; k++)
            sum.MEMBER[k] = FMA(a[k], a[k], sum.MEMBER[k]);
    }
    const T *a = NAME(lrn_strip)(job, b, c, i, n, &strip);
    for (int64_t k = 0; k < n; k++)
        sum.MEMBER[k] = QUIET(a[k] * POW(FMA(alpha, sum.MEMBER[k], bias), beta));
    const int64_t at = b * y->pitch[0] + c * y->pitch[1] + i * y->pitch[2];
    DMS_ISA(dms_strip_store)
    (y->dtype, &sum, (char *)job->operand[1] + at * (int64_t)dms_dtype_bytes(y->dtype), y->pitch[2],
     n);
}

/* Strip by strip along s, so that the window of neighbours stays in the cache. */
static void NAME(lrn)(const dms_cpu_job *job, const dms_walk *rows, int64_t first, int64_t end) {
    const int64_t *dim = job->call->view[0].dim;
    (void)rows;
    for (int64_t r = first; r < end; r++) /* rows are (b, c) */
        for (int64_t i = 0; i < dim[2]; i += DMS_STRIP)
            NAME(lrn_channel)
    (job, r / dim[1], r % dim[1], i, dim[2] - i < DMS_STRIP ? dim[2] - i : DMS_STRIP);
}
