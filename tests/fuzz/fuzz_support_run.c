/* fuzz_support_run.c - a session without threads: device, storage and user in one loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/device.h"
#include "runtime/random.h"
#include "runtime/session.h"
#include "runtime/storage.h"
#include "tests/fuzz/fuzz_run.h"

enum { WEIGHT_SEED = 7 };

#define LARGEST_PORTS (1u << 20) /* bytes of the inputs and outputs of a turn, together */

/* A device of one thread. */
typedef struct small_device {
    dms_device base;
    const fuzz_run_case *how;
    uint8_t *scratch;
} small_device;

/* Where a queue stands. */
typedef struct lane {
    uint64_t published;
    uint32_t turn, index;
} lane;

/* One run. */
typedef struct runner {
    const dms_plan *plan;
    const fuzz_run_case *how;
    dms_session session;
    small_device device;
    dms_arena arena;
    const dms_program *program;
    bool is_body;
    lane lane[DMS_N_QUEUES];
    uint32_t own_end[DMS_N_QUEUES]; /* one past the last command of the body that is not ahead */
    uint32_t n_turns, n_started, n_waited;
    uint64_t random;
    dms_hash bits;
} runner;

/* ---- the device ---- */

static void poison_workspace(const small_device *device, const dms_device_call *call) {
    if (call->workspace_bytes != 0)
        memset(device->base.device_arena + call->workspace, device->how->fill,
               call->workspace_bytes);
}

/* Parts in two halves: no sum may cross a part, and no part may need another. */
static void run_parts(const dms_cpu_kernel *kernel, const dms_cpu_job *job, bool is_backwards) {
    const uint64_t n = kernel->parts(job->call);
    if (is_backwards)
        kernel->run(job, n / 2, n);
    kernel->run(job, 0, is_backwards ? n / 2 : n);
}

static void call_kernel(dms_device *base, const dms_device_call *call, uint32_t *out_index_error) {
    small_device *device = (small_device *)base;
    void *operand[DMS_MAX_OPERANDS];
    atomic_uint index_error = 0;
    for (uint32_t k = 0; k < call->call->n_in + call->call->n_out; k++)
        operand[k] = base->device_arena + call->operand[k];
    poison_workspace(device, call);
    const dms_cpu_job job = {
        .call = call->call,
        .operand = operand,
        .workspace = call->workspace_bytes == 0 ? NULL : base->device_arena + call->workspace,
        .scratch = device->scratch,
        .index_error = &index_error};
    run_parts(dms_cpu_kernel_find(call->call->kernel, device->how->isa), &job,
              device->how->is_backwards);
    *out_index_error = atomic_load(&index_error);
}

static void copy_in(dms_device *device, uint64_t to, const void *from, uint64_t bytes) {
    memcpy(device->device_arena + to, from, bytes);
}

static void copy_out(dms_device *device, void *to, uint64_t from, uint64_t bytes) {
    memcpy(to, device->device_arena + from, bytes);
}

static dms_code can_run(const dms_call *call, dms_status *st) {
    if (dms_call_runs_on_cpu(call) && dms_cpu_kernel_find(call->kernel, DMS_ISA_BASE) != NULL)
        return DMS_OK;
    return dms_fail(st, DMS_EDEVICE, "kernel %u does not run here", (unsigned)call->kernel);
}

static void close_device(dms_device *device) {
    free(device->device_arena);
    free(device->host_arena);
}

static const dms_device_ops small_ops = {"small",  call_kernel, copy_in,
                                         copy_out, can_run,     close_device};

/* Exactly `bytes`, all `fill`. NULL for none. */
static dms_code take(uint64_t bytes, uint8_t fill, uint8_t **out, dms_status *st) {
    void *memory = NULL;
    if (bytes == 0)
        return DMS_OK;
    if (posix_memalign(&memory, 64, (size_t)bytes) != 0)
        return dms_fail(st, DMS_EBUDGET, "no memory for an arena");
    memset(memory, fill, (size_t)bytes);
    *out = memory;
    return DMS_OK;
}

/* Scratch that holds `fill`: pages of a file in memory, of which a run gets copies where it writes.
 * To fill 4 MiB before every run would take longer than the run. */
