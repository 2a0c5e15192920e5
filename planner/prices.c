/* prices.c - the duals of the grouped program, as a certificate in whole numbers.
 *
 * A dual of a row is a price: of a byte on the link, of a byte of memory at a checkpoint. Given any
 * prices, each gap has a cheapest way: stay, be loaded, be read and loaded. The period is at least
 * the sum of the steps and of these cheapest ways, less what the machine offers for the prices. The
 * columns w, P, Q and U must not be able to lower that sum: their prices are mended here until none
 * can, so that boxes are not needed and one pass of sums checks the whole.
 */
#include <math.h>

#include "planner/bound_internal.h"
#include "planner/certificate.h"
#include "schema/arena.h"
#include "schema/checked.h"

#define SHRINK (1 - 1e-9) /* of all prices: what rounding adds to those of w stays below 1 */
#define MOST_PRICE 4e18
#define MOST_EARLY 1000000000000000 /* no price of time is as high: then sums have room */
#define NO_HOST_LIMIT UINT64_MAX

/* What pricing carries around. */
typedef struct pricing {
    const dms_bound *b;
    const dms_lp_result *result;
    double per_byte; /* ns per byte of one unit of price */
    double scale;
    bool is_too_large;
    dms_certificate *c;
} pricing;

/* A price per byte in units of the program, from a row that is an upper (-1) or lower (1) side. */
static double price_of(const pricing *p, uint32_t row, double sign) {
    const double y = row == DMS_NO_ROW ? 0 : sign * p->result->price[row];
    return y > 0 ? y : 0;
}

/* What the prices of a group ask for one unit of stall. More than 1 in all would be a lie. */
static double asked_for_stall(const pricing *p, uint32_t g) {
    const dms_bound_rows *row = &p->b->group[g].row;
    return p->b->rate_in * (price_of(p, row->link, -1) + price_of(p, row->arrival, 1)) +
           price_of(p, row->link_time, -1) + price_of(p, row->arrival_time, 1) +
           dms_bound_carrying(p->b, g) * price_of(p, row->busy, -1) +
           p->b->rate_out * price_of(p, row->out, -1);
}

static void choose_scale(pricing *p) {
    const dms_bound *b = p->b;
    const double all = price_of(p, b->total_row, 1) + price_of(p, b->storage_row, 1) +
                       price_of(p, b->large_row, 1) + price_of(p, b->lasts_row, 1) +
                       price_of(p, b->apart_row, -1);
    double most = 1, inputs = 0;
    for (uint32_t g = b->n_groups; g-- > 0;) {
        inputs += price_of(p, b->group[g].row.inputs, 1);
        most = fmax(most, all + inputs + asked_for_stall(p, g));
    }
    p->scale = SHRINK / most;
}

static int64_t whole(pricing *p, double price, double unit) {
    const double value = floor(price * p->scale * unit);
    p->is_too_large |= !(value < MOST_PRICE);
    return p->is_too_large ? 0 : (int64_t)value;
}

static int64_t whole_time(pricing *p, uint32_t row, double sign) {
    return whole(p, price_of(p, row, sign), DMS_PRICE_PER_TIME);
}

static int64_t whole_byte(pricing *p, uint32_t row, double sign) {
    return whole(p, price_of(p, row, sign) * p->per_byte, DMS_PRICE_PER_BYTE);
}

/* The solver may charge the box of K(g) instead of the memory row, which says the same. */
static int64_t memory_price(pricing *p, uint32_t g) {
    const double box = -p->result->reduced[dms_bound_k(p->b, g)];
    const double price = price_of(p, p->b->group[g].row.memory, -1) + (box > 0 ? box : 0);
    return whole(p, price * p->per_byte, DMS_PRICE_PER_BYTE);
}

/* The prices of the paces. Alone in its group, one has the price of the time before it is due. */
static void take_paces(pricing *p, uint32_t g) {
    const dms_bound_group *from = p->b->group + g;
    dms_certificate_group *at = p->c->group + g;
    for (uint32_t i = 0; i < p->b->n_paces; i++) {
        if (from->row.due[i] != DMS_NO_ROW)
            at->due[i] = whole_time(p, from->row.due[i], 1);
        else if (from->load_time[i] > 0)
            at->due[i] = at->arrival_time;
        if (at->due[i] > at->arrival_time)
            at->due[i] = at->arrival_time;
        at->early[i] = whole_time(p, from->row.early[i], 1);
        p->is_too_large |= at->early[i] > MOST_EARLY;
    }
}

