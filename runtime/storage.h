/* storage.h - the model's files: opened once, proven to be the plan's, read in blocks.
 *
 * Reads    the file and source tables of a plan; files beneath the model's folder.
 * Returns  blocks of weights in the layout of the plan.
 * Cost     two descriptors per file that is read; staging of up to 4 MiB; what is aligned alike in
 *          file and memory is read in place.
 * Source   P10 of DESIGN section 7; MACHINE-FACTS 4 (direct reads, 4 MiB under way).
 * Not here when a block is read (engine.c), what a digest covers (schema/file_digest.h).
 */
#ifndef DMS_RUNTIME_STORAGE_H
#define DMS_RUNTIME_STORAGE_H

#include <stdatomic.h>

#include "schema/plan.h"

typedef struct dms_storage dms_storage;

/* Where files lie, and what is asked of them. */
typedef struct dms_storage_options {
    const char *model_dir; /* of files of kind 0 and 1 */
    const char *plan_dir;  /* of files of kind 2 */
    bool verify_weights;   /* every byte, not samples */
    bool random_weights;   /* make up what was missing when the plan was made */
    uint64_t random_seed;
    const atomic_int *cancel; /* looked at between files and between reads; NULL: never */
    const atomic_int *stop;   /* looked at between reads: nobody wants the block any more */
} dms_storage_options;

/* How bytes came from storage so far. */
typedef struct dms_storage_stats {
    const char *direct_reader; /* "io_uring", "pread"; NULL: no file is read past the page cache */
    uint64_t direct_bytes, buffered_bytes;
} dms_storage_stats;

/* Opens every file of the plan and compares size and digest.
 * Owner    `plan` is borrowed until dms_storage_close; the rest lives in `arena`.
 * Errors   DMS_EIO: missing, not a regular file, outside the folder, a link, unreadable;
 *          DMS_EPLAN: another size or content than planned for; DMS_ECANCELLED. */
DMS_CHECKED dms_code dms_storage_open(const dms_plan *plan, const dms_storage_options *options,
                                      dms_arena *arena, dms_storage **out_storage, dms_status *st);

/* Reads source `source` into `to`: element (i0, i1, ...) of its view goes to sum i_k pitch[k].
 * Returns  bytes taken from storage in *out_bytes.
 * Threads  one caller at a time: there is one set of slots.
 * Errors   DMS_EIO naming file, offset and reason. */
DMS_CHECKED dms_code dms_storage_load(dms_storage *storage, uint32_t source, const int64_t *pitch,
                                      void *to, uint64_t *out_bytes, dms_status *st);

/* Says that the prologue is over: cells no longer come with their neighbours, so what they share is
 * read past the page cache too; what the cache holds of large files is given back.
 * Threads  not beside dms_storage_load. */
void dms_storage_settle(dms_storage *storage);

/* What was read, and how. NULL gives zeros.
 * Threads  any, while the storage is open. */
dms_storage_stats dms_storage_stats_of(const dms_storage *storage);

/* Closes all files. NULL is allowed. */
void dms_storage_close(dms_storage *storage);

#endif
