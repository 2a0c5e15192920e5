/* support_rows.h - calls written as text, and their operands in memory that ends at a wall.
 *
 * Reads    operands such as "f32[3,8] f32[8,40] -> f32[3,40]", parameters such as "0,40".
 * Returns  calls in every layout; the bytes of their outputs; death where a kernel reads or writes
 *          beyond the end (or before the start) of an operand.
 * Cost     two mappings per operand and run.
 * Source   none.
 * Not here what the outputs should be (the tests of each kernel).
 */
#ifndef DMS_TESTS_SUPPORT_ROWS_H
#define DMS_TESTS_SUPPORT_ROWS_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "schema/arena.h"

#define ROW_OPERANDS 8

/* A call as text. An operand is a dtype and its dims, and '=' behind them where the kernel wants it
 * dense. NULL stands for no parameters. */
typedef struct row_text {
    const char *kernel, *operands, *i, *f;
} row_text;

/* One good call at least of every kernel. */
extern const row_text row_good[];
extern const uint32_t n_row_good;

/* A call that owns its tables. */
typedef struct row_case {
    dms_call call;
    dms_view view[ROW_OPERANDS];
    bool is_dense[ROW_OPERANDS]; /* must stay so */
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
} row_case;

/* Reads a call; fails the test where the text is wrong. The call itself may be a bad one. */
void row_read(row_case *c, const row_text *text);

/* How operands lie in memory. */
typedef enum row_layout {
    ROW_DENSE,
    ROW_OFFSET,   /* dense, some elements behind the start */
    ROW_GAPS,     /* unused elements between any two neighbours of every axis */
    ROW_TURNED,   /* the first axis varies fastest */
    ROW_REPEATED, /* inputs: one axis of pitch 0; outputs as in ROW_GAPS */
    ROW_N_LAYOUTS
} row_layout;

/* Lays every operand out anew; the dims stay. */
void row_lay(row_case *c, row_layout layout);

/* Where an operand touches the wall, and what its memory holds beside its elements. */
typedef struct row_memory {
    bool wall_before; /* else behind */
    uint8_t beside;   /* every byte that no view covers */
    uint8_t before;   /* every byte of the outputs' elements */
    dms_isa isa;
    bool shares; /* output `out` lies exactly over input `in` */
    uint32_t in, out;
    bool on_device; /* the second device of support_device.h, where it has the kernel */
} row_memory;

/* Runs a checked call on seeded inputs, and returns the elements of all outputs one after the
 * other, in the arena. Fails the test where a byte beside an output's elements changed. */
uint8_t *row_run(const row_case *c, const row_memory *memory, uint64_t seed, dms_arena *arena,
                 uint64_t *out_bytes);

#endif
