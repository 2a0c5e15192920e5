/* engine_streams.c - one thread submits, one follows.
 *
 *     submits   gate -> for each command in the plan's order: await, begin, command, signal
 *     device                    in   |--copy--|--copy--|
 *                          compute            |--call--|--call--|
 *     follows   how far has each stream come? -> times, index errors, the host's timelines
 *
 * Streams count from the first command of the prologue on: value `n_prologue + v` is value v of the
 * body. A mark is a run of commands on one stream without a wait inside: what lies between its two
 * ends is work. In turns that are recorded each command is a mark of its own.
 *
 * CUDA does not say which command an error is of, and reports it where it is asked next. So the
 * thread that follows names what can have been running: of each stream, what comes behind what it
 * had ended, up to the first command that still had to wait.
 *
 * No wait of the submitting thread can last for ever: whatever it waits for was submitted before,
 * in an order that the checker proved topological, or comes from the thread of the load queue.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/engine_internal.h"
#include "runtime/futex.h"
#include "runtime/session.h"
#include "runtime/user_copy.h"
#include "schema/checked.h"

#define N_STREAMS 3u /* compute, in, out: the first queues */
#define LOADER 1u
#define SUBMITTER 2u
#define SPINS 200
#define PAUSE_NS 20000

/* A run of commands that was submitted. */
typedef struct stream_mark {
    dms_engine_work work;
    bool is_body;
    uint64_t value; /* of the host's timeline */
} stream_mark;

/* One stream. Its marks are a ring: the submitter adds, the follower takes away. */
typedef struct stream {
    stream_mark mark[DMS_DEVICE_MARKS];
    _Atomic uint64_t n_marks;
    uint64_t n_followed;        /* of the follower */
    uint64_t published;         /* on the host's timeline of this program; of the follower */
    bool was_body;              /* that program is the body */
    stream_mark open;           /* of the submitter: begun and not ended; n 0: none */
    _Atomic uint64_t submitted; /* commands, the one being submitted included */
} stream;

struct dms_streams {
    stream stream[N_STREAMS];
    dms_timeline work; /* marks submitted, over all streams */
    uint64_t n_work;   /* of the submitter */
    dms_call *call;    /* per call of the plan */
    bool *has_index;   /* per call: its data are indices */
    dms_plan_stage stage;
    dms_timeline left;   /* LOADER, then SUBMITTER: threads that have ended */
    atomic_bool is_lost; /* the submitter has found the device lost, and ended */
};

/* One turn, or the prologue, while it is submitted. */
typedef struct submission {
    dms_session *session;
    const dms_program *program;
    dms_timeline *timelines;
    uint64_t turn;
    bool is_body, is_last, is_recorded;
    dms_status *st;
} submission;

/* Where the values of a program begin on a device that counts on. */
static uint64_t base_of(const dms_session *s, uint32_t queue, bool is_body) {
    return is_body ? s->plan->prologue.n_cmds[queue] : 0;
}

/* "in 3 (tensor 'w')" or "step 12 'conv1'": command k of a queue. */
static void name_command(const dms_session *s, bool is_body, uint32_t q, uint32_t k,
                         char out[512]) {
    const dms_plan *plan = s->plan;
    const dms_program *program = is_body ? &plan->body : &plan->prologue;
    const dms_cmd *cmd = &program->cmd[q][k];
    const char *when = is_body ? "" : "prologue, ", *queue = dms_queue_name((dms_queue)q);
    if (k >= program->n_cmds[q])
        (void)snprintf(out, 512, "%s", queue);
    else if (cmd->kind == DMS_CMD_CALL && cmd->step < plan->n_steps)
        (void)snprintf(out, 512, "step %" PRIu32 " '%s'", cmd->step,
                       plan->step_name[plan->step_name_id[cmd->step]]);
    else if (cmd->kind == DMS_CMD_CALL)
        (void)snprintf(out, 512, "prologue");
    else
        (void)snprintf(
            out, 512, "%s%s %" PRIu32 " (tensor '%s')", when, queue, k,
            plan->tensor[plan->buffer[cmd->kind == DMS_CMD_TO_USER ? cmd->from : cmd->to].tensor]
                .name);
}

