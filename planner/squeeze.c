/* squeeze.c - what cannot move, where the order that a pass asks for ends too high.
 *
 * Then most plans of few large blocks are lost: with half of its weights on the host a random graph
 * of 200 steps had no layout for any of 300 sets of keeps whose periods were below 1.27 of the
 * best. The orders of offsets.h have room for nearly all of them.
 */
#include "planner/addresses_internal.h"
#include "planner/offsets.h"
#include "schema/arena.h"

#define EFFORT_SHARE 64u /* n + n^2 / 64: what the orders cost, in pieces met */
#define NODE_SHARE 8u    /* n / 8 + 150: what a node of the search costs, some 5 to 15 us */
#define NODE_COST 150u
#define LOOKS 50u           /* a node, at most; below 20 are usual, thousands where many meet */
#define MOST_SEARCHED 1000u /* pieces */
#define NODES 2000u
#define WHOLE_NODES 5000u /* of a plan that is as good as it is without addresses */

void dms_pieces_lives(const dms_piece *piece, uint32_t n, dms_life *out_life) {
    for (uint32_t i = 0; i < n; i++)
        out_life[i] = (dms_life){piece[i].need, piece[i].end + 1, piece[i].units};
}

/* The lowest packing that any order has, or the first within the capacity; few pieces are searched
 * where none is, through at most `nodes`. */
static dms_code pack(dms_addresses *a, const dms_lives *lives, uint64_t nodes, uint32_t most,
                     int64_t *offset, int64_t *out_units, dms_status *st) {
    const dms_search_options options = {.max_nodes = nodes, .max_looks = nodes * LOOKS};
    const uint64_t n = lives->n;
    dms_arena *arena = a->holes.arena;
    dms_search_result result;
    DMS_TRY(dms_offsets_greedy(lives, 0, 0, arena, offset, out_units, st));
    a->holes.effort += n + n * n / EFFORT_SHARE;
    if (*out_units <= lives->capacity || n > most)
        return DMS_OK;
    DMS_TRY(dms_offsets_search(lives, &options, arena, offset, &result, st));
    a->holes.effort += result.n_nodes * (n / NODE_SHARE + NODE_COST);
    if (result.verdict == DMS_VERDICT_FOUND)
        *out_units = lives->capacity;
    return DMS_OK;
}

static dms_code pack_needs(dms_addresses *a, int64_t capacity, dms_packed *packed, dms_status *st) {
    dms_life *life;
    DMS_TRY(dms_alloc_st(a->holes.arena, a->n_pieces, sizeof *life, "addresses", &life, st));
    dms_pieces_lives(a->piece, a->n_pieces, life);
    const dms_lives lives = {
        .life = life, .n = a->n_pieces, .cycle = a->cycle->n_steps, .capacity = capacity};
    return pack(a, &lives, NODES, MOST_SEARCHED, packed->offset, &packed->units, st);
}

const dms_packed *dms_addresses_squeeze(dms_addresses *a, int64_t capacity) {
    dms_packed *packed;
    dms_status st;
    if (dms_addresses_recall(a, ~(uint64_t)capacity, &packed))
        return packed;
    const dms_arena_mark mark = dms_arena_here(a->holes.arena);
    const dms_code code = pack_needs(a, capacity, packed, &st);
    dms_arena_release(a->holes.arena, mark);
    a->holes.failed |= code != DMS_OK;
    return code == DMS_OK ? packed : NULL;
}

/* A piece from its start on, in the frame in which that lies in 0..T-1. */
static dms_life life_of(const dms_addresses *a, const dms_piece *p) {
    const int32_t turn = p->start < 0 ? a->cycle->n_steps : 0;
    return (dms_life){p->start + turn, p->end + turn + 1, p->units};
}

static dms_code pack_starts(dms_addresses *a, int64_t budget, bool *out_fits, dms_status *st) {
    int64_t *offset, units;
    dms_life *life;
    DMS_TRY(dms_alloc_st(a->holes.arena, a->n_pieces, sizeof *life, "addresses", &life, st));
    DMS_TRY(dms_alloc_st(a->holes.arena, a->n_pieces, sizeof *offset, "addresses", &offset, st));
    for (uint32_t i = 0; i < a->n_pieces; i++)
        life[i] = life_of(a, a->piece + i);
    const dms_lives lives = {.life = life,
                             .n = a->n_pieces,
                             .cycle = a->cycle->n_steps,
                             .capacity = budget - a->kept_units};
    DMS_TRY(pack(a, &lives, WHOLE_NODES, DMS_SEARCH_MOST, offset, &units, st));
    *out_fits = units <= lives.capacity;
    for (uint32_t i = 0; i < a->n_pieces; i++)
        a->piece[i].offset = a->kept_units + offset[i];
    return DMS_OK;
}

bool dms_addresses_whole(dms_addresses *a, int64_t budget, const dms_draft *draft) {
    const dms_fit plain = {0};
    dms_status st;
    bool fits = false;
    if (dms_addresses_list(a, draft, &plain) > budget || a->n_pieces > DMS_SEARCH_MOST)
        return false;
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        dms_piece *p = a->piece + i;
        p->start = p->wanted;
        if (p->end - p->start >= a->cycle->n_steps)
            p->end = p->start + a->cycle->n_steps - 1;
    }
    const dms_arena_mark mark = dms_arena_here(a->holes.arena);
    const dms_code code = pack_starts(a, budget, &fits, &st);
    dms_arena_release(a->holes.arena, mark);
    a->holes.failed |= code != DMS_OK;
    return code == DMS_OK && fits;
}
