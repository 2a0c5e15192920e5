/* bound.c - the grouped program: rows at group ends, columns for gaps that look alike there.
 *
 * Columns per group g: w stall, P stock, K kept, U waiting for its save, Q stock in link time; then
 * one share x per class of gaps, and where the host is too small for all homes one share n that is
 * read from storage. Bytes in units of the largest tensor, time in units of its copy:
 * in bytes and ns the solver fails (PLACEMENT.md section 4).
 */
#include "planner/bound.h"

#include <math.h>
#include <stdlib.h>

#include "planner/lp.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define NO_CLASS UINT32_MAX
/* Taken off every proven figure: sums in double are wrong by far less, a bound must not be. */
#define MARGIN 1e-9

/* Steps first..last; rows are written for the end of `last`. */
typedef struct group {
    int32_t first, last;
    int32_t last_load;  /* the last step of the group that waits for a load; -1 = none */
    double time;        /* of its steps */
    double time_before; /* of its steps before last_load */
    double load;        /* bytes due in it if nothing is kept */
    double load_time;   /* link time of the same, counted pieces only */
    double release;     /* bytes that wait for their save at its end if nothing is kept */
    double footprint;   /* bytes of its last step */
    uint32_t memory_row;
    uint32_t first_start, first_end; /* classes whose gaps begin, end here; NO_CLASS = none */
} group;

/* Gaps that cover the same checkpoints, of sizes within a factor of 1.3. */
typedef struct gap_class {
    int32_t from, to; /* groups; covers the checkpoints from..to-1, unrolled over two cycles */
    bool opens;
    double bytes, slowest; /* slowest: largest link time per byte */
    double smallest;       /* bytes of its smallest gap */
    double sharers;        /* most gaps that share one home; 0 = activations */
    double read_per_byte;  /* least time of reading, per byte */
    double hold_ns;        /* least time that a reading is in the ring: until its copy has ended */
    uint32_t next_start, next_end;
} gap_class;

/* The key that decides which gaps share a class. */
typedef struct class_key {
    int32_t from, to, opens, size, reads;
    uint32_t gap;
} class_key;

struct dms_bound {
    const dms_cycle *cycle;
    dms_arena *arena;
    double byte, ns;          /* of one unit */
    double rate_in, rate_out; /* units of bytes per unit of time, best-sized copy */
    double cut, densest;      /* pieces of `cut` bytes and more count in Q; link time per byte */
    uint32_t n_groups;
    group *group;
    uint32_t *group_of; /* per step */
    uint32_t n_classes;
    gap_class *class;
    uint32_t *class_of; /* per gap */
    double link_time;   /* of every load that a class or an input stands for */
    double max_stall;
    bool has_saves;
    bool has_homes;    /* the host may be too small: there are columns n */
    double home_bytes; /* of all classes, activations included */
    double save_bytes; /* of activations */
    uint32_t host_row;
    double period_ns; /* schedules that take longer are not asked about; 0 = all are */
    dms_lp lp;
    bool has_rows;
};

/* The columns in memory, N groups and V classes:
 *
 *   0        N        2N       3N       4N       5N         5N + V     5N + 2V
 *   | w      | P      | K      | U      | Q      | x         | n         | z |
 */
static uint32_t col_w(uint32_t g) {
    return g;
}
static uint32_t col_p(const dms_bound *b, uint32_t g) {
    return b->n_groups + g;
}
static uint32_t col_k(const dms_bound *b, uint32_t g) {
    return 2 * b->n_groups + g;
}
static uint32_t col_u(const dms_bound *b, uint32_t g) {
    return 3 * b->n_groups + g;
}
static uint32_t col_q(const dms_bound *b, uint32_t g) {
    return 4 * b->n_groups + g;
}
static uint32_t col_x(const dms_bound *b, uint32_t v) {
    return 5 * b->n_groups + v;
}

static uint32_t col_z(const dms_bound *b) {
    return 5 * b->n_groups + 2 * b->n_classes;
}
static uint32_t col_n(const dms_bound *b, uint32_t v) {
    return 5 * b->n_groups + b->n_classes + v;
}

