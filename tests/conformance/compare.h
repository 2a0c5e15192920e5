/* compare.h - is a result the expected one, by the tolerance of ONNX's own test runner?
 *
 * Reads    two dense arrays of one dtype.
 * Returns  the first element that differs too much.
 * Cost     O(elements).
 * Source   onnx/backend/test/runner: |got - want| <= atol + rtol |want|, NaN equal to NaN.
 * Not here the tolerances of real models (tests/models).
 */
#ifndef DMS_TESTS_CONFORMANCE_COMPARE_H
#define DMS_TESTS_CONFORMANCE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/dtype.h"

#define COMPARE_RTOL 1e-3
#define COMPARE_ATOL 1e-7

/* Element k as a number. */
double compare_value(dms_dtype dtype, const void *data, uint64_t k);

/* Whether all elements agree; integers and bools exactly. *where: the first that does not. */
bool compare_arrays(dms_dtype dtype, uint64_t count, const void *got, const void *want,
                    uint64_t *where);

#endif
