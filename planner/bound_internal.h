/* bound_internal.h - the grouped program of bound.h: its groups, its classes, its columns.
 *
 * Reads    a cycle.
 * Returns  the record that the files of the bound share.
 * Cost     none.
 * Source   PLACEMENT.md section 3.1.
 * Not here how groups are cut (bound_groups.c), rows and solves (bound.c), prices (prices.c), those
 *          without a solution (bound_beneath.c).
 *
 * Columns per group g: w stall, P stock, K kept, U that waits for a save, S time of small loads;
 * per pace Q stock in link time and, where there are several, z what of it comes at last; then one
 * share x per class of gaps, and where the host is too small for all homes one share n that is
 * read from storage. Bytes in units of the largest tensor, time in units of its copy: in bytes and
 * ns the solver fails (PLACEMENT.md section 4).
 */
#ifndef DMS_PLANNER_BOUND_INTERNAL_H
#define DMS_PLANNER_BOUND_INTERNAL_H

#include "planner/bound.h"
#include "planner/lp.h"

#define DMS_NO_CLASS UINT32_MAX
#define DMS_NO_ROW UINT32_MAX
#define DMS_NO_PACE UINT32_MAX

/* Numbers of the rows of a group; DMS_NO_ROW = it has no such row. */
typedef struct dms_bound_rows {
    uint32_t link, arrival, link_time, arrival_time, density, kept, memory, out, inputs, away, busy;
    uint32_t due[DMS_MAX_PACES], early[DMS_MAX_PACES];
} dms_bound_rows;

/* Blocks of about equal link time per byte. */
typedef struct dms_bound_pace {
    double from;    /* bytes of the smallest */
    double slowest; /* its link time per byte */
} dms_bound_pace;

/* Steps first..last; rows are written for the end of `last`. */
typedef struct dms_bound_group {
    int32_t first, last;
    int32_t last_load;  /* the last step of the group that waits for a load; -1 = none */
    double time;        /* of its steps */
    double time_before; /* of its steps before last_load */
    double load;        /* bytes due in it if nothing is kept */
    double load_time[DMS_MAX_PACES]; /* link time of the same, by pace */
    int32_t last_input; /* the last step of the group that waits for an input; -1 = none */
    double inputs;      /* link time of all inputs that are due by then, from step 0 on */
    double computed;    /* time of all steps before it */
    double release;     /* bytes that wait for their save at its end if nothing is kept */
    double output;      /* of these, the outputs' */
    double footprint;   /* bytes of its last step */
    double away;        /* bytes of what may be on the host during its last step */
    bool has_away_row;
    dms_bound_rows row;
    uint32_t first_start, first_end; /* classes whose gaps begin, end here; DMS_NO_CLASS = none */
} dms_bound_group;

/* Gaps that cover the same checkpoints, of sizes within a factor of 1.3. */
typedef struct dms_bound_class {
    int32_t from, to; /* groups; covers the checkpoints from..to-1, unrolled over two cycles */
    bool opens;
    bool waits;                     /* activations and outputs between two touches */
    bool is_own;                    /* weights that one step alone touches */
    double bytes, slowest, fastest; /* largest, least link time per byte */
    uint32_t pace;                  /* DMS_NO_PACE = in the row of all link time alone */
    double least;                   /* bytes of its smallest gap */
    double sharers;                 /* most gaps that share one home; 0 = activations */
    double read_per_byte;           /* least time of reading, per byte */
    double hold_ns; /* least time that a reading is in the ring: until its copy has ended */
    uint32_t next_start, next_end;
} dms_bound_class;

/* Steps of which some do not find all their large blocks, whatever is kept (bound_short.c). */
typedef struct dms_bound_short {
    bool is_there;   /* false: there is no such set of steps */
    int64_t from;    /* bytes; own blocks as large as this are asked about */
    int64_t bytes;   /* that each of them asks for beside what stays */
    int64_t idle_ns; /* least time of those that lack a block */
} dms_bound_short;

struct dms_bound {
    const dms_cycle *cycle;
    dms_arena *arena;
    double byte, ns;                    /* of one unit */
    double rate_in, rate_out;           /* units of bytes per unit of time, best-sized copy */
    dms_bound_pace pace[DMS_MAX_PACES]; /* smallest blocks first */
    uint32_t n_paces;
    uint32_t n_groups;
    dms_bound_group *group;
    uint32_t *group_of; /* per step */
    uint32_t n_classes;
    dms_bound_class *class;
    uint32_t *class_of; /* per gap */
    double link_time;   /* of every load that a class or an input stands for */
    double max_stall;
    bool has_bytes; /* stocks are counted in bytes too, by columns P */
    bool has_saves;
    bool has_homes;    /* the host may be too small: there are columns n */
    double home_bytes; /* of all classes, activations included */
    double save_bytes; /* of activations */
    double light_time; /* of small loads that every turn has */
    double heavy;      /* bytes; copies of blocks as large as this are nearly all there are */
    double large;      /* bytes; readings of blocks as large as this are nearly all there are */
    dms_bound_short shorts;
    uint64_t short_budget; /* what they hold for, and for smaller ones */
    uint32_t total_row, storage_row, large_row, lasts_row, homes_row, host_row, short_row,
        spare_row, pair_row, apart_row;
    double period_ns;        /* schedules that take longer are not asked about; 0 = all are */
    uint64_t max_iterations; /* of a rung; 0 = by the number of rows */
    dms_lp lp;
    bool has_rows;
};

