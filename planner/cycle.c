/* cycle.c - gaps, footprints and deadlines of a problem; the records of place_internal.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/contention.h"
#include "planner/place_internal.h"
#include "schema/arena.h"
#include "schema/checked.h"

/* In three digits at a time: bytes x 1e9 would pass 64 bits from 18 GB on. Rounded up, as waiting
 * for a copy is: double would give another period on another machine. */
int64_t dms_copy_ns(const dms_link *link, uint64_t bytes) {
    const uint64_t rate = (uint64_t)link->bytes_per_s; /* < 2^43, so the products below fit */
    const uint64_t micro = bytes % rate * 1000000, nano = micro % rate * 1000;
    const uint64_t ns =
        bytes / rate * 1000000000 + micro / rate * 1000 + nano / rate + (nano % rate != 0);
    return link->latency_ns + (int64_t)ns;
}

static int64_t units_of(uint64_t bytes) {
    return (int64_t)(bytes / DMS_ALIGN + (bytes % DMS_ALIGN != 0));
}

static const uint32_t *touches_of(const dms_problem *problem, uint32_t tensor) {
    return problem->touches + problem->tensors[tensor].first_touch;
}

static bool is_cyclic(const dms_problem_tensor *tensor) {
    return tensor->kind == DMS_PROBLEM_WEIGHT || tensor->kind == DMS_PROBLEM_INPUT;
}

/* The last of the neighbouring touches from the first on. A tensor is written in these only
 * (PLACEMENT.md section 2, assumption 4), so from there on a save holds for good. */
static int32_t write_run_end(const dms_problem *problem, uint32_t tensor) {
    const uint32_t *touch = touches_of(problem, tensor);
    uint32_t k = 0;
    while (k + 1 < problem->tensors[tensor].n_touches && touch[k + 1] == touch[k] + 1)
        k++;
    return (int32_t)touch[k];
}

/* An output stays until its last touch, since it leaves to the user then; an input comes anew in
 * every cycle, so nothing of it may live over its wrap. */
static dms_gap_rule rule_of(const dms_problem_tensor *tensor, uint32_t index) {
    if (tensor->kind == DMS_PROBLEM_OUTPUT)
        return DMS_GAP_KEPT;
    if (tensor->kind == DMS_PROBLEM_INPUT && index + 1 == tensor->n_touches)
        return DMS_GAP_LOADED;
    return DMS_GAP_FREE;
}

/* Appends the gaps of one tensor that have a decision.
 *
 *   step        0  1  2  3  4  5  6  7 | 0  1        T = 8
 *   weight      .  x  x  .  .  x  .  . | .  x        gaps 2-5 and, over the wrap, 5-9 (due 1)
 *   activation  .  x  x  .  .  x  .  . |             gap 2-5: ends with its last touch
 *
 * Touches in neighbouring steps have no slot between in which the memory could serve another, so
 * there is nothing to decide; the wrap of an input is a gap even then. */
static void add_gaps(dms_cycle *cycle, uint32_t id) {
    const dms_problem_tensor *tensor = cycle->problem->tensors + id;
    const uint32_t *touch = touches_of(cycle->problem, id);
    const uint32_t n = is_cyclic(tensor) ? tensor->n_touches : tensor->n_touches - 1;
    bool is_first = true;
    for (uint32_t j = 0; j < n; j++) {
        const int32_t a = (int32_t)touch[j];
        const int32_t b =
            j + 1 < tensor->n_touches ? (int32_t)touch[j + 1] : (int32_t)touch[0] + cycle->n_steps;
        const dms_gap_rule rule = rule_of(tensor, j);
        if (b - a < 2 && rule != DMS_GAP_LOADED)
            continue;
        cycle->gap[cycle->n_gaps++] = (dms_gap){
            .tensor = id,
            .index = j,
            .a = a,
            .b = b,
            .due = b % cycle->n_steps,
            .units = cycle->units[id],
            .ns = dms_copy_ns(&cycle->problem->in, tensor->bytes),
            .rule = rule,
            .is_saved = !is_cyclic(tensor),
            .opens =
                is_first && tensor->kind == DMS_PROBLEM_ACTIVATION && a == cycle->write_end[id],
        };
        is_first = false;
    }
}

