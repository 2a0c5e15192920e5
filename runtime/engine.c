/* engine.c - one thread per queue: wait for other queues, run a command, count.
 *
 *     gate        1 prologue | 2 turn 0 | 3 turn 1 | ...        raised by dms_prepare and dms_start
 *     body[q]     turn i: i n_q + 1 ... (i + 1) n_q             raised by the thread of queue q
 *
 * A body that copies nothing between the arenas, and little from and to the user, has nothing to
 * overlap: the compute thread runs it whole in the plan's submission order, which the checker
 * proved topological. That saves three hand-overs of about 10 us in every turn.
 *
 * Every error and every cancel ends all timelines at once: every wait of every thread returns, each
 * thread finishes the command it is in and leaves.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "runtime/engine_internal.h"
#include "runtime/session.h"
#include "runtime/storage.h"
#include "runtime/user_copy.h"

/* User bytes of a turn that are copied faster than a thread is woken for them. */
#define IN_ORDER_BYTES (128u * 1024u)

/* One pass over a queue's commands: the prologue, or a turn of the body. */
typedef struct pass {
    dms_session *session;
    dms_queue_run *queue;
    const dms_program *program;
    dms_timeline *timelines;
    uint64_t turn;
    bool is_body, is_last;
} pass;

int64_t dms_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Ends every timeline: whoever waits, or will, returns. */
static void end_timelines(dms_session *s) {
    atomic_store(&s->is_stopped, 1);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        dms_timeline_end(&s->prologue[q]);
        dms_timeline_end(&s->body[q]);
    }
    dms_timeline_end(&s->gate);
    dms_streams_end(s->streams);
}

/* It is written before any wait can return because of it. */
void dms_engine_fail(dms_session *s, const dms_status *error) {
    if (atomic_exchange(&s->has_failed, 1) != 0)
        return;
    s->error = *error;
    end_timelines(s);
}

bool dms_engine_goes_on(dms_session *s) {
    dms_status error;
    if (atomic_load_explicit(&s->is_stopped, memory_order_acquire) != 0)
        return false;
    if (atomic_load_explicit(&s->cancel, memory_order_relaxed) == 0)
        return true;
    (void)dms_fail(&error, DMS_ECANCELLED, "interrupted");
    dms_engine_fail(s, &error);
    return false;
}

dms_code dms_engine_blame_step(const dms_plan *plan, uint32_t step, dms_status *st) {
    if (step >= plan->n_steps)
        return dms_context(st, "prologue");
    return dms_context(st, "step %" PRIu32 " '%s'", step,
                       plan->step_name[plan->step_name_id[step]]);
}

/* Where element 0 of an operand lies in the device arena. */
static uint64_t operand_place(const dms_plan *plan, const dms_operand *operand,
                              const dms_view *view) {
    const dms_buffer *buffer = &plan->buffer[operand->buffer];
    const int64_t cell = buffer->tensor == DMS_NONE
                             ? 0
                             : dms_plan_cell_offset(&plan->tensor[buffer->tensor], operand->first);
    return buffer->offset + (uint64_t)(cell + view->offset) * dms_dtype_bytes(view->dtype);
}

/* The plan and the kernels name the same record in two layers that may not share it. */
static dms_call call_of(const dms_plan_call *call) {
    return (dms_call){call->kernel, call->n_in, call->n_out, call->n_i,
                      call->n_f,    call->view, call->i,     call->f};
}

/* Offsets are computed at each call: a table of them would cost more cache than it saves. */
void dms_engine_place_call(const dms_plan *plan, const dms_cmd *cmd, dms_device_call *work) {
    for (uint32_t k = 0; k < work->call->n_in + work->call->n_out; k++)
        work->operand[k] = operand_place(plan, &cmd->operand[k], &work->call->view[k]);
    if (cmd->workspace != DMS_NONE) {
        work->workspace = plan->buffer[cmd->workspace].offset;
        work->workspace_bytes = plan->buffer[cmd->workspace].bytes;
    }
}

dms_code dms_engine_index_error(const dms_plan *plan, const dms_cmd *cmd, uint32_t index_error,
                                dms_status *st) {
    (void)dms_fail(st, DMS_EINPUT, "operand %" PRIu32 ": an index is out of range",
                   index_error - 1);
    return dms_engine_blame_step(plan, cmd->step, st);
}

