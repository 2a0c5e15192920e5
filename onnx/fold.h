/* fold.h - what depends on constants alone is computed now.
 *
 * Reads    a node with known shapes whose operands are constants (or whose values do not matter).
 * Returns  its outputs as constants; nothing when that would cost memory or long, or data are
 *          missing.
 * Cost     the node's kernel on this machine; at most DMS_FOLD_READ bytes are read, and for a whole
 *          model DMS_FOLD_WORK operations are done, more for what replaces bytes of its files.
 * Source   none.
 * Not here constant nodes and branches (import.c).
 */
#ifndef DMS_ONNX_FOLD_H
#define DMS_ONNX_FOLD_H

#include <stdbool.h>

#include "schema/arena.h"

typedef struct dms_graph dms_graph; /* graph.h */

#define DMS_FOLD_READ (256u << 20) /* most bytes of constants read to fold one node */
#define DMS_FOLD_ALL (48u << 20)   /* most bytes that folding makes from nothing */
#define DMS_FOLD_TIMES 4u          /* ... and times the bytes of the files' constants it replaces */
#define DMS_FOLD_WORK (UINT64_C(1) << 35) /* most dms_call_work of all folding, seconds ... */
#define DMS_FOLD_WORK_TIMES 1024u         /* ... and for each byte of what it replaces */

/* What folding needs besides the graph. */
typedef struct dms_folder {
    dms_graph *graph;
    dms_arena *scratch; /* released after every node */
    void *cpu_scratch;  /* of kernels; made on first use */
    uint32_t *n_uses;   /* per tensor, by live nodes and outputs */
    uint32_t cap_uses;
    uint64_t made, replaced; /* bytes of folded constants, and of files' constants they replace */
    uint64_t work;           /* of all calls so far */
} dms_folder;

/* Notes the uses of tensors by one more node. */
DMS_CHECKED dms_code dms_fold_count(dms_folder *folder, const uint32_t *tensor, uint32_t n,
                                    dms_status *st);

/* Folds a node if it can and should be; then its outputs are constants and *out_done is true.
 * Errors   DMS_EUNSUPPORTED naming the node: its kernel refuses the operands or an index. */
DMS_CHECKED dms_code dms_fold_node(dms_folder *folder, uint32_t node, bool *out_done,
                                   dms_status *st);

#endif
