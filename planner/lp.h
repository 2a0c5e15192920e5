/* lp.h - a linear program whose lower bound does not rest on the solver being right.
 *
 * Reads    columns with finite boxes, rows with sides, a cost to minimise.
 * Returns  a solution of lp_solve, and a certificate: sum of dual x side, plus the best each column
 *          can do in its box against the reduced cost. Any duals give a true bound.
 * Cost     certificate: one pass over the entries.
 * Source   lp_solve 5.5 (LGPL); weak duality.
 * Not here what the rows mean (bound.c, exact.c).
 *
 * This is the only place that calls lp_solve. The recipe (units near 1, dual then primal simplex,
 * DEVEX pricing, geometric scaling, no presolve, no clock) is measured in PLACEMENT.md section 4.
 */
#ifndef DMS_PLANNER_LP_H
#define DMS_PLANNER_LP_H

#include <stdbool.h>
#include <stdint.h>

#include "planner/box.h"
#include "schema/status.h"

#define DMS_LP_FREE 1e30 /* a side that does not bind */

/* Zero-initialise through dms_lp_open; end with dms_lp_close. */
typedef struct dms_lp {
    dms_arena *arena;
    uint32_t n_cols, n_rows, n_entries;
    double *lower, *upper, *cost; /* per column */
    bool *is_integer;             /* per column */
    double *side_low, *side_high; /* per row */
    uint32_t *first;              /* per row: where its entries begin */
    uint32_t *col;                /* per entry */
    double *value;
    uint32_t cap_low, cap_high, cap_first, cap_col, cap_value;
    double *sum; /* the row being built: per column */
    uint32_t *used;
    uint32_t n_used;
    void *solver;  /* lprec, NULL until the first solve */
    dms_box box;   /* what it has allocated ... */
    bool is_plain; /* ... unless it was linked as it is: see dms_lp_close */
    double *told_lower, *told_upper, *told_cost, *told_high; /* what the solver was given last */
    uint32_t cap_told;
    uint64_t max_count;
} dms_lp;

/* What a solve gives. */
typedef struct dms_lp_result {
    bool is_solved;     /* the solver says optimal */
    bool has_point;     /* `x` holds a feasible point (optimal, or the best found before a limit) */
    double objective;   /* of that point */
    double certificate; /* valid whatever the solver did; integers count as reals */
    double *x;          /* per column, in the arena of the program; so are the next two */
    double *price;      /* per row: its dual, 0 where the sign is wrong or there is no such side */
    double *reduced;    /* per column: cost less what the prices of its entries add up to */
} dms_lp_result;

/* Which of two ways the solver is asked. */
typedef enum dms_lp_recipe {
    DMS_LP_RECIPE,        /* geometric + equilibrate + dynamic update, dual then primal */
    DMS_LP_RECIPE_BACKUP, /* geometric scaling alone, dual then dual */
} dms_lp_recipe;

/* Starts a program of n_cols columns with box [0, 0] and cost 0. */
DMS_CHECKED dms_code dms_lp_open(dms_arena *arena, uint32_t n_cols, dms_lp *out_lp, dms_status *st);

/* Gives the solver's memory back; the arena keeps the rest. Safe on a zeroed program. */
void dms_lp_close(dms_lp *lp);

/* Sets the box and the cost of a column; after a solve, the next one starts from its basis. */
void dms_lp_column(dms_lp *lp, uint32_t col, double lower, double upper, double cost);

/* Adds to the coefficient of `col` in the row being built. */
void dms_lp_put(dms_lp *lp, uint32_t col, double value);

/* Ends the row being built: low <= row <= high, one of them DMS_LP_FREE away, or both equal. */
DMS_CHECKED dms_code dms_lp_row(dms_lp *lp, double low, double high, dms_status *st);

/* Changes the upper side of a row. */
void dms_lp_set_high(dms_lp *lp, uint32_t row, double high);

/* Solves from the last basis, if there is one.
 * Errors   DMS_EINTERNAL: out of memory. A solver that gives up is no error: see the result. */
DMS_CHECKED dms_code dms_lp_solve(dms_lp *lp, dms_lp_recipe recipe, uint64_t max_iterations,
                                  dms_lp_result *out_result, dms_status *st);

/* Solves with the integer columns by branch and bound, from scratch, below `max_nodes` nodes.
 * is_solved means proven optimal. Errors as dms_lp_solve. */
DMS_CHECKED dms_code dms_lp_branch(dms_lp *lp, uint64_t max_nodes, dms_lp_result *out_result,
                                   dms_status *st);

#endif
