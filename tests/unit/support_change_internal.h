/* support_change_internal.h - shared by the two files behind support_change.h.
 *
 * Reads    what support_change.h says.
 * Returns  what support_change.h promises.
 * Cost     as there.
 * Source   none.
 * Not here tables (support_change.c) and commands (support_change_cmd.c) themselves.
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_CHANGE_INTERNAL_H
#define DMS_TESTS_UNIT_SUPPORT_CHANGE_INTERNAL_H

#include "support_change.h"

/* Another number in place of `value`: a neighbour, a half, an extreme. */
uint64_t change_number(change_source *source, uint64_t value);

/* Changes of commands, and of what they name. */
bool change_command(dms_plan *plan, dms_arena *arena, change_kind kind, change_source *source);

#endif
