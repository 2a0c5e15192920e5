/* optimise.c - from the relaxation to the best plan with addresses: shares for several reserves,
 * rounded in several ways, searched; then their keeps again, each through a portfolio of passes. */
#include <stdlib.h>
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"
#include "schema/checked.h"

/* 200 groups take 0.02 to 0.1 s whatever the number of steps; 400 raised the bound by 0.03 % on
 * SDXL at 12.5 %, one per step by 0.4 % in 1.5 s (PLACEMENT.md section 3.1). So plans are made with
 * 200, and the printed bound is solved once more with 800 where the plan is not yet near it. */
#define N_GROUPS 200u
#define FINE_GROUPS 800u
#define STOCK_PRICE 5e-3
#define MAX_SOLUTIONS 24u
#define MAX_KEEP_SETS 400u
#define MOST_LEADS 4u         /* sizes of block that keeps may begin with */
#define MOST_STARTS 12u       /* of the searches */
#define MOST_SIZES 6u         /* classes of block sizes that rings are made for */
#define MOST_RINGS 12u        /* of these, how many are tried */
#define PASS_EFFORT 50000000u /* pieces met: about 2 s */
#define MOST_WHOLE 32u        /* keep sets whose plans are packed as they are */

#define DRAFT_WORK 8000000u  /* evaluations without addresses x gaps and steps */
#define LAYOUT_WORK 3000000u /* the same with them */

typedef struct optimiser {
    dms_placer *placer;
    const dms_cycle *cycle;
    dms_bound *bound;
    dms_draft best, trial; /* without addresses */
    dms_shares solution[MAX_SOLUTIONS];
    int64_t reserve[MAX_SOLUTIONS];
    uint32_t n_solutions;
    int64_t *found_end; /* per step: the nominal times that the best plan was found with */
    dms_keep_set set[MAX_KEEP_SETS];
    uint32_t n_sets;
    bool has_fine_bound; /* the bound is already that of the fine program */
} optimiser;

/* A size of the ring, and how busy storage is with it. */
typedef struct ring_choice {
    dms_ring_size wish;
    int64_t read_ns, busy_ns;
    uint32_t id;
} ring_choice;

