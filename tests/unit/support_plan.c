/* support_plan.c - the plan of support_plan.h, table by table. */
#include "support_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"

static void *room(case_plan *c, uint64_t n, uint64_t size) {
    void *p = dms_alloc(&c->arena, n, size);
    assert_non_null(p);
    return p;
}

static void *copy(case_plan *c, const void *from, uint64_t n, uint64_t size) {
    void *p = room(c, n, size);
    if (n > 0)
        memcpy(p, from, n * size);
    return p;
}

static dms_view dense2(int64_t rows, int64_t columns) {
    const int64_t dim[2] = {rows, columns};
    dms_view view;
    assert_true(dms_view_dense(DMS_DTYPE_F32, 2, dim, &view));
    return view;
}

static dms_view pitched(int64_t rows, int64_t columns, int64_t pitch) {
    dms_view view = dense2(rows, columns);
    view.pitch[0] = pitch;
    return view;
}

static void add_tensors(case_plan *c) {
    const dms_plan_tensor tensor[N_TENSORS] = {
        [T_X] = {"x", DMS_TENSOR_INPUT, dense2(4, 64), 0, 0, false, DMS_NONE},
        [T_W1] = {"W1", DMS_TENSOR_WEIGHT, dense2(64, 128), 1, 64, true, 0},
        [T_W2] = {"W2", DMS_TENSOR_WEIGHT, dense2(128, 64), 0, 0, false, 2},
        [T_B] = {"b", DMS_TENSOR_WEIGHT, dense2(1, 64), 0, 0, false, 3},
        [T_H] = {"h", DMS_TENSOR_ACTIVATION, dense2(4, 128), 1, 64, false, DMS_NONE},
        [T_R] = {"r", DMS_TENSOR_ACTIVATION, dense2(4, 128), 0, 0, false, DMS_NONE},
        [T_Y] = {"y", DMS_TENSOR_ACTIVATION, dense2(4, 64), 0, 0, false, DMS_NONE},
        [T_Z] = {"z", DMS_TENSOR_OUTPUT, dense2(4, 64), 0, 0, false, DMS_NONE}};
    c->plan.tensor = copy(c, tensor, N_TENSORS, sizeof *tensor);
    c->plan.n_tensors = N_TENSORS;
}

/* W1 and W2 lie in a file one after the other; b is inside the plan. */
static void add_sources(case_plan *c) {
    const uint64_t large_offset = 32768, large_bytes = 32768;
    const dms_plan_file file = {.name = "data/w.bin",
                                .bytes = 65536,
                                .digest = {0x1234, 0x5678},
                                .kind = 1,
                                .n_large = 1,
                                .large_offset = copy(c, &large_offset, 1, 8),
                                .large_bytes = copy(c, &large_bytes, 1, 8)};
    uint8_t bias[256];
    for (uint32_t k = 0; k < sizeof bias; k++)
        bias[k] = (uint8_t)k;
    const dms_source source[4] = {{.file = 0, .offset = 0, .view = pitched(64, 64, 128)},
                                  {.file = 0, .offset = 256, .view = pitched(64, 64, 128)},
                                  {.file = 0, .offset = 32768, .view = dense2(128, 64)},
                                  {.file = DMS_NONE,
                                   .view = dense2(1, 64),
                                   .embedded = copy(c, bias, 256, 1),
                                   .n_embedded = 256}};
    c->plan.file = copy(c, &file, 1, sizeof file);
    c->plan.n_files = 1;
    c->plan.source = copy(c, source, 4, sizeof *source);
    c->plan.n_sources = 4;
}

void case_set_call(case_plan *c, uint32_t k, dms_plan_call call) {
    call.view = copy(c, call.view, call.n_in + call.n_out, sizeof *call.view);
    call.i = copy(c, call.i, call.n_i, sizeof *call.i);
    call.f = copy(c, call.f, call.n_f, sizeof *call.f);
    c->plan.call[k] = call;
}

static void add_calls(case_plan *c) {
    const int64_t columns[2] = {0, 64}, relu[1] = {DMS_FN_RELU}, add[1] = {DMS_FN_ADD};
    const double one[2] = {1.0, 1.0};
    dms_view repeated = dense2(4, 64);
    repeated.pitch[0] = 0;
    c->plan.call = room(c, N_CALLS, sizeof *c->plan.call);
    c->plan.n_calls = N_CALLS;
    const dms_view fc1[3] = {dense2(4, 64), dense2(64, 64), pitched(4, 64, 128)};
    case_set_call(c, C_FC1, (dms_plan_call){DMS_K_MATMUL, 2, 1, 2, 2, fc1, columns, one});
    const dms_view two[2] = {dense2(4, 128), dense2(4, 128)};
    case_set_call(c, C_RELU, (dms_plan_call){DMS_K_UNARY, 1, 1, 1, 0, two, relu, NULL});
    const dms_view fc2[4] = {dense2(4, 128), dense2(128, 64), repeated, dense2(4, 64)};
    case_set_call(c, C_FC2, (dms_plan_call){DMS_K_MATMUL, 3, 1, 2, 2, fc2, columns, one});
    const dms_view three[3] = {dense2(4, 64), dense2(4, 64), dense2(4, 64)};
    case_set_call(c, C_ADD, (dms_plan_call){DMS_K_BINARY, 2, 1, 1, 0, three, add, NULL});
}