static uint64_t bytes_of(const dms_bound *b, uint32_t gap) {
    return b->cycle->problem->tensors[b->cycle->gap[gap].tensor].bytes;
}

/* Link time of one load in units of time, latency included. */
static double link_time_of(const dms_bound *b, double bytes) {
    const dms_link *in = &b->cycle->problem->in;
    return ((double)in->latency_ns + bytes * 1e9 / (double)in->bytes_per_s) / b->ns;
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
    /* pieces whose latency is about their transfer time: below, Q would say little */
    b->cut = (double)problem->in.latency_ns * (double)problem->in.bytes_per_s / 1.1e9;
    if (b->cut < 1)
        b->cut = 1;
    b->densest = link_time_of(b, b->cut) / (b->cut / b->byte);
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
        b->group[b->n_groups] = (group){.first = t,
                                        .last = last,
                                        .last_load = -1,
                                        .first_start = NO_CLASS,
                                        .first_end = NO_CLASS};
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
    return (a->gap > b->gap) - (a->gap < b->gap);
}

static bool same_class(const class_key *a, const class_key *b) {
    return a->from == b->from && a->to == b->to && a->opens == b->opens && a->size == b->size &&
           a->reads == b->reads;
}

/* The group of a slot that may lie in the next cycle, unrolled. */
static int32_t unrolled_group(const dms_bound *b, int32_t slot) {
    const int32_t n = b->cycle->n_steps;
    return (int32_t)b->group_of[slot % n] + (int32_t)b->n_groups * (slot / n);
}

/* Gaps over which a weight may be read from storage, in classes of about equal time per byte; 1 =
 * weights whose home must be the host; 0 = activations, or nobody asks. */
static int32_t class_of_reading(const dms_bound *b, uint32_t tensor) {
    if (!b->has_homes || b->cycle->problem->tensors[tensor].kind != DMS_PROBLEM_WEIGHT)
        return 0;
    if (b->cycle->read_ns[tensor] == 0)
        return 1;
    return 1000 + (int32_t)floor(b->cycle->read_cost[tensor] / log(1.1));
}

/* How many gaps of a tensor have a class: they share its home. */
static double sharers_of(const dms_bound *b, uint32_t tensor) {
    return b->cycle->first_gap[tensor + 1] - b->cycle->first_gap[tensor];
}

/* The key of each gap that some row can see, sorted; `class_of` of the others stays NO_CLASS. */
static uint32_t list_keys(const dms_bound *b, class_key *key) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->cycle->n_gaps; i++) {
        const dms_gap *gap = b->cycle->gap + i;
        const int32_t from = unrolled_group(b, gap->a + 1), to = unrolled_group(b, gap->b);
        b->class_of[i] = NO_CLASS;
        /* a gap that covers no checkpoint is free to keep: no row sees it */
        if (gap->rule == DMS_GAP_LOADED || from >= to)
            continue;
        key[n++] = (class_key){from,
                               to,
                               gap->opens,
                               (int32_t)floor(log((double)bytes_of(b, i)) / log(1.3)),
                               class_of_reading(b, gap->tensor),
                               i};
    }
    qsort(key, n, sizeof *key, by_key);
    return n;
}

/* Adds the home of a gap to its class. A tensor with k gaps charges each with 1/k of its bytes: a
 * plan with one home for all of them meets that, so this stays a relaxation. So does charging the
 * class with its least time per byte, and its homes by its largest k. */
