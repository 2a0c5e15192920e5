/* test_help_options.c - both programs understand what their --help names, and refuse each option
 * that is given wrongly with exit code 2 and its name. The list of options is that of the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_help.h"

typedef struct program {
    const char *path, *operand; /* a plan or model that is not there */
    help help;
    char said[65536];
} program;

/* Runs the program; returns its exit code. What it said on both streams is in p->said. */
static int run(program *p, const char *words) {
    char command[512];
    (void)snprintf(command, sizeof command, "%s %s", p->path, words);
    return help_run(command, p->said, sizeof p->said);
}

static void begin(program *p, const char *path, const char *operand) {
    memset(p, 0, sizeof *p);
    p->path = path;
    p->operand = operand;
    help_read(path, &p->help);
}

/* Options of one letter are joined and cut by other rules. */
static bool is_long(const help_option *o) {
    return o->name[1] == '-';
}

/* The program ends with exit code 2 and a message that names the option. */
static void refuses(program *p, const char *words, const char *name) {
    const int code = run(p, words);
    if (code != 2 || strstr(p->said, name) == NULL)
        fail_msg("%s %s: exit code %d: %s", p->path, words, code, p->said);
}

static const struct {
    const char *path, *operand;
} PROGRAMS[] = {{DMS_BINARY_DIR "/dmsc", "no-such-model.onnx"},
                {DMS_BINARY_DIR "/dmsrun", "no-such-plan.bin"}};

static void an_option_that_wants_a_value_is_refused_without(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        program p;
        uint32_t n_tried = 0;
        begin(&p, PROGRAMS[k].path, PROGRAMS[k].operand);
        for (uint32_t i = 0; i < p.help.n; i++) {
            char words[200];
            if (!p.help.option[i].has_value || !is_long(&p.help.option[i]))
                continue;
            (void)snprintf(words, sizeof words, "%s %s", p.operand, p.help.option[i].name);
            refuses(&p, words, p.help.option[i].name);
            n_tried++;
        }
        assert_true(n_tried >= 5);
    }
}

static void a_flag_takes_no_value(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        program p;
        uint32_t n_tried = 0;
        begin(&p, PROGRAMS[k].path, PROGRAMS[k].operand);
        for (uint32_t i = 0; i < p.help.n; i++) {
            char words[200];
            if (p.help.option[i].has_value || !is_long(&p.help.option[i]))
                continue;
            (void)snprintf(words, sizeof words, "%s %s=1", p.operand, p.help.option[i].name);
            refuses(&p, words, p.help.option[i].name);
            n_tried++;
        }
        assert_true(n_tried >= 2);
    }
}

/* A name is taken whole: neither more nor less of it. */
static void a_name_that_is_nearly_one_is_refused(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        program p;
        begin(&p, PROGRAMS[k].path, PROGRAMS[k].operand);
        for (uint32_t i = 0; i < p.help.n; i++) {
            char words[200], longer[50];
            if (!is_long(&p.help.option[i]))
                continue;
            (void)snprintf(longer, sizeof longer, "%sx", p.help.option[i].name);
            (void)snprintf(words, sizeof words, "%s %s 1", p.operand, longer);
            refuses(&p, words, longer);
        }
    }
}

static void what_is_not_there_is_a_file_error_and_named(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        program p;
        begin(&p, PROGRAMS[k].path, PROGRAMS[k].operand);
        assert_int_equal(run(&p, p.operand), 4);
        assert_non_null(strstr(p.said, p.operand));
        assert_int_equal(run(&p, ""), 2);
        assert_int_equal(run(&p, "--version"), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_that_wants_a_value_is_refused_without),
        cmocka_unit_test(a_flag_takes_no_value),
        cmocka_unit_test(a_name_that_is_nearly_one_is_refused),
        cmocka_unit_test(what_is_not_there_is_a_file_error_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
