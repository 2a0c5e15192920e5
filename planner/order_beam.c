/* order_beam.c - sets of calls that were made, one unit of calls larger from level to level.
 *
 *     level 0      {}                       live bytes follow from the set alone, so of two ways to
 *     level 1      {a}     {b}              one set the one with the lower peak is kept; and of all
 *     level 2      {a,b}   {b,c}            sets of a level the `width` best
 */
#include "planner/order_internal.h"

#include <stdlib.h>
#include <string.h>

#include "schema/arena.h"
#include "schema/plan.h"

#define MOST_READY 48u /* units that one set is continued with, the first ones of the given order */

/* A set, and the best way to it. */
typedef struct set {
    uint64_t *made, *ready; /* bits per call of the span, per unit of it */
    uint64_t hash, live_bytes, peak_bytes;
    double byte_ns;
    uint32_t last; /* the call that was made last */
} set;

/* A set that one more unit would make. */
typedef struct next {
    uint32_t from, unit;
    uint64_t hash, live_bytes, peak_bytes; /* the peak as it counts: at least free_peak */
    double byte_ns;
    uint32_t last;
} next;

/* How a level came about. */
typedef struct step {
    uint32_t from, unit;
} step;

typedef struct beam {
    const dms_order_web *web;
    const dms_order_units *units;
    const dms_order_span *span;
    uint32_t width, n_words, n_ready_words;
    set *now, *then;
    uint32_t n_now, n_next;
    next *next;
    step *history; /* width per level */
} beam;

static bool has(const uint64_t *bits, uint32_t k) {
    return (bits[k / 64] >> (k % 64) & 1) != 0;
}

static bool is_made(const beam *b, const set *s, uint32_t call) {
    return call < b->span->from || (call < b->span->to && has(s->made, call - b->span->from));
}

