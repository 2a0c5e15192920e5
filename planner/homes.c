/* homes.c - where does a weight wait that is not on the device: on the host, or in its file?
 *
 * The host holds the homes, the activations that come back, and, where something is read from
 * storage in every turn, the ring that it passes through. Homes are spread over the cycle like the
 * keeps, so that the storage has work at all times. In the prologue kept weights pass through the
 * host before the homes are filled, so all that they ask is an arena of a few of them.
 */
#include <math.h>
#include <string.h>

#include "planner/place_internal.h"
#include "schema/checked.h"

#define N_COSTS 128u
#define UNDECIDED 2

/* What the keeps of a draft ask of the host. */
typedef struct tally {
    const dms_cycle *cycle;
    dms_work *work;
    dms_draft *draft;
    int64_t fixed;    /* activations that come back, weights that cannot be read again */
    int64_t streamed; /* weights that may be read again */
    int64_t prologue; /* what kept weights pass through in the prologue */
    int64_t ring, left;
    double least; /* cost of a block that may be read */
} tally;

static bool may_be_read(const dms_cycle *cycle, uint32_t id) {
    return cycle->read_ns[id] > 0;
}

/* Counts loads per tensor, and what they need. A weight whose loads are all its gaps' counts once:
 * one home serves them. */
static void count(tally *t) {
    const dms_cycle *cycle = t->cycle;
    int64_t largest_kept = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        const dms_problem_kind kind = cycle->problem->tensors[i].kind;
        uint32_t n = 0;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            n += !t->draft->keep[g];
        t->work->times[i] = n;
        t->draft->is_read[i] = 0;
        if (n == 0 && kind == DMS_PROBLEM_WEIGHT && cycle->units[i] > largest_kept)
            largest_kept = cycle->units[i];
        if (n == 0 || kind == DMS_PROBLEM_INPUT)
            continue;
        if (may_be_read(cycle, i)) {
            t->streamed += cycle->units[i];
            t->least = fmin(t->least, cycle->read_cost[i]);
            t->draft->is_read[i] = UNDECIDED;
        } else {
            t->fixed += cycle->units[i];
        }
    }
    t->prologue = cycle->prologue_ring * largest_kept;
}

/* The ring, and homes for what is not to pass through it. A small ring leaves more to homes; in one
 * of less than two places the storage waits while a large block is copied on:
 *
 *   units 16, most 8    8 8 | 1 1 1 1     budget 20: homes 4
 *   units  9, most 8    8 1 | 1 1 1 1     the storage waits for each 8, and for no 1; homes 11
 *   units  2, most 1    1 1 | 8 8 1 1     homes 16 and 2
 *
 * Where none is wished for, or it does not fit: two places of the largest that is read, with as few
 * homes as must be. Returns false where no ring fits. */
static bool choose_ring(tally *t, dms_ring_size wish, uint32_t *out_forced) {
    const dms_cycle *cycle = t->cycle;
    const int64_t budget = cycle->host_units - t->fixed;
    int64_t forced = 0;
    for (uint32_t k = 0; k < cycle->n_weights; k++) {
        const uint32_t id = cycle->by_size[k];
        if (t->draft->is_read[id] != UNDECIDED)
            continue;
        const int64_t place = cycle->place_units[id];
        const int64_t ring = wish.units > 0 ? wish.units : DMS_LEAST_RING * place;
        if (forced + ring <= budget && (wish.units == 0 || place <= wish.most)) {
            t->ring = ring;
            t->left = budget - ring - forced;
            *out_forced = k;
            return true;
        }
        forced += cycle->units[id];
    }
    return wish.units > 0 && choose_ring(t, (dms_ring_size){0}, out_forced);
}

/* How dear it is to read a block: time per byte, over all its loads, in steps of a quarter, or fine
 * ones. Small pieces and strided ones come first into the host. */
static uint32_t cost_of(const tally *t, uint32_t id) {
    const double times = t->work->times[id] > 1 ? log(t->work->times[id]) : 0;
    const double cost = t->cycle->read_cost[id] + times;
    const double steps =
        t->draft->wish.is_fine ? (cost - t->least) / log(1.004) : cost / log(1.25) + N_COSTS / 4.0;
    if (steps < 0)
        return 0;
    return steps < N_COSTS ? (uint32_t)steps : N_COSTS - 1;
}

