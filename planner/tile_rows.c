/* tile_rows.c - plain weights that are cut between rows, above all tables that are looked up.
 *
 *     table [v, h]      read as [1, v, h] by a lookup        parts: each gives the rows it holds
 *      | rows 0 .. |    read turned, [h, v], by a product    cells: each gives its columns of y
 *      |    ...    |
 *
 * A cell is one range of the file, and the same range for every reader, whatever view it takes:
 * tied tables (the embedding is the last product too) stream through once per use and are kept
 * once. On the CPU device panels are better for products; a weight that only products read has
 * them, unless they read it in different orders.
 */
#include "planner/tile_internal.h"

/* Parts of a lookup are steps that do next to nothing: more of them than this cost more time than
 * their memory is worth. */
#define MOST_PARTS_OF_A_TABLE 32
/* Parts of a table are due one right behind the other, so a ring on the host has two of them: less
 * than two of the largest cells. */
#define LARGEST_PART_OF_A_TABLE (48u << 20)

int32_t dms_tile_rows_axis(const dms_view *view, const dms_view *stored) {
    const int64_t rows = stored->dim[0], row = dms_view_count(stored) / (rows == 0 ? 1 : rows);
    int64_t met = 1;
    int32_t axis = -1;
    if (view->offset != 0 || dms_view_count(view) != dms_view_count(stored))
        return -1;
    for (uint32_t round = 0; round < view->rank; round++) { /* axes from the inside out */
        uint32_t next = DMS_NONE;
        for (uint32_t k = 0; k < view->rank; k++)
            if (view->dim[k] > 1 && view->pitch[k] >= met &&
                (next == DMS_NONE || view->pitch[k] < view->pitch[next]))
                next = k;
        if (next == DMS_NONE)
            break;
        if (view->pitch[next] != met)
            return -1;
        if (met == row && view->dim[next] == rows)
            axis = (int32_t)next;
        met *= view->dim[next];
    }
    return met == dms_view_count(stored) ? axis : -1;
}

bool dms_tile_cut(const dms_tiling *t, const dms_call *call, const dms_tile_plan *plan, uint32_t by,
                  dms_cut *out, bool *out_has_parts) {
    (void)t;
    *out_has_parts = plan->is_cut_in_sums;
    if (!plan->is_cut_in_rows)
        return plan->is_cut_in_sums ? dms_call_cut_sums(call, out) : dms_call_cut(call, out);
    const int32_t axis = dms_tile_rows_axis(&call->view[by], &plan->packing.stored);
    if (axis < 0)
        return false;
    *out_has_parts = !dms_call_cut(call, out) || out->axis[by] != axis;
    return !*out_has_parts || (dms_call_cut_sums(call, out) && out->axis[by] == axis);
}

/* What the readers of a weight ask of its rows. */
typedef struct wants {
    int64_t granule;
    uint64_t sums; /* bytes of the largest sums that are handed on */
    uint64_t rows; /* bytes of the largest result of a lookup */
} wants;

/* The use can be cut between rows. */
static bool use_can_be_cut(const dms_tiling *t, dms_tile_use use, const dms_tile_plan *plan,
                           wants *w) {
    const dms_call *call = &t->lowered->call[use.call].call;
    dms_cut cut;
    bool has_parts;
    if (use.operand >= call->n_in || dms_tile_has_rival(t, use) ||
        !dms_tile_cut(t, call, plan, use.operand, &cut, &has_parts) || cut.unit[use.operand] != 1)
        return false;
    for (uint32_t k = 0; k < call->n_in; k++) /* a call is cut along one operand */
        if (k != use.operand && t->lowered->call[use.call].operand[k].tensor ==
                                    t->lowered->call[use.call].operand[use.operand].tensor)
            return false;
    const int64_t granule = has_parts ? cut.granule : dms_tile_cell_width(&cut);
    w->granule = granule > w->granule ? granule : w->granule;
    dms_view y = call->view[call->n_in];
    if (!has_parts)
        return dms_tile_outputs_are_whole(t, use, call, &cut);
    if (!cut.is_pick)
        y.dtype = DMS_DTYPE_F32;
    uint64_t *bytes = cut.is_pick ? &w->rows : &w->sums;
    *bytes = dms_view_bytes(&y) > *bytes ? dms_view_bytes(&y) : *bytes;
    return true;
}

void dms_tile_choose_rows(const dms_tiling *t, uint32_t storage, bool wants_pick) {
    const dms_tensor *g = &t->graph->tensor[storage];
    dms_tile_plan *plan = &t->plan[storage], own = *plan;
    int64_t dim[DMS_MAX_RANK];
    wants w = {.granule = 1};
    for (uint32_t k = 0; k < g->rank; k++)
        dim[k] = dms_extent(g, k);
    if (g->rank == 0 || !dms_view_dense(g->dtype, g->rank, dim, &own.packing.stored))
        return;
    own.packing.source = own.packing.stored;
    own.packing.valid_last = 0;
    own.is_cut_in_rows = true;
    for (uint32_t u = 0; u < plan->n_uses; u++)
        if (!use_can_be_cut(t, t->use[plan->first_use + u], &own, &w))
            return;
    const uint64_t bytes = dms_view_bytes(&own.packing.stored);
    int64_t n_cells = dms_tile_n_cells(t, plan, bytes);
    const int64_t n_parts =
        (int64_t)((bytes + LARGEST_PART_OF_A_TABLE - 1) / LARGEST_PART_OF_A_TABLE);
    if (w.rows > 0 && n_cells < n_parts)
        n_cells = n_parts;
    if (w.rows > 0) { /* no smaller than a quarter of what is looked up: that is there anyway */
        const uint64_t most = 1 + 4 * (bytes / w.rows);
        n_cells = n_cells > MOST_PARTS_OF_A_TABLE ? MOST_PARTS_OF_A_TABLE : n_cells;
        n_cells = (uint64_t)n_cells > most ? (int64_t)most : n_cells;
    }
    own.cell_len = dms_tile_cell_length(dim[0], n_cells, w.granule);
    const uint64_t cell = bytes / (uint64_t)dim[0] * (uint64_t)own.cell_len;
    if ((wants_pick && w.rows == 0) || own.cell_len == 0 || w.sums > cell)
        return;
    *plan = own;
}
