/* support_tiny.c - see support_tiny.h. */
#include "support_tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "schema/checked.h"
#include "schema/file_digest.h"

#define ROWS 2
#define WIDTH 32 /* a weight is a page: places of a ring are pages */
#define MOST_PLANS 128

/* Columns of x0, and so of everything. */
static int64_t width(const graph_case *g) {
    return g->graph.tensor[g->input[0]].dim[1].hi;
}

static uint32_t weight(graph_case *g) {
    return graph_weight(g, "w", width(g), width(g), 11 + g->graph.n_tensors);
}

static uint32_t result(graph_case *g) {
    return graph_result(g, "t", g->graph.tensor[g->input[0]].dim[0].hi, width(g));
}

/* x w for a weight that is there. */
static uint32_t times(graph_case *g, uint32_t x, uint32_t w) {
    const uint32_t y = result(g);
    graph_matmul(g, x, w, y);
    return y;
}

static uint32_t plus(graph_case *g, uint32_t a, uint32_t b) {
    const uint32_t y = result(g);
    graph_binary(g, DMS_FN_ADD, a, b, y);
    return y;
}

static void make_pair(graph_case *g, uint32_t x) {
    const uint32_t t = times(g, x, weight(g));
    graph_output(g, times(g, t, weight(g)));
}

static void make_chain(graph_case *g, uint32_t x) {
    uint32_t t = times(g, x, weight(g));
    t = times(g, t, weight(g));
    graph_output(g, times(g, t, weight(g)));
}

static void make_residual(graph_case *g, uint32_t x) {
    const uint32_t t = times(g, x, weight(g));
    uint32_t u = times(g, t, weight(g));
    u = times(g, u, weight(g));
    const uint32_t v = result(g);
    graph_unary(g, DMS_FN_TANH, u, v);
    graph_output(g, plus(g, times(g, v, weight(g)), t));
}

static void make_shared(graph_case *g, uint32_t x) {
    const uint32_t v = weight(g), w = weight(g);
    graph_output(g, times(g, times(g, times(g, x, v), w), v));
}

static void make_ends(graph_case *g, uint32_t x) {
    const uint32_t x1 = graph_input(g, "x1", ROWS, WIDTH);
    const uint32_t t = plus(g, times(g, x, weight(g)), x1);
    graph_output(g, t);
    graph_output(g, times(g, t, weight(g)));
}

static const struct {
    const char *name;
    void (*make)(graph_case *g, uint32_t x);
} models[N_TINY_MODELS] = {
    {"pair", make_pair},     {"chain", make_chain}, {"residual", make_residual},
    {"shared", make_shared}, {"ends", make_ends},
};

const char *tiny_name(tiny_model model) {
    return models[model].name;
}

/* Puts all weights behind each other into the model's file. */
static void move_to_file(tiny_case *t) {
    uint64_t at = 0;
    for (uint32_t k = 0; k < t->g.graph.n_tensors; k++) {
        dms_tensor *tensor = &t->g.graph.tensor[k];
        if (tensor->origin != DMS_ORIGIN_MADE)
            continue;
        tensor->origin = DMS_ORIGIN_FILE;
        tensor->offset = at;
        at += tensor->bytes;
    }
}

void tiny_path(const tiny_case *t, char path[64]) {
    (void)snprintf(path, 64, "%s/case.onnx", t->folder);
}

/* What the uncut graph gives, turn by turn, each with inputs of its own. */
static void compute_turns(tiny_case *t) {
    graph_case *g = &t->g;
    for (uint32_t turn = 0; turn < TINY_TURNS; turn++) {
        graph_compute(g, 1000 * turn + 7);
        for (uint32_t k = 0; k < g->graph.n_inputs; k++)
            t->input[turn][k] = g->value[g->input[k]];
        for (uint32_t k = 0; k < g->graph.n_outputs; k++)
            t->want[turn][k] = g->value[g->output[k]];
    }
}

