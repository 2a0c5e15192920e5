/* vector_internal.h - one vector of f32 of the instruction set that is being compiled.
 *
 * Reads    __AVX512F__ and __FMA__.
 * Returns  DMS_V elements; with FMA also the type dms_vec and what micro-kernels do with it; copies
 *          of short rows.
 * Cost     one instruction each.
 * Source   none.
 * Not here the micro-kernels (tile_cpu.c, run_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_VECTOR_INTERNAL_H
#define DMS_RUNTIME_KERNELS_VECTOR_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "runtime/kernels/dialect.h"

#ifdef __FMA__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { DMS_V = 16 };
typedef __m512 dms_vec;
#define DMS_VLOAD(p) _mm512_loadu_ps(p)
#define DMS_VSTORE(p, v) _mm512_storeu_ps(p, v)
#define DMS_VSOME(n) ((__mmask16)((1u << (n)) - 1u)) /* n < 16 */
#define DMS_VLOAD_SOME(p, n) _mm512_maskz_loadu_ps(DMS_VSOME(n), p)
#define DMS_VSTORE_SOME(p, n, v) _mm512_mask_storeu_ps(p, DMS_VSOME(n), v)
#define DMS_VSPREAD(p) _mm512_set1_ps(*(p))
#define DMS_VFMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define DMS_VADD(a, b) _mm512_add_ps(a, b)
#define DMS_VZERO() _mm512_setzero_ps()
#define DMS_VALL(x) _mm512_set1_ps(x)
#define DMS_VSUB(a, b) _mm512_sub_ps(a, b)
#define DMS_VMUL(a, b) _mm512_mul_ps(a, b)
#define DMS_VDIV(a, b) _mm512_div_ps(a, b)

/* x where it is greater than r, or no number; else r. */
DMS_FN dms_vec dms_vgreater(dms_vec r, dms_vec x) {
    return _mm512_mask_mov_ps(_mm512_max_ps(x, r), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}
#elif defined(__FMA__)
enum { DMS_V = 8 };
typedef __m256 dms_vec;
#define DMS_VLOAD(p) _mm256_loadu_ps(p)
#define DMS_VSTORE(p, v) _mm256_storeu_ps(p, v)
#define DMS_VSOME(n)                                                                               \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0))
#define DMS_VLOAD_SOME(p, n) _mm256_maskload_ps(p, DMS_VSOME(n))
#define DMS_VSTORE_SOME(p, n, v) _mm256_maskstore_ps(p, DMS_VSOME(n), v)
#define DMS_VSPREAD(p) _mm256_broadcast_ss(p)
#define DMS_VFMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define DMS_VADD(a, b) _mm256_add_ps(a, b)
#define DMS_VZERO() _mm256_setzero_ps()
#define DMS_VALL(x) _mm256_set1_ps(x)
#define DMS_VSUB(a, b) _mm256_sub_ps(a, b)
#define DMS_VMUL(a, b) _mm256_mul_ps(a, b)
#define DMS_VDIV(a, b) _mm256_div_ps(a, b)

DMS_FN dms_vec dms_vgreater(dms_vec r, dms_vec x) {
    return _mm256_blendv_ps(_mm256_max_ps(x, r), x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
#else
enum { DMS_V = 8 };
#endif

/* Rows that are often shorter than a vector, where a call of memcpy costs more than the row: `low`
 * times `fill`, n elements, `tail` times `fill`. Elements of a row lie side by side (dms_copy_rows)
 * or two apart. Up to DMS_V - 1 more may be written behind a row, whose place must be written
 * later; nothing is read outside. */
typedef struct dms_copy_shape {
    int64_t rows, n, low, tail;
    int64_t pitch_from, pitch_to; /* from one row to the next */
    float fill;
} dms_copy_shape;

#ifdef __AVX512F__
DMS_FN __mmask16 dms_mask(int64_t n) {
    return (__mmask16)(n <= 0 ? 0u : (1u << (n < 16 ? n : 16)) - 1u);
}

/* n times x, and up to 15 more. */
DMS_FN void dms_fill_over(float *to, int64_t n, float x) {
    for (int64_t j = 0; j < n; j += 16)
        DMS_VSTORE(to + j, DMS_VALL(x));
}

DMS_FN void dms_copy_rows(float *to, const float *from, const dms_copy_shape *s) {
    const int64_t whole = s->n / 16 * 16;
    const __mmask16 rest = dms_mask(s->n - whole);
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        float *const at = to + s->low;
        dms_fill_over(to, s->low, s->fill);
        for (int64_t j = 0; j < whole; j += 16)
            DMS_VSTORE(at + j, DMS_VLOAD(from + j));
        if (rest != 0)
            DMS_VSTORE(at + whole, _mm512_maskz_loadu_ps(rest, from + whole));
        dms_fill_over(at + s->n, s->tail, s->fill);
    }
}

DMS_FN void dms_copy_rows_every2(float *to, const float *from, const dms_copy_shape *s) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const int64_t reach = 2 * s->n - 1, whole = reach / 32 * 16; /* outputs of whole pairs */
    const __mmask16 low = dms_mask(reach - 2 * whole), high = dms_mask(reach - 2 * whole - 16);
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        float *const at = to + s->low;
        dms_fill_over(to, s->low, s->fill);
        for (int64_t j = 0; j < whole; j += 16)
            DMS_VSTORE(at + j, _mm512_permutex2var_ps(DMS_VLOAD(from + 2 * j), even,
                                                      DMS_VLOAD(from + 2 * j + 16)));
        if (low != 0)
            DMS_VSTORE(
                at + whole,
                _mm512_permutex2var_ps(
                    _mm512_maskz_loadu_ps(low, from + 2 * whole), even,
                    high == 0 ? DMS_VZERO() : _mm512_maskz_loadu_ps(high, from + 2 * whole + 16)));
        dms_fill_over(at + s->n, s->tail, s->fill);
    }
}

