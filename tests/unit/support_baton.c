/* support_baton.c - whoever holds the baton runs; the others sleep on their semaphores. */
#include "support_baton.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>
#include <semaphore.h>

#include "runtime/device.h"
#include "schema/hash.h"

#define MEMBERS (1 + DMS_N_QUEUES) /* the user, and a thread per queue */
#define MOST_POINTS 20000

/* One thread. */
typedef struct member {
    bool is_here, is_gone, awaits_all; /* awaits_all: until all others are gone */
    pthread_t thread;
    sem_t turn;
    const dms_timeline *timeline; /* waits for `value` of it; NULL: nothing */
    uint64_t value, priority;
} member;

/* One run, and the choices of a search over many runs. */
static struct {
    bool is_on;
    _Atomic uint32_t n_arrived;
    member arrived[DMS_N_QUEUES], user;
    member *member[MEMBERS]; /* 0: the user, 1 + q: queue q; NULL where there is no thread */
    uint32_t current;
    dms_session *session;
    const dms_device_ops *ops;
    baton_case how;
    baton_report report;
    uint64_t random;
    bool is_over; /* cancelled or ended */
    uint32_t n_choices, n_prefix;
    uint8_t taken[MOST_POINTS], able[MOST_POINTS];
    pthread_key_t key;
    bool has_key;
} the;

static _Thread_local member *self;

static uint64_t mix(uint64_t a, uint64_t b) {
    const uint64_t word[2] = {a, b};
    return dms_hash_bytes(word, sizeof word, 3).lo;
}

static uint64_t next_random(void) {
    return the.random = mix(the.random, 1);
}

static bool all_others_gone(const member *m) {
    for (uint32_t k = 0; k < MEMBERS; k++)
        if (the.member[k] != NULL && the.member[k] != m && !the.member[k]->is_gone)
            return false;
    return true;
}

static bool can_go(uint32_t k) {
    const member *m = the.member[k];
    if (m == NULL || m->is_gone)
        return false;
    if (m->awaits_all)
        return all_others_gone(m);
    return m->timeline == NULL || atomic_load(&m->timeline->value) >= m->value;
}

/* The orders of a search: choice 0 goes on with who runs, or the next who can; each further choice
 * delays one more. */
static uint32_t search(const uint32_t *able, uint32_t n) {
    uint32_t spent = 0, taken = 0;
    assert_true(the.n_choices < MOST_POINTS);
    for (uint32_t k = 0; k < the.n_choices; k++)
        spent += the.taken[k];
    const uint32_t left = the.how.most_delays - spent;
    if (the.n_choices < the.n_prefix)
        taken = the.taken[the.n_choices];
    the.taken[the.n_choices] = (uint8_t)taken;
    the.able[the.n_choices++] = (uint8_t)(n - 1 < left ? n : left + 1);
    return able[taken];
}

bool baton_next(void) {
    while (the.n_choices > 0) {
        const uint32_t last = the.n_choices - 1;
        if (the.taken[last] + 1u < the.able[last]) {
            the.taken[last]++;
            the.n_prefix = the.n_choices;
            return true;
        }
        the.n_choices--;
    }
    the.n_prefix = 0;
    return false;
}

static uint32_t highest(const uint32_t *able, uint32_t n) {
    uint32_t best = able[0];
    for (uint32_t k = 1; k < n; k++)
        if (the.member[able[k]]->priority > the.member[best]->priority)
            best = able[k];
    return best;
}

/* Priorities change at random points: who would go on becomes the last. */
static uint32_t by_priority(const uint32_t *able, uint32_t n) {
    const uint32_t best = highest(able, n);
    if (the.how.n_changes == 0 || next_random() % 40 != 0)
        return best;
    the.how.n_changes--;
    the.member[best]->priority = the.how.n_changes; /* below all random ones */
    return highest(able, n);
}

/* Nobody can go on: lets everybody go, as an end of all timelines does. */
static void break_up(void) {
    the.report.is_stuck = true;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        atomic_store(&the.session->body[q].value, DMS_TIMELINE_END);
        atomic_store(&the.session->prologue[q].value, DMS_TIMELINE_END);
    }
    atomic_store(&the.session->gate.value, DMS_TIMELINE_END);
    the.is_over = true;
}

/* Decides who holds the baton next. */
static uint32_t choose(void) {
    uint32_t able[MEMBERS], n = 0;
    for (uint32_t tries = 0; n == 0 && tries < 2; tries++) {
        for (uint32_t k = 0; k < MEMBERS; k++)
            if (can_go((the.current + k) % MEMBERS))
                able[n++] = (the.current + k) % MEMBERS;
        if (n == 0)
            break_up();
    }
    if (n == 0)
        return MEMBERS; /* the last thread leaves */
    the.report.n_points++;
    if (the.report.n_points == the.how.event_at) {
        the.report.has_event = true;
        the.how.event(the.session, the.how.data);
        the.is_over |= atomic_load(&the.session->cancel) != 0;
    }
    const uint32_t next = the.how.policy == BATON_SEARCH       ? search(able, n)
                          : the.how.policy == BATON_PRIORITIES ? by_priority(able, n)
                                                               : able[next_random() % n];
    the.report.order = mix(the.report.order, next);
    return next;
}

/* Gives the baton on; waits until it comes back, unless this thread is leaving. */
static void hand_over(void) {
    const uint32_t next = choose();
    if (next == MEMBERS || the.member[next] == self)
        return;
    the.current = next;
    const bool stays = !self->is_gone;
    (void)sem_post(&the.member[next]->turn);
    while (stays && sem_wait(&self->turn) != 0) {
    }
}