static void add_home(dms_bound *b, gap_class *class, uint32_t gap) {
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
            b->class[b->n_classes] = (gap_class){.from = key[i].from,
                                                 .to = key[i].to,
                                                 .opens = key[i].opens,
                                                 .smallest = INFINITY,
                                                 .read_per_byte = INFINITY,
                                                 .hold_ns = INFINITY,
                                                 .next_start = b->group[from].first_start,
                                                 .next_end = b->group[to].first_end};
            b->group[from].first_start = b->group[to].first_end = b->n_classes++;
        }
        gap_class *class = b->class + b->n_classes - 1;
        const double bytes = (double)bytes_of(b, key[i].gap);
        const double slow = link_time_of(b, bytes) / (bytes / b->byte);
        b->class_of[key[i].gap] = b->n_classes - 1;
        class->bytes += bytes / b->byte;
        add_home(b, class, key[i].gap);
        if (bytes < class->smallest)
            class->smallest = bytes;
        if (slow > class->slowest)
            class->slowest = slow;
    }
}

/* Loads that are due in each group, all of them and those that Q counts. */
static void sum_loads(dms_bound *b) {
    for (uint32_t i = 0; i < b->cycle->n_gaps; i++) {
        const dms_gap *gap = b->cycle->gap + i;
        const bool is_input = gap->rule == DMS_GAP_LOADED;
        if (!is_input && b->class_of[i] == NO_CLASS)
            continue;
        group *at = b->group + b->group_of[gap->due];
        const double bytes = (double)bytes_of(b, i);
        const double smallest = is_input ? bytes : b->class[b->class_of[i]].smallest;
        at->load += bytes / b->byte;
        b->link_time += link_time_of(b, bytes);
        if (smallest >= b->cut)
            at->load_time += link_time_of(b, bytes);
        if (gap->due > at->last_load)
            at->last_load = gap->due;
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
        b->group[g].release += (double)cycle->problem->tensors[i].bytes / b->byte;
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].opens) {
            b->has_saves = true;
            b->group[(uint32_t)b->class[v].from % b->n_groups].release += b->class[v].bytes;
        }
    for (uint32_t g = 0; g < b->n_groups; g++)
        total += b->group[g].release;
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
        group *at = b->group + g;
        at->footprint = footprint[at->last] / b->byte;
        for (int32_t t = at->first; t <= at->last; t++) {
            at->time += (double)problem->steps[t].ns / b->ns;
            if (t < at->last_load)
                at->time_before += (double)problem->steps[t].ns / b->ns;
        }
    }
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
    cut_groups(b, max_groups, per_step);
    gather_classes(b, key);
    sum_loads(b);
    sum_releases(b);
    sum_steps(b, per_step);
    DMS_TRY(dms_lp_open(
        arena, 5 * b->n_groups + (b->has_homes ? 2 * b->n_classes + 1 : b->n_classes), &b->lp, st));
    *out_bound = b;
    return DMS_OK;
}

void dms_bound_assume(dms_bound *bound, int64_t period_ns) {
    bound->period_ns = (double)period_ns;
}

void dms_bound_close(dms_bound *bound) {
    if (bound)
        dms_lp_close(&bound->lp);
}

/* What the loads that end in group g add to a row, per share kept: L(g) = load - sum of bytes x. */
static void put_loads(dms_bound *b, uint32_t g, double sign) {
    for (uint32_t v = b->group[g].first_end; v != NO_CLASS; v = b->class[v].next_end)
        dms_lp_put(&b->lp, col_x(b, v), sign * b->class[v].bytes);
}

static void put_load_times(dms_bound *b, uint32_t g, double sign) {
    for (uint32_t v = b->group[g].first_end; v != NO_CLASS; v = b->class[v].next_end)
        if (b->class[v].smallest >= b->cut)
            dms_lp_put(&b->lp, col_x(b, v), sign * b->class[v].slowest * b->class[v].bytes);
}

/* link: stock grows no faster than the link; arrival: what is due came before its step.
 *
 *   P(g) - P(g-1) + L(g) <= B (d + w)      d = time of the group, d' = of its steps before the
 *   P(g-1) + B (w + d')  >= L(g)           last that waits for a load
 */
