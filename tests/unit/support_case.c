/* support_case.c - see support_case.h. */
#include "support_case.h"
#include "support_device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATTERN 0xA5

void case_open(kernel_case *c, uint32_t kernel) {
    memset(c, 0, sizeof *c);
    dms_arena_init(&c->arena, 0);
    c->call.kernel = kernel;
    c->call.view = c->view;
    c->call.i = c->i;
    c->call.f = c->f;
    c->seed = 12345;
}

void case_close(kernel_case *c) {
    dms_arena_free(&c->arena);
}

dms_view case_dense(dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    dms_view view;
    assert_true(dms_view_dense(dtype, rank, dim, &view));
    return view;
}

dms_view case_strided(dms_dtype dtype, uint32_t rank, const int64_t *dim, int64_t offset) {
    dms_view view = case_dense(dtype, rank, dim);
    view.offset = offset;
    int64_t pitch = 2;
    for (uint32_t k = rank; k-- > 2;) {
        view.pitch[k] = pitch;
        pitch = pitch * dim[k] + 1;
    }
    for (uint32_t k = 0; k < rank && k < 2; k++) {
        view.pitch[k] = pitch;
        pitch = pitch * dim[k] + 3;
    }
    return view;
}

static uint32_t add(kernel_case *c, dms_view view) {
    const uint32_t k = c->call.n_in + c->call.n_out;
    assert_true(k < CASE_OPERANDS);
    c->view[k] = view;
    c->same_as[k] = k;
    c->bytes[k] = (uint64_t)(dms_view_end(&view) + 3) * dms_dtype_bytes(view.dtype);
    c->base[k] = dms_alloc(&c->arena, c->bytes[k], 1);
    assert_non_null(c->base[k]);
    memset(c->base[k], PATTERN, c->bytes[k]);
    return k;
}

uint32_t case_in(kernel_case *c, dms_view view) {
    const uint32_t k = add(c, view);
    c->call.n_in++;
    for (int64_t e = 0; e < dms_view_count(&view); e++) {
        c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
        const int64_t whole = (int64_t)(c->seed >> 33) % 25 - 12;
        if (view.dtype == DMS_DTYPE_BOOL)
            case_set(c, k, e, (double)(whole & 1));
        else if (dms_dtype_is_float(view.dtype))
            case_set(c, k, e, (double)whole / 4.0);
        else
            case_set(c, k, e, (double)whole);
    }
    return k;
}

uint32_t case_out(kernel_case *c, dms_view view) {
    const uint32_t k = add(c, view);
    c->call.n_out++;
    return k;
}

void case_in_place(kernel_case *c, uint32_t k) {
    const uint32_t out = c->call.n_in + c->call.n_out - 1;
    c->same_as[out] = k;
    c->bytes[out] = c->bytes[k];
}

void case_i(kernel_case *c, int64_t value) {
    c->i[c->call.n_i++] = value;
}

void case_f(kernel_case *c, double value) {
    c->f[c->call.n_f++] = value;
}

/* --- running */

typedef enum split { WHOLE, BACKWARD, ODD, N_SPLITS } split;

static void run_parts(const dms_cpu_kernel *kernel, const dms_cpu_job *job, split how) {
    const uint64_t n = kernel->parts(job->call);
    if (how == WHOLE)
        kernel->run(job, 0, n);
    for (uint64_t k = n; how == BACKWARD && k-- > 0;)
        kernel->run(job, k, k + 1);
    for (uint64_t k = 0, size = 1; how == ODD && k < n; k += size, size = size * 2 + 1)
        kernel->run(job, k, k + size < n ? k + size : n);
}

/* Every byte outside the views of the outputs still holds what it held. */
static void check_gaps(kernel_case *c, uint32_t k, const char *after, const char *before) {
    char *touched = dms_alloc(&c->arena, c->bytes[k], 1);
    const uint32_t size = dms_dtype_bytes(c->view[k].dtype);
    for (int64_t e = 0; e < dms_view_count(&c->view[k]); e++)
        memset(touched + ((char *)case_at(c, k, e) - c->base[k]), 1, size);
    for (uint64_t b = 0; b < c->bytes[k]; b++)
        if (!touched[b] && after[b] != before[b])
            fail_msg("kernel %u wrote byte %lu outside operand %u", c->call.kernel,
                     (unsigned long)b, k);
}

typedef struct run_memory {
    void *at[CASE_OPERANDS];
    char *buffer[CASE_OPERANDS];
} run_memory;

