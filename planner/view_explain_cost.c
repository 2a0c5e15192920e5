/* view_explain_cost.c - what else could be done with a tensor, and what that would take: bytes of
 * both memories, time of the links, and the room that the rest of the plan leaves. */
#include <inttypes.h>

#include "planner/blocks_internal.h"
#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/place_internal.h"
#include "planner/view_explain_internal.h"
#include "planner/views.h"
#include "schema/checked.h"

#define MOST_MOVES 32u

/* One way to treat all blocks of a tensor. */
typedef struct way {
    const char *name;
    uint64_t device_bytes, host_bytes;
    int64_t in_ns, out_ns, read_ns;
} way;

/* Times of one column; "-" where nothing moves. */
static const char *time_or_dash(const dms_explain *s, int64_t ns, char out[32]) {
    return ns == 0 ? "-" : dms_time_text(ns, s->utf8, out);
}

static void print_way(const dms_explain *s, const way *w, bool is_taken) {
    char a[32], b[32], in[32], out[32], read[32];
    const char *in_text = time_or_dash(s, w->in_ns, in),
               *out_text = time_or_dash(s, w->out_ns, out);
    const char *read_text = time_or_dash(s, w->read_ns, read);
    (void)fprintf(s->out, "  %-20s %10s %10s  %*s  %*s  %*s%s\n", w->name,
                  dms_bytes_text(w->device_bytes, a), dms_bytes_text(w->host_bytes, b),
                  dms_text_width(in_text, 9), in_text, dms_text_width(out_text, 9), out_text,
                  dms_text_width(read_text, 9), read_text, is_taken ? "  <" : "");
}

static bool is_saved(const dms_problem_tensor *t) {
    return t->kind == DMS_PROBLEM_ACTIVATION || t->kind == DMS_PROBLEM_OUTPUT;
}

/* As the plan has it. */
static way planned(const dms_explain *s, const dms_explain_totals *sum) {
    const dms_decision *d = &s->c->decision;
    way w = {"as planned", sum->kept_bytes, 0, sum->link_ns, 0, sum->read_ns};
    for (uint32_t b = s->first; b < s->first + s->n; b++) {
        bool comes_back = false;
        for (uint32_t l = 0; l < d->n_loads; l++)
            comes_back = comes_back || d->loads[l].tensor == b;
        if (comes_back && !dms_is_on_nvme(s->c, b))
            w.host_bytes += s->problem->tensors[b].bytes;
    }
    for (uint32_t q = 0; q < d->n_saves; q++)
        if (d->saves[q].tensor >= s->first && d->saves[q].tensor < s->first + s->n)
            w.out_ns += d->saves[q].ns;
    return w;
}

/* Everything stays over every gap; an output is copied out all the same. */
static way kept(const dms_explain *s) {
    way w = {.name = "keep all of it"};
    for (uint32_t b = s->first; b < s->first + s->n; b++) {
        const dms_problem_tensor *t = &s->problem->tensors[b];
        w.device_bytes += t->bytes;
        if (t->kind == DMS_PROBLEM_OUTPUT)
            w.out_ns += dms_copy_ns(&s->problem->out, t->bytes);
    }
    return w;
}

/* Nothing stays over a gap that leaves a choice. `from_file`: the home is the file. */
static way streamed(const dms_explain *s, bool from_file) {
    way w = {.name = from_file ? "home nvme" : "home host"};
    for (uint32_t b = s->first; b < s->first + s->n; b++) {
        const dms_problem_tensor *t = &s->problem->tensors[b];
        if (is_saved(t)) {
            w.name = "leave and come back";
            w.out_ns += dms_copy_ns(&s->problem->out, t->bytes);
        }
        w.host_bytes += from_file ? 0 : t->bytes;
        for (uint32_t j = 0; j < t->n_touches; j++) {
            if (!dms_explain_has_choice(s, b, j))
                continue;
            w.in_ns += dms_copy_ns(&s->problem->in, t->bytes);
            w.read_ns += from_file ? dms_copy_ns(&s->problem->load, t->storage_bytes) : 0;
        }
    }
    return w;
}

/* Whether storage has every block. */
static bool is_stored(const dms_explain *s) {
    for (uint32_t b = s->first; b < s->first + s->n; b++)
        if (s->problem->tensors[b].kind != DMS_PROBLEM_WEIGHT ||
            s->problem->tensors[b].storage_bytes == 0)
            return false;
    return true;
}

static bool is_ours(const dms_explain *s, uint32_t block) {
    return block >= s->first && block < s->first + s->n;
}

/* Adds bytes to slots first..last of a cyclic array of differences, in whole units. */
static void take(const dms_explain *s, int64_t *diff, int32_t first, int32_t last, uint64_t bytes) {
    const int64_t units = (int64_t)((bytes + DMS_ALIGN - 1) / DMS_ALIGN);
    dms_diff_add(diff, (int32_t)s->problem->n_steps, first, last, units * DMS_ALIGN);
}

