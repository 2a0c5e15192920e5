/* order.c - spans that can be reordered, a beam for each, and what an order costs. */
#include "planner/order_internal.h"

#include <string.h>

#include "planner/problem.h"
#include "schema/arena.h"
#include "schema/plan.h"

#define WIDEST 64u
#define NARROWEST 4u
#define WORK 1000000u /* sets x calls of a span */

/* The lists of the web from those of the calls. */
static dms_code spin(const dms_order_problem *p, dms_arena *scratch, dms_order_web *out,
                     dms_status *st) {
    uint64_t n_touches = 0, n_edges = 0;
    *out = (dms_order_web){.problem = p};
    DMS_TRY(dms_alloc_st(scratch, (uint64_t)p->n_values + 2, sizeof(uint32_t), "an order",
                         &out->first_toucher, st));
    DMS_TRY(dms_alloc_st(scratch, (uint64_t)p->n_calls + 2, sizeof(uint32_t), "an order",
                         &out->first_succ, st));
    for (uint32_t c = 0; c < p->n_calls; c++) {
        uint64_t bytes = p->call[c].extra_bytes;
        for (uint32_t k = 0; k < p->call[c].n_values; k++) {
            out->first_toucher[p->call[c].value[k] + 2]++;
            bytes += p->call[c].value[k] == p->call[c].gives && p->call[c].takes != DMS_NONE
                         ? 0
                         : p->bytes[p->call[c].value[k]];
        }
        for (uint32_t k = 0; k < p->call[c].n_preds; k++)
            out->first_succ[p->call[c].pred[k] + 2]++;
        n_touches += p->call[c].n_values;
        n_edges += p->call[c].n_preds;
        out->least_peak = bytes > out->least_peak ? bytes : out->least_peak;
    }
    DMS_TRY(dms_alloc_st(scratch, n_touches, sizeof(uint32_t), "an order", &out->toucher, st));
    DMS_TRY(dms_alloc_st(scratch, n_edges, sizeof(uint32_t), "an order", &out->succ, st));
    for (uint32_t v = 2; v <= p->n_values + 1; v++)
        out->first_toucher[v] += out->first_toucher[v - 1];
    for (uint32_t c = 2; c <= p->n_calls + 1; c++)
        out->first_succ[c] += out->first_succ[c - 1];
    for (uint32_t c = 0; c < p->n_calls; c++) { /* counts of v + 1 become ends of v */
        for (uint32_t k = 0; k < p->call[c].n_values; k++)
            out->toucher[out->first_toucher[p->call[c].value[k] + 1]++] = c;
        for (uint32_t k = 0; k < p->call[c].n_preds; k++)
            out->succ[out->first_succ[p->call[c].pred[k] + 1]++] = c;
    }
    return DMS_OK;
}

bool dms_order_follows(const dms_order_web *web, uint32_t value, uint32_t last, uint32_t call) {
    const uint32_t *toucher = web->toucher + web->first_toucher[value];
    return web->first_toucher[value + 1] - web->first_toucher[value] == 2 && last != call &&
           (toucher[0] == last || toucher[1] == last);
}

/* Marks the calls that have one place only: when one is to be made nothing else could be, and the
 * same from the end. All others are before it or behind it in every order. */
static dms_code find_fixed(const dms_order_web *w, dms_arena *scratch, bool *is_fixed,
                           dms_status *st) {
    const uint32_t n = w->problem->n_calls;
    uint32_t *waits, *waited, n_ready = 0;
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *waits, "an order", &waits, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *waited, "an order", &waited, st));
    for (uint32_t c = 0; c < n; c++) {
        waits[c] = w->problem->call[c].n_preds;
        waited[c] = w->first_succ[c + 1] - w->first_succ[c];
        n_ready += waits[c] == 0;
    }
    for (uint32_t c = 0; c < n; c++, n_ready--) {
        is_fixed[c] = n_ready == 1;
        for (uint32_t e = w->first_succ[c]; e < w->first_succ[c + 1]; e++)
            n_ready += --waits[w->succ[e]] == 0;
    }
    n_ready = 0;
    for (uint32_t c = 0; c < n; c++)
        n_ready += waited[c] == 0;
    for (uint32_t c = n; c-- > 0; n_ready--) {
        is_fixed[c] = is_fixed[c] && n_ready == 1;
        for (uint32_t k = 0; k < w->problem->call[c].n_preds; k++)
            n_ready += --waited[w->problem->call[c].pred[k]] == 0;
    }
    return DMS_OK;
}

/* The call may wait for the only one that needs it: it makes at least what it frees, so that
 * nothing more lives meanwhile. What nobody made (an input) comes when it is asked for. */
