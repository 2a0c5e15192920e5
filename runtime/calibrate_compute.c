/* calibrate_compute.c - kernels of every family at sizes that models have, by the device itself. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/session.h"

#define MOST_OBSERVATIONS 16u
#define SHAPE_NS 50000000
#define LONG_NS 200000000
#define PATTERN 0x3c /* a small positive number in every type, and no denormal one */

/* A call that is ready to run, as the engine would. */
typedef struct bound_call {
    dms_device *device;
    dms_call call;
    dms_view view[DMS_SHAPE_OPERANDS];
    dms_device_call work;
} bound_call;

static void run_call(void *context) {
    bound_call *c = context;
    uint32_t index_error;
    c->device->ops->call(c->device, &c->work, &index_error);
}

/* Rows are looked up all over the table. */
static void fill_indices(int32_t *index, int64_t n, int64_t rows) {
    for (int64_t k = 0; k < n; k++)
        index[k] = (int32_t)(k * 7919 % rows);
}

/* Views, places one behind the other from the begin of the device arena, workspace. */
static dms_code bind(const dms_bench *b, const dms_shape *s, bound_call *out, dms_status *st) {
    uint64_t at = 0;
    *out = (bound_call){.device = b->device};
    out->call = (dms_call){s->kernel, s->n_in, 1, s->n_i, s->n_f, out->view, s->i, s->f};
    for (uint32_t k = 0; k <= s->n_in; k++) {
        const bool is_index = s->family == DMS_FAMILY_INDEX && k == 1;
        (void)dms_view_dense(is_index ? DMS_DTYPE_I32 : s->dtype, s->rank[k], s->dim[k],
                             &out->view[k]);
        out->work.operand[k] = at;
        if (is_index)
            fill_indices((int32_t *)(void *)(b->device->device_arena + at), s->dim[1][0],
                         s->dim[0][1]);
        at += (dms_view_bytes(&out->view[k]) + 255) / 256 * 256;
    }
    DMS_TRY(dms_call_check(&out->call, st));
    DMS_TRY(b->device->ops->can_run(&out->call, st));
    out->work.call = &out->call;
    out->work.workspace = at;
    out->work.workspace_bytes = dms_call_workspace(&out->call, DMS_DEVICE_CPU);
    out->work.is_small = dms_call_is_small(&out->call);
    if (at + out->work.workspace_bytes > b->device->device_bytes)
        return dms_fail(st, DMS_EINTERNAL, "a call of %s is too large to be measured",
                        dms_family_name(s->family));
    return DMS_OK;
}

static dms_code time_shape(dms_bench *b, const dms_shape *s, int64_t budget_ns, dms_samples *out,
                           dms_cost *out_cost, dms_status *st) {
    bound_call c;
    memset(b->device->device_arena, PATTERN, 16u << 20);
    DMS_TRY(bind(b, s, &c, st));
    *out_cost = dms_call_cost(&c.call);
    return dms_time(b, (dms_action){run_call, &c}, budget_ns, out, st);
}

/* ---- rates of the types -------------------------------------------------------------------- */

typedef struct rate {
    const char *name;
    dms_dtype dtype;
    size_t place; /* in dms_profile */
} rate;

static const rate rates[] = {
    {"f32", DMS_DTYPE_F32, offsetof(dms_profile, f32_flops)},
    {"f16", DMS_DTYPE_F16, offsetof(dms_profile, f16_flops)},
    {"bf16", DMS_DTYPE_BF16, offsetof(dms_profile, f16_flops)}, /* one key: the slower one holds */
    {"f64", DMS_DTYPE_F64, offsetof(dms_profile, f64_flops)},
    {"i8 (as i32)", DMS_DTYPE_I32, offsetof(dms_profile, i8_flops)}, /* bytes are widened */
};

/* y[m, 512] = a[m, 1024] b[1024, 512], which keeps every unit busy. Types without micro-kernels get
 * by with a row. */
static dms_shape large_product(dms_dtype dtype) {
    const bool is_fast = dms_dtype_is_float(dtype) && dtype != DMS_DTYPE_F64;
    const int64_t m = is_fast ? 256 : 2;
    dms_shape s = {DMS_FAMILY_PRODUCT,
                   DMS_K_MATMUL,
                   dtype,
                   2,
                   {2, 3, 2},
                   {{m, 1024}, {32, 1024, 16}, {m, 512}},
                   2,
                   2,
                   {1, 512},
                   {1, 1}};
    if (!is_fast) {
        s.rank[1] = 2;
        s.dim[1][0] = 1024;
        s.dim[1][1] = 512;
        s.i[0] = 0;
    }
    return s;
}

static dms_code measure_rates(dms_bench *b, dms_status *st) {
    for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
        const dms_shape s = large_product(rates[k].dtype);
        dms_samples samples;
        dms_cost cost;
        DMS_TRY(time_shape(b, &s, LONG_NS, &samples, &cost, st));
        const int64_t ns = dms_samples_percentile(&samples, 50);
        const int64_t flops = (int64_t)((double)cost.flops / (double)ns * 1e9);
        int64_t *place = (int64_t *)(void *)((char *)&b->out->profile + rates[k].place);
        if (*place == 0 || flops < *place)
            *place = flops;
        dms_add_figure(b, rates[k].name, "GFLOP/s", (double)flops / 1e9,
                       dms_samples_spread(&samples));
    }
    return DMS_OK;
}

