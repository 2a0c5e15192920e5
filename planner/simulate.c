/* simulate.c - when does everything happen in the steady state?
 *
 * Max-plus recurrences in integer nanoseconds, so the same draft has the same period everywhere:
 *   slot(t) opens at max(end(t-1), saves with before = t)
 *   a reading starts at max(storage free, its place in the ring empty), in the order of its loads
 *   a load starts at max(link free, slot(after+1), its reading done), in queue order
 *   step t starts at max(slot(t), arrival of its loads)
 */
#include "planner/simulate_internal.h"

typedef struct simulation {
    const dms_cycle *cycle;
    dms_work *work;
    dms_draft *draft;
    int64_t turn, n_turns;
    int64_t *end, *open, *last_end, *last_open; /* of this turn and of the one before */
    int64_t in_free, out_free, storage_free;
    uint64_t in_next, out_next; /* copies issued since the start */
    int64_t idle_ns;            /* shorter waits of the link are not worth a look */
} simulation;

void dms_simulate_index(const dms_cycle *cycle, dms_work *work, const dms_draft *draft) {
    const int32_t n = cycle->n_steps;
    for (int32_t t = 0; t < n; t++)
        work->needs[t] = 0;
    for (uint32_t q = 0; q < draft->n_loads; q++)
        work->needs[cycle->gap[draft->load[q]].due] = q + 1;
    for (int32_t t = 0; t < n + 2; t++)
        work->open_first[t] = 0;
    for (uint32_t q = 0; q < draft->n_saves; q++)
        work->open_first[draft->before[draft->save[q]] % n + 2]++;
    for (int32_t t = 0; t < n; t++)
        work->open_first[t + 2] += work->open_first[t + 1];
    for (uint32_t q = 0; q < draft->n_saves; q++)
        work->open_save[work->open_first[draft->before[draft->save[q]] % n + 1]++] = q;
}

/* Issues saves until place `last` (counted since the start) is done. The queue is in order, so all
 * before it go too. Returns false where one of them waits for a step that has not run yet: the
 * queue would wait for itself. The ends of four turns are kept, two more than `before` < 2T can
 * ask for. */
static bool run_saves(simulation *sim, uint64_t last, int32_t step) {
    const dms_draft *draft = sim->draft;
    while (sim->out_next <= last) {
        const int64_t turn = (int64_t)(sim->out_next / draft->n_saves);
        const uint32_t q = (uint32_t)(sim->out_next % draft->n_saves);
        const uint32_t tensor = draft->save[q];
        const int32_t after = sim->cycle->write_end[tensor];
        if (turn > sim->turn || (turn == sim->turn && after >= step))
            return false;
        const int64_t ready = (turn == sim->turn ? sim->end : sim->last_end)[after];
        const int64_t start = ready > sim->out_free ? ready : sim->out_free;
        sim->work->save_start[q] = start;
        sim->out_free = start + sim->cycle->save_ns[tensor];
        sim->work->save_done[(uint64_t)(turn & 3) * draft->n_saves + q] = sim->out_free;
        sim->out_next++;
    }
    return true;
}

/* Slot t opens once the saves it waits for are done. A `before` of T and more means a save of the
 * turn before; in the first turn there is none to wait for. */
static bool open_slot(simulation *sim, int32_t t, int64_t *inout_time) {
    const dms_draft *draft = sim->draft;
    for (uint32_t i = sim->work->open_first[t]; i < sim->work->open_first[t + 1]; i++) {
        const uint32_t q = sim->work->open_save[i];
        const int64_t turn = sim->turn - draft->before[draft->save[q]] / sim->cycle->n_steps;
        if (turn < 0)
            continue;
        if (!run_saves(sim, (uint64_t)turn * draft->n_saves + q, t))
            return false;
        const int64_t done = sim->work->save_done[(uint64_t)(turn & 3) * draft->n_saves + q];
        if (done > *inout_time)
            *inout_time = done;
    }
    return true;
}

/* Remembers a slot for which the link waited. Waits below 1/50,000 of the nominal period, where the
 * search could gain nothing, are passed over. */
static void note_idle(simulation *sim, int64_t opens, int32_t slot) {
    if (opens > sim->in_free + sim->idle_ns && sim->draft->n_idle < DMS_MAX_IDLE)
        sim->draft->idle[sim->draft->n_idle++] = slot < 0 ? slot + sim->cycle->n_steps : slot;
}