/* The share of each cost class that has its home on the host: the dearest whole, the next in part,
 * the rest not. */
static void choose_shares(const tally *t, double *share) {
    int64_t sum[N_COSTS] = {0}, left = t->left;
    for (uint32_t i = 0; i < t->cycle->n_tensors; i++)
        if (t->draft->is_read[i] == UNDECIDED)
            sum[cost_of(t, i)] += t->cycle->units[i];
    for (uint32_t c = N_COSTS; c-- > 0;) {
        share[c] = sum[c] <= left ? 1 : (double)left / (double)sum[c];
        left -= sum[c] <= left ? sum[c] : left;
    }
}

/* Error diffusion in order of deadline, as for keeps (round.c): each block adds its share to what
 * its class is owed, and gets a home when half of its size is owed. */
static void spread(tally *t) {
    const dms_cycle *cycle = t->cycle;
    double share[N_COSTS], owed[N_COSTS] = {0};
    choose_shares(t, share);
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const uint32_t g = cycle->by_due[i], id = cycle->gap[g].tensor;
        if (t->draft->keep[g] || t->draft->is_read[id] != UNDECIDED)
            continue;
        const double units = (double)cycle->units[id];
        double *sum = owed + cost_of(t, id);
        *sum += share[cost_of(t, id)] * units;
        t->draft->is_read[id] = !(*sum >= units * 0.5 && t->left >= cycle->units[id]);
        if (t->draft->is_read[id])
            continue;
        *sum -= units;
        t->left -= cycle->units[id];
    }
}

/* What is left over goes to the largest blocks that fit, the rest of it to the ring. */
static void fill_up(tally *t) {
    const dms_cycle *cycle = t->cycle;
    int64_t all = 0, n = 0;
    for (uint32_t k = 0; k < cycle->n_weights; k++) {
        const uint32_t id = cycle->by_size[k];
        if (t->draft->is_read[id] && cycle->units[id] <= t->left) {
            t->draft->is_read[id] = 0;
            t->left -= cycle->units[id];
        }
        t->draft->n_read += t->draft->is_read[id];
        if (t->draft->is_read[id]) {
            all += t->work->times[id] * cycle->place_units[id];
            n += t->work->times[id];
            t->draft->read_ns += t->work->times[id] * cycle->read_ns[id];
        } else if (t->work->times[id] > 0 && may_be_read(cycle, id)) {
            t->draft->home_units += cycle->units[id];
        }
    }
    t->ring += t->left / DMS_PAGE_UNITS * DMS_PAGE_UNITS;
    t->draft->ring_units = t->ring < all ? t->ring : all;
    for (uint32_t k = 0; k < cycle->n_weights && n > 0; k++) {
        const uint32_t id = cycle->by_size[k];
        if (t->draft->is_read[id] && cycle->place_units[id] + all / n > t->draft->ring_units)
            t->draft->wait_ns += t->work->times[id] * cycle->gap[cycle->first_gap[id]].ns;
    }
}

/* An arena that the prologue can work with. */
static bool widen(tally *t) {
    const int64_t lacks = t->prologue - t->draft->home_units - t->draft->ring_units;
    if (lacks > 0)
        t->draft->ring_units += lacks;
    return true;
}

bool dms_homes_choose(const dms_cycle *cycle, dms_work *work, dms_draft *draft) {
    tally t = {.cycle = cycle, .work = work, .draft = draft, .least = INFINITY};
    uint32_t forced = 0;
    count(&t);
    draft->n_read = 0;
    draft->read_ns = draft->wait_ns = 0;
    draft->ring_units = 0;
    draft->home_units = t.fixed;
    if (t.prologue > cycle->host_units)
        return false;
    if (t.fixed + t.streamed <= cycle->host_units) {
        memset(draft->is_read, 0, cycle->n_tensors);
        draft->home_units += t.streamed;
        return widen(&t);
    }
    if (!choose_ring(&t, draft->wish, &forced))
        return false;
    for (uint32_t k = 0; k < forced; k++)
        draft->is_read[cycle->by_size[k]] = 0;
    spread(&t);
    fill_up(&t);
    return widen(&t);
}

uint64_t dms_homes_bytes(const dms_cycle *cycle, const dms_draft *draft) {
    (void)cycle;
    return (uint64_t)(draft->home_units + draft->ring_units) * DMS_ALIGN;
}
