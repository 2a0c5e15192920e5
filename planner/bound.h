/* bound.h - how fast can any schedule be, and which share of each gap does the best one keep?
 *
 * Reads    a cycle (place_internal.h) and a device budget in bytes.
 * Returns  a certificate in ns that no schedule of these steps beats, and shares per gap.
 * Cost     0.02 to 0.1 s at 200 groups, at any number of steps.
 * Source   PLACEMENT.md section 3 (rows, why they bound, grouping) and 4 (certificate, ladder).
 * Not here rounding (round.c), the solver (lp.h).
 */
#ifndef DMS_PLANNER_BOUND_H
#define DMS_PLANNER_BOUND_H

#include "planner/certificate.h"
#include "planner/place_internal.h"

/* A grouped program of one cycle; solved for many budgets. */
typedef struct dms_bound dms_bound;

/* One solution. The arrays belong to the arena of the bound. */
typedef struct dms_shares {
    bool has_shares;              /* false: the solver gave up, only bound_ns holds */
    int64_t bound_ns;             /* never below the sum of the steps */
    dms_certificate *certificate; /* proves bound_ns; NULL:
                                     not solved, or no bound was asked for */
    double value_ns;              /* what the solver says the optimum is */
    double *x;                    /* per gap: share that stays, 0..1, rounded to 1e-6 */
    int64_t *nominal_end;         /* per step: when it ends in this solution */
} dms_shares;

/* Prepares groups, columns and rows. End with dms_bound_close. */
DMS_CHECKED dms_code dms_bound_open(const dms_cycle *cycle, uint32_t max_groups, dms_arena *arena,
                                    dms_bound **out_bound, dms_status *st);

/* Asks about schedules of at most `period_ns` alone, a period that some plan has: what is read then
 * takes a part of the host at all times. No schedule beats the smaller of the bound and it. Call
 * it before the first solve. */
void dms_bound_assume(dms_bound *bound, int64_t period_ns);

/* Lets no rung of the ladder take more iterations than this; 0, as at first, is what the size of
 * the program asks for. */
void dms_bound_limit(dms_bound *bound, uint64_t max_iterations);

/* Gives the solver's memory back. NULL is fine. */
void dms_bound_close(dms_bound *bound);

/* Of every schedule one of two things is true: two readings of large blocks are on the host at some
 * time, or at none. */
typedef enum dms_ring_case {
    DMS_RING_ANY,   /* either */
    DMS_RING_PAIR,  /* at some time, so homes leave room for both */
    DMS_RING_APART, /* never: each reading waits for the copy of the one before */
} dms_ring_case;

/* What a solve is for. All zero: the bound. */
typedef struct dms_bound_aim {
    double stock_price;   /* > 0 asks, among equal optima, for little stock: that rounds better */
    int64_t host_reserve; /* units of the host budget that homes leave to the ring; with it every
                             activation that leaves is charged with a place of its own */
    dms_ring_case ring;   /* which schedules are asked about */
} dms_bound_aim;

/* Solves for a budget of `bytes`, which must hold every footprint. With another aim than the bound
 * bound_ns is the sum of the steps.
 * Errors   DMS_EINTERNAL: out of memory. A solver that gives up is no error: the ladder ends in
 *          prices by formulas (bound_beneath.c). */
DMS_CHECKED dms_code dms_bound_solve(dms_bound *bound, uint64_t bytes, const dms_bound_aim *aim,
                                     dms_shares *out_shares, dms_status *st);

/* The bound by cases, after a solve for the bound at the same budget: each case has prices of its
 * own, and what both prove is proven. *out_certificate is NULL where the host has room for all
 * homes or for no two blocks, or a case has no certificate. Cost: two solves from a basis. */
DMS_CHECKED dms_code dms_bound_by_cases(dms_bound *bound, uint64_t bytes,
                                        dms_certificate **out_certificate, dms_status *st);

#endif
