/* fake_streams.c - the threads of the fake, and when they go on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_internal.h"

static void sleep_us(uint64_t us) {
    const struct timespec pause = {0, (long)us * 1000};
    (void)nanosleep(&pause, NULL);
}

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Nobody else has anything to do that does not wait for somebody. */
static bool others_are_stuck(const fake_stream *stream) {
    fake_cuda *fake = stream->fake;
    bool is_stuck = true;
    pthread_mutex_lock(&fake->lock);
    for (uint32_t k = 0; k < fake->n_streams; k++) {
        const fake_stream *other = fake->stream[k];
        if (other != NULL && other != stream && other->n_put != other->n_done &&
            atomic_load(&other->is_stuck) == 0)
            is_stuck = false;
    }
    pthread_mutex_unlock(&fake->lock);
    return is_stuck;
}

/* One stream in three is the one that the seed is against: it goes on when the others are stuck. */
void fake_delay(fake_stream *stream) {
    const fake_cuda_options *options = &stream->fake->options;
    if (options->is_calm)
        return;
    const uint64_t r = next_random(&stream->random);
    const bool is_victim = options->seed % 4 != 0 && stream->id == options->seed % 4 - 1;
    if (is_victim && r % 4 == 0) {
        for (int k = 0; k < 20 && !others_are_stuck(stream); k++)
            sleep_us(20);
    } else if (r % 8 == 1) {
        sleep_us(r / 8 % 60);
    } else {
        for (volatile uint64_t k = r / 8 % 2000; k > 0; k--)
            ; /* as long as others may need for an entry; to yield would give away a whole slice */
    }
}

/* Until `is_there`, which somebody else brings about, or the end of the card. */
static void wait_until(fake_stream *stream, bool (*is_there)(const fake_entry *),
                       const fake_entry *entry) {
    for (uint32_t k = 0; atomic_load(&stream->fake->dead) == 0 && !is_there(entry); k++) {
        atomic_store(&stream->is_stuck, 1);
        if (k > 50)
            sleep_us(20);
    }
    atomic_store(&stream->is_stuck, 0);
}

/* As the driver compares: cyclic. */
static bool has_value(const fake_entry *entry) {
    const uint64_t now = atomic_load((_Atomic uint64_t *)entry->to);
    return (int64_t)(now - entry->value) >= 0;
}

static bool has_event(const fake_entry *entry) {
    return atomic_load(&entry->event->n_done) >= entry->value;
}

