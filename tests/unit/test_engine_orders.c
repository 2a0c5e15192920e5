/* test_engine_orders.c - the threads of the engine, one at a time, in orders that a test decides:
 * equal bits, no deadlock; whatever happens at whichever point, nothing begins after the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "support_baton.h"
#include "support_tiny.h"
#include "support_turns.h"

/* These take the place of runtime/timeline.c in this program. */
bool dms_timeline_wait(dms_timeline *timeline, uint64_t value) {
    return baton_wait(timeline, value);
}

bool dms_timeline_publish(dms_timeline *timeline, uint64_t from, uint64_t to) {
    return baton_publish(timeline, from, to);
}

void dms_timeline_end(dms_timeline *timeline) {
    baton_end_timeline(timeline);
}

/* One session from open to close. */
typedef struct run {
    const char *script; /* S start, W wait */
    uint64_t turns;     /* of the session; 0: endless */
    baton_case how;
    dms_code code; /* what the script came to */
    bool is_right;
    dms_status st;
    baton_report report;
} run;

static void do_run(const tiny_case *t, run *r) {
    const interleave_case c = tiny_interleave(t);
    turns_user u;
    turns_begin(&u, &c);
    const dms_options options = {.model_dir = t->folder, .threads = 1, .turns = r->turns};
    baton_prepare();
    if (dms_session_open(&t->compiled.plan, t->folder, &options, &u.session, &u.st) != DMS_OK)
        fail_msg("%s", u.st.msg);
    baton_begin(u.session, &r->how);
    r->code = turns_follow(&u, r->script, &r->is_right);
    r->st = u.st;
    if (r->code != DMS_OK) { /* it stays so, and only closing is left */
        assert_int_equal(dms_start(u.session, &u.st), r->code);
        assert_string_equal(u.st.msg, r->st.msg);
        assert_int_equal(dms_wait(u.session, &u.st), r->code);
    }
    dms_close(u.session);
    turns_end(&u);
    r->report = baton_end();
}

static const char *const scripts[] = {"SWSWSW", "SSWSWW", "SSWWSW", "SSWS"};

#define N_SCRIPTS (sizeof scripts / sizeof *scripts)

/* Runs that must end well. `n_wrong` counts instead of failing where it is given. */
static void must_go_well(const tiny_case *t, run *r, uint32_t *n_wrong) {
    do_run(t, r);
    if (n_wrong != NULL) {
        *n_wrong += !r->is_right || r->report.is_stuck;
        return;
    }
    if (r->code != DMS_OK || !r->is_right || r->report.is_stuck || r->report.n_late > 0)
        fail_msg("script %s, seed %llu, policy %d: code %d %s, %s, %s", r->script,
                 (unsigned long long)r->how.seed, (int)r->how.policy, (int)r->code, r->st.msg,
                 r->is_right ? "right" : "wrong", r->report.is_stuck ? "stuck" : "");
}

/* Plans a model at its floor and `extra` bytes above; with ample or with the least host memory. */
static void plan_at(tiny_case *t, tiny_model model, uint64_t extra, bool is_least_host) {
    tiny_begin(t, model, true);
    tiny_plan_at(t, extra, is_least_host);
}

static void random_orders_of_the_threads_give_the_same_bits(void **state) {
    (void)state;
    static const uint64_t extras[] = {0, 8192};
    uint32_t n_runs = 0;
    uint64_t n_points = 0;
    for (uint32_t k = 0; k < 4 * N_TINY_MODELS; k++) {
        tiny_case t;
        plan_at(&t, (tiny_model)(k / 4), extras[k / 2 % 2], k % 2 == 1);
        for (uint32_t seed = 0; seed < 4; seed++) {
            run r = {.script = scripts[(seed + k) % N_SCRIPTS],
                     .turns = (seed + k) % 3 == 0 ? 0 : 3,
                     .how = {.policy = seed < 2 ? BATON_RANDOM : BATON_PRIORITIES,
                             .seed = 100 * k + seed + 1,
                             .n_changes = 3}};
            must_go_well(&t, &r, NULL);
            n_points += r.report.n_points;
            n_runs++;
        }
        tiny_end(&t);
    }
    print_message("%u runs, %llu points\n", n_runs, (unsigned long long)n_points);
}

/* Every order in which, at one point, somebody else goes on than the one who would. */
static void all_orders_with_one_exception_give_the_same_bits(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 2; k++) {
        tiny_case t;
        plan_at(&t, k == 0 ? TINY_PAIR : TINY_CHAIN, 0, k == 1);
        uint32_t n = 0;
        run r = {.script = "SSWW", .turns = 2, .how = {.policy = BATON_SEARCH, .most_delays = 1}};
        do {
            must_go_well(&t, &r, NULL);
            n++;
        } while (baton_next());
        print_message("%u orders of %s, the last of %u points\n", n, k == 0 ? "two tiers" : "three",
                      r.report.n_points);
        assert_true(n > 40);
        tiny_end(&t);
    }
}

