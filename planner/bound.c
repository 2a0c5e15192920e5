/* bound.c - the rows of the grouped program, and its solves. */
#include "planner/bound.h"

#include <math.h>
#include <string.h>

#include "planner/bound_internal.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define NUDGE 1e-4 /* at most this much dearer are stalls and shares than their neighbours */

void dms_bound_assume(dms_bound *bound, int64_t period_ns) {
    bound->period_ns = (double)period_ns;
}

void dms_bound_limit(dms_bound *bound, uint64_t max_iterations) {
    bound->max_iterations = max_iterations;
}

void dms_bound_close(dms_bound *bound) {
    if (bound)
        dms_lp_close(&bound->lp);
}

/* Ends the row being built and notes its number. */
static dms_code end_row(dms_bound *b, double low, double high, uint32_t *out_row, dms_status *st) {
    *out_row = b->lp.n_rows;
    return dms_lp_row(&b->lp, low, high, st);
}

/* The group before; of the first, the last of the turn before. */
static uint32_t before(const dms_bound *b, uint32_t g) {
    return (g + b->n_groups - 1) % b->n_groups;
}

/* What the loads that end in group g add to a row, per share kept: L(g) = load - sum of bytes x. */
static void put_loads(dms_bound *b, uint32_t g, double sign) {
    for (uint32_t v = b->group[g].first_end; v != DMS_NO_CLASS; v = b->class[v].next_end)
        dms_lp_put(&b->lp, dms_bound_x(b, v), sign * b->class[v].bytes);
}

/* What keeping saves of the link time of a pace: of each class, at most what its slowest would
 * take, or at least what its fastest would. */
static void put_load_times(dms_bound *b, uint32_t g, uint32_t pace, double sign, bool at_least) {
    for (uint32_t v = b->group[g].first_end; v != DMS_NO_CLASS; v = b->class[v].next_end) {
        const dms_bound_class *class = b->class + v;
        if (class->pace == pace)
            dms_lp_put(&b->lp, dms_bound_x(b, v),
                       sign * (at_least ? class->fastest : class->slowest) * class->bytes);
    }
}

/* link: stock grows no faster than the link; arrival: what is due came before its step.
 *
 *   P(g) - P(g-1) + L(g) <= B (d + w)      d = time of the group, d' = of its steps before the
 *   P(g-1) + B (w + d')  >= L(g)           last that waits for a load
 *
 * No such rows where the stocks in link time say as much (bound_paces.c). */
static dms_code add_link_rows(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_group *at = b->group + g;
    if (!b->has_bytes)
        return DMS_OK;
    dms_lp_put(&b->lp, dms_bound_p(b, g), 1);
    dms_lp_put(&b->lp, dms_bound_p(b, before(b, g)), -1);
    dms_lp_put(&b->lp, dms_bound_w(g), -b->rate_in);
    put_loads(b, g, -1);
    DMS_TRY(end_row(b, -DMS_LP_FREE, b->rate_in * at->time - at->load, &at->row.link, st));
    if (at->load == 0)
        return DMS_OK;
    dms_lp_put(&b->lp, dms_bound_p(b, before(b, g)), 1);
    dms_lp_put(&b->lp, dms_bound_w(g), b->rate_in);
    put_loads(b, g, 1);
    return end_row(b, at->load - b->rate_in * at->time_before, DMS_LP_FREE, &at->row.arrival, st);
}

/* What is due of one pace, and alone in its group, came before its step; with other paces beside
 * it, z of it comes in what time is left before the group's last load is due.
 *
 *   Q(g-1) + w + d' >= time due            Q(g-1) + z >= time due
 *                                          sum of z over the paces <= w + d'     */
static dms_code add_due_rows(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_group *at = b->group + g;
    uint32_t n_due = 0;
    for (uint32_t p = 0; p < b->n_paces; p++)
        n_due += at->load_time[p] > 0;
    for (uint32_t p = 0; p < b->n_paces; p++) {
        if (at->load_time[p] == 0)
            continue;
        dms_lp_put(&b->lp, dms_bound_q(b, p, before(b, g)), 1);
        dms_lp_put(&b->lp, n_due > 1 ? dms_bound_z(b, p, g) : dms_bound_w(g), 1);
        put_load_times(b, g, p, 1, false);
        DMS_TRY(end_row(b, at->load_time[p] - (n_due > 1 ? 0 : at->time_before), DMS_LP_FREE,
                        n_due > 1 ? &at->row.due[p] : &at->row.arrival_time, st));
    }
    if (n_due < 2)
        return DMS_OK;
    for (uint32_t p = 0; p < b->n_paces; p++)
        if (at->load_time[p] > 0)
            dms_lp_put(&b->lp, dms_bound_z(b, p, g), -1);
    dms_lp_put(&b->lp, dms_bound_w(g), 1);
    return end_row(b, -at->time_before, DMS_LP_FREE, &at->row.arrival_time, st);
}

