/* product.h - the product of matrices for operators that compute one among other things.
 *
 * Reads    two factors by the rule of ONNX MatMul: leading axes are broadcast, vectors are rows or
 *          columns whose axis vanishes.
 * Returns  the shape of the result; one DMS_K_MATMUL.
 * Cost     O(rank).
 * Source   ONNX operator specification, MatMul.
 * Not here MatMul and Gemm themselves (product.c), integer products (integer.c).
 */
#ifndef DMS_ONNX_OPS_PRODUCT_H
#define DMS_ONNX_OPS_PRODUCT_H

#include "onnx/ops/common.h"

/* Sets output 0 to the shape of input a times input b, with this dtype.
 * Errors   DMS_EUNSUPPORTED: the shapes do not fit; names both inputs. */
DMS_CHECKED dms_code dms_product_infer(dms_graph *graph, const dms_node *node, uint32_t a,
                                       uint32_t b, dms_dtype dtype, dms_status *st);

/* Emits the product of operands 0 and 1 into operand 2, whose dims are those of the result. */
DMS_CHECKED dms_code dms_product_emit(dms_lowering *lo, const dms_node *node,
                                      const dms_lowered_operand *factors_and_result,
                                      dms_status *st);

#endif
