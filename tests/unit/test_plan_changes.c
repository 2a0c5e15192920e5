/* test_plan_changes.c - one or two wrong fields in plans that run: reader and checker refuse them,
 * or the plan does what it means, whatever its arenas held before and however late its commands
 * are. tests/e2e/change_plans.py does the same to thousands of plans of real models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "schema/file_digest.h"
#include "support_changes.h"
#include "support_graph.h"
#include "support_replay.h"

#define CORPUS DMS_SOURCE_DIR "/tests/fuzz/corpus/"
#define AMPLE (1ull << 40)

enum { LAYERS = 6, WIDTH = 192 };

/* A plan as a file in memory, and the folder of its weights. */
typedef struct file_case {
    dms_arena arena;
    dms_plan plan;
    uint8_t *data;
    uint64_t size;
    char folder[64], weights[128];
} file_case;

/* The file of constants, and the model, which holds nothing that is read. */
static void write_files(file_case *c, const dms_compiled *from) {
    const dms_file_ranges none = {0};
    dms_status st = {.msg = ""};
    char path[128];
    for (uint32_t k = 0; k < c->plan.n_files; k++) {
        dms_plan_file *entry = &c->plan.file[k];
        (void)snprintf(path, sizeof path, "%s/%s", c->folder, entry->name);
        FILE *file = fopen(path, "w+b");
        assert_non_null(file);
        if (entry->kind == 2) {
            const uint64_t n = from->steps.n_consts;
            assert_int_equal(fwrite(from->steps.consts, 1, n, file), n);
            memcpy(c->weights, path, sizeof path);
        }
        assert_int_equal(fflush(file), 0);
        assert_int_equal(
            dms_file_digest(fileno(file), path, entry->bytes, &none, &entry->digest, &st), DMS_OK);
        assert_int_equal(fclose(file), 0);
    }
}

/* Six products in a row, 144 KiB of weights each. The device holds its floor, the host what it needs
 * then: weights are read from their file in every turn. */
