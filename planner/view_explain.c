/* view_explain.c - --explain TENSOR: where one tensor lives, when it moves, and why.
 *
 * Every block of the tensor has gaps between its uses. Of each gap that leaves a choice a line says
 * what was decided, which share of it the relaxation keeps, and who waits for the copy.
 */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/view_explain_internal.h"
#include "planner/views.h"

#define MOST_ROWS 64u
#define MOST_NAMES 5u /* that a message suggests */

const uint32_t *dms_explain_touches(const dms_explain *s, uint32_t block) {
    return s->problem->touches + s->problem->tensors[block].first_touch;
}

uint32_t dms_explain_gap(const dms_explain *s, uint32_t block, uint32_t j) {
    const dms_problem_tensor *t = &s->problem->tensors[block];
    const uint32_t *touch = dms_explain_touches(s, block);
    return j + 1 < t->n_touches ? touch[j + 1] - touch[j]
                                : touch[0] + s->problem->n_steps - touch[j];
}

static bool is_cyclic(const dms_problem_tensor *t) {
    return t->kind == DMS_PROBLEM_WEIGHT || t->kind == DMS_PROBLEM_INPUT;
}

bool dms_explain_has_choice(const dms_explain *s, uint32_t block, uint32_t j) {
    const dms_problem_tensor *t = &s->problem->tensors[block];
    if (!is_cyclic(t) && j + 1 == t->n_touches)
        return false;
    if (t->kind == DMS_PROBLEM_INPUT && j + 1 == t->n_touches)
        return true;
    return dms_explain_gap(s, block, j) > 1;
}

/* The load that ends a gap, or NULL. */
static const dms_place_load *load_of(const dms_explain *s, uint32_t block, uint32_t gap) {
    const dms_decision *d = &s->c->decision;
    for (uint32_t l = 0; l < d->n_loads; l++)
        if (d->loads[l].tensor == block && d->loads[l].gap == gap)
            return &d->loads[l];
    return NULL;
}

/* The stall that counts against a copy: that of the step it is for, where it arrived last. */
static const dms_stall *stall_of(const dms_explain *s, const dms_place_load *load) {
    const dms_stalls *stalls = &s->c->stalls;
    for (uint32_t i = 0; i < stalls->n; i++)
        if (stalls->stall[i].step == load->due && stalls->stall[i].block == load->tensor &&
            stalls->stall[i].cause != DMS_STALL_SAVE)
            return &stalls->stall[i];
    return NULL;
}

static const char *step_name(const dms_explain *s, uint32_t step) {
    return s->c->graph.node[s->c->steps.step[step].node].name;
}

static dms_explain_totals sum_up(const dms_explain *s) {
    dms_explain_totals sum = {0};
    for (uint32_t b = s->first; b < s->first + s->n; b++) {
        const dms_problem_tensor *t = &s->problem->tensors[b];
        bool is_kept = true;
        for (uint32_t j = 0; j < t->n_touches; j++) {
            if (!dms_explain_has_choice(s, b, j))
                continue;
            const dms_place_load *load = load_of(s, b, j);
            is_kept = is_kept && load == NULL;
            sum.n_choices++;
            sum.choice_bytes += t->bytes;
            if (s->c->decision.share != NULL)
                sum.shares += s->c->decision.share[t->first_touch + j] * (double)t->bytes;
            if (load == NULL)
                continue;
            sum.n_loads++;
            sum.moved_bytes += t->bytes;
            sum.link_ns += load->ns;
            sum.read_ns += load->is_read ? load->read_ns : 0;
            sum.stall_ns += stall_of(s, load) == NULL ? 0 : stall_of(s, load)->ns;
        }
        *(is_kept ? &sum.kept_bytes : &sum.streamed_bytes) += t->bytes;
        sum.read_bytes += !is_kept && dms_is_on_nvme(s->c, b) ? t->bytes : 0;
    }
    return sum;
}

/* The tensor as the model has it: packed weights are stored under other dims. */
static dms_view model_view(const dms_explain *s) {
    const dms_step_tensor *stored = &s->c->steps.tensor[s->tensor];
    const dms_tensor *t = &s->c->graph.tensor[stored->origin];
    int64_t dim[DMS_MAX_RANK];
    dms_view view;
    for (uint32_t k = 0; k < t->rank; k++)
        dim[k] = dms_extent(t, k);
    return dms_view_dense(t->dtype, t->rank, dim, &view) ? view : stored->plan.stored;
}

