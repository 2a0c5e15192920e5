/* device_compare.h - what the second devices of kernel tests share.
 *
 * Reads    a call.
 * Returns  how far its results may lie from the CPU device's; each device says its own.
 * Cost     none.
 * Source   none.
 * Not here the comparison (device_compare.c, which is device_compare of support_device.h).
 */
#ifndef DMS_TESTS_CUDA_DEVICE_COMPARE_H
#define DMS_TESTS_CUDA_DEVICE_COMPARE_H

#include "runtime/kernels/kernel.h"

/* In parts of the larger number, and absolutely; 0: bit for bit. */
double device_tolerance(const dms_call *call);

#endif
