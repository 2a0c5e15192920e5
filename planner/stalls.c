/* stalls.c - see stalls.h. The idle time of the queue in is a function of time that repeats with
 * the period; its integral between two stalls is a difference of two sums. */
#include "planner/stalls.h"

#include <stdlib.h>

#include "planner/place.h"
#include "schema/arena.h"

#define NONE UINT32_MAX

/* A time in which the queue in waits for memory, and all of them before it. */
typedef struct idle {
    int64_t from, to, before;
} idle;

typedef struct finder {
    const dms_problem *problem;
    const dms_decision *d;
    dms_stalls *out;
    idle *idle; /* of one period, ascending, from the first load on */
    uint32_t n_idle;
    int64_t idle_ns;     /* of one period */
    uint32_t *slow_save; /* per slot: the save that opens it late, or NONE */
} finder;

const char *dms_stall_cause_name(dms_stall_cause cause) {
    static const char *const NAME[DMS_N_STALL_CAUSES] = {"link full", "no room", "save first"};
    return NAME[cause];
}

/* When the step before this one ended. */
static int64_t end_before(const finder *f, uint32_t step) {
    return f->out->start_ns[step] - f->d->step_stall_ns[step];
}

/* A decision has the ends of its steps: its starts are these less the times without contention. A
 * step begins when the one before has ended and its own stall is over. */
static void find_starts(finder *f) {
    const dms_decision *d = f->d;
    const uint32_t n = f->problem->n_steps;
    bool is_slowed = false;
    for (uint32_t s = n; s-- > 1;) {
        f->out->start_ns[s] =
            d->step_start_ns[s - 1] + f->problem->steps[s - 1].ns + d->step_stall_ns[s];
        is_slowed = is_slowed || f->out->start_ns[s] != d->step_start_ns[s];
    }
    f->out->turn_ns = d->compute_ns;
    for (uint32_t s = 0; s < n; s++)
        f->out->turn_ns += d->step_stall_ns[s];
    f->out->start_ns[0] = d->step_start_ns[0];
    if (!is_slowed)
        return;
    f->out->slowed_ns = d->period_ns - f->out->turn_ns;
    f->out->turn_ns = d->period_ns;
    f->out->start_ns[0] =
        d->step_start_ns[n - 1] + f->problem->steps[n - 1].ns - d->period_ns + d->step_stall_ns[0];
}

/* When each slot opens, and the save that it waits for. */
static void open_slots(finder *f) {
    const uint32_t n = f->problem->n_steps;
    for (uint32_t s = 0; s < n; s++) {
        f->out->open_ns[s] = end_before(f, s);
        f->slow_save[s] = NONE;
    }
    for (uint32_t q = 0; q < f->d->n_saves; q++) {
        const dms_place_save *save = &f->d->saves[q];
        const int64_t ended = save->start_ns + save->ns - save->before / n * f->out->turn_ns;
        const uint32_t slot = save->before % n;
        if (ended <= f->out->open_ns[slot])
            continue;
        f->out->open_ns[slot] = ended;
        f->slow_save[slot] = q;
    }
}

/* The copy that each step waits for longest. The queue is in order, so it is the last one due. */
static void index_loads(finder *f) {
    for (uint32_t s = 0; s < f->problem->n_steps; s++)
        f->out->last_load[s] = NONE;
    for (uint32_t q = 0; q < f->d->n_loads; q++)
        f->out->last_load[f->d->loads[q].due] = q;
}

/* Whether a load brings new bytes of an input. */
static bool is_new_input(const finder *f, const dms_place_load *load) {
    const dms_problem_tensor *t = &f->problem->tensors[load->tensor];
    return t->kind == DMS_PROBLEM_INPUT && load->gap + 1 == t->n_touches;
}

/* When the memory of a load is free. */
static int64_t room_at(const finder *f, const dms_place_load *load) {
    const int32_t n = (int32_t)f->problem->n_steps, slot = load->after + 1;
    return slot < 0 ? f->out->open_ns[slot + n] - f->out->turn_ns : f->out->open_ns[slot];
}

/* The times between two copies in which the next one has no memory yet. The first copy follows the
 * last one of the turn before. */
