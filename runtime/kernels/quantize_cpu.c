/* quantize_cpu.c - QUANTIZE, DEQUANTIZE and LOOKUP on the CPU device, strip by strip.
 *
 * Integers are taken to i32 and back by loops of their own: the classes of strip.h would make eight
 * bytes of each. A scale or zero that is one number for a run fills its strip once per run.
 *
 * Ties of the rounding go to even. A NaN becomes the lowest number. Differences x - zero wrap in 32
 * bits, which only i32 could notice. */
#include <stddef.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/quantize_body.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/walk.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

enum { PART = 32768 }; /* elements */

/* What a run computes on. */
typedef struct strips {
    float x[DMS_STRIP], scale[DMS_STRIP];
    int32_t number[DMS_STRIP], zero[DMS_STRIP];
} strips;

/* ---- integers as i32 ----------------------------------------------------------------------- */

#define INTEGER(NAME, T)                                                                           \
    static void NAME##_load(const T *from, int64_t pitch, int64_t n, int32_t *to) {                \
        if (pitch == 1)                                                                            \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k] = from[k];                                                                   \
        else                                                                                       \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k] = from[k * pitch];                                                           \
    }                                                                                              \
    static void NAME##_store(const int32_t *from, int64_t pitch, int64_t n, T *to) {               \
        if (pitch == 1)                                                                            \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k] = (T)from[k];                                                                \
        else                                                                                       \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k * pitch] = (T)from[k];                                                        \
    }
INTEGER(u8, uint8_t)
INTEGER(i8, int8_t)
INTEGER(u16, uint16_t)
INTEGER(i16, int16_t)
INTEGER(i32, int32_t)

static void load_integers(dms_dtype dtype, const void *from, int64_t pitch, int64_t n,
                          int32_t *to) {
    if (dtype == DMS_DTYPE_U8)
        u8_load(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_I8)
        i8_load(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_U16)
        u16_load(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_I16)
        i16_load(from, pitch, n, to);
    else
        i32_load(from, pitch, n, to);
}

