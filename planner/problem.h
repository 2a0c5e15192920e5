/* problem.h - the placement problem in numbers: steps, blocks with their touches, links.
 *
 * Reads    "dms-problem" JSON, version 1 (dmsc --dump-problem writes it; the bench reads it).
 * Returns  a plain record that the planner fills and the placement code (place.h) reads.
 * Cost     O(steps + touches).
 * Source   PLACEMENT.md, section 11.
 * Not here ONNX (labels travel as text), decisions (place.h).
 */
#ifndef DMS_PLANNER_PROBLEM_H
#define DMS_PLANNER_PROBLEM_H

#include <stdio.h>

#include "schema/profile.h"
#include "schema/status.h"

typedef struct dms_arena dms_arena; /* schema/arena.h */
typedef struct dms_json dms_json;   /* schema/json.h */

/* What a problem tensor is; the values are the letters of the JSON form. */
typedef enum dms_problem_kind {
    DMS_PROBLEM_WEIGHT = 'w',     /* read only; all gaps free, the last one wraps */
    DMS_PROBLEM_INPUT = 'i',      /* read only; its wrap gap is always loaded, from slot 0 on */
    DMS_PROBLEM_ACTIVATION = 'a', /* written by its first touches, dead after its last */
    DMS_PROBLEM_OUTPUT = 'o',     /* like an activation, and always saved to host */
} dms_problem_kind;

/* One compute step. */
typedef struct dms_problem_step {
    int64_t ns;             /* its time when nothing stalls it; > 0 or 0 */
    uint64_t scratch_bytes; /* workspace that lives for this step alone */
    uint32_t layer;         /* a label that only the layer-wise rule of comparison reads */
    const char *label;      /* for people; may be NULL */
} dms_problem_step;

/* One block of a weight, or one whole input, activation or output: resident as a whole or not.
 * Its touches are problem->touches[first_touch .. first_touch + n_touches), ascending steps without
 * repetition, at least one. Of an activation or output the touches include every writing step, and
 * its *write run*, the first run of neighbouring touches, must cover all of them: after it the
 * tensor is only read, and a copy on the host stays valid.
 * Gap j lies between touch j and touch j + 1; of weights and inputs gap n_touches - 1 wraps to
 * touch 0 of the next cycle. Gaps between neighbouring steps have no decision. */
typedef struct dms_problem_tensor {
    dms_problem_kind kind;
    uint64_t bytes; /* > 0; occupies bytes rounded up to DMS_ALIGN */
    /* Of a weight: bytes that the storage delivers when it is read from its file once more, gaps of
     * a strided walk included; 0 = its home is never there (it lies in the plan itself). */
    uint64_t storage_bytes;
    uint32_t first_touch, n_touches;
    const char *label; /* for people; may be NULL */
} dms_problem_tensor;

/* Zero-initialise. tensor id = index in `tensors`, step id = index in `steps`. */
typedef struct dms_problem {
    const char *name; /* may be NULL */
    dms_problem_step *steps;
    uint32_t n_steps;
    dms_problem_tensor *tensors;
    uint32_t n_tensors;
    uint32_t *touches;
    uint32_t n_touches;
    dms_link in, out, load, store; /* host->device, device->host, storage->host, host->storage */
    dms_contention contention;     /* priced by the plan; the bound is that without it */
    int64_t lead_ns;               /* a copy may begin this long after its reading has ended */
    uint64_t host_mem;             /* host budget; UINT64_MAX = no limit (1e15 in JSON) */
    uint64_t weight_bytes;         /* what percentages refer to; carried, not used */
    uint64_t *budgets;             /* device budgets of a stored instance; may be empty */
    uint32_t n_budgets;
} dms_problem;

/* Proves that a problem keeps the rules above, and that its sizes and times add up in 63 bits.
 * Errors   DMS_EINTERNAL naming the tensor or step (the planner made it); DMS_EUSAGE where they do
 * not add up, for that is the model's or the profile's. */
DMS_CHECKED dms_code dms_problem_check(const dms_problem *problem, dms_status *st);

/* Reads the JSON form from a file and checks it.
 * Errors   DMS_EIO: the file cannot be read; DMS_EUSAGE: not a dms-problem, naming the key. */
DMS_CHECKED dms_code dms_problem_read(const char *path, dms_arena *arena, dms_problem *out_problem,
                                      dms_status *st);

/* Writes the keys of the JSON form into an open object. */
void dms_problem_put(const dms_problem *problem, dms_json *json);

/* Writes the JSON form; reading it gives an equal problem (labels of steps and tensors left out).
 * Errors   DMS_EIO when the stream reports one. */
DMS_CHECKED dms_code dms_problem_write(const dms_problem *problem, FILE *out, dms_status *st);

#endif