static void take_prices(pricing *p) {
    const dms_bound *b = p->b;
    dms_certificate *c = p->c;
    c->link_total = whole_time(p, b->total_row, 1);
    c->storage = whole_time(p, b->storage_row, 1);
    c->large = whole_time(p, b->large_row, 1);
    c->lasts = whole_time(p, b->lasts_row, 1);
    c->pair = whole_byte(p, b->pair_row, -1);
    c->apart = whole_time(p, b->apart_row, -1);
    c->host = whole_byte(p, b->host_row, -1);
    c->shorts = whole_byte(p, b->short_row, -1);
    c->short_bytes = (uint64_t)b->shorts.bytes;
    c->own_bytes = (uint64_t)b->shorts.from;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        const dms_bound_rows *row = &b->group[g].row;
        c->group[g] = (dms_certificate_group){
            .last = (uint32_t)b->group[g].last,
            .link = whole_byte(p, row->link, -1),
            .arrival = whole_byte(p, row->arrival, 1),
            .link_time = whole_time(p, row->link_time, -1),
            .arrival_time = whole_time(p, row->arrival_time, 1),
            .memory = memory_price(p, g),
            .out = whole_byte(p, row->out, -1),
            .inputs = whole_time(p, row->inputs, 1),
            .away = whole_byte(p, row->away, -1),
            .busy = whole_byte(p, row->busy, -1),
        };
        take_paces(p, g);
    }
}

/* Time per byte of a load of `bytes`, in ns. */
static double ns_per_byte(const dms_link *link, double bytes) {
    return (double)link->latency_ns / bytes + 1e9 / (double)link->bytes_per_s;
}

/* Of the price of memory beside a block that comes, what an ns of the link has. */
static long double carrying(const pricing *p, uint32_t g) {
    const double unit = DMS_PRICE_PER_TIME / DMS_PRICE_PER_BYTE / p->per_byte;
    return (long double)p->c->group[g].busy * (long double)(dms_bound_carrying(p->b, g) * unit);
}

/* The price of a byte ahead of its group, such that no pace has more Q for nothing. */
static int64_t density_of(pricing *p, uint32_t g) {
    const uint32_t after = (g + 1) % p->c->n_groups;
    const dms_certificate_group *at = p->c->group + g, *next = p->c->group + after;
    const int64_t more = (int64_t)ceill(carrying(p, after) - carrying(p, g) + 1e-3L);
    double density = 0;
    for (uint32_t i = 0; i < p->c->n_paces; i++) {
        const double rho = ns_per_byte(&p->b->cycle->problem->in, (double)p->c->cut_bytes[i]) *
                           (DMS_PRICE_PER_BYTE / DMS_PRICE_PER_TIME);
        const int64_t ahead =
            next->link_time + next->due[i] - next->early[i] - at->link_time + at->early[i] + more;
        if (ahead > 0)
            density = fmax(density, ceil((double)ahead * rho * (1 + 1e-15)) + 2);
    }
    p->is_too_large |= !(density < MOST_PRICE);
    return p->is_too_large ? 0 : (int64_t)density;
}

/* Raises the prices of density, memory and small loads until more Q, P, U or S lowers nothing. */
static void mend_prices(pricing *p) {
    long double spare = 0; /* no more than S needs: every small load has it back */
    for (uint32_t g = 0; g < p->c->n_groups; g++) {
        dms_certificate_group *at = p->c->group + g;
        const dms_certificate_group *next = p->c->group + (g + 1) % p->c->n_groups;
        if (at->busy > 0)
            spare = fmaxl(spare, carrying(p, g) + 1e-3L);
        at->density = density_of(p, g);
        const int64_t stock = next->link + next->arrival - at->link + at->density;
        const int64_t waiting = at->out - next->out - at->busy;
        at->memory = at->memory > stock ? at->memory : stock;
        at->memory = at->memory > waiting ? at->memory : waiting;
    }
    p->c->spare = (int64_t)ceill(spare);
}

/* Sums of prices times quantities, in ns; long double holds whole numbers of 64 bits. */
typedef struct tally {
    const pricing *p;
    long double *covered;  /* memory prices of the groups before, unrolled over two cycles */
    long double *away;     /* the same of prices on the host at one time */
    long double sum, size; /* size: of all that was added, without signs */
} tally;

static void add(tally *t, long double ns) {
    t->sum += ns;
    t->size += fabsl(ns);
}

static long double of_time(int64_t price, long double ns) {
    return (long double)price * ns / DMS_PRICE_PER_TIME;
}

static long double of_bytes(int64_t price, long double bytes) {
    return (long double)price * bytes / DMS_PRICE_PER_BYTE;
}

static long double time_on(const dms_link *link, uint64_t bytes) {
    return (long double)link->latency_ns +
           (long double)bytes * 1e9L / (long double)link->bytes_per_s;
}

