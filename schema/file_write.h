/* file_write.h - a file appears under its name whole, or not at all.
 *
 * Reads    nothing.
 * Returns  a FILE to write to, then a synced file under its name.
 * Cost     one fsync, one rename.
 * Source   none; the usual temporary name beside the place.
 * Not here formats (plan.h, json.h, runtime/npy.h).
 */
#ifndef DMS_SCHEMA_FILE_WRITE_H
#define DMS_SCHEMA_FILE_WRITE_H

#include <stdio.h>

#include "schema/status.h"

#define DMS_FILE_NAME_BYTES 4096u

/* A file being written. */
typedef struct dms_file_write {
    FILE *out;
    const char *path;
    char temporary[DMS_FILE_NAME_BYTES + 64];
} dms_file_write;

/* Opens a temporary file beside `path`, which must live until the end.
 * Errors   DMS_EIO with path and reason; nothing is left behind. */
DMS_CHECKED dms_code dms_file_begin(dms_file_write *file, const char *path, dms_status *st);

/* Syncs what was written and gives it its name.
 * Errors   DMS_EIO, also when an earlier write failed; nothing is left behind. */
DMS_CHECKED dms_code dms_file_commit(dms_file_write *file, dms_status *st);

/* Drops what was written; allowed after any of the above. */
void dms_file_abort(dms_file_write *file);

#endif
