/* blocks.c - one problem tensor per weight cell, input, or chain of in-place activations. */
#include "planner/blocks.h"

#include "onnx/graph.h"
#include "planner/blocks_internal.h"
#include "planner/steps.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_WITHOUT_LAYERS 40u
#define MOST_LAYERS 100000
#define SMALLEST_NAMING_BYTES 1024u /* a weight whose name may count layers */

typedef struct maker {
    const dms_graph *graph;
    const dms_steps *steps;
    dms_arena *arena;
    dms_blocks *out;
    uint32_t *last_touch; /* per problem tensor */
} maker;

static dms_problem_kind kind_of(dms_tensor_kind kind) {
    switch (kind) {
    case DMS_TENSOR_WEIGHT:
        return DMS_PROBLEM_WEIGHT;
    case DMS_TENSOR_INPUT:
        return DMS_PROBLEM_INPUT;
    case DMS_TENSOR_OUTPUT:
        return DMS_PROBLEM_OUTPUT;
    case DMS_TENSOR_ACTIVATION:
        break;
    }
    return DMS_PROBLEM_ACTIVATION;
}

/* Makes the blocks of every tensor that a step touches. */
static dms_code make_tensors(maker *m, dms_status *st) {
    const dms_steps *steps = m->steps;
    dms_blocks *out = m->out;
    uint64_t n = 0;
    for (uint32_t i = 0; i < steps->n_tensors; i++)
        n += steps->tensor[i].plan.is_split ? dms_plan_cells(&steps->tensor[i].plan) : 1;
    DMS_TRY(dms_alloc_st(m->arena, n, sizeof *out->block, "blocks", &out->block, st));
    DMS_TRY(dms_alloc_st(m->arena, n, sizeof *out->problem.tensors, "problem",
                         &out->problem.tensors, st));
    DMS_TRY(dms_alloc_st(m->arena, n, sizeof *m->last_touch, "problem", &m->last_touch, st));
    DMS_TRY(dms_alloc_st(m->arena, steps->n_tensors, sizeof *out->first_block, "blocks",
                         &out->first_block, st));
    uint32_t at = 0;
    for (uint32_t i = 0; i < steps->n_tensors; i++) {
        const dms_step_tensor *t = &steps->tensor[i];
        const uint32_t root = dms_steps_root(steps, i);
        out->first_block[i] = root == i ? at : out->first_block[root];
        if (root != i) { /* a newer version of a chain: tensors are made in step order */
            out->block[out->first_block[root]].last = i;
            out->problem.tensors[out->first_block[root]].kind = kind_of(t->plan.kind);
            out->problem.tensors[out->first_block[root]].label = t->plan.name;
            continue;
        }
        const uint32_t n_cells = t->plan.is_split ? dms_plan_cells(&t->plan) : 1;
        for (uint32_t c = 0; c < n_cells; c++, at++) {
            out->block[at] = (dms_block){i, c, i};
            out->problem.tensors[at] =
                (dms_problem_tensor){.kind = kind_of(t->plan.kind),
                                     .label = t->plan.name,
                                     .bytes = dms_plan_buffer_bytes(&t->plan, c)};
            if (t->plan.kind == DMS_TENSOR_WEIGHT)
                out->problem.tensors[at].storage_bytes =
                    dms_blocks_storage_bytes(&steps->source[t->plan.first_source + c]);
            m->last_touch[at] = DMS_NONE;
        }
    }
    out->problem.n_tensors = at;
    return DMS_OK;
}

/* Notes that `step` touches a block; with `touches` NULL it only counts. */
static void touch(maker *m, uint32_t block, uint32_t step, uint32_t *touches) {
    dms_problem_tensor *t = &m->out->problem.tensors[block];
    if (m->last_touch[block] == step)
        return;
    m->last_touch[block] = step;
    if (touches != NULL)
        touches[t->first_touch + t->n_touches] = step;
    t->n_touches++;
}

/* Walks all operands of all steps in order. */
static void walk(maker *m, uint32_t *touches) {
    const dms_steps *steps = m->steps;
    for (uint32_t i = 0; i < m->out->problem.n_tensors; i++) {
        m->last_touch[i] = DMS_NONE;
        m->out->problem.tensors[i].n_touches = 0;
    }
    for (uint32_t s = 0; s < steps->n_steps; s++) {
        const dms_call *call = &steps->call[steps->step[s].call];
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            const dms_step_operand *o = &steps->step[s].operand[k];
            const uint32_t first = m->out->first_block[o->tensor];
            if (!steps->tensor[o->tensor].plan.is_split)
                touch(m, first, s, touches);
            else
                for (uint32_t c = o->first; c < o->first + o->n; c++)
                    touch(m, first + c, s, touches);
        }
    }
}

