/* plan_changes.c - changed plans of real models, as many as one likes.
 *
 * usage: plan_changes ROUNDS SEED PLAN[=FOLDER]...
 * FOLDER is the model's, where it is not the plan's. Makes ROUNDS changes of each plan
 * (support_changes.h says what must hold) and prints how many of each kind were refused and by
 * what. One pass or failure per kind: none may go wrong, and some of every kind must have been
 * refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_changes.h"

#define LARGEST_BYTES (16u << 20)

/* "PLAN=FOLDER" taken apart, and the folder of PLAN. */
typedef struct names {
    char plan[4096], folder[4096];
    const char *model_dir;
} names;

static void take_apart(const char *text, names *out) {
    (void)snprintf(out->plan, sizeof out->plan, "%s", text);
    char *equal = strchr(out->plan, '=');
    out->model_dir = equal ? equal + 1 : NULL;
    if (equal)
        *equal = 0;
    const char *slash = strrchr(out->plan, '/');
    (void)snprintf(out->folder, sizeof out->folder, "%.*s", slash ? (int)(slash - out->plan) : 1,
                   slash ? out->plan : ".");
}

/* `argv` as main has it. */
static bool change_file(const char *text, char **argv, changes_count count[N_CHANGES]) {
    names n;
    take_apart(text, &n);
    uint8_t *data = malloc(LARGEST_BYTES);
    FILE *file = fopen(n.plan, "rb");
    changes_case c = {.data = data, .name = n.plan, .report = stdout};
    c.folder = n.folder;
    c.model_dir = n.model_dir;
    c.size = data && file ? fread(data, 1, LARGEST_BYTES, file) : 0;
    c.seed = strtoull(argv[2], NULL, 10);
    c.rounds = (uint32_t)strtoul(argv[1], NULL, 10);
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
    if (argc < 4) {
        fprintf(stderr, "usage: %s ROUNDS SEED PLAN[=FOLDER]...\n", argv[0]);
        return 2;
    }
    for (int k = 3; k < argc; k++)
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
