/* support_plan.h - a small good plan, made by hand, and ways to break it.
 *
 * The model: h = x W1 (cut into two cells of columns), r = relu(h), y = r W2 + b, z = y + x.
 * W1 is streamed through one ring place, its home is the host; W2 and b are kept; x leaves for the
 * host after step 1 and comes back for step 4; r lies over h and z over y.
 *
 *     device    0      32768  33024        49408      50432   52480    53504
 *               | W2     | b    | ring W1    | x, work,x' | h r    | y z    |
 *     host      0             16384          32768      33792    34048
 *               | W1 cell 0     | W1 cell 1    | x          | b      |
 *
 *     queue     0                1                2                    3                4
 *     in        x from user      W1[1] -> ring    W1[0] -> ring,ahead  x host -> device
 *     compute   h[0] = x W1[0]   h[1] = x W1[1]   r = relu(h)          y = r W2 + b     z = y + x'
 *     out       x -> host        z to user
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_PLAN_H
#define DMS_TESTS_UNIT_SUPPORT_PLAN_H

#include "schema/plan.h"

enum { T_X, T_W1, T_W2, T_B, T_H, T_R, T_Y, T_Z, N_TENSORS };
enum {
    B_W2,
    B_B,
    B_RING0,
    B_RING1,
    B_X,
    B_X_BACK,
    B_WORK,
    B_H,
    B_R,
    B_Y,
    B_Z,
    B_HOME0,
    B_HOME1,
    B_X_HOST,
    B_B_HOST,
    N_BUFFERS
};
enum { C_FC1, C_RELU, C_FC2, C_ADD, N_CALLS };

#define COMPUTE DMS_QUEUE_COMPUTE
#define IN DMS_QUEUE_IN
#define OUT DMS_QUEUE_OUT
#define LOAD DMS_QUEUE_LOAD

typedef struct case_plan {
    dms_arena arena;
    dms_plan plan;
    dms_status st;
    dms_hash meaning; /* found by the last check */
} case_plan;

/* Builds the good plan; its meaning is set to what the checker finds. */
void case_make(case_plan *c);

/* Returns all memory. */
void case_free(case_plan *c);

/* A command that may be changed. */
dms_cmd *case_cmd(dms_program *program, dms_queue queue, uint32_t k);

/* Operand `k` of a CALL, to be changed. */
dms_operand *case_operand(dms_program *program, uint32_t cmd, uint32_t k);

/* View `k` of a call, to be changed. */
dms_view *case_view(case_plan *c, uint32_t call, uint32_t k);

/* Replaces a call of the table; views and parameters are copied. */
void case_set_call(case_plan *c, uint32_t k, dms_plan_call call);

/* Integer parameter `k` of a call, to be changed. */
int64_t *case_param(case_plan *c, uint32_t call, uint32_t k);

/* Takes a command out; waits for it go, later ones move up. */
void case_remove(dms_program *program, dms_queue queue, uint32_t k);

/* Puts a copy of `cmd` at position `k` of its queue and `at` of the submission order. */
void case_insert(case_plan *c, dms_program *program, dms_queue queue, uint32_t k, uint32_t at,
                 const dms_cmd *cmd);

/* Lets a command wait for another one, or, with DMS_NONE, no longer. */
void case_wait(dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back);

/* Replaces the submission order by these digits ("0" compute, "1" in, ...). */
void case_order(case_plan *c, dms_program *program, const char *digits);

/* Adds a tensor to the table and returns its index. */
uint32_t case_add_tensor(case_plan *c, dms_plan_tensor tensor);

/* Adds a buffer to the table and returns its index. */
uint32_t case_add_buffer(case_plan *c, dms_buffer buffer);

/* Writes the plan to memory, reads it back (so the checksum is right) and checks it. */
dms_code case_check(case_plan *c);

/* The plan passes the reader and the checker refuses it by this property ("P3"). */
void case_refused_by(case_plan *c, const char *property);

/* As above, and the message contains `words`. */
void case_refused_with(case_plan *c, const char *property, const char *words);

/* The plan passes. */
void case_accepted(case_plan *c);

#endif
