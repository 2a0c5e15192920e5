/* planner.c - how near to the bound are the plans? planner [SHARED] [--csv OUT] [--check CSV]
 * [--fast] [--only WORD] [--host large|half]
 *
 * Plans made problems, and where the folder SHARED is given its instances (SHARED/instances) and
 * exporters' graphs (SHARED/graphs), at 50, 25, 12.5 and 6.25 % of the weights, the host large and
 * half of the weights; profile h100-pcie. --fast: made problems and small instances alone. Prints
 * a table with processor seconds. --csv writes what is the same in every run; --check compares that
 * with a file, and its last line counts. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "schema/arena.h"

#define MOST_DIMS 8u
#define N_SHARES 4u

typedef struct bench {
    const char *shared, *only;
    bool is_fast, has_large, has_half;
    FILE *csv;
    char *check; /* the text to compare with; NULL = none */
    uint32_t n_passed, n_failed;
} bench;

/* What one plan is. */
typedef struct row {
    const char *name, *title, *share, *host;
    uint64_t device_budget;
    const dms_decision *d;
    uint64_t plan_bytes;
    double seconds;
} row;

static const char *const SHARE_NAME[N_SHARES] = {"50%", "25%", "12.5%", "6.25%"};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_wanted(const bench *b, const char *name, const char *title) {
    return b->only == NULL || strstr(name, b->only) != NULL || strstr(title, b->only) != NULL;
}

/* The line of the row must stand in the file; where its name does not, it is new. */
static void compare(bench *b, const char *line, size_t n_name) {
    const char *at = b->check;
    while (at != NULL && strncmp(at, line, n_name) != 0)
        at = strchr(at, '\n') == NULL ? NULL : strchr(at, '\n') + 1;
    const size_t length = strlen(line);
    if (at != NULL && strncmp(at, line, length) == 0) {
        b->n_passed++;
        return;
    }
    b->n_failed++;
    const int known = at == NULL ? 0 : (int)(strcspn(at, "\n") + 1);
    printf("differs  %sknown    %.*s", line, known, at == NULL ? "" : at);
    if (known == 0)
        printf("no such row\n");
}

static void note(bench *b, const row *r) {
    char line[512];
    const dms_decision *d = r->d;
    const double ratio = (double)d->period_ns / (double)d->bound_ns;
    const double packing = (double)d->period_ns / (double)d->unpacked_ns;
    const int n = snprintf(line, sizeof line, "%s,%s,%s,%s,", r->name, r->title, r->share, r->host);
    (void)snprintf(line + n, sizeof line - (size_t)n,
                   "%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%.4f,%.4f,%" PRIu64 ",%" PRIu64
                   ",%" PRIu64 "\n",
                   r->device_budget, d->compute_ns, d->bound_ns, d->period_ns, ratio, packing,
                   d->device_bytes, d->host_bytes, r->plan_bytes);
    printf("%-34s %-16s %6s %6s %10.3f %10.3f %8.4f %6.4f %7.4f %10" PRIu64 " %7.2f\n", r->name,
           r->title, r->share, r->host, (double)d->bound_ns * 1e-6, (double)d->period_ns * 1e-6,
           (double)d->bound_ns / (double)d->compute_ns, ratio, packing, r->plan_bytes, r->seconds);
    if (b->check != NULL)
        compare(b, line, (size_t)n);
    fflush(stdout);
    if (b->csv != NULL)
        (void)fputs(line, b->csv);
}

/* Places one problem at one budget; below the floor there is no row. */
static int place_one(bench *b, const dms_problem *problem, row *r, uint64_t host_budget) {
    const dms_place_options options = {.device_budget = r->device_budget,
                                       .host_budget = host_budget};
    dms_arena arena = {0};
    dms_status st = {0};
    dms_decision d;
    dms_place_floor floor;
    const double start = seconds();
    const dms_code code = dms_place(problem, &options, &arena, &d, &floor, &st);
    r->seconds = seconds() - start;
    r->d = &d;
    int result = 0;
    if (code == DMS_OK && dms_decision_verify(problem, &d, &arena, &st) == DMS_OK)
        note(b, r);
    else if (code != DMS_EBUDGET)
        result = fprintf(stderr, "planner: %s: %s\n", r->name, st.msg);
    dms_arena_free(&arena);
    return result != 0;
}

static int place_problem(bench *b, const dms_problem *problem, const char *title) {
    int code = 0;
    const uint64_t half = problem->weight_bytes / 2;
    for (uint32_t h = 0; h < 2; h++)
        for (uint32_t i = 0; i < N_SHARES && code == 0; i++) {
            row r = {problem->name, title, SHARE_NAME[i], h == 0 ? "large" : "half",
                     .device_budget = problem->weight_bytes >> (i + 1)};
            if (!(h == 0 ? b->has_large : b->has_half))
                continue;
            if (h == 0 && problem->host_mem != UINT64_MAX)
                r.host = "own";
            code = place_one(b, problem, &r, h == 0 ? problem->host_mem : half);
        }
    return code;
}

