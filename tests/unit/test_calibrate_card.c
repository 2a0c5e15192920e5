/* test_calibrate_card.c - what is measured on a card is what its clock was set to: the fake of
 * tests/cuda tells times to the nanosecond, on whatever machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "planner/profile_read.h"
#include "runtime/calibrate_card.h"
#include "runtime/calibrate_internal.h"
#include "support_cuda.h"

/* ---- two beside each other ----------------------------------------------------------------- */

static void factors_are(int64_t a, int64_t b, int64_t both_a, int64_t both_b, double one,
                        double two) {
    const int64_t alone[2] = {a, b}, both[2] = {both_a, both_b};
    const int64_t alone_back[2] = {b, a}, both_back[2] = {both_b, both_a};
    double factor[2], back[2];
    dms_beside(alone, both, factor);
    dms_beside(alone_back, both_back, back);
    assert_true(factor[0] > one - 1e-9 && factor[0] < one + 1e-9);
    assert_true(factor[1] > two - 1e-9 && factor[1] < two + 1e-9);
    assert_true(back[0] == factor[1] && back[1] == factor[0]);
}

static void what_ends_together_was_slowed_all_the_time(void **state) {
    (void)state;
    factors_are(100, 100, 100, 100, 1, 1);
    factors_are(100, 200, 300, 300, 3, 1.5);
}

/* The second has done 120 / 1.5 = 80 of its 300 when the first ends, and does 220 alone. */
static void what_goes_on_alone_was_slowed_until_then(void **state) {
    (void)state;
    factors_are(100, 300, 120, 340, 1.2, 1.5);
}

/* Faster together than alone is as fast; one that had not begun when the other ended is at the
 * end of the scale. */
