/* chain.h - a short straight-line program of element-wise functions: what it is, how a call holds
 * one, which are valid.
 *
 * Reads    the last inputs and the last parameters of a call.
 * Returns  the program decoded and checked, with a type and a register for every value; or the call
 *          without it.
 * Cost     O(instructions x operands).
 * Source   none; static single assignment, registers freed after the last reading.
 * Not here how it runs on the CPU device (chain_run.h); which calls become one (onnx/fuse.h).
 *
 *     values      0 .. n_in-1                     the chain's operands, of y's dims, any pitches
 *                 n_in .. n_in + n_ops - 1        results, one per instruction; the last one is y
 *
 * DMS_K_CHAIN is a program alone. A kernel whose row has `epilogue` may carry one behind its own
 * work: value 0 then is the kernel's own result, rounded to the type of operand 0, the further
 * operands stand behind the kernel's own inputs, and y is what the chain makes of them.
 *
 *     CONV   inputs  x  w  bias | r           i  group ... left | 1  word word     f  | p0 p1 ...
 *                    own          chain's        own              n  program          chain's
 *
 * Every intermediate is rounded to its type as if it had been stored, so a chain gives the bits of
 * the calls that it was made of.
 */
#ifndef DMS_RUNTIME_KERNELS_CHAIN_H
#define DMS_RUNTIME_KERNELS_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/dtype.h"
#include "schema/status.h"

typedef struct dms_call dms_call; /* kernel.h */
typedef struct dms_view dms_view; /* schema/view.h */

#define DMS_CHAIN_OPS 40u      /* instructions */
#define DMS_CHAIN_OPERANDS 12u /* inputs of the call that belong to the chain */
#define DMS_CHAIN_VALUES (1u + DMS_CHAIN_OPERANDS + DMS_CHAIN_OPS)
#define DMS_CHAIN_REGISTERS 16u /* results and constants that are alive at once */
#define DMS_CHAIN_REALS 24u

typedef enum dms_chain_kind {
    DMS_CHAIN_UNARY = 0,  /* fn of dms_unary_fn; reals: what the function reads */
    DMS_CHAIN_BINARY = 1, /* fn of dms_binary_fn */
    DMS_CHAIN_SELECT = 2, /* src: condition (bool), where true, where false */
    DMS_CHAIN_CAST = 3,   /* to dtype */
    DMS_CHAIN_REAL = 4,   /* a real parameter as dtype (float types) */
    DMS_CHAIN_N_KINDS
} dms_chain_kind;

/* One instruction. Fields that its kind does not use are 0. */
typedef struct dms_chain_op {
    dms_chain_kind kind;
    uint8_t fn;
    dms_dtype dtype; /* of the result */
    uint8_t src[3];  /* values */
    uint8_t real;    /* first of its real parameters */
    uint8_t reg;     /* where the result lies; set by dms_chain_read */
} dms_chain_op;

/* A whole program. */
typedef struct dms_chain {
    bool has_result; /* value 0 is the result of the kernel that carries the chain */
    uint32_t n_in;   /* values that are no results of instructions, value 0 included */
    uint32_t n_ops, n_reals, n_regs;
    dms_dtype dtype[DMS_CHAIN_VALUES];
    dms_chain_op op[DMS_CHAIN_OPS];
    double real[DMS_CHAIN_REALS];
} dms_chain;

/* Whether the call carries a chain, or is one. Any call whose kernel is known may be asked. */
bool dms_chain_is_in(const dms_call *call);

/* The call without its chain: own inputs, own parameters, and a y of the same place and dims whose
 * type is that of operand 0. The call itself where it carries none. `view` gives storage of
 * DMS_MAX_OPERANDS.
 * Errors   false: the parameters name more operands than the call has. */
bool dms_chain_detach(const dms_call *call, dms_view *view, dms_call *out_own);

/* Decodes the chain of a call that has one and checks all of it: operands, every field of every
 * instruction, types, parameters, registers.
 * Errors   DMS_EPLAN naming kernel and instruction. */
DMS_CHECKED dms_code dms_chain_read(const dms_call *call, dms_chain *out, dms_status *st);

/* A call of one element-wise kernel (UNARY, BINARY, SELECT, CAST, CHAIN) as a chain of the same
 * operands in the same order; false for any other call, and for one that no chain gives the same
 * bits as. */
bool dms_chain_of_call(const dms_call *call, dms_chain *out);

/* The word of an instruction. */
int64_t dms_chain_word(const dms_chain_op *op);

/* The parameters of a chain: 1 + n_ops integers, n_reals reals. `i` and `f` point behind those of
 * the kernel that carries it. */
void dms_chain_write(const dms_chain *chain, int64_t *i, double *f);

/* Types and registers of a program whose operands' types and instructions are set.
 * Errors   DMS_EPLAN naming the instruction. */
DMS_CHECKED dms_code dms_chain_settle(dms_chain *chain, dms_status *st);

/* How many values instruction `op` of a settled program reads, and how many real parameters. */
uint32_t dms_chain_sources(const dms_chain *chain, uint32_t op, uint32_t *out_n_reals);

/* Operations per element. */
uint64_t dms_chain_flops(const dms_chain *chain);

/* How many additions would take as long, per element. */
uint64_t dms_chain_work(const dms_chain *chain);

/* Whether a function's result has the precision of its type when its operands have: then nothing is
 * to be rounded. */
bool dms_chain_keeps_precision(const dms_chain_op *op);

/* Whether memory of the type holds whatever a value of its class can be, so that no store changes
 * it. Truths are 0 or 1 wherever they were computed. */
bool dms_chain_is_full(dms_dtype dtype);

/* Prints the program of a call that has one, "v2 = mul(v0, v1); v3 = relu(v2)"; nothing for others
 * and for invalid ones. */
void dms_chain_print(const dms_call *call, char *out, uint64_t size);

#endif
