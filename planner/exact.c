/* exact.c - the full integer program: which gaps stay, and in which slot each load takes its
 * memory. Exact over plans whose queue is in order of deadline and whose activations stay on the
 * device; the oracle of the tests, and a candidate where it is small.
 *
 * Columns: z period; S_t start of step t; B_g start of a copy, in the frame of its due step; k_g
 * kept; r_(g,t) in memory in the inner slot t of its gap. Times are in units of 1/100 of all steps
 * and copies one after the other, which no start needs to pass. (PLACEMENT.md section 7)
 */
#include <math.h>
#include <string.h>

#include "planner/lp.h"
#include "planner/placer.h"
#include "schema/arena.h"

#define BIG 100.0         /* units: no difference of times needs to be larger */
#define AUTO_BINARIES 90u /* below, the program is solved unasked */
#define MOST_BINARIES 20000u
#define AUTO_NODES 400u
#define ASKED_NODES 20000u

/* One gap of a weight or an input, in order of deadline. */
typedef struct choice {
    uint32_t gap;
    uint32_t col_start, col_keep, col_first; /* col_first: r of its first inner slot */
    double time;                             /* of its copy */
} choice;

typedef struct exact {
    const dms_cycle *cycle;
    double ns; /* of one unit */
    choice *choice;
    uint32_t n_choices;
    uint32_t n_cols, n_binaries;
    dms_lp lp;
} exact;

static uint32_t col_z(void) {
    return 0;
}
static uint32_t col_step(int32_t t) {
    return 1 + (uint32_t)t;
}

static bool is_chosen(const dms_gap *gap) {
    return gap->rule != DMS_GAP_KEPT && !gap->is_saved;
}

/* Inner slots in which the block may be there before its use; an input not before slot 0.
 *
 *   slot     a   a+1   a+2   ...   b-1   b        inner: a+1 .. b-1, n of them;
 *   r            0     0    1 1    1              the one at place i is due - n + i
 */
static int32_t inner_slots(const dms_gap *gap) {
    const int32_t inner = gap->b - gap->a - 1;
    return gap->rule == DMS_GAP_LOADED && inner > gap->due ? gap->due : inner;
}

/* Numbers the columns. Returns the count of binaries. */
static uint32_t list_choices(exact *e) {
    const dms_cycle *cycle = e->cycle;
    double all = (double)cycle->compute_ns;
    e->n_cols = 1 + (uint32_t)cycle->n_steps;
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const dms_gap *gap = cycle->gap + cycle->by_due[i];
        if (!is_chosen(gap))
            continue;
        choice *c = e->choice + e->n_choices++;
        c->gap = cycle->by_due[i];
        c->col_start = e->n_cols++;
        c->col_keep = e->n_cols++;
        c->col_first = e->n_cols;
        e->n_cols += (uint32_t)inner_slots(gap);
        e->n_binaries += 1 + (uint32_t)inner_slots(gap);
        all += (double)gap->ns;
    }
    e->ns = all / BIG;
    for (uint32_t i = 0; i < e->n_choices; i++)
        e->choice[i].time = (double)cycle->gap[e->choice[i].gap].ns / e->ns;
    return e->n_binaries;
}

static double step_time(const exact *e, int32_t t) {
    return (double)e->cycle->problem->steps[t].ns / e->ns;
}

static void set_columns(exact *e) {
    dms_lp *lp = &e->lp;
    dms_lp_column(lp, col_z(), (double)e->cycle->compute_ns / e->ns, 2 * BIG, 1);
    for (int32_t t = 0; t < e->cycle->n_steps; t++)
        dms_lp_column(lp, col_step(t), 0, t == 0 ? 0 : 2 * BIG, 0);
    for (uint32_t i = 0; i < e->n_choices; i++) {
        const choice *c = e->choice + i;
        const dms_gap *gap = e->cycle->gap + c->gap;
        dms_lp_column(lp, c->col_start, -2 * BIG, 2 * BIG, 0);
        for (uint32_t col = c->col_keep; col < c->col_first + (uint32_t)inner_slots(gap); col++) {
            dms_lp_column(lp, col, 0, 1, 0);
            lp->is_integer[col] = true;
        }
        if (gap->rule == DMS_GAP_LOADED)
            dms_lp_column(lp, c->col_keep, 0, 0, 0);
    }
}

