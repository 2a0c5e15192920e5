/* refuse.c - everything that is not supported, in one message: at most 12 lines of 500 columns,
 * operators in the order in which the graph meets them. */
#include <stdio.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/op.h"
#include "onnx/order.h"

#define MOST_ROWS 8u
#define MOST_KINDS 50u /* told apart; of a hostile model's others the nodes are counted */

/* One unsupported operator. */
typedef struct entry {
    const dms_node *first;
    uint32_t n_nodes;
} entry;

/* What was found. */
typedef struct findings {
    entry *op;
    uint32_t n_ops, n_bad_nodes;
    const dms_tensor **tensor; /* the first of each unsupported data type */
    uint32_t *n_tensors;
    uint32_t n_dtypes;
    uint8_t *is_seen; /* per tensor */
} findings;

/* One line of the message per operator and version. */
static bool same_op(const dms_node *a, const dms_node *b) {
    return a->version == b->version && strcmp(a->op, b->op) == 0 &&
           strcmp(a->domain, b->domain) == 0;
}

/* If is resolved, not run. */
static bool is_supported(const dms_node *node) {
    const bool is_main = node->domain[0] == 0 || strcmp(node->domain, "ai.onnx") == 0;
    return (is_main && strcmp(node->op, "If") == 0) ||
           dms_op_find(node->domain, node->op, node->version) != NULL;
}

/* Linear in the operators that are not supported, up to MOST_KINDS. */
static void note_op(findings *f, const dms_node *node) {
    f->n_bad_nodes++;
    for (uint32_t k = 0; k < f->n_ops; k++)
        if (same_op(f->op[k].first, node)) {
            f->op[k].n_nodes++;
            return;
        }
    if (f->n_ops < MOST_KINDS)
        f->op[f->n_ops++] = (entry){node, 1};
}

/* One entry per data type, with its first tensor; a tensor of several uses counts once. */
static void note_tensor(findings *f, const dms_graph *graph, uint32_t id) {
    const dms_tensor *tensor = &graph->tensor[id];
    if (f->is_seen[id] || !tensor->has_shape || dms_dtype_bytes((uint32_t)tensor->dtype) != 0)
        return;
    f->is_seen[id] = 1;
    for (uint32_t k = 0; k < f->n_dtypes; k++)
        if (f->tensor[k]->dtype == tensor->dtype) {
            f->n_tensors[k]++;
            return;
        }
    if (f->n_dtypes == MOST_KINDS)
        return;
    f->tensor[f->n_dtypes] = tensor;
    f->n_tensors[f->n_dtypes++] = 1;
}

/* The file's name or the operator's domain, as users know it. */
static const char *plain_domain(const char *domain) {
    return domain[0] == 0 ? "ai.onnx" : domain;
}

/* Room for what one model can hold. */
static dms_code make_room(const dms_graph *graph, const dms_order *order, dms_arena *scratch,
                          findings *f, dms_status *st) {
    *f = (findings){0};
    DMS_TRY(dms_alloc_st(scratch, order->n, sizeof *f->op, "a list", &f->op, st));
    DMS_TRY(dms_alloc_st(scratch, graph->n_tensors, sizeof *f->tensor, "a list", &f->tensor, st));
    DMS_TRY(dms_alloc_st(scratch, graph->n_tensors, 1, "a list", &f->is_seen, st));
    return dms_alloc_st(scratch, graph->n_tensors, sizeof *f->n_tensors, "a list", &f->n_tensors,
                        st);
}

/* Counts the distinct operators that are supported. */
static uint32_t count_supported(const dms_graph *graph, const dms_order *order, entry *seen) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < order->n; k++) {
        const dms_node *node = &graph->node[order->node[k]];
        uint32_t j = 0;
        if (!is_supported(node))
            continue;
        while (j < n && !same_op(seen[j].first, node))
            j++;
        if (j == n)
            seen[n++].first = node;
    }
    return n;
}

