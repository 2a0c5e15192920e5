/* test_cuda_session.c - plans on the CUDA device, over a fake that orders streams as it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "runtime/device.h"
#include "support_chain.h"
#include "support_cuda.h"

#define SEEDS 5
#define TURNS 5

/* CUDA's numbers: wrong arguments, no memory, an old driver, a card that is taken, none at all, not
 * ready, a bad address, a kernel that failed, what is not supported, what nobody knows. */
static const int codes[] = {1, 2, 35, 46, 100, 600, 700, 719, 801, 999};
#define CODES (sizeof codes / sizeof *codes)

/* Waits on values or on events; the host arena locked, or not: 4 MiB twice and a page are. */
static const fake_cuda_options kinds[] = {{0},
                                          {.has_no_values = true},
                                          {.pin_limit = 8396800},
                                          {.has_no_values = true, .pin_limit = 8396800}};
#define KINDS (sizeof kinds / sizeof *kinds)

static fake_cuda *fake_of(size_t kind, uint64_t seed) {
    fake_cuda_options options = kinds[kind];
    options.seed = seed;
    return fake_cuda_new(&options);
}

/* A host arena of more than the two blocks, so that a limit is too small for it alone. */
static void make_chain(chain_case *c, size_t kind) {
    cuda_chain(c);
    if (kinds[kind].pin_limit != 0)
        c->run.plan.host_arena = c->run.plan.host_budget = 9u << 20;
}

static void every_order_of_the_streams_gives_the_bits_of_the_plan(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            chain_case c;
            make_chain(&c, kind);
            fake_cuda *fake = fake_of(kind, seed);
            dms_session *s = cuda_chain_open(
                &c, (dms_options){.turns = seed % 2 == 0 ? TURNS : 0, .poison = seed % 3 == 0},
                fake);
            for (int turn = 0; turn < TURNS; turn++)
                chain_run(&c, s, turn);
            dms_close(s);
            cuda_end(fake);
        }
}

/* Starts each turn before it waits for the one before: y = factor x. */
static void run_overlapped(dms_session *s, int turns, float factor) {
    float x[2][CHAIN_ROWS], y[2][CHAIN_ROWS];
    for (int turn = 0; turn <= turns; turn++) {
        for (int i = 0; i < CHAIN_ROWS; i++)
            x[turn % 2][i] = (float)(turn + i);
        const dms_user_tensor in = run_user(x[turn % 2], CHAIN_ROWS),
                              out = run_user(y[turn % 2], CHAIN_ROWS);
        assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
        if (turn < turns)
            assert_int_equal(dms_start(s, NULL), DMS_OK);
        if (turn == 0)
            continue;
        assert_int_equal(dms_wait(s, NULL), DMS_OK);
        for (int i = 0; i < CHAIN_ROWS; i++)
            assert_true(y[(turn - 1) % 2][i] == factor * (float)(turn - 1 + i));
    }
}

/* The second turn is submitted while the first may not have begun. */
static void two_turns_may_be_under_way(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        chain_case c;
        cuda_chain(&c);
        fake_cuda *fake = fake_of(seed % 2, seed);
        dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
        run_overlapped(s, 12, 26.25f);
        dms_close(s);
        cuda_end(fake);
    }
}

/* True when some order of the streams shows that a wait is missing. */
static bool shows_in_bits(const chain_case *damaged) {
    for (uint64_t seed = 0; seed < 40; seed++) {
        chain_case c = *damaged;
        fake_cuda *fake = fake_of(0, seed);
        dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
        bool is_wrong = false;
        for (int turn = 0; turn < TURNS && !is_wrong; turn++) {
            chain_fill(&c, turn);
            assert_int_equal(dms_run(s, NULL), DMS_OK);
            for (int i = 0; i < CHAIN_ROWS; i++)
                is_wrong |= !(c.y[i] == 26.25f * (float)(turn * 10 + i));
        }
        dms_close(s);
        cuda_end(fake);
        if (is_wrong)
            return true;
    }
    return false;
}

#define STEPS 16