static dms_code add_link_rows(dms_bound *b, uint32_t g, dms_status *st) {
    const group *at = b->group + g;
    const uint32_t before = (g + b->n_groups - 1) % b->n_groups;
    dms_lp_put(&b->lp, col_p(b, g), 1);
    dms_lp_put(&b->lp, col_p(b, before), -1);
    dms_lp_put(&b->lp, col_w(g), -b->rate_in);
    put_loads(b, g, -1);
    DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, b->rate_in * at->time - at->load, st));
    if (at->load == 0)
        return DMS_OK;
    dms_lp_put(&b->lp, col_p(b, before), 1);
    dms_lp_put(&b->lp, col_w(g), b->rate_in);
    put_loads(b, g, 1);
    return dms_lp_row(&b->lp, at->load - b->rate_in * at->time_before, DMS_LP_FREE, st);
}

/* The same in link time, so that latencies count where they fall, and Q <= rho P with rho the
 * densest time per byte of a counted block. Without these rows SDXL at 12.5 % reads 93.1 ms, with
 * them 95.8; the plan takes 98.5 (PLACEMENT.md section 3). */
static dms_code add_time_rows(dms_bound *b, uint32_t g, dms_status *st) {
    const group *at = b->group + g;
    const uint32_t before = (g + b->n_groups - 1) % b->n_groups;
    dms_lp_put(&b->lp, col_q(b, g), 1);
    dms_lp_put(&b->lp, col_q(b, before), -1);
    dms_lp_put(&b->lp, col_w(g), -1);
    put_load_times(b, g, -1);
    DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, at->time - at->load_time, st));
    if (at->load_time > 0) {
        dms_lp_put(&b->lp, col_q(b, before), 1);
        dms_lp_put(&b->lp, col_w(g), 1);
        put_load_times(b, g, 1);
        DMS_TRY(dms_lp_row(&b->lp, at->load_time - at->time_before, DMS_LP_FREE, st));
    }
    dms_lp_put(&b->lp, col_q(b, g), 1);
    dms_lp_put(&b->lp, col_p(b, g), -b->densest);
    return dms_lp_row(&b->lp, -DMS_LP_FREE, 0, st);
}

/* kept: K follows the gaps from checkpoint to checkpoint; the anchor at group 0 is the one long
 * row.
 *
 *   K(g) = K(g-1) + bytes x of classes that begin in g - bytes x of classes that end in g
 *
 * Differences keep the matrix thin: about four entries per row, where a row per checkpoint with all
 * gaps that cover it would have thousands. */
static dms_code add_kept_row(dms_bound *b, uint32_t g, dms_status *st) {
    const int32_t n = (int32_t)b->n_groups;
    dms_lp_put(&b->lp, col_k(b, g), 1);
    if (g > 0) {
        dms_lp_put(&b->lp, col_k(b, g - 1), -1);
        for (uint32_t v = b->group[g].first_start; v != NO_CLASS; v = b->class[v].next_start)
            dms_lp_put(&b->lp, col_x(b, v), -b->class[v].bytes);
        put_loads(b, g, 1);
    } else {
        for (uint32_t v = 0; v < b->n_classes; v++)
            if (b->class[v].from <= 0 || (b->class[v].from <= n && b->class[v].to > n))
                dms_lp_put(&b->lp, col_x(b, v), -b->class[v].bytes);
    }
    return dms_lp_row(&b->lp, 0, 0, st);
}

/* memory, and out: what was released and is not yet saved.
 *
 *   K(g) + P(g) + U(g) <= budget - footprint(g)
 *   U(g-1) - U(g) + R(g) <= B_out (d + w)      R(g) = released - bytes x of first gaps of
 *                                              activations that begin here
 * The side of the memory row is set by set_columns: it is all that differs between budgets. */
