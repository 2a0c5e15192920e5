/* calibrate.h - what a device of this machine can do, measured with what runs plans.
 *
 * Reads    nothing but clocks; writes a file of 256 MiB into a folder and removes it.
 * Returns  a profile (schema/profile.h) and the figures it was made from, each with how much it
 *          varied.
 * Cost     below 20 s; 192 MiB of memory; on a card 1 GiB of its memory, 64 MiB locked.
 * Source   none; figures are medians, lines are fitted by least squares of relative errors.
 * Not here what planning makes of a profile (planner), step times of a model (dmsc --measured).
 *
 * Nothing is simulated: copies go through the device, readings through the loader, arithmetic
 * through the kernels and their thread pool, and what slows what down is measured by running both.
 * On a card times come from its own events, and queues begin together behind a gate.
 */
#ifndef DMS_RUNTIME_CALIBRATE_H
#define DMS_RUNTIME_CALIBRATE_H

#include <stdatomic.h>
#include <stdio.h>

#include "schema/arena.h"
#include "schema/profile.h"

#define DMS_MOST_FIGURES 80u

typedef struct dms_device dms_device; /* device.h */
typedef struct dms_device_options dms_device_options;

typedef struct dms_calibrate_options {
    const char *device;        /* as in dms_options; NULL: cpu */
    uint32_t threads;          /* compute threads; 0: one per core this process may use */
    const char *folder;        /* for the file that storage is measured with */
    const char *name;          /* of the profile */
    const atomic_bool *cancel; /* looked at between measurements; NULL: never */
    /* Opens a card; NULL: libdms_cuda does. A test has its own here. */
    dms_code (*open_card)(void *context, const dms_device_options *options, dms_arena *arena,
                          dms_device **out_device, dms_status *st);
    void *card_context;
} dms_calibrate_options;

/* One line of the table. `spread` is the middle half of the samples over the median. */
typedef struct dms_figure {
    char name[32];
    const char *unit;
    double value, spread;
} dms_figure;

typedef struct dms_calibration {
    dms_profile profile;
    uint32_t threads, n_figures;
    dms_figure figure[DMS_MOST_FIGURES];
    double fit_error[DMS_PROFILE_FAMILIES]; /* largest relative one of the calls of a family */
    char card[100];                         /* name, and the way it is used; "": the CPU */
    const char *reader; /* "io_uring", "pread"; NULL: the folder takes no direct reads */
    int64_t took_ns;
} dms_calibration;

/* Measures.
 * Owner    strings of `out` live as long as the program.
 * Errors   DMS_EIO: the folder cannot be written or has no space; DMS_EDEVICE: no memory;
 *          DMS_ECANCELLED; nothing is left in the folder. */
DMS_CHECKED dms_code dms_calibrate(const dms_calibrate_options *options, dms_arena *arena,
                                   dms_calibration *out, dms_status *st);

/* Prints the table, and what to think of it where figures varied. */
void dms_calibration_print(const dms_calibration *c, FILE *out);

/* Writes the profile as JSON that `dmsc --profile FILE` reads. */
void dms_calibration_write(const dms_calibration *c, FILE *out);

#endif