static void add_buffers(case_plan *c) {
    const dms_tier d = DMS_TIER_DEVICE, h = DMS_TIER_HOST;
    const dms_buffer buffer[N_BUFFERS] = {
        [B_W2] = {T_W2, 0, d, 0, 32768},          [B_B] = {T_B, 0, d, 32768, 256},
        [B_RING0] = {T_W1, 0, d, 33024, 16384},   [B_RING1] = {T_W1, 1, d, 33024, 16384},
        [B_X] = {T_X, 0, d, 49408, 1024},         [B_X_BACK] = {T_X, 0, d, 49408, 1024},
        [B_WORK] = {DMS_NONE, 0, d, 49408, 1024}, [B_H] = {T_H, 0, d, 50432, 2048},
        [B_R] = {T_R, 0, d, 50432, 2048},         [B_Y] = {T_Y, 0, d, 52480, 1024},
        [B_Z] = {T_Z, 0, d, 52480, 1024},         [B_HOME0] = {T_W1, 0, h, 0, 16384},
        [B_HOME1] = {T_W1, 1, h, 16384, 16384},   [B_X_HOST] = {T_X, 0, h, 32768, 1024},
        [B_B_HOST] = {T_B, 0, h, 33792, 256}};
    c->plan.buffer = copy(c, buffer, N_BUFFERS, sizeof *buffer);
    c->plan.n_buffers = N_BUFFERS;
    c->plan.device_arena = 53504;
    c->plan.host_arena = 34048;
    c->plan.device_budget = 60000;
    c->plan.host_budget = 40000;
}

static void add_head(case_plan *c) {
    static const char *const names[4] = {"fc1", "relu", "fc2", "add"};
    static const uint32_t name_id[5] = {0, 0, 1, 2, 3};
    static const int64_t ns[5] = {100, 100, 10, 200, 10};
    const dms_port input = {"x", T_X, dense2(4, 64)}, output = {"z", T_Z, dense2(4, 64)};
    const dms_plan_dim batch = {"batch", 4};
    dms_plan *plan = &c->plan;
    plan->producer = "dmsc 0.1.0";
    plan->solver = "lp_solve 5.5";
    plan->model = "small.onnx";
    plan->profile = "cpu";
    plan->period_ns = 500;
    plan->latency_ns = 600;
    plan->bound_ns = 450;
    plan->compute_ns = 420;
    plan->floor_bytes = 50000;
    plan->weights_bytes = 65792;
    plan->dim = copy(c, &batch, 1, sizeof batch);
    plan->n_dims = 1;
    plan->input = copy(c, &input, 1, sizeof input);
    plan->output = copy(c, &output, 1, sizeof output);
    plan->n_inputs = plan->n_outputs = 1;
    plan->step_name = copy(c, names, 4, sizeof *names);
    plan->step_name_id = copy(c, name_id, 5, sizeof *name_id);
    plan->step_ns = copy(c, ns, 5, sizeof *ns);
    plan->n_step_names = 4;
    plan->n_steps = 5;
}

static dms_cmd blank(dms_cmd_kind kind) {
    dms_cmd cmd = {.kind = kind,
                   .is_signal = true,
                   .call = DMS_NONE,
                   .step = DMS_NONE,
                   .workspace = DMS_NONE,
                   .from = DMS_NONE,
                   .to = DMS_NONE};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd.wait_cmd[q] = DMS_NONE;
    return cmd;
}

/* Adds a command at the end of its queue. */
static dms_cmd *push(case_plan *c, dms_program *program, dms_queue queue, dms_cmd cmd) {
    const uint32_t k = program->n_cmds[queue];
    case_insert(c, program, queue, k, program->n_order, &cmd);
    return &program->cmd[queue][k];
}

static dms_cmd *push_copy(case_plan *c, dms_program *program, dms_queue queue, dms_cmd_kind kind,
                          uint32_t from, uint32_t to) {
    dms_cmd cmd = blank(kind);
    cmd.from = from;
    cmd.to = to;
    return push(c, program, queue, cmd);
}

