/* test_json_forms.c - problems, profiles and decisions as JSON: what was written says the same when
 * it is read, and a reader survives any value in any place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "planner/profile_read.h"
#include "support_problem.h"
#include "support_rounds.h"

#define PROFILE                                                                                    \
    "{\"format\":\"dms-profile\",\"version\":1,\"name\":\"tiny\",\"kind\":\"cpu\","                \
    "\"device_bytes\":1000,\"host_bytes\":2000,\"memory_bytes_per_s\":100,\"launch_ns\":3,"        \
    "\"flops\":{\"f32\":10,\"f16\":20,\"f64\":5,\"i8\":40},"                                       \
    "\"links\":{\"in\":[50,7],\"out\":[40,0],\"load\":[30,9],\"store\":[20,9]}}"

/* Reads a file of `size` bytes in one of the two forms. A refused read leaves its output alone. */
typedef dms_code read_form(const char *path, dms_arena *arena, dms_status *st);

static dms_code read_problem(const char *path, dms_arena *arena, dms_status *st) {
    dms_problem p = {.n_steps = 4711};
    const dms_code code = dms_problem_read(path, arena, &p, st);
    if (code == DMS_OK)
        assert_int_equal(dms_problem_check(&p, st), DMS_OK);
    else
        assert_int_equal(p.n_steps, 4711);
    return code;
}

static dms_code read_profile(const char *path, dms_arena *arena, dms_status *st) {
    dms_profile p = {.name = "untouched"};
    (void)arena;
    const dms_code code = dms_profile_load(path, &p, st);
    assert_int_equal(code != DMS_OK, strcmp(p.name, "untouched") == 0);
    return code;
}

/* Writes these bytes to a file of its own and reads it. */
static dms_code read_bytes(read_form *form, const char *bytes, size_t size, dms_status *st) {
    char path[] = "form-XXXXXX.json";
    dms_arena arena = {0};
    const int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    assert_int_equal(close(fd), 0);
    *st = (dms_status){0};
    const dms_code code = form(path, &arena, st);
    if (code != DMS_OK)
        assert_non_null(strstr(st->msg, path)); /* it says which file */
    assert_int_equal(unlink(path), 0);
    dms_arena_free(&arena);
    return code;
}

static dms_code read_json(read_form *form, const json_t *root, dms_status *st) {
    char *text = json_dumps(root, JSON_COMPACT);
    assert_non_null(text);
    const dms_code code = read_bytes(form, text, strlen(text), st);
    free(text);
    return code;
}

