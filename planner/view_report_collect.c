/* view_report_collect.c - what the report draws from, worked out once. */
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"
#include "schema/checked.h"

#define FEWEST_UNITS 100000 /* of the turn, where it has as many ns */
#define EQUAL_PARTS 40u     /* into which blocks.c cuts what has no layers */
#define TOP_SHARE 4u        /* an arena below 1/4 of the budget gets a scale of its own */

int64_t dms_report_units(const dms_report *report, int64_t ns) {
    const int64_t twice = 2 * ns + report->unit_ns, unit = 2 * report->unit_ns;
    return twice >= 0 ? twice / unit : -((unit - 1 - twice) / unit);
}

void dms_report_cut(const dms_report *report, int64_t from, int64_t to,
                    void (*draw)(void *data, int64_t from, int64_t to), void *data) {
    const int64_t turn = report->turn_ns;
    if (to <= from || turn <= 0)
        return;
    if (to - from >= turn) {
        draw(data, 0, report->width);
        return;
    }
    const int64_t begin = from % turn + (from % turn < 0 ? turn : 0), end = begin + (to - from);
    draw(data, dms_report_units(report, begin), dms_report_units(report, end < turn ? end : turn));
    if (end > turn)
        draw(data, 0, dms_report_units(report, end - turn));
}

static dms_code take_memory(dms_report *r, dms_status *st) {
    const uint64_t steps = r->problem->n_steps, blocks = r->problem->n_tensors;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&r->open_ns, steps, sizeof *r->open_ns},
        {&r->start_ns, steps, sizeof *r->start_ns},
        {&r->end_ns, steps, sizeof *r->end_ns},
        {&r->stall_of, steps, sizeof *r->stall_of},
        {&r->step_cell, steps, sizeof *r->step_cell},
        {&r->step_cells, steps, sizeof *r->step_cells},
        {&r->layer, steps, sizeof *r->layer},
        {&r->stay, r->d->n_residencies + steps, sizeof *r->stay},
        {&r->row, blocks, sizeof *r->row},
        {&r->is_kept, blocks, sizeof *r->is_kept},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        DMS_TRY(
            dms_alloc_st(r->arena, wanted[i].count, wanted[i].size, "report", wanted[i].where, st));
    return DMS_OK;
}

/* Times of the steps, and the scale. */
static void collect_times(dms_report *r) {
    const dms_decision *d = r->d;
    const dms_stalls *stalls = &r->c->stalls;
    r->origin_ns = stalls->start_ns[0] - d->step_stall_ns[0];
    for (uint32_t s = 0; s < r->problem->n_steps; s++) {
        r->start_ns[s] = stalls->start_ns[s] - r->origin_ns;
        r->open_ns[s] = r->start_ns[s] - d->step_stall_ns[s];
        r->end_ns[s] = d->step_start_ns[s] + r->problem->steps[s].ns - r->origin_ns;
        r->stall_of[s] = DMS_NONE;
    }
    for (uint32_t i = 0; i < r->c->stalls.n; i++)
        r->stall_of[r->c->stalls.stall[i].step] = i;
    r->turn_ns = r->end_ns[r->problem->n_steps - 1];
    r->unit_ns = 1;
    while (r->turn_ns / r->unit_ns >= 10 * FEWEST_UNITS)
        r->unit_ns *= 10;
    r->width = dms_report_units(r, r->turn_ns);
    if (r->width < 1)
        r->width = 1;
}

/* Which of its node's steps each one is. */
static dms_code collect_cells(dms_report *r, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(r->arena);
    uint32_t *count;
    DMS_TRY(dms_alloc_st(r->arena, r->c->graph.n_nodes, sizeof *count, "report", &count, st));
    for (uint32_t s = 0; s < r->problem->n_steps; s++)
        r->step_cell[s] = ++count[r->c->steps.step[s].node];
    for (uint32_t s = 0; s < r->problem->n_steps; s++)
        r->step_cells[s] = count[r->c->steps.step[s].node];
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}

