/* attention_internal.h - what the row and the code of attention agree on.
 *
 * Reads    nothing.
 * Returns  positions and values of the parameters of DMS_K_ATTENTION; limits.
 * Cost     none.
 * Source   none.
 * Not here how it is computed (attention_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_ATTENTION_INTERNAL_H
#define DMS_RUNTIME_KERNELS_ATTENTION_INTERNAL_H

enum { DMS_ATTENTION_CAUSAL = 0, DMS_ATTENTION_MASK = 1, DMS_ATTENTION_EMPTY = 2 };
enum { DMS_ATTENTION_SCALE = 0, DMS_ATTENTION_SOFTCAP = 1, DMS_ATTENTION_FILL = 2 };
enum { DMS_CAUSAL_NONE = 0, DMS_CAUSAL_OUTER = 1, DMS_CAUSAL_INNER = 2 };
enum { DMS_MASK_NONE = 0, DMS_MASK_ADDED = 1, DMS_MASK_BOOL = 2 };
enum { DMS_EMPTY_ZERO = 0, DMS_EMPTY_UNIFORM = 1, DMS_EMPTY_NAN = 2 };

/* Largest width of a head of q and k, and of v. */
enum { DMS_ATTENTION_MAX_WIDTH = 16384 };

#endif
