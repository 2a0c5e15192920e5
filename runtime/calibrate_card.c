/* calibrate_card.c - see calibrate_card.h. */
#include "runtime/calibrate_card.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/calibrate_internal.h"
#include "runtime/session.h"

#define UNITS_NS 300000 /* of a sample */
#define ROUNDS 9u
#define HOST_ROUNDS 20u
#define LOOKS 2000u      /* at a card, before the thread sleeps between them */
#define LOOK_NS 20000    /* of such a sleep */
#define MOST_FACTOR 16.0 /* of a profile */

dms_code dms_card_begin(dms_card_bench *c, uint32_t queue, uint32_t ahead, dms_status *st) {
    const uint32_t mark = (uint32_t)((c->n_marks[queue] + ahead) % DMS_DEVICE_MARKS);
    return c->device->streams->begin(c->device, queue, mark, st);
}

dms_code dms_card_end(dms_card_bench *c, uint32_t queue, dms_status *st) {
    const uint32_t mark = (uint32_t)(c->n_marks[queue]++ % DMS_DEVICE_MARKS);
    return c->device->streams->signal(c->device, queue, mark, c->n_marks[queue], st);
}

dms_code dms_card_follow(dms_card_bench *c, uint32_t queue, uint32_t other, dms_status *st) {
    return c->device->streams->await(c->device, queue, other, c->n_marks[other], st);
}

dms_code dms_card_await(dms_card_bench *c, uint32_t queue, int64_t *out_ns, dms_status *st) {
    const dms_device_streams *ops = c->device->streams;
    const uint64_t n = c->n_marks[queue];
    const struct timespec pause = {0, LOOK_NS};
    uint64_t value = 0;
    int64_t begin, end;
    for (uint32_t look = 0; value < n; look++) {
        DMS_TRY(dms_calibrate_check(c->b, st));
        DMS_TRY(ops->reached(c->device, queue, &value, st));
        if (look > LOOKS)
            (void)nanosleep(&pause, NULL);
    }
    ops->times(c->device, queue, (uint32_t)((n - 1) % DMS_DEVICE_MARKS), &begin, &end);
    *out_ns = end - begin < 1 ? 1 : end - begin;
    return DMS_OK;
}

/* Begin, units, end: submitted, not awaited. */
static dms_code submit_units(dms_card_bench *c, const dms_card_work *work, uint32_t n,
                             dms_status *st) {
    DMS_TRY(dms_card_begin(c, work->queue, 0, st));
    for (uint32_t k = 0; k < n; k++)
        DMS_TRY(work->submit(c, work->context, st));
    return dms_card_end(c, work->queue, st);
}

dms_code dms_card_time(dms_card_bench *c, const dms_card_work *work, uint32_t n, int64_t *out_ns,
                       dms_status *st) {
    DMS_TRY(submit_units(c, work, n, st));
    return dms_card_await(c, work->queue, out_ns, st);
}

/* Units of `unit_ns` that take about as long as wanted. */
static uint32_t units_for(int64_t wanted_ns, int64_t unit_ns) {
    const int64_t n = wanted_ns / unit_ns + 1;
    return n > DMS_CARD_MOST_UNITS ? DMS_CARD_MOST_UNITS : (uint32_t)n;
}

dms_code dms_card_sample(dms_card_bench *c, const dms_card_work *work, dms_samples *out,
                         dms_status *st) {
    int64_t once, best = INT64_MAX;
    DMS_TRY(dms_card_time(c, work, 1, &once, st)); /* clocks go up, caches fill */
    const uint32_t n = once >= UNITS_NS ? 1 : units_for(UNITS_NS, once);
    for (int k = 0; k < 3; k++) {
        int64_t ns;
        DMS_TRY(dms_card_time(c, work, n, &ns, st));
        best = ns / n < best ? ns / n : best;
    }
    if (out->n < DMS_MOST_SAMPLES)
        out->ns[out->n++] = best < 1 ? 1 : best;
    return DMS_OK;
}

/* ---- two at a time ------------------------------------------------------------------------- */

static double between(double value, double least, double most) {
    return value < least ? least : value > most ? most : value;
}

void dms_beside(const int64_t alone[2], const int64_t both[2], double out[2]) {
    const int first = both[0] <= both[1] ? 0 : 1, other = 1 - first;
    /* of the other's work, what it had done when the first one ended, in time alone */
    const double done = (double)(alone[other] - (both[other] - both[first]));
    out[first] = between((double)both[first] / (double)alone[first], 1, MOST_FACTOR);
    out[other] = done < 1 ? MOST_FACTOR : between((double)both[first] / done, 1, MOST_FACTOR);
}

/* A function of the host that ends when everything behind it is submitted. */
static void stand_at_gate(const dms_device_piece *piece) {
    const struct timespec pause = {0, LOOK_NS};
    while (atomic_load((atomic_int *)piece->memory) == 0)
        (void)nanosleep(&pause, NULL);
}

/* Both behind the gate, which is closed. */
static dms_code submit_both(dms_card_bench *c, const dms_card_work *const work[2],
                            const uint32_t n[2], atomic_int *gate, dms_status *st) {
    const uint32_t third = DMS_CARD_STREAMS - work[0]->queue - work[1]->queue;
    const dms_device_piece piece = {.move = stand_at_gate, .memory = gate};
    DMS_TRY(dms_card_begin(c, third, 0, st));
    DMS_TRY(c->device->streams->move(c->device, third, &piece, st));
    DMS_TRY(dms_card_end(c, third, st));
    for (int k = 0; k < 2; k++)
        DMS_TRY(dms_card_follow(c, work[k]->queue, third, st));
    for (int k = 0; k < 2; k++)
        DMS_TRY(submit_units(c, work[k], n[k], st));
    return DMS_OK;
}

