/* compare.c - element by element, as doubles; integers too wide for a double as integers. */
#include "runtime/compare.h"

#include <math.h>
#include <string.h>

#define DEFAULT_RTOL 1e-3
#define DEFAULT_ATOL_SHARE 1e-4

/* The value of an f16, subnormal numbers included; exact in a double. */
static double half_value(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value;
    if (exponent == 31)
        value = fraction != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 != 0 ? -value : value;
}

/* A bf16 is the upper half of a float. */
static double bfloat_value(uint16_t bits) {
    const uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return (double)value;
}

/* Reads element `i` of `type`. */
#define ELEMENT(type) (*(const type *)memcpy(&(type){0}, (const type *)data + i, sizeof(type)))

/* Element `i` as a double; exact but for 64-bit integers above 2^53. */
static double element(dms_dtype dtype, const void *data, int64_t i) {
    switch (dtype) {
    case DMS_DTYPE_F32:
        return (double)ELEMENT(float);
    case DMS_DTYPE_F64:
        return ELEMENT(double);
    case DMS_DTYPE_F16:
        return half_value(ELEMENT(uint16_t));
    case DMS_DTYPE_BF16:
        return bfloat_value(ELEMENT(uint16_t));
    case DMS_DTYPE_U8:
    case DMS_DTYPE_BOOL:
        return ELEMENT(uint8_t);
    case DMS_DTYPE_I8:
        return ELEMENT(int8_t);
    case DMS_DTYPE_U16:
        return ELEMENT(uint16_t);
    case DMS_DTYPE_I16:
        return ELEMENT(int16_t);
    case DMS_DTYPE_U32:
        return ELEMENT(uint32_t);
    case DMS_DTYPE_I32:
        return ELEMENT(int32_t);
    case DMS_DTYPE_U64:
        return (double)ELEMENT(uint64_t);
    case DMS_DTYPE_I64:
        return (double)ELEMENT(int64_t);
    case DMS_DTYPE_NONE:
        break;
    }
    return (double)NAN;
}

/* Two tensors and the rule. */
typedef struct pair {
    dms_dtype got_dtype, ref_dtype;
    const void *got, *ref;
    uint64_t element_bytes; /* of got */
    double rtol, atol;
    bool is_exact; /* integers: bits must be equal */
} pair;

/* Adds one element to the result. */
static void add_element(const pair *p, int64_t i, dms_difference *out) {
    const double got = element(p->got_dtype, p->got, i), ref = element(p->ref_dtype, p->ref, i);
    const bool is_same = got == ref || (isnan(got) && isnan(ref));
    bool passes = is_same;
    double abs_error = 0, rel_error = 0;
    if (!is_same && isfinite(got) && isfinite(ref)) {
        abs_error = fabs(got - ref);
        rel_error = ref == 0 ? (double)INFINITY : abs_error / fabs(ref);
        passes = abs_error <= p->atol + p->rtol * fabs(ref);
    } else if (!is_same) {
        abs_error = rel_error = (double)INFINITY;
    }
    if (p->is_exact)
        passes = memcmp((const uint8_t *)p->got + (uint64_t)i * p->element_bytes,
                        (const uint8_t *)p->ref + (uint64_t)i * p->element_bytes,
                        (size_t)p->element_bytes) == 0;
    if (abs_error > out->max_abs)
        out->max_abs = abs_error;
    if (rel_error > out->max_rel && ref != 0)
        out->max_rel = rel_error;
    if (!passes && out->n_failed++ == 0) {
        out->first_failed = i;
        out->got = got;
        out->reference = ref;
    }
}

/* Scale of the default atol: an output full of infinities has scale 0. */
static double largest_finite(dms_dtype dtype, const void *data, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        const double value = fabs(element(dtype, data, i));
        if (isfinite(value) && value > largest)
            largest = value;
    }
    return largest;
}

dms_code dms_compare(const dms_view *view, const void *got, const dms_view *ref_view,
                     const void *ref, const dms_tolerance *tolerance, dms_difference *out,
                     dms_status *st) {
    char a[160], b[160];
    const bool is_float = dms_dtype_is_float(view->dtype);
    dms_dtype ref_dtype = ref_view->dtype;
    if (view->dtype == DMS_DTYPE_BF16 && ref_dtype == DMS_DTYPE_U16)
        ref_dtype = DMS_DTYPE_BF16; /* how .npy holds them */
    const bool is_comparable = is_float ? dms_dtype_is_float(ref_dtype) : ref_dtype == view->dtype;
    if (!is_comparable || !dms_view_same_dims(view, ref_view))
        return dms_fail(st, DMS_EDIFFERS, "is %s, the reference is %s",
                        dms_view_text(view, a, sizeof a), dms_view_text(ref_view, b, sizeof b));
    pair p = {.got_dtype = view->dtype,
              .ref_dtype = ref_dtype,
              .got = got,
              .ref = ref,
              .element_bytes = dms_dtype_bytes(view->dtype),
              .rtol = tolerance->rtol < 0 ? DEFAULT_RTOL : tolerance->rtol,
              .atol = tolerance->atol,
              .is_exact = !is_float && tolerance->atol < 1};
    *out = (dms_difference){.n_elements = dms_view_count(view), .first_failed = -1};
    if (p.atol < 0)
        p.atol = DEFAULT_ATOL_SHARE * largest_finite(ref_dtype, ref, out->n_elements);
    for (int64_t i = 0; i < out->n_elements; i++)
        add_element(&p, i, out);
    return DMS_OK;
}
