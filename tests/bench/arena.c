/* arena.c - offsets for buffers with given lives: arena FILE.csv --capacity N [--cycle T]
 * [--seed N] [--nodes N] [--rounds N] [--without table,split,free,release,weights,swaps].
 * Reads id,lower,upper,size; writes the same with a column `offset` to stdout, checked; the time
 * and what found it to stderr. Exit code 1: nothing within the capacity was found, or a file is not
 * as it should be; 2: wrong call. stdout is empty then. tests/e2e/test_arena.py is its test. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "planner/offsets.h"
#include "schema/arena.h"

static const struct {
    const char *name;
    dms_technique technique;
} TECHNIQUES[] = {
    {"table", DMS_TECHNIQUE_TABLE},     {"split", DMS_TECHNIQUE_SPLIT},
    {"free", DMS_TECHNIQUE_FREE},       {"release", DMS_TECHNIQUE_RELEASE},
    {"weights", DMS_TECHNIQUE_WEIGHTS}, {"swaps", DMS_TECHNIQUE_SWAPS},
};

#define MOST (INT64_MAX / 4) /* of a time, and of all sizes together */

typedef struct bench {
    const char *path;
    dms_arena arena;
    dms_lives lives;
    dms_life *life;
    long long *id;
    uint32_t cap_life, cap_id;
    int64_t rounds, seed, nodes;
    dms_search_options options;
} bench;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A whole number and the character behind it; false where there is none, or one beyond `most`. */
static bool read_number(const char **text, char end, int64_t least, int64_t most, long long *out) {
    char *behind;
    errno = 0;
    *out = strtoll(*text, &behind, 10);
    if (behind == *text || errno != 0 || *out < least || *out > most || *behind != end)
        return false;
    *text = behind + 1;
    return true;
}

/* One line of the file. `sum` is that of all sizes. */
static int read_life(bench *b, char *line, int64_t *sum) {
    dms_status st;
    long long id, first, end, size;
    const char *at = line;
    const int64_t cycle = b->lives.cycle;
    line[strcspn(line, "\r\n")] = 0;
    if (!read_number(&at, ',', INT64_MIN, INT64_MAX, &id) ||
        !read_number(&at, ',', cycle > 0 ? 0 : -MOST, cycle > 0 ? cycle - 1 : MOST, &first) ||
        !read_number(&at, ',', first + 1, MOST, &end) ||
        !read_number(&at, 0, 1, MOST - *sum, &size)) {
        fprintf(stderr, "arena: %s: not id,lower,upper,size: %s\n", b->path, line);
        return 1;
    }
    if (dms_grow(&b->arena, &b->life, &b->cap_life, (uint64_t)b->lives.n + 1, sizeof *b->life,
                 &st) != DMS_OK ||
        dms_grow(&b->arena, &b->id, &b->cap_id, (uint64_t)b->lives.n + 1, sizeof *b->id, &st) !=
            DMS_OK)
        return 1;
    *sum += size;
    b->life[b->lives.n] = (dms_life){first, end, size};
    b->id[b->lives.n++] = id;
    return 0;
}

static int read_lives(bench *b) {
    char line[256];
    int64_t sum = 0;
    int code = 0;
    FILE *in = fopen(b->path, "r");
    if (!in) {
        perror(b->path);
        return 1;
    }
    const bool has_head = fgets(line, sizeof line, in) != NULL; /* names of columns */
    while (has_head && code == 0 && fgets(line, sizeof line, in))
        code = read_life(b, line, &sum);
    if (code == 0 && (ferror(in) || b->lives.n == 0)) {
        fprintf(stderr, "arena: %s: no buffers can be read from it\n", b->path);
        code = 1;
    }
    fclose(in);
    b->lives.life = b->life;
    return code;
}

static int parse_without(bench *b, char *names) {
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        size_t k = 0;
        while (k < sizeof TECHNIQUES / sizeof *TECHNIQUES && strcmp(TECHNIQUES[k].name, name) != 0)
            k++;
        if (k == sizeof TECHNIQUES / sizeof *TECHNIQUES) {
            fprintf(stderr, "arena: unknown technique %s\n", name);
            return 2;
        }
        b->options.without |= TECHNIQUES[k].technique;
    }
    return 0;
}

