/* bound_short.c - steps at which the largest block of their own is not there beforehand.
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
 * largest own blocks of all of P beside what any step needs. */
#include <stdlib.h>

#include "planner/bound_internal.h"
#include "schema/arena.h"

#define MOST_SETS 24u

/* A step: what it asks for when the largest of its own blocks was not kept, and its bytes. */
typedef struct short_step {
    int64_t asks, own, ns;
    int32_t step;
} short_step;

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

/* Between two touches an activation is on the device or on the host. */
static void add_waiting(const dms_cycle *cycle, int64_t *diff, short_step *step) {
    int64_t waiting = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++) {
        const dms_gap *gap = cycle->gap + g;
        if (!dms_bound_waits(cycle, gap->tensor))
            continue;
        diff[gap->a + 1] += (int64_t)cycle->problem->tensors[gap->tensor].bytes;
        diff[gap->b] -= (int64_t)cycle->problem->tensors[gap->tensor].bytes;
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        step[t].asks += waiting += diff[t];
}

/* Returns what some step needs beside its largest own block: so much the blocks of all others have
 * to leave. */
static int64_t list_steps(const dms_cycle *cycle, short_step *step) {
    const dms_problem *problem = cycle->problem;
    int64_t beside = 0;
    for (int32_t t = 0; t < cycle->n_steps; t++)
        step[t] = (short_step){.asks = (int64_t)problem->steps[t].scratch_bytes,
                               .ns = problem->steps[t].ns,
                               .step = t};
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        const uint32_t *touch = problem->touches + tensor->first_touch;
        for (uint32_t k = 0; k < tensor->n_touches; k++)
            step[touch[k]].asks += (int64_t)tensor->bytes;
        if (dms_bound_is_own(cycle, i) && (int64_t)tensor->bytes > step[touch[0]].own)
            step[touch[0]].own = (int64_t)tensor->bytes;
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        if (step[t].asks - step[t].own > beside)
            beside = step[t].asks - step[t].own;
    return beside;
}

/* A step's other own blocks may have stayed: they count among all that have. Were it the smallest
 * block that is asked about, a bias would stand for its matrix. */
static void subtract_others(const dms_cycle *cycle, short_step *step) {
    const dms_problem *problem = cycle->problem;
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        if (dms_bound_is_own(cycle, i))
            step[problem->touches[tensor->first_touch]].asks -= (int64_t)tensor->bytes;
    }
    for (int32_t t = 0; t < cycle->n_steps; t++)
        step[t].asks += step[t].own;
}

/* How many of the first `n` steps lack their own block at least: all but those whose blocks, the
 * smallest first, fit into the room together. */
static int64_t count_short(const short_step *step, uint32_t n, int64_t room, int64_t *size) {
    uint32_t n_sizes = 0, fit = 0;
    for (uint32_t i = 0; i < n; i++)
        if (step[i].own > 0)
            size[n_sizes++] = step[i].own;
    qsort(size, n_sizes, sizeof *size, by_bytes);
    for (int64_t sum = 0; fit < n_sizes && sum + size[fit] <= room; fit++)
        sum += size[fit];
    return (int64_t)n - fit;
}

/* The first place at which the own blocks of all before it do not fit. */
static uint32_t least_set(const short_step *step, uint32_t n, int64_t room) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += step[i].own;
        if (sum > room || step[i].own == 0)
            return i + 1;
    }
    return 0;
}

/* What a set is worth: its bytes, and a block that is read meanwhile, as far as the time that the
 * storage would lose in its short steps pays for it. */
static dms_bound_short value_of(const short_step *step, uint32_t n, int64_t room, int64_t *size) {
    dms_bound_short set = {.is_there = true, .bytes = step[n - 1].asks};
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < n; i++)
        least = step[i].ns < least ? step[i].ns : least;
    set.idle_ns = count_short(step, n, room, size) * least;
    return set;
}

static double worth(const dms_bound *b, const dms_bound_short *set) {
    const double read = (double)set->idle_ns * (double)b->cycle->problem->load.bytes_per_s / 1e9;
    return (double)set->bytes + (read < b->large ? read : b->large);
}

/* Larger sets ask for less, and lose more time where nothing is read. */
static void choose_set(const dms_bound *b, const short_step *step, int64_t room, int64_t *size,
                       dms_bound_short *out_set) {
    const uint32_t n_steps = (uint32_t)b->cycle->n_steps;
    uint32_t n = least_set(step, n_steps, room);
    for (uint32_t more = 1; n > 0 && more < 1u << MOST_SETS; more *= 2) {
        while (n < n_steps && step[n].asks == step[n - 1].asks)
            n++;
        const dms_bound_short set = value_of(step, n, room, size);
        if (!out_set->is_there || worth(b, &set) > worth(b, out_set))
            *out_set = set;
        if (n == n_steps)
            break;
        n = n + more < n_steps ? n + more : n_steps;
    }
}

dms_code dms_bound_choose_short(dms_bound *bound, uint64_t bytes, dms_status *st) {
    const dms_cycle *cycle = bound->cycle;
    const uint64_t n = (uint64_t)cycle->n_steps;
    short_step *step;
    int64_t *waits, *size;
    DMS_TRY(dms_alloc_st(bound->arena, n, sizeof *step, "bound", &step, st));
    DMS_TRY(dms_alloc_st(bound->arena, n, sizeof *size, "bound", &size, st));
    DMS_TRY(dms_alloc_st(bound->arena, 2 * n + 1, sizeof *waits, "bound", &waits, st));
    const int64_t room = (int64_t)bytes - list_steps(cycle, step);
    subtract_others(cycle, step);
    add_waiting(cycle, waits, step);
    qsort(step, n, sizeof *step, by_asks);
    bound->short_budget = bytes;
    choose_set(bound, step, room, size, &bound->shorts);
    return DMS_OK;
}
