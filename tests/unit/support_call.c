/* support_call.c - see support_call.h. */
#include "support_call.h"
#include "support_device.h"
#include "support_scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "runtime/kernels/element.h"

enum { GUARD = 256 };

void call_begin(call_case *c, uint32_t kernel, uint32_t seed) {
    memset(c, 0, sizeof *c);
    c->call = (dms_call){.kernel = kernel, .view = c->view, .i = c->i, .f = c->f};
    c->random = seed * 2654435761u + 1;
}

void call_free(call_case *c) {
    dms_arena_free(&c->arena);
}

static uint32_t next_random(call_case *c) {
    c->random = c->random * 1664525u + 1013904223u;
    return c->random >> 8;
}

int64_t call_pick(call_case *c, int64_t low, int64_t high) {
    return low + (int64_t)(next_random(c) % (uint64_t)(high - low + 1));
}

/* Floats in [-1, 1); other types get small non-negative numbers. */
static void fill_random(call_case *c, dms_dtype dtype, int64_t count, void *out) {
    const uint32_t size = dms_dtype_bytes(dtype);
    for (int64_t k = 0; k < count; k++) {
        const int32_t r = (int32_t)next_random(c) - (1 << 23);
        const float f = (float)r / (float)(1 << 23);
        const double d = (double)r / (double)(1 << 23);
        const uint64_t bits = dtype == DMS_DTYPE_BOOL ? (uint64_t)(r & 1) : (uint64_t)(r & 15);
        if (dtype == DMS_DTYPE_F32)
            memcpy((float *)out + k, &f, size);
        else if (dtype == DMS_DTYPE_F64)
            memcpy((double *)out + k, &d, size);
        else if (dtype == DMS_DTYPE_F16) /* 0.5 to 1, either sign */
            ((uint16_t *)out)[k] = (uint16_t)((r & 0x83ff) | 0x3800);
        else if (dtype == DMS_DTYPE_BF16)
            memcpy((uint16_t *)out + k, (const char *)&f + 2, size);
        else
            memcpy((uint8_t *)out + k * size, &bits, size);
    }
}

static void *new_buffer(call_case *c, uint64_t bytes) {
    uint8_t *at = dms_alloc(&c->arena, bytes + 2 * GUARD, 1);
    assert_non_null(at);
    memset(at, 0x5a, bytes + 2 * GUARD);
    return at + GUARD;
}

static uint64_t buffer_bytes(const dms_view *view) {
    return (uint64_t)dms_view_end(view) * dms_dtype_bytes(view->dtype);
}

static uint32_t add(call_case *c, const dms_view *view) {
    const uint32_t k = c->call.n_in + c->call.n_out;
    assert_true(k < CALL_OPERANDS);
    c->view[k] = *view;
    c->data[k] = new_buffer(c, buffer_bytes(view));
    fill_random(c, view->dtype, dms_view_end(view), c->data[k]);
    return k;
}

static dms_view strided(dms_dtype dtype, uint32_t rank, const int64_t *dim, const uint32_t *order,
                        int64_t gap, uint32_t repeats) {
    dms_view view = {.dtype = dtype, .rank = rank};
    int64_t pitch = 1;
    for (uint32_t n = rank; n-- > 0;) {
        const uint32_t axis = order == NULL ? n : order[n];
        view.dim[axis] = dim[axis];
        if ((repeats >> axis & 1) != 0)
            continue;
        view.pitch[axis] = pitch;
        pitch = pitch * dim[axis] + gap;
    }
    return view;
}

uint32_t call_in_strided(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                         const uint32_t *order, int64_t gap, uint32_t repeats) {
    const dms_view view = strided(dtype, rank, dim, order, gap, repeats);
    const uint32_t k = add(c, &view);
    c->call.n_in++;
    return k;
}

uint32_t call_out_strided(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                          const uint32_t *order, int64_t gap) {
    const dms_view view = strided(dtype, rank, dim, order, gap, 0);
    const uint32_t k = add(c, &view);
    c->call.n_out++;
    return k;
}

uint32_t call_in(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    return call_in_strided(c, dtype, rank, dim, NULL, 0, 0);
}

uint32_t call_out(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    return call_out_strided(c, dtype, rank, dim, NULL, 0);
}

void call_params(call_case *c, uint32_t n_i, const int64_t *i, uint32_t n_f, const double *f) {
    c->call.n_i = n_i;
    c->call.n_f = n_f;
    if (n_i > 0)
        memcpy(c->i, i, n_i * sizeof *i);
    if (n_f > 0)
        memcpy(c->f, f, n_f * sizeof *f);
}

