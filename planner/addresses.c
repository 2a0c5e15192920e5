/* addresses.c - the pass: first fit of what cannot move, then every load as early as it finds
 * room. Slots that a load cannot give up are packed before any start moves forward, so there are
 * no dead ends: its old place at its need always works. */
#include "planner/addresses.h"

#include <stdlib.h>

#include "planner/addresses_internal.h"

/* The pseudo-random factor 0.4 to 1.6 of a (size, life) class: whole-number hashing, so it is the
 * same on every machine, and equal layers are shuffled alike. */
static double jitter_of(const dms_piece *p, uint32_t jitter) {
    uint32_t h = jitter * 2654435761u ^ (uint32_t)p->units * 40503u ^
                 (uint32_t)(p->end - p->need) * 2246822519u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    h ^= h >> 16;
    return 0.4 + 1.2 * (h / 4294967296.0);
}

/* What is packed first has the largest key. Long lives at the bottom leave usable holes, largest
 * first does not: on 1,000 random steps the order with the lowest top gave 1.335 of the period
 * without addresses, life, start or area 1.090 (PLACEMENT.md section 9). */
static double key_of(const dms_piece *p, dms_fit_order order, uint32_t jitter) {
    const double life = p->end - p->need + 1, units = (double)p->units;
    double key = 0;
    switch (order) {
    case DMS_FIT_SIZE:
        key = units;
        break;
    case DMS_FIT_AREA:
        key = units * life;
        break;
    case DMS_FIT_LIFE:
        key = life;
        break;
    case DMS_FIT_START:
        key = 1e8 - p->need;
        break;
    case DMS_FIT_LIFE_SQUARED:
        key = units * life * life;
        break;
    case DMS_N_FIT_ORDERS:
        break;
    }
    return jitter ? key * jitter_of(p, jitter) : key;
}

/* Largest key first; ties by size, need, id. */
static int by_key(const void *left, const void *right, void *context) {
    const dms_addresses *a = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    const dms_piece *p = a->piece + i, *q = a->piece + j;
    if (a->key[i] != a->key[j])
        return a->key[i] > a->key[j] ? -1 : 1;
    if (p->units != q->units)
        return p->units > q->units ? -1 : 1;
    if (p->need != q->need)
        return p->need < q->need ? -1 : 1;
    return (i > j) - (i < j);
}

/* First fit. Every piece takes its need only; a residency of T slots and more is cut to T, for a
 * longer one would meet itself. */
int64_t dms_addresses_pack(dms_addresses *a, dms_fit_order order, uint32_t jitter,
                           int64_t too_much) {
    int64_t top = a->kept_units;
    dms_holes_clear(&a->holes);
    a->holes.base = a->kept_units;
    a->holes.top = INT64_MAX;
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        dms_piece *p = a->piece + i;
        p->start = p->need;
        if (p->end - p->need >= a->cycle->n_steps)
            p->end = p->need + a->cycle->n_steps - 1;
        a->order[i] = i;
        a->key[i] = key_of(p, order, jitter);
    }
    qsort_r(a->order, a->n_pieces, sizeof *a->order, by_key, a);
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        dms_piece *p = a->piece + a->order[i];
        dms_holes_ask(&a->holes, p->need, p->need, p->end);
        p->offset = dms_holes_find(&a->holes, p->need, p->units, DMS_FIT_LOWEST);
        if (p->offset + p->units > top)
            top = p->offset + p->units;
        if (top > too_much)
            return INT64_MAX;
        dms_holes_put(&a->holes, a->order[i]);
    }
    return top;
}

/* A hash of all that the packing of needed slots depends on, kept weights apart; `way` says how it
 * is packed. */
