/* rules.c - what peers do by hand, as candidates: so that a plan is never worse than these.
 *
 * All keep activations on the device; where those do not fit, the rule does not exist. Rules with
 * a reserve are given several and count with their best.
 */
#include <string.h>

#include "planner/placer.h"

#define N_RESERVES 6u

/* Decides keeps for a reserve in units; room already holds footprints and activations. */
typedef void (*keep_rule)(dms_placer *placer, int64_t reserve, uint8_t *keep);

typedef struct rule {
    const char *name;
    dms_slot_mode mode;
    keep_rule keep; /* NULL: keeps no weight */
} rule;

static bool is_weight(const dms_cycle *cycle, uint32_t gap) {
    return cycle->problem->tensors[cycle->gap[gap].tensor].kind == DMS_PROBLEM_WEIGHT;
}

/* Everything stays that is no weight, and what must. */
static void keep_activations(const dms_cycle *cycle, uint8_t *keep) {
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        keep[g] = cycle->gap[g].rule == DMS_GAP_KEPT ||
                  (cycle->gap[g].rule == DMS_GAP_FREE && !is_weight(cycle, g));
}

/* Weights whole, from the first on, while they fit. */
static void keep_first(dms_placer *placer, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = placer->cycle;
    dms_room *room = &placer->work.room;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        const uint32_t first = cycle->first_gap[i], last = cycle->first_gap[i + 1];
        bool fits = first < last && is_weight(cycle, first);
        for (uint32_t g = first; g < last && fits; g++)
            fits = !keep[g] && dms_room_least(room, cycle->gap[g].a, cycle->gap[g].b) >=
                                   cycle->gap[g].units + reserve;
        for (uint32_t g = first; g < last && fits; g++) {
            keep[g] = 1;
            dms_room_add(room, cycle->gap[g].a, cycle->gap[g].b, -cycle->gap[g].units);
        }
    }
}

/* The same share of all weights, by error diffusion. */
static void keep_even(dms_placer *placer, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = placer->cycle;
    const dms_rounding how = {.budget = placer->budget - reserve};
    double *x = (double *)placer->work.load_done; /* free until the simulation */
    int64_t weights = 1;
    double share = (double)(dms_room_minimum(&placer->work.room) - reserve);
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (is_weight(cycle, g) && 2 * (cycle->gap[g].b - cycle->gap[g].a) > cycle->n_steps)
            weights += cycle->gap[g].units;
    share /= (double)weights;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        x[g] = keep[g] ? 1 : share < 0 ? 0 : share > 1 ? 1 : share;
    dms_round(cycle, &placer->work, &how, x, keep);
}

/* A weight on the device, and when it is next touched; a heap with the farthest on top. */
typedef struct resident {
    int32_t next;
    uint32_t gap;
} resident;

typedef struct belady {
    const dms_cycle *cycle;
    resident *heap;
    uint32_t n;
    int64_t used;
} belady;

static bool is_farther(resident a, resident b) {
    return a.next > b.next || (a.next == b.next && a.gap > b.gap);
}

