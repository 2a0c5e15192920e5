/* interpreter.h - runs lowered calls one after the other, every storage in memory of its own.
 *
 * Reads    a lowered graph and the bytes of its inputs.
 * Returns  the bytes of its outputs.
 * Cost     all storages at once: for small models.
 * Source   none.
 * Not here how dms runs a plan (runtime/engine): this one has no plan, arena or thread, and serves
 *          as its oracle.
 */
#ifndef DMS_TESTS_CONFORMANCE_INTERPRETER_H
#define DMS_TESTS_CONFORMANCE_INTERPRETER_H

#include "onnx/graph.h"

typedef struct interpreter {
    const dms_graph *graph;
    const dms_lowered *lowered;
    void **storage; /* per tensor of the graph; NULL where it is no storage in use */
    void *scratch;
} interpreter;

/* Gives every storage its memory: constants their bytes, inputs those of `input` (in the graph's
 * order), the rest a pattern that is no number. `interpreter_free` must follow in any case.
 * Errors   DMS_EIO: a constant cannot be read; DMS_EDEVICE: a call that this build cannot run. */
DMS_CHECKED dms_code interpreter_open(interpreter *out, const dms_graph *graph,
                                      const dms_lowered *lowered, const void *const *input,
                                      dms_status *st);

/* Runs all calls.
 * Errors   DMS_EINPUT: an index is out of range. */
DMS_CHECKED dms_code interpreter_run(interpreter *run, dms_status *st);

/* The bytes of output k, dense. */
const void *interpreter_output(const interpreter *run, uint32_t k);

/* Returns the memory. */
void interpreter_free(interpreter *run);

#endif
