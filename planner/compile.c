/* compile.c - the pipeline: read, lower, tile, place, emit, check, write. */
#include <inttypes.h>
#include <lpsolve/lp_lib.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/emit.h"
#include "planner/measured.h"
#include "planner/profile_read.h"
#include "runtime/check/check.h"
#include "schema/file_write.h"

static void report(const dms_compile_options *options, const char *stage) {
    if (options->progress != NULL)
        options->progress(options->progress_data, stage);
}

/* The times of a run in the place of the profile's, by which *blocks was made. */
static dms_code take_times(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                           dms_steps *steps, dms_blocks *blocks, dms_status *st) {
    dms_problem *predicted;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *predicted, "problem", &predicted, st));
    *predicted = blocks->problem;
    DMS_TRY(
        dms_measured_apply(options->measured, &c->graph, steps, arena, c->measured_meaning, st));
    DMS_TRY(dms_blocks_make(&c->graph, steps, &c->profile, arena, blocks, st));
    blocks->predicted = predicted;
    return DMS_OK;
}

dms_code dms_compile_cut(const dms_compile_options *options, const dms_lowered *lowered,
                         dms_arena *arena, dms_compiled *c, dms_steps *out_steps,
                         dms_blocks *out_blocks, dms_status *st) {
    DMS_TRY(dms_tile(&c->graph, lowered, &c->profile, arena, out_steps, st));
    if (out_steps->n_steps == 0)
        return dms_fail(st, DMS_EUNSUPPORTED, "model '%s' computes nothing", options->model);
    for (uint32_t k = 0; options->pack != NULL && k < out_steps->n_sources; k++)
        out_steps->source[k].is_packed =
            out_steps->source[k].file != DMS_NONE; /* will be: pack.c */
    DMS_TRY(dms_blocks_make(&c->graph, out_steps, &c->profile, arena, out_blocks, st));
    return options->measured == NULL ? DMS_OK
                                     : take_times(options, arena, c, out_steps, out_blocks, st);
}

/* Model and profile become steps and the problem they pose. */
static dms_code read_model(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                           dms_status *st) {
    const dms_read_options read = {options->dim, options->n_dims, options->input,
                                   options->n_inputs};
    report(options, "read");
    DMS_TRY(dms_profile_load(options->profile, &c->profile, st));
    DMS_TRY(dms_model_read(options->model, &read, arena, &c->graph, st));
    DMS_TRY(dms_graph_lower(&c->graph, &c->lowered, st));
    DMS_TRY(dms_graph_fuse(&c->graph, &c->lowered, st));
    report(options, "tile");
    DMS_TRY(dms_compile_cut(options, &c->lowered, arena, c, &c->steps, &c->blocks, st));
    return options->keeps_order ? DMS_OK : dms_compile_reorder(options, arena, c, st);
}

/* Kept weights need a ring where the host cannot write the device's memory. */
static uint32_t ring_blocks(const dms_compiled *c) {
    return c->profile.device_kind == DMS_DEVICE_CPU ? 0 : DMS_RING_BLOCKS;
}

/* Memory that the host part may have of what the machine has free: on the CPU device the arena of
 * the device lies there as well, with at most the budget or all weights in it. */
static uint64_t share_of_host(const dms_compiled *c) {
    uint64_t device = c->device_budget;
    if (c->profile.device_kind != DMS_DEVICE_CPU)
        return c->host_budget;
    if (device > c->steps.weights_bytes)
        device = c->steps.weights_bytes;
    return c->host_budget > device ? c->host_budget - device : 0;
}

/* As dms_plan_stage_of will find it. */
static uint64_t stage_bytes(const dms_compiled *c) {
    uint64_t largest[2] = {0, 0};
    const dms_steps *s = &c->steps;
    const uint32_t *const port[2] = {s->input, s->output};
    const uint32_t n[2] = {c->graph.n_inputs, c->graph.n_outputs};
    if (c->profile.device_kind == DMS_DEVICE_CPU)
        return 0;
    for (int way = 0; way < 2; way++)
        for (uint32_t k = 0; k < n[way]; k++) {
            const uint32_t tensor = port[way][k];
            largest[way] = dms_plan_stage_larger(
                largest[way], tensor == DMS_NONE ? NULL : &s->tensor[tensor].plan);
        }
    return dms_plan_stage_bytes(largest[0]) + dms_plan_stage_bytes(largest[1]);
}

