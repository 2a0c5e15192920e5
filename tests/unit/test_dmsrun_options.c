/* test_dmsrun_options.c - the command line of dmsrun as a struct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "runtime/dmsrun_options.h"

#define MAX_WORDS 16

/* Parses words separated by spaces. `text` must live as long as the options. */
static dms_code parse(char *text, dms_arena *arena, dmsrun_options *out, dms_status *st) {
    char *argv[MAX_WORDS] = {(char *)(uintptr_t) "dmsrun"};
    int argc = 1;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return dmsrun_parse(argc, argv, arena, out, st);
}

static void without_options_there_is_one_turn_and_nothing_else(void **state) {
    (void)state;
    dms_arena arena = {0};
    dmsrun_options o;
    char text[] = "p.plan";
    assert_int_equal(parse(text, &arena, &o, NULL), DMS_OK);
    assert_string_equal(o.plan, "p.plan");
    assert_int_equal(o.iterations, 1);
    assert_int_equal(o.warmup, 0);
    assert_int_equal(o.run.turns, 1);
    assert_int_equal(o.run.threads, 0);
    assert_null(o.run.model_dir);
    assert_null(o.run.device);
    assert_null(o.output);
    assert_null(o.compare);
    assert_null(o.json);
    assert_false(o.stats || o.digest || o.run.poison || o.run.verify_weights);
    assert_false(o.run.random_weights);
    assert_true(o.tolerance.rtol < 0 && o.tolerance.atol < 0); /* the defaults of compare.h */
    dms_arena_free(&arena);
}

static void every_option_lands_in_its_place(void **state) {
    (void)state;
    dms_arena arena = {0};
    dmsrun_options o;
    char first[] = "--model-dir M --output O --device cpu --threads 3 --iterations 5 --warmup 2 "
                   "--json J p.plan";
    assert_int_equal(parse(first, &arena, &o, NULL), DMS_OK);
    assert_string_equal(o.run.model_dir, "M");
    assert_string_equal(o.output, "O");
    assert_string_equal(o.run.device, "cpu");
    assert_int_equal(o.run.threads, 3);
    assert_int_equal(o.iterations, 5);
    assert_int_equal(o.warmup, 2);
    assert_int_equal(o.run.turns, 7);
    assert_string_equal(o.json, "J");
    char limit[] = "p.plan --max-work 12345678901234567890";
    assert_int_equal(parse(limit, &arena, &o, NULL), DMS_OK);
    assert_true(o.run.max_work == 12345678901234567890u);
    char second[] = "p.plan --compare C --rtol 1e-3 --atol=0.5 --stats --digest --poison "
                    "--verify-weights --random-weights 18446744073709551615 --seed 9";
    assert_int_equal(parse(second, &arena, &o, NULL), DMS_OK);
    assert_string_equal(o.compare, "C");
    assert_true(o.tolerance.rtol == 1e-3 && o.tolerance.atol == 0.5);
    assert_true(o.stats && o.digest && o.run.poison && o.run.verify_weights);
    assert_true(o.run.random_weights);
    assert_true(o.run.random_seed == UINT64_MAX);
    assert_int_equal(o.seed, 9);
    dms_arena_free(&arena);
}

static void inputs_are_cut_at_the_first_equals_sign(void **state) {
    (void)state;
    dms_arena arena = {0};
    dmsrun_options o;
    char text[] = "p.plan --input x=a=b.npy --input=y/z:0=c.npz";
    assert_int_equal(parse(text, &arena, &o, NULL), DMS_OK);
    assert_int_equal(o.n_inputs, 2);
    assert_string_equal(o.input[0].name, "x");
    assert_string_equal(o.input[0].file, "a=b.npy");
    assert_string_equal(o.input[1].name, "y/z:0");
    assert_string_equal(o.input[1].file, "c.npz");
    dms_arena_free(&arena);
}

static void help_and_version_need_no_plan(void **state) {
    (void)state;
    dms_arena arena = {0};
    dmsrun_options o;
    char help[] = "--help", version[] = "--version";
    assert_int_equal(parse(help, &arena, &o, NULL), DMS_OK);
    assert_true(o.help);
    assert_int_equal(parse(version, &arena, &o, NULL), DMS_OK);
    assert_true(o.version);
    dms_arena_free(&arena);
}