/* Per slot: bytes that all else takes, and that the tensor would take kept over its gaps. */
static void fill(const dms_explain *s, int64_t *others, int64_t *needed) {
    const dms_decision *d = &s->c->decision;
    for (uint32_t t = 0; t < s->problem->n_steps; t++)
        take(s, others, (int32_t)t, (int32_t)t, s->problem->steps[t].scratch_bytes);
    for (uint32_t i = 0; i < d->n_residencies; i++) {
        const dms_place_residency *r = &d->residencies[i];
        if (!is_ours(s, r->tensor))
            take(s, others, r->first_slot, r->last_slot, s->problem->tensors[r->tensor].bytes);
    }
    for (uint32_t b = s->first; b < s->first + s->n; b++)
        for (uint32_t j = 0; j < s->problem->tensors[b].n_touches; j++) {
            const int32_t at = (int32_t)dms_explain_touches(s, b)[j];
            if (dms_explain_has_choice(s, b, j) && dms_explain_gap(s, b, j) > 1)
                take(s, needed, at + 1, at + (int32_t)dms_explain_gap(s, b, j) - 1,
                     s->problem->tensors[b].bytes);
        }
}

/* Where keeping it all would be tightest. */
static dms_code print_room(const dms_explain *s, bool is_kept, dms_status *st) {
    const uint32_t n = s->problem->n_steps;
    const dms_arena_mark mark = dms_arena_here(s->c->graph.arena);
    int64_t *others, *needed, used = 0, wanted = 0, worst = INT64_MIN;
    int64_t at_wanted = 0, at_free = 0;
    uint32_t slot = 0;
    char a[32], b[32];
    DMS_TRY(dms_alloc_st(s->c->graph.arena, n + 1ull, sizeof *others, "explain", &others, st));
    DMS_TRY(dms_alloc_st(s->c->graph.arena, n + 1ull, sizeof *needed, "explain", &needed, st));
    fill(s, others, needed);
    for (uint32_t t = 0; t < n; t++) {
        used += others[t];
        wanted += needed[t];
        const int64_t room = (int64_t)s->c->device_budget - used;
        if (wanted == 0 || wanted - room <= worst)
            continue;
        worst = wanted - room;
        slot = t;
        at_wanted = wanted;
        at_free = room > 0 ? room : 0;
    }
    dms_arena_release(s->c->graph.arena, mark);
    if (worst == INT64_MIN)
        return DMS_OK;
    (void)fprintf(
        s->out,
        "  Slot %" PRIu32 " is the tightest of its gaps: all of it takes %s, the rest of the "
        "plan\n  leaves %s%s.\n",
        slot, dms_bytes_text((uint64_t)at_wanted, a), dms_bytes_text((uint64_t)at_free, b),
        is_kept      ? ""
        : worst <= 0 ? ": the bytes would fit, their copies hide or no address does"
                     : ", so others would have to leave");
    return DMS_OK;
}

dms_code dms_explain_alternatives(const dms_explain *s, const dms_explain_totals *sum,
                                  dms_status *st) {
    if (sum->n_choices == 0 || s->problem->tensors[s->first].kind == DMS_PROBLEM_INPUT)
        return DMS_OK;
    const way now = planned(s, sum), stay = kept(s), host = streamed(s, false);
    (void)fprintf(s->out, "  %-20s %10s %10s  %9s  %9s  %9s   per inference\n", "way", "kept",
                  "host", "in", "out", "storage");
    print_way(s, &now, true);
    print_way(s, &stay, false);
    print_way(s, &host, false);
    if (is_stored(s)) {
        const way file = streamed(s, true);
        print_way(s, &file, false);
    }
    (void)fputc('\n', s->out);
    return print_room(s, sum->n_loads == 0, st);
}

/* One line of the moves. */
static void print_move(const dms_explain *s, uint32_t block, const char *what, int64_t start_ns,
                       int64_t ns, const char *why) {
    char a[32], b[32];
    (void)fprintf(s->out, "  [%" PRIu32 "/%" PRIu32 "] %s from %s to %s,\n        %s\n",
                  block - s->first + 1, s->n, what, dms_time_text(start_ns, s->utf8, a),
                  dms_time_text(start_ns + ns, s->utf8, b), why);
}

void dms_explain_moves(const dms_explain *s) {
    const dms_decision *d = &s->c->decision;
    uint32_t n = 0;
    char why[160];
    for (uint32_t q = 0; q < d->n_saves; q++) {
        const dms_place_save *save = &d->saves[q];
        if (!is_ours(s, save->tensor) || n++ >= MOST_MOVES)
            continue;
        (void)snprintf(
            why, sizeof why,
            "made after step %" PRIu32 ", %s; slot %" PRIu32 " opens when it is done", save->after,
            s->problem->tensors[save->tensor].kind == DMS_PROBLEM_OUTPUT ? "the caller wants it"
                                                                         : "its memory is wanted",
            save->before % s->problem->n_steps);
        print_move(s, save->tensor, "out", save->start_ns, save->ns, why);
    }
    for (uint32_t l = 0; l < d->n_loads; l++) {
        const dms_place_load *load = &d->loads[l];
        if (!load->is_read || !is_ours(s, load->tensor) || n++ >= MOST_MOVES)
            continue;
        (void)snprintf(why, sizeof why,
                       "into the ring on the host, whose memory has no room for its home; for step "
                       "%" PRIu32,
                       load->due);
        print_move(s, load->tensor, "read", load->read_start_ns, load->read_ns, why);
    }
    if (n > MOST_MOVES)
        (void)fprintf(s->out, "  ... and %" PRIu32 " moves more\n", n - MOST_MOVES);
    if (n > 0)
        (void)fputc('\n', s->out);
}
