/* test_place_storage.c - homes on host and storage, the ring between them, by hand and by brute
 * force. A unit is 256 bytes, a page of the ring 16 units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "planner/placer.h"
#include "support_problem.h"
#include "support_rounds.h"

#define PAGE 16

/* A problem as a cycle, with a draft that keeps nothing yet. */
typedef struct homes_case {
    problem_case c;
    dms_cycle cycle;
    dms_work work;
    dms_draft draft;
} homes_case;

/* Compiles what was added, for a host of `host` units. */
static void homes_begin(homes_case *h, int64_t host) {
    dms_status st;
    if (dms_cycle_build(&h->c.problem, &h->c.arena, &h->cycle, &st) != DMS_OK ||
        dms_work_new(&h->cycle, &h->c.arena, &h->work, &st) != DMS_OK ||
        dms_draft_new(&h->cycle, &h->c.arena, &h->draft, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    h->cycle.host_units = host;
}

/* A weight of `units` used by step t alone, dense in its file. */
static uint32_t stored(problem_case *c, uint64_t units, uint32_t t) {
    const uint32_t id = problem_once(c, DMS_PROBLEM_WEIGHT, units, t);
    c->problem.tensors[id].storage_bytes = units * UNIT;
    return id;
}

/* Weights of these units, one for each step. */
static void weights(problem_case *c, uint32_t n, const uint64_t *units) {
    problem_begin(c, n, 10);
    for (uint32_t t = 0; t < n; t++)
        (void)stored(c, units[t], t);
}

static void with_room_for_every_home_nothing_is_read(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 4, (const uint64_t[]){16, 32, 48, 64});
    homes_begin(&h, 160);
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 0);
    assert_int_equal(h.draft.ring_units, 0);
    assert_int_equal(dms_homes_bytes(&h.cycle, &h.draft), 160 * UNIT);
    h.cycle.host_units = 159;
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_true(h.draft.n_read > 0);
    assert_true(dms_homes_bytes(&h.cycle, &h.draft) <= 159 * UNIT);
    problem_end(&h.c);
}

static void homes_on_the_host_are_spread_over_the_cycle(void **state) {
    (void)state;
    /* eight weights of a page; six pages: two for the ring, so every other one has its home */
    homes_case h;
    weights(&h.c, 8, (const uint64_t[]){16, 16, 16, 16, 16, 16, 16, 16});
    homes_begin(&h, 6 * PAGE);
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 4);
    assert_int_equal(h.draft.ring_units, 2 * PAGE);
    for (uint32_t i = 0; i + 1 < 8; i++)
        assert_true(h.draft.is_read[i] != h.draft.is_read[i + 1]);
    assert_int_equal(dms_homes_bytes(&h.cycle, &h.draft), 6 * PAGE * UNIT);
    problem_end(&h.c);
}

static void a_kept_weight_needs_no_home(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 4, (const uint64_t[]){16, 16, 16, 16});
    homes_begin(&h, 2 * PAGE);
    h.draft.keep[1] = h.draft.keep[3] = 1;
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 0);
    assert_int_equal(h.draft.home_units, 2 * PAGE);
    problem_end(&h.c);
}

static void what_no_file_holds_has_its_home_on_the_host(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 5, (const uint64_t[]){16, 16, 16, 16, 16});
    h.c.problem.tensors[2].storage_bytes = 0;
    homes_begin(&h, 3 * PAGE);
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 4);
    assert_int_equal(h.draft.is_read[2], 0);
    h.cycle.host_units = 3 * PAGE - 1;
    assert_false(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    problem_end(&h.c);
}

static void what_is_dear_to_read_comes_first_into_the_host(void **state) {
    (void)state;
    /* weight 3 takes four times as long to read as its size says; two places, one home */
    homes_case h;
    weights(&h.c, 6, (const uint64_t[]){16, 16, 16, 16, 16, 16});
    h.c.problem.tensors[3].storage_bytes *= 4;
    homes_begin(&h, 3 * PAGE);
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 5);
    assert_int_equal(h.draft.is_read[3], 0);
    problem_end(&h.c);
}

static void a_few_large_weights_do_not_set_the_ring(void **state) {
    (void)state;
    /* 160 and five pages: a ring for the large one alone would be 320; it gets a home instead */
    homes_case h;
    weights(&h.c, 6, (const uint64_t[]){16, 16, 160, 16, 16, 16});
    homes_begin(&h, 160 + 2 * PAGE);
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.is_read[2], 0);
    assert_int_equal(h.draft.n_read, 5);
    assert_int_equal(h.draft.ring_units, 2 * PAGE);
    h.cycle.host_units--;
    assert_false(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    problem_end(&h.c);
}

