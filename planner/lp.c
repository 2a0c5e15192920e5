/* lp.c - rows in plain arrays, lp_solve behind them, and the certificate over the arrays. */
#include "planner/lp.h"

#include <lpsolve/lp_lib.h>
#include <stdlib.h>
#include <string.h>

#include "schema/arena.h"

dms_code dms_lp_open(dms_arena *arena, uint32_t n_cols, dms_lp *out_lp, dms_status *st) {
    dms_lp lp = {.arena = arena, .n_cols = n_cols};
    const uint64_t n = (uint64_t)n_cols + 1;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.lower, "linear program", &lp.lower, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.upper, "linear program", &lp.upper, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.cost, "linear program", &lp.cost, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.is_integer, "linear program", &lp.is_integer, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.sum, "linear program", &lp.sum, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.used, "linear program", &lp.used, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.told_lower, "linear program", &lp.told_lower, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.told_upper, "linear program", &lp.told_upper, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *lp.told_cost, "linear program", &lp.told_cost, st));
    *out_lp = lp;
    return DMS_OK;
}

/* Who links libdmsc with an lp_solve whose allocator is its own has that free what it took. */
void dms_lp_close(dms_lp *lp) {
    if (lp->solver && lp->is_plain)
        delete_lp(lp->solver);
    dms_box_empty(&lp->box);
    lp->solver = NULL;
}

void dms_lp_column(dms_lp *lp, uint32_t col, double lower, double upper, double cost) {
    lp->lower[col] = lower;
    lp->upper[col] = upper;
    lp->cost[col] = cost;
}

void dms_lp_put(dms_lp *lp, uint32_t col, double value) {
    if (value == 0)
        return;
    /* a coefficient that cancels to 0 and comes back would be listed twice: rows drop the second */
    if (lp->sum[col] == 0)
        lp->used[lp->n_used++] = col;
    lp->sum[col] += value;
}