static void leave(void *argument) {
    member *m = argument;
    self = m;
    m->is_gone = true;
    if (the.is_on)
        hand_over();
}

/* A queue's thread that waits for the first time. */
static void arrive(dms_timeline *timeline, uint64_t value) {
    member *m = &the.arrived[atomic_fetch_add(&the.n_arrived, 1)];
    m->thread = pthread_self();
    m->timeline = timeline;
    m->value = value;
    self = m;
    (void)pthread_setspecific(the.key, m);
    atomic_thread_fence(memory_order_seq_cst);
    __atomic_store_n(&m->is_here, true, __ATOMIC_RELEASE);
    while (sem_wait(&m->turn) != 0) {
    }
}

bool baton_wait(dms_timeline *timeline, uint64_t value) {
    if (self == NULL) {
        arrive(timeline, value);
    } else {
        self->timeline = timeline;
        self->value = value;
        hand_over();
    }
    self->timeline = NULL;
    return atomic_load(&timeline->value) != DMS_TIMELINE_END;
}

bool baton_publish(dms_timeline *timeline, uint64_t from, uint64_t to) {
    uint64_t expected = from;
    if (!atomic_compare_exchange_strong(&timeline->value, &expected, to))
        return false;
    hand_over();
    return true;
}

/* The user ends the gate last, and then joins all threads: these go first. */
void baton_end_timeline(dms_timeline *timeline) {
    atomic_store(&timeline->value, DMS_TIMELINE_END);
    if (!the.is_on)
        return;
    the.is_over = true;
    if (self == &the.user && timeline == &the.session->gate && !all_others_gone(self)) {
        self->awaits_all = true;
        hand_over();
        self->awaits_all = false;
    }
}

/* ---- the device ---- */

static void begin_work(uint32_t *count) {
    (*count)++;
    the.report.n_late += the.is_over;
    hand_over();
}

static void call(dms_device *device, const dms_device_call *work, uint32_t *out_index_error) {
    begin_work(&the.report.n_calls);
    const bool fails = the.report.n_calls == the.how.fail_call;
    the.ops->call(device, work, out_index_error);
    if (fails)
        *out_index_error = 1;
    hand_over();
}

static void copy_in(dms_device *device, uint64_t to, const void *from, uint64_t bytes) {
    begin_work(&the.report.n_copies);
    the.ops->copy_in(device, to, from, bytes / 2);
    hand_over();
    the.ops->copy_in(device, to + bytes / 2, (const uint8_t *)from + bytes / 2, bytes - bytes / 2);
}

static void copy_out(dms_device *device, void *to, uint64_t from, uint64_t bytes) {
    begin_work(&the.report.n_copies);
    the.ops->copy_out(device, to, from, bytes / 2);
    hand_over();
    the.ops->copy_out(device, (uint8_t *)to + bytes / 2, from + bytes / 2, bytes - bytes / 2);
}

static dms_code can_run(const dms_call *what, dms_status *st) {
    return the.ops->can_run(what, st);
}

/* The session closes its device when all threads are gone. */
static void close_device(dms_device *device) {
    the.ops->close(device);
}

static const dms_device_ops baton_ops = {"baton", call, copy_in, copy_out, can_run, close_device};

/* ---- a run ---- */

void baton_prepare(void) {
    if (!the.has_key) {
        assert_int_equal(pthread_key_create(&the.key, leave), 0);
        the.has_key = true;
    }
    the.is_on = the.is_over = false;
    the.n_arrived = 0;
    memset(the.arrived, 0, sizeof the.arrived);
    memset(&the.user, 0, sizeof the.user);
    memset(the.member, 0, sizeof the.member);
    for (uint32_t k = 0; k < DMS_N_QUEUES; k++)
        assert_int_equal(sem_init(&the.arrived[k].turn, 0, 0), 0);
    assert_int_equal(sem_init(&the.user.turn, 0, 0), 0);
    the.report = (baton_report){.n_points = 0};
    self = &the.user;
}

/* Waits until the thread of every queue has come, and says whose it is. */
static void gather(dms_session *s) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; s->queue[q].has_thread && the.member[1 + q] == NULL;
             k = (k + 1) % DMS_N_QUEUES) {
            member *m = &the.arrived[k];
            if (__atomic_load_n(&m->is_here, __ATOMIC_ACQUIRE) &&
                pthread_equal(m->thread, s->queue[q].thread))
                the.member[1 + q] = m;
            else
                (void)sched_yield();
        }
}

void baton_begin(dms_session *session, const baton_case *how) {
    the.session = session;
    the.how = *how;
    the.random = how->seed;
    the.n_choices = 0;
    the.current = 0;
    gather(session);
    the.member[0] = &the.user;
    for (uint32_t k = 0; k < MEMBERS; k++)
        if (the.member[k] != NULL)
            the.member[k]->priority = 1000 + next_random() % 1000000;
    the.ops = session->device->ops;
    session->device->ops = &baton_ops;
    the.is_on = true;
}

baton_report baton_end(void) {
    the.is_on = false;
    self = NULL;
    for (uint32_t k = 0; k < DMS_N_QUEUES; k++)
        (void)sem_destroy(&the.arrived[k].turn);
    (void)sem_destroy(&the.user.turn);
    return the.report;
}
