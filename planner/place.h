/* place.h - which bytes are on the device when, and at which address?
 *
 * Reads    a placement problem (problem.h): numbers only.
 * Returns  one decision: kept gaps, copies in queue order, an address per residency, the simulated
 *          steady state, and a proven lower bound of its period. Or the floor.
 * Cost     < 0.3 s for 500 steps, < 10 s for 5,000; counted in evaluations, never in seconds, so
 *          equal calls give equal decisions.
 * Source   PLACEMENT.md sections 3 to 7 and 9, ADDRESSES.md.
 * Not here commands, waits and buffers (emit), the proof that a plan is safe (runtime/check).
 *
 * Time on the cycle. Steps 0..T-1 repeat for ever. Slot s is the moment before step s: it opens
 * when step s-1 has ended and every save with `before` <= s is done; step s starts when slot s is
 * open and every load due at s has arrived. A slot or step outside 0..T-1 is one of a neighbouring
 * cycle: -1 is step T-1 of the cycle before, T is step 0 of the next.
 *
 *   slot    0      1      2      3      4        after = 1: the copy may begin when slot 2 opens,
 *   step    |  0   |  1   |  2   |  3   |        that is when step 1 has ended; its memory is
 *   in             `after`=1 ->[copy]->due 3     taken in slots 2 and 3, then used by step 3
 *   load     [ reading ]                         where its home is a file; it waits for its place
 *                                                in the ring on the host alone
 */
#ifndef DMS_PLANNER_PLACE_H
#define DMS_PLANNER_PLACE_H

#include <stdbool.h>

#include "planner/certificate.h"
#include "planner/problem.h"

#define DMS_PLACE_PRODUCED (-1) /* a residency that no load begins */
#define DMS_PLACE_PAGE 4096u    /* places of the ring begin and end at multiples of it */

/* One copy host -> device. It serves the touch that ends gap `gap` of `tensor`, and belongs to the
 * cycle of that touch, taken into 0..T-1: due = touch (gap + 1) mod n_touches.
 * It may begin when step `after` has ended (slot after + 1 opens). after is in -T..due-1; negative:
 * step after + T of the cycle before. Loads of an input's wrap gap have after >= -1. */
typedef struct dms_place_load {
    uint32_t tensor, gap;
    int32_t after;
    uint32_t due;     /* the step that waits for it, 0..T-1 */
    int64_t start_ns; /* in the steady state, 0 = slot 0 of its cycle opens; may be negative */
    int64_t ns;       /* what the link takes: latency + bytes / rate */
    /* Of a tensor whose home is its file, and else 0: */
    bool is_read;         /* the copy waits for a reading into the ring on the host */
    uint64_t ring_offset; /* where it lands: bytes from the bottom of the ring, whole pages */
    /* The place in this queue whose copy must have ended before the reading begins: 0..own place-1,
     * or, less n_loads, one of the turn before. */
    int32_t read_after;
    int64_t read_start_ns, read_ns;
} dms_place_load;

/* One copy device -> host: an output, or an activation that leaves and comes back. At most one per
 * tensor. It begins when step `after` (the end of the write run, 0..T-1) has ended. Slot `before`
 * (after+1 .. 2T-1; >= T: slot before-T of the next cycle) opens only when it is done. */
typedef struct dms_place_save {
    uint32_t tensor;
    uint32_t after, before;
    int64_t start_ns, ns; /* as in dms_place_load */
} dms_place_save;

/* A maximal run of slots in which a tensor stays at one address, first_slot..last_slot, both
 * included, over touches, neighbouring steps and kept gaps. The range is
 * [offset, offset + bytes rounded up to DMS_ALIGN).
 * gap >= 0: begins with the load of that gap; first_slot = after + 1 (may be negative), in the
 * frame of the load's own cycle (its due touch lies in 0..T-1; last_slot may pass T-1).
 * gap = DMS_PLACE_PRODUCED: begins with the production (first_slot = first touch), or, for a weight
 * of which every gap is kept, is the whole cycle (slots 0..T-1): loaded once, in the prologue.
 * It ends at the last touch before a gap that is not kept, or at slot before-1 of its save. */
typedef struct dms_place_residency {
    uint32_t tensor;
    int32_t gap;
    int32_t first_slot, last_slot;
    uint64_t offset; /* bytes, a multiple of DMS_ALIGN */
} dms_place_residency;

/* One way of placing that was scored, with its addresses, by the same simulator. */
typedef struct dms_place_candidate {
    const char *name; /* static text: "on-demand", "double-buffer", "keep-first", "even",
                           "belady", "relaxation", "search", "exact", "floor", "lighter",
                           "predicted", "model-order" (compile_order.c) */
    int64_t period_ns;
} dms_place_candidate;

/* Where planning ends. Filled by dms_place (also when it fails with DMS_EBUDGET) and dms_floor. */
typedef struct dms_place_floor {
    uint64_t device_bytes;      /* smallest device budget with a plan, at this host budget */
    uint64_t lower_bound_bytes; /* proven: no plan of these steps takes less */
    uint32_t step;              /* the step whose footprint is the lower bound */
    uint64_t host_bytes;        /* smallest host budget with a plan, at this device budget;
                                   0 when the device budget has no plan at any host budget */
    bool device_is_short, host_is_short; /* the budget that fails, or lacks less; at most one */
} dms_place_floor;

