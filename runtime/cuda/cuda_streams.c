/* cuda_streams.c - commands onto streams, counters between them. */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "runtime/cuda/cuda_internal.h"

#define POISON 0xff
#define LOOKS 64 /* at a counter, before the card is asked whether it still lives */

static cuda_device *of(dms_device *base) {
    return (cuda_device *)base;
}

/* The card's address of a queue's counter. */
static uint64_t counter_address(const cuda_device *d, uint32_t queue) {
    return d->page_address + (uint64_t)queue * CUDA_COUNTER_BYTES;
}

static dms_code cuda_enter(dms_device *base, dms_status *st) {
    cuda_device *d = of(base);
    CUDA_TRY(d, "using the card", d->api->use_card(d->api->state, d->card.ordinal));
    return DMS_OK;
}

/* Without waits on values: the event of the first mark that stands for at least this one. */
static dms_code await_event(cuda_device *d, uint32_t queue, uint32_t other, uint64_t value,
                            dms_status *st) {
    const cuda_stream *by = &d->stream[other];
    const uint64_t n = atomic_load_explicit(&by->n_signals, memory_order_relaxed);
    uint64_t found = n;
    while (found > 0 && n - found < DMS_DEVICE_MARKS &&
           by->value[(found - 1) % DMS_DEVICE_MARKS] >= value)
        found--;
    if (found == n)
        return dms_fail(st, DMS_EINTERNAL, "waits for what was not submitted");
    CUDA_TRY(d, "cudaStreamWaitEvent",
             d->api->stream_wait_event(d->api->state, d->stream[queue].stream,
                                       by->end[found % DMS_DEVICE_MARKS]));
    return DMS_OK;
}

static dms_code cuda_await(dms_device *base, uint32_t queue, uint32_t other, uint64_t value,
                           dms_status *st) {
    cuda_device *d = of(base);
    if (!d->card.has_stream_values)
        return await_event(d, queue, other, value, st);
    CUDA_TRY(d, "cuStreamWaitValue64",
             d->api->stream_wait_value(d->api->state, d->stream[queue].stream,
                                       counter_address(d, other), value));
    return DMS_OK;
}

static dms_code cuda_begin(dms_device *base, uint32_t queue, uint32_t mark, dms_status *st) {
    cuda_device *d = of(base);
    cuda_stream *on = &d->stream[queue];
    CUDA_TRY(d, "cudaEventRecord",
             d->api->event_record(d->api->state, on->begin[mark], on->stream));
    return DMS_OK;
}

static dms_code cuda_signal(dms_device *base, uint32_t queue, uint32_t mark, uint64_t value,
                            dms_status *st) {
    cuda_device *d = of(base);
    cuda_stream *on = &d->stream[queue];
    CUDA_TRY(d, "cudaEventRecord", d->api->event_record(d->api->state, on->end[mark], on->stream));
    if (d->card.has_stream_values)
        CUDA_TRY(d, "cuStreamWriteValue64",
                 d->api->stream_write_value(d->api->state, on->stream, counter_address(d, queue),
                                            value));
    on->value[mark] = value;
    atomic_fetch_add_explicit(&on->n_signals, 1, memory_order_release);
    return DMS_OK;
}

static dms_code cuda_call(dms_device *base, const dms_device_call *call, dms_status *st) {
    cuda_device *d = of(base);
    void *operand[DMS_MAX_OPERANDS], *stream = d->stream[DMS_QUEUE_COMPUTE].stream;
    const uint64_t words = d->page_address + DMS_N_QUEUES * CUDA_COUNTER_BYTES;
    for (uint32_t k = 0; k < call->call->n_in + call->call->n_out; k++)
        operand[k] = (void *)(uintptr_t)(d->device_address + call->operand[k]);
    const dms_cuda_job job = {
        .call = d->call[call->id],
        .operand = operand,
        .workspace = call->workspace_bytes == 0
                         ? NULL
                         : (void *)(uintptr_t)(d->device_address + call->workspace),
        .workspace_bytes = call->workspace_bytes,
        .stream = stream,
        .index_error = (uint32_t *)(uintptr_t)(words + call->index_word * sizeof(uint32_t)),
        .libraries = d->libraries,
        .state = d->state[call->id]};
    if (d->poison && call->workspace_bytes != 0)
        CUDA_TRY(d, "cudaMemsetAsync",
                 d->api->fill(d->api->state, d->device_address + call->workspace, POISON,
                              call->workspace_bytes, stream));
    return d->kernel[call->id]->enqueue(&job, st);
}

/* On a thread of CUDA's, in the order of the stream; or, where the card is lost, when there is no
 * device any more. */
static void run_piece(void *argument) {
    cuda_piece *own = argument;
    int waiting = CUDA_PIECE_WAITING;
    if (atomic_compare_exchange_strong(&own->state, &waiting, CUDA_PIECE_MOVING))
        own->piece.move(&own->piece);
    atomic_store(&own->state, CUDA_PIECE_FREE);
}

