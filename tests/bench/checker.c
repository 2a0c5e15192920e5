/* checker.c - how long does proving a plan take?
 *
 * Builds a chain of n steps y = x + w, each weight streamed through a ring whose places drift, so
 * that every buffer ends parts of several others; writes it, reads it, checks it. Prints one line
 * per size: commands (prologue included), bytes of the file, milliseconds.
 *
 *     tests/bench/checker [steps]...        default 1000 3000 10000 15000 30000
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"

enum { ROWS = 16, COLUMNS = 64, BYTES = ROWS * COLUMNS * 4, PLACES = 16, LEAD = 8 };

/* Ring places are one unit further apart than they are long. */
#define STRIDE (BYTES + 256u)
#define RING (PLACES * STRIDE - 512u)

typedef struct builder {
    dms_arena arena;
    dms_plan plan;
    uint32_t n;
    dms_view view;
} builder;

static void *room(builder *b, uint64_t count, uint64_t size) {
    void *p = dms_alloc(&b->arena, count, size);
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* Tensors: weights [0, n), activations [n, 2 n]. Their sources lie in one file. */
static void add_tensors(builder *b) {
    dms_plan *plan = &b->plan;
    plan->n_tensors = 2 * b->n + 1;
    plan->n_sources = b->n;
    plan->n_files = 1;
    plan->tensor = room(b, plan->n_tensors, sizeof *plan->tensor);
    plan->source = room(b, plan->n_sources, sizeof *plan->source);
    plan->file = room(b, 1, sizeof *plan->file);
    plan->file[0] = (dms_plan_file){.name = "weights.bin", .bytes = (uint64_t)b->n * BYTES};
    for (uint32_t k = 0; k < plan->n_tensors; k++) {
        const bool is_weight = k < b->n;
        plan->tensor[k] =
            (dms_plan_tensor){.name = "t",
                              .kind = is_weight ? DMS_TENSOR_WEIGHT : DMS_TENSOR_ACTIVATION,
                              .stored = b->view,
                              .first_source = is_weight ? k : DMS_NONE};
        if (is_weight)
            plan->source[k] = (dms_source){.offset = (uint64_t)k * BYTES, .view = b->view};
    }
    plan->tensor[b->n].kind = DMS_TENSOR_INPUT;
}

/* Buffers: device copies [0, n), homes [n, 2 n), activations [2 n, 3 n], at two places in turn. */
static void add_buffers(builder *b) {
    dms_plan *plan = &b->plan;
    plan->n_buffers = 3 * b->n + 1;
    plan->buffer = room(b, plan->n_buffers, sizeof *plan->buffer);
    for (uint32_t k = 0; k < b->n; k++) {
        const uint64_t ring = (uint64_t)k * STRIDE % RING;
        plan->buffer[k] = (dms_buffer){k, 0, DMS_TIER_DEVICE, ring, BYTES};
        plan->buffer[b->n + k] = (dms_buffer){k, 0, DMS_TIER_HOST, (uint64_t)k * BYTES, BYTES};
    }
    for (uint32_t k = 0; k <= b->n; k++)
        plan->buffer[2 * b->n + k] = (dms_buffer){b->n + k, 0, DMS_TIER_DEVICE,
                                                  RING + BYTES + (uint64_t)(k % 2) * BYTES, BYTES};
    plan->device_arena = plan->device_budget = RING + 3 * BYTES;
    plan->host_arena = plan->host_budget = (uint64_t)b->n * BYTES;
}

static void add_call(builder *b) {
    dms_plan *plan = &b->plan;
    dms_view *view = room(b, 3, sizeof *view);
    int64_t *function = room(b, 1, sizeof *function);
    view[0] = view[1] = view[2] = b->view;
    *function = DMS_FN_ADD;
    plan->n_calls = 1;
    plan->call = room(b, 1, sizeof *plan->call);
    plan->call[0] = (dms_plan_call){
        .kernel = DMS_K_BINARY, .n_in = 2, .n_out = 1, .n_i = 1, .view = view, .i = function};
    static const char *name = "add";
    plan->step_name = &name;
    plan->n_step_names = 1;
    plan->n_steps = b->n;
    plan->step_name_id = room(b, b->n, sizeof *plan->step_name_id);
    plan->step_ns = room(b, b->n, sizeof *plan->step_ns);
}

static dms_cmd *add_cmd(dms_program *program, dms_queue queue, dms_cmd_kind kind, uint32_t from,
                        uint32_t to) {
    dms_cmd *cmd = &program->cmd[queue][program->n_cmds[queue]++];
    *cmd =
        (dms_cmd){.kind = kind, .is_signal = true, .workspace = DMS_NONE, .from = from, .to = to};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd->wait_cmd[q] = DMS_NONE;
    return cmd;
}

static void set_wait(dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back) {
    cmd->wait_cmd[queue] = k;
    cmd->wait_back[queue] = back;
}

/* Weight k arrives when step k - LEAD is done; the ring has room for more. */
static void add_step(builder *b, uint32_t k) {
    dms_program *body = &b->plan.body;
    dms_cmd *cmd = add_cmd(body, DMS_QUEUE_IN, DMS_CMD_COPY, b->n + k, k);
    set_wait(cmd, DMS_QUEUE_COMPUTE, k < LEAD ? b->n + k - LEAD : k - LEAD, k < LEAD);
    cmd = add_cmd(body, DMS_QUEUE_COMPUTE, DMS_CMD_CALL, 0, 0);
    set_wait(cmd, DMS_QUEUE_IN, k + 1, 0);
    cmd->call = 0;
    cmd->step = k;
    dms_operand *operand = room(b, 3, sizeof *operand);
    operand[0] = (dms_operand){2 * b->n + k, 0, 1};
    operand[1] = (dms_operand){k, 0, 1};
    operand[2] = (dms_operand){2 * b->n + k + 1, 0, 1};
    cmd->operand = operand;
}

static void set_order(builder *b) {
    dms_program *body = &b->plan.body, *prologue = &b->plan.prologue;
    uint8_t *order = room(b, 2 * (uint64_t)b->n + 2, 1), *loads = room(b, b->n, 1);
    order[0] = DMS_QUEUE_IN;
    for (uint32_t k = 0; k < b->n; k++) {
        order[1 + 2 * k] = DMS_QUEUE_IN;
        order[2 + 2 * k] = DMS_QUEUE_COMPUTE;
        loads[k] = DMS_QUEUE_LOAD;
    }
    order[2 * b->n + 1] = DMS_QUEUE_OUT;
    body->order = order;
    body->n_order = 2 * b->n + 2;
    prologue->order = loads;
    prologue->n_order = b->n;
}

static void add_commands(builder *b) {
    dms_program *body = &b->plan.body, *prologue = &b->plan.prologue;
    body->cmd[DMS_QUEUE_IN] = room(b, b->n + 1, sizeof(dms_cmd));
    body->cmd[DMS_QUEUE_COMPUTE] = room(b, b->n, sizeof(dms_cmd));
    body->cmd[DMS_QUEUE_OUT] = room(b, 1, sizeof(dms_cmd));
    prologue->cmd[DMS_QUEUE_LOAD] = room(b, b->n, sizeof(dms_cmd));
    dms_cmd *cmd = add_cmd(body, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, 2 * b->n);
    set_wait(cmd, DMS_QUEUE_COMPUTE, b->n - 1, 1);
    set_wait(cmd, DMS_QUEUE_OUT, 0, 1);
    for (uint32_t k = 0; k < b->n; k++) {
        add_step(b, k);
        (void)add_cmd(prologue, DMS_QUEUE_LOAD, DMS_CMD_LOAD, k, b->n + k);
    }
    cmd = add_cmd(body, DMS_QUEUE_OUT, DMS_CMD_TO_USER, 3 * b->n, 0);
    set_wait(cmd, DMS_QUEUE_COMPUTE, b->n - 1, 0);
    set_order(b);
}

static void build(builder *b) {
    const int64_t dim[2] = {ROWS, COLUMNS};
    (void)dms_view_dense(DMS_DTYPE_F32, 2, dim, &b->view);
    add_tensors(b);
    add_buffers(b);
    add_call(b);
    b->plan.input = room(b, 1, sizeof(dms_port));
    b->plan.output = room(b, 1, sizeof(dms_port));
    b->plan.input[0] = (dms_port){"x", b->n, b->view};
    b->plan.output[0] = (dms_port){"y", 2 * b->n, b->view};
    b->plan.n_inputs = b->plan.n_outputs = 1;
    add_commands(b);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void measure(uint32_t steps) {
    builder b = {.n = steps};
    dms_status st = {0};
    uint8_t *data;
    uint64_t size;
    dms_plan read;
    dms_hash meaning;
    build(&b);
    const double t0 = now_ms();
    dms_code code = dms_plan_encode(&b.plan, &b.arena, &data, &size, &st);
    const double t1 = now_ms();
    if (code == DMS_OK)
        code = dms_plan_decode(data, size, &b.arena, &read, &st);
    const double t2 = now_ms();
    if (code == DMS_OK)
        code = dms_check_plan(&read, &b.arena, &meaning, &st);
    const double t3 = now_ms();
    if (code != DMS_OK) {
        fprintf(stderr, "%" PRIu32 " steps: %s\n", steps, st.msg);
        exit(1);
    }
    printf("%9" PRIu32 " %9" PRIu64 " %8.1f %8.1f %8.1f\n",
           read.body.n_order + read.prologue.n_order, size, t1 - t0, t2 - t1, t3 - t2);
    dms_arena_free(&b.arena);
}

int main(int argc, char **argv) {
    static const uint32_t usual[] = {1000, 3000, 10000, 15000, 30000};
    printf("%9s %9s %8s %8s %8s\n", "commands", "bytes", "write ms", "read ms", "check ms");
    for (int k = 1; k < argc; k++)
        measure((uint32_t)strtoul(argv[k], NULL, 10));
    for (size_t k = 0; argc == 1 && k < sizeof usual / sizeof usual[0]; k++)
        measure(usual[k]);
    return 0;
}