/* The first number that is a part of a dotted or slashed name by itself ("layers.12.q"), or -1. */
static long number_in(const char *name) {
    for (const char *p = name; *p != 0; p++) {
        if (*p < '0' || *p > '9')
            continue;
        char *end;
        const long number = strtol(p, &end, 10);
        const bool begins = p == name || p[-1] == '.' || p[-1] == '/';
        const bool ends = *end == 0 || *end == '.' || *end == '/';
        if (begins && ends)
            return number > MOST_LAYERS ? -1 : number;
        p = end - 1;
    }
    return -1;
}

/* The number in the name of the step's node. */
static long number_of_node(const maker *m, uint32_t step) {
    return number_in(m->graph->node[m->steps->step[step].node].name);
}

/* The number in the name of the first weight that belongs to the step's node alone: small constants
 * and what several nodes share say nothing of layers. */
static long number_of_weight(const maker *m, uint32_t step) {
    const dms_step *s = &m->steps->step[step];
    for (uint32_t k = 0; k < m->steps->call[s->call].n_in; k++) {
        const dms_step_tensor *t = &m->steps->tensor[s->operand[k].tensor];
        if (t->plan.kind == DMS_TENSOR_WEIGHT && t->bytes >= SMALLEST_NAMING_BYTES &&
            m->steps->step[t->first_step].node == m->steps->step[t->last_step].node &&
            number_in(t->plan.name) >= 0)
            return number_in(t->plan.name);
    }
    return -1;
}

typedef long number_of(const maker *m, uint32_t step);

/* These numbers count layers: they start low, rise one by one, and each holds several steps. */
static bool counts_layers(const maker *m, number_of *number) {
    const uint32_t n_steps = m->out->problem.n_steps;
    long highest = -1;
    uint32_t rises = 0, jumps = 0, falls = 0;
    for (uint32_t s = 0; s < n_steps; s++) {
        const long n = number(m, s);
        falls += n >= 0 && n < highest;
        rises += n > highest;
        jumps += n > highest + 1;
        highest = n > highest ? n : highest;
    }
    return rises >= 2 && jumps <= rises / 4 && 3 * rises <= n_steps && falls <= n_steps / 8;
}

/* Labels steps with layers: numbers in the names of nodes or weights where they count layers, else
 * equal parts. */
static void label_layers(maker *m) {
    dms_problem *p = &m->out->problem;
    number_of *number = counts_layers(m, number_of_node)     ? number_of_node
                        : counts_layers(m, number_of_weight) ? number_of_weight
                                                             : NULL;
    uint32_t layer = 0;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const long n = number == NULL ? -1 : number(m, s);
        if (n > (long)layer)
            layer = (uint32_t)n;
        if (number == NULL)
            layer = (uint32_t)((uint64_t)s * PARTS_WITHOUT_LAYERS / p->n_steps);
        p->steps[s].layer = layer;
    }
}

static dms_code make_steps(maker *m, dms_status *st) {
    dms_problem *p = &m->out->problem;
    p->n_steps = m->steps->n_steps;
    DMS_TRY(dms_alloc_st(m->arena, p->n_steps, sizeof *p->steps, "problem", &p->steps, st));
    for (uint32_t s = 0; s < p->n_steps; s++)
        p->steps[s] = (dms_problem_step){.ns = m->steps->step[s].ns,
                                         .scratch_bytes = m->steps->step[s].workspace_bytes,
                                         .label = m->graph->node[m->steps->step[s].node].name};
    label_layers(m);
    return DMS_OK;
}

dms_code dms_blocks_make(const dms_graph *graph, const dms_steps *steps, const dms_profile *profile,
                         dms_arena *arena, dms_blocks *out_blocks, dms_status *st) {
    dms_blocks blocks = {0};
    maker m = {.graph = graph, .steps = steps, .arena = arena, .out = &blocks};
    dms_problem *p = &blocks.problem;
    p->name = graph->model_file;
    p->in = profile->in;
    p->out = profile->out;
    p->load = profile->load;
    p->store = profile->store;
    p->contention = profile->contention;
    p->lead_ns = profile->lead_ns;
    p->host_mem = UINT64_MAX;
    p->weight_bytes = steps->weights_bytes;
    DMS_TRY(make_steps(&m, st));
    DMS_TRY(make_tensors(&m, st));
    walk(&m, NULL);
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        p->tensors[i].first_touch = p->n_touches;
        p->n_touches += p->tensors[i].n_touches;
    }
    DMS_TRY(dms_alloc_st(arena, p->n_touches, sizeof *p->touches, "touches", &p->touches, st));
    walk(&m, p->touches);
    DMS_TRY(dms_problem_check(p, st));
    *out_blocks = blocks;
    return DMS_OK;
}
