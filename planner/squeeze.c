/* squeeze.c - what cannot move, where the order that a pass asks for ends too high.
 *
 * Then most plans of few large blocks are lost: with half of its weights on the host a random graph
 * of 200 steps had no layout for any of 300 sets of keeps whose periods were below 1.27 of the
 * best. The orders of offsets.h have room for nearly all of them.
 */
#include "planner/addresses_internal.h"
#include "planner/offsets.h"
#include "schema/arena.h"

#define EFFORT_SHARE 64u    /* n + n^2 / 64: what the orders cost, in pieces met */
#define NODE_SHARE 8u       /* n / 8: what a node of the search costs */
#define MOST_SEARCHED 1000u /* pieces */
#define NODES 2000u

void dms_pieces_lives(const dms_piece *piece, uint32_t n, dms_life *out_life) {
    for (uint32_t i = 0; i < n; i++)
        out_life[i] = (dms_life){piece[i].need, piece[i].end + 1, piece[i].units};
}

/* The lowest packing that any order has, or the first within the capacity; few pieces are searched
 * where none is. */
static dms_code pack(dms_addresses *a, int64_t capacity, dms_packed *packed, dms_status *st) {
    const dms_search_options options = {.max_nodes = NODES};
    const uint64_t n = a->n_pieces;
    dms_arena *arena = a->holes.arena;
    dms_search_result result;
    dms_life *life;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *life, "addresses", &life, st));
    dms_pieces_lives(a->piece, a->n_pieces, life);
    const dms_lives lives = {
        .life = life, .n = a->n_pieces, .cycle = a->cycle->n_steps, .capacity = capacity};
    DMS_TRY(dms_offsets_greedy(&lives, 0, 0, arena, packed->offset, &packed->units, st));
    a->holes.effort += n + n * n / EFFORT_SHARE;
    if (packed->units <= capacity || n > MOST_SEARCHED)
        return DMS_OK;
    DMS_TRY(dms_offsets_search(&lives, &options, arena, packed->offset, &result, st));
    a->holes.effort += result.n_nodes * n / NODE_SHARE;
    if (result.verdict == DMS_VERDICT_FOUND)
        packed->units = capacity;
    return DMS_OK;
}

const dms_packed *dms_addresses_squeeze(dms_addresses *a, int64_t capacity) {
    dms_packed *packed;
    dms_status st;
    if (dms_addresses_recall(a, ~(uint64_t)capacity, &packed))
        return packed;
    const dms_arena_mark mark = dms_arena_here(a->holes.arena);
    const dms_code code = pack(a, capacity, packed, &st);
    dms_arena_release(a->holes.arena, mark);
    a->holes.failed |= code != DMS_OK;
    return code == DMS_OK ? packed : NULL;
}
