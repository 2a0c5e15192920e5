/* quantize.h - floats as small integers on the card.
 *
 * Reads    places of x, scale, zero, y.
 * Returns  parameters and launches of the kernels of quantize.cu.
 * Cost     each operand once.
 * Source   none.
 * Not here the formulas (runtime/kernels/quantize_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_QUANTIZE_H
#define DMS_RUNTIME_CUDA_QUANTIZE_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Operands x, scale, zero (x again where there is none), y. */
typedef struct dms_quantize_params {
    dms_places places;
    void *operand[4];
    uint32_t dtype[4];
    uint32_t has_zero;
    float low, high;
} dms_quantize_params;

/* Launches the kernel `quantize` (quantize.cu); returns 0 or an error number of CUDA. */
int dms_launch_quantize(dms_grid grid, const dms_quantize_params *p);
/* Launches the kernel `dequantize` (quantize.cu); returns 0 or an error number of CUDA. */
int dms_launch_dequantize(dms_grid grid, const dms_quantize_params *p);
/* Launches the kernel `lookup` (quantize.cu): places of x and y; returns 0 or an error of CUDA. */
int dms_launch_lookup(dms_grid grid, const dms_quantize_params *p);

#ifdef __cplusplus
}
#endif

#endif
