/* view_report_internal.h - what the parts of the report share. Not a door.
 *
 * The page's time begins at 0, the end of the last step of the turn before, and is counted in units
 * of 10^k ns. What crosses an edge of the turn is cut in two.
 */
#ifndef DMS_PLANNER_VIEW_REPORT_INTERNAL_H
#define DMS_PLANNER_VIEW_REPORT_INTERNAL_H

#include "planner/compile_internal.h"
#include "planner/stalls.h"
#include "planner/views.h"

#define DMS_REPORT_NAME 72u /* characters of a name that the page shows */

/* What fills the device, from the bottom up. */
typedef enum dms_report_class {
    DMS_REPORT_KEPT,
    DMS_REPORT_ACTIVATION,
    DMS_REPORT_WORKSPACE,
    DMS_REPORT_PRESENT,
    DMS_REPORT_LOADING,
    DMS_REPORT_RESERVED,
    DMS_N_REPORT_CLASSES
} dms_report_class;

/* One residency, or the workspace of a step: [begin, load) reserved, [load, arrive) loading,
 * [arrive, end) `kind`. In ns of the page, not yet cut: begin may be negative, end pass the turn.
 */
typedef struct dms_report_stay {
    int64_t begin, load, arrive, end;
    uint32_t block; /* problem tensor; DMS_NONE: a workspace */
    uint32_t due;   /* of a load: the step that waits for it */
    int32_t first_slot, last_slot;
    dms_report_class kind;
    uint64_t offset, bytes; /* as packed: whole multiples of DMS_ALIGN */
} dms_report_stay;

/* Neighbouring steps of one layer, or of one of 40 equal parts. */
typedef struct dms_report_layer {
    uint32_t number, first, end; /* steps */
    uint32_t first_row, end_row; /* of the picture of the blocks */
    uint64_t kept_bytes, bytes;  /* of the weights that are first used in it */
} dms_report_layer;

/* Stalls of equal cause in steps of equal role. */
typedef struct dms_report_group {
    dms_stall_cause cause;
    const char *op, *role; /* of the steps */
    int64_t ns, longest_ns;
    uint32_t count, first; /* first: lowest step, to tell equal groups apart */
    uint32_t flag;         /* in c->stalls.stall: one of the longest, where its number stands */
} dms_report_group;

typedef struct dms_report_groups {
    dms_report_group *group; /* the largest sum first */
    uint32_t n, n_shown;
} dms_report_groups;

/* Everything that the parts draw from. */
typedef struct dms_report {
    const dms_compiled *c;
    const dms_problem *problem;
    const dms_decision *d;
    dms_arena *arena;
    FILE *out;
    int64_t origin_ns;                    /* x = 0 in the times of the decision */
    int64_t turn_ns, unit_ns, width;      /* width: of the turn, in units */
    int64_t *open_ns, *start_ns, *end_ns; /* per step: its stall begins, it starts, it ends */
    uint32_t *stall_of;                   /* per step: in c->stalls.stall, or DMS_NONE */
    dms_report_stay *stay;
    uint32_t n_stays;
    dms_report_layer *layer;
    uint32_t n_layers;
    bool has_layers; /* the model counts them; else equal parts */
    uint32_t *row;   /* blocks of weights and inputs, by first use */
    uint32_t n_rows;
    uint8_t *is_kept;                 /* per block */
    uint64_t kept_bytes;              /* as packed */
    uint64_t top_bytes;               /* full height of the pictures of the device */
    uint32_t *step_cell, *step_cells; /* per step: its place among those of its node, from 1 */
    uint64_t in_bytes, out_bytes, read_bytes;
    int64_t in_ns, out_ns, read_ns; /* busy in one turn */
    uint32_t n_reads;
    double mean_bytes[DMS_N_REPORT_CLASSES]; /* over the turn, as packed */
    int64_t rule_ns; /* of the best simple rule at this budget; 0 = none has a plan */
} dms_report;

/* A figure of a picture: time across, anything up, as one path of rectangles. */
typedef struct dms_report_path {
    FILE *out;
    int64_t x, y; /* where the pen is */
    bool is_open;
} dms_report_path;

/* Collects all that is drawn.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_report_collect(const dms_compiled *c, dms_arena *arena, FILE *out,
                                        dms_report *report, dms_status *st);

/* ns of the page in units, rounded; negative ns stay negative. */
int64_t dms_report_units(const dms_report *report, int64_t ns);

