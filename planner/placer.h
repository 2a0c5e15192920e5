/* placer.h - one call of dms_place: what was tried, and the best of it.
 *
 * Reads    a cycle and its budgets.
 * Returns  candidates, each placed with addresses and simulated.
 * Cost     counted in evaluations.
 * Source   PLACEMENT.md sections 5.5, 5.6 and 9.
 * Not here the programs (bound.h, exact.c), the arrays of a decision (decision.c).
 */
#ifndef DMS_PLANNER_PLACER_H
#define DMS_PLANNER_PLACER_H

#include "planner/addresses.h"
#include "planner/bound.h"
#include "planner/place.h"

#define DMS_MAX_CANDIDATES 16u
#define DMS_MAX_RINGS 128u
#define DMS_FINAL_CYCLES 16u /* simulated turns of what is decided */
#define DMS_N_PASSES 24u

/* A draft with its addresses. */
typedef struct dms_layout {
    dms_draft draft;
    dms_piece *piece;
    uint32_t n_pieces;
    int64_t *kept_offset; /* per tensor, units; -1 = not kept over the whole cycle */
    int64_t top;          /* units: highest end */
} dms_layout;

/* The tightest plan: everything leaves that may, loads come just in time. With the first
 * `n_kept` weights of `by_size` kept for want of host memory. */
typedef struct dms_floor_plan {
    dms_layout layout;
    uint32_t *by_size; /* weights that may be streamed, largest first */
    uint32_t n_by_size;
    bool activations_stay;
    int64_t *need_units;  /* per number of kept weights, n_by_size + 1 */
    uint64_t *host_bytes; /* the same */
} dms_floor_plan;

/* Keeps with the period of their slots. */
typedef struct dms_keep_set {
    uint8_t *keep, *late;
    dms_ring_size wish;
    int64_t period_ns;
    int64_t
        laid_ns; /* the shortest with addresses so far; DMS_NO_PERIOD: none, or none was tried */
    uint32_t id;
} dms_keep_set;

/* Copies keeps, what is late, and the wish from a draft, or back into one. */
void dms_keep_set_take(const dms_cycle *cycle, const dms_draft *from, dms_keep_set *set);
void dms_keep_set_give(const dms_cycle *cycle, const dms_keep_set *set, dms_draft *to);

/* Everything one call works with. */
typedef struct dms_placer {
    dms_cycle *cycle;
    dms_work work;
    dms_arena *arena;
    dms_addresses *addresses;
    const dms_place_options *options;
    int64_t budget;    /* units */
    int64_t target_ns; /* no plan is faster: bound, or the release of the inputs */
    int64_t bound_ns;
    int64_t unpacked_ns; /* the best period without addresses; DMS_NO_PERIOD where none was asked */
    const dms_certificate *certificate; /* of bound_ns; NULL: the steps and their inputs alone */
    bool is_exact;                      /* the full ILP was solved to its end */
    uint32_t n_rings; /* sizes of the ring worth trying, rising; 0 where nothing is ever read */
    dms_ring_size ring[DMS_MAX_RINGS];
    const double *share; /* per gap, of the relaxation that gave the bound; NULL: none was solved */
    dms_layout best;
    dms_fit best_fit;
    dms_draft trial;
    dms_place_candidate candidate[DMS_MAX_CANDIDATES];
    uint32_t n_candidates;
} dms_placer;

/* Allocates a layout of this cycle. */
DMS_CHECKED dms_code dms_layout_new(const dms_cycle *cycle, dms_arena *arena,
                                    dms_layout *out_layout, dms_status *st);

/* Copies a draft and the pieces of the last pass into a layout. */
void dms_layout_take(const dms_cycle *cycle, const dms_draft *draft, const dms_addresses *addresses,
                     dms_layout *layout);

/* Packs the tightest plans of a cycle, with and without activations that leave, and fills in the
 * smallest budgets. out_plans[0] lets activations leave, [1] keeps them. */
DMS_CHECKED dms_code dms_floor_pack(const dms_cycle *cycle, dms_work *work,
                                    dms_addresses *addresses, const dms_place_options *options,
                                    dms_arena *arena, dms_floor_plan out_plans[2],
                                    dms_place_floor *out_floor, dms_status *st);

/* Turns a tightest plan into the layout in which its first `n_kept` weights stay, and fixes those
 * keeps (and the activations, where they stay) in the cycle. */
void dms_floor_layout(dms_cycle *cycle, dms_work *work, dms_addresses *addresses,
                      const dms_floor_plan *plan, uint32_t n_kept, dms_layout *layout);

/* Scores a layout that is already simulated under a name: the best period of that name counts. */
void dms_placer_note(dms_placer *placer, const char *name, int64_t period_ns);

/* Whether the steps cover all copies, as far as is known: then a plan that waits for nothing but
 * inputs is within reach. */
bool dms_placer_is_covered(const dms_placer *placer);

/* A period that is good enough: `share` above what no plan can beat, or just that where the steps
 * cover all copies. */
double dms_placer_goal(const dms_placer *placer, double share);