/* Fresh copies of what the outputs lie over, so that every run starts from the same bytes. */
static void prepare(kernel_case *c, run_memory *m) {
    const uint32_t n = c->call.n_in + c->call.n_out;
    for (uint32_t k = 0; k < n; k++)
        m->buffer[k] = c->base[k];
    for (uint32_t k = c->call.n_in; k < n; k++) {
        m->buffer[k] = dms_alloc(&c->arena, c->bytes[k], 1);
        memcpy(m->buffer[k], c->base[c->same_as[k]], c->bytes[k]);
        m->buffer[c->same_as[k]] = m->buffer[k];
    }
    for (uint32_t k = 0; k < n; k++)
        m->at[k] = m->buffer[k] + c->view[k].offset * (int64_t)dms_dtype_bytes(c->view[k].dtype);
}

/* The tests have one thread; kernels must not rely on what the last one left here. */
static _Alignas(64) char scratch[DMS_CPU_SCRATCH_BYTES];

static void run_once(kernel_case *c, dms_isa isa, split how, run_memory *m) {
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(c->call.kernel, isa);
    assert_non_null(kernel);
    prepare(c, m);
    atomic_uint index_error = 0;
    void *workspace = dms_alloc(&c->arena, dms_call_workspace(&c->call, DMS_DEVICE_CPU) + 64, 1);
    const dms_cpu_job job = {&c->call, m->at, workspace, scratch, &index_error};
    run_parts(kernel, &job, how);
    c->index_error = atomic_load(&index_error);
}

/* The same call on the second device, where there is one. */
static void run_on_device(kernel_case *c, const run_memory *want) {
    const uint32_t n_in = c->call.n_in;
    run_memory got;
    uint32_t index_error;
    if (device_run == NULL)
        return;
    prepare(c, &got);
    if (!device_run(&c->call, got.at, &index_error))
        return;
    for (uint32_t k = n_in; k < n_in + c->call.n_out; k++) {
        check_gaps(c, k, got.buffer[k], c->base[c->same_as[k]]);
        device_compare(&c->call, k, want->at[k], got.at[k]);
    }
    if ((index_error != 0) != (c->index_error != 0))
        fail_msg("kernel %u: index error %u, on the CPU device %u", c->call.kernel, index_error,
                 c->index_error);
}

void case_run(kernel_case *c) {
    dms_status st;
    if (dms_call_check(&c->call, &st) != DMS_OK)
        fail_msg("refused: %s", st.msg);
    assert_true(dms_call_runs_on_cpu(&c->call));
    const uint32_t n_in = c->call.n_in, n = n_in + c->call.n_out;
    run_memory first, other;
    run_once(c, DMS_ISA_BASE, WHOLE, &first);
    for (uint32_t k = n_in; k < n; k++)
        check_gaps(c, k, first.buffer[k], c->base[c->same_as[k]]);
    for (int isa = 0; device_run == NULL && isa <= (int)dms_isa_detect(); isa++)
        for (int how = 0; how < N_SPLITS; how++) {
            const dms_arena_mark mark = dms_arena_here(&c->arena);
            run_once(c, (dms_isa)isa, (split)how, &other);
            for (uint32_t k = n_in; k < n; k++)
                if (memcmp(first.buffer[k], other.buffer[k], c->bytes[k]) != 0)
                    fail_msg("kernel %u, fn %ld: set %d, split %d gives other bytes",
                             c->call.kernel, c->call.n_i > 0 ? (long)c->i[0] : -1L, isa, how);
            dms_arena_release(&c->arena, mark);
        }
    run_on_device(c, &first);
    for (uint32_t k = n_in; k < n; k++)
        c->base[k] = first.buffer[k];
}

const char *case_refusal(kernel_case *c, dms_status *st) {
    const dms_code code = dms_call_check(&c->call, st);
    if (code != DMS_EPLAN)
        fail_msg("kernel %u: the call is not refused", c->call.kernel);
    return st->msg;
}

/* --- elements */

void *case_at(const kernel_case *c, uint32_t operand, int64_t index) {
    const dms_view *view = &c->view[operand];
    int64_t element = view->offset;
    for (uint32_t k = view->rank; k-- > 0; index /= view->dim[k])
        element += index % view->dim[k] * view->pitch[k];
    return c->base[operand] + element * (int64_t)dms_dtype_bytes(view->dtype);
}

double case_value_of_half(uint16_t bits) {
    const int exponent = bits >> 10 & 31;
    const int mantissa = bits & 1023;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == 31)
        return mantissa != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25));
}

double case_value_of_brain(uint16_t bits) {
    const int exponent = bits >> 7 & 255;
    const int mantissa = bits & 127;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == 255)
        return mantissa != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent == 0 ? ldexp(mantissa, -133) : ldexp(128 + mantissa, exponent - 134));
}

/* Positive bit patterns grow with their values, so bisection finds the neighbours. `infinite` is
 * the pattern of infinity, which stands for the next number that would follow. */