void call_is_valid(call_case *c) {
    dms_status st = {0};
    if (dms_call_check(&c->call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

void call_is_refused(call_case *c, const char *text) {
    dms_status st = {0};
    assert_int_equal(dms_call_check(&c->call, &st), DMS_EPLAN);
    if (strstr(st.msg, text) == NULL)
        fail_msg("'%s' does not say '%s'", st.msg, text);
}

/* Runs a call over addresses; `one_by_one` takes the parts singly from the last to the first. */
static void run(call_case *c, const dms_call *call, void *const *operand, dms_isa isa,
                bool one_by_one) {
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(call->kernel, isa);
    assert_non_null(kernel);
    const dms_arena_mark mark = dms_arena_here(&c->arena);
    const uint64_t bytes = dms_call_workspace(call, DMS_DEVICE_CPU);
    void *workspace = dms_alloc(&c->arena, bytes + 1, 1);
    assert_non_null(workspace);
    memset(workspace, 0xff, bytes); /* NaN as float: what is read unset shows */
    atomic_uint index_error = 0;
    const dms_cpu_job job = {call, operand, workspace, scratch_fresh(), &index_error};
    const uint64_t parts = kernel->parts(call);
    if (!one_by_one)
        kernel->run(&job, 0, parts);
    else
        for (uint64_t k = parts; k-- > 0;)
            kernel->run(&job, k, k + 1);
    dms_arena_release(&c->arena, mark);
}

void call_run(call_case *c, dms_isa isa) {
    run(c, &c->call, c->data, isa, false);
}

/* The outputs as they are now. */
static void save(call_case *c, void **copy) {
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++) {
        const uint64_t bytes = buffer_bytes(&c->view[k]);
        copy[k] = new_buffer(c, bytes);
        memcpy(copy[k], c->data[k], bytes);
    }
}

/* Every operand, inputs too, has the saved bytes; its guards are untouched. */
static void expect_saved(call_case *c, void *const *copy, const char *way) {
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++) {
        const uint64_t bytes = buffer_bytes(&c->view[k]);
        const uint8_t *now = c->data[k];
        if (memcmp(copy[k], now, bytes) != 0)
            fail_msg("operand %u: other bits when run %s", k, way);
        for (int64_t g = 0; g < GUARD; g++)
            if (now[-1 - g] != 0x5a || now[bytes + (uint64_t)g] != 0x5a)
                fail_msg("operand %u: written outside when run %s", k, way);
    }
}

/* Outputs become recognisable garbage, elements between their rows keep their value. */
static void spoil(call_case *c) {
    for (uint32_t k = c->call.n_in; k < c->call.n_in + c->call.n_out; k++) {
        const dms_view *v = &c->view[k];
        const uint32_t size = dms_dtype_bytes(v->dtype);
        for (int64_t n = 0; n < dms_view_count(v); n++) {
            int64_t rest = n, at = 0;
            for (uint32_t axis = v->rank; axis-- > 0; rest /= v->dim[axis])
                at += rest % v->dim[axis] * v->pitch[axis];
            memset((uint8_t *)c->data[k] + at * size, 0xee, size);
        }
    }
}

/* The same call on the second device, where there is one; then the outputs are as they were. */
static void run_on_device(call_case *c, void *const *copy) {
    uint32_t index_error;
    if (device_run == NULL)
        return;
    spoil(c);
    const bool has_run = device_run(&c->call, c->data, &index_error);
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++) {
        if (has_run)
            device_compare(&c->call, k, copy[k], c->data[k]);
        for (int64_t n = 0; n < dms_view_count(&c->view[k]); n++) {
            int64_t rest = n, at = 0;
            for (uint32_t axis = c->view[k].rank; axis-- > 0; rest /= c->view[k].dim[axis])
                at += rest % c->view[k].dim[axis] * c->view[k].pitch[axis];
            const uint32_t size = dms_dtype_bytes(c->view[k].dtype);
            memcpy((uint8_t *)c->data[k] + at * size, (const uint8_t *)copy[k] + at * size, size);
        }
    }
    expect_saved(c, copy, "on the second device, between elements");
}

void call_runs_alike(call_case *c) {
    void *copy[CALL_OPERANDS];
    call_is_valid(c);
    spoil(c);
    run(c, &c->call, c->data, DMS_ISA_BASE, false);
    save(c, copy);
    for (dms_isa isa = DMS_ISA_BASE; device_run == NULL && isa <= dms_isa_detect(); isa++) {
        spoil(c);
        run(c, &c->call, c->data, isa, true);
        expect_saved(c, copy, isa == DMS_ISA_BASE ? "in parts" : "with wider vectors");
    }
    run_on_device(c, copy);
}