static void add_tensor(dms_cycle *cycle, uint32_t id) {
    const dms_problem_tensor *tensor = cycle->problem->tensors + id;
    const uint32_t *touch = touches_of(cycle->problem, id);
    cycle->units[id] = units_of(tensor->bytes);
    cycle->save_ns[id] = dms_copy_ns(&cycle->problem->out, tensor->bytes);
    cycle->place_units[id] =
        (cycle->units[id] + DMS_PAGE_UNITS - 1) / DMS_PAGE_UNITS * DMS_PAGE_UNITS;
    if (tensor->storage_bytes > 0) {
        cycle->read_ns[id] = dms_copy_ns(&cycle->problem->load, tensor->storage_bytes);
        cycle->read_cost[id] = log((double)cycle->read_ns[id] / (double)cycle->units[id]);
    }
    if (tensor->kind == DMS_PROBLEM_WEIGHT)
        cycle->by_size[cycle->n_weights++] = id;
    cycle->write_end[id] = write_run_end(cycle->problem, id);
    cycle->last_touch[id] = (int32_t)touch[tensor->n_touches - 1];
    for (uint32_t k = 0; k < tensor->n_touches; k++)
        cycle->footprint[touch[k]] += cycle->units[id];
    cycle->first_gap[id] = cycle->n_gaps;
    add_gaps(cycle, id);
    cycle->first_gap[id + 1] = cycle->n_gaps;
}

static int by_deadline(const void *left, const void *right, void *context) {
    const dms_cycle *cycle = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    const dms_gap *a = cycle->gap + i, *b = cycle->gap + j;
    if (a->due != b->due)
        return a->due < b->due ? -1 : 1;
    if (a->units != b->units)
        return a->units < b->units ? -1 : 1;
    return (i > j) - (i < j);
}

/* Larger first, then by id. */
static int by_size(const void *left, const void *right, void *context) {
    const int64_t *units = context;
    const uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    if (units[i] != units[j])
        return units[i] > units[j] ? -1 : 1;
    return (i > j) - (i < j);
}

static void sort_deadlines(dms_cycle *cycle) {
    for (uint32_t i = 0; i < cycle->n_gaps; i++)
        cycle->by_due[i] = i;
    qsort_r(cycle->by_due, cycle->n_gaps, sizeof *cycle->by_due, by_deadline, cycle);
    uint32_t at = 0;
    for (int32_t t = 0; t <= cycle->n_steps; t++) {
        while (at < cycle->n_gaps && cycle->gap[cycle->by_due[at]].due < t)
            at++;
        cycle->due_first[t] = at;
    }
}

/* Where the layer before the one of each step begins; the first layer looks back over the seam. */
static void find_layers(dms_cycle *cycle) {
    const dms_problem_step *step = cycle->problem->steps;
    int32_t start = 0, before = 0, last = 0;
    for (int32_t t = 1; t < cycle->n_steps; t++)
        if (step[t].layer != step[t - 1].layer)
            last = t;
    before = last - cycle->n_steps;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        if (t > 0 && step[t].layer != step[t - 1].layer) {
            before = start;
            start = t;
        }
        cycle->layer_start[t] = before;
    }
}

/* Inputs come from slot 0 on, one after the other: the step that waits for the last byte of the
 * inputs due by then starts no earlier than their copies take. */
static int64_t release_bound(dms_cycle *cycle) {
    const dms_link *in = &cycle->problem->in;
    int64_t copied = 0, computed = 0, late = 0;
    long double exact = 0; /* copies are rounded up to ns, which a bound must not count on */
    cycle->release_step = -1;
    cycle->inputs_ns = cycle->compute_ns;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        for (uint32_t i = cycle->due_first[t]; i < cycle->due_first[t + 1]; i++)
            if (cycle->gap[cycle->by_due[i]].rule == DMS_GAP_LOADED) {
                const uint32_t id = cycle->gap[cycle->by_due[i]].tensor;
                copied += cycle->gap[cycle->by_due[i]].ns;
                exact +=
                    (long double)in->latency_ns + (long double)cycle->problem->tensors[id].bytes *
                                                      1e9L / (long double)in->bytes_per_s;
            }
        const int64_t proven = cycle->compute_ns - computed + (int64_t)(exact * (1 - 1e-15L));
        if (copied > 0 && copied - computed > late)
            late = copied - computed;
        if (proven > cycle->inputs_ns) {
            cycle->inputs_ns = proven;
            cycle->release_step = t;
        }
        computed += cycle->problem->steps[t].ns;
    }
    return cycle->compute_ns + late;
}