static dms_code add_memory_rows(dms_bound *b, uint32_t g, dms_status *st) {
    const uint32_t before = (g + b->n_groups - 1) % b->n_groups;
    b->group[g].memory_row = b->lp.n_rows;
    dms_lp_put(&b->lp, col_k(b, g), 1);
    dms_lp_put(&b->lp, col_p(b, g), 1);
    if (!b->has_saves)
        return dms_lp_row(&b->lp, -DMS_LP_FREE, 0, st);
    dms_lp_put(&b->lp, col_u(b, g), 1);
    DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, 0, st));
    dms_lp_put(&b->lp, col_u(b, before), 1);
    dms_lp_put(&b->lp, col_u(b, g), -1);
    dms_lp_put(&b->lp, col_w(g), -b->rate_out);
    for (uint32_t v = b->group[g].first_start; v != NO_CLASS; v = b->class[v].next_start)
        if (b->class[v].opens)
            dms_lp_put(&b->lp, col_x(b, v), -b->class[v].bytes);
    return dms_lp_row(&b->lp, -DMS_LP_FREE, b->rate_out * b->group[g].time - b->group[g].release,
                      st);
}

/* link time: all loads of a cycle, latencies included, fit into the period:
 * sum of w + d >= link time of all loads - sum over classes of x times what they save. */
static dms_code add_total_row(dms_bound *b, dms_status *st) {
    double time = 0;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += b->group[g].time;
        dms_lp_put(&b->lp, col_w(g), 1);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        dms_lp_put(&b->lp, col_x(b, v), b->class[v].slowest * b->class[v].bytes);
    return dms_lp_row(&b->lp, b->link_time - time, DMS_LP_FREE, st);
}

/* What a class that is read takes of the ring, on an average over the cycle. Each reading holds its
 * bytes on the host from its begin until its copy has ended. In a period of no more than period_ns
 * that is at least this share of the time; longer ones need no bound, for a plan is known. */
static double held_in_ring(const dms_bound *b, const gap_class *class) {
    return b->period_ns > 0 ? class->bytes * class->hold_ns / b->period_ns : 0;
}

/* homes: what is neither kept nor read has its home on the host,
 *
 *   x + n <= 1    for each class;     sum of bytes / gaps of its tensor x (1 - x - n)
 *                                   + sum of bytes in the ring x n, on an average
 *                                   + sum of bytes of activations that leave - z <= H
 *   z <= sum of bytes of activations that leave
 *
 * and storage: all readings of a cycle fit into the period, sum of w + d >= sum of time x n.
 * Take any schedule, and of each gap the share n' that is read, the share h of its home on the
 * host: n' >= 1 - x - h. Then n = max(0, 1 - x - h) <= n' meets all three rows. In the bound z
 * makes room for every activation, for these could share their places; emit gives each its own. */
static dms_code add_home_rows(dms_bound *b, dms_status *st) {
    double time = 0, homes = 0;
    for (uint32_t v = 0; v < b->n_classes; v++) {
        if (b->class[v].sharers == 0)
            continue;
        dms_lp_put(&b->lp, col_x(b, v), 1);
        dms_lp_put(&b->lp, col_n(b, v), 1);
        DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, 1, st));
    }
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += b->group[g].time;
        dms_lp_put(&b->lp, col_w(g), 1);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].sharers > 0)
            dms_lp_put(&b->lp, col_n(b, v), -b->class[v].read_per_byte * b->class[v].bytes);
    DMS_TRY(dms_lp_row(&b->lp, -time, DMS_LP_FREE, st));
    for (uint32_t v = 0; v < b->n_classes; v++) {
        const gap_class *class = b->class + v;
        const bool is_weight = class->sharers > 0;
        if (!is_weight && !class->opens)
            continue;
        const double bytes = is_weight ? class->bytes / class->sharers : class->bytes;
        homes += bytes;
        b->save_bytes += is_weight ? 0 : bytes;
        dms_lp_put(&b->lp, col_x(b, v), -bytes);
        if (is_weight)
            dms_lp_put(&b->lp, col_n(b, v), held_in_ring(b, class) - bytes);
    }
    dms_lp_put(&b->lp, col_z(b), -1);
    b->home_bytes = homes;
    b->host_row = b->lp.n_rows;
    DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, 0, st));
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].opens)
            dms_lp_put(&b->lp, col_x(b, v), b->class[v].bytes);
    dms_lp_put(&b->lp, col_z(b), 1);
    return dms_lp_row(&b->lp, -DMS_LP_FREE, b->save_bytes, st);
}