static void finish(tiny_case *t, bool is_in_file) {
    compute_turns(t);
    if (is_in_file)
        move_to_file(t);
    (void)snprintf(t->folder, sizeof t->folder, "tiny-XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    tiny_write_file(t);
}

void tiny_begin(tiny_case *t, tiny_model model, bool is_in_file) {
    memset(t, 0, sizeof *t);
    graph_begin(&t->g);
    models[model].make(&t->g, graph_input(&t->g, "x0", ROWS, WIDTH));
    finish(t, is_in_file);
}

void tiny_begin_long(tiny_case *t, uint32_t n_products, bool is_in_file) {
    tiny_begin_wide(t, n_products, ROWS, WIDTH, is_in_file);
}

void tiny_begin_wide(tiny_case *t, uint32_t n_products, int64_t rows, int64_t columns,
                     bool is_in_file) {
    memset(t, 0, sizeof *t);
    graph_case *g = &t->g;
    graph_begin(g);
    uint32_t x = graph_input(g, "x0", rows, columns);
    for (uint32_t k = 0; k < n_products; k++) {
        const uint32_t y = times(g, x, weight(g));
        x = k % 3 == 1 ? plus(g, y, x) : y;
    }
    graph_output(g, x);
    finish(t, is_in_file);
}

void tiny_begin_cells(tiny_case *t) {
    memset(t, 0, sizeof *t);
    graph_case *g = &t->g;
    graph_begin(g);
    const uint32_t x = graph_input(g, "x0", 1024, 64);
    const uint32_t y = graph_result(g, "y", 1024, 1600);
    graph_matmul(g, x, graph_weight(g, "w", 64, 1600, 3), y);
    graph_output(g, y);
    finish(t, true);
}

void tiny_end(tiny_case *t) {
    char path[64];
    tiny_path(t, path);
    (void)unlink(path);
    (void)rmdir(t->folder);
    graph_end(&t->g);
}

void tiny_plan_at(tiny_case *t, uint64_t extra_bytes, bool is_least_host) {
    dms_status st;
    (void)tiny_plan(t, 0, TINY_AMPLE, &st);
    const uint64_t device = t->compiled.floor.device_bytes + extra_bytes;
    (void)tiny_plan(t, device, 0, &st);
    const uint64_t host = is_least_host ? t->compiled.floor.host_bytes : TINY_AMPLE;
    if (tiny_plan(t, device, host, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

void tiny_write_file(const tiny_case *t) {
    char path[64];
    tiny_path(t, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t k = 0; k < t->g.graph.n_tensors; k++) {
        const dms_tensor *tensor = &t->g.graph.tensor[k];
        if (tensor->origin == DMS_ORIGIN_FILE)
            assert_int_equal(fwrite(tensor->data, 1, tensor->bytes, file), tensor->bytes);
    }
    assert_int_equal(fclose(file), 0);
}

dms_code tiny_plan(tiny_case *t, uint64_t device_budget, uint64_t host_budget, dms_status *st) {
    DMS_TRY(graph_plan(&t->g, device_budget, host_budget, &t->compiled, st));
    char path[64];
    tiny_path(t, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const dms_file_ranges none = {0};
    dms_plan_file *model = &t->compiled.plan.file[0];
    const dms_code code =
        dms_file_digest(fileno(file), path, model->bytes, &none, &model->digest, st);
    assert_int_equal(fclose(file), 0);
    dms_plan *plan = &t->compiled.plan; /* what a weight is includes the digest of its file */
    plan->meaning = (dms_hash){0, 0};
    return code != DMS_OK ? code : dms_check_plan(plan, &t->g.arena, &plan->meaning, st);
}

/* Plans seen so far, by what they would be as a file. */
typedef struct plans {
    dms_hash hash[MOST_PLANS];
    uint32_t n;
} plans;

/* Remembers the plan; false when it is there already. Budgets and predictions do not count. */
static bool is_new(tiny_case *t, plans *all) {
    dms_plan plan = t->compiled.plan;
    uint8_t *data;
    uint64_t size;
    dms_status st;
    plan.device_budget = plan.device_arena;
    plan.host_budget = plan.host_arena;
    plan.period_ns = plan.latency_ns = plan.bound_ns = 0;
    assert_int_equal(dms_plan_encode(&plan, &t->g.arena, &data, &size, &st), DMS_OK);
    const dms_hash hash = dms_hash_bytes(data, size, 1);
    for (uint32_t k = 0; k < all->n; k++)
        if (dms_hash_equal(all->hash[k], hash))
            return false;
    assert_true(all->n < MOST_PLANS);
    all->hash[all->n++] = hash;
    return true;
}

uint32_t tiny_each_plan(tiny_case *t, uint32_t n_budgets, void (*use)(tiny_case *t, void *data),
                        void *data) {
    plans all = {.n = 0};
    dms_status st;
    if (tiny_plan(t, TINY_AMPLE, TINY_AMPLE, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    const uint64_t floor = t->compiled.floor.device_bytes, most = t->compiled.plan.device_arena;
    const uint64_t step = (most - floor) / n_budgets / DMS_ALIGN * DMS_ALIGN + DMS_ALIGN;
    for (uint64_t device = floor; device <= most; device += step) {
        (void)tiny_plan(t, device, 0, &st);
        const uint64_t least = t->compiled.floor.host_bytes;
        for (uint32_t k = 0; k < 3; k++) {
            const uint64_t host = k == 2 ? TINY_AMPLE : least + k * 1024;
            if (tiny_plan(t, device, host, &st) != DMS_OK)
                fail_msg("device %llu, host %llu: %s", (unsigned long long)device,
                         (unsigned long long)host, st.msg);
            if (is_new(t, &all))
                use(t, data);
        }
    }
    return all.n;
}

interleave_case tiny_interleave(const tiny_case *t) {
    interleave_case c = {.plan = &t->compiled.plan, .folder = t->folder};
    memcpy(c.input, t->input, sizeof c.input);
    memcpy(c.want, t->want, sizeof c.want);
    return c;
}

uint32_t tiny_n_cmds(const tiny_case *t) {
    uint32_t n = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        n += t->compiled.plan.body.n_cmds[q];
    return n;
}
