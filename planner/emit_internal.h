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
    uint32_t *workspace;   /* per step */
    uint32_t *save_of;     /* per block: its save, or DMS_NONE */
    uint32_t n_ahead;      /* loads [0, n_ahead) are issued a turn early */
    uint32_t *save_cmd;    /* per save: the body command of `out` that ends it */
} dms_emitter;

/* Adds a buffer; returns its index in *out. */
DMS_CHECKED dms_code dms_emit_add_buffer(dms_emitter *e, dms_buffer buffer, uint32_t *out,
                                         dms_status *st);

/* Finds the residency of every touch and makes all buffers. */
DMS_CHECKED dms_code dms_emit_buffers(dms_emitter *e, dms_status *st);

/* The buffer in which step tensor `tensor` (cell `cell` where split) lies during a step. */
uint32_t dms_emit_buffer_at(const dms_emitter *e, uint32_t tensor, uint32_t cell, uint32_t step);

/* Makes the queues of the body, with their waits. */
DMS_CHECKED dms_code dms_emit_body(dms_emitter *e, dms_status *st);

/* Makes the prologue; call it after the body. */
DMS_CHECKED dms_code dms_emit_prologue(dms_emitter *e, dms_status *st);

/* Marks the commands that are waited for, and finds a submission order.
 * Errors   DMS_EINTERNAL: the waits have a cycle. */
DMS_CHECKED dms_code dms_emit_order(dms_emitter *e, dms_program *program, dms_status *st);

#endif