static bool may_wait(const dms_order_web *w, uint32_t call) {
    const dms_order_call *c = &w->problem->call[call];
    uint64_t freed = 0, made = 0;
    if (w->first_succ[call + 1] - w->first_succ[call] != 1)
        return false;
    for (uint32_t k = 0; k < c->n_values; k++) {
        const uint32_t v = c->value[k];
        const uint32_t first = w->toucher[w->first_toucher[v]];
        const uint32_t last = w->toucher[w->first_toucher[v + 1] - 1];
        made += first == call ? w->problem->bytes[v] : 0;
        freed += first != call && last == call ? w->problem->bytes[v] : 0;
    }
    return made >= freed;
}

/* Units of one call each; or trees of calls, each made just before the one that waits for it. */
static dms_code make_units(const dms_order_web *w, const bool *is_fixed, bool joins,
                           dms_arena *scratch, dms_order_units *out, dms_status *st) {
    const uint32_t n = w->problem->n_calls;
    uint32_t *head; /* per call: the last call of its unit */
    *out = (dms_order_units){.n = 0};
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *head, "an order", &head, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *out->unit_of, "an order", &out->unit_of, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *out->call, "an order", &out->call, st));
    DMS_TRY(
        dms_alloc_st(scratch, (uint64_t)n + 2, sizeof *out->first, "an order", &out->first, st));
    for (uint32_t c = n; c-- > 0;) {
        head[c] = c;
        if (joins && !is_fixed[c] && may_wait(w, c) && !is_fixed[w->succ[w->first_succ[c]]])
            head[c] = head[w->succ[w->first_succ[c]]];
    }
    for (uint32_t c = 0; c < n; c++)
        if (head[c] == c)
            out->unit_of[c] = out->n++;
    for (uint32_t c = 0; c < n; c++) {
        out->unit_of[c] = out->unit_of[head[c]];
        out->first[out->unit_of[c] + 2]++;
    }
    for (uint32_t u = 2; u <= out->n + 1; u++)
        out->first[u] += out->first[u - 1];
    for (uint32_t c = 0; c < n; c++)
        out->call[out->first[out->unit_of[c] + 1]++] = c;
    return DMS_OK;
}

/* Calls in order, and the values they touch. */
typedef struct sweep {
    const dms_order_web *web;
    uint32_t *left; /* per value: touches to come */
    bool *is_live;
    uint64_t live_bytes;
    uint32_t last; /* the call before */
} sweep;

static dms_code begin_sweep(const dms_order_web *w, dms_arena *scratch, sweep *out,
                            dms_status *st) {
    const dms_order_problem *p = w->problem;
    *out = (sweep){.web = w, .last = DMS_NONE};
    DMS_TRY(dms_alloc_st(scratch, p->n_values, sizeof *out->left, "an order", &out->left, st));
    DMS_TRY(dms_alloc_st(scratch, p->n_values, 1, "an order", &out->is_live, st));
    for (uint32_t c = 0; c < p->n_calls; c++)
        for (uint32_t k = 0; k < p->call[c].n_values; k++)
            out->left[p->call[c].value[k]]++;
    return DMS_OK;
}

/* Makes one call. */
static void pass(sweep *s, uint32_t call, dms_order_cost *cost) {
    const dms_order_problem *p = s->web->problem;
    const dms_order_call *c = &p->call[call];
    uint64_t ended = 0;
    bool gives = false, takes = false;
    for (uint32_t k = 0; k < c->n_values; k++) {
        const uint32_t v = c->value[k];
        s->live_bytes += s->is_live[v] ? 0 : p->bytes[v];
        gives = gives || (v == c->gives && !s->is_live[v]);
        s->is_live[v] = true;
        const bool ends = --s->left[v] == 0;
        ended += ends ? p->bytes[v] : 0;
        takes = takes || (v == c->takes && ends && dms_order_follows(s->web, v, s->last, call));
    }
    const uint64_t live = s->live_bytes - (gives && takes ? p->bytes[c->gives] : 0);
    const uint64_t peak = live + c->extra_bytes;
    cost->peak_bytes = peak > cost->peak_bytes ? peak : cost->peak_bytes;
    cost->byte_ns += (double)live * (double)c->ns;
    s->live_bytes -= ended;
    s->last = call;
}

/* The cost of an order. */
static dms_code measure(const dms_order_web *w, const uint32_t *order, dms_arena *scratch,
                        dms_order_cost *out, dms_status *st) {
    sweep s;
    *out = (dms_order_cost){0};
    DMS_TRY(begin_sweep(w, scratch, &s, st));
    for (uint32_t k = 0; k < w->problem->n_calls; k++)
        pass(&s, order[k], out);
    return DMS_OK;
}

dms_code dms_order_measure(const dms_order_problem *problem, const uint32_t *order,
                           dms_arena *scratch, dms_order_cost *out, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_order_web w;
    dms_code code = spin(problem, scratch, &w, st);
    if (code == DMS_OK)
        code = measure(&w, order, scratch, out, st);
    dms_arena_release(scratch, mark);
    return code;
}

/* Sets that a span of n calls is searched with. */
static uint32_t width_of(uint32_t n) {
    const uint32_t width = WORK / n / (n / 64 + 1);
    return width > WIDEST ? WIDEST : width < NARROWEST ? NARROWEST : width;
}