static void collect_queues(dms_report *r) {
    const dms_decision *d = r->d;
    for (uint32_t q = 0; q < d->n_loads; q++) {
        const dms_problem_tensor *t = &r->problem->tensors[d->loads[q].tensor];
        r->in_bytes += t->bytes;
        r->in_ns += d->loads[q].ns;
        if (!d->loads[q].is_read)
            continue;
        r->n_reads++;
        r->read_bytes += t->storage_bytes;
        r->read_ns += d->loads[q].read_ns;
    }
    for (uint32_t q = 0; q < d->n_saves; q++) {
        r->out_bytes += r->problem->tensors[d->saves[q].tensor].bytes;
        r->out_ns += d->saves[q].ns;
    }
}

/* When a slot of any turn opens, and when the step of a slot ends. */
static int64_t slot_opens(const dms_report *r, int32_t slot) {
    const int32_t n = (int32_t)r->problem->n_steps;
    const int32_t turn = slot >= 0 ? slot / n : -((n - 1 - slot) / n);
    return r->c->stalls.open_ns[slot - turn * n] - r->origin_ns + turn * r->turn_ns;
}

static int64_t slot_ends(const dms_report *r, int32_t slot) {
    const int32_t n = (int32_t)r->problem->n_steps;
    const int32_t turn = slot >= 0 ? slot / n : -((n - 1 - slot) / n);
    return r->end_ns[slot - turn * n] + turn * r->turn_ns;
}

/* The last touch of what a residency holds, at or before its last slot. */
static int32_t last_touch(const dms_report *r, const dms_place_residency *it) {
    const dms_problem_tensor *t = &r->problem->tensors[it->tensor];
    int32_t last = it->first_slot;
    for (uint32_t k = 0; k < t->n_touches; k++) {
        const int32_t touch = (int32_t)r->problem->touches[t->first_touch + k];
        if (touch > last && touch <= it->last_slot)
            last = touch;
    }
    return last;
}

/* What a step made stays until its last use, or until a copy of it is safe. */
static int64_t made_ends(const dms_report *r, const dms_place_residency *it,
                         const dms_place_save *save) {
    if (save == NULL || it->last_slot + 1 != (int32_t)save->before)
        return slot_ends(r, it->last_slot);
    const int64_t used = slot_ends(r, last_touch(r, it));
    const int64_t saved = save->start_ns + save->ns - r->origin_ns;
    return used > saved ? used : saved;
}

static uint64_t packed_bytes(uint64_t bytes) {
    return (bytes + DMS_ALIGN - 1) / DMS_ALIGN * DMS_ALIGN;
}

/* One residency; `load` begins it, or NULL. */
static dms_report_stay make_stay(const dms_report *r, const dms_place_residency *it,
                                 const dms_place_load *load, const dms_place_save *save) {
    const dms_problem_tensor *t = &r->problem->tensors[it->tensor];
    dms_report_stay stay = {.block = it->tensor,
                            .due = load == NULL ? DMS_NONE : load->due,
                            .first_slot = it->first_slot,
                            .last_slot = it->last_slot,
                            .kind = DMS_REPORT_ACTIVATION,
                            .offset = it->offset,
                            .bytes = packed_bytes(t->bytes)};
    if (load != NULL) {
        stay.begin = slot_opens(r, it->first_slot);
        stay.load = load->start_ns - r->origin_ns;
        stay.arrive = stay.load + load->ns;
        stay.end = slot_ends(r, it->last_slot);
        if (t->kind == DMS_PROBLEM_WEIGHT)
            stay.kind = DMS_REPORT_PRESENT;
    } else if (t->kind == DMS_PROBLEM_WEIGHT) {
        stay.end = r->turn_ns;
        stay.kind = DMS_REPORT_KEPT;
    } else {
        stay.begin = stay.load = stay.arrive = slot_opens(r, it->first_slot);
        stay.end = made_ends(r, it, save);
    }
    return stay;
}

