/* place_internal.h - what the files behind place.h share: the cycle, a draft, the workbench.
 *
 * Reads    a checked dms_problem.
 * Returns  records that live in one arena for one call of dms_place.
 * Cost     O(gaps + tensors + steps) memory.
 * Source   PLACEMENT.md, sections 1, 5 and 10.
 * Not here the LP (bound.h), addresses (addresses.h).
 *
 * Device memory is counted in units of DMS_ALIGN bytes, sizes rounded up, budgets down: alignment
 * disappears. Slots and steps are int32_t because slots of the cycle before are negative.
 */
#ifndef DMS_PLANNER_PLACE_INTERNAL_H
#define DMS_PLANNER_PLACE_INTERNAL_H

#include <stdbool.h>

#include "planner/problem.h"

#define DMS_NO_PERIOD INT64_MAX /* the period of a draft that cannot run */
#define DMS_MAX_IDLE 256u       /* idle moments of the link that the search looks at */
#define DMS_MAX_STALLED 32u     /* stalled steps that it looks at */
#define DMS_NO_LIMIT (INT64_MAX / 4)
#define DMS_PAGE_UNITS                                                                             \
    16 /* places of the ring begin and end at 4,096 bytes: direct reads land there */
#define DMS_NOT_READ INT32_MIN
#define DMS_LEAST_RING 2u /* places of the ring: one is read while the other is copied on */

/* What may be decided about a gap. */
typedef enum dms_gap_rule {
    DMS_GAP_FREE,   /* keep or load */
    DMS_GAP_LOADED, /* the wrap of an input: new bytes every cycle */
    DMS_GAP_KEPT,   /* an output stays until its last touch; a weight without room on the host */
} dms_gap_rule;

/* Two consecutive touches of a tensor with a step between them, or the wrap of an input. */
typedef struct dms_gap {
    uint32_t tensor, index; /* index = place among all gaps of the tensor, as in place.h */
    int32_t a, b;           /* the touches; b may pass T-1 */
    int32_t due;            /* b mod T */
    int64_t units;          /* device memory */
    int64_t ns;             /* of its load */
    dms_gap_rule rule;
    bool is_saved; /* leaving over this gap needs a save: an activation */
    bool opens;    /* first gap of an activation, begins where its write run ends */
} dms_gap;

/* The problem, ready for placing. */
typedef struct dms_cycle {
    const dms_problem *problem;
    int32_t n_steps;
    uint32_t n_tensors, n_gaps;
    dms_gap *gap;         /* by tensor, then index */
    uint32_t *first_gap;  /* n_tensors + 1 */
    uint32_t *by_due;     /* gap ids by (due, units, id) */
    uint32_t *due_first;  /* n_steps + 1: where each due step begins in by_due */
    int32_t *write_end;   /* per tensor: last step of its write run */
    int32_t *last_touch;  /* per tensor */
    int64_t *units;       /* per tensor */
    int64_t *save_ns;     /* per tensor */
    int64_t *read_ns;     /* per tensor: of one reading from storage; 0 = cannot be read again */
    double *read_cost;    /* per tensor: logarithm of read_ns per unit */
    int64_t *place_units; /* per tensor: of a place in the ring, whole pages */
    uint32_t *by_size;    /* weights, largest first */
    uint32_t n_weights;
    int64_t *footprint;   /* per step, units: scratch + what it touches */
    int64_t *scratch;     /* per step, units */
    int32_t *layer_start; /* per step: first step of the layer before; may be negative */
    int64_t largest;      /* units of the largest weight, or tensor where there is none */
    int64_t compute_ns;   /* sum of the steps */
    int64_t release_ns;   /* no plan that takes inputs from slot 0 on is faster */
    int64_t inputs_ns;    /* the same as a bound, with copies that may end within a ns ... */
    int32_t release_step; /* ... and the step that waits for them; -1 = none does */
    int64_t peak;         /* largest footprint */
    int32_t peak_step;
    bool is_contended;      /* some queue slows another one down */
    int64_t host_units;     /* host budget; DMS_NO_LIMIT where there is none */
    uint32_t prologue_ring; /* places for kept weights on their way in, in largest kept ones */
} dms_cycle;

/* What is asked of the ring on the host. All zero: two places of the largest block that is read. */
typedef struct dms_ring_size {
    int64_t units;
    int64_t most; /* units of the largest block that may pass through it, <= units */
    bool is_fine; /* the smallest blocks have homes first, which pay most for a latency */
} dms_ring_size;

