/* simulate_contended.c - the same steady state where what runs at the same time takes longer.
 *
 * How long a copy takes depends on what runs beside it, so there are no recurrences here: events in
 * order of time. Whenever something ends, every idle queue looks whether its next may begin:
 *   slot s opens when step s-1 has ended and the saves that want it are done
 *   a step needs its slot and its loads; a save its step
 *   a reading needs its place in the ring; a load its slot, and its reading `lead_ns` ago
 * With all factors 1 the times are those of simulate.c, to the ns.
 */
#include "planner/contention.h"
#include "planner/simulate_internal.h"

/* Everything is counted from the start of turn 0: slots, steps, places of the queues. */
typedef struct race {
    const dms_cycle *cycle;
    dms_work *work;
    dms_draft *draft;
    dms_lanes lanes;
    int64_t n_turns;
    int64_t n_opened, n_ended;   /* slots; steps */
    int64_t in_next, in_done;    /* loads begun; ended */
    int64_t out_next, out_done;  /* saves begun; ended */
    int64_t read_next, read_end; /* place of the next reading; of the last that has ended */
    int64_t step_end, in_free;   /* when the last step, the last load ended */
    int64_t wakes;               /* when the load that waits for its lead may begin */
    int64_t mark, idle_ns;
} race;

static bool runs(const race *r, dms_queue queue) {
    return r->lanes.running >> queue & 1;
}

/* Where the times of a slot lie: odd turns in the upper half. */
static int64_t half_of(const race *r, int64_t slot) {
    const int64_t n = r->cycle->n_steps;
    return (slot / n & 1) * n + slot % n;
}

/* Whether the saves that slot `slot` waits for are done. */
static bool may_open(const race *r, int64_t slot) {
    const int64_t n = r->cycle->n_steps, t = slot % n;
    for (uint32_t i = r->work->open_first[t]; i < r->work->open_first[t + 1]; i++) {
        const uint32_t q = r->work->open_save[i];
        const int64_t turn = slot / n - r->draft->before[r->draft->save[q]] / n;
        if (turn >= 0 && r->out_done <= turn * r->draft->n_saves + q)
            return false;
    }
    return true;
}

static bool try_step(race *r) {
    const int64_t n = r->cycle->n_steps, slot = r->n_ended;
    const int32_t t = (int32_t)(slot % n);
    if (runs(r, DMS_QUEUE_COMPUTE) || slot >= r->n_turns * n)
        return false;
    if (r->n_opened == slot) {
        if (!may_open(r, slot))
            return false;
        r->work->open[half_of(r, slot)] = r->lanes.now;
        r->n_opened++;
    }
    if (r->in_done < slot / n * r->draft->n_loads + r->work->needs[t] && r->work->needs[t] > 0)
        return false;
    r->work->stall[t] = r->lanes.now - r->step_end;
    dms_lanes_start(&r->lanes, DMS_QUEUE_COMPUTE, r->cycle->problem->steps[t].ns);
    return true;
}

/* A wait for the slot, not for a reading, that the search may want to use. */
static void note_idle(race *r, int64_t slot) {
    const int64_t n = r->cycle->n_steps;
    if (slot >= 0 && r->work->open[half_of(r, slot)] > r->in_free + r->idle_ns &&
        r->draft->n_idle < DMS_MAX_IDLE)
        r->draft->idle[r->draft->n_idle++] = (int32_t)(slot % n);
}

/* Whether the bytes of load `at` are on the host. Sets `wakes` where only the lead is missing. */
static bool is_read(race *r, int64_t at) {
    const int64_t n = r->draft->n_loads, q = at % n;
    if (r->draft->n_read == 0 || r->work->read_after[q] == DMS_NOT_READ ||
        at - q + r->work->read_after[q] < 0)
        return true;
    if (r->read_end < at)
        return false;
    const int64_t there = r->work->read_done[q] + r->cycle->problem->lead_ns;
    if (there > r->lanes.now)
        r->wakes = there;
    return there <= r->lanes.now;
}

