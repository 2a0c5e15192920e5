/* emit_internal.h - what the files of `emit` share. Not a door. */
#ifndef DMS_PLANNER_EMIT_INTERNAL_H
#define DMS_PLANNER_EMIT_INTERNAL_H

#include "onnx/graph.h"
#include "planner/blocks.h"
#include "planner/emit.h"
#include "planner/place.h"
#include "planner/steps.h"

/* Indices into the buffer table, DMS_NONE where there is none. */
typedef struct dms_emitter {
    const dms_emit_input *in;
    dms_arena *arena;
    dms_plan *plan;
    uint32_t device_kind;
    uint32_t cap_buffers;
    uint32_t *residency_of; /* per touch: the residency it falls into */
    uint32_t *
        residency_buffer; /* per residency: its buffer (newest version); weights, inputs, reloads */
    uint32_t *produced_buffer; /* per step tensor: the buffer it is produced in */
    uint32_t *host_buffer; /* per block: home of a streamed weight, place of a saved activation */
    uint32_t *ring_buffer; /* per load that is read from storage: its place in the ring */
    uint32_t *read;        /* loads that are read, in queue order */
    uint32_t *read_of;     /* per load: its place among them, or DMS_NONE */
    uint32_t n_reads;
    uint32_t n_reads_ahead; /* reads [0, n_reads_ahead) are issued a turn early */
    uint32_t *workspace;    /* per step */
    uint32_t *save_of;      /* per block: its save, or DMS_NONE */
    uint32_t n_ahead;       /* loads [0, n_ahead) are issued a turn early */
    uint32_t *save_cmd;     /* per save: the body command of `out` that ends it */
} dms_emitter;

/* Adds a buffer; returns its index in *out. */
DMS_CHECKED dms_code dms_emit_add_buffer(dms_emitter *e, dms_buffer buffer, uint32_t *out,
                                         dms_status *st);

/* Finds the residency of every touch and makes all buffers. */
DMS_CHECKED dms_code dms_emit_buffers(dms_emitter *e, dms_status *st);

/* The buffer in which step tensor `tensor` (cell `cell` where split) lies during a step. */
uint32_t dms_emit_buffer_at(const dms_emitter *e, uint32_t tensor, uint32_t cell, uint32_t step);

/* A command of the body without waits. */
dms_cmd dms_emit_new_cmd(dms_cmd_kind kind);

/* Lets a command wait for a body command of another queue; the later of two waits stays. */
void dms_emit_add_wait(dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back);

/* Position of load l in queue `in` of the body; *out_back = 1 where it runs a turn early. */
uint32_t dms_emit_load_position(const dms_emitter *e, uint32_t l, uint8_t *out_back);

/* The source of a block's bytes. */
uint32_t dms_emit_source_of(const dms_emitter *e, uint32_t block);

/* Makes queue `load` of the body, with the waits of each reading for its place in the ring; call it
 * when n_ahead is known. */
DMS_CHECKED dms_code dms_emit_reads(dms_emitter *e, dms_status *st);

/* Lets the copy of load l wait for its reading. */
void dms_emit_wait_for_read(const dms_emitter *e, uint32_t l, dms_cmd *cmd);

/* Makes the queues of the body, with their waits. */
DMS_CHECKED dms_code dms_emit_body(dms_emitter *e, dms_status *st);

/* Makes the prologue; call it after the body. */
DMS_CHECKED dms_code dms_emit_prologue(dms_emitter *e, dms_status *st);

/* Marks the commands that are waited for, and finds a submission order.
 * Errors   DMS_EINTERNAL: the waits have a cycle. */
DMS_CHECKED dms_code dms_emit_order(dms_emitter *e, dms_program *program, dms_status *st);

#endif
