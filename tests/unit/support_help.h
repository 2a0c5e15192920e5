/* support_help.h - what a program says it understands.
 *
 * Reads    the --help of a program of the build folder.
 * Returns  its options, and whether each takes a value.
 * Cost     one process.
 * Source   none.
 * Not here whether it is true (test_help_options.c, test_manual.c).
 */
#ifndef DMS_TESTS_SUPPORT_HELP_H
#define DMS_TESTS_SUPPORT_HELP_H

#include <stdbool.h>
#include <stdint.h>

#define HELP_MOST_OPTIONS 64

/* One option, with its dashes: "--dot", "-q". */
typedef struct help_option {
    char name[40];
    bool has_value;
} help_option;

/* The options in the order of the help, each once. */
typedef struct help {
    help_option option[HELP_MOST_OPTIONS];
    uint32_t n;
} help;

/* NULL when there is no option of this name. */
const help_option *help_find(const help *all, const char *name);

/* Adds an option unless it is there. */
void help_add(help *all, const char *name, bool has_value);

/* Runs a command of the shell; returns its exit code. What it wrote to both streams, cut to `size`
 * bytes, is in `out`. */
int help_run(const char *command, char *out, uint64_t size);

/* Reads the options from `program --help`; fails the test where it names fewer than ten. */
void help_read(const char *program, help *out);

#endif
