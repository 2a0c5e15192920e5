/* recurrent.h - what lowering, row and code of recurrent layers agree on.
 *
 * Reads    a call of DMS_K_RECURRENT.
 * Returns  positions and values of its parameters; which operand plays which role.
 * Cost     O(roles).
 * Source   none.
 * Not here how it is computed (recurrent_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_RECURRENT_H
#define DMS_RUNTIME_KERNELS_RECURRENT_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/kernel.h"

/* Integer parameters. */
enum {
    DMS_RECURRENT_CELL = 0,
    DMS_RECURRENT_LAYOUT = 1,  /* of r: 0 plain, 1 panels */
    DMS_RECURRENT_REVERSE = 2, /* bit d: direction d goes from the last step to the first */
    DMS_RECURRENT_INPUTS = 3,  /* which optional inputs are there, from bit 0: roles from BIAS on */
    DMS_RECURRENT_OUTPUTS = 4, /* which outputs are there, from bit 0: roles from Y on */
    DMS_RECURRENT_COUPLED = 5, /* LSTM: the forget gate is 1 - the input gate */
    DMS_RECURRENT_FN = 6,      /* three functions of direction 0, three of direction 1 */
    DMS_RECURRENT_N_I = 12
};

/* Real parameters: the bound of what functions are given (0 = none), then alpha and beta of each
 * function. */
enum { DMS_RECURRENT_CLIP = 0, DMS_RECURRENT_ALPHA = 1, DMS_RECURRENT_N_F = 13 };

enum { DMS_RECURRENT_FNS = 3, DMS_RECURRENT_PANEL = 16 };

/* Operands in their order; those between R and Y are optional, and so is each output. */
typedef enum dms_recurrent_role {
    DMS_RECURRENT_P = 0,
    DMS_RECURRENT_R,
    DMS_RECURRENT_BIAS,
    DMS_RECURRENT_LENGTHS,
    DMS_RECURRENT_H0,
    DMS_RECURRENT_C0,
    DMS_RECURRENT_PEEPHOLE,
    DMS_RECURRENT_Y,
    DMS_RECURRENT_Y_H,
    DMS_RECURRENT_Y_C,
    DMS_RECURRENT_N_ROLES
} dms_recurrent_role;

/* Gates of a cell. */
static inline int64_t dms_recurrent_gates(int64_t cell) {
    return cell == DMS_CELL_RNN ? 1 : cell == DMS_CELL_LSTM ? 4 : 3;
}

/* Whether an operand plays this role. */
static inline bool dms_recurrent_has(const dms_call *call, dms_recurrent_role role) {
    if (role < DMS_RECURRENT_BIAS)
        return true;
    if (role < DMS_RECURRENT_Y)
        return (call->i[DMS_RECURRENT_INPUTS] >> (role - DMS_RECURRENT_BIAS) & 1) != 0;
    return (call->i[DMS_RECURRENT_OUTPUTS] >> (role - DMS_RECURRENT_Y) & 1) != 0;
}

/* The operand that plays a role which is there. */
static inline uint32_t dms_recurrent_operand(const dms_call *call, dms_recurrent_role role) {
    uint32_t operand = 0;
    for (unsigned before = 0; before < (unsigned)role; before++)
        operand += dms_recurrent_has(call, (dms_recurrent_role)before) ? 1u : 0u;
    return operand;
}

/* Units of a layer, and the same rounded up to whole panels. */
static inline int64_t dms_recurrent_units(const dms_call *call) {
    const dms_view *r = &call->view[DMS_RECURRENT_R];
    return r->dim[call->i[DMS_RECURRENT_LAYOUT] == 0 ? 2 : 3];
}

#endif