/* The link never carries less than nothing of a pace: Q(g) - Q(g-1) + time due >= 0. One pace needs
 * no such row: what is there longer than it must helps nobody. With several, a stock of one would
 * turn into time for another. */
static dms_code add_early_rows(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_group *at = b->group + g;
    for (uint32_t p = 0; p < b->n_paces && b->n_paces > 1; p++) {
        dms_lp_put(&b->lp, dms_bound_q(b, p, g), 1);
        dms_lp_put(&b->lp, dms_bound_q(b, p, before(b, g)), -1);
        put_load_times(b, g, p, -1, true);
        DMS_TRY(end_row(b, -at->load_time[p], DMS_LP_FREE, &at->row.early[p], st));
    }
    return DMS_OK;
}

/* The bytes that the stocks in link time have at least: sum of Q / rho, with rho the link time per
 * byte of the smallest block of the pace. */
static void put_stock(dms_bound *b, uint32_t g) {
    for (uint32_t p = 0; p < b->n_paces; p++)
        dms_lp_put(&b->lp, dms_bound_q(b, p, g), 1 / b->pace[p].slowest);
}

/* The same in link time, so that latencies count where they fall, and sum of Q / rho <= P. Without
 * these rows SDXL at 12.5 % reads 93.1 ms, with one pace 95.8, with three 98.1; the plan takes 98.3
 * (docs/certificate.md). */
static dms_code add_time_rows(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_group *at = b->group + g;
    double load_time = 0;
    for (uint32_t p = 0; p < b->n_paces; p++) {
        load_time += at->load_time[p];
        dms_lp_put(&b->lp, dms_bound_q(b, p, g), 1);
        dms_lp_put(&b->lp, dms_bound_q(b, p, before(b, g)), -1);
        put_load_times(b, g, p, -1, false);
    }
    dms_lp_put(&b->lp, dms_bound_w(g), -1);
    DMS_TRY(end_row(b, -DMS_LP_FREE, at->time - load_time, &at->row.link_time, st));
    DMS_TRY(add_due_rows(b, g, st));
    DMS_TRY(add_early_rows(b, g, st));
    if (!b->has_bytes)
        return DMS_OK;
    put_stock(b, g);
    dms_lp_put(&b->lp, dms_bound_p(b, g), -1);
    return end_row(b, -DMS_LP_FREE, 0, &at->row.density, st);
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
    dms_lp_put(&b->lp, dms_bound_k(b, g), 1);
    if (g > 0) {
        dms_lp_put(&b->lp, dms_bound_k(b, g - 1), -1);
        for (uint32_t v = b->group[g].first_start; v != DMS_NO_CLASS; v = b->class[v].next_start)
            dms_lp_put(&b->lp, dms_bound_x(b, v), -b->class[v].bytes);
        put_loads(b, g, 1);
    } else {
        for (uint32_t v = 0; v < b->n_classes; v++)
            if (b->class[v].from <= 0 || (b->class[v].from <= n && b->class[v].to > n))
                dms_lp_put(&b->lp, dms_bound_x(b, v), -b->class[v].bytes);
    }
    return end_row(b, 0, 0, &b->group[g].row.kept, st);
}

/* memory, and out: what was released and is not yet saved.
 *
 *   K(g) + P(g) + U(g) <= budget - footprint(g)
 *   U(g-1) - U(g) + R(g) <= B_out (d + w)      R(g) = released - bytes x of first gaps of
 *                                              activations that begin here
 * Where there is no P, the sum of Q / rho stands for it. The side of the memory row is set by
 * set_columns: it is all that differs between budgets. */
