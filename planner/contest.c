/* contest.c - several starts are searched from, a little; the better half of them for longer.
 *
 * Where a search ends is decided by where it begins more than by how long it goes on: on Llama-2
 * 7B at 50 % 150 evaluations from a start that was 0.5 % slower found a plan 0.17 % faster than
 * 900 from the best. Which start is a good one nobody knows before.
 *
 *   starts    8         4         2         1
 *   each      n         2 n       4 n       8 n evaluations
 */
#include <stdlib.h>
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"

#define LEAST_COUNT 25u  /* evaluations of a start; with fewer the order of starts says nothing */
#define LAYOUT_COUNT 60u /* the same with addresses */
#define LAYOUT_STARTS 4u /* most of them with addresses */
#define FIT_STRIDE 3u    /* of the settings of the pass, which ones a start tries */
#define LIST_EFFORT 40000000u /* pieces met until the starts with addresses are found: about 1 s */
#define N_THINNED 5u          /* reserves that a start is thinned for */
#define MOST_COUNT 2000u      /* evaluations of a problem of SMALL and more ... */
#define SMALL_COUNT 8000u     /* ... and how many more one of no size has */
#define SMALL 4000u
#define SEARCH_EFFORT 120000000u /* pieces met by all of them: about 4 s; where the problem is */
#define SMALL_EFFORT 240000000u  /* small, this much more */

/* What grows towards small problems: `most` at size 0, a quarter of it at half of SMALL, nothing
 * from there on, without a step or a corner. */
static uint64_t small_share(uint64_t size, uint64_t most) {
    const uint64_t rest = size < SMALL ? SMALL - size : 0;
    return most / SMALL * rest * rest / SMALL;
}

static uint64_t size_of(const dms_cycle *cycle) {
    return (uint64_t)cycle->n_gaps + (uint64_t)cycle->n_steps + 1;
}

uint64_t dms_contest_count(const dms_cycle *cycle, uint64_t work, bool is_alone) {
    const uint64_t size = size_of(cycle), count = work / size;
    return (count < MOST_COUNT ? count : MOST_COUNT) +
           (is_alone ? small_share(size, SMALL_COUNT) : 0);
}

/* Rounds until one of n starts is left. */
static uint32_t rounds_of(uint32_t n) {
    uint32_t rounds = 1;
    for (; n > 1; n = (n + 1) / 2)
        rounds++;
    return rounds;
}

/* Evaluations of each start in the first round. */
static uint64_t first_count(uint64_t count, uint32_t n) {
    return count / ((uint64_t)n * rounds_of(n));
}

/* How many starts there may be, if each is to have `least` evaluations. */
static uint32_t starts_of(uint64_t count, uint32_t n_starts, uint64_t least) {
    while (n_starts > 1 && first_count(count, n_starts) < least)
        n_starts /= 2;
    return n_starts;
}

uint32_t dms_contest_starts(uint64_t count, uint32_t n_starts) {
    return starts_of(count, n_starts, LEAST_COUNT);
}

void dms_keep_set_take(const dms_cycle *cycle, const dms_draft *from, dms_keep_set *set) {
    memcpy(set->keep, from->keep, cycle->n_gaps);
    memcpy(set->late, from->late, cycle->n_gaps);
    set->wish = from->wish;
}

void dms_keep_set_give(const dms_cycle *cycle, const dms_keep_set *set, dms_draft *to) {
    memcpy(to->keep, set->keep, cycle->n_gaps);
    memcpy(to->late, set->late, cycle->n_gaps);
    to->wish = set->wish;
}

