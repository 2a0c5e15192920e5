/* calibrate_compute.c - kernels of every family at sizes that models have, by the device itself. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/session.h"

#define MOST_OBSERVATIONS 16u

/* A call that is ready to run, as the engine would. */
typedef struct bound_call {
    dms_device *device;
    dms_call call;
    dms_view view[DMS_SHAPE_OPERANDS];
    dms_device_call work;
    uint64_t bytes;       /* of operands and workspace that move on together after each run */
    bool has_own_way;     /* operand 1 does not move with the others ... */
    uint64_t weight_step; /* ... but by so much */
} bound_call;

#define NEAR_BYTES (12u << 20) /* more than a core's own cache, less than the one behind it */
#define FIRST_WEIGHT (32u << 20)

/* Moves the place of everything by `by`, down where that is below 0. */
static void move_all(bound_call *c, int64_t by) {
    for (uint32_t k = 0; k <= c->call.n_in; k++)
        if (k != 1 || !c->has_own_way)
            c->work.operand[k] += (uint64_t)by;
    c->work.workspace += (uint64_t)by;
}

/* In a model a call meets what some calls before it wrote, which its core's own cache has lost and
 * a larger one may hold, and weights of its own, which no cache holds: both come from another place
 * every time. */
static void run_call(void *context) {
    bound_call *c = context;
    uint32_t index_error;
    if (c->work.operand[0] + 2 * c->bytes <= NEAR_BYTES)
        move_all(c, (int64_t)c->bytes);
    else
        move_all(c, -(int64_t)c->work.operand[0]);
    c->work.operand[1] += c->weight_step;
    if (c->weight_step != 0 && c->work.operand[1] > c->device->device_bytes - c->weight_step)
        c->work.operand[1] = FIRST_WEIGHT;
    c->device->ops->call(c->device, &c->work, &index_error);
}

/* Products and convolutions have weights. */
static bool has_weights(dms_family family) {
    return family <= DMS_FAMILY_CONV_TRANSPOSE;
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
        out->view[k] = dms_shape_view(s, k);
        out->work.operand[k] = at;
        if (is_index)
            fill_indices((int32_t *)(void *)(b->device->device_arena + at), s->dim[1][0],
                         s->dim[0][1]);
        at += (dms_view_bytes(&out->view[k]) + 255) / 256 * 256;
    }
    out->has_own_way = has_weights(s->family) || s->family == DMS_FAMILY_INDEX;
    if (has_weights(s->family)) {
        out->weight_step = (dms_view_bytes(&out->view[1]) + 255) / 256 * 256;
        out->work.operand[1] = FIRST_WEIGHT;
    }
    DMS_TRY(dms_call_check(&out->call, st));
    DMS_TRY(b->device->ops->can_run(&out->call, st));
    out->work.call = &out->call;
    out->work.workspace = at;
    out->work.workspace_bytes = dms_call_workspace(&out->call, DMS_DEVICE_CPU);
    out->work.is_small = dms_call_is_small(&out->call);
    out->bytes = at + (out->work.workspace_bytes + 255) / 256 * 256;
    if (out->bytes > b->device->device_bytes)
        return dms_fail(st, DMS_EINTERNAL, "a call of %s is too large to be measured",
                        dms_family_name(s->family));
    return DMS_OK;
}

/* One more time of a shape. */
static dms_code time_shape(dms_bench *b, const dms_shape *s, dms_samples *out, dms_status *st) {
    bound_call c;
    DMS_TRY(bind(b, s, &c, st));
    return dms_time_round(b, (dms_action){run_call, &c}, out, st);
}

dms_cost dms_shape_cost(const dms_shape *s) {
    dms_view view[DMS_SHAPE_OPERANDS];
    const dms_call call = {s->kernel, s->n_in, 1, s->n_i, s->n_f, view, s->i, s->f};
    for (uint32_t k = 0; k <= s->n_in; k++)
        view[k] = dms_shape_view(s, k);
    return dms_call_cost(&call);
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
    {"i8", DMS_DTYPE_I8, offsetof(dms_profile, i8_flops)},
};
#define N_RATES (sizeof rates / sizeof rates[0])

