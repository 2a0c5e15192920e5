/* file_write.h - a file appears under its name whole, or not at all.
 *
 * Reads    nothing.
 * Returns  a FILE to write to, then a synced file under its name.
 * Cost     one fsync, one rename.
 * Source   none; the usual temporary name beside the place.
 * Not here formats (plan.h, json.h, runtime/npy.h).
 *
 * A name that is no regular file (a terminal, a pipe, /dev/null) is written to, never replaced.
 */
#ifndef DMS_SCHEMA_FILE_WRITE_H
#define DMS_SCHEMA_FILE_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "schema/status.h"

#define DMS_FILE_NAME_BYTES 4096u

/* What becomes of the file that had the name before, while several get theirs. */
typedef enum dms_file_before {
    DMS_FILE_NONE, /* there is none */
    DMS_FILE_KEPT, /* it has a second name */
    DMS_FILE_LOST, /* it cannot have one here: it is gone when the new one has its name */
} dms_file_before;

/* A file being written. */
typedef struct dms_file_write {
    FILE *out;
    const char *path;
    dms_file_before before;
    bool is_sealed; /* synced and closed, still under its temporary name */
    char temporary[DMS_FILE_NAME_BYTES + 64]; /* empty: `path` itself is written to */
} dms_file_write;

/* Opens a temporary file beside `path`, which must live until the end.
 * Errors   DMS_EIO with path and reason; nothing is left behind. */
DMS_CHECKED dms_code dms_file_begin(dms_file_write *file, const char *path, dms_status *st);

/* Syncs what was written and gives it its name.
 * Errors   DMS_EIO, also when an earlier write failed; nothing is left behind. */
DMS_CHECKED dms_code dms_file_commit(dms_file_write *file, dms_status *st);

/* Syncs what was written and closes it; its name comes with dms_files_commit. For many at a time,
 * which cannot all be open.
 * Errors   DMS_EIO, also when an earlier write failed; nothing is left behind. */
DMS_CHECKED dms_code dms_file_seal(dms_file_write *file, dms_status *st);

/* dms_file_commit for files that belong together, sealed or not: all get their names, or every
 * older one is as it was (but on file systems without hard links).
 * Errors   DMS_EIO, for the first that fails; nothing is left behind. */
DMS_CHECKED dms_code dms_files_commit(dms_file_write *file, uint32_t n, dms_status *st);

/* Drops what was written; allowed after any of the above. */
void dms_file_abort(dms_file_write *file);

#endif
