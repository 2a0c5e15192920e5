/* repair.c - a load that finds no hole asks a few others to move, at unchanged times. */
#include <math.h>
#include <string.h>

#include "planner/addresses_internal.h"

/* What repair gains where loads take memory when their copy begins: the period over that without
 * addresses fell from 1.038 to 1.004 (7b prefill at 12.5 %), and from 1.065 to 1.039 (1,000 random
 * steps at 6.25 %; PLACEMENT.md section 9). The two limits are those of that measurement. */
#define MAX_BLOCKERS 4u
#define MAX_WINDOWS 6u

/* An offset for the piece, and how much stands in the way. */
typedef struct window {
    int64_t offset;
    double weight; /* sum of size x life of the blockers */
} window;

/* The pieces around the asking one. */
typedef struct neighbourhood {
    dms_addresses *a;
    const dms_piece *asks;
    uint32_t n_around;
    double *weight;   /* per place: size x life */
    int64_t *highest; /* per place: highest end up to it, so rising */
    window window[MAX_WINDOWS];
    uint32_t n_windows;
} neighbourhood;

/* Whether an obstacle overlaps units from `offset` on. Slots need no look: `around` holds only what
 * shares a slot with the asking piece. */
static bool blocks(const dms_obstacle *o, int64_t offset, int64_t units) {
    return o->low < offset + units && offset < o->high;
}

/* The first place from which on something may end above `offset`. Lows are sorted, highs are not:
 * the running maximum of the highs is, and bisection needs no more. */
static uint32_t first_above(const neighbourhood *near, int64_t offset) {
    uint32_t low = 0, high = near->n_around;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (near->highest[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Weighs an offset; false when nothing or too much stands there, or more than in the windows
 * already found. */
static bool weigh(const neighbourhood *near, int64_t offset, double *out_weight) {
    const double limit =
        near->n_windows == MAX_WINDOWS ? near->window[MAX_WINDOWS - 1].weight : INFINITY;
    uint32_t n = 0;
    *out_weight = 0;
    for (uint32_t i = first_above(near, offset); i < near->n_around; i++) {
        const dms_obstacle *o = near->a->around + i;
        if (o->low >= offset + near->asks->units)
            break; /* sorted by low */
        if (!blocks(o, offset, near->asks->units))
            continue;
        *out_weight += near->weight[i];
        if (++n > MAX_BLOCKERS || *out_weight >= limit)
            return false;
    }
    return n > 0;
}

/* Keeps the windows with the least weight, lightest first; of equal ones that which came first,
 * so the order of the questions decides and nothing else does. */
static void consider(neighbourhood *near, int64_t offset) {
    const dms_holes *holes = &near->a->holes;
    double weight;
    if (offset < holes->base || offset > holes->top - near->asks->units ||
        !weigh(near, offset, &weight))
        return;
    for (uint32_t i = 0; i < near->n_windows; i++)
        if (near->window[i].offset == offset)
            return;
    uint32_t at = near->n_windows == MAX_WINDOWS ? MAX_WINDOWS - 1 : near->n_windows++;
    for (; at > 0 && near->window[at - 1].weight > weight; at--)
        near->window[at] = near->window[at - 1];
    near->window[at] = (window){offset, weight};
}

/* Only these offsets can be best: sliding a piece until it touches an obstacle or an end of the
 * arena adds no blocker.
 *
 *   base      high of A              low of B - units      top - units
 *   |[ asks ]  |[ asks ]                 [ asks ]|           [ asks ]|
 *   |   AAAAAAA                                   BBBBBBB            |
 */
static void find_windows(neighbourhood *near) {
    const dms_holes *holes = &near->a->holes;
    for (uint32_t i = 0; i < near->n_around; i++) {
        const int64_t high = near->a->around[i].high;
        const dms_piece *p = near->a->piece + near->a->around[i].piece;
        near->weight[i] = (double)p->units * (p->end - p->start + 1);
        near->highest[i] = i > 0 && near->highest[i - 1] > high ? near->highest[i - 1] : high;
    }
    consider(near, holes->base);
    consider(near, holes->top - near->asks->units);
    for (uint32_t i = 0; i < near->n_around; i++)
        consider(near, near->a->around[i].high);
    for (uint32_t i = 0; i < near->n_around; i++)
        consider(near, near->a->around[i].low - near->asks->units);
}

/* The blockers of a window, largest first. */
static uint32_t list_blockers(const neighbourhood *near, int64_t offset, uint32_t *out_id) {
    const dms_piece *piece = near->a->piece;
    uint32_t n = 0;
    for (uint32_t i = 0; i < near->n_around; i++)
        if (blocks(near->a->around + i, offset, near->asks->units))
            out_id[n++] = near->a->around[i].piece;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && piece[out_id[j]].units > piece[out_id[j - 1]].units; j--) {
            const uint32_t id = out_id[j];
            out_id[j] = out_id[j - 1];
            out_id[j - 1] = id;
        }
    return n;
}

/* Puts `id` at `offset`, its blockers wherever they fit; undoes everything if one does not. The
 * blockers keep their slots: no load begins at another time than before, so nothing that was
 * decided about the queue changes. Largest first, for the small ones find holes between. */
static bool try_window(neighbourhood *near, uint32_t id, int64_t offset, dms_fit_hole how) {
    dms_addresses *a = near->a;
    uint32_t blocker[MAX_BLOCKERS], moved = 0;
    int64_t old[MAX_BLOCKERS];
    const uint32_t n = list_blockers(near, offset, blocker);
    for (uint32_t i = 0; i < n; i++) {
        old[i] = a->piece[blocker[i]].offset;
        dms_holes_take(&a->holes, blocker[i]);
    }
    a->piece[id].offset = offset;
    dms_holes_put(&a->holes, id);
    for (; moved < n; moved++) {
        dms_piece *p = a->piece + blocker[moved];
        dms_holes_ask(&a->holes, p->start, p->start, p->end);
        const int64_t hole = dms_holes_find(&a->holes, p->start, p->units, how);
        if (hole < 0)
            break;
        p->offset = hole;
        dms_holes_put(&a->holes, blocker[moved]);
    }
    if (moved == n)
        return true;
    while (moved-- > 0)
        dms_holes_take(&a->holes, blocker[moved]);
    dms_holes_take(&a->holes, id);
    for (uint32_t i = 0; i < n; i++) {
        a->piece[blocker[i]].offset = old[i];
        dms_holes_put(&a->holes, blocker[i]);
    }
    return false;
}

bool dms_addresses_repair(dms_addresses *addresses, uint32_t id, int32_t start, dms_fit_hole how) {
    dms_piece *p = addresses->piece + id;
    neighbourhood near = {
        .a = addresses, .asks = p, .weight = addresses->weight, .highest = addresses->highest};
    if (p->end - start >= addresses->cycle->n_steps)
        return false;
    dms_holes_ask(&addresses->holes, start, p->need, p->end);
    near.n_around = addresses->holes.n_obstacles;
    addresses->holes.effort += 2 * (uint64_t)near.n_around;
    memcpy(addresses->around, addresses->holes.obstacle, near.n_around * sizeof *addresses->around);
    find_windows(&near);
    p->start = start;
    for (uint32_t i = 0; i < near.n_windows; i++)
        if (try_window(&near, id, near.window[i].offset, how))
            return true;
    return false;
}
