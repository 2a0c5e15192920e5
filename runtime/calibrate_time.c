/* calibrate_time.c - one action alone, and two at a time. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_internal.h"
#include "runtime/session.h"

#define LEAST_SAMPLES 5u
#define SHORTEST_NS 50000 /* of a sample: what the clock and an interrupt take does not show */
#define ALONE_NS 5000000  /* of one of the three parts of a round: less than a time slice */
#define ROUNDS 40u

dms_code dms_calibrate_check(const dms_bench *b, dms_status *st) {
    const atomic_bool *cancel = b->options->cancel;
    return cancel != NULL && atomic_load(cancel) ? dms_fail(st, DMS_ECANCELLED, "interrupted")
                                                 : DMS_OK;
}

/* Several in a row, as one time. */
static int64_t run_many(dms_action action, uint32_t n) {
    const int64_t begin = dms_now_ns();
    for (uint32_t i = 0; i < n; i++)
        action.run(action.context);
    return dms_now_ns() - begin;
}

dms_code dms_time_round(const dms_bench *b, dms_action action, dms_samples *out, dms_status *st) {
    DMS_TRY(dms_calibrate_check(b, st));
    (void)run_many(action, 1); /* pages, caches, threads that sleep */
    const int64_t once = run_many(action, 1);
    const uint32_t many = once >= SHORTEST_NS ? 1 : (uint32_t)(SHORTEST_NS / (once + 1)) + 1;
    int64_t best = INT64_MAX;
    for (int k = 0; k < 3; k++) {
        const int64_t ns = run_many(action, many) / many;
        best = ns < best ? ns : best;
    }
    if (out->n < DMS_MOST_SAMPLES)
        out->ns[out->n++] = best < 1 ? 1 : best;
    return DMS_OK;
}

dms_code dms_time(const dms_bench *b, dms_action action, int64_t budget_ns, dms_samples *out,
                  dms_status *st) {
    out->n = 0;
    DMS_TRY(dms_calibrate_check(b, st));
    (void)run_many(action, 1); /* pages, caches, threads that sleep */
    const int64_t once = run_many(action, 1);
    const uint32_t many = once >= SHORTEST_NS ? 1 : (uint32_t)(SHORTEST_NS / (once + 1)) + 1;
    const int64_t end = dms_now_ns() + budget_ns;
    while (out->n < DMS_MOST_SAMPLES && (out->n < LEAST_SAMPLES || dms_now_ns() < end)) {
        out->ns[out->n++] = run_many(action, many) / many;
        DMS_TRY(dms_calibrate_check(b, st));
    }
    return DMS_OK;
}

/* An action in a thread of its own until it is told to stop. */
typedef struct runner {
    dms_action action;
    atomic_bool *stop;
    uint64_t n;
    int64_t ns;
} runner;

/* Whole actions until the stop, the one under way included. */
static void *run_until_stop(void *argument) {
    runner *r = argument;
    const int64_t begin = dms_now_ns();
    do {
        r->action.run(r->action.context);
        r->n++;
    } while (!atomic_load(r->stop));
    r->ns = dms_now_ns() - begin;
    return NULL;
}

/* Whole actions for a while. */
static double mean_ns(dms_action action, int64_t budget_ns) {
    const int64_t begin = dms_now_ns();
    uint64_t n = 0;
    int64_t spent;
    do {
        action.run(action.context);
        n++;
        spent = dms_now_ns() - begin;
    } while (spent < budget_ns);
    return (double)spent / (double)n;
}

/* Means of both while they run beside each other: `two` in a thread, for as long as `one`. */
static dms_code both_ns(dms_action one, dms_action two, double out[2], dms_status *st) {
    atomic_bool stop = false;
    pthread_t thread;
    runner r = {.action = two, .stop = &stop};
    const int error = pthread_create(&thread, NULL, run_until_stop, &r);
    if (error != 0)
        return dms_fail(st, DMS_EINTERNAL, "starting a thread: %s", strerror(error));
    out[0] = mean_ns(one, ALONE_NS);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    out[1] = (double)r.ns / (double)r.n;
    return DMS_OK;
}

static int32_t extra_of(double both, double alone) {
    const double extra = 1000 * (both / alone - 1);
    return extra < 0 ? 0 : extra > 15000 ? 15000 : (int32_t)(extra + 0.5);
}

/* The best of many rounds each: what else is running can only make a mean longer. */
dms_code dms_time_both(const dms_bench *b, dms_action one, dms_action two, int32_t *out_one,
                       int32_t *out_two, dms_status *st) {
    double alone[2] = {HUGE_VAL, HUGE_VAL}, both[2] = {HUGE_VAL, HUGE_VAL};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        double now[2] = {HUGE_VAL, HUGE_VAL};
        DMS_TRY(dms_calibrate_check(b, st));
        alone[0] = fmin(alone[0], mean_ns(one, ALONE_NS));
        alone[1] = fmin(alone[1], mean_ns(two, ALONE_NS));
        DMS_TRY(both_ns(one, two, now, st));
        both[0] = fmin(both[0], now[0]);
        both[1] = fmin(both[1], now[1]);
    }
    *out_one = extra_of(both[0], alone[0]);
    *out_two = extra_of(both[1], alone[1]);
    return DMS_OK;
}

void dms_add_figure(dms_bench *b, const char *name, const char *unit, double value, double spread) {
    dms_calibration *c = b->out;
    if (c->n_figures == DMS_MOST_FIGURES)
        return;
    dms_figure *figure = &c->figure[c->n_figures++];
    (void)snprintf(figure->name, sizeof figure->name, "%s", name);
    figure->unit = unit;
    figure->value = value;
    figure->spread = spread;
}
