/* plan_changes.c - changed plans of real models, as many as one likes.
 *
 * usage: plan_changes ROUNDS SEED FOLDER PLAN...
 * The files of the plans lie in FOLDER ("-": beside each plan). Makes ROUNDS changes of each plan (support_changes.h says what must hold) and prints how many of
 * each kind were refused and by what. One pass or failure per kind: none may go wrong, and some of
 * every kind must have been refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_changes.h"

#define LARGEST_BYTES (16u << 20)

/* The folder of a path, into `out`. */
static void folder_of(const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/');
    (void)snprintf(out, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* `argv` as main has it. */
static bool change_file(const char *path, char **argv, changes_count count[N_CHANGES]) {
    char folder[4096];
    uint8_t *data = malloc(LARGEST_BYTES);
    FILE *file = fopen(path, "rb");
    changes_case c = {.data = data, .name = path, .folder = folder, .report = stdout};
    c.size = data && file ? fread(data, 1, LARGEST_BYTES, file) : 0;
    c.seed = strtoull(argv[2], NULL, 10);
    c.rounds = (uint32_t)strtoul(argv[1], NULL, 10);
    folder_of(path, folder, sizeof folder);
    if (strcmp(argv[3], "-") != 0)
        c.folder = argv[3];
    memcpy(c.count, count, sizeof c.count);
    const bool runs = c.size > 0 && changes_run(&c);
    memcpy(count, c.count, sizeof c.count);
    if (file)
        (void)fclose(file);
    free(data);
    return runs;
}

int main(int argc, char **argv) {
    changes_count count[N_CHANGES] = {0};
    int passed = 0, failed = 0;
    if (argc < 5) {
        fprintf(stderr, "usage: %s ROUNDS SEED FOLDER PLAN...\n", argv[0]);
        return 2;
    }
    for (int k = 4; k < argc; k++)
        failed += !change_file(argv[k], argv, count);
    (void)changes_print(count, stdout);
    for (int k = 0; k < N_CHANGES; k++) {
        const bool is_right = count[k].wrong == 0 && changes_refused(&count[k]) > 0;
        passed += is_right;
        failed += !is_right;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
