/* trace_memory.c - from begin and end of commands to live bytes over time.
 *
 * The commands of the turns are walked in submission order, which is topological: of two commands
 * that touch a buffer, one of them writing, the earlier one is met first. A buffer then holds one
 * *instance* after the other:
 *
 *     copy in       read      read   | copy in      read
 *     [begin ........... last end]     [begin ... last end]        live bytes of the buffer
 */
#include <stdlib.h>
#include <string.h>

#include "schema/trace.h"

/* What a buffer holds while the walk passes. */
typedef struct holding {
    bool is_open, is_written; /* an instance is under way; some body command writes the buffer */
    uint32_t written_turn;    /* in which the instance was written last */
    int64_t begin_ns, end_ns;
} holding;

/* Bytes that come (positive) or go at a moment. */
typedef struct change {
    int64_t at_ns, bytes;
} change;

typedef struct walk {
    const dms_trace *trace;
    dms_tier tier;
    dms_trace_span window;
    holding *held; /* per buffer */
    change *change;
    uint32_t n_changes, cap_changes;
    dms_arena *arena;
    uint32_t turn; /* of the command at hand */
} walk;

static dms_code add_change(walk *w, int64_t at_ns, int64_t bytes, dms_status *st) {
    DMS_TRY(dms_grow(w->arena, &w->change, &w->cap_changes, (uint64_t)w->n_changes + 1,
                     sizeof *w->change, st));
    w->change[w->n_changes++] = (change){at_ns, bytes};
    return DMS_OK;
}

/* Ends the instance in a buffer, if there is one. */
static dms_code close_instance(walk *w, uint32_t buffer, dms_status *st) {
    holding *h = &w->held[buffer];
    const dms_buffer *b = &w->trace->plan->buffer[buffer];
    if (!h->is_open || b->arena != w->tier || b->bytes > INT64_MAX)
        return DMS_OK;
    h->is_open = false;
    DMS_TRY(add_change(w, h->begin_ns, (int64_t)b->bytes, st));
    return add_change(w, h->end_ns, -(int64_t)b->bytes, st);
}

/* A command reads the buffer until `end_ns`. What no command of the window wrote was there
 * before. */
static void read_buffer(walk *w, uint32_t buffer, int64_t end_ns) {
    holding *h = &w->held[buffer];
    if (!h->is_open)
        *h = (holding){true, h->is_written, w->turn, w->window.begin_ns, end_ns};
    if (end_ns > h->end_ns)
        h->end_ns = end_ns;
}

/* A command writes the buffer; `is_whole`: all of it, else a part, so that further commands of this
 * turn may add to the same instance. */
static dms_code write_buffer(walk *w, uint32_t buffer, bool is_whole, const dms_trace_span *span,
                             dms_status *st) {
    holding *h = &w->held[buffer];
    if (is_whole || !h->is_open || h->written_turn != w->turn) {
        DMS_TRY(close_instance(w, buffer, st));
        *h = (holding){true, h->is_written, w->turn, span->begin_ns, span->end_ns};
    }
    if (span->end_ns > h->end_ns)
        h->end_ns = span->end_ns;
    return DMS_OK;
}

/* In place: the result takes over the bytes of the operand. */
static bool lies_under_result(const dms_plan *plan, const dms_cmd *cmd, uint32_t operand) {
    const dms_plan_call *call = &plan->call[cmd->call];
    const dms_buffer *in = &plan->buffer[cmd->operand[operand].buffer];
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++) {
        const dms_buffer *out = &plan->buffer[cmd->operand[k].buffer];
        if (out != in && out->arena == in->arena && out->offset < in->offset + in->bytes &&
            in->offset < out->offset + out->bytes)
            return true;
    }
    return false;
}

static dms_code walk_call(walk *w, const dms_cmd *cmd, const dms_trace_span *span, dms_status *st) {
    const dms_plan *plan = w->trace->plan;
    const dms_plan_call *call = &plan->call[cmd->call];
    for (uint32_t k = 0; k < call->n_in; k++)
        read_buffer(w, cmd->operand[k].buffer,
                    lies_under_result(plan, cmd, k) ? span->begin_ns : span->end_ns);
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++)
        DMS_TRY(write_buffer(w, cmd->operand[k].buffer, false, span, st));
    return cmd->workspace == DMS_NONE ? DMS_OK : write_buffer(w, cmd->workspace, true, span, st);
}

