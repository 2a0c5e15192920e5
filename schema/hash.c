/* hash.c - XXH3-128, compiled in from its header so that libdms links nothing more. */
#include "schema/hash.h"

#include <inttypes.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

dms_hash dms_hash_bytes(const void *data, uint64_t size, uint64_t seed) {
    const XXH128_hash_t h = XXH3_128bits_withSeed(data, (size_t)size, seed);
    return (dms_hash){h.low64, h.high64};
}

dms_hash dms_hash_join(dms_hash a, dms_hash b) {
    const uint64_t words[4] = {a.lo, a.hi, b.lo, b.hi};
    return dms_hash_bytes(words, sizeof words, 0);
}

const char *dms_hash_text(dms_hash hash, char out[33]) {
    (void)snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, hash.hi, hash.lo);
    return out;
}
