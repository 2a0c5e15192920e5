/* resize_cpu.c - resizing on the CPU device: every output is a sum over taps of every axis.
 *
 * Per axis a position has taps (resize_body.h): elements and weights. For a row of outputs
 *
 *      y[j] = sum over taps of the outer axes, first axis slowest, of  weight * inner[j]
 *      inner[j] = sum over taps of the last axis of  weight[j] * x[..., element[j]]
 *
 * both as fused chains from zero, in f32 for f32, f16 and bf16, else in f64; integers are cut off
 * toward zero and stay within their type. Parts: blocks of rows of outputs.
 *
 * Antialiased integers are rounded after every axis, the last axis first, as picture libraries do;
 * of 8-bit types weights are multiples of 2^-22, ties go up, and all sums are exact. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/resize_body.h"
#include "runtime/kernels/resize_join.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/vector_internal.h"

enum {
    TABLE = 65536, /* taps of all positions of a strip */
    WORTH = 16384, /* outputs of a part, about */
    KNOWN = 4,     /* rows of inputs that neighbouring outputs share */
    PICKS = 4,     /* taps that are picked out of vectors */
    ROWS = 8192,   /* of outputs whose inputs are looked up */
};
_Static_assert((int)DMS_RESIZE_TAPS <= (int)TABLE, "one position fits");

/* Taps of one position, in rising order of elements. */
typedef struct taps {
    int64_t n;
    bool is_outside; /* tf_crop_and_resize: the value is the extrapolation */
    int64_t at[DMS_RESIZE_TAPS];
    float weight[DMS_RESIZE_TAPS];
} taps;

