/* test_manual.c - the manual pages and the completion of bash say what the programs do: every option
 * of --help stands in each of them, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_help.h"

#define MOST_CODE 200

static const char *const PROGRAMS[] = {"dmsc", "dmsrun"};
static const char *const PAGES[] = {"dmsc.1", "dmsrun.1", "dms.3"};

/* A file of the tree; the caller frees it. */
static char *read_file(const char *path) {
    char full[500];
    (void)snprintf(full, sizeof full, DMS_SOURCE_DIR "/%s", path);
    FILE *file = fopen(full, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_in_range(fread(text, 1, (1 << 16) - 1, file), 100, (1 << 16) - 2);
    (void)fclose(file);
    return text;
}

static char *read_page(const char *name) {
    char path[100];
    (void)snprintf(path, sizeof path, "docs/man/%s", name);
    return read_file(path);
}

static void help_of(const char *program, help *out) {
    char path[300];
    (void)snprintf(path, sizeof path, DMS_BINARY_DIR "/%s", program);
    help_read(path, out);
}

/* Calls `each` for every line of a text, without its end; `text` is taken apart. */
static void for_lines(char *text, void (*each)(const char *line, void *data), void *data) {
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        each(line, data);
}

/* ".It Fl -dot Ar file": the option --dot, with a value. */
static void read_option(const char *line, void *data) {
    char name[40], rest[80] = "";
    if (sscanf(line, ".It Fl %38s %79[^\n]", name + 1, rest) < 1)
        return;
    name[0] = '-';
    help_add(data, name, strncmp(rest, "Ar ", 3) == 0 || strncmp(rest, "Cm ", 3) == 0);
}

/* Both lists hold the same options, with values at the same ones. */
static void same_options(const char *program, const help *from_help, const help *found) {
    for (uint32_t i = 0; i < from_help->n; i++) {
        const help_option *o = help_find(found, from_help->option[i].name);
        if (o == NULL)
            fail_msg("%s %s is missing", program, from_help->option[i].name);
        if (o->has_value != from_help->option[i].has_value)
            fail_msg("%s %s: does it take a value?", program, o->name);
    }
    for (uint32_t i = 0; i < found->n; i++)
        if (help_find(from_help, found->option[i].name) == NULL)
            fail_msg("%s does not know %s", program, found->option[i].name);
}

static void the_manual_has_the_options_of_the_help(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        help from_help, from_page = {.n = 0};
        char *page = read_page(PAGES[k]);
        help_of(PROGRAMS[k], &from_help);
        for_lines(page, read_option, &from_page);
        same_options(PROGRAMS[k], &from_help, &from_page);
        free(page);
    }
}

/* What bash offers behind these words, one word a line, in `out`. */
static void complete(const char *program, const char *words, int position, char *out, size_t size) {
    char command[500];
    (void)snprintf(command, sizeof command,
                   "bash -c '. %s/docs/completion/%s; COMP_WORDS=(%s %s); COMP_CWORD=%d; _%s %s/%s;"
                   " printf \"%%s\\n\" \"${COMPREPLY[@]}\"'",
                   DMS_SOURCE_DIR, program, program, words, position, program, DMS_BINARY_DIR,
                   program);
    assert_int_equal(help_run(command, out, size), 0);
}

/* A word that is offered is an option; whether it takes a value shows in what is offered behind it:
 * another option, or none. */
static void read_offer(const char *line, void *data) {
    help_add(data, line, false);
}

static void completion_has_the_options_of_the_help(void **state) {
    (void)state;
    if (system("command -v bash >/dev/null") != 0)
        skip();
    for (size_t k = 0; k < 2; k++) {
        help from_help, offered = {.n = 0};
        char out[4096], words[100];
        help_of(PROGRAMS[k], &from_help);
        complete(PROGRAMS[k], "-", 1, out, sizeof out);
        for_lines(out, read_offer, &offered);
        for (uint32_t i = 0; i < offered.n; i++) {
            (void)snprintf(words, sizeof words, "%s --", offered.option[i].name);
            complete(PROGRAMS[k], words, 2, out, sizeof out);
            offered.option[i].has_value = strstr(out, "--help") == NULL;
        }
        same_options(PROGRAMS[k], &from_help, &offered);
    }
}