static uint64_t packing_key(const dms_addresses *a, uint64_t way) {
    uint64_t h = 1469598103934665603u ^ way ^ (uint64_t)a->n_pieces << 40;
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        const dms_piece *p = a->piece + i;
        h = (h ^ (uint32_t)p->need) * 1099511628211u;
        h = (h ^ (uint32_t)p->end) * 1099511628211u;
        h = (h ^ (uint64_t)p->units) * 1099511628211u;
    }
    return h ? h : 1;
}

bool dms_addresses_recall(dms_addresses *a, uint64_t way, dms_packed **out_packed) {
    const uint64_t key = packing_key(a, way);
    for (uint32_t i = 0; i < DMS_N_PACKED; i++)
        if (a->packed[i].key == key) {
            *out_packed = a->packed + i;
            return true;
        }
    *out_packed = a->packed + a->next_packed;
    a->next_packed = (a->next_packed + 1) % DMS_N_PACKED;
    (*out_packed)->key = key;
    return false;
}

/* The packing of what cannot move; passes that differ elsewhere use it again. Offsets are kept
 * above the kept weights, so that keep sets which differ in those alone share it. */
static const dms_packed *find_packed(dms_addresses *a, const dms_fit *fit) {
    dms_packed *packed;
    if (dms_addresses_recall(a, (uint64_t)fit->order ^ (uint64_t)fit->jitter << 8, &packed))
        return packed;
    packed->units = dms_addresses_pack(a, fit->order, fit->jitter, INT64_MAX - 1) - a->kept_units;
    for (uint32_t i = 0; i < a->n_pieces; i++)
        packed->offset[i] = a->piece[i].offset - a->kept_units;
    return packed;
}

/* What cannot move, within the budget: by one order, at pitches; where that ends too high, by any
 * order that is known, at the pieces' own sizes. NULL where none fits. */
static const dms_packed *find_fitting(dms_addresses *a, int64_t budget, const dms_fit *fit,
                                      const dms_draft *draft) {
    dms_fit plain = *fit;
    plain.pitch = false;
    if (dms_addresses_list(a, draft, fit) > budget)
        return NULL;
    const dms_packed *packed = find_packed(a, fit);
    if (a->kept_units + packed->units <= budget)
        return packed;
    if (fit->pitch)
        (void)dms_addresses_list(a, draft, &plain);
    packed = dms_addresses_squeeze(a, budget - a->kept_units);
    return packed != NULL && packed->units <= budget - a->kept_units ? packed : NULL;
}

/* Puts in everything at its need. Returns false where that alone is over the budget; else there is
 * a layout from here on, and the rest of the pass only moves starts forward. */
static bool pack_needed(dms_addresses *a, int64_t budget, const dms_fit *fit,
                        const dms_draft *draft) {
    const dms_packed *packed = find_fitting(a, budget, fit, draft);
    if (packed == NULL)
        return false;
    a->holes.base = a->kept_units;
    a->holes.top = budget;
    dms_holes_clear(&a->holes);
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        dms_piece *p = a->piece + i;
        p->start = p->need;
        p->offset = a->kept_units + packed->offset[i];
        if (p->end - p->need >= a->cycle->n_steps)
            p->end = p->need + a->cycle->n_steps - 1;
        dms_holes_put(&a->holes, i);
    }
    return true;
}

/* The slot with the smallest stock of the draft's loads: cut there, few loads pass the seam. */
static int32_t smallest_stock(const dms_addresses *a, const dms_draft *draft) {
    const int32_t n = a->cycle->n_steps;
    int64_t *diff = a->work->diff, stock = 0, least = INT64_MAX;
    int32_t slot = 0;
    for (int32_t t = 0; t <= n; t++)
        diff[t] = 0;
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        const dms_gap *gap = a->cycle->gap + draft->load[q];
        dms_diff_add(diff, n, draft->after[q] + 1, gap->due - 1, gap->units);
    }
    for (int32_t t = 0; t < n; t++) {
        stock += diff[t];
        if (stock < least) {
            least = stock;
            slot = t;
        }
    }
    return slot;
}

