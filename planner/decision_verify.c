/* decision_verify.c - is this decision right? Written from place.h alone; shares nothing with the
 * code that makes decisions.
 *
 * Overlap in O(n log n): ranges are taken by rising low end; a tree over the slots of the cycle
 * holds the highest end so far, so a range overlaps an earlier one if and only if the highest end
 * over its slots lies above its low end.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "planner/decision_verify.h"
#include "planner/place.h"
#include "schema/arena.h"
#include "schema/checked.h"

/* A range of the arena over slots first..last, first in 0..T-1, last possibly past T-1. */
typedef struct range {
    uint64_t low, high;
    int64_t first, last;
    uint32_t tensor; /* of a scratch: its step */
    bool is_scratch;
} range;

typedef struct verifier {
    const dms_problem *problem;
    const dms_decision *d;
    dms_status *st;
    uint32_t *load_of; /* per touch (first_touch + gap): 1 + place in the queue */
    uint32_t *save_of; /* per tensor: 1 + place in the queue */
    range *range;
    uint32_t n_ranges;
    uint64_t *highest, *below; /* tree over slots: of the whole node, and within it */
    uint32_t n_leaves;
} verifier;

static bool wraps(const dms_problem_tensor *t) {
    return t->kind == DMS_PROBLEM_WEIGHT || t->kind == DMS_PROBLEM_INPUT;
}

static uint32_t gap_count(const dms_problem_tensor *t) {
    return wraps(t) ? t->n_touches : t->n_touches - 1;
}

/* Touch k of a tensor, counted on into the next cycle. */
static int64_t touch_at(const verifier *v, const dms_problem_tensor *t, uint32_t k) {
    return (int64_t)v->problem->touches[t->first_touch + k % t->n_touches] +
           (int64_t)(k / t->n_touches) * v->problem->n_steps;
}

static bool has_decision(const verifier *v, const dms_problem_tensor *t, uint32_t gap) {
    return touch_at(v, t, gap + 1) - touch_at(v, t, gap) >= 2 ||
           (t->kind == DMS_PROBLEM_INPUT && gap + 1 == t->n_touches);
}

static bool is_loaded(const verifier *v, const dms_problem_tensor *t, uint32_t gap) {
    return v->load_of[t->first_touch + gap] != 0;
}

static uint32_t write_end(const verifier *v, const dms_problem_tensor *t) {
    uint32_t k = 0;
    while (k + 1 < t->n_touches && touch_at(v, t, k + 1) == touch_at(v, t, k) + 1)
        k++;
    return (uint32_t)touch_at(v, t, k);
}

static dms_code bad_load(const verifier *v, uint32_t q, const char *what) {
    const dms_place_load *l = v->d->loads + q;
    return dms_fail(v->st, DMS_EPLAN, "load %" PRIu32 " (tensor %" PRIu32 ", gap %" PRIu32 "): %s",
                    q, l->tensor, l->gap, what);
}

static dms_code bad_tensor(const verifier *v, uint32_t id, const char *what) {
    return dms_fail(v->st, DMS_EPLAN, "tensor %" PRIu32 ": %s", id, what);
}

/* Copies name real gaps, lie inside them, and no queue waits for itself. */
static dms_code check_loads(verifier *v) {
    const int64_t n = v->problem->n_steps;
    int64_t latest_slot = INT64_MIN;
    for (uint32_t q = 0; q < v->d->n_loads; q++) {
        const dms_place_load *l = v->d->loads + q;
        if (l->tensor >= v->problem->n_tensors)
            return bad_load(v, q, "no such tensor");
        const dms_problem_tensor *t = v->problem->tensors + l->tensor;
        if (l->gap >= gap_count(t) || !has_decision(v, t, l->gap))
            return bad_load(v, q, "no such gap");
        if (is_loaded(v, t, l->gap))
            return bad_load(v, q, "a second load of the same gap");
        v->load_of[t->first_touch + l->gap] = q + 1;
        const int64_t end = touch_at(v, t, l->gap + 1), due = end % n, shift = end - due;
        if (l->due != due)
            return bad_load(v, q, "due at another step");
        if (l->after < touch_at(v, t, l->gap) - shift || l->after >= due)
            return bad_load(v, q, "outside its gap");
        if (t->kind == DMS_PROBLEM_INPUT && l->gap + 1 == t->n_touches && l->after < -1)
            return bad_load(v, q, "before the input of its turn");
        if (l->after + 1 > latest_slot)
            latest_slot = l->after + 1;
        if (latest_slot > due)
            return bad_load(v, q, "behind a load that begins after its use");
    }
    return DMS_OK;
}

