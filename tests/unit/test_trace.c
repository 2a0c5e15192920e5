/* test_trace.c - the trace of a small plan, whose times are given: lanes, names, live bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "schema/trace.h"
#include "support_plan.h"

#define KEPT (32768 + 256) /* W2 and b */
#define CELL 16384         /* of W1 */
#define TURN_NS 1100

/* The plan of support_plan.h; command i of its submission order runs [100 i, 100 i + 100) in every
 * turn, from 1000 on:
 *
 *     at   1000  1100  1200  1300  1400  1500  1600  1700  1800  1900  2000  | 2100
 *     in   x           .     W1[1]       W1[0]             x'                | x
 *     comp             h[0]        h[1]        r     y           z           |
 *     out        x                                                     z     | */
typedef struct trace_case {
    case_plan plan;
    dms_trace trace;
} trace_case;

static void begin(trace_case *c, uint32_t n_turns) {
    case_make(&c->plan);
    const dms_program *body = &c->plan.plan.body;
    assert_int_equal(dms_trace_new(&c->plan.plan, n_turns, &c->plan.arena, &c->trace, NULL),
                     DMS_OK);
    for (uint32_t turn = 0; turn < n_turns; turn++) {
        uint32_t next[DMS_N_QUEUES] = {0};
        for (uint32_t i = 0; i < body->n_order; i++) {
            const dms_queue q = (dms_queue)body->order[i];
            const int64_t at = 1000 + TURN_NS * (int64_t)turn + 100 * (int64_t)i;
            *dms_trace_at(&c->trace, turn, q, next[q]++) = (dms_trace_span){at, at + 100};
        }
    }
}

static void end(trace_case *c) {
    case_free(&c->plan);
}

/* The levels of a tier are exactly these. */
static void expect_levels(trace_case *c, dms_tier tier, const dms_trace_level *want, uint32_t n) {
    dms_trace_level *level;
    uint32_t got;
    assert_int_equal(dms_trace_levels(&c->trace, tier, &c->plan.arena, &level, &got, NULL), DMS_OK);
    for (uint32_t i = 0; i < n && i < got; i++)
        if (level[i].at_ns != want[i].at_ns || level[i].bytes != want[i].bytes)
            fail_msg("level %u: %lld bytes at %lld, wanted %lld at %lld", (unsigned)i,
                     (long long)level[i].bytes, (long long)level[i].at_ns, (long long)want[i].bytes,
                     (long long)want[i].at_ns);
    assert_int_equal(got, n);
}

static void the_window_goes_from_the_first_begin_to_the_last_end(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 2);
    const dms_trace_span window = dms_trace_window(&c.trace);
    assert_int_equal(window.begin_ns, 1000);
    assert_int_equal(window.end_ns, 1000 + 2 * TURN_NS);
    dms_trace_at(&c.trace, 0, IN, 0)->end_ns = 0; /* as if it had not run: out 0 is the first */
    assert_int_equal(dms_trace_window(&c.trace).begin_ns, 1100);
    end(&c);
}

static void a_trace_without_commands_that_ran_is_empty(void **state) {
    (void)state;
    trace_case c;
    dms_trace_level *level;
    uint32_t n;
    begin(&c, 1);
    for (uint32_t i = 0; i < c.trace.n_cmds; i++)
        c.trace.span[i] = (dms_trace_span){0, 0};
    assert_int_equal(dms_trace_window(&c.trace).begin_ns, 0);
    assert_int_equal(dms_trace_window(&c.trace).end_ns, 0);
    assert_int_equal(dms_trace_levels(&c.trace, DMS_TIER_DEVICE, &c.plan.arena, &level, &n, NULL),
                     DMS_OK);
    assert_int_equal(n, 0);
    end(&c);
}

static void the_device_holds_what_was_written_and_is_still_read(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 1);
    const dms_trace_level want[] = {
        {1000, KEPT + CELL + 1024},               /* W1[0] of the prologue; x comes */
        {1200, KEPT + CELL + 1024 + 2048},        /* h; at 1300 W1[1] takes the place of W1[0] */
        {1500, KEPT + CELL + 2048},               /* x was read for the last time */
        {1700, KEPT + CELL + 2048 + 1024 + 1024}, /* r lies over h; y and workspace come */
        {1800, KEPT + CELL + 1024 + 1024},        /* y, and x once more */
        {2000, KEPT + CELL + 1024},               /* z lies over y; W1[0] is there for turn 1 */
        {2100, 0},                                /* the window ends */
    };
    assert_int_equal(want[3].bytes, c.plan.plan.device_arena);
    expect_levels(&c, DMS_TIER_DEVICE, want, sizeof want / sizeof want[0]);
    end(&c);
}

