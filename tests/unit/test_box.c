/* test_box.c - what runs in a box ends well, or leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/box.h"

/* What a function in the box does, and how far it came. */
typedef struct errand {
    unsigned char *kept;
    int n_done;
} errand;

/* Makes three objects, gives one back, lets one grow: five steps. */
static void make_three(void *context) {
    errand *e = context;
    unsigned char *a = dms_box_malloc(10);
    e->n_done++;
    unsigned char *b = dms_box_calloc(10, 10);
    e->n_done++;
    e->kept = dms_box_malloc(4);
    memcpy(e->kept, "abc", 4);
    e->n_done++;
    for (int i = 0; i < 100; i++)
        e->n_done += b[i]; /* zeros */
    e->kept = dms_box_realloc(e->kept, 100000);
    e->n_done++;
    dms_box_free(a);
    dms_box_free(NULL);
    e->n_done++;
}

static void what_is_made_in_a_box_stays_until_it_is_emptied(void **state) {
    (void)state;
    dms_box box = {0};
    errand e = {0};
    assert_int_equal(dms_box_run(&box, make_three, &e, NULL), DMS_OK);
    assert_int_equal(e.n_done, 5);
    assert_string_equal((char *)e.kept, "abc"); /* moved, and outlived the thread */
    assert_int_equal(box.heap.n_pieces, 2);
    dms_box_empty(&box);
    assert_int_equal(box.heap.n_pieces, 0);
    dms_box_empty(&box);
}

/* The steps of make_three allocate at 1, 2, 3 and 4. */
static void whichever_allocation_fails_the_rest_is_not_run_and_nothing_stays(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        dms_box box = {.heap = {.fail_at = n}};
        dms_status st;
        errand e = {0};
        assert_int_equal(dms_box_run(&box, make_three, &e, &st), DMS_EINTERNAL);
        assert_string_equal(st.msg, "out of memory: lp_solve");
        assert_int_equal(e.n_done, n - 1);
        assert_int_equal(box.heap.n_pieces, 0);
        assert_null(box.heap.last);
        assert_int_equal(dms_box_run(&box, make_three, &e, &st), DMS_OK); /* usable again */
        dms_box_empty(&box);
    }
}

/* Objects of an earlier visit may be given back in a later one, in any order. */
static void give_back_kept(void *context) {
    errand *e = context;
    unsigned char *before = dms_box_malloc(1), *after = dms_box_malloc(1);
    dms_box_free(e->kept);
    dms_box_free(after);
    dms_box_free(before);
}

static void objects_live_from_one_visit_to_the_next(void **state) {
    (void)state;
    dms_box box = {0};
    errand e = {0};
    assert_int_equal(dms_box_run(&box, make_three, &e, NULL), DMS_OK);
    assert_int_equal(dms_box_run(&box, give_back_kept, &e, NULL), DMS_OK);
    assert_int_equal(box.heap.n_pieces, 1); /* b */
    dms_box_empty(&box);
}

/* The corners of the C library's own functions, as glibc has them. */
static void ask_for_nothing(void *context) {
    errand *e = context;
    void *none = dms_box_malloc(0);
    e->n_done += none != NULL;
    e->n_done += dms_box_realloc(none, 0) == NULL; /* gives it back */
    none = dms_box_realloc(NULL, 0);
    e->n_done += none != NULL;
    dms_box_free(none);
    char *copy = dms_box_strdup("word");
    e->n_done += strcmp(copy, "word") == 0;
    dms_box_free(copy);
}

static void corners_are_those_of_the_library(void **state) {
    (void)state;
    dms_box box = {0};
    errand e = {0};
    assert_int_equal(dms_box_run(&box, ask_for_nothing, &e, NULL), DMS_OK);
    assert_int_equal(e.n_done, 4);
    assert_int_equal(box.heap.n_pieces, 0);
}

static void ask_for_too_much(void *context) {
    (void)context;
    (void)dms_box_calloc(SIZE_MAX / 2, 3);
}

static void a_product_beyond_64_bits_is_a_lack_of_memory(void **state) {
    (void)state;
    dms_box box = {0};
    dms_status st;
    assert_int_equal(dms_box_run(&box, ask_for_too_much, NULL, &st), DMS_EINTERNAL);
    assert_string_equal(st.msg, "out of memory: lp_solve");
}

/* 8 MiB of frames, each with an object of its own: the box is found from any depth. */
static uint64_t descend(uint64_t n) {
    volatile unsigned char frame[8192];
    frame[0] = (unsigned char)n;
    unsigned char *object = dms_box_malloc(1);
    *object = frame[0];
    const uint64_t below = n == 0 ? 0 : descend(n - 1);
    return below + (*object == frame[0]);
}

static void go_deep(void *context) {
    uint64_t *sum = context;
    *sum = descend(1023);
}

static void the_box_is_found_from_any_depth(void **state) {
    (void)state;
    dms_box box = {0};
    uint64_t sum = 0;
    assert_int_equal(dms_box_run(&box, go_deep, &sum, NULL), DMS_OK);
    assert_int_equal(sum, 1024);
    assert_int_equal(box.heap.n_pieces, 1024);
    dms_box_empty(&box);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_in_a_box_stays_until_it_is_emptied),
        cmocka_unit_test(whichever_allocation_fails_the_rest_is_not_run_and_nothing_stays),
        cmocka_unit_test(objects_live_from_one_visit_to_the_next),
        cmocka_unit_test(corners_are_those_of_the_library),
        cmocka_unit_test(a_product_beyond_64_bits_is_a_lack_of_memory),
        cmocka_unit_test(the_box_is_found_from_any_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
