/* compile_order.c - the model's order of calls and the one that was found, both placed. */
#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/order.h"
#include "schema/arena.h"

#include <string.h>

/* By a run's times, or by those that the profile predicts: its plan is a candidate. */
static dms_code is_worth_placing(const dms_blocks *own, const dms_blocks *other, dms_arena *scratch,
                                 bool *out, dms_status *st) {
    DMS_TRY(dms_order_is_worth(&own->problem, &other->problem, scratch, out, st));
    if (!*out && own->predicted != NULL)
        return dms_order_is_worth(own->predicted, other->predicted, scratch, out, st);
    return DMS_OK;
}

dms_code dms_compile_reorder(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                             dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(arena);
    dms_other_order *other;
    bool is_other, is_worth = false;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *other, "another order", &other, st));
    DMS_TRY(dms_order_calls(&c->graph, &c->lowered, &c->profile, arena, &other->lowered, &is_other,
                            st));
    if (is_other) {
        DMS_TRY(
            dms_compile_cut(options, &other->lowered, arena, c, &other->steps, &other->blocks, st));
        DMS_TRY(is_worth_placing(&c->blocks, &other->blocks, arena, &is_worth, st));
    }
    if (is_worth)
        c->other = other;
    else
        dms_arena_release(arena, mark);
    return DMS_OK;
}

void dms_compile_swap(dms_compiled *c) {
    const dms_other_order before = {c->lowered, c->steps, c->blocks};
    c->lowered = c->other->lowered;
    c->steps = c->other->steps;
    c->blocks = c->other->blocks;
    *c->other = before;
}

/* The model's order is named among the candidates of the other one, of which none is faster than
 * the plan. */
static dms_code add_candidate(dms_decision *d, int64_t period_ns, dms_arena *arena,
                              dms_status *st) {
    dms_place_candidate *list;
    uint32_t at = 0;
    DMS_TRY(
        dms_alloc_st(arena, (uint64_t)d->n_candidates + 1, sizeof *list, "candidates", &list, st));
    while (at < d->n_candidates && d->candidates[at].period_ns <= period_ns)
        at++;
    memcpy(list, d->candidates, at * sizeof *list);
    list[at] = (dms_place_candidate){"model-order", period_ns};
    memcpy(list + at + 1, d->candidates + at, (d->n_candidates - at) * sizeof *list);
    d->candidates = list;
    d->n_candidates++;
    return DMS_OK;
}

/* Of two that are short of the same: the one that lacks less. */
static bool lacks_less(const dms_place_floor *a, const dms_place_floor *b) {
    if (a->device_is_short && b->device_is_short)
        return a->device_bytes < b->device_bytes;
    return a->host_is_short && b->host_is_short && a->host_bytes < b->host_bytes;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* One order; by the times that the profile predicts as well, where a run's times hold. */
static dms_code place_one(const dms_blocks *blocks, const dms_place_options *how, dms_arena *arena,
                          dms_decision *out, dms_place_floor *out_floor, dms_status *st) {
    dms_place_options own = *how;
    own.predicted = blocks->predicted;
    return dms_place(&blocks->problem, &own, arena, out, out_floor, st);
}

dms_code dms_compile_place_both(const dms_compiled *c, const dms_place_options *how,
                                dms_arena *arena, dms_decision *out, dms_place_floor *out_floor,
                                bool *out_is_other, dms_status *st) {
    dms_place_floor floor;
    dms_decision other;
    dms_status ignored;
    *out_is_other = false;
    const dms_code code = place_one(&c->blocks, how, arena, out, out_floor, st);
    if (c->other == NULL || (code != DMS_OK && code != DMS_EBUDGET))
        return code;
    const dms_code also = place_one(&c->other->blocks, how, arena, &other, &floor, &ignored);
    if (also != DMS_OK && also != DMS_EBUDGET) {
        *st = ignored;
        return also;
    }
    *out_is_other = code != DMS_OK ? also == DMS_OK || lacks_less(&floor, out_floor)
                                   : also == DMS_OK && (other.period_ns < out->period_ns ||
                                                        (other.period_ns == out->period_ns &&
                                                         other.device_bytes < out->device_bytes));
    if (*out_is_other && code == DMS_OK && also == DMS_OK)
        DMS_TRY(add_candidate(&other, out->period_ns, arena, st));
    const uint64_t device = least(out_floor->device_bytes, floor.device_bytes);
    const uint64_t bound = least(out_floor->lower_bound_bytes, floor.lower_bound_bytes);
    if (*out_is_other) {
        *out_floor = floor;
        *out = other;
    }
    if (code == DMS_OK || also == DMS_OK) {
        out_floor->device_bytes = device;
        out_floor->lower_bound_bytes = bound;
        return DMS_OK;
    }
    return DMS_EBUDGET;
}