static void a_ring_that_does_not_fit_is_as_small_as_can_be(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 6, (const uint64_t[]){16, 16, 16, 16, 16, 16});
    homes_begin(&h, 4 * PAGE);
    h.draft.wish = (dms_ring_size){3 * PAGE, 3 * PAGE, false};
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.ring_units, 3 * PAGE);
    assert_int_equal(h.draft.n_read, 5);
    h.draft.wish = (dms_ring_size){100 * PAGE, 100 * PAGE, false};
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.ring_units, 2 * PAGE);
    assert_int_equal(h.draft.n_read, 4);
    problem_end(&h.c);
}

static void what_is_larger_than_the_ring_has_its_home_on_the_host(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 6, (const uint64_t[]){16, 16, 160, 16, 16, 16});
    homes_begin(&h, 160 + 4 * PAGE);
    h.draft.wish = (dms_ring_size){3 * PAGE, 3 * PAGE, false};
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.is_read[2], 0);
    assert_int_equal(h.draft.ring_units, 3 * PAGE); /* and one home beside the large one */
    assert_int_equal(h.draft.n_read, 4);
    problem_end(&h.c);
}

static void a_fine_wish_reads_the_large_blocks_and_pays_fewer_latencies(void **state) {
    (void)state;
    /* A reading takes 2 ns and 1 ns for each unit: 66 ns for 64 units, 4 * 18 for four times 16.
     * Beside the ring are homes for half of the bytes: for half of both sizes, since to within a
     * quarter a byte of them takes as long, or for all small ones. */
    homes_case h;
    weights(&h.c, 10, (const uint64_t[]){64, 64, 16, 16, 16, 16, 16, 16, 16, 16});
    h.c.problem.load = (dms_link){UNIT * 1000000000ll, 2};
    homes_begin(&h, 80 + 128);
    h.draft.wish = (dms_ring_size){80, 64, false};
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 5);
    assert_int_equal(h.draft.is_read[0], 0);
    assert_int_equal(h.draft.read_ns, 66 + 4 * 18);
    h.draft.wish.is_fine = true;
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 2);
    assert_int_equal(h.draft.is_read[0], 1);
    assert_int_equal(h.draft.read_ns, 2 * 66);
    problem_end(&h.c);
}

static void storage_is_busy_reading_and_waits_where_the_ring_has_no_second_place(void **state) {
    (void)state;
    /* A unit takes 1 ns to read and 1 ns to copy. All are read: 5 * 16 + 64 ns; on an average they
     * have 28 units. Beside the 64 that is too much for a ring of 80: its copy is waited for. */
    homes_case h;
    weights(&h.c, 5, (const uint64_t[]){16, 16, 64, 16, 16});
    h.c.problem.load = (dms_link){UNIT * 1000000000ll, 0};
    homes_begin(&h, 80);
    h.draft.wish = (dms_ring_size){80, 64, false};
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.n_read, 5);
    assert_int_equal(h.draft.read_ns, 4 * 16 + 64);
    assert_int_equal(h.draft.wait_ns, 64);
    h.draft.wish.units = h.cycle.host_units = 96;
    assert_true(dms_homes_choose(&h.cycle, &h.work, &h.draft));
    assert_int_equal(h.draft.read_ns, 4 * 16 + 64);
    assert_int_equal(h.draft.wait_ns, 0);
    problem_end(&h.c);
}

/* All weights read, queue in order of steps. */
static void read_all(homes_case *h, int64_t ring) {
    h->draft.n_loads = h->draft.n_read = h->cycle.n_gaps;
    h->draft.ring_units = ring;
    for (uint32_t g = 0; g < h->cycle.n_gaps; g++) {
        h->draft.load[g] = g;
        h->draft.is_read[h->cycle.gap[g].tensor] = 1;
    }
}

static void readings_go_round_the_ring(void **state) {
    (void)state;
    /* five of one page in two places:   0 1 | 2 3 | 4     0 waits for 4, 1 for 3 of the turn before
     */
    const int64_t offset[] = {0, PAGE, 0, PAGE, 0};
    const int32_t after[] = {4 - 5, 3 - 5, 0, 1, 2};
    homes_case h;
    weights(&h.c, 5, (const uint64_t[]){16, 16, 16, 16, 16});
    homes_begin(&h, 100);
    read_all(&h, 2 * PAGE);
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    for (uint32_t q = 0; q < 5; q++) {
        assert_int_equal(h.work.ring_offset[q], offset[q]);
        assert_int_equal(h.work.read_after[q], after[q]);
    }
    problem_end(&h.c);
}