/* Ends the mark that is open on a stream. */
static dms_code close_mark(const submission *p, uint32_t q) {
    dms_session *s = p->session;
    stream *to = &s->streams->stream[q];
    if (to->open.work.n == 0)
        return DMS_OK;
    const uint64_t n = atomic_load_explicit(&to->n_marks, memory_order_relaxed);
    to->mark[n % DMS_DEVICE_MARKS] = to->open;
    DMS_TRY(s->device->streams->signal(s->device, q, (uint32_t)(n % DMS_DEVICE_MARKS),
                                       base_of(s, q, p->is_body) + to->open.value, p->st));
    to->open.work.n = 0;
    atomic_store_explicit(&to->n_marks, n + 1, memory_order_release);
    const uint64_t before = s->streams->n_work++;
    (void)dms_timeline_publish(&s->streams->work, before, before + 1);
    return DMS_OK;
}

/* Begins a mark with command k, when the ring has a place for it.
 * Errors   DMS_ECANCELLED: the session has ended meanwhile. */
static dms_code open_mark(const submission *p, uint32_t q, uint32_t k) {
    dms_session *s = p->session;
    stream *to = &s->streams->stream[q];
    const uint64_t n = atomic_load_explicit(&to->n_marks, memory_order_relaxed);
    if (n >= DMS_DEVICE_MARKS) {
        const stream_mark *old = &to->mark[n % DMS_DEVICE_MARKS];
        if (!dms_timeline_wait(old->is_body ? &s->body[q] : &s->prologue[q], old->value))
            return DMS_ECANCELLED;
    }
    to->open = (stream_mark){.work = {.queue = (dms_queue)q, .turn = p->turn, .first = k},
                             .is_body = p->is_body};
    return s->device->streams->begin(s->device, q, (uint32_t)(n % DMS_DEVICE_MARKS), p->st);
}

/* Orders the next command of a stream behind those of other queues that it waits for. What the host
 * has seen done needs no wait on the device. */
static dms_code await_others(const submission *p, uint32_t q, const dms_cmd *cmd) {
    dms_session *s = p->session;
    for (uint32_t w = 0; w < DMS_N_QUEUES; w++) {
        if (cmd->wait_cmd[w] == DMS_NONE || p->turn < cmd->wait_back[w])
            continue;
        const uint64_t value =
            (p->turn - cmd->wait_back[w]) * p->program->n_cmds[w] + cmd->wait_cmd[w] + 1;
        const uint64_t now = atomic_load_explicit(&p->timelines[w].value, memory_order_acquire);
        if (now == DMS_TIMELINE_END)
            return DMS_ECANCELLED;
        if (now >= value)
            continue;
        DMS_TRY(close_mark(p, q));
        if (w >= N_STREAMS && !s->device->awaits_host) {
            if (!dms_timeline_wait(&p->timelines[w], value))
                return DMS_ECANCELLED;
            continue;
        }
        DMS_TRY(
            s->device->streams->await(s->device, q, w, base_of(s, w, p->is_body) + value, p->st));
    }
    return DMS_OK;
}

/* A piece of a tensor of the caller, in the order of a stream. */
static void gather(const dms_device_piece *piece) {
    dms_user_gather(piece->memory, piece->tensor, piece->cell, piece->user, piece->first,
                    piece->bytes);
}

static void scatter(const dms_device_piece *piece) {
    dms_user_scatter(piece->user, piece->tensor, piece->cell, piece->first, piece->bytes,
                     piece->memory);
}

