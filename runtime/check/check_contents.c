/* check_contents.c - P3, P4, P6 and P5: goes through prologue and two turns in submission order and
 * keeps, for every byte, who owns it, what it contains, and who touched it last.
 *
 * Submission order is one of the orders in which a device may run the plan. P3 proves that every
 * two commands that touch a common byte, one of them writing, are ordered by the waits; so every
 * other order gives each command the same bytes, and what is found here holds for all of them.
 *
 * A buffer owns its bytes from the command that begins it until another one begins over part of
 * them. What is left of it then holds nothing, but its accesses still count:
 *
 *     before       A A A A A A B B B B
 *     C begins     a a a C C C C C b b      after all accesses to A and to B
 *     D begins     D D a C C C C C b b      after all accesses to A, which `a` remembers
 */
#include "runtime/check/check_internal.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/check/meaning.h"
#include "runtime/check/spans.h"

/* A position on a queue's timeline, 1 up; 0 = never. */
typedef uint32_t position;

/* One cell of one buffer. Valid only while `instance` is that of its buffer. */
typedef struct cell_state {
    dms_hash id;
    uint32_t instance;
    int32_t turn; /* in which its content was made */
    position writer, reader[DMS_N_QUEUES];
    uint8_t writer_queue;
    bool is_ahead; /* written by a command that the last turn skips */
} cell_state;

/* One buffer. `last` holds the last access per queue, of all instances: a new one begins after the
 * accesses to the one before it. */
typedef struct buffer_state {
    cell_state *cell;
    uint32_t n_cells, instance;
    bool is_live;
    uint8_t definer_queue;
    position definer, last[DMS_N_QUEUES];
} buffer_state;

typedef struct walk {
    const dms_checker *c;
    const dms_order *order;
    buffer_state *buffer;
    dms_spans spans[2]; /* device, host */
    uint8_t **sent;     /* per output port and cell: left in this turn */
    dms_hash **sent_id;
    dms_cmd_at at;
    const dms_cmd *cmd;
    const dms_clock *clock; /* of this command: what has finished, itself included */
    uint64_t n_visits;      /* cells that commands have named so far */
} walk;

/* Some cells of a buffer, as a command names them. */
typedef struct cells {
    uint32_t buffer, first, n;
} cells;

/* Whatever turn 1 cannot do and turn 0 could was destroyed by turn 0: the body cannot repeat. */
static const char *content_property(const walk *w) {
    return w->at.turn > 0 ? "P6" : "P4";
}

#define REFUSE(w, property, ...) dms_check_refuse((w)->c, property, (w)->at, __VA_ARGS__)

static const dms_plan_tensor *tensor_of(const walk *w, uint32_t buffer) {
    return &w->c->plan->tensor[w->c->plan->buffer[buffer].tensor];
}

static const char *buffer_name(const walk *w, uint32_t buffer) {
    return w->c->plan->buffer[buffer].tensor == DMS_NONE ? "workspace" : tensor_of(w, buffer)->name;
}

/* Cells of a split buffer are numbered from its own. */
static cell_state *cell_at(const walk *w, const cells *cs, uint32_t k) {
    const dms_buffer *buffer = &w->c->plan->buffer[cs->buffer];
    const bool is_split = buffer->tensor != DMS_NONE && tensor_of(w, cs->buffer)->is_split;
    return &w->buffer[cs->buffer].cell[cs->first + k - (is_split ? buffer->cell : 0)];
}

/* All that a buffer holds. */
static cells all_cells(const walk *w, uint32_t buffer) {
    const dms_buffer *b = &w->c->plan->buffer[buffer];
    const bool is_split = b->tensor != DMS_NONE && tensor_of(w, buffer)->is_split;
    return (cells){buffer, is_split ? b->cell : 0, w->buffer[buffer].n_cells};
}

/* The position at which this command finishes. */
static position own_position(const walk *w) {
    return w->clock->done[w->at.queue];
}

/* Whether that command of a queue has certainly finished when this one starts. */
static bool is_before(const walk *w, uint32_t queue, position p) {
    return p <= w->clock->done[queue];
}

static dms_code refuse_race(const walk *w, uint32_t buffer, uint32_t queue, position p) {
    const uint32_t n = w->order->program->n_cmds[queue];
    return REFUSE(w, "P3",
                  "is not ordered after %s %" PRIu32 " of %s, which uses the same bytes "
                  "(buffer %" PRIu32 ", '%s')",
                  dms_queue_name((dms_queue)queue), (p - 1) % n,
                  (p - 1) / n == 0 && w->at.turn > 0 ? "the turn before" : "this turn", buffer,
                  buffer_name(w, buffer));
}

