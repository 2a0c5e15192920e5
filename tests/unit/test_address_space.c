/* test_address_space.c - a process that may not grow: threads and arenas that cannot be had are
 * errors, whatever the point at which memory ends, and nothing of what was begun is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/cpu/pool.h"
#include "support_chain.h"

#define MIB ((uint64_t)1 << 20)

/* Sanitizers reserve terabytes of addresses: no limit can be set below that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_LIMITS false
#else
#define HAS_LIMITS true
#endif

/* What a child answers by its exit code. */
typedef enum answer { WORKED, REFUSED, WRONG } answer;

/* Work that a child does under a limit; it must not assert, only answer. */
typedef answer limited_work(void);

/* Threads of this process. */
static int count_threads(void) {
    int n = 0;
    DIR *folder = opendir("/proc/self/task");
    while (folder != NULL && readdir(folder) != NULL)
        n++;
    if (folder != NULL)
        (void)closedir(folder);
    return n - 2; /* . and .. */
}

/* Whether this thread is the only one, soon: one that was joined is listed until the kernel has put
 * it away. */
static bool is_alone(void) {
    for (int k = 0; k < 2000 && count_threads() != 1; k++)
        (void)usleep(1000);
    return count_threads() == 1;
}

/* Takes a MiB of stack: it grows by page faults, and one that may not is a signal, no error. */
static uint32_t take_stack(void) {
    volatile uint8_t stack[1 << 20];
    uint32_t sum = 0;
    for (size_t k = 0; k < sizeof stack; k += 4096)
        stack[k] = 1;
    for (size_t k = 0; k < sizeof stack; k += 4096)
        sum += stack[k];
    return sum;
}

/* Does the work in a child whose addresses may grow by `bytes` from now on. */
static answer under_limit(limited_work *work, uint64_t bytes) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned long long pages = 0;
        FILE *statm = fopen("/proc/self/statm", "r");
        if (take_stack() != 256 || statm == NULL || fscanf(statm, "%llu", &pages) != 1)
            _exit(WRONG);
        (void)fclose(statm);
        const rlim_t most = pages * (uint64_t)sysconf(_SC_PAGESIZE) + bytes;
        const struct rlimit limit = {most, most};
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(WRONG);
        _exit(work());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("killed by signal %d with %llu MiB", WTERMSIG(status),
                 (unsigned long long)(bytes / MIB));
    return (answer)WEXITSTATUS(status);
}

/* Tries the work with ever more room: it is refused until it works, and then works for good. */
static void refused_until_it_works(limited_work *work, uint64_t step, uint64_t most) {
    uint32_t n_refused = 0, n_worked = 0;
    for (uint64_t bytes = 0; bytes <= most; bytes += step) {
        const answer a = under_limit(work, bytes);
        if (a == WRONG)
            fail_msg("a wrong answer with %llu KiB", (unsigned long long)(bytes / 1024));
        n_refused += a == REFUSED;
        n_worked += a == WORKED;
    }
    assert_true(n_refused > 0);
    assert_true(n_worked > 0);
}

static void count_one(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    _Atomic uint64_t *sum = context;
    (void)thread;
    atomic_fetch_add(sum, end - first);
}

/* 16 threads with stacks of their own, and a job for them. */
static answer open_pool(void) {
    dms_arena arena = {0};
    dms_pool *pool = NULL;
    dms_status st = {0};
    _Atomic uint64_t sum = 0;
    const dms_code code = dms_pool_open(&arena, 16, &pool, &st);
    if (code != DMS_OK) {
        const bool is_clean = pool == NULL && is_alone();
        return code == DMS_EINTERNAL && is_clean && st.msg[0] != 0 ? REFUSED : WRONG;
    }
    dms_pool_run(pool, &(dms_pool_job){count_one, &sum, 1000});
    dms_pool_close(pool);
    return sum == 1000 && is_alone() ? WORKED : WRONG;
}

static void a_pool_whose_threads_cannot_be_had_is_refused(void **state) {
    (void)state;
    if (!HAS_LIMITS)
        skip();
    refused_until_it_works(open_pool, 8 * MIB, 480 * MIB);
}

/* A session of four queues and two compute threads; a turn must be right. */
static answer run_session(void) {
    chain_case c;
    dms_session *s = NULL;
    dms_status st = {0};
    const dms_options options = {.threads = 2};
    chain_make(&c);
    dms_code code = dms_session_open(&c.run.plan, ".", &options, &s, &st);
    if (code == DMS_OK) {
        const dms_user_tensor in = run_user(c.x, CHAIN_ROWS), out = run_user(c.y, CHAIN_ROWS);
        code = dms_bind(s, &in, 1, &out, 1, &st);
        chain_fill(&c, 3);
        if (code == DMS_OK)
            code = dms_run(s, &st);
        dms_close(s);
    }
    if (!is_alone())
        return WRONG;
    if (code != DMS_OK) {
        const bool is_known = code == DMS_EINTERNAL || code == DMS_EDEVICE;
        return is_known && st.msg[0] != 0 ? REFUSED : WRONG;
    }
    for (int i = 0; i < CHAIN_ROWS; i++)
        if (c.y[i] != 26.25f * (float)(30 + i))
            return WRONG;
    return WORKED;
}

static void a_session_that_cannot_have_its_memory_or_threads_is_refused(void **state) {
    (void)state;
    if (!HAS_LIMITS)
        skip();
    refused_until_it_works(run_session, 2 * MIB, 480 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_whose_threads_cannot_be_had_is_refused),
        cmocka_unit_test(a_session_that_cannot_have_its_memory_or_threads_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