/* Residencies and workspaces. */
static dms_code collect_stays(dms_report *r, dms_status *st) {
    const dms_decision *d = r->d;
    const dms_arena_mark mark = dms_arena_here(r->arena);
    const dms_place_load **load; /* per touch: the load that ends its gap */
    const dms_place_save **save; /* per block */
    DMS_TRY(dms_alloc_st(r->arena, r->problem->n_touches, sizeof(void *), "report", &load, st));
    DMS_TRY(dms_alloc_st(r->arena, r->problem->n_tensors, sizeof(void *), "report", &save, st));
    for (uint32_t q = 0; q < d->n_loads; q++)
        load[r->problem->tensors[d->loads[q].tensor].first_touch + d->loads[q].gap] = &d->loads[q];
    for (uint32_t q = 0; q < d->n_saves; q++)
        save[d->saves[q].tensor] = &d->saves[q];
    for (uint32_t i = 0; i < d->n_residencies; i++) {
        const dms_place_residency *it = &d->residencies[i];
        const uint32_t first = r->problem->tensors[it->tensor].first_touch;
        r->stay[r->n_stays++] = make_stay(
            r, it, it->gap < 0 ? NULL : load[first + (uint32_t)it->gap], save[it->tensor]);
    }
    for (uint32_t s = 0; s < r->problem->n_steps; s++) {
        const int64_t opens = slot_opens(r, (int32_t)s);
        if (r->problem->steps[s].scratch_bytes > 0)
            r->stay[r->n_stays++] =
                (dms_report_stay){.begin = opens,
                                  .load = opens,
                                  .arrive = opens,
                                  .end = r->end_ns[s],
                                  .block = DMS_NONE,
                                  .due = s,
                                  .first_slot = (int32_t)s,
                                  .last_slot = (int32_t)s,
                                  .kind = DMS_REPORT_WORKSPACE,
                                  .offset = d->scratch_offset[s],
                                  .bytes = packed_bytes(r->problem->steps[s].scratch_bytes)};
    }
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}

static uint32_t first_use(const dms_report *r, uint32_t block) {
    return r->problem->touches[r->problem->tensors[block].first_touch];
}

/* Blocks of weights and inputs by first use; blocks are numbered as they are met, so a bucket per
 * step keeps the order. */
static dms_code collect_rows(dms_report *r, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(r->arena);
    const uint32_t n = r->problem->n_steps;
    uint32_t *at;
    DMS_TRY(dms_alloc_st(r->arena, (uint64_t)n + 1, sizeof *at, "report", &at, st));
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t b = 0; b < r->problem->n_tensors; b++) {
            const dms_problem_kind kind = r->problem->tensors[b].kind;
            if (kind != DMS_PROBLEM_WEIGHT && kind != DMS_PROBLEM_INPUT)
                continue;
            if (pass == 0)
                at[first_use(r, b) + 1]++;
            else
                r->row[at[first_use(r, b)]++] = b;
        }
        for (uint32_t s = 0; pass == 0 && s < n; s++)
            at[s + 1] += at[s];
        r->n_rows = at[n];
    }
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}

static void collect_kept(dms_report *r) {
    for (uint32_t b = 0; b < r->problem->n_tensors; b++) {
        const dms_problem_tensor *t = &r->problem->tensors[b];
        r->is_kept[b] = t->kind == DMS_PROBLEM_WEIGHT;
        for (uint32_t j = 0; j < t->n_touches; j++)
            r->is_kept[b] = r->is_kept[b] && r->d->keep[t->first_touch + j];
        if (r->is_kept[b])
            r->kept_bytes += packed_bytes(t->bytes);
    }
}

