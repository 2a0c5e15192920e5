/* map.cu - chains of element-wise functions, four elements per thread.
 *
 *     thread 0      thread 1           elements of a flat program: each operand is dense or repeats
 *     x x x x       x x x x            one access of 16 bytes for four of 4
 *     v2 = add      v2 = add           an instruction is decoded once for all four
 *     y y y y       y y y y
 *
 * The value that the next instruction alone reads stays in registers of the machine; only what is
 * read later goes through the thread's own memory. f32 functions are written out here; those of the
 * other classes are calls, since only node tests and shapes meet them.
 * Grid: blocks of 256 threads, as many as elements ask for. Bytes: each operand once. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/map.h"

#include "runtime/kernels/convert.h"
#include "runtime/kernels/map_binary.h"
#include "runtime/kernels/map_unary.h"

enum { EACH = DMS_MAP_EACH };

/* Four values. */
typedef struct four {
    dms_scalar v[EACH];
} four;

#define C(c) ((R)c)

/* --- f32 */

#define F(name) dms_##name##f
#define R float
#define CASE(ID, name, expr)                                                                       \
    case DMS_FN_##ID:                                                                              \
        DMS_EACH(i, EACH) {                                                                        \
            const float x = a->v[i].f32;                                                           \
            y->v[i].f32 = dms_quietf(expr);                                                        \
        }                                                                                          \
        return;
DMS_DEVICE void unary_f32(int fn, const four *a, float p0, float p1, four *y) {
    switch (fn) {
        DMS_UNARY_REAL(CASE)
    case DMS_FN_IS_NAN:
        DMS_EACH(i, EACH) {
            const float x = a->v[i].f32;
            y->v[i].b8 = x != x;
        }
        return;
    case DMS_FN_IS_INF:
        DMS_EACH(i, EACH) {
            const float x = a->v[i].f32;
            y->v[i].b8 = (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY);
        }
        return;
    }
}
#undef CASE
#undef F
#undef R

#define CASE(ID, name, single, real)                                                               \
    case DMS_FN_##ID:                                                                              \
        DMS_EACH(i, EACH) {                                                                        \
            const float x = a->v[i].f32, z = b->v[i].f32;                                          \
            y->v[i].f32 = dms_quietf(single);                                                      \
        }                                                                                          \
        return;
#define COMPARE(ID, name, TAG, T, expr)                                                            \
    case DMS_FN_##ID:                                                                              \
        DMS_EACH(i, EACH) {                                                                        \
            const T x = a->v[i].TAG, z = b->v[i].TAG;                                              \
            y->v[i].b8 = expr;                                                                     \
        }                                                                                          \
        return;
DMS_DEVICE void binary_f32(int fn, const four *a, const four *b, four *y) {
    switch (fn) { DMS_BINARY_REAL(CASE) DMS_COMPARISONS(COMPARE, f32, float) }
}
#undef CASE

/* --- the other classes, one element per call */

#define F(name) name
#define R double
#define abs fabs
#define CASE(ID, name, expr)                                                                       \
    case DMS_FN_##ID:                                                                              \
        y.f64 = dms_quiet(expr);                                                                   \
        break;
DMS_DEVICE_FAR dms_scalar unary_f64(int fn, double x, double p0, double p1) {
    dms_scalar y;
    y.u64 = 0;
    switch (fn) {
        DMS_UNARY_REAL(CASE)
    case DMS_FN_IS_NAN:
        y.b8 = x != x;
        break;
    case DMS_FN_IS_INF:
        y.b8 = (p0 != 0 && x == -(double)INFINITY) || (p1 != 0 && x == (double)INFINITY);
        break;
    }
    return y;
}
#undef CASE
#undef abs
#undef F
#undef R
#undef C

#define CASE(ID, name, single, real)                                                               \
    case DMS_FN_##ID:                                                                              \
        y.f64 = dms_quiet(real);                                                                   \
        break;
#define COMPARE_ONE(ID, name, TAG, T, expr)                                                        \
    case DMS_FN_##ID:                                                                              \
        y.b8 = expr;                                                                               \
        break;
