/* search.c - threshold accepting over keeps: a move changes one to three gaps, a worse plan is
 * accepted while the threshold, falling to 0 with the square of the rest, allows. The sequence is
 * fixed and the budget counts evaluations, so equal calls search alike. */
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"

#define SEED 88172645463325252u
/* A plan may be this share slower than the best and still be searched from, at the start.
 * Effect of the search: 1.0111 -> 1.0035 of the bound (7b prefill at 50 %),
 * 1.102 -> 1.061 (200 random steps), 0 to 0.5 % elsewhere (PLACEMENT.md section 5.5). */
#define THRESHOLD 0.001
#define MOST_TRIES 16u /* moves that are looked at for one that is evaluated */
/* Of the effort, this part for plans as they are. */
#define WHOLE_SHARE 32u
/* One move in so many makes room for a load; with addresses fewer are better (random-1000). */
#define DRAFT_ASIDE 3u
#define LAYOUT_ASIDE 12u
#define MOST_DRAWN 32u /* gaps that are looked at for one that stands in the way */

/* Where the search stands; move() reads it, the two loops below differ in what they evaluate. */
typedef struct search {
    dms_placer *placer;
    const dms_cycle *cycle;
    uint64_t random;
    uint64_t at, count;
    uint32_t aside; /* one move in so many makes room for a load that a step waits for */
} search;

/* A number in 0..n-1 from Marsaglia's xorshift with the shifts 13, 7, 17. The weak low bits are
 * dropped; what the remainder favours is below n / 2^53, nothing to a search. */
static uint32_t draw(search *s, uint32_t n) {
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)((s->random >> 11) % n);
}

/* The place `offset` further on in the order of deadline; the order is a cycle, like the steps. */
static uint32_t around(const search *s, uint32_t place, int32_t offset) {
    const int64_t n = s->cycle->n_gaps, at = ((int64_t)place + offset) % n;
    return (uint32_t)(at < 0 ? at + n : at);
}

/* A load due shortly before one of the large stalls, in order of deadline: not loading it lets the
 * link reach the late one sooner. One draw inside the other prefers the nearest places. */
static bool pick_stalled(search *s, const dms_draft *from, uint32_t *out_gap) {
    if (from->n_stalled == 0)
        return false;
    const uint32_t end = s->cycle->due_first[from->stalled[draw(s, from->n_stalled)] + 1];
    for (uint32_t i = 0; i < 24; i++) {
        const int32_t back = 1 + (int32_t)draw(s, 1 + draw(s, 64));
        const uint32_t g = s->cycle->by_due[around(s, end, -back)];
        if (!from->keep[g] && s->cycle->gap[g].rule == DMS_GAP_FREE) {
            *out_gap = g;
            return true;
        }
    }
    return false;
}

/* Any load that may as well be kept. The tries are bounded: where hardly any is left, no move. */
static bool pick_loaded(search *s, const dms_draft *from, uint32_t *out_gap) {
    for (uint32_t i = 0; i < 24; i++) {
        const uint32_t g = draw(s, s->cycle->n_gaps);
        if (!from->keep[g] && s->cycle->gap[g].rule == DMS_GAP_FREE) {
            *out_gap = g;
            return true;
        }
    }
    return false;
}

/* A kept gap. Activations are rarely worth it, since they pay a save as well: only one draw in
 * `rarity` takes one (1 = all alike, UINT32_MAX = as good as never). */
static bool pick_kept(search *s, const uint8_t *keep, uint32_t rarity, uint32_t *out_gap) {
    for (uint32_t i = 0; i < 32; i++) {
        const uint32_t g = draw(s, s->cycle->n_gaps);
        const dms_gap *gap = s->cycle->gap + g;
        if (keep[g] && gap->rule == DMS_GAP_FREE && (!gap->is_saved || draw(s, rarity) == 0)) {
            *out_gap = g;
            return true;
        }
    }
    return false;
}

/* A kept gap due near a moment when the link had nothing to do: from 16 places before the first
 * deadline of that slot to 31 behind it. Its load would be carried for nothing. */
static bool pick_idle(search *s, const dms_draft *from, uint32_t *out_gap) {
    if (from->n_idle == 0 || draw(s, 2) == 0)
        return false;
    const uint32_t near = s->cycle->due_first[from->idle[draw(s, from->n_idle)]];
    for (uint32_t i = 0; i < 12; i++) {
        const uint32_t g = s->cycle->by_due[around(s, near, (int32_t)draw(s, 48) - 16)];
        if (from->keep[g] && s->cycle->gap[g].rule == DMS_GAP_FREE) {
            *out_gap = g;
            return true;
        }
    }
    return false;
}

