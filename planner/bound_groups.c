/* bound_groups.c - cuts the cycle into groups, gathers its gaps into classes, sums both up. */
#include <math.h>
#include <stdlib.h>

#include "planner/bound_internal.h"
#include "schema/arena.h"

#define MOST_ROWS 12000u  /* of a program: more take several seconds ... */
#define LEAST_GROUPS 200u /* ... but so many groups may be asked for at any size */

/* The key that decides which gaps share a class. */
typedef struct class_key {
    int32_t from, to, opens, size, reads, is_own;
    uint32_t gap;
} class_key;

static uint64_t bytes_of(const dms_bound *b, uint32_t gap) {
    return b->cycle->problem->tensors[b->cycle->gap[gap].tensor].bytes;
}

/* Rate of the copy that carries most per time, the largest one: s / (latency + s / rate). No copy
 * carries more, so the link row with this rate holds for every schedule. */
static double best_rate(const dms_bound *b, const dms_link *link, double largest) {
    const double ns = (double)link->latency_ns + largest * 1e9 / (double)link->bytes_per_s;
    return largest / ns * b->ns / b->byte;
}

/* Blocks and block times. In bytes and ns lp_solve returned 25 (accuracy) with scaling and 2
 * (infeasible, which was false) without, on three instances of three; in units near 1 its values
 * agreed to seven digits (PLACEMENT.md section 4). */
static void choose_units(dms_bound *b) {
    const dms_problem *problem = b->cycle->problem;
    double largest = 1;
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        if ((double)problem->tensors[i].bytes > largest)
            largest = (double)problem->tensors[i].bytes;
    b->byte = largest;
    b->ns = largest * 1e9 / (double)problem->in.bytes_per_s;
    b->rate_in = best_rate(b, &problem->in, largest);
    b->rate_out = best_rate(b, &problem->out, largest);
}

/* As many groups as asked for, or as MOST_ROWS are enough for. Each has rows for its stock in link
 * time and the last arrival, for what stays, memory, saves and a block that comes; with several
 * paces two for each of these; for stocks in bytes three. With homes there is one for each gap. */
static uint32_t affordable(const dms_bound *b, uint32_t wanted) {
    const uint32_t each = 6 + (b->n_paces > 1 ? 2 * b->n_paces : 0) + (b->has_bytes ? 3 : 0);
    const uint32_t homes = b->has_homes ? b->cycle->n_gaps : 0;
    uint32_t most = homes < MOST_ROWS ? (MOST_ROWS - homes) / each : 0;
    if (most < LEAST_GROUPS)
        most = LEAST_GROUPS;
    return wanted < most ? wanted : most;
}

/* Cuts the cycle where half of the shares of bytes and of time have gathered, at the largest
 * footprint since: checkpoints at peaks of memory say most. Any cut gives a bound, for a row at a
 * group's end is a sum of rows of its steps; with 200 groups it lies 0.4 % below that with one per
 * step on SDXL at 12.5 %, in 0.04 s instead of 1.5 s (PLACEMENT.md section 3.1, without Q). */
static void cut_groups(dms_bound *b, uint32_t max_groups, double *weight) {
    const dms_cycle *cycle = b->cycle;
    const double limit = 2.6 / max_groups; /* groups reach 0.5 to 1 of it */
    double total = 1;
    for (uint32_t i = 0; i < cycle->n_gaps; i++)
        total += (double)cycle->gap[i].units;
    for (int32_t t = 0; t < cycle->n_steps; t++)
        weight[t] = (double)cycle->problem->steps[t].ns / (double)(cycle->compute_ns + 1);
    for (uint32_t i = 0; i < cycle->n_gaps; i++)
        weight[cycle->gap[i].due] += (double)cycle->gap[i].units / total;
    for (int32_t t = 0; t < cycle->n_steps;) {
        double sum = weight[t];
        int32_t last = t, end = t;
        while ((uint32_t)cycle->n_steps > max_groups && sum < limit && end + 1 < cycle->n_steps) {
            sum += weight[++end];
            if (sum < limit / 2 || cycle->footprint[end] >= cycle->footprint[last])
                last = end;
        }
        if (end + 1 == cycle->n_steps)
            last = end;
        b->group[b->n_groups] = (dms_bound_group){.first = t,
                                                  .last = last,
                                                  .last_load = -1,
                                                  .last_input = -1,
                                                  .first_start = DMS_NO_CLASS,
                                                  .first_end = DMS_NO_CLASS};
        for (; t <= last; t++)
            b->group_of[t] = b->n_groups;
        b->n_groups++;
    }
}

