/* support_changes.c - change, write with a right checksum, read, prove, run. */
#include "support_changes.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_replay.h"

enum { TRIES = 6 };

#define LARGEST_ARENAS (256ull << 20) /* of a changed plan that is run */

/* The good plan: what it means and gives. */
typedef struct truth {
    dms_hash meaning, bits;
    const dms_plan *plan;
    bool has_unread; /* files that were missing when it was planned */
} truth;

/* One changed plan on its way. */
typedef struct trial {
    changes_case *c;
    const truth *good;
    change_kind kind, second; /* second: N_CHANGES = none */
    uint32_t round;
    bool has_claim;
    dms_arena arena;
    dms_plan plan;
    dms_hash meaning;
} trial;

uint32_t changes_refused(const changes_count *count) {
    uint32_t n = count->reader;
    for (uint32_t k = 0; k < 11; k++)
        n += count->property[k];
    return n;
}

static void report(const trial *t, const char *what, const replay_end *end) {
    t->c->count[t->kind].wrong++;
    (void)fprintf(t->c->report, "WRONG %s, seed %" PRIu64 ", round %" PRIu32 " (%s%s%s): %s: %s\n",
                  t->c->name, t->c->seed, t->round, change_name(t->kind),
                  t->second == N_CHANGES ? "" : " and ",
                  t->second == N_CHANGES ? "" : change_name(t->second), what,
                  end->signal ? "killed" : end->msg);
}

/* Ends that a plan may come to before its first command has an effect: no bug of ours. */
static bool is_refusal(const replay_end *end) {
    return end->signal == 0 && !end->has_begun &&
           (end->code == DMS_EPLAN || end->code == DMS_EIO || end->code == DMS_EDEVICE ||
            end->code == DMS_EBUDGET || end->code == DMS_EINPUT);
}

/* Which files are made up, where the user wants that, is no part of the meaning. */
static bool is_unread_elsewhere(const dms_plan *a, const dms_plan *b) {
    for (uint32_t k = 0; k < a->n_files && k < b->n_files; k++)
        if (a->file[k].is_unread != b->file[k].is_unread)
            return true;
    return a->n_files != b->n_files;
}

static bool has_same_meaning(const trial *t) {
    return dms_hash_equal(t->meaning, t->good->meaning) &&
           !(t->good->has_unread && is_unread_elsewhere(t->good->plan, &t->plan));
}

/* Three turns on `threads` threads. */
static replay_case case_of(const trial *t, uint32_t threads) {
    return (replay_case){.folder = t->c->folder,
                         .model_dir = t->c->model_dir,
                         .threads = threads,
                         .turns = 3,
                         .makes_up = t->good->has_unread,
                         .fill = 0x5a};
}

/* The same with poison, other outputs before, and commands that are late. */
static replay_case late_case_of(const trial *t, uint32_t threads) {
    replay_case how = case_of(t, threads);
    how.poison = true;
    how.fill = 0xa5;
    how.jitter = t->round + 1;
    return how;
}

/* The good plan's meaning: the good plan's bits. */
static void want_equal(const trial *t) {
    const replay_case how = late_case_of(t, 1 + t->round % 3);
    const replay_end end = replay_apart(&t->plan, &how);
    if (is_refusal(&end))
        t->c->count[t->kind].run++;
    else if (end.signal != 0 || end.code != DMS_OK)
        report(t, "passed and did not run", &end);
    else if (!dms_hash_equal(end.bits, t->good->bits))
        report(t, "passed and gave other bits", &end);
    else
        t->c->count[t->kind].equal++;
}

/* Another meaning: the same twice. */
static void want_agreement(const trial *t) {
    const replay_case how[2] = {late_case_of(t, 2), case_of(t, 1)};
    const replay_end one = replay_apart(&t->plan, &how[0]), two = replay_apart(&t->plan, &how[1]);
    if (one.signal != 0 || two.signal != 0 || one.code == DMS_EINTERNAL)
        report(t, "passed and did not end", one.signal ? &one : &two);
    else if (one.code != two.code || !dms_hash_equal(one.bits, two.bits))
        report(t, "passed and gave different bits in two runs", &one);
    else if (is_refusal(&one))
        t->c->count[t->kind].run++;
    else
        t->c->count[t->kind].other++;
}

/* What a changed plan that was decoded comes to. */
static void judge(trial *t, dms_arena *scratch) {
    changes_count *count = &t->c->count[t->kind];
    dms_status st = {.msg = ""};
    const dms_code code = dms_check_plan(&t->plan, scratch, &t->meaning, &st);
    if (code == DMS_EPLAN && st.msg[0] == 'P') {
        const uint32_t property = (uint32_t)(st.msg[1] - '0');
        count->property[property == 1 && st.msg[2] == '0' ? 10 : property]++;
    } else if (code != DMS_OK) {
        const replay_end end = {.code = code};
        report(t, st.msg, &end);
    } else if (t->plan.device_arena > LARGEST_ARENAS || t->plan.host_arena > LARGEST_ARENAS ||
               replay_work(&t->plan) > REPLAY_SLOW) {
        count->slow++;
    } else if (has_same_meaning(t)) {
        want_equal(t);
    } else {
        want_agreement(t);
    }
}