/* Zero-initialise but for the budgets. */
typedef struct dms_place_options {
    uint64_t device_budget;   /* bytes of the device arena */
    uint64_t host_budget;     /* bytes of homes, saved activations and the prologue's ring;
                                 UINT64_MAX = no limit */
    uint64_t max_evaluations; /* of the local searches; 0 = the default for this size */
    bool without_search;      /* the first good plan, as for a point of a curve */
    int64_t enough_ns;        /* not 0: the finest program is solved alone, and a bound as high as
                                 this ends the optimisation: the plan is one of the rules then.
                                 1 = for the bound */
    const dms_problem *predicted; /* the same problem with other step times, whose plan is a
                                     candidate, scored by the times of this one; NULL = none */
    uint32_t ring_blocks; /* what the prologue asks of the ring, in largest kept blocks; 0 where
                                 it writes the device arena itself (the CPU device) */
    bool exact;           /* solve the full ILP at any size */
    uint64_t max_nodes;   /* of the ILP's branch and bound; 0 = the default */
} dms_place_options;

/* The decision. All arrays belong to the arena. */
typedef struct dms_decision {
    uint64_t device_budget, host_budget;
    uint8_t *keep;         /* per touch, indexed first_touch + gap: 1 = the gap is kept (or needs no
                      decision), 0 = a load ends it; the last touch of an activation: 0 */
    const float *share;    /* indexed as `keep`: what the relaxation keeps of the gap, 0..1; 1 where
                      there is nothing to decide; NULL where no relaxation was solved */
    dms_place_load *loads; /* in queue order, of one cycle */
    uint32_t n_loads;
    dms_place_save *saves; /* in queue order, of one cycle */
    uint32_t n_saves;
    dms_place_residency *residencies; /* by tensor, then first slot of use */
    uint32_t n_residencies;
    uint64_t *scratch_offset; /* per step; bytes; 0 where a step has no scratch */
    uint64_t device_bytes;    /* highest end of any residency or scratch: the arena's size */
    uint32_t n_read;          /* streamed weights whose home is their file */
    uint8_t *is_read;         /* per tensor: 1 = such a weight; unused where there is none */
    uint64_t host_bytes;      /* homes of streamed weights + saved activations that come back +
                                 the ring */
    uint64_t ring_bytes;      /* what is read from storage passes through it, at the bottom of the
                                 host arena, in whole pages; so do kept weights in the prologue */
    int64_t period_ns, latency_ns, compute_ns;
    int64_t unpacked_ns;                    /* period of the best plan before any had addresses,
                                               at most period_ns: what packing costs */
    int64_t bound_ns;                       /* compute_ns <= bound_ns <= period_ns */
    const dms_certificate *certificate;     /* proves bound_ns (less where the solver gave up) */
    int64_t *step_start_ns, *step_stall_ns; /* per step, in the steady state; 0 = slot 0 opens */
    uint64_t live_peak_bytes;               /* largest sum of present bytes over all slots */
    dms_place_candidate *candidates;        /* those that exist at this budget, best first */
    uint32_t n_candidates;
    uint64_t n_evaluations;
    bool is_exact; /* the full ILP was solved to its end: no plan with its loads in order of
                      deadline and its activations on the device is faster, addresses apart */
} dms_decision;

/* Decides residency, copies and addresses of one problem under its budgets.
 * Owner    *out_decision points into `arena`.
 * Errors   DMS_EBUDGET: a budget is below its floor; *out_floor says which and by how much, and
 *          the sentence is short (the caller knows the names). *out_floor is filled on success too.
 * Threads  pure; safe on different arenas.
 * Source   PLACEMENT.md, ADDRESSES.md. */
DMS_CHECKED dms_code dms_place(const dms_problem *problem, const dms_place_options *options,
                               dms_arena *arena, dms_decision *out_decision,
                               dms_place_floor *out_floor, dms_status *st);

/* The smallest budgets of one problem: device at options->host_budget, host at
 * options->device_budget. dms_place succeeds at exactly these and at any larger ones, and fails
 * with DMS_EBUDGET below.
 * Cost     one packing of what each step touches; O(n log n) beside it.
 * Errors   DMS_EINTERNAL only (memory, an invalid problem). */
DMS_CHECKED dms_code dms_floor(const dms_problem *problem, const dms_place_options *options,
                               dms_arena *arena, dms_place_floor *out_floor, dms_status *st);

/* Proves a decision by code of its own: every gap decided once, copies inside their gaps, nothing
 * reloaded before it was saved, memory of every slot, queues without deadlock, addresses complete,
 * aligned, inside the budget and without overlap on the cycle; homes within the host budget, and no
 * reading into a place of the ring that is still in use.
 * Cost     O(n log n), and O(loads x readings).
 * Errors   DMS_EPLAN naming tensor, step or copy. */
DMS_CHECKED dms_code dms_decision_verify(const dms_problem *problem, const dms_decision *decision,
                                         dms_arena *scratch, dms_status *st);

/* Writes a decision as "dms-plan" JSON, version 1 (PLACEMENT.md section 11).
 * Errors   DMS_EIO when the stream reports one. */
DMS_CHECKED dms_code dms_decision_write(const dms_problem *problem, const dms_decision *decision,
                                        FILE *out, dms_status *st);

/* Writes a problem with the budgets that it was solved for as "dms-problem" JSON, and one key more,
 * "plan": the decision as above, with its period_ns and bound_ns. Readers of problems pass over it.
 * Errors   DMS_EIO when the stream reports one. */
DMS_CHECKED dms_code dms_decision_dump(const dms_problem *problem, const dms_decision *decision,
                                       FILE *out, dms_status *st);

#endif
