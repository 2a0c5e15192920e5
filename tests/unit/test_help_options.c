/* test_help_options.c - both programs understand what their --help names, and refuse each option
 * that is given wrongly with exit code 2 and its name. The list of options is that of the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MOST_OPTIONS 64

/* One option of a help text: "  --name VALUE  what it does". */
typedef struct option {
    char name[40];
    bool has_value;
} option;

typedef struct program {
    const char *path, *operand; /* a plan or model that is not there */
    option option[MOST_OPTIONS];
    uint32_t n;
    char said[65536];
} program;

/* Runs the program; returns its exit code. What it said on both streams is in p->said. */
static int run(program *p, const char *words) {
    char command[512];
    (void)snprintf(command, sizeof command, "%s %s 2>&1", p->path, words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    p->said[fread(p->said, 1, sizeof p->said - 1, out)] = 0;
    const int status = pclose(out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Adds the options of a line: "  --rtol R --atol A   ..." has two; the text behind two spaces is
 * about them and names no new ones. */
static void read_line(program *p, const char *line) {
    const char *end = line;
    if (strncmp(line, "  -", 3) != 0)
        return;
    for (end += 2; *end != '\n' && *end != 0 && strncmp(end, "  ", 2) != 0;)
        end++;
    for (const char *at = line; (at = strstr(at, "--")) != NULL && at < end;) {
        assert_true(p->n < MOST_OPTIONS);
        option *o = &p->option[p->n++];
        const size_t length = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        assert_true(length < sizeof o->name);
        memcpy(o->name, at, length);
        o->name[length] = 0;
        at += length;
        o->has_value = *at == ' ' && at < end && at[1] != '-' && at[1] != ' ';
    }
}

static void begin(program *p, const char *path, const char *operand) {
    memset(p, 0, sizeof *p);
    p->path = path;
    p->operand = operand;
    assert_int_equal(run(p, "--help"), 0);
    char help[sizeof p->said];
    memcpy(help, p->said, sizeof help);
    for (const char *line = help; line != NULL && *line != 0;) {
        read_line(p, line);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    assert_in_range(p->n, 10, MOST_OPTIONS);
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
        for (uint32_t i = 0; i < p.n; i++) {
            char words[200];
            if (!p.option[i].has_value)
                continue;
            (void)snprintf(words, sizeof words, "%s %s", p.operand, p.option[i].name);
            refuses(&p, words, p.option[i].name);
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
        for (uint32_t i = 0; i < p.n; i++) {
            char words[200];
            if (p.option[i].has_value)
                continue;
            (void)snprintf(words, sizeof words, "%s %s=1", p.operand, p.option[i].name);
            refuses(&p, words, p.option[i].name);
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
        for (uint32_t i = 0; i < p.n; i++) {
            char words[200], longer[50];
            (void)snprintf(longer, sizeof longer, "%sx", p.option[i].name);
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
