/* fake_dnn.h - what a test says to the cuDNN of loops, and what it has seen.
 *
 * Reads    nothing.
 * Returns  the one record of the library that is loaded, by fake_dnn_control.
 * Cost     none.
 * Source   none.
 * Not here what it computes (fake_dnn.c).
 */
#ifndef DMS_TESTS_CUDA_DNN_FAKE_DNN_H
#define DMS_TESTS_CUDA_DNN_FAKE_DNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answer of the heuristics. */
typedef struct fake_engine {
    int note[4];
    int64_t n_notes, workspace;
    bool is_refused; /* its plan is */
} fake_engine;

typedef struct fake_dnn {
    size_t version;
    fake_engine engine[4];
    int64_t n_engines;
    int fail_at;       /* the n-th call fails, from 1 on; 0: none does */
    int n_calls;       /* that can fail */
    int n_alive;       /* handles and descriptors that were made and not given back */
    int n_executed;    /* graphs */
    int64_t used;      /* the engine of the newest */
    void *stream;      /* of the newest */
    const char *begin; /* bytes of operands and workspace that graphs have touched */
    const char *end;
} fake_dnn;

/* The record; the library exports it. */
fake_dnn *fake_dnn_control(void);

#endif