/* What the placement may take; of the host that is what tensors of the caller leave it. */
static dms_place_options place_within(const dms_compiled *c, uint64_t device_budget) {
    const uint64_t staged = c->stage_bytes;
    return (dms_place_options){.device_budget = device_budget,
                               .host_budget = c->host_budget > staged ? c->host_budget - staged : 0,
                               .ring_blocks = ring_blocks(c)};
}

/* Budgets in bytes; "floor" asks the placement first. */
static dms_code set_budgets(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                            dms_status *st) {
    const uint64_t weights = c->steps.weights_bytes;
    c->stage_bytes = stage_bytes(c);
    c->host_budget =
        dms_size_bytes(options->host_mem, weights, c->profile.host_bytes, options->auto_host_bytes);
    c->device_budget = dms_size_bytes(options->device_mem, weights, c->profile.device_bytes, 0);
    if (options->host_mem.kind == DMS_SIZE_AUTO)
        c->host_budget = share_of_host(c);
    if (options->device_mem.kind != DMS_SIZE_FLOOR)
        return DMS_OK;
    const dms_place_options place = place_within(c, UINT64_MAX);
    DMS_TRY(dms_floor(&c->blocks.problem, &place, arena, &c->floor, st));
    c->device_budget = c->floor.device_bytes;
    if (c->other == NULL)
        return DMS_OK;
    dms_place_floor other;
    DMS_TRY(dms_floor(&c->other->blocks.problem, &place, arena, &other, st));
    if (other.device_bytes < c->device_budget)
        c->device_budget = other.device_bytes;
    return DMS_OK;
}

/* The searches gain 0.1 % where there are thousands of steps, and take more than half the time. */
#define MANY_STEPS 2500u

dms_code dms_compile_place(const dms_compiled *c, uint64_t device_budget, dms_arena *arena,
                           dms_decision *out, dms_status *st) {
    dms_place_options how = place_within(c, device_budget);
    how.without_search = c->steps.n_steps > MANY_STEPS;
    dms_place_floor ignored;
    bool is_other;
    return dms_compile_place_both(c, &how, arena, out, &ignored, &is_other, st);
}

static dms_code place(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                      dms_status *st) {
    report(options, "place");
    dms_place_options how = place_within(c, c->device_budget);
    how.exact = options->exact;
    bool is_other;
    dms_code code =
        dms_compile_place_steady(c, &how, arena, &c->decision, &c->floor, &is_other, st);
    if (is_other)
        dms_compile_swap(c);
    if (code == DMS_OK && c->host_budget < c->stage_bytes) {
        c->floor.host_is_short = true; /* it needs nothing for itself */
        code = DMS_EBUDGET;
    }
    if (code == DMS_EBUDGET)
        return dms_budget_refuse(c, st);
    DMS_TRY(code);
    return dms_stalls_find(&c->blocks.problem, &c->decision, arena, &c->stalls, st);
}

