/* dtype.h - the element types of tensors.
 *
 * Reads    nothing.
 * Returns  size and name of each type; numbers are those of ONNX TensorProto.DataType.
 * Cost     table look-up.
 * Source   ONNX IR specification, TensorProto.DataType.
 * Not here which kernels run which type (runtime/kernels/kernel.h).
 */
#ifndef DMS_SCHEMA_DTYPE_H
#define DMS_SCHEMA_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dms_dtype {
    DMS_DTYPE_NONE = 0,
    DMS_DTYPE_F32 = 1,
    DMS_DTYPE_U8 = 2,
    DMS_DTYPE_I8 = 3,
    DMS_DTYPE_U16 = 4,
    DMS_DTYPE_I16 = 5,
    DMS_DTYPE_I32 = 6,
    DMS_DTYPE_I64 = 7,
    DMS_DTYPE_BOOL = 9,
    DMS_DTYPE_F16 = 10,
    DMS_DTYPE_F64 = 11,
    DMS_DTYPE_U32 = 12,
    DMS_DTYPE_U64 = 13,
    DMS_DTYPE_BF16 = 16,
} dms_dtype;

/* One bit per type, for sets of types. */
#define DMS_DTYPE_BIT(dtype) (1u << (unsigned)(dtype))

/* Bytes of one element; 0 for a number that is no supported type. */
uint32_t dms_dtype_bytes(uint32_t dtype);

/* "f32", "bf16", ...; also names the ONNX types that are not supported ("string"); never NULL. */
const char *dms_dtype_name(uint32_t dtype);

/* f16, bf16, f32 or f64. */
bool dms_dtype_is_float(uint32_t dtype);

/* A signed or unsigned integer type; bool is none. */
bool dms_dtype_is_integer(uint32_t dtype);

#ifdef __cplusplus
}
#endif

#endif