static uint16_t nearest(double value, double (*value_of)(uint16_t), uint16_t infinite,
                        double after_last) {
    const uint16_t sign = signbit(value) ? 0x8000u : 0u;
    const double a = fabs(value);
    if (isnan(value))
        return (uint16_t)(infinite | (infinite == 0x7C00u ? 0x200u : 0x40u));
    uint16_t low = 0, high = infinite;
    while (high - low > 1) {
        const uint16_t middle = (uint16_t)((low + high) / 2);
        if (value_of(middle) <= a)
            low = middle;
        else
            high = middle;
    }
    const double upper = high == infinite ? after_last : value_of(high);
    const double down = a - value_of(low), up = upper - a;
    const uint16_t pick = down < up || (down == up && low % 2 == 0) ? low : high;
    return pick | sign;
}

uint16_t case_half_of(double value) {
    return nearest(value, case_value_of_half, 0x7C00u, 65536.0);
}

uint16_t case_brain_of(double value) {
    return nearest(value, case_value_of_brain, 0x7F80u, 0x1p+128);
}

#define EACH_NUMBER(X)                                                                             \
    X(F32, float)                                                                                  \
    X(F64, double)                                                                                 \
    X(I8, int8_t)                                                                                  \
    X(I16, int16_t)                                                                                \
    X(I32, int32_t)                                                                                \
    X(I64, int64_t)                                                                                \
    X(U8, uint8_t)                                                                                 \
    X(U16, uint16_t)                                                                               \
    X(U32, uint32_t)                                                                               \
    X(U64, uint64_t)                                                                               \
    X(BOOL, uint8_t)

double case_get(const kernel_case *c, uint32_t operand, int64_t index) {
    const void *at = case_at(c, operand, index);
    switch ((unsigned)c->view[operand].dtype) {
#define GET(DTYPE, T)                                                                              \
    case DMS_DTYPE_##DTYPE:                                                                        \
        return (double)*(const T *)at;
        EACH_NUMBER(GET)
#undef GET
    case DMS_DTYPE_F16:
        return case_value_of_half(*(const uint16_t *)at);
    case DMS_DTYPE_BF16:
        return case_value_of_brain(*(const uint16_t *)at);
    }
    return 0.0;
}

int64_t case_get_i(const kernel_case *c, uint32_t operand, int64_t index) {
    if (c->view[operand].dtype == DMS_DTYPE_I64 || c->view[operand].dtype == DMS_DTYPE_U64)
        return *(const int64_t *)case_at(c, operand, index);
    return (int64_t)case_get(c, operand, index);
}

void case_set(kernel_case *c, uint32_t operand, int64_t index, double value) {
    void *at = case_at(c, operand, index);
    switch ((unsigned)c->view[operand].dtype) {
    case DMS_DTYPE_F32:
        *(float *)at = (float)value;
        return;
    case DMS_DTYPE_F64:
        *(double *)at = value;
        return;
#define SET(DTYPE, T)                                                                              \
    case DMS_DTYPE_##DTYPE:                                                                        \
        *(T *)at = (T)(int64_t)value;                                                              \
        return;
        SET(I8, int8_t)
        SET(I16, int16_t)
        SET(I32, int32_t)
        SET(I64, int64_t)
        SET(U8, uint8_t)
        SET(U16, uint16_t)
        SET(U32, uint32_t)
        SET(U64, uint64_t)
        SET(BOOL, uint8_t)
#undef SET
    case DMS_DTYPE_F16:
        *(uint16_t *)at = case_half_of(value);
        return;
    case DMS_DTYPE_BF16:
        *(uint16_t *)at = case_brain_of(value);
        return;
    }
}

void case_set_all(kernel_case *c, uint32_t operand, const double *values) {
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++)
        case_set(c, operand, e, values[e]);
}

bool case_is_unsigned(dms_dtype dtype) {
    return dtype == DMS_DTYPE_U8 || dtype == DMS_DTYPE_U16 || dtype == DMS_DTYPE_U32 ||
           dtype == DMS_DTYPE_U64;
}

int64_t case_wrap(int64_t y, dms_dtype dtype) {
    const unsigned bits = 8 * dms_dtype_bytes(dtype);
    if (bits == 64)
        return y;
    const int64_t low = (int64_t)((uint64_t)y & ((UINT64_C(1) << bits) - 1));
    return case_is_unsigned(dtype) || low >> (bits - 1) == 0 ? low : low - (INT64_C(1) << bits);
}

void case_expect(const kernel_case *c, uint32_t operand, int64_t index, double want, double rtol,
                 double atol) {
    const double got = case_get(c, operand, index);
    const int is_fine = isnan(want)   ? isnan(got)
                        : isinf(want) ? got == want
                                      : fabs(got - want) <= rtol * fabs(want) + atol;
    if (!is_fine)
        fail_msg("kernel %u, fn %ld, %s: element %ld is %.9g, wants %.9g", c->call.kernel,
                 c->call.n_i > 0 ? (long)c->i[0] : -1L, dms_dtype_name(c->view[operand].dtype),
                 (long)index, got, want);
}
