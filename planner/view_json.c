/* view_json.c - --json, and the figures that several views share. */
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/views.h"
#include "schema/checked.h"
#include "schema/json.h"

bool dms_is_on_nvme(const dms_compiled *c, uint32_t block) {
    return c->decision.n_read > 0 && c->decision.is_read[block] != 0;
}

dms_tier_bytes dms_weights_by_tier(const dms_compiled *c) {
    const dms_problem *p = &c->blocks.problem;
    dms_tier_bytes sum = {0};
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        const dms_problem_tensor *t = &p->tensors[b];
        if (t->kind != DMS_PROBLEM_WEIGHT)
            continue;
        bool is_kept = true;
        for (uint32_t j = 0; j < t->n_touches; j++)
            is_kept = is_kept && c->decision.keep[t->first_touch + j];
        *(is_kept ? &sum.device : dms_is_on_nvme(c, b) ? &sum.nvme : &sum.host) += t->bytes;
    }
    return sum;
}

int64_t dms_rows_of_products(const dms_compiled *c) {
    uint64_t most = 0;
    int64_t rows = 0;
    for (uint32_t s = 0; s < c->steps.n_steps; s++) {
        const dms_step *step = &c->steps.step[s];
        const dms_call *call = &c->steps.call[step->call];
        bool reads_weight = false;
        for (uint32_t k = 0; k < call->n_in; k++)
            reads_weight = reads_weight ||
                           c->steps.tensor[step->operand[k].tensor].plan.kind == DMS_TENSOR_WEIGHT;
        if (!reads_weight || step->cost.flops <= most)
            continue;
        const dms_view *y = &call->view[call->n_in];
        most = step->cost.flops;
        rows =
            y->rank == 0 ? 0 : dms_view_count(y) / (y->dim[y->rank - 1] ? y->dim[y->rank - 1] : 1);
    }
    return rows;
}

uint64_t dms_break_even_tokens(const dms_compiled *c) {
    int64_t link_ns = 0;
    for (uint32_t l = 0; l < c->decision.n_loads; l++)
        link_ns += c->decision.loads[l].ns;
    const int64_t rows = dms_rows_of_products(c);
    if (rows <= 0 || c->decision.compute_ns <= 0)
        return 0;
    const double tokens = (double)rows * (double)link_ns / (double)c->decision.compute_ns;
    return tokens < 1 ? 1 : (uint64_t)(tokens + 0.5);
}

dms_limit dms_limit_of(const dms_compiled *c) {
    const dms_decision *d = &c->decision;
    const int64_t *part = c->stalls.part_ns;
    int64_t in_ns = 0, read_ns = 0;
    if ((double)(d->period_ns - d->compute_ns) < 0.001 * (double)d->period_ns)
        return DMS_LIMIT_COMPUTE;
    if (part[DMS_STALL_SAVE] > part[DMS_STALL_LINK] && part[DMS_STALL_SAVE] > part[DMS_STALL_ROOM])
        return DMS_LIMIT_SAVE;
    if (part[DMS_STALL_ROOM] > part[DMS_STALL_LINK])
        return DMS_LIMIT_ROOM;
    for (uint32_t l = 0; l < d->n_loads; l++) {
        in_ns += d->loads[l].ns;
        read_ns += d->loads[l].read_ns;
    }
    return read_ns > in_ns ? DMS_LIMIT_STORAGE : DMS_LIMIT_LINK;
}

/* Work of one inference; a multiply-add counts two. */
static uint64_t flops_of(const dms_compiled *c) {
    uint64_t sum = 0;
    for (uint32_t s = 0; s < c->steps.n_steps; s++)
        if (!dms_add(sum, c->steps.step[s].cost.flops, &sum))
            return UINT64_MAX;
    return sum;
}

