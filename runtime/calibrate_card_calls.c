/* calibrate_card_calls.c - kernels on a card: rates by type and shape, memory, launch, families. */
#include <stddef.h>
#include <stdio.h>

#include "runtime/calibrate_card.h"
#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"

#define N_SUMS DMS_MOST_SUMS
#define FIRST_WEIGHT (512u << 20) /* behind it weights, each time others; before it all else */

/* A call that is readied. */
typedef struct card_call {
    dms_call call;
    dms_view view[DMS_SHAPE_OPERANDS];
    dms_device_call work;
    uint64_t weight_step; /* 0: operand 1 is no weight */
    uint64_t end;         /* of the device arena */
} card_call;

/* A prefill, which keeps a card busy; a batch, a token; few columns. */
static const int64_t CLASSES[][3] = {
    {2048, 4096, 4096}, {16, 4096, 4096}, {1, 4096, 4096}, {2048, 4096, 128}};
#define N_CLASSES (sizeof CLASSES / sizeof *CLASSES)

static const dms_dtype TYPES[] = {DMS_DTYPE_F32, DMS_DTYPE_F16, DMS_DTYPE_BF16};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)

static const uint64_t SUMS[N_SUMS] = {3u << 20,  12u << 20, 24u << 20,
                                      48u << 20, 96u << 20, 768u << 20};

static dms_shape product(dms_dtype dtype, const int64_t *mkn) {
    return (dms_shape){DMS_FAMILY_PRODUCT,
                       DMS_K_MATMUL,
                       dtype,
                       2,
                       {2, 2, 2},
                       {{mkn[0], mkn[1]}, {mkn[1], mkn[2]}, {mkn[0], mkn[2]}},
                       2,
                       2,
                       {0, mkn[2]},
                       {1, 1}};
}

/* Doubles, and bytes: by windows of 3 x 3, for nothing else multiplies them. */
static const int64_t DOUBLES[3] = {512, 1024, 512};
static const dms_shape bytes_shape = {
    .family = DMS_FAMILY_CONV,
    .kernel = DMS_K_CONV_BYTES,
    .dtype = DMS_DTYPE_I8,
    .n_in = 4,
    .rank = {5, 5, 1, 2, 5},
    .dim = {{1, 1, 256, 56, 56}, {1, 256, 256, 3, 3}, {1}, {1, 256}, {1, 1, 256, 56, 56}},
    .n_i = 11,
    .i = {0, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}};

/* Rows are looked up all over the table. */
static dms_code put_indices(dms_card_bench *c, const dms_shape *s, uint64_t to, dms_status *st) {
    int32_t *index = (int32_t *)(void *)c->device->host_arena;
    for (int64_t k = 0; k < s->dim[1][0]; k++)
        index[k] = (int32_t)(k * 7919 % s->dim[0][1]);
    return dms_card_put(c, to, (uint64_t)s->dim[1][0] * sizeof *index, st);
}

/* Views, places one behind the other, workspace; products and convolutions have weights. */
static dms_code place(dms_card_bench *c, const dms_shape *s, card_call *out, dms_status *st) {
    const bool has_weights = s->family <= DMS_FAMILY_CONV_TRANSPOSE;
    uint64_t at = 0;
    for (uint32_t k = 0; k <= s->n_in; k++) {
        const bool is_weight = k == 1 && has_weights;
        out->view[k] = dms_shape_view(s, k);
        const uint64_t bytes = (dms_view_bytes(&out->view[k]) + 255) / 256 * 256;
        out->work.operand[k] = is_weight ? FIRST_WEIGHT : at;
        if (is_weight)
            out->weight_step = bytes;
        else
            at += bytes;
        if (s->family == DMS_FAMILY_INDEX && k == 1)
            DMS_TRY(put_indices(c, s, out->work.operand[k], st));
    }
    out->work.workspace = at;
    return DMS_OK;
}

static dms_code submit_call(dms_card_bench *c, void *context, dms_status *st) {
    card_call *own = context;
    own->work.operand[1] += own->weight_step;
    if (own->weight_step != 0 && own->work.operand[1] > own->end - own->weight_step)
        own->work.operand[1] = FIRST_WEIGHT;
    return c->device->streams->call(c->device, &own->work, st);
}

/* A call of this shape, as work of the compute queue. */
static dms_code ready(dms_card_bench *c, const dms_shape *s, dms_card_work *out, dms_status *st) {
    card_call *own;
    DMS_TRY(dms_alloc_st(c->b->arena, 1, sizeof *own, "calibration", &own, st));
    own->call = (dms_call){s->kernel, s->n_in, 1, s->n_i, s->n_f, own->view, s->i, s->f};
    own->end = c->device->device_bytes;
    DMS_TRY(place(c, s, own, st));
    DMS_TRY(dms_call_check(&own->call, st));
    own->work.call = &own->call;
    own->work.id = c->n_calls++;
    own->work.workspace_bytes = dms_call_workspace(&own->call, DMS_DEVICE_CUDA);
    if (own->work.workspace + own->work.workspace_bytes > own->end ||
        own->work.id >= DMS_CALIBRATE_CARD_CALLS)
        return dms_fail(st, DMS_EINTERNAL, "a call of %s is too large to be measured",
                        dms_family_name(s->family));
    DMS_TRY(c->device->streams->prepare(c->device, own->work.id, &own->call, st));
    *out = (dms_card_work){DMS_QUEUE_COMPUTE, submit_call, own};
    return DMS_OK;
}

