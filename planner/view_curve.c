/* view_curve.c - --curve: what the next GiB would buy. The steps are placed once more for a ladder
 * of device budgets, from the floor to where everything stays, at the same host budget. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/views.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define N_BUDGETS 12u /* where the user names no number */

/* Budget i of a ladder of n between two, both included, in equal ratios: time falls like the share
 * of what is streamed. */
static uint64_t budget_at(uint64_t low, uint64_t high, uint32_t i, uint32_t n) {
    const double ratio = (double)high / (double)low;
    const double bytes = (double)low * pow(ratio, (double)i / (n - 1));
    const uint64_t aligned = (uint64_t)bytes / DMS_ALIGN * DMS_ALIGN;
    return i == 0 || aligned < low ? low : i + 1 == n || aligned > high ? high : aligned;
}

const char *dms_simple_rule(uint32_t k) {
    static const char *const RULE[] = {"on-demand", "double-buffer", "keep-first", "even",
                                       "belady"};
    return k < sizeof RULE / sizeof RULE[0] ? RULE[k] : NULL;
}

static bool is_simple_rule(const char *candidate) {
    const char *rule;
    for (uint32_t k = 0; (rule = dms_simple_rule(k)) != NULL; k++)
        if (strcmp(candidate, rule) == 0)
            return true;
    return false;
}

bool dms_is_candidate(const dms_decision *decision, const char *name) {
    for (uint32_t k = 0; k < decision->n_candidates; k++)
        if (strcmp(decision->candidates[k].name, name) == 0)
            return true;
    return false;
}

int64_t dms_best_rule_ns(const dms_decision *decision) {
    for (uint32_t k = 0; k < decision->n_candidates; k++) /* the best one comes first */
        if (is_simple_rule(decision->candidates[k].name))
            return decision->candidates[k].period_ns;
    return 0;
}

/* One point; a budget that fails is an error of ours, for all are at the floor or above. */
static dms_code make_point(const dms_compiled *c, uint64_t budget, dms_arena *scratch,
                           dms_curve_point *out, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_decision d;
    const dms_code code = dms_compile_place(c, budget, scratch, &d, st);
    if (code == DMS_OK)
        *out = (dms_curve_point){budget,     d.device_bytes, d.period_ns,
                                 d.bound_ns, d.compute_ns,   dms_best_rule_ns(&d)};
    dms_arena_release(scratch, mark);
    return code;
}

/* A plan for less memory is one for more, and what no plan beats with more memory none beats with
 * less: periods take the least of the smaller budgets, bounds the largest of the larger ones. */
static void make_monotone(dms_curve_point *point, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (point[i].period_ns > point[i - 1].period_ns) {
            point[i].period_ns = point[i - 1].period_ns;
            point[i].device_bytes = point[i - 1].device_bytes;
        }
    for (uint32_t i = n; i-- > 1;)
        if (point[i - 1].bound_ns < point[i].bound_ns)
            point[i - 1].bound_ns = point[i].bound_ns;
}

dms_code dms_curve_points(const dms_compiled *c, uint32_t most, dms_arena *scratch,
                          dms_curve_point *out_point, uint32_t *out_n, dms_status *st) {
    dms_curve_point all;
    const uint64_t low = c->floor.device_bytes;
    uint32_t n = 0;
    DMS_TRY(make_point(c, UINT64_MAX, scratch, &all, st));
    for (uint32_t i = 0; i < most; i++) {
        const uint64_t budget =
            budget_at(low, all.device_bytes > low ? all.device_bytes : low, i, most);
        if (n > 0 && budget == out_point[n - 1].budget_bytes) /* small models: a shorter ladder */
            continue;
        DMS_TRY(make_point(c, budget, scratch, &out_point[n], st));
        n++;
    }
    make_monotone(out_point, n);
    *out_n = n;
    return DMS_OK;
}

dms_code dms_view_curve(const dms_compiled *c, uint32_t most, dms_arena *scratch, FILE *out,
                        dms_status *st) {
    dms_curve_point *point;
    uint32_t n;
    if (most == 0)
        most = N_BUDGETS;
    DMS_TRY(dms_alloc_st(scratch, most, sizeof *point, "curve", &point, st));
    DMS_TRY(dms_curve_points(c, most, scratch, point, &n, st));
    (void)fprintf(out, "device_budget_bytes,device_arena_bytes,period_ns,bound_ns,compute_ns,"
                       "floor_bytes\n");
    for (uint32_t i = 0; i < n; i++)
        (void)fprintf(out,
                      "%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu64 "\n",
                      point[i].budget_bytes, point[i].device_bytes, point[i].period_ns,
                      point[i].bound_ns, point[i].compute_ns, c->floor.device_bytes);
    return DMS_OK;
}
