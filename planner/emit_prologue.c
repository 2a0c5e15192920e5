/* emit_prologue.c - what runs once at open, the marks of waited-for commands, submission orders. */
#include "planner/emit_internal.h"
#include "schema/checked.h"

static dms_cmd prologue_cmd(dms_cmd_kind kind, uint32_t from, uint32_t to) {
    dms_cmd cmd = {.kind = kind, .workspace = DMS_NONE, .from = from, .to = to};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd.wait_cmd[q] = DMS_NONE;
    return cmd;
}

uint32_t dms_emit_source_of(const dms_emitter *e, uint32_t block) {
    const dms_block *b = &e->in->blocks->block[block];
    return e->plan->tensor[b->tensor].first_source + b->cell;
}

/* Something in the ring that a copy of the prologue takes from there. */
typedef struct occupant {
    uint64_t first, end;
    uint32_t copy;
} occupant;

/* The prologue while it is made. What passes through the ring waits for the copies that empty its
 * place. Kept weights do so, in two places, on devices whose memory the host cannot write:
 *
 *     load   k0 -> A   k1 -> B   k2 -> A (when A is free again)
 *     in               A -> k0   B -> k1   A -> k2
 */
typedef struct prologue {
    dms_cmd *load, *in;
    uint32_t n_load, n_in;
    uint32_t *load_of; /* per block: the command that loads its home */
    occupant *there;   /* in the ring, copied on by commands that nobody has waited for yet */
    uint32_t n_there;
    uint32_t n_through; /* kept weights so far */
    uint64_t place_bytes;
} prologue;

/* The weight is loaded once and stays. */
static bool is_kept(const dms_emitter *e, uint32_t residency) {
    const dms_place_residency *r = &e->in->decision->residencies[residency];
    return r->gap == DMS_PLACE_PRODUCED &&
           e->in->blocks->problem.tensors[r->tensor].kind == DMS_PROBLEM_WEIGHT;
}

/* The size of a place for kept weights. */
static dms_code place_ring(dms_emitter *e, prologue *p, dms_status *st) {
    const dms_decision *d = e->in->decision;
    uint64_t largest = 0, total;
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const uint64_t bytes = e->in->blocks->problem.tensors[d->residencies[r].tensor].bytes;
        if (is_kept(e, r) && bytes > largest)
            largest = bytes;
    }
    if (!dms_align_up(largest, DMS_ALIGN, &p->place_bytes) ||
        !dms_mul(p->place_bytes, DMS_RING_BLOCKS, &total))
        return dms_fail(st, DMS_EBUDGET, "the prologue's ring exceeds 64 bits");
    return DMS_OK;
}

/* A load into the ring: it waits for the last copy out of the bytes it takes. What that copy has
 * behind it in its queue has ended with it. */
static void load_place(dms_emitter *e, prologue *p, uint32_t block, uint32_t place) {
    const dms_buffer *buffer = &e->plan->buffer[place];
    dms_cmd *load = &p->load[p->n_load++];
    uint32_t last = DMS_NONE, n = 0;
    *load = prologue_cmd(DMS_CMD_LOAD, dms_emit_source_of(e, block), place);
    for (uint32_t i = 0; i < p->n_there; i++)
        if (p->there[i].first < buffer->offset + buffer->bytes && buffer->offset < p->there[i].end)
            last = p->there[i].copy;
    load->wait_cmd[DMS_QUEUE_IN] = last;
    for (uint32_t i = 0; i < p->n_there; i++)
        if (last == DMS_NONE || p->there[i].copy > last)
            p->there[n++] = p->there[i];
    p->n_there = n;
}

/* The copy of what was loaded last, out of its place in the ring. */
static void copy_place(dms_emitter *e, prologue *p, uint32_t place, uint32_t to) {
    const dms_buffer *buffer = &e->plan->buffer[place];
    dms_cmd *copy = &p->in[p->n_in];
    *copy = prologue_cmd(DMS_CMD_COPY, place, to);
    copy->wait_cmd[DMS_QUEUE_LOAD] = p->n_load - 1;
    p->there[p->n_there++] = (occupant){buffer->offset, buffer->offset + buffer->bytes, p->n_in++};
}

