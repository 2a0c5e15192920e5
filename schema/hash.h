/* hash.h - 128-bit content hashes: plan checksum, file digests, content ids, output digests.
 *
 * Reads    bytes and other hashes.
 * Returns  the same value on every machine and in every version.
 * Cost     about 10 GB/s on long inputs.
 * Source   XXH3-128 (github.com/Cyan4973/xxHash, frozen since 0.8.0). No signature.
 * Not here what is hashed (plan.c, runtime/check).
 */
#ifndef DMS_SCHEMA_HASH_H
#define DMS_SCHEMA_HASH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dms_hash {
    uint64_t lo, hi;
} dms_hash;

/* Hash of `size` bytes; `seed` separates uses. */
dms_hash dms_hash_bytes(const void *data, uint64_t size, uint64_t seed);

/* Order-sensitive combination of two hashes. */
dms_hash dms_hash_join(dms_hash a, dms_hash b);

/* Both halves equal. */
static inline bool dms_hash_equal(dms_hash a, dms_hash b) {
    return a.lo == b.lo && a.hi == b.hi;
}

/* 32 lower-case hexadecimal digits and a 0 into `out`; returns `out`. */
const char *dms_hash_text(dms_hash hash, char out[33]);

#endif