static void write_figures(dms_json *j, const dms_compiled *c) {
    const dms_plan *plan = &c->plan;
    uint32_t commands = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        commands += plan->body.n_cmds[q];
    dms_json_uint(j, "floor_bytes", c->floor.device_bytes);
    dms_json_uint(j, "floor_lower_bound_bytes", c->floor.lower_bound_bytes);
    dms_json_uint(j, "device_budget_bytes", c->device_budget);
    dms_json_uint(j, "host_budget_bytes", c->host_budget);
    dms_json_uint(j, "device_arena_bytes", plan->device_arena);
    dms_json_uint(j, "host_arena_bytes", plan->host_arena);
    dms_json_uint(j, "ring_bytes", c->decision.ring_bytes);
    dms_json_uint(j, "live_peak_bytes", c->decision.live_peak_bytes);
    dms_json_int(j, "period_ns", plan->period_ns);
    dms_json_int(j, "latency_ns", plan->latency_ns);
    dms_json_int(j, "bound_ns", plan->bound_ns);
    dms_json_int(j, "compute_ns", plan->compute_ns);
    dms_json_int(j, "unpacked_ns", c->decision.unpacked_ns);
    dms_json_object(j, "stall_ns");
    dms_json_int(j, "link_full", c->stalls.part_ns[DMS_STALL_LINK]);
    dms_json_int(j, "no_room", c->stalls.part_ns[DMS_STALL_ROOM]);
    dms_json_int(j, "save_first", c->stalls.part_ns[DMS_STALL_SAVE]);
    dms_json_end_object(j);
    dms_json_int(j, "slowed_ns", c->stalls.slowed_ns);
    dms_json_uint(j, "flops", flops_of(c));
    dms_json_uint(j, "steps", plan->n_steps);
    dms_json_uint(j, "commands", commands);
    dms_json_bool(j, "exact", c->decision.is_exact);
    dms_json_uint(j, "evaluations", c->decision.n_evaluations);
}

void dms_view_json(const dms_compiled *c, const dms_view_facts *facts, FILE *out) {
    dms_json j = {.out = out};
    char meaning[33];
    const dms_tier_bytes tier = dms_weights_by_tier(c);
    dms_json_object(&j, NULL);
    dms_json_text(&j, "model", c->graph.model_file);
    dms_json_text(&j, "profile", c->profile.name);
    write_figures(&j, c);
    dms_json_object(&j, "candidates");
    for (uint32_t k = 0; k < c->decision.n_candidates; k++)
        dms_json_int(&j, c->decision.candidates[k].name, c->decision.candidates[k].period_ns);
    dms_json_end_object(&j);
    dms_json_array(&j, "candidates_that_do_not_fit");
    const char *rule;
    for (uint32_t k = 0; (rule = dms_simple_rule(k)) != NULL; k++)
        if (!dms_is_candidate(&c->decision, rule))
            dms_json_text(&j, NULL, rule);
    dms_json_end_array(&j);
    dms_json_int(&j, "compile_ms", facts->compile_ms);
    dms_json_uint(&j, "peak_rss_bytes", facts->peak_rss_bytes);
    dms_json_uint(&j, "plan_bytes", c->plan_bytes);
    dms_json_uint(&j, "packed_bytes", c->pack.bytes);
    dms_json_uint(&j, "weights_bytes", c->steps.weights_bytes);
    dms_json_object(&j, "weights_by_tier");
    dms_json_uint(&j, "device", tier.device);
    dms_json_uint(&j, "host", tier.host);
    dms_json_uint(&j, "nvme", tier.nvme);
    dms_json_end_object(&j);
    const uint64_t tokens = dms_break_even_tokens(c);
    if (tokens == 0)
        dms_json_null(&j, "break_even_tokens");
    else
        dms_json_uint(&j, "break_even_tokens", tokens);
    dms_json_text(&j, "meaning", dms_hash_text(c->plan.meaning, meaning));
    dms_json_end_object(&j);
    (void)fputc('\n', out);
}
