/* test_machine_limits.c - how much memory a process may take, by files of a system made up here;
 * and what a session says that wants more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support_run.h"

#define GIB (1ull << 30)

/* A folder that stands for "/". */
typedef struct system_case {
    char root[64];
} system_case;

/* Writes a file, the folders on its way included. */
static void put(const system_case *s, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", s->root, name);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* 8 GiB available, 1 GiB of swap. */
static void begin(system_case *s) {
    strcpy(s->root, "machine.XXXXXX");
    assert_non_null(mkdtemp(s->root));
    put(s, "proc/meminfo",
        "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\nSwapFree:  1048576 kB\n");
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw) {
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

static void end(system_case *s) {
    assert_int_equal(nftw(s->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void without_groups_the_machine_is_the_limit(void **state) {
    (void)state;
    system_case s;
    begin(&s);
    dms_machine m = dms_machine_read(s.root);
    assert_int_equal(m.available_bytes, 8 * GIB);
    assert_int_equal(m.swap_bytes, GIB);
    assert_true(m.limit_bytes == UINT64_MAX && m.left_bytes == UINT64_MAX);
    put(&s, "proc/self/cgroup", "0::/\n");
    put(&s, "sys/fs/cgroup/memory.max", "max\n");
    put(&s, "sys/fs/cgroup/memory.current", "1000\n");
    m = dms_machine_read(s.root);
    assert_true(m.limit_bytes == UINT64_MAX && m.left_bytes == UINT64_MAX);
    m = dms_machine_read("nowhere");
    assert_int_equal(m.available_bytes, 0);
    end(&s);
}

static void page_cache_of_a_container_counts_as_free_and_shared_memory_does_not(void **state) {
    (void)state;
    system_case s;
    begin(&s);
    put(&s, "proc/self/cgroup", "0::/\n");
    put(&s, "sys/fs/cgroup/memory.max", "1000000\n");
    put(&s, "sys/fs/cgroup/memory.current", "700000\n");
    put(&s, "sys/fs/cgroup/memory.stat", "anon 250000\nfile 450000\nshmem 50000\nfile_dirty 7\n");
    dms_machine m = dms_machine_read(s.root);
    assert_int_equal(m.limit_bytes, 1000000);
    assert_int_equal(m.left_bytes, 700000);               /* 1,000,000 - (700,000 - 400,000) */
    put(&s, "sys/fs/cgroup/memory.current", "1500000\n"); /* the limit was lowered */
    m = dms_machine_read(s.root);
    assert_int_equal(m.left_bytes, 0);
    end(&s);
}

static void the_tightest_group_above_counts(void **state) {
    (void)state;
    system_case s;
    begin(&s);
    put(&s, "proc/self/cgroup", "0::/a/b\n");
    put(&s, "sys/fs/cgroup/a/b/memory.max", "9000000\n");
    put(&s, "sys/fs/cgroup/a/b/memory.current", "1000\n");
    put(&s, "sys/fs/cgroup/a/memory.max", "5000000\n");
    put(&s, "sys/fs/cgroup/a/memory.current", "4000000\n");
    const dms_machine m = dms_machine_read(s.root);
    assert_int_equal(m.limit_bytes, 5000000);
    assert_int_equal(m.left_bytes, 1000000);
    end(&s);
}

static void version_1_has_a_tree_of_its_own(void **state) {
    (void)state;
    system_case s;
    begin(&s);
    put(&s, "proc/self/cgroup", "9:name=systemd:/x\n4:memory:/jobs/one\n0::/\n");
    put(&s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(&s, "sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n");
    put(&s, "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "2000000\n");
    put(&s, "sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "500000\n");
    put(&s, "sys/fs/cgroup/memory/jobs/one/memory.stat", "total_cache 100000\ntotal_shmem 0\n");
    dms_machine m = dms_machine_read(s.root);
    assert_int_equal(m.limit_bytes, 2000000);
    assert_int_equal(m.left_bytes, 1600000);
    /* in a container the path is the host's, and only the top is there */
    put(&s, "proc/self/cgroup", "4:memory:/docker/0123\n");
    put(&s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
    m = dms_machine_read(s.root);
    assert_int_equal(m.left_bytes, 3000000 - 5);
    end(&s);
}

static void strange_files_are_no_limit(void **state) {
    (void)state;
    static const char *const strange[] = {
        "", "\n", "::", "0:", "0::", "4:memory", "memory:/x\n", "0::/no/such/group\n"};
    system_case s;
    begin(&s);
    put(&s, "sys/fs/cgroup/memory.max", "what\n");
    put(&s, "sys/fs/cgroup/memory.current", "-1\n");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        put(&s, "proc/self/cgroup", strange[i]);
        assert_true(dms_machine_read(s.root).left_bytes == UINT64_MAX);
    }
    char *deep = malloc(10000);
    (void)snprintf(deep, 10000, "0::/%09900d\n", 0); /* a path that no system has */
    put(&s, "proc/self/cgroup", deep);
    assert_true(dms_machine_read(s.root).left_bytes == UINT64_MAX);
    free(deep);
    end(&s);
}

static void this_machine_has_memory(void **state) {
    (void)state;
    const dms_machine m = dms_machine_read("");
    assert_true(m.available_bytes > 0);
    assert_true(dms_machine_free_bytes() > 0);
    assert_true(dms_machine_peak_rss() > 100000 && dms_machine_peak_rss() < 1000 * GIB);
}

/* What is refused, with its message. */
static void refuses(const dms_plan *plan, dms_machine machine, dms_code code, const char *message) {
    dms_status st = {.msg = ""};
    assert_int_equal(dms_room_check(plan, 1000, &machine, &st), code);
    assert_string_equal(st.msg, message);
}

static void a_plan_that_does_not_fit_names_the_budget_that_would(void **state) {
    (void)state;
    const dms_plan plan = {.device_arena = 5000, .host_arena = 3000, .floor_bytes = 2000};
    const dms_machine free = {9000, 0, UINT64_MAX, UINT64_MAX}; /* 5000 + 3000 + 1000 */
    assert_int_equal(dms_room_check(&plan, 1000, &free, NULL), DMS_OK);
    const dms_machine swap = {6000, 3000, UINT64_MAX, UINT64_MAX};
    assert_int_equal(dms_room_check(&plan, 1000, &swap, NULL), DMS_OK);
    const dms_machine unknown = {0, 0, UINT64_MAX, UINT64_MAX};
    assert_int_equal(dms_room_check(&plan, 1000, &unknown, NULL), DMS_OK);
    refuses(
        &plan, (dms_machine){8999, 0, UINT64_MAX, UINT64_MAX}, DMS_EDEVICE,
        "device arena 5000, host arena 3000 and 1000 bytes beside them do not fit: this machine "
        "has 8999 bytes free: compile with --device-mem 4999");
    refuses(&plan, (dms_machine){90000, 0, 10000, 7000}, DMS_EDEVICE,
            "device arena 5000, host arena 3000 and 1000 bytes beside them do not fit: the "
            "container's limit of 10000 bytes leaves 7000 bytes: compile with --device-mem 3000");
    refuses(&plan, (dms_machine){90000, 0, 6000, 5999}, DMS_EDEVICE,
            "device arena 5000, host arena 3000 and 1000 bytes beside them do not fit: the "
            "container's limit of 6000 bytes leaves 5999 bytes, less than at the model's floor, "
            "--device-mem 2000");
    refuses(
        &plan, (dms_machine){90000, 0, 6000, 3999}, DMS_EBUDGET,
        "the plan's host arena takes 3000 bytes, but the container's limit of 6000 bytes leaves "
        "3999 bytes: compile with --host-mem 0");
    const dms_plan hosted = {.device_arena = 500, .host_arena = 90000};
    refuses(
        &hosted, (dms_machine){10000, 0, UINT64_MAX, UINT64_MAX}, DMS_EBUDGET,
        "the plan's host arena takes 90000 bytes, but this machine has 10000 bytes free: compile "
        "with --host-mem 8500");
}

static void a_session_that_cannot_fit_ends_before_anything_is_loaded(void **state) {
    (void)state;
    run_case r;
    run_init(&r);
    r.plan.device_arena = r.plan.device_budget = 1ull << 55;
    dms_session *s = NULL;
    dms_status st = {0};
    const dms_options options = {.threads = 1};
    assert_int_equal(dms_session_open(&r.plan, ".", &options, &s, &st), DMS_EDEVICE);
    assert_null(s);
    assert_non_null(strstr(st.msg, "compile with --device-mem "));
    r.plan.device_arena = 0;
    r.plan.host_arena = r.plan.host_budget = 1ull << 55;
    assert_int_equal(dms_session_open(&r.plan, ".", &options, &s, &st), DMS_EBUDGET);
    assert_non_null(strstr(st.msg, "compile with --host-mem "));
}

/* y = x w over m rows: 2 m operations, m results, m + 1 + m elements; 4 m bytes of x, 4 of w that
 * lies in the plan, 4 m of y. */
static uint64_t work_of_rows(uint64_t m) {
    return 2 * m + m + (m + 1 + m) + 4 * m + 4 + 4 * m;
}

/* A plan of one step over m rows. */
static void make_step(run_case *r, int64_t m) {
    static const float three = 3;
    run_init(r);
    const uint32_t x = run_tensor(r, "x", DMS_TENSOR_INPUT, m), w = run_weight(r, "w", &three),
                   y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, m);
    const uint32_t bx = run_buffer(r, x, DMS_TIER_DEVICE), bw = run_buffer(r, w, DMS_TIER_DEVICE),
                   by = run_buffer(r, y, DMS_TIER_DEVICE);
    (void)run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, bw);
    (void)run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(r, bx, bw, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(r, &r->cmd[1][DMS_QUEUE_IN][0], DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

static void a_plan_of_more_work_than_the_caller_allows_is_refused(void **state) {
    (void)state;
    run_case r;
    make_step(&r, 100);
    dms_session *s = run_open(&r, (dms_options){.max_work = work_of_rows(100)});
    assert_int_equal(dms_session_info(s).work, work_of_rows(100));
    dms_close(s);
    dms_status st = {0};
    const dms_options options = {.threads = 1, .max_work = work_of_rows(100) - 1};
    assert_int_equal(dms_session_open(&r.plan, ".", &options, &s, &st), DMS_EBUDGET);
    assert_string_equal(st.msg, "the plan takes up to 1305 operations, more than the limit of 1304 "
                                "(dms_options.max_work, --max-work)");
}

/* Sums that leave 64 bits are as much as can be, not little. */
static void work_does_not_wrap_around(void **state) {
    (void)state;
    run_case r;
    make_step(&r, 100);
    r.view[0][0].dim[0] = INT64_MAX; /* x, which repeats: 4 times as many operations */
    r.view[0][0].pitch[0] = 0;
    r.view[0][2].dim[0] = INT64_MAX;
    assert_true(dms_plan_work(&r.plan) == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_of_more_work_than_the_caller_allows_is_refused),
        cmocka_unit_test(work_does_not_wrap_around),
        cmocka_unit_test(without_groups_the_machine_is_the_limit),
        cmocka_unit_test(page_cache_of_a_container_counts_as_free_and_shared_memory_does_not),
        cmocka_unit_test(the_tightest_group_above_counts),
        cmocka_unit_test(version_1_has_a_tree_of_its_own),
        cmocka_unit_test(strange_files_are_no_limit),
        cmocka_unit_test(this_machine_has_memory),
        cmocka_unit_test(a_plan_that_does_not_fit_names_the_budget_that_would),
        cmocka_unit_test(a_session_that_cannot_fit_ends_before_anything_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