/* The price of a load that is due in group g. */
static long double price_of_load(const tally *t, uint32_t g, uint64_t bytes) {
    const dms_certificate *c = t->p->c;
    const dms_certificate_group *at = c->group + g;
    const long double ns = time_on(&t->p->b->cycle->problem->in, bytes);
    const uint32_t pace = dms_bound_pace_of(t->p->b, (double)bytes);
    const long double all =
        of_bytes(at->link + at->arrival, (long double)bytes) + of_time(c->link_total, ns);
    if (pace == DMS_NO_PACE)
        return all;
    return all + of_time(at->link_time + at->due[pace] - at->early[pace], ns) +
           (carrying(t->p, g) - (bytes < c->busy_bytes ? (long double)c->spare : 0)) * ns /
               DMS_PRICE_PER_TIME;
}

/* What each way over a gap costs: to stay, to be loaded, to be read before. */
typedef struct gap_ways {
    long double stay, load, read;
} gap_ways;

/* The ways over a gap that covers the checkpoints from..to-1. */
static gap_ways price_gap(const tally *t, uint32_t index, int32_t from, int32_t to) {
    const dms_bound *b = t->p->b;
    const dms_certificate *c = t->p->c;
    const dms_gap *gap = b->cycle->gap + index;
    const dms_problem_tensor *tensor = b->cycle->problem->tensors + gap->tensor;
    const long double bytes = (long double)tensor->bytes;
    const long double kept = t->covered[to] - t->covered[from] + t->away[to] - t->away[from];
    gap_ways ways = {.load = price_of_load(t, (uint32_t)to % b->n_groups, tensor->bytes)};
    ways.stay = kept * bytes / DMS_PRICE_PER_BYTE +
                (dms_bound_is_own(b->cycle, gap->tensor) ? of_bytes(c->shorts, bytes) : 0);
    if (gap->opens)
        ways.load += of_bytes(c->group[(uint32_t)from % b->n_groups].out, bytes);
    if (dms_bound_waits(b->cycle, gap->tensor))
        ways.load += (t->away[to] - t->away[from]) * bytes / DMS_PRICE_PER_BYTE;
    if (tensor->storage_bytes == 0)
        return ways;
    const long double ns = (long double)b->cycle->read_ns[gap->tensor];
    const long double in_ring =
        c->period_ns > 0 ? bytes * (ns + (long double)gap->ns) / (long double)c->period_ns : 0;
    ways.read = of_time(c->storage, ns) + of_bytes(c->host, in_ring);
    if (tensor->bytes >= c->large_bytes)
        ways.read +=
            of_time(c->large + c->lasts, ns) + of_time(c->apart, ns + (long double)gap->ns);
    return ways;
}

/* The cheapest way of a tensor, which has one home for all its gaps. */
static long double price_of_tensor(const tally *t, uint32_t index) {
    const dms_bound *b = t->p->b;
    const dms_certificate *c = t->p->c;
    const dms_problem_tensor *tensor = b->cycle->problem->tensors + index;
    const bool is_homed = tensor->kind == DMS_PROBLEM_WEIGHT && b->has_homes;
    long double at_home = 0, without = 0, anew = 0;
    for (uint32_t i = b->cycle->first_gap[index]; i < b->cycle->first_gap[index + 1]; i++) {
        const dms_gap *gap = b->cycle->gap + i;
        int32_t from, to;
        dms_bound_covers(b, gap, &from, &to);
        if (gap->rule == DMS_GAP_LOADED) {
            anew += price_of_load(t, b->group_of[gap->due], tensor->bytes);
        } else if (from < to) {
            const gap_ways ways = price_gap(t, i, from, to);
            at_home += fminl(ways.stay, ways.load);
            without +=
                tensor->storage_bytes > 0 ? fminl(ways.stay, ways.load + ways.read) : ways.stay;
        }
    }
    if (!is_homed)
        return anew + at_home;
    at_home += of_bytes(c->host + c->shorts + c->pair, (long double)tensor->bytes) +
               t->away[b->n_groups] * (long double)tensor->bytes / DMS_PRICE_PER_BYTE;
    return anew + fminl(at_home, without);
}

static void add_tensors(tally *t) {
    for (uint32_t i = 0; i < t->p->b->cycle->problem->n_tensors; i++)
        add(t, price_of_tensor(t, i));
}

