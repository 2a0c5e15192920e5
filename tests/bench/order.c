/* order.c - usage: order [--profile NAME] MODEL [NAME=N | NAME[AXIS]=N]...
 *
 * What another order of the calls gains: live peak and mean of what is computed while all of it
 * stays on the device, floor, period at budgets, in the model's order and in the one that dmsc
 * takes. One line of a table per model; exit code 1 where dmsc's is worse anywhere, or means
 * something else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "schema/arena.h"

#define MOST_DIMS 32u
#define PERCENT UINT64_C(1000000) /* dms_size.value of 1 % */

static const dms_size BUDGETS[] = {{DMS_SIZE_BYTES, UINT64_C(1) << 46}, /* all of it */
                                   {DMS_SIZE_PERCENT, 100 * PERCENT},
                                   {DMS_SIZE_PERCENT, 50 * PERCENT},
                                   {DMS_SIZE_PERCENT, 25 * PERCENT},
                                   {DMS_SIZE_PERCENT, 25 * PERCENT / 2}};
#define N_BUDGETS (sizeof BUDGETS / sizeof *BUDGETS)

/* Figures of one order. */
typedef struct figures {
    uint64_t peak_bytes, mean_bytes, floor_bytes;
    int64_t period_ns[N_BUDGETS]; /* 0 = below the floor */
    dms_hash meaning;             /* of all plans */
} figures;

/* What lives from its first to its last touch, but for weights. */
static void measure(const dms_problem *p, figures *out) {
    double sum = 0, ns = 0;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        uint64_t live = 0;
        for (uint32_t i = 0; i < p->n_tensors; i++) {
            const dms_problem_tensor *t = &p->tensors[i];
            const uint32_t *touch = p->touches + t->first_touch;
            if (t->kind != DMS_PROBLEM_WEIGHT && touch[0] <= s && touch[t->n_touches - 1] >= s)
                live += t->bytes;
        }
        out->peak_bytes = live > out->peak_bytes ? live : out->peak_bytes;
        sum += (double)live * (double)p->steps[s].ns;
        ns += (double)p->steps[s].ns;
    }
    out->mean_bytes = (uint64_t)(sum / ns);
}

/* Compiles at every budget. */
static dms_code compile_all(dms_compile_options *options, figures *out, dms_status *st) {
    for (size_t k = 0; k < N_BUDGETS; k++) {
        dms_arena arena;
        dms_compiled c = {0};
        dms_arena_init(&arena, 0);
        options->device_mem = BUDGETS[k];
        const dms_code code = dms_compile(options, &arena, &c, st);
        if (code == DMS_OK) {
            if (out->peak_bytes == 0)
                measure(&c.blocks.problem, out);
            out->meaning = c.plan.meaning;
            out->floor_bytes = c.floor.device_bytes;
            out->period_ns[k] = c.decision.period_ns;
        }
        dms_arena_free(&arena);
        if (code != DMS_OK && code != DMS_EBUDGET)
            return code;
    }
    return DMS_OK;
}

/* "a > b" in KiB. */
static void print_pair(uint64_t own, uint64_t found) {
    printf(" %.1f > %.1f |", (double)own / 1024, (double)found / 1024);
}

static int print_line(const char *model, const figures *own, const figures *found) {
    int worse = 0;
    printf("| %s |", model);
    print_pair(own->peak_bytes, found->peak_bytes);
    print_pair(own->mean_bytes, found->mean_bytes);
    print_pair(own->floor_bytes, found->floor_bytes);
    for (size_t k = 0; k < N_BUDGETS; k++) {
        const double ratio = (double)found->period_ns[k] / (double)own->period_ns[k];
        if (own->period_ns[k] == 0)
            printf(found->period_ns[k] == 0 ? " - |" : " new |");
        else
            printf(" %.4f |", ratio);
        worse |= own->period_ns[k] != 0 && ratio > 1;
    }
    printf("\n");
    return worse;
}

int main(int argc, char **argv) {
    dms_plan_dim dim[MOST_DIMS];
    dms_compile_options options = {.profile = "cpu",
                                   .host_mem = {DMS_SIZE_BYTES, UINT64_C(1) << 40}};
    dms_status st = {.msg = ""};
    for (int k = 1; k < argc; k++) {
        char *sign = strrchr(argv[k], '=');
        if (strcmp(argv[k], "--profile") == 0 && k + 1 < argc) {
            options.profile = argv[++k];
        } else if (sign == NULL) {
            options.model = argv[k];
        } else if (options.n_dims < MOST_DIMS) {
            *sign = 0;
            dim[options.n_dims++] = (dms_plan_dim){argv[k], strtoll(sign + 1, NULL, 10)};
        }
    }
    if (options.model == NULL) {
        fprintf(stderr, "usage: order [--profile NAME] MODEL [NAME=N]...\n");
        return 2;
    }
    figures figure[2] = {{0}, {0}};
    options.dim = dim;
    for (int is_found = 0; is_found < 2; is_found++) {
        options.keeps_order = is_found == 0;
        if (compile_all(&options, &figure[is_found], &st) != DMS_OK) {
            fprintf(stderr, "%s: %s\n", options.model, st.msg);
            return 1;
        }
    }
    if (!dms_hash_equal(figure[0].meaning, figure[1].meaning)) {
        fprintf(stderr, "%s: the orders mean different things\n", options.model);
        return 1;
    }
    return print_line(options.model, &figure[0], &figure[1]);
}
