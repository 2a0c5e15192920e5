/* chain.c - words, checks and registers of chains, and the row of DMS_K_CHAIN.
 *
 * One 64-bit word per instruction, so that a plan needs no further message:
 *
 *     bits   0-7    8-15   16-23   24-31   32-39   40-47   48-55   56-63
 *            kind   fn     dtype   src0    src1    src2    real    0
 *
 * A word is canonical: a field that its kind does not use is 0, and only CAST and REAL say their
 * type, for that of the others follows. So equal programs are equal bytes, and whatever a hostile
 * plan holds is either refused or one of the programs that dmsc could have written. */
#include "runtime/kernels/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/kernels/element.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

/* Sources that a kind reads. */
static const uint8_t n_sources[DMS_CHAIN_N_KINDS] = {
    [DMS_CHAIN_UNARY] = 1, [DMS_CHAIN_BINARY] = 2, [DMS_CHAIN_SELECT] = 3, [DMS_CHAIN_CAST] = 1};

/* Parameters of the kernel that carries the chain, which come first. */
typedef struct own_params {
    uint32_t i, f;
} own_params;

static own_params own_of(const dms_call *call) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    if (call->kernel == DMS_K_CHAIN)
        return (own_params){0, 0};
    return (own_params){row->n_i, row->n_f};
}

bool dms_chain_is_in(const dms_call *call) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    return call->kernel == DMS_K_CHAIN || (row->epilogue != NULL && call->n_i > row->n_i);
}

bool dms_chain_detach(const dms_call *call, dms_view *view, dms_call *out_own) {
    *out_own = *call;
    if (call->kernel == DMS_K_CHAIN || !dms_chain_is_in(call))
        return true;
    const own_params own = own_of(call);
    const int64_t n = call->i[own.i];
    if (n < 0 || n >= call->n_in || n > DMS_CHAIN_OPERANDS || call->n_out != 1)
        return false;
    const uint32_t n_in = call->n_in - (uint32_t)n;
    memcpy(view, call->view, n_in * sizeof *view);
    view[n_in] = call->view[call->n_in];
    view[n_in].dtype = call->view[0].dtype;
    out_own->n_in = n_in;
    out_own->n_i = own.i;
    out_own->n_f = own.f;
    out_own->view = view;
    return true;
}

int64_t dms_chain_word(const dms_chain_op *op) {
    const bool names_type = op->kind == DMS_CHAIN_CAST || op->kind == DMS_CHAIN_REAL;
    const uint64_t field[7] = {
        op->kind, op->fn, names_type ? op->dtype : 0, op->src[0], op->src[1], op->src[2], op->real};
    uint64_t word = 0;
    for (uint32_t k = 0; k < 7; k++)
        word |= (field[k] & 0xFF) << 8 * k;
    return (int64_t)word;
}

/* The fields of a word. */
static dms_chain_op op_of(int64_t word) {
    uint8_t field[7];
    for (uint32_t k = 0; k < 7; k++)
        field[k] = (uint8_t)((uint64_t)word >> 8 * k);
    return (dms_chain_op){.kind = (dms_chain_kind)field[0],
                          .fn = field[1],
                          .dtype = (dms_dtype)field[2],
                          .src = {field[3], field[4], field[5]},
                          .real = field[6]};
}

/* "instruction 3: <what>", of a program that may not belong to a call yet. */
static dms_code refuse(uint32_t op, const char *what, dms_status *st) {
    return dms_fail(st, DMS_EPLAN, "chain, instruction %" PRIu32 ": %s", op, what);
}

/* The type that an instruction gives; NONE where its operands have the wrong ones. Sets the number
 * of real parameters that it reads. */
