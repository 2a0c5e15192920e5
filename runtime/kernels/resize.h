/* resize.h - what lowering, row and code of resizing agree on.
 *
 * Reads    nothing.
 * Returns  positions and values of the parameters of DMS_K_RESIZE; limits; the same as records.
 * Cost     none.
 * Source   ONNX operator specification (Resize 10 to 19).
 * Not here formulas (resize_body.h); records of a call (resize_join.h).
 */
#ifndef DMS_RUNTIME_KERNELS_RESIZE_H
#define DMS_RUNTIME_KERNELS_RESIZE_H

#include <stdint.h>

/* Integer parameters. */
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

/* Real parameters: cubic coefficient, extrapolation value, then three per axis. */
enum { DMS_RESIZE_COEFFICIENT = 0, DMS_RESIZE_EXTRAPOLATION = 1, DMS_RESIZE_AXES = 2 };

enum { DMS_RESIZE_MAX_RANK = 5, DMS_RESIZE_MAX_SHRINK = 4096 };

/* The parameters that all axes share. */
typedef struct dms_resize_rule {
    int32_t mode, coordinates, rounding, excludes, antialiases;
    float coefficient;
} dms_resize_rule;

/* One axis. */
typedef struct dms_resize_axis {
    int64_t in, out;
    float scale, begin, end;
} dms_resize_axis;

#endif
