/* pack.h - dmsc --pack: the weights once more, in the order and the layout in which they are read.
 *
 * Reads    a compiled plan with its file digests, the model's files.
 * Returns  DIR/MODEL.dmspack, and sources of the plan that point into it.
 * Cost     every byte is read and written once; 36 MiB of memory, whatever the size of the model.
 * Source   DESIGN section 4.
 * Not here reading blocks in a run (runtime/storage.h).
 *
 *     | cell 0 ... | 4 KiB | cell 1 ... | 4 KiB | ... | last page                        |
 *       first used           used next                  magic, version, size, key, digest
 *
 * Cells begin at multiples of 4,096 bytes, in order of their first use in the body; the bytes
 * between are zero. The key says of which cells of which files it is made, in which order; the
 * digest is the sampled one of everything before the last page. A file with both as they should be
 * is not written again.
 */
#ifndef DMS_PLANNER_PACK_H
#define DMS_PLANNER_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_compile_options dms_compile_options; /* dmsc.h */
typedef struct dms_compiled dms_compiled;               /* dmsc.h */
typedef struct dms_arena dms_arena;                     /* schema/arena.h */

/* What became of --pack. */
typedef struct dms_pack_facts {
    const char *path; /* NULL: nothing was packed */
    uint64_t bytes;
    bool is_reused; /* it was there already */
} dms_pack_facts;

/* Packs the weights that the plan reads from files into a file in the folder options->pack, and
 * adds that file to the plan; the meaning of the plan stays what it was.
 * Errors   DMS_EIO naming file, byte and reason: a weight file is missing or would be written over,
 *          reading or writing failed; DMS_ECANCELLED. Nothing half written is left behind. */
DMS_CHECKED dms_code dms_pack_weights(const dms_compile_options *options, dms_arena *arena,
                                      dms_compiled *c, dms_status *st);

#endif