static void a_ring_for_all_readings_waits_for_the_turn_before_alone(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 3, (const uint64_t[]){16, 40, 16});
    homes_begin(&h, 100);
    read_all(&h, 5 * PAGE);
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    for (uint32_t q = 0; q < 3; q++)
        assert_int_equal(h.work.read_after[q], (int32_t)q - 3);
    assert_int_equal(h.work.ring_offset[2], 4 * PAGE);
    problem_end(&h.c);
}

static void in_a_small_ring_no_reading_waits_for_its_neighbour(void **state) {
    (void)state;
    /* Places of three and of two pages in a ring of five. In laps from the bottom 3 would wait for
     * 2: | 0 0 0 1 1 | 2 2 . 3 3 3 | does not fit. By turns at the two ends each waits for the last
     * but one. */
    const int64_t offset[] = {0, 3, 0, 2, 0, 3}; /* pages */
    homes_case h;
    weights(&h.c, 6, (const uint64_t[]){48, 32, 32, 48, 32, 32});
    homes_begin(&h, 1000);
    read_all(&h, 5 * PAGE);
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    for (int32_t q = 0; q < 6; q++) {
        assert_int_equal(h.work.ring_offset[q], offset[q] * PAGE);
        assert_int_equal(h.work.read_after[q], q - 2);
    }
    problem_end(&h.c);
}

static void a_ring_of_many_places_for_most_blocks_is_filled_in_laps(void **state) {
    (void)state;
    /* Less than two places of the large one, but four and more of all others: 0 to 2 lie one behind
     * the other, and none of them waits in this turn. */
    homes_case h;
    weights(&h.c, 7, (const uint64_t[]){16, 16, 16, 16, 16, 16, 48});
    homes_begin(&h, 1000);
    read_all(&h, 5 * PAGE);
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    for (int32_t q = 0; q < 3; q++) {
        assert_int_equal(h.work.ring_offset[q], q * PAGE);
        assert_true(h.work.read_after[q] < 0);
    }
    problem_end(&h.c);
}

static void the_top_of_a_ring_that_ends_within_a_page_is_a_page(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 4, (const uint64_t[]){16, 16, 16, 16});
    homes_begin(&h, 1000);
    read_all(&h, 2 * PAGE + 5);
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    assert_int_equal(h.work.ring_offset[1], PAGE);
    problem_end(&h.c);
}

static void only_what_is_read_has_a_place(void **state) {
    (void)state;
    homes_case h;
    weights(&h.c, 4, (const uint64_t[]){16, 16, 16, 16});
    homes_begin(&h, 100);
    read_all(&h, 2 * PAGE);
    h.draft.is_read[1] = 0;
    dms_ring_place(&h.cycle, &h.work, &h.draft);
    assert_int_equal(h.work.read_after[1], DMS_NOT_READ);
    assert_int_equal(h.work.ring_offset[2], PAGE);
    assert_int_equal(h.work.read_after[3], 0);
    problem_end(&h.c);
}

/* The last load before load q, in this turn or the one before, that lies where it lands. */
static int32_t last_there(const homes_case *h, uint32_t q) {
    const int32_t n = (int32_t)h->draft.n_loads;
    const int64_t *offset = h->work.ring_offset;
    for (int32_t k = (int32_t)q - 1; k >= -n; k--) {
        const uint32_t at = (uint32_t)(k < 0 ? k + n : k);
        const uint32_t id = h->cycle.gap[h->draft.load[at]].tensor;
        const uint32_t own = h->cycle.gap[h->draft.load[q]].tensor;
        if (h->draft.is_read[id] && offset[at] < offset[q] + h->cycle.place_units[own] &&
            offset[q] < offset[at] + h->cycle.place_units[id])
            return k;
    }
    return -n;
}

