/* slots.c - in which slot may each copy begin? Decided from step indices and bytes, so memory
 * safety never depends on measured times.
 *
 *   room     x  x  x  .  .  x      the stock of loads that are there before their use must fit
 *   slot     0  1  2  3  4  5      into what footprints, kept gaps and pending saves leave free
 */
#include <stdlib.h>

#include "planner/place_internal.h"

typedef struct slots {
    const dms_cycle *cycle;
    dms_work *work;
    dms_draft *draft;
    dms_slot_mode mode;
} slots;

/* The sum of diff[0..t] is what slot t holds; entry T takes what ends with the cycle.
 *
 *   slot          0    1    2    3    4    T
 *   1..2               +u        -u              a run inside the cycle
 *   3..5          +u   -u        +u        -u    the same over the seam: slots 3, 4 and 0
 *
 * A run of T slots and more counts once everywhere for each whole turn in it. */
void dms_diff_add(int64_t *diff, int32_t n_slots, int32_t first, int32_t last, int64_t units) {
    const int32_t count = last - first + 1;
    if (count <= 0)
        return;
    const int64_t whole = count / n_slots;
    diff[0] += whole * units;
    diff[n_slots] -= whole * units;
    const int32_t rest = count % n_slots;
    if (rest == 0)
        return;
    const int32_t from = ((first % n_slots) + n_slots) % n_slots, to = from + rest;
    diff[from] += units;
    if (to <= n_slots) {
        diff[to] -= units;
    } else {
        diff[n_slots] -= units;
        diff[0] += units;
        diff[to - n_slots] -= units;
    }
}

/* Nominal time at which slot s opens, 0 <= s < 2T. */
static int64_t nominal_open(const slots *s, int32_t slot) {
    const int32_t n = s->cycle->n_steps;
    const int64_t *end = s->work->nominal_end;
    if (slot <= n)
        return slot == 0 ? 0 : end[slot - 1];
    return end[n - 1] + end[slot - n - 1];
}

