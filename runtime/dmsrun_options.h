/* dmsrun_options.h - the command line of dmsrun as a struct.
 *
 * Reads    argv.
 * Returns  every option checked for form; names of inputs are not compared with the plan yet.
 * Cost     O(argc).
 * Source   DESIGN section 8.
 * Not here what the options do (dmsrun.c).
 */
#ifndef DMS_RUNTIME_DMSRUN_OPTIONS_H
#define DMS_RUNTIME_DMSRUN_OPTIONS_H

#include "runtime/compare.h"
#include "runtime/dms.h"
#include "schema/arena.h"

/* One --input NAME=FILE. */
typedef struct dmsrun_input {
    const char *name, *file;
} dmsrun_input;

/* What the user asked for; texts point into argv or the arena. */
typedef struct dmsrun_options {
    const char *plan, *output, *compare, *json, *trace;
    const char *profile, *scratch; /* of --calibrate: file to write, folder to measure */
    dms_options run;
    dmsrun_input *input;
    uint32_t n_inputs;
    uint64_t iterations, warmup, seed;
    dms_tolerance tolerance;
    bool stats, digest, calibrate, help, version;
} dmsrun_options;

/* Parses the command line.
 * Errors   DMS_EUSAGE naming the option. */
DMS_CHECKED dms_code dmsrun_parse(int argc, char **argv, dms_arena *arena, dmsrun_options *out,
                                  dms_status *st);

/* The text of --help. */
const char *dmsrun_help(void);

#endif
