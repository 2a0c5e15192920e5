/* conv_internal.h - what the rows and the code of convolutions agree on.
 *
 * Reads    nothing.
 * Returns  positions of the integer parameters of DMS_K_CONV and DMS_K_CONV_TRANSPOSE.
 * Cost     none.
 * Source   none.
 * Not here the sums (taps_internal.h).
 */
#ifndef DMS_RUNTIME_KERNELS_CONV_INTERNAL_H
#define DMS_RUNTIME_KERNELS_CONV_INTERNAL_H

#include "schema/checked.h"

/* Each of the last three has a second entry for the width. */
enum { DMS_CONV_GROUP = 0, DMS_CONV_STEP = 1, DMS_CONV_DILATION = 3, DMS_CONV_PAD = 5 };

/* Below this many output channels panels waste more than they win. */
enum { DMS_CONV_FEW = 8 };

/* Largest kh x kw. */
enum { DMS_CONV_MAX_TAPS = 65536 };

#endif