static int by_key(const void *left, const void *right) {
    const class_key *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    if (a->opens != b->opens)
        return a->opens < b->opens ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->reads != b->reads)
        return a->reads < b->reads ? -1 : 1;
    if (a->is_own != b->is_own)
        return a->is_own < b->is_own ? -1 : 1;
    return (a->gap > b->gap) - (a->gap < b->gap);
}

static bool same_class(const class_key *a, const class_key *b) {
    return a->from == b->from && a->to == b->to && a->opens == b->opens && a->size == b->size &&
           a->reads == b->reads && a->is_own == b->is_own;
}

/* The group of a slot that may lie in the next cycle, unrolled. */
static int32_t unrolled_group(const dms_bound *b, int32_t slot) {
    const int32_t n = b->cycle->n_steps;
    return (int32_t)b->group_of[slot % n] + (int32_t)b->n_groups * (slot / n);
}

void dms_bound_covers(const dms_bound *bound, const dms_gap *gap, int32_t *out_from,
                      int32_t *out_to) {
    *out_from = unrolled_group(bound, gap->a + 1);
    *out_to = unrolled_group(bound, gap->b);
}

bool dms_bound_waits(const dms_cycle *cycle, uint32_t tensor) {
    const dms_problem_kind kind = cycle->problem->tensors[tensor].kind;
    return kind == DMS_PROBLEM_ACTIVATION || kind == DMS_PROBLEM_OUTPUT;
}

/* Gaps over which a weight may be read from storage, in classes of about equal time per byte; 2 =
 * weights whose home must be the host; 1 = what is made in the cycle; 0 = inputs, or nobody asks.
 */
static int32_t class_of_reading(const dms_bound *b, uint32_t tensor) {
    if (!b->has_homes)
        return 0;
    if (b->cycle->problem->tensors[tensor].kind != DMS_PROBLEM_WEIGHT)
        return dms_bound_waits(b->cycle, tensor);
    if (b->cycle->read_ns[tensor] == 0)
        return 2;
    return 1000 + (int32_t)floor(b->cycle->read_cost[tensor] / log(1.1));
}

/* How many gaps of a tensor have a class: they share its home. */
static double sharers_of(const dms_bound *b, uint32_t tensor) {
    return b->cycle->first_gap[tensor + 1] - b->cycle->first_gap[tensor];
}

/* Sizes of one pace within a factor of 1.3. */
static int32_t size_of(const dms_bound *b, double bytes) {
    const int32_t size = (int32_t)floor(log(bytes) / log(1.3));
    return size * (int32_t)(DMS_MAX_PACES + 1) + (int32_t)(dms_bound_pace_of(b, bytes) + 1);
}

/* The key of each gap that some row can see, sorted; the others get no class. */
static uint32_t list_keys(const dms_bound *b, class_key *key) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->cycle->n_gaps; i++) {
        const dms_gap *gap = b->cycle->gap + i;
        int32_t from, to;
        dms_bound_covers(b, gap, &from, &to);
        b->class_of[i] = DMS_NO_CLASS;
        /* a gap that covers no checkpoint is free to keep: no row sees it */
        if (gap->rule == DMS_GAP_LOADED || from >= to)
            continue;
        key[n++] = (class_key){from,
                               to,
                               gap->opens,
                               size_of(b, (double)bytes_of(b, i)),
                               class_of_reading(b, gap->tensor),
                               dms_bound_is_own(b->cycle, gap->tensor),
                               i};
    }
    qsort(key, n, sizeof *key, by_key);
    return n;
}

