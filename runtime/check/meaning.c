/* meaning.c - every kind of id hashes a record of its own, told apart by the first word. */
#include "runtime/check/meaning.h"

enum { FROM_FILE = 1, FROM_PLAN = 2, FROM_USER = 3, FROM_CALL = 4 };

/* dims and pitches as words; entries beyond the rank are zero. */
static dms_hash view_id(const dms_view *view) {
    uint64_t word[3 + 2 * DMS_MAX_RANK] = {(uint64_t)view->dtype, view->rank,
                                           (uint64_t)view->offset};
    for (uint32_t k = 0; k < view->rank; k++) {
        word[3 + k] = (uint64_t)view->dim[k];
        word[3 + DMS_MAX_RANK + k] = (uint64_t)view->pitch[k];
    }
    return dms_hash_bytes(word, sizeof word, 0);
}

dms_hash dms_meaning_source(const dms_plan *plan, uint32_t source) {
    const dms_source *s = &plan->source[source];
    const bool in_file = s->file != DMS_NONE;
    const dms_hash bytes =
        in_file ? plan->file[s->file].digest : dms_hash_bytes(s->embedded, s->n_embedded, 0);
    const dms_hash walk = view_id(&s->view);
    const uint64_t word[7] = {in_file ? FROM_FILE : FROM_PLAN,
                              s->offset,
                              (uint64_t)s->valid_last,
                              bytes.lo,
                              bytes.hi,
                              walk.lo,
                              walk.hi};
    return dms_hash_bytes(word, sizeof word, 0);
}

dms_hash dms_meaning_input(const dms_plan *plan, uint32_t port, uint32_t cell) {
    const dms_hash shape = view_id(&plan->input[port].view);
    const uint64_t word[5] = {FROM_USER, port, cell, shape.lo, shape.hi};
    return dms_hash_bytes(word, sizeof word, 0);
}

dms_hash dms_meaning_output(dms_hash sum, uint32_t out, uint32_t cell) {
    const uint64_t word[5] = {FROM_CALL, out, cell, sum.lo, sum.hi};
    return dms_hash_bytes(word, sizeof word, 0);
}