DMS_DEVICE_FAR dms_scalar binary_f64(int fn, double x, double z) {
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_BINARY_REAL(CASE) DMS_COMPARISONS(COMPARE_ONE, f64, double) }
    return y;
}
#undef CASE

/* Signed and unsigned integers: the same list, another column. */
#define SIGNED(ID, name, s, u)                                                                     \
    case DMS_FN_##ID:                                                                              \
        y.u64 = (uint64_t)(s);                                                                     \
        break;
#define UNSIGNED(ID, name, s, u)                                                                   \
    case DMS_FN_##ID:                                                                              \
        y.u64 = (uint64_t)(u);                                                                     \
        break;
DMS_DEVICE_FAR dms_scalar unary_i64(int fn, int64_t x, double low, double high) {
    const int64_t p0 = dms_bound_i64(low), p1 = dms_bound_i64(high);
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_UNARY_INTEGER(SIGNED) }
    return y;
}

DMS_DEVICE_FAR dms_scalar unary_u64(int fn, uint64_t x, double low, double high) {
    const uint64_t p0 = dms_bound_u64(low), p1 = dms_bound_u64(high);
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_UNARY_INTEGER(UNSIGNED) }
    return y;
}

DMS_DEVICE_FAR dms_scalar binary_i64(int fn, int64_t x, int64_t z) {
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_BINARY_INTEGER(SIGNED) DMS_COMPARISONS(COMPARE_ONE, i64, int64_t) }
    return y;
}

DMS_DEVICE_FAR dms_scalar binary_u64(int fn, uint64_t x, uint64_t z) {
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_BINARY_INTEGER(UNSIGNED) DMS_COMPARISONS(COMPARE_ONE, u64, uint64_t) }
    return y;
}

#define TRUTH(ID, name, expr)                                                                      \
    case DMS_FN_##ID:                                                                              \
        y.b8 = (uint8_t)(expr);                                                                    \
        break;
DMS_DEVICE_FAR dms_scalar binary_bool(int fn, uint8_t x, uint8_t z) {
    dms_scalar y;
    y.u64 = 0;
    switch (fn) { DMS_BINARY_TRUTH(TRUTH) }
    return y;
}

/* --- instructions */

DMS_DEVICE void run_unary(const dms_map_params *p, const dms_map_op *op, const four *a, four *y) {
    const dms_class of = dms_class_of((dms_dtype)op->src_dtype[0]);
    const double p0 = op->n_reals > 0 ? p->real[op->real] : 0.0;
    const double p1 = op->n_reals > 1 ? p->real[op->real + 1] : 0.0;
    if (of == DMS_CLASS_F32)
        unary_f32(op->fn, a, (float)p0, (float)p1, y);
    else if (of == DMS_CLASS_F64)
        DMS_EACH(i, EACH)
    y->v[i] = unary_f64(op->fn, a->v[i].f64, p0, p1);
    else if (of == DMS_CLASS_I64) DMS_EACH(i, EACH) y->v[i] =
        unary_i64(op->fn, a->v[i].i64, p0, p1);
    else if (of == DMS_CLASS_U64) DMS_EACH(i, EACH) y->v[i] =
        unary_u64(op->fn, a->v[i].u64, p0, p1);
    else DMS_EACH(i, EACH) y->v[i].b8 = a->v[i].b8 == 0; /* NOT is the only function of truths */
}

DMS_DEVICE void run_binary(int fn, dms_class of, const four *a, const four *b, four *y) {
    if (of == DMS_CLASS_F32)
        binary_f32(fn, a, b, y);
    else if (of == DMS_CLASS_F64)
        DMS_EACH(i, EACH)
    y->v[i] = binary_f64(fn, a->v[i].f64, b->v[i].f64);
    else if (of == DMS_CLASS_I64) DMS_EACH(i, EACH) y->v[i] =
        binary_i64(fn, a->v[i].i64, b->v[i].i64);
    else if (of == DMS_CLASS_U64) DMS_EACH(i, EACH) y->v[i] =
        binary_u64(fn, a->v[i].u64, b->v[i].u64);
    else DMS_EACH(i, EACH) y->v[i] = binary_bool(fn, a->v[i].b8, b->v[i].b8);
}

