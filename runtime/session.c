/* session.c - the API of dms.h around the queues of engine.c. */
#include "runtime/session.h"

#include <ctype.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/cpu_device.h"
#include "runtime/engine_internal.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/load_cuda.h"
#include "runtime/storage.h"
#include "schema/checked.h"

#define MAX_THREADS 1024u

/* Code, stacks, the plan, staging of the storage: about 12 MiB were measured. */
#define LIBRARY_BYTES (12u << 20)

/* Calls below this many flops + 4 x bytes take less time than waking a thread (about 10 us). */
#define SMALL_WORK 200000u

/* Respects taskset and the cpusets of containers. */
uint32_t dms_cores_of_process(void) {
    cpu_set_t set;
    const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : (uint32_t)n;
}

dms_code dms_device_of_name(const char *device, uint32_t *out_kind, int *out_ordinal,
                            dms_status *st) {
    unsigned number = 0;
    char end = 0;
    *out_kind = DMS_DEVICE_CPU;
    *out_ordinal = 0;
    if (device == NULL || strcmp(device, "cpu") == 0)
        return DMS_OK;
    *out_kind = DMS_DEVICE_CUDA;
    const bool has_number = strlen(device) <= 9 && strncmp(device, "cuda:", 5) == 0 &&
                            isdigit((unsigned char)device[5]) &&
                            sscanf(device, "cuda:%u%c", &number, &end) == 1;
    *out_ordinal = (int)number;
    if (has_number || strcmp(device, "cuda") == 0)
        return DMS_OK;
    return dms_fail(st, DMS_EUSAGE, "unknown device '%s': cpu, cuda or cuda:N", device);
}

/* A plan is for one kind: its tiles and its times are that kind's. */
static dms_code check_device(const dms_plan *plan, const char *device, int *out_ordinal,
                             dms_status *st) {
    static const char *const name[] = {"cpu", "cuda"};
    uint32_t kind;
    DMS_TRY(dms_device_of_name(device, &kind, out_ordinal, st));
    if (plan->device_kind != kind)
        return dms_fail(st, DMS_EDEVICE,
                        "device '%s': the plan is for a %s device (profile '%s'): compile it with "
                        "a %s profile, or run it with --device %s",
                        device == NULL ? "cpu" : device, name[plan->device_kind], plan->profile,
                        name[kind], name[plan->device_kind]);
    return DMS_OK;
}

bool dms_call_is_small(const dms_call *call) {
    const dms_cost cost = dms_call_cost(call);
    return cost.flops < SMALL_WORK && cost.bytes < SMALL_WORK / 4 &&
           cost.flops + 4 * cost.bytes < SMALL_WORK;
}

/* Asks the device about every call, and decides which are worth more than one thread. */
static dms_code prepare_calls(dms_session *s, dms_status *st) {
    const dms_plan *plan = s->plan;
    bool *is_small;
    DMS_TRY(dms_alloc_st(&s->arena, plan->n_calls, sizeof *is_small, "calls", &is_small, st));
    for (uint32_t i = 0; i < plan->n_calls; i++) {
        const dms_plan_call *c = &plan->call[i];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        if (s->device->streams == NULL)
            DMS_TRY(s->device->ops->can_run(&call, st));
        is_small[i] = dms_call_is_small(&call);
    }
    s->is_small = is_small;
    return s->device->streams == NULL ? DMS_OK : dms_streams_open(s, st);
}

/* Bindings of the next turn and of the two that may be under way; step times of past turns. */
static dms_code allocate_bindings(dms_session *s, dms_status *st) {
    dms_binding *all[3] = {&s->next, &s->of_turn[0], &s->of_turn[1]};
    for (uint32_t i = 0; i < 3; i++) {
        DMS_TRY(dms_alloc_st(&s->arena, s->plan->n_inputs, sizeof(dms_user_tensor), "bindings",
                             &all[i]->input, st));
        DMS_TRY(dms_alloc_st(&s->arena, s->plan->n_outputs, sizeof(dms_user_tensor), "bindings",
                             &all[i]->output, st));
    }
    const uint64_t turns = s->options.turns;
    s->n_columns = turns == 0 || turns > DMS_STEP_TURNS ? DMS_STEP_TURNS : (uint32_t)turns;
    return dms_alloc_st(&s->arena, (uint64_t)s->n_columns * s->plan->n_steps, sizeof *s->step_ns,
                        "step times", &s->step_ns, st);
}

