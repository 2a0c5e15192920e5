/* support_graph.h - small lowered graphs made by hand: input for tile, place and emit.
 *
 * Reads    nothing.
 * Returns  a dms_graph with its dms_lowered, all f32 and dense; what it computes, call by call.
 * Cost     everything lives in one arena.
 * Source   none.
 * Not here ONNX files, plans (support_plan_run.h).
 */
#ifndef DMS_TESTS_SUPPORT_GRAPH_H
#define DMS_TESTS_SUPPORT_GRAPH_H

#include "onnx/graph.h"
#include "planner/dmsc.h"
#include "runtime/kernels/catalogue.h"

#define GRAPH_MAX 1024

/* A graph that grows; ids are those of graph.tensor. */
typedef struct graph_case {
    dms_arena arena;
    dms_graph graph;
    dms_lowered lowered;
    uint32_t input[GRAPH_MAX], output[GRAPH_MAX];
    dms_profile profile;
    float **value; /* per tensor, filled by graph_compute; of indices the bytes of i64 */
    int64_t n_entries[GRAPH_MAX]; /* per tensor: indices lie in -n .. n - 1 */
} graph_case;

void graph_begin(graph_case *g);
void graph_end(graph_case *g);

/* Adds a graph input, a constant filled from `seed`, the result of a later call. */
uint32_t graph_input(graph_case *g, const char *name, int64_t rows, int64_t columns);
uint32_t graph_weight(graph_case *g, const char *name, int64_t rows, int64_t columns,
                      uint32_t seed);
uint32_t graph_result(graph_case *g, const char *name, int64_t rows, int64_t columns);

/* Adds a graph input of `n` i64 indices into tables of `n_entries` rows, some counted from the end.
 */
uint32_t graph_indices(graph_case *g, const char *name, int64_t n, int64_t n_entries);

/* y = rows of a table, as an Embedding has it; y = a b' (the rows of b are columns of the product).
 */
void graph_lookup(graph_case *g, uint32_t table, uint32_t indices, uint32_t y);
void graph_matmul_turned(graph_case *g, uint32_t a, uint32_t b, uint32_t y);

/* y = fn(x), y = fn(a, b), y = a b (a product), over whole dense tensors. */
void graph_unary(graph_case *g, dms_unary_fn fn, uint32_t x, uint32_t y);
void graph_binary(graph_case *g, dms_binary_fn fn, uint32_t a, uint32_t b, uint32_t y);
void graph_matmul(graph_case *g, uint32_t a, uint32_t b, uint32_t y);

/* Declares a tensor to be the next graph output. */
void graph_output(graph_case *g, uint32_t tensor);

/* Computes every tensor by running the uncut calls one after the other in memory of their own.
 * Inputs are filled from `seed`. */
void graph_compute(graph_case *g, uint32_t seed);

/* Number of elements of a tensor. */
int64_t graph_count(const graph_case *g, uint32_t tensor);

/* A plan of the graph at these budgets; the code of the first stage that fails. */
dms_code graph_plan(graph_case *g, uint64_t device_budget, uint64_t host_budget, dms_compiled *out,
                    dms_status *st);

/* The next value of a small generator (splitmix64). */
uint64_t graph_random(uint64_t *state);

#endif
