/* room.c - free units per slot, with range add and range minimum in O(log T): a segment tree whose
 * node holds the minimum below it and what was added to all of it. */
#include "planner/place_internal.h"
#include "schema/integers.h"

#define FAR INT64_MAX

/* Leaves from n_leaves on, a power of two. Those behind the last slot are far from any minimum, and
 * far enough from the largest number that adding to them cannot overflow. */
static void build(dms_room *room, const int64_t *free_units) {
    for (int32_t i = 0; i < room->n_leaves; i++) {
        room->least[room->n_leaves + i] = i < room->n_slots ? free_units[i] : FAR / 2;
        room->lazy[i] = room->lazy[room->n_leaves + i] = 0;
    }
    for (int32_t i = room->n_leaves - 1; i >= 1; i--)
        room->least[i] = dms_least(room->least[2 * i], room->least[2 * i + 1]);
}

/* free(t) = budget - footprint(t) - kept gaps over t. Pending saves are not in it: rounding comes
 * before their slots are known, and dms_slots looks again. */
void dms_room_fill(const dms_cycle *cycle, dms_work *work, int64_t budget, const uint8_t *keep) {
    int64_t held = 0;
    for (int32_t t = 0; t <= cycle->n_steps; t++)
        work->diff[t] = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        if (keep[g])
            dms_diff_add(work->diff, cycle->n_steps, cycle->gap[g].a + 1, cycle->gap[g].b - 1,
                         cycle->gap[g].units);
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        held += work->diff[t];
        work->free_units[t] = budget - cycle->footprint[t] - held;
    }
    build(&work->room, work->free_units);
}

/* A node of the tree and the slots below it. */
typedef struct span {
    int32_t node, first, end;
} span;

/* Sums are never pushed down: a node's `least` holds what was added to all of it, and what was
 * added above is put on while coming back up. So reading writes nothing. */
static int64_t least_in(const dms_room *room, span s, int32_t first, int32_t end) {
    if (first >= s.end || end <= s.first)
        return FAR;
    if (first <= s.first && s.end <= end)
        return room->least[s.node];
    const int32_t middle = (s.first + s.end) / 2;
    const int64_t low = least_in(room, (span){2 * s.node, s.first, middle}, first, end);
    const int64_t high = least_in(room, (span){2 * s.node + 1, middle, s.end}, first, end);
    return dms_least(low, high) + (dms_least(low, high) == FAR ? 0 : room->lazy[s.node]);
}

static void add_to(dms_room *room, span s, int32_t first, int32_t end, int64_t units) {
    if (first >= s.end || end <= s.first)
        return;
    if (first <= s.first && s.end <= end) {
        room->least[s.node] += units;
        room->lazy[s.node] += units;
        return;
    }
    const int32_t middle = (s.first + s.end) / 2;
    add_to(room, (span){2 * s.node, s.first, middle}, first, end, units);
    add_to(room, (span){2 * s.node + 1, middle, s.end}, first, end, units);
    room->least[s.node] =
        dms_least(room->least[2 * s.node], room->least[2 * s.node + 1]) + room->lazy[s.node];
}

int64_t dms_room_least(const dms_room *room, int32_t a, int32_t b) {
    const span all = {1, 0, room->n_leaves};
    const int32_t count = b - a - 1, first = (a + 1) % room->n_slots;
    if (count <= 0)
        return FAR;
    if (count >= room->n_slots)
        return room->least[1];
    if (first + count <= room->n_slots)
        return least_in(room, all, first, first + count);
    return dms_least(least_in(room, all, first, room->n_slots),
                     least_in(room, all, 0, first + count - room->n_slots));
}

void dms_room_add(dms_room *room, int32_t a, int32_t b, int64_t units) {
    const span all = {1, 0, room->n_leaves};
    const int32_t count = b - a - 1, first = (a + 1) % room->n_slots;
    if (count <= 0)
        return;
    if (first + count <= room->n_slots) {
        add_to(room, all, first, first + count, units);
    } else {
        add_to(room, all, first, room->n_slots, units);
        add_to(room, all, 0, first + count - room->n_slots, units);
    }
}

void dms_room_take(dms_work *work) {
    build(&work->room, work->free_units);
}

/* The last slot of first..end-1 with less than `units`; -1 = none. `above`: what was added to the
 * nodes above this one. */
static int32_t last_below(const dms_room *room, span s, int32_t first, int32_t end, int64_t units,
                          int64_t above) {
    if (first >= s.end || end <= s.first || room->least[s.node] + above >= units)
        return -1;
    if (s.end - s.first == 1)
        return s.first;
    const int32_t middle = (s.first + s.end) / 2;
    above += room->lazy[s.node];
    const int32_t high =
        last_below(room, (span){2 * s.node + 1, middle, s.end}, first, end, units, above);
    return high >= 0
               ? high
               : last_below(room, (span){2 * s.node, s.first, middle}, first, end, units, above);
}

int32_t dms_room_earliest(const dms_room *room, int32_t first, int32_t due, int64_t units) {
    const span all = {1, 0, room->n_leaves};
    if (due > 0) {
        const int32_t from = first > 0 ? first : 0;
        const int32_t last = last_below(room, all, from, due, units, 0);
        if (last >= 0 || first >= 0)
            return last >= 0 ? last + 1 : from;
    }
    const int32_t n = room->n_slots;
    const int32_t last = last_below(room, all, n + first, n, units, 0);
    return last >= 0 ? last + 1 - n : first;
}

int64_t dms_room_minimum(const dms_room *room) {
    return room->least[1];
}
