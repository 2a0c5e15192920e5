/* sample.h - what lowering, row and code of sampling agree on.
 *
 * Reads    nothing.
 * Returns  positions and values of the parameters of DMS_K_GRID_SAMPLE; limits.
 * Cost     none.
 * Source   ONNX operator specification (GridSample 16 and 20).
 * Not here how it is computed (sample_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_SAMPLE_H
#define DMS_RUNTIME_KERNELS_SAMPLE_H

enum { DMS_SAMPLE_MODE = 0, DMS_SAMPLE_PADDING = 1, DMS_SAMPLE_ALIGN = 2, DMS_SAMPLE_N_I = 3 };
enum { DMS_SAMPLE_NEAREST = 0, DMS_SAMPLE_LINEAR = 1, DMS_SAMPLE_CUBIC = 2 };
enum { DMS_SAMPLE_ZEROS = 0, DMS_SAMPLE_BORDER = 1, DMS_SAMPLE_REFLECTION = 2 };

/* Spatial axes; and the longest one, so that positions are exact in f32. */
enum { DMS_SAMPLE_MAX_AXES = 3, DMS_SAMPLE_MAX_EXTENT = 1 << 24 };

#endif
