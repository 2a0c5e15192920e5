/* names.h - which tensor does this name mean, here?
 *
 * Reads    names of one graph, function body or branch, and of the scopes around it.
 * Returns  tensor ids.
 * Cost     O(1) expected per look-up and scope level; never walked in hash order.
 * Source   ONNX IR specification, "Names Within a Graph".
 * Not here what a tensor is (graph.h).
 */
#ifndef DMS_ONNX_NAMES_H
#define DMS_ONNX_NAMES_H

#include <stdbool.h>

#include "schema/arena.h"

/* One name. Keys are kept by pointer: they must live as long as the table. */
typedef struct dms_name {
    const char *key; /* NULL = free */
    uint32_t value;
    bool is_made; /* an initializer, an input, or the output of a node seen before */
} dms_name;

/* A table of names. Zero-initialise. */
typedef struct dms_names {
    dms_arena *arena;
    dms_name *slot;
    uint32_t n, cap; /* cap is 0 or a power of two */
} dms_names;

/* The entry of this name, or NULL. Valid until the next dms_names_add. */
dms_name *dms_names_find(const dms_names *names, const char *key);

/* Adds a name that is not there yet; *out (may be NULL) is its entry.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_names_add(dms_names *names, const char *key, uint32_t value,
                                   dms_name **out, dms_status *st);

/* A copy in which control characters are written \\xNN, so that messages stay on their line; NULL
 * when out of memory. */
char *dms_escape(dms_arena *arena, const char *text);

#endif
