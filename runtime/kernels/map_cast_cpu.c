/* map_cast_cpu.c - conversion of strips between classes; convert.h says what becomes of what. */
#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/convert.h"

#define CONVERT(NAME, TX, TY, EXPR)                                                                \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const TX *a = in[0];                                                                       \
        TY *y = out;                                                                               \
        (void)p;                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX x = a[i];                                                                     \
            y[i] = (TY)(EXPR);                                                                     \
        }                                                                                          \
    }

CONVERT(f32_to_f64, float, double, x)
CONVERT(f32_to_int, float, int64_t, dms_int_of_float(x))
CONVERT(f32_to_long, float, int64_t, dms_long_of((double)x))
CONVERT(f32_to_unsigned, float, uint64_t, dms_unsigned_of((double)x))
CONVERT(f32_to_bool, float, uint8_t, x != 0.0f)
CONVERT(f64_to_f32, double, float, dms_quietf((float)x))
CONVERT(f64_to_int, double, int64_t, dms_int_of_double(x))
CONVERT(f64_to_long, double, int64_t, dms_long_of(x))
CONVERT(f64_to_unsigned, double, uint64_t, dms_unsigned_of(x))
CONVERT(f64_to_bool, double, uint8_t, x != 0.0)
CONVERT(i64_to_f32, int64_t, float, x)
CONVERT(i64_to_f64, int64_t, double, x)
CONVERT(u64_to_f32, uint64_t, float, x)
CONVERT(u64_to_f64, uint64_t, double, x)
CONVERT(integer_to_integer, uint64_t, uint64_t, x)
CONVERT(integer_to_bool, uint64_t, uint8_t, x != 0)
CONVERT(bool_to_f32, uint8_t, float, x != 0)
CONVERT(bool_to_f64, uint8_t, double, x != 0)
CONVERT(bool_to_integer, uint8_t, uint64_t, x != 0)

/* From class to class; integers from floats depend on the type, see below. */
static const dms_map_fn conversions[DMS_N_CLASSES][DMS_N_CLASSES] = {
    [DMS_CLASS_F32] = {[DMS_CLASS_F64] = f32_to_f64, [DMS_CLASS_BOOL] = f32_to_bool},
    [DMS_CLASS_F64] = {[DMS_CLASS_F32] = f64_to_f32, [DMS_CLASS_BOOL] = f64_to_bool},
    [DMS_CLASS_I64] = {[DMS_CLASS_F32] = i64_to_f32,
                       [DMS_CLASS_F64] = i64_to_f64,
                       [DMS_CLASS_U64] = integer_to_integer,
                       [DMS_CLASS_BOOL] = integer_to_bool},
    [DMS_CLASS_U64] = {[DMS_CLASS_F32] = u64_to_f32,
                       [DMS_CLASS_F64] = u64_to_f64,
                       [DMS_CLASS_I64] = integer_to_integer,
                       [DMS_CLASS_BOOL] = integer_to_bool},
    [DMS_CLASS_BOOL] = {[DMS_CLASS_F32] = bool_to_f32,
                        [DMS_CLASS_F64] = bool_to_f64,
                        [DMS_CLASS_I64] = bool_to_integer,
                        [DMS_CLASS_U64] = bool_to_integer},
};

dms_map_fn DMS_ISA(dms_map_cast)(dms_dtype from, dms_dtype to) {
    const dms_class source = dms_class_of(from), target = dms_class_of(to);
    if (!dms_dtype_is_float(from) || !dms_dtype_is_integer(to))
        return conversions[source][target];
    const int is_single = source == DMS_CLASS_F32;
    if (to == DMS_DTYPE_U64)
        return is_single ? f32_to_unsigned : f64_to_unsigned;
    if (to == DMS_DTYPE_I64 || to == DMS_DTYPE_U32)
        return is_single ? f32_to_long : f64_to_long;
    return is_single ? f32_to_int : f64_to_int;
}