/* The text of a problem; the caller frees it. */
static char *text_of(const dms_problem *problem) {
    char *text = NULL;
    size_t size = 0;
    dms_status st;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(dms_problem_write(problem, out, &st), DMS_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* A problem with every kind of tensor, scratch, budgets and a host limit. */
static char *small_problem(void) {
    problem_case c;
    uint64_t budgets[] = {4096, 8192};
    problem_begin(&c, 4, 10);
    (void)problem_once(&c, DMS_PROBLEM_INPUT, 2, 0);
    (void)problem_once(&c, DMS_PROBLEM_WEIGHT, 3, 1);
    (void)problem_add(&c, DMS_PROBLEM_ACTIVATION, 4, 3, (const uint32_t[]){0, 1, 3});
    (void)problem_once(&c, DMS_PROBLEM_OUTPUT, 5, 3);
    c.problem.steps[2].scratch_bytes = 300;
    c.problem.host_mem = 1 << 20;
    c.problem.budgets = budgets;
    c.problem.n_budgets = 2;
    char *text = text_of(&c.problem);
    problem_end(&c);
    return text;
}

/* ---- any value in any place ------------------------------------------------------------------ */

static json_t *strange(uint32_t k) {
    switch (k) {
    case 0:
        return json_null();
    case 1:
        return json_true();
    case 2:
        return json_string("x");
    case 3:
        return json_object();
    case 4:
        return json_array();
    case 5:
        return json_integer(-1);
    case 6:
        return json_integer(INT64_MAX);
    case 7:
        return json_real(1.5);
    case 8:
        return json_real(1e300);
    case 9:
        return json_pack("[i, i, i]", 1, 2, 3);
    default:
        return NULL;
    }
}
#define N_STRANGE 10u

typedef struct hostile {
    read_form *form;
    json_t *root;
    uint32_t n_refused, n_taken;
} hostile;

static void judge(hostile *h) {
    dms_status st;
    const dms_code code = read_json(h->form, h->root, &st);
    if (code != DMS_OK && code != DMS_EUSAGE)
        fail_msg("%s", st.msg);
    *(code == DMS_OK ? &h->n_taken : &h->n_refused) += 1;
}

/* Puts every strange value at every place at or below `at`, one after the other. */
static void spoil(hostile *h, json_t *at) {
    const char *key;
    json_t *value;
    size_t index;
    void *next;
    json_object_foreach_safe(at, next, key, value) {
        json_incref(value);
        for (uint32_t k = 0; k < N_STRANGE; k++) {
            assert_int_equal(json_object_set_new(at, key, strange(k)), 0);
            judge(h);
        }
        assert_int_equal(json_object_set_new(at, key, value), 0);
        spoil(h, value);
    }
    json_array_foreach(at, index, value) {
        json_incref(value);
        for (uint32_t k = 0; k < N_STRANGE; k++) {
            assert_int_equal(json_array_set_new(at, index, strange(k)), 0);
            judge(h);
        }
        assert_int_equal(json_array_set_new(at, index, value), 0);
        spoil(h, value);
    }
}

static void any_value_in_any_place_is_taken_or_refused(void **state) {
    (void)state;
    char *problem = small_problem();
    const struct {
        read_form *form;
        const char *text;
    } forms[] = {{read_problem, problem}, {read_profile, PROFILE}};
    for (size_t f = 0; f < 2; f++) {
        hostile h = {.form = forms[f].form, .root = json_loads(forms[f].text, 0, NULL)};
        dms_status st;
        assert_non_null(h.root);
        assert_int_equal(read_json(h.form, h.root, &st), DMS_OK);
        spoil(&h, h.root);
        assert_true(h.n_refused > 100); /* nearly everything that is not a number or a name */
        assert_int_equal(read_json(h.form, h.root, &st), DMS_OK);
        json_decref(h.root);
    }
    free(problem);
}

/* What a problem cannot do without; the rest (a name, layers) it can. */
static void a_missing_key_is_named(void **state) {
    (void)state;
    static const char *const KEYS[] = {"format", "version", "host_mem", "weight_bytes",
                                       "steps",  "tensors", "budgets"};
    char *text = small_problem();
    for (size_t k = 0; k < sizeof KEYS / sizeof *KEYS; k++) {
        json_t *root = json_loads(text, 0, NULL);
        dms_status st;
        assert_int_equal(json_object_del(root, KEYS[k]), 0);
        assert_int_equal(read_json(read_problem, root, &st), DMS_EUSAGE);
        assert_non_null(strstr(st.msg, KEYS[k]));
        json_decref(root);
    }
    free(text);
}

static void a_layer_is_a_whole_number_for_every_step(void **state) {
    (void)state;
    char *text = small_problem();
    json_t *root = json_loads(text, 0, NULL);
    dms_status st;
    assert_int_equal(json_object_set_new(root, "layer", json_pack("[i,i,i]", 0, 0, 1)), 0);
    assert_int_equal(read_json(read_problem, root, &st), DMS_EUSAGE);
    assert_non_null(strstr(st.msg, "layer"));
    assert_int_equal(json_object_del(root, "layer"), 0);
    assert_int_equal(read_json(read_problem, root, &st), DMS_OK);
    json_decref(root);
    free(text);
}

static void a_form_that_ends_early_is_refused(void **state) {
    (void)state;
    char *problem = small_problem();
    dms_status st;
    for (size_t size = 0; size + 2 < strlen(problem); size++)
        assert_int_equal(read_bytes(read_problem, problem, size, &st), DMS_EUSAGE);
    for (size_t size = 0; size + 1 < strlen(PROFILE); size++)
        assert_int_equal(read_bytes(read_profile, PROFILE, size, &st), DMS_EUSAGE);
    free(problem);
}

static void a_key_that_stands_twice_is_refused(void **state) {
    (void)state;
    dms_status st;
    char text[2048];
    char *problem = small_problem();
    (void)snprintf(text, sizeof text, "{\"version\":1,%s", &PROFILE[1]);
    assert_int_equal(read_bytes(read_profile, text, strlen(text), &st), DMS_EUSAGE);
    (void)snprintf(text, sizeof text, "{\"version\":1,%s", problem + 1);
    assert_int_equal(read_bytes(read_problem, text, strlen(text), &st), DMS_EUSAGE);
    free(problem);
}

static void bytes_that_are_no_text_are_refused(void **state) {
    (void)state;
    dms_status st;
    uint64_t random = 5;
    for (uint32_t round = 0; round < 200; round++) {
        char text[sizeof PROFILE];
        memcpy(text, PROFILE, sizeof PROFILE);
        random = random * 6364136223846793005u + 1442695040888963407u;
        text[(random >> 40) % (sizeof PROFILE - 1)] = (char)(0x80 | (random >> 33));
        assert_int_equal(read_bytes(read_profile, text, sizeof PROFILE - 1, &st), DMS_EUSAGE);
    }
}

static void memory_that_runs_out_is_no_fault_of_the_file(void **state) {
    (void)state;
    char path[] = "form-XXXXXX.json", *text = small_problem();
    const int fd = mkstemps(path, 5);
    dms_code code = DMS_EINTERNAL;
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    for (uint64_t n = 1; code != DMS_OK; n++) {
        dms_arena arena = {.fail_at = n};
        dms_problem p;
        dms_status st = {0};
        code = dms_problem_read(path, &arena, &p, &st);
        assert_true(code == DMS_OK || code == DMS_EINTERNAL);
        assert_true(n < 100);
        dms_arena_free(&arena);
    }
    assert_int_equal(unlink(path), 0);
    free(text);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void a_problem_that_was_read_is_placed_alike(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 4); seed++) {
        problem_case c, again;
        dms_status st;
        problem_random(&c, seed, 8 + (uint32_t)seed);
        c.problem.host_mem = seed % 2 ? UINT64_MAX : 123456789;
        char path[] = "form-XXXXXX.json", *text = text_of(&c.problem);
        const int fd = mkstemps(path, 5);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        assert_int_equal(close(fd), 0);
        memset(&again, 0, sizeof again);
        assert_int_equal(dms_problem_read(path, &again.arena, &again.problem, &st), DMS_OK);
        assert_int_equal(unlink(path), 0);
        char *second = text_of(&again.problem);
        assert_string_equal(text, second);
        assert_true(again.problem.host_mem == c.problem.host_mem);
        const uint64_t budget = problem_floor(&c) + 17;
        const dms_decision d = problem_place(&c, budget), e = problem_place(&again, budget);
        assert_int_equal(d.period_ns, e.period_ns);
        assert_int_equal(d.n_loads, e.n_loads);
        assert_memory_equal(d.loads, e.loads, d.n_loads * sizeof *d.loads);
        free(text);
        free(second);
        problem_end(&c);
        problem_end(&again);
    }
}

static json_int_t cell(const json_t *rows, size_t row, size_t column) {
    const json_t *value = json_array_get(json_array_get(rows, row), column);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* Every kept gap with a decision stands in "keep", every other one begins a load of "h2d". */
static void keeps_are_those_of(const json_t *keep, const dms_problem *p, const dms_decision *d) {
    size_t wanted = 0, found = 0, k;
    const json_t *row;
    json_array_foreach(keep, k, row) {
        const dms_problem_tensor *t = p->tensors + cell(keep, k, 0);
        const json_t *gaps = json_array_get(row, 1);
        for (size_t g = 0; g < json_array_size(gaps); g++) {
            assert_int_equal(d->keep[t->first_touch + json_integer_value(json_array_get(gaps, g))],
                             1);
            found++;
        }
    }
    for (uint32_t i = 0; i < p->n_tensors; i++)
        for (uint32_t g = 0; g < p->tensors[i].n_touches; g++) {
            const uint32_t *touch = p->touches + p->tensors[i].first_touch;
            const bool is_last = g + 1 == p->tensors[i].n_touches;
            const bool wraps =
                p->tensors[i].kind == DMS_PROBLEM_WEIGHT || p->tensors[i].kind == DMS_PROBLEM_INPUT;
            if (is_last && !wraps)
                continue;
            const uint32_t next = is_last ? touch[0] + p->n_steps : touch[g + 1];
            wanted += next - touch[g] >= 2 && d->keep[p->tensors[i].first_touch + g];
        }
    assert_int_equal(found, wanted);
}

static void a_decision_is_written_row_by_row(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 4); seed++) {
        problem_case c;
        char *text = NULL;
        size_t size = 0;
        dms_status st;
        problem_random(&c, seed, 9 + (uint32_t)seed);
        const dms_decision d = problem_place(&c, problem_floor(&c) + 20);
        FILE *out = open_memstream(&text, &size);
        assert_int_equal(dms_decision_write(&c.problem, &d, out, &st), DMS_OK);
        assert_int_equal(fclose(out), 0);
        json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        assert_int_equal(json_integer_value(json_object_get(root, "device_mem")), d.device_budget);
        const json_t *in = json_object_get(root, "h2d"), *back = json_object_get(root, "d2h");
        const json_t *at = json_object_get(root, "addr");
        assert_int_equal(json_array_size(in), d.n_loads);
        assert_int_equal(json_array_size(back), d.n_saves);
        assert_int_equal(json_array_size(at), d.n_residencies);
        for (uint32_t q = 0; q < d.n_loads; q++) {
            assert_int_equal(cell(in, q, 0), d.loads[q].tensor);
            assert_int_equal(cell(in, q, 2), d.loads[q].after);
        }
        for (uint32_t q = 0; q < d.n_saves; q++)
            assert_int_equal(cell(back, q, 2), d.saves[q].before);
        for (uint32_t i = 0; i < d.n_residencies; i++)
            assert_int_equal(cell(at, i, 2), d.residencies[i].offset);
        keeps_are_those_of(json_object_get(root, "keep"), &c.problem, &d);
        json_decref(root);
        free(text);
        problem_end(&c);
    }
}