static void a_reading_waits_for_the_last_copy_out_of_its_place_and_no_other(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        homes_case h;
        const uint32_t n = 3 + (uint32_t)seed % 40;
        int64_t largest = 0;
        problem_begin(&h.c, n, 10);
        h.c.random = seed;
        for (uint32_t t = 0; t < n; t++)
            (void)stored(&h.c, 1 + problem_draw(&h.c, 100), t);
        homes_begin(&h, 100);
        for (uint32_t i = 0; i < n; i++)
            if (h.cycle.place_units[i] > largest)
                largest = h.cycle.place_units[i];
        read_all(&h, largest * (2 + problem_draw(&h.c, 5)));
        for (uint32_t i = 0; i < n; i++)
            h.draft.is_read[i] = i == 0 || problem_draw(&h.c, 4) > 0;
        dms_ring_place(&h.cycle, &h.work, &h.draft);
        for (uint32_t q = 0; q < n; q++) {
            if (!h.draft.is_read[q])
                continue;
            assert_int_equal(h.work.ring_offset[q] % PAGE, 0);
            assert_in_range(h.work.ring_offset[q] + h.cycle.place_units[q], 1, h.draft.ring_units);
            assert_int_equal(h.work.read_after[q], last_there(&h, q));
        }
        problem_end(&h.c);
    }
}

static void the_host_floor_is_two_places_or_less(void **state) {
    (void)state;
    const struct {
        uint64_t units[5], floor;
    } cases[] = {
        {{160, 128, 96, 16, 16}, 320},  /* two places of the largest */
        {{160, 16, 16, 16, 16}, 192},   /* a home for the large one, two places for the rest */
        {{160, 128, 16, 16, 16}, 320},  /* two homes and two places are the same here */
        {{160, 128, 1, 1, 1}, 291},     /* all homes: small ones would need whole pages */
        {{160, 150, 150, 150, 1}, 320}, /* one home would cost more than it saves */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem_case c;
        weights(&c, 5, cases[i].units);
        dms_place_options options = {.device_budget = 160 * UNIT, .host_budget = 0};
        assert_int_equal(problem_floors(&c, &options).host_bytes, cases[i].floor * UNIT);
        options.host_budget = cases[i].floor * UNIT;
        assert_true(problem_place_with(&c, &options).host_bytes <= options.host_budget);
        problem_end(&c);
    }
}

static void at_the_host_floor_there_is_a_plan_and_below_it_none(void **state) {
    (void)state;
    uint32_t n_read = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(60, 8); seed++) {
        problem_case c;
        dms_decision d;
        dms_place_floor floor;
        dms_status st;
        problem_random(&c, seed, 6 + (uint32_t)seed % 20);
        problem_store(&c);
        dms_place_options options = {.device_budget = (problem_floor(&c) + 7 * seed) * UNIT,
                                     .host_budget = 0,
                                     .ring_blocks = (uint32_t)seed % 3};
        options.host_budget = problem_floors(&c, &options).host_bytes;
        n_read += problem_place_with(&c, &options).n_read;
        if (options.host_budget > 0) {
            options.host_budget--;
            assert_int_equal(dms_place(&c.problem, &options, &c.arena, &d, &floor, &st),
                             DMS_EBUDGET);
            assert_int_equal(floor.host_bytes, options.host_budget + 1);
        }
        problem_end(&c);
    }
    assert_true(n_read > ROUNDS_OF(30, 4));
}

static void the_storage_sets_the_pace_where_it_is_slow(void **state) {
    (void)state;
    /* Six weights of 64 units, steps of 10 ns, 64 ns to read one and 64 to copy it. The device holds
     * three, the host two places of the ring: three or four are read in every turn. */
    problem_case c;
    weights(&c, 6, (const uint64_t[]){64, 64, 64, 64, 64, 64});
    const dms_place_options options = {.device_budget = 192 * UNIT, .host_budget = 128 * UNIT};
    for (int64_t slower = 1; slower <= 8; slower *= 2) {
        c.problem.load.bytes_per_s = UNIT * 1000000000ll / slower;
        const dms_decision d = problem_place_with(&c, &options);
        assert_in_range(d.n_read, 3, 4);
        assert_in_range(d.period_ns, 3 * 64 * slower, 4 * 64 * slower + 128);
        /* two blocks stay beside a third that comes and goes, and there are two homes */
        assert_in_range(d.bound_ns, 127 * slower, d.period_ns);
    }
    problem_end(&c);
}