static int by_write_end(const void *left, const void *right, void *context) {
    const dms_cycle *cycle = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    if (cycle->write_end[i] != cycle->write_end[j])
        return cycle->write_end[i] < cycle->write_end[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* The latest slot by which tensor `id` must be saved: its first return, or its own next turn. */
static int32_t latest_before(const slots *s, uint32_t id) {
    const dms_cycle *cycle = s->cycle;
    const dms_problem_tensor *tensor = cycle->problem->tensors + id;
    if (tensor->kind == DMS_PROBLEM_OUTPUT) {
        const int32_t first = (int32_t)cycle->problem->touches[tensor->first_touch];
        const int32_t own = first + cycle->n_steps, most = 2 * cycle->n_steps - 1;
        return own < most ? own : most;
    }
    for (uint32_t g = cycle->first_gap[id]; g < cycle->first_gap[id + 1]; g++)
        if (!s->draft->keep[g]) {
            const dms_gap *gap = cycle->gap + g;
            return gap->b - 1 > gap->a ? gap->b - 1 : gap->b;
        }
    return 2 * cycle->n_steps - 1;
}

/* Slots of the saves in the queue, on a link that is free from `link_free` on; returns when it is
 * free again. */
static int64_t give_save_slots(slots *s, int64_t link_free) {
    const dms_cycle *cycle = s->cycle;
    dms_draft *draft = s->draft;
    int32_t slot = 0;
    for (uint32_t q = 0; q < draft->n_saves; q++) {
        const uint32_t id = draft->save[q];
        const int32_t released = cycle->write_end[id] + 1;
        const int64_t begin = nominal_open(s, released);
        link_free = (begin > link_free ? begin : link_free) + cycle->save_ns[id];
        if (slot < released)
            slot = released;
        while (slot < 2 * cycle->n_steps - 1 && nominal_open(s, slot) < link_free)
            slot++;
        const int32_t latest = latest_before(s, id);
        draft->before[id] = slot < latest ? slot : latest;
    }
    return link_free;
}

/* Saves leave in order of release at nominal times; each gets the first slot that need not wait.
 * The nominal times must be those of the plan that is being placed: with the times of another
 * solution the same keeps ran 5.7 % longer (PLACEMENT.md section 9, 7b prefill 16384 at 12.5 %).
 * What is released late in a turn is on the link when the next one begins: without it prefills of
 * 8,192 tokens, whose last saves take 10 ms, ran 0.7 % longer.
 * A wrong guess costs time, never safety: slot `before` opens only when the save is done. */
static void place_saves(slots *s) {
    const dms_cycle *cycle = s->cycle;
    dms_draft *draft = s->draft;
    draft->n_saves = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        bool leaves = cycle->problem->tensors[i].kind == DMS_PROBLEM_OUTPUT;
        draft->before[i] = 0;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            leaves = leaves || (cycle->gap[g].is_saved && !draft->keep[g]);
        if (leaves)
            draft->save[draft->n_saves++] = i;
    }
    qsort_r(draft->save, draft->n_saves, sizeof *draft->save, by_write_end, (void *)cycle);
    const int64_t ends = give_save_slots(s, 0), period = s->work->nominal_end[cycle->n_steps - 1];
    if (ends > period) /* the next turn finds the link busy */
        (void)give_save_slots(s, ends - period);
}

/* The slots that a pending save of `id` holds beyond its touches. For an activation that is the
 * first gap over which it leaves: later ones need no save, the copy on the host stays valid. */
static void held_by_save(const slots *s, uint32_t id, int32_t *out_first, int32_t *out_last) {
    const dms_cycle *cycle = s->cycle;
    *out_first = cycle->last_touch[id] + 1;
    *out_last = s->draft->before[id] - 1;
    if (cycle->problem->tensors[id].kind == DMS_PROBLEM_OUTPUT)
        return;
    for (uint32_t g = cycle->first_gap[id]; g < cycle->first_gap[id + 1]; g++)
        if (!s->draft->keep[g]) {
            *out_first = cycle->gap[g].a + 1;
            if (*out_last > cycle->gap[g].b - 1)
                *out_last = cycle->gap[g].b - 1;
            return;
        }
}

/* Budget minus footprints, kept gaps and pending saves, per slot: h[t] of PLACEMENT.md section 5.3.
 * Returns false where a slot is short; hurry_saves may still mend that. */
static bool fill_free(slots *s, int64_t budget) {
    const dms_cycle *cycle = s->cycle;
    const int32_t n = cycle->n_steps;
    int64_t *diff = s->work->diff, held = 0;
    bool fits = true;
    for (int32_t t = 0; t <= n; t++)
        diff[t] = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++) {
        const dms_gap *gap = cycle->gap + g;
        if (s->draft->keep[g])
            dms_diff_add(diff, n, gap->a + 1, gap->b - 1, gap->units);
    }
    for (uint32_t q = 0; q < s->draft->n_saves; q++) {
        int32_t first, last;
        held_by_save(s, s->draft->save[q], &first, &last);
        dms_diff_add(diff, n, first, last, cycle->units[s->draft->save[q]]);
    }
    for (int32_t t = 0; t < n; t++) {
        held += diff[t];
        s->work->free_units[t] = budget - cycle->footprint[t] - held;
        fits = fits && s->work->free_units[t] >= 0;
    }
    return fits;
}

/* Where memory is short, saves give it back sooner: from the first short slot on, which then waits
 * for the copy. A stall is the price of a plan that exists at all. */
static bool hurry_saves(slots *s) {
    const int32_t n = s->cycle->n_steps;
    int64_t *free_units = s->work->free_units;
    for (uint32_t q = 0; q < s->draft->n_saves; q++) {
        const uint32_t id = s->draft->save[q];
        int32_t first, last, slot;
        held_by_save(s, id, &first, &last);
        for (slot = first; slot <= last && free_units[slot % n] >= 0; slot++)
            ;
        if (slot > last)
            continue;
        const int32_t released = s->cycle->write_end[id] + 1;
        s->draft->before[id] = slot > released ? slot : released;
        for (; slot <= last; slot++)
            free_units[slot % n] += s->cycle->units[id];
    }
    for (int32_t t = 0; t < n; t++)
        if (free_units[t] < 0)
            return false;
    return true;
}

