/* support_change.h - one wrong field in a good plan, as accidents and strangers make them.
 *
 * Reads    a decoded plan and a source of choices: a seed, or bytes that a fuzzer has made.
 * Returns  the plan changed in place, of the asked kind.
 * Cost     O(commands of a queue); arrays that grow are taken anew.
 * Source   none.
 * Not here what becomes of it (support_changes.h).
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_CHANGE_H
#define DMS_TESTS_UNIT_SUPPORT_CHANGE_H

#include "schema/plan.h"

typedef enum change_kind {
    CHANGE_WAIT_DROPPED,
    CHANGE_WAIT_LOOSENED, /* an earlier command, another queue, the turn before */
    CHANGE_MOVED,         /* within its queue */
    CHANGE_QUEUE,         /* to another queue */
    CHANGE_REMOVED,
    CHANGE_FLAG,      /* signal, ahead */
    CHANGE_ORDER,     /* of submission */
    CHANGE_SHIFTED,   /* a buffer */
    CHANGE_SHRUNK,    /* a buffer, or its arena */
    CHANGE_HOME,      /* arena of a buffer, what a copy or load moves, kind of a tensor */
    CHANGE_OPERAND,   /* buffer, workspace, call or step of a command */
    CHANGE_CELLS,     /* the range an operand names, the cell of a buffer, the grid */
    CHANGE_SIZE,      /* dims, pitches and offsets of tensors, views, sources and ports */
    CHANGE_DTYPE,     /* of a tensor, a view or a port */
    CHANGE_PARAMETER, /* a number of a call */
    CHANGE_KERNEL,    /* another kernel, index kernels above all */
    CHANGE_FILE,      /* an entry of the files, the place of a source, a constant */
    N_CHANGES
} change_kind;

/* Where choices come from: the bytes while there are some, after them the seed (0: always 0). */
typedef struct change_source {
    const uint8_t *data;
    size_t size;
    uint64_t seed;
} change_source;

/* "wait dropped", ... */
const char *change_name(change_kind kind);

/* The next choice, 0 <= choice < n. */
uint32_t change_below(change_source *source, uint32_t n);

/* Makes one change; false where the plan has nothing of that kind. What it stores lives in
 * `arena`. The plan was decoded into memory of its own: its tables are written to. */
bool change_plan(dms_plan *plan, dms_arena *arena, change_kind kind, change_source *source);

#endif