/* Calls `draw` for [from, to) ns, cut at the edges of the turn, in units. */
void dms_report_cut(const dms_report *report, int64_t from, int64_t to,
                    void (*draw)(void *data, int64_t from, int64_t to), void *data);

/* Text for HTML, in an element or between double quotes. What is no text becomes U+FFFD. */
void dms_report_text(FILE *out, const char *text);

/* The same, with what is long cut in the middle to `most` characters. */
void dms_report_text_cut(FILE *out, const char *text, uint32_t most);

/* The same for the inside of a JSON string that stands in a script element. */
void dms_report_json_cut(FILE *out, const char *text, uint32_t most);

/* printf of figures: "\0"-terminated formats of ours alone, never names. */
void dms_report_put(const dms_report *report, const char *fmt, ...) DMS_FORMAT(2, 3);

/* " [k/n]" where n > 1. */
void dms_report_cell(FILE *out, uint32_t cell, uint32_t n_cells);

/* The step's operator, node and cell, as text for HTML. */
void dms_report_step_name(const dms_report *report, uint32_t step);

/* A block's tensor and cell, as text for HTML. */
void dms_report_block_name(const dms_report *report, uint32_t block);

/* The tensor of a block, its cell from 1, and how many cells the tensor has. */
const char *dms_report_block(const dms_report *report, uint32_t block, uint32_t *out_cell,
                             uint32_t *out_cells);

/* "12.5 %". */
const char *dms_report_share(double part, double whole, char out[32]);

/* Begins a path of a class. */
void dms_report_path_begin(dms_report_path *path, FILE *out, const char *kind);

/* Ends it. */
void dms_report_path_end(dms_report_path *path);

/* Adds a rectangle to it. */
void dms_report_rectangle(dms_report_path *path, int64_t x, int64_t y, int64_t w, int64_t h);

/* Begins a row of the time pictures: label left, picture. `beneath` the label may be NULL. */
void dms_report_row_begin(const dms_report *report, const char *id, const char *label,
                          const char *beneath, int height);

/* Begins the picture of a row, `height` units high; `attributes` stand in the tag as they are. */
void dms_report_svg_begin(const dms_report *report, const char *kind, uint64_t height,
                          const char *attributes);

/* The axis beneath pictures; `note` at its right end. */
void dms_report_axis(const dms_report *report, const char *note);

/* "kept", "act", ...: the class of the style sheet, and the key in the page's data. */
const char *dms_report_class_name(dms_report_class kind);

/* A candidate of the decision as people call it, and what it does. */
const char *dms_report_candidate(const char *name, const char **out_title);

/* A name without the numbers that count layers and cells: "layers.*.q_proj". NULL: no memory. */
const char *dms_report_role(const char *name, dms_arena *arena);

/* "link", "room", "save". */
const char *dms_report_cause(dms_stall_cause cause);

/* Groups all stalls; what it returns lives in the report's arena.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_report_group_stalls(const dms_report *report,
                                             dms_report_groups *out_groups, dms_status *st);

/* Verdict, six figures, tools; leaves the section of time open, as the next parts do. */
void dms_report_head(const dms_report *report);

/* Overview, layers, and a lane per queue.
 * Errors   DMS_EINTERNAL: out of memory. So too below. */
DMS_CHECKED dms_code dms_report_lanes(const dms_report *report, const dms_report_groups *groups,
                                      dms_status *st);

/* What fills the three tiers. */
DMS_CHECKED dms_code dms_report_memory(const dms_report *report, dms_status *st);

/* A row per block of a weight or input. */
DMS_CHECKED dms_code dms_report_blocks(const dms_report *report, dms_status *st);

/* Offsets over time; closes the section of time. */
void dms_report_addresses(const dms_report *report);

/* The table of stalls. */
void dms_report_stalls(const dms_report *report, const dms_report_groups *groups);

/* The table of weights. */
DMS_CHECKED dms_code dms_report_costs(const dms_report *report, dms_status *st);

/* What else was tried; opens the two halves. */
void dms_report_candidates(const dms_report *report);

/* Time over budgets; closes the halves. */
DMS_CHECKED dms_code dms_report_curve(const dms_report *report, dms_status *st);

/* What few people open. */
void dms_report_details(const dms_report *report);

/* The numbers for the script. */
DMS_CHECKED dms_code dms_report_data(const dms_report *report, dms_status *st);

#endif
