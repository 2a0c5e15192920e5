/* test_problem.c - the placement problem in numbers: its rules and its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "schema/plan.h"
#include "support_problem.h"

/* Writes text to a file of its own in the working folder; returns its name. */
static const char *file_of(const char *text, char *name, size_t size) {
    (void)snprintf(name, size, "problem-%ld.json", (long)getpid());
    FILE *out = fopen(name, "wb");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return name;
}

static dms_code read_text(const char *text, dms_arena *arena, dms_problem *out, dms_status *st) {
    char name[64];
    const dms_code code = dms_problem_read(file_of(text, name, sizeof name), arena, out, st);
    (void)remove(name);
    return code;
}

#define HEAD                                                                                       \
    "{\"format\":\"dms-problem\",\"version\":1,\"name\":\"two\",\"weight_bytes\":512,"             \
    "\"budgets\":[4096,2048],\"host_mem\":1000000000000000,"
#define LINKS                                                                                      \
    "\"links\":{\"h2d\":[55000000000.0,10000],\"d2h\":[52e9,9],\"load\":[7,8],\"store\":[5,6]},"
#define STEPS "\"steps\":[[10,0],[20,300],[30,0],[40,0]],"

static void a_stored_problem_is_read(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_problem p;
    dms_status st;
    const char *text = HEAD LINKS STEPS "\"layer\":[0,0,-1,1],\"tensors\":[[\"w\",512,-1,[1]],"
                                        "[\"a\",100,0,[[1,2],3]]]}";
    if (read_text(text, &arena, &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(p.n_steps, 4);
    assert_int_equal(p.steps[1].ns, 20);
    assert_int_equal(p.steps[1].scratch_bytes, 300);
    assert_int_not_equal(p.steps[2].layer, p.steps[1].layer);
    assert_int_equal(p.in.bytes_per_s, 55000000000);
    assert_int_equal(p.out.latency_ns, 9);
    assert_true(p.host_mem == UINT64_MAX);
    assert_int_equal(p.n_budgets, 2);
    assert_int_equal(p.tensors[1].kind, DMS_PROBLEM_ACTIVATION);
    assert_int_equal(p.tensors[1].n_touches, 4); /* producer 0, run 1..2, 3 */
    const uint32_t touches[] = {1, 0, 1, 2, 3};
    assert_memory_equal(p.touches, touches, sizeof touches);
    dms_arena_free(&arena);
}

static void a_dump_is_a_problem_that_carries_its_decision(void **state) {
    (void)state;
    problem_case c;
    dms_problem p;
    dms_status st;
    char *text = NULL;
    size_t size = 0;
    problem_random(&c, 5, 12);
    c.problem.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_IN] = 250;
    c.problem.lead_ns = 77;
    const dms_place_options options = {.device_budget = (problem_floor(&c) + 40) * UNIT,
                                       .host_budget = 1 << 30};
    const dms_decision d = problem_place_with(&c, &options);
    char period[64];
    (void)snprintf(period, sizeof period, "\"period_ns\": %lld", (long long)d.period_ns);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(dms_decision_dump(&c.problem, &d, out, &st), DMS_OK);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\"plan\": {"));
    assert_non_null(strstr(text, period));
    if (read_text(text, &c.arena, &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    free(text);
    assert_int_equal(p.n_touches, c.problem.n_touches);
    assert_memory_equal(&p.contention, &c.problem.contention, sizeof p.contention);
    assert_int_equal(p.lead_ns, 77);
    assert_int_equal(p.n_budgets, 1); /* whoever checks the bound needs both budgets */
    assert_true(p.budgets[0] == options.device_budget);
    assert_int_equal(p.host_mem, 1 << 30);
    problem_end(&c);
}

/* The problem that `text` says, which is none that is refused. */
static dms_problem problem_of(const char *text, dms_arena *arena) {
    dms_problem p;
    dms_status st;
    if (read_text(text, arena, &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return p;
}

static void a_weight_lies_dense_in_its_file_unless_the_problem_says_otherwise(void **state) {
    (void)state;
    dms_arena arena = {0};
    const dms_problem p =
        problem_of(HEAD LINKS STEPS "\"tensors\":[[\"w\",512,-1,[1]],[\"w\",100,-1,[2]],"
                                    "[\"w\",70,-1,[3]],[\"a\",9,0,[1]]],"
                                    "\"stored\":[[1,4096],[2,0]]}",
                   &arena);
    const uint64_t stored[] = {512, 4096, 0, 0};
    for (uint32_t i = 0; i < 4; i++)
        assert_true(p.tensors[i].storage_bytes == stored[i]);
    dms_arena_free(&arena);
}

static void squeeze(char *text);

/* Readers that know tensors as [kind, bytes, producer, uses] take every problem. */
static void a_tensor_is_written_as_four_values_and_its_stored_bytes_apart(void **state) {
    (void)state;
    problem_case c;
    char *text = NULL;
    size_t size = 0;
    dms_status st;
    problem_begin(&c, 4, 10);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 2, 1);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 1, 2);
    c.problem.tensors[1].storage_bytes = 8192;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(dms_problem_write(&c.problem, out, &st), DMS_OK);
    assert_int_equal(fclose(out), 0);
    squeeze(text);
    assert_non_null(strstr(text, "\"tensors\":[[\"w\",512,-1,[1]],[\"w\",256,-1,[2]]]"));
    assert_non_null(strstr(text, "[1,8192]]}"));
    const dms_problem again = problem_of(text, &c.arena);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(again.tensors[i].storage_bytes == c.problem.tensors[i].storage_bytes);
    free(text);
    problem_end(&c);
}

static void what_is_written_is_read_again_alike(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        problem_case c;
        dms_problem p;
        dms_status st;
        char *text = NULL;
        size_t size = 0;
        problem_random(&c, seed, 20);
        FILE *out = open_memstream(&text, &size);
        assert_int_equal(dms_problem_write(&c.problem, out, &st), DMS_OK);
        assert_int_equal(fclose(out), 0);
        if (read_text(text, &c.arena, &p, &st) != DMS_OK)
            fail_msg("%s", st.msg);
        free(text);
        assert_int_equal(p.n_tensors, c.problem.n_tensors);
        assert_int_equal(p.n_touches, c.problem.n_touches);
        assert_memory_equal(p.touches, c.problem.touches, p.n_touches * sizeof *p.touches);
        for (uint32_t i = 0; i < p.n_tensors; i++) {
            assert_int_equal(p.tensors[i].bytes, c.problem.tensors[i].bytes);
            assert_int_equal(p.tensors[i].kind, c.problem.tensors[i].kind);
            assert_true(p.tensors[i].storage_bytes == c.problem.tensors[i].storage_bytes);
            assert_int_equal(p.tensors[i].first_touch, c.problem.tensors[i].first_touch);
        }
        for (uint32_t t = 0; t < p.n_steps; t++) {
            assert_int_equal(p.steps[t].ns, c.problem.steps[t].ns);
            assert_int_equal(p.steps[t].layer, c.problem.steps[t].layer);
        }
        problem_end(&c);
    }
}

