/* dms.h - run a plan: the door of libdms.
 *
 * Reads    a plan file, the model's files it names, and the caller's input tensors.
 * Returns  the graph's outputs, the same bits at every budget and thread count.
 * Cost     memory: the two arenas of the plan, 4 MiB per thread, and a little; see dms_info.
 * Source   none.
 * Not here making plans (planner/dmsc.h); reading .npy files and comparing (npy.h, compare.h).
 *
 *     dms_open -> dms_bind -> dms_run ...             one turn after the other
 *                          -> dms_start, dms_wait ... the next input may be given one turn early
 *              -> dms_stats -> dms_close
 *
 * Threads  a session belongs to one thread at a time (not for dms_cancel): where two call dms_bind,
 *          dms_prepare, dms_start, dms_wait or dms_run at a time, one is refused with DMS_EUSAGE
 *          and nothing else happens. Other sessions run beside it.
 * The library prints nothing, installs no signal handler, and keeps no state outside its sessions.
 */
#ifndef DMS_RUNTIME_DMS_H
#define DMS_RUNTIME_DMS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "schema/status.h"
#include "schema/view.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dms_session dms_session;

/* How to run. Zero-initialise, then set what should differ. */
typedef struct dms_options {
    const char *model_dir; /* folder of the model's files; NULL: the folder of the plan */
    const char *device;    /* "cpu", "cuda" or "cuda:N"; NULL: cpu */
    uint32_t threads;      /* compute threads; 0: one per core this process may use */
    uint64_t turns; /* turns this session will run: the last prepares no next one; 0: unknown */
    bool poison;    /* fill both arenas, workspaces and scratch with NaN patterns */
    bool verify_weights;  /* compare every byte of the files, not samples */
    bool random_weights;  /* make up the weights of files that were missing when planned ... */
    uint64_t random_seed; /* ... from this seed */
    uint32_t trace_turns; /* record when each command of so many first turns ran; 0: record none */
    uint64_t max_work;    /* refuse a plan of more dms_info.work; 0: none is too much */
} dms_options;

/* A tensor in memory of the caller. Pitches may leave room between elements. */
typedef struct dms_user_tensor {
    dms_view view;
    void *data; /* element 0 of the view before its offset; may be NULL for 0 elements */
} dms_user_tensor;

/* One input or output of the graph. The name lives as long as the session. */
typedef struct dms_port_info {
    const char *name;
    dms_view view; /* dense */
} dms_port_info;

/* What the plan says, and what opening it took. */
typedef struct dms_info {
    const char *model, *profile; /* live as long as the session */
    uint32_t n_inputs, n_outputs, n_steps, threads;
    uint64_t device_arena_bytes, host_arena_bytes; /* of the plan, taken whole */
    uint64_t device_budget_bytes, host_budget_bytes;
    uint64_t overhead_bytes;       /* scratch of threads and the plan in memory */
    int64_t period_ns, compute_ns; /* predicted */
    /* What the prologue and one turn take at most: operations, elements of operands, bytes moved.
     * The time stays in proportion to it, whoever made the plan; UINT64_MAX at most. */
    uint64_t work;
} dms_info;

/* Work of one queue since the session was opened, prologue excepted. */
typedef struct dms_queue_stats {
    uint64_t busy_ns, commands, bytes;
} dms_queue_stats;

typedef struct dms_stats {
    uint64_t turns;
    int64_t open_ns; /* reading, proving, loading what is kept */
    dms_queue_stats compute, in, out, load;
    /* How weights were read, prologue included: past the page cache, by "io_uring" or "pread"
     * (NULL: none is), and through it. */
    const char *direct_reader;
    uint64_t direct_bytes, buffered_bytes;
} dms_stats;

/* Memory of a card as its driver counts it, whoever took the rest; all 0 on the CPU. */
typedef struct dms_card_memory {
    uint64_t total_bytes;
    uint64_t free_first;        /* CUDA is up, this session has taken nothing */
    uint64_t free_with_arena;   /* ... has its device arena */
    uint64_t free_with_kernels; /* ... and every kernel loaded: only running is left */
    uint64_t free_now;
    /* Taken in all beside the arena and the kernels: allocations are rounded up, and what runs may
     * make CUDA take more. Below 0 where somebody else gave memory back meanwhile. */
    int64_t beyond_arena_bytes;
} dms_card_memory;

