/* calibrate_internal.h - what the files behind calibrate.h share. Not a door. */
#ifndef DMS_RUNTIME_CALIBRATE_INTERNAL_H
#define DMS_RUNTIME_CALIBRATE_INTERNAL_H

#include "runtime/calibrate.h"
#include "runtime/device.h"

#define DMS_MOST_SAMPLES 400u
#ifndef DMS_CALIBRATE_ROUNDS    /* builds with sanitizers have one: their times say nothing */
#define DMS_CALIBRATE_ROUNDS 9u /* what disturbs one round is not in the median of all */
#define DMS_CALIBRATE_ROWS 256  /* of large products */
#else
#define DMS_CALIBRATE_ROWS 16
#endif
#define DMS_CALIBRATE_DEVICE_BYTES (128u << 20)
#define DMS_CALIBRATE_HOST_BYTES (64u << 20)
#define DMS_CALIBRATE_COPY_BYTES (48u << 20) /* of the host arena: copies; behind it readings */
#define DMS_CALIBRATE_FILE_BYTES (256u << 20)

/* On a card: sums go beyond its caches, products keep all of it busy. */
#define DMS_CALIBRATE_CARD_BYTES (1u << 30)
#define DMS_CALIBRATE_CARD_CALLS 96u

#define DMS_CALIBRATE_PATTERN 0x3c /* a byte: a small number in every type, no denormal one */

#define DMS_SHAPE_OPERANDS 5
#define DMS_SHAPE_DIMS 7
#define DMS_MOST_SUMS 6u

/* A call: dims of inputs, then of its output, all dense. Operand 1 of an index kernel is i32. */
typedef struct dms_shape {
    dms_family family;
    uint32_t kernel;
    dms_dtype dtype;
    uint32_t n_in, rank[DMS_SHAPE_OPERANDS];
    int64_t dim[DMS_SHAPE_OPERANDS][DMS_SHAPE_DIMS];
    uint32_t n_i, n_f;
    int64_t i[16];
    double f[18];
} dms_shape;

/* The dense view of operand `k`. */
dms_view dms_shape_view(const dms_shape *s, uint32_t k);

/* What the model of a step counts. */
dms_cost dms_shape_cost(const dms_shape *s);

/* What the families are measured by: on the CPU with weights in panels; on a card as they are. */
extern const dms_shape dms_calibrate_shapes[], dms_card_shapes[];
extern const uint32_t dms_n_calibrate_shapes, dms_n_card_shapes;

/* What is left of a step where nothing is to be done: 16 numbers. */
extern const dms_shape dms_empty_shape;

/* c = a + b of three tensors with `bytes` in all. */
dms_shape dms_large_sum(uint64_t bytes);

/* Times of one thing, done again and again. */
typedef struct dms_samples {
    uint32_t n;
    int64_t ns[DMS_MOST_SAMPLES];
} dms_samples;

/* A thing to be timed. It does its work once. */
typedef struct dms_action {
    void (*run)(void *context);
    void *context;
} dms_action;

/* One measured time beside what it is made of: operations, results, rows. */
typedef struct dms_observation {
    double ns, flops, results, rows;
} dms_observation;

typedef struct dms_storage dms_storage;       /* storage.h */
typedef struct dms_card_bench dms_card_bench; /* calibrate_card.h */

/* Everything a measurement needs. */
typedef struct dms_bench {
    const dms_calibrate_options *options;
    dms_calibration *out;
    dms_arena *arena;
    dms_device *device;
    dms_storage *storage;        /* over the file; NULL until it is made */
    dms_plan *plan;              /* of the file: its sources are blocks */
    uint64_t first_block;        /* the next reading starts here, so that none meets a cache */
    uint8_t *block;              /* in the host arena: where readings go */
    uint64_t device_at, host_at; /* the next copy of a round */
    dms_card_bench *card;        /* NULL: the CPU */
    int64_t beside_ns;           /* of the time of a call that is no work of it */
    /* One time per round each, of hand-overs several. */
    dms_samples *rate, *memory, *launch, *shape, *in, *out_link, *hand_over;
} dms_bench;

/* ---- calibrate_fit.c: numbers alone -------------------------------------------------------- */

/* The value that `percent` of the samples do not exceed; 0 without samples. Sorts. */
int64_t dms_samples_percentile(dms_samples *samples, uint32_t percent);

/* The middle half of the samples over the median. Sorts. */
double dms_samples_spread(dms_samples *samples);

/* The link whose times fit best: least squares of relative errors, no latency below 0, no rate
 * below one byte per second. At least two different sizes. */
dms_link dms_fit_link(uint32_t n, const uint64_t *bytes, const int64_t *ns);

