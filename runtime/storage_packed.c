/* storage_packed.c - the cells of a packed file lie where the plan says: its last page knows. */
#include <stdlib.h>

#include "runtime/check/meaning.h"
#include "runtime/storage_internal.h"
#include "schema/beneath.h"
#include "schema/packed.h"

/* A cell, by its place in the file. */
typedef struct place {
    uint64_t offset;
    uint32_t source;
} place;

/* Ascending; two cells in one place by their source. */
static int compare(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

/* The key that the file has where all of its cells, and no others, are read from their places. */
static dms_code key_of(const dms_plan *plan, uint32_t file, dms_arena *arena, dms_hash *out,
                       dms_status *st) {
    place *all;
    uint32_t n = 0;
    dms_hash key = dms_packed_key();
    DMS_TRY(dms_alloc_st(arena, plan->n_sources, sizeof *all, "packed weights", &all, st));
    for (uint32_t k = 0; k < plan->n_sources; k++)
        if (plan->source[k].is_packed && plan->source[k].packed_file == file)
            all[n++] = (place){plan->source[k].packed_offset, k};
    qsort(all, n, sizeof *all, compare);
    for (uint32_t k = 0; k < n; k++)
        key = dms_packed_key_add(key, dms_meaning_source(plan, all[k].source), all[k].offset);
    *out = key;
    return DMS_OK;
}

/* Compares the keys. */
static dms_code compare_keys(const dms_plan *plan, uint32_t file, int fd, dms_arena *scratch,
                             dms_status *st) {
    const dms_plan_file *f = &plan->file[file];
    const uint64_t bytes = f->bytes - DMS_PACKED_PAGE_BYTES;
    dms_packed_footer footer;
    dms_hash key;
    if (f->bytes < DMS_PACKED_PAGE_BYTES)
        return dms_fail(st, DMS_EPLAN, "packed file '%s' has no last page", f->name);
    DMS_TRY(key_of(plan, file, scratch, &key, st));
    DMS_TRY(dms_read_at(fd, f->name, bytes, &footer, sizeof footer, st));
    if (!dms_packed_footer_fits(&footer, bytes, key))
        return dms_fail(st, DMS_EPLAN,
                        "packed file '%s' holds other cells, or at other places, than the plan "
                        "says: compile it again",
                        f->name);
    return DMS_OK;
}

dms_code dms_storage_check_packed(const dms_plan *plan, uint32_t file, int fd, dms_status *st) {
    dms_arena scratch = {0};
    const dms_code code = compare_keys(plan, file, fd, &scratch, st);
    dms_arena_free(&scratch);
    return code;
}
