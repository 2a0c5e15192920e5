/* emit_reads.c - queue `load` of the body: readings from storage into the ring on the host.
 *
 * Readings stand in the order of the copies that they feed, and wait for one thing: the copy that
 * emptied their place. Those at the head whose places were used in the turn before alone are issued
 * a turn early, so that the storage works on over the end of a turn:
 *
 *     order of one cycle       r0 r1 r2 | r3 r4 r5     r3 lands where r0 lay
 *     queue `load`, turn i     r3 r4 r5 | r0 r1 r2     r0 to r2 serve turn i + 1
 */
#include "planner/emit_internal.h"

/* Whether load l of queue `in` is issued a turn early. */
static uint8_t is_ahead(const dms_emitter *e, uint32_t l) {
    return l < e->n_ahead;
}

/* The load whose copy empties the place of load l; *out_turns = turns between the two. */
static uint32_t emptied_by(const dms_emitter *e, uint32_t l, int32_t *out_turns) {
    const dms_decision *d = e->in->decision;
    const int32_t after = d->loads[l].read_after;
    *out_turns = after < 0;
    return (uint32_t)(after < 0 ? after + (int32_t)d->n_loads : after);
}

/* How many readings may be issued a turn early: a reading of this turn is no later than its copy,
 * so those that feed early copies are among them. */
static uint32_t count_ahead(const dms_emitter *e) {
    uint32_t n = 0;
    for (; n < e->n_reads; n++) {
        int32_t turns;
        const uint32_t l = emptied_by(e, e->read[n], &turns);
        if (turns == 0 && !is_ahead(e, l))
            break;
    }
    return n;
}

/* Position of reading r in queue `load`. */
static uint32_t position_of(const dms_emitter *e, uint32_t r) {
    return r < e->n_reads_ahead ? e->n_reads - e->n_reads_ahead + r : r - e->n_reads_ahead;
}

void dms_emit_wait_for_read(const dms_emitter *e, uint32_t l, dms_cmd *cmd) {
    const uint32_t r = e->read_of[l];
    if (r != DMS_NONE)
        dms_emit_add_wait(cmd, DMS_QUEUE_LOAD, position_of(e, r),
                          (r < e->n_reads_ahead) - is_ahead(e, l));
}

/* One reading. A copy of two turns ago has ended when the first one of the turn before has. */
static dms_cmd make_read(const dms_emitter *e, uint32_t r) {
    const uint32_t l = e->read[r];
    const bool is_early = r < e->n_reads_ahead;
    dms_cmd cmd = dms_emit_new_cmd(DMS_CMD_LOAD);
    int32_t turns;
    uint8_t ignored;
    const uint32_t emptied = emptied_by(e, l, &turns);
    const int32_t back = turns + is_ahead(e, emptied) - is_early;
    cmd.from = dms_emit_source_of(e, e->in->decision->loads[l].tensor);
    cmd.to = e->ring_buffer[l];
    cmd.is_ahead = is_early;
    dms_emit_add_wait(&cmd, DMS_QUEUE_IN,
                      back > 1 ? 0 : dms_emit_load_position(e, emptied, &ignored),
                      back > 1 ? 1 : (uint8_t)back);
    return cmd;
}

dms_code dms_emit_reads(dms_emitter *e, dms_status *st) {
    dms_program *body = &e->plan->body;
    dms_cmd *cmd;
    e->n_reads_ahead = count_ahead(e);
    DMS_TRY(dms_alloc_st(e->arena, e->n_reads, sizeof *cmd, "commands", &cmd, st));
    for (uint32_t r = 0; r < e->n_reads; r++)
        cmd[position_of(e, r)] = make_read(e, r);
    body->cmd[DMS_QUEUE_LOAD] = cmd;
    body->n_cmds[DMS_QUEUE_LOAD] = e->n_reads;
    return DMS_OK;
}
