/* view_curve.c - --curve: what the next GiB would buy. The steps are placed once more for a ladder
 * of device budgets, from the floor to where everything stays, at the same host budget. */
#include <inttypes.h>
#include <math.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/views.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define N_BUDGETS 12u /* equal ratios: time falls like the share of what is streamed */

/* Budget i of the ladder between two, both included. */
static uint64_t budget_at(uint64_t low, uint64_t high, uint32_t i) {
    const double ratio = (double)high / (double)low;
    const double bytes = (double)low * pow(ratio, (double)i / (N_BUDGETS - 1));
    const uint64_t aligned = (uint64_t)bytes / DMS_ALIGN * DMS_ALIGN;
    return i == 0 || aligned < low ? low : i + 1 == N_BUDGETS || aligned > high ? high : aligned;
}

/* One line; a budget that fails is an error of ours, for all are at the floor or above. */
static dms_code write_line(const dms_compiled *c, uint64_t budget, dms_arena *scratch, FILE *out,
                           dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_decision d;
    const dms_code code = dms_compile_place(c, budget, scratch, &d, st);
    if (code == DMS_OK)
        (void)fprintf(
            out, "%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu64 "\n",
            budget, d.device_bytes, d.period_ns, d.bound_ns, d.compute_ns, c->floor.device_bytes);
    dms_arena_release(scratch, mark);
    return code;
}

dms_code dms_view_curve(const dms_compiled *c, dms_arena *scratch, FILE *out, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_decision all;
    DMS_TRY(dms_compile_place(c, UINT64_MAX, scratch, &all, st));
    dms_arena_release(scratch, mark);
    (void)fprintf(out, "device_budget_bytes,device_arena_bytes,period_ns,bound_ns,compute_ns,"
                       "floor_bytes\n");
    const uint64_t low = c->floor.device_bytes;
    uint64_t last = 0;
    for (uint32_t i = 0; i < N_BUDGETS; i++) {
        const uint64_t budget = budget_at(low, all.device_bytes > low ? all.device_bytes : low, i);
        if (budget == last) /* small models: the ladder has fewer steps */
            continue;
        last = budget;
        DMS_TRY(write_line(c, budget, scratch, out, st));
    }
    return DMS_OK;
}