/* S_(t+1) >= S_t + d_t, around the cycle. */
static dms_code add_steps(exact *e, dms_status *st) {
    const int32_t n = e->cycle->n_steps;
    for (int32_t t = 0; t < n; t++) {
        dms_lp_put(&e->lp, col_step((t + 1) % n), 1);
        dms_lp_put(&e->lp, col_step(t), -1);
        if (t + 1 == n)
            dms_lp_put(&e->lp, col_z(), 1);
        DMS_TRY(dms_lp_row(&e->lp, step_time(e, t), DMS_LP_FREE, st));
    }
    return DMS_OK;
}

/* One link, in order of deadline; and what arrives before its step.
 *
 *   B_next      >= B_g + time (1 - k_g)          (+ z, from the last to the first)
 *   S_due       >= B_g + time (1 - k_g)
 *
 * A kept gap takes no time but keeps its place, so the rows need no product of binaries. */
static dms_code add_queue(exact *e, uint32_t i, dms_status *st) {
    const choice *c = e->choice + i, *next = e->choice + (i + 1) % e->n_choices;
    dms_lp_put(&e->lp, next->col_start, 1);
    dms_lp_put(&e->lp, c->col_start, -1);
    dms_lp_put(&e->lp, c->col_keep, c->time);
    if (i + 1 == e->n_choices)
        dms_lp_put(&e->lp, col_z(), 1);
    DMS_TRY(dms_lp_row(&e->lp, c->time, DMS_LP_FREE, st));
    dms_lp_put(&e->lp, col_step(e->cycle->gap[c->gap].due), 1);
    dms_lp_put(&e->lp, c->col_start, -1);
    dms_lp_put(&e->lp, c->col_keep, c->time);
    return dms_lp_row(&e->lp, c->time, DMS_LP_FREE, st);
}

/* B >= end of step t (in the frame of the due step), unless the block was there in slot t. */
static dms_code start_after(exact *e, const choice *c, int32_t t, uint32_t unless, dms_status *st) {
    const int32_t n = e->cycle->n_steps, step = ((t % n) + n) % n;
    dms_lp_put(&e->lp, c->col_start, 1);
    dms_lp_put(&e->lp, col_step(step), -1);
    dms_lp_put(&e->lp, unless, BIG);
    if (t < 0)
        dms_lp_put(&e->lp, col_z(), 1);
    return dms_lp_row(&e->lp, step_time(e, step), DMS_LP_FREE, st);
}

/* Memory only grows towards the use: k <= r <= r <= ... */
static dms_code add_residency(exact *e, const choice *c, dms_status *st) {
    const dms_gap *gap = e->cycle->gap + c->gap;
    const int32_t n = inner_slots(gap);
    uint32_t before = c->col_keep;
    DMS_TRY(start_after(e, c, gap->due - n - 1, c->col_keep, st));
    for (int32_t i = 0; i < n; i++) {
        const uint32_t col = c->col_first + (uint32_t)i;
        DMS_TRY(start_after(e, c, gap->due - n + i, col, st));
        dms_lp_put(&e->lp, col, 1);
        dms_lp_put(&e->lp, before, -1);
        DMS_TRY(dms_lp_row(&e->lp, 0, DMS_LP_FREE, st));
        before = col;
    }
    return DMS_OK;
}

/* What is there in slot t, beside what the drafts already counted in `free_units`: sum over gaps of
 * size x r(g, t) <= free(t). In sizes of the largest block, like the bound: units near 1. */
static dms_code add_memory(exact *e, const int64_t *free_units, int32_t t, dms_status *st) {
    const int32_t n = e->cycle->n_steps;
    for (uint32_t i = 0; i < e->n_choices; i++) {
        const choice *c = e->choice + i;
        const dms_gap *gap = e->cycle->gap + c->gap;
        const int32_t inner = inner_slots(gap);
        for (int32_t k = 0; k < inner; k++)
            if (((gap->due - inner + k) % n + n) % n == t)
                dms_lp_put(&e->lp, c->col_first + (uint32_t)k,
                           (double)gap->units / (double)e->cycle->largest);
    }
    return dms_lp_row(&e->lp, -DMS_LP_FREE, (double)free_units[t] / (double)e->cycle->largest, st);
}

