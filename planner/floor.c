/* floor.c - the least memory with which a plan exists.
 *
 * The tightest plan of all keeps nothing: before each step what it lacks is loaded, after it
 * everything leaves that may. Its packing is built on every compile and is the last candidate of
 * every placement, so that a budget above the floor always has a plan. Where the host is short,
 * weights are kept in order of size at the bottom, and what was packed moves up.
 */
#include <stdlib.h>
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define NO_UNITS (INT64_MAX / 4)
#define MAX_JITTERS 24u
#define MAX_SEARCHED DMS_SEARCH_MOST
#define MAX_NODES 20000u
#define MAX_CAPACITIES 6u

dms_code dms_layout_new(const dms_cycle *cycle, dms_arena *arena, dms_layout *out_layout,
                        dms_status *st) {
    dms_layout layout = {.top = 0};
    const uint64_t n = (uint64_t)cycle->n_gaps + cycle->n_tensors + (uint64_t)cycle->n_steps;
    DMS_TRY(dms_draft_new(cycle, arena, &layout.draft, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *layout.piece, "placement", &layout.piece, st));
    DMS_TRY(dms_alloc_st(arena, cycle->n_tensors, sizeof *layout.kept_offset, "placement",
                         &layout.kept_offset, st));
    *out_layout = layout;
    return DMS_OK;
}

void dms_layout_take(const dms_cycle *cycle, const dms_draft *draft, const dms_addresses *addresses,
                     dms_layout *layout) {
    const int64_t *kept_offset;
    const dms_piece *piece = dms_addresses_pieces(addresses, &layout->n_pieces, &kept_offset);
    dms_draft_copy(cycle, draft, &layout->draft);
    memcpy(layout->piece, piece, layout->n_pieces * sizeof *piece);
    memcpy(layout->kept_offset, kept_offset, cycle->n_tensors * sizeof *kept_offset);
    layout->top = 0;
    for (uint32_t i = 0; i < layout->n_pieces; i++)
        if (piece[i].offset + piece[i].units > layout->top)
            layout->top = piece[i].offset + piece[i].units;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (kept_offset[i] >= 0 && kept_offset[i] + cycle->units[i] > layout->top)
            layout->top = kept_offset[i] + cycle->units[i];
}

/* Slots of the tightest plan: loads on demand, saves at once, so that a slot holds what its
 * step touches and what must stay. The budget is as good as none: the packing finds what fits. */
static void tighten(const dms_cycle *cycle, dms_work *work, dms_draft *draft) {
    (void)dms_slots(cycle, work, NO_UNITS, DMS_SLOT_ON_DEMAND, draft);
    for (uint32_t q = 0; q < draft->n_saves; q++)
        draft->before[draft->save[q]] = cycle->write_end[draft->save[q]] + 1;
}

static bool stays(const dms_gap *gap, bool activations_stay) {
    return gap->rule == DMS_GAP_KEPT ||
           (gap->rule == DMS_GAP_FREE && gap->is_saved && activations_stay);
}

/* First fit in several orders; stops at the lower bound, the largest footprint, below which no
 * order can get. A packing that passes the best so far is given up on the way. */
static void pack_tightest(const dms_cycle *cycle, dms_work *work, dms_addresses *addresses,
                          dms_floor_plan *plan) {
    const dms_fit fit = {0};
    const dms_fit_order orders[] = {DMS_FIT_LIFE, DMS_FIT_AREA, DMS_FIT_SIZE, DMS_FIT_LIFE_SQUARED,
                                    DMS_FIT_START};
    const uint32_t n = sizeof orders / sizeof *orders;
    dms_layout *layout = &plan->layout;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        layout->draft.keep[g] = stays(cycle->gap + g, plan->activations_stay);
    tighten(cycle, work, &layout->draft);
    dms_addresses_list(addresses, &layout->draft, &fit);
    layout->top = INT64_MAX - 1;
    const uint32_t tries = cycle->n_gaps < 4000 ? n + MAX_JITTERS : n;
    for (uint32_t i = 0; i < tries && layout->top > cycle->peak; i++) {
        const int64_t top = dms_addresses_pack(addresses, orders[i % n], i / n, layout->top - 1);
        if (top < layout->top)
            dms_layout_take(cycle, &layout->draft, addresses, layout);
    }
}