/* What it is and where it lives. */
static void print_head(const dms_explain *s, const dms_explain_totals *sum) {
    static const char *const KIND[] = {"weight", "activation", "input", "output"};
    const dms_plan_tensor *t = &s->c->steps.tensor[s->tensor].plan;
    const dms_view view = model_view(s);
    char text[DMS_MAX_RANK * 24 + 32], a[32], b[32], e[32];
    (void)fprintf(s->out, "%s: %s, %s, %s in %" PRIu32 " block%s", s->name, KIND[t->kind & 3],
                  dms_view_text(&view, text, sizeof text),
                  dms_bytes_text(s->c->steps.tensor[s->tensor].bytes, a), s->n,
                  s->n == 1 ? "" : "s");
    if (t->kind == DMS_TENSOR_WEIGHT)
        (void)fprintf(s->out, ", home %s",
                      sum->streamed_bytes == 0                 ? "device"
                      : sum->read_bytes == 0                   ? "host"
                      : sum->read_bytes == sum->streamed_bytes ? "nvme"
                                                               : "host and nvme");
    if (t->kind == DMS_TENSOR_WEIGHT && sum->streamed_bytes > 0 && sum->kept_bytes > 0)
        (void)fprintf(s->out, " for what is streamed, else device");
    if (strcmp(s->name, t->name) != 0)
        (void)fprintf(s->out, "\n  a view of '%s', whose memory it shares", t->name);
    if (t->kind == DMS_TENSOR_INPUT)
        (void)fprintf(s->out, "\n  comes from the caller in every inference");
    (void)fprintf(s->out, "\n  %s stays on the device, %s is copied in per inference",
                  dms_bytes_text(sum->kept_bytes, a), dms_bytes_text(sum->moved_bytes, b));
    if (sum->n_loads > 0)
        (void)fprintf(s->out, " (%" PRIu32 " cop%s, %s of link time)", sum->n_loads,
                      sum->n_loads == 1 ? "y" : "ies", dms_time_text(sum->link_ns, s->utf8, e));
    (void)fputs("\n\n", s->out);
}

/* One gap: decision, share, who waits. */
static void print_gap(const dms_explain *s, uint32_t block, uint32_t j) {
    const dms_problem_tensor *t = &s->problem->tensors[block];
    const dms_place_load *load = load_of(s, block, j);
    const uint32_t next = dms_explain_touches(s, block)[(j + 1) % t->n_touches];
    const dms_decision *d = &s->c->decision;
    char bytes[32], when[32], share[16] = "-", slot[64] = "-", arrives[32] = "-", stall[48] = "-";
    static const char *const SHORT[DMS_N_STALL_CAUSES] = {"link", "room", "save"};
    const char *state = load == NULL ? "kept" : load->is_read ? "read" : "streamed";
    if (d->share != NULL)
        (void)snprintf(share, sizeof share, "%.1f %%", 100 * d->share[t->first_touch + j]);
    if (load != NULL) {
        (void)snprintf(slot, sizeof slot, "slot %" PRId32 " at %s", load->after + 1,
                       dms_time_text(load->start_ns, s->utf8, when));
        (void)dms_time_text(load->start_ns + load->ns, s->utf8, arrives);
        const dms_stall *it = stall_of(s, load);
        if (it != NULL)
            (void)snprintf(stall, sizeof stall, "%s %s", dms_time_text(it->ns, s->utf8, when),
                           SHORT[it->cause]);
    }
    (void)fprintf(s->out,
                  "  [%" PRIu32 "/%" PRIu32 "] %9s  %6" PRIu32 "  %-8s %8s  %6" PRIu32
                  "  %-22s %10s %12s\n",
                  block - s->first + 1, s->n, dms_bytes_text(t->bytes, bytes),
                  dms_explain_gap(s, block, j), state, share, next, slot, arrives, stall);
}

/* A line per gap with a choice. */
static void print_gaps(const dms_explain *s, const dms_explain_totals *sum) {
    uint32_t shown = 0;
    if (sum->n_choices == 0)
        return;
    (void)fprintf(s->out, "  block   bytes     gap  state       share    used  %-22s %10s %12s\n",
                  "copy starts", "arrives", "stall");
    for (uint32_t b = s->first; b < s->first + s->n; b++)
        for (uint32_t j = 0; j < s->problem->tensors[b].n_touches; j++) {
            if (!dms_explain_has_choice(s, b, j))
                continue;
            if (shown++ < MOST_ROWS)
                print_gap(s, b, j);
        }
    if (shown > MOST_ROWS)
        (void)fprintf(s->out, "  ... and %" PRIu32 " more\n", shown - MOST_ROWS);
    (void)fprintf(s->out,
                  "  gap: steps from one use to the next; read: comes from its file;\n"
                  "  share: what the relaxation keeps of the gap;\n"
                  "  used: the step that ends the gap; stall: what it waits for this copy, and "
                  "whether\n  for the link or for room\n\n");
}

/* First and last use, and what an activation that leaves does in between. */
static void print_life(const dms_explain *s) {
    const dms_problem_tensor *t = &s->problem->tensors[s->first];
    const uint32_t *touch = dms_explain_touches(s, s->first);
    const uint32_t last = touch[t->n_touches - 1];
    (void)fprintf(s->out, "  First used by step %" PRIu32 " '%s'", touch[0],
                  step_name(s, touch[0]));
    if (last != touch[0])
        (void)fprintf(s->out, ", last by step %" PRIu32 " '%s'", last, step_name(s, last));
    (void)fprintf(s->out, ", %" PRIu32 " step%s in all%s.\n", t->n_touches,
                  t->n_touches == 1 ? "" : "s", s->n > 1 ? " (its first block)" : "");
}