static dms_dtype type_of(const dms_chain *chain, const dms_chain_op *op, uint32_t *n_reals) {
    const dms_dtype a = chain->dtype[op->src[0]], b = chain->dtype[op->src[1]];
    *n_reals = op->kind == DMS_CHAIN_REAL ? 1 : 0;
    switch (op->kind) {
    case DMS_CHAIN_UNARY:
        return dms_map_unary_type(op->fn, a, n_reals);
    case DMS_CHAIN_BINARY:
        return dms_map_binary_type(op->fn, a, b);
    case DMS_CHAIN_SELECT:
        return a == DMS_DTYPE_BOOL && b == chain->dtype[op->src[2]] ? b : DMS_DTYPE_NONE;
    case DMS_CHAIN_CAST:
        return dms_dtype_bytes(op->dtype) != 0 ? op->dtype : DMS_DTYPE_NONE;
    case DMS_CHAIN_REAL:
        return dms_dtype_is_float(op->dtype) ? op->dtype : DMS_DTYPE_NONE;
    case DMS_CHAIN_N_KINDS:
        break;
    }
    return DMS_DTYPE_NONE;
}

/* Kind, sources, type and parameters of instruction j; sets its type. */
static dms_code settle_op(dms_chain *chain, uint32_t j, dms_status *st) {
    dms_chain_op *op = &chain->op[j];
    if ((uint32_t)op->kind >= DMS_CHAIN_N_KINDS)
        return refuse(j, "its kind is not known", st);
    for (uint32_t k = 0; k < 3; k++)
        if (op->src[k] >= (k < n_sources[op->kind] ? chain->n_in + j : 1))
            return refuse(j, "reads a value that is not there yet", st);
    uint32_t n_reals = 0;
    const dms_dtype dtype = type_of(chain, op, &n_reals);
    if (dtype == DMS_DTYPE_NONE)
        return refuse(j, "its function does not take these types", st);
    if (n_reals > 0 && (op->real >= chain->n_reals || n_reals > chain->n_reals - op->real))
        return refuse(j, "lacks real parameters", st);
    if ((n_reals == 0 && op->real != 0) || (op->kind > DMS_CHAIN_BINARY && op->fn != 0))
        return refuse(j, "a field that it does not use is not 0", st);
    op->dtype = dtype;
    chain->dtype[chain->n_in + j] = dtype;
    return DMS_OK;
}

uint32_t dms_chain_sources(const dms_chain *chain, uint32_t op, uint32_t *out_n_reals) {
    (void)type_of(chain, &chain->op[op], out_n_reals);
    return n_sources[chain->op[op].kind];
}

/* The last instruction that reads each value; the last result is read at the end. */
static void find_last_readers(const dms_chain *chain, uint32_t *last) {
    for (uint32_t v = 0; v < chain->n_in + chain->n_ops; v++)
        last[v] = v < chain->n_in ? 0 : v - chain->n_in;
    for (uint32_t j = 0; j < chain->n_ops; j++)
        for (uint32_t k = 0; k < n_sources[chain->op[j].kind]; k++)
            last[chain->op[j].src[k]] = j;
    last[chain->n_in + chain->n_ops - 1] = chain->n_ops;
}

/* Constants get the first registers for good, for they are filled once. A result takes the lowest
 * free one; those of its sources become free after it, so none is written while it is read. */
static dms_code give_registers(dms_chain *chain, dms_status *st) {
    uint32_t last[DMS_CHAIN_VALUES], free_from[DMS_CHAIN_REGISTERS] = {0};
    chain->n_regs = 0;
    find_last_readers(chain, last);
    for (uint32_t j = 0; j < chain->n_ops; j++)
        if (chain->op[j].kind == DMS_CHAIN_REAL) {
            if (chain->n_regs == DMS_CHAIN_REGISTERS)
                return refuse(j, "needs too many registers", st);
            free_from[chain->n_regs] = UINT32_MAX;
            chain->op[j].reg = (uint8_t)chain->n_regs++;
        }
    for (uint32_t j = 0; j < chain->n_ops; j++) {
        if (chain->op[j].kind == DMS_CHAIN_REAL)
            continue;
        uint32_t reg = 0;
        while (reg < DMS_CHAIN_REGISTERS && free_from[reg] > j)
            reg++;
        if (reg == DMS_CHAIN_REGISTERS)
            return refuse(j, "needs too many registers", st);
        free_from[reg] = last[chain->n_in + j] + 1;
        chain->op[j].reg = (uint8_t)reg;
        chain->n_regs = reg + 1 > chain->n_regs ? reg + 1 : chain->n_regs;
    }
    return DMS_OK;
}

