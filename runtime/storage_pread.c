/* storage_pread.c - the reader for the page cache, and for direct reads where io_uring is not
 * allowed: pread, in the order of submission. A thread for the reads was slower beside busy cores:
 * each block ends with two hand-overs (docs/decisions.md). */
#include <errno.h>
#include <unistd.h>

#include "runtime/storage_internal.h"

/* Reads wait in a ring of their own until somebody wants a result. */
typedef struct pread_reader {
    dms_reader base;
    dms_read waiting[DMS_READ_SLOTS];
    uint32_t first, n;
} pread_reader;

static int pread_submit(dms_reader *base, const dms_read *read) {
    pread_reader *reader = (pread_reader *)base;
    reader->waiting[(reader->first + reader->n++) % DMS_READ_SLOTS] = *read;
    return 0;
}

static int64_t pread_complete(dms_reader *base, uint32_t *out_slot) {
    pread_reader *reader = (pread_reader *)base;
    const dms_read *read = &reader->waiting[reader->first];
    reader->first = (reader->first + 1) % DMS_READ_SLOTS;
    reader->n--;
    *out_slot = read->slot;
    const ssize_t got = pread(read->fd, read->to, (size_t)read->bytes, (off_t)read->offset);
    return got < 0 ? -errno : got;
}

/* Nothing is under way outside of pread_complete. */
static void pread_close(dms_reader *base) {
    (void)base;
}

static const dms_reader_ops pread_ops = {"pread", pread_submit, pread_complete, pread_close};

dms_code dms_reader_open_pread(dms_arena *arena, dms_reader **out_reader, dms_status *st) {
    pread_reader *reader;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *reader, "reader", &reader, st));
    reader->base.ops = &pread_ops;
    *out_reader = &reader->base;
    return DMS_OK;
}