/* Waits for a place in the ring of pieces: what is before it on the stream will run. */
static dms_code cuda_move(dms_device *base, uint32_t queue, const dms_device_piece *piece,
                          dms_status *st) {
    cuda_device *d = of(base);
    cuda_stream *on = &d->stream[queue];
    cuda_piece *own = &on->piece[on->next_piece++ % CUDA_PIECES];
    const struct timespec pause = {0, 20000};
    while (atomic_load(&own->state) != CUDA_PIECE_FREE) {
        if (atomic_load(&d->is_let_go) != 0)
            return DMS_OK; /* the session has ended */
        (void)nanosleep(&pause, NULL);
    }
    own->piece = *piece;
    atomic_store(&own->state, CUDA_PIECE_WAITING); /* before the look: who lets go revokes after */
    if (atomic_load(&d->is_let_go) != 0) {
        atomic_store(&own->state, CUDA_PIECE_FREE);
        return DMS_OK;
    }
    const int error = d->api->host_function(d->api->state, on->stream, run_piece, own);
    if (error != 0)
        atomic_store(&own->state, CUDA_PIECE_FREE);
    CUDA_TRY(d, "cudaLaunchHostFunc", error);
    return DMS_OK;
}

/* Between pageable and locked memory of the host. */
static void bounce_in(const dms_device_piece *piece) {
    memcpy(piece->memory, piece->user, piece->bytes);
}

static void bounce_out(const dms_device_piece *piece) {
    memcpy((void *)(uintptr_t)piece->user, piece->memory, piece->bytes);
}

static dms_code cuda_copy_in(dms_device *base, uint64_t to, uint64_t from, uint64_t bytes,
                             dms_status *st) {
    cuda_device *d = of(base);
    void *stream = d->stream[DMS_QUEUE_IN].stream;
    dms_device_piece piece = {.move = bounce_in, .memory = d->bounce[0], .bytes = bytes};
    for (uint64_t at = 0; at < bytes; at += piece.bytes) {
        const void *source = base->host_arena + from + at;
        if (!d->is_arena_locked) {
            piece.bytes = bytes - at < CUDA_BOUNCE_BYTES ? bytes - at : CUDA_BOUNCE_BYTES;
            piece.user = source;
            DMS_TRY(cuda_move(base, DMS_QUEUE_IN, &piece, st));
            source = piece.memory;
        }
        CUDA_TRY(d, "cudaMemcpyAsync",
                 d->api->copy_in(d->api->state, d->device_address + to + at, source, piece.bytes,
                                 stream));
    }
    return DMS_OK;
}

static dms_code cuda_copy_out(dms_device *base, uint64_t to, uint64_t from, uint64_t bytes,
                              dms_status *st) {
    cuda_device *d = of(base);
    void *stream = d->stream[DMS_QUEUE_OUT].stream;
    dms_device_piece piece = {.move = bounce_out, .memory = d->bounce[1], .bytes = bytes};
    for (uint64_t at = 0; at < bytes; at += piece.bytes) {
        void *target = base->host_arena + to + at;
        if (!d->is_arena_locked) {
            piece.bytes = bytes - at < CUDA_BOUNCE_BYTES ? bytes - at : CUDA_BOUNCE_BYTES;
            piece.user = target;
            target = piece.memory;
        }
        CUDA_TRY(d, "cudaMemcpyAsync",
                 d->api->copy_out(d->api->state, target, d->device_address + from + at, piece.bytes,
                                  stream));
        if (!d->is_arena_locked)
            DMS_TRY(cuda_move(base, DMS_QUEUE_OUT, &piece, st));
    }
    return DMS_OK;
}

/* The newest mark whose end is reached, by events. */
static int look_at_events(cuda_device *d, cuda_stream *by) {
    const uint64_t n = atomic_load_explicit(&by->n_signals, memory_order_acquire);
    while (by->n_seen < n) {
        const uint32_t mark = by->n_seen % DMS_DEVICE_MARKS;
        const int error = d->api->event_query(d->api->state, by->end[mark]);
        if (error != 0)
            return error == DMS_CUDA_NOT_READY ? 0 : error;
        by->seen = by->value[mark];
        by->n_seen++;
    }
    return 0;
}

static dms_code cuda_reached(dms_device *base, uint32_t queue, uint64_t *out_value,
                             dms_status *st) {
    cuda_device *d = of(base);
    cuda_stream *by = &d->stream[queue];
    if (!d->card.has_stream_values) {
        const int error = look_at_events(d, by);
        *out_value = by->seen;
        CUDA_TRY(d, "the card", error);
        return DMS_OK;
    }
    const uint64_t now = atomic_load_explicit(dms_cuda_counter(d, queue), memory_order_acquire);
    *out_value = now;
    if (now != by->seen)
        by->n_looks = 0;
    else if (++by->n_looks % LOOKS == 0) {
        const int error = d->api->stream_query(d->api->state, by->stream);
        CUDA_TRY(d, "the card", error == DMS_CUDA_NOT_READY ? 0 : error);
    }
    by->seen = now;
    return DMS_OK;
}