dms_code dms_chain_settle(dms_chain *chain, dms_status *st) {
    if (chain->n_ops == 0 || chain->n_ops > DMS_CHAIN_OPS)
        return dms_fail(st, DMS_EPLAN, "chain: %" PRIu32 " instructions, wants 1 to %u",
                        chain->n_ops, DMS_CHAIN_OPS);
    for (uint32_t j = 0; j < chain->n_ops; j++)
        DMS_TRY(settle_op(chain, j, st));
    return give_registers(chain, st);
}

/* The numbers of operands, instructions and parameters. */
static dms_code read_counts(const dms_call *call, own_params own, dms_chain *out, dms_status *st) {
    const uint32_t n_i = call->n_i - own.i;
    const int64_t n = n_i == 0 ? -1 : call->i[own.i];
    if (call->n_i < own.i || call->n_f < own.f || n < 0 || n > call->n_in ||
        n > DMS_CHAIN_OPERANDS || (out->has_result ? n == call->n_in : n != call->n_in))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "its chain names %" PRId64 " operands", n);
    if (n_i < 2 || n_i - 1 > DMS_CHAIN_OPS || call->n_f - own.f > DMS_CHAIN_REALS)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "its chain has %" PRIu32 " instructions, %" PRIu32 " reals", n_i - 1,
                              call->n_f - own.f);
    out->n_in = (uint32_t)n + (out->has_result ? 1 : 0);
    out->n_ops = n_i - 1;
    out->n_reals = call->n_f - own.f;
    return DMS_OK;
}

/* Every operand of the chain has the dims of y. */
static dms_code read_operands(const dms_call *call, dms_chain *out, dms_status *st) {
    const uint32_t n = out->n_in - (out->has_result ? 1 : 0), first = call->n_in - n;
    if (out->has_result)
        out->dtype[0] = call->view[0].dtype;
    for (uint32_t k = 0; k < n; k++) {
        DMS_TRY(dms_row_want_same_dims(call, first + k, call->n_in, st));
        out->dtype[out->n_in - n + k] = call->view[first + k].dtype;
    }
    return DMS_OK;
}

dms_code dms_chain_read(const dms_call *call, dms_chain *out, dms_status *st) {
    const own_params own = own_of(call);
    out->has_result = call->kernel != DMS_K_CHAIN;
    if (call->n_out != 1)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "a chain makes one output");
    DMS_TRY(read_counts(call, own, out, st));
    DMS_TRY(read_operands(call, out, st));
    for (uint32_t j = 0; j < out->n_ops; j++)
        out->op[j] = op_of(call->i[own.i + 1 + j]);
    if (out->n_reals > 0)
        memcpy(out->real, call->f + own.f, out->n_reals * sizeof *out->real);
    DMS_TRY(dms_chain_settle(out, st));
    for (uint32_t j = 0; j < out->n_ops; j++)
        if (dms_chain_word(&out->op[j]) != call->i[own.i + 1 + j])
            return refuse(j, "a field that it does not use is not 0", st);
    const dms_dtype made = out->dtype[out->n_in + out->n_ops - 1];
    if (made != call->view[call->n_in].dtype)
        return dms_row_refuse(call, call->n_in, st, "its chain makes %s", dms_dtype_name(made));
    return DMS_OK;
}

void dms_chain_write(const dms_chain *chain, int64_t *i, double *f) {
    i[0] = (int64_t)chain->n_in - (chain->has_result ? 1 : 0);
    for (uint32_t j = 0; j < chain->n_ops; j++)
        i[1 + j] = dms_chain_word(&chain->op[j]);
    for (uint32_t k = 0; k < chain->n_reals; k++)
        f[k] = chain->real[k];
}

/* SELECT moves bytes, a chain goes through strips: a narrow float that is no number, or a truth
 * written as 2, would leave with other bits. */