/* Bytes are multiplied by convolutions: 64 channels of 56 x 56 to 64, windows of 3 x 3. */
static const dms_shape large_bytes = {
    .family = DMS_FAMILY_CONV,
    .kernel = DMS_K_CONV_BYTES,
    .dtype = DMS_DTYPE_I8,
    .n_in = 4,
    .rank = {5, 7, 1, 2, 5},
    .dim = {{1, 1, 64, 56, 56}, {1, 8, 3, 3, 16, 8, 4}, {1}, {1, 64}, {1, 1, 64, 56, 56}},
    .n_i = 11,
    .i = {1, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}};

/* y[m, 512] = a[m, 1024] b[1024, 512], which keeps every unit busy. Types without micro-kernels get
 * by with a row. */
static dms_shape large_product(dms_dtype dtype) {
    if (dtype == DMS_DTYPE_I8)
        return large_bytes;
    const bool is_fast = dms_dtype_is_float(dtype) && dtype != DMS_DTYPE_F64;
    const int64_t m = is_fast ? DMS_CALIBRATE_ROWS : 2;
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

int64_t dms_take_rate(dms_bench *b, const char *name, const dms_shape *s, dms_samples *samples) {
    const int64_t ns = dms_samples_percentile(samples, 50) - b->beside_ns;
    const double flops = (double)dms_shape_cost(s).flops / (double)(ns < 1 ? 1 : ns) * 1e9;
    dms_add_figure(b, name, "GFLOP/s", flops / 1e9, dms_samples_spread(samples));
    return flops < 1 ? 1 : (int64_t)flops;
}

static void take_rates(dms_bench *b) {
    for (size_t k = 0; k < N_RATES; k++) {
        const dms_shape s = large_product(rates[k].dtype);
        const int64_t flops = dms_take_rate(b, rates[k].name, &s, &b->rate[k]);
        int64_t *place = (int64_t *)(void *)((char *)&b->out->profile + rates[k].place);
        if (*place == 0 || flops < *place)
            *place = flops;
    }
}

/* ---- memory, cache, launch ----------------------------------------------------------------- */

static const uint64_t SUMS[] = {3u << 19, 3u << 20, 6u << 20, 12u << 20, 24u << 20, 96u << 20};
#define N_SUMS (sizeof SUMS / sizeof SUMS[0])

dms_shape dms_large_sum(uint64_t bytes) {
    const int64_t n = (int64_t)(bytes / 12);
    return (dms_shape){
        DMS_FAMILY_MAP, DMS_K_BINARY, DMS_DTYPE_F32, 2, {1, 1, 1}, {{n}, {n}, {n}}, 1, 0,
        {DMS_FN_ADD},   {0}};
}

void dms_take_memory(dms_bench *b, uint32_t n, const uint64_t *bytes, dms_samples *samples) {
    dms_profile *p = &b->out->profile;
    double rate_of[DMS_MOST_SUMS];
    for (uint32_t k = 0; k < n; k++) {
        char name[32];
        const int64_t ns = dms_samples_percentile(&samples[k], 50) - b->beside_ns;
        rate_of[k] = (double)bytes[k] / (double)(ns < 1 ? 1 : ns) * 1e9;
        (void)snprintf(name, sizeof name, "sums over %.1f MB", (double)bytes[k] / 1e6);
        dms_add_figure(b, name, "GB/s", rate_of[k] / 1e9, dms_samples_spread(&samples[k]));
    }
    uint32_t last = 0;
    while (last + 2 < n && rate_of[last + 1] * rate_of[last + 1] > rate_of[0] * rate_of[n - 1])
        last++;
    p->memory_bytes_per_s = (int64_t)rate_of[n - 1];
    p->cache_bytes = bytes[last];
    p->cache_bytes_per_s = (int64_t)rate_of[last / 2];
}

const dms_shape dms_empty_shape = {
    DMS_FAMILY_MAP, DMS_K_UNARY, DMS_DTYPE_F32, 1, {1, 1}, {{16}, {16}}, 1, 2,
    {DMS_FN_RELU},  {0, 0}};

void dms_take_launch(dms_bench *b, dms_samples *samples) {
    b->out->profile.launch_ns = dms_samples_percentile(samples, 50);
    dms_add_figure(b, "launch", "ns", (double)b->out->profile.launch_ns,
                   dms_samples_spread(samples));
}

/* ---- families ------------------------------------------------------------------------------ */

/* Operations as many as of f32 take that time: families that multiply go by the type's rate. */
static double flops_in_f32(const dms_profile *p, const dms_shape *s, double flops) {
    const bool is_half = s->dtype == DMS_DTYPE_F16 || s->dtype == DMS_DTYPE_BF16;
    if (s->family > DMS_FAMILY_RECURRENT || !is_half)
        return flops;
    return flops * (double)p->f32_flops / (double)p->f16_flops;
}

static void take_family(dms_bench *b, dms_family family, uint32_t n_shapes, const dms_shape *shapes,
                        dms_samples *samples) {
    const dms_profile *p = &b->out->profile;
    dms_observation o[MOST_OBSERVATIONS];
    uint32_t n = 0;
    for (uint32_t k = 0; k < n_shapes && n < MOST_OBSERVATIONS; k++) {
        const dms_shape *s = &shapes[k];
        if (s->family != family)
            continue;
        const dms_cost cost = dms_shape_cost(s);
        const int64_t ns = dms_samples_percentile(&samples[k], 50) - p->launch_ns;
        o[n++] = (dms_observation){ns < 1 ? 1 : (double)ns, flops_in_f32(p, s, (double)cost.flops),
                                   (double)cost.results, (double)cost.rows};
    }
    b->out->profile.family[family] =
        dms_fit_family(n, o, (double)p->f32_flops, &b->out->fit_error[family]);
}

void dms_take_families(dms_bench *b, uint32_t n, const dms_shape *shapes, dms_samples *samples) {
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        take_family(b, (dms_family)f, n, shapes, samples);
}

/* ---- all of it ----------------------------------------------------------------------------- */

dms_code dms_calibrate_compute_begin(dms_bench *b, dms_status *st) {
    const char *what = "calibration";
    memset(b->device->device_arena, DMS_CALIBRATE_PATTERN, (size_t)b->device->device_bytes);
    DMS_TRY(dms_alloc_st(b->arena, N_RATES, sizeof *b->rate, what, &b->rate, st));
    DMS_TRY(dms_alloc_st(b->arena, N_SUMS, sizeof *b->memory, what, &b->memory, st));
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *b->launch, what, &b->launch, st));
    return dms_alloc_st(b->arena, dms_n_calibrate_shapes, sizeof *b->shape, what, &b->shape, st);
}

