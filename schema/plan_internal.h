/* plan_internal.h - shared by the files behind plan.h: limits of the format, message <-> record.
 *
 * Reads    the generated messages of plan.proto.
 * Returns  what plan_read.c and plan_write.c promise to plan.c.
 * Cost     O(plan).
 * Source   none.
 * Not here the container around the message (plan.c).
 */
#ifndef DMS_SCHEMA_PLAN_INTERNAL_H
#define DMS_SCHEMA_PLAN_INTERNAL_H

#include "schema/plan.h"
#include "schema/plan.pb-c.h"

#define DMS_PLAN_NAME_BYTES 4096u /* longest name, without its 0 */
#define DMS_PLAN_HEADER_BYTES 40u /* magic, version, reserved, length, checksum */

typedef enum dms_plan_part { DMS_PROLOGUE = 0, DMS_BODY = 1 } dms_plan_part;

/* Turns a decoded message into tables in `arena`, every index checked.
 * Errors   DMS_EPLAN naming the entry; DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_plan_from_message(const Dms__Plan *message, dms_arena *arena,
                                           dms_plan *out_plan, dms_status *st);

/* Turns tables into a message whose parts live in `arena` or in the plan itself.
 * Errors   DMS_EINTERNAL: out of memory, or an offset that the format cannot hold. */
DMS_CHECKED dms_code dms_plan_to_message(const dms_plan *plan, dms_arena *arena,
                                         Dms__Plan **out_message, dms_status *st);

/* Reads the commands of one part of the plan, whose tables are complete.
 * Errors   DMS_EPLAN naming part, queue and command; DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_plan_read_program(dms_plan *plan, const Dms__Program *in,
                                           dms_plan_part part, dms_arena *arena, dms_status *st);

/* Turns the commands of one part into columns.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_plan_write_program(const dms_plan *plan, const dms_program *program,
                                            dms_arena *arena, Dms__Program **out, dms_status *st);

#endif
