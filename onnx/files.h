/* files.h - the files that a model's constants lie in.
 *
 * Reads    the model's path and the locations that it names.
 * Returns  entries of dms_graph.file, each opened once to learn its size.
 * Cost     one open per distinct file; names are looked up by hash.
 * Source   ONNX external data specification.
 * Not here how a file is opened safely (schema/beneath.h).
 */
#ifndef DMS_ONNX_FILES_H
#define DMS_ONNX_FILES_H

#include "onnx/graph.h"
#include "onnx/names.h"
#include "schema/beneath.h"

/* Sets model_path, model_dir and model_file from a path. */
DMS_CHECKED dms_code dms_files_begin(dms_graph *graph, const char *path, dms_status *st);

/* Index of the external file at this location; adds it on first sight, to `index` too, which holds
 * the locations seen so far. A file that is not there becomes a warning and `file_is_missing`.
 * Errors   DMS_EIO naming the file: outside the folder, a link, no regular file. */
DMS_CHECKED dms_code dms_file_index(dms_graph *graph, dms_names *index, const char *location,
                                    uint32_t *out, dms_status *st);

/* Opens file `index` for reading; the caller closes it.
 * Errors   DMS_EIO, also when it is known to be missing. */
DMS_CHECKED dms_code dms_file_open(const dms_graph *graph, uint32_t index, int *out_fd,
                                   dms_status *st);

#endif
