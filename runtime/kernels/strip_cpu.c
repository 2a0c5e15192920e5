/* strip_cpu.c - loads and stores of strips, one loop per element type. */
#include "runtime/kernels/strip.h"

#include "runtime/kernels/elementary.h"

/* f16 to f32: the exponent is moved by a product, which is exact for denormals too. */
DMS_FN float float_of_half(uint16_t half) {
    const uint32_t magnitude = half & 0x7FFFu;
    const float finite = dms_float_of_bits(magnitude << 13) * 0x1p+112f;
    const uint32_t infinite = 0x7F800000u | magnitude << 13;
    const uint32_t bits = magnitude < 0x7C00u ? dms_bits_of_float(finite) : infinite;
    return dms_float_of_bits(bits | (uint32_t)(half & 0x8000u) << 16);
}

/* f32 to f16, to nearest even. Adding 1/2 to a number below 2^-14 leaves its bits in steps of
 * 2^-24, which is the denormal; above, adding just under half a step rounds. */
DMS_FN uint16_t half_of_float(float x) {
    const uint32_t sign = dms_bits_of_float(x) >> 16 & 0x8000u;
    const uint32_t a = dms_bits_of_float(x) & 0x7FFFFFFFu;
    const uint32_t tiny = dms_bits_of_float(dms_float_of_bits(a) + 0.5f) - 0x3F000000u;
    const uint32_t normal = ((a + 0xFFFu + (a >> 13 & 1u)) >> 13) - (112u << 10);
    uint32_t half = a < 0x38800000u ? tiny : normal;
    half = a >= 0x47800000u ? 0x7C00u : half;
    half = a > 0x7F800000u ? 0x7E00u : half | sign;
    return (uint16_t)half;
}

/* f32 to bf16, to nearest even. */
DMS_FN uint16_t brain_of_float(float x) {
    const uint32_t bits = dms_bits_of_float(x);
    const uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)(x != x ? 0x7FC0u : rounded);
}

/* bf16 to f32, exact. */
DMS_FN float float_of_brain(uint16_t brain) {
    return dms_float_of_bits((uint32_t)brain << 16);
}

/* NAME_load and NAME_store: TM in memory, TT in the strip. */
#define STRIP_TYPE(NAME, TM, TT, LOAD, STORE)                                                      \
    static void NAME##_load(const TM *from, int64_t pitch, int64_t n, TT *to) {                    \
        if (pitch == 1)                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[i];                                                              \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else if (pitch == 0)                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[0];                                                              \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else if (pitch == 2) /* every other one: strides of windows; shuffles, not gathers */      \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[2 * i];                                                          \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TM x = from[i * pitch];                                                      \
                to[i] = (TT)(LOAD);                                                                \
            }                                                                                      \
    }                                                                                              \
    static void NAME##_store(const TT *from, int64_t pitch, int64_t n, TM *to) {                   \
        if (pitch == 1)                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TT x = from[i];                                                              \
                to[i] = (TM)(STORE);                                                               \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const TT x = from[i];                                                              \
                to[i * pitch] = (TM)(STORE);                                                       \
            }                                                                                      \
    }

STRIP_TYPE(f32, float, float, x, x)
STRIP_TYPE(f16, uint16_t, float, float_of_half(x), half_of_float(x))
STRIP_TYPE(bf16, uint16_t, float, float_of_brain(x), brain_of_float(x))
STRIP_TYPE(f64, double, double, x, x)
STRIP_TYPE(i8, int8_t, int64_t, x, (uint64_t)x)
STRIP_TYPE(i16, int16_t, int64_t, x, (uint64_t)x)
STRIP_TYPE(i32, int32_t, int64_t, x, (uint64_t)x)
STRIP_TYPE(i64, int64_t, int64_t, x, x)
STRIP_TYPE(u8, uint8_t, uint64_t, x, x)
STRIP_TYPE(u16, uint16_t, uint64_t, x, x)
STRIP_TYPE(u32, uint32_t, uint64_t, x, x)
STRIP_TYPE(u64, uint64_t, uint64_t, x, x)
STRIP_TYPE(bool, uint8_t, uint8_t, x != 0, x != 0)

#define EACH_TYPE(X)                                                                               \
    X(F32, f32)                                                                                    \
    X(F16, f16)                                                                                    \
    X(BF16, bf16)                                                                                  \
    X(F64, f64)                                                                                    \
    X(I8, i8)                                                                                      \
    X(I16, i16)                                                                                    \
    X(I32, i32)                                                                                    \
    X(I64, i64)                                                                                    \
    X(U8, u8)                                                                                      \
    X(U16, u16)                                                                                    \
    X(U32, u32)                                                                                    \
    X(U64, u64)                                                                                    \
    X(BOOL, bool)

void DMS_ISA(dms_strip_load)(dms_dtype dtype, const void *from, int64_t pitch, int64_t n,
                             void *strip) {
#define LOAD(DTYPE, name)                                                                          \
    case DMS_DTYPE_##DTYPE:                                                                        \
        name##_load(from, pitch, n, strip);                                                        \
        return;
    switch ((unsigned)dtype) { EACH_TYPE(LOAD) }
#undef LOAD
}

void DMS_ISA(dms_strip_store)(dms_dtype dtype, const void *strip, void *to, int64_t pitch,
                              int64_t n) {
#define STORE(DTYPE, name)                                                                         \
    case DMS_DTYPE_##DTYPE:                                                                        \
        name##_store(strip, pitch, n, to);                                                         \
        return;
    switch ((unsigned)dtype) { EACH_TYPE(STORE) }
#undef STORE
}