static dms_code check_saves(verifier *v) {
    int64_t latest = -1;
    for (uint32_t q = 0; q < v->d->n_saves; q++) {
        const dms_place_save *s = v->d->saves + q;
        if (s->tensor >= v->problem->n_tensors)
            return dms_fail(v->st, DMS_EPLAN, "save %" PRIu32 ": no such tensor", q);
        const dms_problem_tensor *t = v->problem->tensors + s->tensor;
        if (wraps(t) || v->save_of[s->tensor] != 0)
            return bad_tensor(v, s->tensor, "saved twice, or cannot be saved");
        v->save_of[s->tensor] = q + 1;
        if (s->after != write_end(v, t) || s->before <= s->after ||
            s->before >= 2 * v->problem->n_steps)
            return bad_tensor(v, s->tensor, "saved in no possible slots");
        if (s->after > latest)
            latest = s->after;
        if (latest >= (int64_t)s->before)
            return bad_tensor(v, s->tensor, "its save stands behind one that begins later");
    }
    return DMS_OK;
}

/* Every gap is kept or loaded, and what was dropped was saved before it is loaded. */
static dms_code check_tensor(const verifier *v, uint32_t id) {
    const dms_problem_tensor *t = v->problem->tensors + id;
    uint32_t n_returns = 0;
    if (t->kind == DMS_PROBLEM_OUTPUT && v->save_of[id] == 0)
        return bad_tensor(v, id, "an output that is never saved");
    for (uint32_t g = 0; g < gap_count(t); g++) {
        if (has_decision(v, t, g) && is_loaded(v, t, g) == (v->d->keep[t->first_touch + g] != 0))
            return bad_tensor(v, id, "a gap that is both kept and loaded, or neither");
        if (wraps(t) || !is_loaded(v, t, g))
            continue;
        n_returns++;
        const uint32_t q = v->load_of[t->first_touch + g] - 1;
        if (v->save_of[id] == 0)
            return bad_load(v, q, "its tensor was never saved");
        const int64_t before = v->d->saves[v->save_of[id] - 1].before;
        if (before > touch_at(v, t, g + 1) || v->d->loads[q].after + 1 < before)
            return bad_load(v, q, "it may begin before the save has ended");
    }
    /* its place may be another's before the copy has ended */
    if (t->kind == DMS_PROBLEM_ACTIVATION && v->save_of[id] != 0 && n_returns == 0)
        return bad_tensor(v, id, "an activation that is saved and never comes back");
    return DMS_OK;
}

/* The last slot of a residency whose first touch is touch k. */
static int64_t last_slot(const verifier *v, uint32_t id, uint32_t k) {
    const dms_problem_tensor *t = v->problem->tensors + id;
    const int64_t before = v->save_of[id] ? v->d->saves[v->save_of[id] - 1].before : 0;
    while (wraps(t) || k + 1 < t->n_touches) {
        const int64_t here = touch_at(v, t, k), next = touch_at(v, t, k + 1);
        if (is_loaded(v, t, k % t->n_touches)) {
            const int64_t held = before - 1 < next - 1 ? before - 1 : next - 1;
            return !wraps(t) && held > here ? held : here;
        }
        k++;
    }
    const int64_t here = touch_at(v, t, k);
    return t->kind == DMS_PROBLEM_OUTPUT && before - 1 > here ? before - 1 : here;
}