static void enter(belady *b, resident r) {
    uint32_t i = b->n++;
    for (; i > 0 && is_farther(r, b->heap[(i - 1) / 2]); i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = r;
}

static resident leave(belady *b) {
    const resident first = b->heap[0], last = b->heap[--b->n];
    uint32_t i = 0;
    for (uint32_t child = 1; child < b->n; child = 2 * i + 1) {
        if (child + 1 < b->n && is_farther(b->heap[child + 1], b->heap[child]))
            child++;
        if (!is_farther(b->heap[child], last))
            break;
        b->heap[i] = b->heap[child];
        i = child;
    }
    b->heap[i] = last;
    return first;
}

/* Throws out entries whose gap has ended by `now`; what remains is at most one per gap. */
static void purge(belady *b, int32_t now) {
    const uint32_t n = b->n;
    b->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (b->heap[i].next > now)
            enter(b, b->heap[i]);
}

/* One step of a cached run: what begins a gap here stays, the farthest leave while it is full. */
static void visit(belady *b, int32_t t, int32_t turn, int64_t room, const uint32_t *begins,
                  uint32_t n_begins, uint8_t *keep) {
    if (b->n + n_begins > 2 * b->cycle->n_gaps)
        purge(b, t + turn * b->cycle->n_steps);
    for (uint32_t i = 0; i < n_begins; i++) {
        const dms_gap *gap = b->cycle->gap + begins[i];
        enter(b, (resident){gap->b + turn * b->cycle->n_steps, begins[i]});
        keep[begins[i]] = 1;
        b->used += gap->units;
    }
    while (b->used > room && b->n > 0) {
        const resident r = leave(b);
        if (r.next <= t + turn * b->cycle->n_steps)
            continue; /* its gap has ended: its bytes were taken off then */
        keep[r.gap] = 0;
        b->used -= b->cycle->gap[r.gap].units;
    }
}

/* Belady: three turns from an empty device, so that the last one sees the steady state. The room
 * of slot t + 1 decides after step t. */
static void keep_belady(dms_placer *placer, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = placer->cycle;
    const int32_t n = cycle->n_steps;
    dms_work *work = &placer->work;
    uint32_t *begins = work->order, *first = work->open_first;
    belady b = {.cycle = cycle, .heap = (resident *)work->load_done};
    for (int32_t t = 0; t < n + 2; t++)
        first[t] = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (is_weight(cycle, g) && cycle->gap[g].rule == DMS_GAP_FREE)
            first[cycle->gap[g].a + 2]++;
    for (int32_t t = 0; t < n; t++)
        first[t + 2] += first[t + 1];
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (is_weight(cycle, g) && cycle->gap[g].rule == DMS_GAP_FREE)
            begins[first[cycle->gap[g].a + 1]++] = g;
    for (int32_t turn = 0; turn < 3; turn++)
        for (int32_t t = 0; t < n; t++) {
            for (uint32_t i = cycle->due_first[t]; i < cycle->due_first[t + 1]; i++) {
                const uint32_t g = cycle->by_due[i];
                if (is_weight(cycle, g) && cycle->gap[g].rule == DMS_GAP_FREE && keep[g])
                    b.used -= cycle->gap[g].units;
            }
            const int64_t room = work->free_units[(t + 1) % n] - reserve;
            visit(&b, t, turn, room, begins + first[t], first[t + 1] - first[t], keep);
        }
    dms_round_thin(cycle, work, placer->budget - reserve, keep);
}

static const rule RULES[] = {
    {"on-demand", DMS_SLOT_ON_DEMAND, NULL},    {"double-buffer", DMS_SLOT_LAYER, NULL},
    {"keep-first", DMS_SLOT_LAYER, keep_first}, {"even", DMS_SLOT_EARLY, keep_even},
    {"belady", DMS_SLOT_EARLY, keep_belady},
};

/* Keeps and slots of one rule at one reserve, simulated without addresses. */
static bool draft_rule(dms_placer *placer, const rule *how, int64_t reserve, dms_draft *draft) {
    keep_activations(placer->cycle, draft->keep);
    dms_room_fill(placer->cycle, &placer->work, placer->budget, draft->keep);
    if (dms_room_minimum(&placer->work.room) < (how->keep ? reserve : 0))
        return false;
    if (how->keep)
        how->keep(placer, reserve, draft->keep);
    return dms_slots(placer->cycle, &placer->work, placer->budget, how->mode, draft) &&
           dms_simulate(placer->cycle, &placer->work, 6, draft);
}

/* Looks for addresses at one reserve. */
static bool pack_rule(dms_placer *placer, const rule *how, int64_t reserve) {
    const dms_fit_order orders[] = {DMS_FIT_LIFE, DMS_FIT_START, DMS_FIT_AREA};
    for (uint32_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const dms_fit fit = {.order = orders[i], .repair = 1};
        if (draft_rule(placer, how, reserve, &placer->trial) &&
            dms_placer_pass(placer, &fit, how->name))
            return true;
    }
    return false;
}

/* The reserve with the shortest period counts; where its keeps have no addresses, the next one. */
static void score_rule(dms_placer *placer, const rule *how) {
    const int64_t times[N_RESERVES] = {0, 1, 2, 4, 8, 16};
    const uint32_t n = how->keep ? N_RESERVES : 1;
    int64_t period[N_RESERVES];
    for (uint32_t i = 0; i < n; i++)
        period[i] = draft_rule(placer, how, times[i] * placer->cycle->largest, &placer->trial)
                        ? placer->trial.period_ns
                        : DMS_NO_PERIOD;
    for (;;) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++)
            if (period[i] < period[best])
                best = i;
        if (period[best] == DMS_NO_PERIOD ||
            pack_rule(placer, how, times[best] * placer->cycle->largest))
            return;
        period[best] = DMS_NO_PERIOD;
    }
}

dms_code dms_placer_rules(dms_placer *placer, dms_status *st) {
    for (uint32_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        score_rule(placer, RULES + i);
    if (dms_addresses_failed(placer->addresses))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: addresses");
    return DMS_OK;
}
