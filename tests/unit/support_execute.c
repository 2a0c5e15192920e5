/* support_execute.c - queues, timelines and symbolic memory of support_execute.h. */
#include "support_execute.h"

#include <string.h>

#include "runtime/kernels/kernel.h"

#define MOST_PARTS 16u /* operands of a command, workspace included */

/* Some units of one arena: `n` runs of `len` units, `stride` apart. */
typedef struct part {
    uint32_t arena, start, len, n, stride;
} part;

/* What a command reads and writes. */
typedef struct access {
    part in[MOST_PARTS], out[MOST_PARTS];
    uint32_t n_in, n_out;
} access;

typedef struct lane {
    uint32_t index, turn;
    bool is_running;
    uint64_t seen;    /* hash of the inputs when it started */
    uint64_t garbage; /* what it put into its outputs then */
    int64_t done, published;
    uint64_t moved[EXECUTE_UNITS]; /* units that a copy has seen */
} lane;

typedef struct machine {
    const dms_plan *plan;
    const dms_program *program;
    uint32_t n_turns;
    uint64_t memory[2][EXECUTE_UNITS];
    uint64_t random, n_garbage;
    uint32_t n_sent[EXECUTE_TURNS];
    lane lane[DMS_N_QUEUES];
    execute_result result;
} machine;

uint64_t execute_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    const uint64_t word[2] = {a, b};
    return dms_hash_bytes(word, sizeof word, 7).lo;
}

static part whole(const dms_buffer *b) {
    const uint32_t units = (uint32_t)(b->bytes / DMS_ALIGN);
    return (part){(uint32_t)b->arena, (uint32_t)(b->offset / DMS_ALIGN), units, 1, units};
}

/* Cells [first, first + n) of a buffer. */
static part cells_of(const dms_plan *plan, uint32_t buffer, uint32_t first, uint32_t n) {
    part p = whole(&plan->buffer[buffer]);
    const dms_plan_tensor *t = &plan->tensor[plan->buffer[buffer].tensor];
    if (t->is_split || n == dms_plan_cells(t))
        return p;
    const uint32_t bytes = dms_dtype_bytes(t->stored.dtype);
    const dms_view v = dms_plan_cell_view(t, first, n);
    uint32_t runs = 1;
    for (uint32_t k = 0; k < t->cell_axis; k++)
        runs *= (uint32_t)t->stored.dim[k];
    p.start += (uint32_t)dms_plan_cell_offset(t, first) * bytes / DMS_ALIGN;
    p.stride = p.len / runs;
    p.len = (uint32_t)dms_view_count(&v) / runs * bytes / DMS_ALIGN;
    p.n = runs;
    return p;
}

static access access_of(const dms_plan *plan, const dms_cmd *cmd) {
    access a = {.n_in = 0};
    if (cmd->kind == DMS_CMD_CALL) {
        const dms_plan_call *call = &plan->call[cmd->call];
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            const dms_operand *o = &cmd->operand[k];
            part *to = k < call->n_in ? &a.in[a.n_in++] : &a.out[a.n_out++];
            *to = cells_of(plan, o->buffer, o->first, o->n);
        }
        if (cmd->workspace != DMS_NONE)
            a.out[a.n_out++] = whole(&plan->buffer[cmd->workspace]);
        return a;
    }
    if (cmd->kind == DMS_CMD_COPY || cmd->kind == DMS_CMD_TO_USER)
        a.in[a.n_in++] = whole(&plan->buffer[cmd->from]);
    if (cmd->kind == DMS_CMD_LOAD) {
        const dms_plan_tensor *t = &plan->tensor[plan->buffer[cmd->to].tensor];
        const uint32_t cell = cmd->from - t->first_source;
        const bool is_cell = t->kind == DMS_TENSOR_WEIGHT && cell < dms_plan_cells(t);
        a.out[a.n_out++] =
            is_cell ? cells_of(plan, cmd->to, cell, 1) : whole(&plan->buffer[cmd->to]);
    } else if (cmd->kind != DMS_CMD_TO_USER) {
        a.out[a.n_out++] = whole(&plan->buffer[cmd->to]);
    }
    return a;
}