static int by_period(const void *left, const void *right) {
    const dms_keep_set *a = left, *b = right;
    if (a->period_ns != b->period_ns)
        return a->period_ns < b->period_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

dms_code dms_contest_drafts(dms_placer *placer, dms_keep_set *set, uint32_t n, uint64_t count,
                            dms_status *st) {
    uint64_t each = n > 0 ? first_count(count, n) : 0;
    for (uint32_t round = 0, last = 0; n > 0 && !last; round++, each *= 2) {
        for (uint32_t i = 0; i < n && (i == 0 || !dms_placer_is_near(placer, set[0].period_ns));
             i++) {
            dms_keep_set_give(placer->cycle, set + i, &placer->trial);
            if (!dms_placer_score(placer, DMS_NO_PERIOD, &placer->trial))
                continue;
            DMS_TRY(dms_search_drafts(placer, each, round, st));
            dms_keep_set_take(placer->cycle, &placer->trial, set + i);
            set[i].period_ns = placer->trial.period_ns;
        }
        qsort(set, n, sizeof *set, by_period);
        last = n == 1;
        n = (n + 1) / 2;
    }
    return DMS_OK;
}

dms_fit dms_contest_fit(uint32_t i, bool computes) {
    const uint32_t leads[2][4] = {{1, 1, 0, 2}, {2, 3, 1, 2}};
    const dms_fit_order orders[] = {DMS_FIT_LIFE, DMS_FIT_START, DMS_FIT_AREA};
    return (dms_fit){.order = orders[i % 3],
                     .hole = i / 3 % 2 ? DMS_FIT_TIGHTEST_HIGH : DMS_FIT_LOWEST,
                     .cut = DMS_FIT_CUT_PEAK,
                     .sizes = i >= 18 ? 2 : 0,
                     .repair = i % 12 < 6 ? 2 : 1,
                     .lead = leads[computes][i / 6],
                     .pitch = true};
}

/* Where a search with addresses stands. */
typedef struct runner {
    dms_layout layout;
    dms_fit fit;
    uint32_t id;
} runner;

static int by_layout(const void *left, const void *right) {
    const runner *a = left, *b = right;
    if (a->layout.draft.period_ns != b->layout.draft.period_ns)
        return a->layout.draft.period_ns < b->layout.draft.period_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* The keeps of a set with addresses, by the best of a few settings, in placer->best; thinned until
 * there is room for them. Returns false where there never is. */
static bool pass_set(dms_placer *placer, const dms_keep_set *set) {
    const dms_cycle *cycle = placer->cycle;
    const bool computes = (double)set->period_ns < (double)cycle->compute_ns * 1.001;
    const int64_t reserves[] = {0, 1, 2, 4, 8};
    placer->best.draft.period_ns = DMS_NO_PERIOD;
    for (uint32_t i = 0; i < N_THINNED * DMS_N_PASSES; i += FIT_STRIDE) {
        const uint32_t k = i % DMS_N_PASSES;
        const dms_fit fit = dms_contest_fit(k + k / FIT_STRIDE % FIT_STRIDE, computes);
        const int64_t reserve = reserves[i / DMS_N_PASSES] * cycle->largest / 4;
        if (k == 0 && placer->best.draft.period_ns < DMS_NO_PERIOD)
            break;
        dms_keep_set_give(cycle, set, &placer->trial);
        if (reserve > 0)
            dms_round_thin(cycle, &placer->work, placer->budget - reserve, placer->trial.keep);
        if (dms_slots(cycle, &placer->work, placer->budget, DMS_SLOT_EARLY, &placer->trial) &&
            dms_simulate(cycle, &placer->work, 6, &placer->trial))
            (void)dms_placer_pass(placer, &fit, "relaxation");
    }
    return placer->best.draft.period_ns < DMS_NO_PERIOD;
}

/* The best layout so far, and one of each of the first sets that have any; where that takes long,
 * of fewer. */
static dms_code list_runners(dms_placer *placer, const dms_keep_set *set, uint32_t n, uint32_t most,
                             runner *runners, uint32_t *out_n, dms_status *st) {
    const uint64_t limit = dms_addresses_effort(placer->addresses) + LIST_EFFORT;
    uint32_t n_runners = 0;
    if (placer->best.draft.period_ns < DMS_NO_PERIOD)
        runners[n_runners++] = (runner){placer->best, placer->best_fit, 0};
    for (uint32_t i = 0, is_used = 1; i < n && n_runners < most; i++) {
        if (dms_addresses_effort(placer->addresses) > limit)
            break;
        if (is_used)
            DMS_TRY(dms_layout_new(placer->cycle, placer->arena, &placer->best, st));
        is_used = pass_set(placer, set + i);
        if (is_used)
            runners[n_runners++] = (runner){placer->best, placer->best_fit, i + 1};
    }
    *out_n = n_runners;
    return DMS_OK;
}

dms_code dms_contest_layouts(dms_placer *placer, const dms_keep_set *set, uint32_t n,
                             uint64_t count, dms_status *st) {
    const uint64_t effort = SEARCH_EFFORT + small_share(size_of(placer->cycle), SMALL_EFFORT);
    const dms_layout best = placer->best;
    runner runners[LAYOUT_STARTS];
    uint32_t n_left = starts_of(count, n + 1 < LAYOUT_STARTS ? n + 1 : LAYOUT_STARTS, LAYOUT_COUNT);
    if (count == 0)
        return DMS_OK;
    DMS_TRY(list_runners(placer, set, n, n_left, runners, &n_left, st));
    uint64_t each = n_left > 0 ? first_count(count, n_left) : 0;
    placer->best = best;
    for (uint32_t round = 0, last = n_left == 0; !last; round++, each *= 2) {
        for (uint32_t i = 0; i < n_left; i++) {
            placer->best = runners[i].layout;
            placer->best_fit = runners[i].fit;
            DMS_TRY(dms_search_layouts(placer, each, effort / count * each, round, st));
            runners[i].layout = placer->best;
            runners[i].fit = placer->best_fit;
        }
        qsort(runners, n_left, sizeof *runners, by_layout);
        placer->best = runners[0].layout;
        placer->best_fit = runners[0].fit;
        last = n_left == 1;
        n_left = (n_left + 1) / 2;
    }
    return DMS_OK;
}
