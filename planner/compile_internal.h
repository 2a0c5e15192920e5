/* compile_internal.h - what the files behind dmsc.h share. Not a door. */
#ifndef DMS_PLANNER_COMPILE_INTERNAL_H
#define DMS_PLANNER_COMPILE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_compiled dms_compiled;               /* dmsc.h */
typedef struct dms_size dms_size;                       /* dmsc.h */
typedef struct dms_graph dms_graph;                     /* onnx/graph.h */
typedef struct dms_plan_file dms_plan_file;             /* schema/plan.h */
typedef struct dms_arena dms_arena;                     /* schema/arena.h */
typedef struct dms_decision dms_decision;               /* place.h */
typedef struct dms_place_options dms_place_options;     /* place.h */
typedef struct dms_place_floor dms_place_floor;         /* place.h */
typedef struct dms_compile_options dms_compile_options; /* dmsc.h */
typedef struct dms_lowered dms_lowered;                 /* onnx/graph.h */
typedef struct dms_steps dms_steps;                     /* steps.h */
typedef struct dms_blocks dms_blocks;                   /* blocks.h */

/* Bytes that a size means; `otherwise` for the default and the floor. */
uint64_t dms_size_bytes(struct dms_size size, uint64_t weights_bytes, uint64_t otherwise,
                        uint64_t auto_bytes);

/* "2.99 GiB": three significant digits, binary units. Returns `out`. */
const char *dms_bytes_text(uint64_t bytes, char out[32]);

/* "428.5 ms": three digits, four from 100 ms on. Returns `out`. */
const char *dms_time_text(int64_t ns, bool utf8, char out[32]);

/* The width for printf that puts a text into `columns`: printf counts bytes, and µ has two. */
int dms_text_width(const char *text, int columns);

/* "1,251": digits in groups of three. Returns `out`. */
const char *dms_count_text(uint64_t count, char out[32]);

/* The k-th of the rules that people would try first; NULL behind the last. */
const char *dms_simple_rule(uint32_t k);

/* Whether a way of placing was scored; a rule is not where what it keeps does not fit. */
bool dms_is_candidate(const dms_decision *decision, const char *name);

/* The period of the best of these; 0 where none of them has a plan. */
int64_t dms_best_rule_ns(const dms_decision *decision);

/* Looks for another order of the calls, cuts it into steps, and keeps it as c->other where it is
 * worth placing too.
 * Errors   of dms_order_calls, dms_tile and dms_blocks_make. */
DMS_CHECKED dms_code dms_compile_reorder(const dms_compile_options *options, dms_arena *arena,
                                         dms_compiled *c, dms_status *st);

/* Steps and problem of the lowered calls; measured times, marks of what will be packed.
 * Errors   of dms_tile, dms_measured_apply, dms_blocks_make. */
DMS_CHECKED dms_code dms_compile_cut(const dms_compile_options *options, const dms_lowered *lowered,
                                     dms_arena *arena, dms_compiled *c, dms_steps *out_steps,
                                     dms_blocks *out_blocks, dms_status *st);

/* The better decision of both orders; *out_is_other = it is one for c->other. *out_floor is the
 * lower one of both.
 * Errors   of dms_place, where both fail. */
DMS_CHECKED dms_code dms_compile_place_both(const dms_compiled *c, const dms_place_options *how,
                                            dms_arena *arena, dms_decision *out,
                                            dms_place_floor *out_floor, bool *out_is_other,
                                            dms_status *st);

/* The same for what a user asks. Problems of a few hundred steps are placed at a few budgets that
 * all compiles share, the given one and less, and the best plan is taken: so that a larger budget
 * has no longer period. *out_floor is that of the budget, and so is the bound.
 * Cost     up to eight times dms_compile_place_both, where the bound is not reached.
 * Errors   of dms_compile_place_both. */
DMS_CHECKED dms_code dms_compile_place_steady(const dms_compiled *c, const dms_place_options *how,
                                              dms_arena *arena, dms_decision *out,
                                              dms_place_floor *out_floor, bool *out_is_other,
                                              dms_status *st);

/* Takes the other order, and keeps the one before as the other. */
void dms_compile_swap(dms_compiled *c);

/* Places a compile once more, at another device budget: in the order that is better there, so that
 * only the figures of *out say something about c->steps. Problems of thousands of steps are placed
 * without the searches, none at several budgets: the points of a curve are made monotone together.
 * Errors   of dms_place. */
DMS_CHECKED dms_code dms_compile_place(const dms_compiled *c, uint64_t device_budget,
                                       dms_arena *arena, dms_decision *out, dms_status *st);

/* The DMS_EBUDGET message of a compile whose `floor` says which budget is short. */
dms_code dms_budget_refuse(const dms_compiled *c, dms_status *st);

/* Digests of all files of the graph, and the entry of PLAN.consts, into the plan's file table. */
DMS_CHECKED dms_code dms_compile_files(dms_compiled *c, const char *consts_name, dms_arena *arena,
                                       dms_status *st);

/* Opens file `file` of a graph: the model itself, or external data beneath its folder. */
DMS_CHECKED dms_code dms_compile_open(const dms_graph *graph, uint32_t file, int *out_fd,
                                      uint64_t *out_bytes, dms_status *st);

/* Fills the sampled digest of an open file, and that of all bytes while *left of them may still be
 * read; its name, size and large ranges are given. */
DMS_CHECKED dms_code dms_compile_digest(int fd, dms_plan_file *file, uint64_t *left,
                                        dms_status *st);

/* Writes bytes to a temporary name beside `path`, syncs, renames.
 * Errors   DMS_EIO naming path and errno; nothing is left behind. */
DMS_CHECKED dms_code dms_write_file(const char *path, const void *data, uint64_t size,
                                    dms_status *st);

#endif