static void the_help_names_every_option(void **state) {
    (void)state;
    static const char *const names[] = {
        "--model-dir",  "--input",          "--output",  "--device", "--threads",
        "--iterations", "--warmup",         "--compare", "--rtol",   "--atol",
        "--stats",      "--digest",         "--json",    "--poison", "--verify-weights",
        "--seed",       "--random-weights", "--version", "--help"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(dmsrun_help(), names[i]) == NULL)
            fail_msg("--help does not name %s", names[i]);
}

/* Parsed words; turns that are recorded. */
static uint32_t recorded(const char *words) {
    dms_arena arena = {0};
    dmsrun_options o;
    char text[200];
    (void)snprintf(text, sizeof text, "%s", words);
    assert_int_equal(parse(text, &arena, &o, NULL), DMS_OK);
    dms_arena_free(&arena);
    return o.run.trace_turns;
}

/* The step times of --json are those that dmsc --measured plans with. */
static void a_card_records_turns_for_the_times_of_its_steps(void **state) {
    (void)state;
    assert_int_equal(recorded("p --trace t"), 3);
    assert_int_equal(recorded("p --device cuda --json j"), 3);
    assert_int_equal(recorded("p --json j"), 0); /* the CPU times steps in any turn */
    assert_int_equal(recorded("p --device cpu --json j"), 0);
    assert_int_equal(recorded("p --device cuda"), 0);
}

static void what_is_not_understood_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *words, *why;
    } cases[] = {
        {"p --iterations 1e3", "--iterations 1e3"},
        {"p --iterations 0", "--iterations 0: wanted is a number from 1"},
        {"p --iterations 99999999999999999999", "--iterations"},
        {"p --warmup -1", "--warmup -1"},
        {"p --threads 1025", "--threads 1025"},
        {"p --threads +1", "--threads +1"},
        {"p --compare c --rtol nan", "--rtol nan"},
        {"p --compare c --atol inf", "--atol inf"},
        {"p --compare c --atol 1x", "--atol 1x"},
        {"p --atol 1", "belong to --compare"},
        {"p --input =f", "NAME=FILE"},
        {"p --input n=", "NAME=FILE"},
        {"p --digest=yes", "--digest takes no value"},
        {"p --unknown=1", "unknown option --unknown"},
        {"p --iter 3", "unknown option --iter"},
        {"p -q", "unknown option -q"},
        {"p q", "p and q"},
        {"--stats", "no plan is given"},
        {"p --json", "--json wants a value"},
        {"p --calibrate", "--calibrate runs no plan: p"},
        {"--calibrate -o here", "-o here: wanted is a name that ends in .json"},
        {"p -o here.json", "-o and --scratch belong to --calibrate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dms_arena arena = {0};
        dmsrun_options o;
        dms_status st = {.msg = ""};
        char text[200];
        (void)strcpy(text, cases[i].words);
        assert_int_equal(parse(text, &arena, &o, &st), DMS_EUSAGE);
        if (strstr(st.msg, cases[i].why) == NULL)
            fail_msg("dmsrun %s: '%s' does not say '%s'", cases[i].words, st.msg, cases[i].why);
        dms_arena_free(&arena);
    }
}

static void memory_that_is_not_there_is_an_internal_error(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 2; n++) { /* the table of inputs, the name of one */
        dms_arena arena = {.fail_at = n};
        dmsrun_options o;
        dms_status st;
        char text[] = "p --input x=y";
        assert_int_equal(parse(text, &arena, &o, &st), DMS_EINTERNAL);
        dms_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_there_is_one_turn_and_nothing_else),
        cmocka_unit_test(every_option_lands_in_its_place),
        cmocka_unit_test(inputs_are_cut_at_the_first_equals_sign),
        cmocka_unit_test(help_and_version_need_no_plan),
        cmocka_unit_test(the_help_names_every_option),
        cmocka_unit_test(a_card_records_turns_for_the_times_of_its_steps),
        cmocka_unit_test(what_is_not_understood_is_refused_by_name),
        cmocka_unit_test(memory_that_is_not_there_is_an_internal_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