/* Adds the home of a gap to its class. A tensor with k gaps charges each with 1/k of its bytes: a
 * plan with one home for all of them meets that, so this stays a relaxation. So does charging the
 * class with its least time per byte, and its homes by its largest k. */
static void add_home(dms_bound *b, dms_bound_class *class, uint32_t gap) {
    const uint32_t tensor = b->cycle->gap[gap].tensor;
    const double bytes = (double)bytes_of(b, gap) / b->byte;
    const double per_byte = (double)b->cycle->read_ns[tensor] / b->ns / bytes;
    if (b->cycle->problem->tensors[tensor].kind != DMS_PROBLEM_WEIGHT)
        return;
    if (class->sharers < sharers_of(b, tensor))
        class->sharers = sharers_of(b, tensor);
    if (per_byte < class->read_per_byte)
        class->read_per_byte = per_byte;
    const double hold = (double)(b->cycle->read_ns[tensor] + b->cycle->gap[gap].ns);
    if (hold < class->hold_ns)
        class->hold_ns = hold;
}

/* One column for gaps that no row tells apart. With a common x the program is a relaxation still:
 * the class's bytes times their mean share is what each row sums. In the link-time rows the class
 * saves at most its largest time per byte, and the constant has the exact sum. Each group keeps two
 * lists of classes, of those that begin and of those that end in it. */
static void gather_classes(dms_bound *b, class_key *key) {
    const uint32_t n = list_keys(b, key);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || !same_class(key + i, key + i - 1)) {
            const uint32_t from = (uint32_t)key[i].from % b->n_groups;
            const uint32_t to = (uint32_t)key[i].to % b->n_groups;
            b->class[b->n_classes] = (dms_bound_class){.from = key[i].from,
                                                       .to = key[i].to,
                                                       .opens = key[i].opens,
                                                       .is_own = key[i].is_own,
                                                       .fastest = INFINITY,
                                                       .least = INFINITY,
                                                       .read_per_byte = INFINITY,
                                                       .hold_ns = INFINITY,
                                                       .next_start = b->group[from].first_start,
                                                       .next_end = b->group[to].first_end};
            b->group[from].first_start = b->group[to].first_end = b->n_classes++;
        }
        dms_bound_class *class = b->class + b->n_classes - 1;
        const double bytes = (double)bytes_of(b, key[i].gap);
        const double slow = dms_bound_link_time(b, bytes) / (bytes / b->byte);
        b->class_of[key[i].gap] = b->n_classes - 1;
        class->bytes += bytes / b->byte;
        class->waits = dms_bound_waits(b->cycle, b->cycle->gap[key[i].gap].tensor);
        add_home(b, class, key[i].gap);
        class->pace = dms_bound_pace_of(b, bytes);
        class->slowest = fmax(class->slowest, slow);
        class->fastest = fmin(class->fastest, slow);
        class->least = fmin(class->least, bytes);
    }
}

/* Loads that are due in each group, all of them and those that Q counts. */
static void sum_loads(dms_bound *b) {
    for (uint32_t i = 0; i < b->cycle->n_gaps; i++) {
        const dms_gap *gap = b->cycle->gap + i;
        const bool is_input = gap->rule == DMS_GAP_LOADED;
        if (!is_input && b->class_of[i] == DMS_NO_CLASS)
            continue;
        dms_bound_group *at = b->group + b->group_of[gap->due];
        const double bytes = (double)bytes_of(b, i);
        const uint32_t pace = dms_bound_pace_of(b, bytes);
        at->load += bytes / b->byte;
        b->link_time += dms_bound_link_time(b, bytes);
        if (pace != DMS_NO_PACE)
            at->load_time[pace] += dms_bound_link_time(b, bytes);
        if (pace != DMS_NO_PACE && is_input && bytes < b->heavy)
            b->light_time += dms_bound_link_time(b, bytes);
        if (gap->due > at->last_load)
            at->last_load = gap->due;
    }
}