/* Keeps a gap or loads it, and says what the link has to do then. */
static void turn(const search *s, dms_draft *draft, uint32_t gap, uint8_t keep) {
    if (draft->keep[gap] != keep)
        draft->link_ns += keep ? -s->cycle->gap[gap].ns : s->cycle->gap[gap].ns;
    draft->keep[gap] = keep;
}

/* The place in the queue of the load that a stalled step waits for, of several the one whose slot
 * opens last; UINT32_MAX: it waits for a save. */
static uint32_t awaited(const search *s, const dms_draft *from, int32_t step) {
    uint32_t last = UINT32_MAX;
    for (uint32_t q = 0; q < from->n_loads; q++)
        if (s->cycle->gap[from->load[q]].due == step &&
            (last == UINT32_MAX || from->after[q] >= from->after[last]))
            last = q;
    return last;
}

/* Whether `slot` lies in first..last, in any turn. */
static bool is_over(const search *s, int32_t first, int32_t last, int32_t slot) {
    const int32_t n = s->cycle->n_steps;
    return first <= last && ((slot - first) % n + n) % n <= last - first;
}

/* Whether a load holds memory in a slot before its step. */
static bool holds(const search *s, const dms_draft *from, uint32_t place, int32_t slot) {
    return is_over(s, from->after[place] + 1, s->cycle->gap[from->load[place]].due - 1, slot);
}

/* Makes room for a load that a step waits for, in the last slot in which it did not fit: something
 * that is kept over it is not, one of the loads there takes its memory behind all others, or each
 * does. Or what was late is not. */
static bool move_aside(search *s, const dms_draft *from, dms_draft *to) {
    const uint32_t q = awaited(s, from, from->stalled[draw(s, from->n_stalled)]);
    const uint32_t kind = draw(s, 4);
    bool moves = false;
    if (q == UINT32_MAX)
        return false;
    const int32_t slot = from->after[q];
    for (uint32_t i = 0; i < from->n_loads && kind == 0; i++)
        if (i != q && holds(s, from, i, slot))
            to->late[from->load[i]] = moves = true;
    for (uint32_t i = 0; i < MOST_DRAWN && !moves; i++) {
        const uint32_t g = draw(s, s->cycle->n_gaps), place = draw(s, from->n_loads);
        const dms_gap *gap = s->cycle->gap + g;
        if (kind == 1 && to->late[g] && !to->keep[g]) {
            to->late[g] = 0;
            moves = true;
        } else if (kind == 2 && to->keep[g] && gap->rule == DMS_GAP_FREE &&
                   is_over(s, gap->a + 1, gap->b - 1, slot)) {
            turn(s, to, g, 0);
            moves = true;
        } else if (kind == 3 && place != q && holds(s, from, place, slot)) {
            to->late[from->load[place]] = moves = true;
        }
    }
    return moves;
}

/* Changes some keeps. Returns false when no move was found.
 *
 *   kind      begins to keep      stops keeping
 *   0         near a stall        -
 *   1 to 5    near a stall        any, activations one time in eight
 *   6         any                 -
 *   7         -                   any
 *
 * In half of all moves, where the link was idle at all, what is dropped is due near an idle moment
 * instead. A pair makes room by a second drop one time in three, for sizes differ. */
static bool move_keeps(search *s, const dms_draft *from, dms_draft *to) {
    const uint32_t kind = draw(s, 8);
    uint8_t *keep = to->keep;
    uint32_t add = 0, drop = 0, second;
    bool adds = false, drops = false;
    if (kind < 6)
        adds = pick_stalled(s, from, &add);
    else if (kind == 6)
        adds = pick_loaded(s, from, &add);
    if (kind != 6 && kind != 0)
        drops = pick_kept(s, keep, kind == 7 ? 1 : 8, &drop);
    if (pick_idle(s, from, &drop))
        drops = true;
    if (adds)
        turn(s, to, add, 1);
    if (drops)
        turn(s, to, drop, 0);
    if (adds && drops && draw(s, 3) == 0 && pick_kept(s, keep, UINT32_MAX, &second) &&
        second != add)
        turn(s, to, second, 0);
    return adds || drops;
}

/* Copies keeps and what is late, and changes some. */
static bool move(search *s, const dms_draft *from, dms_draft *to) {
    bool moves = false;
    memcpy(to->keep, from->keep, s->cycle->n_gaps);
    memcpy(to->late, from->late, s->cycle->n_gaps);
    to->link_ns = from->link_ns;
    if (from->n_stalled == 0 || draw(s, s->aside) > 0)
        return move_keeps(s, from, to);
    for (uint32_t n = 1 + draw(s, 3); n > 0; n--)
        moves = move_aside(s, from, to) || moves;
    if (draw(s, 3) == 0)
        moves = move_keeps(s, from, to) || moves;
    return moves;
}

/* The size of the ring, where something is read from storage; one move in 16 takes the next smaller
 * or larger one. */
