/* ring.c - where in the ring does each reading land, and whose copy must have left that place?
 *
 * Readings take places one behind the other, in laps from the bottom of the ring to its top. Every
 * turn has the same places, so its first lap begins at the bottom as well:
 *
 *   top   |   2 |   5 |  (5)|  1      laps of one turn; a place is free again when what lay there
 *         |  1  |  4  |  6  |         last has been copied on: 5 waits for 2 or, where it begins
 *   0     | 0   | 3   |     | 0       further down, for 1 and 2; in the next turn 0 waits for 6
 *
 * Laps are about equally long, so that none is left with little of the ring.
 */
#include "planner/place_internal.h"

/* The readings of a queue, in its order; a lap is a run of them. */
typedef struct ring {
    const dms_cycle *cycle;
    dms_work *work;
    const dms_draft *draft;
    uint32_t n;
    int64_t rest;                  /* units of the items from here on */
    dms_ring_segment *seen, *next; /* what lay where last, from the bottom up; and the lap after */
    uint32_t n_seen;
} ring;

static int64_t units_of(const ring *r, uint32_t item) {
    return r->cycle->place_units[r->cycle->gap[r->draft->load[r->work->ring_item[item]]].tensor];
}

static void list_items(ring *r) {
    for (uint32_t q = 0; q < r->draft->n_loads; q++) {
        r->work->read_after[q] = DMS_NOT_READ;
        if (!r->draft->is_read[r->cycle->gap[r->draft->load[q]].tensor])
            continue;
        r->work->ring_item[r->n++] = q;
        r->rest += units_of(r, r->n - 1);
    }
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
        r->work->ring_offset[r->work->ring_item[item]] = at;
        at += units;
    }
    r->rest -= at;
    return item;
}

/* Items first..end-1 wait for the last of those that lie where they land, and cover them.
 *
 *   seen   |  a   |    b    |   c  |      d waits for a, e for b; c stays seen, and what is left
 *   lap    |    d     |  e  |             of b
 */
static void cover_lap(ring *r, uint32_t first, uint32_t end) {
    uint32_t below = 0, n = 0; /* segments that end below the item */
    for (uint32_t item = first; item < end; item++) {
        const uint32_t q = r->work->ring_item[item];
        const int64_t bottom = r->work->ring_offset[q], top = bottom + units_of(r, item);
        int32_t last = DMS_NOT_READ;
        while (below < r->n_seen && r->seen[below].end <= bottom)
            below++;
        for (uint32_t i = below; i < r->n_seen && (i == 0 || r->seen[i - 1].end < top); i++)
            if (r->seen[i].place > last)
                last = r->seen[i].place;
        r->work->read_after[q] = last;
        r->next[n++] = (dms_ring_segment){top, (int32_t)q};
    }
    for (; below < r->n_seen; below++)
        if (r->seen[below].end > r->next[n - 1].end)
            r->next[n++] = r->seen[below];
    dms_ring_segment *swap = r->seen;
    r->seen = r->next;
    r->next = swap;
    r->n_seen = n;
}

/* Two turns: the first shows what the second finds in the ring. */
void dms_ring_place(const dms_cycle *cycle, dms_work *work, const dms_draft *draft) {
    ring r = {.cycle = cycle,
              .work = work,
              .draft = draft,
              .seen = work->ring_segment,
              .next = work->ring_segment + cycle->n_gaps};
    for (uint32_t turn = 0; turn < 2; turn++) {
        r.n = 0;
        r.rest = 0;
        list_items(&r);
        for (uint32_t first = 0, end; first < r.n; first = end) {
            end = place_lap(&r, first);
            cover_lap(&r, first, end);
        }
        for (uint32_t i = 0; i < r.n_seen; i++)
            r.seen[i].place -= (int32_t)draft->n_loads;
    }
}