static dms_code cuda_check(dms_device *base, dms_status *st) {
    cuda_device *d = of(base);
    for (uint32_t q = 0; q < CUDA_STREAMS; q++) {
        const int error = d->api->stream_query(d->api->state, d->stream[q].stream);
        CUDA_TRY(d, "the card", error == DMS_CUDA_NOT_READY ? 0 : error);
    }
    return DMS_OK;
}

static void cuda_times(dms_device *base, uint32_t queue, uint32_t mark, int64_t *out_begin_ns,
                       int64_t *out_end_ns) {
    cuda_device *d = of(base);
    const cuda_stream *on = &d->stream[queue];
    float before = 0, took = 0;
    if (d->api->event_elapsed(d->api->state, &before, d->base_event, on->begin[mark]) != 0 ||
        d->api->event_elapsed(d->api->state, &took, on->begin[mark], on->end[mark]) != 0)
        before = took = 0;
    *out_begin_ns = d->base_ns + (int64_t)((double)before * 1e6 + 0.5);
    *out_end_ns = *out_begin_ns + (int64_t)((double)took * 1e6 + 0.5);
}

static uint32_t cuda_take_index(dms_device *base, uint32_t index_word) {
    cuda_device *d = of(base);
    uint32_t *words = (uint32_t *)(void *)(d->page + DMS_N_QUEUES * CUDA_COUNTER_BYTES);
    return __atomic_exchange_n(&words[index_word], 0, __ATOMIC_ACQUIRE);
}

static void cuda_raise(dms_device *base, uint32_t queue, uint64_t value) {
    atomic_store_explicit(dms_cuda_counter(of(base), queue), value, memory_order_release);
}

/* The counters of streams stay as they are: what waits for those comes behind what raises them. */
static bool cuda_abandon(dms_device *base) {
    cuda_device *d = of(base);
    bool is_idle = true;
    atomic_store(&d->is_let_go, 1);
    for (uint32_t q = CUDA_STREAMS; q < DMS_N_QUEUES && d->is_page_locked; q++)
        atomic_store(dms_cuda_counter(d, q), CUDA_LET_GO);
    for (uint32_t q = 0; q < CUDA_STREAMS; q++)
        if (d->stream[q].stream != NULL)
            is_idle &=
                d->api->stream_query(d->api->state, d->stream[q].stream) != DMS_CUDA_NOT_READY;
    return dms_cuda_revoke_pieces(d) && is_idle; /* a lost card is idle, its host is not */
}

static dms_code cuda_prepare(dms_device *base, uint32_t id, const dms_call *call, dms_status *st) {
    cuda_device *d = of(base);
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    const dms_cuda_kernel *kernel = d->api->kernel_find(call->kernel);
    char text[128];
    if (kernel == NULL)
        return dms_fail(st, DMS_EDEVICE, "this build has no CUDA kernel '%s' (for %s)",
                        row == NULL ? "?" : row->name,
                        dms_view_text(&call->view[call->n_in], text, sizeof text));
    DMS_TRY(kernel->can_run(call, &d->card, st));
    if (kernel->prepare != NULL)
        DMS_TRY(kernel->prepare(d->libraries, call, d->arena, &d->state[id], st));
    d->kernel[id] = kernel;
    d->call[id] = call;
    base->overhead_bytes = d->own_bytes + d->api->libraries_bytes(d->libraries);
    return DMS_OK;
}

static dms_code cuda_free_bytes(dms_device *base, uint64_t *out_bytes, dms_status *st) {
    cuda_device *d = of(base);
    CUDA_TRY(d, "asking for free memory", d->api->free_bytes(d->api->state, out_bytes));
    return DMS_OK;
}

const dms_device_streams dms_cuda_streams = {.prepare = cuda_prepare,
                                             .ready = dms_cuda_ready,
                                             .free_bytes = cuda_free_bytes,
                                             .enter = cuda_enter,
                                             .await = cuda_await,
                                             .begin = cuda_begin,
                                             .signal = cuda_signal,
                                             .call = cuda_call,
                                             .copy_in = cuda_copy_in,
                                             .copy_out = cuda_copy_out,
                                             .move = cuda_move,
                                             .check = cuda_check,
                                             .reached = cuda_reached,
                                             .times = cuda_times,
                                             .take_index = cuda_take_index,
                                             .raise = cuda_raise,
                                             .abandon = cuda_abandon};