/* A stream that cannot take what is written: /dev/full is always full. */
static void a_full_disk_is_a_file_error(void **state) {
    (void)state;
    problem_case c;
    dms_status st = {0};
    problem_random(&c, 3, 10);
    const dms_decision d = problem_place(&c, problem_floor(&c));
    FILE *out = fopen("/dev/full", "w");
    if (out == NULL)
        skip();
    assert_int_equal(setvbuf(out, NULL, _IONBF, 0), 0);
    assert_int_equal(dms_problem_write(&c.problem, out, &st), DMS_EIO);
    assert_string_equal(st.msg, "cannot write the problem");
    assert_int_equal(dms_decision_write(&c.problem, &d, out, &st), DMS_EIO);
    assert_string_equal(st.msg, "cannot write the decision");
    (void)fclose(out);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_in_any_place_is_taken_or_refused),
        cmocka_unit_test(a_missing_key_is_named),
        cmocka_unit_test(a_layer_is_a_whole_number_for_every_step),
        cmocka_unit_test(a_form_that_ends_early_is_refused),
        cmocka_unit_test(a_key_that_stands_twice_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(memory_that_runs_out_is_no_fault_of_the_file),
        cmocka_unit_test(a_problem_that_was_read_is_placed_alike),
        cmocka_unit_test(a_decision_is_written_row_by_row),
        cmocka_unit_test(a_full_disk_is_a_file_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
