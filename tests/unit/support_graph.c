/* support_graph.c - lowered graphs made by hand. */
#include "support_graph.h"
#include "support_scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/emit.h"
#include "runtime/check/check.h"
#include "runtime/kernels/cpu_kernel.h"

uint64_t graph_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Values in -1 .. 1. */
static void fill(float *data, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(int32_t)(graph_random(&seed) >> 32) / 2147483648.0f;
}

static void fill_indices(int64_t *data, int64_t n, int64_t n_entries, uint64_t seed) {
    for (int64_t i = 0; i < n; i++)
        data[i] = (int64_t)(graph_random(&seed) % (uint64_t)(2 * n_entries)) - n_entries;
}

void graph_begin(graph_case *g) {
    memset(g, 0, sizeof *g);
    dms_arena_init(&g->arena, 0);
    dms_graph *graph = &g->graph;
    graph->arena = &g->arena;
    graph->model_path = graph->model_file = "case.onnx";
    graph->model_dir = ".";
    graph->tensor = DMS_NEW(&g->arena, dms_tensor, GRAPH_MAX);
    graph->node = DMS_NEW(&g->arena, dms_node, GRAPH_MAX);
    g->lowered.call = DMS_NEW(&g->arena, dms_lowered_call, GRAPH_MAX);
    g->lowered.output = g->output;
    graph->input = g->input;
    graph->n_files = 1; /* the model; made constants are file 1 */
    graph->output = g->output;
    g->profile = (dms_profile){.name = "case",
                               .f32_flops = 1000000000,
                               .f16_flops = 1000000000,
                               .f64_flops = 1000000000,
                               .i8_flops = 1000000000,
                               .memory_bytes_per_s = 1000000000,
                               .launch_ns = 100,
                               .in = {1000000000, 50},
                               .out = {1000000000, 50},
                               .load = {100000000, 100},
                               .store = {100000000, 100}};
}

void graph_end(graph_case *g) {
    dms_arena_free(&g->arena);
}

static uint32_t add_tensor(graph_case *g, const char *name, dms_origin origin, int64_t rows,
                           int64_t columns) {
    dms_graph *graph = &g->graph;
    assert_true(graph->n_tensors < GRAPH_MAX);
    const uint32_t id = graph->n_tensors++;
    dms_tensor *t = &graph->tensor[id];
    *t = (dms_tensor){.name = dms_strndup(&g->arena, name, strlen(name)),
                      .dtype = DMS_DTYPE_F32,
                      .has_shape = true,
                      .rank = 2,
                      .origin = origin,
                      .producer = DMS_NONE,
                      .storage = id};
    t->dim[0] = (dms_dim){rows, rows};
    t->dim[1] = (dms_dim){columns, columns};
    const int64_t dim[2] = {rows, columns};
    assert_true(dms_view_dense(DMS_DTYPE_F32, 2, dim, &t->view));
    return id;
}

uint32_t graph_input(graph_case *g, const char *name, int64_t rows, int64_t columns) {
    const uint32_t id = add_tensor(g, name, DMS_ORIGIN_INPUT, rows, columns);
    g->graph.tensor[id].index = g->graph.n_inputs;
    g->input[g->graph.n_inputs++] = id;
    return id;
}

uint32_t graph_weight(graph_case *g, const char *name, int64_t rows, int64_t columns,
                      uint32_t seed) {
    const uint32_t id = add_tensor(g, name, DMS_ORIGIN_MADE, rows, columns);
    float *data = DMS_NEW(&g->arena, float, (uint64_t)(rows * columns));
    fill(data, rows * columns, seed);
    g->graph.tensor[id].data = (const uint8_t *)data;
    g->graph.tensor[id].bytes = (uint64_t)(rows * columns) * sizeof *data;
    return id;
}

uint32_t graph_result(graph_case *g, const char *name, int64_t rows, int64_t columns) {
    return add_tensor(g, name, DMS_ORIGIN_NODE, rows, columns);
}

