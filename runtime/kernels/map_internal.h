/* map_internal.h - functions of strips, and the walk that applies one to a call.
 *
 * Reads    the element types of a call.
 * Returns  a function over dense strips of the types' classes.
 * Cost     one indirect call per strip, or per run where the operands already are strips.
 * Source   none.
 * Not here rows and checks (map.c).
 */
#ifndef DMS_RUNTIME_KERNELS_MAP_INTERNAL_H
#define DMS_RUNTIME_KERNELS_MAP_INTERNAL_H

#include "runtime/kernels/strip.h"

/* out[i] = f(in[0][i], ...) for dense strips; `out` may be one of `in`. p: two real parameters. */
typedef void (*dms_map_fn)(int64_t n, const void *const *in, void *out, const double *p);

/* Elements per part: small enough to balance threads, large enough to hide a claim. */
#define DMS_MAP_PART 32768

/* Iterations of the next loop are independent, though the operands may be one buffer. clang finds
 * that out at run time, and warns of loops that it is told to vectorise and cannot. */
#ifdef __clang__
#define DMS_INDEPENDENT
#else
#define DMS_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* The function `fn` of dms_unary_fn on a class; NULL where the row refuses it. */
dms_map_fn DMS_ISA(dms_map_unary)(int64_t fn, dms_class class);

/* The function `fn` of dms_binary_fn on a class; NULL where the row refuses it. */
dms_map_fn DMS_ISA(dms_map_binary)(int64_t fn, dms_class class);

/* The conversion of strips of `from` to strips of `to`; NULL where both have the same class. */
dms_map_fn DMS_ISA(dms_map_cast)(dms_dtype from, dms_dtype to);

/* What to do with the strips of a call: each input is loaded as a strip of its type, converted
 * where `convert_in` says so, handed to `apply` (NULL: input 0 as it is), converted back and
 * stored. */
typedef struct dms_map_task {
    uint32_t n_in;
    dms_map_fn convert_in[2], apply, convert_out;
    double p[2];
} dms_map_task;

#endif