static void blocks_that_are_due_one_right_after_the_other_stay(void **state) {
    (void)state;
    /* Sixty steps of 100 ns, blocks of 32 units and, of columns, of 48; then twelve steps of 1 ns with
     * 24 units each. Storage takes 128, 384 and 152 ns for one of each. By the time of a byte the 48
     * are to stay on either side; but twelve readings of the last take 1,824 ns, in which 12 ns pass.
     * With them on the device in place of six of the 48 hardly anything waits. */
    problem_case c;
    problem_begin(&c, 72, 100);
    for (uint32_t t = 0; t < 72; t++) {
        const uint32_t id = stored(&c, t >= 60 ? 24 : t % 2 ? 48 : 32, t);
        if (t >= 60) {
            c.problem.steps[t].ns = 1;
            c.problem.tensors[id].storage_bytes = 38 * UNIT;
        } else if (t % 2 == 1) {
            c.problem.tensors[id].storage_bytes = 96 * UNIT;
            c.problem.steps[t].scratch_bytes = 200 * UNIT;
        }
    }
    c.problem.load.bytes_per_s = UNIT * 250000000ll;
    const dms_place_options options = {
        .device_budget = 719 * UNIT, .host_budget = 1096 * UNIT, .without_search = true};
    const dms_decision d = problem_place_with(&c, &options);
    assert_int_equal(d.compute_ns, 6012);
    assert_true(d.n_read > 12);
    assert_in_range(d.period_ns, 6012, 6012 * 103 / 100);
    problem_end(&c);
}

/* Five steps of 10 ns, weights of 64 units for steps 1 to 3, 4 ns to read a unit; both sides have
 * 128 units. */
static int64_t bound_with_activation(uint64_t units) {
    problem_case c;
    problem_begin(&c, 5, 10);
    for (uint32_t t = 1; t < 4; t++)
        (void)stored(&c, 64, t);
    if (units > 0)
        (void)problem_add(&c, DMS_PROBLEM_ACTIVATION, units, 2, (const uint32_t[]){0, 4});
    c.problem.load.bytes_per_s = UNIT * 250000000ll;
    const dms_place_options options = {.device_budget = 128 * UNIT, .host_budget = 128 * UNIT};
    const dms_decision d = problem_place_with(&c, &options);
    assert_true(d.bound_ns <= d.period_ns);
    problem_end(&c);
    return d.bound_ns;
}

static void an_activation_that_is_away_is_on_the_host(void **state) {
    (void)state;
    /* Beside what a step uses, 192 units are left for what stays and for homes. An activation of 64
     * units is in them, wherever it waits, and so is a block that is read during the step. With 64
     * for weights, of which each may be kept by half (the one in use counts for itself), half of
     * them is read: 96 units, 384 ns; or 64 more are homes and nothing is read for 30 ns: 158 ns. */
    assert_true(bound_with_activation(64) >= 158);
    /* Without it 64 more units are homes, and less is left to read. */
    assert_in_range(bound_with_activation(0), 50, 157);
}

static void more_host_memory_never_raises_the_bound(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 3); seed++) {
        problem_case c;
        int64_t last = INT64_MAX;
        problem_random(&c, seed, 12);
        problem_store(&c);
        c.problem.load.bytes_per_s /= 3;
        dms_place_options options = {.device_budget = (problem_floor(&c) + 20) * UNIT,
                                     .host_budget = UINT64_MAX};
        options.host_budget = problem_floors(&c, &options).host_bytes;
        for (uint32_t i = 0; i < 8; i++) {
            const dms_decision d = problem_place_with(&c, &options);
            assert_true(d.bound_ns - 1 <= last);
            /* a bound is cut to the period that was found */
            last = d.bound_ns < d.period_ns ? d.bound_ns : last;
            options.host_budget += 60 * UNIT;
        }
        problem_end(&c);
    }
}

/* A tiny network: weights of some pages, each used once or twice, now and then none in a file. */
static void make_tiny(problem_case *c, uint64_t seed) {
    const uint32_t n = 4 + (uint32_t)seed % 4;
    problem_begin(c, n, 0);
    c->random = seed * 977;
    for (uint32_t t = 0; t < n; t++) {
        c->problem.steps[t].ns = 5 + problem_draw(c, 60);
        uint32_t touch[2] = {t, t + 2 + problem_draw(c, 3)};
        const uint32_t n_touches = problem_draw(c, 4) == 0 && touch[1] < n ? 2 : 1;
        if (problem_draw(c, 5) > 0)
            (void)problem_add(c, DMS_PROBLEM_WEIGHT, PAGE * (1 + problem_draw(c, 4)), n_touches,
                              touch);
    }
    (void)problem_once(c, DMS_PROBLEM_WEIGHT, PAGE, 0);
    if (seed % 3 == 0)
        (void)problem_add(c, DMS_PROBLEM_ACTIVATION, PAGE * (1 + seed % 4), 2,
                          (const uint32_t[]){0, n - 1});
    problem_store(c);
    c->problem.load.bytes_per_s /= 1 + problem_draw(c, 4);
    c->problem.load.latency_ns = problem_draw(c, 20);
}

