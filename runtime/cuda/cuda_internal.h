/* cuda_internal.h - the device layer from inside. */
#ifndef DMS_RUNTIME_CUDA_CUDA_INTERNAL_H
#define DMS_RUNTIME_CUDA_CUDA_INTERNAL_H

#include <stdatomic.h>

#include "runtime/cuda/cuda_api.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/cuda_kernel.h"
#include "runtime/device.h"

#define CUDA_STREAMS 3u                 /* compute, in, out: the first queues */
#define CUDA_PIECES 32u                 /* of host work that may be under way on a stream */
#define CUDA_BOUNCE_BYTES (4u << 20)    /* where the host arena cannot be locked */
#define CUDA_LET_GO ((uint64_t)1 << 62) /* above every value that is waited for */
#define CUDA_COUNTER_BYTES 64u          /* of the page, per queue: its own cache line */

typedef struct cuda_device cuda_device;

/* Whose a piece of host work is. Only who takes it from WAITING moves memory of the caller. */
typedef enum cuda_piece_state {
    CUDA_PIECE_FREE,    /* the submitter's */
    CUDA_PIECE_WAITING, /* on a stream */
    CUDA_PIECE_MOVING,  /* a thread of CUDA's moves it */
    CUDA_PIECE_REVOKED  /* on a stream, but does nothing any more */
} cuda_piece_state;

/* Work of the host in the order of a stream. When a card is lost nobody can say whether CUDA still
 * calls it, so pieces lie in a mapping of their own and touch nothing else unless they move. */
typedef struct cuda_piece {
    dms_device_piece piece;
    atomic_int state;
} cuda_piece;

typedef struct cuda_stream {
    void *stream;
    void *begin[DMS_DEVICE_MARKS], *end[DMS_DEVICE_MARKS]; /* events */
    uint64_t value[DMS_DEVICE_MARKS];                      /* that the end of a mark stands for */
    _Atomic uint64_t n_signals;
    uint64_t n_seen, seen; /* of the thread that follows: ended marks, value of the last */
    uint32_t n_looks;      /* without news */
    cuda_piece *piece;     /* CUDA_PIECES of them */
    uint32_t next_piece;
} cuda_stream;

struct cuda_device {
    dms_device base;
    const dms_cuda_api *api;
    dms_cuda_card card;
    dms_arena *arena; /* of the session */
    uint64_t device_address;
    cuda_stream stream[CUDA_STREAMS];

    uint8_t *page; /* counters of all queues, then index words; locked and mapped */
    uint64_t page_bytes, page_address;
    uint32_t n_index_words;
    bool is_page_locked, is_arena_locked;
    uint8_t *bounce[2]; /* in, out; NULL where the arena is locked */
    bool is_bounce_locked[2];

    void *base_event; /* reached at base_ns */
    int64_t base_ns;
    const dms_cuda_kernel **kernel; /* per call of the plan */
    const dms_call **call;
    void **state;
    dms_cuda_libraries *libraries;
    uint64_t own_bytes; /* overhead without the libraries */
    bool poison;
    atomic_int is_let_go; /* abandoned: no piece begins to move any more */
    atomic_int error;     /* the first one that CUDA reported while running */
    cuda_piece *pieces;   /* of all streams */
    char arena_note[256], note[512];
};

/* Fills `st` with what CUDA said of `what`; keeps the first such error for good. */
dms_code dms_cuda_fail(cuda_device *device, int error, const char *what, dms_status *st);

/* Driver and card, which is read into device->card. */
DMS_CHECKED dms_code dms_cuda_find_card(cuda_device *device, int ordinal, dms_status *st);

/* Driver, card, free memory: what is wrong with them is said before anything is taken. */
DMS_CHECKED dms_code dms_cuda_check_card(cuda_device *device, const dms_device_options *options,
                                         dms_status *st);

/* Takes the device arena.
 * Errors   DMS_EDEVICE with the budget that would fit. */
DMS_CHECKED dms_code dms_cuda_take_card(cuda_device *device, const dms_device_options *options,
                                        dms_status *st);

/* Takes both arenas and the page of counters. */
DMS_CHECKED dms_code dms_cuda_take_memory(cuda_device *device, const dms_device_options *options,
                                          dms_status *st);

/* Gives back what was taken, also where that is half of it. */
void dms_cuda_give_memory(cuda_device *device);

/* All calls are readied: warms the libraries' kernels, poisons the arena where that is asked, and
 * notes the free memory. */
DMS_CHECKED dms_code dms_cuda_ready(dms_device *base, dms_status *st);

/* A mapping for the pieces of all streams.
 * Errors   DMS_EDEVICE: no memory. */
DMS_CHECKED dms_code dms_cuda_take_pieces(cuda_device *device, dms_status *st);

/* Revokes what waits. True when nothing moves: the caller's memory is the caller's. */
bool dms_cuda_revoke_pieces(cuda_device *device);

/* Gives the pieces back, unless CUDA may still call one: then they stay mapped for good. */
void dms_cuda_give_pieces(cuda_device *device);

/* The counter of a queue, as the host sees it. */
_Atomic uint64_t *dms_cuda_counter(const cuda_device *device, uint32_t queue);

/* The functions of device.h that submit and follow. */
extern const dms_device_streams dms_cuda_streams;

/* Returns early with what CUDA said. */
#define CUDA_TRY(device, what, call)                                                               \
    do {                                                                                           \
        const int error_ = (call);                                                                 \
        if (error_ != 0)                                                                           \
            return dms_cuda_fail((device), error_, (what), st);                                    \
    } while (0)

#endif
