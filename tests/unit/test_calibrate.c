/* test_calibrate.c - lines and costs are found again in numbers that were made from them; the
 * program measures, and what it writes is a profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "planner/profile_read.h"
#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"

#define DMSRUN DMS_BINARY_DIR "/dmsrun"
#define DMSC DMS_BINARY_DIR "/dmsc"

/* ---- numbers ------------------------------------------------------------------------------- */

static void a_percentile_is_the_value_that_so_many_do_not_exceed(void **state) {
    (void)state;
    dms_samples s = {5, {50, 10, 40, 20, 30}};
    assert_int_equal(dms_samples_percentile(&s, 50), 30);
    assert_int_equal(dms_samples_percentile(&s, 20), 10);
    assert_int_equal(dms_samples_percentile(&s, 21), 20);
    assert_int_equal(dms_samples_percentile(&s, 99), 50);
    s.n = 0;
    assert_int_equal(dms_samples_percentile(&s, 50), 0);
}

/* 10 20 30 40: the quarters lie at 10 and 30, the median at 20. */
static void spread_is_the_middle_half_over_the_median(void **state) {
    (void)state;
    dms_samples s = {4, {40, 30, 20, 10}}, same = {3, {7, 7, 7}};
    assert_true(dms_samples_spread(&s) == 1.0);
    assert_true(dms_samples_spread(&same) == 0.0);
}

/* ns = 3,000 + bytes / 10 per ns: exactly. */
static void a_link_is_found_again_in_its_times(void **state) {
    (void)state;
    const uint64_t bytes[] = {1000, 10000, 1000000, 16000000};
    const int64_t ns[] = {3100, 4000, 103000, 1603000};
    const dms_link link = dms_fit_link(4, bytes, ns);
    assert_int_equal(link.bytes_per_s, 10000000000);
    assert_int_equal(link.latency_ns, 3000);
}

/* One time 5 % too long moves the line by less. */
static void a_link_withstands_one_late_copy(void **state) {
    (void)state;
    const uint64_t bytes[] = {1000, 10000, 1000000, 16000000};
    const int64_t ns[] = {3100, 4000, 103000, 1683150};
    const dms_link link = dms_fit_link(4, bytes, ns);
    assert_in_range(link.bytes_per_s, 9500000000, 10500000000);
    assert_in_range(link.latency_ns, 2900, 3100);
}

/* Small copies that are faster than large ones (a cache) would ask for less than no latency. */
static void a_latency_is_never_below_zero(void **state) {
    (void)state;
    const uint64_t bytes[] = {1000, 2000};
    const int64_t ns[] = {50, 150};
    const dms_link link = dms_fit_link(2, bytes, ns);
    assert_int_equal(link.latency_ns, 0);
    assert_in_range(link.bytes_per_s, 1000 * 1000000000ll / 75, 2000 * 1000000000ll / 100);
}

static void copies_that_all_take_the_same_are_all_latency(void **state) {
    (void)state;
    const uint64_t bytes[] = {1000, 2000};
    const int64_t ns[] = {500, 500};
    const dms_link link = dms_fit_link(2, bytes, ns);
    assert_int_equal(link.latency_ns, 500);
    assert_true(link.bytes_per_s > 1000000000000000);
}

/* What calls take by costs of 0.8 of 10 flops per ns, 500 ps per result, 20,000 ps per row. */
static dms_observation made(double flops, double results, double rows) {
    return (dms_observation){flops / 8 + results * 0.5 + rows * 20, flops, results, rows};
}

static void a_family_is_found_again_in_its_times(void **state) {
    (void)state;
    const dms_observation o[] = {made(1e6, 1e3, 10), made(1e4, 1e4, 1), made(1e5, 100, 100),
                                 made(1e5, 1e4, 500)};
    double error;
    const dms_family_cost cost = dms_fit_family(4, o, 1e10, &error);
    assert_in_range(cost.share, 799, 801);
    assert_in_range(cost.result_ps, 499, 501);
    assert_in_range(cost.row_ps, 19900, 20100);
    assert_true(error < 0.001);
}

