/* support_array.h - files of arrays made byte by byte, good and bad, to test their readers with.
 *
 * Reads    nothing.
 * Returns  bytes of .npy, .npz and .pb files; what the reader says of them.
 * Cost     one small file in the working folder at a time.
 * Source   numpy.lib.format, PKZIP APPNOTE 4.3, protobuf encoding.
 * Not here the assertions on values.
 */
#ifndef DMS_TESTS_SUPPORT_ARRAY_H
#define DMS_TESTS_SUPPORT_ARRAY_H

#include <stddef.h>

#include "runtime/npy.h"

/* Bytes of a file in the making. */
typedef struct array_bytes {
    uint8_t data[8192];
    size_t n;
} array_bytes;

/* Adds bytes; a little-endian number of `n` bytes (zeros above 64 bits); a varint. */
void array_put(array_bytes *b, const void *data, size_t n);
void array_put_number(array_bytes *b, uint64_t value, size_t n);
void array_put_varint(array_bytes *b, uint64_t value);

/* Overwrites a little-endian number of `n` bytes. */
void array_set(array_bytes *b, size_t at, uint64_t value, size_t n);

/* Writes the bytes as a file. */
void array_store(const char *path, const array_bytes *b);

/* A .npy of this version, header text and data. */
array_bytes array_npy(int version, const char *header, const void *data, size_t n);

/* Opens a file and reads its array (member `member` of an .npz) into `to`. */
dms_code array_read_file(const char *path, const char *member, dms_view *view, void *to,
                         dms_status *st);

/* The same for bytes, written to `path` and removed again. */
dms_code array_read(const char *path, const char *member, const array_bytes *b, dms_view *view,
                    void *to, dms_status *st);

/* Fails the test unless the bytes are refused with DMS_EINPUT and a message that names the file and
 * holds `why`. */
void array_refuses(const char *path, const char *member, const array_bytes *b, const char *why);

/* Opens the bytes; where that works, the data must lie inside the file. */
void array_is_contained(const char *path, const char *member, const array_bytes *b);

#endif