/* Everything that recording needs, so that it allocates nothing while the plan runs. */
static dms_code allocate_trace(dms_session *s, dms_status *st) {
    const uint64_t turns = s->options.turns;
    uint32_t n = s->options.trace_turns;
    if (turns != 0 && turns < n)
        n = (uint32_t)turns;
    return n == 0 ? DMS_OK : dms_trace_new(s->plan, n, &s->arena, &s->trace, st);
}

/* Copies the texts of the options, whose owner may release them. */
static dms_code keep_options(dms_session *s, const dms_options *options, const char *folder,
                             dms_status *st) {
    s->options = *options;
    s->options.device = NULL;
    s->folder = dms_strndup(&s->arena, folder, strlen(folder));
    if (options->model_dir != NULL)
        s->options.model_dir =
            dms_strndup(&s->arena, options->model_dir, strlen(options->model_dir));
    if (s->folder == NULL || (options->model_dir != NULL && s->options.model_dir == NULL))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: options");
    if (s->options.threads == 0)
        s->options.threads = dms_cores_of_process();
    if (s->options.threads > MAX_THREADS)
        return dms_fail(st, DMS_EUSAGE, "threads: %" PRIu32 " are more than %u", s->options.threads,
                        MAX_THREADS);
    return DMS_OK;
}

/* A plan may repeat what it computes on as often as it likes: the caller says how much is fair. */
static dms_code check_work(dms_session *s, dms_status *st) {
    s->work = dms_plan_work(s->plan);
    if (s->options.max_work == 0 || s->work <= s->options.max_work)
        return DMS_OK;
    return dms_fail(st, DMS_EBUDGET,
                    "the plan takes up to %" PRIu64 " operations, more than the limit of %" PRIu64
                    " (dms_options.max_work, --max-work)",
                    s->work, s->options.max_work);
}

/* What a run takes beside the arenas: scratch of the threads, inputs and outputs of the caller, and
 * what the library itself is made of. */
static uint64_t outside_bytes(const dms_session *s) {
    uint64_t bytes = LIBRARY_BYTES + (uint64_t)s->options.threads * DMS_CPU_SCRATCH_BYTES;
    bool is_finite = true;
    for (uint32_t i = 0; i < s->plan->n_inputs; i++)
        is_finite &= dms_add(bytes, dms_view_bytes(&s->plan->input[i].view), &bytes);
    for (uint32_t i = 0; i < s->plan->n_outputs; i++)
        is_finite &= dms_add(bytes, dms_view_bytes(&s->plan->output[i].view), &bytes);
    return is_finite ? bytes : UINT64_MAX;
}

/* The device that the plan is for. */
static dms_code open_device(dms_session *s, int ordinal, dms_status *st) {
    const dms_plan *plan = s->plan;
    const uint32_t n_calls = plan->body.n_cmds[DMS_QUEUE_COMPUTE];
    const uint32_t n_first = plan->prologue.n_cmds[DMS_QUEUE_COMPUTE];
    const dms_device_options options = {.device_bytes = plan->device_arena,
                                        .host_bytes = plan->host_arena,
                                        .threads = s->options.threads,
                                        .poison = s->options.poison,
                                        .ordinal = ordinal,
                                        .n_calls = plan->n_calls,
                                        .n_commands = n_calls > n_first ? n_calls : n_first,
                                        .floor_bytes = plan->floor_bytes};
    if (plan->device_kind == DMS_DEVICE_CPU)
        return dms_cpu_device_open(&options, &s->arena, &s->device, st);
    return s->open_cuda(s->cuda_context, &options, &s->arena, &s->device, st);
}