/* One option and its value. */
static int parse_option(bench *b, const char *option, char *value) {
    const struct {
        const char *name;
        int64_t least, most, *number;
    } NUMBERS[] = {{"--capacity", 1, INT64_MAX, &b->lives.capacity},
                   {"--cycle", 1, MOST, &b->lives.cycle},
                   {"--seed", 0, INT64_MAX, &b->seed},
                   {"--nodes", 0, INT64_MAX, &b->nodes},
                   {"--rounds", 0, UINT32_MAX, &b->rounds}};
    if (strcmp(option, "--without") == 0)
        return parse_without(b, value);
    for (size_t k = 0; k < sizeof NUMBERS / sizeof *NUMBERS; k++) {
        const char *at = value;
        long long number;
        if (strcmp(option, NUMBERS[k].name) != 0)
            continue;
        if (!read_number(&at, 0, NUMBERS[k].least, NUMBERS[k].most, &number))
            return 2;
        *NUMBERS[k].number = number;
        return 0;
    }
    return 2;
}

static int parse(bench *b, int n_args, char **args) {
    b->rounds = 2000;
    for (int i = 1; i < n_args; i++)
        if (args[i][0] != '-')
            b->path = args[i];
        else if (i + 1 == n_args || parse_option(b, args[i], args[i + 1]) != 0)
            return 2;
        else
            i++;
    b->options.seed = (uint64_t)b->seed;
    b->options.max_nodes = (uint64_t)b->nodes;
    return b->path && b->lives.capacity > 0 ? 0 : 2;
}

static void print_packing(const bench *b, const int64_t *offset) {
    printf("id,lower,upper,size,offset\n");
    for (uint32_t i = 0; i < b->lives.n; i++)
        printf("%lld,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "\n", b->id[i], b->life[i].first,
               b->life[i].end, b->life[i].size, offset[i]);
}

/* Orders first; where they leave a gap, the search; then promotion, for what is too large. */
static dms_code pack(bench *b, int64_t *offset, int64_t *out_top, const char **out_how,
                     dms_status *st) {
    dms_search_result result = {0};
    *out_how = "order";
    DMS_TRY(dms_offsets_greedy(&b->lives, 0, 0, &b->arena, offset, out_top, st));
    if (*out_top <= b->lives.capacity)
        return DMS_OK;
    if (b->lives.n <= DMS_SEARCH_MOST)
        DMS_TRY(dms_offsets_search(&b->lives, &b->options, &b->arena, offset, &result, st));
    if (result.verdict == DMS_VERDICT_STOPPED) {
        *out_how = "promotion";
        return dms_offsets_greedy(&b->lives, (uint32_t)b->rounds, b->options.seed, &b->arena,
                                  offset, out_top, st);
    }
    *out_how = result.verdict == DMS_VERDICT_FOUND ? "search" : "search: impossible";
    fprintf(stderr, "%" PRIu64 " nodes, %" PRIu64 " restarts\n", result.n_nodes, result.n_restarts);
    if (result.verdict == DMS_VERDICT_FOUND)
        *out_top = b->lives.capacity;
    return DMS_OK;
}

int main(int n_args, char **args) {
    bench b = {0};
    dms_status st = {0};
    int64_t *offset, peak = 0, top = INT64_MAX;
    const char *how = "";
    if (parse(&b, n_args, args) != 0) {
        fprintf(stderr, "usage: arena FILE.csv --capacity N [--cycle T] [--seed N] [--nodes N] "
                        "[--rounds N] [--without NAME,...]\n");
        return 2;
    }
    if (read_lives(&b) != 0)
        return 1;
    if (dms_alloc_st(&b.arena, b.lives.n, sizeof *offset, "offsets", &offset, &st) != DMS_OK ||
        dms_lives_peak(&b.lives, &b.arena, &peak, &st) != DMS_OK)
        return 1;
    const double start = seconds();
    const dms_code code = pack(&b, offset, &top, &how, &st);
    const double spent = seconds() - start;
    fprintf(stderr, "%s: %" PRIu32 " buffers, peak %" PRId64 ", top / peak %.4f, %s, %.3f s\n",
            b.path, b.lives.n, peak, (double)top / (double)peak, how, spent);
    if (code != DMS_OK || top > b.lives.capacity ||
        dms_offsets_verify(&b.lives, offset, &b.arena, &st) != DMS_OK) {
        fprintf(stderr, "arena: %s\n", st.msg[0] ? st.msg : "nothing within the capacity");
        return 1;
    }
    print_packing(&b, offset);
    dms_arena_free(&b.arena);
    if (fflush(stdout) != 0) {
        perror("arena: standard output");
        return 1;
    }
    return 0;
}
