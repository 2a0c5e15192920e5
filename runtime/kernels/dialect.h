/* dialect.h - the C dialect of kernel bodies: gcc builds it for the CPU device, nvcc for CUDA.
 *
 * Reads    DMS_ISA_SUFFIX (_base, _avx2, _avx512), set by the build for every *_cpu.c.
 * Returns  macros: symbols per instruction set, inline functions, maps and fixed-tree reductions;
 *          the bits of a float.
 * Cost     a loop the compiler vectorises; nothing at run time.
 * Source   none.
 * Not here elementary functions (elementary.h), walking of strided operands (each family).
 *
 * Rules that keep both compilers and all instruction sets at the same bits: contraction is off, so
 * `fmaf` is written where it is meant; float constants end in f; no function of math.h but fmaf,
 * sqrtf, floorf, ceilf, rintf, truncf (exact by IEEE 754); a reduction is a fixed tree of DMS_LANES
 * lanes; no casts from void *, no variable-length arrays, no restrict but the macro.
 */
#ifndef DMS_RUNTIME_KERNELS_DIALECT_H
#define DMS_RUNTIME_KERNELS_DIALECT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define DMS_GLUE2(a, b) a##b
#define DMS_GLUE(a, b) DMS_GLUE2(a, b)

/* name_base, name_avx2, ...: every external symbol of a *_cpu.c is written DMS_ISA(name). */
#define DMS_ISA(name) DMS_GLUE(name, DMS_ISA_SUFFIX)

#ifdef __CUDACC__
#define DMS_FN static __host__ __device__ __forceinline__
#define DMS_RESTRICT __restrict__
#else
#define DMS_FN static inline __attribute__((always_inline, unused))
#define DMS_RESTRICT restrict
#endif

/* A loop body too large to inline: gcc 12 makes slow code of micro-kernels inlined at -O3. */
#define DMS_NOINLINE __attribute__((noinline))

/* In front of a loop of constant length (at most 16) whose array must live in registers. */
#ifdef __clang__
#define DMS_UNROLL _Pragma("unroll")
#else
#define DMS_UNROLL _Pragma("GCC unroll 16")
#endif

/* The bits of a float. */
DMS_FN uint32_t dms_bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The float of these bits. */
DMS_FN float dms_float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Every NaN becomes the one quiet NaN: which operand's payload survives an addition depends on the
 * order of operands in the machine instruction, which differs between instruction sets. */
DMS_FN float dms_quietf(float x) {
    return x != x ? dms_float_of_bits(0x7FC00000u) : x;
}

/* Lanes of a reduction: lane l takes elements l, l + 32, ...; lanes are then joined in halves. */
#define DMS_LANES 32

/* One row of a map with one operand: y[i] = EXPR(x, p), where p points to real parameters.
 * The pitch 1 case is a loop of its own, which vectorises. */
#define DMS_MAP1(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const TX *a, int64_t pitch_a, TY *y, int64_t pitch_y,              \
                     const double *p) {                                                            \
        (void)p;                                                                                   \
        if (pitch_a == 1 && pitch_y == 1)                                                          \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TX x = a[i];                                                                 \
                y[i] = (TY)(EXPR);                                                                 \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TX x = a[i * pitch_a];                                                       \
                y[i * pitch_y] = (TY)(EXPR);                                                       \
            }                                                                                      \
    }

/* One row of a map with two operands: y[i] = EXPR(x, z). A pitch of 0 repeats an operand. */
#define DMS_MAP2(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const TX *a, int64_t pitch_a, const TX *b, int64_t pitch_b, TY *y, \
                     int64_t pitch_y) {                                                            \
        if (pitch_a == 1 && pitch_b == 1 && pitch_y == 1)                                          \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TX x = a[i], z = b[i];                                                       \
                y[i] = (TY)(EXPR);                                                                 \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TX x = a[i * pitch_a], z = b[i * pitch_b];                                   \
                y[i * pitch_y] = (TY)(EXPR);                                                       \
            }                                                                                      \
    }

/* One reduction over n elements: r = INIT; r = STEP(r, x) per lane; r = JOIN(r, s) in halves. The
 * tree depends on n alone. */
#define DMS_ROW(NAME, TX, TR, INIT, STEP, JOIN)                                                    \
    static TR NAME(int64_t n, const TX *a, int64_t pitch, TR p) {                                  \
        TR lane[DMS_LANES];                                                                        \
        (void)p;                                                                                   \
        for (int l = 0; l < DMS_LANES; l++)                                                        \
            lane[l] = (INIT);                                                                      \
        int64_t i = 0;                                                                             \
        if (pitch == 1)                                                                            \
            for (; i + DMS_LANES <= n; i += DMS_LANES)                                             \
                for (int l = 0; l < DMS_LANES; l++) {                                              \
                    const TX x = a[i + l];                                                         \
                    const TR r = lane[l];                                                          \
                    lane[l] = (STEP);                                                              \
                }                                                                                  \
        for (; i < n; i++) {                                                                       \
            const TX x = a[i * pitch];                                                             \
            const TR r = lane[i % DMS_LANES];                                                      \
            lane[i % DMS_LANES] = (STEP);                                                          \
        }                                                                                          \
        for (int d = DMS_LANES / 2; d > 0; d /= 2)                                                 \
            for (int l = 0; l < d; l++) {                                                          \
                const TR r = lane[l], s = lane[l + d];                                             \
                lane[l] = (JOIN);                                                                  \
            }                                                                                      \
        return lane[0];                                                                            \
    }

#endif