/* y = x 2^16, one step per factor; x waits for the first step of the turn before, y is awaited. */
static void make_steps(run_case *r, const float *two) {
    run_init(r);
    uint32_t value =
        run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, CHAIN_ROWS), DMS_TIER_DEVICE);
    const uint32_t w = run_weight(r, "two", two), weight = run_buffer(r, w, DMS_TIER_DEVICE);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, value), *step = NULL;
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, weight);
    for (uint32_t k = 0; k < STEPS; k++) {
        const bool is_last = k + 1 == STEPS;
        const uint32_t next =
            run_buffer(r,
                       run_tensor(r, is_last ? "y" : "h",
                                  is_last ? DMS_TENSOR_OUTPUT : DMS_TENSOR_ACTIVATION, CHAIN_ROWS),
                       DMS_TIER_DEVICE);
        step = run_step(r, value, weight, next);
        if (k == 0)
            run_wait(r, step, DMS_QUEUE_IN, 0, 0);
        value = next;
    }
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, value, 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, STEPS - 1, 0);
    run_finish(r);
    cuda_plan(r);
}

/* Every step is a mark of four entries: a turn has as many as a stream holds, two turns twice that;
 * 20 turns go round the ring of 256 marks. */
static void a_full_stream_holds_the_submitter_and_no_more(void **state) {
    (void)state;
    const float two = 2;
    for (int kind = 0; kind < 2; kind++) {
        run_case r;
        make_steps(&r, &two);
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){
            .seed = 1, .hold_after = 1, .has_no_values = kind == 1}); /* 1: for its clock */
        dms_session *s;
        assert_int_equal(cuda_open(&r.plan, (dms_options){.trace_turns = 20}, fake, &s, NULL),
                         DMS_OK);
        run_overlapped(s, 20, 65536);
        dms_close(s);
        assert_int_equal(fake_cuda_look(fake).most_pending, 64);
        cuda_end(fake);
    }
}

/* The prologue's order, then the body's once per turn; loads have a thread of their own. Each command
 * of the chain is one call or copy. */
static void commands_are_submitted_in_the_order_of_the_plan(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        chain_case c;
        cuda_chain(&c);
        fake_cuda *fake = fake_of(seed % 2, seed);
        dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
        char want[FAKE_ORDER + 1] = "";
        size_t n = 0;
        for (int turn = -1; turn < TURNS; turn++) {
            const dms_program *p = turn < 0 ? &c.run.plan.prologue : &c.run.plan.body;
            for (uint32_t k = 0; k < p->n_order; k++)
                if (p->order[k] != DMS_QUEUE_LOAD)
                    want[n++] = "cio"[p->order[k]];
            if (turn >= 0)
                chain_run(&c, s, turn);
        }
        dms_close(s);
        assert_string_equal(fake_cuda_order(fake), want);
        cuda_end(fake);
    }
}

/* What the fake is for: the first product no longer waits for x, or the copy of y for the last. */
static void a_wait_that_is_missing_gives_other_bits_and_is_refused(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* which calls it what it is: a race */
#endif
    for (int k = 0; k < 2; k++) {
        chain_case c;
        cuda_chain(&c);
        dms_arena scratch = {0};
        dms_hash meaning;
        dms_program *body = &c.run.plan.body;
        if (k == 0)
            body->cmd[DMS_QUEUE_COMPUTE][0].wait_cmd[DMS_QUEUE_IN] = DMS_NONE;
        else
            body->cmd[DMS_QUEUE_OUT][0].wait_cmd[DMS_QUEUE_COMPUTE] = DMS_NONE;
        assert_int_equal(dms_check_plan(&c.run.plan, &scratch, &meaning, NULL), DMS_EPLAN);
        dms_arena_free(&scratch);
        assert_true(shows_in_bits(&c));
    }
}

/* Runs three turns; the first code that is not DMS_OK. A turn that fails says so for ever. */
static dms_code run_some(chain_case *c, fake_cuda *fake, dms_status *st) {
    dms_session *s;
    dms_code code = cuda_open(&c->run.plan, (dms_options){.trace_turns = 1}, fake, &s, st);
    if (code != DMS_OK)
        return code;
    const dms_user_tensor in = run_user(c->x, CHAIN_ROWS), out = run_user(c->y, CHAIN_ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    for (int turn = 0; turn < 3 && code == DMS_OK; turn++) {
        chain_fill(c, turn);
        code = dms_run(s, st);
        if (code == DMS_OK)
            chain_check(c, turn);
    }
    dms_status again = {.msg = ""};
    if (code != DMS_OK) {
        assert_int_equal(dms_run(s, &again), code);
        assert_string_equal(again.msg, st->msg);
    }
    dms_close(s);
    return code;
}

/* Every so manieth call fails; every one, of most kinds every fourth, where test.sh --all asks for
 * it, but under the sanitizers: a session has seven threads, which take their time there. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define KINDS_APART (KINDS - 1) /* the first and the last */
#else
#define KINDS_APART 1
#endif
static uint64_t stride(uint64_t usual) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return usual;
#else
    return getenv("DMS_TEST_ALL") != NULL ? 1 : usual;
#endif
}

