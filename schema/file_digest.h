/* file_digest.h - is this still the file that the plan was made for?
 *
 * Reads    an open regular file by pread, through a window of 64 KiB.
 * Returns  the sampled digest that every run compares, and the digest of all bytes.
 * Cost     sampled: all bytes outside the large ranges, 10 pages of each large range.
 * Source   XXH3-128 (hash.h). No signature: it finds accidents, not forgeries.
 * Not here opening files safely (runtime/storage.h, onnx).
 *
 *     file     |  graph  |   large weight            | small |   large weight   |  rest  |
 *     hashed   |#########|#  .   #    .  # .  #     #|#######|#  # .  #  .  #  #|########|
 *
 * Of a large range the first and last page (4 KiB) and 8 pages between, chosen by hashing the
 * place of the range, are hashed; of the rest everything. A smaller range is hashed whole.
 */
#ifndef DMS_SCHEMA_FILE_DIGEST_H
#define DMS_SCHEMA_FILE_DIGEST_H

#include "schema/hash.h"
#include "schema/status.h"

/* Weights of at least this size make a large range of their file. */
#define DMS_FILE_DIGEST_LARGE_BYTES (256u * 1024u)

/* dmsc also stores the digest of all bytes of the model's files that together have at most this
 * size, and of a packed file of at most this size. */
#define DMS_FILE_DIGEST_ALL_BYTES (1u << 30)

/* The large ranges of one file, ascending and without overlap. */
typedef struct dms_file_ranges {
    uint32_t n;
    const uint64_t *offset, *bytes;
} dms_file_ranges;

/* The sampled digest of a file of exactly `size` bytes. `name` is for messages.
 * Errors   DMS_EIO: reading failed, or the file is shorter; DMS_EPLAN: ranges out of order. */
DMS_CHECKED dms_code dms_file_digest(int fd, const char *name, uint64_t size,
                                     const dms_file_ranges *large, dms_hash *out, dms_status *st);

/* The digest of all bytes.
 * Errors   DMS_EIO as above. */
DMS_CHECKED dms_code dms_file_digest_all(int fd, const char *name, uint64_t size, dms_hash *out,
                                         dms_status *st);

/* The digest of a file that was missing when the plan was made: of its name and expected size. */
dms_hash dms_file_digest_missing(const char *name, uint64_t size);

#endif