static void completion_knows_what_a_value_is(void **state) {
    static const struct {
        const char *program, *words;
        int position;
        const char *want;
    } cases[] = {
        {"dmsc", "--profile h100-p", 2, "h100-pcie\n"},
        {"dmsc", "--profile = h100-p", 3, "h100-pcie\n"}, /* bash cuts --profile=h100 like this */
        {"dmsc", "--device-mem fl", 2, "floor\n"},
        {"dmsc", "--host-mem a", 2, "auto\n"},
        {"dmsc", "--dim batch = -", 4, "\n"},
        {"dmsc", "--exact --curve-", 2, "--curve-points\n"},
        {"dmsc", DMS_SOURCE_DIR "/docs/plan-form", 1, "\n"}, /* no model */
        {"dmsrun", "--device cu", 2, "cuda\n"},
        {"dmsrun", "--json " DMS_SOURCE_DIR "/READ", 2, DMS_SOURCE_DIR "/README.md\n"},
        {"dmsrun", "--output " DMS_SOURCE_DIR "/run", 2, DMS_SOURCE_DIR "/runtime\n"},
        {"dmsrun", "--input x = " DMS_SOURCE_DIR "/READ", 4, "\n"}, /* no array */
        {"dmsrun", "--input x = " DMS_SOURCE_DIR "/docs/exa", 4, DMS_SOURCE_DIR "/docs/example\n"},
    };
    (void)state;
    if (system("command -v bash >/dev/null") != 0)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[4096];
        complete(cases[i].program, cases[i].words, cases[i].position, out, sizeof out);
        if (strcmp(out, cases[i].want) != 0)
            fail_msg("%s %s: offered is '%s'", cases[i].program, cases[i].words, out);
    }
}

/* A set of exit codes, and which lines are to be read. */
typedef struct codes {
    bool is_in[MOST_CODE];
    bool is_near; /* inside the section on exit codes */
} codes;

/* ".It 5" in the section EXIT STATUS. */
static void read_status(const char *line, void *data) {
    codes *c = data;
    unsigned number;
    if (strncmp(line, ".Sh ", 4) == 0)
        c->is_near = strcmp(line, ".Sh EXIT STATUS") == 0;
    if (c->is_near && sscanf(line, ".It %u", &number) == 1 && number < MOST_CODE)
        c->is_in[number] = true;
}

/* "    DMS_EIO = 4," in schema/status.h. */
static void read_enum(const char *line, void *data) {
    codes *c = data;
    char name[40];
    unsigned number;
    if (sscanf(line, " DMS_%39[A-Z] = %u,", name, &number) == 2 && number < MOST_CODE)
        c->is_in[number] = true;
}

/* "Exit codes: 0 fine, 1 internal error, ..." to the end of the help. */
static void read_sentence(const char *program, codes *out) {
    char command[300], text[16384];
    (void)snprintf(command, sizeof command, DMS_BINARY_DIR "/%s --help", program);
    assert_int_equal(help_run(command, text, sizeof text), 0);
    const char *at = strstr(text, "Exit codes:");
    assert_non_null(at);
    for (; (at = strpbrk(at, "0123456789")) != NULL; at += strspn(at, "0123456789"))
        out->is_in[strtoul(at, NULL, 10) % MOST_CODE] = true;
}

static codes page_codes(const char *name) {
    codes c = {.is_near = false};
    char *page = read_page(name);
    for_lines(page, read_status, &c);
    free(page);
    assert_true(c.is_in[0] && c.is_in[130]);
    return c;
}

static void the_exit_codes_are_those_of_the_library(void **state) {
    (void)state;
    codes all = {.is_near = false}, said[2] = {{.is_near = false}};
    char *header = read_file("schema/status.h");
    for_lines(header, read_enum, &all);
    free(header);
    const codes dmsc = page_codes("dmsc.1"), dmsrun = page_codes("dmsrun.1");
    for (size_t k = 0; k < 2; k++)
        read_sentence(PROGRAMS[k], &said[k]);
    for (uint32_t i = 0; i < MOST_CODE; i++) {
        if (all.is_in[i] != (dmsc.is_in[i] || dmsrun.is_in[i]))
            fail_msg("exit code %u: in schema/status.h or in a manual page, not in both", i);
        if (said[0].is_in[i] != dmsc.is_in[i] || said[1].is_in[i] != dmsrun.is_in[i])
            fail_msg("exit code %u: in a manual page or in --help, not in both", i);
    }
}

