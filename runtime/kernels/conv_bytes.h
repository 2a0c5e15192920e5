/* conv_bytes.h - what row and code of integer convolutions agree on, on every device.
 *
 * Reads    nothing.
 * Returns  positions of operands and parameters of DMS_K_CONV_BYTES.
 * Cost     none.
 * Source   none.
 * Not here how sums are made (conv_bytes_internal.h, runtime/cuda/kernels/conv_bytes.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_CONV_BYTES_H
#define DMS_RUNTIME_KERNELS_CONV_BYTES_H

/* Operands; the last three where y is no sum. */
enum {
    DMS_BYTES_X = 0,
    DMS_BYTES_W = 1,
    DMS_BYTES_ZERO_X = 2,
    DMS_BYTES_ZERO_W = 3,
    DMS_BYTES_BIAS = 4,
    DMS_BYTES_SCALE = 5,
    DMS_BYTES_ZERO_Y = 6
};

/* Integer parameters; KERNEL to PAD have a second entry for the width. */
enum {
    DMS_BYTES_LAYOUT = 0, /* of w: 0 plain, 1 panels */
    DMS_BYTES_KERNEL = 1,
    DMS_BYTES_STEP = 3,
    DMS_BYTES_DILATION = 5,
    DMS_BYTES_PAD = 7,
    DMS_BYTES_LOW = 9, /* bounds of y */
    DMS_BYTES_HIGH = 10,
    DMS_BYTES_N_I = 11
};

#endif
