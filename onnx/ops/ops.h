/* ops.h - the families of operators, one line each.
 *
 * Reads    nothing.
 * Returns  the rows that table.c searches.
 * Cost     none.
 * Source   none.
 * Not here what an operator means (the file of its family).
 *
 * A file onnx/ops/NAME.c ends with
 *
 *     static const dms_op rows[] = { {.name = "Relu", .since = 7, ...}, ... };
 *     const dms_op_family dms_ops_NAME = {rows, sizeof rows / sizeof *rows};
 *
 * and has one line in the list below. Several rows may share a name when their opset ranges do not
 * overlap. Constant, If, Loop and function calls need no row: import.c resolves or refuses them.
 */
#ifndef DMS_ONNX_OPS_OPS_H
#define DMS_ONNX_OPS_OPS_H

#include "onnx/op.h"

typedef struct dms_op_family {
    const dms_op *row;
    uint32_t n_rows;
} dms_op_family;

/* Every family. Add a line X(name) for a file name.c. */
#define DMS_OP_FAMILIES(X)                                                                         \
    X(along)                                                                                       \
    X(attention)                                                                                   \
    X(binary)                                                                                      \
    X(cast)                                                                                        \
    X(constant)                                                                                    \
    X(contrib)                                                                                     \
    X(conv)                                                                                        \
    X(einsum)                                                                                      \
    X(fused)                                                                                       \
    X(index)                                                                                       \
    X(integer)                                                                                     \
    X(join)                                                                                        \
    X(nbits)                                                                                       \
    X(norm)                                                                                        \
    X(pool)                                                                                        \
    X(product)                                                                                     \
    X(quantize)                                                                                    \
    X(recurrent)                                                                                   \
    X(reduce)                                                                                      \
    X(resize)                                                                                      \
    X(rotary)                                                                                      \
    X(sample)                                                                                      \
    X(signal)                                                                                      \
    X(slice)                                                                                       \
    X(unary)                                                                                       \
    X(view)

#define DMS_DECLARE_FAMILY(family) extern const dms_op_family dms_ops_##family;
DMS_OP_FAMILIES(DMS_DECLARE_FAMILY)
#undef DMS_DECLARE_FAMILY

#endif
