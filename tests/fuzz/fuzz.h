/* fuzz.h - one entry per parser, driven by libFuzzer or by fuzz_main.c.
 *
 * Reads    bytes that nobody vouches for.
 * Returns  nothing: a crash, a sanitizer's report, a hang or an abort is the finding.
 * Cost     one parse each; at most FUZZ_MEMORY_BYTES in arenas.
 * Source   the entry's name and form are libFuzzer's.
 * Not here which bytes (fuzz_main.c, tests/fuzz/corpus).
 */
#ifndef DMS_TESTS_FUZZ_H
#define DMS_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/status.h"

/* What one input may make a parser take; running into it counts as a finding. */
#define FUZZ_MEMORY_BYTES (100ull << 20)

/* A file without a name that holds these bytes, and a path under which it can be opened. */
typedef struct fuzz_file {
    int fd;
    char path[32];
} fuzz_file;

/* Parses `size` bytes; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fills the one file of this process, which the next call fills anew; false where the system has
 * none to give. */
bool fuzz_file_fill(fuzz_file *file, const uint8_t *data, size_t size);

/* Passes a code on, but for "internal error", which no input may cause: that aborts. */
dms_code fuzz_verdict(dms_code code, const dms_status *st);

#endif