/* What of the inputs must have come by the last step of each group that waits for one. */
static void sum_inputs(dms_bound *b) {
    const dms_cycle *cycle = b->cycle;
    double inputs = 0, computed = 0;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        dms_bound_group *at = b->group + b->group_of[t];
        for (uint32_t i = cycle->due_first[t]; i < cycle->due_first[t + 1]; i++)
            if (cycle->gap[cycle->by_due[i]].rule == DMS_GAP_LOADED) {
                inputs += dms_bound_link_time(b, (double)bytes_of(b, cycle->by_due[i]));
                at->last_input = t;
                at->inputs = inputs;
                at->computed = computed;
            }
        computed += (double)cycle->problem->steps[t].ns / b->ns;
    }
}

/* Of reading all that may be read. */
static double read_time(const dms_bound *b) {
    double time = 0;
    for (uint32_t v = 0; v < b->n_classes && b->has_homes; v++)
        if (b->class[v].sharers > 0)
            time += b->class[v].read_per_byte * b->class[v].bytes;
    return time;
}

/* Bytes released to their saves: counted from the first checkpoint after the release. */
static void sum_releases(dms_bound *b) {
    const dms_cycle *cycle = b->cycle;
    double total = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        const int32_t end = cycle->write_end[i];
        if (cycle->problem->tensors[i].kind != DMS_PROBLEM_OUTPUT)
            continue;
        b->has_saves = true;
        if (cycle->last_touch[i] != end)
            continue;
        uint32_t g = b->group_of[end];
        if (b->group[g].last == end)
            g = (g + 1) % b->n_groups;
        b->group[g].output += (double)cycle->problem->tensors[i].bytes / b->byte;
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].opens) {
            b->has_saves = true;
            b->group[(uint32_t)b->class[v].from % b->n_groups].release += b->class[v].bytes;
        }
    for (uint32_t g = 0; g < b->n_groups; g++)
        total += b->group[g].release += b->group[g].output;
    b->max_stall = b->link_time + 1 + total / b->rate_out + read_time(b);
}

/* Times and footprints in units of the program. Footprints are in bytes, not rounded up to
 * DMS_ALIGN: the bound must hold for plans that pack better than ours. */
static void sum_steps(dms_bound *b, double *footprint) {
    const dms_problem *problem = b->cycle->problem;
    for (uint32_t t = 0; t < problem->n_steps; t++)
        footprint[t] = (double)problem->steps[t].scratch_bytes;
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        for (uint32_t k = 0; k < problem->tensors[i].n_touches; k++)
            footprint[problem->touches[problem->tensors[i].first_touch + k]] +=
                (double)problem->tensors[i].bytes;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        dms_bound_group *at = b->group + g;
        at->footprint = footprint[at->last] / b->byte;
        for (int32_t t = at->first; t <= at->last; t++) {
            at->time += (double)problem->steps[t].ns / b->ns;
            if (t < at->last_load)
                at->time_before += (double)problem->steps[t].ns / b->ns;
        }
    }
}

bool dms_bound_is_away(const dms_bound *bound, uint32_t v, uint32_t g) {
    const dms_bound_class *class = bound->class + v;
    const int32_t at = (int32_t)g;
    return class->waits && class->from <= at && at < class->to;
}

/* The smallest weights, of which all loads together take 1/20 of the time of all, are not heavy.
 * 0 = sizes are too different for the least to say much of all: it has less than a third of the
 * block that a byte is in on an average. */
static double least_heavy(const dms_bound *b) {
    const dms_cycle *cycle = b->cycle;
    double all = 0, small = 0, sum = 0, squares = 0;
    for (uint32_t i = 0; i < cycle->n_weights; i++) {
        const double bytes = (double)cycle->problem->tensors[cycle->by_size[i]].bytes;
        all += dms_bound_link_time(b, bytes);
        sum += bytes;
        squares += bytes * bytes;
    }
    for (uint32_t i = cycle->n_weights; i-- > 0;) {
        const double bytes = (double)cycle->problem->tensors[cycle->by_size[i]].bytes;
        small += dms_bound_link_time(b, bytes);
        if (20 * small > all)
            return 3 * bytes * sum >= squares ? bytes : 0;
    }
    return 0;
}

