/* view_report_data.c - the numbers behind the pictures, for the page's script and for tests. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define SHARES 4096    /* memory is counted in parts of the pictures' height */
#define MOST_CELLS 99u /* k * 100 + n holds no more: then the name itself has the cell */
#define LONGEST_NAME 96u

/* A string of the page, and where it is asked for. */
typedef struct name {
    const char *op, *text; /* op: of a step, else "" */
    uint32_t cell, cells;  /* only where they stand in the string */
    uint32_t place;        /* in the order of first use */
    uint32_t id;
} name;

/* All strings; slot i of `id_of` is that of the i-th name that was added. */
typedef struct names {
    name *name;
    uint32_t n;
    uint32_t *id_of;
    uint32_t *step, *block; /* per step, per block: its place in `name`; DMS_NONE = not named */
} names;

static int by_text(const void *left, const void *right) {
    const name *a = left, *b = right;
    const int text = strcmp(a->text, b->text), op = strcmp(a->op, b->op);
    if (text != 0 || op != 0)
        return text != 0 ? text : op;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int by_place(const void *left, const void *right) {
    const name *a = left, *b = right;
    return (a->place > b->place) - (a->place < b->place);
}

static void add(names *all, const char *op, const char *text, uint32_t cell, uint32_t cells) {
    all->name[all->n] = (name){.op = op, .text = text, .place = all->n};
    if (cells > MOST_CELLS) {
        all->name[all->n].cell = cell;
        all->name[all->n].cells = cells;
    }
    all->n++;
}

static void add_block(const dms_report *r, names *all, uint32_t block) {
    uint32_t cell, cells;
    if (block == DMS_NONE || all->block[block] != DMS_NONE)
        return;
    const char *text = dms_report_block(r, block, &cell, &cells);
    all->block[block] = all->n;
    add(all, "", text, cell, cells);
}

/* Equal strings get one number, in the order in which they are met. */
static void number_names(names *all) {
    uint32_t next = 0;
    qsort(all->name, all->n, sizeof *all->name, by_text);
    for (uint32_t i = 0; i < all->n; i++) { /* id: for now the place of the first one equal */
        name *it = &all->name[i];
        const bool is_same = i > 0 && strcmp(it->text, it[-1].text) == 0 &&
                             strcmp(it->op, it[-1].op) == 0 && it->cell == it[-1].cell;
        it->id = is_same ? it[-1].id : it->place;
    }
    qsort(all->name, all->n, sizeof *all->name, by_place);
    for (uint32_t i = 0; i < all->n; i++)
        all->id_of[i] = all->name[i].id == i ? next++ : all->id_of[all->name[i].id];
}

static dms_code list_names(const dms_report *r, names *all, dms_status *st) {
    const uint64_t steps = r->problem->n_steps, blocks = r->problem->n_tensors;
    DMS_TRY(dms_alloc_st(r->arena, steps + blocks, sizeof *all->name, "report", &all->name, st));
    DMS_TRY(dms_alloc_st(r->arena, steps + blocks, sizeof *all->id_of, "report", &all->id_of, st));
    DMS_TRY(dms_alloc_st(r->arena, steps, sizeof *all->step, "report", &all->step, st));
    DMS_TRY(dms_alloc_st(r->arena, blocks, sizeof *all->block, "report", &all->block, st));
    for (uint32_t b = 0; b < blocks; b++)
        all->block[b] = DMS_NONE;
    for (uint32_t s = 0; s < steps; s++) {
        const dms_node *node = &r->c->graph.node[r->c->steps.step[s].node];
        all->step[s] = all->n;
        add(all, node->op, node->name, r->step_cell[s], r->step_cells[s]);
    }
    for (uint32_t i = 0; i < r->c->stalls.n; i++)
        add_block(r, all, r->c->stalls.stall[i].block);
    for (uint32_t k = 0; k < r->n_rows; k++)
        add_block(r, all, r->row[k]);
    for (uint32_t q = 0; q < r->d->n_loads; q++)
        add_block(r, all, r->d->loads[q].tensor);
    number_names(all);
    return DMS_OK;
}

/* The strings; long ones are cut in the middle. */
static void put_names(const dms_report *r, const names *all) {
    uint32_t next = 0;
    dms_report_put(r, ",\"names\":[");
    for (uint32_t i = 0; i < all->n; i++) {
        const name *it = &all->name[i];
        if (all->id_of[i] != next)
            continue;
        dms_report_put(r, next++ == 0 ? "\"" : ",\"");
        dms_report_json_cut(r->out, it->op, LONGEST_NAME);
        dms_report_put(r, it->op[0] == 0 ? "" : " ");
        dms_report_json_cut(r->out, it->text, LONGEST_NAME);
        dms_report_cell(r->out, it->cell, it->cells);
        dms_report_put(r, "\"");
    }
    dms_report_put(r, "]");
}

/* A cell as k * 100 + n; 0 where there is one cell, or where the name has it. */
static uint32_t cell_code(uint32_t cell, uint32_t cells) {
    return cells <= 1 || cells > MOST_CELLS ? 0 : cell * 100 + cells;
}

/* "name,cell" of a block; -1,0 where there is none. */
static void put_block(const dms_report *r, const names *all, uint32_t block) {
    uint32_t cell, cells;
    if (block == DMS_NONE) {
        dms_report_put(r, "-1,0");
        return;
    }
    (void)dms_report_block(r, block, &cell, &cells);
    dms_report_put(r, "%" PRIu32 ",%" PRIu32, all->id_of[all->block[block]],
                   cell_code(cell, cells));
}

static void put_steps(const dms_report *r, const names *all) {
    uint32_t layer = 0;
    dms_report_put(r, ",\"steps\":[");
    for (uint32_t s = 0; s < r->problem->n_steps; s++) {
        const dms_stall *stall =
            r->stall_of[s] == DMS_NONE ? NULL : &r->c->stalls.stall[r->stall_of[s]];
        const int64_t opens = dms_report_units(r, r->open_ns[s]);
        const int64_t starts = dms_report_units(r, r->start_ns[s]);
        layer += s >= r->layer[layer].end;
        dms_report_put(r,
                       "%s%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",",
                       s == 0 ? "" : ",", opens, starts - opens,
                       dms_report_units(r, r->end_ns[s]) - starts, all->id_of[all->step[s]],
                       cell_code(r->step_cell[s], r->step_cells[s]), r->layer[layer].number);
        put_block(r, all, stall == NULL ? DMS_NONE : stall->block);
        dms_report_put(r, ",%d", stall == NULL ? 0 : (int)stall->cause);
    }
    dms_report_put(r, "]");
}

/* The first step at or after `from` that starts no earlier than `ns`, `from` and step counted over
 * turns. */
static int32_t first_start(const dms_report *r, int32_t from, int32_t last, int64_t ns) {
    const int32_t n = (int32_t)r->problem->n_steps;
    int32_t low = from, high = last + 1;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const int32_t turn = middle >= 0 ? middle / n : -((n - 1 - middle) / n);
        const uint32_t s = (uint32_t)(middle - turn * n);
        if (r->start_ns[s] + turn * r->turn_ns < ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds bytes to the steps first..last, both included, of a cyclic array of differences. */
static void add_bytes(const dms_report *r, int64_t *diff, int32_t first, int32_t last,
                      int64_t bytes) {
    const int32_t n = (int32_t)r->problem->n_steps;
    if (last < first)
        return;
    const int32_t from = (first % n + n) % n, to = from + (last - first);
    diff[from] += bytes;
    if (to < n) {
        diff[to + 1] -= bytes;
        return;
    }
    diff[n] -= bytes;
    diff[0] += bytes;
    diff[to - n + 1] -= bytes;
}

/* Parts of the height that each class takes when a step starts: differences of running tops, so
 * that they never add up to more than the whole. */
static dms_code put_memory(const dms_report *r, dms_status *st) {
    const uint64_t n = r->problem->n_steps;
    int64_t *diff;
    DMS_TRY(
        dms_alloc_st(r->arena, (n + 1) * DMS_N_REPORT_CLASSES, sizeof *diff, "report", &diff, st));
    for (uint32_t i = 0; i < r->n_stays; i++) {
        const dms_report_stay *s = &r->stay[i];
        const int32_t load = first_start(r, s->first_slot, s->last_slot, s->load);
        const int32_t arrive = first_start(r, load, s->last_slot, s->arrive);
        const int64_t bytes = (int64_t)s->bytes;
        add_bytes(r, diff + (n + 1) * DMS_REPORT_RESERVED, s->first_slot, load - 1, bytes);
        add_bytes(r, diff + (n + 1) * DMS_REPORT_LOADING, load, arrive - 1, bytes);
        add_bytes(r, diff + (n + 1) * s->kind, arrive, s->last_slot, bytes);
    }
    dms_report_put(r, ",\"mem\":[");
    int64_t now[DMS_N_REPORT_CLASSES] = {0};
    for (uint32_t s = 0; s < n; s++) {
        double bytes = 0;
        int64_t top = 0;
        for (uint32_t k = 0; k < DMS_N_REPORT_CLASSES; k++) {
            now[k] += diff[(n + 1) * k + s];
            bytes += (double)now[k];
            const int64_t next = (int64_t)(bytes / (double)r->top_bytes * SHARES);
            dms_report_put(r, "%s%" PRId64, s + k == 0 ? "" : ",", next - top);
            top = next;
        }
    }
    dms_report_put(r, "]");
    return DMS_OK;
}

static void put_rows(const dms_report *r, const names *all) {
    dms_report_put(r, ",\"blocks\":[");
    for (uint32_t k = 0; k < r->n_rows; k++) {
        dms_report_put(r, "%s", k == 0 ? "" : ",");
        put_block(r, all, r->row[k]);
    }
    dms_report_put(r, "],\"kept\":[");
    for (uint32_t k = 0; k < r->n_rows; k++)
        dms_report_put(r, "%s%d", k == 0 ? "" : ",", r->is_kept[r->row[k]]);
    dms_report_put(r, "]");
}

/* A copy of the queue in, cut at the edges. */
typedef struct copy {
    int64_t from, to;
    uint32_t load;
} copy;

typedef struct copies {
    copy *copy;
    uint32_t n, load;
} copies;

static void add_copy(void *data, int64_t from, int64_t to) {
    copies *all = data;
    all->copy[all->n++] = (copy){from, to, all->load};
}

static int by_time(const void *left, const void *right) {
    const copy *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->load > b->load) - (a->load < b->load);
}

static dms_code put_copies(const dms_report *r, const names *all, dms_status *st) {
    copies list = {0};
    DMS_TRY(dms_alloc_st(r->arena, 2 * (uint64_t)r->d->n_loads, sizeof *list.copy, "report",
                         &list.copy, st));
    for (list.load = 0; list.load < r->d->n_loads; list.load++) {
        const int64_t from = r->d->loads[list.load].start_ns - r->origin_ns;
        dms_report_cut(r, from, from + r->d->loads[list.load].ns, add_copy, &list);
    }
    qsort(list.copy, list.n, sizeof *list.copy, by_time);
    dms_report_put(r, ",\"copies\":[");
    for (uint32_t i = 0; i < list.n; i++) {
        const copy *it = &list.copy[i];
        dms_report_put(r, "%s%" PRId64 ",%" PRId64 ",", i == 0 ? "" : ",", it->from,
                       it->to - it->from);
        put_block(r, all, r->d->loads[it->load].tensor);
        dms_report_put(r, ",%" PRIu32, r->d->loads[it->load].due);
    }
    dms_report_put(r, "]");
    return DMS_OK;
}

static void put_layers(const dms_report *r) {
    dms_report_put(r, ",\"layers\":[");
    for (uint32_t l = 0; l < r->n_layers; l++)
        dms_report_put(r, "%s[%" PRIu32 ",%" PRId64 ",%" PRId64 "]", l == 0 ? "" : ",",
                       r->layer[l].number, dms_report_units(r, r->open_ns[r->layer[l].first]),
                       dms_report_units(r, r->end_ns[r->layer[l].end - 1]));
    dms_report_put(r, "]");
}

dms_code dms_report_data(const dms_report *report, dms_status *st) {
    const dms_report *r = report;
    const dms_arena_mark mark = dms_arena_here(r->arena);
    names all = {0};
    DMS_TRY(list_names(r, &all, st));
    dms_report_put(r,
                   "<script type=\"application/json\" id=\"dms-data\">{\"P\":%" PRId64
                   ",\"unit\":%" PRId64 ",\"M\":%" PRIu64 ",\"part\":\"%s\",\"order\":[",
                   r->width, r->unit_ns, r->top_bytes, r->has_layers ? "layer" : "part");
    for (int k = 0; k < DMS_N_REPORT_CLASSES; k++)
        dms_report_put(r, "%s\"%s\"", k == 0 ? "" : ",",
                       dms_report_class_name((dms_report_class)k));
    dms_report_put(r, "]");
    put_names(r, &all);
    put_steps(r, &all);
    DMS_TRY(put_memory(r, st));
    put_rows(r, &all);
    DMS_TRY(put_copies(r, &all, st));
    put_layers(r);
    dms_report_put(r, "}</script>\n");
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}