/* Totals. `peak` is the lower bound of the floor: no plan of these steps takes less. */
static void sum_up(dms_cycle *cycle) {
    int64_t largest_any = 1;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        if (cycle->units[i] > largest_any)
            largest_any = cycle->units[i];
        if (cycle->problem->tensors[i].kind == DMS_PROBLEM_WEIGHT &&
            cycle->units[i] > cycle->largest)
            cycle->largest = cycle->units[i];
    }
    if (cycle->largest == 0)
        cycle->largest = largest_any;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        cycle->compute_ns += cycle->problem->steps[t].ns;
        if (cycle->footprint[t] > cycle->peak) {
            cycle->peak = cycle->footprint[t];
            cycle->peak_step = t;
        }
    }
    cycle->release_ns = release_bound(cycle);
}

static dms_code take_memory(dms_cycle *cycle, dms_arena *arena, dms_status *st) {
    const uint64_t n = cycle->n_tensors, t = (uint64_t)cycle->n_steps;
    const uint64_t g = cycle->problem->n_touches;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&cycle->gap, g, sizeof *cycle->gap},
        {&cycle->first_gap, n + 1, sizeof *cycle->first_gap},
        {&cycle->by_due, g, sizeof *cycle->by_due},
        {&cycle->due_first, t + 1, sizeof *cycle->due_first},
        {&cycle->write_end, n, sizeof *cycle->write_end},
        {&cycle->last_touch, n, sizeof *cycle->last_touch},
        {&cycle->units, n, sizeof *cycle->units},
        {&cycle->save_ns, n, sizeof *cycle->save_ns},
        {&cycle->read_ns, n, sizeof *cycle->read_ns},
        {&cycle->read_cost, n, sizeof *cycle->read_cost},
        {&cycle->place_units, n, sizeof *cycle->place_units},
        {&cycle->by_size, n, sizeof *cycle->by_size},
        {&cycle->footprint, t, sizeof *cycle->footprint},
        {&cycle->scratch, t, sizeof *cycle->scratch},
        {&cycle->layer_start, t, sizeof *cycle->layer_start},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        DMS_TRY(
            dms_alloc_st(arena, wanted[i].count, wanted[i].size, "placement", wanted[i].where, st));
    return DMS_OK;
}

dms_code dms_cycle_build(const dms_problem *problem, dms_arena *arena, dms_cycle *out_cycle,
                         dms_status *st) {
    dms_cycle cycle = {.problem = problem,
                       .n_steps = (int32_t)problem->n_steps,
                       .n_tensors = problem->n_tensors,
                       .is_contended = dms_contention_any(&problem->contention),
                       .host_units = DMS_NO_LIMIT};
    DMS_TRY(take_memory(&cycle, arena, st));
    for (int32_t t = 0; t < cycle.n_steps; t++) {
        cycle.scratch[t] = units_of(problem->steps[t].scratch_bytes);
        cycle.footprint[t] = cycle.scratch[t];
    }
    for (uint32_t i = 0; i < cycle.n_tensors; i++)
        add_tensor(&cycle, i);
    qsort_r(cycle.by_size, cycle.n_weights, sizeof *cycle.by_size, by_size, cycle.units);
    sort_deadlines(&cycle);
    find_layers(&cycle);
    sum_up(&cycle);
    *out_cycle = cycle;
    return DMS_OK;
}

