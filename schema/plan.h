/* plan.h - the plan in memory, and its file.
 *
 * Reads    a plan file (docs/plan-format.md), through an allocator limited to 16 x file + 1 MiB.
 * Returns  tables and command lists with every index in range; nothing more is proven here.
 * Cost     O(file size) time and memory.
 * Source   Protocol Buffers encoding; own container (magic, version, length, checksum).
 * Not here whether the plan is safe (runtime/check) or good (planner/simulate.h).
 *
 * An arena holds buffers: contiguous ranges, each one instance of one tensor (or of one cell of a
 * split tensor), or a workspace. Commands name (buffer, cells). Four queues run in order; each
 * counts finished commands on its timeline:
 *
 *     body command k of n_q finishes turn i with value i n_q + k + 1
 *     a wait (queue, k, back) is met at value         (i - back) n_q + k + 1, or when that is <= 0
 *
 * The prologue has timelines of its own, which start at 0, and ends before turn 0 begins.
 */
#ifndef DMS_SCHEMA_PLAN_H
#define DMS_SCHEMA_PLAN_H

#include <stdio.h>

#include "schema/arena.h"
#include "schema/hash.h"
#include "schema/view.h"

#define DMS_PLAN_VERSION 1u
#define DMS_NONE UINT32_MAX
#define DMS_EMBEDDED_BYTES (64u * 1024u) /* largest constant inside the plan */

typedef enum dms_queue {
    DMS_QUEUE_COMPUTE = 0,
    DMS_QUEUE_IN = 1,    /* host -> device, user input -> device */
    DMS_QUEUE_OUT = 2,   /* device -> host, device -> user output */
    DMS_QUEUE_LOAD = 3,  /* storage -> host */
    DMS_QUEUE_STORE = 4, /* host -> storage; reserved, always empty */
    DMS_N_QUEUES = 5
} dms_queue;

typedef enum dms_tier { DMS_TIER_DEVICE = 0, DMS_TIER_HOST = 1, DMS_TIER_NVME = 2 } dms_tier;

typedef enum dms_cmd_kind {
    DMS_CMD_CALL = 0, /* compute: a kernel */
    DMS_CMD_COPY =
        1, /* in: host buffer -> device buffer; out: device -> host. Same tensor and cell */
    DMS_CMD_FROM_USER = 2, /* in: graph input -> device buffer */
    DMS_CMD_TO_USER = 3,   /* out: device buffer -> graph output (a cell of it where split) */
    DMS_CMD_LOAD = 4,      /* load: source -> host buffer; in the prologue also -> device buffer on
                              devices whose arena the host can write (the CPU device) */
    DMS_N_CMD_KINDS
} dms_cmd_kind;

typedef enum dms_tensor_kind {
    DMS_TENSOR_WEIGHT = 0,
    DMS_TENSOR_ACTIVATION = 1,
    DMS_TENSOR_INPUT = 2,
    DMS_TENSOR_OUTPUT = 3 /* an activation that leaves; activations that are no port have kind 1 */
} dms_tensor_kind;

/* A file that weights come from. `digest` samples it, `digest_all` covers every byte (zero where
 * dmsc did not read them all): file_digest.h. */
typedef struct dms_plan_file {
    const char *name; /* relative to the model folder; kind 2: beside the plan */
    uint64_t bytes;
    dms_hash digest, digest_all;
    uint32_t kind; /* 0 model, 1 external data, 2 constants made by dmsc, 3 packed by dmsc */
    bool is_unread;
    uint32_t n_large;
    const uint64_t *large_offset, *large_bytes;
} dms_plan_file;

/* Where one cell of a weight comes from: a strided walk over a file, or bytes inside the plan. */
typedef struct dms_source {
    uint32_t file;   /* DMS_NONE = embedded */
    uint64_t offset; /* bytes */
    dms_view view;   /* dims of the stored cell, pitches over the file in elements */
    int64_t valid_last;
    const uint8_t *embedded;
    uint64_t n_embedded;
    /* Where `dmsc --pack` has put the same cell once more, dense: it is read from there, and is
     * what the members above say. */
    bool is_packed;
    uint32_t packed_file;
    uint64_t packed_offset;
} dms_source;

/* A tensor as it is stored, and its grid of cells along one axis. */
typedef struct dms_plan_tensor {
    const char *name;
    dms_tensor_kind kind;
    dms_view stored; /* dense, offset 0 */
    uint32_t cell_axis;
    int64_t cell_len;      /* 0 = one cell */
    bool is_split;         /* each buffer holds one cell, dense by itself */
    uint32_t first_source; /* weights: index of the source of cell 0, else DMS_NONE */
} dms_plan_tensor;

typedef struct dms_buffer {
    uint32_t tensor; /* DMS_NONE = workspace */
    uint32_t cell;   /* of a split tensor, else 0 */
    dms_tier arena;  /* device or host */
    uint64_t offset; /* multiple of DMS_ALIGN */
    uint64_t bytes;
} dms_buffer;

/* One operand of a call: cells [first, first + n) of the tensor that `buffer` holds. */
typedef struct dms_operand {
    uint32_t buffer, first, n;
} dms_operand;

/* One command. Which of the members are used follows from `kind`. */
typedef struct dms_cmd {
    dms_cmd_kind kind;
    bool is_signal, is_ahead;
    uint32_t call, step, workspace;  /* CALL; workspace is a buffer or DMS_NONE */
    const dms_operand *operand;      /* CALL: n_in + n_out of them */
    uint32_t from, to;               /* buffer, port or source, see dms_cmd_kind */
    uint32_t wait_cmd[DMS_N_QUEUES]; /* DMS_NONE = no wait on that queue */
    uint8_t wait_back[DMS_N_QUEUES]; /* 0 or 1 */
} dms_cmd;

