/* test_documents.c - what the documents say of the tree is there: files, tests, functions, options;
 * and the page of the API is what its headers make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support_help.h"

#define LARGEST_FILE (1u << 20)
#define API_COMMAND                                                                                \
    "cd " DMS_SOURCE_DIR " && awk -f docs/api.awk runtime/dms.h schema/status.h schema/view.h "    \
    "schema/dtype.h planner/dmsc.h | diff - docs/api.md"

/* All pages, and where a test that they name may lie. */
static const char *const PAGES[] = {"*.md", "docs/*.md", "docs/*/*.md", "tests/*.md"};
static const char *const TEST_FOLDERS[] = {"tests/unit", "tests/fuzz", "tests/fault", "tests/e2e",
                                           "tests/package"};

/* A file of the tree, NULL when there is none. The caller frees it. */
static char *read_file(const char *path) {
    char full[600];
    (void)snprintf(full, sizeof full, "%s%s", path[0] == '/' ? "" : DMS_SOURCE_DIR "/", path);
    FILE *file = fopen(full, "r");
    if (file == NULL)
        return NULL;
    char *text = calloc(1, LARGEST_FILE);
    assert_non_null(text);
    assert_in_range(fread(text, 1, LARGEST_FILE - 1, file), 1, LARGEST_FILE - 2);
    (void)fclose(file);
    return text;
}

static char *need_file(const char *path) {
    char *text = read_file(path);
    if (text == NULL)
        fail_msg("%s is missing", path);
    return text;
}

