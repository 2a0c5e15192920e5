/* meaning.h - what does a cell contain, said independently of where and when?
 *
 * Reads    the plan's tables.
 * Returns  content ids: 128-bit hashes of how the content comes about (P5).
 * Cost     one hash per command and per cell that it names.
 * Source   none; a Merkle tree over the computation.
 * Not here which command reads what (check_contents.c).
 *
 *     weight cell     file digest and range, or the constant's bytes, and the walk over them
 *     input cell      port number, dims, cell
 *     computed cell   kernel and parameters, ids of all input cells in order, number of the output
 *                     and of the cell within it
 *     meaning         ids of all output cells, ports in order
 */
#ifndef DMS_RUNTIME_CHECK_MEANING_H
#define DMS_RUNTIME_CHECK_MEANING_H

#include "schema/plan.h"

/* Id of the weight cell that comes from a source. */
dms_hash dms_meaning_source(const dms_plan *plan, uint32_t source);

/* Id of a cell of a graph input. */
dms_hash dms_meaning_input(const dms_plan *plan, uint32_t port, uint32_t cell);

/* Adds one more id to a running hash. */
static inline dms_hash dms_meaning_add(dms_hash sum, dms_hash id) {
    return dms_hash_join(sum, id);
}

/* Id of cell `cell` of output `out` of a computation whose inputs gave `sum`. */
dms_hash dms_meaning_output(dms_hash sum, uint32_t out, uint32_t cell);

#endif