/* A number in 0..n-1. */
static uint32_t draw(uint64_t *random, uint32_t n) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

static void add(dms_problem *p, dms_problem_kind kind, uint64_t bytes, uint32_t first,
                uint32_t last) {
    dms_problem_tensor *t = &p->tensors[p->n_tensors++];
    const bool is_weight = kind == DMS_PROBLEM_WEIGHT;
    *t = (dms_problem_tensor){.kind = kind,
                              .bytes = bytes,
                              .storage_bytes = is_weight ? bytes : 0,
                              .first_touch = p->n_touches,
                              .n_touches = 1 + (last > first)};
    p->touches[p->n_touches++] = first;
    if (last > first)
        p->touches[p->n_touches++] = last;
    if (is_weight)
        p->weight_bytes += bytes;
}

/* Steps with a weight each in most, activations that are read by the next step and now and then far
 * behind. `spread`: sizes and times vary by this factor. The links are those of h100-pcie. */
static int place_made(bench *b, const char *name, uint32_t n_steps, uint32_t spread) {
    uint64_t random = n_steps + spread;
    dms_arena arena = {0};
    dms_problem p = {.name = name,
                     .n_steps = n_steps,
                     .steps = DMS_NEW(&arena, dms_problem_step, n_steps),
                     .tensors = DMS_NEW(&arena, dms_problem_tensor, 4 * (uint64_t)n_steps),
                     .touches = DMS_NEW(&arena, uint32_t, 8 * (uint64_t)n_steps),
                     .in = {55000000000, 10000},
                     .out = {52000000000, 10000},
                     .load = {6800000000, 10000},
                     .store = {5000000000, 10000},
                     .host_mem = UINT64_MAX};
    int code = 0;
    if (p.steps == NULL || p.tensors == NULL || p.touches == NULL)
        return 1;
    for (uint32_t t = 0; t < n_steps; t++) {
        p.steps[t] = (dms_problem_step){.ns = 60000 * (1 + (int64_t)draw(&random, spread)),
                                        .scratch_bytes = draw(&random, 4) * 65536u,
                                        .layer = t / 8};
        if (draw(&random, 4) != 0)
            add(&p, DMS_PROBLEM_WEIGHT, 3000000 * (uint64_t)(1 + draw(&random, spread)), t, t);
        if (t + 1 < n_steps) {
            const uint32_t far = draw(&random, 8) == 0 ? draw(&random, 60) : 0;
            const uint32_t last = t + 1 + far < n_steps ? t + 1 + far : n_steps - 1;
            add(&p, DMS_PROBLEM_ACTIVATION, 200000 * (uint64_t)(1 + draw(&random, 5)), t, last);
        }
    }
    add(&p, DMS_PROBLEM_INPUT, 1000000, 0, 0);
    add(&p, DMS_PROBLEM_OUTPUT, 1000000, n_steps - 1, n_steps - 1);
    if (is_wanted(b, name, "made"))
        code = place_problem(b, &p, "made");
    dms_arena_free(&arena);
    return code;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls `use` for each file of a folder, in the order of names. */
static int each_file(bench *b, const char *folder, const char *end,
                     int (*use)(bench *b, const char *path, const char *name)) {
    char path[1024];
    struct dirent **found = NULL;
    int code = 0;
    (void)snprintf(path, sizeof path, "%s/%s", b->shared, folder);
    const int n = scandir(path, &found, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char *name = found[i]->d_name;
        const size_t length = strlen(name), tail = strlen(end);
        if (code == 0 && length > tail && strcmp(name + length - tail, end) == 0) {
            (void)snprintf(path, sizeof path, "%s/%s/%s", b->shared, folder, name);
            name[length - tail] = 0;
            code = use(b, path, name);
        }
        free(found[i]);
    }
    free(found);
    return code;
}

static int use_instance(bench *b, const char *path, const char *name) {
    const bool is_small = strstr(name, "-7b-prefill") != NULL || strstr(name, "random-200") != NULL;
    dms_arena arena = {0};
    dms_status st = {0};
    dms_problem problem;
    int code = 0;
    if (is_wanted(b, name, "instance") && (is_small || !b->is_fast)) {
        if (dms_problem_read(path, &arena, &problem, &st) != DMS_OK)
            code = fprintf(stderr, "planner: %s\n", st.msg);
        else
            code = place_problem(b, &problem, "instance");
    }
    dms_arena_free(&arena);
    return code != 0;
}

/* One graph with these dims, at one pair of budgets. */
static int compile_one(bench *b, const char *path, row *r, const dms_plan_dim *dim, uint32_t n_dims,
                       uint32_t share) {
    dms_arena arena = {0};
    dms_status st = {0};
    const uint64_t percent = 50000000u >> share;
    const bool is_half = strcmp(r->host, "half") == 0;
    dms_compiled *c = DMS_NEW(&arena, dms_compiled, 1);
    const dms_compile_options options = {.model = path,
                                         .profile = "h100-pcie",
                                         .device_mem = {DMS_SIZE_PERCENT, percent},
                                         .host_mem = {is_half ? DMS_SIZE_PERCENT : DMS_SIZE_BYTES,
                                                      is_half ? 50000000u : (uint64_t)1 << 50},
                                         .dim = dim,
                                         .n_dims = n_dims};
    int result = 0;
    if (c == NULL)
        return 1;
    const double start = seconds();
    const dms_code code = dms_compile(&options, &arena, c, &st);
    r->seconds = seconds() - start;
    if (code == DMS_OK) {
        r->device_budget = c->device_budget;
        r->d = &c->decision;
        r->plan_bytes = c->plan_bytes;
        note(b, r);
    } else if (code != DMS_EBUDGET) {
        result = fprintf(stderr, "planner: %s: %s\n", path, st.msg);
    }
    dms_arena_free(&arena);
    return result != 0;
}

static int compile_case(bench *b, const char *path, const char *name, const char *title,
                        const dms_plan_dim *dim, uint32_t n_dims) {
    int code = 0;
    if (!is_wanted(b, name, title))
        return 0;
    for (uint32_t h = 0; h < 2; h++)
        for (uint32_t i = 0; i < N_SHARES && code == 0; i++) {
            row r = {.name = name, .title = title, .share = SHARE_NAME[i]};
            r.host = h == 0 ? "large" : "half";
            if ((h == 0 ? b->has_large : b->has_half) && !b->is_fast)
                code = compile_one(b, path, &r, dim, n_dims, i);
        }
    return code;
}

/* The cases of a graph by its name: what the exporters called the symbolic dims. */
static int use_graph(bench *b, const char *path, const char *name) {
    const struct {
        const char *title;
        int64_t seq, past;
    } cases[] = {{"prefill 2048", 2048, 0},
                 {"prefill 8192", 8192, 0},
                 {"prefill 16384", 16384, 0},
                 {"decode", 1, 2048}};
    if (strstr(name, "unet") != NULL) {
        const bool is_xl = strstr(name, "sdxl") != NULL;
        const dms_plan_dim dim[] = {{"batch", 1},
                                    {"height", is_xl ? 128 : 64},
                                    {"width", is_xl ? 128 : 64},
                                    {"enc_seq", 77},
                                    {"s86", 1}};
        return compile_case(b, path, name, "one image", dim, is_xl ? 5 : 4);
    }
    if (strncmp(name, "llama2", 6) != 0)
        return 0;
    int code = 0;
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases && code == 0; i++) {
        const dms_plan_dim dim[] = {{"batch", 1},
                                    {"seq", cases[i].seq},
                                    {"past", cases[i].past},
                                    {"total", cases[i].seq + cases[i].past}};
        const bool has_total = strstr(name, "ts17") != NULL;
        code = compile_case(b, path, name, cases[i].title, dim, has_total ? 4 : 3);
    }
    return code;
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, file) == 0) {
        fprintf(stderr, "planner: cannot read %s\n", path);
        exit(2);
    }
    (void)fclose(file);
    return text;
}