/* A tensor of the caller goes through its place in the host arena, piece by piece. */
static dms_code submit_user(const submission *p, const dms_cmd *cmd, uint64_t *out_bytes) {
    dms_session *s = p->session;
    const dms_device_streams *ops = s->device->streams;
    const bool is_in = cmd->kind == DMS_CMD_FROM_USER;
    const dms_binding *binding = &s->of_turn[p->turn & 1];
    const dms_buffer *buffer = &s->plan->buffer[is_in ? cmd->to : cmd->from];
    const dms_plan_stage *stage = &s->streams->stage;
    const uint64_t most = is_in ? stage->in_bytes : stage->out_bytes;
    const uint64_t place = s->plan->host_arena - stage->out_bytes - (is_in ? most : 0);
    dms_device_piece piece = {.move = is_in ? gather : scatter,
                              .tensor = &s->plan->tensor[buffer->tensor],
                              .user =
                                  is_in ? &binding->input[cmd->from] : &binding->output[cmd->to],
                              .cell = buffer->cell,
                              .memory = s->device->host_arena + place};
    for (uint64_t at = 0; at < buffer->bytes; at += piece.bytes) {
        const uint64_t left = buffer->bytes - at;
        piece.first = at;
        piece.bytes = left < most ? left : most;
        if (is_in)
            DMS_TRY(ops->move(s->device, DMS_QUEUE_IN, &piece, p->st));
        DMS_TRY(is_in ? ops->copy_in(s->device, buffer->offset + at, place, piece.bytes, p->st)
                      : ops->copy_out(s->device, place, buffer->offset + at, piece.bytes, p->st));
        if (!is_in)
            DMS_TRY(ops->move(s->device, DMS_QUEUE_OUT, &piece, p->st));
    }
    *out_bytes = buffer->bytes;
    return DMS_OK;
}

/* The word of a call is free again when the same call of two turns ago was looked at. */
static dms_code submit_call(const submission *p, const dms_cmd *cmd) {
    dms_session *s = p->session;
    const uint32_t n = p->program->n_cmds[DMS_QUEUE_COMPUTE];
    const uint32_t k = (uint32_t)(cmd - p->program->cmd[DMS_QUEUE_COMPUTE]);
    if (p->turn >= 2 && !dms_timeline_wait(&s->body[DMS_QUEUE_COMPUTE], (p->turn - 2) * n + k + 1))
        return DMS_ECANCELLED;
    dms_device_call work = {.call = &s->streams->call[cmd->call],
                            .is_small = s->is_small[cmd->call],
                            .id = cmd->call,
                            .index_word = (uint32_t)(p->turn & 1) * n + k};
    dms_engine_place_call(s->plan, cmd, &work);
    return s->device->streams->call(s->device, &work, p->st);
}

/* No default: a new kind must be handled here. */
static dms_code submit_command(const submission *p, const dms_cmd *cmd, uint64_t *out_bytes) {
    dms_session *s = p->session;
    const dms_buffer *buffer = s->plan->buffer;
    switch (cmd->kind) {
    case DMS_CMD_CALL:
        return submit_call(p, cmd);
    case DMS_CMD_COPY:
        *out_bytes = buffer[cmd->to].bytes;
        return (buffer[cmd->to].arena == DMS_TIER_DEVICE ? s->device->streams->copy_in
                                                         : s->device->streams->copy_out)(
            s->device, buffer[cmd->to].offset, buffer[cmd->from].offset, *out_bytes, p->st);
    case DMS_CMD_FROM_USER:
    case DMS_CMD_TO_USER:
        return submit_user(p, cmd, out_bytes);
    case DMS_CMD_LOAD:
    case DMS_N_CMD_KINDS:
        break;
    }
    return dms_fail(p->st, DMS_EPLAN, "unknown command kind %d", (int)cmd->kind);
}

/* Submits command k of a stream: what it waits for, its work, its value. */
static dms_code submit_one(const submission *p, uint32_t q, uint32_t k) {
    dms_session *s = p->session;
    const dms_cmd *cmd = &p->program->cmd[q][k];
    stream_mark *open = &s->streams->stream[q].open;
    uint64_t bytes = 0;
    const uint64_t value = p->turn * p->program->n_cmds[q] + k + 1;
    atomic_store_explicit(&s->streams->stream[q].submitted, base_of(s, q, p->is_body) + value,
                          memory_order_release);
    DMS_TRY(await_others(p, q, cmd));
    if (open->work.n == 0)
        DMS_TRY(open_mark(p, q, k));
    if (!p->is_last || !cmd->is_ahead) {
        DMS_TRY(submit_command(p, cmd, &bytes));
        open->work.n_run++;
    }
    open->work.n++;
    open->work.bytes += bytes;
    open->value = value;
    const bool is_end = k + 1 == p->program->n_cmds[q] || k + 1 == s->queue[q].own_end;
    return cmd->is_signal || is_end || p->is_recorded ? close_mark(p, q) : DMS_OK;
}

/* What CUDA says while a command is submitted is of that command, unless the card is lost: then it
 * may be of any, and the thread that follows finds out. */