/* Calls that opening makes, and all calls of three turns. */
static void count_calls(size_t kind, uint64_t *out_open, fake_cuda_report *out_all) {
    chain_case c;
    dms_session *s;
    make_chain(&c, kind);
    fake_cuda *fake = fake_of(kind, 1);
    assert_int_equal(cuda_open(&c.run.plan, (dms_options){0}, fake, &s, NULL), DMS_OK);
    *out_open = fake_cuda_look(fake).n_calls;
    dms_close(s);
    cuda_end(fake);
    fake = fake_of(kind, 1);
    dms_status st;
    assert_int_equal(run_some(&c, fake, &st), DMS_OK);
    *out_all = fake_cuda_look(fake);
    cuda_end(fake);
}

/* One failing call or entry: exit 8, in words, with nothing left. Returns whether it came to it. */
static bool fail_once(size_t kind, fake_cuda_options how, const char *where) {
    chain_case c;
    make_chain(&c, kind);
    how.seed = how.fail_call + how.fail_entry;
    how.has_no_values = kinds[kind].has_no_values;
    how.pin_limit = kinds[kind].pin_limit;
    how.is_lost &= how.fail_code != 600; /* that is not what a lost card says */
    fake_cuda *fake = fake_cuda_new(&how);
    dms_status st = {.msg = ""};
    const dms_code code = run_some(&c, fake, &st);
    cuda_end(fake);
    if (code == DMS_OK)
        return false;
    const char *says = how.fail_code == 100 && how.fail_call == 2 ? "no NVIDIA" : "cudaError";
    if (code != DMS_EDEVICE || strstr(st.msg, says) == NULL ||
        (where != NULL && strstr(st.msg, where) == NULL))
        fail_msg("kind %u, call %u, entry %u, error %d: code %d, '%s'", (unsigned)kind,
                 (unsigned)how.fail_call, (unsigned)how.fail_entry, how.fail_code, (int)code,
                 st.msg);
    return true;
}

/* Each error as the n-th call, which passes or is the end. Of the many calls that make events few
 * fail, unless all are to: with one error each. */
static uint32_t fail_with_each_code(size_t kind, uint64_t n, bool is_event, uint32_t *n_failed) {
    const size_t first = is_event ? n % CODES : 0, end = is_event ? first + 1 : CODES;
    for (size_t k = first; k < end; k++)
        for (int lost = 0; lost < 2; lost++)
            *n_failed += fail_once(
                kind,
                (fake_cuda_options){
                    .is_calm = true, .fail_call = n, .fail_code = codes[k], .is_lost = lost != 0},
                NULL);
    return 2 * (uint32_t)(end - first);
}

static void any_call_may_fail_while_opening_with_any_error(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind += KINDS_APART) {
        uint64_t n_open;
        fake_cuda_report all;
        uint32_t n_failed = 0, n_tried = 0;
        count_calls(kind, &n_open, &all);
        for (uint64_t n = 1; n <= n_open;) {
            const bool is_event = n >= 16 && n + 6 <= n_open;
            n_tried += fail_with_each_code(kind, n, is_event, &n_failed);
            n += !is_event ? 1 : kind == 0 ? stride(397) : 397;
        }
        /* a host arena that cannot be locked is no failure, nor is 600 that of a lost card */
        assert_int_equal(n_failed, n_tried - CODES - 1);
    }
}

/* Three turns, with one of the errors each. */
static void any_call_may_fail_while_running(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        uint64_t n_open;
        fake_cuda_report all;
        count_calls(kind, &n_open, &all);
        const uint64_t step = kind == 0 ? stride(7) : 3 + stride(26);
        for (uint64_t n = n_open + 1 + kind; n <= all.n_calls; n += step)
            (void)fail_once(kind,
                            (fake_cuda_options){.fail_call = n,
                                                .fail_code = codes[(n / 7 + kind) % CODES],
                                                .is_lost = n % 2 != 0},
                            NULL);
    }
}