typedef struct resize_scratch {
    taps outer[DMS_RESIZE_MAX_RANK - 1];
    int64_t outer_at[DMS_RESIZE_MAX_RANK - 1]; /* the position that each was made for; -1 = none */
    taps one;
    int64_t at[TABLE]; /* [tap][column] of the last axis */
    float weight[TABLE];
    bool is_outside[DMS_STRIP];
    dms_strip x, inner, sum;
    double level[DMS_RESIZE_MAX_RANK][DMS_STRIP]; /* rounded after axis k and those behind it */
    uint64_t raw[DMS_STRIP];
    const char *known[KNOWN]; /* rows of inputs whose taps are summed in `rows` */
    uint32_t oldest;
    float rows[KNOWN][DMS_STRIP];
    const char *moved; /* the row of inputs whose elements `raw` holds, of the columns at hand */
    bool picks;        /* plan_picks has found */
    int64_t base[PICKS][DMS_STRIP / 8]; /* the input that each vector of outputs begins at, */
    int32_t within[PICKS][DMS_STRIP];   /* and which of those from there on each output is */
    int32_t source[ROWS];               /* rows of inputs, per row of outputs */
} resize_scratch;
_Static_assert(sizeof(resize_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* All taps of output `at` along an axis. */
static void taps_of(const dms_resize_rule *rule, const dms_resize_axis *a, int64_t at, taps *out) {
    dms_resize_window window;
    dms_resize_window_of(rule, a, at, &window);
    out->n = window.n;
    out->is_outside = window.is_outside != 0;
    for (int64_t k = 0; k < window.n; k++)
        out->weight[k] = dms_resize_tap(rule, &window, k, &out->at[k]);
}

/* Positions of a row of outputs: the columns that one strip holds. */
typedef struct strip {
    int64_t column, n, taps; /* `taps` is the largest number of any column; others get weight 0 */
} strip;

/* Fills the tables of the last axis from `column` on, as many columns as fit. */
static strip load_strip(const dms_resize_joined *it, int64_t column, resize_scratch *s) {
    strip z = {.column = column, .taps = 1};
    const int64_t inner = it->inner, columns = it->last.out * inner;
    for (int64_t j = 0; j < DMS_STRIP && column + j < columns; j++) {
        taps_of(&it->rule, &it->last, (column + j) / inner, &s->one);
        z.taps = s->one.n > z.taps ? s->one.n : z.taps;
    }
    const int64_t room = TABLE / z.taps < DMS_STRIP ? TABLE / z.taps : DMS_STRIP;
    z.n = columns - column < room ? columns - column : room;
    for (int64_t j = 0; j < z.n; j++) {
        taps_of(&it->rule, &it->last, (column + j) / inner, &s->one);
        for (int64_t k = 0; k < s->one.n; k++)
            s->one.at[k] = s->one.at[k] * inner + (column + j) % inner;
        s->is_outside[j] = s->one.is_outside;
        for (int64_t k = 0; k < z.taps; k++) {
            const bool exists = k < s->one.n;
            s->at[k * z.n + j] = exists ? s->one.at[k] : s->one.n > 0 ? s->one.at[0] : 0;
            s->weight[k * z.n + j] = exists ? s->one.weight[k] : 0.0f;
        }
    }
    return z;
}

/* raw[j] = element at[j] of a row, by size alone. */
#define GATHER(NAME, T)                                                                            \
    static void NAME(const T *x, int64_t pitch, const int64_t *at, int64_t n, T *out) {            \
        for (int64_t j = 0; j < n; j++)                                                            \
            out[j] = x[at[j] * pitch];                                                             \
    }
GATHER(gather_1, uint8_t)
GATHER(gather_2, uint16_t)
GATHER(gather_4, uint32_t)
GATHER(gather_8, uint64_t)

static void gather(uint32_t size, const void *x, int64_t pitch, const int64_t *at, int64_t n,
                   void *out) {
    if (size == 1)
        gather_1(x, pitch, at, n, out);
    else if (size == 2)
        gather_2(x, pitch, at, n, out);
    else if (size == 4)
        gather_4(x, pitch, at, n, out);
    else
        gather_8(x, pitch, at, n, out);
}

/* Integers and truths to f64 in place of the strip. */
static void to_f64(dms_class class, int64_t n, dms_strip *x) {
    for (int64_t j = 0; j < n && class == DMS_CLASS_I64; j++)
        x->f64[j] = (double)x->i64[j];
    for (int64_t j = 0; j < n && class == DMS_CLASS_U64; j++)
        x->f64[j] = (double)x->u64[j];
    for (int64_t j = n; j-- > 0 && class == DMS_CLASS_BOOL;)
        x->f64[j] = (double)x->b8[j];
}

/* f64 to integers that fit the type, and to truths. */
static void from_f64(dms_dtype dtype, int64_t n, dms_strip *x) {
    const dms_class class = dms_class_of(dtype);
    const int bits = (int)dms_dtype_bytes(dtype) * 8;
    for (int64_t j = 0; j < n && class == DMS_CLASS_I64; j++)
        x->i64[j] = dms_resize_signed(bits, x->f64[j]);
    for (int64_t j = 0; j < n && class == DMS_CLASS_U64; j++)
        x->u64[j] = dms_resize_unsigned(bits, x->f64[j]);
    for (int64_t j = 0; j < n && class == DMS_CLASS_BOOL; j++)
        x->b8[j] = x->f64[j] != 0.0;
}

/* raw = tap k of the last axis for all columns, x = the same in its class, integers as f64. */
static void load_tap(const dms_view *x, const char *row, const strip *z, int64_t k,
                     resize_scratch *s) {
    gather(dms_dtype_bytes(x->dtype), row, x->pitch[x->rank - 1], s->at + k * z->n, z->n, s->raw);
    DMS_ISA(dms_strip_load)(x->dtype, s->raw, 1, z->n, &s->x);
    to_f64(dms_class_of(x->dtype), z->n, &s->x);
}

/* Elements of four bytes, where each vector of outputs comes from one vector of inputs per tap. */
#ifdef __FMA__

#ifdef __AVX512F__
#define PICK(v, within) _mm512_permutexvar_ps(_mm512_loadu_si512(within), v)
#else
#define PICK(v, within)                                                                            \
    _mm256_permutevar8x32_ps(v, _mm256_loadu_si256((const __m256i *)(const void *)(within)))
#endif

/* Fills `base` and `within` of a tap; false where some vector reaches further. */
static bool plan_tap(int64_t in, const strip *z, int64_t tap, resize_scratch *s) {
    for (int64_t j = 0; j < z->n; j += DMS_V) {
        const int64_t *const at = s->at + tap * z->n + j;
        const int64_t n = z->n - j < DMS_V ? z->n - j : DMS_V;
        int64_t low = at[0], high = at[0];
        for (int64_t k = 1; k < n; k++) {
            low = at[k] < low ? at[k] : low;
            high = at[k] > high ? at[k] : high;
        }
        low = low + DMS_V <= in ? low : in > DMS_V ? in - DMS_V : 0;
        if (high - low >= DMS_V)
            return false;
        s->base[tap][j / DMS_V] = low;
        for (int64_t k = 0; k < DMS_V; k++)
            s->within[tap][j + k] = k < n ? (int32_t)(at[k] - low) : 0;
    }
    return true;
}

static bool plan_picks(const dms_view *x, const strip *z, resize_scratch *s) {
    const uint32_t last = x->rank - 1;
    bool picks = dms_dtype_bytes(x->dtype) == 4 && x->pitch[last] == 1 && z->taps <= PICKS;
    for (int64_t tap = 0; tap < z->taps && picks; tap++)
        picks = plan_tap(x->dim[last], z, tap, s);
    return picks;
}

/* Vector j / DMS_V of a tap. */
DMS_FN dms_vec pick(int64_t in, const float *x, int64_t tap, int64_t j, const resize_scratch *s) {
    const float *const from = x + s->base[tap][j / DMS_V];
    return PICK(in >= DMS_V ? DMS_VLOAD(from) : DMS_VLOAD_SOME(from, in), s->within[tap] + j);
}

static void pick_row(int64_t in, int64_t n, const float *x, float *y, const resize_scratch *s) {
    for (int64_t j = 0; j < n; j += DMS_V) {
        const dms_vec picked = pick(in, x, 0, j, s);
        if (n - j >= DMS_V)
            DMS_VSTORE(y + j, picked);
        else
            DMS_VSTORE_SOME(y + j, n - j, picked);
    }
}

/* Whole vectors of sums; what lies behind the last column is never read. */
static void pick_sums(int64_t in, const strip *z, const float *x, float *sum,
                      const resize_scratch *s) {
    for (int64_t j = 0; j < z->n; j += DMS_V) {
        dms_vec r = DMS_VZERO();
        for (int64_t tap = 0; tap < z->taps; tap++)
            r = DMS_VFMA(DMS_VLOAD(s->weight + tap * z->n + j), pick(in, x, tap, j, s), r);
        DMS_VSTORE(sum + j, r);
    }
}

#else

static bool plan_picks(const dms_view *x, const strip *z, resize_scratch *s) {
    (void)x, (void)z, (void)s;
    return false;
}

static void pick_row(int64_t in, int64_t n, const float *x, float *y, const resize_scratch *s) {
    (void)in, (void)n, (void)x, (void)y, (void)s; /* never */
}

static void pick_sums(int64_t in, const strip *z, const float *x, float *sum,
                      const resize_scratch *s) {
    (void)in, (void)z, (void)x, (void)sum, (void)s; /* never */
}

#endif

/* The taps of the last axis over one row of inputs, for all columns. Enlarged images use a row for
 * several rows of outputs: it stays until KNOWN others have come. */
static const float *sum_taps(const dms_view *x, const char *row, const strip *z,
                             resize_scratch *s) {
    for (uint32_t k = 0; k < KNOWN; k++)
        if (s->known[k] == row)
            return s->rows[k];
    float *inner = s->rows[s->oldest];
    s->known[s->oldest] = row;
    s->oldest = (s->oldest + 1) % KNOWN;
    if (s->picks && x->dtype == DMS_DTYPE_F32) {
        pick_sums(x->dim[x->rank - 1], z, (const float *)(const void *)row, inner, s);
        return inner;
    }
    memset(inner, 0, (size_t)z->n * sizeof *inner);
    for (int64_t k = 0; k < z->taps; k++) {
        const float *w = s->weight + k * z->n;
        const float *a = s->x.f32;
        if (x->dtype == DMS_DTYPE_F32)
            gather_4((const uint32_t *)(const void *)row, x->pitch[x->rank - 1], s->at + k * z->n,
                     z->n, (uint32_t *)(void *)s->x.f32);
        else
            load_tap(x, row, z, k, s);
        for (int64_t j = 0; j < z->n; j++)
            inner[j] = fmaf(w[j], a[j], inner[j]);
    }
    return inner;
}

/* sum += weight * inner, inner = the taps of the last axis over one row of inputs. */
static void add_row(const dms_view *x, const char *row, const strip *z, float weight,
                    resize_scratch *s) {
    if (dms_class_of(x->dtype) == DMS_CLASS_F32) {
        const float *inner = sum_taps(x, row, z, s);
        for (int64_t j = 0; j < z->n; j++)
            s->sum.f32[j] = fmaf(weight, inner[j], s->sum.f32[j]);
        return;
    }
    memset(s->inner.f64, 0, (size_t)z->n * sizeof s->inner.f64[0]);
    for (int64_t k = 0; k < z->taps; k++) {
        const float *w = s->weight + k * z->n;
        load_tap(x, row, z, k, s);
        for (int64_t j = 0; j < z->n; j++)
            s->inner.f64[j] = fma((double)w[j], s->x.f64[j], s->inner.f64[j]);
    }
    for (int64_t j = 0; j < z->n; j++)
        s->sum.f64[j] = fma((double)weight, s->inner.f64[j], s->sum.f64[j]);
}

/* ---- integers, antialiased: rounded after every axis ---------------------------------------- */

/* level[k] = the sum over the taps of axis k of level[k + 1], rounded; of the last axis, of x. */
static void sum_level(const dms_view *x, const char *base, const strip *z, uint32_t k,
                      resize_scratch *s) {
    double *sum = s->level[k];
    const int is_byte = dms_dtype_bytes(x->dtype) == 1;
    const int is_signed = dms_class_of(x->dtype) == DMS_CLASS_I64;
    memset(sum, 0, (size_t)z->n * sizeof *sum);
    if (k + 1 == x->rank || k + 1 == DMS_RESIZE_MAX_RANK) /* the second says it to the compiler */
        for (int64_t tap = 0; tap < z->taps; tap++) {
            load_tap(x, base, z, tap, s);
            for (int64_t j = 0; j < z->n; j++)
                sum[j] =
                    fma(dms_resize_fixed(is_byte, s->weight[tap * z->n + j]), s->x.f64[j], sum[j]);
        }
    else
        for (int64_t tap = 0; tap < s->outer[k].n; tap++) {
            const int64_t at = s->outer[k].at[tap] * x->pitch[k];
            const double weight = dms_resize_fixed(is_byte, s->outer[k].weight[tap]);
            sum_level(x, base + at * dms_dtype_bytes(x->dtype), z, k + 1, s);
            for (int64_t j = 0; j < z->n; j++)
                sum[j] = fma(weight, s->level[k + 1][j], sum[j]);
        }
    for (int64_t j = 0; j < z->n; j++)
        sum[j] = dms_resize_round(is_byte, is_signed, sum[j]);
}

/* Visits the taps of all outer axes like an odometer. */
static void sum_rows(const dms_view *x, const char *base, const strip *z, resize_scratch *s) {
    const uint32_t outer = x->rank - 1;
    int64_t digit[DMS_RESIZE_MAX_RANK] = {0};
    memset(&s->sum, 0, (size_t)z->n * sizeof s->sum.f64[0]);
    for (uint32_t k = 0; k < outer; k++)
        if (s->outer[k].n == 0)
            return;
    for (;;) {
        float weight = 1.0f;
        int64_t at = 0;
        for (uint32_t k = 0; k < outer; k++) {
            weight *= s->outer[k].weight[digit[k]];
            at += s->outer[k].at[digit[k]] * x->pitch[k];
        }
        if (weight != 0.0f) /* cubic filters reach further than they weigh, along kept axes too */
            add_row(x, base + at * dms_dtype_bytes(x->dtype), z, weight, s);
        uint32_t k = outer;
        while (k > 0 && ++digit[k - 1] == s->outer[k - 1].n)
            digit[--k] = 0;
        if (k == 0)
            return;
    }
}

/* Puts the extrapolation value where a position lies outside. */
static void extrapolate(const dms_call *call, bool is_row_outside, const strip *z,
                        resize_scratch *s) {
    const double value = call->f[DMS_RESIZE_EXTRAPOLATION];
    const bool is_f32 = dms_class_of(call->view[0].dtype) == DMS_CLASS_F32;
    for (int64_t j = 0; j < z->n; j++) {
        if (!is_row_outside && !s->is_outside[j])
            continue;
        if (is_f32)
            s->sum.f32[j] = (float)value;
        else
            s->sum.f64[j] = value;
    }
}

/* Nearest without extrapolation moves bytes and fits every type. */
static bool is_move(const dms_call *call) {
    return call->i[DMS_RESIZE_MODE] == DMS_RESIZE_NEAREST &&
           call->i[DMS_RESIZE_COORDINATES] != DMS_TF_CROP;
}

/* Elements at[j] of a row of inputs. A row that the strip before came from is not gathered again:
 * twice as many rows as before are pairs of equal ones. */
static void move_row(const dms_view *y, const strip *z, const char *from, int64_t pitch, char *to,
                     resize_scratch *s) {
    const uint32_t size = dms_dtype_bytes(y->dtype);
    const int64_t step = y->pitch[y->rank - 1];
    if (from != s->moved)
        gather(size, from, pitch, s->at, z->n, s->raw);
    s->moved = from;
    if (step == 1)
        memcpy(to, s->raw, (size_t)z->n * size);
    else
        for (int64_t j = 0; j < z->n; j++)
            memcpy(to + j * step * size, (const char *)s->raw + j * size, size);
}

/* Where output `at` of axis k comes from. */
static int64_t source_of(const dms_call *call, uint32_t k, int64_t at) {
    const dms_resize_rule rule = dms_resize_rule_of(call);
    const dms_resize_axis a = dms_resize_axis_of(call, k);
    return dms_resize_source(&rule, &a, at);
}

/* Where a row of outputs, all axes but the last, comes from: elements of x, and of y. */
typedef struct row_place {
    int64_t x, y;
} row_place;

/* The place of a row by its axes before the last but one. */
static row_place place_of(const dms_call *call, int64_t outer) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    row_place place = {0, 0};
    for (uint32_t k = x->rank - 1; k-- > 0;) {
        if (k + 2 == x->rank)
            continue;
        const int64_t at = outer % y->dim[k];
        outer /= y->dim[k];
        place.x += source_of(call, k, at) * x->pitch[k];
        place.y += at * y->pitch[k];
    }
    return place;
}

/* Rows of outputs [row, end), the columns of a strip. Rows along the last but one axis look up
 * where they come from; the axes before it are computed when they move on. */
static void move_rows(const dms_cpu_job *job, const strip *z, int64_t row, int64_t end,
                      resize_scratch *s) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const uint32_t last = x->rank - 1, size = dms_dtype_bytes(x->dtype);
    const uint32_t down = last > 0 ? last - 1 : 0;
    const int64_t high = last > 0 ? y->dim[down] : 1;
    const bool picks = s->picks && y->pitch[last] == 1;
    for (int64_t h = 0; h < high && h < ROWS && last > 0; h++)
        s->source[h] = (int32_t)source_of(call, down, h);
    row_place outer = {0, 0};
    for (int64_t k = row; k < end; k++) {
        const int64_t h = k % high;
        if (k == row || h == 0)
            outer = place_of(call, k / high);
        row_place at = outer;
        if (last > 0) {
            at.x += (h < ROWS ? s->source[h] : source_of(call, down, h)) * x->pitch[down];
            at.y += h * y->pitch[down];
        }
        const char *from = (const char *)job->operand[0] + at.x * size;
        char *to = (char *)job->operand[1] + (at.y + z->column * y->pitch[last]) * size;
        if (picks)
            pick_row(x->dim[last], z->n, (const float *)(const void *)from, (float *)(void *)to, s);
        else
            move_row(y, z, from, x->pitch[last], to, s);
    }
}