/* Boxes are finite everywhere: the certificate needs them. The price on the stock, shared among the
 * groups, picks among the many optima one that loads late: without it vertex solutions hoard stock
 * and rounded plans were at 1.150 instead of 1.018 of the bound (7b prefill at 50 %, PLACEMENT.md
 * section 5.1). */
static void set_columns(dms_bound *b, double bytes, const dms_bound_aim *aim) {
    const double host = (double)(b->cycle->host_units + 1 - aim->host_reserve) * DMS_ALIGN;
    const double price = aim->stock_price / b->n_groups;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        double room = bytes / b->byte - b->group[g].footprint;
        if (room < 0)
            room = 0;
        dms_lp_column(&b->lp, col_w(g), 0, b->max_stall, 1);
        dms_lp_column(&b->lp, col_p(b, g), 0, room, price);
        dms_lp_column(&b->lp, col_k(b, g), 0, room, 0);
        dms_lp_column(&b->lp, col_u(b, g), 0, b->has_saves ? room : 0, 0);
        dms_lp_column(&b->lp, col_q(b, g), 0, b->link_time, 0);
        if (b->has_rows)
            dms_lp_set_high(&b->lp, b->group[g].memory_row, room);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        dms_lp_column(&b->lp, col_x(b, v), 0, 1, 0);
    if (!b->has_homes)
        return;
    for (uint32_t v = 0; v < b->n_classes; v++) {
        const bool may_be_read = b->class[v].sharers > 0 && b->class[v].read_per_byte > 0;
        dms_lp_column(&b->lp, col_n(b, v), 0, may_be_read ? 1 : 0, 0);
    }
    dms_lp_column(&b->lp, col_z(b), 0, aim->host_reserve == 0 ? b->save_bytes : 0, 0);
    dms_lp_set_high(&b->lp, b->host_row, (host > 0 ? host : 0) / b->byte - b->home_bytes);
}

/* Once per cycle: another budget or price changes boxes, costs and sides only, and the solver goes
 * on from the basis it has. */
static dms_code add_rows(dms_bound *b, dms_status *st) {
    for (uint32_t g = 0; g < b->n_groups; g++) {
        DMS_TRY(add_link_rows(b, g, st));
        DMS_TRY(add_time_rows(b, g, st));
        DMS_TRY(add_kept_row(b, g, st));
        DMS_TRY(add_memory_rows(b, g, st));
    }
    DMS_TRY(add_total_row(b, st));
    if (b->has_homes)
        DMS_TRY(add_home_rows(b, st));
    b->has_rows = true;
    return DMS_OK;
}

/* Spreads a solution over gaps and steps. Shares are rounded to 1e-6: below that the digits depend
 * on how the compiler orders sums, and decisions must not. Gaps that no row sees are kept. */
static void read_shares(const dms_bound *b, const dms_lp_result *result, dms_shares *shares) {
    const dms_cycle *cycle = b->cycle;
    double time = 0;
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        double x = cycle->gap[i].rule == DMS_GAP_LOADED ? 0 : 1;
        if (b->class_of[i] != NO_CLASS)
            x = round(result->x[col_x(b, b->class_of[i])] * 1e6) / 1e6;
        shares->x[i] = x;
    }
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += result->x[col_w(g)] * b->ns;
        for (int32_t t = b->group[g].first; t <= b->group[g].last; t++) {
            time += (double)cycle->problem->steps[t].ns;
            shares->nominal_end[t] = (int64_t)time;
        }
    }
}

/* Each rung is deterministic: the recipe, the backup recipe, the closed form. What is called proven
 * comes from the certificate, never from the objective, and never from a solve with a price. */
