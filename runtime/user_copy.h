/* user_copy.h - tensors of the caller, with room between elements, from and to the device.
 *
 * Reads    a tensor of the caller and a plan tensor of as many elements.
 * Returns  the bytes of one buffer moved.
 * Cost     one dms_host_copy per contiguous run.
 * Source   none.
 * Not here when (engine.c).
 */
#ifndef DMS_RUNTIME_USER_COPY_H
#define DMS_RUNTIME_USER_COPY_H

#include "runtime/device.h"
#include "runtime/dms.h"

/* Copies the caller's tensor into the device at `to`: all of it, or cell `cell` where `tensor` is
 * split. Returns the bytes. */
uint64_t dms_user_copy_in(dms_device *device, uint64_t to, const dms_plan_tensor *tensor,
                          uint32_t cell, const dms_user_tensor *user);

/* The other way. */
uint64_t dms_user_copy_out(dms_device *device, const dms_user_tensor *user,
                           const dms_plan_tensor *tensor, uint32_t cell, uint64_t from);

/* Copies bytes [first, first + bytes) of what a buffer of `tensor` (of cell `cell`) holds from the
 * caller's tensor to `to`. Both numbers are multiples of the element's size. */
void dms_user_gather(void *to, const dms_plan_tensor *tensor, uint32_t cell,
                     const dms_user_tensor *user, uint64_t first, uint64_t bytes);

/* The other way. */
void dms_user_scatter(const dms_user_tensor *user, const dms_plan_tensor *tensor, uint32_t cell,
                      uint64_t first, uint64_t bytes, const void *from);

#endif
