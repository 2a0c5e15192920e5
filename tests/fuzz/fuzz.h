/* fuzz.h - one entry per parser, driven by libFuzzer or by fuzz_main.c.
 *
 * Reads    bytes that nobody vouches for.
 * Returns  nothing: a crash, a sanitizer's report or a hang is the finding.
 * Cost     one parse each.
 * Source   the entry's name and form are libFuzzer's.
 * Not here which bytes (fuzz_main.c).
 */
#ifndef DMS_TESTS_FUZZ_H
#define DMS_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Parses `size` bytes; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