/* The first slot the stock of each load may be in, by deadline: the largest arrival curve under
 * the caps (an exchange argument shows that no other order of equal pieces does better).
 * cap(t) = free(t) + bytes due until t, unrolled over two cycles, then its suffix minimum.
 *
 *   place in cap     0 ...... T-1 | T ...... 2T-1
 *   slot            -T ......  -1 | 0 ......  T-1
 *
 * Let D(j) be the bytes of the first j loads by deadline. In slot t these are on the device, less
 * what was due until t: load j may be reserved from t on when D(j) <= cap(t') for all t' >= t,
 * and that is the suffix minimum. With whole blocks of unequal sizes another order can be better:
 * 11 % on one of eight tiny instances, nothing on the large ones (PLACEMENT.md section 5.3). */
static void fill_caps(slots *s) {
    const dms_cycle *cycle = s->cycle;
    const int32_t n = cycle->n_steps;
    int64_t *cap = s->work->cap, due = 0;
    for (int32_t t = 0; t < n; t++) {
        for (uint32_t i = cycle->due_first[t]; i < cycle->due_first[t + 1]; i++)
            if (!s->draft->keep[cycle->by_due[i]] && !s->draft->late[cycle->by_due[i]])
                due += cycle->gap[cycle->by_due[i]].units;
        cap[n + t] = s->work->free_units[t] + due;
    }
    for (int32_t t = 0; t < n; t++)
        cap[t] = cap[n + t] - due;
    for (int32_t t = 2 * n - 2; t >= 0; t--)
        if (cap[t] > cap[t + 1])
            cap[t] = cap[t + 1];
}

/* The earliest `after` that a load may have, whatever the memory: not before the touch that opens
 * its gap, the end of its save, slot 0 for an input, and what the mode adds. A gap that wraps
 * belongs to the cycle of its due touch, hence `shift` (0 or T) takes a and `before` one cycle
 * back. */
static int32_t earliest_after(const slots *s, const dms_gap *gap) {
    const int32_t shift = gap->b - gap->due;
    int32_t after = gap->a - shift;
    if (gap->rule == DMS_GAP_LOADED && after < -1)
        after = -1;
    if (gap->is_saved && s->draft->before[gap->tensor] - 1 - shift > after)
        after = s->draft->before[gap->tensor] - 1 - shift;
    if (s->mode == DMS_SLOT_ON_DEMAND && after < gap->due - 1)
        after = gap->due - 1;
    if (s->mode == DMS_SLOT_LAYER && after < s->cycle->layer_start[gap->due] - 1)
        after = s->cycle->layer_start[gap->due] - 1;
    return after;
}

/* Loads by deadline. `slot` never moves back, for the bytes due only grow: O(loads + T). A load
 * whose stock fits nowhere begins when the step before its use has ended; the footprint of that
 * step counts it. */
static void place_loads(slots *s) {
    const dms_cycle *cycle = s->cycle;
    const int32_t n = cycle->n_steps;
    dms_draft *draft = s->draft;
    int64_t due = 0;
    int32_t slot = -n;
    draft->n_loads = 0;
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const uint32_t id = cycle->by_due[i];
        const dms_gap *gap = cycle->gap + id;
        if (draft->keep[id] || draft->late[id])
            continue;
        due += gap->units;
        while (slot < gap->due && s->work->cap[slot + n] < due)
            slot++;
        int32_t after = earliest_after(s, gap);
        if (after < slot - 1)
            after = slot - 1;
        if (after > gap->due - 1)
            after = gap->due - 1;
        draft->load[draft->n_loads] = id;
        draft->after[draft->n_loads++] = after < -n ? -n : after;
    }
}

/* Gives a load the earliest slot from `first` on that work->room has, and takes it there. */
static void take_room(slots *s, uint32_t id, int32_t first) {
    const dms_gap *gap = s->cycle->gap + id;
    const int32_t n = s->cycle->n_steps;
    if (first <= gap->due - n)
        first = gap->due - n + 1;
    const int32_t slot = dms_room_earliest(&s->work->room, first, gap->due, gap->units);
    const int32_t turn = slot < 1 ? n : 0; /* rooms want places from 0 on */
    dms_room_add(&s->work->room, slot - 1 + turn, gap->due + turn, -gap->units);
    s->draft->load[s->draft->n_loads] = id;
    s->draft->after[s->draft->n_loads++] = slot - 1;
}

