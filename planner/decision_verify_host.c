/* decision_verify_host.c - homes and ring of a decision, by code of its own. */
#include <inttypes.h>

#include "planner/decision_verify.h"
#include "planner/place.h"
#include "schema/checked.h"

/* The checks of one decision. */
typedef struct host {
    const dms_problem *problem;
    const dms_decision *d;
    dms_status *st;
} host;

static dms_code bad_home(const host *h, uint32_t id, const char *what) {
    return dms_fail(h->st, DMS_EPLAN, "home of tensor %" PRIu32 ": %s", id, what);
}

static dms_code bad_read(const host *h, uint32_t q, const char *what) {
    return dms_fail(h->st, DMS_EPLAN, "reading of load %" PRIu32 " (tensor %" PRIu32 "): %s", q,
                    h->d->loads[q].tensor, what);
}

/* The bytes of a place in the ring. */
static uint64_t place_bytes(const host *h, uint32_t q) {
    const uint64_t bytes = h->problem->tensors[h->d->loads[q].tensor].bytes;
    return (bytes + DMS_PLACE_PAGE - 1) / DMS_PLACE_PAGE * DMS_PLACE_PAGE;
}

static bool is_on_storage(const host *h, uint32_t id) {
    return h->d->n_read > 0 && h->d->is_read[id] != 0;
}

/* Only weights that leave and that a file holds have their home there. */
static dms_code check_homes(const host *h, const uint8_t *is_loaded) {
    uint64_t homes = 0, bytes;
    uint32_t n_read = 0;
    for (uint32_t i = 0; i < h->problem->n_tensors; i++) {
        const dms_problem_tensor *t = h->problem->tensors + i;
        n_read += is_on_storage(h, i);
        if (is_on_storage(h, i) && (t->kind != DMS_PROBLEM_WEIGHT || t->storage_bytes == 0))
            return bad_home(h, i, "no file holds it");
        if (is_on_storage(h, i) && !is_loaded[i])
            return bad_home(h, i, "a file, but nothing loads it");
        if (!is_loaded[i] || is_on_storage(h, i) || t->kind == DMS_PROBLEM_INPUT)
            continue;
        if (!dms_align_up(t->bytes, DMS_ALIGN, &bytes) || !dms_add(homes, bytes, &homes))
            return bad_home(h, i, "homes exceed 64 bits");
    }
    if (n_read != h->d->n_read)
        return dms_fail(h->st, DMS_EPLAN, "%" PRIu32 " weights are read, not %" PRIu32, n_read,
                        h->d->n_read);
    if (!dms_add(homes, h->d->ring_bytes, &homes) || homes != h->d->host_bytes ||
        homes > h->d->host_budget)
        return dms_fail(h->st, DMS_EPLAN, "homes and ring are not what the host holds");
    return DMS_OK;
}

/* A reading begins when everything that lay in its place, in this turn or the one before, has been
 * copied on. Copies end in queue order, so the last one of them says it for all. */
static dms_code check_place(const host *h, uint32_t q) {
    const int64_t n = h->d->n_loads;
    const dms_place_load *l = h->d->loads + q;
    const uint64_t top = l->ring_offset + place_bytes(h, q);
    for (uint32_t k = 0; k < h->d->n_loads; k++) {
        const dms_place_load *other = h->d->loads + k;
        if (!other->is_read || other->ring_offset >= top ||
            other->ring_offset + place_bytes(h, k) <= l->ring_offset)
            continue;
        const int64_t last = k < q ? (int64_t)k : (int64_t)k - n;
        if (last > l->read_after)
            return bad_read(h, q, "its place may still be in use");
    }
    return DMS_OK;
}

static dms_code check_read(const host *h, uint32_t q) {
    const dms_place_load *l = h->d->loads + q;
    if (l->is_read != is_on_storage(h, l->tensor))
        return bad_read(h, q, "contradicts its tensor's home");
    if (!l->is_read)
        return DMS_OK;
    if (l->ring_offset % DMS_PLACE_PAGE != 0 ||
        !dms_range_fits(l->ring_offset, place_bytes(h, q), h->d->ring_bytes))
        return bad_read(h, q, "its place is outside the ring, or not whole pages");
    if (l->read_after >= (int64_t)q || l->read_after < -(int64_t)h->d->n_loads)
        return bad_read(h, q, "waits for no copy before its own");
    return check_place(h, q);
}

dms_code dms_decision_verify_host(const dms_problem *problem, const dms_decision *decision,
                                  uint8_t *scratch, dms_status *st) {
    const host h = {problem, decision, st};
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        scratch[i] = 0;
    for (uint32_t q = 0; q < decision->n_loads; q++)
        scratch[decision->loads[q].tensor] = 1;
    DMS_TRY(check_homes(&h, scratch));
    for (uint32_t q = 0; q < decision->n_loads; q++)
        DMS_TRY(check_read(&h, q));
    return DMS_OK;
}