/* Everything of a session that can fail after it exists. */
static dms_code open_parts(dms_session *s, const dms_options *options, const char *folder,
                           dms_status *st) {
    int ordinal;
    DMS_TRY(check_device(s->plan, options->device, &ordinal, st));
    DMS_TRY(keep_options(s, options, folder, st));
    DMS_TRY(check_work(s, st));
    DMS_TRY(allocate_bindings(s, st));
    DMS_TRY(allocate_trace(s, st));
    const dms_machine machine = dms_machine_read("");
    DMS_TRY(dms_room_check(s->plan, outside_bytes(s), &machine, st));
    DMS_TRY(open_device(s, ordinal, st));
    DMS_TRY(prepare_calls(s, st));
    return dms_engine_start(s, st);
}

dms_code dms_session_make(dms_session **out_session, dms_status *st) {
    dms_arena arena = {0};
    dms_session *s;
    DMS_TRY(dms_alloc_st(&arena, 1, sizeof *s, "session", &s, st));
    s->arena = arena;
    s->plan = &s->own_plan;
    s->find_cuda = dms_cuda_find;
    s->open_cuda = dms_cuda_load;
    *out_session = s;
    return DMS_OK;
}

dms_code dms_session_find_device(dms_session *session, const dms_options *options, dms_status *st) {
    uint32_t kind;
    int ordinal;
    DMS_TRY(dms_device_of_name(options->device, &kind, &ordinal, st));
    return kind == DMS_DEVICE_CPU ? DMS_OK : session->find_cuda(session->cuda_context, ordinal, st);
}

dms_code dms_session_fill(dms_session *session, const char *folder, const dms_options *options,
                          dms_status *st) {
    const int64_t begin = dms_now_ns();
    const dms_code code = open_parts(session, options, folder, st);
    session->open_ns += dms_now_ns() - begin;
    return code;
}

dms_code dms_session_open(const dms_plan *plan, const char *folder, const dms_options *options,
                          dms_session **out_session, dms_status *st) {
    dms_session *s;
    DMS_TRY(dms_session_make(&s, st));
    s->plan = plan;
    const dms_code code = dms_session_fill(s, folder, options, st);
    if (code != DMS_OK)
        dms_close(s);
    else
        *out_session = s;
    return code;
}

void dms_close(dms_session *session) {
    if (session == NULL)
        return;
    dms_engine_stop(session);
    dms_storage_close(session->storage);
    if (session->device != NULL)
        session->device->ops->close(session->device);
    dms_arena arena = session->arena; /* the session lies in it */
    dms_arena_free(&arena);
}

/* A tensor of the caller must be the port's: type, dims, and memory where it has elements. */
static dms_code check_tensor(const dms_port *port, const dms_user_tensor *tensor, bool is_output,
                             dms_status *st) {
    const char *what = is_output ? "output" : "input";
    char want[160], got[160];
    if (dms_view_check(&tensor->view, port->name, st) != DMS_OK)
        return dms_fail(st, DMS_EINPUT, "%s '%s': the view is not valid", what, port->name);
    if (tensor->view.dtype != port->view.dtype || !dms_view_same_dims(&tensor->view, &port->view))
        return dms_fail(st, DMS_EINPUT, "%s '%s': the plan wants %s, given is %s", what, port->name,
                        dms_view_text(&port->view, want, sizeof want),
                        dms_view_text(&tensor->view, got, sizeof got));
    if (tensor->data == NULL && dms_view_count(&tensor->view) != 0)
        return dms_fail(st, DMS_EINPUT, "%s '%s': no memory is given", what, port->name);
    for (uint32_t k = 0; is_output && k < tensor->view.rank; k++)
        if (tensor->view.pitch[k] == 0 && tensor->view.dim[k] > 1)
            return dms_fail(st, DMS_EINPUT, "output '%s': axis %" PRIu32 " repeats", port->name, k);
    return DMS_OK;
}