static void copy_halves(fake_stream *stream, const fake_entry *entry) {
    const uint64_t half = entry->bytes / 2;
    memcpy(entry->to, entry->from, half);
    fake_delay(stream);
    memcpy((uint8_t *)entry->to + half, (const uint8_t *)entry->from + half, entry->bytes - half);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The first error is the one that stays. */
static void kill_card(fake_cuda *fake) {
    int alive = 0;
    (void)atomic_compare_exchange_strong(&fake->dead, &alive, fake->options.fail_code);
}

/* The card may be lost between taking a function up and calling it. */
static void execute_host(fake_cuda *fake, const fake_entry *entry) {
    const bool is_last = atomic_fetch_add(&fake->n_host, 1) + 1 == fake->options.fail_host;
    if (is_last && fake->options.is_late) {
        fake->late = entry->function;
        fake->late_argument = entry->argument;
    }
    if (is_last)
        kill_card(fake);
    if (!is_last || !fake->options.is_late)
        entry->function(entry->argument);
}

void fake_execute(fake_stream *stream, fake_entry *entry) {
    switch (entry->kind) {
    case FAKE_COPY:
        copy_halves(stream, entry);
        break;
    case FAKE_FILL:
        memset(entry->to, entry->byte, entry->bytes);
        break;
    case FAKE_CALL:
        fake_run_call(stream, entry);
        break;
    case FAKE_HOST:
        execute_host(stream->fake, entry);
        break;
    case FAKE_RECORD:
        atomic_store(&entry->event->ns, now_ns());
        atomic_store(&entry->event->n_done, entry->value);
        break;
    case FAKE_WAIT_EVENT:
        wait_until(stream, has_event, entry);
        break;
    case FAKE_WAIT_VALUE:
        wait_until(stream, has_value, entry);
        break;
    case FAKE_WRITE_VALUE:
        atomic_store((_Atomic uint64_t *)entry->to, entry->value);
        break;
    }
}

/* The entry that fails kills the card; what is behind it on any stream never runs. */
static void run_entry(fake_stream *stream, fake_entry *entry) {
    fake_cuda *fake = stream->fake;
    const uint64_t n = atomic_fetch_add(&fake->n_entries, 1) + 1;
    const bool is_work = entry->kind == FAKE_COPY || entry->kind == FAKE_CALL;
    const uint64_t worked = stream->n_worked += is_work;
    const uint32_t only = fake->options.fail_stream;
    const uint64_t at = only == 0 ? n : is_work && stream->id % 3 + 1 == only ? worked : 0;
    if (at != 0 && at == fake->options.fail_entry)
        kill_card(fake);
    fake_delay(stream);
    if (atomic_load(&fake->dead) == 0)
        fake_execute(stream, entry);
}

/* Once, under the lock. */
static void hold(fake_stream *stream) {
    fake_cuda *fake = stream->fake;
    struct timespec end;
    if (stream->id != 0 || fake->options.hold_after == 0 ||
        stream->n_done != fake->options.hold_after)
        return;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    int error = 0;
    while (stream->n_put - stream->n_done < FAKE_PENDING && error == 0)
        error = pthread_cond_timedwait(&fake->changed, &fake->lock, &end);
}

static void *stream_main(void *argument) {
    fake_stream *stream = argument;
    fake_cuda *fake = stream->fake;
    pthread_mutex_lock(&fake->lock);
    for (;;) {
        while (stream->n_put == stream->n_done && atomic_load(&stream->is_ended) == 0)
            pthread_cond_wait(&fake->changed, &fake->lock);
        if (stream->n_put == stream->n_done)
            break;
        hold(stream);
        fake_entry *entry = &stream->entry[stream->n_done % FAKE_PENDING];
        pthread_mutex_unlock(&fake->lock);
        run_entry(stream, entry);
        pthread_mutex_lock(&fake->lock);
        stream->n_done++;
        pthread_cond_broadcast(&fake->changed);
    }
    pthread_mutex_unlock(&fake->lock);
    return NULL;
}

/* With a clock there are no threads: who waits makes time go on. */
static void wait_for_place(fake_cuda *fake) {
    if (fake->options.clock == NULL) {
        pthread_cond_wait(&fake->changed, &fake->lock);
        return;
    }
    fake_clock_run(fake);
    pthread_mutex_unlock(&fake->lock);
    sleep_us(20); /* somebody else may have to raise a word */
    pthread_mutex_lock(&fake->lock);
}

int fake_put(fake_stream *stream, const fake_entry *entry) {
    fake_cuda *fake = stream->fake;
    pthread_mutex_lock(&fake->lock);
    while (stream->n_put - stream->n_done == FAKE_PENDING)
        wait_for_place(fake);
    if (fake->options.clock != NULL)
        fake_clock_submit(stream);
    fake_entry *place = &stream->entry[stream->n_put % FAKE_PENDING];
    *place = *entry;
    place->job.operand = place->operand;
    stream->n_put++;
    if ((entry->kind == FAKE_COPY || entry->kind == FAKE_CALL) && fake->n_order < FAKE_ORDER)
        fake->order[fake->n_order++] = "cio"[stream->id % 3];
    const uint64_t pending = stream->n_put - stream->n_done;
    if (pending > atomic_load(&fake->most_pending))
        atomic_store(&fake->most_pending, pending);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

int fake_stream_new(fake_cuda *fake, fake_stream **out) {
    fake_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return DMS_CUDA_OUT_OF_MEMORY;
    stream->fake = fake;
    stream->id = fake->n_streams;
    stream->random = fake->options.seed * 16 + stream->id;
    stream->left_ns = -1;
    pthread_mutex_lock(&fake->lock);
    fake->stream[fake->n_streams++] = stream;
    pthread_mutex_unlock(&fake->lock);
    if (fake->options.clock == NULL &&
        pthread_create(&stream->thread, NULL, stream_main, stream) != 0)
        abort();
    *out = stream;
    return 0;
}

void fake_stream_end(fake_stream *stream) {
    fake_cuda *fake = stream->fake;
    pthread_mutex_lock(&fake->lock);
    atomic_store(&stream->is_ended, 1);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (fake->options.clock == NULL)
        pthread_join(stream->thread, NULL);
    pthread_mutex_lock(&fake->lock);
    fake->stream[stream->id] = NULL;
    pthread_mutex_unlock(&fake->lock);
    free(stream->scratch);
    free(stream->workspace);
    free(stream);
}
