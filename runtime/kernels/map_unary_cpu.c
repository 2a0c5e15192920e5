/* map_unary_cpu.c - functions of one operand, per class. f32 uses our own polynomials; f64, which
 * only folding and node tests use, the C library's. The formulas are those of map_unary.h. */
#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/map_unary.h"

/* NAME: y = EXPR of x, p0 and p1; TX to TY. */
#define FUNCTION(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const TX p0 = (TX)p[0], p1 = (TX)p[1];                                                     \
        const TX *a = in[0];                                                                       \
        TY *y = out;                                                                               \
        (void)p0;                                                                                  \
        (void)p1;                                                                                  \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX x = a[i];                                                                     \
            y[i] = (TY)(EXPR);                                                                     \
        }                                                                                          \
    }

/* The same formula in f32 and f64. */
#define C(c) ((R)c)
#define F(name) dms_##name##f
#define R float
#define DEFINE(ID, name, expr) FUNCTION(name##_f32, float, float, dms_quietf(expr))
/* A loop over the full sine has a branch and is scalar; see SINE below. */
#define sin_f32 sin_any_f32
#define cos_f32 cos_any_f32
DMS_UNARY_REAL(DEFINE)
#undef sin_f32
#undef cos_f32
#undef DEFINE
#undef F
#undef R

/* Strips without an angle beyond DMS_ANGLE_LIMIT take the vectorised loop; both give the same
 * bits. */
#define SINE(name)                                                                                 \
    FUNCTION(name##_near_f32, float, float, dms_quietf(dms_##name##_nearf(x)))                     \
    static void name##_f32(int64_t n, const void *const *in, void *out, const double *p) {         \
        for (int64_t i = 0; i < n; i += DMS_STRIP) {                                               \
            const int64_t some = n - i < DMS_STRIP ? n - i : DMS_STRIP;                            \
            const void *const at[1] = {(const float *)in[0] + i};                                  \
            (has_far_angle(some, at[0]) ? name##_any_f32 : name##_near_f32)(some, at,              \
                                                                            (float *)out + i, p);  \
        }                                                                                          \
    }

/* Whether a strip holds an angle that the short reduction cannot take. */
static int has_far_angle(int64_t n, const float *x) {
    uint32_t far = 0;
    for (int64_t i = 0; i < n; i++)
        far |= dms_angle_is_farf(x[i]);
    return far != 0;
}

SINE(sin)
SINE(cos)

#define F(name) name
#define R double
#define abs fabs
#define DEFINE(ID, name, expr) FUNCTION(real_##name, double, double, dms_quiet(expr))
DMS_UNARY_REAL(DEFINE)
#undef DEFINE
#undef abs
#undef F
#undef R

/* Integers, in 64 bits; the store wraps to the narrow type. */
#define INTEGER(NAME, TAG, T, EXPR)                                                                \
    static void NAME##_##TAG(int64_t n, const void *const *in, void *out, const double *p) {       \
        const T p0 = dms_bound_##TAG(p[0]), p1 = dms_bound_##TAG(p[1]);                            \
        const T *a = in[0];                                                                        \
        T *y = out;                                                                                \
        (void)p0;                                                                                  \
        (void)p1;                                                                                  \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i];                                                                      \
            y[i] = (T)(EXPR);                                                                      \
        }                                                                                          \
    }
#define DEFINE(ID, name, signed_expr, unsigned_expr)                                               \
    INTEGER(name, i64, int64_t, signed_expr)                                                       \
    INTEGER(name, u64, uint64_t, unsigned_expr)
DMS_UNARY_INTEGER(DEFINE)
#undef DEFINE

/* Functions whose result is a truth. IS_INF: p0 and p1 say whether -inf and +inf count. */
FUNCTION(is_nan_f32, float, uint8_t, x != x)
FUNCTION(is_nan_f64, double, uint8_t, x != x)
FUNCTION(is_inf_f32, float, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))
FUNCTION(is_inf_f64, double, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))
FUNCTION(not_bool, uint8_t, uint8_t, x == 0)

#define F32(ID, name, expr) [DMS_FN_##ID] = name##_f32,
#define F64(ID, name, expr) [DMS_FN_##ID] = real_##name,
#define I64(ID, name, s, u) [DMS_FN_##ID] = name##_i64,
#define U64(ID, name, s, u) [DMS_FN_##ID] = name##_u64,
static const dms_map_fn functions[DMS_N_CLASSES][DMS_N_UNARY_FNS] = {
    [DMS_CLASS_F32] = {DMS_UNARY_REAL(F32)[DMS_FN_IS_NAN] = is_nan_f32, [DMS_FN_IS_INF] =
                                                                            is_inf_f32},
    [DMS_CLASS_F64] = {DMS_UNARY_REAL(F64)[DMS_FN_IS_NAN] = is_nan_f64, [DMS_FN_IS_INF] =
                                                                            is_inf_f64},
    [DMS_CLASS_I64] = {DMS_UNARY_INTEGER(I64)},
    [DMS_CLASS_U64] = {DMS_UNARY_INTEGER(U64)},
    [DMS_CLASS_BOOL] = {[DMS_FN_NOT] = not_bool},
};

dms_map_fn DMS_ISA(dms_map_unary)(int64_t fn, dms_class class) {
    return functions[class][fn];
}