static dms_code bind_tensors(dms_session *session, const dms_user_tensor *inputs, uint32_t n_inputs,
                             const dms_user_tensor *outputs, uint32_t n_outputs, dms_status *st) {
    const dms_plan *plan = session->plan;
    if (n_inputs != plan->n_inputs || n_outputs != plan->n_outputs)
        return dms_fail(st, DMS_EINPUT,
                        "the plan has %" PRIu32 " inputs and %" PRIu32
                        " outputs, given are %" PRIu32 " and %" PRIu32,
                        plan->n_inputs, plan->n_outputs, n_inputs, n_outputs);
    for (uint32_t i = 0; i < n_inputs; i++)
        DMS_TRY(check_tensor(&plan->input[i], &inputs[i], false, st));
    for (uint32_t i = 0; i < n_outputs; i++)
        DMS_TRY(check_tensor(&plan->output[i], &outputs[i], true, st));
    for (uint32_t i = 0; i < n_inputs; i++)
        session->next.input[i] = inputs[i];
    for (uint32_t i = 0; i < n_outputs; i++)
        session->next.output[i] = outputs[i];
    session->is_bound = true;
    return DMS_OK;
}

/* After a failure: ends the threads, keeps and returns the error. `error` is NULL when the engine
 * has its own. */
static dms_code fail_session(dms_session *s, const dms_status *error, dms_status *st) {
    dms_engine_stop(s);
    if (error != NULL)
        s->error = *error;
    s->state = DMS_SESSION_FAILED;
    if (st != NULL)
        *st = s->error;
    return s->error.code;
}

/* Files are opened here, not in dms_open: a caller can cancel the reading of 100 GB. */
static dms_code prologue(dms_session *s, dms_status *st) {
    const dms_storage_options options = {
        .model_dir = s->options.model_dir != NULL ? s->options.model_dir : s->folder,
        .plan_dir = s->folder,
        .verify_weights = s->options.verify_weights,
        .random_weights = s->options.random_weights,
        .random_seed = s->options.random_seed,
        .cancel = &s->cancel,
        .stop = &s->is_stopped};
    dms_status error;
    if (dms_storage_open(s->plan, &options, &s->arena, &s->storage, &error) != DMS_OK)
        return fail_session(s, &error, st);
    (void)dms_timeline_publish(&s->gate, 0, DMS_GATE_PROLOGUE);
    if (!dms_engine_await_prologue(s))
        return fail_session(s, NULL, st);
    dms_storage_settle(s->storage);
    s->state = DMS_SESSION_READY;
    return DMS_OK;
}

static dms_code prepare(dms_session *session, dms_status *st) {
    if (session->state == DMS_SESSION_FAILED)
        return fail_session(session, NULL, st);
    if (session->state == DMS_SESSION_READY)
        return DMS_OK;
    const int64_t begin = dms_now_ns();
    const dms_code code = prologue(session, st);
    session->open_ns += dms_now_ns() - begin;
    return code;
}

static dms_code start_turn(dms_session *session, dms_status *st) {
    DMS_TRY(prepare(session, st));
    const uint64_t turn = session->n_started, turns = session->options.turns;
    if (!session->is_bound)
        return dms_fail(st, DMS_EUSAGE, "no inputs and outputs are bound");
    if (turn - session->n_waited >= 2)
        return dms_fail(st, DMS_EUSAGE, "two turns are under way already");
    if (turns != 0 && turn >= turns)
        return dms_fail(st, DMS_EUSAGE, "the session was opened for %" PRIu64 " turns", turns);
    dms_binding *binding = &session->of_turn[turn & 1];
    for (uint32_t i = 0; i < session->plan->n_inputs; i++)
        binding->input[i] = session->next.input[i];
    for (uint32_t i = 0; i < session->plan->n_outputs; i++)
        binding->output[i] = session->next.output[i];
    const uint64_t before = turn == 0 ? DMS_GATE_PROLOGUE : DMS_GATE_TURN(turn - 1);
    if (!dms_timeline_publish(&session->gate, before, DMS_GATE_TURN(turn)))
        return fail_session(session, NULL, st);
    session->n_started++;
    return DMS_OK;
}