/* What emit cannot know: names, budgets, dims. */
static dms_code describe(dms_compiled *c, dms_arena *arena, dms_status *st) {
    dms_plan *plan = &c->plan;
    int major, minor, release, build;
    lp_solve_version(&major, &minor, &release, &build);
    plan->producer = "dmsc " DMS_VERSION;
    plan->solver = dms_format(arena, "lp_solve %d.%d.%d.%d", major, minor, release, build);
    plan->model = c->graph.model_file;
    plan->profile = c->profile.name;
    if (c->measured_meaning[0] != 0)
        plan->profile = dms_format(arena, "%s, measured", c->profile.name);
    plan->device_budget = c->device_budget;
    plan->host_budget = c->host_budget;
    plan->floor_bytes = c->floor.device_bytes;
    plan->weights_bytes = c->steps.weights_bytes;
    plan->n_dims = c->graph.n_dims;
    plan->dim = c->graph.dim;
    if (plan->solver == NULL || plan->profile == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: names");
    return DMS_OK;
}

/* The file name of a path. */
static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Commands and tables of the plan, proven safe. */
static dms_code emit_checked(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                             dms_status *st) {
    report(options, "emit");
    const dms_emit_input input = {&c->graph, &c->steps, &c->blocks, &c->decision,
                                  c->profile.device_kind};
    DMS_TRY(dms_emit(&input, arena, &c->plan, st));
    DMS_TRY(describe(c, arena, st));
    const char *consts_name =
        dms_format(arena, "%s.consts", base_name(options->plan == NULL ? "plan" : options->plan));
    if (consts_name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: names");
    DMS_TRY(dms_compile_files(c, consts_name, arena, st));
    if (options->pack != NULL) {
        report(options, "pack");
        DMS_TRY(dms_pack_weights(options, arena, c, st));
    }
    report(options, "check");
    if (dms_check_plan(&c->plan, arena, &c->plan.meaning, st) == DMS_OK)
        return options->measured == NULL
                   ? DMS_OK
                   : dms_measured_check(options->measured, c->measured_meaning, c->plan.meaning,
                                        st);
    st->code = DMS_EINTERNAL; /* our own plan: a bug of ours, never the user's */
    return dms_context(st, "the plan that was made is not safe");
}

dms_code dms_compile_plan(const dms_compile_options *options, dms_arena *arena, dms_compiled *out,
                          dms_status *st) {
    uint8_t *data;
    *out = (dms_compiled){0};
    DMS_TRY(read_model(options, arena, out, st));
    DMS_TRY(set_budgets(options, arena, out, st));
    DMS_TRY(place(options, arena, out, st));
    DMS_TRY(emit_checked(options, arena, out, st));
    DMS_TRY(dms_plan_encode(&out->plan, arena, &data, &out->plan_bytes, st));
    out->plan_data = data;
    return DMS_OK;
}

/* The plan and the constants it names get their names together: a plan that was there before and
 * its constants stay a pair. */
static dms_code write_pair(const dms_compiled *c, const char *path, const char *consts,
                           dms_status *st) {
    const bool has_consts = c->steps.n_consts > 0;
    dms_file_write file[2];
    DMS_TRY(dms_file_begin(&file[0], path, st));
    const dms_code code = has_consts ? dms_file_begin(&file[1], consts, st) : DMS_OK;
    if (code != DMS_OK) {
        dms_file_abort(&file[0]);
        return code;
    }
    (void)fwrite(c->plan_data, 1, (size_t)c->plan_bytes, file[0].out); /* see the commit */
    if (has_consts)
        (void)fwrite(c->steps.consts, 1, (size_t)c->steps.n_consts, file[1].out);
    return dms_files_commit(file, 1 + has_consts, st);
}

dms_code dms_compile_write(const dms_compile_options *options, const dms_compiled *c,
                           dms_status *st) {
    if (options->plan == NULL)
        return DMS_OK;
    report(options, "write");
    dms_arena scratch;
    dms_arena_init(&scratch, 0);
    const char *consts = dms_format(&scratch, "%s.consts", options->plan);
    const dms_code code = consts == NULL ? dms_fail(st, DMS_EINTERNAL, "out of memory: names")
                                         : write_pair(c, options->plan, consts, st);
    dms_arena_free(&scratch);
    return code;
}

dms_code dms_compile(const dms_compile_options *options, dms_arena *arena, dms_compiled *out,
                     dms_status *st) {
    DMS_TRY(dms_compile_plan(options, arena, out, st));
    return dms_compile_write(options, out, st);
}

dms_code dms_verify_model(const dms_plan *plan, const char *model, dms_arena *arena,
                          dms_status *st) {
    const dms_compile_options options = {
        .model = model,
        .profile = plan->device_kind == DMS_DEVICE_CPU ? "cpu" : "h100-pcie",
        .device_mem = {DMS_SIZE_BYTES, UINT64_MAX / 4},
        .host_mem = {DMS_SIZE_BYTES, UINT64_MAX / 4},
        .keeps_order = true, /* the meaning does not depend on it */
        .dim = plan->dim,
        .n_dims = plan->n_dims};
    dms_compiled *c;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *c, "verification", &c, st));
    const dms_code code = dms_compile(&options, arena, c, st);
    if (code == DMS_EUSAGE) { /* its dims are other ones: the user gave none here */
        st->code = DMS_EPLAN;
        return dms_context(st, "the plan's dims");
    }
    if (code != DMS_OK)
        return code;
    if (!dms_hash_equal(c->plan.meaning, plan->meaning))
        return dms_fail(st, DMS_EPLAN, "the plan does not compute what model '%s' says", model);
    return DMS_OK;
}