static dms_ring_size move_ring(search *s, const dms_draft *from) {
    const dms_placer *p = s->placer;
    uint32_t i = 0;
    if (from->n_read == 0 || p->n_rings == 0 || draw(s, 16) > 0)
        return from->wish;
    while (i + 1 < p->n_rings && p->ring[i].units < from->wish.units)
        i++;
    if (draw(s, 2) == 0)
        return p->ring[i + 1 < p->n_rings ? i + 1 : i];
    return p->ring[i > 0 ? i - 1 : 0];
}

/* Changes one setting of the pass. No single one wins: on random graphs cuts and overtaking differ
 * by up to 2.4 %, fits by up to 1 % (PLACEMENT.md section 9). Orders are drawn most, for what
 * cannot move decides where holes are; a jitter shuffles classes of (size, life), not pieces, so
 * that equal layers stay packed alike. */
static void move_fit(search *s, dms_fit *fit) {
    switch (draw(s, 14)) {
    case 0:
    case 1:
        fit->hole = (dms_fit_hole)draw(s, DMS_N_FIT_HOLES);
        break;
    case 2:
        fit->cut = (dms_fit_cut)draw(s, DMS_N_FIT_CUTS);
        break;
    case 3:
        fit->overtakes = !fit->overtakes;
        break;
    case 4:
        fit->pitch = !fit->pitch;
        break;
    case 5:
        fit->sizes = draw(s, 4);
        break;
    case 6:
        fit->lead = draw(s, 4);
        break;
    case 7:
        fit->repair = 1 + draw(s, 2);
        break;
    case 8:
    case 9:
        fit->order = (dms_fit_order)draw(s, DMS_N_FIT_ORDERS);
        fit->jitter = 0;
        break;
    default:
        fit->order = (dms_fit_order)draw(s, DMS_N_FIT_ORDERS);
        fit->jitter = 1 + draw(s, 1000000);
        break;
    }
}

/* Whether a plan with this period may be the next state. With r = 1 - at / count, the rest of the
 * search: period < best (1 + 0.4 % r^2), and period <= state (1 + 0.1 % r^2). The first keeps the
 * walk near the best, the second keeps it from sliding there in one step. */
static bool accepts(const search *s, int64_t period, int64_t state, int64_t best) {
    const double rest = 1 - (double)s->at / (double)s->count, width = THRESHOLD * rest * rest;
    return (double)period < (double)best * (1 + width) &&
           (double)period <= (double)state * (1 + THRESHOLD * 0.25 * rest * rest);
}

/* A move after which the copies alone take no longer than a plan that is accepted. On Llama-2 7B,
 * prefill, that leaves out a third of all moves before anything of them is simulated. */
static bool move_well(search *s, const dms_draft *from, int64_t best_ns, dms_draft *to) {
    for (uint32_t i = 0; i < MOST_TRIES && move(s, from, to); i++)
        if (accepts(s, to->link_ns, from->period_ns, best_ns))
            return true;
    return false;
}

/* A period that is accepted at no moment of the search. */
static int64_t most_accepted(int64_t best) {
    return (int64_t)((double)best * (1 + THRESHOLD)) + 1;
}

/* Whether the state has fallen so far behind that the search returns to the best. */
static bool is_lost(const search *s, int64_t state, int64_t best) {
    const double rest = 1 - (double)s->at / (double)s->count;
    return (double)state > (double)best * (1 + THRESHOLD * rest * rest);
}

/* Drafts are swapped and not copied: most moves are accepted or thrown away, and their arrays are
 * as long as the gaps. */
static void swap(dms_draft *a, dms_draft *b) {
    const dms_draft c = *a;
    *a = *b;
    *b = c;
}

/* By the times of the first run the queue is put in order; by those of the second, memory is taken
 * when the link gets to a block and no sooner. Without addresses, slots alone gave 1.0353 times the
 * bound on 1,000 random steps at 12.5 %, the queue in order 1.0281, with later slots 1.0140. */
bool dms_placer_score(dms_placer *placer, int64_t limit_ns, dms_draft *draft) {
    const dms_cycle *cycle = placer->cycle;
    dms_work *work = &placer->work;
    if (!dms_slots(cycle, work, placer->budget, DMS_SLOT_EARLY, draft) ||
        draft->read_ns >= limit_ns || !dms_queue_by_deadline(cycle, work, draft))
        return false;
    dms_queue_leads(cycle, work, draft, 1, work->start);
    dms_slots_later(cycle, work, work->start, draft);
    return dms_queue_by_deadline(cycle, work, draft);
}

/* Where a search begins; other seeds draw other numbers. */
static search begin(dms_placer *placer, uint64_t count, uint32_t seed, uint32_t aside) {
    return (search){.placer = placer,
                    .cycle = placer->cycle,
                    .random = SEED + seed * UINT64_C(0x9e3779b97f4a7c15),
                    .aside = aside,
                    .count = count};
}