typedef struct dms_program {
    uint32_t n_cmds[DMS_N_QUEUES];
    dms_cmd *cmd[DMS_N_QUEUES];
    uint32_t n_order;
    const uint8_t *order; /* queue numbers; every queue appears n_cmds times */
} dms_program;

typedef struct dms_port {
    const char *name;
    uint32_t tensor; /* DMS_NONE: 0 elements, or an input that nothing reads */
    dms_view view;   /* dense dims as the user sees them */
} dms_port;

typedef struct dms_plan_dim {
    const char *name;
    int64_t value;
} dms_plan_dim;

/* Same layout as dms_call of runtime/kernels/kernel.h, which schema may not know. */
typedef struct dms_plan_call {
    uint32_t kernel, n_in, n_out, n_i, n_f;
    const dms_view *view;
    const int64_t *i;
    const double *f;
} dms_plan_call;

typedef struct dms_plan {
    const char *producer, *solver, *model, *profile;
    uint32_t device_kind; /* dms_device_kind; 0 = the CPU, whose memory the host writes */
    uint64_t device_budget, host_budget, device_arena, host_arena;
    int64_t period_ns, latency_ns, bound_ns, compute_ns;
    uint64_t floor_bytes, weights_bytes;
    uint32_t n_dims, n_files, n_sources, n_tensors, n_calls, n_buffers, n_inputs, n_outputs;
    dms_plan_dim *dim;
    dms_plan_file *file;
    dms_source *source;
    dms_plan_tensor *tensor;
    dms_plan_call *call;
    dms_buffer *buffer;
    dms_port *input, *output;
    dms_program prologue, body;
    uint32_t n_steps, n_step_names;
    const char **step_name; /* distinct names */
    uint32_t *step_name_id; /* per step */
    int64_t *step_ns;       /* predicted */
    dms_hash meaning;
} dms_plan;

/* Where tensors of the caller pass through the host arena, in pieces, on devices whose memory the
 * host cannot write: two places at its top, one for each direction.
 *
 *     0                    in             out            host_arena
 *     | ring, homes, saves | FROM_USER -> | <- TO_USER   |
 */
typedef struct dms_plan_stage {
    uint64_t in_bytes, out_bytes; /* multiples of DMS_ALIGN */
} dms_plan_stage;

/* Bytes of both places of a plan: what of its host arena is not for buffers. */
uint64_t dms_plan_stage_all(const dms_plan *plan);

/* Bytes of a place for tensors (or cells) of which the largest has `largest` bytes: as many, but at
 * most 4 MiB. */
uint64_t dms_plan_stage_bytes(uint64_t largest);

/* The larger of `largest` and what passes through a place at a time of a tensor of the caller: all
 * of it or a cell. NULL, a tensor that is not stored, adds nothing. */
uint64_t dms_plan_stage_larger(uint64_t largest, const dms_plan_tensor *tensor);

/* The places that the inputs and outputs of a plan need: none on the CPU device. */
dms_plan_stage dms_plan_stage_of(const dms_plan *plan);

/* Number of cells of a tensor; 1 where it is not cut. */
uint32_t dms_plan_cells(const dms_plan_tensor *tensor);

/* The dense view of cells [first, first + n) taken by themselves: cell_axis shrinks. */
dms_view dms_plan_cell_view(const dms_plan_tensor *tensor, uint32_t first, uint32_t n);

/* Bytes of a buffer that holds this tensor (of cell `cell` where it is split). */
uint64_t dms_plan_buffer_bytes(const dms_plan_tensor *tensor, uint32_t cell);

/* Element at which cell `first` begins inside a buffer of this tensor (0 where it is split). */
int64_t dms_plan_cell_offset(const dms_plan_tensor *tensor, uint32_t first);

/* Writes the plan: to a temporary name beside `path`, synced, then renamed.
 * Errors   DMS_EIO with path and errno; nothing is left behind. */
DMS_CHECKED dms_code dms_plan_write(const dms_plan *plan, const char *path, uint64_t *out_bytes,
                                    dms_status *st);

/* Reads a plan file. Everything is copied into `arena`.
 * Errors   DMS_EIO: cannot be read; DMS_EPLAN: no plan, another version, damaged, or an index out
 *          of range. */
DMS_CHECKED dms_code dms_plan_read(const char *path, dms_arena *arena, dms_plan *out_plan,
                                   dms_status *st);

/* Decodes a plan from memory, as dms_plan_read does from a file. */
DMS_CHECKED dms_code dms_plan_decode(const uint8_t *data, uint64_t size, dms_arena *arena,
                                     dms_plan *out_plan, dms_status *st);

/* Encodes the plan with its container into `arena`. */
DMS_CHECKED dms_code dms_plan_encode(const dms_plan *plan, dms_arena *arena, uint8_t **out_data,
                                     uint64_t *out_size, dms_status *st);

/* Prints the plan as text (dmsc --dump). `kernel_name` maps a kernel id to its name. */
void dms_plan_print(const dms_plan *plan, const char *(*kernel_name)(uint32_t), FILE *out);

/* "compute", "in", "out", "load", "store". */
const char *dms_queue_name(dms_queue queue);

#endif