static dms_code run_call(dms_session *s, const dms_cmd *cmd, dms_status *st) {
    const dms_call call = call_of(&s->plan->call[cmd->call]);
    dms_device_call work = {.call = &call, .is_small = s->is_small[cmd->call]};
    dms_engine_place_call(s->plan, cmd, &work);
    uint32_t index_error = 0;
    s->device->ops->call(s->device, &work, &index_error);
    return index_error == 0 ? DMS_OK : dms_engine_index_error(s->plan, cmd, index_error, st);
}

/* A LOAD: a cell goes to its place in a buffer of the host, or of a device the host can write. */
static dms_code run_load(dms_session *s, const dms_cmd *cmd, uint64_t *out_bytes, dms_status *st) {
    const dms_plan *plan = s->plan;
    const dms_buffer *to = &plan->buffer[cmd->to];
    const dms_plan_tensor *tensor = &plan->tensor[to->tensor];
    const uint32_t cell = cmd->from - tensor->first_source;
    const dms_view view = tensor->is_split ? dms_plan_cell_view(tensor, cell, 1) : tensor->stored;
    uint8_t *arena = to->arena == DMS_TIER_DEVICE ? s->device->device_arena : s->device->host_arena;
    const uint64_t at = (uint64_t)dms_plan_cell_offset(tensor, cell) * dms_dtype_bytes(view.dtype);
    const dms_code code =
        dms_storage_load(s->storage, cmd->from, view.pitch, arena + to->offset + at, out_bytes, st);
    return code == DMS_OK ? code : dms_context(st, "weight '%s'", tensor->name);
}

/* Between the arenas; the buffers hold the same cell, so their sizes are equal. */
static uint64_t run_copy(dms_session *s, const dms_cmd *cmd) {
    const dms_buffer *from = &s->plan->buffer[cmd->from], *to = &s->plan->buffer[cmd->to];
    if (to->arena == DMS_TIER_DEVICE)
        s->device->ops->copy_in(s->device, to->offset, s->device->host_arena + from->offset,
                                to->bytes);
    else
        s->device->ops->copy_out(s->device, s->device->host_arena + to->offset, from->offset,
                                 to->bytes);
    return to->bytes;
}

/* Moves a user tensor; `binding` is that of the turn. */
static uint64_t run_user(dms_session *s, const dms_cmd *cmd, const dms_binding *binding) {
    const dms_plan *plan = s->plan;
    if (cmd->kind == DMS_CMD_FROM_USER) {
        const dms_buffer *to = &plan->buffer[cmd->to];
        return dms_user_copy_in(s->device, to->offset, &plan->tensor[to->tensor], to->cell,
                                &binding->input[cmd->from]);
    }
    const dms_buffer *from = &plan->buffer[cmd->from];
    return dms_user_copy_out(s->device, &binding->output[cmd->to], &plan->tensor[from->tensor],
                             from->cell, from->offset);
}

/* No default: a new kind must be handled here. */
dms_code dms_engine_command(dms_session *s, const dms_cmd *cmd, const dms_binding *binding,
                            uint64_t *out_bytes, dms_status *st) {
    switch (cmd->kind) {
    case DMS_CMD_CALL:
        return run_call(s, cmd, st);
    case DMS_CMD_COPY:
        *out_bytes = run_copy(s, cmd);
        return DMS_OK;
    case DMS_CMD_FROM_USER:
    case DMS_CMD_TO_USER:
        *out_bytes = run_user(s, cmd, binding);
        return DMS_OK;
    case DMS_CMD_LOAD:
        return run_load(s, cmd, out_bytes, st);
    case DMS_N_CMD_KINDS:
        break;
    }
    return dms_fail(st, DMS_EPLAN, "unknown command kind %d", (int)cmd->kind);
}

/* Adds work of the body to the sums of its queue. */
static void add_work(dms_queue_run *queue, int64_t ns, uint32_t n, uint64_t bytes) {
    atomic_fetch_add_explicit(&queue->busy_ns, (uint64_t)ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&queue->commands, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&queue->bytes, bytes, memory_order_relaxed);
}

