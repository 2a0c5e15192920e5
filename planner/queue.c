/* queue.c - a better order of the load queue, and later starts, from simulated times. */
#include <stdlib.h>
#include <string.h>

#include "planner/addresses.h"

/* The time at which slot `after + 1` opens in the last simulated cycle; a slot below 0 is one of
 * the cycle before, a period sooner. */
static int64_t opens_at(const dms_cycle *cycle, const dms_work *work, const dms_draft *draft,
                        int32_t after) {
    const int32_t n = cycle->n_steps, slot = after + 1;
    return slot < 0 ? work->open[n + n + slot] - draft->period_ns : work->open[n + slot];
}

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

static int by_opening(const void *left, const void *right, void *context) {
    const int64_t *opens = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    if (opens[i] != opens[j])
        return opens[i] < opens[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* When the link should wait for an input instead of beginning `place`: where the steps cover the
 * copies, nothing but the inputs sets the period, and a copy that is on the link when they are
 * given delays them all. Not where the link has no time to spare; INT64_MIN = no.
 *
 *   slot 0              |
 *   link    [     ][  place  ][input]      the first step waits for place and the input
 *   link    [     ]......[input][  place  ]
 */
static int64_t wait_for_input(const heap *h, const uint32_t *order, const int64_t *opens,
                              uint32_t next, int64_t link_free) {
    const uint32_t place = h->at[0];
    const int64_t ends = link_free + h->cycle->gap[h->draft->load[place]].ns;
    const int64_t spare = h->cycle->release_ns - h->draft->link_ns;
    for (; next < h->draft->n_loads && opens[order[next]] < ends; next++)
        if (h->cycle->gap[h->draft->load[order[next]]].rule == DMS_GAP_LOADED &&
            is_sooner(h, order[next], place) && opens[order[next]] - link_free <= spare)
            return opens[order[next]];
    return INT64_MIN;
}

/* List scheduling on one link: whenever it is free, of the loads whose slot is open the one with
 * the earliest deadline goes; where none is open, the link waits for the next slot.
 *
 *   opens     q0       q1 q2             q3
 *   due       9        4  6              5
 *   link      [q0     ][q1  ][q2    ]....[q3 ]
 */
void dms_queue_by_deadline(const dms_cycle *cycle, dms_work *work, dms_draft *draft) {
    const uint32_t n = draft->n_loads;
    /* free between simulations: 2 n_gaps + 2 places, and n_gaps + n_tensors */
    int64_t *opens = work->load_done, *queue = work->load_done + n;
    uint32_t *order = work->order;
    heap h = {cycle, draft, (uint32_t *)work->load_start, 0};
    int64_t link_free = INT64_MIN;
    for (uint32_t q = 0; q < n; q++) {
        opens[q] = opens_at(cycle, work, draft, draft->after[q]);
        order[q] = q;
    }
    qsort_r(order, n, sizeof *order, by_opening, opens);
    for (uint32_t next = 0, out = 0; out < n; out++) {
        if (h.n == 0 && link_free < opens[order[next]])
            link_free = opens[order[next]];
        while (next < n && opens[order[next]] <= link_free)
            push(&h, order[next++]);
        const int64_t given = wait_for_input(&h, order, opens, next, link_free);
        if (given > link_free)
            link_free = given;
        while (next < n && opens[order[next]] <= link_free)
            push(&h, order[next++]);
        const uint32_t place = pop(&h);
        queue[out] = (int64_t)draft->load[place] << 32 | (uint32_t)draft->after[place];
        link_free += cycle->gap[draft->load[place]].ns;
    }
    for (uint32_t q = 0; q < n; q++) {
        draft->load[q] = (uint32_t)((uint64_t)queue[q] >> 32);
        draft->after[q] = (int32_t)(uint32_t)queue[q];
    }
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
