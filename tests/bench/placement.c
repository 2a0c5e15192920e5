/* placement.c - the placement code on stored instances: placement FILE.json...
 * [--budget N | --shares] [--host N|N%] [--ring N] [--plan OUT.json] [--evaluations N] [--exact]
 * [--candidates] [--certificate OUT.json]. Without --budget, every budget of the instance;
 * --shares: 50, 25, 12.5 and 6.25 % of its weights; without --host, its own host budget. Prints a
 * table; times are of this process, one run each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "planner/place.h"
#include "schema/arena.h"

typedef struct bench {
    dms_place_options options;
    const char *plan_path, *certificate_path;
    const char *host; /* a size or a share of the weights; NULL: the instance's own */
    bool has_budget, has_shares, lists;
} bench;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Bytes, or with a % at its end a share of the weights. */
static uint64_t size_of(const char *text, const dms_problem *problem) {
    char *end;
    const double value = strtod(text, &end);
    return (uint64_t)(*end == '%' ? value * 0.01 * (double)problem->weight_bytes : value);
}

static int fail(const dms_status *st) {
    fprintf(stderr, "placement: %s\n", st->msg);
    return 1;
}

static int write_plan(const bench *b, const dms_problem *problem, const dms_decision *decision) {
    dms_status st = {0};
    FILE *out = fopen(b->plan_path, "wb");
    if (!out || dms_decision_write(problem, decision, out, &st) != DMS_OK || fclose(out) != 0) {
        fprintf(stderr, "placement: cannot write %s\n", b->plan_path);
        return 1;
    }
    return 0;
}

static int write_certificate(const bench *b, const dms_decision *decision) {
    dms_status st = {0};
    FILE *out = fopen(b->certificate_path, "wb");
    if (!out || dms_certificate_write(decision->certificate, out, &st) != DMS_OK ||
        fclose(out) != 0) {
        fprintf(stderr, "placement: cannot write %s\n", b->certificate_path);
        return 1;
    }
    return 0;
}

static void print_row(const char *name, const dms_decision *d, const dms_place_floor *floor,
                      double spent, bool lists) {
    printf("%-36s %14" PRIu64 " %14" PRIu64 " %12.4f %12.4f %12.4f %8.4f %8.2f %8" PRIu64
           " %6.4f\n",
           name, d->device_budget, floor->device_bytes, (double)d->compute_ns * 1e-6,
           (double)d->bound_ns * 1e-6, (double)d->period_ns * 1e-6,
           (double)d->period_ns / (double)d->bound_ns, spent, d->n_evaluations,
           (double)floor->device_bytes / ((double)floor->lower_bound_bytes + 1e-9));
    for (uint32_t i = 0; i < d->n_candidates && lists; i++)
        printf("    %-16s %12.4f %8.4f\n", d->candidates[i].name,
               (double)d->candidates[i].period_ns * 1e-6,
               (double)d->candidates[i].period_ns / (double)d->bound_ns);
    fflush(stdout);
}

static int place_one(const bench *b, const dms_problem *problem, uint64_t budget) {
    dms_arena arena = {0};
    dms_status st = {0};
    dms_decision decision;
    dms_place_floor floor;
    dms_place_options options = b->options;
    int code = 0;
    options.device_budget = budget;
    options.host_budget = b->host == NULL ? problem->host_mem : size_of(b->host, problem);
    const double start = seconds();
    const dms_code placed = dms_place(problem, &options, &arena, &decision, &floor, &st);
    const double spent = seconds() - start;
    if (placed == DMS_EBUDGET) {
        printf("%-36s %14" PRIu64 " %14" PRIu64 " below the floor\n", problem->name, budget,
               floor.device_bytes);
    } else if (placed != DMS_OK || dms_decision_verify(problem, &decision, &arena, &st) != DMS_OK) {
        code = fail(&st);
    } else {
        print_row(problem->name, &decision, &floor, spent, b->lists);
        if (b->plan_path)
            code = write_plan(b, problem, &decision);
        if (b->certificate_path && code == 0)
            code = write_certificate(b, &decision);
    }
    dms_arena_free(&arena);
    return code;
}

static int place_file(const bench *b, const char *path) {
    dms_arena arena = {0};
    dms_status st = {0};
    dms_problem problem;
    int code = 0;
    if (dms_problem_read(path, &arena, &problem, &st) != DMS_OK)
        code = fail(&st);
    else if (b->has_budget)
        code = place_one(b, &problem, b->options.device_budget);
    else if (b->has_shares)
        for (uint32_t i = 2; i <= 16 && code == 0; i *= 2)
            code = place_one(b, &problem, problem.weight_bytes / i);
    else
        for (uint32_t i = 0; i < problem.n_budgets && code == 0; i++)
            code = place_one(b, &problem, problem.budgets[i]);
    dms_arena_free(&arena);
    return code;
}

int main(int n_args, char **args) {
    bench b = {0};
    int first = n_args;
    for (int i = 1; i < n_args; i++) {
        const bool has_next = i + 1 < n_args;
        if (strcmp(args[i], "--budget") == 0 && has_next) {
            b.options.device_budget = strtoull(args[++i], NULL, 10);
            b.has_budget = true;
        } else if (strcmp(args[i], "--host") == 0 && has_next) {
            b.host = args[++i];
        } else if (strcmp(args[i], "--ring") == 0 && has_next) {
            b.options.ring_blocks = (uint32_t)strtoul(args[++i], NULL, 10);
        } else if (strcmp(args[i], "--shares") == 0) {
            b.has_shares = true;
        } else if (strcmp(args[i], "--plan") == 0 && has_next) {
            b.plan_path = args[++i];
        } else if (strcmp(args[i], "--certificate") == 0 && has_next) {
            b.certificate_path = args[++i];
        } else if (strcmp(args[i], "--evaluations") == 0 && has_next) {
            b.options.max_evaluations = strtoull(args[++i], NULL, 10);
        } else if (strcmp(args[i], "--exact") == 0) {
            b.options.exact = true;
        } else if (strcmp(args[i], "--candidates") == 0) {
            b.lists = true;
        } else if (args[i][0] == '-') {
            fprintf(stderr, "placement: unknown option %s\n", args[i]);
            return 2;
        } else if (first == n_args) {
            first = i;
        }
    }
    printf("%-36s %14s %14s %12s %12s %12s %8s %8s %8s %6s\n", "instance", "budget", "floor",
           "compute ms", "bound ms", "period ms", "ratio", "s", "evals", "floor/bound");
    for (int i = first; i < n_args; i++) {
        if (args[i][0] == '-') {
            i += strcmp(args[i], "--exact") != 0 && strcmp(args[i], "--candidates") != 0 &&
                 strcmp(args[i], "--shares") != 0;
            continue;
        }
        if (place_file(&b, args[i]) != 0)
            return 1;
    }
    return first == n_args ? 2 : 0;
}
