/* copy_plan.h - elements from one strided place to another, whatever their type.
 *
 * Reads    dims, and for both sides a pitch per axis (the source's may be negative or 0).
 * Returns  a plan of independent parts, and the copy of some of them.
 * Cost     memory bandwidth: dense runs by memcpy, transposes in blocks of 16 rows so that each
 *          cache line is read and written once.
 * Source   none; blocked transposition.
 * Not here which views are copied (move_cpu.c, index_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_COPY_PLAN_H
#define DMS_RUNTIME_KERNELS_COPY_PLAN_H

#include <stdbool.h>

#include "runtime/kernels/walk.h"

/* Elements per part. */
#define DMS_COPY_PART 65536

/* How a copy goes: operand 0 of the walk is the source, 1 the target. In a transpose the last two
 * axes of the walk are a block: the source is dense along the first of them, the target along the
 * second. */
typedef struct dms_copy_plan {
    dms_walk walk;
    uint32_t bytes; /* of an element */
    bool is_transpose;
    int64_t units, units_per_part, parts; /* units: elements, or slabs of 16 rows of a block */
} dms_copy_plan;

/* Plans a copy between views of the same dims; bit k of `backward` reads axis k from its end. */
void DMS_ISA(dms_copy_plan)(const dms_view *from, const dms_view *to, uint64_t backward,
                            dms_copy_plan *out);

/* Where the plan's source starts, counted in elements from the view's own start. */
int64_t DMS_ISA(dms_copy_start)(const dms_view *from, uint64_t backward);

/* Copies parts [first, end). Both addresses are those of the views' first elements. */
void DMS_ISA(dms_copy_run)(const dms_copy_plan *plan, const void *from, void *to, uint64_t first,
                           uint64_t end);

/* Copies n elements from one pitch to another; a pitch of 0 repeats. */
void DMS_ISA(dms_copy_strip)(uint32_t bytes, int64_t n, const void *from, int64_t pitch_from,
                             void *to, int64_t pitch_to);

#endif
