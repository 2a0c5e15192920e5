/* dmsc.h - a model becomes a plan: the door of the planner, as the command line and others use it.
 *
 * Reads    an ONNX model, budgets, a profile.
 * Returns  the plan, proven safe, and everything that was found on the way, for the views.
 * Cost     seconds for 5,000 steps; see place.h.
 * Source   none: the order of DESIGN, read - rewrite - tile - place - emit - check.
 * Not here executing the plan (runtime/dms.h).
 */
#ifndef DMS_PLANNER_DMSC_H
#define DMS_PLANNER_DMSC_H

#include "onnx/graph.h"
#include "planner/blocks.h"
#include "planner/pack.h"
#include "planner/place.h"
#include "planner/stalls.h"
#include "planner/steps.h"

/* A budget as the user gives it. */
typedef enum dms_size_kind {
    DMS_SIZE_DEFAULT = 0, /* the profile's usable bytes */
    DMS_SIZE_BYTES,
    DMS_SIZE_PERCENT, /* of the bytes of all constants; `value` in units of 1/1000000 % */
    DMS_SIZE_FLOOR,   /* device only */
    DMS_SIZE_AUTO     /* host only: what this machine and its container leave free */
} dms_size_kind;

typedef struct dms_size {
    dms_size_kind kind;
    uint64_t value;
} dms_size;

/* Reads SIZE or PCT: bytes, K M G, KiB MiB GiB (binary), KB MB GB (decimal), "12.5%".
 * Errors   DMS_EUSAGE quoting the text. */
DMS_CHECKED dms_code dms_size_parse(const char *text, dms_size *out, dms_status *st);

/* What to compile. Zero-initialise but for model and profile. */
typedef struct dms_compile_options {
    const char *model, *profile;
    const char *plan;     /* file to write; NULL = none */
    const char *measured; /* report of a run whose step times hold (measured.h); NULL = none */
    dms_size device_mem, host_mem;
    const dms_plan_dim *dim;
    uint32_t n_dims;
    const dms_input_dims *input; /* dims of the first inputs, by example */
    uint32_t n_inputs;
    bool exact;
    bool keeps_order; /* the calls stay in the model's order, even where another one needs less */
    const char *pack; /* folder for the packed weights (pack.h); NULL = weights stay as they are */
    uint64_t auto_host_bytes; /* what DMS_SIZE_AUTO means; the caller asks the machine */
    /* Called at the start of each stage, for progress; may be NULL. */
    void (*progress)(void *data, const char *stage);
    /* How far packing is, from 0 to all bytes; false ends it. May be NULL. */
    bool (*packing)(void *data, uint64_t done, uint64_t all);
    void *progress_data; /* of both */
} dms_compile_options;

/* The same calls in another order. */
typedef struct dms_other_order {
    dms_lowered lowered;
    dms_steps steps;
    dms_blocks blocks;
} dms_other_order;

/* All results of a compile. */
typedef struct dms_compiled {
    dms_profile profile;
    dms_graph graph;
    dms_lowered lowered;
    dms_steps steps;
    dms_blocks blocks;
    dms_other_order *other; /* the order that was not taken; NULL: only one is worth a look */
    uint64_t device_budget, host_budget;
    uint64_t stage_bytes; /* of the host budget: tensors of the caller pass through it to a card */
    dms_decision decision;
    dms_stalls stalls; /* of the decision */
    dms_place_floor floor;
    dms_plan plan;
    dms_pack_facts pack;
    const uint8_t *plan_data;  /* the plan as its file holds it */
    uint64_t plan_bytes;       /* of them */
    char measured_meaning[33]; /* of the plan whose times hold; empty = none */
} dms_compiled;

/* Compiles one model; packs the weights where options->pack is set, and writes nothing else.
 * Owner    everything in *out lives in `arena`; options are borrowed until return.
 * Errors   any code; DMS_EBUDGET names budget, floor, step and tensors. */
DMS_CHECKED dms_code dms_compile_plan(const dms_compile_options *options, dms_arena *arena,
                                      dms_compiled *out, dms_status *st);

/* Writes what dms_compile_plan made where options->plan is set: PLAN and, where needed,
 * PLAN.consts, which get their names together.
 * Errors   DMS_EIO. Nothing half written. */
DMS_CHECKED dms_code dms_compile_write(const dms_compile_options *options, const dms_compiled *c,
                                       dms_status *st);

/* Both of these. */
DMS_CHECKED dms_code dms_compile(const dms_compile_options *options, dms_arena *arena,
                                 dms_compiled *out, dms_status *st);

/* Proves a plan, and that it computes what `model` says (the meaning digest): reads, rewrites and
 * tiles the model again with the dims and the device kind of the plan.
 * Errors   DMS_EPLAN where they differ; those of reading a model. */
DMS_CHECKED dms_code dms_verify_model(const dms_plan *plan, const char *model, dms_arena *arena,
                                      dms_status *st);

#endif