static void list_idle(finder *f) {
    const dms_decision *d = f->d;
    if (d->n_loads == 0)
        return;
    const dms_place_load *last = &d->loads[d->n_loads - 1];
    int64_t free_at = last->start_ns + last->ns - f->out->turn_ns;
    for (uint32_t q = 0; q < d->n_loads; q++) {
        const dms_place_load *load = &d->loads[q];
        const int64_t room = room_at(f, load);
        const int64_t to = room < load->start_ns ? room : load->start_ns;
        if (to > free_at && !is_new_input(f, load)) {
            f->idle[f->n_idle++] = (idle){free_at, to, f->idle_ns};
            f->idle_ns += to - free_at;
        }
        free_at = load->start_ns + load->ns;
    }
}

/* Idle time from the begin of the list until `ns`, which lies in its period. */
static int64_t idle_in_turn(const finder *f, int64_t ns) {
    uint32_t low = 0, high = f->n_idle;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (f->idle[middle].from < ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    const idle *it = &f->idle[low - 1];
    return it->before + (ns < it->to ? ns : it->to) - it->from;
}

/* Idle time until `ns`, counted from a fixed moment. */
static int64_t idle_until(const finder *f, int64_t ns) {
    if (f->n_idle == 0 || f->out->turn_ns <= 0)
        return 0;
    int64_t turn = (ns - f->idle[0].from) / f->out->turn_ns;
    if (turn * f->out->turn_ns > ns - f->idle[0].from)
        turn--;
    return turn * f->idle_ns + idle_in_turn(f, ns - turn * f->out->turn_ns);
}

/* Splits one stall; `since` is the end of the one before. */
static dms_stall judge(const finder *f, uint32_t step, int64_t since) {
    const dms_decision *d = f->d;
    const uint32_t load = f->out->last_load[step], save = f->slow_save[step];
    dms_stall it = {.step = step, .block = NONE, .ns = d->step_stall_ns[step]};
    if (save != NONE && f->out->start_ns[step] <= f->out->open_ns[step]) {
        it.block = d->saves[save].tensor;
        it.part_ns[DMS_STALL_SAVE] = it.ns;
        it.cause = DMS_STALL_SAVE;
        return it;
    }
    const int64_t waited = load != NONE && is_new_input(f, &d->loads[load])
                               ? 0
                               : idle_until(f, f->out->start_ns[step]) - idle_until(f, since);
    it.block = load == NONE ? NONE : d->loads[load].tensor;
    it.part_ns[DMS_STALL_ROOM] = waited < it.ns ? waited : it.ns;
    it.part_ns[DMS_STALL_LINK] = it.ns - it.part_ns[DMS_STALL_ROOM];
    it.cause =
        it.part_ns[DMS_STALL_ROOM] > it.part_ns[DMS_STALL_LINK] ? DMS_STALL_ROOM : DMS_STALL_LINK;
    return it;
}

/* The end of the last stall of the turn before; a whole turn ago where there is but one. */
static int64_t last_stall_end(const finder *f) {
    for (uint32_t s = f->problem->n_steps; s-- > 0;)
        if (f->d->step_stall_ns[s] > 0)
            return f->out->start_ns[s] - f->out->turn_ns;
    return 0;
}

static void judge_all(finder *f) {
    dms_stalls *out = f->out;
    int64_t since = last_stall_end(f);
    for (uint32_t s = 0; s < f->problem->n_steps; s++) {
        if (f->d->step_stall_ns[s] <= 0)
            continue;
        const dms_stall it = judge(f, s, since);
        since = f->out->start_ns[s];
        out->stall[out->n++] = it;
        out->ns += it.ns;
        for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
            out->part_ns[k] += it.part_ns[k];
    }
}

dms_code dms_stalls_find(const dms_problem *problem, const dms_decision *decision, dms_arena *arena,
                         dms_stalls *out_stalls, dms_status *st) {
    dms_stalls found = {0};
    finder f = {.problem = problem, .d = decision, .out = &found};
    const uint32_t n = problem->n_steps;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *found.stall, "stalls", &found.stall, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *found.start_ns, "stalls", &found.start_ns, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *found.open_ns, "stalls", &found.open_ns, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *found.last_load, "stalls", &found.last_load, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *f.slow_save, "stalls", &f.slow_save, st));
    DMS_TRY(dms_alloc_st(arena, decision->n_loads, sizeof *f.idle, "stalls", &f.idle, st));
    find_starts(&f);
    open_slots(&f);
    index_loads(&f);
    list_idle(&f);
    judge_all(&f);
    *out_stalls = found;
    return DMS_OK;
}
