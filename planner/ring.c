/* ring.c - where in the ring does each reading land, and whose copy must have left that place?
 *
 * Every turn has the same places. A large ring is filled in laps from the bottom to the top, each
 * begun at the bottom; they are about equally long, so that none is left with little of the ring:
 *
 *   top   |   2 |   5 |  (5)|  1      laps of one turn; a place is free again when what lay there
 *         |  1  |  4  |  6  |         last has been copied on: 5 waits for 2 or, where it begins
 *   0     | 0   | 3   |     | 0       further down, for 1 and 2; in the next turn 0 waits for 6
 *
 * In one of less than three places of the mean size laps would be too short: a large block behind
 * two small ones would wait for its neighbour. There readings take turns at the two ends:
 *
 *   top   |   1 |     |   3 |         any two neighbours that fit beside each other do, wherever
 *         |     |     |     |         the ring was cut before: 2 waits for 0 and 3 for 1
 *   0     | 0   | 2   |     |
 */
#include "planner/place_internal.h"

#define SMALL_RING 3 /* below so many places of the mean size, readings alternate */

/* The readings of a queue, in its order; a lap is a run of them. */
typedef struct ring {
    const dms_cycle *cycle;
    dms_work *work;
    const dms_draft *draft;
    uint32_t n;
    int64_t rest;                  /* units of the items from here on */
    dms_ring_segment *seen, *next; /* what lay where last, from the bottom up; and with one more */
    uint32_t n_seen;
} ring;

static int64_t units_of(const ring *r, uint32_t item) {
    return r->cycle->place_units[r->cycle->gap[r->draft->load[r->work->ring_item[item]]].tensor];
}

static void list_items(ring *r) {
    r->n = 0;
    r->rest = 0;
    for (uint32_t q = 0; q < r->draft->n_loads; q++) {
        r->work->read_after[q] = DMS_NOT_READ;
        if (!r->draft->is_read[r->cycle->gap[r->draft->load[q]].tensor])
            continue;
        r->work->ring_item[r->n++] = q;
        r->rest += units_of(r, r->n - 1);
    }
}

/* Whose copy was the last to leave bottom..top-1. */
static int32_t last_there(const ring *r, int64_t bottom, int64_t top) {
    int32_t last = DMS_NOT_READ;
    for (uint32_t i = 0; i < r->n_seen; i++)
        if (r->seen[i].bottom < top && bottom < r->seen[i].top && r->seen[i].place > last)
            last = r->seen[i].place;
    return last;
}

/* Puts an item into bottom..top-1: it waits for the last of those that lie there, and covers them.
 *
 *   seen   |  a   |    b    |   c  |      d waits for b; a and c stay seen, and what is left of b
 *   with   |  a   | d |  b  |   c  |
 */
static void cover(ring *r, uint32_t item, int64_t bottom) {
    const uint32_t q = r->work->ring_item[item];
    const int64_t top = bottom + units_of(r, item);
    uint32_t n = 0, i = 0;
    r->work->ring_offset[q] = bottom;
    r->work->read_after[q] = last_there(r, bottom, top);
    for (; i < r->n_seen && r->seen[i].bottom < bottom; i++) {
        r->next[n] = r->seen[i];
        if (r->next[n].top > bottom)
            r->next[n].top = bottom;
        n++;
    }
    const uint32_t split = i > 0 && r->seen[i - 1].top > top ? i - 1 : i;
    r->next[n++] = (dms_ring_segment){bottom, top, (int32_t)q};
    for (i = split; i < r->n_seen; i++) {
        if (r->seen[i].top <= top)
            continue;
        r->next[n] = r->seen[i];
        if (r->next[n].bottom < top)
            r->next[n].bottom = top;
        n++;
    }
    dms_ring_segment *swap = r->seen;
    r->seen = r->next;
    r->next = swap;
    r->n_seen = n;
}

/* The bottom of an item at the top of the ring, on a page. */
static int64_t highest(const ring *r, uint32_t item) {
    return (r->draft->ring_units - units_of(r, item)) / DMS_PAGE_UNITS * DMS_PAGE_UNITS;
}

/* Items from `first` on, one behind the other; returns the end of their lap. */
static uint32_t place_lap(ring *r, uint32_t first) {
    const int64_t size = r->draft->ring_units;
    const int64_t laps = (r->rest + size - 1) / size, target = (r->rest + laps - 1) / laps;
    int64_t at = 0;
    uint32_t item = first;
    for (; item < r->n; item++) {
        const int64_t units = units_of(r, item);
        if (item > first && (at + units > size || 2 * at + units > 2 * target))
            break;
        cover(r, item, at);
        at += units;
    }
    r->rest -= at;
    return item;
}

/* Two turns: the first shows what the second finds in the ring. */
void dms_ring_place(const dms_cycle *cycle, dms_work *work, const dms_draft *draft) {
    ring r = {.cycle = cycle,
              .work = work,
              .draft = draft,
              .seen = work->ring_segment,
              .next = work->ring_segment + 2 * cycle->n_gaps};
    for (uint32_t turn = 0; turn < 2; turn++) {
        list_items(&r);
        if (draft->ring_units * r.n < SMALL_RING * r.rest && draft->ring_units < r.rest)
            for (uint32_t item = 0; item < r.n; item++)
                cover(&r, item, item % 2 == 0 ? 0 : highest(&r, item));
        else
            for (uint32_t first = 0; first < r.n;)
                first = place_lap(&r, first);
        for (uint32_t i = 0; i < r.n_seen; i++)
            r.seen[i].place -= (int32_t)draft->n_loads;
    }
}