/* Every access of a buffer so far lies before this command. */
static dms_code want_all_before(const walk *w, uint32_t buffer) {
    const buffer_state *b = &w->buffer[buffer];
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (!is_before(w, q, b->last[q]))
            return refuse_race(w, buffer, q, b->last[q]);
    return DMS_OK;
}

/* Takes the bytes of a buffer from whoever owns them and starts a new instance, all undefined. */
static dms_code begin_instance(walk *w, uint32_t buffer) {
    const dms_buffer *range = &w->c->plan->buffer[buffer];
    dms_spans *spans = &w->spans[range->arena];
    dms_span_walk pieces = dms_spans_visit(spans, range->offset, range->bytes);
    for (uint32_t owner; dms_spans_next(spans, &pieces, &owner);) {
        if (owner == DMS_NONE)
            continue;
        DMS_TRY(want_all_before(w, owner));
        w->buffer[owner].is_live = false;
    }
    dms_spans_claim(spans, range->offset, range->bytes, buffer);
    buffer_state *b = &w->buffer[buffer];
    b->is_live = true;
    b->instance++;
    b->definer = own_position(w);
    b->definer_queue = (uint8_t)w->at.queue;
    return DMS_OK;
}

/* A cell may be replaced when its writer and all its readers are done; a cell that nobody has
 * written yet, when the command that began the instance is. */
static dms_code want_cell_free(const walk *w, uint32_t buffer, const cell_state *cell) {
    const buffer_state *b = &w->buffer[buffer];
    if (cell->instance != b->instance)
        return is_before(w, b->definer_queue, b->definer)
                   ? DMS_OK
                   : refuse_race(w, buffer, b->definer_queue, b->definer);
    if (!is_before(w, cell->writer_queue, cell->writer))
        return refuse_race(w, buffer, cell->writer_queue, cell->writer);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (!is_before(w, q, cell->reader[q]))
            return refuse_race(w, buffer, q, cell->reader[q]);
    return DMS_OK;
}

/* The buffer as a whole was used: whoever takes its bytes has to wait for this command. */
static void touch(walk *w, uint32_t buffer) {
    w->buffer[buffer].last[w->at.queue] = own_position(w);
}

/* Commands may name many cells again and again. */
static dms_code count_visits(walk *w, const cells *cs) {
    w->n_visits += cs->n;
    return w->n_visits <= DMS_CHECK_VISITS
               ? DMS_OK
               : REFUSE(w, "P4", "the commands so far name more than %u cells", DMS_CHECK_VISITS);
}

/* Defines cells; their ids are set by the caller. */
static dms_code write_cells(walk *w, const cells *cs) {
    DMS_TRY(count_visits(w, cs));
    buffer_state *b = &w->buffer[cs->buffer];
    if (!b->is_live)
        DMS_TRY(begin_instance(w, cs->buffer));
    for (uint32_t k = 0; k < cs->n; k++) {
        cell_state *cell = cell_at(w, cs, k);
        DMS_TRY(want_cell_free(w, cs->buffer, cell));
        *cell = (cell_state){.instance = b->instance,
                             .turn = w->at.turn,
                             .writer = own_position(w),
                             .writer_queue = (uint8_t)w->at.queue,
                             .is_ahead = w->cmd->is_ahead};
    }
    touch(w, cs->buffer);
    return DMS_OK;
}

/* Weights last; what depends on the user's data does not outlive its turn; on the last turn there
 * is nothing that an `ahead` command has written. */
static dms_code want_content(const walk *w, const cells *cs, uint32_t k) {
    const buffer_state *b = &w->buffer[cs->buffer];
    const cell_state *cell = cell_at(w, cs, k);
    const char *name = buffer_name(w, cs->buffer);
    const uint32_t number = cs->first + k;
    if (!b->is_live || cell->instance != b->instance)
        return REFUSE(w, content_property(w),
                      "reads buffer %" PRIu32 ", which does not hold cell %" PRIu32 " of '%s' then",
                      cs->buffer, number, name);
    if (cell->turn != w->at.turn && tensor_of(w, cs->buffer)->kind != DMS_TENSOR_WEIGHT)
        return REFUSE(w, content_property(w),
                      "reads cell %" PRIu32 " of '%s' in buffer %" PRIu32
                      ", which is left from an earlier turn",
                      number, name, cs->buffer);
    if (cell->is_ahead && cell->turn == w->at.turn && !w->cmd->is_ahead)
        return REFUSE(w, content_property(w),
                      "reads cell %" PRIu32 " of '%s' in buffer %" PRIu32
                      ", which a command that runs ahead writes in the same turn",
                      number, name, cs->buffer);
    return DMS_OK;
}