dms_code dms_search_drafts(dms_placer *placer, uint64_t count, uint32_t seed, dms_status *st) {
    search s = begin(placer, count, seed, DRAFT_ASIDE);
    const dms_arena_mark mark = dms_arena_here(placer->arena);
    dms_draft state, next, *best = &placer->trial;
    if (s.cycle->n_gaps == 0)
        return DMS_OK;
    DMS_TRY(dms_draft_new(s.cycle, placer->arena, &state, st));
    DMS_TRY(dms_draft_new(s.cycle, placer->arena, &next, st));
    dms_draft_copy(s.cycle, best, &state);
    for (; s.at < count && !dms_placer_is_near(placer, best->period_ns); s.at++) {
        next.wish = move_ring(&s, &state);
        if (!move_well(&s, &state, best->period_ns, &next) ||
            !dms_placer_score(placer, most_accepted(best->period_ns), &next))
            continue;
        if (accepts(&s, next.period_ns, state.period_ns, best->period_ns)) {
            swap(&state, &next);
            if (dms_draft_better(&state, best))
                dms_draft_copy(s.cycle, &state, best);
        } else if (is_lost(&s, state.period_ns, best->period_ns)) {
            dms_draft_copy(s.cycle, best, &state);
        }
    }
    dms_arena_release(placer->arena, mark);
    return DMS_OK;
}

/* Slots, leads and one pass of the keeps in placer->trial. */
static bool evaluate(dms_placer *placer, const dms_fit *fit) {
    if (!dms_slots(placer->cycle, &placer->work, placer->budget, DMS_SLOT_EARLY, &placer->trial))
        return false;
    if (fit->lead > 0 && !dms_simulate(placer->cycle, &placer->work, 6, &placer->trial))
        return false;
    return dms_placer_pass(placer, fit, "search");
}

/* Keeps that are worth a pass: it takes several times as long as slots alone, and where these are
 * too slow, so is nearly always what has addresses. */
static bool move_to_pass(search *s, const dms_draft *from) {
    dms_placer *p = s->placer;
    const int64_t best_ns = p->best.draft.period_ns;
    return move_well(s, from, best_ns, &p->trial) &&
           dms_placer_score(p, most_accepted(best_ns), &p->trial) &&
           accepts(s, p->trial.period_ns, from->period_ns, best_ns);
}

/* Addresses for the trial as it is, while there is effort left for that. */
static bool pack_whole(search *s, uint64_t *left) {
    const dms_addresses *a = s->placer->addresses;
    const uint64_t before = dms_addresses_effort(a);
    if (*left == 0)
        return false;
    const bool fits = dms_placer_whole(s->placer, "search");
    const uint64_t spent = dms_addresses_effort(a) - before;
    *left = spent < *left ? *left - spent : 0;
    return fits;
}

dms_code dms_search_layouts(dms_placer *placer, uint64_t count, uint64_t effort, uint32_t seed,
                            dms_status *st) {
    search s = begin(placer, count, seed, LAYOUT_ASIDE);
    dms_draft state;
    dms_fit fit = placer->best_fit, tried;
    if (s.cycle->n_gaps == 0)
        return DMS_OK;
    DMS_TRY(dms_draft_new(s.cycle, placer->arena, &state, st));
    uint64_t whole = effort / WHOLE_SHARE;
    effort += dms_addresses_effort(placer->addresses);
    dms_draft_copy(s.cycle, &placer->best.draft, &state);
    for (; s.at < count && !dms_placer_is_done(placer) &&
           dms_addresses_effort(placer->addresses) < effort;
         s.at++) {
        tried = fit;
        placer->trial.wish = move_ring(&s, &state);
        if (draw(&s, 14) < 3) {
            const dms_ring_size wish = placer->trial.wish;
            dms_draft_choose(s.cycle, &state, &placer->trial);
            placer->trial.wish = wish;
            move_fit(&s, &tried);
        } else if (!move_to_pass(&s, &state)) {
            continue;
        } else if (pack_whole(&s, &whole)) {
            dms_draft_copy(s.cycle, &placer->trial, &state);
            continue;
        }
        if (!evaluate(placer, &tried))
            continue;
        if (accepts(&s, placer->trial.period_ns, state.period_ns, placer->best.draft.period_ns)) {
            dms_draft_copy(s.cycle, &placer->trial, &state);
            fit = tried;
        } else if (is_lost(&s, state.period_ns, placer->best.draft.period_ns)) {
            dms_draft_copy(s.cycle, &placer->best.draft, &state);
            fit = placer->best_fit;
        }
    }
    if (dms_addresses_failed(placer->addresses))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: addresses");
    return DMS_OK;
}