/* Notes what one command of the body took. The end is stored last: who reads it reads both. */
static void note_time(dms_session *s, dms_queue q, uint64_t turn, uint32_t k, int64_t begin_ns,
                      int64_t end_ns) {
    const dms_cmd *cmd = &s->plan->body.cmd[q][k];
    const int64_t ns = end_ns - begin_ns;
    if (cmd->kind == DMS_CMD_CALL && cmd->step < s->plan->n_steps)
        atomic_store_explicit(&s->step_ns[turn % s->n_columns * s->plan->n_steps + cmd->step],
                              ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns, memory_order_relaxed);
    if (turn >= s->trace.n_turns)
        return;
    dms_trace_span *span = dms_trace_at(&s->trace, (uint32_t)turn, q, k);
    span->begin_ns = begin_ns;
    __atomic_store_n(&span->end_ns, end_ns, __ATOMIC_RELEASE);
}

void dms_engine_account(dms_session *s, const dms_engine_work *work) {
    add_work(&s->queue[work->queue], work->end_ns - work->begin_ns, work->n_run, work->bytes);
    if (work->n_run == 1 && work->n == 1)
        note_time(s, work->queue, work->turn, work->first, work->begin_ns, work->end_ns);
}

/* False when everything ended meanwhile. */
static bool await_others(const pass *p, const dms_cmd *cmd) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE || p->turn < cmd->wait_back[q])
            continue;
        const uint64_t value =
            (p->turn - cmd->wait_back[q]) * p->program->n_cmds[q] + cmd->wait_cmd[q] + 1;
        if (!dms_timeline_wait(&p->timelines[q], value))
            return false;
    }
    return true;
}

/* Runs one command, unless this is the last turn and it serves the next; false when the session
 * ended or fails here. */
static bool do_command(const pass *p, const dms_cmd *cmd) {
    dms_session *s = p->session;
    dms_status error;
    uint64_t bytes = 0;
    if (!dms_engine_goes_on(s))
        return false;
    if (p->is_last && cmd->is_ahead)
        return true;
    const int64_t begin = dms_now_ns();
    if (dms_engine_command(s, cmd, &s->of_turn[p->turn & 1], &bytes, &error) != DMS_OK) {
        dms_engine_fail(s, &error);
        return false;
    }
    if (!p->is_body) {
        atomic_fetch_add_explicit(&s->n_prepared, 1, memory_order_relaxed);
        return true;
    }
    const uint32_t k = (uint32_t)(cmd - p->program->cmd[p->queue->id]);
    dms_engine_account(
        s, &(dms_engine_work){p->queue->id, p->turn, k, 1, 1, bytes, begin, dms_now_ns()});
    return true;
}

/* Runs a turn of all queues on this thread, in submission order; false when the session ended. */
static bool run_in_order(const pass *p) {
    uint32_t next[DMS_N_QUEUES] = {0};
    for (uint32_t k = 0; k < p->program->n_order; k++) {
        const dms_queue q = (dms_queue)p->program->order[k];
        pass own = *p;
        own.queue = &p->session->queue[q];
        if (!do_command(&own, &p->program->cmd[q][next[q]++]))
            return false;
    }
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        const uint64_t n = p->program->n_cmds[q], base = p->turn * n;
        if (n != 0 && !dms_timeline_publish(&p->timelines[q], base, base + n))
            return false;
    }
    return true;
}

/* Runs all commands of one queue; false when the session ended. A command that is skipped waits
 * too: others order themselves behind it. */
static bool run_pass(const pass *p) {
    const dms_queue q = p->queue->id;
    const uint32_t n = p->program->n_cmds[q];
    const uint64_t base = p->turn * n;
    uint64_t published = base;
    for (uint32_t k = 0; k < n; k++) {
        const dms_cmd *cmd = &p->program->cmd[q][k];
        if (!await_others(p, cmd) || !do_command(p, cmd))
            return false;
        if (!cmd->is_signal && k + 1 != n && k + 1 != p->queue->own_end)
            continue;
        if (!dms_timeline_publish(&p->timelines[q], published, base + k + 1))
            return false;
        published = base + k + 1;
        if (p->session->streams != NULL)
            dms_streams_raise(p->session, q, p->is_body, published);
    }
    return true;
}