static void fail_submitting(const submission *p, uint32_t q, uint32_t k, dms_status *error) {
    dms_session *s = p->session;
    char name[512];
    if (error->code == DMS_EDEVICE && s->device->streams->check(s->device, NULL) != DMS_OK) {
        atomic_store(&s->streams->is_lost, true);
        const uint64_t before = s->streams->n_work++;
        (void)dms_timeline_publish(&s->streams->work, before, before + 1); /* wakes it */
        return;
    }
    name_command(s, p->is_body, q, k, name);
    (void)dms_context(error, "%s", name);
    dms_engine_fail(s, error);
}

/* Submits a turn of all streams; false when the session ended or fails here. */
static bool submit_all(submission *p) {
    dms_session *s = p->session;
    uint32_t next[DMS_N_QUEUES] = {0};
    for (uint32_t i = 0; i < p->program->n_order; i++) {
        const uint32_t q = p->program->order[i], k = next[q]++;
        dms_status error = {0};
        p->st = &error;
        if (q >= N_STREAMS)
            continue; /* its own thread runs it */
        if (!dms_engine_goes_on(s))
            return false;
        const dms_code code = submit_one(p, q, k);
        if (code == DMS_OK)
            continue;
        if (error.code == DMS_OK)
            return false; /* a wait ended: somebody else failed */
        fail_submitting(p, q, k, &error);
        return false;
    }
    return true;
}

/* The prologue, then every turn whose gate is open. */
static void submit_turns(dms_session *s) {
    submission p = {.session = s, .program = &s->plan->prologue, .timelines = s->prologue};
    dms_status error;
    if (s->device->streams->enter(s->device, &error) != DMS_OK) {
        dms_engine_fail(s, &error);
        return;
    }
    if (!dms_timeline_wait(&s->gate, DMS_GATE_PROLOGUE) || !submit_all(&p))
        return;
    p.program = &s->plan->body;
    p.timelines = s->body;
    p.is_body = true;
    while (dms_timeline_wait(&s->gate, DMS_GATE_TURN(p.turn))) {
        p.is_last = s->options.turns != 0 && p.turn + 1 == s->options.turns;
        p.is_recorded = p.turn < s->trace.n_turns;
        if (!submit_all(&p))
            return;
        p.turn++;
    }
}

void *dms_streams_submit_main(void *queue) {
    submit_turns(((dms_queue_run *)queue)->session);
    return NULL;
}

/* The first call of a mark whose data held a bad index ends the session. */
static bool check_indices(dms_session *s, const stream_mark *mark) {
    const dms_engine_work *work = &mark->work;
    const dms_program *program = mark->is_body ? &s->plan->body : &s->plan->prologue;
    const uint32_t n = program->n_cmds[DMS_QUEUE_COMPUTE];
    for (uint32_t k = work->first; k < work->first + work->n; k++) {
        const dms_cmd *cmd = &program->cmd[DMS_QUEUE_COMPUTE][k];
        dms_status error;
        if (!s->streams->has_index[cmd->call])
            continue;
        const uint32_t bad =
            s->device->streams->take_index(s->device, (uint32_t)(work->turn & 1) * n + k);
        if (bad == 0)
            continue;
        (void)dms_engine_index_error(s->plan, cmd, bad, &error);
        dms_engine_fail(s, &error);
        return false;
    }
    return true;
}

/* A mark that a stream has reached: its times, its errors, then the host may know of it. */
static bool follow_mark(dms_session *s, uint32_t q) {
    stream *of = &s->streams->stream[q];
    const uint32_t slot = (uint32_t)(of->n_followed % DMS_DEVICE_MARKS);
    stream_mark *mark = &of->mark[slot];
    dms_engine_work *work = &mark->work;
    s->device->streams->times(s->device, q, slot, &work->begin_ns, &work->end_ns);
    if (!mark->is_body)
        atomic_fetch_add_explicit(&s->n_prepared, work->n, memory_order_relaxed);
    else if (work->n_run != 0)
        dms_engine_account(s, work);
    if (q == DMS_QUEUE_COMPUTE && !check_indices(s, mark))
        return false;
    if (mark->is_body && !of->was_body)
        of->published = 0;
    of->was_body = mark->is_body;
    dms_timeline *timeline = mark->is_body ? &s->body[q] : &s->prologue[q];
    const uint64_t before = of->published;
    of->published = mark->value;
    of->n_followed++;
    return dms_timeline_publish(timeline, before, mark->value);
}