/* The shortest period over all keeps, all homes and all rings that the host holds. */
static int64_t best_of_all(homes_case *h, int64_t device, int64_t *out_bound) {
    const uint32_t n = h->cycle.n_gaps, m = h->cycle.n_tensors;
    int64_t best = INT64_MAX;
    dms_bound *bound = NULL;
    dms_shares shares;
    dms_status st;
    const dms_bound_aim aim = {0};
    assert_int_equal(dms_bound_open(&h->cycle, 200, &h->c.arena, &bound, &st), DMS_OK);
    assert_int_equal(dms_bound_solve(bound, (uint64_t)device * UNIT, &aim, &shares, &st), DMS_OK);
    dms_bound_close(bound);
    *out_bound = shares.bound_ns;
    for (uint32_t keeps = 0; keeps < 1u << n; keeps++) {
        for (uint32_t g = 0; g < n; g++)
            h->draft.keep[g] = keeps >> g & 1;
        h->cycle.host_units = DMS_NO_LIMIT;
        if (!dms_slots(&h->cycle, &h->work, device, DMS_SLOT_EARLY, &h->draft))
            continue;
        for (uint32_t reads = 0; reads < 1u << m; reads++) {
            int64_t homes = 0, largest = 0;
            bool is_possible = true;
            h->draft.n_read = 0;
            for (uint32_t i = 0; i < m; i++) {
                const bool leaves = h->work.times[i] > 0, is_read = reads >> i & 1;
                is_possible &= !is_read || (leaves && h->cycle.read_ns[i] > 0);
                h->draft.is_read[i] = is_read;
                h->draft.n_read += is_read;
                homes += leaves && !is_read ? h->cycle.units[i] : 0;
                if (is_read && h->cycle.place_units[i] > largest)
                    largest = h->cycle.place_units[i];
            }
            h->draft.ring_units = largest;
            for (; is_possible && homes + h->draft.ring_units <= (int64_t)h->c.problem.host_mem;
                 h->draft.ring_units += PAGE) {
                if (dms_simulate(&h->cycle, &h->work, 30, &h->draft) && h->draft.period_ns < best)
                    best = h->draft.period_ns;
                if (largest == 0)
                    break;
            }
        }
    }
    return best;
}

/* The bound of schedules that take no longer than `period_ns`. */
static int64_t bound_below(homes_case *h, int64_t device, int64_t period_ns) {
    dms_bound *bound = NULL;
    dms_shares shares;
    dms_status st;
    const dms_bound_aim aim = {0};
    assert_int_equal(dms_bound_open(&h->cycle, 200, &h->c.arena, &bound, &st), DMS_OK);
    dms_bound_assume(bound, period_ns);
    assert_int_equal(dms_bound_solve(bound, (uint64_t)device * UNIT, &aim, &shares, &st), DMS_OK);
    dms_bound_close(bound);
    return shares.bound_ns;
}

static void no_plan_at_all_is_faster_than_the_bound(void **state) {
    (void)state;
    uint32_t tight = 0, raised = 0, too_high = 0;
    int64_t best_sum = 0, found_sum = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        homes_case h;
        int64_t bound;
        make_tiny(&h.c, seed);
        const int64_t device = (int64_t)problem_floor(&h.c) + PAGE;
        dms_place_options options = {.device_budget = (uint64_t)device * UNIT,
                                     .host_budget = UINT64_MAX};
        options.host_budget = problem_floors(&h.c, &options).host_bytes + seed % 3 * PAGE * UNIT;
        h.c.problem.host_mem = options.host_budget / UNIT; /* in units, for best_of_all */
        homes_begin(&h, (int64_t)h.c.problem.host_mem);
        const int64_t limit = h.cycle.host_units;
        const int64_t best = best_of_all(&h, device, &bound);
        h.cycle.host_units = limit;
        assert_true(bound <= best);
        /* what the ring holds on an average says more, and never too much */
        const int64_t with_ring = bound_below(&h, device, best);
        assert_true(with_ring >= bound - 1);
        assert_true(bound_below(&h, device, best + 1000000) <= with_ring + 1);
        raised += with_ring > bound + 1;
        too_high += with_ring > best;
        tight += bound > h.cycle.compute_ns && (double)bound > 0.8 * (double)best;
        const dms_decision d = problem_place_with(&h.c, &options);
        assert_true(d.bound_ns <= best);
        best_sum += best;
        found_sum += d.period_ns;
        problem_end(&h.c);
    }
    assert_true(tight > 3 && raised > 1);
    assert_int_equal(too_high, 0);
    /* a ring of one place is allowed above, plans have two: that costs a home of five */
    assert_true((double)found_sum <= 1.4 * (double)best_sum);
}

