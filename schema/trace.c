/* trace.c - a table of times becomes trace events: lanes, names, bytes, seams. */
#include "schema/trace.h"

#include "schema/json.h"

#define PROCESS 1 /* the trace shows one: the plan */

dms_code dms_trace_new(const dms_plan *plan, uint32_t n_turns, dms_arena *arena,
                       dms_trace *out_trace, dms_status *st) {
    dms_trace trace = {.plan = plan, .n_turns = n_turns};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        trace.first_cmd[q] = trace.n_cmds;
        trace.n_cmds += plan->body.n_cmds[q];
    }
    DMS_TRY(dms_alloc_st(arena, (uint64_t)n_turns * trace.n_cmds, sizeof *trace.span, "trace",
                         &trace.span, st));
    *out_trace = trace;
    return DMS_OK;
}

dms_trace_span *dms_trace_at(const dms_trace *trace, uint32_t turn, dms_queue queue, uint32_t k) {
    return &trace->span[(uint64_t)turn * trace->n_cmds + trace->first_cmd[queue] + k];
}

dms_trace_span dms_trace_window(const dms_trace *trace) {
    dms_trace_span window = {0, 0};
    bool is_empty = true;
    for (uint64_t i = 0; i < (uint64_t)trace->n_turns * trace->n_cmds; i++) {
        const dms_trace_span *span = &trace->span[i];
        if (span->end_ns == 0)
            continue;
        if (is_empty || span->begin_ns < window.begin_ns)
            window.begin_ns = span->begin_ns;
        if (is_empty || span->end_ns > window.end_ns)
            window.end_ns = span->end_ns;
        is_empty = false;
    }
    return window;
}

/* What one writer carries from event to event. */
typedef struct writer {
    const dms_trace *trace;
    const char *(*kernel_name)(uint32_t);
    int64_t origin_ns;
    dms_json json;
} writer;

/* Opens an event; the caller adds what its phase needs and closes it. */
static void begin_event(writer *w, const char *phase, const char *name) {
    dms_json_object(&w->json, NULL);
    dms_json_text(&w->json, "ph", phase);
    dms_json_text(&w->json, "name", name);
    dms_json_uint(&w->json, "pid", PROCESS);
}

/* The format counts in microseconds; fractions keep the nanoseconds. */
static void put_time(writer *w, const char *key, int64_t ns) {
    dms_json_real(&w->json, key, (double)ns / 1000);
}

/* A lane's threads are numbered from 1: viewers take 0 for "none". */
static void put_lane(writer *w, dms_queue queue) {
    dms_json_uint(&w->json, "tid", (uint64_t)queue + 1);
}

/* Title of the process, name and order of the lanes. */
static void write_lanes(writer *w, const char *what) {
    char title[400];
    (void)snprintf(title, sizeof title, "%.300s, %s", w->trace->plan->model, what);
    begin_event(w, "M", "process_name");
    dms_json_object(&w->json, "args");
    dms_json_text(&w->json, "name", title);
    dms_json_end_object(&w->json);
    dms_json_end_object(&w->json);
    for (uint32_t q = 0; q < DMS_QUEUE_STORE; q++) {
        begin_event(w, "M", "thread_name");
        put_lane(w, (dms_queue)q);
        dms_json_object(&w->json, "args");
        dms_json_text(&w->json, "name", dms_queue_name((dms_queue)q));
        dms_json_end_object(&w->json);
        dms_json_end_object(&w->json);
        begin_event(w, "M", "thread_sort_index");
        put_lane(w, (dms_queue)q);
        dms_json_object(&w->json, "args");
        dms_json_uint(&w->json, "sort_index", q);
        dms_json_end_object(&w->json);
        dms_json_end_object(&w->json);
    }
}

/* "w [2/8]", or "w" where all cells are meant. */
static void name_cell(const dms_plan *plan, const char *verb, uint32_t tensor, uint32_t cell,
                      char out[400]) {
    const dms_plan_tensor *t = &plan->tensor[tensor];
    const uint32_t n = dms_plan_cells(t);
    if (n > 1)
        (void)snprintf(out, 400, "%s%.300s [%u/%u]", verb, t->name, (unsigned)cell + 1,
                       (unsigned)n);
    else
        (void)snprintf(out, 400, "%s%.300s", verb, t->name);
}

/* What a command is called, and the bytes that it moves (a kernel: reads and writes). */
static uint64_t name_cmd(const dms_plan *plan, const dms_cmd *cmd, char out[400]) {
    const uint32_t held = cmd->kind == DMS_CMD_TO_USER ? cmd->from : cmd->to;
    uint64_t bytes = 0;
    if (cmd->kind == DMS_CMD_CALL) {
        const dms_plan_call *call = &plan->call[cmd->call];
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
            bytes += dms_view_bytes(&call->view[k]);
        (void)snprintf(out, 400, "%.300s", plan->step_name[plan->step_name_id[cmd->step]]);
        return bytes;
    }
    const dms_buffer *buffer = &plan->buffer[held];
    if (cmd->kind == DMS_CMD_LOAD) {
        const dms_plan_tensor *tensor = &plan->tensor[buffer->tensor];
        const dms_source *source = &plan->source[cmd->from];
        name_cell(plan, "", buffer->tensor, cmd->from - tensor->first_source, out);
        return dms_view_bytes(&source->view);
    }
    const char *verb = cmd->kind == DMS_CMD_FROM_USER ? "user > "
                       : cmd->kind == DMS_CMD_TO_USER ? "user < "
                                                      : "";
    if (plan->tensor[buffer->tensor].is_split)
        name_cell(plan, verb, buffer->tensor, buffer->cell, out);
    else
        (void)snprintf(out, 400, "%s%.300s", verb, plan->tensor[buffer->tensor].name);
    return buffer->bytes;
}

