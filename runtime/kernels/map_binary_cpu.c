/* map_binary_cpu.c - functions of two operands, per class, by the formulas of map_binary.h. */
#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/map_binary.h"

/* NAME: y = EXPR of x and z; TX to TY. */
#define FUNCTION(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const TX *a = in[0], *b = in[1];                                                           \
        TY *y = out;                                                                               \
        (void)p;                                                                                   \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX x = a[i], z = b[i];                                                           \
            (void)z;                                                                               \
            y[i] = (TY)(EXPR);                                                                     \
        }                                                                                          \
    }

#define DEFINE(ID, name, single, real)                                                             \
    FUNCTION(name##_f32, float, float, dms_quietf(single))                                         \
    FUNCTION(name##_f64, double, double, dms_quiet(real))
DMS_BINARY_REAL(DEFINE)
#undef DEFINE

/* Squares are the powers of normalisations. Where every exponent is 2 the square alone is computed:
 * dms_powf gives the same bits there. */
FUNCTION(square_f32, float, float, dms_quietf(x *x))

/* Looks at the exponents of a strip first: one pass over what the power reads anyway. */
static void power_f32(int64_t n, const void *const *in, void *out, const double *p) {
    const float *z = in[1];
    uint32_t others = 0;
    for (int64_t i = 0; i < n; i++)
        others |= z[i] != 2.0f;
    (others == 0 ? square_f32 : pow_f32)(n, in, out, p);
}

#define DEFINE(ID, name, signed_expr, unsigned_expr)                                               \
    FUNCTION(integer_##name##_i64, int64_t, int64_t, signed_expr)                                  \
    FUNCTION(integer_##name##_u64, uint64_t, uint64_t, unsigned_expr)
DMS_BINARY_INTEGER(DEFINE)
#undef DEFINE

#define DEFINE(ID, name, TAG, T, expr) FUNCTION(name##_##TAG, T, uint8_t, expr)
DMS_COMPARISONS(DEFINE, f32, float)
DMS_COMPARISONS(DEFINE, f64, double)
DMS_COMPARISONS(DEFINE, i64, int64_t)
DMS_COMPARISONS(DEFINE, u64, uint64_t)
#undef DEFINE
#define DEFINE(ID, name, expr) FUNCTION(name##_bool, uint8_t, uint8_t, expr)
DMS_BINARY_TRUTH(DEFINE)
#undef DEFINE

#define F32(ID, name, single, real) [DMS_FN_##ID] = name##_f32,
#define F64(ID, name, single, real) [DMS_FN_##ID] = name##_f64,
#define I64(ID, name, s, u) [DMS_FN_##ID] = integer_##name##_i64,
#define U64(ID, name, s, u) [DMS_FN_##ID] = integer_##name##_u64,
#define TRUTH(ID, name, TAG, T, expr) [DMS_FN_##ID] = name##_##TAG,
#define BOOLEAN(ID, name, expr) [DMS_FN_##ID] = name##_bool,
static const dms_map_fn functions[DMS_N_CLASSES][DMS_N_BINARY_FNS] = {
    [DMS_CLASS_F32] = {DMS_BINARY_REAL(F32) DMS_COMPARISONS(TRUTH, f32, float)},
    [DMS_CLASS_F64] = {DMS_BINARY_REAL(F64) DMS_COMPARISONS(TRUTH, f64, double)},
    [DMS_CLASS_I64] = {DMS_BINARY_INTEGER(I64) DMS_COMPARISONS(TRUTH, i64, int64_t)},
    [DMS_CLASS_U64] = {DMS_BINARY_INTEGER(U64) DMS_COMPARISONS(TRUTH, u64, uint64_t)},
    [DMS_CLASS_BOOL] = {DMS_BINARY_TRUTH(BOOLEAN)},
};

dms_map_fn DMS_ISA(dms_map_binary)(int64_t fn, dms_class class) {
    if (fn == DMS_FN_POW && class == DMS_CLASS_F32)
        return power_f32;
    return functions[class][fn];
}
