/* problem.c - the rules that every placement problem keeps, checked once before placing. */
#include "planner/problem.h"

#include <inttypes.h>

#include "planner/contention.h"
#include "schema/checked.h"

#define MAX_STEPS (1u << 24)              /* slots fit an int32_t twice over */
#define MAX_TOTAL ((uint64_t)1 << 61)     /* sums of bytes and of ns keep room to add */
#define MAX_CONTENDED ((uint64_t)1 << 48) /* ns of steps that others make 256 times as long */

/* Text that messages may print for a tensor without a label. */
static const char *name_of(const dms_problem_tensor *tensor) {
    return tensor->label ? tensor->label : "";
}

static dms_code check_tensor(const dms_problem *problem, uint32_t id, dms_status *st) {
    const dms_problem_tensor *tensor = problem->tensors + id;
    const char *name = name_of(tensor);
    const dms_problem_kind kind = tensor->kind;
    if (kind != DMS_PROBLEM_WEIGHT && kind != DMS_PROBLEM_INPUT && kind != DMS_PROBLEM_ACTIVATION &&
        kind != DMS_PROBLEM_OUTPUT)
        return dms_fail(st, DMS_EINTERNAL, "problem tensor %" PRIu32 " '%s': unknown kind %d", id,
                        name, (int)kind);
    if (tensor->bytes == 0)
        return dms_fail(st, DMS_EINTERNAL, "problem tensor %" PRIu32 " '%s': 0 bytes", id, name);
    if (tensor->n_touches == 0 ||
        !dms_range_fits(tensor->first_touch, tensor->n_touches, problem->n_touches))
        return dms_fail(st, DMS_EINTERNAL, "problem tensor %" PRIu32 " '%s': no touches", id, name);
    if (tensor->storage_bytes > 0 && kind != DMS_PROBLEM_WEIGHT)
        return dms_fail(st, DMS_EINTERNAL, "problem tensor %" PRIu32 " '%s': no file holds it", id,
                        name);
    const uint32_t *touch = problem->touches + tensor->first_touch;
    for (uint32_t k = 0; k < tensor->n_touches; k++)
        if (touch[k] >= problem->n_steps || (k > 0 && touch[k] <= touch[k - 1]))
            return dms_fail(st, DMS_EINTERNAL,
                            "problem tensor %" PRIu32 " '%s': touches are not ascending steps", id,
                            name);
    return DMS_OK;
}

static dms_code check_links(const dms_problem *problem, dms_status *st) {
    const dms_link *links[] = {&problem->in, &problem->out, &problem->load, &problem->store};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i]->bytes_per_s <= 0 || links[i]->bytes_per_s > DMS_MOST_RATE ||
            links[i]->latency_ns < 0 || links[i]->latency_ns > DMS_MOST_LATENCY)
            return dms_fail(st, DMS_EINTERNAL, "problem: link %zu has no rate", i);
    if (problem->lead_ns < 0 || problem->lead_ns > DMS_MOST_LEAD)
        return dms_fail(st, DMS_EINTERNAL, "problem: a lead of %" PRId64 " ns", problem->lead_ns);
    for (uint32_t k = 0; k < DMS_CONTENTION_QUEUES * DMS_CONTENTION_QUEUES; k++) {
        const uint32_t a = k / DMS_CONTENTION_QUEUES, b = k % DMS_CONTENTION_QUEUES;
        const int32_t extra = problem->contention.extra[a][b];
        if (extra < 0 || extra > DMS_MOST_EXTRA || (a == b && extra != 0))
            return dms_fail(st, DMS_EINTERNAL, "problem: a slowdown by %" PRId32 " thousandths",
                            extra);
    }
    return DMS_OK;
}

/* Total bytes and total ns, over all touches, stay below 2^61. */
static dms_code check_totals(const dms_problem *problem, dms_status *st) {
    const uint64_t most_ns = dms_contention_any(&problem->contention) ? MAX_CONTENDED : MAX_TOTAL;
    uint64_t bytes = 0, ns = 0;
    bool fits = true;
    for (uint32_t t = 0; t < problem->n_steps; t++) {
        const dms_problem_step *step = problem->steps + t;
        if (step->ns < 0)
            return dms_fail(st, DMS_EINTERNAL, "problem step %" PRIu32 ": negative time", t);
        fits = fits && dms_add(ns, (uint64_t)step->ns, &ns) &&
               dms_add(bytes, step->scratch_bytes, &bytes) && ns < most_ns && bytes < MAX_TOTAL;
    }
    for (uint32_t i = 0; i < problem->n_tensors && fits; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        uint64_t moved;
        fits = dms_mul(tensor->bytes, tensor->n_touches, &moved) && moved < MAX_TOTAL &&
               dms_add(bytes, moved, &bytes) && bytes < MAX_TOTAL &&
               (double)moved * 1e9 / (double)problem->in.bytes_per_s < 1e18 &&
               (double)moved * 1e9 / (double)problem->out.bytes_per_s < 1e18 &&
               dms_mul(tensor->storage_bytes, tensor->n_touches, &moved) && moved < MAX_TOTAL &&
               (double)moved * 1e9 / (double)problem->load.bytes_per_s < 1e18;
    }
    return fits ? DMS_OK
                : dms_fail(st, DMS_EUSAGE,
                           "problem: sizes or times exceed 61 bits: the model is too large, or the "
                           "profile too slow");
}

dms_code dms_problem_check(const dms_problem *problem, dms_status *st) {
    if (problem->n_steps == 0 || problem->n_steps > MAX_STEPS)
        return dms_fail(st, DMS_EINTERNAL, "problem: %" PRIu32 " steps", problem->n_steps);
    DMS_TRY(check_links(problem, st));
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        DMS_TRY(check_tensor(problem, i, st));
    return check_totals(problem, st);
}