static void write_cmd(writer *w, uint32_t turn, dms_queue queue, uint32_t k) {
    const dms_plan *plan = w->trace->plan;
    const dms_cmd *cmd = &plan->body.cmd[queue][k];
    const dms_trace_span *span = dms_trace_at(w->trace, turn, queue, k);
    char name[400];
    const uint64_t bytes = name_cmd(plan, cmd, name);
    begin_event(w, "X", name);
    put_lane(w, queue);
    dms_json_text(&w->json, "cat", dms_queue_name(queue));
    put_time(w, "ts", span->begin_ns - w->origin_ns);
    put_time(w, "dur", span->end_ns - span->begin_ns);
    dms_json_object(&w->json, "args");
    dms_json_uint(&w->json, "turn", turn + cmd->is_ahead); /* the one it serves */
    dms_json_uint(&w->json, "bytes", bytes);
    if (cmd->kind == DMS_CMD_CALL) {
        dms_json_uint(&w->json, "step", cmd->step);
        if (w->kernel_name != NULL)
            dms_json_text(&w->json, "kernel", w->kernel_name(plan->call[cmd->call].kernel));
    }
    dms_json_end_object(&w->json);
    dms_json_end_object(&w->json);
}

/* A line across all lanes where the first step of a turn begins. */
static void write_seam(writer *w, uint32_t turn) {
    char name[32];
    if (w->trace->plan->body.n_cmds[DMS_QUEUE_COMPUTE] == 0)
        return;
    const dms_trace_span *span = dms_trace_at(w->trace, turn, DMS_QUEUE_COMPUTE, 0);
    if (span->end_ns == 0)
        return;
    (void)snprintf(name, sizeof name, "turn %u", (unsigned)turn);
    begin_event(w, "i", name);
    put_lane(w, DMS_QUEUE_COMPUTE);
    put_time(w, "ts", span->begin_ns - w->origin_ns);
    dms_json_text(&w->json, "s", "p");
    dms_json_end_object(&w->json);
}

static void write_turns(writer *w) {
    for (uint32_t turn = 0; turn < w->trace->n_turns; turn++) {
        write_seam(w, turn);
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t k = 0; k < w->trace->plan->body.n_cmds[q]; k++)
                if (dms_trace_at(w->trace, turn, (dms_queue)q, k)->end_ns != 0)
                    write_cmd(w, turn, (dms_queue)q, k);
    }
}

static dms_code write_levels(writer *w, dms_tier tier, const char *name, dms_arena *scratch,
                             dms_status *st) {
    dms_trace_level *level;
    uint32_t n;
    DMS_TRY(dms_trace_levels(w->trace, tier, scratch, &level, &n, st));
    for (uint32_t i = 0; i < n; i++) {
        begin_event(w, "C", name);
        put_time(w, "ts", level[i].at_ns - w->origin_ns);
        dms_json_object(&w->json, "args");
        dms_json_uint(&w->json, "live bytes", level[i].bytes);
        dms_json_end_object(&w->json);
        dms_json_end_object(&w->json);
    }
    return DMS_OK;
}

/* What no event can say: the budgets that the counters stay below. */
static void write_facts(writer *w, const char *what) {
    const dms_plan *plan = w->trace->plan;
    dms_json_object(&w->json, "otherData");
    dms_json_text(&w->json, "times", what);
    dms_json_text(&w->json, "model", plan->model);
    dms_json_text(&w->json, "profile", plan->profile);
    dms_json_uint(&w->json, "device_arena_bytes", plan->device_arena);
    dms_json_uint(&w->json, "host_arena_bytes", plan->host_arena);
    dms_json_int(&w->json, "predicted_period_ns", plan->period_ns);
    dms_json_end_object(&w->json);
}

dms_code dms_trace_write(const dms_trace *trace, const char *what,
                         const char *(*kernel_name)(uint32_t), dms_arena *scratch, FILE *out,
                         dms_status *st) {
    writer w = {trace, kernel_name, dms_trace_window(trace).begin_ns, {.out = out}};
    w.json.line_depth = 2; /* an event a line */
    dms_json_object(&w.json, NULL);
    dms_json_text(&w.json, "displayTimeUnit", "ns");
    write_facts(&w, what);
    dms_json_array(&w.json, "traceEvents");
    write_lanes(&w, what);
    write_turns(&w);
    DMS_TRY(write_levels(&w, DMS_TIER_DEVICE, "device arena", scratch, st));
    DMS_TRY(write_levels(&w, DMS_TIER_HOST, "host arena", scratch, st));
    dms_json_end_array(&w.json);
    dms_json_end_object(&w.json);
    return DMS_OK;
}
