/* fuzz_array.h - what the three array formats have in common once their header was read.
 *
 * Reads    an array that a parser accepted.
 * Returns  nothing: an array outside its file aborts.
 * Cost     one reading of at most 1 MiB.
 * Source   none.
 * Not here the headers (fuzz_npy.c, fuzz_npz.c, fuzz_pb.c).
 */
#ifndef DMS_TESTS_FUZZ_ARRAY_H
#define DMS_TESTS_FUZZ_ARRAY_H

#include "runtime/npy_internal.h"
#include "tests/fuzz/fuzz.h"

/* A parser of headers, as those of npy_internal.h after their other arguments were bound. */
typedef dms_code fuzz_header(dms_array *array, uint64_t size, dms_status *st);

/* Hands the bytes to `header` as a file; what it accepts must lie in the file and must be readable
 * or refused. Returns 0. */
int fuzz_array(const uint8_t *data, size_t size, fuzz_header *header);

#endif