static bool is_late(const dms_draft *draft, uint32_t gap) {
    return !draft->keep[gap] && draft->late[gap];
}

/* Late loads take what the others leave. */
static void place_late(slots *s) {
    const dms_cycle *cycle = s->cycle;
    const dms_draft *draft = s->draft;
    const uint32_t n_others = draft->n_loads;
    bool has_room = false;
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const uint32_t id = cycle->by_due[i];
        if (!is_late(draft, id))
            continue;
        if (!has_room)
            dms_room_take(s->work);
        for (uint32_t q = 0; q < n_others && !has_room; q++) {
            const dms_gap *gap = cycle->gap + draft->load[q];
            const int32_t turn = draft->after[q] < 0 ? cycle->n_steps : 0;
            dms_room_add(&s->work->room, draft->after[q] + turn, gap->due + turn, -gap->units);
        }
        has_room = true;
        take_room(s, id, earliest_after(s, cycle->gap + id) + 1);
    }
}

/* Stable counting sort of the queue by `after`: a load that may only begin late must not hold up
 * one that is due after it. In order of deadline alone one instance ran 0.3 % longer. Keys -T..-1
 * come first, then 0..T-1, with the counters of one pass; each load and its `after` travel as one
 * 64-bit word, so that one array is enough to permute both. */
static void sort_queue(slots *s) {
    const int32_t n = s->cycle->n_steps;
    dms_draft *draft = s->draft;
    uint32_t *count = s->work->open_first; /* n + 2 places are too few for 2 n keys: two passes */
    uint32_t *order = s->work->order;
    uint32_t out = 0;
    for (int32_t half = -1; half < 1; half++) {
        for (int32_t t = 0; t <= n; t++)
            count[t] = 0;
        for (uint32_t q = 0; q < draft->n_loads; q++)
            if ((draft->after[q] < 0) == (half < 0))
                count[(draft->after[q] < 0 ? draft->after[q] + n : draft->after[q]) + 1]++;
        for (int32_t t = 0; t < n; t++)
            count[t + 1] += count[t];
        for (uint32_t q = 0; q < draft->n_loads; q++)
            if ((draft->after[q] < 0) == (half < 0))
                order[out + count[draft->after[q] < 0 ? draft->after[q] + n : draft->after[q]]++] =
                    q;
        out += count[n];
    }
    int64_t *copy = s->work->load_done; /* free until the simulation */
    for (uint32_t q = 0; q < draft->n_loads; q++)
        copy[q] = (int64_t)draft->load[order[q]] << 32 | (uint32_t)draft->after[order[q]];
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        draft->load[q] = (uint32_t)((uint64_t)copy[q] >> 32);
        draft->after[q] = (int32_t)(uint32_t)copy[q];
    }
}

/* In order of deadline from behind the largest footprint on, where the stock is smallest; then what
 * is late, in the same order. */
void dms_slots_later(const dms_cycle *cycle, dms_work *work, const int32_t *start,
                     dms_draft *draft) {
    slots s = {cycle, work, draft, DMS_SLOT_EARLY};
    const uint32_t from = cycle->due_first[cycle->peak_step + 1];
    dms_room_take(work);
    draft->n_loads = 0;
    for (uint32_t k = 0; k < 2 * cycle->n_gaps; k++) {
        const uint32_t id = cycle->by_due[(from + k) % cycle->n_gaps];
        if (draft->keep[id] || is_late(draft, id) != (k >= cycle->n_gaps))
            continue;
        const int32_t first = earliest_after(&s, cycle->gap + id) + 1;
        take_room(&s, id, first > start[id] ? first : start[id]);
    }
    sort_queue(&s);
}

bool dms_slots(const dms_cycle *cycle, dms_work *work, int64_t budget, dms_slot_mode mode,
               dms_draft *draft) {
    slots s = {cycle, work, draft, mode};
    draft->period_ns = DMS_NO_PERIOD;
    place_saves(&s);
    if (!fill_free(&s, budget) && !hurry_saves(&s))
        return false;
    fill_caps(&s);
    place_loads(&s);
    place_late(&s);
    sort_queue(&s);
    return dms_homes_choose(cycle, work, draft);
}