static void store_integers(dms_dtype dtype, const int32_t *from, void *to, int64_t pitch,
                           int64_t n) {
    if (dtype == DMS_DTYPE_U8)
        u8_store(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_I8)
        i8_store(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_U16)
        u16_store(from, pitch, n, to);
    else if (dtype == DMS_DTYPE_I16)
        i16_store(from, pitch, n, to);
    else
        i32_store(from, pitch, n, to);
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* n elements of operand k from where the walk stands. */
typedef struct run {
    const dms_cpu_job *job;
    const dms_walk *walk;
    dms_walk_at at;
    int64_t n;
} run;

static char *address(const run *r, uint32_t k) {
    return (char *)r->job->operand[k] +
           r->at.element[k] * (int64_t)dms_dtype_bytes(r->job->call->view[k].dtype);
}

static int64_t pitch_of(const run *r, uint32_t k) {
    return r->walk->pitch[k][r->walk->rank - 1];
}

static void get_floats(const run *r, uint32_t k, float *out) {
    DMS_ISA(dms_strip_load)
    (r->job->call->view[k].dtype, address(r, k), pitch_of(r, k), r->n, out);
}

static void get_integers(const run *r, uint32_t k, int32_t *out) {
    load_integers(r->job->call->view[k].dtype, address(r, k), pitch_of(r, k), r->n, out);
}

/* The zeros of a run, 0 where the call has none. */
static void get_zeros(const run *r, int32_t *out) {
    if (r->job->call->n_in == 3)
        get_integers(r, 2, out);
    else
        for (int64_t k = 0; k < r->n; k++)
            out[k] = 0;
}

static void quantize_strip(int64_t n, const float *x, const float *scale, const int32_t *zero,
                           float low, float high, int32_t *out) {
    for (int64_t k = 0; k < n; k++)
        out[k] = dms_quantize(x[k], scale[k], zero[k], low, high);
}

/* One scale and one zero, f32 and bytes side by side: strips would take longer than the work. */
static bool is_even(const run *r, uint32_t real, uint32_t byte) {
    const dms_call *call = r->job->call;
    return call->view[real].dtype == DMS_DTYPE_F32 && call->view[1].dtype == DMS_DTYPE_F32 &&
           dms_dtype_bytes(call->view[byte].dtype) == 1 && pitch_of(r, 1) == 0 &&
           (call->n_in < 3 || pitch_of(r, 2) == 0) && pitch_of(r, real) == 1 &&
           pitch_of(r, byte) == 1;
}

/* Scale and zero of such a run. */
static int32_t zero_and_scale(const run *r, dms_dtype bytes, float *scale) {
    int32_t zero = 0;
    memcpy(scale, address(r, 1), sizeof *scale);
    if (r->job->call->n_in == 3)
        load_integers(bytes, address(r, 2), 1, 1, &zero);
    return zero;
}

/* The sum with 1.5 x 2^23 would round half to even too, but it needs bounds first. */
static void quantize_even(int64_t n, const float *DMS_RESTRICT x, float scale, float zero,
                          float low, uint8_t *DMS_RESTRICT y) {
    const float high = low + 255.0f;
    for (int64_t k = 0; k < n; k++) {
        const float v = rintf(x[k] / scale) + zero;
        const float bounded = v > low ? v : low;
        y[k] = (uint8_t)(int32_t)(bounded < high ? bounded : high);
    }
}

static void quantize_run(const run *r, strips *s) {
    const dms_call *call = r->job->call;
    const dms_dtype to = call->view[call->n_in].dtype;
    const float low = to == DMS_DTYPE_I8 ? -128.0f : to == DMS_DTYPE_I16 ? -32768.0f : 0.0f;
    const float span = dms_dtype_bytes(to) == 1 ? 255.0f : 65535.0f;
    if (is_even(r, 0, call->n_in)) {
        float scale;
        const int32_t zero = zero_and_scale(r, to, &scale);
        quantize_even(r->n, (const float *)(const void *)address(r, 0), scale, (float)zero, low,
                      (uint8_t *)address(r, call->n_in));
        return;
    }
    if (call->view[0].dtype == DMS_DTYPE_I32) {
        get_integers(r, 0, s->number);
        for (int64_t k = 0; k < r->n; k++)
            s->x[k] = (float)s->number[k];
    } else {
        get_floats(r, 0, s->x);
    }
    get_floats(r, 1, s->scale);
    get_zeros(r, s->zero);
    quantize_strip(r->n, s->x, s->scale, s->zero, low, low + span, s->number);
    store_integers(to, s->number, address(r, call->n_in), pitch_of(r, call->n_in), r->n);
}

static void dequantize_strip(int64_t n, const int32_t *number, const int32_t *zero,
                             const float *scale, float *out) {
    for (int64_t k = 0; k < n; k++)
        out[k] = dms_dequantize(number[k], zero[k], scale[k]);
}

/* The same for bytes of either type. */
#define DEQUANTIZE_EVEN(NAME, T)                                                                   \
    static void NAME(int64_t n, const T *DMS_RESTRICT x, int32_t zero, float scale,                \
                     float *DMS_RESTRICT y) {                                                      \
        for (int64_t k = 0; k < n; k++)                                                            \
            y[k] = (float)((int32_t)x[k] - zero) * scale;                                          \
    }
DEQUANTIZE_EVEN(dequantize_u8, uint8_t)
DEQUANTIZE_EVEN(dequantize_i8, int8_t)

static void dequantize_run(const run *r, strips *s) {
    const dms_call *call = r->job->call;
    const dms_dtype from = call->view[0].dtype;
    if (is_even(r, call->n_in, 0)) {
        float scale;
        const int32_t zero = zero_and_scale(r, from, &scale);
        float *to = (float *)(void *)address(r, call->n_in);
        if (from == DMS_DTYPE_U8)
            dequantize_u8(r->n, (const uint8_t *)address(r, 0), zero, scale, to);
        else
            dequantize_i8(r->n, (const int8_t *)address(r, 0), zero, scale, to);
        return;
    }
    get_integers(r, 0, s->number);
    get_floats(r, 1, s->scale);
    get_zeros(r, s->zero);
    dequantize_strip(r->n, s->number, s->zero, s->scale, s->x);
    DMS_ISA(dms_strip_store)
    (call->view[call->n_in].dtype, s->x, address(r, call->n_in), pitch_of(r, call->n_in), r->n);
}

/* ---- parts --------------------------------------------------------------------------------- */

static uint64_t quantize_parts(const dms_call *call) {
    return ((uint64_t)dms_view_count(&call->view[0]) + PART - 1) / PART;
}

/* Elements [first PART, end PART) in runs of one axis, at most a strip long. */
static void walk_parts(const dms_cpu_job *job, uint64_t first, uint64_t end,
                       void (*each)(const run *r, strips *s)) {
    const dms_call *call = job->call;
    const dms_view *view[DMS_WALK_OPERANDS];
    dms_walk walk;
    strips s;
    for (uint32_t k = 0; k <= call->n_in; k++)
        view[k] = &call->view[k];
    dms_walk_init(&walk, view, call->n_in + 1);
    run r = {.job = job, .walk = &walk};
    const int64_t all = (int64_t)end * PART, stop = all < walk.count ? all : walk.count;
    int64_t index = (int64_t)first * PART;
    if (index < stop)
        dms_walk_seek(&walk, index, &r.at);
    for (; index < stop; index += r.n) {
        const int64_t left = stop - index, here = dms_walk_run(&walk, &r.at);
        r.n = here < left ? here : left;
        r.n = r.n < DMS_STRIP ? r.n : DMS_STRIP;
        each(&r, &s);
        dms_walk_next(&walk, &r.at, r.n);
    }
}

static void run_quantize(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    walk_parts(job, first, end, quantize_run);
}

static void run_dequantize(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    walk_parts(job, first, end, dequantize_run);
}

/* ---- LOOKUP -------------------------------------------------------------------------------- */

#ifdef __AVX512BW__
/* As many bytes of n as make whole vectors. The table is 128 words, 64 of them in two vectors: a
 * byte's upper seven bits find its word, the lowest says which half of it. */
static int64_t lookup_vectors(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y) {
    __m512i word[4];
    int64_t k = 0;
    for (int j = 0; j < 4; j++)
        word[j] = _mm512_loadu_si512(table + j * 64);
    for (; k + 32 <= n; k += 32) {
        const __m512i at = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)(x + k)));
        const __m512i half = _mm512_srli_epi16(at, 1);
        const __m512i low = _mm512_permutex2var_epi16(word[0], half, word[1]);
        const __m512i high = _mm512_permutex2var_epi16(word[2], half, word[3]);
        const __mmask32 is_high = _mm512_test_epi16_mask(at, _mm512_set1_epi16(128));
        const __m512i shift = _mm512_slli_epi16(_mm512_and_si512(at, _mm512_set1_epi16(1)), 3);
        const __m512i both = _mm512_mask_mov_epi16(low, is_high, high);
        _mm256_storeu_si256((__m256i *)(void *)(y + k),
                            _mm512_cvtepi16_epi8(_mm512_srlv_epi16(both, shift)));
    }
    return k;
}
#else
static int64_t lookup_vectors(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y) {
    (void)n;
    (void)x;
    (void)table;
    (void)y;
    return 0;
}
#endif