void call_cuts_alike(call_case *c, int64_t width) {
    void *copy[CALL_OPERANDS];
    dms_cut cut;
    if (device_run != NULL)
        return;
    assert_true(dms_call_cut(&c->call, &cut));
    width = (width + cut.granule - 1) / cut.granule * cut.granule;
    save(c, copy);
    spoil(c);
    for (int64_t first = 0; first < cut.extent; first += width) {
        const int64_t end = first + width < cut.extent ? first + width : cut.extent;
        dms_view view[CALL_OPERANDS];
        int64_t i[DMS_MAX_PARAMS];
        dms_call piece;
        dms_status st = {0};
        void *operand[CALL_OPERANDS];
        assert_true(dms_call_slice(&c->call, &cut, first, end, NULL, view, i, &piece));
        if (dms_call_check(&piece, &st) != DMS_OK)
            fail_msg("piece [%d, %d): %s", (int)first, (int)end, st.msg);
        for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++)
            operand[k] = (uint8_t *)c->data[k] +
                         (view[k].offset - c->view[k].offset) * dms_dtype_bytes(view[k].dtype);
        run(c, &piece, operand, dms_isa_detect(), false);
    }
    expect_saved(c, copy, "cut");
}

/* The elements of a view of a packed operand as a block of their own; `view` becomes dense. */
static void *dense_copy(call_case *c, dms_view *view, const uint8_t *from) {
    const uint32_t size = dms_dtype_bytes(view->dtype);
    const dms_view wide = *view;
    assert_true(dms_view_dense(wide.dtype, wide.rank, wide.dim, view));
    uint8_t *to = dms_alloc(&c->arena, dms_view_bytes(view), 1);
    assert_non_null(to);
    for (int64_t n = 0; n < dms_view_count(&wide); n++) {
        int64_t rest = n, at = 0;
        for (uint32_t axis = wide.rank; axis-- > 0; rest /= wide.dim[axis])
            at += rest % wide.dim[axis] * wide.pitch[axis];
        memcpy(to + n * size, from + at * size, size);
    }
    return to;
}

/* One part, from the sums at `before` to those at `after`. */
static void run_part(call_case *c, const dms_cut *cut, int64_t first, int64_t end, void *before,
                     void *after, dms_isa isa) {
    dms_view view[DMS_MAX_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    uint32_t from[DMS_MAX_OPERANDS];
    void *operand[DMS_MAX_OPERANDS];
    dms_call part;
    dms_status st = {0};
    assert_true(dms_call_part(&c->call, cut, first, end, NULL, view, i, from, &part));
    for (uint32_t k = 0; k < part.n_in + part.n_out; k++) {
        if (from[k] == DMS_SUMS) {
            operand[k] = k < part.n_in ? before : after;
            continue;
        }
        operand[k] = (uint8_t *)c->data[from[k]] +
                     (view[k].offset - c->view[from[k]].offset) * dms_dtype_bytes(view[k].dtype);
        if (from[k] == 1 && c->call.i[0] != 0) {
            operand[k] = dense_copy(c, &view[k], operand[k]);
            view[k].offset = 0;
        }
    }
    if (dms_call_check(&part, &st) != DMS_OK)
        fail_msg("part [%d, %d): %s", (int)first, (int)end, st.msg);
    run(c, &part, operand, isa, true);
}

void call_parts_alike(call_case *c, int64_t depth) {
    void *copy[CALL_OPERANDS];
    dms_cut cut;
    if (device_run != NULL)
        return;
    assert_true(dms_call_cut_sums(&c->call, &cut));
    assert_int_equal(depth % cut.granule, 0);
    const uint64_t bytes = (uint64_t)dms_view_count(&c->view[c->call.n_in]) * sizeof(float);
    void *sums[2] = {new_buffer(c, bytes), new_buffer(c, bytes)};
    save(c, copy);
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++)
        for (uint32_t n_sums = 1; n_sums <= (isa == DMS_ISA_BASE ? 2 : 1); n_sums++) {
            uint32_t now = 0;
            spoil(c);
            memset(sums[0], 0xff, bytes);
            memset(sums[1], 0xff, bytes);
            for (int64_t first = 0; first < cut.extent; first += depth, now ^= n_sums - 1) {
                const int64_t end = first + depth < cut.extent ? first + depth : cut.extent;
                run_part(c, &cut, first, end, sums[now ^ (n_sums - 1)], sums[now], isa);
            }
            expect_saved(c, copy, n_sums == 1 ? "in parts of k in place" : "in parts of k");
        }
}