static dms_code add_memory_rows(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_rows *row = &b->group[g].row;
    dms_lp_put(&b->lp, dms_bound_k(b, g), 1);
    if (b->has_bytes)
        dms_lp_put(&b->lp, dms_bound_p(b, g), 1);
    else
        put_stock(b, g);
    if (!b->has_saves)
        return end_row(b, -DMS_LP_FREE, 0, &row->memory, st);
    dms_lp_put(&b->lp, dms_bound_u(b, g), 1);
    DMS_TRY(end_row(b, -DMS_LP_FREE, 0, &row->memory, st));
    dms_lp_put(&b->lp, dms_bound_u(b, before(b, g)), 1);
    dms_lp_put(&b->lp, dms_bound_u(b, g), -1);
    dms_lp_put(&b->lp, dms_bound_w(g), -b->rate_out);
    for (uint32_t v = b->group[g].first_start; v != DMS_NO_CLASS; v = b->class[v].next_start)
        if (b->class[v].opens)
            dms_lp_put(&b->lp, dms_bound_x(b, v), -b->class[v].bytes);
    return end_row(b, -DMS_LP_FREE, b->rate_out * b->group[g].time - b->group[g].release, &row->out,
                   st);
}

/* busy: while the link brings a block during a step, all of the block is there. Of the step's time
 * d that is, for blocks of `heavy` bytes and more, at least what the link carries in the group less
 * its stall and less S, the time of smaller ones:
 *
 *   K(g) + U(g) + heavy / d (sum of Q(g) - Q(g-1) + link time due in g - w - S) <= budget -
 *       footprint(g)                                        for groups of one step */
static dms_code add_busy_row(dms_bound *b, uint32_t g, dms_status *st) {
    const double carrying = dms_bound_carrying(b, g);
    if (carrying == 0)
        return DMS_OK;
    dms_lp_put(&b->lp, dms_bound_k(b, g), 1);
    if (b->has_saves)
        dms_lp_put(&b->lp, dms_bound_u(b, g), 1);
    for (uint32_t p = 0; p < b->n_paces; p++) {
        dms_lp_put(&b->lp, dms_bound_q(b, p, g), carrying);
        dms_lp_put(&b->lp, dms_bound_q(b, p, before(b, g)), -carrying);
        put_load_times(b, g, p, -carrying, false);
    }
    dms_lp_put(&b->lp, dms_bound_w(g), -carrying);
    dms_lp_put(&b->lp, dms_bound_s(b, g), -carrying);
    return end_row(b, -DMS_LP_FREE, 0, &b->group[g].row.busy, st);
}

/* sum of S <= link time of all loads of small blocks */
static dms_code add_spare_row(dms_bound *b, dms_status *st) {
    double time = 0;
    if (b->heavy == 0)
        return DMS_OK;
    for (uint32_t g = 0; g < b->n_groups; g++)
        if (b->group[g].row.busy != DMS_NO_ROW)
            dms_lp_put(&b->lp, dms_bound_s(b, g), 1);
    for (uint32_t v = 0; v < b->n_classes; v++) {
        const dms_bound_class *class = b->class + v;
        if (class->pace == DMS_NO_PACE || class->least >= b->heavy)
            continue;
        dms_lp_put(&b->lp, dms_bound_x(b, v), class->fastest * class->bytes);
        time += class->slowest * class->bytes;
    }
    return end_row(b, -DMS_LP_FREE, time + b->light_time, &b->spare_row, st);
}

/* inputs: they come from slot 0 on, one after the other, and what is due by a step has come before.
 *
 *   sum of w(h), h <= g, + d of the steps before the last that waits for an input
 *       >= link time of all inputs that are due by it
 * No row where the steps take longer than the copies. */
static dms_code add_inputs_row(dms_bound *b, uint32_t g, dms_status *st) {
    dms_bound_group *at = b->group + g;
    if (at->inputs <= at->computed)
        return DMS_OK;
    for (uint32_t h = 0; h <= g; h++)
        dms_lp_put(&b->lp, dms_bound_w(h), 1);
    return end_row(b, at->inputs - at->computed, DMS_LP_FREE, &at->row.inputs, st);
}

/* link time: all loads of a cycle, latencies included, fit into the period:
 * sum of w + d >= link time of all loads - sum over classes of x times what they save. */
static dms_code add_total_row(dms_bound *b, dms_status *st) {
    double time = 0;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += b->group[g].time;
        dms_lp_put(&b->lp, dms_bound_w(g), 1);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        dms_lp_put(&b->lp, dms_bound_x(b, v), b->class[v].slowest * b->class[v].bytes);
    return end_row(b, b->link_time - time, DMS_LP_FREE, &b->total_row, st);
}