dms_code dms_calibrate_compute_round(dms_bench *b, dms_status *st) {
    for (size_t k = 0; k < N_SUMS; k++) { /* sums leave sums: small numbers first */
        const dms_shape s = dms_large_sum(SUMS[k]);
        DMS_TRY(time_shape(b, &s, &b->memory[k], st));
    }
    memset(b->device->device_arena, DMS_CALIBRATE_PATTERN, 16u << 20);
    for (size_t k = 0; k < N_RATES; k++) {
        const dms_shape s = large_product(rates[k].dtype);
        DMS_TRY(time_shape(b, &s, &b->rate[k], st));
    }
    DMS_TRY(time_shape(b, &dms_empty_shape, b->launch, st));
    for (uint32_t k = 0; k < dms_n_calibrate_shapes; k++) {
        memset(b->device->device_arena, DMS_CALIBRATE_PATTERN, NEAR_BYTES);
        DMS_TRY(time_shape(b, &dms_calibrate_shapes[k], &b->shape[k], st));
    }
    return DMS_OK;
}

void dms_calibrate_compute_end(dms_bench *b) {
    take_rates(b);
    dms_take_memory(b, N_SUMS, SUMS, b->memory);
    dms_take_launch(b, b->launch);
    dms_take_families(b, dms_n_calibrate_shapes, dms_calibrate_shapes, b->shape);
}

dms_code dms_calibrate_busy(dms_bench *b, dms_action *out, dms_status *st) {
    const dms_shape s = large_product(DMS_DTYPE_F32);
    bound_call *c;
    dms_shape *kept;
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *c, "calibration", &c, st));
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *kept, "calibration", &kept, st));
    *kept = s;
    memset(b->device->device_arena, DMS_CALIBRATE_PATTERN, 16u << 20);
    DMS_TRY(bind(b, kept, c, st));
    *out = (dms_action){run_call, c};
    return DMS_OK;
}