/* Orders one span by both ranks; keeps what is better than the order so far, whose cost is
 * `own`. */
static dms_code order_span(const dms_order_web *w, const dms_order_units *units,
                           const dms_order_span *span, dms_arena *scratch, uint32_t *order,
                           dms_order_cost *own, dms_status *st) {
    const uint32_t n = span->to - span->from;
    for (uint32_t rank = 0; rank < DMS_ORDER_N_RANKS; rank++) {
        const dms_arena_mark mark = dms_arena_here(scratch);
        uint32_t *trial;
        dms_order_cost cost;
        DMS_TRY(dms_alloc_st(scratch, n, sizeof *trial, "an order", &trial, st));
        DMS_TRY(dms_order_beam(w, units, span, (dms_order_rank)rank, width_of(n), scratch, trial,
                               &cost, st));
        const uint64_t peak = own->peak_bytes > span->free_peak ? own->peak_bytes : span->free_peak;
        if (cost.peak_bytes < peak || (cost.peak_bytes == peak && cost.byte_ns < own->byte_ns)) {
            memcpy(order, trial, n * sizeof *order);
            *own = cost;
        }
        dms_arena_release(scratch, mark);
    }
    return DMS_OK;
}

/* Orders every span, by units of both kinds; peaks up to `free_peak` are all the same. Returns the
 * peak of the whole. */
static dms_code order_spans(const dms_order_web *w, const dms_order_units units[2],
                            const bool *is_fixed, uint64_t free_peak, dms_arena *scratch,
                            uint32_t *order, uint64_t *out_peak, dms_status *st) {
    const uint32_t n = w->problem->n_calls;
    sweep s;
    *out_peak = free_peak;
    DMS_TRY(begin_sweep(w, scratch, &s, st));
    for (uint32_t from = 0, to; from < n; from = to) {
        dms_order_cost own = {0};
        const dms_order_span span = {.from = from, .live_bytes = s.live_bytes};
        for (to = from; to < n && is_fixed[to] == is_fixed[from]; to++) {
            pass(&s, to, &own);
            order[to] = to;
        }
        dms_order_span whole = span;
        whole.to = to;
        whole.free_peak = free_peak;
        for (uint32_t k = 0; k < 2 && !is_fixed[from] && to - from > 1; k++) {
            whole.first_unit = units[k].unit_of[from];
            for (uint32_t c = from; c < to; c++) /* of the first unit not every call comes first */
                if (units[k].unit_of[c] < whole.first_unit)
                    whole.first_unit = units[k].unit_of[c];
            whole.end_unit = units[k].unit_of[to - 1] + 1;
            DMS_TRY(order_span(w, &units[k], &whole, scratch, order + from, &own, st));
        }
        *out_peak = own.peak_bytes > *out_peak ? own.peak_bytes : *out_peak;
    }
    return DMS_OK;
}

/* First the lowest peak of every span; then, below the highest of these, the fewest byte_ns. */
static dms_code search(const dms_order_web *w, dms_arena *scratch, uint32_t *order,
                       dms_status *st) {
    dms_order_units units[2];
    bool *is_fixed;
    uint64_t peak;
    DMS_TRY(dms_alloc_st(scratch, w->problem->n_calls, 1, "an order", &is_fixed, st));
    DMS_TRY(find_fixed(w, scratch, is_fixed, st));
    DMS_TRY(make_units(w, is_fixed, false, scratch, &units[0], st));
    DMS_TRY(make_units(w, is_fixed, true, scratch, &units[1], st));
    DMS_TRY(order_spans(w, units, is_fixed, w->least_peak, scratch, order, &peak, st));
    if (peak > w->least_peak)
        DMS_TRY(order_spans(w, units, is_fixed, peak, scratch, order, &peak, st));
    return DMS_OK;
}

/* The search, and the given order again where nothing came of it. */
static dms_code search_better(const dms_order_problem *problem, dms_arena *scratch, uint32_t *order,
                              dms_status *st) {
    dms_order_web w;
    dms_order_cost own, found;
    for (uint32_t c = 0; c < problem->n_calls; c++)
        order[c] = c;
    DMS_TRY(spin(problem, scratch, &w, st));
    DMS_TRY(measure(&w, order, scratch, &own, st));
    DMS_TRY(search(&w, scratch, order, st));
    DMS_TRY(measure(&w, order, scratch, &found, st));
    const bool is_better = found.peak_bytes < own.peak_bytes ||
                           (found.peak_bytes == own.peak_bytes && found.byte_ns < own.byte_ns);
    for (uint32_t c = 0; !is_better && c < problem->n_calls; c++)
        order[c] = c;
    return DMS_OK;
}

dms_code dms_order_search(const dms_order_problem *problem, dms_arena *scratch, uint32_t *order,
                          dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    const dms_code code = search_better(problem, scratch, order, st);
    dms_arena_release(scratch, mark);
    return code;
}
