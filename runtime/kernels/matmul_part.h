/* matmul_part.h - shared by the rows of products (matmul.c) and their code (matmul_cpu.c). */
#ifndef DMS_RUNTIME_KERNELS_MATMUL_PART_H
#define DMS_RUNTIME_KERNELS_MATMUL_PART_H

#include "runtime/kernels/kernel.h"

/* Terms of one fused chain. Sums of whole segments can be kept and gone on with. */
#define DMS_MATMUL_SEGMENT 256

/* A MATMUL_PART without its chain as the product of its own k: without the sums so far, which are
 * its last input unless it is the first part. y stays what it is. `view` gives storage of
 * DMS_MAX_OPERANDS. */
void dms_matmul_of_part(const dms_call *part, dms_view *view, dms_call *out);

#endif