static void is_refused(const char *text, const char *what) {
    dms_arena arena = {0};
    dms_problem p;
    dms_status st = {0};
    assert_int_equal(read_text(text, &arena, &p, &st), DMS_EUSAGE);
    if (!strstr(st.msg, what))
        fail_msg("wanted '%s', got '%s'", what, st.msg);
    dms_arena_free(&arena);
}

static void what_is_no_problem_is_refused_by_its_key(void **state) {
    (void)state;
    is_refused("[1,2", "line 1");
    is_refused("{}", "format");
    is_refused("{\"format\":\"dms-problem\",\"version\":2}", "version");
    is_refused(HEAD "\"links\":{}," STEPS "\"tensors\":[]}", "h2d");
    is_refused(HEAD LINKS "\"steps\":[[1]],\"tensors\":[]}", "steps");
    is_refused(HEAD LINKS "\"steps\":[[-1,0]],\"tensors\":[]}", "steps");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"q\",1,-1,[1]]]}", "tensors");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[4]]]}", "uses");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-2,[3]]]}", "producer");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[[2,1]]]]}", "uses");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[2,1]]]}", "ascending");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[]]]}", "no touches");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",0,-1,[1]]]}", "0 bytes");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",4000000000000000000,-1,[1]]]}", "61 bits");
    is_refused(HEAD LINKS "\"steps\":[],\"tensors\":[]}", "0 steps");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[1]]],\"stored\":[[1,5]]}", "stored");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"w\",1,-1,[1]]],\"stored\":[[0,-5]]}", "stored");
    is_refused(HEAD LINKS STEPS "\"tensors\":[[\"a\",1,0,[1]]],\"stored\":[[0,5]]}", "tensor 0");
}

