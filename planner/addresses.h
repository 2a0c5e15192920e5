/* addresses.h - at which offset does everything lie that is on the device?
 *
 * Reads    a draft with slots (place_internal.h): keeps, queues, saves.
 * Returns  an offset per residency and scratch, within the budget; loads may begin later than the
 *          draft says, and the queue is put in a better order for that.
 * Cost     0.3 to 10 ms a pass for 500 to 2,000 steps; more where stock fills the arena.
 * Source   PLACEMENT.md section 9, ADDRESSES.md section 5.
 * Not here whether the result is right (dms_decision_verify shares no code with this).
 *
 *   offset |  c c c . .      activations (a, b) and what loads cannot give up are packed first, by
 *          |  . b b b .      first fit; then each load (c) takes its memory as early as some hole
 *          |  a a . . .      allows, moving a few others aside where that helps
 *     slot    0 1 2 3 4
 */
#ifndef DMS_PLANNER_ADDRESSES_H
#define DMS_PLANNER_ADDRESSES_H

#include "planner/offsets.h"
#include "planner/place_internal.h"

#define DMS_PIECE_PRODUCED (-1) /* begins with its production */
#define DMS_PIECE_SCRATCH (-2)  /* workspace of one step */

/* A residency or a scratch. Slots need..end cannot be given up; start <= need is its first slot,
 * earliest <= start. need lies in 0..T-1, the others in its frame: start may be negative, end may
 * pass T-1. */
typedef struct dms_piece {
    int32_t gap;     /* the gap whose load begins it, or DMS_PIECE_... */
    uint32_t tensor; /* of a scratch: its step */
    int32_t need, end, start, earliest;
    int32_t wanted; /* where the pass would like it to start */
    int64_t units, offset;
} dms_piece;

/* Which pieces that cannot move are packed first. */
typedef enum dms_fit_order {
    DMS_FIT_SIZE,
    DMS_FIT_AREA, /* size x life */
    DMS_FIT_LIFE,
    DMS_FIT_START,
    DMS_FIT_LIFE_SQUARED, /* size x life^2 */
    DMS_N_FIT_ORDERS
} dms_fit_order;

/* Which hole a piece takes, and at which end of it. */
typedef enum dms_fit_hole {
    DMS_FIT_LOWEST,
    DMS_FIT_TIGHTEST_LOW,
    DMS_FIT_HIGHEST,
    DMS_FIT_TIGHTEST_HIGH,
    DMS_N_FIT_HOLES
} dms_fit_hole;

/* Where the cycle is cut to order the loads. */
typedef enum dms_fit_cut {
    DMS_FIT_CUT_STOCK, /* behind the smallest stock */
    DMS_FIT_CUT_PEAK,  /* behind the largest footprint */
    DMS_FIT_CUT_SEAM,  /* at slot 0 */
    DMS_N_FIT_CUTS
} dms_fit_cut;

/* One way of running the pass; no single one wins, hence a portfolio. */
typedef struct dms_fit {
    dms_fit_order order;
    uint32_t jitter; /* 0 = none; else each (size, life) class is weighed by 0.4 to 1.6 */
    dms_fit_hole hole;
    dms_fit_cut cut;
    uint32_t sizes;  /* 0: all loads by deadline; 1, 2, 3: first those >= 1/2, 1/8, 1/24 */
    uint32_t repair; /* 0 never, 1 where half of the lead would be lost, 2 where any would */
    uint32_t lead;  /* 0 as early as memory allows; 1 when its copy begins; 2, 3 = 1/2, 7/8 later */
    bool overtakes; /* a load may take memory before the one ahead of it */
    bool pitch;     /* sizes within 2 % of each other count as equal */
} dms_fit;

/* The workbench of the pass, and the pieces of the last one. */
typedef struct dms_addresses dms_addresses;

/* Allocates the workbench for one cycle. */
DMS_CHECKED dms_code dms_addresses_new(const dms_cycle *cycle, dms_work *work, dms_arena *arena,
                                       dms_addresses **out_addresses, dms_status *st);

/* Lists the pieces of a draft whose slots are set; kept weights get offsets from 0 up.
 * Returns  the units that kept weights take. */
int64_t dms_addresses_list(dms_addresses *addresses, const dms_draft *draft, const dms_fit *fit);

/* Pieces at their needed slots, as lives on the cycle. */
void dms_pieces_lives(const dms_piece *piece, uint32_t n, dms_life *out_life);

/* Packs all listed pieces at their needed slots by first fit, above the kept weights, with no
 * limit but `too_much`, beyond which it gives up.
 * Returns  the units up to the highest end, INT64_MAX when it passed `too_much`. */
int64_t dms_addresses_pack(dms_addresses *addresses, dms_fit_order order, uint32_t jitter,
                           int64_t too_much);

/* One pass: lists pieces, packs, delays, repairs, orders the queue, simulates. The slots of the
 * draft must be set, and where fit->lead > 0 it must just have been simulated.
 * Returns  true when everything lies within `budget` units; the draft then has the new queue and
 *          period, and dms_addresses_pieces its offsets. */
bool dms_addresses_pass(dms_addresses *addresses, int64_t budget, const dms_fit *fit,
                        dms_draft *draft);

/* Addresses for a draft as it is: every load keeps its slot. For a few hundred pieces; more have a
 * pass. Returns true when everything lies within `budget` units. */
bool dms_addresses_whole(dms_addresses *addresses, int64_t budget, const dms_draft *draft);

/* The pieces of the last pass or listing, and where kept weights lie (per tensor; -1 = not kept).
 * The view holds until the next call. */
const dms_piece *dms_addresses_pieces(const dms_addresses *addresses, uint32_t *out_count,
                                      const int64_t **out_kept_offset);

/* What the passes so far have cost: pieces met while looking for holes. A measure of time that is
 * the same on every machine (about 20 to 50 ns each). */
uint64_t dms_addresses_effort(const dms_addresses *addresses);

/* Whether an allocation failed on the way: then nothing above is to be trusted. */
bool dms_addresses_failed(const dms_addresses *addresses);

/* Reorders the queue of a draft whose slots are set, and simulates it: of the loads whose slot is
 * open, the earliest deadline first.
 * Returns  false when a queue waits for itself. */
bool dms_queue_by_deadline(const dms_cycle *cycle, dms_work *work, dms_draft *draft);

/* Per gap, the slot at which its load should take memory, by the last simulation of `draft`: see
 * dms_fit.lead (1 to 3). */
void dms_queue_leads(const dms_cycle *cycle, dms_work *work, const dms_draft *draft, uint32_t lead,
                     int32_t *out_start);

#endif