/* P4 first: a reader without contents has no writer that it could race with. */
static dms_code read_cells(walk *w, const cells *cs) {
    DMS_TRY(count_visits(w, cs));
    for (uint32_t k = 0; k < cs->n; k++) {
        DMS_TRY(want_content(w, cs, k));
        cell_state *cell = cell_at(w, cs, k);
        if (!is_before(w, cell->writer_queue, cell->writer))
            return refuse_race(w, cs->buffer, cell->writer_queue, cell->writer);
        cell->reader[w->at.queue] = own_position(w);
    }
    touch(w, cs->buffer);
    return DMS_OK;
}

static cells operand_cells(const dms_operand *operand) {
    return (cells){operand->buffer, operand->first, operand->n};
}

/* Hash of a call over the contents it reads. Contents repeat in turn 1: it is not needed there. */
static dms_hash inputs_id(const walk *w, const dms_plan_call *call) {
    dms_hash sum = w->c->call_hash[w->cmd->call];
    for (uint32_t k = 0; k < call->n_in; k++) {
        const cells cs = operand_cells(&w->cmd->operand[k]);
        for (uint32_t i = 0; i < cs.n; i++)
            sum = dms_meaning_add(sum, cell_at(w, &cs, i)->id);
    }
    return sum;
}

/* Inputs are read before outputs begin, so that an output in place may end its input. A tensor
 * whose contents come from a file or from the user is never a result: its id would not fit. */
static dms_code run_call(walk *w) {
    const dms_plan_call *call = &w->c->plan->call[w->cmd->call];
    for (uint32_t k = 0; k < call->n_in; k++) {
        const cells cs = operand_cells(&w->cmd->operand[k]);
        DMS_TRY(read_cells(w, &cs));
    }
    const dms_hash sum = w->at.turn > 0 ? (dms_hash){0, 0} : inputs_id(w, call);
    if (w->cmd->workspace != DMS_NONE) {
        const cells room = all_cells(w, w->cmd->workspace);
        DMS_TRY(write_cells(w, &room));
    }
    for (uint32_t k = 0; k < call->n_out; k++) {
        const cells cs = operand_cells(&w->cmd->operand[call->n_in + k]);
        const dms_tensor_kind kind = tensor_of(w, cs.buffer)->kind;
        if (kind == DMS_TENSOR_WEIGHT || kind == DMS_TENSOR_INPUT)
            return REFUSE(w, "P4", "computes '%s', which is no computed tensor",
                          buffer_name(w, cs.buffer));
        DMS_TRY(write_cells(w, &cs));
        for (uint32_t i = 0; i < cs.n && w->at.turn <= 0; i++)
            cell_at(w, &cs, i)->id = dms_meaning_output(sum, k, i);
    }
    return DMS_OK;
}

/* A copy moves a whole buffer; its cells keep their ids. */
static dms_code run_copy(walk *w) {
    const dms_buffer *from = &w->c->plan->buffer[w->cmd->from];
    const dms_buffer *to = &w->c->plan->buffer[w->cmd->to];
    if (from->tensor != to->tensor || from->cell != to->cell)
        return REFUSE(w, "P4", "copies '%s' to a buffer of '%s', or another cell",
                      buffer_name(w, w->cmd->from), buffer_name(w, w->cmd->to));
    const cells source = all_cells(w, w->cmd->from), target = all_cells(w, w->cmd->to);
    DMS_TRY(read_cells(w, &source));
    DMS_TRY(write_cells(w, &target));
    for (uint32_t k = 0; k < target.n; k++)
        cell_at(w, &target, k)->id = cell_at(w, &source, k)->id;
    return DMS_OK;
}

/* Which cell a load defines follows from the source: sources of a tensor are consecutive. */
static dms_code run_load(walk *w) {
    const dms_buffer *to = &w->c->plan->buffer[w->cmd->to];
    const dms_plan_tensor *tensor = tensor_of(w, w->cmd->to);
    const uint32_t cell = w->cmd->from - tensor->first_source;
    if (tensor->kind != DMS_TENSOR_WEIGHT || w->cmd->from < tensor->first_source ||
        cell >= dms_plan_cells(tensor) || (tensor->is_split && cell != to->cell))
        return REFUSE(
            w, "P4", "loads source %" PRIu32 ", which is not what buffer %" PRIu32 " of '%s' holds",
            w->cmd->from, w->cmd->to, tensor->name);
    const cells target = {w->cmd->to, cell, 1};
    DMS_TRY(write_cells(w, &target));
    cell_at(w, &target, 0)->id = dms_meaning_source(w->c->plan, w->cmd->from);
    return DMS_OK;
}

