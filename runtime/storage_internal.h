/* storage_internal.h - shared by storage.c (files) and storage_load.c (blocks). */
#ifndef DMS_RUNTIME_STORAGE_INTERNAL_H
#define DMS_RUNTIME_STORAGE_INTERNAL_H

#include "runtime/storage.h"

/* Rows and transposed blocks pass through here: half a second-level cache of staging is read, then
 * scattered while it is warm. */
#define DMS_STAGING_BYTES (2u << 20)

struct dms_storage {
    const dms_plan *plan;
    dms_storage_options options;
    int *fd; /* per file of the plan; -1: not read */
    uint8_t *staging;
};

#endif