/* What a class that is read takes of the ring, on an average over the cycle. Each reading holds its
 * bytes on the host from its begin until its copy has ended. In a period of no more than period_ns
 * that is at least this share of the time; longer ones need no bound, for a plan is known. */
static double held_in_ring(const dms_bound *b, const dms_bound_class *class) {
    return b->period_ns > 0 ? class->bytes * class->hold_ns / b->period_ns : 0;
}

/* What is neither kept nor read has its home on the host; h is the sum of homes:
 *
 *   x + n <= 1    for each class;    h >= sum of bytes / gaps of its tensor x (1 - x - n)
 *
 * Take any schedule, and of each gap the share n' that is read, the share s of its home on the
 * host: n' >= 1 - x - s. Then n = max(0, 1 - x - s) <= n' meets these rows and those below. */
static dms_code add_home_rows(dms_bound *b, dms_status *st) {
    double homes = 0;
    for (uint32_t v = 0; v < b->n_classes; v++) {
        if (b->class[v].sharers == 0)
            continue;
        dms_lp_put(&b->lp, dms_bound_x(b, v), 1);
        dms_lp_put(&b->lp, dms_bound_n(b, v), 1);
        DMS_TRY(dms_lp_row(&b->lp, -DMS_LP_FREE, 1, st));
    }
    for (uint32_t v = 0; v < b->n_classes; v++) {
        if (b->class[v].sharers == 0)
            continue;
        const double bytes = b->class[v].bytes / b->class[v].sharers;
        homes += bytes;
        dms_lp_put(&b->lp, dms_bound_x(b, v), bytes);
        dms_lp_put(&b->lp, dms_bound_n(b, v), bytes);
    }
    dms_lp_put(&b->lp, dms_bound_h(b), 1);
    b->home_bytes = homes;
    return end_row(b, homes, DMS_LP_FREE, &b->homes_row, st);
}

/* The host, on an average over the cycle:
 *
 *   h + sum of bytes in the ring x n + sum of bytes of activations that leave - z <= H
 *   z <= sum of bytes of activations that leave
 *
 * In the bound z makes room for every activation, for these could share their places; emit gives
 * each its own. */
static dms_code add_host_rows(dms_bound *b, dms_status *st) {
    dms_lp_put(&b->lp, dms_bound_h(b), 1);
    for (uint32_t v = 0; v < b->n_classes; v++) {
        const dms_bound_class *class = b->class + v;
        b->save_bytes += class->opens ? class->bytes : 0;
        if (class->opens)
            dms_lp_put(&b->lp, dms_bound_x(b, v), -class->bytes);
        if (class->sharers > 0)
            dms_lp_put(&b->lp, dms_bound_n(b, v), held_in_ring(b, class));
    }
    dms_lp_put(&b->lp, dms_bound_home(b), -1);
    DMS_TRY(end_row(b, -DMS_LP_FREE, 0, &b->host_row, st));
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].opens)
            dms_lp_put(&b->lp, dms_bound_x(b, v), b->class[v].bytes);
    dms_lp_put(&b->lp, dms_bound_home(b), 1);
    return dms_lp_row(&b->lp, -DMS_LP_FREE, b->save_bytes, st);
}

/* A number in 0..1 for each group or class, without a pattern. */
static double scattered(uint32_t index) {
    return (double)(index * 2654435761u >> 8 & 0xffff) / 0xffff;
}

/* Device and host together, during the last step of group g: they hold its footprint, what stays
 * over it, all homes, what waits between two touches, on either side, and a block that is being
 * read. y(g) is the share of the cycles in which no large block is.
 *
 *   h + K(g) + sum of bytes (1 - x) of what may be away + large (1 - y(g))
 *       <= H + budget - footprint(g)
 */
static dms_code add_away_row(dms_bound *b, uint32_t g, dms_status *st) {
    dms_lp_put(&b->lp, dms_bound_h(b), 1);
    dms_lp_put(&b->lp, dms_bound_k(b, g), 1);
    dms_lp_put(&b->lp, dms_bound_y_of(b, g), -b->large / b->byte);
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (dms_bound_is_away(b, v, g))
            dms_lp_put(&b->lp, dms_bound_x(b, v), -b->class[v].bytes);
    return end_row(b, -DMS_LP_FREE, 0, &b->group[g].row.away, st);
}