static dms_cmd *push_call(case_plan *c, uint32_t call, const dms_operand *operand) {
    dms_cmd cmd = blank(DMS_CMD_CALL);
    cmd.call = call;
    cmd.step = c->plan.body.n_cmds[DMS_QUEUE_COMPUTE];
    cmd.operand =
        copy(c, operand, c->plan.call[call].n_in + c->plan.call[call].n_out, sizeof *operand);
    return push(c, &c->plan.body, DMS_QUEUE_COMPUTE, cmd);
}

static void add_prologue(case_plan *c) {
    dms_program *p = &c->plan.prologue;
    (void)push_copy(c, p, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, B_HOME0);
    (void)push_copy(c, p, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 1, B_HOME1);
    (void)push_copy(c, p, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 2, B_W2);
    (void)push_copy(c, p, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 3, B_B_HOST);
    case_wait(push_copy(c, p, DMS_QUEUE_IN, DMS_CMD_COPY, B_HOME0, B_RING0), DMS_QUEUE_LOAD, 0, 0);
    case_wait(push_copy(c, p, DMS_QUEUE_IN, DMS_CMD_COPY, B_B_HOST, B_B), DMS_QUEUE_LOAD, 3, 0);
}

static void add_body_calls(case_plan *c) {
    const dms_operand fc1_0[3] = {{B_X, 0, 1}, {B_RING0, 0, 1}, {B_H, 0, 1}};
    const dms_operand fc1_1[3] = {{B_X, 0, 1}, {B_RING1, 1, 1}, {B_H, 1, 1}};
    const dms_operand relu[2] = {{B_H, 0, 2}, {B_R, 0, 1}};
    const dms_operand fc2[4] = {{B_R, 0, 1}, {B_W2, 0, 1}, {B_B, 0, 1}, {B_Y, 0, 1}};
    const dms_operand add[3] = {{B_Y, 0, 1}, {B_X_BACK, 0, 1}, {B_Z, 0, 1}};
    case_wait(push_call(c, C_FC1, fc1_0), DMS_QUEUE_IN, 0, 0);
    case_wait(push_call(c, C_FC1, fc1_1), DMS_QUEUE_IN, 1, 0);
    (void)push_call(c, C_RELU, relu);
    dms_cmd *cmd = push_call(c, C_FC2, fc2);
    case_wait(cmd, DMS_QUEUE_OUT, 0, 0);
    cmd->workspace = B_WORK;
    case_wait(push_call(c, C_ADD, add), DMS_QUEUE_IN, 3, 0);
}

static void add_body(case_plan *c) {
    dms_program *b = &c->plan.body;
    const dms_queue in = DMS_QUEUE_IN, out = DMS_QUEUE_OUT, compute = DMS_QUEUE_COMPUTE;
    case_wait(push_copy(c, b, in, DMS_CMD_FROM_USER, 0, B_X), compute, 4, 1);
    case_wait(push_copy(c, b, in, DMS_CMD_COPY, B_HOME1, B_RING1), compute, 0, 0);
    dms_cmd *cmd = push_copy(c, b, in, DMS_CMD_COPY, B_HOME0, B_RING0);
    case_wait(cmd, compute, 1, 0);
    cmd->is_ahead = true;
    cmd = push_copy(c, b, in, DMS_CMD_COPY, B_X_HOST, B_X_BACK);
    case_wait(cmd, out, 0, 0);
    case_wait(cmd, compute, 3, 0);
    add_body_calls(c);
    case_wait(push_copy(c, b, out, DMS_CMD_COPY, B_X, B_X_HOST), in, 0, 0);
    case_wait(push_copy(c, b, out, DMS_CMD_TO_USER, B_Z, 0), compute, 4, 0);
    case_order(c, b, "12010100102");
}

void case_make(case_plan *c) {
    *c = (case_plan){0};
    add_head(c);
    add_sources(c);
    add_tensors(c);
    add_calls(c);
    add_buffers(c);
    add_prologue(c);
    add_body(c);
    case_accepted(c);
    c->plan.meaning = c->meaning;
}

void case_free(case_plan *c) {
    dms_arena_free(&c->arena);
}

dms_cmd *case_cmd(dms_program *program, dms_queue queue, uint32_t k) {
    assert_true(k < program->n_cmds[queue]);
    return &program->cmd[queue][k];
}

/* The builder made these arrays, so they may be written through their const pointers. */
static void *writable(const void *p) {
    void *q;
    memcpy(&q, &p, sizeof q);
    return q;
}

dms_operand *case_operand(dms_program *program, uint32_t cmd, uint32_t k) {
    return (dms_operand *)writable(case_cmd(program, DMS_QUEUE_COMPUTE, cmd)->operand) + k;
}

dms_view *case_view(case_plan *c, uint32_t call, uint32_t k) {
    return (dms_view *)writable(c->plan.call[call].view) + k;
}