/* Shapes, the work they are, their times. */
typedef struct card_set {
    uint32_t n;
    const dms_shape *shape;
    dms_card_work *work;
    dms_samples *samples;
} card_set;

/* `shapes` live as long as the calibration. */
static dms_code ready_set(dms_card_bench *c, uint32_t n, const dms_shape *shapes, card_set *out,
                          dms_status *st) {
    dms_arena *arena = c->b->arena;
    *out = (card_set){.n = n, .shape = shapes};
    DMS_TRY(dms_alloc_st(arena, n, sizeof *out->work, "calibration", &out->work, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *out->samples, "calibration", &out->samples, st));
    for (uint32_t k = 0; k < n; k++)
        DMS_TRY(ready(c, &shapes[k], &out->work[k], st));
    return DMS_OK;
}

static dms_code sample_set(dms_card_bench *c, const card_set *set, dms_status *st) {
    for (uint32_t k = 0; k < set->n; k++)
        DMS_TRY(dms_card_sample(c, &set->work[k], &set->samples[k], st));
    return DMS_OK;
}

/* Products of all types and classes, doubles, bytes, the empty call; sums. */
#define N_RATES (N_TYPES * N_CLASSES + 3)

static dms_code make_shapes(dms_card_bench *c, dms_shape **out_rates, dms_shape **out_sums,
                            dms_status *st) {
    dms_shape *rates, *sums;
    DMS_TRY(dms_alloc_st(c->b->arena, N_RATES, sizeof *rates, "calibration", &rates, st));
    DMS_TRY(dms_alloc_st(c->b->arena, N_SUMS, sizeof *sums, "calibration", &sums, st));
    for (size_t k = 0; k < N_TYPES * N_CLASSES; k++)
        rates[k] = product(TYPES[k / N_CLASSES], CLASSES[k % N_CLASSES]);
    rates[N_RATES - 3] = product(DMS_DTYPE_F64, DOUBLES);
    rates[N_RATES - 2] = bytes_shape;
    rates[N_RATES - 1] = dms_empty_shape;
    for (uint32_t k = 0; k < N_SUMS; k++)
        sums[k] = dms_large_sum(SUMS[k]);
    *out_rates = rates;
    *out_sums = sums;
    return DMS_OK;
}

/* The first class of a type is its rate; f16 and bf16 have one key: the slower one holds. */
static void take_rates(dms_bench *b, const card_set *rates) {
    dms_profile *p = &b->out->profile;
    int64_t flops[N_TYPES];
    for (size_t k = 0; k < N_TYPES * N_CLASSES; k++) {
        const int64_t *mkn = CLASSES[k % N_CLASSES];
        char name[32];
        (void)snprintf(name, sizeof name, "%s %d x %d x %d", dms_dtype_name(TYPES[k / N_CLASSES]),
                       (int)mkn[0], (int)mkn[1], (int)mkn[2]);
        const int64_t rate = dms_take_rate(b, name, &rates->shape[k], &rates->samples[k]);
        if (k % N_CLASSES == 0)
            flops[k / N_CLASSES] = rate;
    }
    p->f32_flops = flops[0];
    p->f16_flops = flops[1] < flops[2] ? flops[1] : flops[2];
    p->f64_flops =
        dms_take_rate(b, "f64", &rates->shape[N_RATES - 3], &rates->samples[N_RATES - 3]);
    p->i8_flops = dms_take_rate(b, "i8", &rates->shape[N_RATES - 2], &rates->samples[N_RATES - 2]);
}

dms_code dms_card_calls(dms_card_bench *c, dms_status *st) {
    dms_bench *b = c->b;
    dms_shape *rate_shapes, *sum_shapes;
    card_set rates, sums, families;
    DMS_TRY(make_shapes(c, &rate_shapes, &sum_shapes, st));
    DMS_TRY(ready_set(c, N_RATES, rate_shapes, &rates, st));
    DMS_TRY(ready_set(c, N_SUMS, sum_shapes, &sums, st));
    DMS_TRY(ready_set(c, dms_n_card_shapes, dms_card_shapes, &families, st));
    DMS_TRY(c->device->streams->ready(c->device, st));
    for (uint32_t round = 0; round < DMS_CALIBRATE_ROUNDS; round++) {
        DMS_TRY(sample_set(c, &sums, st));
        DMS_TRY(sample_set(c, &rates, st));
        DMS_TRY(sample_set(c, &families, st));
    }
    dms_take_launch(b, &rates.samples[N_RATES - 1]);
    b->beside_ns = b->out->profile.launch_ns;
    take_rates(b, &rates);
    dms_take_memory(b, N_SUMS, SUMS, sums.samples);
    dms_take_families(b, families.n, families.shape, families.samples);
    c->busy = rates.work[(N_TYPES - 1) * N_CLASSES]; /* bf16, prefill */
    c->empty = rates.work[N_RATES - 1];
    return DMS_OK;
}
