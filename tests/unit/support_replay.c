/* support_replay.c - a session from open to close, here or in a child. */
#include "support_replay.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/dmsrun_tensors.h"
#include "runtime/session.h"

enum { SECONDS = 60, INPUT_SEED = 3, WEIGHT_SEED = 7 };

static dms_hash output_bits(const dmsrun_tensors *t, dms_hash sum) {
    for (uint32_t k = 0; k < t->n_outputs; k++)
        sum = dms_hash_join(
            sum, dms_hash_bytes(t->output[k].data, dms_view_bytes(&t->output[k].view), 0));
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
    const dms_options options = {.threads = how->threads,
                                 .turns = how->turns,
                                 .poison = how->poison,
                                 .random_weights = true,
                                 .random_seed = WEIGHT_SEED};
    dms_status st = {.msg = ""};
    replay_end end = {.code = DMS_OK};
    dms_arena arena = {0};
    dms_session *session = NULL;
    end.code = dms_session_open(plan, how->folder, &options, &session, &st);
    if (end.code == DMS_OK)
        end.code = run_session(session, how, &end, &arena, &st);
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
