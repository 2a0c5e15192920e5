/* test_interrupt.c - a signal while dmsc plans: at once, with its exit code, and nothing written.
 *
 * dmsc draws its progress where stderr is a terminal, so it gets one: what stands there says that
 * the placement had begun when the signal was sent, and that it had not ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support_onnx.h"
#include "support_rounds.h"

#define PROGRAM DMS_BINARY_DIR "/dmsc"
#define PLACES "3/8 place"
#define EMITS "4/8 emit"
#define DRAWS "7/8 draw"
#define WRITES "8/8 write"
#define LONGEST_S 120.0 /* of any wait: a test that hangs fails */
#define MOST_S 1.0      /* of processor time after a signal */

/* A dmsc that runs, and what its terminal shows. */
typedef struct planning {
    onnx_case onnx;
    pid_t child;
    int terminal;
    char shown[4096];
    size_t n_shown;
} planning;

static double now_s(void) {
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A number in 0..n-1. */
static uint32_t draw(uint64_t *random, uint32_t n) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

/* A model of `n` products on disk; skips the test where the machine has no terminals (a chroot
 * without /dev/pts). */
static void planning_begin(planning *p, uint32_t n) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const bool is_usable = terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0;
    if (terminal >= 0)
        assert_int_equal(close(terminal), 0);
    if (!is_usable)
        skip();
    memset(p, 0, sizeof *p);
    onnx_begin(&p->onnx, 17);
    onnx_products(&p->onnx, n, 1);
    size_t size;
    const uint8_t *model = onnx_encode(&p->onnx, &size);
    (void)onnx_file(&p->onnx, "large.onnx", model, size);
}

/* Starts dmsc with a terminal of its own; `option` may be NULL, and `value` too. */
static void planning_start(planning *p, const char *option, const char *value) {
    p->n_shown = 0;
    p->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(p->terminal >= 0);
    assert_int_equal(grantpt(p->terminal), 0);
    assert_int_equal(unlockpt(p->terminal), 0);
    const char *name = ptsname(p->terminal);
    assert_non_null(name);
    p->child = fork();
    assert_true(p->child >= 0);
    if (p->child == 0) {
        const int end = open(name, O_RDWR | O_NOCTTY);
        if (end < 0 || dup2(end, STDERR_FILENO) < 0 || chdir(p->onnx.folder) != 0 ||
            freopen("/dev/null", "wb", stdout) == NULL)
            _exit(99);
        execl(PROGRAM, "dmsc", "large.onnx", "-o", "p.plan", "--json", "out.json", "--profile",
              "h100-pcie", "--device-mem", "20%", option, value, (char *)NULL);
        _exit(98);
    }
}

/* Reads what the terminal shows for at most `seconds`, or until it shows `text`. */
static bool planning_shows(planning *p, const char *text, double seconds) {
    const double until = now_s() + seconds;
    for (;;) {
        p->shown[p->n_shown] = 0;
        if (text != NULL && strstr(p->shown, text) != NULL)
            return true;
        const double left = until - now_s();
        struct pollfd wait = {.fd = p->terminal, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)(left * 1000) + 1) <= 0)
            return false;
        const ssize_t n =
            read(p->terminal, p->shown + p->n_shown, sizeof p->shown - 1 - p->n_shown);
        if (n <= 0)
            return false; /* its other end is closed: dmsc has ended */
        p->n_shown += (size_t)n;
    }
}

