/* vector_internal.h - one vector of f32 of the instruction set that is being compiled.
 *
 * Reads    __AVX512F__ and __FMA__.
 * Returns  DMS_V elements; with FMA also the type dms_vec and what micro-kernels do with it.
 * Cost     one instruction each.
 * Source   none.
 * Not here the micro-kernels (tile_cpu.c, run_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_VECTOR_INTERNAL_H
#define DMS_RUNTIME_KERNELS_VECTOR_INTERNAL_H

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

#endif
