/* engine_internal.h - what the two ways of running a plan share: engine.c has a thread per queue,
 * engine_streams.c one thread that submits to a device that orders its queues itself. */
#ifndef DMS_RUNTIME_ENGINE_INTERNAL_H
#define DMS_RUNTIME_ENGINE_INTERNAL_H

#include "runtime/device.h"

typedef struct dms_session dms_session; /* session.h */
typedef struct dms_streams dms_streams;

/* Commands of the body, one behind the other on a queue, that have run. */
typedef struct dms_engine_work {
    dms_queue queue;
    uint64_t turn;
    uint32_t first, n, n_run; /* the last turn skips what serves the next: n_run < n */
    uint64_t bytes;
    int64_t begin_ns, end_ns;
} dms_engine_work;

/* Adds them to the sums of their queue; one alone also to its step and to the trace. */
void dms_engine_account(dms_session *session, const dms_engine_work *work);

/* Ends the session with an error; the first one wins. Any thread. */
void dms_engine_fail(dms_session *session, const dms_status *error);

/* Whether the next command may begin: false once the session has ended; a user's cancel ends it. */
bool dms_engine_goes_on(dms_session *session);

/* Puts "step 12 'conv1'" in front of a message. */
dms_code dms_engine_blame_step(const dms_plan *plan, uint32_t step, dms_status *st);

/* DMS_EINPUT: the data of a call held an index out of range; `index_error` is 1 + operand. */
dms_code dms_engine_index_error(const dms_plan *plan, const dms_cmd *cmd, uint32_t index_error,
                                dms_status *st);

/* Where the operands and the workspace of work->call lie. */
void dms_engine_place_call(const dms_plan *plan, const dms_cmd *cmd, dms_device_call *work);

/* Everything that submitting needs, in the session's arena; its device is open.
 * Errors   DMS_EINTERNAL: out of memory; DMS_EDEVICE naming the call that cannot be readied. */
DMS_CHECKED dms_code dms_streams_open(dms_session *session, dms_status *st);

/* The thread of queue compute: submits the commands of all streams in the plan's order. */
void *dms_streams_submit_main(void *queue);

/* The thread of queue in: sees how far the streams have come, and tells the host. */
void *dms_streams_follow_main(void *queue);

/* The host's own queue has come to `value` of the prologue or the body. */
void dms_streams_raise(dms_session *session, dms_queue queue, bool is_body, uint64_t value);

/* The session has ended: whoever waits for work returns. NULL is allowed. */
void dms_streams_end(dms_streams *streams);

/* The thread of queue load has left: streams that wait for it may go on. NULL is allowed. */
void dms_streams_end_loading(dms_streams *streams);

/* Then: nobody submits any more. NULL is allowed. */
void dms_streams_end_submitting(dms_streams *streams);

#endif
