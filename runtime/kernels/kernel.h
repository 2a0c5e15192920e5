/* kernel.h - what a kernel is, without device code: the door to the rows.
 *
 * Reads    a call: kernel id, one view per operand, parameters.
 * Returns  whether the call is valid, its cost, its workspace, what it may replace, how it is cut.
 * Cost     O(operands) each; nothing here touches tensor data.
 * Source   none.
 * Not here how a kernel runs on the CPU device (cpu_kernel.h) or on CUDA (runtime/cuda).
 *
 * A kernel is a pure function of its operands, its parameters and a workspace. Operand k covers
 * exactly the elements of its view; outputs are defined completely. That is the footprint: planner,
 * checker and engine need nothing else. catalogue.h lists every kernel, operand and parameter.
 */
#ifndef DMS_RUNTIME_KERNELS_KERNEL_H
#define DMS_RUNTIME_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/hash.h"
#include "schema/status.h"
#include "schema/view.h"

#define DMS_MAX_OPERANDS 64u
#define DMS_MAX_PARAMS 64u

/* Devices differ in what they can run and in the workspace they need. */
typedef enum dms_device_kind {
    DMS_DEVICE_CPU = 0,
    DMS_DEVICE_CUDA = 1,
    DMS_N_DEVICES
} dms_device_kind;

/* One use of a kernel. Shared by all steps with equal parameters (equal layers). */
typedef struct dms_call {
    uint32_t kernel;      /* dms_kernel_id of catalogue.h */
    uint32_t n_in, n_out; /* operands; inputs first */
    uint32_t n_i, n_f;
    const dms_view *view; /* n_in + n_out */
    const int64_t *i;     /* integer parameters, meaning by position */
    const double *f;      /* real parameters */
} dms_call;

/* Work of a call: multiply-adds count two. `bytes` counts each operand's elements once; `results`
 * the places where something is done beside the flops, `rows` the runs of them (last axes).
 * Functions of elements count as additions that take as long: they are the `results` of a map, and
 * `carried` where another kernel has a chain behind it. */
typedef struct dms_cost {
    uint64_t flops, bytes, results, rows, carried;
} dms_cost;

/* Kernels whose time follows the same law, for profiles. */
typedef enum dms_family {
    DMS_FAMILY_PRODUCT = 0,
    DMS_FAMILY_CONV = 1,
    DMS_FAMILY_CONV_NARROW = 2,  /* fewer results per place than a vector has lanes */
    DMS_FAMILY_CONV_GROUPED = 3, /* depthwise too */
    DMS_FAMILY_CONV_TRANSPOSE = 4,
    DMS_FAMILY_ATTENTION = 5,
    DMS_FAMILY_RECURRENT = 6,
    DMS_FAMILY_MAP = 7,
    DMS_FAMILY_MOVE = 8,
    DMS_FAMILY_ROWS = 9,
    DMS_FAMILY_POOL = 10,
    DMS_FAMILY_RESIZE = 11,
    DMS_FAMILY_INDEX = 12,
    DMS_N_FAMILIES
} dms_family;

/* How a call is cut into cells: along one extent of the kernel, which appears as one axis of some
 * operands. Cutting gives the same bits as not cutting, whatever the cut. */
typedef struct dms_cut {
    int64_t extent;                 /* elements along the cut; 0 or 1 = cannot be cut */
    int64_t granule;                /* cells are multiples of this (the last excepted) */
    int32_t axis[DMS_MAX_OPERANDS]; /* the axis of each operand, -1 = used whole by every cell */
    int64_t unit[DMS_MAX_OPERANDS]; /* elements of the extent in one entry of that axis: 1, or the
                                       width of a panel; the granule is a multiple of it */
    int32_t extent_param;           /* index into `i` that holds the extent, -1 = none */
    bool is_pick; /* of a cut into parts: each writes places of its own, and nothing is summed up */
} dms_cut;