static dms_code check_residency(verifier *v, const dms_place_residency *r) {
    const dms_problem_tensor *t = v->problem->tensors + r->tensor;
    const int64_t n = v->problem->n_steps;
    int64_t first, last;
    uint64_t bytes;
    if (r->gap != DMS_PLACE_PRODUCED) {
        if (r->gap < 0 || (uint32_t)r->gap >= gap_count(t) || !is_loaded(v, t, (uint32_t)r->gap))
            return bad_tensor(v, r->tensor, "a residency that nothing begins");
        const uint32_t q = v->load_of[t->first_touch + (uint32_t)r->gap] - 1;
        const int64_t shift = touch_at(v, t, (uint32_t)r->gap + 1) - v->d->loads[q].due;
        first = (int64_t)v->d->loads[q].after + 1;
        last = last_slot(v, r->tensor, (uint32_t)r->gap + 1) - shift;
    } else if (wraps(t)) {
        for (uint32_t g = 0; g < t->n_touches; g++)
            if (is_loaded(v, t, g))
                return bad_tensor(v, r->tensor, "a whole cycle, but a load ends one of its gaps");
        first = 0;
        last = n - 1;
    } else {
        first = touch_at(v, t, 0);
        last = last_slot(v, r->tensor, 0);
    }
    if (r->first_slot != first || r->last_slot != last || last - first >= n)
        return bad_tensor(v, r->tensor, "a residency of other slots than its copies say");
    if (r->offset % DMS_ALIGN != 0 || !dms_align_up(t->bytes, DMS_ALIGN, &bytes) ||
        !dms_range_fits(r->offset, bytes, v->d->device_budget))
        return bad_tensor(v, r->tensor, "an offset that is not aligned or outside the budget");
    const int64_t turn = first < 0 ? n : 0;
    v->range[v->n_ranges++] =
        (range){r->offset, r->offset + bytes, first + turn, last + turn, r->tensor, false};
    return DMS_OK;
}

/* How many residencies a tensor must have: one per load, and one for what is made or kept. */
static uint32_t expected(const verifier *v, uint32_t id) {
    const dms_problem_tensor *t = v->problem->tensors + id;
    uint32_t n = 0;
    for (uint32_t g = 0; g < gap_count(t); g++)
        n += is_loaded(v, t, g);
    return wraps(t) && n > 0 ? n : n + 1;
}

/* Residencies are sorted by tensor; each tensor has all of its own, none twice. */
static dms_code check_residencies(verifier *v) {
    uint32_t at = 0;
    for (uint32_t id = 0; id < v->problem->n_tensors; id++) {
        const uint32_t n = expected(v, id), first = at;
        for (; at < v->d->n_residencies && v->d->residencies[at].tensor == id; at++) {
            DMS_TRY(check_residency(v, v->d->residencies + at));
            for (uint32_t i = first; i < at; i++)
                if (v->d->residencies[i].gap == v->d->residencies[at].gap)
                    return bad_tensor(v, id, "two residencies begin alike");
        }
        if (at - first != n)
            return bad_tensor(v, id, "residencies are missing or too many");
    }
    return at == v->d->n_residencies ? DMS_OK
                                     : dms_fail(v->st, DMS_EPLAN, "residencies are not sorted");
}

static dms_code check_scratch(verifier *v) {
    for (uint32_t t = 0; t < v->problem->n_steps; t++) {
        const uint64_t offset = v->d->scratch_offset[t];
        uint64_t bytes;
        if (v->problem->steps[t].scratch_bytes == 0)
            continue;
        if (offset % DMS_ALIGN != 0 ||
            !dms_align_up(v->problem->steps[t].scratch_bytes, DMS_ALIGN, &bytes) ||
            !dms_range_fits(offset, bytes, v->d->device_budget))
            return dms_fail(v->st, DMS_EPLAN, "scratch of step %" PRIu32 ": outside the budget", t);
        v->range[v->n_ranges++] = (range){offset, offset + bytes, t, t, t, true};
    }
    return DMS_OK;
}

static uint64_t max64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* A node of the tree, the slots below it, and the slots asked about. */
typedef struct view {
    uint32_t node;
    int64_t first, end, from, to;
} view;

static uint64_t highest_in(const verifier *v, view s) {
    if (s.from >= s.end || s.to <= s.first)
        return 0;
    if (s.from <= s.first && s.end <= s.to)
        return v->below[s.node];
    const int64_t middle = (s.first + s.end) / 2;
    const view low = {2 * s.node, s.first, middle, s.from, s.to};
    const view high = {2 * s.node + 1, middle, s.end, s.from, s.to};
    return max64(v->highest[s.node], max64(highest_in(v, low), highest_in(v, high)));
}

