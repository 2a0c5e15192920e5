/* queue.c - a better order of the load queue, by the steps that it holds up, and later starts from
 * simulated times. */
#include <stdlib.h>
#include <string.h>

#include "planner/addresses.h"
#include "planner/simulate_internal.h"

#define N_TURNS 3 /* after so many the queue of a turn is that of the one before, mostly */

/* Queue places in a heap: the earliest deadline on top. */
typedef struct heap {
    const dms_cycle *cycle;
    const dms_draft *draft;
    uint32_t *at, n;
} heap;

static bool is_sooner(const heap *h, uint32_t a, uint32_t b) {
    const int32_t due_a = h->cycle->gap[h->draft->load[a]].due;
    const int32_t due_b = h->cycle->gap[h->draft->load[b]].due;
    return due_a < due_b || (due_a == due_b && a < b);
}

static void push(heap *h, uint32_t place) {
    uint32_t i = h->n++;
    for (; i > 0 && is_sooner(h, place, h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = place;
}

static uint32_t pop(heap *h) {
    const uint32_t first = h->at[0], last = h->at[--h->n];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && is_sooner(h, h->at[child + 1], h->at[child]))
            child++;
        if (!is_sooner(h, h->at[child], last))
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = last;
    return first;
}

/* The link, and the steps that its copies hold up. */
typedef struct ordering {
    const dms_cycle *cycle;
    dms_work *work;
    const dms_draft *draft;
    heap open;          /* places of the old queue whose slot is open */
    uint32_t *by_slot;  /* all of them, by slot */
    int64_t *queue;     /* out: load and `after` of each place of the new queue */
    uint32_t next, out; /* of by_slot and queue, in this turn */
    int64_t turn;
    int32_t step; /* its slot was the last to open */
    int64_t link_free, out_free;
    int64_t copies_ns; /* of all copies of a turn */
    bool is_known;     /* slots open as they did in the last simulation */
} ordering;

/* Old places by slot: a counting sort, slots of the turn before first. */
static void sort_by_slot(const ordering *o) {
    const int32_t n = o->cycle->n_steps;
    uint32_t *count = (uint32_t *)o->work->end; /* free between simulations */
    memset(count, 0, (2 * (size_t)n + 1) * sizeof *count);
    for (uint32_t q = 0; q < o->draft->n_loads; q++)
        count[o->draft->after[q] + 1 + n + 1]++;
    for (int32_t t = 0; t < 2 * n; t++)
        count[t + 1] += count[t];
    for (uint32_t q = 0; q < o->draft->n_loads; q++)
        o->by_slot[count[o->draft->after[q] + 1 + n]++] = q;
}

/* When the slot of an old place opens, for the copies of this turn: INT64_MAX, not yet. In the
 * first turn nobody held memory before. */
static int64_t opens_at(const ordering *o, uint32_t place) {
    const int32_t n = o->cycle->n_steps, slot = o->draft->after[place] + 1;
    const int64_t turn = o->turn - (slot < 0);
    if (slot > o->step)
        return INT64_MAX;
    if (o->is_known)
        return o->work->open[n + (slot < 0 ? slot + n : slot)] + turn * o->draft->period_ns;
    return turn < 0 ? 0 : o->work->open[(turn & 1) * n + (slot < 0 ? slot + n : slot)];
}

/* When the link should wait for an input instead of beginning `place`: where the steps cover the
 * copies, nothing but the inputs sets the period, and a copy that is on the link when they are
 * given delays them all. Not where the link has no time to spare; INT64_MIN = no.
 *
 *   slot 0              |
 *   link    [     ][  place  ][input]      the first step waits for place and the input
 *   link    [     ]......[input][  place  ]
 */
static int64_t wait_for_input(const ordering *o) {
    const dms_gap *gap = o->cycle->gap;
    const uint32_t place = o->open.at[0];
    const int64_t ends = o->link_free + gap[o->draft->load[place]].ns;
    const int64_t spare = o->cycle->release_ns - o->copies_ns;
    for (uint32_t i = o->next; i < o->draft->n_loads; i++) {
        const int64_t opens = opens_at(o, o->by_slot[i]);
        if (opens >= ends)
            break;
        if (gap[o->draft->load[o->by_slot[i]]].rule == DMS_GAP_LOADED &&
            is_sooner(&o->open, o->by_slot[i], place) && opens - o->link_free <= spare)
            return opens;
    }
    return INT64_MIN;
}

static void push_open(ordering *o) {
    while (o->next < o->draft->n_loads && opens_at(o, o->by_slot[o->next]) <= o->link_free)
        push(&o->open, o->by_slot[o->next++]);
}

/* The next copy; returns the step it is for. */
static int32_t copy_next(ordering *o) {
    push_open(o);
    if (o->open.n == 0) {
        o->link_free = opens_at(o, o->by_slot[o->next]);
        push_open(o);
    }
    const int64_t given = wait_for_input(o);
    if (given > o->link_free) {
        o->link_free = given;
        push_open(o);
    }
    const uint32_t place = pop(&o->open);
    const dms_gap *gap = o->cycle->gap + o->draft->load[place];
    o->queue[o->out++] = (int64_t)o->draft->load[place] << 32 | (uint32_t)o->draft->after[place];
    o->link_free += gap->ns;
    return gap->due;
}

/* When slot t opens: after the step before it, and the saves that it waits for. */
static int64_t open_slot(const ordering *o, int32_t t, int64_t time) {
    const dms_draft *draft = o->draft;
    for (uint32_t i = o->work->open_first[t]; i < o->work->open_first[t + 1]; i++) {
        const uint32_t q = o->work->open_save[i];
        const int64_t turn = o->turn - draft->before[draft->save[q]] / o->cycle->n_steps;
        const int64_t done = o->work->save_done[(uint64_t)(turn & 3) * draft->n_saves + q];
        if (turn >= 0 && done > time)
            time = done;
    }
    return time;
}

/* One turn: the link takes what it may until all that a step waits for is there; then the step
 * ends, and what it wrote may be saved. What opens behind that step opens too late for any of these
 * copies, so that looking no further than the step is looking far enough. */
static int64_t run_turn(ordering *o, int64_t time) {
    const dms_draft *draft = o->draft;
    uint32_t *waits = o->work->needs, n_saved = 0;
    o->next = o->out = 0;
    memset(waits, 0, (size_t)o->cycle->n_steps * sizeof *waits);
    for (uint32_t q = 0; q < draft->n_loads; q++)
        waits[o->cycle->gap[draft->load[q]].due]++;
    for (o->step = 0; o->step < o->cycle->n_steps; o->step++) {
        const int32_t t = o->step;
        if (!o->is_known)
            o->work->open[(o->turn & 1) * o->cycle->n_steps + t] = time = open_slot(o, t, time);
        for (; waits[t] > 0; time = time > o->link_free ? time : o->link_free)
            waits[copy_next(o)]--;
        time += o->cycle->problem->steps[t].ns;
        for (; n_saved < draft->n_saves && o->cycle->write_end[draft->save[n_saved]] == t;
             n_saved++) {
            const uint64_t at = (uint64_t)(o->turn & 3) * draft->n_saves + n_saved;
            o->out_free =
                (time > o->out_free ? time : o->out_free) + o->cycle->save_ns[draft->save[n_saved]];
            o->work->save_done[at] = o->out_free;
        }
    }
    return time;
}

/* List scheduling on one link: whenever it is free, of the loads whose slot is open the one with
 * the earliest deadline goes; where none is open, the link waits for the next slot.
 *
 *   opens     q0       q1 q2             q3
 *   due       9        4  6              5
 *   link      [q0     ][q1  ][q2    ]....[q3 ]
 *
 * Steps move with the copies that they wait for, so slots open as they will with the new queue, and
 * a turn begins with what the one before has left on the link. */
bool dms_queue_by_deadline(const dms_cycle *cycle, dms_work *work, dms_draft *draft) {
    const uint32_t n = draft->n_loads;
    /* free between simulations: 2 n_gaps + 2 places, and n_gaps + n_tensors */
    ordering o = {.cycle = cycle,
                  .work = work,
                  .draft = draft,
                  .open = {cycle, draft, (uint32_t *)work->load_start, 0},
                  .by_slot = work->order,
                  .queue = work->load_done,
                  .is_known = draft->n_read > 0 || cycle->is_contended};
    int64_t time = 0;
    if (o.is_known && !dms_simulate(cycle, work, 6, draft))
        return false;
    dms_simulate_index(cycle, work, draft);
    sort_by_slot(&o);
    for (uint32_t q = 0; q < n; q++)
        o.copies_ns += cycle->gap[draft->load[q]].ns;
    for (; o.turn < N_TURNS; o.turn++)
        time = run_turn(&o, time);
    for (uint32_t q = 0; q < n; q++) {
        draft->load[q] = (uint32_t)((uint64_t)o.queue[q] >> 32);
        draft->after[q] = (int32_t)(uint32_t)o.queue[q];
    }
    return dms_simulate(cycle, work, 6, draft);
}

/* The latest begin of each copy that delays nobody: before its step, and before the begin of the
 * next copy; twice around, for the queue is a cycle. Backward over the queue:
 * begin(q) = min(start of the step it is due at, begin(q + 1)) - copy time(q). */
static void latest_begins(const dms_cycle *cycle, const dms_work *work, const dms_draft *draft,
                          int64_t *out_begin) {
    int64_t next = INT64_MAX;
    for (uint32_t round = 0; round < 2 && draft->n_loads > 0; round++) {
        if (round == 1)
            next = out_begin[0] + draft->period_ns;
        for (uint32_t q = draft->n_loads; q-- > 0;) {
            const dms_gap *gap = cycle->gap + draft->load[q];
            const int64_t start =
                work->end[cycle->n_steps + gap->due] - cycle->problem->steps[gap->due].ns;
            if (start < next)
                next = start;
            out_begin[q] = next -= gap->ns;
        }
    }
}

/* Memory held before the link gets to the block gains nothing and blocks others: the start wanted
 * is the last slot that is open when the copy begins (lead 1), or half or 7/8 of the way from there
 * to its latest begin (2, 3). Where compute is the limit the stock fills the arena: 1.026 at lead
 * 0, 1.0000 at lead 2 (13b prefill 8192 at 50 %, PLACEMENT.md section 9). */
void dms_queue_leads(const dms_cycle *cycle, dms_work *work, const dms_draft *draft, uint32_t lead,
                     int32_t *out_start) {
    const int64_t eighths[] = {0, 0, 4, 7};
    int64_t *latest = work->load_done; /* free between simulations */
    latest_begins(cycle, work, draft, latest);
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        const int64_t begin = work->load_start[q];
        const int64_t slack = latest[q] > begin ? latest[q] - begin : 0;
        const int64_t at = begin + slack * eighths[lead] / 8;
        int32_t low = draft->after[q] + 1, high = cycle->gap[draft->load[q]].due;
        while (low < high) {
            const int32_t middle = low + (high - low + 1) / 2;
            if (work->open[cycle->n_steps + middle] <= at)
                low = middle;
            else
                high = middle - 1;
        }
        out_start[draft->load[q]] = low;
    }
}
