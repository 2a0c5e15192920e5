/* beneath.h - opening a file that a model or a plan names, without being led elsewhere.
 *
 * Reads    a folder that the user named and a relative name that a stranger wrote.
 * Returns  a descriptor of a regular file that really lies beneath that folder.
 * Cost     one openat per part of the name.
 * Source   none.
 * Not here what is read from it (onnx/files.c, runtime/storage).
 */
#ifndef DMS_SCHEMA_BENEATH_H
#define DMS_SCHEMA_BENEATH_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

/* Opens `name` beneath `folder` for reading. The name is relative, has no empty, "." or ".." part,
 * passes no symbolic link, and ends at a regular file with one link.
 * Shapes   *out_fd and *out_bytes are set on success; the caller closes the descriptor.
 * Errors   DMS_EIO naming the file; *out_is_missing tells absence from refusal. */
DMS_CHECKED dms_code dms_beneath_open(const char *folder, const char *name, int *out_fd,
                                      uint64_t *out_bytes, bool *out_is_missing, dms_status *st);

/* The same for a file that may have several names (hard links), as package managers make them: the
 * model itself, which the user chose. */
DMS_CHECKED dms_code dms_beneath_open_linked(const char *folder, const char *name, int *out_fd,
                                             uint64_t *out_bytes, bool *out_is_missing,
                                             dms_status *st);

/* Opens a file that the user named: any path, but a regular file, and without waiting for a pipe.
 * Errors   DMS_EIO naming the file. */
DMS_CHECKED dms_code dms_regular_open(const char *path, int *out_fd, uint64_t *out_bytes,
                                      dms_status *st);

/* Reads exactly `size` bytes at `offset`.
 * Errors   DMS_EIO naming `name`: the system's error, or a file that ends early. */
DMS_CHECKED dms_code dms_read_at(int fd, const char *name, uint64_t offset, void *data,
                                 uint64_t size, dms_status *st);

#endif