/* Processor time that dmsc has taken so far. */
static double used_s(const planning *p) {
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)p->child);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = 0;
    const char *rest = strrchr(text, ')');
    assert_non_null(rest);
    assert_int_equal(
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Waits for the end; returns the exit code, -1 where a signal ended it. */
static int planning_wait(planning *p, double *out_used_s) {
    struct rusage usage;
    int status = 0;
    const double limit = now_s() + LONGEST_S;
    (void)planning_shows(p, NULL, LONGEST_S);
    if (now_s() >= limit)
        (void)kill(p->child, SIGKILL);
    assert_int_equal(close(p->terminal), 0);
    assert_int_equal(wait4(p->child, &status, 0, &usage), p->child);
    *out_used_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
                  (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void path_of(const planning *p, const char *name, char out[200]) {
    (void)snprintf(out, 200, "%.64s/%s", p->onnx.folder, name);
}

static const char *const RESULTS[] = {"p.plan", "out.json", "curve.csv"};

/* Plans in peace: all results are there. Returns its processor time, and removes them. */
static double planning_lasts(planning *p) {
    double used;
    char path[200];
    planning_start(p, NULL, NULL);
    assert_int_equal(planning_wait(p, &used), DMS_OK);
    assert_non_null(strstr(p->shown, EMITS));
    for (size_t i = 0; i < 2; i++) { /* a curve is not asked for */
        path_of(p, RESULTS[i], path);
        assert_int_equal(unlink(path), 0);
    }
    return used;
}

/* Sends a signal `after` seconds of processor time behind the begin of what is shown as `stage`,
 * before the `next` one, and allows `most` for the end. */
static void strike_in(planning *p, const char *stage, const char *next, int number, double after,
                      double most) {
    char path[200];
    double all;
    assert_true(planning_shows(p, stage, LONGEST_S));
    const double began = used_s(p), limit = now_s() + LONGEST_S;
    while (used_s(p) < began + after && now_s() < limit)
        assert_false(planning_shows(p, next, 0.02));
    const double used = used_s(p);
    assert_int_equal(kill(p->child, number), 0);
    assert_int_equal(planning_wait(p, &all), DMS_ECANCELLED);
    assert_null(strstr(p->shown, next)); /* it had not ended */
    assert_non_null(strstr(p->shown, "dmsc: error: interrupted"));
    if (all - used >= most)
        fail_msg("%.2f s of work after the signal, allowed are %.2f", all - used, most);
    for (size_t i = 0; i < sizeof RESULTS / sizeof RESULTS[0]; i++) {
        path_of(p, RESULTS[i], path);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void strike(planning *p, const char *option, int number, double after, double most) {
    planning_start(p, option, NULL);
    strike_in(p, PLACES, EMITS, number, after, most);
}

/* The search is random, yet the same in every run; so are the moments, in the first 60 % of all
 * that dmsc does. What it would do until the end of the placement takes longer than is allowed. */
static void a_signal_in_the_search_ends_it_at_once(void **state) {
    (void)state;
    planning it, *p = &it;
    uint64_t random = 9;
    planning_begin(p, ROUNDS_OF(600, 150));
    const double whole = planning_lasts(p), tenth = 0.1 * whole;
    for (int i = 0; i < ROUNDS_OF(4, 2); i++)
        strike(p, NULL, i % 2 == 0 ? SIGINT : SIGTERM, whole * (0.1 + 0.01 * draw(&random, 50)),
               tenth < MOST_S ? tenth : MOST_S);
    onnx_end(&p->onnx);
}

/* The full integer program comes after all else and takes minutes: what still runs when three times
 * as long has passed as without it is in lp_solve. */
static void a_signal_in_the_integer_program_ends_it_at_once(void **state) {
    (void)state;
    planning it, *p = &it;
    planning_begin(p, ROUNDS_OF(60, 30));
    const double whole = planning_lasts(p);
    for (int i = 0; i < 3; i++)
        strike(p, "--exact", i == 1 ? SIGTERM : SIGINT, (3 + i) * whole, MOST_S);
    onnx_end(&p->onnx);
}

/* Views that take long are drawn before the plan and the other views are written. */
static void a_signal_in_the_curve_leaves_no_plan_and_no_view(void **state) {
    (void)state;
    planning it, *p = &it;
    planning_begin(p, ROUNDS_OF(200, 40));
    for (int i = 0; i < 3; i++) {
        planning_start(p, "--curve", "curve.csv");
        strike_in(p, DRAWS, WRITES, i == 1 ? SIGTERM : SIGINT, 0.05 * (1 + i), MOST_S);
    }
    onnx_end(&p->onnx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_in_the_search_ends_it_at_once),
        cmocka_unit_test(a_signal_in_the_integer_program_ends_it_at_once),
        cmocka_unit_test(a_signal_in_the_curve_leaves_no_plan_and_no_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