/* A power may have two types: it is computed in the base's, but in f64 where an integer base has a
 * float exponent or the exponent is f64. */
DMS_DEVICE void run_power(const dms_map_op *op, const four *a, const four *b, four *y) {
    const dms_dtype base = (dms_dtype)op->src_dtype[0], exponent = (dms_dtype)op->src_dtype[1];
    const int is_real =
        exponent == DMS_DTYPE_F64 || (dms_is_integer(base) && !dms_is_integer(exponent));
    const dms_dtype in = is_real ? DMS_DTYPE_F64 : base;
    four x, z, made;
    DMS_EACH(i, EACH) {
        x.v[i] = dms_convert(base, a->v[i], in);
        z.v[i] = dms_convert(exponent, b->v[i], in);
    }
    run_binary(DMS_FN_POW, dms_class_of(in), &x, &z, &made);
    DMS_EACH(i, EACH)
    y->v[i] = dms_convert(in, made.v[i], base);
}

/* A real parameter as a value of a float type; rounding, which may follow, makes it f16 or bf16. */
DMS_DEVICE void run_real(const dms_map_op *op, double real, four *y) {
    DMS_EACH(i, EACH)
    if (op->dtype == DMS_DTYPE_F64)
        y->v[i].f64 = real;
    else
        y->v[i].f32 = (float)real;
}

DMS_DEVICE void run_op(const dms_map_params *p, const dms_map_op *op, const four *a, const four *b,
                       const four *c, four *y) {
    switch (op->kind) {
    case DMS_CHAIN_UNARY:
        run_unary(p, op, a, y);
        break;
    case DMS_CHAIN_BINARY:
        if (op->fn == DMS_FN_POW)
            run_power(op, a, b, y);
        else
            run_binary(op->fn, dms_class_of((dms_dtype)op->src_dtype[0]), a, b, y);
        break;
    case DMS_CHAIN_SELECT:
        DMS_EACH(i, EACH)
        y->v[i] = a->v[i].b8 != 0 ? b->v[i] : c->v[i];
        break;
    case DMS_CHAIN_CAST:
        DMS_EACH(i, EACH)
        y->v[i] = dms_convert((dms_dtype)op->src_dtype[0], a->v[i], (dms_dtype)op->dtype);
        break;
    case DMS_CHAIN_REAL:
        run_real(op, p->real[op->real], y);
        break;
    }
    if (op->is_rounded)
        DMS_EACH(i, EACH)
    y->v[i] = dms_element_round((dms_dtype)op->dtype, y->v[i]);
}

/* --- memory */

/* Four elements of 4, 2 or 1 bytes in one access, of 8 bytes in two. */
typedef struct DMS_ALIGNED(16) words16 {
    uint32_t w[4];
} words16;
typedef struct DMS_ALIGNED(8) words8 {
    uint32_t w[2];
} words8;

DMS_DEVICE void load_flat(dms_dtype dtype, uint32_t bytes, const void *from, int64_t index,
                          four *out) {
    union {
        words16 w[2];
        char b[32];
    } raw;
    const char *at = (const char *)from + index * bytes;
    if (bytes == 8)
        raw.w[1] = ((const words16 *)(const void *)at)[1];
    if (bytes >= 4)
        raw.w[0] = *(const words16 *)(const void *)at;
    else if (bytes == 2)
        *(words8 *)(void *)raw.w = *(const words8 *)(const void *)at;
    else
        raw.w[0].w[0] = *(const uint32_t *)(const void *)at;
    DMS_EACH(i, EACH)
    out->v[i] = dms_element_load(dtype, raw.b, i);
}

DMS_DEVICE void store_flat(dms_dtype dtype, uint32_t bytes, const four *from, void *to,
                           int64_t index) {
    union {
        words16 w[2];
        char b[32];
    } raw;
    char *at = (char *)to + index * bytes;
    DMS_EACH(i, EACH)
    dms_element_store(dtype, from->v[i], raw.b, i);
    if (bytes == 8)
        ((words16 *)(void *)at)[1] = raw.w[1];
    if (bytes >= 4)
        *(words16 *)(void *)at = raw.w[0];
    else if (bytes == 2)
        *(words8 *)(void *)at = *(const words8 *)(const void *)raw.w;
    else
        *(uint32_t *)(void *)at = raw.w[0].w[0];
}

