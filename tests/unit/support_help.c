/* support_help.c - every word behind the spaces of a line, up to the text, may be an option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support_help.h"

const help_option *help_find(const help *all, const char *name) {
    for (uint32_t i = 0; i < all->n; i++)
        if (strcmp(all->option[i].name, name) == 0)
            return &all->option[i];
    return NULL;
}

void help_add(help *all, const char *name, bool has_value) {
    if (help_find(all, name) != NULL)
        return;
    assert_true(all->n < HELP_MOST_OPTIONS);
    help_option *o = &all->option[all->n++];
    assert_true(strlen(name) < sizeof o->name);
    strcpy(o->name, name);
    o->has_value = has_value;
}

int help_run(const char *command, char *out, uint64_t size) {
    char both[600];
    assert_true(strlen(command) < sizeof both - 20);
    (void)snprintf(both, sizeof both, "{ %s ; } 2>&1", command);
    FILE *stream = popen(both, "r");
    assert_non_null(stream);
    out[fread(out, 1, size - 1, stream)] = 0;
    const int status = pclose(stream);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* "  --rtol R --atol A   an element ..." has two options; what stands behind two spaces is text. A
 * word behind an option is its value, unless it is the next option or only separates them. */
static void read_line(const char *line, size_t length, help *out) {
    char word[3][80] = {"", "", ""}; /* the last one read, and one ahead */
    const char *end = line + length, *at = line + strspn(line, " ");
    while (at < end) {
        const size_t n = strcspn(at, " \n");
        assert_true(n < sizeof word[0]);
        strcpy(word[0], word[1]);
        memset(word[1], 0, sizeof word[1]);
        memcpy(word[1], at, n);
        word[1][strcspn(word[1], ",]")] = 0;
        if (word[0][0] == '-' && word[0][1] != 0)
            help_add(out, word[0], word[1][0] != '-' && word[1][0] != '|' && word[1][0] != '[');
        at += n;
        if (at + 1 >= end || at[1] == ' ')
            break;
        at++;
        at += *at == '[' && at[1] == '-';
    }
    if (word[1][0] == '-' && word[1][1] != 0)
        help_add(out, word[1], false);
}

void help_read(const char *program, help *out) {
    char command[300], text[16384];
    (void)snprintf(command, sizeof command, "%s --help", program);
    assert_int_equal(help_run(command, text, sizeof text), 0);
    *out = (help){.n = 0};
    for (const char *line = text; *line != 0;) {
        const size_t length = strcspn(line, "\n");
        if (strncmp(line, "usage:", 6) == 0)
            read_line(line + 6, length - 6, out);
        else if (*line == ' ')
            read_line(line, length, out);
        line += length + (line[length] == '\n');
    }
    assert_in_range(out->n, 10, HELP_MOST_OPTIONS);
}