static void any_entry_may_kill_the_card(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        uint64_t n_open;
        uint32_t n_failed = 0, n_tried = 0;
        fake_cuda_report all;
        count_calls(kind, &n_open, &all);
        for (uint64_t n = 2 + kind; n <= all.n_entries; n += stride(7 + 6 * kind), n_tried++)
            n_failed += fail_once(kind, (fake_cuda_options){.fail_entry = n, .fail_code = 719},
                                  "cudaErrorLaunchFailure");
        assert_true(n_failed > n_tried / 2); /* the last ones run behind the last turn */
    }
}

/* What copy or call n of a queue is called in a message, counted from 1. */
static void write_name(const chain_case *c, uint32_t q, uint64_t n, char out[64]) {
    const uint32_t n_prologue = c->run.plan.prologue.n_cmds[q];
    const unsigned k = n <= n_prologue
                           ? (unsigned)n - 1
                           : (unsigned)((n - 1 - n_prologue) % c->run.plan.body.n_cmds[q]);
    if (q == DMS_QUEUE_COMPUTE)
        (void)snprintf(out, 64, "step %u 'scale'", k);
    else
        (void)snprintf(out, 64, "%s%s %u (tensor '", n <= n_prologue ? "prologue, " : "",
                       dms_queue_name((dms_queue)q), k);
}

/* Runs turns until copy or call n of queue q kills the card; what is said. False: none was lost. */
static bool dies_at(chain_case *c, uint32_t q, uint64_t n, uint32_t trace_turns,
                    fake_cuda_options card, dms_status *st) {
    dms_session *s;
    dms_code code = DMS_OK;
    cuda_chain(c);
    card.seed = card.fail_entry = n;
    card.fail_stream = 1 + q;
    card.fail_code = 700;
    fake_cuda *fake = fake_cuda_new(&card);
    assert_int_equal(
        cuda_open(&c->run.plan, (dms_options){.trace_turns = trace_turns}, fake, &s, st), DMS_OK);
    const dms_user_tensor in = run_user(c->x, CHAIN_ROWS), out = run_user(c->y, CHAIN_ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    for (int turn = 0; turn < 3 && code == DMS_OK; turn++)
        code = dms_run(s, st);
    dms_close(s);
    cuda_end(fake);
    return code != DMS_OK;
}

/* CUDA may report it to somebody else: to a copy that waits, or one that is being submitted. Turns
 * are recorded, so that every command has a value of its own; the prologue's have not. */
static void the_command_that_kills_the_card_is_named(void **state) {
    (void)state;
    for (uint32_t q = 0; q < 3; q++)
        for (uint64_t n = 1; n <= (q == DMS_QUEUE_OUT ? 3 : 15); n++) {
            chain_case c;
            char name[64];
            dms_status st = {.msg = ""};
            assert_true(dies_at(&c, q, n, 3, (fake_cuda_options){0}, &st) || n > 12);
            if (st.code == DMS_OK)
                continue; /* a copy for the turn behind the last */
            write_name(&c, q, n, name);
            const bool is_prologue = strncmp(name, "prologue", 8) == 0;
            if (strstr(st.msg, is_prologue ? "prologue, in " : name) == NULL ||
                strstr(st.msg, ": cudaErrorIllegalAddress (") == NULL)
                fail_msg("%s is not named: '%s'", name, st.msg);
            if (q == DMS_QUEUE_COMPUTE && n % CHAIN_STEPS != 0) /* y is not there yet */
                assert_null(strstr(st.msg, "out 0"));
        }
}

/* The stream is full when its third product kills the card, so who submits hears of it first, some
 * fourteen products further on. */
static void what_is_being_submitted_is_not_blamed(void **state) {
    (void)state;
    const float two = 2;
    for (uint64_t seed = 1; seed < 4; seed++) {
        run_case r;
        float x[2][CHAIN_ROWS] = {{0}}, y[2][CHAIN_ROWS];
        dms_session *s;
        dms_status st = {.msg = ""};
        make_steps(&r, &two);
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){
            .seed = seed, .hold_after = 1, .fail_stream = 1, .fail_entry = 3, .fail_code = 700});
        assert_int_equal(cuda_open(&r.plan, (dms_options){.trace_turns = 2}, fake, &s, NULL),
                         DMS_OK);
        dms_code code = DMS_OK;
        for (int turn = 0; turn < 2 && code == DMS_OK; turn++) {
            const dms_user_tensor in = run_user(x[turn], CHAIN_ROWS),
                                  out = run_user(y[turn], CHAIN_ROWS);
            assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
            code = dms_start(s, &st);
        }
        assert_int_equal(code != DMS_OK ? code : dms_wait(s, &st), DMS_EDEVICE);
        assert_ptr_equal(strstr(st.msg, "step 2 'scale'"), st.msg);
        dms_close(s);
        cuda_end(fake);
    }
}