static void *queue_main(void *argument) {
    dms_queue_run *queue = argument;
    dms_session *s = queue->session;
    pass p = {s, queue, &s->plan->prologue, s->prologue, 0, false, false};
    if (!dms_timeline_wait(&s->gate, DMS_GATE_PROLOGUE) || !run_pass(&p))
        return NULL;
    if (s->is_in_order && queue->id != DMS_QUEUE_COMPUTE)
        return NULL;
    p.program = &s->plan->body;
    p.timelines = s->body;
    p.is_body = true;
    while (dms_timeline_wait(&s->gate, DMS_GATE_TURN(p.turn))) {
        p.is_last = s->options.turns != 0 && p.turn + 1 == s->options.turns;
        if (!(s->is_in_order ? run_in_order(&p) : run_pass(&p)))
            return NULL;
        p.turn++;
    }
    return NULL;
}

/* One past the last command of the body that belongs to the turn itself. */
static uint32_t find_own_end(const dms_program *body, dms_queue q) {
    uint32_t end = body->n_cmds[q];
    while (end > 0 && body->cmd[q][end - 1].is_ahead)
        end--;
    return end;
}

/* The body has nothing to overlap: no copy between tiers, and little user memory. */
static bool has_no_copies(const dms_plan *plan) {
    const dms_program *body = &plan->body;
    uint64_t bytes = 0, n_cmds = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        n_cmds += body->n_cmds[q];
        for (uint32_t k = 0; k < body->n_cmds[q]; k++) {
            const dms_cmd *cmd = &body->cmd[q][k];
            const bool is_user = cmd->kind == DMS_CMD_FROM_USER || cmd->kind == DMS_CMD_TO_USER;
            if (cmd->kind != DMS_CMD_CALL && !is_user)
                return false;
            if (is_user)
                bytes += plan->buffer[cmd->kind == DMS_CMD_FROM_USER ? cmd->to : cmd->from].bytes;
        }
    }
    return bytes <= IN_ORDER_BYTES && body->n_order == n_cmds &&
           body->n_cmds[DMS_QUEUE_COMPUTE] != 0;
}

/* What the thread of a queue runs; NULL: the queue has none. */
static void *(*main_of(const dms_session *s, dms_queue q))(void *) {
    if (s->streams != NULL && q == DMS_QUEUE_COMPUTE)
        return dms_streams_submit_main;
    if (s->streams != NULL && q == DMS_QUEUE_IN)
        return dms_streams_follow_main;
    const bool has_commands = s->plan->prologue.n_cmds[q] != 0 || s->plan->body.n_cmds[q] != 0;
    return has_commands && (s->streams == NULL || q == DMS_QUEUE_LOAD) ? queue_main : NULL;
}

dms_code dms_engine_start(dms_session *s, dms_status *st) {
    s->is_in_order = s->streams == NULL && has_no_copies(s->plan);
    sigset_t all, before;
    int error = 0;
    sigfillset(&all); /* signals belong to the threads of the program */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t q = 0; q < DMS_N_QUEUES && error == 0; q++) {
        dms_queue_run *queue = &s->queue[q];
        queue->session = s;
        queue->id = (dms_queue)q;
        queue->own_end = find_own_end(&s->plan->body, (dms_queue)q);
        void *(*const start)(void *) = main_of(s, (dms_queue)q);
        if (start == NULL)
            continue;
        error = pthread_create(&queue->thread, NULL, start, queue);
        queue->has_thread = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return dms_fail(st, DMS_EINTERNAL, "starting the thread of a queue: %s", strerror(error));
    return DMS_OK;
}

bool dms_engine_await_prologue(dms_session *s) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (!dms_timeline_wait(&s->prologue[q], s->plan->prologue.n_cmds[q]))
            return false;
    }
    return true;
}

bool dms_engine_await_turn(dms_session *s, uint64_t turn) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        const uint32_t own = s->queue[q].own_end;
        if (own != 0 && !dms_timeline_wait(&s->body[q], turn * s->plan->body.n_cmds[q] + own))
            return false;
    }
    return true;
}

/* Until the thread of a queue has left, where it has one. */
static void join(dms_session *s, uint32_t queue) {
    dms_queue_run *of = &s->queue[queue];
    if (of->has_thread)
        pthread_join(of->thread, NULL);
    of->has_thread = false;
}

/* On a device with streams the order matters: who loads waits for nobody, what was submitted waits
 * for who loads, who submits for a place on a stream. */
void dms_engine_stop(dms_session *s) {
    end_timelines(s);
    join(s, DMS_QUEUE_LOAD);
    dms_streams_end_loading(s->streams);
    join(s, DMS_QUEUE_COMPUTE);
    dms_streams_end_submitting(s->streams);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        join(s, q);
}