/* A step at which one of its own blocks is not there beforehand, whichever it is (bound_short.c):
 * it stands beside all homes and all own blocks that stay. y is the share of these steps during
 * which no large block is being read.
 *
 *   h + sum of bytes x of own blocks + large (1 - y) <= H + budget - bytes of such a step */
static dms_code add_short_row(dms_bound *b, dms_status *st) {
    if (!b->shorts.is_there)
        return DMS_OK;
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].is_own)
            dms_lp_put(&b->lp, dms_bound_x(b, v), b->class[v].bytes);
    dms_lp_put(&b->lp, dms_bound_h(b), 1);
    dms_lp_put(&b->lp, dms_bound_y(b), -b->large / b->byte);
    return end_row(b, -DMS_LP_FREE, 0, &b->short_row, st);
}

/* storage: all readings of a cycle fit into the period, sum of w + d >= sum of time x n; those of
 * large blocks into what is left of it beside the steps in which there are none. Short steps and
 * last steps of groups are asked apart, for they may be the same: what they lose is put first. */
static dms_code add_storage_row(dms_bound *b, bool is_large, uint32_t *out_row, dms_status *st) {
    double time = 0;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += b->group[g].time;
        dms_lp_put(&b->lp, dms_bound_w(g), 1);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        if (b->class[v].sharers > 0 && (!is_large || b->class[v].least >= b->large))
            dms_lp_put(&b->lp, dms_bound_n(b, v), -b->class[v].read_per_byte * b->class[v].bytes);
    return end_row(b, -time, DMS_LP_FREE, out_row, st);
}

static double last_step(const dms_bound *b, uint32_t g) {
    return (double)b->cycle->problem->steps[b->group[g].last].ns / b->ns;
}

/* All rows of three tiers. */
static dms_code add_tier_rows(dms_bound *b, dms_status *st) {
    DMS_TRY(add_home_rows(b, st));
    DMS_TRY(add_storage_row(b, false, &b->storage_row, st));
    dms_lp_put(&b->lp, dms_bound_y(b), -(double)b->shorts.idle_ns / b->ns);
    DMS_TRY(add_storage_row(b, true, &b->large_row, st));
    for (uint32_t g = 0; g < b->n_groups; g++)
        if (b->group[g].has_away_row)
            dms_lp_put(&b->lp, dms_bound_y_of(b, g), -last_step(b, g));
    DMS_TRY(add_storage_row(b, true, &b->lasts_row, st));
    DMS_TRY(add_host_rows(b, st));
    for (uint32_t g = 0; g < b->n_groups; g++)
        if (b->group[g].has_away_row)
            DMS_TRY(add_away_row(b, g, st));
    DMS_TRY(dms_bound_add_cases(b, st));
    return add_short_row(b, st);
}

/* Sides and boxes of what only three tiers have. A plan that leaves a reserve to the ring, and
 * gives every activation a place of its own, is not asked what the host holds at one time. */
static void set_tiers(dms_bound *b, double bytes, const dms_bound_aim *aim) {
    const double host = (double)(b->cycle->host_units + 1 - aim->host_reserve) * DMS_ALIGN;
    const double room = (host > 0 ? host : 0) / b->byte;
    for (uint32_t v = 0; v < b->n_classes; v++) {
        const bool may_be_read = b->class[v].sharers > 0 && b->class[v].read_per_byte > 0;
        dms_lp_column(&b->lp, dms_bound_n(b, v), 0, may_be_read ? 1 : 0, 0);
    }
    dms_lp_column(&b->lp, dms_bound_home(b), 0, aim->host_reserve == 0 ? b->save_bytes : 0, 0);
    dms_lp_column(&b->lp, dms_bound_h(b), 0, b->home_bytes, 0);
    dms_lp_set_high(&b->lp, b->host_row, room - b->save_bytes);
    dms_bound_set_cases(b, room, aim->ring);
    for (uint32_t g = 0; g < b->n_groups; g++) {
        const double away = b->group[g].away + b->group[g].footprint + b->large / b->byte;
        dms_lp_column(&b->lp, dms_bound_y_of(b, g), 0, b->group[g].has_away_row ? 1 : 0, 0);
        if (b->group[g].has_away_row)
            dms_lp_set_high(&b->lp, b->group[g].row.away,
                            (aim->host_reserve == 0 ? room : b->home_bytes + away) + bytes - away);
    }
    dms_lp_column(&b->lp, dms_bound_y(b), 0, 1, 0);
    if (b->shorts.is_there) { /* a larger budget than it was made for may hold all own blocks */
        const double asks = ((double)b->shorts.bytes + b->large) / b->byte;
        const bool holds = aim->host_reserve == 0 && bytes * b->byte <= (double)b->short_budget;
        dms_lp_set_high(&b->lp, b->short_row, holds ? room + bytes - asks : 2 * b->home_bytes);
    }
}