/* The changed plan's bytes, read as a stranger's; false where the round has ended. */
static bool read_back(trial *t, dms_plan *changed) {
    changes_count *count = &t->c->count[t->kind];
    uint8_t *data;
    uint64_t size;
    dms_status st = {.msg = ""};
    dms_hash claim = changed->meaning;
    if (dms_plan_encode(changed, &t->arena, &data, &size, &st) != DMS_OK) {
        count->reader++;
        return false;
    }
    if (size == t->c->size && memcmp(data, t->c->data, size) == 0) {
        count->none++;
        return false;
    }
    if (!t->has_claim)
        claim = (dms_hash){0, 0};
    changed->meaning = claim;
    const dms_code code = dms_plan_encode(changed, &t->arena, &data, &size, &st);
    if (code != DMS_OK || dms_plan_decode(data, size, &t->arena, &t->plan, &st) != DMS_OK) {
        count->reader++;
        return false;
    }
    return true;
}

/* One try; false where the file stayed as it was. */
static bool try_round(changes_case *c, const truth *good, uint32_t round, change_source *s) {
    trial t = {.c = c, .good = good, .round = round, .second = N_CHANGES};
    dms_plan changed;
    dms_status st = {.msg = ""};
    t.kind = (change_kind)(round % N_CHANGES);
    t.has_claim = round / N_CHANGES % 4 < 2;
    bool is_changed = dms_plan_decode(c->data, c->size, &t.arena, &changed, &st) == DMS_OK &&
                      change_plan(&changed, &t.arena, t.kind, s);
    if (is_changed && round / N_CHANGES % 2 == 1) {
        t.second = (change_kind)change_below(s, N_CHANGES);
        (void)change_plan(&changed, &t.arena, t.second, s);
    }
    const uint32_t n_none = c->count[t.kind].none;
    if (!is_changed)
        c->count[t.kind].none++;
    else if (read_back(&t, &changed))
        judge(&t, &t.arena);
    dms_arena_free(&t.arena);
    return c->count[t.kind].none == n_none;
}

/* A choice that changes nothing is made again, now and then in vain. */
static void run_round(changes_case *c, const truth *good, uint32_t round) {
    const uint64_t plan = dms_hash_bytes(c->data, c->size, 0).lo; /* others on every plan */
    change_source s = {.seed = (plan ^ c->seed << 32) + round};
    for (int tries = 1; !try_round(c, good, round, &s) && tries < TRIES; tries++)
        c->count[round % N_CHANGES].none--;
}

bool changes_run(changes_case *c) {
    dms_arena arena = {0};
    dms_plan plan;
    dms_status st = {.msg = ""};
    truth good = {.plan = &plan};
    bool runs = dms_plan_decode(c->data, c->size, &arena, &plan, &st) == DMS_OK &&
                dms_check_plan(&plan, &arena, &good.meaning, &st) == DMS_OK;
    for (uint32_t k = 0; k < plan.n_files && runs; k++)
        good.has_unread |= plan.file[k].is_unread;
    if (runs) {
        const trial t = {.c = c, .good = &good};
        const replay_case how = case_of(&t, 1);
        const replay_end end = replay_apart(&plan, &how);
        good.bits = end.bits;
        runs = end.signal == 0 && end.code == DMS_OK;
        (void)snprintf(st.msg, sizeof st.msg, "%s", end.msg);
    }
    if (!runs)
        (void)fprintf(c->report, "%s does not run: %s\n", c->name, st.msg);
    for (uint32_t k = 0; k < c->rounds && runs; k++)
        run_round(c, &good, k);
    dms_arena_free(&arena);
    return runs;
}

uint32_t changes_print(const changes_count count[N_CHANGES], FILE *out) {
    uint32_t sum[4] = {0}, wrong = 0;
    (void)fprintf(out, "%-26s %7s %7s %7s %7s %7s %7s %6s  by property\n", "change", "reader",
                  "checker", "files", "equal", "other", "same", "wrong");
    for (uint32_t k = 0; k < N_CHANGES; k++) {
        const changes_count *n = &count[k];
        const uint32_t checker = changes_refused(n) - n->reader;
        (void)fprintf(out, "%-26s %7u %7u %7u %7u %7u %7u %6u ", change_name((change_kind)k),
                      n->reader, checker, n->run, n->equal, n->other, n->none, n->wrong);
        for (uint32_t p = 0; p < 11; p++)
            if (n->property[p])
                (void)fprintf(out, " P%u %u", p, n->property[p]);
        (void)fputc('\n', out);
        sum[0] += n->reader + checker;
        sum[1] += n->run;
        sum[2] += n->equal + n->other;
        sum[3] += n->slow;
        wrong += n->wrong;
    }
    (void)fprintf(out,
                  "%u changed plans: %u refused, %u refused by their files, %u run, %u too slow to "
                  "run here, %u wrong\n",
                  sum[0] + sum[1] + sum[2] + sum[3] + wrong, sum[0], sum[1], sum[2], sum[3], wrong);
    return wrong;
}
