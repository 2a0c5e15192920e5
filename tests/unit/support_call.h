/* support_call.h - one kernel call with random operands, run in every way that gives equal bits.
 *
 * Reads    what a test says: operands, parameters.
 * Returns  outputs; checks with cmocka that ways of running agree and nothing outside is written.
 * Cost     every operand is copied a few times.
 * Source   none.
 * Not here what the right result is (the oracle of each test).
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_CALL_H
#define DMS_TESTS_UNIT_SUPPORT_CALL_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "schema/arena.h"

#define CALL_OPERANDS 16

/* A call under construction. Inputs are added first, then outputs, then parameters. */
typedef struct call_case {
    dms_arena arena;
    dms_call call;
    dms_view view[CALL_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
    void *data[CALL_OPERANDS]; /* element 0 of each operand, offset applied */
    uint32_t random;
} call_case;

/* Starts a case; everything lives until call_free. */
void call_begin(call_case *c, uint32_t kernel, uint32_t seed);

/* Releases the case. */
void call_free(call_case *c);

/* A number in [low, high] from the case's own sequence. */
int64_t call_pick(call_case *c, int64_t low, int64_t high);

/* Adds a dense input (or output) with random contents; floats lie in [-1, 1). Returns its index. */
uint32_t call_in(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim);
uint32_t call_out(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim);

/* Adds an operand whose memory order of axes is `order` (outermost first), with `gap` unused
 * elements at the end of each row; axes in `repeats` (bits) have pitch 0. */
uint32_t call_in_strided(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                         const uint32_t *order, int64_t gap, uint32_t repeats);
uint32_t call_out_strided(call_case *c, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                          const uint32_t *order, int64_t gap);

/* Sets the parameters. */
void call_params(call_case *c, uint32_t n_i, const int64_t *i, uint32_t n_f, const double *f);

/* The call passes its check; fails the test with the message otherwise. */
void call_is_valid(call_case *c);

/* The call is refused, and the message holds `text`. */
void call_is_refused(call_case *c, const char *text);

/* Runs the call on an instruction set, all parts at once. Scratch and workspace are garbage. */
void call_run(call_case *c, dms_isa isa);

/* Runs it whole on the base set, then part by part backwards on every set of this machine: all
 * outputs must have the same bytes, and guard bytes around them must be untouched. The outputs hold
 * the result. */
void call_runs_alike(call_case *c);

/* Cuts the call at multiples of `width` and runs the pieces: the bits of the whole. */
void call_cuts_alike(call_case *c, int64_t width);

/* Cuts what the call sums over at multiples of `depth` and runs the parts one after another, on
 * every set of this machine, each part's sums over those before it, and in memory of their own: the
 * bits of the whole. Cells of a packed operand 1 are dense copies. */
void call_parts_alike(call_case *c, int64_t depth);

/* Packs operand `k` as the row says and runs again: the bits of the plain layout. The packed
 * operand stays in the case, so that cuts can follow. */
void call_packs_alike(call_case *c, uint32_t k);

/* Runs a call of f16 or bf16 in every way: the dense output is that of the call in f32, rounded. */
void call_rounds_once(call_case *c);

/* Element of a strided f32, f16 or bf16 operand by up to four indices. */
float call_at(const call_case *c, uint32_t operand, int64_t i0, int64_t i1, int64_t i2, int64_t i3);

#endif
