/* bound_short.c - steps at which a large block of their own is not there beforehand.
 *
 * A block that one step alone uses either stays all turn long, or holds memory beside all that
 * stays when its step comes. The program would keep a third of each of three blocks and pay the
 * step with two thirds; whole blocks cannot:
 *
 *   step           0        1        2        own blocks of 10 bytes, 4 bytes beside each
 *   budget 33      10 + 4   10 + 4   10 + 4   beside 4 bytes all three do not fit: one is not
 *                                             kept; what stays and its step's 14 are within 33
 *
 * Which one it is does not matter where the steps need about the same. `bytes` is what all steps
 * of a set P ask for at least, with their own blocks counted once; the budget does not hold the
 * own blocks of `from` bytes and more of all of P beside what any step needs. With all own blocks
 * in, P is smaller, but what is missing may be a bias; so several sizes are tried. */
#include <stdlib.h>

#include "planner/bound_internal.h"
#include "schema/arena.h"

#define MOST_SETS 24u
#define SIZES 8u   /* of blocks that count as large ... */
#define COARSER 4u /* ... each so many times smaller than the one before; then all count */

/* A step: what it asks for when one of its large own blocks was not kept, and their bytes. */
typedef struct short_step {
    int64_t asks, own, ns;
    int32_t step;
} short_step;

/* A bound's steps for one size of what is large. */
typedef struct short_list {
    short_step *step;
    int64_t *size, *waiting; /* room for a number each; bytes that wait over each step */
    int64_t from, room;
    uint32_t n_large;
} short_list;

static int by_asks(const void *left, const void *right) {
    const short_step *a = left, *b = right;
    if (a->asks != b->asks)
        return a->asks > b->asks ? -1 : 1;
    return (a->step > b->step) - (a->step < b->step);
}

static int by_bytes(const void *left, const void *right) {
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

bool dms_bound_is_own(const dms_cycle *cycle, uint32_t tensor) {
    const dms_problem_tensor *t = cycle->problem->tensors + tensor;
    return t->kind == DMS_PROBLEM_WEIGHT && t->n_touches == 1;
}

/* Between two touches an activation is on the device or on the host. diff[] has n + 1 zeros. */
static void find_waiting(const dms_cycle *cycle, int64_t *diff, int64_t *out_waiting) {
    int64_t waiting = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++) {
        const dms_gap *gap = cycle->gap + g;
        if (!dms_bound_waits(cycle, gap->tensor))
            continue;
        diff[gap->a + 1] += (int64_t)cycle->problem->tensors[gap->tensor].bytes;
        diff[gap->b] -= (int64_t)cycle->problem->tensors[gap->tensor].bytes;
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        out_waiting[t] = waiting += diff[t];
}

static bool is_large(const dms_cycle *cycle, uint32_t tensor, int64_t from) {
    return dms_bound_is_own(cycle, tensor) &&
           (int64_t)cycle->problem->tensors[tensor].bytes >= from;
}

/* Footprints and large own blocks of all steps; what some step needs beside its own is lost to
 * those of all others. */
static void list_steps(const dms_cycle *cycle, uint64_t budget, short_list *list) {
    const dms_problem *problem = cycle->problem;
    short_step *step = list->step;
    int64_t beside = 0;
    for (int32_t t = 0; t < cycle->n_steps; t++)
        step[t] = (short_step){.asks = (int64_t)problem->steps[t].scratch_bytes,
                               .ns = problem->steps[t].ns,
                               .step = t};
    list->n_large = 0;
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        const uint32_t *touch = problem->touches + tensor->first_touch;
        for (uint32_t k = 0; k < tensor->n_touches; k++)
            step[touch[k]].asks += (int64_t)tensor->bytes;
        if (is_large(cycle, i, list->from)) {
            step[touch[0]].own += (int64_t)tensor->bytes;
            list->n_large++;
        }
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        if (step[t].asks - step[t].own > beside)
            beside = step[t].asks - step[t].own;
    list->room = (int64_t)budget - beside;
}

/* All own blocks of a step may have stayed but one, the smallest of the large ones: they count
 * among all that have. */
static void subtract_others(const dms_cycle *cycle, short_list *list) {
    const dms_problem *problem = cycle->problem;
    int64_t *least = list->size;
    for (int32_t t = 0; t < cycle->n_steps; t++)
        least[t] = 0;
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const uint32_t at = problem->touches[problem->tensors[i].first_touch];
        const int64_t bytes = (int64_t)problem->tensors[i].bytes;
        if (!dms_bound_is_own(cycle, i))
            continue;
        list->step[at].asks -= bytes;
        if (is_large(cycle, i, list->from) && (least[at] == 0 || bytes < least[at]))
            least[at] = bytes;
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        list->step[t].asks += least[t] + list->waiting[t];
}

/* How many of the first `n` steps lack a large block at least: all but those whose blocks, the
 * smallest first, fit into the room together. */
static int64_t count_short(const short_list *list, uint32_t n) {
    const short_step *step = list->step;
    int64_t *size = list->size;
    uint32_t n_sizes = 0, fit = 0;
    for (uint32_t i = 0; i < n; i++)
        if (step[i].own > 0)
            size[n_sizes++] = step[i].own;
    qsort(size, n_sizes, sizeof *size, by_bytes);
    for (int64_t sum = 0; fit < n_sizes && sum + size[fit] <= list->room; fit++)
        sum += size[fit];
    return (int64_t)n - fit;
}

/* The first place at which the large blocks of all before it do not fit. */
static uint32_t least_set(const short_list *list, uint32_t n) {
    const short_step *step = list->step;
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += step[i].own;
        if (sum > list->room || step[i].own == 0)
            return i + 1;
    }
    return 0;
}