/* One strip of one row of outputs, whose outer taps are in scratch. */
static void run_strip(const dms_cpu_job *job, const strip *z, int64_t y_at, resize_scratch *s) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const uint32_t last = x->rank - 1, size = dms_dtype_bytes(x->dtype);
    const char *base = job->operand[0];
    char *to = (char *)job->operand[1] + (y_at + z->column * y->pitch[last]) * size;
    bool is_row_outside = false;
    for (uint32_t k = 0; k < last; k++)
        is_row_outside = is_row_outside || s->outer[k].is_outside;
    if (call->i[DMS_RESIZE_ANTIALIAS] != 0 && !dms_dtype_is_float(x->dtype)) {
        sum_level(x, base, z, 0, s);
        memcpy(s->sum.f64, s->level[0], (size_t)z->n * sizeof *s->level[0]);
    } else {
        sum_rows(x, base, z, s);
    }
    if (call->i[DMS_RESIZE_COORDINATES] == DMS_TF_CROP)
        extrapolate(call, is_row_outside, z, s);
    if (!dms_dtype_is_float(y->dtype))
        from_f64(y->dtype, z->n, &s->sum);
    DMS_ISA(dms_strip_store)(y->dtype, &s->sum, to, y->pitch[last], z->n);
}

/* Rows of outputs (all axes but the last), and how many make a part. */
static int64_t rows_of(const dms_view *y) {
    return dms_view_count(y) / y->dim[y->rank - 1];
}

