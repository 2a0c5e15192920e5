/* test_engine_threads.c - real threads, on plans whose calls are worth several of them: every thread
 * count gives the same bits, with copies, saves and readings under way. Meant for -DDMS_SANITIZE=thread
 * too: what the engine shares between threads is shared here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "runtime/session.h"
#include "support_tiny.h"
#include "support_turns.h"

#define ROWS 40
#define COLUMNS 160
#define PRODUCTS 7

static const uint32_t thread_counts[] = {1, 2, 3, 4, 8};

#define N_COUNTS (sizeof thread_counts / sizeof *thread_counts)

static dms_session *open_on(const tiny_case *t, uint32_t threads, uint64_t turns) {
    const dms_options options = {
        .model_dir = t->folder, .threads = threads, .turns = turns, .trace_turns = 2};
    dms_session *s;
    dms_status st;
    if (dms_session_open(&t->compiled.plan, t->folder, &options, &s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return s;
}

/* Looks at a session from outside for as long as it is told to. */
typedef struct watcher {
    dms_session *session;
    atomic_int is_done;
    uint64_t cancel_at; /* commands of the prologue, then looks, until it cancels; 0: never */
    uint64_t n_looks;
    pthread_t thread;
} watcher;

static void *watch(void *argument) {
    watcher *w = argument;
    uint64_t before = 0;
    while (atomic_load(&w->is_done) == 0) {
        uint64_t done, all;
        dms_session_progress(w->session, &done, &all);
        if (done < before || done > all)
            return w; /* it went back */
        before = done;
        if (++w->n_looks == w->cancel_at)
            dms_cancel(w->session);
        (void)sched_yield();
    }
    return NULL;
}

static void watch_begin(watcher *w, dms_session *s, uint64_t cancel_at) {
    *w = (watcher){.session = s, .cancel_at = cancel_at};
    assert_int_equal(pthread_create(&w->thread, NULL, watch, w), 0);
}

static void watch_end(watcher *w) {
    void *complaint;
    atomic_store(&w->is_done, 1);
    assert_int_equal(pthread_join(w->thread, &complaint), 0);
    assert_null(complaint);
}

/* Where the plans lie between the floor and everything, and their tiers. */
typedef struct spot {
    uint64_t extra_bytes;
    bool is_least_host;
} spot;

static const spot spots[] = {{0, false}, {0, true}, {200000, false}, {200000, true}, {1 << 24, 0}};

#define N_SPOTS (sizeof spots / sizeof *spots)

static void begin_spot(tiny_case *t, uint32_t k) {
    tiny_begin_wide(t, PRODUCTS, ROWS, COLUMNS, true);
    tiny_plan_at(t, spots[k].extra_bytes, spots[k].is_least_host);
}

static void every_thread_count_gives_the_same_bits(void **state) {
    (void)state;
    uint32_t n_reading = 0;
    for (uint32_t k = 0; k < N_SPOTS; k++) {
        tiny_case t;
        begin_spot(&t, k);
        const interleave_case c = tiny_interleave(&t);
        n_reading += c.plan->body.n_cmds[DMS_QUEUE_LOAD] > 0;
        for (uint32_t n = 0; n < N_COUNTS; n++) {
            turns_user u;
            watcher w;
            bool is_right;
            turns_begin(&u, &c);
            u.session = open_on(&t, thread_counts[n], n % 2 == 0 ? 6 : 0);
            watch_begin(&w, u.session, 0);
            if (turns_follow(&u, "SSWSWSWWSWSW", &is_right) != DMS_OK)
                fail_msg("%s", u.st.msg);
            assert_true(is_right);
            assert_int_equal(dms_session_stats(u.session).turns, 6);
            watch_end(&w);
            dms_close(u.session);
            turns_end(&u);
        }
        tiny_end(&t);
    }
    assert_true(n_reading >= 1);
}

/* From another thread, at any time: the run ends, or was through already. */
static void cancelling_from_outside_ends_a_session_of_any_thread_count(void **state) {
    (void)state;
    tiny_case t;
    begin_spot(&t, 1);
    const interleave_case c = tiny_interleave(&t);
    uint32_t n_cancelled = 0;
    for (uint32_t k = 0; k < 4 * N_COUNTS; k++) {
        turns_user u;
        watcher w;
        bool is_right;
        turns_begin(&u, &c);
        u.session = open_on(&t, thread_counts[k / 4], 0);
        watch_begin(&w, u.session, 1 + 15 * (k % 4));
        const dms_code code = turns_follow(&u, "SSWSWSWW", &is_right);
        assert_true(code == DMS_OK || code == DMS_ECANCELLED);
        assert_true(is_right);
        n_cancelled += code == DMS_ECANCELLED;
        watch_end(&w);
        dms_close(u.session);
        turns_end(&u);
    }
    assert_true(n_cancelled > 0);
    tiny_end(&t);
}

/* Several sessions on one plan, each used by a thread of its own. */
typedef struct neighbour {
    const tiny_case *t;
    uint32_t threads;
    dms_code code;
    bool is_right;
    pthread_t thread;
} neighbour;

static void *live(void *argument) {
    neighbour *me = argument;
    const interleave_case c = tiny_interleave(me->t);
    turns_user u;
    turns_begin(&u, &c);
    u.session = open_on(me->t, me->threads, 4);
    me->code = turns_follow(&u, "SSWSWSWW", &me->is_right);
    dms_close(u.session);
    turns_end(&u);
    return NULL;
}

static void sessions_side_by_side_do_not_know_each_other(void **state) {
    (void)state;
    tiny_case t;
    begin_spot(&t, 3);
    neighbour n[3];
    for (uint32_t k = 0; k < 3; k++) {
        n[k] = (neighbour){.t = &t, .threads = 1 + k};
        assert_int_equal(pthread_create(&n[k].thread, NULL, live, &n[k]), 0);
    }
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(pthread_join(n[k].thread, NULL), 0);
        assert_int_equal(n[k].code, DMS_OK);
        assert_true(n[k].is_right);
    }
    tiny_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_count_gives_the_same_bits),
        cmocka_unit_test(cancelling_from_outside_ends_a_session_of_any_thread_count),
        cmocka_unit_test(sessions_side_by_side_do_not_know_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
