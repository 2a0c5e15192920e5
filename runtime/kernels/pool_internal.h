/* pool_internal.h - what the rows and the code of pooling and resizing agree on.
 *
 * Reads    nothing.
 * Returns  positions and values of the parameters of DMS_K_POOL and DMS_K_RESIZE; limits.
 * Cost     none.
 * Source   ONNX operator specification (Resize 10 to 19).
 * Not here how they are computed (pool_cpu.c, resize_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_POOL_INTERNAL_H
#define DMS_RUNTIME_KERNELS_POOL_INTERNAL_H

/* Integer parameters of pooling; pairs are height, width. */
enum {
    DMS_POOL_FN = 0,
    DMS_POOL_WINDOW = 1,
    DMS_POOL_STEP = 3,
    DMS_POOL_DILATION = 5,
    DMS_POOL_PAD = 7,
    DMS_POOL_PAD_END = 9,
    DMS_POOL_COUNT_PADS = 11,
    DMS_POOL_P = 12,
};
enum { DMS_POOL_MAX = 0, DMS_POOL_AVERAGE = 1, DMS_POOL_LP = 2 };

/* Integer parameters of resizing. */
enum {
    DMS_RESIZE_MODE = 0,
    DMS_RESIZE_COORDINATES = 1,
    DMS_RESIZE_ROUNDING = 2,
    DMS_RESIZE_EXCLUDE = 3,
    DMS_RESIZE_ANTIALIAS = 4,
};
enum { DMS_RESIZE_NEAREST = 0, DMS_RESIZE_LINEAR = 1, DMS_RESIZE_CUBIC = 2 };
enum {
    DMS_HALF_PIXEL = 0,
    DMS_PYTORCH_HALF_PIXEL = 1,
    DMS_ALIGN_CORNERS = 2,
    DMS_ASYMMETRIC = 3,
    DMS_TF_CROP = 4,
    DMS_HALF_PIXEL_SYMMETRIC = 5,
};
enum { DMS_PREFER_FLOOR = 0, DMS_PREFER_CEIL = 1, DMS_FLOOR = 2, DMS_CEIL = 3 };

/* Real parameters of resizing: cubic coefficient, extrapolation value, then three per axis. */
enum { DMS_RESIZE_COEFFICIENT = 0, DMS_RESIZE_EXTRAPOLATION = 1, DMS_RESIZE_AXES = 2 };

enum { DMS_RESIZE_MAX_RANK = 5, DMS_RESIZE_MAX_SHRINK = 4096 };

#endif
