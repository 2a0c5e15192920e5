/* decision_json.c - a decision as "dms-plan" JSON, version 1 (PLACEMENT.md section 11). */
#include "planner/place.h"
#include "schema/json.h"

static uint32_t n_gaps_of(const dms_problem_tensor *tensor) {
    const bool wraps = tensor->kind == DMS_PROBLEM_WEIGHT || tensor->kind == DMS_PROBLEM_INPUT;
    return wraps ? tensor->n_touches : tensor->n_touches - 1;
}

/* Gaps with a step between their touches are the ones that have a decision. */
static bool is_decided(const dms_problem *problem, const dms_problem_tensor *tensor, uint32_t gap) {
    const uint32_t *touch = problem->touches + tensor->first_touch;
    const uint32_t next =
        gap + 1 < tensor->n_touches ? touch[gap + 1] : touch[0] + problem->n_steps;
    return next - touch[gap] >= 2;
}

static void write_keeps(dms_json *json, const dms_problem *problem, const dms_decision *d) {
    dms_json_array(json, "keep");
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        bool is_open = false;
        for (uint32_t g = 0; g < n_gaps_of(tensor); g++) {
            if (!d->keep[tensor->first_touch + g] || !is_decided(problem, tensor, g))
                continue;
            if (!is_open) {
                dms_json_array(json, NULL);
                dms_json_uint(json, NULL, i);
                dms_json_array(json, NULL);
            }
            is_open = true;
            dms_json_uint(json, NULL, g);
        }
        if (is_open) {
            dms_json_end_array(json);
            dms_json_end_array(json);
        }
    }
    dms_json_end_array(json);
}

static void write_row(dms_json *json, int64_t a, int64_t b, int64_t c) {
    dms_json_array(json, NULL);
    dms_json_int(json, NULL, a);
    dms_json_int(json, NULL, b);
    dms_json_int(json, NULL, c);
    dms_json_end_array(json);
}

static void write_scratch(dms_json *json, const dms_problem *problem, const dms_decision *d) {
    dms_json_array(json, "scratch");
    for (uint32_t t = 0; t < problem->n_steps; t++) {
        if (problem->steps[t].scratch_bytes == 0)
            continue;
        dms_json_array(json, NULL);
        dms_json_uint(json, NULL, t);
        dms_json_uint(json, NULL, d->scratch_offset[t]);
        dms_json_end_array(json);
    }
    dms_json_end_array(json);
}

/* The slot from which on a reading may begin, as the form has it: its place is free in the slot of
 * the copy that empties it, at the latest in that of its own copy, which follows. */
static int64_t slot_of_reading(const dms_problem *problem, const dms_decision *d, uint32_t q) {
    const int64_t n = problem->n_steps;
    const int64_t after = d->loads[q].read_after;
    const int64_t turns = after < 0 ? 1 : 0;
    const int64_t emptied = (int64_t)d->loads[after + turns * d->n_loads].due - turns * n;
    const int64_t due = d->loads[q].due;
    const int64_t slot = emptied < due ? emptied : due;
    return slot > 1 - n ? slot : 1 - n;
}

/* Weights whose home is their file; their readings [tensor, gap, after]; where these land, [tensor,
 * gap, offset in the ring]. */
static void write_reads(dms_json *json, const dms_problem *problem, const dms_decision *d) {
    dms_json_uint(json, "ring", d->ring_bytes);
    dms_json_array(json, "nvme");
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        if (d->is_read[i])
            dms_json_uint(json, NULL, i);
    dms_json_end_array(json);
    dms_json_array(json, "load");
    for (uint32_t q = 0; q < d->n_loads; q++)
        if (d->loads[q].is_read)
            write_row(json, d->loads[q].tensor, d->loads[q].gap,
                      slot_of_reading(problem, d, q) - 1);
    dms_json_end_array(json);
    dms_json_array(json, "ring_places");
    for (uint32_t q = 0; q < d->n_loads; q++)
        if (d->loads[q].is_read)
            write_row(json, d->loads[q].tensor, d->loads[q].gap, (int64_t)d->loads[q].ring_offset);
    dms_json_end_array(json);
}

static void put(dms_json *json, const dms_problem *problem, const dms_decision *decision) {
    dms_json_text(json, "format", "dms-plan");
    dms_json_uint(json, "version", 1);
    dms_json_uint(json, "device_mem", decision->device_budget);
    write_keeps(json, problem, decision);
    dms_json_array(json, "h2d");
    for (uint32_t q = 0; q < decision->n_loads; q++)
        write_row(json, decision->loads[q].tensor, decision->loads[q].gap,
                  decision->loads[q].after);
    dms_json_end_array(json);
    dms_json_array(json, "d2h");
    for (uint32_t q = 0; q < decision->n_saves; q++)
        write_row(json, decision->saves[q].tensor, decision->saves[q].after,
                  decision->saves[q].before);
    dms_json_end_array(json);
    dms_json_array(json, "addr");
    for (uint32_t i = 0; i < decision->n_residencies; i++)
        write_row(json, decision->residencies[i].tensor, decision->residencies[i].gap,
                  (int64_t)decision->residencies[i].offset);
    dms_json_end_array(json);
    write_scratch(json, problem, decision);
    if (decision->n_read > 0)
        write_reads(json, problem, decision);
}

static dms_code end(FILE *out, dms_status *st) {
    if (fputc('\n', out) == EOF || ferror(out))
        return dms_fail(st, DMS_EIO, "cannot write the decision");
    return DMS_OK;
}

dms_code dms_decision_write(const dms_problem *problem, const dms_decision *decision, FILE *out,
                            dms_status *st) {
    dms_json json = {.out = out};
    dms_json_object(&json, NULL);
    put(&json, problem, decision);
    dms_json_end_object(&json);
    return end(out, st);
}

dms_code dms_decision_dump(const dms_problem *problem, const dms_decision *decision, FILE *out,
                           dms_status *st) {
    dms_json json = {.out = out};
    uint64_t budget = decision->device_budget;
    dms_problem solved = *problem;
    solved.budgets = &budget;
    solved.n_budgets = 1;
    solved.host_mem = decision->host_budget;
    dms_json_object(&json, NULL);
    dms_problem_put(&solved, &json);
    dms_json_object(&json, "plan");
    put(&json, problem, decision);
    dms_json_int(&json, "period_ns", decision->period_ns);
    dms_json_int(&json, "bound_ns", decision->bound_ns);
    dms_json_end_object(&json);
    dms_json_end_object(&json);
    return end(out, st);
}