/* The k-th unit of a part. */
static uint64_t *unit(machine *m, const part *p, uint32_t k) {
    return &m->memory[p->arena][p->start + k / p->len * p->stride + k % p->len];
}

static bool is_own_output(machine *m, const access *a, const uint64_t *at) {
    for (uint32_t o = 0; o < a->n_out; o++)
        for (uint32_t k = 0; k < a->out[o].len * a->out[o].n; k++)
            if (unit(m, &a->out[o], k) == at)
                return true;
    return false;
}

/* Hash of the inputs; without units that the command itself replaces when `is_end`. */
static uint64_t hash_inputs(machine *m, const access *a, bool is_end) {
    uint64_t sum = 1;
    for (uint32_t i = 0; i < a->n_in; i++)
        for (uint32_t k = 0; k < a->in[i].len * a->in[i].n; k++) {
            const uint64_t *at = unit(m, &a->in[i], k);
            if (!is_end || !is_own_output(m, a, at))
                sum = mix(sum, *at);
        }
    return sum;
}

static void fill(machine *m, const access *a, uint64_t value) {
    for (uint32_t o = 0; o < a->n_out; o++)
        for (uint32_t k = 0; k < a->out[o].len * a->out[o].n; k++)
            *unit(m, &a->out[o], k) = value;
}

static bool outputs_are(machine *m, const access *a, uint64_t value) {
    for (uint32_t o = 0; o < a->n_out; o++)
        for (uint32_t k = 0; k < a->out[o].len * a->out[o].n; k++)
            if (*unit(m, &a->out[o], k) != value)
                return false;
    return true;
}

/* What a load or a call is about, apart from memory. */
static uint64_t identity(const machine *m, const dms_cmd *cmd, uint32_t turn) {
    const dms_plan *plan = m->plan;
    if (cmd->kind == DMS_CMD_FROM_USER)
        return mix(mix(11, cmd->from), turn);
    if (cmd->kind == DMS_CMD_LOAD) {
        const dms_source *s = &plan->source[cmd->from];
        return mix(mix(12, s->offset), mix(s->file, (uint64_t)s->view.pitch[0]));
    }
    const dms_plan_call *c = &plan->call[cmd->call];
    const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
    return mix(13, dms_call_hash(&call).lo);
}

static void start(machine *m, lane *l, const dms_cmd *cmd, const access *a) {
    const uint64_t inputs = hash_inputs(m, a, false);
    for (uint32_t k = 0; cmd->kind == DMS_CMD_COPY && k < a->in[0].len; k++)
        l->moved[k] = *unit(m, &a->in[0], k);
    l->seen = hash_inputs(m, a, true);
    l->garbage = mix(99, ++m->n_garbage);
    fill(m, a, l->garbage);
    if (cmd->kind != DMS_CMD_COPY)
        l->moved[0] = inputs;
    l->is_running = true;
}

/* Gives one output to the user. */
static void send(machine *m, const lane *l, const dms_cmd *cmd) {
    m->result.output[l->turn] = mix(m->result.output[l->turn], mix(cmd->to, l->moved[0]));
    m->n_sent[l->turn]++;
}