static bool select_is_exact(dms_dtype dtype) {
    return dtype != DMS_DTYPE_F16 && dtype != DMS_DTYPE_BF16 && dtype != DMS_DTYPE_BOOL;
}

/* The instruction of a call of an element-wise kernel; false for other kernels. */
static bool op_of_call(const dms_call *call, dms_chain_op *op, uint32_t *n_reals) {
    *op = (dms_chain_op){.src = {0}};
    *n_reals = 0;
    if (call->kernel == DMS_K_UNARY) {
        op->kind = DMS_CHAIN_UNARY;
        (void)dms_map_unary_type(call->i[0], call->view[0].dtype, n_reals);
    } else if (call->kernel == DMS_K_BINARY) {
        op->kind = DMS_CHAIN_BINARY;
    } else if (call->kernel == DMS_K_SELECT && select_is_exact(call->view[1].dtype)) {
        op->kind = DMS_CHAIN_SELECT;
    } else if (call->kernel == DMS_K_CAST) {
        op->kind = DMS_CHAIN_CAST;
        op->dtype = call->view[1].dtype;
    } else {
        return false;
    }
    op->fn = op->kind <= DMS_CHAIN_BINARY ? (uint8_t)call->i[0] : 0;
    return true;
}

bool dms_chain_of_call(const dms_call *call, dms_chain *out) {
    dms_status ignored = {0};
    if (call->kernel == DMS_K_CHAIN)
        return dms_chain_read(call, out, &ignored) == DMS_OK;
    if (!op_of_call(call, &out->op[0], &out->n_reals))
        return false;
    out->has_result = false;
    out->n_in = call->n_in;
    out->n_ops = 1;
    for (uint32_t k = 0; k < out->n_reals; k++)
        out->real[k] = call->f[k];
    for (uint32_t k = 0; k < call->n_in; k++) {
        out->op[0].src[k] = (uint8_t)k;
        out->dtype[k] = call->view[k].dtype;
    }
    return dms_chain_settle(out, &ignored) == DMS_OK;
}

bool dms_chain_keeps_precision(const dms_chain_op *op) {
    if (op->kind == DMS_CHAIN_SELECT)
        return true;
    if (op->kind == DMS_CHAIN_UNARY)
        return op->fn == DMS_FN_RELU || op->fn == DMS_FN_NEG || op->fn == DMS_FN_ABS;
    return op->kind == DMS_CHAIN_BINARY && (op->fn == DMS_FN_MIN || op->fn == DMS_FN_MAX);
}

bool dms_chain_is_full(dms_dtype dtype) {
    return dms_class_is_storage(dtype) || dtype == DMS_DTYPE_BOOL;
}

uint64_t dms_chain_flops(const dms_chain *chain) {
    uint64_t n = 0;
    for (uint32_t j = 0; j < chain->n_ops; j++)
        n += chain->op[j].kind != DMS_CHAIN_REAL;
    return n;
}

uint64_t dms_chain_work(const dms_chain *chain) {
    uint64_t n = 0;
    for (uint32_t j = 0; j < chain->n_ops; j++) {
        const dms_chain_op *op = &chain->op[j];
        if (op->kind == DMS_CHAIN_UNARY)
            n += dms_map_unary_work(op->fn);
        else if (op->kind == DMS_CHAIN_BINARY)
            n += dms_map_binary_work(op->fn);
        else
            n += op->kind != DMS_CHAIN_REAL;
    }
    return n;
}

/* Functions by name, for people who read a plan. */
static const char *const unary_names[DMS_N_UNARY_FNS] = {
    "neg",          "abs",        "relu",
    "sigmoid",      "tanh",       "exp",
    "log",          "sqrt",       "reciprocal",
    "erf",          "gelu",       "gelu_tanh",
    "silu",         "sin",        "cos",
    "tan",          "asin",       "acos",
    "atan",         "sinh",       "cosh",
    "asinh",        "acosh",      "atanh",
    "hard_sigmoid", "hard_swish", "leaky_relu",
    "elu",          "selu",       "celu",
    "softplus",     "softsign",   "thresholded_relu",
    "shrink",       "mish",       "floor",
    "ceil",         "round",      "sign",
    "clip",         "not",        "bitwise_not",
    "is_nan",       "is_inf",     "square"};