/* The columns in memory, N groups, C paces and V classes; s = 0 for one pace, else C:
 *
 *   0     N     2N    3N    4N    5N       (5+C)N   (5+C+s)N   + V       + 2V
 *   | w   | P   | K   | U   | S   | Q .... | z .... | x        | n       | home | h | y | y .. |
 */
static inline uint32_t dms_bound_w(uint32_t g) {
    return g;
}

static inline uint32_t dms_bound_p(const dms_bound *b, uint32_t g) {
    return b->n_groups + g;
}

static inline uint32_t dms_bound_k(const dms_bound *b, uint32_t g) {
    return 2 * b->n_groups + g;
}

static inline uint32_t dms_bound_u(const dms_bound *b, uint32_t g) {
    return 3 * b->n_groups + g;
}

/* Columns of a group before those of paces: S is there where some blocks are heavy. */
static inline uint32_t dms_bound_n_first(const dms_bound *b) {
    return b->heavy > 0 ? 5 : 4;
}

static inline uint32_t dms_bound_s(const dms_bound *b, uint32_t g) {
    return 4 * b->n_groups + g;
}

static inline uint32_t dms_bound_q(const dms_bound *b, uint32_t pace, uint32_t g) {
    return (dms_bound_n_first(b) + pace) * b->n_groups + g;
}

static inline uint32_t dms_bound_z(const dms_bound *b, uint32_t pace, uint32_t g) {
    return (dms_bound_n_first(b) + b->n_paces + pace) * b->n_groups + g;
}

static inline uint32_t dms_bound_x(const dms_bound *b, uint32_t v) {
    return (dms_bound_n_first(b) + (b->n_paces > 1 ? 2 : 1) * b->n_paces) * b->n_groups + v;
}

static inline uint32_t dms_bound_n(const dms_bound *b, uint32_t v) {
    return dms_bound_x(b, b->n_classes) + v;
}

static inline uint32_t dms_bound_home(const dms_bound *b) {
    return dms_bound_n(b, b->n_classes);
}

static inline uint32_t dms_bound_h(const dms_bound *b) {
    return dms_bound_home(b) + 1;
}

static inline uint32_t dms_bound_y(const dms_bound *b) {
    return dms_bound_home(b) + 2;
}

static inline uint32_t dms_bound_y_of(const dms_bound *b, uint32_t g) {
    return dms_bound_home(b) + 3 + g;
}

/* Link time of one load in units of time, latency included. */
static inline double dms_bound_link_time(const dms_bound *b, double bytes) {
    const dms_link *in = &b->cycle->problem->in;
    return ((double)in->latency_ns + bytes * 1e9 / (double)in->bytes_per_s) / b->ns;
}

/* Chooses the paces of the program; its units are chosen. */
void dms_bound_choose_paces(dms_bound *bound);

/* The pace of a block; DMS_NO_PACE for one that is below all. */
uint32_t dms_bound_pace_of(const dms_bound *bound, double bytes);

/* The checkpoints that a gap covers: those of the groups *out_from..*out_to - 1, unrolled over two
 * cycles. */
void dms_bound_covers(const dms_bound *bound, const dms_gap *gap, int32_t *out_from,
                      int32_t *out_to);

/* Whether a tensor is made in the cycle, so that its bytes are somewhere between two touches. */
bool dms_bound_waits(const dms_cycle *cycle, uint32_t tensor);

/* Whether a tensor is a weight that one step alone touches. */
bool dms_bound_is_own(const dms_cycle *cycle, uint32_t tensor);

/* Chooses bound->shorts for a device budget of `bytes`. */
DMS_CHECKED dms_code dms_bound_choose_short(dms_bound *bound, uint64_t bytes, dms_status *st);

/* What a byte of the row `busy` is worth in link time: heavy / time of the group's step. 0 = the
 * group has several steps, or one that takes no time, and no such row. */
static inline double dms_bound_carrying(const dms_bound *b, uint32_t g) {
    const dms_bound_group *at = b->group + g;
    return at->first == at->last && at->time > 0 ? b->heavy / b->byte / at->time : 0;
}

/* Whether class v waits over the last step of group g, on the device or away on the host. */
bool dms_bound_is_away(const dms_bound *bound, uint32_t v, uint32_t g);

/* The rows of the two cases of the ring (bound_cases.c), which set_cases turns on. */
DMS_CHECKED dms_code dms_bound_add_cases(dms_bound *bound, dms_status *st);

/* Sides for a case; `room` is what the host has, in units. */
void dms_bound_set_cases(dms_bound *bound, double room, dms_ring_case ring);

/* The best of three certificates by formulas, if it beats *out_certificate, which may be NULL: all
 * loads of what cannot stay, all readings, all outputs. */
DMS_CHECKED dms_code dms_bound_beneath(const dms_bound *bound, uint64_t bytes,
                                       dms_certificate **out_certificate, dms_status *st);

/* Prices of the solution that `result` holds, made whole numbers and valid: a certificate for
 * budgets of `bytes` on the device. NULL where no whole numbers hold them. */
DMS_CHECKED dms_code dms_bound_price(const dms_bound *bound, uint64_t bytes,
                                     const dms_lp_result *result, dms_certificate **out_certificate,
                                     dms_status *st);

#endif