/* The sides of memory, and of memory beside a block that comes. */
static void set_rooms(dms_bound *b, uint32_t g, double room) {
    const dms_bound_group *at = b->group + g;
    double load_time = 0;
    for (uint32_t p = 0; p < b->n_paces; p++)
        load_time += at->load_time[p];
    dms_lp_set_high(&b->lp, at->row.memory, room);
    if (at->row.busy != DMS_NO_ROW)
        dms_lp_set_high(&b->lp, at->row.busy, room - dms_bound_carrying(b, g) * load_time);
}

/* Boxes are finite everywhere: the certificate needs them. The price on the stock, shared among the
 * groups, picks among the many optima one that loads late: without it vertex solutions hoard stock
 * and rounded plans were at 1.150 instead of 1.018 of the bound (7b prefill at 50 %, PLACEMENT.md
 * section 5.1). */
static void set_columns(dms_bound *b, double bytes, const dms_bound_aim *aim, double nudge) {
    const double price = aim->stock_price / b->n_groups;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        double room = bytes / b->byte - b->group[g].footprint;
        if (room < 0)
            room = 0;
        dms_lp_column(&b->lp, dms_bound_w(g), 0, b->max_stall, 1 + nudge * scattered(g));
        dms_lp_column(&b->lp, dms_bound_p(b, g), 0, b->has_bytes ? room : 0, price);
        dms_lp_column(&b->lp, dms_bound_k(b, g), 0, room, 0);
        dms_lp_column(&b->lp, dms_bound_u(b, g), 0, b->has_saves ? room : 0, 0);
        for (uint32_t p = 0; p < b->n_paces; p++) {
            dms_lp_column(&b->lp, dms_bound_q(b, p, g), 0, b->link_time,
                          b->has_bytes ? 0 : price / b->pace[p].slowest);
            if (b->n_paces > 1)
                dms_lp_column(&b->lp, dms_bound_z(b, p, g), 0, b->link_time, 0);
        }
        if (b->heavy > 0)
            dms_lp_column(&b->lp, dms_bound_s(b, g), 0, b->link_time, 0);
        if (b->has_rows)
            set_rooms(b, g, room);
    }
    for (uint32_t v = 0; v < b->n_classes; v++)
        dms_lp_column(&b->lp, dms_bound_x(b, v), 0, 1, nudge * scattered(v));
    if (b->has_homes)
        set_tiers(b, bytes / b->byte, aim);
}

/* Once per cycle: another budget or price changes boxes, costs and sides only, and the solver goes
 * on from the basis it has. */
static dms_code add_rows(dms_bound *b, uint64_t bytes, dms_status *st) {
    b->storage_row = b->large_row = b->lasts_row = b->host_row = b->short_row = DMS_NO_ROW;
    b->pair_row = b->apart_row = DMS_NO_ROW;
    if (b->has_homes)
        DMS_TRY(dms_bound_choose_short(b, bytes, st));
    for (uint32_t g = 0; g < b->n_groups; g++) {
        memset(&b->group[g].row, 0xff, sizeof b->group[g].row); /* DMS_NO_ROW everywhere */
        DMS_TRY(add_link_rows(b, g, st));
        DMS_TRY(add_time_rows(b, g, st));
        DMS_TRY(add_kept_row(b, g, st));
        DMS_TRY(add_memory_rows(b, g, st));
        DMS_TRY(add_busy_row(b, g, st));
        DMS_TRY(add_inputs_row(b, g, st));
    }
    DMS_TRY(add_total_row(b, st));
    DMS_TRY(add_spare_row(b, st));
    if (b->has_homes)
        DMS_TRY(add_tier_rows(b, st));
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
        if (b->class_of[i] != DMS_NO_CLASS)
            x = round(result->x[dms_bound_x(b, b->class_of[i])] * 1e6) / 1e6;
        shares->x[i] = x;
    }
    for (uint32_t g = 0; g < b->n_groups; g++) {
        time += result->x[dms_bound_w(g)] * b->ns;
        for (int32_t t = b->group[g].first; t <= b->group[g].last; t++) {
            time += (double)cycle->problem->steps[t].ns;
            shares->nominal_end[t] = (int64_t)time;
        }
    }
}