/* No default: a new kind must be handled here. */
static dms_code walk_cmd(walk *w, const dms_cmd *cmd, const dms_trace_span *span, dms_status *st) {
    const dms_plan *plan = w->trace->plan;
    switch (cmd->kind) {
    case DMS_CMD_CALL:
        return walk_call(w, cmd, span, st);
    case DMS_CMD_COPY:
        read_buffer(w, cmd->from, span->end_ns);
        return write_buffer(w, cmd->to, true, span, st);
    case DMS_CMD_FROM_USER:
        return write_buffer(w, cmd->to, true, span, st);
    case DMS_CMD_TO_USER:
        read_buffer(w, cmd->from, span->end_ns);
        return DMS_OK;
    case DMS_CMD_LOAD: {
        const dms_plan_tensor *tensor = &plan->tensor[plan->buffer[cmd->to].tensor];
        return write_buffer(w, cmd->to, tensor->is_split || dms_plan_cells(tensor) == 1, span, st);
    }
    case DMS_N_CMD_KINDS:
        break;
    }
    return dms_fail(st, DMS_EPLAN, "unknown command kind %d", (int)cmd->kind);
}

/* Marks what the body writes: the rest is there all the time. */
static void mark_written(walk *w) {
    const dms_plan *plan = w->trace->plan;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < plan->body.n_cmds[q]; k++) {
            const dms_cmd *cmd = &plan->body.cmd[q][k];
            if (cmd->kind == DMS_CMD_CALL)
                for (uint32_t i = 0; i < plan->call[cmd->call].n_out; i++)
                    w->held[cmd->operand[plan->call[cmd->call].n_in + i].buffer].is_written = true;
            else if (cmd->kind != DMS_CMD_TO_USER)
                w->held[cmd->to].is_written = true;
            if (cmd->kind == DMS_CMD_CALL && cmd->workspace != DMS_NONE)
                w->held[cmd->workspace].is_written = true;
        }
}

static dms_code walk_turns(walk *w, dms_status *st) {
    const dms_program *body = &w->trace->plan->body;
    for (w->turn = 0; w->turn < w->trace->n_turns; w->turn++) {
        uint32_t next[DMS_N_QUEUES] = {0};
        for (uint32_t i = 0; i < body->n_order; i++) {
            const dms_queue q = (dms_queue)body->order[i];
            const uint32_t k = next[q]++;
            const dms_trace_span *span = dms_trace_at(w->trace, w->turn, q, k);
            if (span->end_ns != 0)
                DMS_TRY(walk_cmd(w, &body->cmd[q][k], span, st));
            /* what the last turn fetched for the next one is still there at the end */
            if (body->cmd[q][k].is_ahead && w->turn + 1 == w->trace->n_turns && span->end_ns != 0)
                w->held[body->cmd[q][k].to].end_ns = w->window.end_ns;
        }
    }
    for (uint32_t b = 0; b < w->trace->plan->n_buffers; b++) {
        if (!w->held[b].is_written)
            w->held[b].end_ns = w->window.end_ns;
        DMS_TRY(close_instance(w, b, st));
    }
    return DMS_OK;
}

/* Equal moments and sizes are the same change; what goes, goes before what comes. */
static int by_time(const void *left, const void *right) {
    const change *a = left, *b = right;
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/* Sums of the changes, one level per moment at which the sum differs. */
static dms_code sum_changes(walk *w, dms_trace_level **out_levels, uint32_t *out_n,
                            dms_status *st) {
    dms_trace_level *level;
    int64_t sum = 0;
    uint32_t n = 0;
    DMS_TRY(dms_alloc_st(w->arena, w->n_changes, sizeof *level, "trace", &level, st));
    if (w->n_changes > 0)
        qsort(w->change, w->n_changes, sizeof *w->change, by_time);
    for (uint32_t i = 0; i < w->n_changes; i++) {
        sum += w->change[i].bytes;
        if (i + 1 < w->n_changes && w->change[i + 1].at_ns == w->change[i].at_ns)
            continue;
        if (n == 0 || level[n - 1].bytes != (uint64_t)sum)
            level[n++] = (dms_trace_level){w->change[i].at_ns, (uint64_t)sum};
    }
    *out_levels = level;
    *out_n = n;
    return DMS_OK;
}

dms_code dms_trace_levels(const dms_trace *trace, dms_tier tier, dms_arena *arena,
                          dms_trace_level **out_levels, uint32_t *out_n, dms_status *st) {
    walk w = {.trace = trace, .tier = tier, .window = dms_trace_window(trace), .arena = arena};
    DMS_TRY(dms_alloc_st(arena, trace->plan->n_buffers, sizeof *w.held, "trace", &w.held, st));
    mark_written(&w);
    DMS_TRY(walk_turns(&w, st));
    return sum_changes(&w, out_levels, out_n, st);
}
