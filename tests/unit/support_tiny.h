/* support_tiny.h - models of a few steps with weights of 4 KiB, planned at any budget.
 *
 * Reads    nothing.
 * Returns  plans of the planner in arenas of some 20 KiB, and what every turn should give.
 * Cost     milliseconds a plan.
 * Source   none.
 * Not here running them (support_interleave.h, support_session.h).
 */
#ifndef DMS_TESTS_SUPPORT_TINY_H
#define DMS_TESTS_SUPPORT_TINY_H

#include "support_graph.h"
#include "support_interleave.h"

#define TINY_TURNS INTERLEAVE_TURNS
#define TINY_AMPLE (UINT64_C(1) << 40)

/* What a model computes; x0 and x1 are inputs, every w another weight. */
typedef enum tiny_model {
    TINY_PAIR,     /* x0 w w */
    TINY_CHAIN,    /* x0 w w w */
    TINY_RESIDUAL, /* tanh(t w w) w + t, where t = x0 w */
    TINY_SHARED,   /* x0 v w v: the weight v has two uses */
    TINY_ENDS,     /* two inputs, and two outputs of which one is read on: x0 w + x1, that w */
    N_TINY_MODELS
} tiny_model;

/* A model, its last plan, the folder of its files, its values. */
typedef struct tiny_case {
    graph_case g;
    dms_compiled compiled;
    char folder[32];
    float *input[TINY_TURNS][INTERLEAVE_PORTS], *want[TINY_TURNS][INTERLEAVE_PORTS];
} tiny_case;

/* "pair", "chain", ... */
const char *tiny_name(tiny_model model);

/* Makes a model. `is_in_file`: weights lie in the model's file and may be read from there in every
 * turn; else they lie in the plan. */
void tiny_begin(tiny_case *t, tiny_model model, bool is_in_file);

/* The same of a longer chain with residuals of this many products. */
void tiny_begin_long(tiny_case *t, uint32_t n_products, bool is_in_file);

/* The same of other rows and columns. */
void tiny_begin_wide(tiny_case *t, uint32_t n_products, int64_t rows, int64_t columns,
                     bool is_in_file);

/* One product [1024, 64] x [64, 1600], in cells of 256 columns, each of which leaves by itself. */
void tiny_begin_cells(tiny_case *t);

/* The path of the model's file; writes it (again). */
void tiny_path(const tiny_case *t, char path[64]);
void tiny_write_file(const tiny_case *t);

/* Frees everything and removes the folder. */
void tiny_end(tiny_case *t);

/* Plans at these budgets; the checker has passed what stands in t->compiled.plan. */
dms_code tiny_plan(tiny_case *t, uint64_t device_budget, uint64_t host_budget, dms_status *st);

/* Plans at the device floor and so many bytes more, with ample or with the least host memory. */
void tiny_plan_at(tiny_case *t, uint64_t extra_bytes, bool is_least_host);

/* Plans that differ, at `n_budgets` from the floor to where everything fits, each with ample and
 * with the least host memory. Calls `use` for each; returns how many there were. */
uint32_t tiny_each_plan(tiny_case *t, uint32_t n_budgets, void (*use)(tiny_case *t, void *data),
                        void *data);

/* The case of this plan's interleavings: values and folder are set, the rest is 0. */
interleave_case tiny_interleave(const tiny_case *t);

/* Commands of the body. */
uint32_t tiny_n_cmds(const tiny_case *t);

#endif