/* Where no order reaches the lower bound: exact search, at the bound and then halfway between what
 * is known to fail, or took too long, and what fits. */
static dms_code search_lower(const dms_cycle *cycle, dms_layout *layout, dms_arena *arena,
                             dms_status *st) {
    const dms_search_options options = {.max_nodes = MAX_NODES};
    dms_lives lives = {.n = layout->n_pieces, .cycle = cycle->n_steps};
    dms_life *life;
    int64_t *offset, base = 0, low = cycle->peak;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        base += layout->kept_offset[i] >= 0 ? cycle->units[i] : 0;
    const dms_arena_mark mark = dms_arena_here(arena);
    DMS_TRY(dms_alloc_st(arena, lives.n, sizeof *life, "floor", &life, st));
    DMS_TRY(dms_alloc_st(arena, lives.n, sizeof *offset, "floor", &offset, st));
    dms_pieces_lives(layout->piece, lives.n, life);
    lives.life = life;
    for (uint32_t k = 0; k < MAX_CAPACITIES && low < layout->top; k++) {
        const int64_t top = k == 0 ? low : low + (layout->top - low) / 2;
        const dms_arena_mark scratch = dms_arena_here(arena);
        dms_search_result result;
        lives.capacity = top - base;
        const dms_code code = dms_offsets_search(&lives, &options, arena, offset, &result, st);
        dms_arena_release(arena, scratch);
        DMS_TRY(code);
        if (result.verdict != DMS_VERDICT_FOUND) {
            low = top + 1;
            continue;
        }
        for (uint32_t i = 0; i < lives.n; i++)
            layout->piece[i].offset = base + offset[i];
        layout->top = top;
    }
    dms_arena_release(arena, mark);
    return DMS_OK;
}

/* Host units for the weights of rank k and more, for every k down from the last one: those of the
 * front have their homes there until one sets the size of the ring that the rest is read through.
 *
 *   by rank   8 8 1 1 1     least(k) = min(two places of k, size of k + least(k + 1))
 *   least     16 10 2 2 1   so two places for the large ones, or homes and two small ones
 */
static void sum_hosts(const dms_cycle *cycle, const dms_floor_plan *plan, int64_t *out_units) {
    int64_t least = 0, fixed = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        bool leaves = false;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            leaves = leaves || (cycle->gap[g].is_saved && !plan->layout.draft.keep[g]);
        fixed += leaves ? cycle->units[i] : 0;
    }
    out_units[plan->n_by_size] = fixed;
    for (uint32_t k = plan->n_by_size; k-- > 0;) {
        const uint32_t id = plan->by_size[k];
        const int64_t places = DMS_LEAST_RING * cycle->place_units[id];
        if (cycle->read_ns[id] == 0)
            fixed += cycle->units[id];
        else
            least = places < least + cycle->units[id] ? places : least + cycle->units[id];
        out_units[k] = fixed + least;
    }
}

/* The same in bytes, per number of kept weights; and room for what the prologue takes kept ones
 * through. The first of these is the largest. */
static void fill_hosts(const dms_cycle *cycle, const dms_place_options *options,
                       dms_floor_plan *plan) {
    int64_t *units = (int64_t *)plan->host_bytes, kept = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (plan->layout.kept_offset[i] >= 0 && cycle->units[i] > kept &&
            cycle->problem->tensors[i].kind == DMS_PROBLEM_WEIGHT)
            kept = cycle->units[i];
    sum_hosts(cycle, plan, units);
    for (uint32_t k = 0; k <= plan->n_by_size; k++) {
        if (k == 1 && cycle->units[plan->by_size[0]] > kept)
            kept = cycle->units[plan->by_size[0]];
        if (units[k] < options->ring_blocks * kept)
            units[k] = options->ring_blocks * kept;
        plan->host_bytes[k] = (uint64_t)units[k] * DMS_ALIGN;
    }
}