static bool try_load(race *r) {
    const int64_t n = r->draft->n_loads, at = r->in_next;
    if (runs(r, DMS_QUEUE_IN) || n == 0 || at / n > r->n_turns)
        return false;
    const int64_t slot = at / n * r->cycle->n_steps + r->draft->after[at % n] + 1;
    if (slot >= r->n_opened || !is_read(r, at))
        return false;
    if (at / n == r->n_turns - 1) {
        note_idle(r, slot);
        r->work->load_start[at % n] = r->lanes.now;
    }
    dms_lanes_start(&r->lanes, DMS_QUEUE_IN, r->cycle->gap[r->draft->load[at % n]].ns);
    r->in_next++;
    return true;
}

static bool try_save(race *r) {
    const int64_t n = r->draft->n_saves, at = r->out_next;
    if (runs(r, DMS_QUEUE_OUT) || n == 0)
        return false;
    const uint32_t tensor = r->draft->save[at % n];
    if (at / n * r->cycle->n_steps + r->cycle->write_end[tensor] >= r->n_ended)
        return false;
    r->work->save_start[at % n] = r->lanes.now;
    dms_lanes_start(&r->lanes, DMS_QUEUE_OUT, r->cycle->save_ns[tensor]);
    r->out_next++;
    return true;
}

static bool try_reading(race *r) {
    const int64_t n = r->draft->n_loads;
    if (runs(r, DMS_QUEUE_LOAD) || r->draft->n_read == 0)
        return false;
    for (; r->read_next / n <= r->n_turns; r->read_next++) {
        const int64_t at = r->read_next, q = at % n, freed = at - q + r->work->read_after[q];
        if (r->work->read_after[q] == DMS_NOT_READ || freed < 0)
            continue; /* what waits for a copy before turn 0 the prologue has read */
        if (r->in_done <= freed)
            return false;
        if (at / n == r->n_turns - 1)
            r->work->read_start[q] = r->lanes.now;
        dms_lanes_start(&r->lanes, DMS_QUEUE_LOAD,
                        r->cycle->read_ns[r->cycle->gap[r->draft->load[q]].tensor]);
        return true;
    }
    return false;
}

static void end_step(race *r) {
    const int64_t n = r->cycle->n_steps;
    r->step_end = r->work->end[half_of(r, r->n_ended)] = r->lanes.now;
    r->n_ended++;
    if (r->n_ended == (r->n_turns - 2) * n)
        r->mark = r->lanes.now;
}

static void end_all(race *r, uint32_t ended) {
    if (ended >> DMS_QUEUE_COMPUTE & 1)
        end_step(r);
    if (ended >> DMS_QUEUE_IN & 1) {
        r->in_free = r->lanes.now;
        r->in_done++;
    }
    if (ended >> DMS_QUEUE_OUT & 1)
        r->out_done++;
    if (ended >> DMS_QUEUE_LOAD & 1) {
        r->work->read_done[r->read_next % r->draft->n_loads] = r->lanes.now;
        r->read_end = r->read_next++;
    }
}

bool dms_simulate_contended(const dms_cycle *cycle, dms_work *work, uint32_t n_cycles,
                            dms_draft *draft, int64_t *out_two_turns) {
    race r = {.cycle = cycle,
              .work = work,
              .draft = draft,
              .n_turns = n_cycles,
              .read_end = -1,
              .idle_ns = work->nominal_end[cycle->n_steps - 1] / 50000};
    dms_lanes_begin(&cycle->problem->contention, 0, &r.lanes);
    while (r.n_ended < r.n_turns * cycle->n_steps) {
        r.wakes = INT64_MAX;
        while (try_step(&r) || try_save(&r) || try_reading(&r) || try_load(&r))
            ;
        if (r.lanes.running == 0 && r.wakes == INT64_MAX)
            return false;
        end_all(&r, dms_lanes_advance(&r.lanes, r.wakes));
    }
    *out_two_turns = r.lanes.now - r.mark;
    return true;
}