static void raise_in(verifier *v, view s, uint64_t end) {
    if (s.from >= s.end || s.to <= s.first)
        return;
    v->below[s.node] = max64(v->below[s.node], end);
    if (s.from <= s.first && s.end <= s.to) {
        v->highest[s.node] = max64(v->highest[s.node], end);
        return;
    }
    const int64_t middle = (s.first + s.end) / 2;
    raise_in(v, (view){2 * s.node, s.first, middle, s.from, s.to}, end);
    raise_in(v, (view){2 * s.node + 1, middle, s.end, s.from, s.to}, end);
}

static int by_low(const void *left, const void *right) {
    const range *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->tensor != b->tensor)
        return a->tensor < b->tensor ? -1 : 1;
    if (a->is_scratch != b->is_scratch)
        return a->is_scratch ? 1 : -1;
    return (a->first > b->first) - (a->first < b->first);
}

static dms_code check_overlap(verifier *v) {
    const int64_t n = v->problem->n_steps;
    qsort(v->range, v->n_ranges, sizeof *v->range, by_low);
    for (uint32_t i = 0; i < v->n_ranges; i++) {
        const range *r = v->range + i;
        const int64_t end = r->last + 1 < n ? r->last + 1 : n;
        const view near = {1, 0, v->n_leaves, r->first, end};
        const view next = {1, 0, v->n_leaves, 0, r->last + 1 - n};
        if (max64(highest_in(v, near), highest_in(v, next)) > r->low)
            return dms_fail(v->st, DMS_EPLAN,
                            "%s %" PRIu32 ": overlaps another range in slots %" PRId64 "..%" PRId64,
                            r->is_scratch ? "scratch of step" : "tensor", r->tensor, r->first,
                            r->last);
        raise_in(v, near, r->high);
        raise_in(v, next, r->high);
    }
    return DMS_OK;
}

static dms_code verify(verifier *v, dms_arena *scratch) {
    const dms_problem *p = v->problem;
    const uint64_t n_ranges = (uint64_t)v->d->n_residencies + p->n_steps;
    uint8_t *is_loaded;
    v->n_leaves = 1;
    while (v->n_leaves < p->n_steps)
        v->n_leaves *= 2;
    const uint64_t nodes = 2 * (uint64_t)v->n_leaves;
    DMS_TRY(dms_alloc_st(scratch, p->n_touches, sizeof *v->load_of, "verify", &v->load_of, v->st));
    DMS_TRY(dms_alloc_st(scratch, p->n_tensors, sizeof *v->save_of, "verify", &v->save_of, v->st));
    DMS_TRY(dms_alloc_st(scratch, n_ranges, sizeof *v->range, "verify", &v->range, v->st));
    DMS_TRY(dms_alloc_st(scratch, nodes, sizeof *v->highest, "verify", &v->highest, v->st));
    DMS_TRY(dms_alloc_st(scratch, nodes, sizeof *v->below, "verify", &v->below, v->st));
    DMS_TRY(check_loads(v));
    DMS_TRY(check_saves(v));
    for (uint32_t i = 0; i < p->n_tensors; i++)
        DMS_TRY(check_tensor(v, i));
    DMS_TRY(check_residencies(v));
    DMS_TRY(check_scratch(v));
    DMS_TRY(check_overlap(v));
    DMS_TRY(dms_alloc_st(scratch, p->n_tensors, 1, "verify", &is_loaded, v->st));
    DMS_TRY(dms_decision_verify_host(p, v->d, is_loaded, v->st));
    if (v->d->bound_ns < v->d->compute_ns || v->d->period_ns < v->d->bound_ns)
        return dms_fail(v->st, DMS_EPLAN, "compute, bound and period are not in this order");
    return DMS_OK;
}

dms_code dms_decision_verify(const dms_problem *problem, const dms_decision *decision,
                             dms_arena *scratch, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    verifier v = {.problem = problem, .d = decision, .st = st};
    const dms_code code = verify(&v, scratch);
    dms_arena_release(scratch, mark);
    return code;
}