/* Whether more solves and searches could gain nothing that is worth their time: 0.02 %, and 0.1 %
 * for one of many points, while step times vary by more from run to run. */
bool dms_placer_is_near(const dms_placer *placer, int64_t period_ns);

/* The same of the best plan. */
bool dms_placer_is_done(const dms_placer *placer);

/* Whether it is known that no plan here is as fast as the caller wants. */
bool dms_placer_gives_up(const dms_placer *placer);

/* One pass over placer->trial, whose slots are set (and which is simulated where fit->lead > 0):
 * notes it under `name` and keeps it when it is the best. Returns whether it fits. */
bool dms_placer_pass(dms_placer *placer, const dms_fit *fit, const char *name);

/* Addresses for placer->trial as it is, where it is better than the best and they are found: noted
 * under `name`, and kept. */
bool dms_placer_whole(dms_placer *placer, const char *name);

/* Slots, queue and period of the keeps of a draft, without addresses. False: it does not fit, or
 * its readings alone take limit_ns and more. */
bool dms_placer_score(dms_placer *placer, int64_t limit_ns, dms_draft *draft);

/* Scores the obvious rules, placed with addresses: on-demand, double-buffer, keep-first, even,
 * belady. A rule whose keeps do not fit does not exist at this budget. */
DMS_CHECKED dms_code dms_placer_rules(dms_placer *placer, dms_status *st);

/* Relaxation, rounding, search without addresses, portfolio and search with them. */
DMS_CHECKED dms_code dms_placer_optimise(dms_placer *placer, dms_status *st);

/* Threshold accepting over keeps, from placer->trial (slots set, simulated) on: at most `count`
 * evaluations without addresses. The best draft is left in `trial`. Other seeds try other moves. */
DMS_CHECKED dms_code dms_search_drafts(dms_placer *placer, uint64_t count, uint32_t seed,
                                       dms_status *st);

/* The same with the pass inside, from placer->best on; improves placer->best. Ends sooner when it
 * has met `effort` pieces (addresses.h). */
DMS_CHECKED dms_code dms_search_layouts(dms_placer *placer, uint64_t count, uint64_t effort,
                                        uint32_t seed, dms_status *st);

/* Evaluations for a cycle: `work` over its size (gaps and steps), 2,000 at most, and beside these
 * up to 8,000, the more the smaller it is: what takes microseconds each may be many. One of several
 * placements of a compile (not `is_alone`) has none of these more.
 *
 *   size          400     1,000   2,000   4,000   8,000   20,000       work 8,000,000
 *   count       8,480     6,500   4,000   2,000   1,000      400 */
uint64_t dms_contest_count(const dms_cycle *cycle, uint64_t work, bool is_alone);

/* How many starts `count` evaluations are enough for, at most `n_starts`. */
uint32_t dms_contest_starts(uint64_t count, uint32_t n_starts);

/* The i-th of DMS_N_PASSES settings of the pass; `computes`: the plan runs at the speed of compute.
 */
dms_fit dms_contest_fit(uint32_t i, bool computes);

/* Searches without addresses from all of `set`, then for longer from the better half of what came
 * of them, and so on: about `count` evaluations in all. The sets become what was found, the best
 * first. */
DMS_CHECKED dms_code dms_contest_drafts(dms_placer *placer, dms_keep_set *set, uint32_t n,
                                        uint64_t count, dms_status *st);

/* The same with addresses, from placer->best and from each of the sets; improves placer->best. */
DMS_CHECKED dms_code dms_contest_layouts(dms_placer *placer, const dms_keep_set *set, uint32_t n,
                                         uint64_t count, dms_status *st);

/* How far the full ILP may go. */
typedef struct dms_exact_limits {
    uint32_t max_binaries; /* larger programs are not built */
    uint64_t max_nodes;    /* of the branch and bound */
} dms_exact_limits;

/* What came of it. */
typedef struct dms_exact_result {
    bool has_draft;   /* the draft holds keeps, slots and a period */
    bool is_proven;   /* no plan with its queue in order of deadline has a shorter period */
    double period_ns; /* as the program says; 0 = none */
} dms_exact_result;

/* Solves the full ILP at `budget` units, with activations that stay, into a draft.
 * Errors   DMS_EINTERNAL: out of memory. A program too large or stopped is no error. */
DMS_CHECKED dms_code dms_exact_solve(const dms_cycle *cycle, dms_work *work, int64_t budget,
                                     const dms_exact_limits *limits, dms_arena *arena,
                                     dms_draft *draft, dms_exact_result *out_result,
                                     dms_status *st);

/* The full ILP as a candidate, where its size allows or options->exact asks for it.
 * *out_is_exact: it was solved to its end. */
DMS_CHECKED dms_code dms_placer_exact(dms_placer *placer, bool *out_is_exact, dms_status *st);

/* Keeps more than placer->best does, as long as it is no slower: fewer bytes are copied then. */
DMS_CHECKED dms_code dms_placer_lighten(dms_placer *placer, dms_status *st);

/* Writes placer->best as a decision into the arena. */
DMS_CHECKED dms_code dms_decision_make(dms_placer *placer, dms_decision *out_decision,
                                       dms_status *st);

#endif
