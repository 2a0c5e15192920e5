/* view_dot_internal.h - what the two pictures share. Not a door. */
#ifndef DMS_PLANNER_VIEW_DOT_INTERNAL_H
#define DMS_PLANNER_VIEW_DOT_INTERNAL_H

#include <graphviz/cgraph.h>

#include "planner/views.h"
#include "schema/arena.h"
#include "schema/status.h"

#define DMS_DOT_KEPT "#0b5fa5"
#define DMS_DOT_STREAMED "#7cc0ec"
#define DMS_DOT_LOADING "#f0a30a"
#define DMS_DOT_HOST "#fbe3b0"
#define DMS_DOT_NVME "#6d4c9f"
#define DMS_DOT_NVME_FILL "#e3d9f2"
#define DMS_DOT_ACTIVATION "#0f9d76"
#define DMS_DOT_PORT "#d5efe6"
#define DMS_DOT_WORKSPACE "#4a4238"
#define DMS_DOT_OUT "#b0589a"
#define DMS_DOT_COMPUTE "#6b7683"
#define DMS_DOT_STALL "#d7191c"
#define DMS_DOT_GREY "#5d6875"

/* A text that grows in a fixed buffer; what does not fit is cut. */
typedef struct dms_text {
    size_t used;
    char text[65536]; /* the fold of 80 columns takes 40 KB */
} dms_text;

/* One coloured piece of a bar. */
typedef struct dms_dot_piece {
    uint64_t amount;
    const char *colour;
} dms_dot_piece;

/* printf at the end of the text. */
void dms_text_add(dms_text *t, const char *fmt, ...) DMS_FORMAT(2, 3);

/* A name for an HTML-like label: escaped, cut in the middle at 48 characters. */
void dms_text_add_name(dms_text *t, const char *name);

/* A bar of `width` points filled by the pieces in proportion to `total`. */
void dms_text_add_bar(dms_text *t, int width, int height, const dms_dot_piece *piece, size_t n,
                      uint64_t total);

/* Sets an attribute. */
void dms_dot_set(void *object, const char *key, const char *value);

/* Sets an attribute to an HTML-like label, given without its outer < >. */
void dms_dot_set_html(Agraph_t *graph, void *object, const char *key, const char *value);

/* A node with a shape, a fill and a line. */
Agnode_t *dms_dot_node(Agraph_t *graph, const char *name, const char *shape, const char *fill,
                       const char *line);

/* An edge with a colour. */
Agedge_t *dms_dot_edge(Agraph_t *graph, Agnode_t *from, Agnode_t *to, const char *colour);

/* Keeps two nodes in one row. */
void dms_dot_same_rank(Agraph_t *graph, Agnode_t *a, Agnode_t *b);

/* The head line and the line beneath it. */
void dms_dot_title(Agraph_t *graph, const dms_compiled *c, const char *more);

/* dms_view_dot with all that cgraph allocates in a heap, which is empty afterwards. */
DMS_CHECKED dms_code dms_dot_draw(const dms_compiled *c, dms_heap *heap, FILE *out, dms_status *st);

/* Up to 60 steps: every step, every copy. */
void dms_dot_small(Agraph_t *graph, const dms_compiled *c);

/* Above: one box per layer, equal layers folded. */
void dms_dot_large(Agraph_t *graph, const dms_compiled *c);

#endif