/* n elements, and nothing behind them. */
DMS_FN void dms_copy_exact(float *to, const float *from, int64_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16)
        DMS_VSTORE(to, DMS_VLOAD(from));
    if (n > 0)
        _mm512_mask_storeu_ps(to, dms_mask(n), _mm512_maskz_loadu_ps(dms_mask(n), from));
}

/* The same to every second place. */
DMS_FN void dms_copy_apart2(float *to, const float *from, int64_t n) {
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    for (; n > 0; n -= 8, to += 16, from += 8) {
        const __m512 x = _mm512_maskz_loadu_ps(dms_mask(n < 8 ? n : 8), from);
        _mm512_mask_storeu_ps(to, dms_mask(2 * n) & 0x5555, _mm512_permutexvar_ps(twice, x));
    }
}
#else
DMS_FN void dms_copy_exact(float *to, const float *from, int64_t n) {
    if (n >= 8)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (int64_t j = 0; j < n; j++)
            to[j] = from[j];
}

DMS_FN void dms_copy_apart2(float *to, const float *from, int64_t n) {
    for (int64_t j = 0; j < n; j++)
        to[j * 2] = from[j];
}

DMS_FN void dms_fill_over(float *to, int64_t n, float x) {
    for (int64_t j = 0; j < n; j++)
        to[j] = x;
}

DMS_FN void dms_copy_rows(float *to, const float *from, const dms_copy_shape *s) {
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        dms_fill_over(to, s->low, s->fill);
        dms_copy_exact(to + s->low, from, s->n);
        dms_fill_over(to + s->low + s->n, s->tail, s->fill);
    }
}

DMS_FN void dms_copy_rows_every2(float *to, const float *from, const dms_copy_shape *s) {
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        dms_fill_over(to, s->low, s->fill);
        for (int64_t j = 0; j < s->n; j++)
            to[s->low + j] = from[j * 2];
        dms_fill_over(to + s->low + s->n, s->tail, s->fill);
    }
}
#endif

#endif
