/* window.h - the sliding windows of convolutions and pools: one or two spatial axes.
 *
 * Reads    attributes kernel_shape, strides, dilations, pads, auto_pad, ceil_mode of a node.
 * Returns  the window per axis, with the pads that auto_pad stands for, and the result's extents.
 * Cost     O(axes).
 * Source   ONNX operator specification: Conv, ConvTranspose, AveragePool, MaxPool.
 * Not here what happens inside a window (runtime/kernels).
 */
#ifndef DMS_ONNX_OPS_WINDOW_H
#define DMS_ONNX_OPS_WINDOW_H

#include "onnx/ops/common.h"

#define DMS_WINDOW_LIMIT INT32_MAX /* largest extent, stride, pad, ...: products fit 64 bits */

/* Two spatial axes, height and width; a signal of one axis has height 1. */
typedef struct dms_window {
    uint32_t n; /* spatial axes of the tensors: 1 or 2 */
    int64_t in[2], kernel[2], stride[2], dilation[2], begin[2], end[2], out[2];
} dms_window;

/* Reads a window over the spatial axes of input 0. `kernel` holds the n extents of the weight, or
 * NULL: then attribute kernel_shape gives them.
 * Errors   DMS_EUNSUPPORTED: numbers out of range, a window larger than the padded input. */
DMS_CHECKED dms_code dms_window_read(const dms_graph *graph, const dms_node *node,
                                     const int64_t *kernel, dms_window *out, dms_status *st);

/* The same for ConvTranspose, whose output_padding and output_shape decide the result. */
DMS_CHECKED dms_code dms_window_read_transposed(const dms_graph *graph, const dms_node *node,
                                                const int64_t *kernel, dms_window *out,
                                                dms_status *st);

/* Dims [a, b, spatial...] with the window's axes taken from `extent` ([2]); returns the rank. */
uint32_t dms_window_dims(const dms_window *window, int64_t a, int64_t b, const int64_t *extent,
                         int64_t *dim);

/* Tensor as [dim 0, dim 1, height, width]. */
DMS_CHECKED dms_code dms_window_operand(dms_lowering *lo, const dms_node *node, uint32_t tensor,
                                        dms_lowered_operand *out, dms_status *st);

#endif