/* What stands at the gate may touch it until its mark has ended. */
static dms_code time_both(dms_card_bench *c, const dms_card_work *const work[2],
                          const uint32_t n[2], int64_t out_ns[2], dms_status *st) {
    atomic_int *gate;
    DMS_TRY(dms_alloc_st(c->b->arena, 1, sizeof *gate, "calibration", &gate, st));
    const dms_code code = submit_both(c, work, n, gate, st);
    atomic_store(gate, 1);
    if (code != DMS_OK)
        return code;
    for (int k = 0; k < 2; k++)
        DMS_TRY(dms_card_await(c, work[k]->queue, &out_ns[k], st));
    return DMS_OK;
}

static int32_t thousandths(dms_samples *factors) {
    const int64_t extra = dms_samples_percentile(factors, 50) - 1000;
    return extra < 0 ? 0 : extra > 15000 ? 15000 : (int32_t)extra;
}

static void add_factor(dms_samples *factors, double factor) {
    factors->ns[factors->n++] = (int64_t)(1000 * factor + 0.5);
}

dms_code dms_card_beside(dms_card_bench *c, const dms_card_work *one, const dms_card_work *two,
                         int32_t *out_one, int32_t *out_two, dms_status *st) {
    const dms_card_work *const work[2] = {one, two};
    dms_samples factors[2];
    int64_t unit[2];
    factors[0].n = factors[1].n = 0;
    for (int k = 0; k < 2; k++) {
        DMS_TRY(dms_card_time(c, work[k], 1, &unit[k], st));
        DMS_TRY(dms_card_time(c, work[k], 1, &unit[k], st));
    }
    const int64_t longer = 2 * (unit[0] > unit[1] ? unit[0] : unit[1]);
    const uint32_t n[2] = {units_for(longer, unit[0]), units_for(longer, unit[1])};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        int64_t alone[2], both[2];
        double factor[2];
        for (int k = 0; k < 2; k++)
            DMS_TRY(dms_card_time(c, work[k], n[k], &alone[k], st));
        DMS_TRY(time_both(c, work, n, both, st));
        dms_beside(alone, both, factor);
        for (int k = 0; k < 2; k++)
            add_factor(&factors[k], factor[k]);
    }
    *out_one = thousandths(&factors[0]);
    *out_two = thousandths(&factors[1]);
    return DMS_OK;
}

/* Whether the last mark of a queue has ended. */
static dms_code look(dms_card_bench *c, uint32_t queue, bool *out_is_over, dms_status *st) {
    uint64_t value;
    DMS_TRY(c->device->streams->reached(c->device, queue, &value, st));
    *out_is_over = value >= c->n_marks[queue];
    return DMS_OK;
}

/* Actions of the host for as long as the work takes; the time of each. */
static dms_code act_beside(dms_card_bench *c, const dms_card_work *one, uint32_t n, dms_action two,
                           int64_t *out_card_ns, int64_t *out_host_ns, dms_status *st) {
    bool is_over = false;
    int64_t n_actions = 0;
    DMS_TRY(submit_units(c, one, n, st));
    const int64_t begin = dms_now_ns();
    while (!is_over) {
        two.run(two.context);
        n_actions++;
        DMS_TRY(look(c, one->queue, &is_over, st));
    }
    *out_host_ns = (dms_now_ns() - begin) / n_actions;
    return dms_card_await(c, one->queue, out_card_ns, st);
}

/* The shortest of many rounds each: what else is running can only make a time longer. */
dms_code dms_card_beside_host(dms_card_bench *c, const dms_card_work *one, dms_action two,
                              int32_t *out_one, int32_t *out_two, dms_status *st) {
    int64_t alone[2] = {INT64_MAX, INT64_MAX}, both[2] = {INT64_MAX, INT64_MAX};
    dms_samples factors[2];
    for (uint32_t round = 0; round < HOST_ROUNDS; round++) {
        int64_t now[2];
        DMS_TRY(dms_card_time(c, one, DMS_CARD_MOST_UNITS, &now[0], st));
        const int64_t begin = dms_now_ns();
        two.run(two.context);
        now[1] = dms_now_ns() - begin;
        for (int k = 0; k < 2; k++)
            alone[k] = now[k] < alone[k] ? now[k] : alone[k];
        DMS_TRY(act_beside(c, one, DMS_CARD_MOST_UNITS, two, &now[0], &now[1], st));
        for (int k = 0; k < 2; k++)
            both[k] = now[k] < both[k] ? now[k] : both[k];
    }
    for (int k = 0; k < 2; k++) {
        factors[k].n = 0;
        add_factor(&factors[k], between((double)both[k] / (double)alone[k], 1, MOST_FACTOR));
    }
    *out_one = thousandths(&factors[0]);
    *out_two = thousandths(&factors[1]);
    return DMS_OK;
}

dms_code dms_card_put(dms_card_bench *c, uint64_t to, uint64_t bytes, dms_status *st) {
    int64_t ns;
    DMS_TRY(dms_card_begin(c, DMS_QUEUE_IN, 0, st));
    DMS_TRY(c->device->streams->copy_in(c->device, to, 0, bytes, st));
    DMS_TRY(dms_card_end(c, DMS_QUEUE_IN, st));
    return dms_card_await(c, DMS_QUEUE_IN, &ns, st);
}
