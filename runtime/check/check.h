/* check.h - is this plan safe? Proves P1..P10 or names the first command that breaks one.
 *
 * Reads    a decoded plan (schema/plan.h) and the kernel rows; nothing of planner or engine.
 * Returns  DMS_OK and the meaning digest, or DMS_EPLAN with "P<k>: ..." naming queue and command.
 * Cost     near-linear in commands, cells and waits; under 1 s for 30,000 commands.
 * Source   vector clocks: Fidge 1988, Mattern 1989; the properties: docs/plan-format.md.
 * Not here whether the plan is fast, and whether the front end read the model rightly.
 */
#ifndef DMS_RUNTIME_CHECK_CHECK_H
#define DMS_RUNTIME_CHECK_CHECK_H

#include "runtime/kernels/kernel.h"
#include "schema/plan.h"

/* Proves properties P1..P9 of a plan, and P10 as far as names go (relative, beneath the folder).
 * Owner    nothing is kept; `scratch` is released to where it was.
 * Errors   DMS_EPLAN: the message begins with the property, "P3: in command 7 ...".
 * Units    out_meaning: the digest of P5, compared with plan->meaning unless that is zero. */
DMS_CHECKED dms_code dms_check_plan(const dms_plan *plan, dms_arena *scratch, dms_hash *out_meaning,
                                    dms_status *st);

#endif
