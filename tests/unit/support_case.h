/* support_case.h - one call of a kernel with its operands in memory, for oracle tests.
 *
 * Reads    views and parameters, given one by one.
 * Returns  the outputs, after proving that every instruction set of this machine and every split
 *          into parts gives the same bytes, and that nothing outside the views was written.
 * Cost     O(elements x 6).
 * Source   none.
 * Not here oracles (each test_*.c has its own naive loops).
 */
#ifndef DMS_TESTS_SUPPORT_CASE_H
#define DMS_TESTS_SUPPORT_CASE_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "schema/arena.h"

#define CASE_OPERANDS 34

typedef struct kernel_case {
    dms_arena arena;
    dms_call call;
    dms_view view[CASE_OPERANDS];
    char *base[CASE_OPERANDS]; /* element 0 of the buffer that the view's offset counts from */
    uint64_t bytes[CASE_OPERANDS];
    uint32_t same_as[CASE_OPERANDS]; /* an output that lies over this operand; else itself */
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
    uint64_t seed;
    unsigned index_error;
} kernel_case;

/* Starts a case of a kernel without operands. */
void case_open(kernel_case *c, uint32_t kernel);

/* Frees everything. */
void case_close(kernel_case *c);

/* A dense view. */
dms_view case_dense(dms_dtype dtype, uint32_t rank, const int64_t *dim);

/* A view of the same dims whose rows have gaps and whose first two axes (if any) are swapped in
 * memory; starts `offset` elements in. */
dms_view case_strided(dms_dtype dtype, uint32_t rank, const int64_t *dim, int64_t offset);

/* Adds an input of pseudo-random small numbers (every dtype holds them exactly); returns its
 * index. */
uint32_t case_in(kernel_case *c, dms_view view);

/* Adds an output; inputs come first. */
uint32_t case_out(kernel_case *c, dms_view view);

/* The last output lies exactly over input k. */
void case_in_place(kernel_case *c, uint32_t k);

/* Adds a parameter. */
void case_i(kernel_case *c, int64_t value);
void case_f(kernel_case *c, double value);

/* Checks and runs the call on every instruction set, whole and in odd splits of its parts; fails
 * the test where two differ in any byte of an output's buffer, or a byte outside the view
 * changed. */
void case_run(kernel_case *c);

/* The message of dms_call_check; fails the test when the call passes. */
const char *case_refusal(kernel_case *c, dms_status *st);

/* Address of element `index` (row-major in the dims) of an operand. */
void *case_at(const kernel_case *c, uint32_t operand, int64_t index);

/* That element as a number, and set to a number (converted as its dtype does). */
double case_get(const kernel_case *c, uint32_t operand, int64_t index);
int64_t case_get_i(const kernel_case *c, uint32_t operand, int64_t index);
void case_set(kernel_case *c, uint32_t operand, int64_t index, double value);
void case_set_all(kernel_case *c, uint32_t operand, const double *values);

/* Fails the test unless element `index` of the operand is `want` within `rtol` |want| + `atol` (NaN
 * for NaN, equal infinities). */
void case_expect(const kernel_case *c, uint32_t operand, int64_t index, double want, double rtol,
                 double atol);

/* The value of f16 and bf16 bits, by definition. */
double case_value_of_half(uint16_t bits);
double case_value_of_brain(uint16_t bits);

/* Whether a type is one of u8 to u64. */
bool case_is_unsigned(dms_dtype dtype);

/* The low bits of y, as a number of this integer type. */
int64_t case_wrap(int64_t y, dms_dtype dtype);

/* The bits of the f16 or bf16 nearest to a number, found by search; ties to even. */
uint16_t case_half_of(double value);
uint16_t case_brain_of(double value);

#endif
