/* dmsrun_tensors.h - the inputs and outputs of one dmsrun: from files or a seed, to files.
 *
 * Reads    --input files, or a folder of input_<i> and output_<i> (.npy or .pb).
 * Returns  tensors for dms_bind, their digests, how they compare.
 * Cost     one copy of every input and output; one reference at a time while comparing.
 * Source   ONNX's test_data_set layout.
 * Not here formats (npy.h), the rule of comparing (compare.h).
 */
#ifndef DMS_RUNTIME_DMSRUN_TENSORS_H
#define DMS_RUNTIME_DMSRUN_TENSORS_H

#include "runtime/dmsrun_options.h"
#include "schema/hash.h"

/* Everything the graph reads and writes. */
typedef struct dmsrun_tensors {
    uint32_t n_inputs, n_outputs;
    dms_port_info *input_port, *output_port;
    dms_user_tensor *input, *output;
    dms_hash *digest;           /* per output */
    dms_hash all;               /* of all outputs */
    dms_difference *difference; /* per output, after dmsrun_compare */
    bool is_made_up;            /* inputs come from the seed */
} dmsrun_tensors;

/* Takes the memory and fills the inputs.
 * Errors   DMS_EINPUT: missing, of another shape or type, damaged, or unknown; DMS_EIO. */
DMS_CHECKED dms_code dmsrun_load(const dms_session *session, const dmsrun_options *options,
                                 dms_arena *arena, dmsrun_tensors *out, dms_status *st);

/* Digests of the outputs: equal if and only if type, dims and bytes are. */
void dmsrun_digest(dmsrun_tensors *tensors);

/* Compares all outputs with the references in options->compare.
 * Errors   DMS_EDIFFERS naming the first output that does not pass; DMS_EINPUT, DMS_EIO: no such
 *          reference. `tensors->difference` is filled as far as it came. */
DMS_CHECKED dms_code dmsrun_compare(dmsrun_tensors *tensors, const dmsrun_options *options,
                                    dms_arena *arena, dms_status *st);

/* A folder that can take the outputs: it is one, or nothing of that name exists.
 * Errors   DMS_EIO. */
DMS_CHECKED dms_code dmsrun_check_folder(const char *folder, dms_status *st);

/* Writes output_<i>.npy into `folder`, which is made where it does not exist: all, or none and the
 * older ones stay.
 * Errors   DMS_EIO. */
DMS_CHECKED dms_code dmsrun_write(const dmsrun_tensors *tensors, const char *folder,
                                  dms_arena *arena, dms_status *st);

#endif
