/* support_run.c - tables of a hand-made plan. */
#include "support_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"
#include "schema/checked.h"

static const int64_t call_i[2] = {0, 1}; /* plain layout, one column */
static const double call_f[2] = {1, 0};  /* alpha, beta */

void run_init(run_case *c) {
    memset(c, 0, sizeof *c);
    dms_plan *p = &c->plan;
    p->producer = p->solver = p->model = p->profile = "hand-made";
    p->tensor = c->tensor;
    p->source = c->source;
    p->buffer = c->buffer;
    p->file = c->file;
    p->call = c->call;
    p->input = c->input;
    p->output = c->output;
    p->step_name = c->step_name;
    p->step_name_id = c->step_name_id;
    p->step_ns = c->step_ns;
    for (int program = 0; program < 2; program++)
        for (int q = 0; q < DMS_N_QUEUES; q++)
            (program == 0 ? &p->prologue : &p->body)->cmd[q] = c->cmd[program][q];
}

uint32_t run_tensor(run_case *c, const char *name, dms_tensor_kind kind, int64_t rows) {
    dms_plan *p = &c->plan;
    dms_plan_tensor *t = &c->tensor[p->n_tensors];
    const int64_t dim[2] = {rows, 1};
    *t = (dms_plan_tensor){.name = name, .kind = kind, .first_source = DMS_NONE};
    (void)dms_view_dense(DMS_DTYPE_F32, 2, dim, &t->stored);
    const dms_port port = {name, p->n_tensors, t->stored};
    if (kind == DMS_TENSOR_INPUT)
        c->input[p->n_inputs++] = port;
    if (kind == DMS_TENSOR_OUTPUT)
        c->output[p->n_outputs++] = port;
    return p->n_tensors++;
}

/* A weight tensor and its only source. */
static uint32_t add_weight(run_case *c, const char *name, int64_t rows, dms_source source) {
    const uint32_t tensor = run_tensor(c, name, DMS_TENSOR_WEIGHT, rows);
    source.view = c->tensor[tensor].stored;
    c->tensor[tensor].first_source = c->plan.n_sources;
    c->source[c->plan.n_sources++] = source;
    return tensor;
}

uint32_t run_weight(run_case *c, const char *name, const float *value) {
    return add_weight(c, name, 1,
                      (dms_source){.file = DMS_NONE,
                                   .embedded = (const uint8_t *)value,
                                   .n_embedded = sizeof *value});
}

uint32_t run_file_weight(run_case *c, const char *name, int64_t rows, uint32_t file,
                         uint64_t offset) {
    return add_weight(c, name, rows, (dms_source){.file = file, .offset = offset});
}

void run_reshape(run_case *c, uint32_t tensor, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    assert_true(dms_view_dense(dtype, rank, dim, &c->tensor[tensor].stored));
    for (uint32_t k = 0; k < c->plan.n_inputs; k++)
        if (c->input[k].tensor == tensor)
            c->input[k].view = c->tensor[tensor].stored;
    for (uint32_t k = 0; k < c->plan.n_outputs; k++)
        if (c->output[k].tensor == tensor)
            c->output[k].view = c->tensor[tensor].stored;
}

uint32_t run_constant(run_case *c, const char *name, dms_dtype dtype, uint32_t rank,
                      const int64_t *dim, const void *data) {
    const uint32_t tensor = run_weight(c, name, data);
    dms_source *source = &c->source[c->tensor[tensor].first_source];
    run_reshape(c, tensor, dtype, rank, dim);
    source->view = c->tensor[tensor].stored;
    source->n_embedded = dms_view_bytes(&source->view);
    return tensor;
}

uint32_t run_buffer(run_case *c, uint32_t tensor, dms_tier tier) {
    dms_plan *p = &c->plan;
    uint64_t *arena = tier == DMS_TIER_DEVICE ? &p->device_arena : &p->host_arena;
    const uint64_t bytes = dms_plan_buffer_bytes(&c->tensor[tensor], 0);
    c->buffer[p->n_buffers] =
        (dms_buffer){.tensor = tensor, .arena = tier, .offset = *arena, .bytes = bytes};
    *arena += (bytes + DMS_ALIGN - 1) / DMS_ALIGN * DMS_ALIGN;
    p->device_budget = p->device_arena;
    p->host_budget = p->host_arena;
    return p->n_buffers++;
}