/* The reason in one or two sentences. */
static void print_why(const dms_explain *s, const dms_explain_totals *sum) {
    const dms_decision *d = &s->c->decision;
    const dms_problem_tensor *t = &s->problem->tensors[s->first];
    char a[32], b[32], e[32];
    if (sum->n_choices == 0) {
        (void)fprintf(s->out, "  There is nothing to decide: it is used in neighbouring steps and "
                              "then no more.\n");
        return;
    }
    if (t->kind == DMS_PROBLEM_INPUT && sum->n_loads == sum->n_choices)
        (void)fprintf(s->out, "  New bytes come in every inference, so nothing of it can stay.\n");
    else if (sum->n_loads == 0)
        (void)fprintf(s->out, "  Everything stays: its room on the device is worth more than the "
                              "copies it saves.\n");
    else
        (void)fprintf(
            s->out,
            "  To keep all of it would take %s more on the device\n  over its gaps and save "
            "%s of link time per inference.\n",
            dms_bytes_text(sum->streamed_bytes, a), dms_time_text(sum->link_ns, s->utf8, b));
    if (d->share != NULL && sum->choice_bytes > 0)
        (void)fprintf(s->out,
                      "  The relaxation keeps %.1f %% of its gaps; the plan keeps %.1f %%.\n",
                      100 * sum->shares / (double)sum->choice_bytes,
                      100.0 - 100.0 * (double)sum->moved_bytes / (double)sum->choice_bytes);
    else if (d->share == NULL)
        (void)fprintf(s->out, "  No relaxation was solved: a plain rule reached the bound.\n");
    (void)fprintf(s->out, "  Fullest moment of the device: %s of %s",
                  dms_bytes_text(d->live_peak_bytes, a), dms_bytes_text(s->c->device_budget, b));
    if (sum->stall_ns > 0)
        (void)fprintf(s->out, ";\n  compute waits %s per inference for this tensor",
                      dms_time_text(sum->stall_ns, s->utf8, e));
    else if (sum->n_loads > 0)
        (void)fprintf(s->out, ";\n  compute never waits for this tensor");
    (void)fputs(".\n", s->out);
}

/* "no tensor 'x'; close names: ..." */
static dms_code refuse(const dms_compiled *c, const char *name, dms_status *st) {
    char text[200] = "";
    size_t used = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->steps.n_tensors && n < MOST_NAMES; i++) {
        const char *other = c->steps.tensor[i].plan.name;
        if (strstr(other, name) == NULL || used + strlen(other) + 4 > sizeof text)
            continue;
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s '%s'", n == 0 ? "" : ",", other);
        n++;
    }
    return dms_fail(st, DMS_EUSAGE,
                    "--explain %s: no step reads or writes a tensor of this name%s%s", name,
                    n == 0 ? " (dmsc --dump PLAN lists them)" : "; there are", text);
}

/* The stored tensor of a name: its own, or that of which it is a view. DMS_NONE: there is none. */
static uint32_t find_tensor(const dms_compiled *c, const char *name) {
    for (uint32_t i = c->steps.n_tensors; i-- > 0;)
        if (strcmp(c->steps.tensor[i].plan.name, name) == 0)
            return i;
    for (uint32_t g = 0; g < c->graph.n_tensors; g++) {
        if (strcmp(c->graph.tensor[g].name, name) != 0)
            continue;
        for (uint32_t i = c->steps.n_tensors; i-- > 0;)
            if (c->steps.tensor[i].origin == c->graph.tensor[g].storage)
                return i;
    }
    return DMS_NONE;
}

dms_code dms_view_explain(const dms_compiled *c, const char *tensor, bool utf8, FILE *out,
                          dms_status *st) {
    const uint32_t id = find_tensor(c, tensor);
    if (id == DMS_NONE || c->steps.tensor[id].first_step == DMS_NONE)
        return refuse(c, tensor, st);
    const dms_plan_tensor *t = &c->steps.tensor[id].plan;
    const dms_explain s = {.c = c,
                           .problem = &c->blocks.problem,
                           .tensor = id,
                           .first = c->blocks.first_block[id],
                           .n = t->is_split ? dms_plan_cells(t) : 1,
                           .utf8 = utf8,
                           .out = out,
                           .name = tensor};
    const dms_explain_totals sum = sum_up(&s);
    print_head(&s, &sum);
    print_gaps(&s, &sum);
    dms_explain_moves(&s);
    DMS_TRY(dms_explain_alternatives(&s, &sum, st));
    print_life(&s);
    print_why(&s, &sum);
    return DMS_OK;
}
