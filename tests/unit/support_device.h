/* support_device.h - a second device on which calls of kernel tests run, where one is linked.
 *
 * Reads    the call that a test has run on the CPU device.
 * Returns  nothing: without tests/cuda these functions do not exist, which tests ask for first.
 *          Where they do, the CPU device runs a call in one way: the others agree without them.
 * Cost     none.
 * Source   none.
 * Not here the device (tests/cuda/device_run.c: the CUDA kernels, emulated).
 */
#ifndef DMS_TESTS_SUPPORT_DEVICE_H
#define DMS_TESTS_SUPPORT_DEVICE_H

#include "runtime/kernels/kernel.h"

/* Runs a checked call on these operands; fails the test where the device refuses it. False where
 * the device has no such kernel. Sets *index_error as a kernel does. */
__attribute__((weak)) bool device_run(const dms_call *call, void *const *operand,
                                      uint32_t *index_error);

/* Fails the test unless output k of the call is the same in both memories: bit for bit, or within
 * what the kernel promises on the device. */
__attribute__((weak)) void device_compare(const dms_call *call, uint32_t k, const void *want,
                                          const void *got);

#endif
