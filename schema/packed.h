/* packed.h - the last page of a file of packed weights, and the key in it.
 *
 * Reads    ids and places of cells, in the order of the file.
 * Returns  a key: 128 bits that say which cells lie where.
 * Cost     one hash per cell.
 * Source   none.
 * Not here who packs (planner/pack.h), who reads (runtime/storage.h), what an id is
 *          (runtime/check/meaning.h).
 */
#ifndef DMS_SCHEMA_PACKED_H
#define DMS_SCHEMA_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/hash.h"

/* Cells begin at multiples of it; the last page has this size. */
#define DMS_PACKED_PAGE_BYTES 4096u

/* dms_plan_file.kind of a packed file. */
#define DMS_PACKED_KIND 3u

/* What the last page begins with; the rest of it is zero. */
typedef struct dms_packed_footer {
    char magic[8];
    uint32_t version, reserved;
    uint64_t bytes;       /* before this page */
    dms_hash key, digest; /* which cells lie where; sampled, of everything before this page */
} dms_packed_footer;

/* The key of a file without cells. */
dms_hash dms_packed_key(void);

/* The key with one more cell behind the others: its id (dms_meaning_source) and its place. */
dms_hash dms_packed_key_add(dms_hash key, dms_hash cell, uint64_t offset);

/* The last page of a file of `bytes` and this page, with this key; no digest yet. */
dms_packed_footer dms_packed_footer_make(uint64_t bytes, dms_hash key);

/* Whether this is the last page of such a file, whatever the digest. */
bool dms_packed_footer_fits(const dms_packed_footer *footer, uint64_t bytes, dms_hash key);

#endif