static void the_host_holds_homes_all_the_time_and_what_left_until_it_is_back(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 2);
    const dms_trace_level want[] = {
        {1000, 2 * CELL},        {1100, 2 * CELL + 1024}, {1900, 2 * CELL},
        {2200, 2 * CELL + 1024}, {3000, 2 * CELL},        {3200, 0},
    };
    expect_levels(&c, DMS_TIER_HOST, want, sizeof want / sizeof want[0]);
    end(&c);
}

static void a_turn_in_the_steady_state_looks_like_the_one_before(void **state) {
    (void)state;
    trace_case c;
    dms_trace_level *level;
    uint32_t n;
    begin(&c, 3);
    assert_int_equal(dms_trace_levels(&c.trace, DMS_TIER_DEVICE, &c.plan.arena, &level, &n, NULL),
                     DMS_OK);
    assert_int_equal(n, 3 * 6 - 2 + 1 - 0); /* at a seam z goes as x comes: no level of its own */
    for (uint32_t i = 1; i + 5 < 11; i++) {
        assert_int_equal(level[i + 5].at_ns - level[i].at_ns, TURN_NS);
        assert_int_equal(level[i + 5].bytes, level[i].bytes);
    }
    end(&c);
}

static void an_ahead_copy_that_was_skipped_holds_nothing(void **state) {
    (void)state;
    trace_case c;
    dms_trace_level *level;
    uint32_t n;
    begin(&c, 1);
    *dms_trace_at(&c.trace, 0, IN, 2) = (dms_trace_span){0, 0}; /* W1[0] for a turn 1 */
    assert_int_equal(dms_trace_levels(&c.trace, DMS_TIER_DEVICE, &c.plan.arena, &level, &n, NULL),
                     DMS_OK);
    assert_int_equal(level[n - 2].bytes, KEPT + 1024); /* z */
    assert_int_equal(level[n - 1].bytes, 0);
    end(&c);
}

/* Writes the trace and reads it back as JSON. */
static json_t *written(trace_case *c, const char *(*kernel_name)(uint32_t)) {
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(dms_trace_write(&c->trace, "measured", kernel_name, &c->plan.arena, out, NULL),
                     DMS_OK);
    rewind(out);
    json_error_t error;
    json_t *root = json_loadf(out, 0, &error);
    if (root == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    assert_int_equal(fclose(out), 0);
    return root;
}

static const char *text_of(const json_t *event, const char *key) {
    const char *text = json_string_value(json_object_get(event, key));
    return text == NULL ? "" : text;
}

/* The n-th event of a phase on a lane (0: any). */
static const json_t *event_of(const json_t *root, const char *phase, int lane, size_t nth) {
    const json_t *events = json_object_get(root, "traceEvents");
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        const bool is_there =
            lane == 0 || json_integer_value(json_object_get(e, "tid")) == (json_int_t)lane;
        if (strcmp(text_of(e, "ph"), phase) == 0 && is_there && nth-- == 0)
            return e;
    }
    return NULL;
}

static void every_queue_has_a_lane_with_its_name_in_its_order(void **state) {
    (void)state;
    static const char *const NAME[] = {"compute", "in", "out", "load"};
    trace_case c;
    begin(&c, 1);
    json_t *root = written(&c, NULL);
    assert_string_equal(text_of(event_of(root, "M", 0, 0), "name"), "process_name");
    for (int lane = 1; lane <= 4; lane++) {
        const json_t *name = event_of(root, "M", lane, 0), *order = event_of(root, "M", lane, 1);
        assert_string_equal(text_of(name, "name"), "thread_name");
        assert_string_equal(text_of(json_object_get(name, "args"), "name"), NAME[lane - 1]);
        assert_string_equal(text_of(order, "name"), "thread_sort_index");
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(order, "args"), "sort_index")),
            lane - 1);
    }
    json_decref(root);
    end(&c);
}

static const char *some_kernel(uint32_t id) {
    return id == 0 ? "zero" : "other";
}

/* One complete event says what was wanted: times in microseconds from the first begin on. */
static void expect_event(const json_t *root, int lane, size_t nth, const char *name, double ts,
                         json_int_t bytes, json_int_t turn) {
    const json_t *e = event_of(root, "X", lane, nth), *args = json_object_get(e, "args");
    assert_non_null(e);
    assert_string_equal(text_of(e, "name"), name);
    assert_true(json_number_value(json_object_get(e, "ts")) == ts);
    assert_true(json_number_value(json_object_get(e, "dur")) == 0.1);
    assert_int_equal(json_integer_value(json_object_get(args, "bytes")), bytes);
    assert_int_equal(json_integer_value(json_object_get(args, "turn")), turn);
}

