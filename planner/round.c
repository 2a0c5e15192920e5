/* round.c - shares of the relaxation become decisions that hold the budget. */
#include <math.h>
#include <stdlib.h>

#include "planner/place_internal.h"

#define N_CLASSES 128u

typedef struct shares {
    const dms_cycle *cycle;
    const double *x;
} shares;

/* Rising share; equal shares by id. */
static int by_share(const void *left, const void *right, void *context) {
    const shares *s = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    if (s->x[i] != s->x[j])
        return s->x[i] < s->x[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* Sizes within a factor of 1.3 share one accumulator: small blocks pay latency, the relaxation
 * keeps them first, and error diffusion must not trade them for large ones. */
static uint32_t size_class(int64_t units) {
    const uint32_t class = (uint32_t)(log((double)units) / log(1.3));
    return class < N_CLASSES ? class : N_CLASSES - 1;
}

/* Error diffusion in order of deadline. Each long gap adds x times its size to what its class is
 * owed, and is kept when half of its size is owed:
 *
 *   x             0.4   0.4   0.4   0.4   0.4     blocks of equal size 1
 *   owed          0.4   0.8   0.2   0.6   0.0     a kept one pays 1 back
 *   kept                 *           *
 *
 * So keeps are spread over the cycle like the shares, and the link has work at all times. Keeping
 * at the front is what rules by hand lose most by (PLACEMENT.md section 6). Gaps of half a cycle
 * and less decide alone: x >= 0.5. */
static void diffuse(const dms_cycle *cycle, const double *x, uint8_t *keep) {
    double owed[N_CLASSES] = {0};
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const uint32_t id = cycle->by_due[i];
        const dms_gap *gap = cycle->gap + id;
        if (gap->rule != DMS_GAP_FREE) {
            keep[id] = gap->rule == DMS_GAP_KEPT;
        } else if (2 * (gap->b - gap->a) > cycle->n_steps) {
            double *sum = owed + size_class(gap->units);
            *sum += x[id] * (double)gap->units;
            keep[id] = *sum >= (double)gap->units * 0.5;
            if (keep[id])
                *sum -= (double)gap->units;
        } else {
            keep[id] = x[id] >= 0.5;
        }
    }
}

/* Gaps with the smallest share leave first, where their slots are short. */
static void drop_excess(const dms_cycle *cycle, dms_work *work, const double *x, uint8_t *keep) {
    shares s = {cycle, x};
    uint32_t n = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (keep[g] && cycle->gap[g].rule == DMS_GAP_FREE)
            work->order[n++] = g;
    qsort_r(work->order, n, sizeof *work->order, by_share, &s);
    for (uint32_t i = 0; i < n && dms_room_minimum(&work->room) < 0; i++) {
        const dms_gap *gap = cycle->gap + work->order[i];
        if (dms_room_least(&work->room, gap->a, gap->b) >= 0)
            continue;
        keep[work->order[i]] = 0;
        dms_room_add(&work->room, gap->a, gap->b, gap->units);
    }
}

/* What still fits is kept, largest share first; long gaps the relaxation drops stay dropped, so
 * that keeps remain spread over the cycle. how->reserve units stay free in every slot: without
 * them the stock of loads has nowhere to gather. */
static void fill_rest(const dms_cycle *cycle, dms_work *work, const dms_rounding *how,
                      const double *x, uint8_t *keep) {
    shares s = {cycle, x};
    uint32_t n = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (!keep[g] && cycle->gap[g].rule == DMS_GAP_FREE)
            work->order[n++] = g;
    qsort_r(work->order, n, sizeof *work->order, by_share, &s);
    while (n-- > 0) {
        const uint32_t id = work->order[n];
        const dms_gap *gap = cycle->gap + id;
        if (!how->fill_all && x[id] <= 0 && 2 * (gap->b - gap->a) > cycle->n_steps)
            continue;
        if (dms_room_least(&work->room, gap->a, gap->b) < gap->units + how->reserve)
            continue;
        keep[id] = 1;
        dms_room_add(&work->room, gap->a, gap->b, -gap->units);
    }
}

void dms_round(const dms_cycle *cycle, dms_work *work, const dms_rounding *how, const double *x,
               uint8_t *out_keep) {
    diffuse(cycle, x, out_keep);
    dms_room_fill(cycle, work, how->budget, out_keep);
    drop_excess(cycle, work, x, out_keep);
    if (how->fill)
        fill_rest(cycle, work, how, x, out_keep);
}

void dms_round_thin(const dms_cycle *cycle, dms_work *work, int64_t budget, uint8_t *keep) {
    /* primes: neighbours in deadline order leave far apart, and every gap has its turn */
    const uint64_t stride = cycle->n_gaps % 7919 == 0 ? 7907 : 7919;
    dms_room_fill(cycle, work, budget, keep);
    for (uint64_t i = 0; i < 4 * (uint64_t)cycle->n_gaps; i++) {
        if (dms_room_minimum(&work->room) >= 0)
            return;
        const uint32_t id = cycle->by_due[i * stride % cycle->n_gaps];
        const dms_gap *gap = cycle->gap + id;
        if (!keep[id] || gap->rule != DMS_GAP_FREE ||
            dms_room_least(&work->room, gap->a, gap->b) >= 0)
            continue;
        keep[id] = 0;
        dms_room_add(&work->room, gap->a, gap->b, gap->units);
    }
}
