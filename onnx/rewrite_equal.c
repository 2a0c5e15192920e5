/* rewrite_equal.c - what is written twice is computed once.
 *
 * Exporters repeat small constants, casts of the mask, cosines of the positions in every layer, and
 * give one weight several names. Equal constants become one; then two nodes with equal operator,
 * attributes and operands do, in one walk in order, since the second sees the renamed operands of
 * the first.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/rewrite_internal.h"

#define LARGEST_CONSTANT 4096u

/* State of one walk. */
typedef struct walk {
    dms_graph *graph;
    dms_arena *scratch;
    dms_names seen;     /* text of a hash -> tensor or node */
    uint32_t *same;     /* per tensor: the one that stands for it */
    uint8_t *is_output; /* of the graph: keeps its own name and storage */
} walk;

/* Mixes bytes into a hash. */
static dms_hash mix(dms_hash hash, const void *data, uint64_t size) {
    return dms_hash_join(hash, dms_hash_bytes(data, size, 0));
}

/* Finds what has this hash, or enters `value` under it. 128 bits: equal hashes are equal things. */
static dms_code find_or_add(walk *w, dms_hash hash, uint32_t value, uint32_t *out, dms_status *st) {
    char text[33];
    const dms_name *known = dms_names_find(&w->seen, dms_hash_text(hash, text));
    *out = known == NULL ? value : known->value;
    if (known != NULL)
        return DMS_OK;
    const char *key = dms_strndup(w->scratch, text, sizeof text - 1);
    if (key == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a hash");
    return dms_names_add(&w->seen, key, value, NULL, st);
}

/* Hash of a constant: of its bytes where they are in memory, of their place where they are in a
 * file. Two names of one place (tied embeddings) are one weight, with one home and one copy. */
static dms_hash hash_constant(const dms_tensor *t) {
    const bool is_file = t->origin == DMS_ORIGIN_FILE;
    const uint64_t head[5] = {(uint64_t)t->dtype, t->rank, t->origin, is_file ? t->file : 0,
                              is_file ? t->offset : 0};
    const dms_hash hash =
        mix(dms_hash_bytes(head, sizeof head, 1), t->dim, t->rank * sizeof *t->dim);
    if (t->origin == DMS_ORIGIN_FILL)
        return mix(hash, t->data, dms_dtype_bytes(t->dtype));
    return is_file ? hash : mix(hash, t->data, t->bytes);
}

/* Unites equal constants. Large ones in memory are left alone: hashing them costs more than the
 * rare repeat. */
static dms_code unite_constants(walk *w, dms_status *st) {
    for (uint32_t id = 0; id < w->graph->n_tensors; id++) {
        const dms_tensor *t = &w->graph->tensor[id];
        if (!dms_tensor_is_constant(t) || w->is_output[id] ||
            (t->origin == DMS_ORIGIN_MADE && t->bytes > LARGEST_CONSTANT))
            continue;
        DMS_TRY(find_or_add(w, hash_constant(t), id, &w->same[id], st));
    }
    return DMS_OK;
}

/* Hash of an attribute's value. */
static dms_hash mix_attr(dms_hash hash, const dms_attr *a) {
    const uint64_t head[3] = {(uint64_t)a->kind, a->n, a->tensor};
    hash = mix(hash, a->name, strlen(a->name));
    hash = mix(hash, head, sizeof head);
    hash = mix(hash, &a->i, sizeof a->i);
    hash = mix(hash, &a->f, sizeof a->f);
    if (a->s != NULL)
        hash = mix(hash, a->s, strlen(a->s));
    if (a->ints != NULL)
        hash = mix(hash, a->ints, a->n * sizeof *a->ints);
    if (a->floats != NULL)
        hash = mix(hash, a->floats, a->n * sizeof *a->floats);
    for (uint32_t k = 0; a->strings != NULL && k < a->n; k++)
        hash = mix(hash, a->strings[k], strlen(a->strings[k]));
    return hash;
}

/* Everything that decides what a node computes; its name does not. */
static dms_hash hash_node(const dms_node *node) {
    const uint64_t head[3] = {node->version, node->n_in, node->n_out};
    dms_hash hash = dms_hash_bytes(head, sizeof head, 2);
    hash = mix(hash, node->op, strlen(node->op));
    hash = mix(hash, node->domain, strlen(node->domain));
    hash = mix(hash, node->in, node->n_in * sizeof *node->in);
    for (uint32_t k = 0; k < node->n_attrs; k++)
        hash = mix_attr(hash, &node->attr[k]);
    for (uint32_t k = 0; k < node->n_out; k++) { /* which outputs are wanted */
        const bool is_wanted = node->out[k] != DMS_NONE;
        hash = mix(hash, &is_wanted, sizeof is_wanted);
    }
    return hash;
}

/* A node may stand for another when none of the other's outputs leaves the graph. */
static bool leaves(const walk *w, const dms_node *node) {
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE && w->is_output[node->out[k]])
            return true;
    return false;
}

/* Renames the operands of one node, then looks for its like. */
static dms_code unite_node(walk *w, uint32_t id, dms_status *st) {
    dms_node *node = &w->graph->node[id];
    uint32_t first;
    if (node->is_gone)
        return DMS_OK;
    for (uint32_t k = 0; k < node->n_in; k++)
        if (node->in[k] != DMS_NONE)
            node->in[k] = w->same[node->in[k]];
    DMS_TRY(find_or_add(w, hash_node(node), id, &first, st));
    if (first == id || leaves(w, node))
        return DMS_OK;
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE)
            w->same[node->out[k]] = w->graph->node[first].out[k];
    node->is_gone = true;
    return DMS_OK;
}

dms_code dms_unite_equal(dms_graph *graph, dms_arena *scratch, dms_status *st) {
    walk w = {.graph = graph, .scratch = scratch, .seen.arena = scratch};
    DMS_TRY(dms_alloc_st(scratch, graph->n_tensors, sizeof *w.same, "a walk", &w.same, st));
    DMS_TRY(dms_alloc_st(scratch, graph->n_tensors, 1, "a walk", &w.is_output, st));
    for (uint32_t id = 0; id < graph->n_tensors; id++)
        w.same[id] = id;
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        w.is_output[graph->output[k]] = 1;
    DMS_TRY(unite_constants(&w, st));
    for (uint32_t id = 0; id < graph->n_nodes; id++)
        DMS_TRY(unite_node(&w, id, st));
    return DMS_OK;
}