/* One kept weight through the ring. */
static dms_code add_through_ring(dms_emitter *e, prologue *p, uint32_t block, uint32_t to,
                                 dms_status *st) {
    const uint32_t place = p->n_through++ % DMS_RING_BLOCKS;
    dms_buffer buffer = e->plan->buffer[to];
    uint32_t from;
    buffer.arena = DMS_TIER_HOST;
    buffer.offset = place * p->place_bytes;
    DMS_TRY(dms_emit_add_buffer(e, buffer, &from, st));
    load_place(e, p, block, from);
    copy_place(e, p, from, to);
    return DMS_OK;
}

/* Kept weights go to their device buffer. Where the host cannot write that, they pass through the
 * bottom of the host arena, before anything else has come to lie there. */
static dms_code load_kept(dms_emitter *e, prologue *p, uint32_t r, dms_status *st) {
    const uint32_t b = e->in->decision->residencies[r].tensor;
    if (e->device_kind != DMS_DEVICE_CPU)
        return add_through_ring(e, p, b, e->residency_buffer[r], st);
    p->load[p->n_load++] =
        prologue_cmd(DMS_CMD_LOAD, dms_emit_source_of(e, b), e->residency_buffer[r]);
    return DMS_OK;
}

/* Kept weights first, then streamed ones to their home, if that is the host. */
static dms_code load_weights(dms_emitter *e, prologue *p, dms_status *st) {
    const dms_decision *d = e->in->decision;
    DMS_TRY(place_ring(e, p, st));
    for (uint32_t r = 0; r < d->n_residencies; r++)
        if (is_kept(e, r))
            DMS_TRY(load_kept(e, p, r, st));
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const uint32_t b = d->residencies[r].tensor;
        if (e->host_buffer[b] == DMS_NONE || p->load_of[b] != DMS_NONE ||
            e->in->blocks->problem.tensors[b].kind != DMS_PROBLEM_WEIGHT)
            continue;
        p->load_of[b] = p->n_load;
        load_place(e, p, b, e->host_buffer[b]);
    }
    const uint64_t through = DMS_RING_BLOCKS * p->place_bytes; /* checked by place_ring */
    if (p->n_through > 0 && e->plan->host_arena < through)
        e->plan->host_arena = through;
    return DMS_OK;
}

/* The residency that load l begins. */
static uint32_t residency_of_load(const dms_emitter *e, uint32_t l) {
    const dms_place_load *load = &e->in->decision->loads[l];
    const dms_problem_tensor *t = &e->in->blocks->problem.tensors[load->tensor];
    return e->residency_of[t->first_touch + (load->gap + 1) % t->n_touches];
}

/* One load of the body ahead of its first turn, from its home or through its place in the ring. */
static void fill_one(dms_emitter *e, prologue *p, uint32_t l) {
    const uint32_t block = e->in->decision->loads[l].tensor;
    const uint32_t to = e->residency_buffer[residency_of_load(e, l)];
    if (e->in->decision->loads[l].is_read) {
        load_place(e, p, block, e->ring_buffer[l]);
        copy_place(e, p, e->ring_buffer[l], to);
        return;
    }
    dms_cmd *copy = &p->in[p->n_in++];
    *copy = prologue_cmd(DMS_CMD_COPY, e->host_buffer[block], to);
    copy->wait_cmd[DMS_QUEUE_LOAD] = p->load_of[block];
}

/* Whether turn 0 finds on the device what load l brings: it is issued a turn early, or what it
 * began in the turn before reaches over the edge of the cycle. */
static bool is_there_at_start(const dms_emitter *e, uint32_t l) {
    const dms_decision *d = e->in->decision;
    const dms_problem *problem = &e->in->blocks->problem;
    if (problem->tensors[d->loads[l].tensor].kind != DMS_PROBLEM_WEIGHT)
        return false;
    return l < e->n_ahead ||
           d->residencies[residency_of_load(e, l)].last_slot >= (int32_t)problem->n_steps;
}

/* What the turn before would have left on the device, and what it would have read early. Places of
 * the ring whose readings are not early come first: early ones may lie over them. */