/* Row i of an array of three numbers a row. */
static int64_t written(const json_t *rows, size_t i, size_t column) {
    return json_integer_value(json_array_get(json_array_get(rows, i), column));
}

/* The step that a copy into gap `gap` of a tensor is for. */
static int64_t due_of(const problem_case *c, int64_t tensor, int64_t gap) {
    const dms_problem_tensor *t = &c->problem.tensors[tensor];
    return c->problem.touches[t->first_touch + (uint32_t)(gap + 1) % t->n_touches];
}

/* Whether row k of "ring_places" begins within the place of row i, or the other way round. */
static bool overlap(const problem_case *c, const json_t *at, size_t i, size_t k) {
    const int64_t from_i = written(at, i, 2), from_k = written(at, k, 2);
    const size_t low = from_i < from_k ? i : k;
    const int64_t distance = from_i < from_k ? from_k - from_i : from_i - from_k;
    return distance < (int64_t)c->problem.tensors[written(at, low, 0)].bytes;
}

/* A reading begins no earlier than in the slot of the copy that was the last to lie in its place:
 * copies before that one in the queue have left as well. No later than in the slot of its own. */
static void no_place_is_taken_twice(const problem_case *c, json_t *form) {
    const json_t *load = json_object_get(form, "load"), *at = json_object_get(form, "ring_places");
    const int64_t n = c->problem.n_steps;
    assert_int_equal(json_array_size(load), json_array_size(at));
    for (size_t i = 0; i < json_array_size(load); i++) {
        const int64_t own = due_of(c, written(load, i, 0), written(load, i, 1));
        const int64_t slot = written(load, i, 2) + 1;
        assert_true(slot > -n && slot <= own);
        for (size_t k = i; k-- > 0;)
            if (overlap(c, at, i, k)) {
                const int64_t last = due_of(c, written(load, k, 0), written(load, k, 1));
                assert_int_equal(slot, last < own ? last : own);
                break;
            }
    }
}

static void the_written_form_says_when_a_place_is_free(void **state) {
    (void)state;
    uint32_t n_read = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(20, 6); seed++) {
        problem_case c;
        dms_status st;
        problem_random(&c, seed, 12);
        problem_store(&c);
        dms_place_options options = {.device_budget = (problem_floor(&c) + 20) * UNIT,
                                     .host_budget = UINT64_MAX};
        options.host_budget = problem_floors(&c, &options).host_bytes;
        const dms_decision d = problem_place_with(&c, &options);
        FILE *file = tmpfile();
        assert_int_equal(dms_decision_write(&c.problem, &d, file, &st), DMS_OK);
        rewind(file);
        json_t *form = json_loadf(file, 0, NULL);
        if (d.n_read > 0)
            no_place_is_taken_twice(&c, form);
        n_read += d.n_read;
        json_decref(form);
        fclose(file);
        problem_end(&c);
    }
    assert_true(n_read > ROUNDS_OF(30, 8));
}

/* Damages a good decision in one way. */
typedef void damage(dms_decision *d, uint32_t q, uint32_t id);

static void lands_beside_a_page(dms_decision *d, uint32_t q, uint32_t id) {
    (void)id;
    d->loads[q].ring_offset += UNIT;
}

static void lands_outside(dms_decision *d, uint32_t q, uint32_t id) {
    (void)id;
    d->loads[q].ring_offset = d->ring_bytes;
}

static void does_not_wait(dms_decision *d, uint32_t q, uint32_t id) {
    (void)id;
    d->loads[q].read_after--;
}

static void waits_for_its_own_copy(dms_decision *d, uint32_t q, uint32_t id) {
    (void)id;
    d->loads[q].read_after = (int32_t)q;
}

static void comes_from_a_home_it_has_not(dms_decision *d, uint32_t q, uint32_t id) {
    (void)id;
    d->loads[q].is_read = false;
}

static void has_two_homes(dms_decision *d, uint32_t q, uint32_t id) {
    (void)q;
    d->is_read[id] = 0;
}