static void factors_lie_between_1_and_16(void **state) {
    (void)state;
    factors_are(100, 100, 90, 90, 1, 1);
    factors_are(100, 100, 100, 200, 1, 16);
    factors_are(100, 100, 100, 250, 1, 16);
    factors_are(10, 1000, 400, 1399, 16, 16);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void every_family_has_a_call_for_cards(void **state) {
    (void)state;
    uint32_t n[DMS_N_FAMILIES] = {0};
    for (uint32_t k = 0; k < dms_n_card_shapes; k++) {
        const dms_shape *s = &dms_card_shapes[k];
        dms_view view[DMS_SHAPE_OPERANDS];
        const dms_call call = {s->kernel, s->n_in, 1, s->n_i, s->n_f, view, s->i, s->f};
        dms_status st;
        for (uint32_t i = 0; i <= s->n_in; i++)
            view[i] = dms_shape_view(s, i);
        if (dms_call_check(&call, &st) != DMS_OK)
            fail_msg("shape %u: %s", k, st.msg);
        assert_int_equal(dms_call_family(&call), s->family);
        n[s->family]++;
    }
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        assert_in_range(n[f], 1, 16);
}

/* ---- a card whose clock is known ----------------------------------------------------------- */

static const fake_clock slow = {.in_rate = 10,
                                .out_rate = 8,
                                .memory_rate = 500,
                                .cache_rate = 1000,
                                .f32_rate = 5000,
                                .f16_rate = 20000,
                                .f64_rate = 100,
                                .i8_rate = 40000,
                                .cache_bytes = 5000000,
                                .in_ns = 5000,
                                .out_ns = 7000,
                                .launch_ns = 4000,
                                .wait_ns = 1500,
                                .host_ns = 500000,
                                .extra = {{0, 40, 30}, {20, 0, 500}, {60, 250, 0}}};
static const fake_clock fast = {.in_rate = 55,
                                .out_rate = 52,
                                .memory_rate = 3000,
                                .cache_rate = 9000,
                                .f32_rate = 40000,
                                .f16_rate = 700000,
                                .f64_rate = 20000,
                                .i8_rate = 900000,
                                .cache_bytes = 60000000,
                                .in_ns = 1000,
                                .out_ns = 1200,
                                .launch_ns = 2000,
                                .wait_ns = 600,
                                .host_ns = 100000,
                                .extra = {{0, 10, 0}, {0, 0, 0}, {0, 100, 0}}};

/* A calibration of a fake card, without storage. */
typedef struct card_case {
    fake_cuda *fake;
    dms_arena arena;
    dms_calibration out;
    dms_calibrate_options options;
    dms_status st;
    dms_code code;
} card_case;

static void measure(card_case *c, fake_cuda_options card) {
    const dms_device_options how = {.device_bytes = DMS_CALIBRATE_CARD_BYTES,
                                    .host_bytes = DMS_CALIBRATE_HOST_BYTES,
                                    .threads = 1,
                                    .n_calls = DMS_CALIBRATE_CARD_CALLS,
                                    .n_commands = 1};
    c->fake = fake_cuda_new(&card);
    dms_bench b = {.options = &c->options, .out = &c->out, .arena = &c->arena};
    c->code = fake_cuda_open(c->fake, &how, &c->arena, &b.device, &c->st);
    if (c->code != DMS_OK)
        return;
    c->code = dms_calibrate_card(&b, &c->st);
    b.device->ops->close(b.device);
}

static void end(card_case *c) {
    dms_arena_free(&c->arena);
    cuda_end(c->fake);
}

/* Within a part in `of`. */
static void is_near(const char *what, double got, double want, double of) {
    if (!(got >= want * (1 - 1 / of) && got <= want * (1 + 1 / of)))
        fail_msg("%s: measured %.9g, the card has %.9g", what, got, want);
}

static const dms_figure *figure(const card_case *c, const char *name) {
    for (uint32_t k = 0; k < c->out.n_figures; k++)
        if (strcmp(c->out.figure[k].name, name) == 0)
            return &c->out.figure[k];
    fail_msg("no figure '%s'", name);
    return NULL;
}

static void rates_are(const card_case *c, const fake_clock *clock) {
    const dms_profile *p = &c->out.profile;
    assert_int_equal(p->launch_ns, clock->launch_ns);
    is_near("f32", (double)p->f32_flops, clock->f32_rate * 1e9, 1e4);
    is_near("f16", (double)p->f16_flops, clock->f16_rate * 1e9, 1e4);
    is_near("f64", (double)p->f64_flops, clock->f64_rate * 1e9, 1e4);
    is_near("i8", (double)p->i8_flops, clock->i8_rate * 1e9, 1e3); /* 4 us, in whole ns */
    is_near("memory", (double)p->memory_bytes_per_s, clock->memory_rate * 1e9, 1e4);
    is_near("cache", (double)p->cache_bytes_per_s, clock->cache_rate * 1e9, 300);
    /* a row: 2 operations per weight of 2 bytes, 33.6 MB in all */
    const double rate = clock->cache_bytes > 33600000 ? clock->cache_rate : clock->memory_rate;
    is_near("a row of bf16", figure(c, "bf16 1 x 4096 x 4096")->value, rate, 200);
    is_near("columns", figure(c, "f32 2048 x 4096 x 128")->value, clock->f32_rate, 1e3);
}

/* A wait is part of a copy each way: for room, and of what needs it. */
static void links_are(const card_case *c, const fake_clock *clock, double in_rate) {
    const dms_profile *p = &c->out.profile;
    is_near("in", (double)p->in.bytes_per_s, in_rate * 1e9, 1e4);
    is_near("out", (double)p->out.bytes_per_s, clock->out_rate * 1e9, 1e4);
    is_near("in: latency", (double)p->in.latency_ns, (double)(clock->in_ns + 2 * clock->wait_ns),
            500);
    is_near("out: latency", (double)p->out.latency_ns, (double)(clock->out_ns + 2 * clock->wait_ns),
            500);
}

/* 4 MiB by a function of the host, then by a copy. */
static void pageable_copies_are(const card_case *c, const fake_clock *clock) {
    const double bytes = 4 << 20;
    is_near("in, pageable", figure(c, "in, pageable")->value,
            bytes / ((double)clock->host_ns + (double)clock->in_ns + bytes / clock->in_rate), 1e3);
    is_near("out, pageable", figure(c, "out, pageable")->value,
            bytes / ((double)clock->host_ns + (double)clock->out_ns + bytes / clock->out_rate),
            1e3);
    assert_true(figure(c, "pageable: in beside out")->value >= 1);
    assert_true(figure(c, "pageable: compute beside in")->value >= 1);
    assert_true(figure(c, "pageable: out beside compute")->value >= 1);
}

static void contention_is(const card_case *c, const fake_clock *clock) {
    for (int one = 0; one < 3; one++)
        for (int two = 0; two < 3; two++)
            if (one != two)
                assert_in_range(c->out.profile.contention.extra[one][two] + 1,
                                clock->extra[one][two], clock->extra[one][two] + 2);
}

static void a_card_is_what_its_clock_says(void **state) {
    (void)state;
    static const fake_clock *const clocks[] = {&slow, &fast};
    for (int kind = 0; kind < 4; kind++) {
        const fake_clock *clock = clocks[kind % 2];
        card_case c = {.code = DMS_OK};
        measure(&c, (fake_cuda_options){.clock = clock, .has_no_values = kind >= 2});
        if (c.code != DMS_OK)
            fail_msg("%s", c.st.msg);
        rates_are(&c, clock);
        links_are(&c, clock, clock->in_rate);
        pageable_copies_are(&c, clock);
        contention_is(&c, clock);
        end(&c);
    }
}

/* The largest sum that fits is known, and the sizes beside it: 3.1, 12.6, 25, 50, 101, 805 MB. */
static void the_cache_ends_before_the_first_sum_that_is_slow(void **state) {
    (void)state;
    const uint64_t holds[] = {5000000, 30000000, 60000000, 200000000};
    const uint64_t fits[] = {3u << 20, 24u << 20, 48u << 20, 96u << 20};
    for (int k = 0; k < 4; k++) {
        fake_clock clock = slow;
        card_case c = {.code = DMS_OK};
        clock.cache_bytes = holds[k];
        measure(&c, (fake_cuda_options){.clock = &clock});
        assert_int_equal(c.code, DMS_OK);
        assert_int_equal(c.out.profile.cache_bytes, fits[k]);
        end(&c);
    }
}

/* What bounds a product is its operations: all of its type's rate. */
static void products_and_attention_have_all_of_their_rate(void **state) {
    (void)state;
    card_case c = {.code = DMS_OK};
    measure(&c, (fake_cuda_options){.clock = &slow});
    assert_int_equal(c.code, DMS_OK);
    const dms_family full[] = {DMS_FAMILY_PRODUCT, DMS_FAMILY_CONV, DMS_FAMILY_ATTENTION};
    for (int k = 0; k < 3; k++) {
        const dms_family_cost *cost = &c.out.profile.family[full[k]];
        assert_in_range(cost->share, 990, 1010);
        assert_true(c.out.fit_error[full[k]] < 0.02);
    }
    end(&c);
}

/* 4 MiB twice, counters: copies of the host arena pass through blocks, as those of plans would. */
static void a_host_arena_that_is_not_locked_is_measured_as_it_is(void **state) {
    (void)state;
    card_case c = {.code = DMS_OK};
    measure(&c, (fake_cuda_options){.clock = &slow, .pin_limit = 9u << 20});
    assert_int_equal(c.code, DMS_OK);
    const double bytes = 4 << 20, each = 500000 + 5000 + bytes / 10;
    is_near("in, 16384 KiB", figure(&c, "in, 16384 KiB")->value, bytes / each, 1e3);
    end(&c);
}

/* Every so manieth call fails, once or for good: code 8, in CUDA's words, and nothing is left. */
static void a_card_that_fails_ends_it(void **state) {
    (void)state;
    card_case all = {.code = DMS_OK};
    measure(&all, (fake_cuda_options){.clock = &fast});
    const uint64_t n_calls = fake_cuda_look(all.fake).n_calls;
    end(&all);
    for (uint64_t n = 1555; n < n_calls - 1600; n += n_calls / 12) {
        card_case c = {.code = DMS_OK};
        measure(&c, (fake_cuda_options){
                        .clock = &fast, .fail_call = n, .fail_code = 719, .is_lost = n % 2 == 0});
        if (c.code != DMS_EDEVICE || strstr(c.st.msg, "cudaErrorLaunchFailure") == NULL)
            fail_msg("call %u: code %d, '%s'", (unsigned)n, (int)c.code, c.st.msg);
        end(&c);
    }
}

static void an_interrupt_ends_it(void **state) {
    (void)state;
    const atomic_bool cancel = true;
    card_case c = {.options = {.cancel = &cancel}};
    measure(&c, (fake_cuda_options){.clock = &fast});
    assert_int_equal(c.code, DMS_ECANCELLED);
    end(&c);
}

/* ---- the program --------------------------------------------------------------------------- */

/* Runs dmsrun with a fake card of this kind; its exit code, and what it said. */
static int run(const char *card, const char *words, char *out, size_t size) {
    char command[600];
    (void)snprintf(command, sizeof command,
                   "FAKE_CUDA=%s LD_LIBRARY_PATH=" DMS_BINARY_DIR "/tests/cuda " DMS_BINARY_DIR
                   "/dmsrun %s 2>&1",
                   card, words);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out[fread(out, 1, size - 1, pipe)] = 0;
    return WEXITSTATUS(pclose(pipe));
}

static void a_card_that_is_not_there_is_said_before_anything_is_written(void **state) {
    (void)state;
    char out[2000];
    const char *words = "--calibrate --device cuda --scratch . -o card_case.json";
    assert_int_equal(run("no_driver", words, out, sizeof out), 8);
    assert_string_equal(out, "dmsrun: error: no NVIDIA driver is there: CUDA 13 needs driver 580 "
                             "or newer\n");
    assert_int_equal(run("old_card", words, out, sizeof out), 8);
    assert_non_null(strstr(out, "compute capability 7.5"));
    assert_int_equal(run("free=1000000000", words, out, sizeof out), 8);
    assert_string_equal(out, "dmsrun: error: calibrating takes 1073741824 bytes of a card, cuda:0 "
                             "'fake card' has 1000000000 free of 68719476736\n");
    assert_int_equal(access("card_case.json", F_OK), -1);
    assert_int_equal(run("clock", "--calibrate --device cudax", out, sizeof out), 2);
}

/* All of it, storage of this machine included, in a profile of kind cuda that names the card. */
static void the_program_writes_a_profile_of_the_card(void **state) {
    (void)state;
    char out[20000];
    dms_profile p;
    dms_status st;
    const int code = run("clock", "--calibrate --device cuda:1 --scratch . -o ./card_case.json",
                         out, sizeof out);
    if (code != 0)
        fail_msg("exit code %d: %s", code, out);
    static const char *const SAYS[] = {"bf16 2048 x 4096 x 4096", "in, pageable", "load beside in",
                                       "compute beside load", "\ncuda:1 'fake card', "};
    for (size_t k = 0; k < sizeof SAYS / sizeof *SAYS; k++)
        if (strstr(out, SAYS[k]) == NULL)
            fail_msg("no '%s' in %s", SAYS[k], out);
    if (dms_profile_load("./card_case.json", &p, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    (void)unlink("card_case.json");
    assert_int_equal(p.device_kind, DMS_DEVICE_CUDA);
    assert_int_equal(p.launch_ns, 3000);
    is_near("in", (double)p.in.bytes_per_s, 24e9, 1e3);
    /* 64 GiB less 64 KiB for each stream, of which all but a 32nd */
    assert_int_equal(p.device_bytes, ((64ull << 30) - (3 << 16)) / 32 * 31);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_together_was_slowed_all_the_time),
        cmocka_unit_test(what_goes_on_alone_was_slowed_until_then),
        cmocka_unit_test(factors_lie_between_1_and_16),
        cmocka_unit_test(every_family_has_a_call_for_cards),
        cmocka_unit_test(a_card_is_what_its_clock_says),
        cmocka_unit_test(the_cache_ends_before_the_first_sum_that_is_slow),
        cmocka_unit_test(products_and_attention_have_all_of_their_rate),
        cmocka_unit_test(a_host_arena_that_is_not_locked_is_measured_as_it_is),
        cmocka_unit_test(a_card_that_fails_ends_it),
        cmocka_unit_test(an_interrupt_ends_it),
        cmocka_unit_test(a_card_that_is_not_there_is_said_before_anything_is_written),
        cmocka_unit_test(the_program_writes_a_profile_of_the_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
