/* profile_read.h - hardware profiles: those built in, and those of a file.
 *
 * Reads    "dms-profile" JSON, version 1 (planner/profiles/ holds the built-in ones).
 * Returns  a dms_profile (schema/profile.h) with every number checked.
 * Cost     O(file), at most 64 KiB.
 * Source   none; each profile names where its numbers come from.
 * Not here what the numbers are used for (tile.c, place.h).
 */
#ifndef DMS_PLANNER_PROFILE_READ_H
#define DMS_PLANNER_PROFILE_READ_H

#include <stdio.h>

#include "schema/profile.h"
#include "schema/status.h"

/* Finds a built-in profile by name, or reads a file where `name` has a '/' or ends in ".json".
 * Errors   DMS_EUSAGE: no such profile, or a wrong one (naming the key); DMS_EIO: unreadable. */
DMS_CHECKED dms_code dms_profile_load(const char *name, dms_profile *out, dms_status *st);

/* Prints name and figures of every built-in profile (dmsc --list-profiles).
 * Errors   DMS_EINTERNAL where a built-in profile is broken. */
DMS_CHECKED dms_code dms_profiles_print(FILE *out, dms_status *st);

#endif
