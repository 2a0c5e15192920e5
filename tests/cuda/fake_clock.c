/* fake_clock.c - time on the fake: what runs beside what, and when each of them ends.
 *
 * Every stream has its own time, and goes on by itself where nothing slows it. Entries that take
 * time are advanced together, from one moment at which one of them begins or ends to the next. When
 * somebody looks makes no difference, for entries begin when their stream and what they wait for
 * have come so far, not when they are looked at. */
#include <math.h>

#include "fake_internal.h"

#define HEAD(stream) (&(stream)->entry[(stream)->n_done % FAKE_PENDING])

static void pop(fake_stream *stream) {
    stream->n_done++;
    stream->left_ns = -1;
    pthread_cond_broadcast(&stream->fake->changed);
}

static double rate_of(const fake_clock *clock, dms_dtype dtype) {
    switch (dtype) {
    case DMS_DTYPE_F16:
    case DMS_DTYPE_BF16:
        return clock->f16_rate;
    case DMS_DTYPE_F64:
        return clock->f64_rate;
    case DMS_DTYPE_I8:
    case DMS_DTYPE_U8:
        return clock->i8_rate;
    default:
        return clock->f32_rate;
    }
}

static double call_ns(const fake_clock *clock, const dms_call *call) {
    const dms_cost cost = dms_call_cost(call);
    const bool is_cached = cost.bytes <= clock->cache_bytes;
    const double flops = (double)cost.flops / rate_of(clock, call->view[0].dtype);
    const double bytes = (double)cost.bytes / (is_cached ? clock->cache_rate : clock->memory_rate);
    return (double)clock->launch_ns + fmax(flops, bytes);
}

/* What an entry takes where nothing slows it. */
static double alone_ns(const fake_clock *clock, const fake_entry *entry) {
    switch (entry->kind) {
    case FAKE_CALL:
        return call_ns(clock, entry->job.call);
    case FAKE_COPY:
        return entry->class == FAKE_IN
                   ? (double)clock->in_ns + (double)entry->bytes / clock->in_rate
                   : (double)clock->out_ns + (double)entry->bytes / clock->out_rate;
    case FAKE_FILL:
        return (double)entry->bytes / clock->memory_rate;
    default:
        return 0;
    }
}

static bool takes_time(const fake_entry *entry) {
    return entry->kind == FAKE_CALL || entry->kind == FAKE_COPY || entry->kind == FAKE_FILL;
}

/* When the word came to the value; false: it has not. The host's own words have no time. */
static bool find_written(const fake_cuda *fake, const fake_entry *wait, double *out_ns) {
    const uint64_t now = atomic_load((_Atomic uint64_t *)wait->to);
    if ((int64_t)(now - wait->value) < 0)
        return false;
    *out_ns = 0;
    for (uint64_t k = fake->n_written; k > 0 && fake->n_written - k < FAKE_WRITTEN; k--) {
        const fake_written *written = &fake->written[(k - 1) % FAKE_WRITTEN];
        if (written->word != wait->to)
            continue;
        if ((int64_t)(written->value - wait->value) < 0)
            break;
        *out_ns = written->ns;
    }
    return true;
}

/* A stream that has to wait goes on a little after what it waits for. */
static void wait_until_ns(fake_stream *stream, double ns) {
    if (ns > stream->now_ns)
        stream->now_ns = ns + (double)stream->fake->options.clock->wait_ns;
}

static void write_word(fake_stream *stream, const fake_entry *entry) {
    fake_cuda *fake = stream->fake;
    fake->written[fake->n_written++ % FAKE_WRITTEN] =
        (fake_written){entry->to, entry->value, stream->now_ns};
    atomic_store((_Atomic uint64_t *)entry->to, entry->value);
}