/* What a set is worth: its bytes, and a block that is read meanwhile, as far as the time that the
 * storage would lose in its short steps pays for it. */
static dms_bound_short value_of(const short_list *list, uint32_t n) {
    dms_bound_short set = {.is_there = true, .from = list->from, .bytes = list->step[n - 1].asks};
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < n; i++)
        least = list->step[i].ns < least ? list->step[i].ns : least;
    set.idle_ns = count_short(list, n) * least;
    return set;
}

static double worth(const dms_bound *b, const dms_bound_short *set) {
    const double read = (double)set->idle_ns * (double)b->cycle->problem->load.bytes_per_s / 1e9;
    return (double)set->bytes + (read < b->large ? read : b->large);
}

/* Larger sets ask for less, and lose more time where nothing is read. */
static void choose_set(const dms_bound *b, const short_list *list, dms_bound_short *out_set) {
    const short_step *step = list->step;
    const uint32_t n_steps = (uint32_t)b->cycle->n_steps;
    uint32_t n = least_set(list, n_steps);
    for (uint32_t more = 1; n > 0 && more < 1u << MOST_SETS; more *= 2) {
        while (n < n_steps && step[n].asks == step[n - 1].asks)
            n++;
        const dms_bound_short set = value_of(list, n);
        if (!out_set->is_there || worth(b, &set) > worth(b, out_set))
            *out_set = set;
        if (n == n_steps)
            break;
        n = n + more < n_steps ? n + more : n_steps;
    }
}

static int64_t largest_own(const dms_cycle *cycle) {
    int64_t largest = 0;
    for (uint32_t i = 0; i < cycle->problem->n_tensors; i++)
        if (is_large(cycle, i, largest))
            largest = (int64_t)cycle->problem->tensors[i].bytes;
    return largest;
}

dms_code dms_bound_choose_short(dms_bound *bound, uint64_t bytes, dms_status *st) {
    const dms_cycle *cycle = bound->cycle;
    const uint64_t n = (uint64_t)cycle->n_steps;
    const int64_t largest = largest_own(cycle);
    uint32_t n_seen = 0;
    short_list list;
    int64_t *diff;
    DMS_TRY(dms_alloc_st(bound->arena, n, sizeof *list.step, "bound", &list.step, st));
    DMS_TRY(dms_alloc_st(bound->arena, n, sizeof *list.size, "bound", &list.size, st));
    DMS_TRY(dms_alloc_st(bound->arena, n, sizeof *list.waiting, "bound", &list.waiting, st));
    DMS_TRY(dms_alloc_st(bound->arena, 2 * n + 1, sizeof *diff, "bound", &diff, st));
    find_waiting(cycle, diff, list.waiting);
    for (uint32_t k = 0; k <= SIZES; k++) {
        list.from = k == 0 ? largest : k < SIZES ? list.from / COARSER : 0;
        list.from = list.from > 0 ? list.from : 1;
        list_steps(cycle, bytes, &list);
        if (k > 0 && list.n_large == n_seen)
            continue;
        n_seen = list.n_large;
        subtract_others(cycle, &list);
        qsort(list.step, n, sizeof *list.step, by_asks);
        choose_set(bound, &list, &bound->shorts);
    }
    bound->short_budget = bytes;
    return DMS_OK;
}
