/* tile_internal.h - what the files of `tile` share. Not a door. */
#ifndef DMS_PLANNER_TILE_INTERNAL_H
#define DMS_PLANNER_TILE_INTERNAL_H

#include "onnx/graph.h"
#include "planner/steps.h"

/* What tile decides for one storage of the graph before steps are made. */
typedef struct dms_tile_plan {
    uint32_t id;                /* in dms_steps.tensor, DMS_NONE until it is used */
    uint32_t first_use, n_uses; /* in dms_tiling.use */
    bool is_packed;             /* weights: `packing` replaces the plain layout */
    dms_packing packing;
    uint32_t cell_axis;  /* of the stored layout; 0 where it is packed */
    int64_t cell_len;    /* entries of that axis in a cell; 0 = one cell */
    bool is_cut_in_sums; /* that axis is what its readers sum over: cells are parts of their sums */
    bool
        is_cut_in_rows; /* plain: readers walk it in any order; each cuts along its axis for rows */
} dms_tile_plan;

/* One use of a storage: operand `operand` of lowered call `call`. */
typedef struct dms_tile_use {
    uint32_t call, operand;
} dms_tile_use;

typedef struct dms_tiling {
    const dms_graph *graph;
    const dms_lowered *lowered;
    const dms_profile *profile;
    dms_arena *arena;
    dms_steps *out;
    dms_tile_plan *plan; /* per graph tensor */
    dms_tile_use *use;
    uint32_t *call_of_hash; /* open addressing table of distinct calls; size is a power of two */
    uint32_t n_hash;
    uint64_t target_cell_bytes;
    uint8_t *consts; /* out->consts, to be written to */
    uint64_t cap_consts;
} dms_tiling;

/* Collects every use of every storage. */
DMS_CHECKED dms_code dms_tile_collect(dms_tiling *t, dms_status *st);

/* Chooses layout and grid of every weight from its uses. */
DMS_CHECKED dms_code dms_tile_weights(dms_tiling *t, dms_status *st);

/* A result that only the caller reads, which may leave cell by cell. */
bool dms_tile_may_leave(const dms_tiling *t, uint32_t storage);

/* Another operand of the call has a grid of its own; a call is cut along one grid only. */
bool dms_tile_has_rival(const dms_tiling *t, dms_tile_use use);

/* Every output of the call is stored whole and has an axis of the cut. */
bool dms_tile_outputs_are_whole(const dms_tiling *t, dms_tile_use use, const dms_call *call,
                                const dms_cut *cut);

/* Cells that a weight of so many bytes has by itself, and together with what leaves of the results
 * of its readers: weight and result of a step then are two cells together. */
int64_t dms_tile_n_cells(const dms_tiling *t, const dms_tile_plan *plan, uint64_t bytes);

/* Positions of a cell of at least DMS_CELL_MULTIPLE that suits the cut. */
int64_t dms_tile_cell_width(const dms_cut *cut);

/* Entries in a cell where n_cells are asked for; 0 where one would hold all. */
int64_t dms_tile_cell_length(int64_t entries, int64_t n_cells, int64_t granule);

/* Cuts a plain weight between its rows, if all its readers can be cut there; with `wants_pick` only
 * where one of them looks rows up. */
void dms_tile_choose_rows(const dms_tiling *t, uint32_t storage, bool wants_pick);

/* The axis of a view that counts the rows of a plain storage, `stored`, all of which the view walks
 * in any order; -1 where there is none.
 *
 *     stored [v, h]       [v, h]: 0       [1, v, h]: 1       turned, [h, v] of pitches 1, h: 1 */
int32_t dms_tile_rows_axis(const dms_view *view, const dms_view *stored);

/* How a call is cut along the grid of the weight that is its operand `by`; *out_has_parts = into
 * parts of a sum or a pick (dms_call_part). False: not at all. */
bool dms_tile_cut(const dms_tiling *t, const dms_call *call, const dms_tile_plan *plan, uint32_t by,
                  dms_cut *out, bool *out_has_parts);

/* The step tensor of a storage, made at its first use; weights get their sources. */
DMS_CHECKED dms_code dms_tile_tensor(dms_tiling *t, uint32_t storage, uint32_t *out,
                                     dms_status *st);

/* A stored constant is read or packed into bytes of the plan, or becomes file ranges. */
DMS_CHECKED dms_code dms_tile_sources(dms_tiling *t, uint32_t storage, dms_step_tensor *tensor,
                                      dms_status *st);

/* What a call of this cost takes by a profile. */
int64_t dms_tile_step_ns(const dms_profile *profile, const dms_call *call, dms_cost cost);

/* Marks which tensors lie over which: the kernel allows it, the old one ends there, and all writes
 * of the pair are neighbouring steps. */
void dms_tile_in_place(const dms_graph *graph, dms_steps *steps);

#endif
