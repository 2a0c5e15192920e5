/* dims.h - the symbolic dims of a model's inputs, and the sizes that the user gives.
 *
 * Reads    dims as the model writes them: names, expressions of names, nameless ones.
 * Returns  a size for each; or a message with a command that gives the missing ones.
 * Cost     O(dims).
 * Source   ONNX IR specification, "Static tensor shapes".
 * Not here how an expression is evaluated (expr.h).
 *
 * A nameless dim is called INPUT[AXIS]. A text such as "past + seq" follows from past and seq; when
 * one of its names is no dim of the model, the whole text is taken as a name.
 */
#ifndef DMS_ONNX_DIMS_H
#define DMS_ONNX_DIMS_H

#include "schema/arena.h"

typedef struct dms_graph dms_graph;               /* graph.h */
typedef struct dms_read_options dms_read_options; /* graph.h */
#include "onnx/names.h"

/* One distinct text. */
typedef struct dms_dim_entry {
    const char *text; /* as the model writes it */
    bool is_required; /* of an input; else only an output mentions it */
    bool is_leading;  /* the first axis of a tensor of several: a batch, most likely */
    bool is_known, is_given;
    int64_t value;
} dms_dim_entry;

typedef struct dms_dims {
    dms_arena *scratch;
    dms_names index; /* text -> entry */
    dms_dim_entry *entry;
    uint32_t n, cap;
    uint32_t n_missing; /* required dims without a size, after dms_dims_resolve */
} dms_dims;

#define DMS_DIMS_ATTEMPTS 6u

/* Notes a symbolic dim. `text` must live as long as the table. */
DMS_CHECKED dms_code dms_dims_note(dms_dims *dims, const char *text, bool is_required,
                                   bool is_leading, dms_status *st);

/* Gives every required dim its size and records the named ones in graph->dim.
 * Errors   DMS_EUSAGE: a name the model lacks, two sizes for one name; no size (prints a
 *          command). */
DMS_CHECKED dms_code dms_dims_resolve(dms_dims *dims, dms_graph *graph,
                                      const dms_read_options *options, dms_status *st);

/* Options in which every missing dim has a likely size; `attempt` < DMS_DIMS_ATTEMPTS selects.
 * Owner    names are borrowed from `dims`, the array lives in `arena`. */
DMS_CHECKED dms_code dms_dims_try(const dms_dims *dims, uint32_t attempt, dms_arena *arena,
                                  dms_read_options *out, dms_status *st);

/* Says which dims are missing, with a command that gives them the sizes of an attempt.
 * Errors   DMS_EUSAGE, always. */
dms_code dms_dims_complain(const dms_dims *dims, const dms_graph *graph, uint32_t attempt,
                           dms_status *st);

/* Size of a noted dim; false when it has none. */
bool dms_dims_value(const dms_dims *dims, const char *text, int64_t *out);

#endif