/* Which elements a thread has: four in a row, or four that are `step` apart. */
typedef struct share {
    int64_t first, step;
    int n;       /* how many of them exist */
    int is_flat; /* all four do, side by side */
} share;

DMS_DEVICE void load(const dms_map_params *p, uint32_t k, const share *s, four *out) {
    const dms_dtype dtype = (dms_dtype)p->dtype[k];
    const int64_t pitch = p->places.pitch[k][0];
    if (s->is_flat && pitch == 1) {
        load_flat(dtype, dms_element_bytes(dtype), p->operand[k], s->first, out);
        return;
    }
    if (s->is_flat && pitch == 0) {
        const dms_scalar one = dms_element_load(dtype, p->operand[k], 0);
        DMS_EACH(i, EACH)
        out->v[i] = one;
        return;
    }
    DMS_EACH(i, EACH)
    if (i < s->n)
        out->v[i] = dms_element_load(dtype, p->operand[k],
                                     dms_place_of(&p->places, k, s->first + i * s->step));
    else
        out->v[i].u64 = 0;
}

DMS_DEVICE void store(const dms_map_params *p, const share *s, const four *from) {
    const uint32_t k = p->n_in;
    const dms_dtype dtype = (dms_dtype)p->dtype[k];
    if (s->is_flat) {
        store_flat(dtype, dms_element_bytes(dtype), from, p->operand[k], s->first);
        return;
    }
    DMS_EACH(i, EACH)
    if (i < s->n)
        dms_element_store(dtype, from->v[i], p->operand[k],
                          dms_place_of(&p->places, k, s->first + i * s->step));
}

/* Source k of an instruction. */
DMS_DEVICE void read_source(const dms_map_params *p, const dms_map_op *op, int k, const share *s,
                            const four *last, const four *reg, four *out) {
    const uint32_t src = op->src[k];
    if (src == DMS_MAP_LAST)
        *out = *last;
    else if (src >= DMS_MAP_REGISTER)
        *out = reg[src - DMS_MAP_REGISTER];
    else
        load(p, src, s, out);
}

/* --- the kernel */

/* The elements of a thread's turn: flat programs take them four by four, others in strides of the
 * block, so that neighbours in a warp are neighbours in memory. */
DMS_DEVICE share share_of(const dms_map_params *p, int64_t block) {
    share s;
    const int64_t base = block * (int64_t)blockDim.x * EACH;
    s.step = p->is_flat ? 1 : blockDim.x;
    s.first = base + (p->is_flat ? (int64_t)threadIdx.x * EACH : (int64_t)threadIdx.x);
    s.n = 0;
    DMS_EACH(i, EACH)
    s.n += s.first + i * s.step < p->places.count;
    s.is_flat = p->is_flat && s.n == EACH;
    return s;
}

DMS_CUDA_KERNEL(map, dms_map_params) {
    const int64_t each = (int64_t)blockDim.x * EACH;
    const int64_t blocks = (p.places.count + each - 1) / each;
    for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
        const share s = share_of(&p, block);
        four last, reg[DMS_CHAIN_REGISTERS];
        if (s.n == 0)
            continue;
        DMS_EACH(i, EACH)
        last.v[i].u64 = 0;
        for (uint32_t j = 0; j < p.n_ops; j++) {
            const dms_map_op *op = &p.op[j];
            four a, b, c, made;
            const int n = op->kind == DMS_CHAIN_SELECT   ? 3
                          : op->kind == DMS_CHAIN_BINARY ? 2
                          : op->kind == DMS_CHAIN_REAL   ? 0
                                                         : 1;
            if (n > 0)
                read_source(&p, op, 0, &s, &last, reg, &a);
            if (n > 1)
                read_source(&p, op, 1, &s, &last, reg, &b);
            if (n > 2)
                read_source(&p, op, 2, &s, &last, reg, &c);
            run_op(&p, op, &a, &b, &c, &made);
            if (op->reg != DMS_MAP_LAST)
                reg[op->reg] = made;
            last = made;
        }
        store(&p, &s, &last);
    }
}