static int by_period(const void *left, const void *right) {
    const dms_keep_set *a = left, *b = right;
    if (a->period_ns != b->period_ns)
        return a->period_ns < b->period_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int by_laid(const void *left, const void *right) {
    const dms_keep_set *a = left, *b = right;
    if (a->laid_ns != b->laid_ns)
        return a->laid_ns < b->laid_ns ? -1 : 1;
    return by_period(left, right);
}

static int by_busy(const void *left, const void *right) {
    const ring_choice *a = left, *b = right;
    if (a->busy_ns != b->busy_ns)
        return a->busy_ns < b->busy_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* What the storage does in a cycle with the keeps in o->trial, for each size of the ring. */
static uint32_t list_choices(optimiser *o, ring_choice *choice) {
    dms_placer *p = o->placer;
    dms_draft *draft = &o->trial;
    uint32_t n = 0;
    for (uint32_t i = 0; i <= p->n_rings; i++) {
        draft->wish = i == 0 ? (dms_ring_size){0} : p->ring[i - 1];
        if (!dms_homes_choose(o->cycle, &p->work, draft) || draft->ring_units < draft->wish.units)
            continue;
        choice[n++] =
            (ring_choice){draft->wish, draft->read_ns, draft->read_ns + draft->wait_ns, i};
        if (draft->n_read == 0)
            break;
    }
    qsort(choice, n, sizeof *choice, by_busy);
    return n;
}

/* Slots and period of the keeps in o->trial; the best one stays. Where something is read from
 * storage, with several sizes of the ring: a larger one lets readings run ahead, a smaller one
 * leaves more to homes. The one that keeps the storage least busy goes first; those that read for
 * longer than the best plan takes are left out. */
static void consider(optimiser *o) {
    ring_choice choice[DMS_MAX_RINGS + 1];
    const uint32_t n = list_choices(o, choice);
    for (uint32_t i = 0; i < n; i++) {
        const bool is_large = choice[i].wish.units > DMS_LEAST_RING * o->cycle->largest;
        if ((i >= MOST_RINGS && !is_large) || choice[i].read_ns >= o->best.period_ns)
            continue;
        o->trial.wish = choice[i].wish;
        if (!dms_placer_score(o->placer, o->best.period_ns, &o->trial))
            continue;
        if (dms_draft_better(&o->trial, &o->best))
            dms_draft_copy(o->cycle, &o->trial, &o->best);
    }
}

static int by_ring(const void *left, const void *right) {
    const dms_ring_size *a = left, *b = right;
    if (a->is_fine != b->is_fine)
        return a->is_fine < b->is_fine ? -1 : 1;
    if (a->units != b->units)
        return a->units < b->units ? -1 : 1;
    return (a->most > b->most) - (a->most < b->most);
}

/* Sizes of the ring worth trying: two to four places of each class of block sizes, one of it and
 * one of a smaller class, with and without larger blocks that fit; and many of the largest. All
 * again with homes for the smallest first. */
static void list_rings(optimiser *o) {
    const uint32_t many[] = {5, 6, 7, 9, 11, 14};
    const dms_cycle *cycle = o->cycle;
    dms_placer *p = o->placer;
    int64_t size[MOST_SIZES] = {0};
    uint32_t n = 0;
    p->n_rings = 0;
    for (uint32_t k = 0; k < cycle->n_weights && n < MOST_SIZES; k++) {
        const int64_t place = cycle->place_units[cycle->by_size[k]];
        if (cycle->read_ns[cycle->by_size[k]] > 0 && (n == 0 || 4 * place <= 3 * size[n - 1]))
            size[n++] = place;
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 2; k <= 4; k++)
            p->ring[p->n_rings++] = (dms_ring_size){k * size[i], size[i], false};
        for (uint32_t k = i + 1; k < n; k++) {
            p->ring[p->n_rings++] = (dms_ring_size){size[i] + size[k], size[i], false};
            p->ring[p->n_rings++] = (dms_ring_size){size[i] + size[k], size[i] + size[k], false};
        }
    }
    for (uint32_t i = 0; i < sizeof many / sizeof *many && n > 0; i++)
        p->ring[p->n_rings++] = (dms_ring_size){many[i] * size[0], size[0], false};
    for (uint32_t i = p->n_rings; i-- > 0;) {
        p->ring[p->n_rings] = p->ring[i];
        p->ring[p->n_rings++].is_fine = true;
    }
    qsort(p->ring, p->n_rings, sizeof *p->ring, by_ring);
}

static bool is_near(const optimiser *o) {
    return dms_placer_is_near(o->placer, o->best.period_ns);
}

/* Shares as they are; then with what still fits beside the reserve that they were solved for, one
 * block, or half of one: shares for a large reserve stay where stock is in nobody's way. */
static void round_plain(optimiser *o, int64_t reserve, const double *x) {
    const int64_t tile = o->cycle->largest, reserves[] = {reserve, tile, tile / 2};
    dms_placer *p = o->placer;
    dms_rounding how = {.budget = p->budget};
    dms_round(o->cycle, &p->work, &how, x, o->trial.keep);
    consider(o);
    how.fill = true;
    for (uint32_t i = 0; i < (reserve > tile ? 3u : 1u); i++) {
        how.reserve = reserves[i];
        dms_round(o->cycle, &p->work, &how, x, o->trial.keep);
        consider(o);
    }
}

/* The largest blocks kept where the relaxation keeps a good part of them. A share of one half says
 * that all or nothing is as good to it; but what is dropped is in the way of all others while it is
 * in use, and nothing as large fits into the room it leaves. Where storage sets the pace, filled
 * with what the relaxation drops as well. */
static void round_lifted(optimiser *o, int64_t reserve, const double *x) {
    dms_placer *p = o->placer;
    dms_rounding how = {.budget = p->budget, .fill = true, .reserve = reserve};
    bool is_lifted = false;
    for (uint32_t round = 0; round < 2; round++) {
        double *lifted = (double *)p->work.load_done; /* free until the simulation */
        for (uint32_t g = 0; g < o->cycle->n_gaps; g++) {
            const bool lifts = round == 0 && 2 * o->cycle->gap[g].units >= o->cycle->largest &&
                               o->cycle->gap[g].rule == DMS_GAP_FREE && x[g] > 0.2 && x[g] < 1;
            is_lifted |= lifts;
            lifted[g] = lifts ? 1 : x[g];
        }
        how.fill_all = o->trial.n_read > 0;
        if (!is_lifted && !how.fill_all)
            return;
        dms_round(o->cycle, &p->work, &how, lifted, o->trial.keep);
        consider(o);
    }
}

/* Units of all gaps of a tensor. */
static double gaps_units(const dms_cycle *cycle, uint32_t tensor) {
    return (double)cycle->units[tensor] * (cycle->first_gap[tensor + 1] - cycle->first_gap[tensor]);
}

/* What the relaxation keeps of the weights, given to the largest first; those of a size in equal
 * shares. With large blocks on the device, or with their homes on the host, the ring is small. */
static void round_by_size(optimiser *o, int64_t reserve, const double *x) {
    const dms_cycle *cycle = o->cycle;
    dms_placer *p = o->placer;
    const dms_rounding how = {
        .budget = p->budget, .fill = true, .fill_all = true, .reserve = reserve};
    double *sized = (double *)p->work.load_done; /* free until the simulation */
    double kept = 0;
    for (uint32_t g = 0; g < cycle->n_gaps; g++) {
        sized[g] = x[g];
        if (cycle->problem->tensors[cycle->gap[g].tensor].kind == DMS_PROBLEM_WEIGHT)
            kept += x[g] * (double)cycle->gap[g].units;
    }
    for (uint32_t k = 0, end; k < cycle->n_weights; k = end) {
        double all = 0;
        for (end = k; end < cycle->n_weights &&
                      4 * cycle->units[cycle->by_size[end]] >= 3 * cycle->units[cycle->by_size[k]];
             end++)
            all += gaps_units(cycle, cycle->by_size[end]);
        const double share = all <= kept ? 1 : kept / all;
        kept -= all <= kept ? all : kept;
        for (uint32_t i = k; i < end; i++)
            for (uint32_t g = cycle->first_gap[cycle->by_size[i]];
                 g < cycle->first_gap[cycle->by_size[i] + 1]; g++)
                sized[g] = share;
    }
    dms_round(cycle, &p->work, &how, sized, o->trial.keep);
    consider(o);
}

/* All blocks of one size kept, and of the others what the relaxation keeps: it does not know that
 * the parts of a table, or of the output's weight, are due one right after the other, and would
 * have storage read in that time what takes it several times as long. And where the host has room
 * for all homes, what then passes through the device is of fewer sizes, and wastes less of it. */
static void round_class(optimiser *o, int64_t reserve, const double *x) {
    const dms_cycle *cycle = o->cycle;
    dms_placer *p = o->placer;
    const dms_rounding how = {
        .budget = p->budget, .fill = true, .fill_all = true, .reserve = reserve};
    double *lifted = (double *)p->work.load_done; /* free until the simulation */
    for (uint32_t k = 0, end, n = 0; k < cycle->n_weights && n < MOST_SIZES; k = end, n++) {
        double all = 0;
        for (uint32_t g = 0; g < cycle->n_gaps; g++)
            lifted[g] = x[g];
        for (end = k; end < cycle->n_weights && 20 * cycle->units[cycle->by_size[end]] >=
                                                    19 * cycle->units[cycle->by_size[k]];
             end++) {
            const uint32_t id = cycle->by_size[end];
            all += gaps_units(cycle, id);
            for (uint32_t g = cycle->first_gap[id]; g < cycle->first_gap[id + 1]; g++)
                lifted[g] = 1;
        }
        if (2 * all > (double)p->budget)
            continue;
        dms_round(cycle, &p->work, &how, lifted, o->trial.keep);
        consider(o);
    }
}

/* One solve at budget - reserve; keeps its shares for the portfolio. The times that the program
 * gives its steps become the nominal times by which saves get their slots. */
static dms_code solve(optimiser *o, int64_t reserve, const dms_bound_aim *aim,
                      dms_shares *out_shares, dms_status *st) {
    dms_placer *p = o->placer;
    const uint64_t bytes = (uint64_t)(p->budget - reserve) * DMS_ALIGN;
    DMS_TRY(dms_bound_solve(o->bound, bytes, aim, out_shares, st));
    if (!out_shares->has_shares || o->n_solutions == MAX_SOLUTIONS)
        return DMS_OK;
    o->solution[o->n_solutions] = *out_shares;
    o->reserve[o->n_solutions++] = reserve;
    memcpy(p->work.nominal_end, out_shares->nominal_end,
           (size_t)o->cycle->n_steps * sizeof *p->work.nominal_end);
    round_plain(o, reserve, out_shares->x);
    round_lifted(o, reserve, out_shares->x);
    round_by_size(o, reserve, out_shares->x);
    round_class(o, reserve, out_shares->x);
    return DMS_OK;
}

/* Within what a finer program could find. */
static bool is_close(const optimiser *o) {
    return (double)o->best.period_ns <= (double)o->placer->target_ns * 1.003;
}

static void take_bound(optimiser *o, const dms_shares *shares) {
    dms_placer *p = o->placer;
    if (shares->has_shares)
        p->share = shares->x;
    if (shares->bound_ns > p->bound_ns) {
        p->bound_ns = shares->bound_ns;
        p->certificate = shares->certificate;
    }
    if (p->bound_ns > p->target_ns)
        p->target_ns = p->bound_ns;
}

/* The bound, and shares for reserves of 0 to 16 blocks: a reserve leaves room for stock. The first
 * solve, with no reserve and no price, is the only one whose value is a bound of the problem. */
static dms_code solve_all(optimiser *o, dms_status *st) {
    const int64_t halves[] = {0, 1, 2, 4, 8, 16, 32};
    dms_placer *p = o->placer;
    const dms_bound_aim bound = {0};
    const dms_bound_aim plan = {.stock_price = STOCK_PRICE,
                                .host_reserve = DMS_LEAST_RING * o->cycle->largest};
    dms_shares shares;
    DMS_TRY(solve(o, 0, &bound, &shares, st));
    if (!shares.has_shares) { /* the ladder: a coarser program before mere formulas */
        dms_bound_close(o->bound);
        DMS_TRY(dms_bound_open(o->cycle, N_GROUPS / 2, p->arena, &o->bound, st));
        DMS_TRY(solve(o, 0, &bound, &shares, st));
    }
    take_bound(o, &shares);
    if (!shares.has_shares || dms_placer_is_done(p) || dms_placer_gives_up(p))
        return DMS_OK;
    for (uint32_t i = 0; i < sizeof halves / sizeof *halves && !is_near(o); i++) {
        const int64_t reserve = halves[i] * o->cycle->largest / 2;
        if (i > 0 && o->cycle->peak + reserve + o->cycle->largest > p->budget)
            break;
        DMS_TRY(solve(o, reserve, &plan, &shares, st));
    }
    return DMS_OK;
}

/* The same of a program with a group for every few steps: it says better where the keeps are to
 * lie, and its bound is the one that is printed. */
static dms_code solve_fine(optimiser *o, dms_status *st) {
    const int64_t halves[] = {0, 1, 2, 4};
    dms_placer *p = o->placer;
    const dms_bound_aim bound = {0};
    const dms_bound_aim plan = {.stock_price = STOCK_PRICE,
                                .host_reserve = DMS_LEAST_RING * o->cycle->largest};
    dms_shares shares;
    if ((uint32_t)o->cycle->n_steps <= N_GROUPS || o->n_solutions == 0 || is_close(o) ||
        o->placer->options->without_search)
        return DMS_OK;
    dms_bound_close(o->bound);
    DMS_TRY(dms_bound_open(o->cycle, FINE_GROUPS, p->arena, &o->bound, st));
    for (uint32_t i = 0; i <= sizeof halves / sizeof *halves && !is_close(o); i++) {
        const int64_t reserve = (i == 0 ? 0 : halves[i - 1]) * o->cycle->largest / 2;
        if (i > 1 && o->cycle->peak + reserve + o->cycle->largest > p->budget)
            break;
        DMS_TRY(solve(o, reserve, i == 0 ? &bound : &plan, &shares, st));
        if (i == 0)
            take_bound(o, &shares);
        if (!shares.has_shares) /* nor would it be solved for others */
            break;
        o->has_fine_bound = true;
    }
    return DMS_OK;
}

/* Which long gaps share what the relaxation keeps of them: first the blocks of `lead` units and up
 * to 2 % less, then all others of at least `least` units. */
typedef struct spreading {
    int64_t lead, least;
    double first, rest, kept; /* units of these, and what the relaxation keeps of both */
} spreading;

static bool is_spread(const optimiser *o, const spreading *how, uint32_t g) {
    const dms_gap *gap = o->cycle->gap + g;
    return gap->rule == DMS_GAP_FREE && 2 * (gap->b - gap->a) > o->cycle->n_steps &&
           gap->units >= how->least;
}

static bool leads(const optimiser *o, const spreading *how, uint32_t g) {
    const int64_t units = o->cycle->gap[g].units;
    return units <= how->lead && 50 * units >= 49 * how->lead;
}

static spreading sum_spread(const optimiser *o, int64_t lead, int64_t least) {
    spreading how = {.lead = lead, .least = least};
    for (uint32_t g = 0; g < o->cycle->n_gaps; g++)
        if (is_spread(o, &how, g)) {
            const double units = (double)o->cycle->gap[g].units;
            how.kept += o->solution[o->n_solutions - 1].x[g] * units;
            *(leads(o, &how, g) ? &how.first : &how.rest) += units;
        }
    return how;
}

/* Keeps in o->trial `kept` units of the long gaps, each kind spread evenly, and short ones as the
 * relaxation says. False where that is more or less than there is. */
static bool spread(optimiser *o, const spreading *how, double kept) {
    dms_placer *p = o->placer;
    const dms_rounding rounding = {.budget = p->budget};
    const double *x = o->solution[o->n_solutions - 1].x;
    double *share = (double *)p->work.load_done; /* free until the simulation */
    const double first = kept < how->first ? kept : how->first;
    const double rest = kept - first < how->rest ? kept - first : how->rest;
    if (kept < 0)
        return false;
    for (uint32_t g = 0; g < o->cycle->n_gaps; g++) {
        share[g] = x[g];
        if (is_spread(o, how, g))
            share[g] = leads(o, how, g) ? first / how->first : rest / (how->rest + 1);
    }
    dms_round(o->cycle, &p->work, &rounding, share, o->trial.keep);
    return true;
}

static void spread_evenly(optimiser *o) {
    const spreading how = sum_spread(o, 0, 0);
    for (int32_t r = -8; r <= 24 && !is_near(o); r += 2)
        if (spread(o, &how, how.kept - r * (double)o->cycle->largest))
            consider(o);
}

/* Adds the keeps in o->trial to the sets, once. */
static dms_code add_set(optimiser *o, dms_status *st) {
    dms_placer *p = o->placer;
    const uint32_t n = o->cycle->n_gaps;
    if (o->n_sets == MAX_KEEP_SETS || !dms_placer_score(p, DMS_NO_PERIOD, &o->trial))
        return DMS_OK;
    for (uint32_t i = 0; i < o->n_sets; i++)
        if (o->set[i].period_ns == o->trial.period_ns &&
            by_ring(&o->set[i].wish, &o->trial.wish) == 0 &&
            memcmp(o->set[i].keep, o->trial.keep, n) == 0)
            return DMS_OK;
    dms_keep_set *set = o->set + o->n_sets;
    DMS_TRY(dms_alloc_st(p->arena, n, 1, "placement", &set->keep, st));
    DMS_TRY(dms_alloc_st(p->arena, n, 1, "placement", &set->late, st));
    dms_keep_set_take(o->cycle, &o->trial, set);
    set->period_ns = o->trial.period_ns;
    set->laid_ns = DMS_NO_PERIOD;
    set->id = o->n_sets++;
    return DMS_OK;
}

/* Keeps of one size of block before all others, where the link sets the pace. To the relaxation
 * sizes differ by their latency alone; but a block on its way is in memory as a whole, and what
 * stays must fill the rest: 7B, one token, at 50 % came from 1.0025 to 1.0022 of the bound. */
static dms_code gather_sizes(optimiser *o, dms_status *st) {
    const dms_cycle *cycle = o->cycle;
    for (uint32_t k = 0, n = 0, end; k < cycle->n_weights && n < MOST_LEADS; k = end) {
        const int64_t lead = cycle->units[cycle->by_size[k]];
        for (end = k; end < cycle->n_weights && 50 * cycle->units[cycle->by_size[end]] >= 49 * lead;
             end++)
            ;
        const spreading how = sum_spread(o, lead, lead / 4);
        if (how.first * 16 < how.rest)
            continue;
        n++;
        for (int32_t r = -4; r <= 8; r++)
            if (spread(o, &how, how.kept - r * (double)lead))
                DMS_TRY(add_set(o, st));
    }
    return DMS_OK;
}

/* The best plan so far, and every solution rounded for a reserve: what leaves room is easier to
 * pack, and from where too little stays a search finds what is worth staying. */
static dms_code gather_solutions(optimiser *o, dms_status *st) {
    const int64_t extra[] = {0, 2, 4, 8};
    dms_placer *p = o->placer;
    const int64_t tile = o->cycle->largest, room = p->budget - o->cycle->peak - tile;
    dms_draft_choose(o->cycle, &o->best, &o->trial);
    DMS_TRY(add_set(o, st));
    for (uint32_t s = 0; s < o->n_solutions; s++)
        for (uint32_t i = 0; i < 10; i++) {
            int64_t reserve = o->reserve[s] + extra[i / 2 % 4] * tile / 4;
            dms_rounding how = {.budget = p->budget - reserve, .fill = i & 1};
            if (i >= 8)
                how = (dms_rounding){
                    .budget = p->budget, .fill = true, .reserve = (reserve = tile / (i - 7))};
            if (reserve > 0 && reserve > room)
                continue;
            dms_round(o->cycle, &p->work, &how, o->solution[s].x, o->trial.keep);
            DMS_TRY(add_set(o, st));
        }
    return DMS_OK;
}

/* The best plan without addresses, thinned for a reserve. */
static dms_code gather_thinned(optimiser *o, dms_status *st) {
    const int64_t quarters[] = {0, 1, 2, 4, 6, 8, 12, 16, 24, 32};
    dms_placer *p = o->placer;
    const int64_t tile = o->cycle->largest, room = p->budget - o->cycle->peak - tile;
    for (uint32_t i = 0; i < sizeof quarters / sizeof *quarters; i++) {
        const int64_t reserve = quarters[i] * tile / 4;
        if (i > 0 && reserve > room)
            break;
        dms_draft_choose(o->cycle, &o->best, &o->trial);
        dms_round_thin(o->cycle, &p->work, p->budget - reserve, o->trial.keep);
        DMS_TRY(add_set(o, st));
    }
    qsort(o->set, o->n_sets, sizeof *o->set, by_period);
    return DMS_OK;
}

static uint64_t at_most(uint64_t limit, uint64_t wanted) {
    return wanted < limit ? wanted : limit;
}

/* What addresses may cost at most: nothing where the steps cover all copies. */
static double fits_well(const optimiser *o) {
    return dms_placer_is_covered(o->placer) ? (double)o->placer->target_ns
                                            : (double)o->best.period_ns * 1.0001;
}

/* The keep sets first..end-1 that could still win, through the portfolio. A set whose period
 * without addresses is no better than the best plan with them cannot: sets are sorted, so there the
 * loop ends. Effort is counted in pieces met, never in seconds. */
static void pass_sets(optimiser *o, uint32_t first, uint32_t end) {
    dms_placer *p = o->placer;
    const uint64_t size = (uint64_t)o->cycle->n_gaps + o->cycle->n_tensors + 1;
    const uint64_t limit =
        p->options->without_search ? 2 * DMS_N_PASSES : at_most(600, 2000000 / size);
    const uint64_t effort = dms_addresses_effort(p->addresses) + PASS_EFFORT;
    const double goal = fits_well(o);
    const bool computes = (double)o->best.period_ns < (double)o->cycle->compute_ns * 1.001;
    uint64_t passes = 0;
    for (uint32_t z = first; z < end && z < o->n_sets && passes < limit; z++) {
        if (o->set[z].period_ns >= p->best.draft.period_ns)
            break;
        for (uint32_t i = 0; i < DMS_N_PASSES && passes < limit; i++) {
            const dms_fit fit = dms_contest_fit(i, computes);
            if (dms_placer_is_done(p) || (double)p->best.draft.period_ns <= goal ||
                dms_addresses_effort(p->addresses) > effort)
                return;
            dms_keep_set_give(o->cycle, o->set + z, &p->trial);
            if (!dms_slots(o->cycle, &p->work, p->budget, DMS_SLOT_EARLY, &p->trial) ||
                !dms_simulate(o->cycle, &p->work, 6, &p->trial))
                break;
            if (dms_placer_pass(p, &fit, "relaxation") && p->trial.period_ns < o->set[z].laid_ns)
                o->set[z].laid_ns = p->trial.period_ns;
            passes++;
        }
    }
}

/* The first set, from the best on, whose plan has addresses as it is. */
static void pass_whole(optimiser *o) {
    dms_placer *p = o->placer;
    const uint64_t effort = dms_addresses_effort(p->addresses) + PASS_EFFORT;
    if ((double)p->best.draft.period_ns <= fits_well(o))
        return;
    const uint32_t n = o->n_sets < MOST_WHOLE ? o->n_sets : MOST_WHOLE;
    for (uint32_t z = 0; z < n && dms_addresses_effort(p->addresses) < effort; z++) {
        dms_keep_set_give(o->cycle, o->set + z, &p->trial);
        if (o->set[z].period_ns >= p->best.draft.period_ns)
            return;
        if (dms_placer_score(p, DMS_NO_PERIOD, &p->trial) && dms_placer_whole(p, "relaxation"))
            return;
    }
}

/* Saves get their slots by the times of the plan that is placed, not those of another solution; but
 * where it is faster by those it was found with, they stay. */
static void take_nominal(optimiser *o) {
    dms_placer *p = o->placer;
    const int32_t n = o->cycle->n_steps;
    int64_t *found = o->found_end;
    memcpy(found, p->work.nominal_end, (size_t)n * sizeof *found);
    if (!dms_simulate(o->cycle, &p->work, 16, &o->best))
        return;
    for (int32_t t = 0; t < n; t++)
        p->work.nominal_end[t] = p->work.end[n + t] - p->work.end[n - 1];
    dms_draft_choose(o->cycle, &o->best, &o->trial);
    if (!dms_placer_score(p, DMS_NO_PERIOD, &o->trial) || dms_draft_better(&o->best, &o->trial))
        memcpy(p->work.nominal_end, found, (size_t)n * sizeof *found);
    else
        dms_draft_copy(o->cycle, &o->trial, &o->best);
}

/* A finer program where the plan is not yet near the bound; where something is read from storage,
 * it asks about plans faster than this one alone. */
static dms_code refine_bound(optimiser *o, dms_status *st) {
    dms_placer *p = o->placer;
    dms_bound *fine = NULL;
    const dms_bound_aim bound = {0};
    const int64_t period = p->best.draft.period_ns;
    const bool is_read = p->best.draft.n_read > 0;
    dms_shares shares;
    if ((!is_read && ((uint32_t)o->cycle->n_steps <= N_GROUPS || o->has_fine_bound)) ||
        (double)period <= (double)p->bound_ns * 1.005)
        return DMS_OK;
    DMS_TRY(dms_bound_open(o->cycle, FINE_GROUPS, p->arena, &fine, st));
    if (is_read)
        dms_bound_assume(fine, period);
    const uint64_t bytes = (uint64_t)p->budget * DMS_ALIGN;
    dms_certificate *by_cases = NULL;
    dms_code code = dms_bound_solve(fine, bytes, &bound, &shares, st);
    if (code == DMS_OK && is_read)
        code = dms_bound_by_cases(fine, bytes, &by_cases, st);
    dms_bound_close(fine);
    if (by_cases && by_cases->bound_ns > shares.bound_ns) {
        shares.bound_ns = by_cases->bound_ns;
        shares.certificate = by_cases;
    }
    if (code == DMS_OK && shares.bound_ns > p->bound_ns) {
        p->bound_ns = shares.bound_ns < period ? shares.bound_ns : period;
        p->certificate = shares.certificate;
    }
    return code;
}

/* The first sets in this order, one of each period, first; returns how many there are, at most
 * `most`. */
static uint32_t choose_starts(optimiser *o, uint32_t most,
                              int (*order)(const void *left, const void *right)) {
    uint32_t n = 0;
    qsort(o->set, o->n_sets, sizeof *o->set, order);
    for (uint32_t z = 0; z < o->n_sets && n < most; z++)
        if (n == 0 || o->set[z].period_ns != o->set[n - 1].period_ns) {
            const dms_keep_set set = o->set[z];
            o->set[z] = o->set[n];
            o->set[n++] = set;
        }
    return n;
}

/* The search without addresses. */
static dms_code search_sets(optimiser *o, uint64_t count, dms_status *st) {
    dms_placer *p = o->placer;
    const uint32_t n = choose_starts(o, dms_contest_starts(count, MOST_STARTS), by_period);
    if (n == 0)
        return DMS_OK;
    DMS_TRY(dms_contest_drafts(p, o->set, n, count, st));
    dms_keep_set_give(o->cycle, o->set, &o->trial);
    if (dms_placer_score(p, DMS_NO_PERIOD, &o->trial) && dms_draft_better(&o->trial, &o->best))
        dms_draft_copy(o->cycle, &o->trial, &o->best);
    return DMS_OK;
}

static dms_code improve(optimiser *o, dms_status *st) {
    dms_placer *p = o->placer;
    const uint64_t asked = p->options->max_evaluations;
    const bool is_alone = p->options->enough_ns == 0;
    if (o->n_solutions > 0)
        spread_evenly(o);
    if (o->best.period_ns == DMS_NO_PERIOD)
        return DMS_OK;
    DMS_TRY(gather_solutions(o, st));
    if (o->n_solutions > 0 && !dms_placer_is_covered(p))
        DMS_TRY(gather_sizes(o, st));
    if (!p->options->without_search && (asked || !is_near(o)))
        DMS_TRY(
            search_sets(o, asked ? asked : dms_contest_count(o->cycle, DRAFT_WORK, is_alone), st));
    take_nominal(o);
    p->unpacked_ns = o->best.period_ns;
    DMS_TRY(gather_thinned(o, st));
    pass_sets(o, 0, 1); /* where there is time to spare, that is all */
    pass_whole(o);
    pass_sets(o, 1, o->n_sets);
    if (p->options->without_search)
        return DMS_OK;
    if ((double)p->best.draft.period_ns > fits_well(o)) {
        /* filled up, it is often faster: unet-tiny behind a slow link 10 % and more */
        DMS_TRY(dms_placer_lighten(p, st));
        const uint32_t n = choose_starts(o, MOST_STARTS, by_laid);
        const uint64_t count = dms_contest_count(o->cycle, LAYOUT_WORK, is_alone);
        DMS_TRY(dms_contest_layouts(p, o->set, n, asked ? asked : count, st));
    }
    return refine_bound(o, st);
}

dms_code dms_placer_optimise(dms_placer *placer, dms_status *st) {
    optimiser *o;
    DMS_TRY(dms_alloc_st(placer->arena, 1, sizeof *o, "placement", &o, st));
    o->placer = placer;
    o->cycle = placer->cycle;
    list_rings(o);
    DMS_TRY(dms_draft_new(o->cycle, placer->arena, &o->best, st));
    DMS_TRY(dms_draft_new(o->cycle, placer->arena, &o->trial, st));
    DMS_TRY(dms_alloc_st(placer->arena, (uint64_t)o->cycle->n_steps, sizeof *o->found_end,
                         "placement", &o->found_end, st));
    DMS_TRY(dms_bound_open(o->cycle, placer->options->enough_ns > 0 ? FINE_GROUPS : N_GROUPS,
                           placer->arena, &o->bound, st));
    dms_code code = solve_all(o, st);
    const bool goes_on = !dms_placer_is_done(placer) && !dms_placer_gives_up(placer);
    if (code == DMS_OK && goes_on && placer->options->enough_ns == 0)
        code = solve_fine(o, st);
    dms_bound_close(o->bound);
    if (code == DMS_OK && goes_on && !dms_placer_is_done(placer))
        code = improve(o, st);
    if (code == DMS_OK && dms_addresses_failed(placer->addresses))
        code = dms_fail(st, DMS_EINTERNAL, "out of memory: addresses");
    return code;
}
