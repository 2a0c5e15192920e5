/* cuda_api.h - the entry points of CUDA that the device layer uses, as a table.
 *
 * Reads    nothing.
 * Returns  names and numbers as CUDA has them, without its headers: the device layer compiles
 *          everywhere, on the real table (driver/cuda_driver.c) and on the fake of tests/cuda.
 * Cost     an indirect call.
 * Source   the CUDA runtime and driver API references; the numbers are asserted in driver/.
 * Not here in which order they are called (cuda_device.h).
 *
 * Every function returns 0 or an error number of CUDA.
 */
#ifndef DMS_RUNTIME_CUDA_CUDA_API_H
#define DMS_RUNTIME_CUDA_CUDA_API_H

#include "schema/arena.h"

typedef struct dms_cuda_card dms_cuda_card; /* cuda_kernel.h */
typedef struct dms_cuda_kernel dms_cuda_kernel;
typedef struct dms_cuda_libraries dms_cuda_libraries;

/* Error numbers that the device layer tells apart. */
#define DMS_CUDA_OUT_OF_MEMORY 2
#define DMS_CUDA_OLD_DRIVER 35
#define DMS_CUDA_NO_DEVICE 100
#define DMS_CUDA_NOT_READY 600
#define DMS_CUDA_NOT_SUPPORTED 801

typedef struct dms_cuda_api {
    void *state; /* first argument of every function */
    /* 13000 = CUDA 13.0; the driver's is 0 where there is none. */
    int (*versions)(void *state, int *out_driver, int *out_runtime);
    int (*device_count)(void *state, int *out_count);
    int (*read_card)(void *state, int ordinal, dms_cuda_card *out_card);
    /* The calling thread speaks to this card from now on. */
    int (*use_card)(void *state, int ordinal);
    int (*free_bytes)(void *state, uint64_t *out_bytes);
    int (*device_alloc)(void *state, uint64_t bytes, uint64_t *out_address);
    int (*device_free)(void *state, uint64_t address);
    /* Locks pages of the host and maps them for the card. */
    int (*pin)(void *state, void *memory, uint64_t bytes);
    int (*unpin)(void *state, void *memory);
    /* The card's address of pinned memory. */
    int (*address_of)(void *state, void *memory, uint64_t *out_address);

    int (*stream_create)(void *state, void **out_stream);
    int (*stream_destroy)(void *state, void *stream);
    /* 0: all work has ended; DMS_CUDA_NOT_READY; else the error of the card. */
    int (*stream_query)(void *state, void *stream);
    int (*event_create)(void *state, void **out_event);
    int (*event_destroy)(void *state, void *event);
    int (*event_record)(void *state, void *event, void *stream);
    int (*event_query)(void *state, void *event);
    int (*event_elapsed)(void *state, float *out_ms, void *begin, void *end);

    /* What comes behind on the stream starts when the event was reached. */
    int (*stream_wait_event)(void *state, void *stream, void *event);
    /* ... when the word, compared as a signed difference, is at least `value`. */
    int (*stream_wait_value)(void *state, void *stream, uint64_t address, uint64_t value);
    int (*stream_write_value)(void *state, void *stream, uint64_t address, uint64_t value);
    int (*copy_in)(void *state, uint64_t to, const void *from, uint64_t bytes, void *stream);
    int (*copy_out)(void *state, void *to, uint64_t from, uint64_t bytes, void *stream);
    int (*fill)(void *state, uint64_t to, int byte, uint64_t bytes, void *stream);
    int (*host_function)(void *state, void *stream, void (*function)(void *), void *argument);

    /* "cudaErrorIllegalAddress", and what it means. */
    const char *(*error_name)(void *state, int error);
    const char *(*error_text)(void *state, int error);

    /* cuda_kernel.h: of runtime/cuda/kernels, or of a test. */
    const dms_cuda_kernel *(*kernel_find)(uint32_t id);
    dms_code (*libraries_open)(const dms_cuda_card *card, dms_arena *arena,
                               dms_cuda_libraries **out_libraries, dms_status *st);
    dms_code (*libraries_warm)(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                               void *stream, dms_status *st);
    uint64_t (*libraries_bytes)(const dms_cuda_libraries *libraries);
    const char *(*libraries_note)(dms_cuda_libraries *libraries);
    void (*libraries_close)(dms_cuda_libraries *libraries);
} dms_cuda_api;

#endif
