/* file_digest.c - hash all of a file, or all but the inside of its large ranges. */
#include "schema/file_digest.h"

#include <string.h>

#include "schema/beneath.h"
#include "schema/checked.h"

#define WINDOW_BYTES (64u * 1024u)
#define PAGE_BYTES 4096u
#define N_SAMPLES 8u

/* A digest in the making: a chain over the hashes of windows. */
typedef struct digest {
    int fd;
    const char *name;
    dms_hash chain;
    uint8_t window[WINDOW_BYTES];
} digest;

/* Adds the bytes [offset, offset + bytes) to the chain, their place included. */
static dms_code add_range(digest *d, uint64_t offset, uint64_t bytes, dms_status *st) {
    while (bytes != 0) {
        const uint64_t part = bytes < WINDOW_BYTES ? bytes : WINDOW_BYTES;
        DMS_TRY(dms_read_at(d->fd, d->name, offset, d->window, part, st));
        d->chain = dms_hash_join(d->chain, dms_hash_bytes(d->window, part, offset));
        offset += part;
        bytes -= part;
    }
    return DMS_OK;
}

/* First and last page of a large range, and one page in each eighth of the pages between. */
static dms_code add_samples(digest *d, uint64_t offset, uint64_t bytes, dms_status *st) {
    const uint64_t n_pages = bytes / PAGE_BYTES;
    if (n_pages < N_SAMPLES + 2)
        return add_range(d, offset, bytes, st);
    DMS_TRY(add_range(d, offset, PAGE_BYTES, st));
    const uint64_t inner = (n_pages - 2) / N_SAMPLES; /* pages of an eighth, at least 1 */
    for (uint64_t k = 0; k < N_SAMPLES; k++) {
        const uint64_t key[3] = {offset, bytes, k};
        const uint64_t pick = dms_hash_bytes(key, sizeof key, 0).lo % inner;
        DMS_TRY(add_range(d, offset + (1 + k * inner + pick) * PAGE_BYTES, PAGE_BYTES, st));
    }
    return add_range(d, offset + bytes - PAGE_BYTES, PAGE_BYTES, st);
}

/* The chain starts with the size, so that a prefix has another digest. */
static void start_digest(digest *d, int fd, const char *name, uint64_t size) {
    d->fd = fd;
    d->name = name;
    d->chain = dms_hash_bytes(&size, sizeof size, 1);
}

dms_code dms_file_digest(int fd, const char *name, uint64_t size, const dms_file_ranges *large,
                         dms_hash *out, dms_status *st) {
    digest d;
    start_digest(&d, fd, name, size);
    uint64_t at = 0;
    for (uint32_t i = 0; i < large->n; i++) {
        const uint64_t offset = large->offset[i], bytes = large->bytes[i];
        if (offset < at || !dms_range_fits(offset, bytes, size))
            return dms_fail(st, DMS_EPLAN, "'%s': large range %u is out of order or of the file",
                            name, i);
        DMS_TRY(add_range(&d, at, offset - at, st));
        DMS_TRY(add_samples(&d, offset, bytes, st));
        at = offset + bytes;
    }
    DMS_TRY(add_range(&d, at, size - at, st));
    *out = d.chain;
    return DMS_OK;
}

dms_code dms_file_digest_all(int fd, const char *name, uint64_t size, dms_hash *out,
                             dms_status *st) {
    digest d;
    start_digest(&d, fd, name, size);
    DMS_TRY(add_range(&d, 0, size, st));
    *out = d.chain;
    return DMS_OK;
}

dms_hash dms_file_digest_missing(const char *name, uint64_t size) {
    return dms_hash_join(dms_hash_bytes(name, strlen(name), 2),
                         dms_hash_bytes(&size, sizeof size, 2));
}
