/* node.c - what rows ask of a node: attributes, operands, and how to say what is wrong. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/op.h"

const dms_attr *dms_node_attr(const dms_node *node, const char *name) {
    for (uint32_t k = 0; k < node->n_attrs; k++)
        if (strcmp(node->attr[k].name, name) == 0)
            return &node->attr[k];
    return NULL;
}

/* The attribute of this name and kind, or NULL. */
static const dms_attr *attr_of(const dms_node *node, const char *name, dms_attr_kind kind) {
    const dms_attr *attr = dms_node_attr(node, name);
    return attr != NULL && attr->kind == kind ? attr : NULL;
}

int64_t dms_node_int(const dms_node *node, const char *name, int64_t otherwise) {
    const dms_attr *attr = attr_of(node, name, DMS_ATTR_INT);
    return attr == NULL ? otherwise : attr->i;
}

double dms_node_float(const dms_node *node, const char *name, double otherwise) {
    const dms_attr *attr = attr_of(node, name, DMS_ATTR_FLOAT);
    return attr == NULL ? otherwise : (double)attr->f;
}

const char *dms_node_string(const dms_node *node, const char *name, const char *otherwise) {
    const dms_attr *attr = attr_of(node, name, DMS_ATTR_STRING);
    return attr == NULL ? otherwise : attr->s;
}

uint32_t dms_node_ints(const dms_node *node, const char *name, const int64_t **out) {
    const dms_attr *attr = attr_of(node, name, DMS_ATTR_INTS);
    *out = attr == NULL ? NULL : attr->ints;
    return attr == NULL ? 0 : attr->n;
}

dms_tensor *dms_in(const dms_graph *graph, const dms_node *node, uint32_t k) {
    return k < node->n_in && node->in[k] != DMS_NONE ? &graph->tensor[node->in[k]] : NULL;
}

dms_tensor *dms_out(const dms_graph *graph, const dms_node *node, uint32_t k) {
    return k < node->n_out && node->out[k] != DMS_NONE ? &graph->tensor[node->out[k]] : NULL;
}

dms_code dms_node_fail(const dms_node *node, dms_status *st, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return dms_fail(st, DMS_EUNSUPPORTED, "node '%.120s' (%.60s): %s", node->name, node->op, text);
}

dms_code dms_axis(const dms_node *node, int64_t axis, uint32_t rank, uint32_t *out,
                  dms_status *st) {
    const int64_t n = (int64_t)rank;
    if (axis < -n || axis >= n)
        return dms_node_fail(node, st, "axis %" PRId64 " is outside a tensor of rank %" PRIu32,
                             axis, rank);
    *out = (uint32_t)(axis < 0 ? axis + n : axis);
    return DMS_OK;
}