/* The functions that a header declares: "dms_open(" outside of comments, in the first columns. */
static void read_prototype(const char *line, void *data) {
    const char *at = strstr(line, "dms_"), *open = strchr(line, '(');
    char name[40] = "";
    if (line[0] == ' ' || line[0] == '#' || line[0] == '/' || open == NULL)
        return;
    for (const char *next = at; next != NULL && next < open; next = strstr(at + 1, "dms_"))
        at = next;
    if (at != NULL && at < open) {
        const size_t length = (size_t)(open - at);
        assert_true(length < sizeof name);
        memcpy(name, at, length);
        help_add(data, name, true);
    }
}

/* ".Nm dms_open ," in NAME. */
static void read_name(const char *line, void *data) {
    char name[40];
    if (sscanf(line, ".Nm %39[a-z_]", name) == 1)
        help_add(data, name, true);
}

/* ".Fn dms_run ..." or ".Fo dms_open" in SYNOPSIS, ".Fn dms_run" in the text. */
static void read_call(const char *line, void *data) {
    char name[40];
    if (sscanf(line, ".Fn %39[a-z_]", name) == 1 || sscanf(line, ".Fo %39[a-z_]", name) == 1)
        help_add(data, name, true);
}

static void the_page_of_the_library_has_its_functions(void **state) {
    (void)state;
    help declared = {.n = 0}, named = {.n = 0}, shown = {.n = 0};
    char *header = read_file("runtime/dms.h"), *page = read_page("dms.3"), *copy = strdup(page);
    for_lines(header, read_prototype, &declared);
    for_lines(page, read_name, &named);
    for_lines(copy, read_call, &shown);
    assert_in_range(declared.n, 10, 40);
    same_options("runtime/dms.h, NAME:", &declared, &named);
    same_options("runtime/dms.h, SYNOPSIS:", &declared, &shown);
    free(header);
    free(page);
    free(copy);
}

/* Whatever reads manual pages here has no warning for them. */
static void the_pages_are_well_formed(void **state) {
    static const char *const CHECKS[][2] = {
        {"mandoc", "mandoc -T lint -W warning %s/docs/man/%s"},
        {"groff", "groff -w w -mandoc -z -T utf8 %s/docs/man/%s"},
    };
    (void)state;
    uint32_t n = 0;
    for (size_t k = 0; k < sizeof CHECKS / sizeof *CHECKS; k++) {
        char command[500], out[4096];
        (void)snprintf(command, sizeof command, "command -v %s", CHECKS[k][0]);
        if (help_run(command, out, sizeof out) != 0)
            continue;
        for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++, n++) {
            (void)snprintf(command, sizeof command, CHECKS[k][1], DMS_SOURCE_DIR, PAGES[i]);
            if (help_run(command, out, sizeof out) != 0 || out[0] != 0)
                fail_msg("%s: %s", command, out);
        }
    }
    if (n == 0)
        skip();
}

static void both_programs_have_the_version_of_the_project(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        char command[300], want[100], out[200];
        (void)snprintf(command, sizeof command, DMS_BINARY_DIR "/%s --version", PROGRAMS[k]);
        (void)snprintf(want, sizeof want, "%s " DMS_VERSION "\n", PROGRAMS[k]);
        assert_int_equal(help_run(command, out, sizeof out), 0);
        assert_string_equal(out, want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_has_the_options_of_the_help),
        cmocka_unit_test(completion_has_the_options_of_the_help),
        cmocka_unit_test(completion_knows_what_a_value_is),
        cmocka_unit_test(the_exit_codes_are_those_of_the_library),
        cmocka_unit_test(the_page_of_the_library_has_its_functions),
        cmocka_unit_test(the_pages_are_well_formed),
        cmocka_unit_test(both_programs_have_the_version_of_the_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