/* Appends to a message; text beyond its end is dropped. */
static void print(char *out, size_t size, size_t *at, const char *fmt, ...) DMS_FORMAT(4, 5);
static void print(char *out, size_t size, size_t *at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(out + *at, size - *at, fmt, args);
    va_end(args);
    *at = n < 0 ? *at : *at + (size_t)n < size ? *at + (size_t)n : size - 1;
}

/* The table of operators. */
static void print_ops(const dms_graph *graph, const dms_order *order, const findings *f, char *out,
                      size_t size, size_t *at) {
    if (f->n_ops == 0)
        return;
    const char *least = f->n_ops == MOST_KINDS ? "at least " : "";
    print(out, size, at, "%.100s uses %s%u operator%s that %s not supported, in %u of %u nodes\n",
          graph->model_file, least, f->n_ops, f->n_ops == 1 ? "" : "s",
          f->n_ops == 1 ? "is" : "are", f->n_bad_nodes, order->n);
    print(out, size, at, "  %-25s  %-13s  opset  nodes  first node\n", "operator", "domain");
    for (uint32_t k = 0; k < f->n_ops && k < MOST_ROWS; k++) {
        const dms_node *node = f->op[k].first;
        print(out, size, at, "  %-25.60s  %-13.40s  %5u  %5u  %.80s\n", node->op,
              plain_domain(node->domain), node->version, f->op[k].n_nodes, node->name);
    }
    if (f->n_ops > MOST_ROWS)
        print(out, size, at, "  and %s%u more\n", least, f->n_ops - MOST_ROWS);
}

/* The line of data types. */
static void print_dtypes(const dms_graph *graph, const findings *f, char *out, size_t size,
                         size_t *at) {
    if (f->n_dtypes == 0)
        return;
    if (f->n_ops == 0)
        print(out, size, at, "%.100s uses data types that are not supported\n", graph->model_file);
    print(out, size, at, "  data types:");
    for (uint32_t k = 0; k < f->n_dtypes && k < 4; k++)
        print(out, size, at, "%s %s (%u, in %u tensor%s, first '%.60s')", k == 0 ? "" : ",",
              dms_dtype_name((uint32_t)f->tensor[k]->dtype), (unsigned)f->tensor[k]->dtype,
              f->n_tensors[k], f->n_tensors[k] == 1 ? "" : "s", f->tensor[k]->name);
    print(out, size, at, "\n");
}

dms_code dms_refuse_unknown(const dms_graph *graph, const dms_order *order, dms_arena *scratch,
                            dms_status *st) {
    findings f;
    entry *seen;
    DMS_TRY(make_room(graph, order, scratch, &f, st));
    for (uint32_t k = 0; k < order->n; k++) {
        const dms_node *node = &graph->node[order->node[k]];
        if (!is_supported(node))
            note_op(&f, node);
        for (uint32_t j = 0; j < node->n_in; j++)
            if (node->in[j] != DMS_NONE)
                note_tensor(&f, graph, node->in[j]);
    }
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        note_tensor(&f, graph, graph->output[k]);
    if (f.n_ops == 0 && f.n_dtypes == 0)
        return DMS_OK;
    char text[1800];
    size_t at = 0;
    DMS_TRY(dms_alloc_st(scratch, order->n, sizeof *seen, "a list", &seen, st));
    print_ops(graph, order, &f, text, sizeof text, &at);
    print_dtypes(graph, &f, text, sizeof text, &at);
    const uint32_t others = count_supported(graph, order, seen);
    if (others > 1)
        print(text, sizeof text, &at, "  all other %u operators are supported; ", others);
    else
        print(text, sizeof text, &at, others == 1 ? "  the other operator is supported; " : "  ");
    print(text, sizeof text, &at, "dmsc --list-ops prints those that are supported");
    return dms_fail(st, DMS_EUNSUPPORTED, "%s", text);
}