/* What the machine offers in a group: memory, and the links for the time of its steps. */
static void add_offer(tally *t, uint32_t g) {
    const dms_bound *b = t->p->b;
    const dms_certificate *c = t->p->c;
    const dms_certificate_group *at = c->group + g;
    const long double ns = (long double)b->group[g].time * b->ns;
    const long double before = (long double)b->group[g].time_before * b->ns;
    const long double rate_in = (long double)b->rate_in * b->byte / b->ns;
    const long double rate_out = (long double)b->rate_out * b->byte / b->ns;
    const long double room =
        (long double)c->device_bytes - (long double)b->group[g].footprint * b->byte;
    add(t, of_bytes(at->out, (long double)b->group[g].output * b->byte - rate_out * ns));
    add(t, -of_bytes(at->link, rate_in * ns) - of_bytes(at->arrival, rate_in * before));
    add(t, -of_time(at->link_time, ns) - of_time(at->arrival_time, before));
    add(t, -of_bytes(at->memory + at->busy, room));
    add(t, of_time(at->inputs, (long double)(b->group[g].inputs - b->group[g].computed) * b->ns));
    add(t, -of_time(c->link_total, ns) - of_time(c->storage + c->large + c->lasts + c->apart, ns));
    if (b->has_homes) {
        const long double step = (long double)b->cycle->problem->steps[at->last].ns;
        add(t, -of_bytes(at->away, (long double)c->host_bytes + room));
        add(t, fminl(of_bytes(at->away, (long double)c->large_bytes), of_time(c->lasts, step)));
    }
}

/* What the host offers, and both beside a step that does not find all its own weights there. During
 * it either a large block is being read, or the storage loses time. */
static void add_host(tally *t) {
    const dms_bound *b = t->p->b;
    const dms_certificate *c = t->p->c;
    const long double host = (long double)c->host_bytes, asked = (long double)c->short_bytes;
    add(t, -of_bytes(c->host, host));
    add(t, -of_bytes(c->pair, host - 2 * (long double)c->large_bytes));
    add(t, -of_bytes(c->shorts, host + (long double)c->device_bytes - asked));
    add(t, fminl(of_bytes(c->shorts, (long double)c->large_bytes),
                 of_time(c->large, (long double)b->shorts.idle_ns)));
}

/* What stays over the end of a group pays. */
static long double of_memory(const dms_certificate_group *at) {
    return (long double)at->memory + (long double)at->busy;
}

/* The bound that the prices give; a last figure of every number is left out of it. */
static dms_code sum_up(const pricing *p, dms_arena *arena, dms_status *st) {
    const dms_bound *b = p->b;
    dms_certificate *c = p->c;
    tally t = {.p = p};
    DMS_TRY(dms_alloc_st(arena, 2 * (uint64_t)b->n_groups + 1, sizeof *t.covered, "certificate",
                         &t.covered, st));
    DMS_TRY(dms_alloc_st(arena, 2 * (uint64_t)b->n_groups + 1, sizeof *t.away, "certificate",
                         &t.away, st));
    for (uint32_t g = 0; g < 2 * b->n_groups; g++) {
        t.covered[g + 1] = t.covered[g] + of_memory(c->group + g % b->n_groups);
        t.away[g + 1] = t.away[g] + (long double)c->group[g % b->n_groups].away;
    }
    add_tensors(&t);
    for (uint32_t g = 0; g < b->n_groups; g++)
        add_offer(&t, g);
    if (b->has_homes)
        add_host(&t);
    const long double sure = t.sum - t.size * 1e-13L - 1;
    c->bound_ns = b->cycle->compute_ns;
    if (sure > 0 && sure < 9e17L)
        c->bound_ns += (int64_t)sure;
    if (c->period_ns > 0 && c->period_ns < c->bound_ns)
        c->bound_ns = c->period_ns;
    return DMS_OK;
}

dms_code dms_bound_price(const dms_bound *bound, uint64_t bytes, const dms_lp_result *result,
                         dms_certificate **out_certificate, dms_status *st) {
    pricing p = {.b = bound, .result = result, .per_byte = bound->ns / bound->byte};
    DMS_TRY(dms_alloc_st(bound->arena, 1, sizeof *p.c, "certificate", &p.c, st));
    DMS_TRY(dms_alloc_st(bound->arena, bound->n_groups, sizeof *p.c->group, "certificate",
                         &p.c->group, st));
    p.c->n_groups = bound->n_groups;
    p.c->device_bytes = bytes;
    p.c->host_bytes =
        bound->has_homes ? (uint64_t)(bound->cycle->host_units + 1) * DMS_ALIGN : NO_HOST_LIMIT;
    p.c->period_ns = (int64_t)bound->period_ns;
    p.c->n_paces = bound->n_paces;
    for (uint32_t i = 0; i < bound->n_paces; i++)
        p.c->cut_bytes[i] = (uint64_t)ceil(bound->pace[i].from);
    p.c->busy_bytes = (uint64_t)bound->heavy;
    p.c->large_bytes = (uint64_t)bound->large;
    choose_scale(&p);
    take_prices(&p);
    mend_prices(&p);
    *out_certificate = NULL;
    if (p.is_too_large)
        return DMS_OK;
    DMS_TRY(sum_up(&p, bound->arena, st));
    *out_certificate = p.c;
    return DMS_OK;
}