/* A call over these views of its tensors. */
static void add_views(graph_case *g, const char *op, dms_call call, const uint32_t *tensor,
                      const dms_view *from) {
    dms_graph *graph = &g->graph;
    const uint32_t n = call.n_in + call.n_out, id = graph->n_nodes++;
    assert_true(id < GRAPH_MAX);
    dms_view *view = DMS_NEW(&g->arena, dms_view, n);
    dms_lowered_operand *operand = DMS_NEW(&g->arena, dms_lowered_operand, n);
    for (uint32_t k = 0; k < n; k++) {
        view[k] = from[k];
        operand[k] = (dms_lowered_operand){tensor[k], view[k]};
    }
    graph->node[id] =
        (dms_node){.name = dms_format(&g->arena, "n%u", (unsigned)id), .op = op, .domain = ""};
    graph->tensor[tensor[n - 1]].producer = id;
    call.view = view;
    dms_status st;
    if (dms_call_check(&call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    g->lowered.call[g->lowered.n_calls++] = (dms_lowered_call){id, call, operand};
}

/* The same over whole tensors. */
static void add_call(graph_case *g, const char *op, dms_call call, const uint32_t *tensor) {
    dms_view view[8];
    for (uint32_t k = 0; k < call.n_in + call.n_out; k++)
        view[k] = g->graph.tensor[tensor[k]].view;
    add_views(g, op, call, tensor, view);
}

/* A copy of parameters in the arena. */
static const int64_t *integers(graph_case *g, int64_t a, int64_t b) {
    int64_t *i = DMS_NEW(&g->arena, int64_t, 2);
    i[0] = a;
    i[1] = b;
    return i;
}

static const double *reals(graph_case *g, double a, double b) {
    double *f = DMS_NEW(&g->arena, double, 2);
    f[0] = a;
    f[1] = b;
    return f;
}

void graph_unary(graph_case *g, dms_unary_fn fn, uint32_t x, uint32_t y) {
    add_call(g, "Unary",
             (dms_call){.kernel = DMS_K_UNARY,
                        .n_in = 1,
                        .n_out = 1,
                        .n_i = 1,
                        .i = integers(g, fn, 0),
                        .n_f = 2,
                        .f = reals(g, 0, 0)},
             (const uint32_t[]){x, y});
}

void graph_binary(graph_case *g, dms_binary_fn fn, uint32_t a, uint32_t b, uint32_t y) {
    add_call(g, "Binary",
             (dms_call){
                 .kernel = DMS_K_BINARY, .n_in = 2, .n_out = 1, .n_i = 1, .i = integers(g, fn, 0)},
             (const uint32_t[]){a, b, y});
}

void graph_matmul(graph_case *g, uint32_t a, uint32_t b, uint32_t y) {
    const int64_t n = g->graph.tensor[b].dim[1].hi;
    add_call(g, "Product",
             (dms_call){.kernel = DMS_K_MATMUL,
                        .n_in = 2,
                        .n_out = 1,
                        .n_i = 2,
                        .i = integers(g, 0, n),
                        .n_f = 2,
                        .f = reals(g, 1, 0)},
             (const uint32_t[]){a, b, y});
}

uint32_t graph_indices(graph_case *g, const char *name, int64_t n, int64_t n_entries) {
    const uint32_t id = graph_input(g, name, n, 1);
    g->graph.tensor[id].dtype = g->graph.tensor[id].view.dtype = DMS_DTYPE_I64;
    g->n_entries[id] = n_entries;
    return id;
}

void graph_lookup(graph_case *g, uint32_t table, uint32_t indices, uint32_t y) {
    const dms_view x = g->graph.tensor[table].view, to = g->graph.tensor[y].view;
    const dms_view view[3] = {
        {DMS_DTYPE_F32, 3, 0, {1, x.dim[0], x.dim[1]}, {x.dim[0] * x.dim[1], x.dim[1], 1}},
        {DMS_DTYPE_I64, 1, 0, {to.dim[0]}, {1}},
        {DMS_DTYPE_F32, 3, 0, {1, to.dim[0], to.dim[1]}, {to.dim[0] * to.dim[1], to.dim[1], 1}}};
    add_views(g, "Gather", (dms_call){.kernel = DMS_K_GATHER, .n_in = 2, .n_out = 1},
              (const uint32_t[]){table, indices, y}, view);
}

void graph_matmul_turned(graph_case *g, uint32_t a, uint32_t b, uint32_t y) {
    dms_view view[3] = {g->graph.tensor[a].view, g->graph.tensor[b].view, g->graph.tensor[y].view};
    const int64_t n = view[1].dim[0], k = view[1].dim[1];
    view[1] = (dms_view){DMS_DTYPE_F32, 2, 0, {k, n}, {1, k}};
    add_views(g, "Product",
              (dms_call){.kernel = DMS_K_MATMUL,
                         .n_in = 2,
                         .n_out = 1,
                         .n_i = 2,
                         .i = integers(g, 0, n),
                         .n_f = 2,
                         .f = reals(g, 1, 0)},
              (const uint32_t[]){a, b, y}, view);
}

void graph_output(graph_case *g, uint32_t tensor) {
    g->output[g->graph.n_outputs++] = tensor;
}

int64_t graph_count(const graph_case *g, uint32_t tensor) {
    return dms_view_count(&g->graph.tensor[tensor].view);
}

void graph_compute(graph_case *g, uint32_t seed) {
    g->value = DMS_NEW(&g->arena, float *, g->graph.n_tensors);
    for (uint32_t t = 0; t < g->graph.n_tensors; t++) {
        g->value[t] = dms_alloc(&g->arena, dms_view_bytes(&g->graph.tensor[t].view), 1);
        if (g->n_entries[t] > 0)
            fill_indices((int64_t *)(void *)g->value[t], graph_count(g, t), g->n_entries[t], seed);
        else if (g->graph.tensor[t].origin == DMS_ORIGIN_INPUT)
            fill(g->value[t], graph_count(g, t), seed + t);
        if (g->graph.tensor[t].origin == DMS_ORIGIN_MADE)
            memcpy(g->value[t], g->graph.tensor[t].data, g->graph.tensor[t].bytes);
    }
    for (uint32_t c = 0; c < g->lowered.n_calls; c++) {
        const dms_lowered_call *low = &g->lowered.call[c];
        void *operand[8];
        for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++)
            operand[k] = g->value[low->operand[k].tensor];
        void *workspace =
            dms_alloc(&g->arena, dms_call_workspace(&low->call, DMS_DEVICE_CPU) + 1, 1);
        dms_status st;
        if (dms_cpu_run(&low->call, operand, workspace, scratch_fresh(), &st) != DMS_OK)
            fail_msg("%s", st.msg);
    }
}

/* Bytes of the model file: up to the last constant in it. */
static uint64_t model_bytes(const graph_case *g) {
    uint64_t bytes = 0;
    for (uint32_t t = 0; t < g->graph.n_tensors; t++) {
        const dms_tensor *tensor = &g->graph.tensor[t];
        if (tensor->origin == DMS_ORIGIN_FILE && tensor->offset + tensor->bytes > bytes)
            bytes = tensor->offset + tensor->bytes;
    }
    return bytes;
}

dms_code graph_plan(graph_case *g, uint64_t device_budget, uint64_t host_budget, dms_compiled *out,
                    dms_status *st) {
    *out = (dms_compiled){.profile = g->profile,
                          .graph = g->graph,
                          .lowered = g->lowered,
                          .device_budget = device_budget,
                          .host_budget = host_budget};
    const dms_place_options how = {
        .device_budget = device_budget,
        .host_budget = host_budget,
        .ring_blocks = g->profile.device_kind == DMS_DEVICE_CPU ? 0 : DMS_RING_BLOCKS};
    DMS_TRY(dms_tile(&g->graph, &g->lowered, &g->profile, &g->arena, &out->steps, st));
    DMS_TRY(dms_blocks_make(&g->graph, &out->steps, &g->profile, &g->arena, &out->blocks, st));
    DMS_TRY(dms_place(&out->blocks.problem, &how, &g->arena, &out->decision, &out->floor, st));
    DMS_TRY(dms_stalls_find(&out->blocks.problem, &out->decision, &g->arena, &out->stalls, st));
    const dms_emit_input input = {&g->graph, &out->steps, &out->blocks, &out->decision,
                                  g->profile.device_kind};
    DMS_TRY(dms_emit(&input, &g->arena, &out->plan, st));
    dms_plan *plan = &out->plan;
    plan->producer = plan->solver = plan->model = plan->profile = "case";
    plan->device_budget = device_budget;
    plan->host_budget = host_budget + dms_plan_stage_all(plan);
    plan->n_files = 1 + (out->steps.n_consts > 0);
    plan->file = DMS_NEW(&g->arena, dms_plan_file, 2);
    plan->file[0] = (dms_plan_file){.name = "case.onnx", .bytes = model_bytes(g)};
    plan->file[1] = (dms_plan_file){.name = "case.consts", .bytes = out->steps.n_consts, .kind = 2};
    return dms_check_plan(plan, &g->arena, &plan->meaning, st);
}