static int32_t cut_slot(const dms_addresses *a, const dms_draft *draft, dms_fit_cut cut) {
    if (cut == DMS_FIT_CUT_STOCK)
        return smallest_stock(a, draft);
    return cut == DMS_FIT_CUT_PEAK ? a->cycle->peak_step : a->cycle->n_steps - 1;
}

/* What sorting loads needs to know. */
typedef struct load_order {
    const dms_addresses *a;
    int32_t cut;
} load_order;

/* Deadlines from the slot behind the cut on; then the old queue. */
static int by_deadline(const void *left, const void *right, void *context) {
    const load_order *o = context;
    const dms_piece *p = o->a->piece + *(const uint32_t *)left;
    const dms_piece *q = o->a->piece + *(const uint32_t *)right;
    const int32_t n = o->a->cycle->n_steps;
    const int32_t u = p->need <= o->cut ? p->need + n : p->need;
    const int32_t v = q->need <= o->cut ? q->need + n : q->need;
    if (u != v)
        return u < v ? -1 : 1;
    return o->a->place[p->gap] < o->a->place[q->gap] ? -1 : 1;
}

/* The new queue: by start, then deadline, then the old queue. */
static int by_start(const void *left, const void *right, void *context) {
    const dms_addresses *a = context;
    const dms_piece *p = a->piece + *(const uint32_t *)left;
    const dms_piece *q = a->piece + *(const uint32_t *)right;
    if (p->start != q->start)
        return p->start < q->start ? -1 : 1;
    if (p->need != q->need)
        return p->need < q->need ? -1 : 1;
    return a->place[p->gap] < a->place[q->gap] ? -1 : 1;
}

static int by_slot(const void *left, const void *right) {
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/* Gives a piece that is not put in the earliest start from `first` on, and a hole. A later start
 * meets fewer pieces, so "there is a hole" stays true once it is: the ends of the pieces that go
 * are sorted and bisected, O(log n) walks instead of one for every slot. */
static bool start_early(dms_addresses *a, uint32_t id, int32_t first, dms_fit_hole how) {
    dms_piece *p = a->piece + id;
    dms_holes *holes = &a->holes;
    uint32_t n = 0;
    dms_holes_ask(holes, first, p->need, p->end);
    int64_t offset = dms_holes_find(holes, first, p->units, how);
    if (offset >= 0) {
        p->start = first;
        p->offset = offset;
        return true;
    }
    for (uint32_t i = 0; i < holes->n_obstacles; i++)
        if (holes->obstacle[i].until != DMS_HOLE_NEVER && holes->obstacle[i].until > first)
            a->late[n++] = holes->obstacle[i].until;
    if (n == 0)
        return false;
    qsort(a->late, n, sizeof *a->late, by_slot);
    if (dms_holes_find(holes, a->late[n - 1], p->units, DMS_FIT_LOWEST) < 0)
        return false;
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (dms_holes_find(holes, a->late[middle], p->units, DMS_FIT_LOWEST) >= 0)
            high = middle;
        else
            low = middle + 1;
    }
    p->start = a->late[low];
    p->offset = dms_holes_find(holes, p->start, p->units, how);
    return true;
}

/* Where the loads that delay would cost most ask others to move: at the start they wanted, then
 * half and three quarters of the way to the one they got.
 *
 *   slot     first . . . . . start . . . . need
 *   tries    1           2      3                 fit->repair = 1: only when more than half of the
 *            |--- lost ---|                       way from first to need is lost */
static bool repair_start(dms_addresses *a, uint32_t id, int32_t first, const dms_fit *fit) {
    dms_piece *p = a->piece + id;
    const int32_t start = p->start, lost = start - first;
    const int64_t offset = p->offset;
    const int32_t tries[] = {first, first + lost / 2, first + lost * 3 / 4};
    if (fit->repair == 0 || lost <= 0 || (fit->repair == 1 && 2 * lost <= p->need - first))
        return false;
    for (uint32_t i = 0; i < 3; i++) {
        if (i > 0 && tries[i] <= first)
            break;
        if (dms_addresses_repair(a, id, tries[i], fit->hole))
            return true;
    }
    p->start = start;
    p->offset = offset;
    return false;
}