/* Commands of a run share a value; of events that a lost card does not tell, nobody knows more than
 * what was submitted: the first is named, and how many stand behind it. */
static void where_nothing_tells_commands_apart_the_first_is_named(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (uint64_t n = 1; n <= 12; n++) {
            chain_case c;
            dms_status st = {.msg = ""};
            unsigned first = 0, behind = 0;
            const unsigned k = (unsigned)(n - 1) % CHAIN_STEPS;
            assert_true(dies_at(&c, DMS_QUEUE_COMPUTE, n, 0,
                                (fake_cuda_options){.has_no_values = kind == 1}, &st));
            const int found =
                sscanf(st.msg, "step %u 'scale' or one of the %u behind", &first, &behind);
            const bool is_step =
                (first <= k && k <= first + behind) || first + behind >= CHAIN_STEPS;
            if (found < 1 || !is_step)
                fail_msg("step %u is not named: '%s'", k, st.msg);
        }
}

/* Wherever the session is when it is cancelled, and whatever has been submitted. */
static void cancelling_and_closing_leave_nothing_behind(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        chain_case c;
        make_chain(&c, seed % KINDS);
        fake_cuda *fake = fake_of(seed % KINDS, seed);
        dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
        dms_status st = {.msg = ""};
        if (seed % 3 != 0)
            chain_run(&c, s, 0);
        assert_int_equal(dms_start(s, NULL), DMS_OK);
        if (seed % 2 == 0) {
            dms_cancel(s);
            dms_code code = dms_wait(s, &st); /* it may have ended well before that */
            if (code == DMS_OK)
                code = dms_run(s, &st);
            assert_int_equal(code, DMS_ECANCELLED);
            assert_string_equal(st.msg, "interrupted");
        }
        dms_close(s);
        cuda_end(fake);
    }
}

/* Work is counted as on the CPU; steps are timed in turns that are recorded. */
static void queues_and_steps_are_counted(void **state) {
    (void)state;
    chain_case c;
    cuda_chain(&c);
    fake_cuda *fake = fake_of(0, 3);
    dms_session *s = cuda_chain_open(&c, (dms_options){.turns = 3, .trace_turns = 2}, fake);
    for (int turn = 0; turn < 3; turn++)
        chain_run(&c, s, turn);
    const dms_stats stats = dms_session_stats(s);
    assert_int_equal(stats.compute.commands, 3 * CHAIN_STEPS);
    assert_int_equal(stats.in.commands, 3 * 3 - 2); /* the last turn fetches nothing for the next */
    assert_int_equal(stats.out.bytes, 3 * CHAIN_ROWS * 4);
    const dms_info info = dms_session_info(s); /* the session, a page of counters */
    assert_true(info.overhead_bytes > s->arena.used_bytes + 5 * 64);
    int64_t step_ns[CHAIN_STEPS];
    dms_session_step_ns(s, 0, step_ns);
    for (uint32_t turn = 0; turn < 2; turn++)
        for (uint32_t k = 0; k < CHAIN_STEPS; k++) {
            const dms_trace_span *span = dms_trace_at(&s->trace, turn, DMS_QUEUE_COMPUTE, k);
            assert_true(span->end_ns >= span->begin_ns && span->end_ns != 0);
            if (k > 0)
                assert_true(span->begin_ns >=
                            dms_trace_at(&s->trace, turn, DMS_QUEUE_COMPUTE, k - 1)->begin_ns);
        }
    assert_non_null(strstr(dms_session_device(s), "cuda:0 'fake card', streams wait for values"));
    assert_non_null(strstr(dms_session_device(s), "storage read through the host, no library"));
    dms_close(s);
    cuda_end(fake);
}

