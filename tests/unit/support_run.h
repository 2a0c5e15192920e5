/* support_run.h - small plans made by hand, to run them without a planner.
 *
 * Reads    nothing.
 * Returns  a dms_plan in memory whose steps compute y[m,1] = x[m,1] w[1,1], all f32.
 * Cost     fixed tables of RUN_MAX entries.
 * Source   none.
 * Not here the assertions.
 */
#ifndef DMS_TESTS_SUPPORT_RUN_H
#define DMS_TESTS_SUPPORT_RUN_H

#include "runtime/session.h"

#define RUN_MAX 48

/* A plan and the tables it points to. */
typedef struct run_case {
    dms_plan plan;
    dms_plan_tensor tensor[RUN_MAX];
    dms_source source[RUN_MAX];
    dms_buffer buffer[RUN_MAX];
    dms_plan_file file[RUN_MAX];
    dms_plan_call call[RUN_MAX];
    dms_view view[RUN_MAX][3];
    dms_operand operand[2 * RUN_MAX][3];
    dms_port input[RUN_MAX], output[RUN_MAX];
    dms_cmd cmd[2][DMS_N_QUEUES][RUN_MAX];
    uint8_t order[2][DMS_N_QUEUES * RUN_MAX];
    const char *step_name[RUN_MAX];
    uint32_t step_name_id[RUN_MAX];
    int64_t step_ns[RUN_MAX];
    uint32_t n_operands;
} run_case;

/* An empty plan with empty arenas. */
void run_init(run_case *c);

/* A tensor [rows, 1] of f32. Inputs and outputs also get a port. Returns its index. */
uint32_t run_tensor(run_case *c, const char *name, dms_tensor_kind kind, int64_t rows);

/* A weight [1, 1] whose value lies in the plan; the value must live as long as the case. */
uint32_t run_weight(run_case *c, const char *name, const float *value);

/* A weight [rows, 1] from byte `offset` of a file. */
uint32_t run_file_weight(run_case *c, const char *name, int64_t rows, uint32_t file,
                         uint64_t offset);

/* Gives a tensor another type and other dims, before it gets a buffer; its port follows. */
void run_reshape(run_case *c, uint32_t tensor, dms_dtype dtype, uint32_t rank, const int64_t *dim);

/* A weight of these bytes, which must live as long as the case. */
uint32_t run_constant(run_case *c, const char *name, dms_dtype dtype, uint32_t rank,
                      const int64_t *dim, const void *data);

/* A buffer for a tensor, behind the last one of its arena. */
uint32_t run_buffer(run_case *c, uint32_t tensor, dms_tier tier);

/* Adds a command without waits to the prologue (program 0) or the body (1); returns it. */
dms_cmd *run_cmd(run_case *c, int program, dms_queue queue, dms_cmd_kind kind, uint32_t from,
                 uint32_t to);

/* Adds the step buffer y = buffer x * buffer w to the compute queue of the body; returns it. */
dms_cmd *run_step(run_case *c, uint32_t x, uint32_t w, uint32_t y);

/* Makes `cmd` of the body wait for command `k` of a queue, `back` turns before. */
void run_wait(run_case *c, dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back);

/* Fills the submission orders; call it last. */
void run_finish(run_case *c);

/* Checks a finished plan and opens a session on it, on one thread where options name none; fails
 * the test where either is refused. Close it with dms_close. */
dms_session *run_open(const run_case *c, dms_options options);

/* A dense tensor [rows, 1] of f32 in memory of the test. */
dms_user_tensor run_user(float *data, int64_t rows);

#endif