/* When the bytes of the next load are on the host. What waits for a copy of the turn before the
 * first one is there from the start: the prologue fills the ring. A place is freed by a copy that
 * stands before it in the queue, so that copy has its time already. */
static int64_t read_from_storage(simulation *sim, uint32_t q) {
    const uint64_t n = sim->draft->n_loads;
    const int64_t freed = (int64_t)(sim->in_next - q) + sim->work->read_after[q];
    if (freed < 0)
        return 0;
    const int64_t empty = sim->work->load_done[(uint64_t)freed % (2 * n)];
    if (sim->storage_free < empty)
        sim->storage_free = empty;
    sim->work->read_start[q] = sim->storage_free;
    sim->storage_free += sim->cycle->read_ns[sim->cycle->gap[sim->draft->load[q]].tensor];
    sim->work->read_done[q] = sim->storage_free;
    return sim->storage_free + sim->cycle->problem->lead_ns;
}

/* Issues loads until place `last` (counted since the start) has arrived. A slot below 0 is one of
 * the turn before; in the first turn nobody held its memory, and the link may begin at 0. Returns
 * false where a load would have to begin in a slot that opens only after `step`. */
static bool run_loads(simulation *sim, uint64_t last, int32_t step) {
    const dms_draft *draft = sim->draft;
    while (sim->in_next <= last) {
        const uint32_t q = (uint32_t)(sim->in_next % draft->n_loads);
        const int32_t slot = draft->after[q] + 1;
        if (slot > step)
            return false;
        int64_t opens = 0;
        if (slot >= 0)
            opens = sim->open[slot];
        else if (sim->turn > 0)
            opens = sim->last_open[sim->cycle->n_steps + slot];
        note_idle(sim, opens, slot);
        if (draft->n_read > 0 && sim->work->read_after[q] != DMS_NOT_READ) {
            const int64_t there = read_from_storage(sim, q);
            if (opens < there)
                opens = there;
        }
        if (sim->in_free < opens)
            sim->in_free = opens;
        sim->work->load_start[q] = sim->in_free;
        sim->in_free += sim->cycle->gap[draft->load[q]].ns;
        sim->work->load_done[sim->in_next % (2 * (uint64_t)draft->n_loads)] = sim->in_free;
        sim->in_next++;
    }
    return true;
}

/* One step: its slot, its loads, its end. */
static bool run_step(simulation *sim, int32_t t, int64_t *inout_time) {
    const int64_t ended = *inout_time;
    if (!open_slot(sim, t, inout_time))
        return false;
    sim->open[t] = *inout_time;
    if (sim->work->needs[t]) {
        const uint64_t n = sim->draft->n_loads;
        const uint64_t last = (uint64_t)sim->turn * n + sim->work->needs[t] - 1;
        if (!run_loads(sim, last, t))
            return false;
        const int64_t arrived = sim->work->load_done[last % (2 * n)];
        if (arrived > *inout_time)
            *inout_time = arrived;
    }
    sim->work->stall[t] = *inout_time - ended;
    *inout_time += sim->cycle->problem->steps[t].ns;
    sim->end[t] = *inout_time;
    return true;
}

/* The stalls of the last turn, and what is copied in one. Equal periods are told apart by them: a
 * plan that stalls less, or copies less, has more slack against times that differ from the profile.
 */
static void sum_stalls(simulation *sim) {
    dms_draft *draft = sim->draft;
    int64_t worst = 0;
    draft->stall_ns = draft->link_ns = draft->copy_ns = 0;
    draft->worst_step = -1;
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        const dms_gap *gap = sim->cycle->gap + draft->load[q];
        draft->link_ns += gap->ns;
        if (draft->n_read > 0 && draft->is_read[gap->tensor])
            draft->copy_ns += sim->cycle->read_ns[gap->tensor];
    }
    draft->copy_ns += draft->link_ns;
    for (int32_t t = 0; t < sim->cycle->n_steps; t++) {
        draft->stall_ns += sim->work->stall[t];
        if (sim->work->stall[t] > worst) {
            worst = sim->work->stall[t];
            draft->worst_step = t;
        }
    }
    draft->n_stalled = 0;
    for (int32_t t = 0; t < sim->cycle->n_steps && draft->n_stalled < DMS_MAX_STALLED; t++)
        if (sim->work->stall[t] * 8 >= worst && worst > 0)
            draft->stalled[draft->n_stalled++] = t;
}

