/* support_views.h - compiles of layered graphs, and what the views say of them.
 *
 * Reads    how many layers, and of how many steps.
 * Returns  a compile between its floor and what it takes at most; texts; pictures read back.
 * Cost     one compile.
 * Source   none.
 * Not here what the views should say.
 */
#ifndef DMS_TESTS_SUPPORT_VIEWS_H
#define DMS_TESTS_SUPPORT_VIEWS_H

#include <graphviz/cgraph.h>

#include "planner/views.h"
#include "support_graph.h"

#define VIEWS_AMPLE (1ull << 40)
#define VIEWS_ROWS 16

/* Begins a graph: a chain of `layers` products of 64 x 64, each followed by functions until the
 * layer has `steps` steps (of two numbers in turn where `steps` is 0: 3 in even layers, 4 in odd
 * ones, so that no two neighbours are alike). The weights' names count the layers. */
void views_layers(graph_case *g, uint32_t layers, uint32_t steps);

/* Plans the case half way between its floor and what it takes at most. */
void views_plan_half(graph_case *g, dms_compiled *c);

/* Plans the case with room for everything. */
void views_plan_ample(graph_case *g, dms_compiled *c);

typedef void view_function(const dms_compiled *, const dms_view_facts *, FILE *);

/* dms_view_dot as views_text wants it. */
void views_draw(const dms_compiled *c, const dms_view_facts *facts, FILE *out);

/* The text of a view, in the arena of the case. */
char *views_text(graph_case *g, view_function *view, const dms_compiled *c,
                 const dms_view_facts *facts);

/* Reads a picture back; the caller closes the graph. */
Agraph_t *views_picture(graph_case *g, const dms_compiled *c);

/* The label of a node of a picture, by the node's name; NULL where there is no such node. */
const char *views_label(Agraph_t *graph, const char *name);

#endif