/* How often `text` holds `word` with nothing of a name on either side. */
static uint32_t count_word(const char *text, const char *word) {
    const size_t length = strlen(word);
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n += (at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_')) &&
             !(isalnum((unsigned char)at[length]) || at[length] == '_');
    return n;
}

/* Calls `each` with every page of the project: its path, its text. Returns how many there are. */
static uint32_t for_pages(void (*each)(const char *path, char *text, void *data), void *data) {
    uint32_t n = 0;
    for (size_t k = 0; k < sizeof PAGES / sizeof *PAGES; k++) {
        char pattern[600];
        glob_t found;
        (void)snprintf(pattern, sizeof pattern, DMS_SOURCE_DIR "/%s", PAGES[k]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++, n++) {
            char *text = need_file(found.gl_pathv[i]);
            each(found.gl_pathv[i], text, data);
            free(text);
        }
        globfree(&found);
    }
    return n;
}

/* ---- links and names of files -------------------------------------------------------------- */

/* "](target)": a file beside the page, whose name may go on with #part. */
static void follow_links(const char *path, char *text, void *data) {
    (void)data;
    const char *slash = strrchr(path, '/');
    for (const char *at = text; (at = strstr(at, "](")) != NULL; at++) {
        char target[300] = "", full[1000];
        if (sscanf(at + 2, "%299[^)#]", target) != 1 || strstr(target, "://") != NULL)
            continue;
        (void)snprintf(full, sizeof full, "%.*s/%s", (int)(slash - path), path, target);
        if (access(full, R_OK) != 0)
            fail_msg("%s: the link to %s leads nowhere", path, target);
    }
}

static void links_lead_somewhere(void **state) {
    (void)state;
    assert_in_range(for_pages(follow_links, NULL), 8, 200);
}

/* `tests/unit/test_x.c`: a word between back quotes that begins with a folder of the tree. Words
 * with a placeholder in them name nothing. */
static void find_paths(const char *path, char *text, void *data) {
    (void)data;
    static const char *const FOLDERS[] = {"schema/", "onnx/", "planner/", "runtime/",
                                          "tests/",  "docs/", "cmake/",   "tools/"};
    for (const char *at = text; (at = strchr(at, '`')) != NULL; at++) {
        char word[300] = "", full[1000];
        bool is_ours = false;
        if (sscanf(at + 1, "%299[A-Za-z0-9_./-]", word) != 1)
            continue;
        const char after = at[1 + strlen(word)];
        for (size_t k = 0; k < sizeof FOLDERS / sizeof *FOLDERS; k++)
            is_ours |= strncmp(word, FOLDERS[k], strlen(FOLDERS[k])) == 0;
        if (!is_ours || strstr(word, "NAME") != NULL || (after != '`' && after != ' '))
            continue;
        (void)snprintf(full, sizeof full, DMS_SOURCE_DIR "/%s", word);
        char with_suffix[1010];
        (void)snprintf(with_suffix, sizeof with_suffix, "%s.c", full); /* a program by its name */
        if (access(full, R_OK) != 0 && access(with_suffix, R_OK) != 0)
            fail_msg("%s names %s, which is not there", path, word);
    }
}

static void files_that_are_named_are_there(void **state) {
    (void)state;
    assert_in_range(for_pages(find_paths, NULL), 8, 200);
}

/* ---- the page on security ------------------------------------------------------------------ */

/* The source of a test by its name alone; NULL when there is none. */
static char *find_test(const char *name) {
    char *text = NULL;
    for (size_t k = 0; k < sizeof TEST_FOLDERS / sizeof *TEST_FOLDERS && text == NULL; k++) {
        char path[300];
        (void)snprintf(path, sizeof path, "%s/%s", TEST_FOLDERS[k], name);
        text = read_file(path);
    }
    return text;
}

/* A sentence as the name of a test: three words or more. */
static bool is_sentence(const char *word) {
    uint32_t n = 0;
    for (const char *at = word; *at != 0; at++)
        n += *at == '_';
    return n >= 2 && strncmp(word, "dms_", 4) != 0;
}

/* Looks up what one row of a table names: `test_x.c`: `a_case_of_it`, `another`. Returns how many
 * programs it names. */
static uint32_t look_up(char *row) {
    uint32_t n = 0, least = 1;
    char *source = NULL;
    for (char *word = strtok(row, "`"); word != NULL; word = strtok(NULL, "`")) {
        char name[200] = "";
        const size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_.");
        if (word[length] != 0 || length == 0 || length >= sizeof name)
            continue;
        memcpy(name, word, length);
        const char *dot = strrchr(name, '.');
        if (dot != NULL && (strcmp(dot, ".c") == 0 || strcmp(dot, ".py") == 0)) {
            free(source);
            source = find_test(name);
            if (source == NULL)
                fail_msg("docs/security.md: there is no test %s", name);
            n++;
            least = strcmp(dot, ".c") == 0 ? 2 : 1; /* where it is written, and in main's list */
        } else if (is_sentence(name) && (source == NULL || count_word(source, name) < least)) {
            fail_msg("docs/security.md: %s is no test that the program before it runs", name);
        }
    }
    free(source);
    return n;
}

static void every_promise_names_tests_that_exist(void **state) {
    (void)state;
    uint32_t n_rows = 0;
    bool has_property[11] = {false};
    char *text = need_file("docs/security.md"), *next = NULL;
    char *begin = strstr(text, "## The promises");
    assert_non_null(begin);
    for (char *line = begin; line != NULL && *line != 0; line = next) {
        unsigned property;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = 0;
        if (strncmp(line, "| ", 2) != 0 || strncmp(line, "| promise", 9) == 0)
            continue;
        if (sscanf(line, "| P%u ", &property) == 1 && property < 11)
            has_property[property] = true;
        char said[60];
        (void)snprintf(said, sizeof said, "%s", line);
        if (look_up(line) == 0)
            fail_msg("docs/security.md: nobody attacks '%s...'", said);
        n_rows++;
    }
    free(text);
    assert_in_range(n_rows, 25, 100);
    for (uint32_t p = 1; p <= 10; p++)
        if (!has_property[p])
            fail_msg("docs/security.md: P%u has no row", p);
}

/* ---- devices, the API, options ------------------------------------------------------------- */

static void every_function_of_a_device_is_explained(void **state) {
    (void)state;
    uint32_t n = 0, n_rows = 0;
    char *header = need_file("runtime/device.h"), *page = need_file("docs/add-a-device.md");
    for (const char *at = header; (at = strstr(at, "(*")) != NULL; at++, n++) {
        char name[60] = "", row[70];
        assert_int_equal(sscanf(at + 2, "%59[a-z_]", name), 1);
        (void)snprintf(row, sizeof row, "\n| `%s` | ", name);
        if (strstr(page, row) == NULL)
            fail_msg("docs/add-a-device.md: nothing is said of `%s`", name);
    }
    const char *table = strstr(page, "| function |");
    assert_non_null(table);
    for (const char *at = table; (at = strstr(at, "\n| `")) != NULL; at++, n_rows++)
        if (strncmp(at, "\n| `tests/", 10) == 0)
            break;
    assert_int_equal(n_rows, n);
    assert_in_range(n, 4, 30);
    free(header);
    free(page);
}

static void the_page_of_the_api_is_what_its_headers_make(void **state) {
    (void)state;
    char out[4096];
    if (help_run("command -v awk && command -v diff", out, sizeof out) != 0)
        skip();
    if (help_run(API_COMMAND, out, sizeof out) != 0)
        fail_msg("docs/api.md is out of date, make it again (its first lines say how):\n%s", out);
}

static void every_exported_function_is_on_the_page(void **state) {
    (void)state;
    uint32_t n = 0;
    char *map = need_file("runtime/libdms.map"), *page = need_file("docs/api.md");
    for (const char *at = map; (at = strstr(at, "\n    dms_")) != NULL; at++, n++) {
        char name[60] = "", head[80];
        assert_int_equal(sscanf(at, " %59[a-z_]", name), 1);
        (void)snprintf(head, sizeof head, "\n### `%s`\n", name);
        if (strstr(page, head) == NULL)
            fail_msg("docs/api.md has nothing on %s", name);
    }
    assert_in_range(n, 30, 100);
    free(map);
    free(page);
}

/* Whether a command begins here: in a line of its own, behind a back quote, or below build/. */
static bool begins_command(const char *text, const char *at) {
    const char *line = at;
    while (line > text && line[-1] == ' ')
        line--;
    return line == text || line[-1] == '\n' || at[-1] == '`' ||
           (at - text >= 6 && strncmp(at - 6, "build/", 6) == 0);
}

/* What the options of both programs are, and how many the pages name. */
typedef struct options_case {
    help known[2];
    uint32_t n;
} options_case;

static void find_options(const char *path, char *text, void *data) {
    static const char *const PROGRAMS[] = {"dmsc ", "dmsrun "};
    options_case *c = data;
    for (size_t k = 0; k < 2; k++)
        for (const char *at = text; (at = strstr(at, PROGRAMS[k])) != NULL; at++) {
            char line[300];
            if (!begins_command(text, at))
                continue;
            (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n`|;#)"), at);
            for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
                word[strcspn(word, "=")] = 0;
                if (word[0] != '-' || word[1] == 0)
                    continue;
                if (help_find(&c->known[k], word) == NULL)
                    fail_msg("%s: %shas no option %s", path, PROGRAMS[k], word);
                c->n++;
            }
        }
}

static void commands_in_the_pages_have_options_that_exist(void **state) {
    (void)state;
    options_case c = {.n = 0};
    help_read(DMS_BINARY_DIR "/dmsc", &c.known[0]);
    help_read(DMS_BINARY_DIR "/dmsrun", &c.known[1]);
    (void)for_pages(find_options, &c);
    assert_in_range(c.n, 80, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_lead_somewhere),
        cmocka_unit_test(files_that_are_named_are_there),
        cmocka_unit_test(every_promise_names_tests_that_exist),
        cmocka_unit_test(every_function_of_a_device_is_explained),
        cmocka_unit_test(the_page_of_the_api_is_what_its_headers_make),
        cmocka_unit_test(every_exported_function_is_on_the_page),
        cmocka_unit_test(commands_in_the_pages_have_options_that_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
