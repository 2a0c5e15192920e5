/* rows_internal.h - what the rows of all families share: words for their checks and cuts.
 *
 * Reads    a call whose counts are in range and whose views are valid by themselves.
 * Returns  DMS_OK, or DMS_EPLAN with "kernel 'conv', operand 1: ...".
 * Cost     O(rank) each.
 * Source   none.
 * Not here anything about one kernel.
 */
#ifndef DMS_RUNTIME_KERNELS_ROWS_INTERNAL_H
#define DMS_RUNTIME_KERNELS_ROWS_INTERNAL_H

#include <inttypes.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/kernel.h"

/* Sets of element types. */
#define DMS_DTYPES_FLOAT                                                                           \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16) | \
     DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define DMS_DTYPES_INTEGER                                                                         \
    (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8) | DMS_DTYPE_BIT(DMS_DTYPE_U16) |    \
     DMS_DTYPE_BIT(DMS_DTYPE_I16) | DMS_DTYPE_BIT(DMS_DTYPE_I32) | DMS_DTYPE_BIT(DMS_DTYPE_I64) |  \
     DMS_DTYPE_BIT(DMS_DTYPE_U32) | DMS_DTYPE_BIT(DMS_DTYPE_U64))
#define DMS_DTYPES_ALL (DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER | DMS_DTYPE_BIT(DMS_DTYPE_BOOL))

/* The numbers of inputs and outputs of a row: least and most. */
#define DMS_OPERANDS(min_inputs, max_inputs, min_outputs, max_outputs)                             \
    .min_in = (min_inputs), .max_in = (max_inputs), .min_out = (min_outputs),                      \
    .max_out = (max_outputs)

/* Marks an operand that no single thing is wrong with: the call as a whole. */
#define DMS_NO_OPERAND UINT32_MAX

/* DMS_EPLAN with "kernel '<name>', operand <k>: <text>". */
dms_code dms_row_refuse(const dms_call *call, uint32_t operand, dms_status *st, const char *fmt,
                        ...) DMS_FORMAT(4, 5);

/* The operand's dtype is in the set (bits of dms_dtype). */
DMS_CHECKED dms_code dms_row_want_dtype(const dms_call *call, uint32_t operand, uint32_t set,
                                        dms_status *st);

/* All operands have the dtype of operand 0, which is in the set. */
DMS_CHECKED dms_code dms_row_want_one_dtype(const dms_call *call, uint32_t set, dms_status *st);

/* The operand has exactly this rank. */
DMS_CHECKED dms_code dms_row_want_rank(const dms_call *call, uint32_t operand, uint32_t rank,
                                       dms_status *st);

/* Axis `axis` of the operand has `dim` elements. */
DMS_CHECKED dms_code dms_row_want_dim(const dms_call *call, uint32_t operand, uint32_t axis,
                                      int64_t dim, dms_status *st);

/* Operands a and b have the same dims. */
DMS_CHECKED dms_code dms_row_want_same_dims(const dms_call *call, uint32_t a, uint32_t b,
                                            dms_status *st);

/* Integer parameter `k` lies in [low, high]. */
DMS_CHECKED dms_code dms_row_want_i(const dms_call *call, uint32_t k, int64_t low, int64_t high,
                                    dms_status *st);

/* Whether output `out` may lie over input `in`, for kernels that read a place before they write it:
 * same dims, pitches, offset and element size. */
bool dms_row_lies_the_same(const dms_call *call, uint32_t in, uint32_t out);

/* A cut that touches nothing yet: every axis -1, every unit 1, no extent parameter, extent 0. */
void dms_cut_init(dms_cut *out);

/* The type of y = fn(x), fn of dms_unary_fn; NONE where there is no such function of x. Sets the
 * number of real parameters that it reads. */
dms_dtype dms_map_unary_type(int64_t fn, dms_dtype x, uint32_t *out_n_reals);

/* How many additions of f32 take as long as a known function of one operand does, about. */
uint64_t dms_map_unary_work(int64_t fn);

/* The same of a known function of two operands. */
uint64_t dms_map_binary_work(int64_t fn);

/* The type of y = fn(a, b), fn of dms_binary_fn; NONE where there is no such function. */
dms_dtype dms_map_binary_type(int64_t fn, dms_dtype a, dms_dtype b);

/* a * b, the largest value where that does not fit. */
static inline uint64_t dms_mul_saturated(uint64_t a, uint64_t b) {
    uint64_t out;
    return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

#endif