/* A family without operations has what its results take, and the share does not matter. */
static void copies_cost_by_their_results(void **state) {
    (void)state;
    const dms_observation o[] = {{100, 0, 1000, 1}, {1000, 0, 10000, 1}};
    double error;
    const dms_family_cost cost = dms_fit_family(2, o, 1e10, &error);
    assert_int_equal(cost.result_ps, 100);
    assert_int_equal(cost.row_ps, 0);
    assert_true(cost.share > 1000);
}

/* Two calls that no law of this form explains: 1 and 3 ns for the same work. */
static void what_does_not_fit_is_told(void **state) {
    (void)state;
    const dms_observation o[] = {{1000, 1000, 0, 0}, {3000, 1000, 0, 0}};
    double error;
    (void)dms_fit_family(2, o, 1e9, &error);
    assert_true(error > 0.3);
}

/* The same work in 1 and in 9 ns: a cost of 3 is wrong by a factor of 3 both ways. */
static void calls_that_differ_are_met_in_the_middle_of_their_ratio(void **state) {
    (void)state;
    const dms_observation o[] = {{1000, 0, 1000, 0}, {9000, 0, 1000, 0}};
    double error;
    const dms_family_cost cost = dms_fit_family(2, o, 1e9, &error);
    assert_in_range(cost.result_ps, 2900, 3100);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void every_family_has_a_call_and_every_call_is_of_its_family(void **state) {
    (void)state;
    uint32_t n[DMS_N_FAMILIES] = {0};
    for (uint32_t k = 0; k < dms_n_calibrate_shapes; k++) {
        const dms_shape *s = &dms_calibrate_shapes[k];
        dms_view view[DMS_SHAPE_OPERANDS];
        const dms_call call = {s->kernel, s->n_in, 1, s->n_i, s->n_f, view, s->i, s->f};
        dms_status st;
        for (uint32_t i = 0; i <= s->n_in; i++)
            view[i] = dms_shape_view(s, i);
        if (dms_call_check(&call, &st) != DMS_OK)
            fail_msg("shape %u: %s", k, st.msg);
        assert_int_equal(dms_call_family(&call), s->family);
        assert_true(dms_call_runs_on_cpu(&call));
        n[s->family]++;
    }
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        assert_in_range(n[f], 1, 16);
}

/* ---- the program --------------------------------------------------------------------------- */

typedef struct calibrate_case {
    char dir[64], profile[100], out[20000], err[2000];
} calibrate_case;

static void begin(calibrate_case *c) {
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "calibrate.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    (void)snprintf(c->profile, sizeof c->profile, "%s/here.json", c->dir);
}

static uint32_t n_files(const calibrate_case *c) {
    DIR *dir = opendir(c->dir);
    uint32_t n = 0;
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static void end(calibrate_case *c) {
    (void)unlink(c->profile);
    assert_int_equal(rmdir(c->dir), 0); /* nothing else was left */
}

static void slurp(const char *command, char *out, size_t size, int *out_status) {
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out[fread(out, 1, size - 1, pipe)] = 0;
    *out_status = WEXITSTATUS(pclose(pipe));
}

/* Runs dmsrun; its exit code, and both outputs in c->out. */
static int run(calibrate_case *c, const char *words) {
    char command[500];
    int status;
    (void)snprintf(command, sizeof command, DMSRUN " %s 2>&1", words);
    slurp(command, c->out, sizeof c->out, &status);
    return status;
}

static void refused(const char *words, int code, const char *says) {
    calibrate_case c;
    begin(&c);
    assert_int_equal(run(&c, words), code);
    if (strstr(c.out, says) == NULL)
        fail_msg("'%s' does not say '%s'", c.out, says);
    end(&c);
}

static void options_belong_together(void **state) {
    (void)state;
    refused("--calibrate x.plan", 2, "runs no plan");
    refused("x.plan -o p.json", 2, "belong to --calibrate");
    refused("x.plan --scratch .", 2, "belong to --calibrate");
    refused("--calibrate -o profile", 2, "ends in .json");
}

static void folders_that_cannot_be_written_end_it_at_once(void **state) {
    (void)state;
    refused("--calibrate --scratch /not/there", 4, "/not/there");
    refused("--calibrate --scratch /proc", 4, "/proc");
    refused("--calibrate -o /not/there/p.json", 4, "/not/there");
}

/* A limit on the size of files stands for a disk that is full: the file of 256 MiB does not fit. */
static void no_space_is_a_file_error_and_leaves_nothing(void **state) {
    (void)state;
    calibrate_case c;
    char command[600];
    int status;
    begin(&c);
    (void)snprintf(command, sizeof command,
                   "sh -c \"trap '' XFSZ; ulimit -f 1000; exec " DMSRUN
                   " --calibrate --scratch %s -o %s\" 2>&1",
                   c.dir, c.profile);
    slurp(command, c.out, sizeof c.out, &status);
    assert_int_equal(status, 4);
    assert_non_null(strstr(c.out, c.dir));
    assert_int_equal(n_files(&c), 0);
    end(&c);
}

static void links_and_rates_are_positive(const dms_profile *p) {
    const dms_link *const links[] = {&p->in, &p->out, &p->load, &p->store};
    for (size_t i = 0; i < 4; i++)
        assert_true(links[i]->bytes_per_s > 1000000 && links[i]->latency_ns >= 0);
    assert_true(p->in.latency_ns > 1000 && p->out.latency_ns > 1000); /* two sleepers are woken */
    assert_true(p->f32_flops > 10000000 && p->f16_flops > 10000000);
    assert_true(p->f64_flops > 10000000 && p->i8_flops > 10000000);
    assert_true(p->memory_bytes_per_s > 10000000 && p->launch_ns > 0 && p->lead_ns > 0);
    assert_true(p->cache_bytes > 0 && p->cache_bytes_per_s > 10000000);
    assert_true(p->device_bytes > 0 && p->host_bytes > 0);
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        assert_true(p->family[f].share > 0);
}

/* Everything is measured once: the slowest test of this file, below 20 s on a quiet machine. */
static void what_is_measured_is_a_profile_that_dmsc_plans_with(void **state) {
    (void)state;
    calibrate_case c;
    dms_profile p;
    dms_status st;
    char words[300];
    begin(&c);
    (void)snprintf(words, sizeof words, "--calibrate --threads 1 --scratch %s -o %s", c.dir,
                   c.profile);
    const int code = run(&c, words);
    if (code != 0)
        fail_msg("exit code %d: %s", code, c.out);
    assert_int_equal(n_files(&c), 1); /* the profile; the file that was read is gone */
    static const char *const SAYS[] = {
        "f32",   "sums over",         "launch",    "in, 1024 KiB",        "load, 4096 KiB",
        "store", "compute beside in", "attention", "hand-over, both ways"};
    for (size_t i = 0; i < sizeof SAYS / sizeof SAYS[0]; i++)
        if (strstr(c.out, SAYS[i]) == NULL)
            fail_msg("no '%s' in %s", SAYS[i], c.out);
    if (dms_profile_load(c.profile, &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_string_equal(p.name, "here");
    links_and_rates_are_positive(&p);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_the_value_that_so_many_do_not_exceed),
        cmocka_unit_test(spread_is_the_middle_half_over_the_median),
        cmocka_unit_test(a_link_is_found_again_in_its_times),
        cmocka_unit_test(a_link_withstands_one_late_copy),
        cmocka_unit_test(a_latency_is_never_below_zero),
        cmocka_unit_test(copies_that_all_take_the_same_are_all_latency),
        cmocka_unit_test(a_family_is_found_again_in_its_times),
        cmocka_unit_test(copies_cost_by_their_results),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(calls_that_differ_are_met_in_the_middle_of_their_ratio),
        cmocka_unit_test(every_family_has_a_call_and_every_call_is_of_its_family),
        cmocka_unit_test(options_belong_together),
        cmocka_unit_test(folders_that_cannot_be_written_end_it_at_once),
        cmocka_unit_test(no_space_is_a_file_error_and_leaves_nothing),
        cmocka_unit_test(what_is_measured_is_a_profile_that_dmsc_plans_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
