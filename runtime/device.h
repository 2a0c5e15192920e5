/* device.h - what the engine asks of a device: the door to runtime/cpu (and other kinds later).
 *
 * Reads    offsets into two arenas, checked calls.
 * Returns  finished work: every function of dms_device_ops is done when it returns. Those of
 *          dms_device_streams put work behind other work and return at once.
 * Cost     the arenas are taken at open, exactly as large as the plan says; nothing later.
 * Source   none.
 * Not here when something may run (engine.c), where bytes come from (storage.h).
 */
#ifndef DMS_RUNTIME_DEVICE_H
#define DMS_RUNTIME_DEVICE_H

#include "runtime/kernels/kernel.h"
#include "schema/arena.h"
#include "schema/plan.h"

typedef struct dms_device dms_device;

/* What a device of any kind is opened with. */
typedef struct dms_device_options {
    uint64_t device_bytes, host_bytes; /* of the two arenas */
    uint32_t threads;                  /* compute threads, at least 1 */
    bool poison;
    /* For devices with streams. */
    int ordinal;          /* which of several: N of cuda:N */
    uint32_t n_calls;     /* of the plan */
    uint32_t n_commands;  /* of the compute queue in a turn: index words for two turns */
    uint64_t floor_bytes; /* of the model, for a message: smallest device arena of any plan */
    bool is_calibration;  /* for a message: there is no plan */
} dms_device_options;

/* One kernel call with the places of its operands, in bytes from the start of the device arena. */
typedef struct dms_device_call {
    const dms_call *call;
    uint64_t operand[DMS_MAX_OPERANDS]; /* of element 0, the view's offset included */
    uint64_t workspace, workspace_bytes;
    bool is_small;       /* not worth a second thread */
    uint32_t id;         /* of the call in the plan */
    uint32_t index_word; /* where a device with streams notes a bad index */
} dms_device_call;

/* A part of a user copy: moves bytes [first, first + bytes) of a buffer between the caller's tensor
 * and the host arena. Called in the order of a stream. */
typedef struct dms_device_piece {
    void (*move)(const struct dms_device_piece *piece);
    const void *tensor, *user; /* for `move`; live until the turn has ended */
    uint32_t cell;
    uint64_t first, bytes;
    void *memory;
} dms_device_piece;

/* Free memory of a card as its driver counts it, whoever took the rest. */
typedef struct dms_device_memory {
    uint64_t total;
    uint64_t first;        /* CUDA is up, nothing is taken */
    uint64_t with_arena;   /* the device arena is taken */
    uint64_t with_kernels; /* every kernel is loaded: only running is left */
} dms_device_memory;

/* Marks of a queue that can be under way at a time. */
#define DMS_DEVICE_MARKS 256u

/* What a device adds that orders its queues itself: each queue is a stream, on which the engine's
 * one submitting thread puts the commands of all queues in the plan's submission order.
 *
 *     await(in, load, 7)   copy_in   copy_in   signal(in, mark, 12)
 *
 * `reached` and what is behind it are called by another thread than the rest. Values only grow.
 * Errors   DMS_EDEVICE with what the device said; it then says so for ever. */
