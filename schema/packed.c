/* packed.c - the key is a chain: order, ids and places all decide it. */
#include "schema/packed.h"

#include <string.h>

#define VERSION 1u

static const char MAGIC[8] = {'D', 'M', 'S', 'P', 'A', 'C', 'K', '\n'};

dms_hash dms_packed_key(void) {
    return dms_hash_bytes(MAGIC, sizeof MAGIC, 0);
}

dms_hash dms_packed_key_add(dms_hash key, dms_hash cell, uint64_t offset) {
    return dms_hash_join(dms_hash_join(key, cell), dms_hash_bytes(&offset, sizeof offset, 0));
}

dms_packed_footer dms_packed_footer_make(uint64_t bytes, dms_hash key) {
    dms_packed_footer footer = {.version = VERSION, .bytes = bytes, .key = key};
    memcpy(footer.magic, MAGIC, sizeof MAGIC);
    return footer;
}

bool dms_packed_footer_fits(const dms_packed_footer *footer, uint64_t bytes, dms_hash key) {
    return memcmp(footer->magic, MAGIC, sizeof MAGIC) == 0 && footer->version == VERSION &&
           footer->bytes == bytes && dms_hash_equal(footer->key, key);
}