int64_t *case_param(case_plan *c, uint32_t call, uint32_t k) {
    return (int64_t *)writable(c->plan.call[call].i) + k;
}

void case_remove(dms_program *program, dms_queue queue, uint32_t k) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t i = 0; i < program->n_cmds[q]; i++) {
            uint32_t *wait = &program->cmd[q][i].wait_cmd[queue];
            if (*wait == k)
                *wait = DMS_NONE;
            else if (*wait != DMS_NONE && *wait > k)
                *wait -= 1;
        }
    dms_cmd *cmd = program->cmd[queue];
    memmove(cmd + k, cmd + k + 1, (--program->n_cmds[queue] - k) * sizeof *cmd);
    uint8_t *order = writable(program->order);
    uint32_t at = 0;
    for (uint32_t seen = 0; order[at] != queue || seen++ != k;)
        at++;
    memmove(order + at, order + at + 1, --program->n_order - at);
}

void case_insert(case_plan *c, dms_program *program, dms_queue queue, uint32_t k, uint32_t at,
                 const dms_cmd *cmd) {
    const uint32_t n = program->n_cmds[queue]++;
    dms_cmd *grown = room(c, n + 1, sizeof *grown);
    if (n > 0) {
        memcpy(grown, program->cmd[queue], k * sizeof *grown);
        memcpy(grown + k + 1, program->cmd[queue] + k, (n - k) * sizeof *grown);
    }
    grown[k] = *cmd;
    program->cmd[queue] = grown;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t i = 0; i < program->n_cmds[q]; i++) {
            uint32_t *wait = &program->cmd[q][i].wait_cmd[queue];
            *wait += *wait < n && *wait >= k && &program->cmd[q][i] != &grown[k];
        }
    uint8_t *order = room(c, program->n_order + 1, 1);
    if (program->n_order > 0) {
        memcpy(order, program->order, at);
        memcpy(order + at + 1, program->order + at, program->n_order - at);
    }
    order[at] = (uint8_t)queue;
    program->order = order;
    program->n_order++;
}

void case_wait(dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back) {
    cmd->wait_cmd[queue] = k;
    cmd->wait_back[queue] = k == DMS_NONE ? 0 : back;
}

void case_order(case_plan *c, dms_program *program, const char *digits) {
    const size_t n = strlen(digits);
    assert_int_equal(n, program->n_order);
    uint8_t *order = room(c, n, 1);
    for (size_t k = 0; k < n; k++)
        order[k] = (uint8_t)(digits[k] - '0');
    program->order = order;
}

uint32_t case_add_tensor(case_plan *c, dms_plan_tensor tensor) {
    dms_plan_tensor *grown = room(c, c->plan.n_tensors + 1, sizeof tensor);
    memcpy(grown, c->plan.tensor, c->plan.n_tensors * sizeof tensor);
    grown[c->plan.n_tensors] = tensor;
    c->plan.tensor = grown;
    return c->plan.n_tensors++;
}

uint32_t case_add_buffer(case_plan *c, dms_buffer buffer) {
    dms_buffer *grown = room(c, c->plan.n_buffers + 1, sizeof buffer);
    memcpy(grown, c->plan.buffer, c->plan.n_buffers * sizeof buffer);
    grown[c->plan.n_buffers] = buffer;
    c->plan.buffer = grown;
    return c->plan.n_buffers++;
}

dms_code case_check(case_plan *c) {
    dms_arena scratch = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    dms_plan read;
    c->st = (dms_status){0};
    assert_int_equal(dms_plan_encode(&c->plan, &scratch, &data, &size, &c->st), DMS_OK);
    dms_code code = dms_plan_decode(data, size, &scratch, &read, &c->st);
    if (code != DMS_OK)
        fail_msg("the reader refused: %s", c->st.msg);
    code = dms_check_plan(&read, &scratch, &c->meaning, &c->st);
    dms_arena_free(&scratch);
    return code;
}

void case_refused_by(case_plan *c, const char *property) {
    case_refused_with(c, property, "");
}

void case_refused_with(case_plan *c, const char *property, const char *words) {
    const size_t n = strlen(property);
    if (case_check(c) == DMS_OK)
        fail_msg("a plan that breaks %s passed", property);
    assert_int_equal(c->st.code, DMS_EPLAN);
    if (strncmp(c->st.msg, property, n) != 0 || c->st.msg[n] != ':' ||
        strstr(c->st.msg, words) == NULL)
        fail_msg("wanted %s with '%s', got: %s", property, words, c->st.msg);
}

void case_accepted(case_plan *c) {
    if (case_check(c) != DMS_OK)
        fail_msg("a good plan was refused: %s", c->st.msg);
}
