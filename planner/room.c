/* room.c - free units per slot, with range add and range minimum, in blocks of about sqrt(T) slots:
 * a block holds the minimum of its slots and what was added to all of them. At 5,000 slots that is
 * three times faster than a tree, for ranges are either short or pass over whole blocks. */
#include "planner/place_internal.h"
#include "schema/integers.h"

#define FAR INT64_MAX

dms_room dms_room_of(int32_t n_slots) {
    dms_room room = {.n_slots = n_slots, .shift = 4};
    while ((int64_t)n_slots >> room.shift > (int64_t)1 << room.shift)
        room.shift++;
    room.n_blocks = (n_slots >> room.shift) + 1;
    return room;
}

/* Slots first..end-1 of one block; first == end: none. */
typedef struct part {
    int32_t block, first, end;
} part;

static int32_t block_end(const dms_room *room, int32_t block) {
    return (int32_t)dms_least((int64_t)(block + 1) << room->shift, room->n_slots);
}

static part part_of(const dms_room *room, int32_t block, int32_t first, int32_t end) {
    return (part){block, (int32_t)dms_most(first, (int64_t)block << room->shift),
                  (int32_t)dms_least(end, block_end(room, block))};
}

static bool is_whole(const dms_room *room, part p) {
    return p.first == p.block << room->shift && p.end == block_end(room, p.block);
}

static void sum_block(dms_room *room, int32_t block) {
    int64_t least = FAR;
    for (int32_t t = block << room->shift, end = block_end(room, block); t < end; t++)
        least = dms_least(least, room->free_units[t]);
    room->least[block] = least + room->added[block];
}

static void build(dms_room *room, const int64_t *free_units) {
    for (int32_t t = 0; t < room->n_slots; t++)
        room->free_units[t] = free_units[t];
    for (int32_t b = 0; b < room->n_blocks; b++) {
        room->added[b] = 0;
        sum_block(room, b);
    }
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

void dms_room_take(dms_work *work) {
    build(&work->room, work->free_units);
}

static int64_t least_in(const dms_room *room, int32_t first, int32_t end) {
    int64_t least = FAR;
    for (int32_t b = first >> room->shift; b << room->shift < end; b++) {
        const part p = part_of(room, b, first, end);
        if (is_whole(room, p)) {
            least = dms_least(least, room->least[b]);
            continue;
        }
        for (int32_t t = p.first; t < p.end; t++)
            least = dms_least(least, room->free_units[t] + room->added[b]);
    }
    return least;
}

static void add_to(dms_room *room, int32_t first, int32_t end, int64_t units) {
    for (int32_t b = first >> room->shift; b << room->shift < end; b++) {
        const part p = part_of(room, b, first, end);
        if (is_whole(room, p)) {
            room->added[b] += units;
            room->least[b] += units;
            continue;
        }
        for (int32_t t = p.first; t < p.end; t++)
            room->free_units[t] += units;
        sum_block(room, b);
    }
}

int64_t dms_room_least(const dms_room *room, int32_t a, int32_t b) {
    const int32_t count = b - a - 1, first = (a + 1) % room->n_slots;
    if (count <= 0)
        return FAR;
    if (count >= room->n_slots)
        return dms_room_minimum(room);
    if (first + count <= room->n_slots)
        return least_in(room, first, first + count);
    return dms_least(least_in(room, first, room->n_slots),
                     least_in(room, 0, first + count - room->n_slots));
}

void dms_room_add(dms_room *room, int32_t a, int32_t b, int64_t units) {
    const int32_t count = b - a - 1, first = (a + 1) % room->n_slots;
    if (count <= 0)
        return;
    if (first + count <= room->n_slots) {
        add_to(room, first, first + count, units);
    } else {
        add_to(room, first, room->n_slots, units);
        add_to(room, 0, first + count - room->n_slots, units);
    }
}

/* The last slot of first..end-1 with less than `units`; -1 = none. */
static int32_t last_below(const dms_room *room, int32_t first, int32_t end, int64_t units) {
    if (first >= end)
        return -1;
    for (int32_t b = (end - 1) >> room->shift; b >= first >> room->shift; b--) {
        const part p = part_of(room, b, first, end);
        if (room->least[b] >= units)
            continue;
        for (int32_t t = p.end - 1; t >= p.first; t--)
            if (room->free_units[t] + room->added[b] < units)
                return t;
    }
    return -1;
}

int32_t dms_room_earliest(const dms_room *room, int32_t first, int32_t due, int64_t units) {
    if (due > 0) {
        const int32_t from = first > 0 ? first : 0;
        const int32_t last = last_below(room, from, due, units);
        if (last >= 0 || first >= 0)
            return last >= 0 ? last + 1 : from;
    }
    const int32_t n = room->n_slots;
    const int32_t last = last_below(room, n + first, n, units);
    return last >= 0 ? last + 1 - n : first;
}

int64_t dms_room_minimum(const dms_room *room) {
    int64_t least = FAR;
    for (int32_t b = 0; b < room->n_blocks; b++)
        least = dms_least(least, room->least[b]);
    return least;
}
