/* session.h - an open session, shared by session.c (the API), engine.c (queues) and the tests.
 *
 * Reads    a decoded plan.
 * Returns  what dms.h promises.
 * Cost     allocated whole by dms_session_open; nothing between the first and the last command.
 * Source   none.
 * Not here the plan's file and the checker: dms_open adds them.
 */
#ifndef DMS_RUNTIME_SESSION_H
#define DMS_RUNTIME_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/dms.h"
#include "runtime/timeline.h"
#include "schema/machine.h"
#include "schema/plan.h"
#include "schema/trace.h"

typedef struct dms_call dms_call;       /* kernels/kernel.h */
typedef struct dms_device dms_device;   /* device.h */
typedef struct dms_streams dms_streams; /* engine_internal.h */
typedef struct dms_device_options dms_device_options;

/* Looks for a device of one kind, takes nothing; `context` is the finder's own. */
typedef dms_code (*dms_device_finder)(void *context, int ordinal, dms_status *st);

/* Opens a device of one kind; `context` is the opener's own. */
typedef dms_code (*dms_device_opener)(void *context, const dms_device_options *options,
                                      dms_arena *arena, dms_device **out_device, dms_status *st);
typedef struct dms_storage dms_storage; /* storage.h */

/* Turns whose step times are remembered. */
#define DMS_STEP_TURNS 31u

/* Values of the gate that all queues wait at before they start something. */
#define DMS_GATE_PROLOGUE 1u
#define DMS_GATE_TURN(turn) (2u + (turn))

/* One queue of a session: its thread and its sums. */
typedef struct dms_queue_run {
    dms_session *session;
    dms_queue id;
    bool has_thread;
    pthread_t thread;
    uint32_t own_end; /* one past the last body command that is not ahead: the turn's own work */
    _Atomic uint64_t busy_ns, commands, bytes;
} dms_queue_run;

/* Where one turn reads and writes. */
typedef struct dms_binding {
    dms_user_tensor *input, *output;
} dms_binding;

typedef enum dms_session_state {
    DMS_SESSION_OPEN,   /* nothing of the model is read */
    DMS_SESSION_READY,  /* the prologue has run */
    DMS_SESSION_FAILED, /* threads have ended, `error` is set */
} dms_session_state;

struct dms_session {
    dms_arena arena;
    dms_plan own_plan;    /* where dms_open read it */
    const dms_plan *plan; /* what runs */
    const char *folder;   /* of the plan */
    dms_options options;
    dms_device *device;
    dms_device_finder find_cuda; /* those of libdms_cuda, unless a test has put its own here */
    dms_device_opener open_cuda;
    void *cuda_context; /* of both */
    dms_storage *storage;
    dms_session_state state;
    atomic_int is_entered; /* a thread is in a function of the API */

    dms_timeline gate;
    dms_timeline prologue[DMS_N_QUEUES], body[DMS_N_QUEUES];
    dms_queue_run queue[DMS_N_QUEUES];
    _Atomic uint64_t n_prepared; /* commands of the prologue that are done */
    bool is_in_order;            /* the body runs on the compute thread alone, see engine.c */
    dms_streams *streams;        /* of a device that orders its queues itself; else NULL */
    atomic_int cancel;           /* set by dms_cancel */
    atomic_int is_stopped;       /* threads end between commands */
    atomic_int has_failed;       /* who sets it writes `error` */
    dms_status error;

    bool is_bound;
    dms_binding next, of_turn[2]; /* of_turn[i & 1]: of turn i */
    uint64_t n_started, n_waited;
    const bool *is_small;      /* per call of the plan */
    _Atomic uint32_t *step_ns; /* [n_columns][n_steps]; turn i writes column i mod n_columns */
    uint32_t n_columns;
    dms_trace trace; /* n_turns 0 where nothing is recorded */
    int64_t open_ns;
    uint64_t work; /* of the plan, dms_plan_work */
};

/* Opens a session on a decoded plan that the caller has checked. `folder` is that of the plan file.
 * Owner    `plan` must outlive the session. */
DMS_CHECKED dms_code dms_session_open(const dms_plan *plan, const char *folder,
                                      const dms_options *options, dms_session **out_session,
                                      dms_status *st);

/* The first half of opening: a session that stands in its own arena with an empty `own_plan`.
 * Errors   of dms_open; else dms_close ends it. */
DMS_CHECKED dms_code dms_session_make(dms_session **out_session, dms_status *st);

/* "cpu", "cuda" or "cuda:N", and NULL for cpu: the kind (dms_device_kind) and N.
 * Errors   DMS_EUSAGE: no such name. */
DMS_CHECKED dms_code dms_device_of_name(const char *device, uint32_t *out_kind, int *out_ordinal,
                                        dms_status *st);

/* Before a plan is read: is there a device as the options want one? Asked of cards alone.
 * Errors   DMS_EUSAGE: no name of a device; DMS_EDEVICE: what is missing. */
DMS_CHECKED dms_code dms_session_find_device(dms_session *session, const dms_options *options,
                                             dms_status *st);

/* The second half: all that follows from its plan.
 * Errors   of dms_open. */
DMS_CHECKED dms_code dms_session_fill(dms_session *session, const char *folder,
                                      const dms_options *options, dms_status *st);

/* What the prologue and one turn of a checked plan take at most: dms_call_work of their calls and
 * bytes of their copies and loads; UINT64_MAX at most. */
uint64_t dms_plan_work(const dms_plan *plan);

/* Compares what a session will take (both arenas, `outside_bytes` beside them) with the memory
 * that is there.
 * Errors   DMS_EBUDGET: the host arena alone is too large, DMS_EDEVICE: both together are; the
 *          message has the numbers and the option that helps. */
DMS_CHECKED dms_code dms_room_check(const dms_plan *plan, uint64_t outside_bytes,
                                    const dms_machine *machine, dms_status *st);

/* Starts a thread for every queue that has commands; they wait at the gate. */
DMS_CHECKED dms_code dms_engine_start(dms_session *session, dms_status *st);

/* Does what one command says, at once and on this thread: no wait, no count. `binding` is that of
 * its turn; the prologue has none.
 * Returns  bytes of a copy or a load in *out_bytes.
 * Errors   DMS_EIO of a load, DMS_EINPUT of an index, naming weight or step. */
DMS_CHECKED dms_code dms_engine_command(dms_session *session, const dms_cmd *cmd,
                                        const dms_binding *binding, uint64_t *out_bytes,
                                        dms_status *st);

/* Waits until the prologue has run; false when something failed. */
bool dms_engine_await_prologue(dms_session *session);

/* Waits until the own work of `turn` is done; false when something failed. */
bool dms_engine_await_turn(dms_session *session, uint64_t turn);

/* Ends all threads between commands and joins them. */
void dms_engine_stop(dms_session *session);

/* Cores that this process may use. */
uint32_t dms_cores_of_process(void);

/* Whether a checked call is not worth a second thread. */
bool dms_call_is_small(const dms_call *call);

/* Monotonic clock. */
int64_t dms_now_ns(void);

#endif
