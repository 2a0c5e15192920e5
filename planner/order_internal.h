/* order_internal.h - what the files of `order` share. Not a door. */
#ifndef DMS_PLANNER_ORDER_INTERNAL_H
#define DMS_PLANNER_ORDER_INTERNAL_H

#include "planner/order.h"

/* Both directions of everything. Calls in each list ascend. */
typedef struct dms_order_web {
    const dms_order_problem *problem;
    uint32_t *first_toucher, *toucher; /* per value, n_values + 1 */
    uint32_t *first_succ, *succ;       /* per call, n_calls + 1 */
    uint64_t least_peak;               /* of a call by itself: no order has less */
} dms_order_web;

/* Calls that are made one after the other, in the given order; unit u has the calls
 * call[first[u]] .. call[first[u + 1] - 1]. Units are numbered like their last calls. */
typedef struct dms_order_units {
    uint32_t n;
    uint32_t *first, *call, *unit_of; /* unit_of per call */
} dms_order_units;

/* Calls from..to-1: all before them are made, none behind. */
typedef struct dms_order_span {
    uint32_t from, to;
    uint32_t first_unit, end_unit; /* the same as units */
    uint64_t live_bytes;           /* before the first of them */
    uint64_t free_peak;            /* peaks up to here are all the same */
} dms_order_span;

/* What counts first among orders with the same peak. */
typedef enum dms_order_rank {
    DMS_ORDER_BY_LIVE,
    DMS_ORDER_BY_TIME,
    DMS_ORDER_N_RANKS
} dms_order_rank;

/* The two calls `last` and `call`, made in this order, are all that touch a value. */
bool dms_order_follows(const dms_order_web *web, uint32_t value, uint32_t last, uint32_t call);

/* The best order of a span that a beam of at most `width` sets finds, and its cost.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_order_beam(const dms_order_web *web, const dms_order_units *units,
                                    const dms_order_span *span, dms_order_rank rank, uint32_t width,
                                    dms_arena *scratch, uint32_t *order, dms_order_cost *out_cost,
                                    dms_status *st);

#endif