/* A way of placing: keeps, and what slots.c and simulate.c make of them. */
typedef struct dms_draft {
    uint8_t *keep; /* per gap */
    uint8_t *late; /* per gap: its load takes memory after all loads that are not late */
    uint32_t n_loads;
    uint32_t *load; /* gap ids in queue order */
    int32_t *after; /* per place in the queue */
    uint32_t n_saves;
    uint32_t *save;     /* tensor ids in queue order */
    int32_t *before;    /* per tensor; 0 = no save */
    uint8_t *is_read;   /* per tensor: 1 = its home is its file, every load begins with a reading */
    uint32_t n_read;    /* tensors with is_read */
    dms_ring_size wish; /* of the ring */
    int64_t ring_units; /* of the ring; 0 = nothing is read */
    int64_t read_ns;    /* of all readings of a cycle: no period is shorter ... */
    int64_t wait_ns;    /* ... and what the storage waits for copies of blocks beside which the ring
                            has no place for another one */
    int64_t home_units; /* saved activations that come back, and homes on the host */
    int64_t period_ns;
    int64_t stall_ns;   /* of the last simulated cycle: breaks ties between equal periods */
    int64_t link_ns;    /* of all loads of a cycle: no period is shorter */
    int64_t copy_ns;    /* of all loads and readings of a cycle: breaks ties between these */
    int32_t worst_step; /* the one with the largest stall; -1 = none */
    uint32_t n_stalled; /* steps that stall for an eighth of that and more, from the first on */
    int32_t stalled[DMS_MAX_STALLED];
    uint32_t n_idle; /* slots for which the link waited */
    int32_t idle[DMS_MAX_IDLE];
} dms_draft;

/* When a load may begin. */
typedef enum dms_slot_mode {
    DMS_SLOT_EARLY,     /* as soon as memory allows */
    DMS_SLOT_ON_DEMAND, /* when the step before its use has ended */
    DMS_SLOT_LAYER,     /* not before the layer before its use begins */
} dms_slot_mode;

/* Range add and range minimum over the slots of a cycle, in blocks of 2^shift slots. */
typedef struct dms_room {
    int32_t n_slots, n_blocks, shift;
    int64_t *free_units; /* per slot, without what was added to its whole block */
    int64_t *least;      /* per block, of its slots, with that */
    int64_t *added;      /* per block, to all of it */
} dms_room;

/* A part of the ring, bottom..top-1, and who lay there last: a place of the queue, negative in the
 * turn before. */
typedef struct dms_ring_segment {
    int64_t bottom, top;
    int32_t place;
} dms_ring_segment;

/* Arrays that every evaluation uses again. */
typedef struct dms_work {
    int64_t *diff;        /* n_steps + 1 */
    int64_t *free_units;  /* n_steps: budget minus footprint, kept gaps and pending saves */
    int64_t *cap;         /* 2 n_steps */
    int64_t *nominal_end; /* n_steps: the times by which saves are given their slots */
    uint32_t *order;      /* n_gaps + n_tensors */
    /* the simulated times of the last two cycles, and of the loads of the last */
    int64_t *end, *open;  /* 2 n_steps; the last cycle is the upper half */
    int64_t *stall;       /* n_steps */
    int64_t *load_start;  /* per place in the queue */
    int64_t *save_start;  /* per place in the queue */
    int64_t *load_done;   /* 2 n_gaps + 2 */
    int64_t *read_start;  /* per place in the queue; of what is read from storage */
    int64_t *read_done;   /* the same */
    int64_t *ring_offset; /* per place in the queue, units */
    int32_t *read_after;  /* per place: the place whose copy must have ended, negative: of the turn
                             before; DMS_NOT_READ */
    uint32_t *ring_item;  /* n_gaps: places in the queue that are read */
    dms_ring_segment *ring_segment; /* 4 n_gaps */
    int32_t *start;                 /* per gap: the slot at which the link got to its load */
    uint32_t *times;                /* per tensor: its loads in a cycle */
    int64_t *save_done;             /* 4 n_tensors */
    uint32_t *needs;      /* n_steps: 1 + last place in the queue that the step waits for */
    uint32_t *open_first; /* n_steps + 2 */
    uint32_t *open_save;  /* n_tensors */
    uint64_t n_evaluations;
    dms_room room;
} dms_work;

/* Builds the cycle of a checked problem.
 * Owner    everything lies in `arena`.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_cycle_build(const dms_problem *problem, dms_arena *arena,
                                     dms_cycle *out_cycle, dms_status *st);

/* Time of one copy on a link, in ns, rounded up. */
int64_t dms_copy_ns(const dms_link *link, uint64_t bytes);

/* Gives every weight of draft->keep that leaves a home: the host as far as its budget goes, spread
 * over the cycle, else its file, with a ring as draft->wish asks; what may not pass through it has
 * its home on the host. Sets is_read, n_read, read_ns, wait_ns, ring_units and home_units.
 * Returns  false when the host budget is too small for any ring.
 * Cost     O(gaps + tensors). */