dms_cmd *run_cmd(run_case *c, int program, dms_queue queue, dms_cmd_kind kind, uint32_t from,
                 uint32_t to) {
    dms_program *p = program == 0 ? &c->plan.prologue : &c->plan.body;
    dms_cmd *cmd = &p->cmd[queue][p->n_cmds[queue]++];
    *cmd = (dms_cmd){.kind = kind,
                     .call = DMS_NONE,
                     .step = DMS_NONE,
                     .workspace = DMS_NONE,
                     .from = from,
                     .to = to};
    for (int q = 0; q < DMS_N_QUEUES; q++)
        cmd->wait_cmd[q] = DMS_NONE;
    return cmd;
}

dms_cmd *run_step(run_case *c, uint32_t x, uint32_t w, uint32_t y) {
    dms_plan *p = &c->plan;
    dms_cmd *cmd = run_cmd(c, 1, DMS_QUEUE_COMPUTE, DMS_CMD_CALL, DMS_NONE, DMS_NONE);
    const uint32_t operands[3] = {x, w, y};
    const uint32_t call = p->n_calls++;
    for (int k = 0; k < 3; k++) {
        c->view[call][k] = c->tensor[c->buffer[operands[k]].tensor].stored;
        c->operand[c->n_operands][k] = (dms_operand){operands[k], 0, 1};
    }
    c->call[call] = (dms_plan_call){.kernel = DMS_K_MATMUL,
                                    .n_in = 2,
                                    .n_out = 1,
                                    .n_i = 2,
                                    .n_f = 2,
                                    .view = c->view[call],
                                    .i = call_i,
                                    .f = call_f};
    cmd->call = call;
    cmd->operand = c->operand[c->n_operands++];
    cmd->step = p->n_steps;
    c->step_name[p->n_steps] = "scale";
    c->step_name_id[p->n_steps] = p->n_steps;
    p->n_step_names = ++p->n_steps;
    return cmd;
}

void run_wait(run_case *c, dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back) {
    cmd->wait_cmd[queue] = k;
    cmd->wait_back[queue] = back;
    c->cmd[1][queue][k].is_signal = true;
}

/* All waits on this turn are met by the commands already submitted. */
static bool is_ready(const dms_cmd *cmd, const uint32_t *done) {
    for (int q = 0; q < DMS_N_QUEUES; q++)
        if (cmd->wait_cmd[q] != DMS_NONE && cmd->wait_back[q] == 0 && done[q] <= cmd->wait_cmd[q])
            return false;
    return true;
}

void run_finish(run_case *c) {
    for (int program = 0; program < 2; program++) {
        dms_program *p = program == 0 ? &c->plan.prologue : &c->plan.body;
        uint32_t done[DMS_N_QUEUES] = {0}, before = UINT32_MAX;
        while (p->n_order != before) {
            before = p->n_order;
            for (int q = 0; q < DMS_N_QUEUES; q++)
                while (done[q] < p->n_cmds[q] && is_ready(&p->cmd[q][done[q]], done)) {
                    c->order[program][p->n_order++] = (uint8_t)q;
                    done[q]++;
                }
        }
        p->order = c->order[program];
    }
}

dms_session *run_open(const run_case *c, dms_options options) {
    dms_session *s = NULL;
    dms_arena scratch = {0};
    dms_hash meaning;
    dms_status st = {.msg = ""};
    if (dms_check_plan(&c->plan, &scratch, &meaning, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_arena_free(&scratch);
    if (options.threads == 0)
        options.threads = 1;
    if (dms_session_open(&c->plan, ".", &options, &s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return s;
}

dms_user_tensor run_user(float *data, int64_t rows) {
    const int64_t dim[2] = {rows, 1};
    dms_user_tensor tensor = {.data = data};
    (void)dms_view_dense(DMS_DTYPE_F32, 2, dim, &tensor.view);
    return tensor;
}