dms_code dms_bound_solve(dms_bound *bound, uint64_t bytes, const dms_bound_aim *aim,
                         dms_shares *out_shares, dms_status *st) {
    const dms_cycle *cycle = bound->cycle;
    dms_shares shares = {.bound_ns = dms_bound_closed_form(cycle, bytes)};
    dms_lp_result result = {0};
    DMS_TRY(dms_alloc_st(bound->arena, cycle->n_gaps, sizeof *shares.x, "bound", &shares.x, st));
    DMS_TRY(dms_alloc_st(bound->arena, (uint64_t)cycle->n_steps, sizeof *shares.nominal_end,
                         "bound", &shares.nominal_end, st));
    if (!bound->has_rows)
        DMS_TRY(add_rows(bound, st));
    /* 1 to 4 iterations per row are usual; beyond that the solver has begun to cycle */
    const uint64_t limit = 10000 + 4 * (uint64_t)bound->lp.n_rows;
    set_columns(bound, (double)bytes, aim);
    DMS_TRY(dms_lp_solve(&bound->lp, DMS_LP_RECIPE, limit, &result, st));
    if (!result.is_solved)
        DMS_TRY(dms_lp_solve(&bound->lp, DMS_LP_RECIPE_BACKUP, limit, &result, st));
    /* a certificate that falls short of the objective says the solver was not done */
    shares.has_shares =
        result.is_solved && result.certificate >= result.objective - 1e-6 * (1 + result.objective);
    if (result.is_solved)
        read_shares(bound, &result, &shares);
    const double stall_ns = result.certificate * bound->ns;
    if (aim->stock_price == 0 && aim->host_reserve == 0 && result.is_solved && stall_ns > 0 &&
        stall_ns < 9e17) {
        const int64_t proven = (int64_t)(((double)cycle->compute_ns + stall_ns) * (1 - MARGIN));
        if (proven > shares.bound_ns)
            shares.bound_ns = proven;
        shares.value_ns = (double)cycle->compute_ns + result.objective * bound->ns;
    }
    *out_shares = shares;
    return DMS_OK;
}

/* The least time of reading `bytes` less what the host holds. */
static int64_t closed_form_of_storage(const dms_cycle *cycle, uint64_t bytes) {
    const double more = (double)bytes - (double)cycle->host_units * DMS_ALIGN;
    double per_byte = INFINITY;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (cycle->read_ns[i] > 0 &&
            per_byte > (double)cycle->read_ns[i] / (double)cycle->problem->tensors[i].bytes)
            per_byte = (double)cycle->read_ns[i] / (double)cycle->problem->tensors[i].bytes;
    return more > 0 && per_byte < INFINITY ? (int64_t)(more * per_byte * (1 - MARGIN)) : 0;
}

/* period >= all steps, and >= (weights - room) x time per byte of the largest block; the same for
 * storage with what neither the device nor the host holds, at the least time per byte. */
int64_t dms_bound_closed_form(const dms_cycle *cycle, uint64_t bytes) {
    const dms_problem *problem = cycle->problem;
    uint64_t weights = 0, largest = 0, least = UINT64_MAX;
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        if (problem->tensors[i].kind == DMS_PROBLEM_WEIGHT) {
            weights += problem->tensors[i].bytes;
            if (problem->tensors[i].bytes > largest)
                largest = problem->tensors[i].bytes;
        }
    for (uint32_t t = 0; t < problem->n_steps; t++)
        if (problem->steps[t].scratch_bytes < least)
            least = problem->steps[t].scratch_bytes;
    /* a weight that is not on the device in some slot is loaded before its next touch; the weights
     * that are there in the slot with the least scratch are no more than the budget beside it */
    const uint64_t there = bytes > least ? bytes - least : 0;
    if (weights <= there || largest == 0)
        return cycle->compute_ns;
    const double ns_per_byte =
        (double)problem->in.latency_ns / (double)largest + 1e9 / (double)problem->in.bytes_per_s;
    int64_t link_ns = (int64_t)((double)(weights - there) * ns_per_byte * (1 - MARGIN));
    const int64_t read_ns = closed_form_of_storage(cycle, weights - there);
    if (link_ns < read_ns)
        link_ns = read_ns;
    return link_ns > cycle->compute_ns ? link_ns : cycle->compute_ns;
}