/* Reads a plan, proves it safe, takes its memory. No file of the model is opened yet.
 * Owner    *out_session is the caller's, until dms_close; nothing of the arguments is kept.
 * Errors   DMS_EIO, DMS_EPLAN: the plan; DMS_EDEVICE: cannot run here, too little memory;
 *          DMS_EBUDGET: too little for its host arena, more work than options.max_work;
 *          DMS_EUSAGE: options. */
DMS_CHECKED dms_code dms_open(const char *plan_path, const dms_options *options,
                              dms_session **out_session, dms_status *st);

/* The facts of an open session. */
dms_info dms_session_info(const dms_session *session);

/* Input `i` of the graph, i < dms_info.n_inputs. */
dms_port_info dms_session_input(const dms_session *session, uint32_t i);

/* Output `i` of the graph, i < dms_info.n_outputs. */
dms_port_info dms_session_output(const dms_session *session, uint32_t i);

/* What the plan computes, as 32 hexadecimal digits: equal where plans compute the same, whatever
 * their budget and profile. Returns `out`. */
const char *dms_session_meaning(const dms_session *session, char out[33]);

/* Name of step `i`, i < dms_info.n_steps. */
const char *dms_session_step(const dms_session *session, uint32_t i);

/* What the session runs on: "cpu", or a card and how it is used: "cuda:0 'NVIDIA H100', streams
 * wait for values, host arena locked on node 0, storage read through the host". The text lives as
 * long as the session. */
const char *dms_session_device(const dms_session *session);

/* Asks the driver of the session's card.
 * Errors   DMS_EDEVICE: the card is lost. */
DMS_CHECKED dms_code dms_session_card(const dms_session *session, dms_card_memory *out,
                                      dms_status *st);

/* Says where the turns started from now on read and write: all inputs and outputs, in graph order.
 * Owner    the memory stays the caller's; it must live until the dms_wait of the last such turn.
 * Errors   DMS_EINPUT naming the port when dtype or dims differ. */
DMS_CHECKED dms_code dms_bind(dms_session *session, const dms_user_tensor *inputs,
                              uint32_t n_inputs, const dms_user_tensor *outputs, uint32_t n_outputs,
                              dms_status *st);

/* Opens and checks the model's files and loads what the plan keeps. The first dms_start does it
 * where the caller did not.
 * Errors   DMS_EIO, DMS_EPLAN (a file changed), DMS_ECANCELLED; only dms_close is left. */
DMS_CHECKED dms_code dms_prepare(dms_session *session, dms_status *st);

/* Starts a turn. At most one other turn may be started and not yet waited for.
 * Errors   of dms_prepare; DMS_EUSAGE: not bound, two turns under way, more than `turns`. */
DMS_CHECKED dms_code dms_start(dms_session *session, dms_status *st);

/* Waits until the outputs of the oldest started turn are written.
 * Errors   DMS_EIO, DMS_EINPUT (an index in the data is out of range), DMS_ECANCELLED. After an
 *          error nothing runs any more, the memory of all turns is the caller's again, and only
 *          dms_close is left. */
DMS_CHECKED dms_code dms_wait(dms_session *session, dms_status *st);

/* dms_start and dms_wait. */
DMS_CHECKED dms_code dms_run(dms_session *session, dms_status *st);

/* Ends what is under way between two commands, with DMS_ECANCELLED.
 * Threads  one atomic store: callable from a signal handler and from any thread. */
void dms_cancel(dms_session *session);

/* How far dms_prepare is: commands done, of how many in all.
 * Threads  any, while the session is open. */
void dms_session_progress(const dms_session *session, uint64_t *out_done, uint64_t *out_all);

/* Work so far. */
dms_stats dms_session_stats(const dms_session *session);

/* Median time of each step in nanoseconds over the last turns (31 at most), `first_turn` and later,
 * that have timed it; 0 for a step that did not run. A card times every step in the turns that
 * options.trace_turns records, else those that stand between waits.
 * Shapes   out_ns holds dms_info.n_steps entries. */
void dms_session_step_ns(const dms_session *session, uint64_t first_turn, int64_t *out_ns);

/* Writes what options.trace_turns asked to record, as Chrome trace JSON (schema/trace.h). Commands
 * that are still under way are left out.
 * Errors   DMS_EUSAGE: nothing was to be recorded; DMS_EINTERNAL: out of memory. What the stream
 *          says is the caller's to ask. */
DMS_CHECKED dms_code dms_session_trace(const dms_session *session, FILE *out, dms_status *st);

/* Ends all threads, cancelling what is under way, and frees everything. NULL is allowed. */
void dms_close(dms_session *session);

#ifdef __cplusplus
}
#endif

#endif