/* Whether the last n times of a queue are `shift` later than the n before them; done[] is a ring of
 * `turns` times n. */
static bool is_shifted(const int64_t *done, uint64_t end, uint64_t n, uint64_t turns,
                       int64_t shift) {
    for (uint64_t i = end - n; i < end; i++)
        if (done[i % (turns * n)] - done[(i - n) % (turns * n)] != shift)
            return false;
    return true;
}

/* Where turn 1 or a later one leaves all queues as the one before left them, `shift` later, so do
 * all that follow. (Turn 0 differs: nobody held the memory before. And a reading waits for copies
 * further back than the ring of times goes.) */
static bool is_steady(const simulation *sim, const simulation *before, int64_t shift) {
    const uint64_t n_loads = sim->draft->n_loads, n_saves = sim->draft->n_saves;
    if (sim->turn < 1 || sim->draft->n_read > 0 || sim->in_next - before->in_next != n_loads ||
        sim->out_next - before->out_next != n_saves || sim->out_next < 2 * n_saves ||
        (n_loads > 0 && sim->in_free - before->in_free != shift) ||
        (n_saves > 0 && sim->out_free - before->out_free != shift))
        return false;
    for (int32_t t = sim->cycle->n_steps - 1; t >= 0; t--)
        if (sim->end[t] - sim->last_end[t] != shift || sim->open[t] - sim->last_open[t] != shift)
            return false;
    return is_shifted(sim->work->load_done, sim->in_next, n_loads, 2, shift) &&
           is_shifted(sim->work->save_done, sim->out_next, n_saves, 4, shift);
}

/* Puts the times of the last turn into the upper halves, where an even one has not put them. */
static void turn_over(const simulation *sim) {
    const int32_t n = sim->cycle->n_steps;
    for (int32_t t = 0; t < n && !(sim->turn & 1); t++) {
        const int64_t end = sim->work->end[t], open = sim->work->open[t];
        sim->work->end[t] = sim->work->end[n + t];
        sim->work->open[t] = sim->work->open[n + t];
        sim->work->end[n + t] = end;
        sim->work->open[n + t] = open;
    }
}

/* Ends and openings of two turns lie in the two halves of one array. Odd turns use the upper half,
 * and since n_cycles is even the last turn does, which is where callers look for its times.
 *
 *   turn    0      1      ...   n-3    n-2    n-1
 *                               mark           time      period = (time - mark) / 2, rounded up
 *
 * The mean of two turns, for a cycle can settle into two turns that differ. Most have settled into
 * one after the third turn, and then that is the last. */
static bool run_turns(simulation *sim, int64_t *out_two_turns) {
    const int32_t n = sim->cycle->n_steps;
    int64_t time = 0, mark = 0;
    for (; sim->turn < sim->n_turns; sim->turn++) {
        const simulation before = *sim;
        const int64_t began = time;
        const int32_t half = sim->turn & 1 ? n : 0;
        sim->end = sim->work->end + half;
        sim->open = sim->work->open + half;
        sim->last_end = sim->work->end + (n - half);
        sim->last_open = sim->work->open + (n - half);
        sim->draft->n_idle = 0;
        for (int32_t t = 0; t < n; t++)
            if (!run_step(sim, t, &time))
                return false;
        if (sim->turn == sim->n_turns - 3)
            mark = time;
        if (is_steady(sim, &before, time - began)) {
            turn_over(sim);
            mark = time - 2 * (time - began);
            break;
        }
    }
    *out_two_turns = time - mark;
    return true;
}

bool dms_simulate(const dms_cycle *cycle, dms_work *work, uint32_t n_cycles, dms_draft *draft) {
    simulation sim = {.cycle = cycle,
                      .work = work,
                      .draft = draft,
                      .n_turns = n_cycles,
                      .idle_ns = work->nominal_end[cycle->n_steps - 1] / 50000};
    int64_t two_turns;
    work->n_evaluations++;
    draft->period_ns = DMS_NO_PERIOD;
    draft->n_idle = 0;
    dms_simulate_index(cycle, work, draft);
    if (draft->n_read > 0)
        dms_ring_place(cycle, work, draft);
    if (!(cycle->is_contended ? dms_simulate_contended(cycle, work, n_cycles, draft, &two_turns)
                              : run_turns(&sim, &two_turns)))
        return false;
    draft->period_ns = (two_turns + 1) / 2;
    sum_stalls(&sim);
    return true;
}