/* How far all queues have come, as the device has it now; it need not live. */
static void look_at_all(dms_session *s, uint64_t out[DMS_N_QUEUES]) {
    dms_status ignored;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        const uint64_t prologue = atomic_load(&s->prologue[q].value);
        const uint64_t body = atomic_load(&s->body[q].value);
        out[q] = body == 0 ? prologue : base_of(s, q, true) + body;
        if (q < N_STREAMS)
            (void)s->device->streams->reached(s->device, q, &out[q], &ignored);
    }
}

/* Whether the command behind value `at` of a stream can have begun. Events of a lost device tell
 * nothing: without values every command can. */
static bool can_have_begun(const dms_session *s, const uint64_t *reached, uint32_t q, uint64_t at) {
    const bool is_body = at >= base_of(s, q, true);
    const dms_program *program = is_body ? &s->plan->body : &s->plan->prologue;
    const uint64_t n = program->n_cmds[q], value = at - base_of(s, q, is_body);
    const dms_cmd *cmd = &program->cmd[q][value % n];
    for (uint32_t w = 0; w < DMS_N_QUEUES && s->device->awaits_host; w++) {
        if (cmd->wait_cmd[w] == DMS_NONE || value / n < cmd->wait_back[w])
            continue;
        const uint64_t wanted =
            (value / n - cmd->wait_back[w]) * program->n_cmds[w] + cmd->wait_cmd[w] + 1;
        if (reached[w] < base_of(s, w, is_body) + wanted)
            return false;
    }
    return true;
}

/* Adds "step 12 'conv1' or one of the 3 behind it" where a stream can have been at work. */
static size_t name_running(const dms_session *s, const uint64_t *reached, uint32_t q, char *out,
                           size_t size) {
    const uint64_t at = reached[q], end = atomic_load(&s->streams->stream[q].submitted);
    char name[512], more[48] = "";
    uint64_t n = 0;
    while (at + n < end && can_have_begun(s, reached, q, at + n))
        n++;
    if (n == 0)
        return 0;
    const bool is_body = at >= base_of(s, q, true);
    const dms_program *program = is_body ? &s->plan->body : &s->plan->prologue;
    name_command(s, is_body, q, (uint32_t)((at - base_of(s, q, is_body)) % program->n_cmds[q]),
                 name);
    if (n > 1)
        (void)snprintf(more, sizeof more, " or one of the %" PRIu64 " behind it", n - 1);
    const int length = snprintf(out, size, "%s%s", name, more);
    return (size_t)length < size ? (size_t)length : size - 1;
}

/* The device is lost, and `error` holds its words: ends the session. */
static void fail_lost(dms_session *s, dms_status *error) {
    uint64_t reached[DMS_N_QUEUES];
    char text[1600] = "";
    size_t n = 0;
    look_at_all(s, reached);
    for (uint32_t q = 0; q < N_STREAMS; q++) {
        const size_t before = n;
        if (n != 0)
            n += (size_t)snprintf(text + n, sizeof text - n, ", or ");
        const size_t added = name_running(s, reached, q, text + n, sizeof text - n);
        n = added == 0 ? before : n + added;
        text[n] = 0;
    }
    if (n != 0)
        (void)dms_context(error, "%s", text);
    dms_engine_fail(s, error);
}

/* What one stream is doing now; `*moved` when it has come further. False when the session ends. */
static bool follow_stream(dms_session *s, uint32_t q, bool *moved, bool *is_busy) {
    stream *of = &s->streams->stream[q];
    const uint64_t n = atomic_load_explicit(&of->n_marks, memory_order_acquire);
    if (of->n_followed == n)
        return true;
    dms_status error = {0};
    uint64_t value;
    if (s->device->streams->reached(s->device, q, &value, &error) != DMS_OK) {
        fail_lost(s, &error);
        return false;
    }
    while (of->n_followed != n) {
        const stream_mark *mark = &of->mark[of->n_followed % DMS_DEVICE_MARKS];
        if (base_of(s, q, mark->is_body) + mark->value > value)
            break;
        *moved = true;
        if (!follow_mark(s, q))
            return false;
    }
    *is_busy |= of->n_followed != n;
    return true;
}