/* The same threads with a plan that the checker refuses: a step that does not wait for its weight. */
static void a_missing_wait_is_seen(void **state) {
    (void)state;
    tiny_case t;
    plan_at(&t, TINY_PAIR, 256, false);
    dms_cmd *cmd = &t.compiled.plan.body.cmd[DMS_QUEUE_COMPUTE][1];
    assert_true(cmd->wait_cmd[DMS_QUEUE_IN] != DMS_NONE);
    cmd->wait_cmd[DMS_QUEUE_IN] = DMS_NONE;
    uint32_t n_wrong = 0;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        run r = {.script = "SSWW", .turns = 2, .how = {.seed = seed}};
        must_go_well(&t, &r, &n_wrong);
    }
    print_message("%u of 40 orders are wrong\n", n_wrong);
    assert_true(n_wrong > 5);
    tiny_end(&t);
}

/* ---- ends ---- */

static void cancel(dms_session *session, void *data) {
    (void)data;
    dms_cancel(session);
}

/* Ends at every point of a run: `code` is what must come of it where anything was left to do, and
 * nothing begins afterwards. Returns how many runs ended so. */
static uint32_t end_everywhere(const tiny_case *t, const char *script, baton_case how,
                               dms_code code, void (*between)(const tiny_case *)) {
    uint32_t n_ended = 0;
    bool has_event = true;
    for (how.event_at = 1; has_event; how.event_at++) {
        run r = {.script = script, .turns = strlen(script) / 2, .how = how};
        do_run(t, &r);
        has_event = r.report.has_event;
        if (r.report.is_stuck || !r.is_right || r.report.n_late > 0 ||
            (r.code != DMS_OK && r.code != code))
            fail_msg("ended at point %u of script %s: code %d %s, %u began late%s", how.event_at,
                     script, (int)r.code, r.st.msg, r.report.n_late,
                     r.report.is_stuck ? ", stuck" : "");
        n_ended += r.code == code;
        if (between != NULL)
            between(t);
    }
    assert_true(n_ended + 40 > how.event_at / 2); /* most points come before the end */
    return n_ended;
}

static void cancelling_at_any_point_ends_everything_between_commands(void **state) {
    (void)state;
    uint32_t n = 0;
    for (uint32_t k = 0; k < 2; k++) {
        tiny_case t;
        plan_at(&t, k == 0 ? TINY_CHAIN : TINY_SHARED, k * 4096, true);
        const baton_case how = {
            .policy = BATON_PRIORITIES, .seed = k + 1, .n_changes = 10, .event = cancel};
        n += end_everywhere(&t, k == 0 ? "SSWW" : "SWSW", how, DMS_ECANCELLED, NULL);
        tiny_end(&t);
    }
    print_message("%u runs were cancelled\n", n);
}

static void lose_file(dms_session *session, void *data) {
    (void)session;
    char path[64];
    tiny_path(data, path);
    assert_int_equal(truncate(path, 0), 0);
}

static void a_file_that_is_cut_short_at_any_point_ends_the_run(void **state) {
    (void)state;
    tiny_case t;
    plan_at(&t, TINY_CHAIN, 0, true);
    assert_true(t.compiled.plan.body.n_cmds[DMS_QUEUE_LOAD] > 0);
    const baton_case how = {
        .policy = BATON_PRIORITIES, .seed = 5, .n_changes = 10, .event = lose_file, .data = &t};
    const uint32_t n = end_everywhere(&t, "SSWW", how, DMS_EIO, tiny_write_file);
    print_message("%u runs ended with a storage error\n", n);
    tiny_end(&t);
}

static void a_bad_index_in_any_call_ends_the_run(void **state) {
    (void)state;
    tiny_case t;
    plan_at(&t, TINY_RESIDUAL, 0, true);
    const uint32_t n_calls = 2 * t.compiled.plan.body.n_cmds[DMS_QUEUE_COMPUTE];
    for (uint32_t k = 1; k <= n_calls; k++)
        for (uint32_t seed = 1; seed <= 2; seed++) {
            run r = {.script = "SSWW", .turns = 2, .how = {.seed = seed, .fail_call = k}};
            do_run(&t, &r);
            assert_int_equal(r.code, DMS_EINPUT);
            assert_non_null(strstr(r.st.msg, "an index is out of range"));
            assert_true(r.is_right && !r.report.is_stuck);
            assert_int_equal(r.report.n_late, 0);
            assert_int_equal(r.report.n_calls, k); /* the queue stops there */
        }
    tiny_end(&t);
}

static void closing_with_turns_under_way_leaves_no_thread(void **state) {
    (void)state;
    static const char *const open_ends[] = {"", "S", "SS", "SSW", "SWS"};
    for (uint32_t k = 0; k < 5; k++) {
        tiny_case t;
        plan_at(&t, (tiny_model)(k % N_TINY_MODELS), 0, true);
        for (uint32_t seed = 1; seed <= 8; seed++) {
            run r = {.script = open_ends[k], .turns = seed % 2 * 3, .how = {.seed = seed}};
            must_go_well(&t, &r, NULL);
        }
        tiny_end(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_orders_of_the_threads_give_the_same_bits),
        cmocka_unit_test(all_orders_with_one_exception_give_the_same_bits),
        cmocka_unit_test(a_missing_wait_is_seen),
        cmocka_unit_test(cancelling_at_any_point_ends_everything_between_commands),
        cmocka_unit_test(a_file_that_is_cut_short_at_any_point_ends_the_run),
        cmocka_unit_test(a_bad_index_in_any_call_ends_the_run),
        cmocka_unit_test(closing_with_turns_under_way_leaves_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