static uint8_t *scratch_of(uint8_t fill) {
    static uint8_t *known[256];
    if (known[fill] != NULL) {
        (void)madvise(known[fill], DMS_CPU_SCRATCH_BYTES, MADV_DONTNEED);
        return known[fill];
    }
    const int fd = memfd_create("scratch", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, DMS_CPU_SCRATCH_BYTES) != 0)
        return NULL;
    void *all = mmap(NULL, DMS_CPU_SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (all == MAP_FAILED)
        return NULL;
    memset(all, fill, DMS_CPU_SCRATCH_BYTES);
    (void)munmap(all, DMS_CPU_SCRATCH_BYTES);
    void *own = mmap(NULL, DMS_CPU_SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    return known[fill] = own == MAP_FAILED ? NULL : own;
}

static dms_code open_device(runner *r, dms_status *st) {
    const dms_plan *plan = r->plan;
    dms_device *base = &r->device.base;
    *base = (dms_device){
        .ops = &small_ops, .device_bytes = plan->device_arena, .host_bytes = plan->host_arena};
    r->device.how = r->how;
    r->device.scratch = scratch_of(r->how->fill);
    r->session.device = base;
    if (plan->device_kind != DMS_DEVICE_CPU || r->device.scratch == NULL)
        return dms_fail(st, DMS_EDEVICE, "another kind of device");
    DMS_TRY(take(plan->device_arena, r->how->fill, &base->device_arena, st));
    DMS_TRY(take(plan->host_arena, r->how->fill, &base->host_arena, st));
    for (uint32_t i = 0; i < plan->n_calls; i++) {
        const dms_plan_call *c = &plan->call[i];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        DMS_TRY(can_run(&call, st));
    }
    return DMS_OK;
}

/* ---- the user ---- */

/* Memory of one port's tensor. */
static dms_code take_port(const dms_port *port, uint64_t *sum, dms_user_tensor *out,
                          dms_status *st) {
    const uint64_t bytes = dms_view_bytes(&port->view);
    if (bytes > LARGEST_PORTS || (*sum += bytes) > LARGEST_PORTS)
        return dms_fail(st, DMS_EBUDGET, "inputs and outputs are large");
    uint8_t *memory = NULL;
    const dms_code code = take(bytes, 0, &memory, st);
    *out = (dms_user_tensor){port->view, memory};
    return code;
}

static dms_code take_ports(runner *r, dms_status *st) {
    const dms_plan *plan = r->plan;
    for (uint32_t set = 0; set < 2; set++) {
        dms_binding *b = &r->session.of_turn[set];
        uint64_t sum = 0;
        DMS_TRY(dms_alloc_st(&r->arena, plan->n_inputs, sizeof *b->input, "inputs", &b->input, st));
        DMS_TRY(
            dms_alloc_st(&r->arena, plan->n_outputs, sizeof *b->output, "outputs", &b->output, st));
        for (uint32_t k = 0; k < plan->n_inputs; k++)
            DMS_TRY(take_port(&plan->input[k], &sum, &b->input[k], st));
        for (uint32_t k = 0; k < plan->n_outputs; k++)
            DMS_TRY(take_port(&plan->output[k], &sum, &b->output[k], st));
    }
    return DMS_OK;
}

static void drop_ports(runner *r) {
    for (uint32_t set = 0; set < 2; set++) {
        const dms_binding *b = &r->session.of_turn[set];
        for (uint32_t k = 0; b->input != NULL && k < r->plan->n_inputs; k++)
            free(b->input[k].data);
        for (uint32_t k = 0; b->output != NULL && k < r->plan->n_outputs; k++)
            free(b->output[k].data);
    }
}

static void scribble(const runner *r, const dms_user_tensor *tensor) {
    if (tensor->data != NULL)
        memset(tensor->data, r->how->fill, dms_view_bytes(&tensor->view));
}

/* Other values in every turn, the same in every run. */
static void make_up(const dms_user_tensor *tensor, uint32_t turn, uint32_t number) {
    const uint64_t size = dms_dtype_bytes(tensor->view.dtype);
    const uint64_t key = dms_random_word(turn * 64u + number);
    const int64_t n = dms_view_count(&tensor->view);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t word = dms_random_word(key + (uint64_t)i);
        const uint64_t bits = dms_random_bits(tensor->view.dtype, word, 1);
        memcpy((uint8_t *)tensor->data + (uint64_t)i * size, &bits, (size_t)size);
    }
}

static void start_turn(runner *r) {
    const dms_binding *b = &r->session.of_turn[r->n_started & 1];
    for (uint32_t k = 0; k < r->plan->n_inputs; k++)
        make_up(&b->input[k], r->n_started, k);
    for (uint32_t k = 0; k < r->plan->n_outputs; k++)
        scribble(r, &b->output[k]);
    r->n_started++;
}

/* Takes the outputs, and uses all memory of the turn for something else. */
static void end_turn(runner *r) {
    const dms_binding *b = &r->session.of_turn[r->n_waited & 1];
    for (uint32_t k = 0; k < r->plan->n_outputs; k++) {
        const dms_user_tensor *t = &b->output[k];
        r->bits =
            dms_hash_join(r->bits, dms_hash_bytes(t->data, dms_view_bytes(&t->view), r->n_waited));
        scribble(r, t);
    }
    for (uint32_t k = 0; k < r->plan->n_inputs; k++)
        scribble(r, &b->input[k]);
    r->n_waited++;
}

/* Whether the own work of the oldest turn is done: engine.c, dms_engine_await_turn. */
static bool is_turn_over(const runner *r) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        const uint64_t want = (uint64_t)r->n_waited * r->program->n_cmds[q] + r->own_end[q];
        if (r->own_end[q] != 0 && r->lane[q].published < want)
            return false;
    }
    return true;
}

/* The user is quick: he ends and starts turns as soon as he may. */
static void serve_user(runner *r) {
    while (r->is_body && r->n_waited < r->n_started && is_turn_over(r))
        end_turn(r);
    while (r->is_body && r->n_started < r->n_turns &&
           r->n_started - r->n_waited < r->how->most_under_way)
        start_turn(r);
}