/* The smallest blocks, of which all readings together take 1/20 of the time of all, are not large.
 * by_size of the cycle has the largest first. */
static double least_large(const dms_cycle *cycle) {
    int64_t all = 0, small = 0;
    for (uint32_t i = 0; i < cycle->n_weights; i++)
        all += cycle->read_ns[cycle->by_size[i]];
    for (uint32_t i = cycle->n_weights; i-- > 0;) {
        small += cycle->read_ns[cycle->by_size[i]];
        if (20 * small > all)
            return (double)cycle->problem->tensors[cycle->by_size[i]].bytes;
    }
    return 1;
}

/* Rows for what is away: where memory is short, and one for each run of groups over which the same
 * activations wait. */
static void choose_away_rows(dms_bound *b) {
    double peak = 0;
    uint32_t best = 0;
    b->large = least_large(b->cycle);
    for (uint32_t g = 0; g < b->n_groups; g++)
        peak = fmax(peak, b->group[g].footprint);
    for (uint32_t g = 0; g < b->n_groups; g++) {
        bool is_new = g == 0;
        for (uint32_t v = 0; v < b->n_classes; v++) {
            const bool is_away = dms_bound_is_away(b, v, g);
            b->group[g].away += is_away ? b->class[v].bytes : 0;
            is_new = is_new || is_away != dms_bound_is_away(b, v, g - 1);
        }
        b->group[best].has_away_row |= is_new && g > 0;
        if (is_new || b->group[g].footprint > b->group[best].footprint)
            best = g;
        b->group[g].has_away_row = 4 * b->group[g].footprint >= 3 * peak;
    }
    b->group[best].has_away_row = true;
}

/* Without a limit, or with room for every home, the program is that of two tiers. */
static bool host_may_be_short(const dms_cycle *cycle) {
    int64_t homes = 0;
    for (uint32_t k = 0; k < cycle->n_weights; k++)
        homes += cycle->units[cycle->by_size[k]];
    return homes > cycle->host_units;
}

dms_code dms_bound_open(const dms_cycle *cycle, uint32_t max_groups, dms_arena *arena,
                        dms_bound **out_bound, dms_status *st) {
    dms_bound *b;
    class_key *key;
    double *per_step;
    const uint64_t n = (uint64_t)cycle->n_steps, gaps = (uint64_t)cycle->n_gaps + 1;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *b, "bound", &b, st));
    b->cycle = cycle;
    b->arena = arena;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *per_step, "bound", &per_step, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *b->group, "bound", &b->group, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *b->group_of, "bound", &b->group_of, st));
    DMS_TRY(dms_alloc_st(arena, gaps, sizeof *b->class, "bound", &b->class, st));
    DMS_TRY(dms_alloc_st(arena, gaps, sizeof *b->class_of, "bound", &b->class_of, st));
    DMS_TRY(dms_alloc_st(arena, gaps, sizeof *key, "bound", &key, st));
    b->has_homes = host_may_be_short(cycle);
    choose_units(b);
    dms_bound_choose_paces(b);
    cut_groups(b, affordable(b, max_groups), per_step);
    gather_classes(b, key);
    b->heavy = least_heavy(b);
    sum_loads(b);
    sum_inputs(b);
    sum_releases(b);
    sum_steps(b, per_step);
    if (b->has_homes)
        choose_away_rows(b);
    const uint32_t n_columns = b->has_homes ? dms_bound_y_of(b, b->n_groups) : dms_bound_n(b, 0);
    DMS_TRY(dms_lp_open(arena, n_columns, &b->lp, st));
    *out_bound = b;
    return DMS_OK;
}