static void commands_are_complete_events_with_names_and_bytes(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 2);
    json_t *root = written(&c, some_kernel);
    expect_event(root, 2, 0, "user > x", 0, 1024, 0);
    expect_event(root, 2, 1, "W1 [2/2]", 0.3, CELL, 0);
    expect_event(root, 2, 2, "W1 [1/2]", 0.5, CELL, 1); /* ahead: it serves turn 1 */
    expect_event(root, 2, 3, "x", 0.8, 1024, 0);
    expect_event(root, 3, 0, "x", 0.1, 1024, 0);
    expect_event(root, 3, 1, "user < z", 1, 1024, 0);
    expect_event(root, 1, 2, "relu", 0.6, 2 * 2048, 0); /* reads and writes 4 x 128 f32 */
    expect_event(root, 1, 5, "fc1", 1.3, 1024 + CELL + 1024, 1);
    const json_t *args = json_object_get(event_of(root, "X", 1, 2), "args");
    assert_int_equal(json_integer_value(json_object_get(args, "step")), 2);
    assert_string_equal(text_of(args, "kernel"), "other");
    assert_null(event_of(root, "X", 4, 0)); /* nothing was loaded from storage */
    json_decref(root);
    end(&c);
}

static void seams_and_counters_stand_beside_the_lanes(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 2);
    json_t *root = written(&c, NULL);
    for (size_t turn = 0; turn < 2; turn++) {
        const json_t *seam = event_of(root, "i", 0, turn);
        assert_string_equal(text_of(seam, "name"), turn == 0 ? "turn 0" : "turn 1");
        assert_true(json_number_value(json_object_get(seam, "ts")) == (turn == 0 ? 0.2 : 1.3));
    }
    assert_null(event_of(root, "i", 0, 2));
    const json_t *first = event_of(root, "C", 0, 0);
    assert_string_equal(text_of(first, "name"), "device arena");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first, "args"), "live bytes")),
        KEPT + CELL + 1024);
    const json_t *other = json_object_get(root, "otherData");
    assert_string_equal(text_of(other, "times"), "measured");
    assert_int_equal(json_integer_value(json_object_get(other, "device_arena_bytes")), 53504);
    json_decref(root);
    end(&c);
}

static void a_command_that_did_not_run_has_no_event(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 1);
    *dms_trace_at(&c.trace, 0, COMPUTE, 0) = (dms_trace_span){0, 0};
    json_t *root = written(&c, NULL);
    assert_string_equal(text_of(event_of(root, "X", 1, 0), "name"), "fc1");
    assert_string_equal(text_of(event_of(root, "X", 1, 1), "name"), "relu"); /* fc1 came once */
    assert_null(event_of(root, "i", 0, 0));
    json_decref(root);
    end(&c);
}

static void running_out_of_memory_is_reported_at_every_request(void **state) {
    (void)state;
    trace_case c;
    begin(&c, 2);
    for (uint64_t n = 1;; n++) {
        dms_arena scratch;
        dms_arena_init(&scratch, 0);
        scratch.fail_at = n;
        FILE *out = tmpfile();
        assert_non_null(out);
        const dms_code code = dms_trace_write(&c.trace, "measured", NULL, &scratch, out, NULL);
        assert_int_equal(fclose(out), 0);
        dms_arena_free(&scratch);
        if (code == DMS_OK) {
            assert_true(n > 4);
            break;
        }
        assert_int_equal(code, DMS_EINTERNAL);
    }
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_goes_from_the_first_begin_to_the_last_end),
        cmocka_unit_test(a_trace_without_commands_that_ran_is_empty),
        cmocka_unit_test(the_device_holds_what_was_written_and_is_still_read),
        cmocka_unit_test(the_host_holds_homes_all_the_time_and_what_left_until_it_is_back),
        cmocka_unit_test(a_turn_in_the_steady_state_looks_like_the_one_before),
        cmocka_unit_test(an_ahead_copy_that_was_skipped_holds_nothing),
        cmocka_unit_test(every_queue_has_a_lane_with_its_name_in_its_order),
        cmocka_unit_test(commands_are_complete_events_with_names_and_bytes),
        cmocka_unit_test(seams_and_counters_stand_beside_the_lanes),
        cmocka_unit_test(a_command_that_did_not_run_has_no_event),
        cmocka_unit_test(running_out_of_memory_is_reported_at_every_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
