/* support_emit.h - decisions written down by a test, and the commands that are made of them.
 *
 * Reads    a graph (support_graph.h), residencies, loads and saves one by one.
 * Returns  a plan that the checker has proven; its waits and orders as text.
 * Cost     fixed tables of EMIT_MOST entries.
 * Source   none.
 * Not here decisions that the planner makes (support_graph.h: graph_plan).
 */
#ifndef DMS_TESTS_SUPPORT_EMIT_H
#define DMS_TESTS_SUPPORT_EMIT_H

#include "planner/emit.h"
#include "support_graph.h"

#define EMIT_MOST 64
#define COMPUTE DMS_QUEUE_COMPUTE
#define IN DMS_QUEUE_IN
#define OUT DMS_QUEUE_OUT
#define LOAD DMS_QUEUE_LOAD

/* A graph with a decision that the test writes down; every residency has a range of its own. */
typedef struct emit_case {
    graph_case g;
    dms_steps steps;
    dms_blocks blocks;
    dms_decision d;
    dms_place_load load[EMIT_MOST];
    dms_place_save save[EMIT_MOST];
    dms_place_residency residency[EMIT_MOST];
    uint8_t keep[EMIT_MOST];
    uint64_t scratch[EMIT_MOST];
    uint64_t workspace[EMIT_MOST]; /* bytes per step; set before emit_decide */
    dms_plan plan;
    dms_status st;
} emit_case;

/* Cuts the graph and starts an empty decision. */
void emit_decide(emit_case *c);

/* The block of a graph tensor. */
uint32_t emit_block_of(const emit_case *c, uint32_t tensor);

/* Notes that a block lies on the device in these slots; blocks must come in order. */
void emit_resides(emit_case *c, uint32_t tensor, int32_t gap, int32_t first, int32_t last);

/* The same for one block: a cell of a split tensor is emit_block_of + cell. */
void emit_resides_block(emit_case *c, uint32_t block, int32_t gap, int32_t first, int32_t last);

/* Keeps the first n gaps of a tensor. */
void emit_keeps(emit_case *c, uint32_t tensor, uint32_t n);

/* A weight that stays for ever. */
void emit_stays(emit_case *c, uint32_t weight);

/* The same for one block. */
void emit_stays_block(emit_case *c, uint32_t block);

/* The next load of the queue. */
void emit_load(emit_case *c, uint32_t tensor, uint32_t gap, int32_t after, uint32_t due);

/* The same for one block. */
void emit_load_block(emit_case *c, uint32_t block, uint32_t gap, int32_t after, uint32_t due);

/* The next save of the queue. */
void emit_save(emit_case *c, uint32_t tensor, uint32_t after, uint32_t before);

/* Emits; the code of the first thing that is wrong. */
dms_code emit_try(emit_case *c);

/* Emits, and lets the checker prove the plan. */
void emit_must(emit_case *c);

/* A body command. */
const dms_cmd *emit_cmd(const emit_case *c, dms_queue q, uint32_t k);

/* The waits of a command as text: "c2 o0'" = compute 2 of this turn, out 0 of the turn before. */
void emit_waits_are(const dms_cmd *cmd, const char *wanted);

/* The submission order of a program as text: one letter per command. */
void emit_order_is(const dms_program *program, const char *wanted);

/* The commands that are waited for, in order of queues: "c2 i0". */
void emit_signals_are(const dms_program *program, const char *wanted);

#endif