static dms_code wait_for_turn(dms_session *session, dms_status *st) {
    if (session->state == DMS_SESSION_FAILED)
        return fail_session(session, NULL, st);
    if (session->n_waited == session->n_started)
        return dms_fail(st, DMS_EUSAGE, "no turn is under way");
    if (!dms_engine_await_turn(session, session->n_waited))
        return fail_session(session, NULL, st);
    session->n_waited++;
    return DMS_OK;
}

static dms_code run_turn(dms_session *session, dms_status *st) {
    DMS_TRY(start_turn(session, st));
    return wait_for_turn(session, st);
}

/* A second thread is refused, not made to wait: it could not know which turn it waits for. */
static dms_code enter(dms_session *session, dms_status *st) {
    if (atomic_exchange_explicit(&session->is_entered, 1, memory_order_acquire) == 0)
        return DMS_OK;
    return dms_fail(st, DMS_EUSAGE, "the session is in use by another thread");
}

/* Passes the result of what ran between. */
static dms_code leave(dms_session *session, dms_code code) {
    atomic_store_explicit(&session->is_entered, 0, memory_order_release);
    return code;
}

dms_code dms_bind(dms_session *session, const dms_user_tensor *inputs, uint32_t n_inputs,
                  const dms_user_tensor *outputs, uint32_t n_outputs, dms_status *st) {
    DMS_TRY(enter(session, st));
    return leave(session, bind_tensors(session, inputs, n_inputs, outputs, n_outputs, st));
}

dms_code dms_prepare(dms_session *session, dms_status *st) {
    DMS_TRY(enter(session, st));
    return leave(session, prepare(session, st));
}

dms_code dms_start(dms_session *session, dms_status *st) {
    DMS_TRY(enter(session, st));
    return leave(session, start_turn(session, st));
}

dms_code dms_wait(dms_session *session, dms_status *st) {
    DMS_TRY(enter(session, st));
    return leave(session, wait_for_turn(session, st));
}

dms_code dms_run(dms_session *session, dms_status *st) {
    DMS_TRY(enter(session, st));
    return leave(session, run_turn(session, st));
}

void dms_cancel(dms_session *session) {
    atomic_store_explicit(&session->cancel, 1, memory_order_relaxed);
}

dms_info dms_session_info(const dms_session *session) {
    const dms_plan *plan = session->plan;
    return (dms_info){.model = plan->model,
                      .profile = plan->profile,
                      .n_inputs = plan->n_inputs,
                      .n_outputs = plan->n_outputs,
                      .n_steps = plan->n_steps,
                      .threads = session->options.threads,
                      .device_arena_bytes = plan->device_arena,
                      .host_arena_bytes = plan->host_arena,
                      .device_budget_bytes = plan->device_budget,
                      .host_budget_bytes = plan->host_budget,
                      .overhead_bytes = session->arena.used_bytes + session->device->overhead_bytes,
                      .period_ns = plan->period_ns,
                      .compute_ns = plan->compute_ns,
                      .work = session->work};
}

const char *dms_session_meaning(const dms_session *session, char out[33]) {
    return dms_hash_text(session->plan->meaning, out);
}

dms_port_info dms_session_input(const dms_session *session, uint32_t i) {
    return (dms_port_info){session->plan->input[i].name, session->plan->input[i].view};
}

dms_port_info dms_session_output(const dms_session *session, uint32_t i) {
    return (dms_port_info){session->plan->output[i].name, session->plan->output[i].view};
}

const char *dms_session_step(const dms_session *session, uint32_t i) {
    return session->plan->step_name[session->plan->step_name_id[i]];
}

const char *dms_session_device(const dms_session *session) {
    return session->device->note != NULL ? session->device->note : session->device->ops->name;
}