/* ---- the queues ---- */

static bool can_go(const runner *r, uint32_t q) {
    const lane *l = &r->lane[q];
    if (r->program->n_cmds[q] == 0 || l->turn == r->n_turns || l->turn >= r->n_started)
        return false;
    const dms_cmd *cmd = &r->program->cmd[q][l->index];
    for (uint32_t k = 0; k < DMS_N_QUEUES; k++) {
        if (cmd->wait_cmd[k] == DMS_NONE || l->turn < cmd->wait_back[k])
            continue;
        const uint64_t turn = l->turn - cmd->wait_back[k];
        if (r->lane[k].published < turn * r->program->n_cmds[k] + cmd->wait_cmd[k] + 1)
            return false;
    }
    return true;
}

/* Counts a command as engine.c does (run_pass). */
static void count(runner *r, uint32_t q) {
    lane *l = &r->lane[q];
    const uint32_t n = r->program->n_cmds[q], k = l->index;
    const dms_cmd *cmd = &r->program->cmd[q][k];
    if (cmd->is_signal || k + 1 == n || k + 1 == r->own_end[q])
        l->published = (uint64_t)l->turn * n + k + 1;
    l->index = (k + 1) % n;
    l->turn += l->index == 0;
}

static dms_code go(runner *r, uint32_t q, dms_status *st) {
    const lane *l = &r->lane[q];
    const dms_cmd *cmd = &r->program->cmd[q][l->index];
    const bool is_last = r->is_body && l->turn + 1 == r->n_turns;
    uint64_t bytes = 0;
    if (!(is_last && cmd->is_ahead))
        DMS_TRY(dms_engine_command(&r->session, cmd, &r->session.of_turn[l->turn & 1], &bytes, st));
    count(r, q);
    return DMS_OK;
}

/* One of the queues that can go on; DMS_N_QUEUES: none. */
static uint32_t pick(runner *r) {
    uint32_t able[DMS_N_QUEUES], n = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (can_go(r, q))
            able[n++] = q;
    if (n == 0)
        return DMS_N_QUEUES;
    if (r->how->seed == 0)
        return able[0];
    r->random = dms_random_word(r->random);
    return able[r->random % n];
}

static bool is_through(const runner *r) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (r->program->n_cmds[q] != 0 && r->lane[q].turn != r->n_turns)
            return false;
    return true;
}

/* Runs the prologue, or all turns. */
static dms_code run_program(runner *r, bool is_body, fuzz_run_end *end, dms_status *st) {
    r->is_body = is_body;
    r->program = is_body ? &r->plan->body : &r->plan->prologue;
    r->n_turns = is_body ? r->how->n_turns : 1;
    r->n_started = is_body ? 0 : 1;
    memset(r->lane, 0, sizeof r->lane);
    for (;;) {
        serve_user(r);
        const uint32_t q = pick(r);
        if (q == DMS_N_QUEUES)
            break;
        DMS_TRY(go(r, q, st));
    }
    if (is_through(r))
        return DMS_OK;
    end->is_stuck = true;
    return dms_fail(st, DMS_EINTERNAL, "no queue can go on");
}

static void find_own_ends(runner *r) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        r->own_end[q] = r->plan->body.n_cmds[q];
        while (r->own_end[q] > 0 && r->plan->body.cmd[q][r->own_end[q] - 1].is_ahead)
            r->own_end[q]--;
    }
}

static dms_code run_all(runner *r, fuzz_run_end *end, dms_status *st) {
    const dms_storage_options options = {.model_dir = r->how->folder,
                                         .plan_dir = r->how->folder,
                                         .random_weights = true,
                                         .random_seed = WEIGHT_SEED};
    bool *is_small;
    DMS_TRY(open_device(r, st));
    DMS_TRY(take_ports(r, st));
    DMS_TRY(dms_alloc_st(&r->arena, r->plan->n_calls, sizeof *is_small, "calls", &is_small, st));
    r->session.is_small = is_small;
    DMS_TRY(dms_storage_open(r->plan, &options, &r->arena, &r->session.storage, st));
    DMS_TRY(run_program(r, false, end, st));
    dms_storage_settle(r->session.storage);
    end->has_begun = true;
    DMS_TRY(run_program(r, true, end, st));
    end->bits = r->bits;
    return DMS_OK;
}

fuzz_run_end fuzz_run(const dms_plan *plan, const fuzz_run_case *how) {
    fuzz_run_end end = {.code = DMS_OK};
    dms_status st = {.msg = ""};
    runner r = {.plan = plan, .how = how, .random = how->seed};
    r.session.plan = plan;
    r.session.folder = how->folder;
    find_own_ends(&r);
    end.code = run_all(&r, &end, &st);
    dms_storage_close(r.session.storage);
    drop_ports(&r);
    close_device(&r.device.base);
    dms_arena_free(&r.arena);
    (void)snprintf(end.msg, sizeof end.msg, "%.240s", st.msg);
    return end;
}