/* ---- memory, cache, launch ----------------------------------------------------------------- */

/* c = a + b of three tensors with `bytes` in all; bytes per second. */
static dms_code rate_of_sum(dms_bench *b, uint64_t bytes, double *out_rate, double *out_spread,
                            dms_status *st) {
    const int64_t n = (int64_t)(bytes / 12);
    const dms_shape s = {
        DMS_FAMILY_MAP, DMS_K_BINARY, DMS_DTYPE_F32, 2, {1, 1, 1}, {{n}, {n}, {n}}, 1, 0,
        {DMS_FN_ADD},   {0}};
    dms_samples samples;
    dms_cost cost;
    DMS_TRY(time_shape(b, &s, LONG_NS, &samples, &cost, st));
    *out_rate = (double)cost.bytes / (double)dms_samples_percentile(&samples, 50) * 1e9;
    *out_spread = dms_samples_spread(&samples);
    return DMS_OK;
}

/* The cache is as large as the largest sum whose rate lies nearer to that of the smallest than to
 * that of memory, on a scale of ratios. */
static dms_code measure_memory(dms_bench *b, dms_status *st) {
    static const uint64_t SIZES[] = {3u << 19, 3u << 20, 6u << 20, 12u << 20, 24u << 20, 96u << 20};
    enum { N = sizeof SIZES / sizeof SIZES[0] };
    dms_profile *p = &b->out->profile;
    double rate_of[N], spread;
    for (int k = 0; k < N; k++) {
        DMS_TRY(rate_of_sum(b, SIZES[k], &rate_of[k], &spread, st));
        char name[32];
        (void)snprintf(name, sizeof name, "sums over %.1f MB", (double)SIZES[k] / 1e6);
        dms_add_figure(b, name, "GB/s", rate_of[k] / 1e9, spread);
    }
    int last = 0;
    while (last + 2 < N && rate_of[last + 1] * rate_of[last + 1] > rate_of[0] * rate_of[N - 1])
        last++;
    p->memory_bytes_per_s = (int64_t)rate_of[N - 1];
    p->cache_bytes = SIZES[last];
    p->cache_bytes_per_s = (int64_t)rate_of[last / 2];
    return DMS_OK;
}

/* What is left of a step where nothing is to be done: 16 numbers. */
static dms_code measure_launch(dms_bench *b, dms_status *st) {
    const dms_shape s = {DMS_FAMILY_MAP, DMS_K_UNARY, DMS_DTYPE_F32, 1, {1, 1}, {{16}, {16}}, 1, 2,
                         {DMS_FN_RELU},  {0, 0}};
    dms_samples samples;
    dms_cost cost;
    DMS_TRY(time_shape(b, &s, SHAPE_NS, &samples, &cost, st));
    const int64_t ns = dms_samples_percentile(&samples, 50);
    b->out->profile.launch_ns = ns < 1 ? 1 : ns;
    dms_add_figure(b, "launch", "ns", (double)ns, dms_samples_spread(&samples));
    return DMS_OK;
}

/* ---- families ------------------------------------------------------------------------------ */

static dms_code measure_family(dms_bench *b, dms_family family, dms_status *st) {
    const dms_profile *p = &b->out->profile;
    dms_observation o[MOST_OBSERVATIONS];
    uint32_t n = 0;
    double worst;
    for (uint32_t k = 0; k < dms_n_calibrate_shapes && n < MOST_OBSERVATIONS; k++) {
        const dms_shape *s = &dms_calibrate_shapes[k];
        dms_samples samples;
        dms_cost cost;
        if (s->family != family)
            continue;
        DMS_TRY(time_shape(b, s, SHAPE_NS, &samples, &cost, st));
        const int64_t ns = dms_samples_percentile(&samples, 50) - p->launch_ns;
        o[n++] = (dms_observation){ns < 1 ? 1 : (double)ns, (double)cost.flops,
                                   (double)cost.results, (double)cost.rows};
    }
    b->out->profile.family[family] = dms_fit_family(n, o, (double)p->f32_flops, &worst);
    b->out->fit_error[family] = worst;
    return DMS_OK;
}

dms_code dms_calibrate_compute(dms_bench *b, dms_status *st) {
    DMS_TRY(measure_rates(b, st));
    DMS_TRY(measure_memory(b, st));
    DMS_TRY(measure_launch(b, st));
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        DMS_TRY(measure_family(b, (dms_family)f, st));
    return DMS_OK;
}

dms_code dms_calibrate_busy(dms_bench *b, dms_action *out, dms_status *st) {
    const dms_shape s = large_product(DMS_DTYPE_F32);
    bound_call *c;
    dms_shape *kept;
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *c, "calibration", &c, st));
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *kept, "calibration", &kept, st));
    *kept = s;
    memset(b->device->device_arena, PATTERN, 16u << 20);
    DMS_TRY(bind(b, kept, c, st));
    *out = (dms_action){run_call, c};
    return DMS_OK;
}
