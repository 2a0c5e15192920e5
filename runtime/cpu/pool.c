/* pool.c - a gate that workers enter while a job is open.
 *
 *     caller   write the job | open gate | run parts ..... | shut gate | wait for those inside
 *     worker        sleep or spin        | enter | run parts ... | leave
 *
 * The gate is one word: bit 31 open, the rest counts the workers inside. A worker that wakes up too
 * late finds the gate shut and touches nothing of the job.
 */
#include "runtime/cpu/pool.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/futex.h"

#define GATE_OPEN 0x80000000u
#define SPINS 600           /* about 20 us */
#define YIELDS 400          /* about 0.4 ms more, as long as nobody else wants the core */
#define RANGES_PER_THREAD 4 /* a thread that was interrupted leaves small remainders */

typedef struct worker {
    dms_pool *pool;
    uint32_t number; /* from 1 */
    pthread_t thread;
} worker;

struct dms_pool {
    _Alignas(64) _Atomic uint32_t round; /* one up per job: what workers wait for */
    _Atomic uint32_t n_sleepers;
    _Atomic bool is_closing;
    _Alignas(64) _Atomic uint32_t gate;
    _Atomic bool is_caller_asleep;
    _Alignas(64) _Atomic uint64_t next_part;
    dms_pool_job job;
    uint64_t range; /* parts claimed at once */
    uint32_t n_threads, n_started;
    bool may_spin;
    worker *workers;
};

/* Claims and runs ranges of parts until none is left. */
static void run_parts(dms_pool *pool, uint32_t thread) {
    const dms_pool_job *job = &pool->job;
    for (;;) {
        const uint64_t first =
            atomic_fetch_add_explicit(&pool->next_part, pool->range, memory_order_relaxed);
        if (first >= job->n_parts)
            return;
        const uint64_t left = job->n_parts - first;
        job->run(job->context, thread, first, first + (left < pool->range ? left : pool->range));
    }
}

/* Enters while the gate is open. */
static bool enter_gate(dms_pool *pool) {
    uint32_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    while ((gate & GATE_OPEN) != 0) {
        if (atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

/* The last one out wakes a caller that went to sleep over it. */
static void leave_gate(dms_pool *pool) {
    if (atomic_fetch_sub(&pool->gate, 1) == 1 && atomic_load(&pool->is_caller_asleep))
        dms_futex_wake(&pool->gate, 1);
}

/* Waits a while for a change of *word; returns what it is then. To wake a sleeping core takes
 * longer than most steps, above all in a virtual machine: so after a short spin the thread stays
 * awake, but lets queues and other programs go first. */
static uint32_t spin_while(const _Atomic uint32_t *word, uint32_t seen) {
    uint32_t now = atomic_load_explicit(word, memory_order_acquire);
    for (int i = 0; i < SPINS + YIELDS && now == seen; i++) {
        if (i < SPINS)
            dms_spin_pause();
        else
            (void)sched_yield();
        now = atomic_load_explicit(word, memory_order_acquire);
    }
    return now;
}

/* Shuts the gate and waits until the last worker has left. */
static void shut_gate(dms_pool *pool) {
    uint32_t gate = atomic_fetch_and(&pool->gate, ~GATE_OPEN) & ~GATE_OPEN;
    while (gate != 0) {
        const uint32_t now = spin_while(&pool->gate, gate);
        if (now == gate)
            break;
        gate = now;
    }
    if (gate == 0)
        return;
    atomic_store(&pool->is_caller_asleep, true);
    while ((gate = atomic_load(&pool->gate)) != 0)
        dms_futex_wait(&pool->gate, gate);
    atomic_store(&pool->is_caller_asleep, false);
}

/* Waits for a round after `seen`; returns it. */
static uint32_t await_round(dms_pool *pool, uint32_t seen) {
    uint32_t round = pool->may_spin ? spin_while(&pool->round, seen) : seen;
    if (round != seen)
        return round;
    atomic_fetch_add(&pool->n_sleepers, 1);
    while ((round = atomic_load(&pool->round)) == seen)
        dms_futex_wait(&pool->round, seen);
    atomic_fetch_sub(&pool->n_sleepers, 1);
    return round;
}

static void *worker_main(void *argument) {
    worker *self = argument;
    dms_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        seen = await_round(pool, seen);
        if (atomic_load_explicit(&pool->is_closing, memory_order_acquire))
            return NULL;
        if (!enter_gate(pool))
            continue;
        run_parts(pool, self->number);
        leave_gate(pool);
    }
}

/* Starts the next round, waking who sleeps. */
static void next_round(dms_pool *pool) {
    atomic_fetch_add(&pool->round, 1);
    if (atomic_load(&pool->n_sleepers) != 0)
        dms_futex_wake(&pool->round, INT_MAX);
}

void dms_pool_run(dms_pool *pool, const dms_pool_job *job) {
    if (pool->n_threads == 1 || job->n_parts <= 1) {
        job->run(job->context, 0, 0, job->n_parts);
        return;
    }
    pool->job = *job;
    pool->range = job->n_parts / ((uint64_t)pool->n_threads * RANGES_PER_THREAD);
    if (pool->range == 0)
        pool->range = 1;
    atomic_store_explicit(&pool->next_part, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->gate, GATE_OPEN, memory_order_release);
    next_round(pool);
    run_parts(pool, 0);
    shut_gate(pool);
}

/* Workers get no signals: those belong to the threads of the program. */
static dms_code start_workers(dms_pool *pool, dms_status *st) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    for (uint32_t i = 1; i < pool->n_threads && error == 0; i++) {
        worker *w = &pool->workers[i];
        *w = (worker){.pool = pool, .number = i};
        error = pthread_create(&w->thread, NULL, worker_main, w);
        pool->n_started += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return dms_fail(st, DMS_EINTERNAL, "starting compute thread %u of %u: %s", pool->n_started,
                        pool->n_threads, strerror(error));
    return DMS_OK;
}

dms_code dms_pool_open(dms_arena *arena, uint32_t n_threads, dms_pool **out_pool, dms_status *st) {
    dms_pool *pool;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *pool, "thread pool", &pool, st));
    DMS_TRY(dms_alloc_st(arena, n_threads, sizeof *pool->workers, "threads", &pool->workers, st));
    pool->n_threads = n_threads;
    pool->may_spin = (long)n_threads <= sysconf(_SC_NPROCESSORS_ONLN);
    const dms_code code = start_workers(pool, st);
    if (code != DMS_OK) {
        dms_pool_close(pool);
        return code;
    }
    *out_pool = pool;
    return DMS_OK;
}

void dms_pool_close(dms_pool *pool) {
    if (pool == NULL)
        return;
    atomic_store(&pool->is_closing, true);
    next_round(pool);
    for (uint32_t i = 1; i <= pool->n_started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pool->n_started = 0;
}