dms_code dms_session_card(const dms_session *session, dms_card_memory *out, dms_status *st) {
    dms_device *d = session->device;
    const dms_device_memory *m = &d->memory;
    uint64_t now;
    *out = (dms_card_memory){0};
    if (m->total == 0)
        return DMS_OK;
    DMS_TRY(d->streams->enter(d, st));
    DMS_TRY(d->streams->free_bytes(d, &now, st));
    *out = (dms_card_memory){m->total, m->first, m->with_arena, m->with_kernels, now, 0};
    out->beyond_arena_bytes =
        (int64_t)(m->first - m->with_arena - d->device_bytes) + (int64_t)(m->with_kernels - now);
    return DMS_OK;
}

/* Sums may grow while they are read: ahead commands run on between turns. */
static dms_queue_stats read_stats(const dms_session *s, dms_queue queue) {
    const dms_queue_run *q = &s->queue[queue];
    return (dms_queue_stats){atomic_load_explicit(&q->busy_ns, memory_order_relaxed),
                             atomic_load_explicit(&q->commands, memory_order_relaxed),
                             atomic_load_explicit(&q->bytes, memory_order_relaxed)};
}

dms_stats dms_session_stats(const dms_session *session) {
    const dms_storage_stats storage = dms_storage_stats_of(session->storage);
    return (dms_stats){.turns = session->n_waited,
                       .open_ns = session->open_ns,
                       .compute = read_stats(session, DMS_QUEUE_COMPUTE),
                       .in = read_stats(session, DMS_QUEUE_IN),
                       .out = read_stats(session, DMS_QUEUE_OUT),
                       .load = read_stats(session, DMS_QUEUE_LOAD),
                       .direct_reader = storage.direct_reader,
                       .direct_bytes = storage.direct_bytes,
                       .buffered_bytes = storage.buffered_bytes};
}

void dms_session_progress(const dms_session *session, uint64_t *out_done, uint64_t *out_all) {
    *out_done = atomic_load_explicit(&session->n_prepared, memory_order_relaxed);
    *out_all = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        *out_all += session->plan->prologue.n_cmds[q];
}

static const char *kernel_name(uint32_t id) {
    const dms_kernel_row *row = dms_kernel_row_find(id);
    return row == NULL ? "unknown" : row->name;
}

/* Ahead commands may be running while this reads: an end that is there has its begin. */
dms_code dms_session_trace(const dms_session *session, FILE *out, dms_status *st) {
    const dms_trace *recorded = &session->trace;
    if (recorded->n_turns == 0)
        return dms_fail(st, DMS_EUSAGE, "the session was opened without trace_turns");
    dms_arena scratch;
    dms_trace seen;
    dms_arena_init(&scratch, 0);
    dms_code code = dms_trace_new(session->plan, recorded->n_turns, &scratch, &seen, st);
    const uint64_t n = code == DMS_OK ? (uint64_t)seen.n_turns * seen.n_cmds : 0;
    for (uint64_t i = 0; i < n; i++) {
        seen.span[i].end_ns = __atomic_load_n(&recorded->span[i].end_ns, __ATOMIC_ACQUIRE);
        if (seen.span[i].end_ns != 0)
            seen.span[i].begin_ns = recorded->span[i].begin_ns;
    }
    if (code == DMS_OK)
        code = dms_trace_write(&seen, "measured", kernel_name, &scratch, out, st);
    dms_arena_free(&scratch);
    return code;
}

/* Ascending; equal times need no further key. */
static int compare_ns(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void dms_session_step_ns(const dms_session *session, uint64_t first_turn, int64_t *out_ns) {
    const uint64_t end = session->n_waited, n_columns = session->n_columns;
    const uint32_t n_steps = session->plan->n_steps;
    if (end > n_columns && first_turn < end - n_columns)
        first_turn = end - n_columns;
    for (uint32_t step = 0; step < n_steps; step++) {
        uint32_t sample[DMS_STEP_TURNS], n = 0;
        for (uint64_t turn = first_turn; turn < end; turn++) {
            sample[n] = atomic_load_explicit(&session->step_ns[turn % n_columns * n_steps + step],
                                             memory_order_relaxed);
            n += sample[n] != 0; /* a card does not time every step in every turn */
        }
        qsort(sample, n, sizeof *sample, compare_ns);
        out_ns[step] = n == 0 ? 0 : sample[n / 2];
    }
}