/* Copies elements of `source` into the dense `stored` order; what does not exist is zero. */
static void walk(const dms_packing *p, const uint8_t *from, uint8_t *to) {
    const dms_view *v = &p->source;
    const uint32_t size = dms_dtype_bytes(v->dtype), last = v->rank - 1;
    for (int64_t n = 0; n < dms_view_count(v); n++) {
        int64_t rest = n, at = v->offset, index[DMS_MAX_RANK];
        for (uint32_t axis = v->rank; axis-- > 0; rest /= v->dim[axis]) {
            index[axis] = rest % v->dim[axis];
            at += index[axis] * v->pitch[axis];
        }
        const bool exists =
            p->valid_last == 0 || index[0] + 1 < v->dim[0] || index[last] < p->valid_last;
        if (exists)
            memcpy(to + n * size, from + at * size, size);
        else
            memset(to + n * size, 0, size);
    }
}

void call_packs_alike(call_case *c, uint32_t k) {
    dms_packing packing;
    void *copy[CALL_OPERANDS];
    assert_true(dms_call_pack(&c->call, k, DMS_DEVICE_CPU, &packing));
    assert_true(dms_view_is_dense(&packing.stored));
    void *packed = new_buffer(c, dms_view_bytes(&packing.stored));
    walk(&packing, c->data[k], packed);
    c->view[k] = packing.stored;
    c->data[k] = packed;
    memcpy(c->i, packing.i, c->call.n_i * sizeof *c->i);
    save(c, copy);
    call_runs_alike(c);
    expect_saved(c, copy, "packed");
}

/* f16 and bf16 as f32, from their definitions. */
static float widened(dms_dtype dtype, uint16_t bits) {
    const uint32_t high = (uint32_t)bits << 16;
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float out;
    memcpy(&out, &high, sizeof out);
    if (dtype == DMS_DTYPE_BF16)
        return out;
    out = ldexpf((float)(exponent == 0 ? fraction : fraction + 1024),
                 (exponent == 0 ? 1 : exponent) - 25);
    return (bits & 0x8000) != 0 ? -out : out;
}

/* The case with every narrow operand as f32, same pitches. */
static void widen_case(const call_case *from, call_case *to) {
    *to = *from;
    to->arena = (dms_arena){0};
    to->call.view = to->view;
    to->call.i = to->i;
    to->call.f = to->f;
    for (uint32_t k = 0; k < from->call.n_in + from->call.n_out; k++) {
        const dms_view *v = &from->view[k];
        const bool is_narrow = v->dtype == DMS_DTYPE_F16 || v->dtype == DMS_DTYPE_BF16;
        to->view[k].dtype = is_narrow ? DMS_DTYPE_F32 : v->dtype;
        to->data[k] = new_buffer(to, buffer_bytes(&to->view[k]));
        if (!is_narrow)
            memcpy(to->data[k], from->data[k], buffer_bytes(v));
        for (int64_t n = 0; n < dms_view_end(v) && is_narrow; n++)
            ((float *)to->data[k])[n] = widened(v->dtype, ((const uint16_t *)from->data[k])[n]);
    }
}

void call_rounds_once(call_case *c) {
    call_case wide;
    call_runs_alike(c);
    widen_case(c, &wide);
    call_is_valid(&wide);
    call_run(&wide, dms_isa_detect());
    const dms_view *y = &c->view[c->call.n_in];
    const float *want = wide.data[c->call.n_in];
    const uint16_t *got = c->data[c->call.n_in];
    const float half_ulp = y->dtype == DMS_DTYPE_BF16 ? 0x1p-8f : 0x1p-11f;
    for (int64_t n = 0; n < dms_view_count(y); n++) {
        const float error = fabsf(widened(y->dtype, got[n]) - want[n]);
        if (!(error <= fabsf(want[n]) * half_ulp + 0x1p-25f))
            fail_msg("element %d is %a, wanted %a rounded", (int)n, widened(y->dtype, got[n]),
                     want[n]);
    }
    call_free(&wide);
}

float call_at(const call_case *c, uint32_t operand, int64_t i0, int64_t i1, int64_t i2,
              int64_t i3) {
    const dms_view *v = &c->view[operand];
    const int64_t index[4] = {i0, i1, i2, i3};
    int64_t at = 0;
    for (uint32_t k = 0; k < v->rank && k < 4; k++)
        at += index[k] * v->pitch[k];
    return dms_element_load(v->dtype, c->data[operand], at).f32;
}