static void end(machine *m, lane *l, const dms_cmd *cmd, const access *a) {
    const bool is_disturbed = hash_inputs(m, a, true) != l->seen || !outputs_are(m, a, l->garbage);
    l->is_running = false;
    if (is_disturbed) {
        fill(m, a, mix(98, ++m->n_garbage));
        l->moved[0] = m->n_garbage;
    }
    if (cmd->kind == DMS_CMD_TO_USER)
        send(m, l, cmd);
    const uint32_t n_out = a->n_out - (cmd->kind == DMS_CMD_CALL && cmd->workspace != DMS_NONE);
    const uint64_t from = cmd->kind == DMS_CMD_COPY || cmd->kind == DMS_CMD_TO_USER
                              ? 0
                              : mix(identity(m, cmd, l->turn), l->moved[0]);
    for (uint32_t o = 0; !is_disturbed && o < n_out; o++)
        for (uint32_t k = 0; k < a->out[o].len * a->out[o].n; k++)
            *unit(m, &a->out[o], k) =
                cmd->kind == DMS_CMD_COPY ? l->moved[k] : mix(from, 1000 * o + k);
}

static bool waits_are_met(const machine *m, const lane *l, const dms_cmd *cmd) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE)
            continue;
        const int64_t turn = (int64_t)l->turn - cmd->wait_back[q];
        const int64_t value = turn * m->program->n_cmds[q] + cmd->wait_cmd[q] + 1;
        if (value > 0 && turn >= 0 && m->lane[q].published < value)
            return false;
    }
    return true;
}

/* One step of one queue; false where it has to wait or is through. */
static bool advance(machine *m, uint32_t queue) {
    lane *l = &m->lane[queue];
    const uint32_t n = m->program->n_cmds[queue];
    if (n == 0 || l->turn == m->n_turns)
        return false;
    const dms_cmd *cmd = &m->program->cmd[queue][l->index];
    const access a = access_of(m->plan, cmd);
    const bool is_skipped = cmd->is_ahead && l->turn + 1 == m->n_turns;
    if (!l->is_running && !waits_are_met(m, l, cmd))
        return false;
    if (!l->is_running && !is_skipped) {
        start(m, l, cmd, &a);
        return true;
    }
    if (!is_skipped)
        end(m, l, cmd, &a);
    l->done++;
    if (cmd->is_signal)
        l->published = l->done;
    l->index = (l->index + 1) % n;
    l->turn += l->index == 0;
    return true;
}

static void run_program(machine *m, const dms_program *program, uint32_t n_turns) {
    m->program = program;
    m->n_turns = n_turns;
    memset(m->lane, 0, sizeof m->lane);
    for (uint32_t stuck = 0; stuck < DMS_N_QUEUES;) {
        const uint32_t queue = (uint32_t)(execute_random(&m->random) >> 32) % DMS_N_QUEUES;
        stuck = advance(m, queue) ? 0 : 1;
        for (uint32_t k = 1; stuck == k && k < DMS_N_QUEUES; k++)
            stuck = advance(m, (queue + k) % DMS_N_QUEUES) ? 0 : k + 1;
    }
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (program->n_cmds[q] != 0 && m->lane[q].turn != n_turns)
            m->result.end = EXECUTE_DEADLOCK;
}

/* Everything lies inside the machine and covers whole units. */
static bool fits(const dms_plan *plan) {
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        if (plan->buffer[k].offset + plan->buffer[k].bytes > EXECUTE_UNITS * DMS_ALIGN ||
            plan->buffer[k].bytes % DMS_ALIGN != 0)
            return false;
    return true;
}

execute_result execute_plan(const dms_plan *plan, uint64_t seed) {
    machine m = {.plan = plan, .random = seed | 1};
    if (!fits(plan))
        return (execute_result){.end = EXECUTE_LOST};
    for (uint32_t k = 0; k < EXECUTE_UNITS; k++)
        m.memory[0][k] = m.memory[1][k] = mix(97, ++m.n_garbage);
    run_program(&m, &plan->prologue, 1);
    if (m.result.end == EXECUTE_DONE)
        run_program(&m, &plan->body, EXECUTE_TURNS);
    for (uint32_t t = 0; t < EXECUTE_TURNS; t++)
        if (m.result.end == EXECUTE_DONE && m.n_sent[t] != plan->n_outputs)
            m.result.end = EXECUTE_LOST;
    return m.result;
}