/* The operand of a part of a call (dms_call_part) that is no operand of the whole: the sums so far,
 * or what was picked so far. */
#define DMS_SUMS UINT32_MAX

/* A layout that a kernel prefers for a constant operand (a weight): `stored` is dense and replaces
 * the operand's view; `source` has the same dims and walks the plain operand in that order.
 * Elements of the last axis from `valid_last` on, in the last entry of axis 0, do not exist in the
 * source and are zero (0 = all exist). `params` replace the call's integer parameters. */
typedef struct dms_packing {
    dms_view stored, source;
    int64_t valid_last;
    int64_t i[DMS_MAX_PARAMS];
} dms_packing;

/* Whether a call may carry a chain of element-wise functions behind its own work (chain.h). OVER:
 * y may also lie over an operand of the chain, for each place of y is written once, after the whole
 * sum, when the chain has read that place of its operands. */
typedef enum dms_epilogue {
    DMS_EPILOGUE_NONE = 0,
    DMS_EPILOGUE_APART = 1,
    DMS_EPILOGUE_OVER = 2
} dms_epilogue;

/* What is known of a kernel. Every function may assume that dms_call_check has passed, except
 * `check`, which may assume that counts are in range and every view is valid (dms_view_check). They
 * get calls without their chains: ask by way of dms_call_cut and its like, which put them back. */
typedef struct dms_kernel_row {
    uint32_t id;
    const char *name;
    uint8_t min_in, max_in, min_out, max_out;
    bool has_index_data; /* an operand's values act as indices: clamps and raises the status word */
    uint8_t n_i, n_f;    /* number of parameters; 255 = any number up to DMS_MAX_PARAMS */
    const char *const *i_name; /* n_i names for --dump */
    const char *const *f_name;
    dms_code (*check)(const dms_call *call, dms_status *st);
    /* Flops of the call; NULL = one per output element. */
    uint64_t (*flops)(const dms_call *call);
    /* Places where something is done beside the flops; NULL = elements of the outputs. */
    uint64_t (*results)(const dms_call *call);
    /* Additions that what passes through before and behind takes as long as; NULL = none. */
    uint64_t (*carried)(const dms_call *call);
    /* Bytes read and written where not every operand is met whole; NULL = each element once. */
    uint64_t (*bytes)(const dms_call *call);
    /* May output `out` lie exactly over input `in`? NULL = never. */
    bool (*in_place)(const dms_call *call, uint32_t in, uint32_t out);
    /* How the call is cut; NULL = not at all. */
    bool (*cut)(const dms_call *call, dms_cut *out);
    /* How the call is cut along what it sums over or picks from, into calls of the kernel `part`
     * (dms_call_part); NULL = not at all. Its row has more integer parameters, which `part_place`
     * fills for part [first, end) of `extent`. Every part reads what is cut and the first
     * `part_reads` inputs; the last one reads the others too. */
    bool (*cut_sums)(const dms_call *call, dms_cut *out);
    void (*part_place)(int64_t extent, int64_t first, int64_t end, int64_t *out);
    uint32_t part;
    uint8_t part_reads;
    dms_dtype part_dtype; /* of what parts hand on; NONE = that of y */
    /* A better layout for constant operand `operand` on this kind; NULL = none. */
    bool (*pack)(const dms_call *call, uint32_t operand, dms_device_kind kind, dms_packing *out);
    /* Bytes of workspace, independent of the thread count; NULL = none. */
    uint64_t (*workspace)(const dms_call *call, dms_device_kind kind);
    /* What the call, which carries none, may carry; NULL = no chain. The row then has one output
     * and fixed numbers of parameters. */
    dms_epilogue (*epilogue)(const dms_call *call);
    /* Element types that the CPU device of this build executes: bits of dms_dtype. */
    uint32_t cpu_dtypes;
} dms_kernel_row;