/* A model that takes years on a profile is no bug of ours. */
static void times_that_do_not_add_up_are_the_callers(void **state) {
    (void)state;
    problem_case c;
    dms_status st = {0};
    problem_begin(&c, 2, 10);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 1, 0);
    c.problem.steps[0].ns = (INT64_C(1) << 61) - 11;
    assert_int_equal(dms_problem_check(&c.problem, &st), DMS_OK);
    c.problem.steps[0].ns++;
    assert_int_equal(dms_problem_check(&c.problem, &st), DMS_EUSAGE);
    assert_non_null(strstr(st.msg, "the profile too slow"));
    problem_end(&c);
}

static void a_missing_file_is_a_file_error(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_problem p;
    dms_status st;
    assert_int_equal(dms_problem_read("no-such-file.json", &arena, &p, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "no-such-file.json"));
}

/* Takes the white space out of JSON without text that holds any. */
static void squeeze(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != ' ' && *from != '\n')
            *to++ = *from;
    *to = 0;
}

static void a_decision_is_written_as_a_plan(void **state) {
    (void)state;
    /* all four weights fit: kept, stacked from 0, nothing copied but the output */
    problem_case c;
    char *text = NULL;
    size_t size = 0;
    dms_status st;
    problem_begin(&c, 4, 10);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 2, 1);
    problem_once(&c, DMS_PROBLEM_OUTPUT, 1, 3);
    c.problem.steps[0].scratch_bytes = 100;
    const dms_decision d = problem_place(&c, 4);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(dms_decision_write(&c.problem, &d, out, &st), DMS_OK);
    assert_int_equal(fclose(out), 0);
    squeeze(text);
    assert_non_null(strstr(text, "\"device_mem\":1024"));
    assert_non_null(strstr(text, "\"keep\":[[0,[0]]]"));
    assert_non_null(strstr(text, "\"h2d\":[]"));
    assert_non_null(strstr(text, "\"d2h\":[[1,3,"));
    assert_non_null(strstr(text, "\"addr\":[[0,-1,0],[1,-1,512]]"));
    assert_non_null(strstr(text, "\"scratch\":[[0,"));
    free(text);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_problem_is_read),
        cmocka_unit_test(a_dump_is_a_problem_that_carries_its_decision),
        cmocka_unit_test(a_weight_lies_dense_in_its_file_unless_the_problem_says_otherwise),
        cmocka_unit_test(a_tensor_is_written_as_four_values_and_its_stored_bytes_apart),
        cmocka_unit_test(what_is_written_is_read_again_alike),
        cmocka_unit_test(what_is_no_problem_is_refused_by_its_key),
        cmocka_unit_test(times_that_do_not_add_up_are_the_callers),
        cmocka_unit_test(a_missing_file_is_a_file_error),
        cmocka_unit_test(a_decision_is_written_as_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