static void is_counted_wrongly(dms_decision *d, uint32_t q, uint32_t id) {
    (void)q;
    (void)id;
    d->n_read++;
}

static void needs_more_than_it_says(dms_decision *d, uint32_t q, uint32_t id) {
    (void)q;
    (void)id;
    d->host_bytes -= UNIT;
}

static void is_over_the_budget(dms_decision *d, uint32_t q, uint32_t id) {
    (void)q;
    (void)id;
    d->host_budget = d->host_bytes - 1;
}

static void the_verifier_finds_every_damage(void **state) {
    (void)state;
    damage *const damages[] = {lands_beside_a_page,
                               lands_outside,
                               does_not_wait,
                               waits_for_its_own_copy,
                               comes_from_a_home_it_has_not,
                               has_two_homes,
                               is_counted_wrongly,
                               needs_more_than_it_says,
                               is_over_the_budget};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        problem_case c;
        dms_status st;
        weights(&c, 6, (const uint64_t[]){64, 64, 64, 64, 64, 64});
        const dms_place_options options = {.device_budget = 128 * UNIT, .host_budget = 200 * UNIT};
        dms_decision d = problem_place_with(&c, &options);
        uint32_t q = 0;
        while (!d.loads[q].is_read)
            q++;
        damages[i](&d, q, d.loads[q].tensor);
        if (dms_decision_verify(&c.problem, &d, &c.arena, &st) != DMS_EPLAN)
            fail_msg("damage %u was not found", (unsigned)i);
        problem_end(&c);
    }
}

static void a_home_in_a_file_that_is_none_is_refused(void **state) {
    (void)state;
    problem_case c;
    dms_status st;
    weights(&c, 6, (const uint64_t[]){64, 64, 64, 64, 64, 64});
    const dms_place_options options = {.device_budget = 128 * UNIT, .host_budget = 200 * UNIT};
    const dms_decision d = problem_place_with(&c, &options);
    uint32_t id = 0;
    while (!d.is_read[id])
        id++;
    c.problem.tensors[id].storage_bytes = 0;
    assert_int_equal(dms_decision_verify(&c.problem, &d, &c.arena, &st), DMS_EPLAN);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_for_every_home_nothing_is_read),
        cmocka_unit_test(homes_on_the_host_are_spread_over_the_cycle),
        cmocka_unit_test(a_kept_weight_needs_no_home),
        cmocka_unit_test(what_no_file_holds_has_its_home_on_the_host),
        cmocka_unit_test(what_is_dear_to_read_comes_first_into_the_host),
        cmocka_unit_test(a_few_large_weights_do_not_set_the_ring),
        cmocka_unit_test(a_ring_that_does_not_fit_is_as_small_as_can_be),
        cmocka_unit_test(what_is_larger_than_the_ring_has_its_home_on_the_host),
        cmocka_unit_test(a_fine_wish_reads_the_large_blocks_and_pays_fewer_latencies),
        cmocka_unit_test(storage_is_busy_reading_and_waits_where_the_ring_has_no_second_place),
        cmocka_unit_test(readings_go_round_the_ring),
        cmocka_unit_test(a_ring_for_all_readings_waits_for_the_turn_before_alone),
        cmocka_unit_test(in_a_small_ring_no_reading_waits_for_its_neighbour),
        cmocka_unit_test(a_ring_of_many_places_for_most_blocks_is_filled_in_laps),
        cmocka_unit_test(the_top_of_a_ring_that_ends_within_a_page_is_a_page),
        cmocka_unit_test(only_what_is_read_has_a_place),
        cmocka_unit_test(a_reading_waits_for_the_last_copy_out_of_its_place_and_no_other),
        cmocka_unit_test(the_host_floor_is_two_places_or_less),
        cmocka_unit_test(at_the_host_floor_there_is_a_plan_and_below_it_none),
        cmocka_unit_test(the_storage_sets_the_pace_where_it_is_slow),
        cmocka_unit_test(blocks_that_are_due_one_right_after_the_other_stay),
        cmocka_unit_test(an_activation_that_is_away_is_on_the_host),
        cmocka_unit_test(more_host_memory_never_raises_the_bound),
        cmocka_unit_test(the_written_form_says_when_a_place_is_free),
        cmocka_unit_test(no_plan_at_all_is_faster_than_the_bound),
        cmocka_unit_test(the_verifier_finds_every_damage),
        cmocka_unit_test(a_home_in_a_file_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
