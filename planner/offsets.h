/* offsets.h - offsets for buffers whose lives are given, on a cycle of slots.
 *
 * Reads    lives [first, end), sizes, a capacity.
 * Returns  one offset per buffer; buffers that live at the same time do not overlap.
 * Cost     greedy orders: O(n x buffers met) each; search: counted in nodes, n^2 / 4 bytes and up.
 * Source   ADDRESSES.md sections 3 and 4; the search branches like minimalloc's (Google, 2023) on
 *          offsets from the bottom up, but on any buffer, with release times and failed states.
 * Not here lives that may begin later (addresses.h), what the buffers are.
 */
#ifndef DMS_PLANNER_OFFSETS_H
#define DMS_PLANNER_OFFSETS_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_arena dms_arena; /* schema/arena.h */

/* Buffers of this many at most are searched; more are an answer of their own. */
#define DMS_SEARCH_MOST 4096u

/* A buffer: lives in the slots [first, end), end > first. end may pass the cycle by less than it;
 * a life of a whole cycle or more is at all times. size > 0. */
typedef struct dms_life {
    int64_t first, end, size;
} dms_life;

/* What is to be packed. */
typedef struct dms_lives {
    const dms_life *life;
    uint32_t n;
    int64_t cycle;    /* slots; 0 = no life passes the end */
    int64_t capacity; /* no buffer may end above it */
} dms_lives;

/* Techniques of the search; switched off, each changes its speed, never its verdict. */
typedef enum dms_technique {
    DMS_TECHNIQUE_TABLE = 1,    /* states that failed are remembered */
    DMS_TECHNIQUE_SPLIT = 2,    /* parts that no open buffer joins are searched one by one */
    DMS_TECHNIQUE_FREE = 4,     /* a buffer with nobody above it needs no alternative */
    DMS_TECHNIQUE_RELEASE = 8,  /* a buffer that is not lowest is raised to what must be below it */
    DMS_TECHNIQUE_WEIGHTS = 16, /* sections that failed often come first */
    DMS_TECHNIQUE_SWAPS = 32,   /* restarts with neighbours of the order swapped */
} dms_technique;

/* Zero-initialise: everything on, default limit. */
typedef struct dms_search_options {
    uint64_t max_nodes; /* in all restarts; 0 = 4,000,000 */
    uint64_t max_looks; /* at a buffer that others may raise, in all restarts: what nodes of many
                           neighbours cost; 0 = any number */
    uint64_t seed;      /* of the swaps */
    unsigned without;   /* sum of techniques that are switched off */
} dms_search_options;

/* How a search ended. */
typedef enum dms_verdict {
    DMS_VERDICT_STOPPED,    /* at a limit: nothing is known */
    DMS_VERDICT_FOUND,      /* the offsets are a packing */
    DMS_VERDICT_IMPOSSIBLE, /* the search is exhausted: there is none (a collision of 64-bit hashes
                               aside, whose odds are below 1e-6 at 10^6 states) */
} dms_verdict;

typedef struct dms_search_result {
    dms_verdict verdict;
    uint64_t n_nodes, n_looks, n_restarts;
} dms_search_result;

/* Largest sum of sizes that live at the same time: no packing ends below it. */
DMS_CHECKED dms_code dms_lives_peak(const dms_lives *lives, dms_arena *scratch, int64_t *out_peak,
                                    dms_status *st);

/* Exact search. Writes `offset` (n of them) only where it returns FOUND.
 * Errors   DMS_EINTERNAL: out of memory. More than DMS_SEARCH_MOST buffers: STOPPED. */
DMS_CHECKED dms_code dms_offsets_search(const dms_lives *lives, const dms_search_options *options,
                                        dms_arena *scratch, int64_t *offset,
                                        dms_search_result *out_result, dms_status *st);

/* Orders and rules for any number of buffers, and `rounds` tries of promotion (buffers that end too
 * high move forward); stops at the first packing within the capacity, else keeps the lowest.
 * *out_top is where the highest buffer ends. Deterministic.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_offsets_greedy(const dms_lives *lives, uint32_t rounds, uint64_t seed,
                                        dms_arena *scratch, int64_t *offset, int64_t *out_top,
                                        dms_status *st);

/* Proves a packing by a sweep of its own.
 * Errors   DMS_EPLAN naming the buffers that overlap, or the one that ends above the capacity. */
DMS_CHECKED dms_code dms_offsets_verify(const dms_lives *lives, const int64_t *offset,
                                        dms_arena *scratch, dms_status *st);

#endif
