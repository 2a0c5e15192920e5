/* arena.c - offsets for buffers with given lives: arena FILE.csv --capacity N [--cycle T]
 * [--seed N] [--nodes N] [--rounds N] [--without table,split,free,release,weights,swaps].
 * Reads id,lower,upper,size; writes the same with a column `offset` to stdout, checked; the time
 * and what found it to stderr. Exit code 1: nothing within the capacity was found. */
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

typedef struct bench {
    const char *path;
    dms_arena arena;
    dms_lives lives;
    dms_life *life;
    long long *id;
    uint32_t cap_life, cap_id, rounds;
    dms_search_options options;
} bench;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int read_lives(bench *b) {
    dms_status st;
    char line[256];
    FILE *in = fopen(b->path, "r");
    if (!in || !fgets(line, sizeof line, in)) {
        perror(b->path);
        return 1;
    }
    while (fgets(line, sizeof line, in)) {
        long long id, first, end, size;
        if (sscanf(line, "%lld,%lld,%lld,%lld", &id, &first, &end, &size) != 4 || end <= first ||
            size <= 0) {
            fprintf(stderr, "arena: %s: not id,lower,upper,size: %s", b->path, line);
            return 1;
        }
        if (dms_grow(&b->arena, &b->life, &b->cap_life, (uint64_t)b->lives.n + 1, sizeof *b->life,
                     &st) != DMS_OK ||
            dms_grow(&b->arena, &b->id, &b->cap_id, (uint64_t)b->lives.n + 1, sizeof *b->id, &st) !=
                DMS_OK)
            return 1;
        b->life[b->lives.n] = (dms_life){first, end, size};
        b->id[b->lives.n++] = id;
    }
    fclose(in);
    b->lives.life = b->life;
    return 0;
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

static int parse(bench *b, int n_args, char **args) {
    b->rounds = 2000;
    for (int i = 1; i < n_args; i++) {
        const char *next = i + 1 < n_args ? args[i + 1] : NULL;
        int code = 0;
        if (args[i][0] != '-') {
            b->path = args[i];
            continue;
        }
        if (!next)
            code = 2;
        else if (strcmp(args[i], "--capacity") == 0)
            b->lives.capacity = strtoll(next, NULL, 10);
        else if (strcmp(args[i], "--cycle") == 0)
            b->lives.cycle = strtoll(next, NULL, 10);
        else if (strcmp(args[i], "--seed") == 0)
            b->options.seed = strtoull(next, NULL, 10);
        else if (strcmp(args[i], "--nodes") == 0)
            b->options.max_nodes = strtoull(next, NULL, 10);
        else if (strcmp(args[i], "--rounds") == 0)
            b->rounds = (uint32_t)strtoul(next, NULL, 10);
        else if (strcmp(args[i], "--without") == 0)
            code = parse_without(b, args[i + 1]);
        else
            code = 2;
        if (code != 0)
            return code;
        i++;
    }
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
        return dms_offsets_greedy(&b->lives, b->rounds, b->options.seed, &b->arena, offset, out_top,
                                  st);
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
    return 0;
}