/* Layers as the steps are labelled; equal parts are counted from 0 on. */
static void collect_layers(dms_report *r) {
    const uint32_t n = r->problem->n_steps;
    for (uint32_t s = 0; s < n; s++) {
        const uint32_t number = r->problem->steps[s].layer;
        r->has_layers = r->has_layers || number != (uint32_t)((uint64_t)s * EQUAL_PARTS / n);
        if (s == 0 || number != r->problem->steps[s - 1].layer)
            r->layer[r->n_layers++] = (dms_report_layer){.number = number, .first = s};
        r->layer[r->n_layers - 1].end = s + 1;
    }
    uint32_t row = 0;
    for (uint32_t l = 0; l < r->n_layers; l++) {
        dms_report_layer *layer = &r->layer[l];
        if (!r->has_layers)
            layer->number = l;
        layer->first_row = row;
        for (; row < r->n_rows && first_use(r, r->row[row]) < layer->end; row++) {
            const uint32_t block = r->row[row];
            if (r->problem->tensors[block].kind != DMS_PROBLEM_WEIGHT)
                continue;
            layer->bytes += r->problem->tensors[block].bytes;
            layer->kept_bytes += r->is_kept[block] ? r->problem->tensors[block].bytes : 0;
        }
        layer->end_row = row;
    }
}

/* Bytes of each class, on the average. */
static void collect_means(dms_report *r) {
    for (uint32_t i = 0; i < r->n_stays && r->turn_ns > 0; i++) {
        const dms_report_stay *s = &r->stay[i];
        const double share = (double)s->bytes / (double)r->turn_ns;
        r->mean_bytes[DMS_REPORT_RESERVED] += share * (double)(s->load - s->begin);
        r->mean_bytes[DMS_REPORT_LOADING] += share * (double)(s->arrive - s->load);
        r->mean_bytes[s->kind] += share * (double)(s->end - s->arrive);
    }
}

const char *dms_report_class_name(dms_report_class kind) {
    static const char *const NAME[DMS_N_REPORT_CLASSES] = {"kept",    "act",     "work",
                                                           "present", "loading", "wait"};
    return NAME[kind];
}

const char *dms_report_candidate(const char *name, const char **out_title) {
    static const struct {
        const char *name, *shown, *title;
    } KNOWN[] = {
        {"on-demand", "on demand", "load when the step before has ended, keep nothing"},
        {"double-buffer", "layer double buffer", "load a layer while the layer before runs"},
        {"keep-first", "keep first", "keep from the front until full, double buffer the rest"},
        {"even", "even spread", "keep as many bytes of every layer"},
        {"belady", "Belady", "keep what is used soonest"},
        {"floor", "tightest", "the plan of the smallest budget"},
        {"relaxation", "relaxation", "the linear programme, rounded"},
        {"search", "search", "local search from the best of these"},
        {"exact", "exact", "the full programme, solved to its end"},
        {"lighter", "lighter", "as fast, with fewer copies"},
        {"model-order", "model's order", "the steps as the model has them"},
        {"predicted", "by the profile", "the plan of the predicted times, by those of the run"},
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (strcmp(KNOWN[i].name, name) == 0) {
            *out_title = KNOWN[i].title;
            return KNOWN[i].shown;
        }
    *out_title = "";
    return name;
}

dms_code dms_report_collect(const dms_compiled *c, dms_arena *arena, FILE *out, dms_report *report,
                            dms_status *st) {
    *report = (dms_report){
        .c = c, .problem = &c->blocks.problem, .d = &c->decision, .arena = arena, .out = out};
    const uint64_t top = c->plan.device_arena;
    report->top_bytes = top > 0 && top < c->device_budget / TOP_SHARE ? top : c->device_budget;
    if (report->top_bytes == 0)
        report->top_bytes = 1;
    DMS_TRY(take_memory(report, st));
    collect_times(report);
    collect_queues(report);
    collect_kept(report);
    DMS_TRY(collect_cells(report, st));
    DMS_TRY(collect_stays(report, st));
    DMS_TRY(collect_rows(report, st));
    collect_layers(report);
    collect_means(report);
    report->rule_ns = dms_best_rule_ns(report->d);
    return DMS_OK;
}