static bool take_option(bench *b, const char *option, const char *value) {
    if (strcmp(option, "--csv") == 0)
        b->csv = fopen(value, "w");
    else if (strcmp(option, "--check") == 0)
        b->check = read_all(value);
    else if (strcmp(option, "--only") == 0)
        b->only = value;
    else if (strcmp(option, "--host") == 0)
        *(strcmp(value, "half") == 0 ? &b->has_large : &b->has_half) = false;
    else
        return false;
    return strcmp(option, "--csv") != 0 || b->csv != NULL;
}

int main(int n_args, char **args) {
    bench b = {.has_large = true, .has_half = true};
    for (int i = 1; i < n_args; i++) {
        if (strcmp(args[i], "--fast") == 0)
            b.is_fast = true;
        else if (args[i][0] != '-' && b.shared == NULL)
            b.shared = args[i];
        else if (i + 1 == n_args || !take_option(&b, args[i], args[i + 1]))
            return fprintf(stderr, "planner: what is '%s'?\n", args[i]) ? 2 : 2;
        else
            i++;
    }
    if (b.csv != NULL)
        (void)fputs("graph,case,device,host,device_budget,compute_ns,bound_ns,period_ns,ratio,"
                    "packing,device_arena,host_arena,plan_bytes\n",
                    b.csv);
    printf("%-34s %-16s %6s %6s %10s %10s %8s %6s %7s %10s %7s\n", "graph", "case", "device",
           "host", "bound ms", "period ms", "/compute", "ratio", "packing", "plan bytes", "s");
    int code = place_made(&b, "even-120", 120, 1) || place_made(&b, "mixed-300", 300, 6);
    if (b.shared != NULL && code == 0)
        code = each_file(&b, "instances", ".json", use_instance) ||
               each_file(&b, "graphs", ".onnx", use_graph);
    if (b.csv != NULL && fclose(b.csv) != 0)
        code = 1;
    free(b.check);
    if (b.check != NULL)
        printf("%" PRIu32 " passed, %" PRIu32 " failed\n", b.n_passed, b.n_failed);
    return code != 0 || b.n_failed > 0;
}