static int64_t rows_of_part(const dms_view *y) {
    return y->dim[y->rank - 1] < WORTH ? WORTH / y->dim[y->rank - 1] : 1;
}

static uint64_t resize_parts(const dms_call *call) {
    dms_resize_joined it;
    if (dms_view_count(&call->view[1]) == 0)
        return 0;
    dms_resize_join(call, &it);
    const dms_view *y = &it.call.view[1];
    const int64_t rows = rows_of_part(y);
    return (uint64_t)((rows_of(y) + rows - 1) / rows);
}

/* Taps of the outer axes of row `row`; returns where the row of outputs begins. */
static int64_t load_row(const dms_call *call, int64_t row, resize_scratch *s) {
    const dms_view *y = &call->view[1];
    const dms_resize_rule rule = dms_resize_rule_of(call);
    int64_t at = 0;
    for (uint32_t k = y->rank - 1; k-- > 0; row /= y->dim[k]) {
        const dms_resize_axis a = dms_resize_axis_of(call, k);
        const int64_t position = row % y->dim[k];
        if (s->outer_at[k] != position)
            taps_of(&rule, &a, position, &s->outer[k]);
        s->outer_at[k] = position;
        at += position * y->pitch[k];
    }
    return at;
}

static void resize_run(const dms_cpu_job *whole, uint64_t first, uint64_t end) {
    resize_scratch *s = whole->scratch;
    dms_cpu_job job = *whole;
    dms_resize_joined it;
    if (first == end)
        return;
    dms_resize_join(whole->call, &it);
    job.call = &it.call;
    const dms_view *y = &it.call.view[1];
    const int64_t rows = rows_of_part(y), all = rows_of(y);
    for (int64_t column = 0; column < it.last.out * it.inner;) {
        const strip z = load_strip(&it, column, s);
        s->moved = NULL;
        memset(s->known, 0, sizeof s->known);
        s->picks = plan_picks(&it.call.view[0], &z, s);
        memset(s->outer_at, 0xff, sizeof s->outer_at);
        s->oldest = 0;
        const int64_t row0 = (int64_t)first * rows, wanted = (int64_t)end * rows;
        const int64_t row_end = wanted < all ? wanted : all;
        if (is_move(&it.call))
            move_rows(&job, &z, row0, row_end, s);
        for (int64_t row = row0; row < row_end && !is_move(&it.call); row++) {
            const int64_t at = load_row(&it.call, row, s);
            run_strip(&job, &z, at, s);
        }
        column += z.n;
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_resize) = {DMS_K_RESIZE, resize_parts, resize_run};