/* The family's costs that fit best: least squares of relative errors, none below 0. `flops` is the
 * plain rate that the share is of. *out_error becomes the largest relative error. */
dms_family_cost dms_fit_family(uint32_t n, const dms_observation *o, double flops,
                               double *out_error);

/* ---- calibrate_time.c ---------------------------------------------------------------------- */

/* Adds the time of an action, run once before: the best of three, for what disturbs it can only
 * make it longer; short ones are done several times for one.
 * Errors   DMS_ECANCELLED. */
DMS_CHECKED dms_code dms_time_round(const dms_bench *b, dms_action action, dms_samples *out,
                                    dms_status *st);

/* Repeats an action for about `budget_ns`, at least 5 times, and notes the time of each; short ones
 * are done several times for one sample.
 * Errors   DMS_ECANCELLED. */
DMS_CHECKED dms_code dms_time(const dms_bench *b, dms_action action, int64_t budget_ns,
                              dms_samples *out, dms_status *st);

/* By how much longer each of two takes while the other one runs, in thousandths, from rounds in
 * which each is timed alone and both together.
 * Errors   DMS_ECANCELLED; DMS_EINTERNAL: no thread. */
DMS_CHECKED dms_code dms_time_both(const dms_bench *b, dms_action one, dms_action two,
                                   int32_t *out_one, int32_t *out_two, dms_status *st);

/* DMS_ECANCELLED where somebody interrupts. */
DMS_CHECKED dms_code dms_calibrate_check(const dms_bench *b, dms_status *st);

/* Adds a line to the table. */
void dms_add_figure(dms_bench *b, const char *name, const char *unit, double value, double spread);

/* ---- figures from times, for either device ------------------------------------------------- */

/* A line of the table; the rate per second. */
int64_t dms_take_rate(dms_bench *b, const char *name, const dms_shape *s, dms_samples *samples);

/* Sums of DMS_MOST_SUMS sizes at most, ascending: the rates of memory and of the cache, which is as
 * large as the largest sum whose rate lies nearer to that of the smallest than to that of memory,
 * on a scale of ratios. */
void dms_take_memory(dms_bench *b, uint32_t n, const uint64_t *bytes, dms_samples *samples);

/* What an empty call takes. */
void dms_take_launch(dms_bench *b, dms_samples *samples);

/* Fits every family to its shapes, when rates and launch are known. */
void dms_take_families(dms_bench *b, uint32_t n, const dms_shape *shapes, dms_samples *samples);

/* ---- the measurements: each fills its part of out->profile ---------------------------------- */

/* Room for what a round measures.
 * Errors   DMS_EINTERNAL: no memory. */
DMS_CHECKED dms_code dms_calibrate_compute_begin(dms_bench *b, dms_status *st);
DMS_CHECKED dms_code dms_calibrate_links_begin(dms_bench *b, dms_status *st);

/* One round of kernels, and one of copies between the arenas and of waits between two threads.
 * Errors   DMS_ECANCELLED; DMS_EINTERNAL where a kernel refuses its call. */
DMS_CHECKED dms_code dms_calibrate_compute_round(dms_bench *b, dms_status *st);
DMS_CHECKED dms_code dms_calibrate_links_round(dms_bench *b, dms_status *st);

/* The figures of all rounds: rates per type, memory, cache, launch, families; links. */
void dms_calibrate_compute_end(dms_bench *b);
void dms_calibrate_links_end(dms_bench *b);

/* Makes the file and opens it: b->storage. Times writing on the way.
 * Errors   DMS_EIO naming the folder. */
DMS_CHECKED dms_code dms_calibrate_open_file(dms_bench *b, dms_status *st);

/* Readings of several sizes by both readers, and their lead. */
DMS_CHECKED dms_code dms_calibrate_storage(dms_bench *b, dms_status *st);

/* What slows what down. */
DMS_CHECKED dms_code dms_calibrate_contention(dms_bench *b, dms_status *st);

/* Kernels, copies, hand-overs and what slows what down on a card: all that the functions above
 * measure of the CPU device, but for storage.
 * Errors   DMS_ECANCELLED; DMS_EDEVICE with what the card said. */
DMS_CHECKED dms_code dms_calibrate_card(dms_bench *b, dms_status *st);

/* After storage: what slows what down where the host reads.
 * Errors   as dms_calibrate_card. */
DMS_CHECKED dms_code dms_calibrate_card_load(dms_bench *b, dms_status *st);

/* A product that keeps the compute threads busy for some ms, as an action; lives in b->arena. */
DMS_CHECKED dms_code dms_calibrate_busy(dms_bench *b, dms_action *out, dms_status *st);

/* A reading of one block of 2 MiB, as an action. */
dms_action dms_calibrate_reading(dms_bench *b);

#endif