/* Does the first entry where it takes no time of the card; false where it waits, or takes time. */
static bool step(fake_stream *stream) {
    fake_entry *entry = HEAD(stream);
    double ns;
    switch (entry->kind) {
    case FAKE_RECORD:
        atomic_store(&entry->event->ns, llround(stream->now_ns));
        atomic_store(&entry->event->n_done, entry->value);
        break;
    case FAKE_WRITE_VALUE:
        write_word(stream, entry);
        break;
    case FAKE_WAIT_EVENT:
        if (atomic_load(&entry->event->n_done) < entry->value)
            return false;
        wait_until_ns(stream, (double)atomic_load(&entry->event->ns));
        break;
    case FAKE_WAIT_VALUE:
        if (!find_written(stream->fake, entry, &ns))
            return false;
        wait_until_ns(stream, ns);
        break;
    case FAKE_HOST:
        entry->function(entry->argument);
        stream->now_ns += (double)stream->fake->options.clock->host_ns;
        break;
    default:
        return false;
    }
    pop(stream);
    return true;
}

/* Entries that take no time, as far as they come; true where any was there. */
static bool step_all(fake_cuda *fake) {
    bool has_moved = false;
    for (uint32_t k = 0; k < fake->n_streams; k++)
        while (fake->stream[k] != NULL && fake->stream[k]->n_put != fake->stream[k]->n_done &&
               step(fake->stream[k]))
            has_moved = true;
    return has_moved;
}

/* The stream's first entry takes time, and has begun by `now`. */
static bool is_running(const fake_stream *stream, double now) {
    return stream != NULL && stream->n_put != stream->n_done && takes_time(HEAD(stream)) &&
           stream->now_ns <= now;
}

/* How many times as long it takes beside what else is running. */
static double factor_of(const fake_cuda *fake, const fake_stream *stream, double now) {
    double factor = 1;
    for (uint32_t k = 0; k < fake->n_streams; k++)
        if (fake->stream[k] != stream && is_running(fake->stream[k], now))
            factor *=
                1 + fake->options.clock->extra[HEAD(stream)->class][HEAD(fake->stream[k])->class] /
                        1000.0;
    return factor;
}

/* From the first moment at which an entry runs to the next at which one begins or ends; false where
 * there is none. */
static bool advance(fake_cuda *fake) {
    double now = HUGE_VAL, next = HUGE_VAL;
    for (uint32_t k = 0; k < fake->n_streams; k++)
        if (is_running(fake->stream[k], HUGE_VAL))
            now = fmin(now, fake->stream[k]->now_ns);
    for (uint32_t k = 0; k < fake->n_streams; k++) {
        fake_stream *stream = fake->stream[k];
        if (!is_running(stream, HUGE_VAL))
            continue;
        if (stream->left_ns < 0)
            stream->left_ns = alone_ns(fake->options.clock, HEAD(stream));
        next =
            fmin(next, stream->now_ns > now ? stream->now_ns
                                            : now + stream->left_ns * factor_of(fake, stream, now));
    }
    if (now == HUGE_VAL)
        return false;
    fake_stream *ended[8];
    uint32_t n_ended = 0;
    for (uint32_t k = 0; k < fake->n_streams; k++) {
        fake_stream *stream = fake->stream[k];
        if (!is_running(stream, now))
            continue;
        stream->left_ns -= (next - now) / factor_of(fake, stream, now);
        if (stream->left_ns < 1e-6)
            ended[n_ended++] = stream;
    }
    for (uint32_t k = 0; k < fake->n_streams; k++)
        if (is_running(fake->stream[k], now))
            fake->stream[k]->now_ns = next;
    for (uint32_t k = 0; k < n_ended; k++)
        pop(ended[k]);
    return true;
}

/* Who submits has seen how far the others are. */
void fake_clock_submit(fake_stream *stream) {
    const fake_cuda *fake = stream->fake;
    if (stream->n_put != stream->n_done)
        return;
    for (uint32_t k = 0; k < fake->n_streams; k++)
        if (fake->stream[k] != NULL)
            stream->now_ns = fmax(stream->now_ns, fake->stream[k]->now_ns);
}

/* What a lost card was given never runs. */
static void drop_all(fake_cuda *fake) {
    for (uint32_t k = 0; k < fake->n_streams; k++)
        while (fake->stream[k] != NULL && fake->stream[k]->n_put != fake->stream[k]->n_done)
            pop(fake->stream[k]);
}

void fake_clock_run(fake_cuda *fake) {
    if (atomic_load(&fake->dead) != 0)
        drop_all(fake);
    while (step_all(fake) || advance(fake))
        ;
}
