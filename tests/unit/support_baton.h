/* support_baton.h - the engine's own threads, one at a time, in an order that a test decides.
 *
 * Reads    an open session; who goes on at every point where threads meet.
 * Returns  how many such points there were, and what happened that should not.
 * Cost     two semaphores per hand-over.
 * Source   Emmi, Qadeer, Rakamaric 2011, Delay-bounded scheduling (the search); Burckhardt, Kothari,
 *          Musuvathi, Nagarakatte 2010, A randomized scheduler with probabilistic guarantees of
 *          finding bugs (priorities).
 * Not here what the plan should give (support_tiny.h); orders without threads (support_interleave.h).
 *
 * The test program defines dms_timeline_wait, _publish and _end by the functions below, so that the
 * linker takes these. Threads change only there and inside copies and calls: a copy moves half of
 * its bytes, lets others go on, and moves the rest.
 */
#ifndef DMS_TESTS_SUPPORT_BATON_H
#define DMS_TESTS_SUPPORT_BATON_H

#include "runtime/session.h"

/* Who goes on. */
typedef enum baton_policy {
    BATON_RANDOM,     /* anyone */
    BATON_PRIORITIES, /* the first of a random ranking, which changes `n_changes` times */
    BATON_SEARCH      /* one after the other; baton_next finds all orders with few exceptions */
} baton_policy;

/* How to order one run. */
typedef struct baton_case {
    baton_policy policy;
    uint64_t seed;
    uint32_t n_changes;   /* of priorities */
    uint32_t most_delays; /* exceptions of a search */
    uint32_t event_at;    /* at this point, counted from 1, `event` is called; 0: never */
    void (*event)(dms_session *session, void *data);
    void *data;
    uint32_t fail_call; /* this kernel call, counted from 1, finds a bad index; 0: none */
} baton_case;

/* What happened. */
typedef struct baton_report {
    uint32_t n_points, n_calls, n_copies;
    uint32_t n_late; /* calls and copies that began after the session was cancelled or ended */
    bool is_stuck;   /* nobody could go on */
    bool has_event;  /* the point of the event was reached */
    uint64_t order;  /* equal for equal orders */
} baton_report;

/* Before the session is opened: its threads will stop where they first wait. */
void baton_prepare(void);

/* After it was opened: from now on one thread runs at a time; the caller is the first. */
void baton_begin(dms_session *session, const baton_case *how);

/* After it was closed. */
baton_report baton_end(void);

/* The next order of a search; false when all were there. The first one needs no call. */
bool baton_next(void);

/* What the test program's timelines do. */
bool baton_wait(dms_timeline *timeline, uint64_t value);
bool baton_publish(dms_timeline *timeline, uint64_t from, uint64_t to);
void baton_end_timeline(dms_timeline *timeline);

#endif