dms_code dms_work_new(const dms_cycle *cycle, dms_arena *arena, dms_work *out_work,
                      dms_status *st) {
    const uint64_t n = cycle->n_tensors, t = (uint64_t)cycle->n_steps, g = cycle->n_gaps;
    dms_work work = {.room = dms_room_of(cycle->n_steps)};
    const uint64_t blocks = (uint64_t)work.room.n_blocks;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&work.diff, t + 1, sizeof *work.diff},
        {&work.free_units, t, sizeof *work.free_units},
        {&work.cap, 2 * t, sizeof *work.cap},
        {&work.nominal_end, t, sizeof *work.nominal_end},
        {&work.order, g + n, sizeof *work.order},
        {&work.end, 2 * t, sizeof *work.end},
        {&work.open, 2 * t, sizeof *work.open},
        {&work.stall, t, sizeof *work.stall},
        {&work.load_start, g, sizeof *work.load_start},
        {&work.save_start, n, sizeof *work.save_start},
        {&work.load_done, 2 * g + 2, sizeof *work.load_done},
        {&work.read_start, g, sizeof *work.read_start},
        {&work.read_done, g, sizeof *work.read_done},
        {&work.ring_offset, g, sizeof *work.ring_offset},
        {&work.read_after, g, sizeof *work.read_after},
        {&work.ring_item, g, sizeof *work.ring_item},
        {&work.ring_segment, 4 * g, sizeof *work.ring_segment},
        {&work.start, g, sizeof *work.start},
        {&work.times, n, sizeof *work.times},
        {&work.save_done, 4 * n, sizeof *work.save_done},
        {&work.needs, t, sizeof *work.needs},
        {&work.open_first, t + 2, sizeof *work.open_first},
        {&work.open_save, n, sizeof *work.open_save},
        {&work.room.free_units, t, sizeof *work.room.free_units},
        {&work.room.least, blocks, sizeof *work.room.least},
        {&work.room.added, blocks, sizeof *work.room.added},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        DMS_TRY(
            dms_alloc_st(arena, wanted[i].count, wanted[i].size, "placement", wanted[i].where, st));
    int64_t end = 0;
    for (int32_t s = 0; s < cycle->n_steps; s++)
        work.nominal_end[s] = end += cycle->problem->steps[s].ns;
    *out_work = work;
    return DMS_OK;
}

dms_code dms_draft_new(const dms_cycle *cycle, dms_arena *arena, dms_draft *out_draft,
                       dms_status *st) {
    dms_draft draft = {.period_ns = DMS_NO_PERIOD, .worst_step = -1};
    const uint64_t n = cycle->n_tensors, g = cycle->n_gaps;
    DMS_TRY(dms_alloc_st(arena, g, sizeof *draft.keep, "placement", &draft.keep, st));
    DMS_TRY(dms_alloc_st(arena, g, sizeof *draft.late, "placement", &draft.late, st));
    DMS_TRY(dms_alloc_st(arena, g, sizeof *draft.load, "placement", &draft.load, st));
    DMS_TRY(dms_alloc_st(arena, g, sizeof *draft.after, "placement", &draft.after, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *draft.save, "placement", &draft.save, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *draft.before, "placement", &draft.before, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *draft.is_read, "placement", &draft.is_read, st));
    *out_draft = draft;
    return DMS_OK;
}

void dms_draft_copy(const dms_cycle *cycle, const dms_draft *from, dms_draft *to) {
    const dms_draft arrays = *to;
    *to = *from;
    to->keep = arrays.keep;
    to->late = arrays.late;
    to->load = arrays.load;
    to->after = arrays.after;
    to->save = arrays.save;
    to->before = arrays.before;
    to->is_read = arrays.is_read;
    memcpy(to->keep, from->keep, cycle->n_gaps * sizeof *to->keep);
    memcpy(to->late, from->late, cycle->n_gaps * sizeof *to->late);
    memcpy(to->load, from->load, from->n_loads * sizeof *to->load);
    memcpy(to->after, from->after, from->n_loads * sizeof *to->after);
    memcpy(to->save, from->save, from->n_saves * sizeof *to->save);
    memcpy(to->before, from->before, cycle->n_tensors * sizeof *to->before);
    memcpy(to->is_read, from->is_read, cycle->n_tensors * sizeof *to->is_read);
}

void dms_draft_choose(const dms_cycle *cycle, const dms_draft *from, dms_draft *to) {
    memcpy(to->keep, from->keep, cycle->n_gaps * sizeof *to->keep);
    memcpy(to->late, from->late, cycle->n_gaps * sizeof *to->late);
    to->wish = from->wish;
}

bool dms_draft_better(const dms_draft *a, const dms_draft *b) {
    if (a->period_ns != b->period_ns)
        return a->period_ns < b->period_ns;
    if (a->stall_ns != b->stall_ns)
        return a->stall_ns < b->stall_ns;
    return a->copy_ns < b->copy_ns;
}