/* 10 ns per launch and 1 per byte, on streams that wait for values and for events. */
static void a_step_takes_what_the_card_says_in_turns_that_are_recorded(void **state) {
    (void)state;
    static const fake_clock clock = {
        .in_rate = 1, .out_rate = 1, .memory_rate = 1, .f32_rate = 1e9, .launch_ns = 10};
    for (int kind = 0; kind < 2; kind++)
        for (uint32_t recorded = 0; recorded < 2; recorded++) {
            chain_case c;
            cuda_chain(&c);
            fake_cuda *fake =
                fake_cuda_new(&(fake_cuda_options){.clock = &clock, .has_no_values = kind == 1});
            dms_session *s = cuda_chain_open(&c, (dms_options){.trace_turns = 3 * recorded}, fake);
            int64_t step_ns[CHAIN_STEPS];
            uint32_t n_timed = 0;
            for (int turn = 0; turn < 40; turn++)
                assert_int_equal(dms_run(s, NULL), DMS_OK);
            dms_session_step_ns(s, 2, step_ns);
            for (uint32_t k = 0; k < CHAIN_STEPS; k++) {
                const dms_plan_call *call = &c.run.plan.call[k];
                const dms_cost cost =
                    dms_call_cost(&(dms_call){call->kernel, call->n_in, call->n_out, call->n_i,
                                              call->n_f, call->view, call->i, call->f});
                assert_true(step_ns[k] == 0 || step_ns[k] == 10 + (int64_t)cost.bytes);
                n_timed += step_ns[k] != 0;
            }
            assert_true(recorded == 0 || n_timed == CHAIN_STEPS);
            dms_close(s);
            cuda_end(fake);
        }
}

/* The fake's driver takes 2 MiB for the arena of 2816 bytes, and 64 KiB for each of three streams,
 * which count as what kernels take; while the plan runs it takes what a kernel loaded late does. */
static void the_card_counts_what_it_takes_beside_the_arena(void **state) {
    (void)state;
    const uint64_t all = (uint64_t)64 << 30, page = 2u << 20, streams = 3u << 16;
    for (uint64_t late = 0; late < 10u << 20; late += 5u << 20) {
        chain_case c;
        dms_card_memory m;
        cuda_chain(&c);
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){.is_calm = true, .load_bytes = late});
        dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
        for (int turn = 0; turn < 3; turn++) {
            assert_int_equal(dms_session_card(s, &m, NULL), DMS_OK);
            assert_int_equal(m.total_bytes, all);
            assert_int_equal(m.free_first, all);
            assert_int_equal(m.free_with_arena, all - page);
            assert_int_equal(m.free_with_kernels, all - page - streams);
            assert_int_equal(m.free_now, all - page - streams - (turn == 0 ? 0 : late));
            assert_int_equal(m.beyond_arena_bytes, page - 2816 + (turn == 0 ? 0 : late));
            chain_run(&c, s, turn);
        }
        dms_close(s);
        cuda_end(fake);
    }
}

static void the_cpu_has_no_card_to_count(void **state) {
    (void)state;
    chain_case c;
    dms_card_memory m = {.total_bytes = 1};
    chain_make(&c);
    dms_session *s = run_open(&c.run, (dms_options){.threads = 1});
    assert_int_equal(dms_session_card(s, &m, NULL), DMS_OK);
    assert_int_equal(m.total_bytes, 0);
    dms_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_the_streams_gives_the_bits_of_the_plan),
        cmocka_unit_test(two_turns_may_be_under_way),
        cmocka_unit_test(a_full_stream_holds_the_submitter_and_no_more),
        cmocka_unit_test(commands_are_submitted_in_the_order_of_the_plan),
        cmocka_unit_test(a_wait_that_is_missing_gives_other_bits_and_is_refused),
        cmocka_unit_test(any_call_may_fail_while_opening_with_any_error),
        cmocka_unit_test(any_call_may_fail_while_running),
        cmocka_unit_test(any_entry_may_kill_the_card),
        cmocka_unit_test(the_command_that_kills_the_card_is_named),
        cmocka_unit_test(what_is_being_submitted_is_not_blamed),
        cmocka_unit_test(where_nothing_tells_commands_apart_the_first_is_named),
        cmocka_unit_test(cancelling_and_closing_leave_nothing_behind),
        cmocka_unit_test(queues_and_steps_are_counted),
        cmocka_unit_test(a_step_takes_what_the_card_says_in_turns_that_are_recorded),
        cmocka_unit_test(the_card_counts_what_it_takes_beside_the_arena),
        cmocka_unit_test(the_cpu_has_no_card_to_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