/* A 64-bit number per call, for sums that name sets (splitmix64). */
static uint64_t salt(uint64_t call) {
    uint64_t z = (call + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* How many others of those that touch a value are made, and whether that is none or all. */
static void ask_value(const beam *b, const set *s, uint32_t value, uint32_t call, bool *out_begins,
                      bool *out_ends) {
    const dms_order_web *w = b->web;
    const uint32_t low = w->first_toucher[value], high = w->first_toucher[value + 1];
    *out_begins = w->toucher[low] >= b->span->from;
    *out_ends = w->toucher[high - 1] < b->span->to;
    for (uint32_t k = low; k < high && (*out_begins || *out_ends); k++) {
        if (w->toucher[k] == call)
            continue;
        const bool made = is_made(b, s, w->toucher[k]);
        *out_begins = *out_begins && !made;
        *out_ends = *out_ends && made;
    }
}

static void flip(const beam *b, uint64_t *made, uint32_t call) {
    const uint32_t k = call - b->span->from;
    made[k / 64] ^= UINT64_C(1) << (k % 64);
}

/* Adds a call to what `n` holds so far. */
static void add_call(const beam *b, const set *s, uint32_t call, next *n) {
    const dms_order_problem *p = b->web->problem;
    const dms_order_call *c = &p->call[call];
    uint64_t begun = 0, ended = 0;
    bool gives = false, takes = false;
    for (uint32_t k = 0; k < c->n_values; k++) {
        bool begins, ends;
        ask_value(b, s, c->value[k], call, &begins, &ends);
        begun += begins ? p->bytes[c->value[k]] : 0;
        ended += ends ? p->bytes[c->value[k]] : 0;
        gives = gives || (begins && c->value[k] == c->gives);
        takes = takes || (ends && c->value[k] == c->takes &&
                          dms_order_follows(b->web, c->takes, n->last, call));
    }
    uint64_t live = n->live_bytes + begun;
    if (gives && takes)
        live -= p->bytes[c->gives];
    const uint64_t peak = live + c->extra_bytes;
    n->hash += salt(call);
    n->live_bytes += begun - ended;
    n->peak_bytes = peak > n->peak_bytes ? peak : n->peak_bytes;
    n->byte_ns += (double)live * (double)c->ns;
    n->last = call;
}

/* The set with one more unit. The set itself is as before when this returns. */
static next extend(const beam *b, uint32_t from, uint32_t unit) {
    const set *s = &b->now[from];
    const dms_order_units *u = b->units;
    next n = {from, unit, s->hash, s->live_bytes, s->peak_bytes, s->byte_ns, s->last};
    for (uint32_t k = u->first[unit]; k < u->first[unit + 1]; k++) {
        add_call(b, s, u->call[k], &n);
        flip(b, s->made, u->call[k]);
    }
    for (uint32_t k = u->first[unit]; k < u->first[unit + 1]; k++)
        flip(b, s->made, u->call[k]);
    return n;
}

static int compare_u64(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int compare_double(double a, double b) {
    return (a > b) - (a < b);
}

/* Total: of one set no two units lead to the same one. */
static int by_origin(const next *a, const next *b) {
    const int order = compare_u64(a->from, b->from);
    return order != 0 ? order : compare_u64(a->unit, b->unit);
}

static int by_time(const void *x, const void *y) {
    const next *a = x, *b = y;
    int order = compare_u64(a->peak_bytes, b->peak_bytes);
    order = order != 0 ? order : compare_double(a->byte_ns, b->byte_ns);
    order = order != 0 ? order : compare_u64(a->live_bytes, b->live_bytes);
    return order != 0 ? order : by_origin(a, b);
}

static int by_live(const void *x, const void *y) {
    const next *a = x, *b = y;
    int order = compare_u64(a->peak_bytes, b->peak_bytes);
    order = order != 0 ? order : compare_u64(a->live_bytes, b->live_bytes);
    return order != 0 ? order : by_time(a, b);
}

static int by_set(const void *x, const void *y) {
    const next *a = x, *b = y;
    const int order = compare_u64(a->hash, b->hash);
    return order != 0 ? order : by_time(a, b);
}

/* All continuations of all sets, one per set. */
static void list_next(beam *b) {
    uint32_t n = 0;
    for (uint32_t from = 0; from < b->n_now; from++) {
        const set *s = &b->now[from];
        uint32_t n_ready = 0;
        for (uint32_t w = 0; w < b->n_ready_words && n_ready < MOST_READY; w++)
            for (uint64_t bits = s->ready[w]; bits != 0 && n_ready < MOST_READY; bits &= bits - 1) {
                const uint32_t k = 64 * w + (uint32_t)__builtin_ctzll(bits);
                b->next[n] = extend(b, from, b->span->first_unit + k);
                if (b->next[n].peak_bytes < b->span->free_peak)
                    b->next[n].peak_bytes = b->span->free_peak;
                n++;
                n_ready++;
            }
    }
    qsort(b->next, n, sizeof *b->next, by_set);
    b->n_next = 0;
    for (uint32_t k = 0; k < n; k++)
        if (k == 0 || b->next[k].hash != b->next[k - 1].hash)
            b->next[b->n_next++] = b->next[k];
}

/* All that a unit waits for is made, or in the unit. */
static bool may_run(const beam *b, const set *s, uint32_t unit) {
    const dms_order_units *u = b->units;
    for (uint32_t j = u->first[unit]; j < u->first[unit + 1]; j++) {
        const dms_order_call *c = &b->web->problem->call[u->call[j]];
        for (uint32_t k = 0; k < c->n_preds; k++)
            if (u->unit_of[c->pred[k]] != unit && !is_made(b, s, c->pred[k]))
                return false;
    }
    return true;
}

static void make_ready(const beam *b, set *s, uint32_t unit) {
    const uint32_t k = unit - b->span->first_unit;
    s->ready[k / 64] |= UINT64_C(1) << (k % 64);
}

/* Marks the units that may follow a call. */
static void wake(const beam *b, uint32_t call, set *s) {
    const dms_order_web *w = b->web;
    for (uint32_t e = w->first_succ[call]; e < w->first_succ[call + 1]; e++) {
        const uint32_t unit = b->units->unit_of[w->succ[e]];
        if (w->succ[e] < b->span->to && unit != b->units->unit_of[call] && may_run(b, s, unit))
            make_ready(b, s, unit);
    }
}

/* Makes a continuation the set `to` of the next level. */
static void take(const beam *b, const next *n, set *to) {
    const set *from = &b->now[n->from];
    const dms_order_units *u = b->units;
    const uint32_t k = n->unit - b->span->first_unit;
    memcpy(to->made, from->made, b->n_words * sizeof *to->made);
    memcpy(to->ready, from->ready, b->n_ready_words * sizeof *to->ready);
    to->hash = n->hash;
    to->live_bytes = n->live_bytes;
    to->peak_bytes = n->peak_bytes;
    to->byte_ns = n->byte_ns;
    to->last = n->last;
    to->ready[k / 64] &= ~(UINT64_C(1) << (k % 64));
    for (uint32_t j = u->first[n->unit]; j < u->first[n->unit + 1]; j++)
        flip(b, to->made, u->call[j]);
    for (uint32_t j = u->first[n->unit]; j < u->first[n->unit + 1]; j++)
        wake(b, u->call[j], to);
}

static dms_code allocate_sets(const beam *b, set **out, dms_arena *scratch, dms_status *st) {
    uint64_t *bits;
    DMS_TRY(dms_alloc_st(scratch, b->width, sizeof **out, "an order", out, st));
    const uint64_t n_words = (uint64_t)b->n_words + b->n_ready_words;
    DMS_TRY(dms_alloc_st(scratch, b->width * n_words, sizeof *bits, "an order", &bits, st));
    for (uint32_t k = 0; k < b->width; k++) {
        (*out)[k].made = bits + k * n_words;
        (*out)[k].ready = (*out)[k].made + b->n_words;
    }
    return DMS_OK;
}

/* The empty set. */
static void begin(beam *b) {
    set *s = &b->now[0];
    s->live_bytes = b->span->live_bytes;
    s->peak_bytes = b->span->free_peak;
    s->last = b->span->from == 0 ? DMS_NONE : b->span->from - 1;
    b->n_now = 1;
    for (uint32_t unit = b->span->first_unit; unit < b->span->end_unit; unit++)
        if (may_run(b, s, unit))
            make_ready(b, s, unit);
}

/* The calls of the best last set, from the back. */
static void write_order(const beam *b, uint32_t n_levels, uint32_t *order) {
    const dms_order_units *u = b->units;
    uint32_t place = b->span->to - b->span->from;
    for (uint32_t level = n_levels, at = 0; level-- > 0;) {
        const step *s = &b->history[(uint64_t)level * b->width + at];
        for (uint32_t k = u->first[s->unit + 1]; k-- > u->first[s->unit];)
            order[--place] = u->call[k];
        at = s->from;
    }
}

dms_code dms_order_beam(const dms_order_web *web, const dms_order_units *units,
                        const dms_order_span *span, dms_order_rank rank, uint32_t width,
                        dms_arena *scratch, uint32_t *order, dms_order_cost *out_cost,
                        dms_status *st) {
    const uint32_t n = span->end_unit - span->first_unit;
    beam b = {.web = web,
              .units = units,
              .span = span,
              .width = width,
              .n_words = (span->to - span->from + 63) / 64,
              .n_ready_words = (n + 63) / 64};
    const uint64_t most = (uint64_t)width * (n < MOST_READY ? n : MOST_READY);
    DMS_TRY(allocate_sets(&b, &b.now, scratch, st));
    DMS_TRY(allocate_sets(&b, &b.then, scratch, st));
    DMS_TRY(dms_alloc_st(scratch, most, sizeof *b.next, "an order", &b.next, st));
    DMS_TRY(
        dms_alloc_st(scratch, (uint64_t)n * width, sizeof *b.history, "an order", &b.history, st));
    begin(&b);
    for (uint32_t level = 0; level < n; level++) {
        list_next(&b);
        qsort(b.next, b.n_next, sizeof *b.next, rank == DMS_ORDER_BY_LIVE ? by_live : by_time);
        const uint32_t n_then = b.n_next < width ? b.n_next : width;
        for (uint32_t k = 0; k < n_then; k++) {
            take(&b, &b.next[k], &b.then[k]);
            b.history[(uint64_t)level * width + k] = (step){b.next[k].from, b.next[k].unit};
        }
        set *swap = b.now;
        b.now = b.then;
        b.then = swap;
        b.n_now = n_then;
    }
    *out_cost = (dms_order_cost){b.now[0].peak_bytes, b.now[0].byte_ns};
    write_order(&b, n, order);
    return DMS_OK;
}
