/* support_replay.c - a session from open to close, here or in a child. */
#include "support_replay.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/device.h"
#include "runtime/dmsrun_tensors.h"
#include "runtime/random.h"
#include "runtime/session.h"

/* Operations of a device that take longer than they need. Queues then meet in other orders than
 * they do by themselves, and what no wait orders shows. */
typedef struct late_ops {
    dms_device_ops ops;
    const dms_device_ops *real;
    _Atomic uint64_t random;
} late_ops;

enum { SECONDS = 60, INPUT_SEED = 3, WEIGHT_SEED = 7 };

/* Half of the time nothing, else up to a fifth of a millisecond. */
static const dms_device_ops *after_a_while(dms_device *device) {
    late_ops *late = (late_ops *)device->ops;
    const uint64_t word = dms_random_word(atomic_fetch_add(&late->random, 1));
    if (word % 2 == 0)
        (void)usleep((useconds_t)(word / 2 % 200));
    return late->real;
}

static void late_call(dms_device *device, const dms_device_call *call, uint32_t *out_index_error) {
    after_a_while(device)->call(device, call, out_index_error);
    (void)after_a_while(device);
}

static void late_copy_in(dms_device *device, uint64_t to, const void *from, uint64_t bytes) {
    after_a_while(device)->copy_in(device, to, from, bytes);
    (void)after_a_while(device);
}

static void late_copy_out(dms_device *device, void *to, uint64_t from, uint64_t bytes) {
    after_a_while(device)->copy_out(device, to, from, bytes);
    (void)after_a_while(device);
}

static dms_hash output_bits(const dmsrun_tensors *t, dms_hash sum) {
    for (uint32_t k = 0; k < t->n_outputs; k++)
        sum = dms_hash_join(
            sum, dms_hash_bytes(t->output[k].data, dms_view_bytes(&t->output[k].view), 0));
    return sum;
}

uint64_t replay_work(const dms_plan *plan) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < plan->body.n_cmds[DMS_QUEUE_COMPUTE]; k++) {
        const dms_plan_call *c = &plan->call[plan->body.cmd[DMS_QUEUE_COMPUTE][k].call];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        const dms_cost cost = dms_call_cost(&call);
        if (__builtin_add_overflow(sum, cost.flops, &sum))
            return UINT64_MAX;
    }
    return sum;
}

static dms_code run_turns(dms_session *session, const dmsrun_tensors *t, const replay_case *how,
                          dms_hash *out_bits, dms_status *st) {
    for (uint64_t turn = 0; turn < how->turns; turn++) {
        for (uint32_t k = 0; k < t->n_outputs; k++)
            memset(t->output[k].data, how->fill, dms_view_bytes(&t->output[k].view));
        DMS_TRY(dms_run(session, st));
        *out_bits = output_bits(t, *out_bits);
    }
    return DMS_OK;
}

static dms_code run_session(dms_session *session, const replay_case *how, replay_end *end,
                            dms_arena *arena, dms_status *st) {
    const dmsrun_options options = {.seed = INPUT_SEED};
    dmsrun_tensors t = {0};
    dms_hash bits = {0, 0};
    DMS_TRY(dmsrun_load(session, &options, arena, &t, st));
    DMS_TRY(dms_bind(session, t.input, t.n_inputs, t.output, t.n_outputs, st));
    DMS_TRY(dms_prepare(session, st));
    end->has_begun = true;
    DMS_TRY(run_turns(session, &t, how, &bits, st));
    end->bits = bits;
    return DMS_OK;
}

replay_end replay(const dms_plan *plan, const replay_case *how) {
    const dms_options options = {.model_dir = how->model_dir,
                                 .threads = how->threads,
                                 .turns = how->turns,
                                 .poison = how->poison,
                                 .random_weights = how->makes_up,
                                 .random_seed = WEIGHT_SEED};
    dms_status st = {.msg = ""};
    replay_end end = {.code = DMS_OK};
    dms_arena arena = {0};
    dms_session *session = NULL;
    end.code = dms_session_open(plan, how->folder, &options, &session, &st);
    if (end.code == DMS_OK) {
        late_ops late = {.real = session->device->ops, .random = how->jitter};
        late.ops = *late.real;
        late.ops.call = late_call;
        late.ops.copy_in = late_copy_in;
        late.ops.copy_out = late_copy_out;
        if (how->jitter != 0)
            session->device->ops = &late.ops;
        end.code = run_session(session, how, &end, &arena, &st);
        dms_engine_stop(session);
        session->device->ops = late.real;
    }
    dms_close(session);
    dms_arena_free(&arena);
    (void)snprintf(end.msg, sizeof end.msg, "%.240s", st.msg);
    return end;
}

/* The child answers through a pipe, in one piece; who does not answer was killed. */
replay_end replay_apart(const dms_plan *plan, const replay_case *how) {
    replay_end end = {.code = DMS_EINTERNAL, .msg = "no process"};
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return end;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(SECONDS);
        end = replay(plan, how);
        _exit(write(ends[1], &end, sizeof end) == (ssize_t)sizeof end ? 0 : 1);
    }
    (void)close(ends[1]);
    if (child > 0 && read(ends[0], &end, sizeof end) != (ssize_t)sizeof end)
        end = (replay_end){.code = DMS_EINTERNAL, .msg = "died"};
    (void)close(ends[0]);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status))
        end.signal = WTERMSIG(status);
    return end;
}