static void fill_device(dms_emitter *e, prologue *p) {
    const dms_decision *d = e->in->decision;
    for (uint32_t l = e->n_ahead; l < d->n_loads; l++)
        if (d->loads[l].is_read && is_there_at_start(e, l))
            fill_one(e, p, l);
    for (uint32_t l = 0; l < d->n_loads; l++)
        if (is_there_at_start(e, l) && (l < e->n_ahead || !d->loads[l].is_read))
            fill_one(e, p, l);
    for (uint32_t r = 0; r < e->n_reads_ahead; r++)
        if (e->read[r] >= e->n_ahead)
            load_place(e, p, d->loads[e->read[r]].tensor, e->ring_buffer[e->read[r]]);
}

dms_code dms_emit_prologue(dms_emitter *e, dms_status *st) {
    const uint64_t n = e->in->blocks->problem.n_tensors, n_loads = e->in->decision->n_loads;
    prologue p = {0};
    DMS_TRY(dms_alloc_st(e->arena, n, sizeof *p.load_of, "prologue", &p.load_of, st));
    DMS_TRY(dms_alloc_st(e->arena, n + n_loads, sizeof *p.load, "prologue", &p.load, st));
    DMS_TRY(dms_alloc_st(e->arena, n + n_loads, sizeof *p.there, "prologue", &p.there, st));
    DMS_TRY(dms_alloc_st(e->arena, n + n_loads, sizeof *p.in, "prologue", &p.in, st));
    for (uint64_t b = 0; b < n; b++)
        p.load_of[b] = DMS_NONE;
    DMS_TRY(load_weights(e, &p, st));
    fill_device(e, &p);
    dms_program *program = &e->plan->prologue;
    program->cmd[DMS_QUEUE_LOAD] = p.load;
    program->n_cmds[DMS_QUEUE_LOAD] = p.n_load;
    program->cmd[DMS_QUEUE_IN] = p.in;
    program->n_cmds[DMS_QUEUE_IN] = p.n_in;
    return DMS_OK;
}

/* Every command that a wait names becomes a signal. */
static void mark_signals(dms_program *program) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < program->n_cmds[q]; k++)
            for (uint32_t w = 0; w < DMS_N_QUEUES; w++) {
                const uint32_t waited = program->cmd[q][k].wait_cmd[w];
                if (waited != DMS_NONE)
                    program->cmd[w][waited].is_signal = true;
            }
}

/* All waits of this turn are on commands already in the order. */
static bool is_ready(const dms_cmd *cmd, const uint32_t *done) {
    for (uint32_t w = 0; w < DMS_N_QUEUES; w++)
        if (cmd->wait_cmd[w] != DMS_NONE && cmd->wait_back[w] == 0 && cmd->wait_cmd[w] >= done[w])
            return false;
    return true;
}

dms_code dms_emit_order(dms_emitter *e, dms_program *program, dms_status *st) {
    /* copies first: a device with one submitting thread should have them under way early */
    static const dms_queue PREFERENCE[] = {DMS_QUEUE_LOAD, DMS_QUEUE_IN, DMS_QUEUE_OUT,
                                           DMS_QUEUE_COMPUTE, DMS_QUEUE_STORE};
    mark_signals(program);
    uint32_t total = 0, done[DMS_N_QUEUES] = {0};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        total += program->n_cmds[q];
    uint8_t *order;
    DMS_TRY(dms_alloc_st(e->arena, total, 1, "submission order", &order, st));
    for (uint32_t n = 0; n < total; n++) {
        uint32_t p = 0;
        while (p < DMS_N_QUEUES) {
            const dms_queue q = PREFERENCE[p];
            if (done[q] < program->n_cmds[q] && is_ready(&program->cmd[q][done[q]], done))
                break;
            p++;
        }
        if (p == DMS_N_QUEUES)
            return dms_fail(st, DMS_EINTERNAL, "the waits of the plan have a cycle");
        order[n] = (uint8_t)PREFERENCE[p];
        done[PREFERENCE[p]]++;
    }
    program->order = order;
    program->n_order = total;
    return DMS_OK;
}