/* Moves one load forward; returns its start, unrolled from the cut on. `ahead` is the latest start
 * so far: without overtaking none takes memory before one that is due sooner. The run stays below
 * a cycle (first > end - T), and its old place at its need is always left to go back to. */
static int32_t place_load(dms_addresses *a, uint32_t id, int32_t cut, int32_t ahead,
                          const dms_fit *fit) {
    dms_piece *p = a->piece + id;
    const int32_t n = a->cycle->n_steps, turn = p->need <= cut ? n : 0;
    const int64_t offset = p->offset;
    int32_t first = p->wanted > p->earliest ? p->wanted : p->earliest;
    if (!fit->overtakes && first < ahead - turn)
        first = ahead - turn;
    if (first <= p->end - n)
        first = p->end - n + 1;
    if (first > p->need)
        first = p->need;
    dms_holes_take(&a->holes, id);
    if (!start_early(a, id, first, fit->hole)) {
        p->start = p->need;
        p->offset = offset;
    }
    if (!repair_start(a, id, first, fit))
        dms_holes_put(&a->holes, id);
    return p->start + turn;
}

/* Loads in order of deadline; with fit->sizes, the large ones first: those of at least 1/2, 1/8 or
 * 1/24 of the largest, which find no hole once the small ones lie everywhere. */
static uint32_t place_loads(dms_addresses *a, const dms_draft *draft, const dms_fit *fit) {
    const int64_t share[] = {1, 2, 8, 24};
    load_order context = {a, cut_slot(a, draft, fit->cut)};
    uint32_t n = 0;
    int64_t largest = 0;
    for (uint32_t i = 0; i < a->n_pieces; i++)
        if (a->piece[i].gap >= 0) {
            a->order[n++] = i;
            if (a->piece[i].units > largest)
                largest = a->piece[i].units;
        }
    qsort_r(a->order, n, sizeof *a->order, by_deadline, &context);
    const int64_t large = largest / share[fit->sizes];
    for (uint32_t round = 0; round < 3; round++) {
        int32_t ahead = -2 * a->cycle->n_steps;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t id = a->order[i];
            const bool is_small = fit->sizes && a->piece[id].units < large;
            if ((draft->late[a->piece[id].gap] ? 2u : is_small ? 1u : 0u) != round)
                continue;
            const int32_t start = place_load(a, id, context.cut, ahead, fit);
            if (start > ahead)
                ahead = start;
        }
    }
    return n;
}

/* Writes starts back as slots of the queue. */
static void set_queue(dms_addresses *a, uint32_t n, dms_draft *draft) {
    qsort_r(a->order, n, sizeof *a->order, by_start, a);
    draft->n_loads = n;
    for (uint32_t i = 0; i < n; i++) {
        const dms_piece *p = a->piece + a->order[i];
        draft->load[i] = (uint32_t)p->gap;
        draft->after[i] = p->start - 1;
    }
}

/* Two simulations: the first gives the times by which the queue is put in order, the second the
 * period. Ordering by start alone gave 1.335 instead of 1.305 on 1,000 random steps at 6.25 %
 * (PLACEMENT.md section 9). */
bool dms_addresses_pass(dms_addresses *a, int64_t budget, const dms_fit *fit, dms_draft *draft) {
    if (fit->lead > 0)
        dms_queue_leads(a->cycle, a->work, draft, fit->lead, a->lead);
    draft->period_ns = DMS_NO_PERIOD;
    if (!pack_needed(a, budget, fit, draft))
        return false;
    const uint32_t n = place_loads(a, draft, fit);
    set_queue(a, n, draft);
    return dms_queue_by_deadline(a->cycle, a->work, draft);
}