static int by_column(const void *left, const void *right) {
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Ends a row: entries sorted by column and unique, as add_constraintex wants them, zeros left out,
 * and `sum` and `used` back to empty for the next. */
dms_code dms_lp_row(dms_lp *lp, double low, double high, dms_status *st) {
    const uint64_t entries = (uint64_t)lp->n_entries + lp->n_used, rows = (uint64_t)lp->n_rows + 2;
    DMS_TRY(dms_grow(lp->arena, &lp->col, &lp->cap_col, entries, sizeof *lp->col, st));
    DMS_TRY(dms_grow(lp->arena, &lp->value, &lp->cap_value, entries, sizeof *lp->value, st));
    DMS_TRY(dms_grow(lp->arena, &lp->first, &lp->cap_first, rows, sizeof *lp->first, st));
    DMS_TRY(dms_grow(lp->arena, &lp->side_low, &lp->cap_low, rows, sizeof *lp->side_low, st));
    DMS_TRY(dms_grow(lp->arena, &lp->side_high, &lp->cap_high, rows, sizeof *lp->side_high, st));
    qsort(lp->used, lp->n_used, sizeof *lp->used, by_column);
    for (uint32_t i = 0; i < lp->n_used; i++) {
        const uint32_t col = lp->used[i];
        if (lp->sum[col] != 0) {
            lp->col[lp->n_entries] = col;
            lp->value[lp->n_entries++] = lp->sum[col];
        }
        lp->sum[col] = 0;
    }
    lp->n_used = 0;
    lp->side_low[lp->n_rows] = low;
    lp->side_high[lp->n_rows++] = high;
    lp->first[lp->n_rows] = lp->n_entries;
    return DMS_OK;
}

/* The sides that lp_solve is given: every row has one, or two that are equal. */
static bool has_high(const dms_lp *lp, uint32_t row) {
    return lp->side_high[row] < DMS_LP_FREE;
}

void dms_lp_set_high(dms_lp *lp, uint32_t row, double high) {
    lp->side_high[row] = high;
}

/* Notes what the solver has. */
static void note_told(dms_lp *lp) {
    memcpy(lp->told_lower, lp->lower, lp->n_cols * sizeof *lp->lower);
    memcpy(lp->told_upper, lp->upper, lp->n_cols * sizeof *lp->upper);
    memcpy(lp->told_cost, lp->cost, lp->n_cols * sizeof *lp->cost);
    memcpy(lp->told_high, lp->side_high, lp->n_rows * sizeof *lp->side_high);
}

/* Tells the solver what changed. It counts columns and rows from 1; row 0 is the objective. What
 * has not changed is not set again, so that the basis of the last solve stays good. */
static void tell_changes(dms_lp *lp) {
    for (uint32_t c = 0; c < lp->n_cols; c++) {
        if (lp->lower[c] != lp->told_lower[c])
            set_lowbo(lp->solver, (int)c + 1, lp->lower[c]);
        if (lp->upper[c] != lp->told_upper[c])
            set_upbo(lp->solver, (int)c + 1, lp->upper[c]);
        if (lp->cost[c] != lp->told_cost[c])
            set_mat(lp->solver, 0, (int)c + 1, lp->cost[c]);
    }
    for (uint32_t r = 0; r < lp->n_rows; r++)
        if (lp->side_high[r] != lp->told_high[r])
            set_rh(lp->solver, (int)r + 1, lp->side_high[r]);
    note_told(lp);
}

/* lp_solve is given one side of each row; its own ranges are not used. */
static bool add_rows(dms_lp *lp, lprec *solver, int *scratch) {
    for (uint32_t r = 0; r < lp->n_rows; r++) {
        const uint32_t first = lp->first[r], n = lp->first[r + 1] - first;
        for (uint32_t i = 0; i < n; i++)
            scratch[i] = (int)lp->col[first + i] + 1;
        int kind = GE;
        if (lp->side_low[r] == lp->side_high[r])
            kind = EQ;
        else if (has_high(lp, r))
            kind = LE;
        const double side = kind == GE ? lp->side_low[r] : lp->side_high[r];
        if (!add_constraintex(solver, (int)n, lp->value + first, scratch, kind, side))
            return false;
    }
    return true;
}

/* One solve, as the box sees it: everything that it writes to is there before it begins. */
typedef struct solve_run {
    dms_lp *lp;
    bool is_backup, is_branch, is_loaded;
    int *scratch;     /* per column */
    double *cost;     /* per column and one: lp_solve counts from 1 */
    dms_lp_result to; /* with room for its arrays */
} solve_run;

/* Hands the program to a new solver. Measured in PLACEMENT.md section 4: DEVEX with adaptive
 * pricing within 10 % of the best, the first index 5 to 10 x slower; no presolve, since removing
 * rows destroys their duals (a certificate became -30,014 ms instead of 92.4) and gains nothing,
 * but PRESOLVE_DUALS, without which there are no duals at all. PRESOLVE_SENSDUALS would add the
 * ranges in which they hold: nobody reads those, and they took 60 % of all solves' time. No
 * timeout: it would make results depend on the clock. */
static bool load(solve_run *run) {
    dms_lp *lp = run->lp;
    lprec *solver = make_lp(0, (int)lp->n_cols);
    if (!solver)
        return false;
    lp->is_plain = lp->box.heap.n_pieces == 0;
    set_verbose(solver, 0);
    for (uint32_t c = 0; c < lp->n_cols; c++)
        run->cost[c + 1] = lp->cost[c];
    set_add_rowmode(solver, TRUE);
    if (!set_obj_fn(solver, run->cost) || !add_rows(lp, solver, run->scratch))
        return false;
    set_add_rowmode(solver, FALSE);
    for (uint32_t c = 0; c < lp->n_cols; c++) {
        set_bounds(solver, (int)c + 1, lp->lower[c], lp->upper[c]);
        set_int(solver, (int)c + 1, FALSE);
    }
    set_minim(solver);
    set_pivoting(solver, PRICER_DEVEX | PRICE_ADAPTIVE);
    set_presolve(solver, PRESOLVE_DUALS, get_presolveloops(solver));
    note_told(lp);
    lp->solver = solver;
    return true;
}

/* lp_solve asks now and then whether to stop: by counts, which are the same on every machine. */
static int past_iterations(lprec *solver, void *context) {
    const dms_lp *lp = context;
    return get_total_iter(solver) > (long long)lp->max_count;
}

static int past_nodes(lprec *solver, void *context) {
    const dms_lp *lp = context;
    /* a node costs some 20 iterations; one that never ends must not be waited for */
    return get_total_nodes(solver) > (long long)lp->max_count ||
           get_total_iter(solver) > 100 * (long long)lp->max_count;
}

/* Weak duality with boxes: duals of the wrong sign count as 0. For every y with y(r) >= 0 where
 * the row has a lower side and y(r) <= 0 where it has an upper one,
 *
 *   c v  >=  sum over rows of y(r) side(r)  +  sum over columns of min over [l, u] of (c - y A) v
 *
 * whatever y is, so a solver that fails gives a poor bound and never a false one. Equal to the
 * objective within 1e-8 in all 66 runs of PLACEMENT.md section 4. */
static double certify(const dms_lp *lp, const double *dual, double *price, double *reduced) {
    double bound = 0;
    for (uint32_t c = 0; c < lp->n_cols; c++)
        reduced[c] = lp->cost[c];
    for (uint32_t r = 0; r < lp->n_rows; r++) {
        const double y = dual[r], side = y > 0 ? lp->side_low[r] : lp->side_high[r];
        if (y == 0 || side <= -DMS_LP_FREE || side >= DMS_LP_FREE)
            continue;
        price[r] = y;
        bound += y * side;
        for (uint32_t i = lp->first[r]; i < lp->first[r + 1]; i++)
            reduced[lp->col[i]] -= y * lp->value[i];
    }
    for (uint32_t c = 0; c < lp->n_cols; c++)
        bound += reduced[c] * (reduced[c] > 0 ? lp->lower[c] : lp->upper[c]);
    return bound;
}

/* Reads what the solver holds into the result. The vectors belong to the solver and go with its
 * next call: what is wanted is copied here. */
static void read_result(solve_run *run, int code) {
    const dms_lp *lp = run->lp;
    dms_lp_result *result = &run->to;
    double *point = NULL, *dual = NULL;
    result->is_solved = code == OPTIMAL || code == PRESOLVED;
    result->has_point = result->is_solved || code == SUBOPTIMAL;
    result->certificate = -DMS_LP_FREE;
    if (!result->has_point)
        return;
    result->objective = get_objective(lp->solver);
    if (get_ptr_variables(lp->solver, &point))
        for (uint32_t c = 0; c < lp->n_cols; c++)
            result->x[c] = point[c];
    if (get_ptr_sensitivity_rhs(lp->solver, &dual, NULL, NULL))
        result->certificate = certify(lp, dual, result->price, result->reduced);
}

/* Scaling is set once per load: setting it again makes the solver scale what is scaled. */
static void set_recipe(const solve_run *run) {
    lprec *solver = run->lp->solver;
    set_scaling(solver, run->is_backup ? SCALE_GEOMETRIC
                                       : SCALE_GEOMETRIC + SCALE_EQUILIBRATE + SCALE_INTEGERS);
    set_simplextype(solver, run->is_backup ? SIMPLEX_DUAL_DUAL : SIMPLEX_DUAL_PRIMAL);
}

/* Upwards first: a gap that is kept in part is tried kept. No limit of depth, for the nodes are
 * counted anyway, and mip gaps of 1e-9, so that "optimal" means optimal. */
static void set_branching(const solve_run *run) {
    const dms_lp *lp = run->lp;
    lprec *solver = lp->solver;
    for (uint32_t c = 0; c < lp->n_cols; c++)
        if (lp->is_integer[c])
            set_int(solver, (int)c + 1, TRUE);
    set_presolve(solver, PRESOLVE_NONE, get_presolveloops(solver));
    set_recipe(run);
    set_bb_floorfirst(solver, BRANCH_CEILING);
    set_bb_depthlimit(solver, 0);
    set_mip_gap(solver, TRUE, 1e-9);
    set_mip_gap(solver, FALSE, 1e-9);
}

/* Everything between the arrays and the result that is lp_solve's. */
static void solve_in_box(void *context) {
    solve_run *run = context;
    dms_lp *lp = run->lp;
    if (lp->solver) {
        tell_changes(lp);
    } else if (!load(run)) {
        return;
    } else if (run->is_branch) {
        set_branching(run);
    } else {
        set_recipe(run);
    }
    run->is_loaded = true;
    put_abortfunc(lp->solver, run->is_branch ? past_nodes : past_iterations, lp);
    read_result(run, solve(lp->solver));
}

/* A solver that lacked memory is gone, with what it had. */
static dms_code solve_boxed(solve_run *run, dms_lp_result *out_result, dms_status *st) {
    dms_lp *lp = run->lp;
    dms_lp_result *to = &run->to;
    const uint64_t n = (uint64_t)lp->n_cols + 1;
    DMS_TRY(dms_alloc_st(lp->arena, n, sizeof *run->scratch, "linear program", &run->scratch, st));
    DMS_TRY(dms_alloc_st(lp->arena, n, sizeof *run->cost, "linear program", &run->cost, st));
    DMS_TRY(dms_alloc_st(lp->arena, n, sizeof *to->reduced, "linear program", &to->reduced, st));
    DMS_TRY(dms_alloc_st(lp->arena, (uint64_t)lp->n_rows + 1, sizeof *to->price, "linear program",
                         &to->price, st));
    DMS_TRY(dms_alloc_st(lp->arena, n, sizeof *to->x, "linear program", &to->x, st));
    DMS_TRY(
        dms_grow(lp->arena, &lp->told_high, &lp->cap_told, lp->n_rows, sizeof *lp->told_high, st));
    const dms_code code = dms_box_run(&lp->box, solve_in_box, run, st);
    if (code == DMS_OK && run->is_loaded) {
        *out_result = run->to;
        return DMS_OK;
    }
    dms_lp_close(lp);
    return code != DMS_OK ? code : dms_fail(st, DMS_EINTERNAL, "lp_solve refused the program");
}

dms_code dms_lp_solve(dms_lp *lp, dms_lp_recipe recipe, uint64_t max_iterations,
                      dms_lp_result *out_result, dms_status *st) {
    solve_run run = {.lp = lp, .is_backup = recipe == DMS_LP_RECIPE_BACKUP};
    if (run.is_backup)
        dms_lp_close(lp);
    lp->max_count = max_iterations; /* the solver counts each solve from 0 */
    return solve_boxed(&run, out_result, st);
}

dms_code dms_lp_branch(dms_lp *lp, uint64_t max_nodes, dms_lp_result *out_result, dms_status *st) {
    solve_run run = {.lp = lp, .is_branch = true};
    dms_lp_close(lp);
    lp->max_count = max_nodes;
    return solve_boxed(&run, out_result, st);
}