static void lookup_strip(int64_t n, const uint8_t *x, int64_t pitch_x, const uint8_t *table,
                         uint8_t *y, int64_t pitch_y) {
    if (pitch_x == 1 && pitch_y == 1)
        for (int64_t k = lookup_vectors(n, x, table, y); k < n; k++)
            y[k] = table[x[k]];
    else
        for (int64_t k = 0; k < n; k++)
            y[k * pitch_y] = table[x[k * pitch_x]];
}

static void run_lookup(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *const view[2] = {&job->call->view[0], &job->call->view[2]};
    const uint8_t *const x = (const uint8_t *)job->operand[0];
    dms_walk walk;
    dms_walk_at at;
    dms_walk_init(&walk, view, 2);
    const uint32_t last = walk.rank - 1;
    const int64_t all = (int64_t)end * PART, stop = all < walk.count ? all : walk.count;
    int64_t index = (int64_t)first * PART;
    if (index < stop)
        dms_walk_seek(&walk, index, &at);
    while (index < stop) {
        const int64_t left = stop - index, here = dms_walk_run(&walk, &at);
        const int64_t n = here < left ? here : left;
        lookup_strip(n, x + at.element[0], walk.pitch[0][last], (const uint8_t *)job->operand[1],
                     (uint8_t *)job->operand[2] + at.element[1], walk.pitch[1][last]);
        dms_walk_next(&walk, &at, n);
        index += n;
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_quantize) = {DMS_K_QUANTIZE, quantize_parts, run_quantize};
const dms_cpu_kernel DMS_ISA(dms_cpu_dequantize) = {DMS_K_DEQUANTIZE, quantize_parts,
                                                    run_dequantize};
const dms_cpu_kernel DMS_ISA(dms_cpu_lookup) = {DMS_K_LOOKUP, quantize_parts, run_lookup};