static dms_code run_from_user(walk *w) {
    const uint32_t port = w->cmd->from;
    if (w->c->plan->input[port].tensor != w->c->plan->buffer[w->cmd->to].tensor ||
        tensor_of(w, w->cmd->to)->kind == DMS_TENSOR_WEIGHT)
        return REFUSE(w, "P4", "puts input '%s' into a buffer of '%s'",
                      w->c->plan->input[port].name, buffer_name(w, w->cmd->to));
    const cells target = all_cells(w, w->cmd->to);
    DMS_TRY(write_cells(w, &target));
    for (uint32_t k = 0; k < target.n; k++)
        cell_at(w, &target, k)->id = dms_meaning_input(w->c->plan, port, target.first + k);
    return DMS_OK;
}

/* User memory is written once per turn and cell. `out` alone writes it, so no clock is needed. */
static dms_code run_to_user(walk *w) {
    const uint32_t port = w->cmd->to;
    const dms_port *output = &w->c->plan->output[port];
    if (output->tensor != w->c->plan->buffer[w->cmd->from].tensor)
        return REFUSE(w, "P4", "gives '%s' to output '%s'", buffer_name(w, w->cmd->from),
                      output->name);
    const cells source = all_cells(w, w->cmd->from);
    DMS_TRY(read_cells(w, &source));
    for (uint32_t k = 0; k < source.n; k++) {
        if (w->sent[port][source.first + k])
            return REFUSE(w, "P3", "writes cell %" PRIu32 " of output '%s' a second time",
                          source.first + k, output->name);
        w->sent[port][source.first + k] = 1;
        if (w->at.turn == 0)
            w->sent_id[port][source.first + k] = cell_at(w, &source, k)->id;
    }
    return DMS_OK;
}

static dms_code run_command(walk *w) {
    switch (w->cmd->kind) {
    case DMS_CMD_CALL:
        return run_call(w);
    case DMS_CMD_COPY:
        return run_copy(w);
    case DMS_CMD_FROM_USER:
        return run_from_user(w);
    case DMS_CMD_TO_USER:
        return run_to_user(w);
    case DMS_CMD_LOAD:
        return run_load(w);
    case DMS_N_CMD_KINDS:
        break;
    }
    return REFUSE(w, "P2", "is of no known kind");
}

/* One turn of a program in submission order. */
static dms_code run_turn(walk *w, const dms_order *order, int32_t turn) {
    uint32_t next[DMS_N_QUEUES] = {0};
    const dms_program *program = order->program;
    w->order = order;
    for (uint32_t k = 0; k < program->n_order; k++) {
        const dms_queue queue = (dms_queue)program->order[k];
        const uint32_t before = turn > 0 ? (uint32_t)turn * program->n_cmds[queue] : 0;
        w->at = (dms_cmd_at){turn, queue, next[queue]++};
        w->cmd = &program->cmd[queue][w->at.index];
        w->clock = &order->clock[queue][before + w->at.index];
        DMS_TRY(run_command(w));
    }
    return DMS_OK;
}

/* The prologue has ended when the body begins: contents stay, nothing is under way. */
static void forget_accesses(walk *w) {
    for (uint32_t k = 0; k < w->c->plan->n_buffers; k++) {
        buffer_state *b = &w->buffer[k];
        memset(b->last, 0, sizeof b->last);
        b->definer = 0;
        for (uint32_t i = 0; i < b->n_cells; i++) {
            memset(b->cell[i].reader, 0, sizeof b->cell[i].reader);
            b->cell[i].writer = 0;
        }
    }
}

/* Every element of every output has left; `out_meaning` joins what. */
static dms_code finish_turn(walk *w, dms_hash *out_meaning) {
    const dms_plan *plan = w->c->plan;
    dms_hash sum = {plan->n_outputs, 0};
    for (uint32_t p = 0; p < plan->n_outputs; p++) {
        if (plan->output[p].tensor == DMS_NONE)
            continue;
        const uint32_t n = dms_plan_cells(&plan->tensor[plan->output[p].tensor]);
        for (uint32_t k = 0; k < n; k++) {
            if (!w->sent[p][k])
                return DMS_CHECK_REFUSE(w->c, "P5: cell %" PRIu32 " of output '%s' never leaves", k,
                                        plan->output[p].name);
            sum = dms_meaning_add(sum, w->sent_id[p][k]);
        }
        memset(w->sent[p], 0, n);
    }
    *out_meaning = sum;
    return DMS_OK;
}