/* Where many plans are as fast, the simplex walks among them without an end: 20 equal layers went
 * past 15,000 iterations at a program of 6,231 rows. With a stall in one group, and a share of one
 * class, a little dearer than in another there are no ties: from there the true costs take few. */
static dms_code solve_nudged(dms_bound *b, double bytes, const dms_bound_aim *aim, uint64_t limit,
                             dms_lp_result *out_result, dms_status *st) {
    dms_lp_close(&b->lp);
    set_columns(b, bytes, aim, NUDGE);
    DMS_TRY(dms_lp_solve(&b->lp, DMS_LP_RECIPE, limit, out_result, st));
    set_columns(b, bytes, aim, 0);
    return out_result->is_solved ? dms_lp_solve(&b->lp, DMS_LP_RECIPE, limit, out_result, st)
                                 : DMS_OK;
}

/* Each rung is deterministic: as it is, from the last basis or where storage may set the pace;
 * without ties; by the backup recipe. Where storage sets the pace all stalls are one sum, and which
 * group has them is settled last: 13B at 25 % takes 3,072 iterations as it is, without ties 5,216,
 * and 11,240 from there. */
static dms_code climb(dms_bound *b, double bytes, const dms_bound_aim *aim,
                      dms_lp_result *out_result, dms_status *st) {
    /* 1 to 2 iterations per row are usual; beyond that the solver has begun to cycle */
    const uint64_t limit =
        b->max_iterations ? b->max_iterations : 3000 + 2 * (uint64_t)b->lp.n_rows;
    *out_result = (dms_lp_result){0};
    set_columns(b, bytes, aim, 0);
    if (b->lp.solver || b->has_homes)
        DMS_TRY(dms_lp_solve(&b->lp, DMS_LP_RECIPE, limit, out_result, st));
    if (!out_result->is_solved)
        DMS_TRY(solve_nudged(b, bytes, aim, limit, out_result, st));
    if (!out_result->is_solved)
        DMS_TRY(dms_lp_solve(&b->lp, DMS_LP_RECIPE_BACKUP, limit, out_result, st));
    return DMS_OK;
}

/* Where no rung holds there are prices by formulas. What is called proven comes from the
 * certificate, never from the objective, and never from a solve with a price. The program has a
 * home for each gap of a weight, the formulas one for all: they may prove more than it. */
dms_code dms_bound_solve(dms_bound *bound, uint64_t bytes, const dms_bound_aim *aim,
                         dms_shares *out_shares, dms_status *st) {
    const dms_cycle *cycle = bound->cycle;
    dms_shares shares = {.bound_ns = cycle->compute_ns};
    dms_lp_result result;
    DMS_TRY(dms_alloc_st(bound->arena, cycle->n_gaps, sizeof *shares.x, "bound", &shares.x, st));
    DMS_TRY(dms_alloc_st(bound->arena, (uint64_t)cycle->n_steps, sizeof *shares.nominal_end,
                         "bound", &shares.nominal_end, st));
    if (!bound->has_rows)
        DMS_TRY(add_rows(bound, bytes, st));
    DMS_TRY(climb(bound, (double)bytes, aim, &result, st));
    /* a certificate that falls short of the objective says the solver was not done */
    shares.has_shares =
        result.is_solved && result.certificate >= result.objective - 1e-6 * (1 + result.objective);
    if (result.is_solved)
        read_shares(bound, &result, &shares);
    if (aim->stock_price == 0 && aim->host_reserve == 0) {
        if (result.is_solved)
            DMS_TRY(dms_bound_price(bound, bytes, &result, &shares.certificate, st));
        if (!shares.has_shares || !shares.certificate || bound->has_homes)
            DMS_TRY(dms_bound_beneath(bound, bytes, &shares.certificate, st));
        if (shares.certificate && shares.certificate->bound_ns > shares.bound_ns)
            shares.bound_ns = shares.certificate->bound_ns;
        shares.value_ns = (double)cycle->compute_ns + result.objective * bound->ns;
    }
    *out_shares = shares;
    return DMS_OK;
}
