/* support_emit.c - see support_emit.h. */
#include "support_emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"

void emit_decide(emit_case *c) {
    if (dms_tile(&c->g.graph, &c->g.lowered, &c->g.profile, &c->g.arena, &c->steps, &c->st) !=
        DMS_OK)
        fail_msg("%s", c->st.msg);
    for (uint32_t t = 0; t < c->steps.n_steps && t < EMIT_MOST; t++)
        if (c->workspace[t] > 0)
            c->steps.step[t].workspace_bytes = c->workspace[t];
    if (dms_blocks_make(&c->g.graph, &c->steps, &c->g.profile, &c->g.arena, &c->blocks, &c->st) !=
        DMS_OK)
        fail_msg("%s", c->st.msg);
    assert_true(c->blocks.problem.n_touches <= EMIT_MOST && c->steps.n_steps <= EMIT_MOST);
    c->d = (dms_decision){.keep = c->keep,
                          .loads = c->load,
                          .saves = c->save,
                          .residencies = c->residency,
                          .scratch_offset = c->scratch};
}

uint32_t emit_block_of(const emit_case *c, uint32_t tensor) {
    for (uint32_t i = 0; i < c->steps.n_tensors; i++)
        if (c->steps.tensor[i].origin == tensor)
            return c->blocks.first_block[i];
    fail_msg("tensor %u has no block", (unsigned)tensor);
    return 0;
}

void emit_resides_block(emit_case *c, uint32_t block, int32_t gap, int32_t first, int32_t last) {
    const uint64_t bytes = c->blocks.problem.tensors[block].bytes;
    assert_true(c->d.n_residencies == 0 || c->residency[c->d.n_residencies - 1].tensor <= block);
    assert_true(c->d.n_residencies < EMIT_MOST);
    c->residency[c->d.n_residencies++] =
        (dms_place_residency){block, gap, first, last, c->d.device_bytes};
    c->d.device_bytes += (bytes + 255) / 256 * 256;
}

void emit_resides(emit_case *c, uint32_t tensor, int32_t gap, int32_t first, int32_t last) {
    emit_resides_block(c, emit_block_of(c, tensor), gap, first, last);
}

void emit_keeps(emit_case *c, uint32_t tensor, uint32_t n) {
    const dms_problem_tensor *t = &c->blocks.problem.tensors[emit_block_of(c, tensor)];
    assert_true(n <= t->n_touches);
    memset(c->keep + t->first_touch, 1, n);
}

void emit_stays_block(emit_case *c, uint32_t block) {
    const dms_problem_tensor *t = &c->blocks.problem.tensors[block];
    memset(c->keep + t->first_touch, 1, t->n_touches);
    emit_resides_block(c, block, DMS_PLACE_PRODUCED, 0, (int32_t)c->steps.n_steps - 1);
}

void emit_stays(emit_case *c, uint32_t weight) {
    emit_stays_block(c, emit_block_of(c, weight));
}

void emit_load_block(emit_case *c, uint32_t block, uint32_t gap, int32_t after, uint32_t due) {
    assert_true(c->d.n_loads < EMIT_MOST);
    c->load[c->d.n_loads++] =
        (dms_place_load){.tensor = block, .gap = gap, .after = after, .due = due};
}

void emit_load(emit_case *c, uint32_t tensor, uint32_t gap, int32_t after, uint32_t due) {
    emit_load_block(c, emit_block_of(c, tensor), gap, after, due);
}

void emit_save(emit_case *c, uint32_t tensor, uint32_t after, uint32_t before) {
    c->save[c->d.n_saves++] =
        (dms_place_save){.tensor = emit_block_of(c, tensor), .after = after, .before = before};
}

dms_code emit_try(emit_case *c) {
    const dms_emit_input in = {&c->g.graph, &c->steps, &c->blocks, &c->d, c->g.profile.device_kind};
    return dms_emit(&in, &c->g.arena, &c->plan, &c->st);
}

void emit_must(emit_case *c) {
    dms_plan *p = &c->plan;
    if (emit_try(c) != DMS_OK)
        fail_msg("%s", c->st.msg);
    p->producer = p->solver = p->model = p->profile = "case";
    p->device_budget = p->device_arena;
    p->host_budget = p->host_arena;
    p->n_files = 1 + (c->steps.n_consts > 0);
    p->file = DMS_NEW(&c->g.arena, dms_plan_file, 2);
    p->file[0] = (dms_plan_file){.name = "case.onnx"};
    p->file[1] = (dms_plan_file){.name = "case.consts", .bytes = c->steps.n_consts, .kind = 2};
    if (dms_check_plan(p, &c->g.arena, &p->meaning, &c->st) != DMS_OK)
        fail_msg("the checker refuses it: %s", c->st.msg);
}

const dms_cmd *emit_cmd(const emit_case *c, dms_queue q, uint32_t k) {
    assert_true(k < c->plan.body.n_cmds[q]);
    return &c->plan.body.cmd[q][k];
}

void emit_waits_are(const dms_cmd *cmd, const char *wanted) {
    char text[128] = "";
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (cmd->wait_cmd[q] != DMS_NONE) {
            const size_t at = strlen(text);
            (void)snprintf(text + at, sizeof text - at, "%s%c%u%s", at > 0 ? " " : "", "ciols"[q],
                           (unsigned)cmd -> wait_cmd[q], cmd -> wait_back[q] ? "'" : "");
        }
    assert_string_equal(text, wanted);
}

void emit_order_is(const dms_program *program, const char *wanted) {
    char text[EMIT_MOST * 4] = "";
    assert_true(program->n_order < sizeof text);
    for (uint32_t k = 0; k < program->n_order; k++)
        text[k] = "ciols"[program->order[k]];
    text[program->n_order] = 0;
    assert_string_equal(text, wanted);
}

void emit_signals_are(const dms_program *program, const char *wanted) {
    char text[256] = "";
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < program->n_cmds[q]; k++)
            if (program->cmd[q][k].is_signal) {
                const size_t at = strlen(text);
                (void)snprintf(text + at, sizeof text - at, "%s%c%u", at > 0 ? " " : "", "ciols"[q],
                               (unsigned)k);
            }
    assert_string_equal(text, wanted);
}
