/* vector_internal.h - one vector of f32 of the instruction set that is being compiled.
 *
 * Reads    __AVX512F__ and __FMA__.
 * Returns  DMS_V elements; with FMA also the type dms_vec and what micro-kernels do with it; short
 *          copies.
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
#define DMS_VSPREAD(p) _mm512_set1_ps(*(p))
#define DMS_VFMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define DMS_VADD(a, b) _mm512_add_ps(a, b)
#define DMS_VZERO() _mm512_setzero_ps()
#elif defined(__FMA__)
enum { DMS_V = 8 };
typedef __m256 dms_vec;
#define DMS_VLOAD(p) _mm256_loadu_ps(p)
#define DMS_VSTORE(p, v) _mm256_storeu_ps(p, v)
#define DMS_VSPREAD(p) _mm256_broadcast_ss(p)
#define DMS_VFMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define DMS_VADD(a, b) _mm256_add_ps(a, b)
#define DMS_VZERO() _mm256_setzero_ps()
#else
enum { DMS_V = 8 };
#endif

/* Copies for rows that are often shorter than a vector, where a call of memcpy costs more than the
 * row. The two _over may write up to DMS_V - 1 zeros behind `to + n`; dms_copy_exact does not. All
 * read nothing outside. dms_copy_every2 takes elements 0, 2, 4, ... and writes like _over. */
#ifdef __AVX512F__
DMS_FN __mmask16 dms_mask(int64_t n) {
    return (__mmask16)((1u << (n < 16 ? n : 16)) - 1u);
}

DMS_FN void dms_copy_over(float *to, const float *from, int64_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16)
        DMS_VSTORE(to, DMS_VLOAD(from));
    if (n > 0)
        DMS_VSTORE(to, _mm512_maskz_loadu_ps(dms_mask(n), from));
}

DMS_FN void dms_zeros_over(float *to, int64_t n) {
    for (; n > 0; n -= 16, to += 16)
        DMS_VSTORE(to, DMS_VZERO());
}

DMS_FN void dms_copy_exact(float *to, const float *from, int64_t n) {
    for (; n >= 16; n -= 16, to += 16, from += 16)
        DMS_VSTORE(to, DMS_VLOAD(from));
    if (n > 0)
        _mm512_mask_storeu_ps(to, dms_mask(n), _mm512_maskz_loadu_ps(dms_mask(n), from));
}

DMS_FN void dms_copy_every2(float *to, const float *from, int64_t n) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    for (int64_t left = 2 * n - 1; left > 0; left -= 32, to += 16, from += 32) {
        const __m512 low = _mm512_maskz_loadu_ps(dms_mask(left), from);
        const __m512 high =
            left > 16 ? _mm512_maskz_loadu_ps(dms_mask(left - 16), from + 16) : DMS_VZERO();
        DMS_VSTORE(to, _mm512_permutex2var_ps(low, even, high));
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

DMS_FN void dms_copy_over(float *to, const float *from, int64_t n) {
    dms_copy_exact(to, from, n);
}

DMS_FN void dms_zeros_over(float *to, int64_t n) {
    for (int64_t j = 0; j < n; j++)
        to[j] = 0.0f;
}

DMS_FN void dms_copy_every2(float *to, const float *from, int64_t n) {
    for (int64_t j = 0; j < n; j++)
        to[j] = from[j * 2];
}
#endif

#endif