static void begin(file_case *c) {
    graph_case g;
    dms_compiled compiled;
    dms_status st = {.msg = ""};
    memset(c, 0, sizeof *c);
    graph_begin(&g);
    uint32_t x = graph_input(&g, "x", 3, WIDTH);
    for (uint32_t k = 0; k < LAYERS; k++) {
        const uint32_t w = graph_weight(&g, "w", WIDTH, WIDTH, k + 1);
        const uint32_t y = graph_result(&g, "y", 3, WIDTH);
        graph_matmul(&g, x, w, y);
        x = y;
    }
    graph_output(&g, x);
    assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &compiled, &st), DMS_OK);
    const uint64_t floor = compiled.floor.device_bytes;
    (void)graph_plan(&g, floor, 0, &compiled, &st);
    if (graph_plan(&g, floor, compiled.floor.host_bytes, &compiled, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    c->plan = compiled.plan;
    assert_true(c->plan.body.n_cmds[DMS_QUEUE_LOAD] > 0);
    (void)snprintf(c->folder, sizeof c->folder, "changes-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    write_files(c, &compiled);
    c->plan.meaning = (dms_hash){0, 0}; /* of the digest before the file was there */
    assert_int_equal(dms_plan_encode(&c->plan, &c->arena, &c->data, &c->size, &st), DMS_OK);
    assert_int_equal(dms_plan_decode(c->data, c->size, &c->arena, &c->plan, &st), DMS_OK);
    graph_end(&g);
}

static void end(file_case *c) {
    char path[128];
    for (uint32_t k = 0; k < c->plan.n_files; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", c->folder, c->plan.file[k].name);
        (void)unlink(path);
    }
    (void)rmdir(c->folder);
    dms_arena_free(&c->arena);
}

static void a_choice_takes_the_bytes_first_and_the_seed_after_them(void **state) {
    (void)state;
    static const uint8_t byte[] = {7, 9, 1};
    change_source s = {.data = byte, .size = 3, .seed = 0};
    assert_int_equal(change_below(&s, 4), 3);
    assert_int_equal(change_below(&s, 1), 0);         /* no choice takes no byte */
    assert_int_equal(change_below(&s, 300), 9 + 256); /* two bytes where one is too few */
    assert_int_equal(change_below(&s, 300), 0);       /* neither bytes nor seed */
    change_source a = {.seed = 5}, b = {.seed = 5};
    for (uint32_t k = 0; k < 20; k++)
        assert_int_equal(change_below(&a, 1000), change_below(&b, 1000));
}

/* Some of 40 seeds; a wait cannot be dropped from a command that has none. */
static void every_kind_of_change_reaches_the_file(void **state) {
    (void)state;
    file_case c;
    begin(&c);
    for (uint32_t kind = 0; kind < N_CHANGES; kind++) {
        uint32_t n_changed = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            dms_plan plan;
            uint8_t *data = NULL;
            uint64_t size = 0;
            dms_status st;
            change_source s = {.seed = seed};
            assert_int_equal(dms_plan_decode(c.data, c.size, &c.arena, &plan, &st), DMS_OK);
            if (!change_plan(&plan, &c.arena, (change_kind)kind, &s))
                continue;
            const dms_code code = dms_plan_encode(&plan, &c.arena, &data, &size, &st);
            n_changed += code != DMS_OK || size != c.size || memcmp(data, c.data, size) != 0;
        }
        if (n_changed < 10)
            fail_msg("%s: %u of 40", change_name((change_kind)kind), n_changed);
    }
    end(&c);
}

static void late_commands_and_poison_change_no_bit(void **state) {
    (void)state;
    file_case c;
    begin(&c);
    replay_case how = {.folder = c.folder, .threads = 1, .turns = 3};
    const replay_end plain = replay(&c.plan, &how);
    assert_int_equal(plain.code, DMS_OK);
    assert_true(plain.has_begun && plain.signal == 0);
    how.poison = true;
    for (how.jitter = 1; how.jitter < 4; how.jitter++) {
        const replay_end late = replay_apart(&c.plan, &how);
        assert_int_equal(late.code, DMS_OK);
        assert_true(dms_hash_equal(late.bits, plain.bits));
    }
    end(&c);
}

/* The same plan without any wait of its copies: what is not ordered shows within a few runs. */
static void a_plan_without_its_waits_gives_other_bits_when_commands_are_late(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* races are what this test is about */
#endif
    file_case c;
    begin(&c);
    replay_case how = {.folder = c.folder, .threads = 1, .turns = 3};
    const replay_end plain = replay(&c.plan, &how);
    for (uint32_t k = 0; k < c.plan.body.n_cmds[DMS_QUEUE_IN]; k++)
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            c.plan.body.cmd[DMS_QUEUE_IN][k].wait_cmd[q] = DMS_NONE;
    bool differs = false;
    for (how.jitter = 1; how.jitter < 40 && !differs; how.jitter++) {
        const replay_end late = replay_apart(&c.plan, &how);
        differs = late.code != DMS_OK || !dms_hash_equal(late.bits, plain.bits);
    }
    assert_true(differs);
    end(&c);
}

/* Six products of [3, 192] with [192, 192]; then with sums a thousand million times as long. */
static void the_work_of_a_plan_is_known_before_it_runs(void **state) {
    (void)state;
    file_case c;
    begin(&c);
    const uint64_t work = replay_work(&c.plan);
    assert_true(work >= 2ull * LAYERS * 3 * WIDTH * WIDTH && work < REPLAY_SLOW);
    for (uint32_t k = 0; k < c.plan.n_calls; k++) {
        dms_view *x = (dms_view *)&c.plan.call[k].view[0];
        x->dim[x->rank - 1] *= 1000000000;
    }
    assert_true(replay_work(&c.plan) > REPLAY_SLOW);
    end(&c);
}

static void a_run_that_cannot_open_its_files_has_not_begun(void **state) {
    (void)state;
    file_case c;
    begin(&c);
    assert_int_equal(unlink(c.weights), 0);
    const replay_case how = {.folder = c.folder, .threads = 1, .turns = 1};
    const replay_end end_of = replay_apart(&c.plan, &how);
    assert_int_equal(end_of.code, DMS_EIO);
    assert_false(end_of.has_begun);
    end(&c);
}

/* Fails the test where a change of some kind went wrong, or where none was refused. */
static void expect_right(changes_case *c, uint32_t least_refused) {
    char *text = NULL;
    size_t size = 0;
    c->report = open_memstream(&text, &size);
    assert_non_null(c->report);
    const bool runs = changes_run(c);
    const uint32_t wrong = changes_print(c->count, c->report);
    (void)fclose(c->report);
    if (!runs || wrong > 0)
        fail_msg("%s", text);
    free(text);
    uint32_t run = 0;
    for (uint32_t kind = 0; kind < N_CHANGES; kind++) {
        if (changes_refused(&c->count[kind]) < least_refused)
            fail_msg("%s: %u refused", change_name((change_kind)kind),
                     changes_refused(&c->count[kind]));
        run += c->count[kind].equal + c->count[kind].other;
    }
    assert_true(run > 0);
}

static void changed_plans_that_read_weights_in_every_turn_are_refused_or_right(void **state) {
    (void)state;
    file_case f;
    begin(&f);
    changes_case c = {
        .data = f.data, .size = f.size, .name = "six products", .folder = f.folder, .seed = 20};
    c.rounds = 20 * N_CHANGES;
    expect_right(&c, 1);
    end(&f);
}

/* Plans of the corpus, whose models lie beside them. */
static void expect_corpus(const char *name, uint32_t rounds, uint32_t least_refused) {
    char path[sizeof CORPUS + 64];
    dms_arena arena = {0};
    uint8_t *data = dms_alloc(&arena, 1 << 20, 1);
    (void)snprintf(path, sizeof path, "%splan/%s", CORPUS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    changes_case c = {.data = data, .name = name, .folder = CORPUS "model", .seed = 21};
    c.size = fread(data, 1, 1 << 20, file);
    assert_int_equal(fclose(file), 0);
    c.rounds = rounds * N_CHANGES;
    expect_right(&c, least_refused);
    dms_arena_free(&arena);
}

static void changed_plans_of_the_corpus_are_refused_or_right(void **state) {
    (void)state;
    static const char *const name[] = {"gather_w", "conv_w_floor", "gru_w", "order", "qlinear_w"};
    expect_corpus("outside_nvme", 12, 1);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++)
        expect_corpus(name[k], 6, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_takes_the_bytes_first_and_the_seed_after_them),
        cmocka_unit_test(every_kind_of_change_reaches_the_file),
        cmocka_unit_test(late_commands_and_poison_change_no_bit),
        cmocka_unit_test(a_plan_without_its_waits_gives_other_bits_when_commands_are_late),
        cmocka_unit_test(the_work_of_a_plan_is_known_before_it_runs),
        cmocka_unit_test(a_run_that_cannot_open_its_files_has_not_begun),
        cmocka_unit_test(changed_plans_that_read_weights_in_every_turn_are_refused_or_right),
        cmocka_unit_test(changed_plans_of_the_corpus_are_refused_or_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