/* What keeping the first k weights needs, for every k: their sum at the bottom, above it what was
 * packed, as high as the pieces of the others reach.
 *
 *   offset  |   pieces of scratch, activations and the weights of rank k and more, moved up
 *           |   weights of rank 0 .. k-1, whole cycle          = kept
 *           |   what the cycle keeps in any case               = base
 *
 * need[k] first gathers the pieces of rank k alone, then its suffix maximum those of rank k and
 * more: O(pieces + weights) for all k. */
static void sum_needs(const dms_cycle *cycle, uint32_t *rank, dms_floor_plan *plan) {
    const dms_layout *layout = &plan->layout;
    const uint32_t n = plan->n_by_size;
    int64_t kept = 0, base = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        rank[i] = n;
        if (layout->kept_offset[i] >= 0)
            base += cycle->units[i];
    }
    for (uint32_t k = 0; k < n; k++)
        rank[plan->by_size[k]] = k;
    for (uint32_t k = 0; k <= n; k++)
        plan->need_units[k] = 0;
    for (uint32_t i = 0; i < layout->n_pieces; i++) {
        const dms_piece *p = layout->piece + i;
        const uint32_t k = p->gap == DMS_PIECE_SCRATCH ? n : rank[p->tensor];
        if (p->offset + p->units - base > plan->need_units[k])
            plan->need_units[k] = p->offset + p->units - base;
    }
    for (uint32_t k = n; k-- > 0;)
        if (plan->need_units[k] < plan->need_units[k + 1])
            plan->need_units[k] = plan->need_units[k + 1];
    for (uint32_t k = 0; k <= n; k++) {
        plan->need_units[k] += base + kept;
        if (k < n)
            kept += cycle->units[plan->by_size[k]];
    }
}

static dms_code pack_plan(const dms_cycle *cycle, dms_work *work, dms_addresses *addresses,
                          const dms_place_options *options, dms_arena *arena, dms_floor_plan *plan,
                          dms_status *st) {
    const uint64_t n = cycle->n_tensors;
    uint32_t *rank;
    DMS_TRY(dms_layout_new(cycle, arena, &plan->layout, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *plan->by_size, "floor", &plan->by_size, st));
    DMS_TRY(dms_alloc_st(arena, n + 1, sizeof *plan->need_units, "floor", &plan->need_units, st));
    DMS_TRY(dms_alloc_st(arena, n + 1, sizeof *plan->host_bytes, "floor", &plan->host_bytes, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *rank, "floor", &rank, st));
    pack_tightest(cycle, work, addresses, plan);
    if (plan->layout.top > cycle->peak && plan->layout.n_pieces <= MAX_SEARCHED)
        DMS_TRY(search_lower(cycle, &plan->layout, arena, st));
    for (uint32_t i = 0; i < cycle->n_weights; i++)
        if (plan->layout.kept_offset[cycle->by_size[i]] < 0)
            plan->by_size[plan->n_by_size++] = cycle->by_size[i];
    sum_needs(cycle, rank, plan);
    fill_hosts(cycle, options, plan);
    if (dms_addresses_failed(addresses))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: addresses");
    return DMS_OK;
}

/* Whether the host lacks the smaller share of what it has: then it is named. Where no device memory
 * helps it is the host, where no host memory does, the device. */
static bool host_is_nearer(const dms_place_options *options, const dms_place_floor *floor) {
    if (floor->host_bytes == 0 || floor->device_bytes == UINT64_MAX)
        return floor->host_bytes > 0;
    return (double)floor->host_bytes * (double)options->device_budget <
           (double)floor->device_bytes * (double)options->host_budget;
}