typedef struct dms_device_streams {
    /* Readies the kernel of a call, or says why there is none; `call` outlives the device. */
    dms_code (*prepare)(dms_device *device, uint32_t id, const dms_call *call, dms_status *st);
    /* All calls are readied: loads what their first run would, and notes what is free now. What
     * is in the device arena is lost. */
    dms_code (*ready)(dms_device *device, dms_status *st);
    /* Free memory of the device. */
    dms_code (*free_bytes)(dms_device *device, uint64_t *out_bytes, dms_status *st);
    /* The calling thread speaks to the device from now on. */
    dms_code (*enter)(dms_device *device, dms_status *st);
    /* What comes behind on `queue` starts when `other` has come to `value`. */
    dms_code (*await)(dms_device *device, uint32_t queue, uint32_t other, uint64_t value,
                      dms_status *st);
    /* Notes the time at which the stream comes here, as the begin of `mark`. */
    dms_code (*begin)(dms_device *device, uint32_t queue, uint32_t mark, dms_status *st);
    /* Ends `mark`; the queue has come to `value` when all before has ended. */
    dms_code (*signal)(dms_device *device, uint32_t queue, uint32_t mark, uint64_t value,
                       dms_status *st);
    dms_code (*call)(dms_device *device, const dms_device_call *call, dms_status *st);
    /* Between the arenas, by their offsets. */
    dms_code (*copy_in)(dms_device *device, uint64_t to, uint64_t from, uint64_t bytes,
                        dms_status *st);
    dms_code (*copy_out)(dms_device *device, uint64_t to, uint64_t from, uint64_t bytes,
                         dms_status *st);
    /* Calls piece->move, in the order of the queue. The piece is copied. */
    dms_code (*move)(dms_device *device, uint32_t queue, const dms_device_piece *piece,
                     dms_status *st);

    /* Whether the device still lives. Any thread. */
    dms_code (*check)(dms_device *device, dms_status *st);
    /* How far a queue has come; also where the device is lost, as far as that can be told. */
    dms_code (*reached)(dms_device *device, uint32_t queue, uint64_t *out_value, dms_status *st);
    /* When a mark that was reached began and ended, in the clock of dms_now_ns. */
    void (*times)(dms_device *device, uint32_t queue, uint32_t mark, int64_t *out_begin_ns,
                  int64_t *out_end_ns);
    /* 1 + operand where the call with this word found a bad index, else 0; the word is 0 again. */
    uint32_t (*take_index)(dms_device *device, uint32_t index_word);
    /* The host's own queue has come to `value`. Any thread. */
    void (*raise)(dms_device *device, uint32_t queue, uint64_t value);
    /* Nobody raises the host's queues any more: lets go of the waits for them. What was submitted
     * ends in its order, but begins to move no memory of the caller. True when nothing is under way
     * any more, or the device is lost and nobody moves. Any thread, again and again. */
    bool (*abandon)(dms_device *device);
} dms_device_streams;

/* The functions of one kind of device. Each is called by one thread at a time. On a device with
 * streams `call`, `copy_in`, `copy_out` and `can_run` are NULL. */
typedef struct dms_device_ops {
    const char *name;
    /* Runs a call to its end. `out_index_error` becomes 1 + operand when data held a bad index. */
    void (*call)(dms_device *device, const dms_device_call *call, uint32_t *out_index_error);
    /* Copies between memory of the host and the device arena. */
    void (*copy_in)(dms_device *device, uint64_t to, const void *from, uint64_t bytes);
    void (*copy_out)(dms_device *device, void *to, uint64_t from, uint64_t bytes);
    /* DMS_OK when this build can run the call. */
    dms_code (*can_run)(const dms_call *call, dms_status *st);
    void (*close)(dms_device *device);
} dms_device_ops;

/* What every kind begins with. */
struct dms_device {
    const dms_device_ops *ops;
    const dms_device_streams *streams; /* NULL: a thread per queue calls `ops` */
    const char *note;                  /* what a user may want to know of it; NULL: nothing */
    uint8_t *device_arena;             /* NULL where the host cannot write it */
    uint8_t *host_arena;
    uint64_t device_bytes, host_bytes;
    uint64_t overhead_bytes;  /* beside the arenas */
    dms_device_memory memory; /* of a card; total 0: there is none */
    bool awaits_host;         /* streams: `await` can wait for a queue that the host raises */
};

/* Copies in host memory: past the caches when it is large.
 * Source   MACHINE-FACTS 4: stream stores with nta prefetch reach 23 GB/s, memcpy 13. */
void dms_host_copy(void *to, const void *from, uint64_t bytes);

#endif