/* The row of a kernel id; NULL when there is none. */
const dms_kernel_row *dms_kernel_row_find(uint32_t id);

/* The row of a kernel name; NULL when there is none. */
const dms_kernel_row *dms_kernel_row_by_name(const char *name);

/* Everything a kernel relies on: known id, counts, views (positive count where needed, outputs
 * without repeats), dtypes and parameters. The CPU kernels access nothing outside the views of a
 * call that passed.
 * Errors   DMS_EPLAN naming kernel and operand. */
DMS_CHECKED dms_code dms_call_check(const dms_call *call, dms_status *st);

/* Cost of a checked call. */
dms_cost dms_call_cost(const dms_call *call);

/* A number that the time of a checked call stays in proportion to, whatever its operands: flops,
 * results, and the elements of every operand, each as often as it repeats; UINT64_MAX at most. */
uint64_t dms_call_work(const dms_call *call);

/* The family of a checked call. */
dms_family dms_call_family(const dms_call *call);

/* Name of a family in profiles. */
const char *dms_family_name(dms_family family);

/* Whether output `out` of a checked call may lie exactly over input `in`. */
bool dms_call_in_place(const dms_call *call, uint32_t in, uint32_t out);

/* How a checked call is cut; false = not at all. */
bool dms_call_cut(const dms_call *call, dms_cut *out);

/* A better layout for constant operand `operand` of a checked call; false = none. */
bool dms_call_pack(const dms_call *call, uint32_t operand, dms_device_kind kind, dms_packing *out);

/* Workspace bytes of a checked call on a kind. On CUDA a call with a chain makes its own result
 * there first (dms_call_result_bytes, at the start), for its chain to read. */
uint64_t dms_call_workspace(const dms_call *call, dms_device_kind kind);

/* Bytes of the own result of a call that carries a chain, dense, in the type of operand 0, up to a
 * multiple of 256; 0 for other calls. */
uint64_t dms_call_result_bytes(const dms_call *call);

/* Whether this build runs a checked call on the CPU device. */
bool dms_call_runs_on_cpu(const dms_call *call);

/* Cuts a checked call to [first, end) of its extent: each view shrinks along its axis to entries
 * [first / unit, ceil(end / unit)). Its offset moves to the first of them, unless
 * `from_cell[operand]` says that the operand names the cells themselves, from whose own start its
 * offset counts
 * (`from_cell` NULL = for none). `view` and `i` give storage of the call's sizes.
 * Errors   false: not within the extent, or `first` is no multiple of the granule. */
bool dms_call_slice(const dms_call *call, const dms_cut *cut, int64_t first, int64_t end,
                    const bool *from_cell, dms_view *view, int64_t *i, dms_call *out);

/* How a checked call is cut along what it sums over or picks from; false = not at all. The parts
 * are made one after another, each from the result of those before, and give the bits of the
 * whole. */
bool dms_call_cut_sums(const dms_call *call, dms_cut *out);

/* Part [first, end) of a checked call's sum or table: operands with an axis of the cut shrink as in
 * dms_call_slice, all parts but the last leave the others out (but for the row's `part_reads`) and
 * write sums, dense, of the dims of y and the row's `part_dtype`; all but the first read the sums
 * so far behind the own inputs that are left. out_operand[k] says which operand of the whole
 * operand k of the part is, or DMS_SUMS. `view` and `i` give storage of DMS_MAX_OPERANDS and
 * DMS_MAX_PARAMS.
 * Errors   false: as dms_call_slice, or it is no part but the whole, or has too many parameters. */
bool dms_call_part(const dms_call *call, const dms_cut *cut, int64_t first, int64_t end,
                   const bool *from_cell, dms_view *view, int64_t *i, uint32_t *out_operand,
                   dms_call *out);

/* Hash of kernel id, parameters, and every view's dtype, dims, pitches and offset. */
dms_hash dms_call_hash(const dms_call *call);

#endif