/* The smallest device need whose host need fits, and the other way round. */
static void find_floor(const dms_floor_plan plans[2], const dms_place_options *options,
                       dms_place_floor *floor) {
    const uint64_t device = options->device_budget / DMS_ALIGN;
    floor->device_bytes = floor->host_bytes = UINT64_MAX;
    uint64_t least_host = UINT64_MAX;
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k <= plans[i].n_by_size && plans[i].need_units; k++) {
            const uint64_t need = (uint64_t)plans[i].need_units[k], host = plans[i].host_bytes[k];
            if (host <= options->host_budget && need * DMS_ALIGN < floor->device_bytes)
                floor->device_bytes = need * DMS_ALIGN;
            if (need <= device && host < least_host)
                least_host = host;
        }
    if (least_host != UINT64_MAX)
        floor->host_bytes = least_host;
    else
        floor->host_bytes = 0;
    const bool is_short =
        floor->device_bytes == UINT64_MAX || options->device_budget < floor->device_bytes;
    floor->host_is_short = is_short && host_is_nearer(options, floor);
    floor->device_is_short = is_short && !floor->host_is_short;
}

dms_code dms_floor_pack(const dms_cycle *cycle, dms_work *work, dms_addresses *addresses,
                        const dms_place_options *options, dms_arena *arena,
                        dms_floor_plan out_plans[2], dms_place_floor *out_floor, dms_status *st) {
    dms_floor_plan plans[2] = {{.activations_stay = false}, {.activations_stay = true}};
    dms_place_floor floor = {.lower_bound_bytes = (uint64_t)cycle->peak * DMS_ALIGN,
                             .step = (uint32_t)cycle->peak_step};
    for (uint32_t i = 0; i < 2; i++) {
        DMS_TRY(pack_plan(cycle, work, addresses, options, arena, plans + i, st));
        /* with room for all homes on the host the second plan never needs less */
        if (plans[0].host_bytes[0] <= options->host_budget)
            break;
    }
    find_floor(plans, options, &floor);
    memcpy(out_plans, plans, sizeof plans);
    *out_floor = floor;
    return DMS_OK;
}

void dms_floor_layout(dms_cycle *cycle, dms_work *work, dms_addresses *addresses,
                      const dms_floor_plan *plan, uint32_t n_kept, dms_layout *layout) {
    const dms_fit fit = {0};
    int64_t base = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (plan->layout.kept_offset[i] >= 0)
            base += cycle->units[i];
    for (uint32_t k = 0; k < n_kept; k++)
        for (uint32_t g = cycle->first_gap[plan->by_size[k]];
             g < cycle->first_gap[plan->by_size[k] + 1]; g++)
            cycle->gap[g].rule = DMS_GAP_KEPT;
    for (uint32_t g = 0; g < cycle->n_gaps; g++) {
        if (stays(cycle->gap + g, plan->activations_stay))
            cycle->gap[g].rule = DMS_GAP_KEPT;
        layout->draft.keep[g] = cycle->gap[g].rule == DMS_GAP_KEPT;
    }
    tighten(cycle, work, &layout->draft);
    const int64_t kept = dms_addresses_list(addresses, &layout->draft, &fit);
    dms_layout_take(cycle, &layout->draft, addresses, layout);
    layout->top = kept;
    /* the same pieces in the same order, but for those of the weights that now stay */
    for (uint32_t i = 0, from = 0; i < layout->n_pieces; i++) {
        dms_piece *p = layout->piece + i;
        const dms_piece *old = plan->layout.piece + from;
        while (old->gap != p->gap || old->tensor != p->tensor)
            old = plan->layout.piece + ++from;
        p->offset = old->offset - base + kept;
        if (p->offset + p->units > layout->top)
            layout->top = p->offset + p->units;
    }
}