/* Cells of all buffers in one table; a plan of few bytes may name many, so their number is bounded
 * before memory is taken. */
static dms_code alloc_buffers(walk *w) {
    const dms_plan *plan = w->c->plan;
    uint64_t total = 0;
    DMS_TRY(dms_alloc_st(w->c->scratch, plan->n_buffers, sizeof *w->buffer, "buffers", &w->buffer,
                         w->c->st));
    for (uint32_t k = 0; k < plan->n_buffers; k++) {
        const dms_buffer *b = &plan->buffer[k];
        const bool is_one = b->tensor == DMS_NONE || plan->tensor[b->tensor].is_split;
        w->buffer[k].n_cells = is_one ? 1 : dms_plan_cells(&plan->tensor[b->tensor]);
        total += w->buffer[k].n_cells;
        if (total > DMS_CHECK_CELLS)
            return DMS_CHECK_REFUSE(w->c, "P4: buffers hold more than %u cells", DMS_CHECK_CELLS);
    }
    cell_state *cell;
    DMS_TRY(dms_alloc_st(w->c->scratch, total, sizeof *cell, "cells", &cell, w->c->st));
    for (uint32_t k = 0; k < plan->n_buffers; cell += w->buffer[k++].n_cells)
        w->buffer[k].cell = cell;
    return DMS_OK;
}

static dms_code alloc_outputs(walk *w) {
    const dms_plan *plan = w->c->plan;
    dms_arena *scratch = w->c->scratch;
    dms_status *st = w->c->st;
    uint64_t total = 0;
    DMS_TRY(dms_alloc_st(scratch, plan->n_outputs, sizeof *w->sent, "outputs", &w->sent, st));
    DMS_TRY(dms_alloc_st(scratch, plan->n_outputs, sizeof *w->sent_id, "outputs", &w->sent_id, st));
    for (uint32_t p = 0; p < plan->n_outputs; p++) {
        const uint32_t tensor = plan->output[p].tensor;
        const uint32_t n = tensor == DMS_NONE ? 0 : dms_plan_cells(&plan->tensor[tensor]);
        total += n;
        if (total > DMS_CHECK_CELLS)
            return DMS_CHECK_REFUSE(w->c, "P4: outputs have more than %u cells", DMS_CHECK_CELLS);
        DMS_TRY(dms_alloc_st(scratch, n, 1, "outputs", &w->sent[p], st));
        DMS_TRY(dms_alloc_st(scratch, n, sizeof(dms_hash), "outputs", &w->sent_id[p], st));
    }
    return DMS_OK;
}

/* P5: what dmsc meant is what the commands do. A digest of zero claims nothing. */
static dms_code check_meaning(const dms_checker *c, dms_hash found) {
    char told_text[33], found_text[33];
    const dms_hash told = c->plan->meaning;
    if ((told.lo == 0 && told.hi == 0) || dms_hash_equal(told, found))
        return DMS_OK;
    return DMS_CHECK_REFUSE(c, "P5: the commands mean %s, the plan says %s",
                            dms_hash_text(found, found_text), dms_hash_text(told, told_text));
}

dms_code dms_check_contents(const dms_checker *c, dms_hash *out_meaning) {
    walk w = {.c = c};
    dms_hash meaning, again;
    DMS_TRY(alloc_buffers(&w));
    DMS_TRY(alloc_outputs(&w));
    DMS_TRY(dms_spans_init(&w.spans[0], c->plan, DMS_TIER_DEVICE, c->scratch, c->st));
    DMS_TRY(dms_spans_init(&w.spans[1], c->plan, DMS_TIER_HOST, c->scratch, c->st));
    DMS_TRY(run_turn(&w, &c->prologue, -1));
    forget_accesses(&w);
    DMS_TRY(run_turn(&w, &c->body, 0));
    DMS_TRY(finish_turn(&w, &meaning));
    DMS_TRY(run_turn(&w, &c->body, 1));
    DMS_TRY(finish_turn(&w, &again));
    DMS_TRY(check_meaning(c, meaning));
    *out_meaning = meaning;
    return DMS_OK;
}