/* Looks at all streams until the session ends; sleeps where nothing was submitted. */
static void follow_all(dms_session *s) {
    const struct timespec pause = {0, PAUSE_NS};
    int idle = 0;
    while (atomic_load_explicit(&s->is_stopped, memory_order_acquire) == 0) {
        const uint64_t seen = atomic_load_explicit(&s->streams->work.value, memory_order_acquire);
        bool moved = false, is_busy = false;
        if (atomic_load(&s->streams->is_lost)) {
            dms_status error = {0};
            (void)s->device->streams->check(s->device, &error);
            fail_lost(s, &error);
            return;
        }
        for (uint32_t q = 0; q < N_STREAMS; q++)
            if (!follow_stream(s, q, &moved, &is_busy))
                return;
        if (moved)
            idle = 0;
        else if (!is_busy && !dms_timeline_wait(&s->streams->work, seen + 1))
            return;
        else if (is_busy && idle++ < SPINS)
            dms_spin_pause();
        else if (is_busy)
            (void)nanosleep(&pause, NULL);
    }
}

/* After the end what was submitted still runs, in its order: it waits for nothing but what was
 * submitted before and for loads, and those the device lets go of when nobody loads any more. So no
 * command ever meets the memory of another that is under way. The submitting thread, which may wait
 * for a place on a stream, comes back meanwhile. */
void *dms_streams_follow_main(void *queue) {
    dms_session *s = ((dms_queue_run *)queue)->session;
    const struct timespec pause = {0, PAUSE_NS};
    dms_status error = {0};
    if (s->device->streams->enter(s->device, &error) == DMS_OK)
        follow_all(s);
    else
        fail_lost(s, &error); /* what runs already may have been the end of it */
    (void)dms_timeline_wait(&s->streams->left, LOADER);
    while (!s->device->streams->abandon(s->device) ||
           atomic_load(&s->streams->left.value) < SUBMITTER)
        (void)nanosleep(&pause, NULL);
    return NULL;
}

void dms_streams_raise(dms_session *s, dms_queue queue, bool is_body, uint64_t value) {
    s->device->streams->raise(s->device, queue, base_of(s, queue, is_body) + value);
}

void dms_streams_end(dms_streams *streams) {
    if (streams != NULL)
        dms_timeline_end(&streams->work);
}

void dms_streams_end_loading(dms_streams *streams) {
    if (streams != NULL)
        (void)dms_timeline_publish(&streams->left, 0, LOADER); /* once */
}

void dms_streams_end_submitting(dms_streams *streams) {
    if (streams != NULL)
        (void)dms_timeline_publish(&streams->left, LOADER, SUBMITTER);
}

/* The device keeps the calls; they are the plan's, under the name that kernels know. */
static dms_code prepare_calls(dms_session *s, dms_streams *streams, dms_status *st) {
    for (uint32_t i = 0; i < s->plan->n_calls; i++) {
        const dms_plan_call *c = &s->plan->call[i];
        const dms_kernel_row *row = dms_kernel_row_find(c->kernel);
        streams->call[i] =
            (dms_call){c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        streams->has_index[i] = row != NULL && row->has_index_data;
        DMS_TRY(s->device->streams->prepare(s->device, i, &streams->call[i], st));
    }
    return s->device->streams->ready(s->device, st);
}

dms_code dms_streams_open(dms_session *s, dms_status *st) {
    const dms_plan *plan = s->plan;
    dms_streams *streams;
    DMS_TRY(dms_alloc_st(&s->arena, 1, sizeof *streams, "streams", &streams, st));
    DMS_TRY(
        dms_alloc_st(&s->arena, plan->n_calls, sizeof *streams->call, "calls", &streams->call, st));
    DMS_TRY(dms_alloc_st(&s->arena, plan->n_calls, sizeof *streams->has_index, "calls",
                         &streams->has_index, st));
    streams->stage = dms_plan_stage_of(plan);
    DMS_TRY(prepare_calls(s, streams, st));
    s->streams = streams;
    return DMS_OK;
}