static const char *const binary_names[DMS_N_BINARY_FNS] = {
    "add",        "sub",           "mul",        "div",         "pow",  "min",
    "max",        "mod",           "fmod",       "equal",       "less", "less_equal",
    "greater",    "greater_equal", "and",        "or",          "xor",  "bitwise_and",
    "bitwise_or", "bitwise_xor",   "shift_left", "shift_right", "prelu"};

/* What an instruction is called. */
static const char *name_of(const dms_chain_op *op) {
    if (op->kind == DMS_CHAIN_UNARY)
        return unary_names[op->fn];
    if (op->kind == DMS_CHAIN_BINARY)
        return binary_names[op->fn];
    return op->kind == DMS_CHAIN_SELECT ? "select" : dms_dtype_name(op->dtype);
}

/* Appends to a text of limited size; what does not fit is left out. */
static DMS_FORMAT(4, 5) void append(char *out, uint64_t size, uint64_t *at, const char *fmt, ...) {
    va_list args;
    if (*at >= size)
        return;
    va_start(args, fmt);
    const int n = vsnprintf(out + *at, (size_t)(size - *at), fmt, args);
    va_end(args);
    *at += n > 0 ? (uint64_t)n : 0;
}

void dms_chain_print(const dms_call *call, char *out, uint64_t size) {
    dms_chain chain;
    dms_status ignored = {0};
    uint64_t at = 0;
    append(out, size, &at, "%s", "");
    if (!dms_chain_is_in(call) || dms_chain_read(call, &chain, &ignored) != DMS_OK)
        return;
    for (uint32_t j = 0; j < chain.n_ops; j++) {
        const dms_chain_op *op = &chain.op[j];
        uint32_t n_reals = 0;
        (void)type_of(&chain, op, &n_reals);
        append(out, size, &at, "%sv%" PRIu32 " = %s(", j == 0 ? "" : "; ", chain.n_in + j,
               name_of(op));
        for (uint32_t k = 0; k < n_sources[op->kind]; k++)
            append(out, size, &at, "%sv%u", k == 0 ? "" : ", ", op->src[k]);
        for (uint32_t k = 0; k < n_reals; k++)
            append(out, size, &at, "%s%.9g", k + n_sources[op->kind] == 0 ? "" : ", ",
                   chain.real[op->real + k]);
        append(out, size, &at, ")");
    }
}

/* Every operand may be replaced: the elements of a strip are read before any of it is written. */
static dms_code check_chain(const dms_call *call, dms_status *st) {
    dms_chain chain;
    return dms_chain_read(call, &chain, st);
}

static uint64_t flops_of_chain(const dms_call *call) {
    dms_chain chain;
    dms_status ignored = {0};
    if (dms_chain_read(call, &chain, &ignored) != DMS_OK)
        return 0;
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[call->n_in]),
                             dms_chain_flops(&chain));
}

static uint64_t results_of_chain(const dms_call *call) {
    dms_chain chain;
    dms_status ignored = {0};
    if (dms_chain_read(call, &chain, &ignored) != DMS_OK)
        return 0;
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[call->n_in]),
                             dms_chain_work(&chain));
}

/* a[...], b[...] ... -> y[...]: what the program of its parameters makes of them. */
const dms_kernel_row dms_row_chain = {.id = DMS_K_CHAIN,
                                      .name = "chain",
                                      DMS_OPERANDS(1, DMS_CHAIN_OPERANDS, 1, 1),
                                      .n_i = 255,
                                      .n_f = 255,
                                      .check = check_chain,
                                      .flops = flops_of_chain,
                                      .results = results_of_chain,
                                      .in_place = dms_row_lies_the_same,
                                      .cpu_dtypes = DMS_DTYPES_ALL};