bool dms_homes_choose(const dms_cycle *cycle, dms_work *work, dms_draft *draft);

/* Bytes of the host arena of a draft whose homes are chosen. */
uint64_t dms_homes_bytes(const dms_cycle *cycle, const dms_draft *draft);

/* Gives every reading of the draft's queue its place in the ring, and what it must wait for there.
 * Writes ring_offset and read_after of `work`. */
void dms_ring_place(const dms_cycle *cycle, dms_work *work, const dms_draft *draft);

/* Allocates the workbench; nominal_end starts as the plain sums of the steps. */
DMS_CHECKED dms_code dms_work_new(const dms_cycle *cycle, dms_arena *arena, dms_work *out_work,
                                  dms_status *st);

/* Allocates a draft that keeps nothing and has no period yet. */
DMS_CHECKED dms_code dms_draft_new(const dms_cycle *cycle, dms_arena *arena, dms_draft *out_draft,
                                   dms_status *st);

/* Copies what a search decides, keeps, what is late and the wish, into another one. */
void dms_draft_choose(const dms_cycle *cycle, const dms_draft *from, dms_draft *to);

/* Copies all a draft holds into another one of the same cycle. */
void dms_draft_copy(const dms_cycle *cycle, const dms_draft *from, dms_draft *to);

/* Whether `a` runs better than `b`: period first, then stall, then what is copied. */
bool dms_draft_better(const dms_draft *a, const dms_draft *b);

/* Adds `units` to slots first..last, both included, of a cyclic difference array. */
void dms_diff_add(int64_t *diff, int32_t n_slots, int32_t first, int32_t last, int64_t units);

/* Gives every load and save of draft->keep its slot, within `budget` units.
 * Chooses homes as well (dms_homes_choose).
 * Returns  false when some slot holds more than the budget (the draft's queues are then undefined),
 *          or the host more than its own.
 * Cost     O(gaps + steps) and one sort. */
bool dms_slots(const dms_cycle *cycle, dms_work *work, int64_t budget, dms_slot_mode mode,
               dms_draft *draft);

/* Gives the loads of a draft that dms_slots has placed other slots: none before start[gap], and
 * from there on the earliest that memory allows for whole blocks. What begins no sooner than the
 * link gets to it leaves room for others until then.
 * Cost     O(loads log steps). */
void dms_slots_later(const dms_cycle *cycle, dms_work *work, const int32_t *start,
                     dms_draft *draft);

/* Runs the cycle `n_cycles` (even, >= 4) times from a standstill; the period is the mean of the
 * last two. Fills period, stall, worst step and idle slots of the draft and the times of `work`.
 * Returns  false when a queue waits for itself; the period is then DMS_NO_PERIOD.
 * Cost     O(n_cycles (loads + steps)). */
bool dms_simulate(const dms_cycle *cycle, dms_work *work, uint32_t n_cycles, dms_draft *draft);

/* A room of that many slots, whose arrays are still to be allocated. */
dms_room dms_room_of(int32_t n_slots);

/* Puts budget minus footprint and kept gaps into work->room. */
void dms_room_fill(const dms_cycle *cycle, dms_work *work, int64_t budget, const uint8_t *keep);

/* Smallest room over the slots inside a gap; INT64_MAX for a gap without inner slots. */
int64_t dms_room_least(const dms_room *room, int32_t a, int32_t b);

/* Adds units to the slots inside a gap. */
void dms_room_add(dms_room *room, int32_t a, int32_t b, int64_t units);

/* Puts work->free_units into work->room. */
void dms_room_take(dms_work *work);

/* The earliest slot from `first` (above due - n_slots) on from which `units` are free until slot
 * due - 1. */
int32_t dms_room_earliest(const dms_room *room, int32_t first, int32_t due, int64_t units);

/* Smallest room over all slots. */
int64_t dms_room_minimum(const dms_room *room);

/* How shares become decisions. */
typedef struct dms_rounding {
    int64_t budget;  /* units */
    int64_t reserve; /* units that filling leaves free in every slot */
    bool fill;       /* afterwards keep what still fits, largest share first */
    bool fill_all;   /* and what the relaxation drops: where storage sets the pace, less is read */
} dms_rounding;

/* Rounds shares x (per gap, 0..1) to keeps that hold the budget in every slot.
 * Error diffusion in order of deadline for long gaps, x >= 0.5 for short ones. */
void dms_round(const dms_cycle *cycle, dms_work *work, const dms_rounding *how, const double *x,
               uint8_t *out_keep);

/* Drops kept gaps, spread over the deadlines, until every slot holds within `budget`. */
void dms_round_thin(const dms_cycle *cycle, dms_work *work, int64_t budget, uint8_t *keep);

#endif