static dms_code build(exact *e, const int64_t *free_units, dms_status *st) {
    set_columns(e);
    DMS_TRY(add_steps(e, st));
    for (uint32_t i = 0; i < e->n_choices; i++) {
        DMS_TRY(add_queue(e, i, st));
        DMS_TRY(add_residency(e, e->choice + i, st));
    }
    for (int32_t t = 0; t < e->cycle->n_steps; t++)
        DMS_TRY(add_memory(e, free_units, t, st));
    return DMS_OK;
}

/* Keeps and slots of a solution; the queue in order of deadline. The times of the program are not
 * taken over: the simulator finds its own from the same queue, so both must agree. */
static void read_draft(const exact *e, const double *x, dms_draft *draft) {
    draft->n_loads = 0;
    for (uint32_t i = 0; i < e->n_choices; i++) {
        const choice *c = e->choice + i;
        const dms_gap *gap = e->cycle->gap + c->gap;
        const int32_t inner = inner_slots(gap);
        draft->keep[c->gap] = x[c->col_keep] > 0.5;
        if (draft->keep[c->gap])
            continue;
        int32_t first = 0;
        while (first < inner && x[c->col_first + (uint32_t)first] < 0.5)
            first++;
        draft->load[draft->n_loads] = c->gap;
        draft->after[draft->n_loads++] = gap->due - inner + first - 1;
    }
}

dms_code dms_exact_solve(const dms_cycle *cycle, dms_work *work, int64_t budget,
                         const dms_exact_limits *limits, dms_arena *arena, dms_draft *draft,
                         dms_exact_result *out_result, dms_status *st) {
    exact e = {.cycle = cycle};
    dms_lp_result solution = {0};
    dms_exact_result result = {0};
    DMS_TRY(dms_alloc_st(arena, cycle->n_gaps, sizeof *e.choice, "exact", &e.choice, st));
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        draft->keep[g] = !is_chosen(cycle->gap + g);
    *out_result = result;
    const uint32_t n_binaries = list_choices(&e);
    if (e.n_choices == 0 || n_binaries > limits->max_binaries ||
        !dms_slots(cycle, work, budget, DMS_SLOT_EARLY, draft))
        return DMS_OK;
    DMS_TRY(dms_lp_open(arena, e.n_cols, &e.lp, st));
    dms_code code = build(&e, work->free_units, st);
    if (code == DMS_OK)
        code = dms_lp_branch(&e.lp, limits->max_nodes, &solution, st);
    dms_lp_close(&e.lp);
    if (code != DMS_OK || !solution.has_point)
        return code;
    read_draft(&e, solution.x, draft);
    result.is_proven = solution.is_solved;
    result.period_ns = solution.objective * e.ns;
    result.has_draft = dms_homes_choose(cycle, work, draft) && dms_simulate(cycle, work, 12, draft);
    result.is_proven = result.is_proven && draft->n_read == 0; /* the program knows no storage */
    *out_result = result;
    return DMS_OK;
}

dms_code dms_placer_exact(dms_placer *placer, bool *out_is_exact, dms_status *st) {
    const dms_place_options *options = placer->options;
    const uint64_t asked = options->max_nodes ? options->max_nodes : ASKED_NODES;
    const dms_exact_limits limits = {.max_binaries = options->exact ? MOST_BINARIES : AUTO_BINARIES,
                                     .max_nodes = options->exact ? asked : AUTO_NODES};
    const dms_fit_order orders[] = {DMS_FIT_LIFE, DMS_FIT_AREA, DMS_FIT_START, DMS_FIT_SIZE};
    dms_draft found;
    dms_exact_result result;
    DMS_TRY(dms_draft_new(placer->cycle, placer->arena, &found, st));
    DMS_TRY(dms_exact_solve(placer->cycle, &placer->work, placer->budget, &limits, placer->arena,
                            &found, &result, st));
    *out_is_exact = result.is_proven && result.has_draft;
    for (uint32_t i = 0; result.has_draft && i < 8; i++) {
        const dms_fit fit = {.order = orders[i % 4], .repair = 2, .lead = i / 4};
        dms_draft_copy(placer->cycle, &found, &placer->trial);
        if (dms_simulate(placer->cycle, &placer->work, 6, &placer->trial))
            (void)dms_placer_pass(placer, &fit, "exact");
    }
    return DMS_OK;
}
